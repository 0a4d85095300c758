//! The one way to lay out a check file, that of `terraform fmt`: white space is
//! the only thing that changes. Strings, heredocs and comments keep every byte
//! that means something. What is returned is proven to say the same as before;
//! what cannot be proven is refused, and the caller leaves the file alone.
//!
//! Text becomes tokens, tokens become lines, lines get their columns.

mod tokens;
mod opaque;
mod spaces;
mod lines;
mod columns;
mod proof;

#[cfg(test)]
mod generate;
#[cfg(test)]
mod laws;
#[cfg(test)]
mod tests;

use std::ops::Range;

use crate::manifest::ast;
use crate::manifest::attributes::FILE;
use crate::manifest::diagnostic::{Code, Problem};
use crate::manifest::format::lines::Page;
use crate::manifest::lower::Lower;
use crate::manifest::parse;
use crate::manifest::scan::scan;
use crate::manifest::source::MAX_FILE;

/// The mark that some editors put before the first line; nothing needs it.
pub const BYTE_ORDER_MARK: char = '\u{feff}';

/// Why a text stays as it is.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is not HCL. The spans are those of file 0, without a byte order mark.
    #[error("it is not HCL")]
    Invalid(Vec<Problem>),
    /// What came out would not be read any more.
    #[error("formatted it would be larger than 1 MiB: split it")]
    TooLarge,
    /// A defect of ours, noticed in time.
    #[error("line {line}: {what}; this is a defect of lokahictl")]
    Unproven { line: usize, what: &'static str },
}

/// Where strings and heredocs stand in a text, in order.
pub(super) fn texts(text: &str) -> Vec<Range<usize>> {
    let opaque = |kind| matches!(kind, tokens::Kind::Text | tokens::Kind::Heredoc);
    let tokens = tokens::tokens(text).into_iter();
    let found = tokens.filter(|token| opaque(token.kind));
    found
        .map(|token| token.at..token.at + token.text.len())
        .collect()
}

/// The text as it should be laid out. Formatting that again changes nothing.
pub fn format(text: &str) -> Result<String, Refused> {
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    // The parser does not survive in time what the scan finds.
    if let Some(fault) = scan(text, &[]).faults.into_iter().next() {
        return Err(invalid(text, fault.code, fault.at, &fault.message));
    }
    let before = text.parse::<hcl_edit::structure::Body>().map_err(|error| {
        let at = error.location().offset();
        match error.message() {
            // The library takes it for a mistake of syntax, the compiler does not.
            message if message.contains("redefined") => {
                let word = tokens::word(text.as_bytes(), at);
                invalid(text, Code::Repeated, word, "this name stands twice")
            }
            message => invalid(text, Code::Syntax, at..at + 1, message),
        }
    })?;
    // Nor is what the parser reads in another way than HCL does.
    let mut lower = Lower::new(0, text, 0);
    lower.body(&before, &mut ast::Body::default());
    let mut problems = lower.problems;
    problems.retain(|problem| problem.code.id().starts_with("LK02"));
    if !problems.is_empty() {
        return Err(Refused::Invalid(problems));
    }
    let page = Page::read(text);
    let formatted = columns::print(&page);
    if formatted == text {
        return Ok(formatted);
    }
    if formatted.len() > MAX_FILE {
        return Err(Refused::TooLarge);
    }
    let again = Page::read(&formatted);
    proof::same_tokens(text, &page, &again)?;
    proof::same_meaning(text, before, &formatted)?;
    if columns::print(&again) != formatted {
        let what = "formatting it twice is not the same as once";
        return Err(proof::unproven(text, 0, what));
    }
    Ok(formatted)
}

/// The problems that `validate` reports; if it has none, the one that is given.
fn invalid(text: &str, code: Code, at: Range<usize>, message: &str) -> Refused {
    let block_types: Vec<&str> = FILE.blocks.iter().map(|block| block.name).collect();
    let mut problems = parse::problems(0, text, &block_types);
    // What the blocks that could be read mean is not asked here.
    problems.retain(|problem| problem.code.id().starts_with("LK02"));
    if problems.is_empty() {
        problems.push(Problem::new(code, parse::span(0, at), message));
    }
    Refused::Invalid(problems)
}
