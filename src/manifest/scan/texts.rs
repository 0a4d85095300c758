//! Quoted strings and heredocs: where they end, what is inserted into them, and whether each
//! directive in them has its end, which the parser says badly.

use super::{Directive, Fault, Open, Scanner};
use crate::manifest::diagnostic::Code;

impl Scanner<'_> {
    pub(super) fn in_quote(&mut self, byte: u8) {
        let at = self.at;
        match byte {
            b'"' => {
                self.end_directives();
                self.open.pop();
                self.at += 1;
            }
            b'\n' => {
                let (start, across) = match self.open.pop().map(|frame| frame.open) {
                    Some(Open::Quote { at, across }) => (at, across),
                    _ => (at, None),
                };
                if let Some(opened) = across {
                    // `"${x`: whatever closed it was meant for something else.
                    self.open_template(opened);
                    return self.recover();
                }
                // `"${x"`: the quote that was to end the text has begun one.
                let around = match self.open.last().map(|frame| &frame.open) {
                    Some(Open::Template { at: opened })
                        if !self
                            .bytes
                            .get(*opened..start)
                            .unwrap_or_default()
                            .contains(&b'\n') =>
                    {
                        Some(*opened)
                    }
                    _ => None,
                };
                match around {
                    Some(opened) => self.open_template(opened),
                    None => self.found.faults.push(Fault {
                        code: Code::OpenString,
                        at: start..at,
                        message: "a quoted string must end in its line".into(),
                        hint: Some(
                            "close it with `\"`, write the line end as `\\n`, or use a heredoc",
                        ),
                    }),
                }
                // Whatever the string stood in is most likely closed further down.
                while self.open.last().is_some_and(|frame| {
                    matches!(frame.open, Open::Template { .. } | Open::Quote { .. })
                }) {
                    self.open.pop();
                }
            }
            b'\\' => self.at += 2,
            _ => self.in_template(byte),
        }
    }

    pub(super) fn in_heredoc(&mut self, byte: u8) {
        if byte != b'\n' {
            return self.in_template(byte);
        }
        self.at += 1;
        let Some(Open::Heredoc { at, end, .. }) = self.open.last().map(|frame| &frame.open) else {
            return;
        };
        let (begin, end) = (*at, end.clone());
        let word = &self.bytes[end.clone()];
        let line = self.bytes.get(self.at..).unwrap_or_default();
        let indent = line
            .iter()
            .take_while(|b| matches!(b, b' ' | b'\t'))
            .count();
        let line = line.get(indent..).unwrap_or_default();
        let ends = line.strip_prefix(word).is_some_and(|rest| {
            !rest
                .first()
                .is_some_and(|b| b.is_ascii_alphanumeric() || b"_-".contains(b))
        });
        let rest = line.get(word.len()..).unwrap_or_default();
        let blanks = rest
            .iter()
            .take_while(|b| matches!(b, b' ' | b'\t' | b'\r'));
        let behind = rest.get(blanks.count()..).unwrap_or_default().first();
        if ends && behind.is_some_and(|byte| *byte != b'\n') {
            let word = String::from_utf8_lossy(word);
            let marker = self.at + indent..self.at + indent + word.len();
            self.found.faults.push(Fault {
                code: Code::Syntax,
                message: format!(
                    "a heredoc ends with a line of {word} alone, and here something stands behind it"
                ),
                at: marker.clone(),
                hint: Some(
                    "put what comes behind it into the next line, or, if this is of the text, choose another marker",
                ),
            });
            // What closes something, or goes on with a list, is no text.
            if !behind.is_some_and(|byte| b",)]}".contains(byte)) {
                return;
            }
        }
        if ends {
            let between = self.bytes.get(end.end..self.at).unwrap_or_default();
            if between.iter().filter(|byte| **byte == b'\n').count() < 2 {
                // The parser takes it for one that goes on to the next such line.
                self.found.faults.push(Fault {
                    code: Code::Syntax,
                    at: begin..end.end,
                    message: "this heredoc has no line".into(),
                    hint: Some("write an empty string: \"\""),
                });
            }
            let length = indent + word.len();
            self.end_directives();
            self.at += length;
            self.open.pop();
        }
    }

    /// A byte of a string or heredoc: `$${` is text, `${` opens.
    fn in_template(&mut self, byte: u8) {
        let at = self.at;
        if (byte == b'$' && self.starts_with("$${")) || (byte == b'%' && self.starts_with("%%{")) {
            self.at += 3;
        } else if (byte == b'$' && self.starts_with("${"))
            || (byte == b'%' && self.starts_with("%{"))
        {
            if byte == b'%' {
                self.directive(at);
            }
            self.push(Open::Template { at }, at, 2);
        } else {
            self.at += 1;
        }
    }

    /// Pairs the directive that begins here with those before it in its text.
    fn directive(&mut self, at: usize) {
        let inside = self.text.get(at + 2..).unwrap_or_default();
        let inside = inside
            .strip_prefix('~')
            .unwrap_or(inside)
            .trim_ascii_start();
        let length = inside.bytes().take_while(u8::is_ascii_lowercase).count();
        let word = inside.get(..length).unwrap_or_default();
        let Some(frame) = self.open.last_mut() else {
            return;
        };
        let begins = |word, end| Directive { at, word, end };
        match (
            word,
            frame.directives.last().map(|open| (open.word, open.end)),
        ) {
            ("if", _) => frame.directives.push(begins("if", "endif")),
            ("for", _) => frame.directives.push(begins("for", "endfor")),
            ("else", Some(("if", _))) => {
                if let Some(open) = frame.directives.last_mut() {
                    open.word = "else";
                }
            }
            ("endif" | "endfor", Some((_, end))) if end == word => {
                frame.directives.pop();
            }
            ("else" | "endif" | "endfor", open) => {
                let message = match open {
                    Some((open, _)) => {
                        format!("`%{{ {word} }}` cannot stand in this `%{{ {open} }}`")
                    }
                    None => format!("`%{{ {word} }}` belongs to no directive before it"),
                };
                let wants = match word {
                    "endfor" => "`%{ for x in list }...%{ endfor }`",
                    _ => "`%{ if condition }...%{ else }...%{ endif }`",
                };
                self.found.faults.push(Fault {
                    code: Code::Syntax,
                    at: at..at + 2,
                    message,
                    hint: Some(wants),
                });
            }
            _ => {}
        }
    }

    /// Tells the directives that nothing has ended when their text ends.
    fn end_directives(&mut self) {
        let Some(frame) = self.open.last_mut() else {
            return;
        };
        // One end that was forgotten leaves all around it open.
        if let Some(Directive { at, word, end }) = frame.directives.pop() {
            self.found.faults.push(Fault {
                code: Code::Syntax,
                at: at..at + 2,
                message: format!("this `%{{ {word} }}` has no `%{{ {end} }}`"),
                hint: Some("the text ends before it; `%%{` is a text, not a sign"),
            });
        }
    }

    /// `${` or `%{` that nothing closes.
    pub(super) fn open_template(&mut self, at: usize) {
        let sign = self.text.get(at..at + 2).unwrap_or_default();
        self.found.faults.push(Fault {
            code: Code::OpenBracket,
            at: at..at + 2,
            message: format!("this `{sign}` is never closed"),
            hint: Some(match sign {
                "${" => "close it with `}` within the text; `$${` is a text, not a sign",
                _ => "close it with `}` within the text; `%%{` is a text, not a sign",
            }),
        });
    }

    /// Takes note of what was inserted from here to there and goes over the end of the line, or
    /// of the heredoc, that it stands in: if that is broken, this was never meant to go so far.
    pub(super) fn closed_template(&mut self, opened: usize, closed: usize) {
        let inside = self.text.get(opened..closed).unwrap_or_default();
        match self.open.last_mut().map(|frame| &mut frame.open) {
            Some(Open::Quote { across, .. }) if inside.contains('\n') => *across = Some(opened),
            Some(Open::Heredoc { end, across, .. }) => {
                let word = self.text.get(end.clone()).unwrap_or_default();
                if inside.lines().any(|line| line.trim() == word) {
                    *across = Some(opened);
                }
            }
            _ => {}
        }
    }
}
