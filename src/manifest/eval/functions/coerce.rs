//! What values become by themselves, as HCL converts: numbers and bools strings and back, values
//! of several kinds values of one.

use std::borrow::Cow;

use crate::manifest::eval::functions::Failure;
use crate::manifest::eval::typing::Type;
use crate::manifest::eval::value::{Node, Value};

/// A string, number or bool as a string.
pub(in crate::manifest::eval) fn string(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Integer(whole) => Some(Cow::Owned(whole.to_string())),
        Value::Float(float) => Some(Cow::Owned(match Value::number(*float) {
            Value::Integer(whole) => whole.to_string(),
            _ => float.to_string(),
        })),
        Value::Bool(true) => Some(Cow::Borrowed("true")),
        Value::Bool(false) => Some(Cow::Borrowed("false")),
        _ => None,
    }
}

/// A number, or a string that is written as a decimal number.
pub(in crate::manifest::eval) fn number(value: &Value) -> Option<Value> {
    match value {
        Value::Integer(_) => Some(value.clone()),
        // The same number, in the form that fits it best.
        Value::Float(float) => Some(Value::number(*float)),
        Value::String(text) => parse_number(text),
        _ => None,
    }
}

/// A finite decimal number. Whole ones are exact as long as they fit.
pub(super) fn parse_number(text: &str) -> Option<Value> {
    // Rust would also read "inf" and "nan".
    let decimal = |c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | 'e' | 'E');
    if !text.chars().all(decimal) {
        return None;
    }
    if let Ok(whole) = text.parse::<i64>() {
        return Some(Value::Integer(whole));
    }
    let float = text.parse::<f64>().ok()?;
    float.is_finite().then(|| Value::number(float))
}

/// A bool, or a string that HCL takes for one.
pub(in crate::manifest::eval) fn bool(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(bool) => Some(*bool),
        Value::String(text) => match &**text {
            "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

/// The values as values of one kind: all strings if one is. None if that hangs on a value
/// that is not known.
pub(in crate::manifest::eval) fn unify(
    nodes: impl Iterator<Item = Node>,
) -> Result<Option<Vec<Node>>, Failure> {
    let mut nodes: Vec<Node> = nodes.collect();
    let mut kinds: Vec<&'static str> = Vec::new();
    for node in &nodes {
        let kind = match &node.value {
            Value::Null | Value::Invalid => continue,
            Value::Unknown(Type::Any) => return Ok(None),
            Value::Secret(_) => "a string",
            value => value.kind(),
        };
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    if kinds.len() <= 1 {
        return Ok(Some(nodes));
    }
    let scalar = |kind: &&str| matches!(*kind, "a string" | "a number" | "a bool");
    if !kinds.iter().all(scalar) || !kinds.contains(&"a string") {
        let kinds = kinds.join(", ");
        return Err(Failure::new(format!("the elements have no kind in common: {kinds}")).at(0));
    }
    for node in &mut nodes {
        match &node.value {
            Value::Unknown(_) => node.value = Value::Unknown(Type::String),
            value => {
                if let Some(text) = string(value).map(Cow::into_owned) {
                    node.value = Value::string(text);
                }
            }
        }
    }
    Ok(Some(nodes))
}
