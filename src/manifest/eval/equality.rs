//! When values are equal, and which of two numbers is greater, exactly.

use std::cmp::Ordering;

use super::value::{Key, Node, Value};

/// Equal as HCL's `==` has it: of the same kind and the same content, wherever it was
/// written. A whole number equals the same number with a point.
impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Integer(a), Self::Integer(b)) => a == b,
            (Self::Float(a), Self::Float(b)) => a == b,
            (Self::Integer(a), Self::Float(b)) | (Self::Float(b), Self::Integer(a)) => {
                order(*a, *b) == Some(Ordering::Equal)
            }
            (Self::String(a), Self::String(b)) => a == b,
            (Self::Secret(a), Self::Secret(b)) => a == b,
            (Self::List(a), Self::List(b)) | (Self::Set(a), Self::Set(b)) => {
                a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| a.value == b.value)
            }
            (Self::Object(a), Self::Object(b)) => {
                let (a, b) = (a.entries(), b.entries());
                let same = |((ka, va), (kb, vb)): (&(Key, Node), &(Key, Node))| {
                    ka.text == kb.text && va.value == vb.value
                };
                a.len() == b.len() && a.iter().zip(b).all(same)
            }
            (Self::Reference(a), Self::Reference(b)) => a == b,
            _ => false,
        }
    }
}

/// Which is greater, exactly: above 2^53 not every whole number is an f64.
pub(super) fn order(whole: i64, other: f64) -> Option<Ordering> {
    // 2^63, which no i64 reaches.
    const END: f64 = 9_223_372_036_854_775_808.0;
    match other {
        other if other >= END => Some(Ordering::Less),
        other if other < -END => Some(Ordering::Greater),
        other => match whole.cmp(&(other.floor() as i64)) {
            Ordering::Equal => 0.0.partial_cmp(&other.fract().abs()),
            unequal => Some(unequal),
        },
    }
}
