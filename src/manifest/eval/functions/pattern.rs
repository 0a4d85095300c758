//! Regular expressions, in RE2's notation: no look-around, no back references, and time that
//! grows with the text.

pub(in crate::manifest::eval) mod bounded;
mod shape;

use regex::Regex;

use self::bounded::{compile, searched, work};
use self::shape::Shape;
use crate::manifest::eval::functions::text::Text;
use crate::manifest::eval::functions::{
    Failure, Function, Group, Kind, Parameter, Wants, arguments, limits,
};
use crate::manifest::eval::value::Value;

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
