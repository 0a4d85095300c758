//! A look over a file's bytes before the parser sees them: strings, heredocs and
//! brackets. It finds where blocks start (so that one mistake costs one block),
//! says what the parser says badly (a bracket that is never closed), and keeps
//! away what the parser would not survive in time: it tries a chain of operators
//! twice when what follows is wrong, so nested chains cost 2 to their depth.

mod texts;

use std::ops::Range;

use crate::manifest::diagnostic::Code;

/// The most entries of a list or object.
pub const MAX_ENTRIES: usize = 10_000;
/// The deepest nesting of brackets.
pub const MAX_NESTING: usize = 60;
/// The deepest nesting of brackets that stand after an operator.
pub const MAX_OPERATORS: usize = 8;
/// The most operators of one expression, as the parser has it.
pub const MAX_CHAIN: usize = 128;
/// The deepest nesting of choices, signs and brackets, as the parser has it.
pub const MAX_LEVELS: usize = 64;
/// The most attributes and indices behind one another: each is a level of the tree.
pub const MAX_PATH: usize = 100;
/// What helps against each of these.
pub(super) const TAKE_APART: &str = "take it apart: put its parts into locals";

/// A problem of the text, in bytes of it.
#[derive(Debug, PartialEq, Eq)]
pub struct Fault {
    pub code: Code,
    pub at: Range<usize>,
    pub message: String,
    pub hint: Option<&'static str>,
}

/// What the look found.
#[derive(Debug, Default)]
pub struct Scan {
    pub faults: Vec<Fault>,
    /// Offsets of the lines in which a block or attribute starts that stands in no
    /// other, ascending.
    pub starts: Vec<usize>,
}

/// What is open.
enum Open {
    /// A bracket that `close` closes.
    Bracket { at: usize, close: u8 },
    /// `${` or `%{` in a string or heredoc.
    Template { at: usize },
    Quote {
        at: usize,
        /// Something inserted into it that goes over the end of a line.
        across: Option<usize>,
    },
    Heredoc {
        at: usize,
        end: Range<usize>,
        /// Something inserted into it that goes over a line with its end.
        across: Option<usize>,
    },
}

struct Frame {
    open: Open,
    /// Whether an operator stood in it.
    operators: bool,
    /// How many `=` and `:` stood in it.
    entries: usize,
    /// In a text: the `%{ if }` and `%{ for }` that nothing has ended yet.
    directives: Vec<Directive>,
}

/// A directive that wants an end.
#[derive(Clone, Copy)]
struct Directive {
    at: usize,
    /// `if` or `for`.
    word: &'static str,
    end: &'static str,
}

struct Scanner<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    open: Vec<Frame>,
    block_types: &'a [&'a str],
    /// Whether nothing closes a comment from here on: to look each time would take long.
    no_comment_ends: bool,
    found: Scan,
}

/// Looks over the text. A line that starts with one of the block types ends
/// whatever is still open.
pub fn scan(text: &str, block_types: &[&str]) -> Scan {
    let mut scanner = Scanner {
        text,
        bytes: text.as_bytes(),
        at: 0,
        open: Vec::new(),
        block_types,
        no_comment_ends: false,
        found: Scan::default(),
    };
    scanner.line_start();
    while let Some(&byte) = scanner.bytes.get(scanner.at) {
        match scanner.open.last().map(|frame| &frame.open) {
            Some(Open::Quote { .. }) => scanner.in_quote(byte),
            Some(Open::Heredoc { .. }) => scanner.in_heredoc(byte),
            _ => scanner.in_code(byte),
        }
    }
    scanner.close_all();
    scanner.found.starts.dedup();
    scanner.found
}

impl Scanner<'_> {
    fn starts_with(&self, what: &str) -> bool {
        self.bytes
            .get(self.at..)
            .is_some_and(|rest| rest.starts_with(what.as_bytes()))
    }

    fn fault(&mut self, code: Code, at: Range<usize>, message: impl Into<String>) {
        self.found.faults.push(Fault {
            code,
            at,
            message: message.into(),
            hint: None,
        });
    }

    /// Reports the outermost thing that is still open, and forgets all. Something inserted into a
    /// text is what was forgotten, whatever that keeps open around it.
    fn close_all(&mut self) {
        let open = std::mem::take(&mut self.open);
        let heredoc = |frame: &&Frame| matches!(frame.open, Open::Heredoc { .. });
        let template = |frame: &&Frame| matches!(frame.open, Open::Template { .. });
        let worst = open.iter().find(template);
        let worst = worst.or(open.iter().find(heredoc)).or(open.first());
        match worst.map(|frame| &frame.open) {
            None => {}
            Some(Open::Bracket { at, .. }) => {
                let bracket = self.bytes[*at] as char;
                self.fault(
                    Code::OpenBracket,
                    *at..*at + 1,
                    format!("this `{bracket}` is never closed"),
                );
            }
            Some(Open::Template { at }) => {
                self.open_template(*at);
            }
            Some(Open::Quote { at, .. }) => {
                self.fault(
                    Code::OpenString,
                    *at..*at + 1,
                    "this string is never closed",
                );
            }
            Some(Open::Heredoc {
                across: Some(at), ..
            }) => {
                self.open_template(*at);
            }
            Some(Open::Heredoc { at, end, .. }) => {
                let word = self.text.get(end.clone()).unwrap_or_default();
                let message = format!("this heredoc is never closed: no line consists of {word}");
                self.fault(Code::OpenString, *at..end.end, message);
            }
        }
    }

    fn push(&mut self, open: Open, at: usize, width: usize) {
        self.at += width;
        if self.open.len() >= MAX_NESTING {
            let message = format!("nested too deep: at most {MAX_NESTING} levels");
            self.fault(Code::TooDeep, at..at + width, message);
            self.recover();
            return;
        }
        let bracket = matches!(open, Open::Bracket { .. } | Open::Template { .. });
        if bracket && self.open.iter().filter(|frame| frame.operators).count() > MAX_OPERATORS {
            let message = format!(
                "more than {MAX_OPERATORS} brackets within one another, each after an operator"
            );
            self.fault(Code::TooDeep, at..at + width, message);
            if let Some(fault) = self.found.faults.last_mut() {
                fault.hint = Some(TAKE_APART);
            }
            self.recover();
            return;
        }
        self.open.push(Frame {
            open,
            operators: false,
            entries: 0,
            directives: Vec::new(),
        });
    }

    /// Goes on at the next line that starts a known block in column 1.
    fn recover(&mut self) {
        self.open.clear();
        while let Some(&byte) = self.bytes.get(self.at) {
            self.at += 1;
            if byte == b'\n' && self.block_start().is_some() {
                self.line_start();
                return;
            }
        }
    }

    /// The end of the word at the cursor, if it starts a block of a known type.
    fn block_start(&self) -> Option<usize> {
        let end = self.word_end();
        let word = self.text.get(self.at..end)?;
        let next = self.bytes.get(end..)?.iter().find(|byte| **byte != b' ');
        (self.block_types.contains(&word) && matches!(next, Some(b'"' | b'{'))).then_some(end)
    }

    fn word_end(&self) -> usize {
        let word = |byte: &&u8| byte.is_ascii_alphanumeric() || **byte == b'_' || **byte == b'-';
        self.at + self.bytes.iter().skip(self.at).take_while(word).count()
    }

    /// At the first byte of a line, outside strings.
    fn line_start(&mut self) {
        if self.block_start().is_some() {
            if !self.open.is_empty() {
                self.close_all();
            }
            self.found.starts.push(self.at);
        } else if self.open.is_empty() {
            let line = self.at;
            let blank = |byte: &&u8| matches!(byte, b' ' | b'\t');
            self.at += self.bytes.iter().skip(line).take_while(blank).count();
            if self.word_end() > self.at {
                self.found.starts.push(line);
            }
            self.at = line;
        }
    }

    fn in_code(&mut self, byte: u8) {
        let at = self.at;
        match byte {
            b'\n' => {
                self.at += 1;
                self.line_start();
                return;
            }
            b'#' => return self.skip_line(),
            b'/' if self.starts_with("//") => return self.skip_line(),
            b'/' if self.starts_with("/*") => return self.skip_comment(),
            b'"' => return self.push(Open::Quote { at, across: None }, at, 1),
            b'<' if self.starts_with("<<") => return self.heredoc(),
            b'{' => return self.push(Open::Bracket { at, close: b'}' }, at, 1),
            b'[' => return self.push(Open::Bracket { at, close: b']' }, at, 1),
            b'(' => return self.push(Open::Bracket { at, close: b')' }, at, 1),
            b'}' | b']' | b')' => return self.close(byte),
            b'+' | b'-' | b'*' | b'/' | b'%' | b'&' | b'|' | b'<' | b'>' | b'!' | b'?' => {
                self.operator();
            }
            b'=' if self.starts_with("==") => self.operator(),
            b'=' | b':' => self.entry(),
            _ => {}
        }
        self.at += 1;
    }

    fn operator(&mut self) {
        if let Some(frame) = self.open.last_mut() {
            frame.operators = true;
        }
    }

    /// The parser compares each key of an object with all before it.
    fn entry(&mut self) {
        let at = self.at;
        let Some(frame) = self.open.last_mut() else {
            return;
        };
        frame.entries += 1;
        if frame.entries > MAX_ENTRIES {
            let message = format!("more than {MAX_ENTRIES} entries between two braces");
            self.fault(Code::OutOfBounds, at..at + 1, message);
            self.recover();
        }
    }

    fn close(&mut self, byte: u8) {
        let at = self.at;
        self.at += 1;
        match self.open.pop().map(|frame| frame.open) {
            Some(Open::Bracket { close, .. }) if close == byte => {}
            Some(Open::Template { at: opened }) if byte == b'}' => {
                self.closed_template(opened, at);
            }
            Some(Open::Bracket { at: opened, .. }) => {
                let bracket = self.bytes[opened] as char;
                let message = format!("`{}` does not close this `{bracket}`", byte as char);
                self.fault(Code::OpenBracket, opened..opened + 1, message);
                self.recover();
            }
            _ => {
                let message = format!("`{}` closes nothing", byte as char);
                self.fault(Code::OpenBracket, at..at + 1, message);
                self.recover();
            }
        }
    }

    fn skip_line(&mut self) {
        let rest = self.bytes.iter().skip(self.at);
        self.at += rest.take_while(|byte| **byte != b'\n').count();
    }

    fn skip_comment(&mut self) {
        let at = self.at;
        let rest = self.text.get(at + 2..).filter(|_| !self.no_comment_ends);
        let end = rest.and_then(|rest| rest.find("*/"));
        match end {
            Some(length) => self.at = at + 2 + length + 2,
            None => {
                self.no_comment_ends = true;
                self.fault(
                    Code::OpenBracket,
                    at..at + 2,
                    "this comment is never closed",
                );
                self.at += 2;
                self.recover();
            }
        }
    }

    /// `<<WORD` or `<<-WORD` and the end of the line; else two operators.
    fn heredoc(&mut self) {
        let at = self.at;
        self.at += if self.starts_with("<<-") { 3 } else { 2 };
        let end = self.at..self.word_end();
        let after = self.bytes.get(end.end..).unwrap_or_default();
        let line_ends = after.starts_with(b"\n") || after.starts_with(b"\r\n");
        if end.is_empty() || !line_ends {
            return self.operator();
        }
        let width = end.end - at;
        self.at = at;
        self.push(
            Open::Heredoc {
                at,
                end,
                across: None,
            },
            at,
            width,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, starts: &[usize], faults: &[(Code, &str)]) {
        let scan = scan(text, &["check", "webhook"]);
        assert_eq!(scan.starts, starts, "{text}");
        let found: Vec<_> = scan
            .faults
            .iter()
            .map(|fault| (fault.code, text.get(fault.at.clone()).unwrap_or_default()))
            .collect();
        assert_eq!(found, faults, "{text}");
    }

    #[test]
    fn blocks_start_in_column_one() {
        check("a = 1\n\ncheck \"x\" {\n  b = 1\n}\n", &[0, 7], &[]);
        check("check \"x\" {\nb = 1\n}\n", &[0], &[]);
        check(
            "check \"x\" {\n  b = <<E\ncheck \"y\" {\nE\n}\nz {}",
            &[0, 38],
            &[],
        );
        check("check \"x\" {\n  b = \"${\"}\"}\"\n}\n", &[0], &[]);
        check("# {\n/* { \n*/ a = 1", &[], &[]);
    }

    #[test]
    fn what_is_not_closed() {
        check(
            "check \"x\" {\n\ncheck \"y\" {\n}\n",
            &[0, 13],
            &[(Code::OpenBracket, "{")],
        );
        check("a = \"x\nb = 1\n", &[0, 7], &[(Code::OpenString, "\"x")]);
        check("a = <<E\nx\n", &[0], &[(Code::OpenString, "<<E")]);
        check(
            "a = [}\nb = 1\ncheck {\n}",
            &[0, 13],
            &[(Code::OpenBracket, "[")],
        );
        check("}\n", &[], &[(Code::OpenBracket, "}")]);
        check("a = \"$${\" \"%%{\"\n", &[0], &[]);
        check("/* x", &[], &[(Code::OpenBracket, "/*")]);
    }

    #[test]
    fn depth_has_an_end() {
        let deep = format!("a = {}\n", "[".repeat(MAX_NESTING + 1));
        assert_eq!(scan(&deep, &[]).faults[0].code, Code::TooDeep);
        let chains = format!("a = {}<\n", "1+1+(".repeat(40));
        assert_eq!(scan(&chains, &[]).faults[0].code, Code::TooDeep);
    }
}
