//! Regular expressions, in RE2's notation: no look-around, no back references, and time that
//! grows with the text.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::sync::Arc;

use regex::{Captures, Regex, RegexBuilder};

use crate::manifest::eval::functions::text::Text;
use crate::manifest::eval::functions::{
    Failure, Function, Group, Kind, Parameter, Wants, arguments, limits,
};
use crate::manifest::eval::value::{Node, Value};
use crate::manifest::source::Span;

/// Bytes of a pattern.
const MAX_PATTERN: usize = 4 * 1024;
/// Bytes of a text in which all places are looked for.
const MAX_SEARCHED: usize = 256 * 1024;
/// Places, times the bytes of the text: each search may go through all of what is left.
const MAX_WORK: usize = 256 * 1024 * 1024;
/// Bytes of a compiled pattern, and of what its search keeps.
const MAX_COMPILED: usize = 1024 * 1024;

const PATTERN: Parameter = Parameter::new("pattern", Wants::String);
const TEXT: Parameter = Parameter::new("text", Wants::String);

pub(super) const REGEX: Function = Function {
    name: "regex",
    group: Group::String,
    parameters: &[PATTERN, TEXT],
    rest: None,
    result: Kind::Any,
    about: "The first place that the pattern matches: the text there, or a list of its groups, \
            or an object of its named groups. Without one the call fails.",
    example: r#"regex("[0-9]+", "node-17")"#,
    gives: r#""17""#,
    call: |args, span| {
        let pattern = compile(arguments::text(args, 0)?, 0)?;
        let shape = Shape::of(&pattern)?;
        match pattern.captures(arguments::text(args, 1)?) {
            Some(found) => Ok(shape.value(&pattern, &found, span)),
            None => Err(Failure::new("the pattern matches nowhere in the text")
                .at(1)
                .hint("`try(regex(...), null)` gives null instead")),
        }
    },
};

pub(super) const REGEXALL: Function = Function {
    name: "regexall",
    group: Group::String,
    parameters: &[PATTERN, TEXT],
    rest: None,
    result: Kind::List,
    about: "Every place that the pattern matches, each as `regex` gives it.",
    example: r#"regexall("[0-9]+", "10.0.0.1")"#,
    gives: r#"["10", "0", "0", "1"]"#,
    call: |args, span| {
        let pattern = compile(arguments::text(args, 0)?, 0)?;
        let shape = Shape::of(&pattern)?;
        let text = searched(arguments::text(args, 1)?, 1)?;
        let mut found = Vec::new();
        for captures in pattern.captures_iter(text) {
            limits::entries(found.len() + 1)?;
            work(found.len() + 1, text)?;
            limits::parts(found.len().saturating_mul(pattern.captures_len()))?;
            found.push(shape.value(&pattern, &captures, span));
        }
        Ok(Value::list(found, span))
    },
};

pub(super) const REPLACE: Function = Function {
    name: "replace",
    group: Group::String,
    parameters: &[
        TEXT,
        Parameter::new("find", Wants::String),
        Parameter::new("replacement", Wants::String),
    ],
    rest: None,
    result: Kind::String,
    about: "The text with every find replaced; a find between slashes is a pattern, and `$1` in \
            the replacement is then its first group.",
    example: r#"replace("eu-west", "-", "_")"#,
    gives: r#""eu_west""#,
    call: |args, _| {
        let (text, find) = (arguments::text(args, 0)?, arguments::text(args, 1)?);
        let replacement = arguments::text(args, 2)?;
        let inner = find
            .strip_prefix('/')
            .and_then(|rest| rest.strip_suffix('/'));
        match inner {
            Some(pattern) => replace_pattern(&compile(pattern, 1)?, text, replacement),
            None => replace_text(text, find, replacement),
        }
    },
};

fn replace_text(text: &str, find: &str, replacement: &str) -> Result<Value, Failure> {
    let mut result = Text::default();
    let mut end = 0;
    for (at, found) in text.match_indices(find) {
        result.push(text.get(end..at).unwrap_or_default())?;
        result.push(replacement)?;
        end = at + found.len();
    }
    result.push(text.get(end..).unwrap_or_default())?;
    Ok(result.finish())
}

fn replace_pattern(pattern: &Regex, text: &str, replacement: &str) -> Result<Value, Failure> {
    let text = searched(text, 0)?;
    // A reference of two bytes may stand for the whole text.
    let references = replacement.matches('$').count();
    let mut result = Text::default();
    let mut end = 0;
    let mut count = 0;
    for found in pattern.captures_iter(text) {
        count += 1;
        work(count, text)?;
        let Some(whole) = found.get(0) else { continue };
        result.push(text.get(end..whole.start()).unwrap_or_default())?;
        let longest = found
            .iter()
            .flatten()
            .map(|group| group.len())
            .max()
            .unwrap_or(0);
        let most = references
            .saturating_mul(longest)
            .saturating_add(replacement.len());
        limits::text_size(most)?;
        let mut expanded = String::new();
        found.expand(replacement, &mut expanded);
        result.push(&expanded)?;
        end = whole.end();
    }
    result.push(text.get(end..).unwrap_or_default())?;
    Ok(result.finish())
}

fn searched(text: &str, at: usize) -> Result<&str, Failure> {
    if text.len() > MAX_SEARCHED {
        return Err(Failure::new("a text of more than 256 KiB is not searched by pattern").at(at));
    }
    Ok(text)
}

fn work(places: usize, text: &str) -> Result<(), Failure> {
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
pub fn searched_bytes() -> usize {
    SEARCHED.take()
}

/// The pattern that a call of a function has to compile, if it is one with patterns.
pub fn of_call<'a>(function: &Function, args: &'a [Node]) -> Option<&'a Arc<str>> {
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

fn compile(pattern: &str, at: usize) -> Result<Regex, Failure> {
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

/// What a match comes to.
enum Shape {
    Whole,
    List,
    Object,
}

impl Shape {
    fn of(pattern: &Regex) -> Result<Self, Failure> {
        let groups = pattern.captures_len() - 1;
        match pattern.capture_names().flatten().count() {
            0 if groups == 0 => Ok(Self::Whole),
            0 => Ok(Self::List),
            named if named == groups => Ok(Self::Object),
            _ => Err(
                Failure::new("either all groups of the pattern have a name, or none")
                    .at(0)
                    .hint("`(?:...)` is a group that does not count"),
            ),
        }
    }

    fn value(&self, pattern: &Regex, found: &Captures<'_>, span: Span) -> Value {
        // A group that took no part is null.
        let group = |group: Option<regex::Match<'_>>| match group {
            Some(group) => Value::string(group.as_str()),
            None => Value::Null,
        };
        match self {
            Self::Whole => group(found.get(0)),
            Self::List => Value::list(found.iter().skip(1).map(group), span),
            Self::Object => {
                let names = pattern.capture_names().flatten();
                Value::object(names.map(|name| (name, group(found.name(name)))), span)
            }
        }
    }
}
