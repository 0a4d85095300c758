//! Between types: a number or bool becomes a string where one is wanted, and back, as
//! everywhere in HCL; nothing else becomes anything else by itself.

use std::sync::Arc;

use super::functions::{self, order};
use super::value::{Key, Node, Value};

/// The text of a string, number or bool.
pub fn text(value: &Value) -> Option<Arc<str>> {
    match value {
        Value::String(text) => Some(Arc::clone(text)),
        value => functions::coerce::string(value).map(Arc::from),
    }
}

/// No text that is longer is read as a number, in bytes.
const MAX_DIGITS: usize = 400;

/// The number of a number, or of a string that is one.
pub fn number(value: &Value) -> Option<Value> {
    match value {
        Value::String(text) if text.len() > MAX_DIGITS => None,
        value => functions::coerce::number(value),
    }
}

/// The whole number of a number, or of a string that is one.
pub fn integer(value: &Value) -> Option<i64> {
    match number(value)? {
        Value::Integer(number) => Some(number),
        _ => None,
    }
}

/// The truth of a bool, or of a string that is one.
pub fn truth(value: &Value) -> Option<bool> {
    functions::coerce::bool(value)
}

/// At most 80 characters, for messages.
pub fn cut(text: &str) -> String {
    match text.chars().nth(80) {
        None => text.to_owned(),
        Some(_) => text.chars().take(77).chain("...".chars()).collect(),
    }
}

/// The most values that a value may hold, itself included. What is shared counts each time:
/// a list that holds another twice is cheap to make, and whoever walks it is not spared.
pub const MAX_NODES: usize = 200_000;

/// How deep values may lie in one another.
pub const MAX_DEPTH: usize = 100;

/// How many values a value holds, with one more for each 1 KiB of text; `None` if they are more
/// than [`MAX_NODES`], or deeper than [`MAX_DEPTH`].
pub fn size(value: &Value) -> Option<usize> {
    fn walk(value: &Value, depth: usize, left: &mut usize, texts: &mut usize) {
        *left = match depth > MAX_DEPTH {
            true => 0,
            false => left.saturating_sub(1),
        };
        let (items, entries): (&[Node], &[(Key, Node)]) = match value {
            Value::List(items) | Value::Set(items) => (items, &[]),
            Value::Object(object) => (&[], object.entries()),
            Value::String(text) => {
                *texts += text.len() / 1024;
                return;
            }
            _ => return,
        };
        for node in items.iter().chain(entries.iter().map(|(_, node)| node)) {
            if *left == 0 {
                return;
            }
            walk(&node.value, depth + 1, left, texts);
        }
    }
    let (mut left, mut texts) = (MAX_NODES + 1, 0);
    walk(value, 0, &mut left, &mut texts);
    (left > 0).then(|| MAX_NODES + 1 - left + texts)
}

/// Whether something in a value is not known.
pub fn has_unknown(value: &Value) -> bool {
    match value {
        Value::Unknown(_) => true,
        Value::List(items) | Value::Set(items) => items.iter().any(|node| has_unknown(&node.value)),
        Value::Object(object) => {
            let mut entries = object.entries().iter();
            entries.any(|(_, node)| has_unknown(&node.value))
        }
        _ => false,
    }
}

/// Whether something in a value was reported already.
pub fn has_invalid(value: &Value) -> bool {
    match value {
        Value::Invalid => true,
        Value::List(items) | Value::Set(items) => items.iter().any(|node| has_invalid(&node.value)),
        Value::Object(object) => {
            let mut entries = object.entries().iter();
            entries.any(|(_, node)| has_invalid(&node.value))
        }
        _ => false,
    }
}

/// A set of these, in the order that `toset` gives.
pub fn set(mut nodes: Vec<Node>) -> Value {
    nodes.sort_by(|a, b| order::order(&a.value, &b.value));
    nodes.dedup_by(|a, b| a.value == b.value);
    Value::Set(Arc::from(nodes))
}
