//! Readers of what asserts expect of a response: patterns, headers, values of JSON.

use std::collections::BTreeMap;

use crate::manifest::diagnostic::{Code, Problem};
use crate::manifest::eval::value::{Key, Node, Value};
use crate::manifest::literal::Literal;
use crate::manifest::values::{self, Read};
use crate::model::check::CheckSpec;
use crate::model::json::JsonPath;
use crate::model::pattern::Pattern;
use crate::model::scalar::Scalar;
use crate::model::value::{InvalidValue, valid_header_name};

/// The longest value of a header, in bytes.
const MAX_HEADER: usize = 8 * 1024;

fn refused(span: crate::manifest::source::Span, error: InvalidValue) -> Problem {
    let code = match error {
        InvalidValue::Range { .. } | InvalidValue::TooLong { .. } => Code::OutOfBounds,
        _ => Code::InvalidValue,
    };
    Problem::new(code, span, error.to_string())
}

/// A regular expression that not every text matches by being one.
pub(super) fn pattern(node: &Node) -> Read<Pattern> {
    match values::string(node, Pattern::MAX)? {
        "" => Err(Problem::new(
            Code::OutOfBounds,
            node.span,
            "every text matches an empty expression",
        )),
        text => text.parse().map_err(|error: InvalidValue| {
            Problem::new(Code::InvalidPattern, node.span, error.to_string())
        }),
    }
}

/// The entries of an object that asserts something.
fn entries(node: &Node) -> Read<&[(Key, Node)]> {
    let problem = |code, message: String| Err(Problem::new(code, node.span, message));
    let Value::Object(object) = &node.value else {
        let found = node.value.kind();
        return problem(Code::WrongType, format!("wanted an object, found {found}"));
    };
    match object.entries() {
        [] => problem(
            Code::OutOfBounds,
            "an empty object asserts nothing".to_owned(),
        ),
        entries if entries.len() > CheckSpec::MAX_ASSERTS => problem(
            Code::OutOfBounds,
            format!(
                "{} entries; at most {} are allowed",
                entries.len(),
                CheckSpec::MAX_ASSERTS
            ),
        ),
        entries => Ok(entries),
    }
}

/// An object whose keys mean one thing each.
fn map<K: Ord, V>(
    node: &Node,
    key: impl Fn(&Key) -> Read<K>,
    value: impl Fn(&Node) -> Read<V>,
) -> Read<BTreeMap<K, V>> {
    let mut map = BTreeMap::new();
    for (name, node) in entries(node)? {
        if map.insert(key(name)?, value(node)?).is_some() {
            let message = format!("`{}` stands there twice", name.text);
            return Err(Problem::new(Code::InvalidValue, name.span, message));
        }
    }
    Ok(map)
}

fn header(key: &Key) -> Read<String> {
    valid_header_name(&key.text).map_err(|error| refused(key.span, error))?;
    Ok(key.text.to_ascii_lowercase())
}

/// Headers and their values.
pub(super) fn headers(node: &Node) -> Read<BTreeMap<String, String>> {
    map(node, header, |node| {
        values::string(node, MAX_HEADER).map(str::to_owned)
    })
}

/// Headers and what they match.
pub(super) fn header_patterns(node: &Node) -> Read<BTreeMap<String, Pattern>> {
    map(node, header, pattern)
}

/// Places in JSON and what stands there.
pub(super) fn json(node: &Node) -> Read<BTreeMap<JsonPath, Scalar>> {
    let path = |key: &Key| key.text.parse().map_err(|error| refused(key.span, error));
    map(node, path, scalar)
}

fn scalar(node: &Node) -> Read<Scalar> {
    let read = match &node.value {
        Value::Null => Some(Scalar::Null),
        Value::Bool(value) => Some(Scalar::Bool(*value)),
        Value::Integer(number) => Some(Scalar::Integer(*number)),
        Value::Float(number) => Scalar::number(*number),
        Value::String(_) => Some(Scalar::String(
            values::string(node, Scalar::MAX)?.to_owned(),
        )),
        _ => None,
    };
    read.ok_or_else(|| {
        let kind = node.value.kind();
        let message = format!("wanted a string, a number, a bool or null, found {kind}");
        Problem::new(Code::WrongType, node.span, message)
    })
}

/// An object, as plans show it.
pub(super) fn shown<'a, K: ToString + 'a, V: 'a>(
    map: &'a BTreeMap<K, V>,
    literal: impl Fn(&'a V) -> Literal,
) -> Literal {
    let entry = |(key, value): (&K, &'a V)| (key.to_string(), literal(value));
    Literal::Object(map.iter().map(entry).collect())
}
