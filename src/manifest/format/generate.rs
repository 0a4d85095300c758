//! Random check files with random white space, for the laws. A file is a walk
//! through the grammar, led by bytes: fewer bytes give a smaller file, so that
//! proptest finds the small one that shows a mistake.

/// What leads the walk, and what it has written.
pub(super) struct Walk<'a> {
    bytes: std::slice::Iter<'a, u8>,
    out: String,
    /// Names must not repeat.
    names: usize,
    depth: usize,
}

/// A file for these bytes.
pub(super) fn file(bytes: &[u8]) -> String {
    let mut walk = Walk {
        bytes: bytes.iter(),
        out: String::new(),
        names: 0,
        depth: 0,
    };
    while walk.bytes.len() > 0 {
        walk.item();
    }
    walk.out
}

impl Walk<'_> {
    /// A choice below `n`; 0 when the bytes are used up.
    fn choose(&mut self, n: usize) -> usize {
        self.bytes.next().map_or(0, |byte| usize::from(*byte) % n)
    }

    fn put(&mut self, text: &str) {
        self.out.push_str(text);
    }

    fn one_of(&mut self, texts: &[&str]) {
        let text = texts[self.choose(texts.len())];
        self.put(text);
    }

    /// White space within a line.
    fn gap(&mut self) {
        self.one_of(&["", " ", "  ", "\t", " /* c */ ", "/*ü*/", "   "]);
    }

    /// White space between brackets.
    fn wide(&mut self) {
        self.one_of(&[
            "",
            " ",
            "\n",
            "\n\n\n",
            "\r\n",
            " # c\n",
            "// ö \r\n",
            "/* a\n  b */",
            "\n\t",
        ]);
    }

    fn line_end(&mut self) {
        self.gap();
        self.one_of(&[
            "\n",
            "\r\n",
            "\n\n",
            "\n \t\n\n",
            "# c\n",
            "//\n",
            " /* x\n y */\n",
        ]);
    }

    fn name(&mut self) {
        self.names += 1;
        let name = ["a", "url", "in", "if", "max_latency", "é-ü", "for_each"][self.choose(7)];
        self.out.push_str(&format!("{name}{}", self.names));
    }

    fn item(&mut self) {
        self.gap_or_comment();
        match self.choose(4) {
            0 => self.line_end(),
            1 if self.depth < 4 => self.block(),
            _ => self.attribute(),
        }
    }

    fn gap_or_comment(&mut self) {
        self.one_of(&["", " ", "\t\t", "# x \n", "/* y */ ", "\n", "/*\n z\n*/\n"]);
    }

    fn attribute(&mut self) {
        self.name();
        self.gap();
        self.put("=");
        self.gap();
        self.value(3);
        self.line_end();
    }

    fn block(&mut self) {
        self.depth += 1;
        self.name();
        for _ in 0..self.choose(3) {
            self.one_of(&[" ", "  ", "/**/"]);
            self.one_of(&["\"x\"", "y", "\"ä b\""]);
        }
        self.gap();
        self.put("{");
        self.gap();
        match self.choose(3) {
            0 => {}
            1 => {
                self.name();
                self.put("=");
                self.value(1);
                self.gap();
            }
            _ => {
                self.one_of(&["\n", "\n\n", "#\n"]);
                for _ in 0..self.choose(5) {
                    self.item();
                }
                self.gap_or_comment();
            }
        }
        self.put("}");
        self.line_end();
        self.depth -= 1;
    }

    /// A value that may hold values `left` deep.
    fn value(&mut self, left: usize) {
        let choices = if left == 0 { 7 } else { 15 };
        match self.choose(choices) {
            0 => self.one_of(&["1", "1.5", "-2", "- 3", "1e3", "0"]),
            1 => self.one_of(&[
                "true",
                "null",
                "x",
                "webhook.hook",
                "a . b[0]",
                "a.0.1",
                "x [1]",
            ]),
            2 => self.one_of(&[
                r#""""#,
                r#""a  b""#,
                r#""${ x  }  \" y""#,
                r#""${f("}",  {a=1})}""#,
                "\"${\n  x }\"",
                r#""$${ %%{ # // /*""#,
                r#""%{ if x }a%{else}b%{ endif }""#,
            ]),
            3 => self.one_of(&[
                "! x",
                "!x",
                "-x",
                "a.*.b",
                "a[*] . b",
                "foo::bar (1)",
                "f(x ...)",
            ]),
            4 => self.one_of(&[
                "in",
                "if",
                "é",
                "a-b",
                "a -b",
                "\"日本\"",
                "{}",
                "[ ]",
                "f( )",
            ]),
            5 => self.one_of(&[
                "a==b",
                "a+-b",
                "a- - b",
                "a&&!b||c",
                "a<=b",
                "a%2",
                "a/ /* c */b",
            ]),
            6 => self.one_of(&[
                "a?b:c",
                "a ?-1: - 2",
                "[ for x in y:x if x ]",
                "{for k,v in y:k=>v...}",
            ]),
            7 => self.brackets("(", ")", left, false),
            8 => {
                self.one_of(&["f", "jsonencode", "f /* c */"]);
                self.brackets("(", ")", left, true);
            }
            9 | 10 => self.brackets("[", "]", left, true),
            11 | 12 => self.object(left),
            13 => {
                self.put("(");
                self.wide();
                self.value(left - 1);
                self.wide();
                self.one_of(&["+", "-", "*", "/ ", "%", "==", "!=", "<", ">=", "&&", "||"]);
                self.wide();
                self.value(left - 1);
                self.wide();
                self.put(")");
            }
            _ => self.heredoc(),
        }
    }

    /// Its end has a line of its own.
    fn heredoc(&mut self) {
        self.one_of(&[
            "<<E\n a  =  1\n\n\n\tE\n",
            "<<-E\n    a\n      b\n  E\n",
            "<<-E\n\ta # no\n\t\tE\n",
            "<<E\r\na\r\nE\r\n",
            "<<E\n${ f(\"E\",\n[1]) }\nEE\nE\n",
        ]);
    }

    fn brackets(&mut self, open: &str, close: &str, left: usize, many: bool) {
        self.put(open);
        self.wide();
        let count = if many { self.choose(4) } else { 1 };
        for at in 0..count {
            self.value(left - 1);
            self.wide();
            if at + 1 < count || (many && self.choose(2) == 1) {
                self.put(",");
                self.wide();
            }
        }
        self.put(close);
    }

    fn object(&mut self, left: usize) {
        self.put("{");
        self.wide();
        for _ in 0..self.choose(4) {
            match self.choose(3) {
                0 => {
                    self.names += 1;
                    let key = format!("\"k {}\"", self.names);
                    self.put(&key);
                }
                1 => {
                    self.put("(");
                    self.name();
                    self.put(")");
                }
                _ => self.name(),
            }
            self.gap();
            self.one_of(&["=", ":"]);
            self.gap();
            self.value(left - 1);
            self.gap();
            self.one_of(&[",", "\n", ", \n", "# c\n", "\r\n", "\n\n\n"]);
            self.wide();
        }
        self.put("}");
    }
}
