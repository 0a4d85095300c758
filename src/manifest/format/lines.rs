//! Tokens as lines: which tokens, what of it is aligned with its neighbours, how
//! deep it is indented, and whether an empty line stands before it. Lines are
//! never joined or split; the lines within a string, heredoc or comment are none.

use std::ops::Range;

use crate::manifest::format::tokens::{Kind, Token, tokens};

/// A line that is not empty.
#[derive(Debug)]
pub(super) struct Line {
    /// Its tokens, without the line end.
    pub(super) tokens: Range<usize>,
    /// Where its `=` is, if a whole value follows it in this line.
    pub(super) assign: Option<usize>,
    /// Where the tokens end that stand before a trailing comment.
    pub(super) code_end: usize,
    /// Levels of indentation.
    pub(super) level: usize,
    pub(super) blank_before: bool,
}

impl Line {
    /// Whether a comment follows the code.
    pub(super) fn has_comment(&self) -> bool {
        self.code_end < self.tokens.end
    }
}

/// A text in lines.
#[derive(Debug)]
pub(super) struct Page<'a> {
    pub(super) tokens: Vec<Token<'a>>,
    pub(super) lines: Vec<Line>,
}

impl<'a> Page<'a> {
    /// Reads a text.
    pub(super) fn read(text: &'a str) -> Self {
        let tokens = tokens(text);
        let mut page = Self {
            tokens,
            lines: Vec::new(),
        };
        let mut levels = Levels(Vec::new());
        let mut start = 0;
        let mut blank = false;
        while start < page.tokens.len() {
            let rest = page.tokens.iter().skip(start);
            let length = rest.take_while(|t| t.kind != Kind::Newline).count();
            let end = start + length;
            if length == 0 {
                blank = true;
            } else {
                let line = page.line(start..end, &mut levels, blank);
                page.lines.push(line);
                blank = false;
            }
            start = end + 1;
        }
        page
    }

    /// Its tokens of a range.
    pub(super) fn part(&self, range: Range<usize>) -> &[Token<'a>] {
        self.tokens.get(range).unwrap_or_default()
    }

    fn line(&self, tokens: Range<usize>, levels: &mut Levels, blank: bool) -> Line {
        let whole = self.part(tokens.clone());
        let comment = match whole {
            [_, .., last] => last.kind == Kind::LineComment,
            _ => false,
        };
        let code_end = tokens.end - usize::from(comment);
        let equal = whole.iter().position(|token| token.kind == Kind::Equal);
        let assign = equal
            .filter(|at| *at > 0)
            .map(|at| tokens.start + at)
            .filter(|at| net(self.part(*at..code_end)) == 0);
        let closes = matches!(whole.first(), Some(first) if matches!(first.kind, Kind::Close(_)));
        let blank_before = blank && !closes && self.lines.last().is_some_and(|l| !self.opens(l));
        Line {
            assign,
            code_end,
            level: levels.line(net(whole)),
            blank_before,
            tokens,
        }
    }

    /// Whether the line ends with an opening bracket.
    fn opens(&self, line: &Line) -> bool {
        let mut code = self.part(line.tokens.clone()).iter().rev();
        let last = code.find(|token| !token.kind.is_comment());
        last.is_some_and(|token| matches!(token.kind, Kind::Open(_)))
    }
}

/// Opening brackets less closing ones.
fn net(tokens: &[Token<'_>]) -> isize {
    let change = |token: &Token<'_>| match token.kind {
        Kind::Open(_) => 1,
        Kind::Close(_) => -1,
        _ => 0,
    };
    tokens.iter().map(change).sum()
}

/// How many brackets each line has left open, for those that have any. All that a
/// line opens is one level, so that `[{` indents once.
struct Levels(Vec<isize>);

impl Levels {
    /// The level of the next line, which changes the open brackets by `net`.
    fn line(&mut self, net: isize) -> usize {
        if net > 0 {
            self.0.push(net);
            return self.0.len() - 1;
        }
        let mut closed = -net;
        while closed > 0 {
            let Some(last) = self.0.last_mut() else { break };
            if closed < *last {
                *last -= closed;
                break;
            }
            closed -= *last;
            self.0.pop();
        }
        self.0.len()
    }
}
