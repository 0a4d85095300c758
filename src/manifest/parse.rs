//! Text to tree, by hcl-edit; nothing else knows that library. A mistake costs
//! the block it stands in: the others are parsed, and their problems reported in
//! the same pass. A name that stands twice costs nothing but itself.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::manifest::ast::Body;
use crate::manifest::diagnostic::{Code, Problem};
use crate::manifest::lower::Lower;
use crate::manifest::scan::scan;
use crate::manifest::source::Span;

/// A block that could not be parsed: what it declares is not missing, only
/// unknown.
#[derive(Debug, PartialEq, Eq)]
pub struct Lost {
    pub kind: String,
    pub label: Option<String>,
}

/// What a file says.
#[derive(Debug, Default)]
pub struct Parsed {
    pub body: Body,
    pub lost: Vec<Lost>,
    pub problems: Vec<Problem>,
}

/// How often a block is parsed anew after a name that stood twice.
const MAX_REPEATED: u32 = 20;

/// Parses the text of file number `file`. `block_types` are those that may stand
/// in column 1.
pub fn parse(file: u32, text: &str, block_types: &[&str]) -> Parsed {
    let scan = scan(text, block_types);
    let mut parsed = Parsed::default();
    if scan.faults.is_empty()
        && let Ok(body) = text.parse::<hcl_edit::structure::Body>()
    {
        let mut lower = Lower::new(file, text, 0);
        lower.body(&body, &mut parsed.body);
        parsed.problems = lower.problems;
        return parsed;
    }
    for fault in &scan.faults {
        let span = span(file, fault.at.clone());
        let problem = Problem::new(fault.code, span, &*fault.message);
        parsed
            .problems
            .push(problem.maybe_hint(fault.hint.map(str::to_owned)));
    }
    let mut faults: Vec<usize> = scan.faults.iter().map(|fault| fault.at.start).collect();
    faults.sort_unstable();
    let before = |offset: usize| faults.partition_point(|fault| *fault < offset);
    let ends = scan.starts.iter().copied().chain([text.len()]);
    let starts = [0].into_iter().chain(scan.starts.iter().copied());
    for (start, end) in starts.zip(ends) {
        let faulty = before(start) < before(end);
        let part = text.get(start..end).unwrap_or_default();
        if faulty || !parsed.part(file, part, start) {
            parsed.lost.extend(heading(part));
        }
    }
    parsed
}

impl Parsed {
    /// Parses a part of a file that starts at `offset`; false if it is not HCL.
    fn part(&mut self, file: u32, text: &str, offset: usize) -> bool {
        let mut renamed = BTreeMap::new();
        let mut copy = text.to_owned();
        for attempt in 0..MAX_REPEATED {
            let error = match copy.parse::<hcl_edit::structure::Body>() {
                Ok(body) => {
                    let mut lower = Lower::new(file, text, offset);
                    lower.renamed = renamed;
                    lower.body(&body, &mut self.body);
                    self.problems.append(&mut lower.problems);
                    return true;
                }
                Err(error) => error,
            };
            let at = error.location().offset();
            let word = if error.message().contains("; found redefined") {
                word_at(&copy, at)
            } else {
                0..0
            };
            if word.is_empty() {
                self.problems
                    .push(syntax(file, text, offset, at, error.message()));
                return false;
            }
            let original = text.get(word.clone()).unwrap_or_default();
            renamed.entry(at).or_insert_with(|| original.to_owned());
            copy.replace_range(word.clone(), &stand_in(word.len(), attempt));
        }
        let message = format!("more than {MAX_REPEATED} names stand twice in this block");
        let here = span(file, offset..offset + 1);
        self.problems
            .push(Problem::new(Code::Repeated, here, message));
        false
    }
}

/// A span of a file.
pub(crate) fn span(file: u32, range: Range<usize>) -> Span {
    Span {
        file,
        start: range.start as u32,
        end: range.end as u32,
    }
}

fn syntax(file: u32, text: &str, offset: usize, at: usize, message: &str) -> Problem {
    let here = text.get(at..).unwrap_or_default();
    let width = match word_at(text, at) {
        word if word.is_empty() => here.chars().next().map_or(1, char::len_utf8),
        word => word.len(),
    };
    let hint = match here.chars().next() {
        Some('\'') => Some("strings stand in double quotes"),
        Some(';') => Some("no `;`: each attribute stands in a line of its own"),
        _ if message.contains("unique") => Some("each name can stand once"),
        _ if message.contains("newline") => {
            Some("each attribute and each block stands in a line of its own")
        }
        _ => None,
    };
    let code = if message.contains("; found redefined") {
        Code::Repeated
    } else {
        Code::Syntax
    };
    Problem::new(code, span(file, offset + at..offset + at + width), message)
        .maybe_hint(hint.map(str::to_owned))
}

/// The ASCII word at an offset, without the quote it may start with.
fn word_at(text: &str, at: usize) -> Range<usize> {
    let bytes = text.as_bytes();
    let start = at + usize::from(bytes.get(at) == Some(&b'"'));
    let word = |b: &&u8| b.is_ascii_alphanumeric() || b"_-".contains(b);
    let length = bytes.iter().skip(start).take_while(word).count();
    match bytes.get(start + length) {
        Some(byte) if !byte.is_ascii() => start..start,
        _ => start..start + length,
    }
}

/// A word of this length that hardly stands in a file; another for each attempt.
fn stand_in(length: usize, attempt: u32) -> String {
    let digits = b"abcdefghijklmnopqrstuvwxyz";
    let mut rest = attempt as usize + 1;
    let mut word: Vec<char> = Vec::new();
    for _ in 0..length {
        word.push(digits[25 - rest % 26] as char);
        rest /= 26;
    }
    word.into_iter().rev().collect()
}

/// The type and first label at the start of a part.
fn heading(part: &str) -> Option<Lost> {
    let kind = part.get(word_at(part, 0)).filter(|kind| !kind.is_empty())?;
    let line = part.lines().next().unwrap_or_default();
    let label = line.split('"').nth(1).map(str::to_owned);
    let kind = kind.to_owned();
    Some(Lost { kind, label })
}
