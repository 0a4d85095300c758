//! One order over all values, by which sets are kept and equal values found without comparing
//! each with each. Exact also where a whole number meets one with a point.

use std::cmp::Ordering;

use crate::manifest::eval::value::{Node, Piece, Value};

/// A value that is compared by [`order`].
pub(super) struct Ordered<'a>(pub(super) &'a Value);

impl Ord for Ordered<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        order(self.0, other.0)
    }
}

impl PartialOrd for Ordered<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ordered<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Ordered<'_> {}

/// Values of one kind by content, else by kind.
pub(in crate::manifest::eval) fn order(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Integer(a), Value::Integer(b)) => a.cmp(b),
        // Finite, so there is no number that does not compare; 0.0 and -0.0 are equal.
        (Value::Float(a), Value::Float(b)) => a.partial_cmp(b).unwrap_or(Ordering::Equal),
        (Value::Integer(a), Value::Float(b)) => whole_and_float(*a, *b),
        (Value::Float(a), Value::Integer(b)) => whole_and_float(*b, *a).reverse(),
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (Value::Secret(a), Value::Secret(b)) => a.iter().map(piece).cmp(b.iter().map(piece)),
        (Value::List(a), Value::List(b)) | (Value::Set(a), Value::Set(b)) => nodes(a, b),
        (Value::Object(a), Value::Object(b)) => {
            let pairs = a.entries().iter().zip(b.entries());
            let found = pairs
                .map(|((ka, va), (kb, vb))| {
                    let keys = ka.text.cmp(&kb.text);
                    keys.then_with(|| order(&va.value, &vb.value))
                })
                .find(|found| found.is_ne());
            found.unwrap_or_else(|| a.entries().len().cmp(&b.entries().len()))
        }
        (Value::Reference(a), Value::Reference(b)) => a.cmp(b),
        _ => rank(a).cmp(&rank(b)),
    }
}

fn nodes(a: &[Node], b: &[Node]) -> Ordering {
    let pairs = a.iter().zip(b);
    let found = pairs
        .map(|(a, b)| order(&a.value, &b.value))
        .find(|found| found.is_ne());
    found.unwrap_or_else(|| a.len().cmp(&b.len()))
}

fn whole_and_float(whole: i64, float: f64) -> Ordering {
    // Beyond 2^64 no i64 is near, and within it the cast to i128 is exact.
    if float.abs() > 18_446_744_073_709_551_616.0 {
        return 0.0.partial_cmp(&float).unwrap_or(Ordering::Equal);
    }
    let floor = float.floor();
    let found = i128::from(whole).cmp(&(floor as i128));
    match found {
        Ordering::Equal if float > floor => Ordering::Less,
        found => found,
    }
}

fn piece(piece: &Piece) -> (u8, &str) {
    match piece {
        Piece::Text(text) => (0, text),
        Piece::Secret(name) => (1, name),
    }
}

fn rank(value: &Value) -> u8 {
    match value {
        Value::Null => 0,
        Value::Bool(_) => 1,
        Value::Integer(_) | Value::Float(_) => 2,
        Value::String(_) => 3,
        Value::Secret(_) => 4,
        Value::List(_) => 5,
        Value::Set(_) => 6,
        Value::Object(_) => 7,
        Value::Reference(_) => 8,
        Value::Unknown(_) => 9,
        Value::Invalid => 10,
    }
}
