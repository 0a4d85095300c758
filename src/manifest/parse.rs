//! Text to tree, by hcl-edit; nothing else knows that library. A mistake costs
//! the block it stands in: the others are parsed, and their problems reported in
//! the same pass. A name that stands twice costs nothing but itself.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::manifest::ast::Body;
use crate::manifest::diagnostic::{Code, Problem};
use crate::manifest::lower::Lower;
use crate::manifest::scan::{MAX_CHAIN, MAX_LEVELS, TAKE_APART, scan};
use crate::manifest::source::Span;

/// A block that could not be parsed: what it declares is not missing, only
/// unknown.
#[derive(Debug, PartialEq, Eq)]
pub struct Lost {
    pub kind: String,
    pub label: Option<String>,
}

/// What a part of a file says.
#[derive(Debug, Default)]
pub struct Parsed {
    pub body: Body,
    pub problems: Vec<Problem>,
}

/// A piece of a file that is parsed by itself: one block or attribute, with what
/// stands before the next one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The word that it starts with.
    pub kind: String,
    pub range: Range<usize>,
}

/// A file in parts.
#[derive(Debug, Default)]
pub struct Outline {
    pub parts: Vec<Part>,
    /// What stands in the parts that cannot be parsed at all.
    pub lost: Vec<Lost>,
    pub problems: Vec<Problem>,
}

/// How often a part is parsed anew after a name that stood twice.
const MAX_REPEATED: u32 = 20;

/// The parts of the text of file number `file`. `block_types` are those that may
/// start a line within something that was not closed.
pub fn outline(file: u32, text: &str, block_types: &[&str]) -> Outline {
    let scan = scan(text, block_types);
    let mut outline = Outline::default();
    for fault in &scan.faults {
        let span = span(file, fault.at.clone());
        let problem = Problem::new(fault.code, span, &*fault.message);
        outline
            .problems
            .push(problem.maybe_hint(fault.hint.map(str::to_owned)));
    }
    let mut faults: Vec<usize> = scan.faults.iter().map(|fault| fault.at.start).collect();
    faults.sort_unstable();
    let before = |offset: usize| faults.partition_point(|fault| *fault < offset);
    let ends = scan.starts.iter().copied().chain([text.len()]);
    let starts = [0].into_iter().chain(scan.starts.iter().copied());
    for (start, end) in starts.zip(ends) {
        let part = text.get(start..end).unwrap_or_default();
        if before(start) < before(end) {
            outline.lost.extend(heading(part));
        } else if !part.trim_ascii().is_empty() {
            let lead = part.len() - part.trim_ascii_start().len();
            let kind = part.get(word_at(part, lead)).unwrap_or_default();
            outline.parts.push(Part {
                kind: kind.to_owned(),
                range: start..end,
            });
        }
    }
    outline
}

/// Parses a part of the text of file number `file`; what it declares is lost if it
/// is not HCL.
pub fn parse(file: u32, text: &str, part: &Part) -> (Parsed, Option<Lost>) {
    let mut parsed = Parsed::default();
    let offset = part.range.start;
    let text = text.get(part.range.clone()).unwrap_or_default();
    let good = match text.parse::<hcl_edit::structure::Body>() {
        Ok(body) => {
            let mut lower = Lower::new(file, text, offset);
            lower.body(&body, &mut parsed.body);
            parsed.problems = lower.problems;
            true
        }
        Err(_) => parsed.mended(file, text, offset),
    };
    let lost = if good { None } else { heading(text) };
    (parsed, lost)
}

/// What is wrong with the notation of a whole file.
pub fn problems(file: u32, text: &str, block_types: &[&str]) -> Vec<Problem> {
    let outline = outline(file, text, block_types);
    let parts = outline.parts.iter();
    let of_parts = parts.flat_map(|part| parse(file, text, part).0.problems);
    outline.problems.into_iter().chain(of_parts).collect()
}

impl Parsed {
    /// Parses a text that starts at `offset` with names that stand twice taken for
    /// others; false if it is not HCL.
    fn mended(&mut self, file: u32, text: &str, offset: usize) -> bool {
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
                name_at(&copy, at)
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
    let line = text.get(..at).and_then(|before| before.lines().last());
    let bare = line.is_some_and(|line| line.contains('=') && !line.contains('"'));
    let here_is = |code, message: String, hint: &str| {
        Problem::new(code, span(file, offset + at..offset + at + width), message).hint(hint)
    };
    if message.contains("; found redefined") {
        let what = match message.contains("object key") {
            true => "a key of this object",
            false => "an attribute of this block",
        };
        let message = format!("{what} stands twice");
        return here_is(Code::Repeated, message, "each name can stand once");
    }
    if message.contains("chained binary operators") {
        let message = format!("more than {MAX_CHAIN} operators in one expression");
        return here_is(Code::TooDeep, message, TAKE_APART);
    }
    if message.contains("nested levels") {
        let message = format!(
            "nested too deep: at most {MAX_LEVELS} choices, signs and brackets within one another"
        );
        return here_is(Code::TooDeep, message, TAKE_APART);
    }
    let code = Code::Syntax;
    if let Some((range, hint)) = habit(text, at) {
        let place = span(file, offset + range.start..offset + range.end);
        return Problem::new(code, place, message).hint(hint);
    }
    let before = text.get(..at).unwrap_or_default();
    if here.starts_with('}') && before.trim_ascii_end().ends_with("${") {
        let message = "an expression is missing between `${` and `}`".to_owned();
        return here_is(code, message, "for the signs themselves write `$${`");
    }
    let start = before.rfind('\n').map_or(0, |end| end + 1);
    let of_line = text.get(start..).unwrap_or_default();
    if ["<<<<<<<", "=======", ">>>>>>>"]
        .iter()
        .any(|mark| of_line.starts_with(mark))
    {
        let message = "a merge conflict stands here".to_owned();
        let hint = "choose between its sides, and take the lines with `<<<<<<<`, `=======` and `>>>>>>>` away";
        return here_is(code, message, hint);
    }
    if let Some(strange) = here
        .chars()
        .next()
        .filter(|c| !matches!(c, '\n' | '\r' | '\t'))
        && (strange.is_control() || (strange.is_whitespace() && !strange.is_ascii()))
    {
        let what = match strange {
            '\u{a0}' => "a non-breaking space".to_owned(),
            '\0' => "a NUL byte".to_owned(),
            _ => format!("the character U+{:04X}", u32::from(strange)),
        };
        let message = format!("{what} stands here, which looks like none");
        return here_is(code, message, "take it away, or write a plain space");
    }
    let not_match = |line: &str| line.contains(" !~ ");
    let hint = match here.chars().next() {
        _ if here.lines().next().is_some_and(not_match) => {
            Some("not to match a pattern, write `!can(regex(\"[0-9]+\", response.body))`")
        }
        _ if bare && here.starts_with("//") => Some("a text stands in quotes"),
        Some(':' | '/' | '.') if bare => Some("a text stands in quotes"),
        Some('\'') => Some("strings stand in double quotes"),
        Some('\u{201c}' | '\u{201d}' | '\u{201e}' | '\u{2018}' | '\u{2019}') => {
            Some("these are not the quotes of a string: write `\"`")
        }
        Some(';') => Some("no `;`: each attribute stands in a line of its own"),
        Some(',') if message.contains("newline") => Some("no comma at the end of an attribute"),
        Some(':') if message.contains("structure") => {
            Some("an attribute is written with `=`: `url = \"https://example.com/\"`")
        }
        Some('=') if here.starts_with("=~") => {
            Some("to match a pattern, write `can(regex(\"[0-9]+\", response.body))`")
        }
        Some('=') => Some("to compare, write `==`"),
        Some('\n' | '\r') if message == "expected `{`" => {
            Some("an attribute has `=` behind its name, a block `{` at the end of its line")
        }
        _ if message.contains("newline") => {
            Some("each attribute and each block stands in a line of its own")
        }
        _ => None,
    };
    Problem::new(code, span(file, offset + at..offset + at + width), message)
        .maybe_hint(hint.map(str::to_owned))
}

/// What comes from another language or from hurry, at the place where the parser stumbled over
/// it, and how it is written here.
fn habit(text: &str, at: usize) -> Option<(Range<usize>, String)> {
    let before = text.get(..at)?;
    let word = text.get(word_at(text, at))?;
    let is_word = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
    // A word that begins with digits, `30s` or `0x1f`, is read as a number and a rest.
    let start = at - before.bytes().rev().take_while(is_word).count();
    let whole = text.get(start..at + word.len())?;
    if start < at && whole.starts_with(|c: char| c.is_ascii_digit()) {
        let hint = match whole.get(..2).unwrap_or_default() {
            "0x" | "0X" => match i64::from_str_radix(whole.get(2..)?, 16) {
                Ok(number) => format!("numbers are decimal: {number}"),
                Err(_) => format!("a text stands in quotes: \"{whole}\""),
            },
            _ if crate::model::duration::milliseconds(whole).is_some() => {
                format!("a duration stands in quotes: \"{whole}\"")
            }
            _ => format!("a text stands in quotes: \"{whole}\""),
        };
        return Some((start..at + word.len(), hint));
    }
    let here = at..at + word.len().max(1);
    let last = before
        .trim_ascii_end()
        .rsplit(|c: char| !c.is_ascii_alphabetic())
        .next();
    let hint = match (word, last) {
        ("and", _) => "write `&&` for \"and\"",
        ("or", _) => "write `||` for \"or\"",
        (_, Some("not")) => "write `!` for \"not\": `!condition`",
        _ => return None,
    };
    let here = match last {
        Some("not") => before.trim_ascii_end().len() - 3..before.trim_ascii_end().len(),
        _ => here,
    };
    Some((here, hint.to_owned()))
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

/// The name at an offset: a word, or what stands in quotes if it is read as it is written.
fn name_at(text: &str, at: usize) -> Range<usize> {
    let Some(rest) = text.get(at..).and_then(|rest| rest.strip_prefix('"')) else {
        return word_at(text, at);
    };
    let length = rest.find(['"', '\\', '$', '%', '\n']).unwrap_or_default();
    match rest.as_bytes().get(length) {
        Some(b'"') => at + 1..at + 1 + length,
        _ => at..at,
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
    let part = part.trim_ascii_start();
    let kind = part.get(word_at(part, 0)).filter(|kind| !kind.is_empty())?;
    let line = part.lines().next().unwrap_or_default();
    let label = line.split('"').nth(1).map(str::to_owned);
    let kind = kind.to_owned();
    Some(Lost { kind, label })
}
