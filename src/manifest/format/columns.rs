//! Lines as text: indentation, and the columns in which the `=` and the trailing
//! comments of consecutive lines stand, as in `terraform fmt`.

use crate::manifest::format::lines::{Line, Page};
use crate::manifest::format::spaces;
use crate::manifest::format::tokens::Token;

/// Characters of one level.
const INDENT: usize = 2;
/// A line that is wider than this before its `=` or comment is not aligned with:
/// without an end, one long key would widen thousands of short lines.
const WIDEST: usize = 240;

/// The text of a page.
pub(super) fn print(page: &Page<'_>) -> String {
    let equals = columns(page, |line| {
        let at = line.assign?;
        Some(width(page, line, line.tokens.start, at, indent(line)))
    });
    let code = |index: usize, line: &Line| match (line.assign, equals.get(index)) {
        (Some(at), Some(&column)) => width(page, line, at, line.code_end, column),
        _ => width(page, line, line.tokens.start, line.code_end, indent(line)),
    };
    let mut index = 0;
    let comments = columns(page, |line| {
        index += 1;
        line.has_comment().then(|| code(index - 1, line))
    });
    let mut out = String::new();
    for (line, (equal, comment)) in page.lines.iter().zip(equals.iter().zip(&comments)) {
        if line.blank_before {
            out.push('\n');
        }
        let mut column = 0;
        for at in line.tokens.clone() {
            let [token, ..] = page.part(at..at + 1) else {
                continue;
            };
            let spaces = match at {
                _ if at == line.tokens.start => indent(line),
                _ if at == line.code_end => comment.saturating_sub(column),
                _ if Some(at) == line.assign => equal.saturating_sub(column),
                _ => usize::from(space_before(page, line, at)),
            };
            out.extend(std::iter::repeat_n(' ', spaces));
            out.push_str(&token.written());
            column = advance(column + spaces, token);
        }
        out.push('\n');
    }
    out
}

fn indent(line: &Line) -> usize {
    line.level * INDENT
}

/// The column of the aligned part of each line: `end` gives where the part before
/// it ends. Lines that follow each other and have one share a column.
fn columns(page: &Page<'_>, mut end: impl FnMut(&Line) -> Option<usize>) -> Vec<usize> {
    let mut columns = Vec::with_capacity(page.lines.len());
    let mut run = 0;
    let mut widest = 0;
    let close = |columns: &mut Vec<usize>, run: &mut usize, widest: &mut usize| {
        columns.extend(std::iter::repeat_n(*widest + 1, *run));
        (*run, *widest) = (0, 0);
    };
    for line in &page.lines {
        let end = end(line);
        if line.blank_before {
            close(&mut columns, &mut run, &mut widest);
        }
        match end {
            Some(end) if end <= WIDEST => {
                run += 1;
                widest = widest.max(end);
            }
            alone => {
                close(&mut columns, &mut run, &mut widest);
                columns.push(alone.map_or(0, |end| end + 1));
            }
        }
    }
    close(&mut columns, &mut run, &mut widest);
    columns
}

/// The column after the tokens `from..to` of a line, of which the first starts at
/// `column`.
fn width(page: &Page<'_>, line: &Line, from: usize, to: usize, column: usize) -> usize {
    let mut column = column;
    for (at, token) in (from..to).zip(page.part(from..to)) {
        let space = at > from && space_before(page, line, at);
        column = advance(column + usize::from(space), token);
    }
    column
}

/// Whether a space stands before a token that is not the first of its line.
fn space_before(page: &Page<'_>, line: &Line, at: usize) -> bool {
    match page.part(line.tokens.start..at + 1) {
        [.., before, subject, after] => spaces::between(Some(before), subject, after),
        [subject, after] => spaces::between(None, subject, after),
        _ => false,
    }
}

/// The column after a token that starts at `column`, in characters.
fn advance(column: usize, token: &Token<'_>) -> usize {
    match token.text.rsplit_once('\n') {
        Some((_, last)) => last.chars().count(),
        None => column + token.written().chars().count(),
    }
}
