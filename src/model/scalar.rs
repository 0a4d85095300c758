//! What stands in JSON besides lists and objects: a value that can be compared with.

use std::fmt;

use crate::model::quoted::Quoted;

/// A number that is finite and not whole.
#[derive(Clone, Copy, Debug)]
pub struct Fraction(f64);

impl Fraction {
    /// The number.
    pub fn get(self) -> f64 {
        self.0
    }
}

impl PartialEq for Fraction {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

impl Eq for Fraction {}

impl PartialOrd for Fraction {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Fraction {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl std::hash::Hash for Fraction {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.to_bits().hash(state);
    }
}

/// What JSON has besides lists and objects.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Scalar {
    Null,
    Bool(bool),
    Integer(i64),
    Number(Fraction),
    String(String),
}

impl Scalar {
    /// The longest string, in bytes.
    pub const MAX: usize = 1024;

    /// A number: whole if it is one, and none if it is not finite.
    pub fn number(number: f64) -> Option<Self> {
        // 2^53: above it neighbours are missing.
        if number.fract() == 0.0 && number.abs() <= 9_007_199_254_740_992.0 {
            Some(Self::Integer(number as i64))
        } else {
            number.is_finite().then_some(Self::Number(Fraction(number)))
        }
    }
}

/// As JSON, and so as HCL.
impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => value.fmt(f),
            Self::Integer(number) => number.fmt(f),
            Self::Number(number) => number.0.fmt(f),
            Self::String(text) => Quoted(text).fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_number_is_an_integer() {
        assert_eq!(Scalar::number(3.0), Some(Scalar::Integer(3)));
        assert_eq!(Scalar::number(-0.0), Some(Scalar::Integer(0)));
        assert_eq!(Scalar::number(0.5).unwrap().to_string(), "0.5");
        assert_eq!(Scalar::number(f64::NAN), None);
    }
}
