//! Patterns are compiled, and texts searched by them, within bounds.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::sync::Arc;

use regex::{Regex, RegexBuilder};

use crate::manifest::eval::functions::{Failure, Function};
use crate::manifest::eval::value::{Node, Value};

/// Bytes of a pattern.
const MAX_PATTERN: usize = 4 * 1024;
/// Bytes of a text in which all places are looked for.
const MAX_SEARCHED: usize = 256 * 1024;
/// Places, times the bytes of the text: each search may go through all of what is left.
const MAX_WORK: usize = 256 * 1024 * 1024;
/// Bytes of a compiled pattern, and of what its search keeps.
const MAX_COMPILED: usize = 1024 * 1024;

pub(super) fn searched(text: &str, at: usize) -> Result<&str, Failure> {
    if text.len() > MAX_SEARCHED {
        return Err(Failure::new("a text of more than 256 KiB is not searched by pattern").at(at));
    }
    Ok(text)
}

pub(super) fn work(places: usize, text: &str) -> Result<(), Failure> {
    SEARCHED.with(|searched| searched.set(searched.get().saturating_add(text.len())));
    if places.saturating_mul(text.len()) > MAX_WORK {
        return Err(
            Failure::new("the pattern matches too often in so long a text")
                .hint("`split` the text first, or give a plain text to `replace`"),
        );
    }
    Ok(())
}

thread_local! {
    /// Bytes that were gone through since somebody last asked, at the most.
    static SEARCHED: Cell<usize> = const { Cell::new(0) };
    /// Those that were compiled last: most are asked for again for each element.
    static COMPILED: RefCell<VecDeque<(String, Regex)>> = const { RefCell::new(VecDeque::new()) };
}

/// How many of them.
const MOST_COMPILED: usize = 32;

/// How many bytes calls have gone through since this was last asked, at the most: each place is
/// one more search of the text.
pub(in crate::manifest::eval) fn searched_bytes() -> usize {
    SEARCHED.take()
}

/// The pattern that a call of a function has to compile, if it is one with patterns.
pub(in crate::manifest::eval) fn of_call<'a>(
    function: &Function,
    args: &'a [Node],
) -> Option<&'a Arc<str>> {
    let at = match function.name {
        "regex" | "regexall" => 0,
        "replace" => 1,
        _ => return None,
    };
    match args.get(at).map(|node| &node.value) {
        Some(Value::String(text)) if at == 0 || text.starts_with('/') => Some(text),
        _ => None,
    }
}

pub(super) fn compile(pattern: &str, at: usize) -> Result<Regex, Failure> {
    COMPILED.with_borrow_mut(|compiled| {
        if let Some((_, known)) = compiled.iter().find(|(text, _)| text == pattern) {
            return Ok(known.clone());
        }
        let new = compile_anew(pattern, at)?;
        compiled.truncate(MOST_COMPILED - 1);
        compiled.push_front((pattern.to_owned(), new.clone()));
        Ok(new)
    })
}

fn compile_anew(pattern: &str, at: usize) -> Result<Regex, Failure> {
    if pattern.len() > MAX_PATTERN {
        return Err(Failure::new("a pattern must not be longer than 4 KiB").at(at));
    }
    let built = RegexBuilder::new(pattern)
        .size_limit(MAX_COMPILED)
        .dfa_size_limit(MAX_COMPILED)
        .nest_limit(64)
        .build();
    built.map_err(|error| {
        // The last line says what is wrong; those before it draw the place.
        let text = error.to_string();
        let why = text.lines().last().unwrap_or_default();
        let why = why.strip_prefix("error: ").unwrap_or(why);
        Failure::new(format!("the pattern is no regular expression: {why}"))
            .at(at)
            .hint("the notation is RE2's: no look-around, no back references")
    })
}
