//! A list of names that may be long: the first ones, and how many more there are.

use std::fmt;

/// How many are kept.
const KEPT: usize = 100;
/// How many are shown.
const SHOWN: usize = 8;

/// The first names of a list, in its order.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Names {
    pub first: Vec<String>,
    pub more: usize,
}

impl Names {
    /// Of a list of which these are the first.
    pub fn of(first: Vec<String>, count: usize) -> Self {
        let more = count.saturating_sub(first.len());
        Self { first, more }
    }

    /// How many they are.
    pub fn count(&self) -> usize {
        self.first.len() + self.more
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count() == 0
    }

    /// Adds one.
    pub fn push(&mut self, name: &str) {
        match self.first.len() < KEPT {
            true => self.first.push(name.to_owned()),
            false => self.more += 1,
        }
    }
}

impl From<&[String]> for Names {
    fn from(all: &[String]) -> Self {
        let first = all.iter().take(KEPT).cloned().collect();
        Self::of(first, all.len())
    }
}

/// "a, b, c and 12 more".
impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: Vec<&str> = self.first.iter().take(SHOWN).map(String::as_str).collect();
        f.write_str(&shown.join(", "))?;
        match self.count().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}
