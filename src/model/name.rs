//! Names of declared objects, and addresses made of them.

use std::fmt;
use std::str::FromStr;

use crate::model::quoted::Quoted;

/// A name broke its rule.
#[derive(Debug, thiserror::Error)]
#[error(
    "{} is not a name: a lower-case letter, then letters, digits, '-' or '_', 100 characters at most",
    Quoted(.0)
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

/// An address is not one.
#[derive(Debug, thiserror::Error)]
#[error("{} is not an address: a name, or NAME[\"KEY\"] for one of a `for_each`", Quoted(.0))]
pub struct InvalidAddress(String);

/// What a declared check is called in its project: a name, or `name["key"]` for one of a
/// `for_each`, with the key as HCL quotes it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Address(String);

impl Address {
    /// The longest key, in bytes.
    pub const MAX_KEY: usize = 200;
    /// The longest quoted key: a quote or a backslash is two bytes in it, and `${` three.
    const MAX_QUOTED: usize = 2 * Self::MAX_KEY;
}

impl FromStr for Address {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let (name, key) = match text.split_once('[') {
            Some((name, rest)) => (
                name,
                rest.strip_prefix('"').and_then(|k| k.strip_suffix("\"]")),
            ),
            None => (text, Some("-")),
        };
        if name.parse::<Name>().is_ok() && key.is_some_and(is_quoted_key) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidAddress(text.chars().take(Name::MAX).collect()))
        }
    }
}

/// Whether a text may stand between the quotes of a key: its quotes are escaped, and so is
/// nothing else but backslashes.
fn is_quoted_key(key: &str) -> bool {
    let mut characters = key.chars();
    let mut good = !key.is_empty() && key.len() <= Address::MAX_QUOTED;
    while let Some(c) = characters.next() {
        good &= match c {
            '\\' => matches!(characters.next(), Some('"' | '\\')),
            '"' => false,
            c => !c.is_control(),
        };
    }
    good
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for good in [
            "a",
            "page[\"home\"]",
            "page[\"/a b\"]",
            "page[\"a\\\"]\\\\\"]",
            "page[\"ä[0]\"]",
        ] {
            assert!(good.parse::<Address>().is_ok(), "{good}");
        }
        let long = format!("a[\"{}\"]", "k".repeat(401));
        for bad in [
            "",
            "a[]",
            "a[0]",
            "a[\"\"]",
            "a[\"b\"",
            "a[\"b\"]c",
            "a[\"b\"c\"]",
            "a[\"b\\\"]",
            "a[\"\\n\"]",
            "A[\"b\"]",
            "a[\"\n\"]",
            "[\"b\"]",
            &long,
        ] {
            assert!(bad.parse::<Address>().is_err(), "{bad}");
        }
    }

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
