//! Names of declared objects, and addresses made of them.

use std::fmt;
use std::str::FromStr;

/// A name broke its rule.
#[derive(Debug, thiserror::Error)]
#[error(
    "{0:?} is not a name: a lower-case letter, then letters, digits, '-' or '_', 100 characters at most"
)]
pub struct InvalidName(String);

/// `[a-z][a-z0-9_-]*`, at most 100 characters: what HCL reads as a reference.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Name(String);

impl Name {
    /// The longest name, in characters.
    pub const MAX: usize = 100;

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let mut bytes = text.bytes();
        let good = bytes.next().is_some_and(|first| first.is_ascii_lowercase())
            && bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-".contains(&b))
            && text.len() <= Self::MAX;
        if good {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidName(text.chars().take(Self::MAX + 1).collect()))
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for good in ["a", "shop_api", "web-1", &"a".repeat(100)] {
            assert!(good.parse::<Name>().is_ok(), "{good}");
        }
        for bad in ["", "1a", "A", "a.b", "ä", "-a", &"a".repeat(101)] {
            assert!(bad.parse::<Name>().is_err(), "{bad}");
        }
    }
}
