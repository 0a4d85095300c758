//! How a function gets at its arguments, which were checked before it is called.

use std::sync::Arc;

use crate::manifest::eval::functions::Failure;
use crate::manifest::eval::value::{Node, Object, Value};

/// Not reached through `call`, which has checked it.
fn missing(at: usize, kind: &str) -> Failure {
    Failure::new(format!("this must be {kind}")).at(at)
}

pub(super) fn value(args: &[Node], at: usize) -> Result<&Value, Failure> {
    args.get(at)
        .map(|node| &node.value)
        .ok_or_else(|| missing(at, "given"))
}

pub(super) fn text(args: &[Node], at: usize) -> Result<&str, Failure> {
    match value(args, at)? {
        Value::String(text) => Ok(text),
        _ => Err(missing(at, "a string")),
    }
}

pub(super) fn integer(args: &[Node], at: usize) -> Result<i64, Failure> {
    match value(args, at)? {
        Value::Integer(whole) => Ok(*whole),
        _ => Err(missing(at, "a whole number")),
    }
}

pub(super) fn float(args: &[Node], at: usize) -> Result<f64, Failure> {
    match value(args, at)? {
        Value::Integer(whole) => Ok(*whole as f64),
        Value::Float(float) => Ok(*float),
        _ => Err(missing(at, "a number")),
    }
}

pub(super) fn list(args: &[Node], at: usize) -> Result<&[Node], Failure> {
    match value(args, at)? {
        Value::List(items) | Value::Set(items) => Ok(items),
        _ => Err(missing(at, "a list")),
    }
}

pub(super) fn object(args: &[Node], at: usize) -> Result<&Object, Failure> {
    match value(args, at)? {
        Value::Object(object) => Ok(object),
        _ => Err(missing(at, "an object")),
    }
}

/// The strings of a list, none of them null.
pub(super) fn texts(args: &[Node], at: usize) -> Result<Vec<&Arc<str>>, Failure> {
    let text = |item: &'_ Node| match &item.value {
        Value::String(_) => Ok(()),
        Value::Null => Err(Failure::new("an element of the list is null").at(at)),
        _ => Err(missing(at, "a list of strings")),
    };
    let mut found = Vec::new();
    for item in list(args, at)? {
        text(item)?;
        if let Value::String(text) = &item.value {
            found.push(text);
        }
    }
    Ok(found)
}
