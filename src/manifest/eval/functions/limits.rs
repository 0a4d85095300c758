//! How large things may get, and the failures that say so. What is made piece by piece is
//! checked before it is made.

use crate::manifest::eval::functions::Failure;
use crate::manifest::eval::value::{Piece, Value};

/// Bytes of a text.
pub(super) const MAX_TEXT: usize = 1024 * 1024;
/// Entries of a list, a set or an object.
pub(super) const MAX_ENTRIES: usize = 10_000;
/// Values within one argument or result. Shared parts count each time they are met: a few
/// lists that hold one another twice would else take for ever.
pub(super) const MAX_PARTS: usize = 100_000;
/// Bytes of all texts within one argument.
pub(super) const MAX_TEXTS: usize = 16 * MAX_TEXT;
/// Lists and objects within one another.
pub(super) const MAX_DEPTH: usize = 64;

pub(super) fn check(value: &Value) -> Result<(), Failure> {
    match value {
        Value::String(text) => text_size(text.len()),
        Value::Secret(pieces) => {
            let size = |piece: &Piece| match piece {
                Piece::Text(text) | Piece::Secret(text) => text.len(),
            };
            text_size(pieces.iter().map(size).sum())
        }
        Value::List(items) | Value::Set(items) => entries(items.len()),
        Value::Object(object) => entries(object.entries().len()),
        _ => Ok(()),
    }
}

/// A text of so many bytes may be made.
pub(super) fn text_size(bytes: usize) -> Result<(), Failure> {
    if bytes <= MAX_TEXT {
        return Ok(());
    }
    Err(Failure::new(
        "the result would be a text of more than 1 MiB",
    ))
}

/// A collection of so many entries may be made.
pub(super) fn entries(count: usize) -> Result<(), Failure> {
    if count <= MAX_ENTRIES {
        return Ok(());
    }
    Err(Failure::new(format!(
        "the result would have more than {MAX_ENTRIES} entries"
    )))
}

/// So many values may be gone through.
pub(super) fn parts(count: usize) -> Result<(), Failure> {
    if count <= MAX_PARTS {
        return Ok(());
    }
    Err(Failure::new(format!(
        "there are more than {MAX_PARTS} values in it"
    )))
}

/// So many lists and objects may stand within one another.
pub(super) fn depth(depth: usize) -> Result<(), Failure> {
    if depth <= MAX_DEPTH {
        return Ok(());
    }
    Err(Failure::new(format!(
        "it is nested more than {MAX_DEPTH} deep"
    )))
}
