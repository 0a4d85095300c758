//! Where a string, heredoc or comment ends. Strings and heredocs hold expressions,
//! which hold strings: what is open is kept on a stack, so that depth costs nothing.

use std::ops::Range;

use crate::manifest::format::tokens::{is_word, word};

/// What is open.
enum Open {
    Quote,
    /// Until a line that consists of these bytes of the text.
    Heredoc(Range<usize>),
    /// `${`, `%{`, or a brace within one.
    Brace,
}

/// The end of the string or heredoc that starts at `at`; the end of the text if it
/// has none.
pub(super) fn end(bytes: &[u8], at: usize) -> usize {
    let mut open = Vec::new();
    let mut at = in_code(bytes, at, &mut open);
    while let (Some(inner), Some(&byte)) = (open.last(), bytes.get(at)) {
        let pair = bytes.get(at..at + 3).unwrap_or_default();
        at = match (inner, byte) {
            (Open::Brace, _) => in_code(bytes, at, &mut open),
            (_, b'$' | b'%') if pair == b"$${" || pair == b"%%{" => at + 3,
            (_, b'$' | b'%') if bytes.get(at + 1) == Some(&b'{') => {
                open.push(Open::Brace);
                at + 2
            }
            (Open::Quote, b'\\') => at + 2,
            (Open::Quote, b'"') => {
                open.pop();
                at + 1
            }
            (Open::Heredoc(word), b'\n') => match marker_end(bytes, at + 1, word) {
                Some(end) => {
                    open.pop();
                    end
                }
                None => at + 1,
            },
            _ => at + 1,
        };
    }
    at.min(bytes.len())
}

/// Outside strings: opens or closes what starts at `at`, and gives what is next.
fn in_code(bytes: &[u8], at: usize, open: &mut Vec<Open>) -> usize {
    match (bytes.get(at), bytes.get(at + 1)) {
        (Some(b'"'), _) => open.push(Open::Quote),
        (Some(b'{'), _) => open.push(Open::Brace),
        (Some(b'}'), _) => {
            open.pop();
        }
        (Some(b'#'), _) | (Some(b'/'), Some(b'/')) => return line_end(bytes, at),
        (Some(b'/'), Some(b'*')) => return comment_end(bytes, at),
        (Some(b'<'), Some(b'<')) => {
            if let Some(word) = heredoc_word(bytes, at) {
                // Its first line end may already be the one before the marker.
                let next = word.end;
                open.push(Open::Heredoc(word));
                return next;
            }
        }
        _ => {}
    }
    at + 1
}

/// The `WORD` of `<<WORD` or `<<-WORD` at `at`, if the line ends after it.
pub(super) fn heredoc_word(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    let dash = usize::from(bytes.get(at + 2) == Some(&b'-'));
    let word = word(bytes, at + 2 + dash);
    let after = bytes.get(word.end..).unwrap_or_default();
    let line_ends = after.starts_with(b"\n") || after.starts_with(b"\r\n");
    (line_ends && !word.is_empty()).then_some(word)
}

/// The end of a heredoc's marker, if it stands in the line that starts at `at`.
fn marker_end(bytes: &[u8], at: usize, word: &Range<usize>) -> Option<usize> {
    let line = bytes.get(at..)?;
    let indent = line
        .iter()
        .take_while(|byte| matches!(byte, b' ' | b'\t'))
        .count();
    let marker = bytes.get(word.clone())?;
    let rest = line.get(indent..)?.strip_prefix(marker)?;
    let ends = !rest.first().is_some_and(|byte| is_word(*byte));
    ends.then_some(at + indent + marker.len())
}

/// The end of the line of `at`, before its `\n`.
pub(super) fn line_end(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest.iter().take_while(|byte| **byte != b'\n').count()
}

/// The end of the `/*` at `at`.
pub(super) fn comment_end(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at + 2..).unwrap_or_default();
    let length = rest.windows(2).position(|pair| pair == b"*/");
    length.map_or(bytes.len(), |length| at + 2 + length + 2)
}
