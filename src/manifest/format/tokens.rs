//! The tokens of HCL's native syntax. A string or heredoc is one token, whatever
//! stands in it. Every text has tokens: whether they make sense is the parser's.

use std::borrow::Cow;
use std::ops::Range;

use crate::manifest::format::opaque;

/// What a token is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Newline,
    /// `# …` or `// …`, without the line end.
    LineComment,
    /// `/* … */`
    BlockComment,
    Word,
    Number,
    Text,
    Heredoc,
    /// An opening bracket, and the closing ones.
    Open(u8),
    Close(u8),
    Comma,
    Equal,
    Colon,
    /// `::`
    Path,
    Dot,
    /// `...`
    Ellipsis,
    /// `=>`
    Arrow,
    Question,
    Minus,
    Bang,
    Operator,
    Other,
}

impl Kind {
    /// Whether it is a comment.
    pub(super) fn is_comment(self) -> bool {
        matches!(self, Self::LineComment | Self::BlockComment)
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind,
    pub(super) text: &'a str,
    /// Where it starts.
    pub(super) at: usize,
}

impl Token<'_> {
    /// How it is written: with `\n`, wherever a line end means nothing. The lines
    /// within a heredoc are its value.
    pub(super) fn written(&self) -> Cow<'_, str> {
        match self.kind {
            Kind::LineComment => Cow::Borrowed(self.text.trim_ascii_end()),
            Kind::BlockComment if self.text.contains('\r') => {
                Cow::Owned(self.text.replace("\r\n", "\n"))
            }
            Kind::Heredoc => match self.text.split_once('\n') {
                Some((first, rest)) if first.ends_with('\r') => {
                    Cow::Owned(format!("{}\n{rest}", first.trim_ascii_end()))
                }
                _ => Cow::Borrowed(self.text),
            },
            _ => Cow::Borrowed(self.text),
        }
    }
}

/// All tokens of a text, in order.
pub(super) fn tokens(text: &str) -> Vec<Token<'_>> {
    let bytes = text.as_bytes();
    let mut found: Vec<Token<'_>> = Vec::new();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        if matches!(byte, b' ' | b'\t' | b'\r') {
            at += 1;
            continue;
        }
        let after_dot = found.last().is_some_and(|token| token.kind == Kind::Dot);
        let (kind, end) = token(bytes, at, after_dot);
        let text = text.get(at..end).unwrap_or_default();
        found.push(Token { kind, text, at });
        at = end;
    }
    found
}

/// The token that starts at `at`, and where it ends.
fn token(bytes: &[u8], at: usize, after_dot: bool) -> (Kind, usize) {
    let rest = bytes.get(at..).unwrap_or_default();
    let fixed = |kind, length| (kind, at + length);
    match rest {
        [b'\n', ..] => fixed(Kind::Newline, 1),
        [b'#', ..] | [b'/', b'/', ..] => (Kind::LineComment, opaque::line_end(bytes, at)),
        [b'/', b'*', ..] => (Kind::BlockComment, opaque::comment_end(bytes, at)),
        [b'"', ..] => (Kind::Text, opaque::end(bytes, at)),
        [b'<', b'<', ..] if opaque::heredoc_word(bytes, at).is_some() => {
            (Kind::Heredoc, opaque::end(bytes, at))
        }
        [b'0'..=b'9', ..] => (Kind::Number, number_end(bytes, at, after_dot)),
        [b'.', b'.', b'.', ..] => fixed(Kind::Ellipsis, 3),
        [b'=', b'>', ..] => fixed(Kind::Arrow, 2),
        [b':', b':', ..] => fixed(Kind::Path, 2),
        [b'=' | b'!' | b'<' | b'>', b'=', ..] | [b'&', b'&', ..] | [b'|', b'|', ..] => {
            fixed(Kind::Operator, 2)
        }
        [byte @ (b'(' | b'[' | b'{'), ..] => fixed(Kind::Open(*byte), 1),
        [byte @ (b')' | b']' | b'}'), ..] => fixed(Kind::Close(*byte), 1),
        [b',', ..] => fixed(Kind::Comma, 1),
        [b'=', ..] => fixed(Kind::Equal, 1),
        [b':', ..] => fixed(Kind::Colon, 1),
        [b'.', ..] => fixed(Kind::Dot, 1),
        [b'?', ..] => fixed(Kind::Question, 1),
        [b'-', ..] => fixed(Kind::Minus, 1),
        [b'!', ..] => fixed(Kind::Bang, 1),
        [b'+' | b'*' | b'/' | b'%' | b'<' | b'>', ..] => fixed(Kind::Operator, 1),
        [byte, ..] if is_word(*byte) => (Kind::Word, word(bytes, at).end),
        _ => fixed(Kind::Other, 1),
    }
}

/// The bytes of a word. What else is no letter beyond ASCII, the parser has refused.
pub(super) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-') || !byte.is_ascii()
}

/// The word at `at`; empty if there is none.
pub(super) fn word(bytes: &[u8], at: usize) -> Range<usize> {
    let rest = bytes.get(at..).unwrap_or_default();
    at..at + rest.iter().take_while(|byte| is_word(**byte)).count()
}

/// After a dot digits are an index: `a.0.1` is no decimal number.
fn number_end(bytes: &[u8], at: usize, after_dot: bool) -> usize {
    let digits = |at: usize| {
        let rest = bytes.get(at..).unwrap_or_default();
        at + rest.iter().take_while(|byte| byte.is_ascii_digit()).count()
    };
    let mut end = digits(at);
    if after_dot {
        return end;
    }
    if bytes.get(end) == Some(&b'.') && digits(end + 1) > end + 1 {
        end = digits(end + 1);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        let start = end + 1 + sign;
        if digits(start) > start {
            end = digits(start);
        }
    }
    end
}
