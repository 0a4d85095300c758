//! Patterns of addresses: `web_*`, or a name, which stands for all of its `for_each`, too.

use std::fmt;
use std::str::FromStr;

use crate::model::quoted::Quoted;
use crate::model::value::InvalidValue;

/// A pattern in which `*` stands for any characters, also for none.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Glob(String);

impl Glob {
    /// The longest one, in bytes.
    pub const MAX: usize = 400;

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a check of this address is meant: `web` is `web["eu"]`, too.
    pub fn matches(&self, address: &str) -> bool {
        let whole = address.split_once('[').map_or(address, |(name, _)| name);
        like(&self.0, address) || like(&self.0, whole)
    }
}

/// Greedy, with one step back: linear in both for each `*`.
fn like(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match (pattern.get(p), star) {
            (Some(b'*'), _) => {
                star = Some((p + 1, t));
                p += 1;
            }
            (Some(wanted), _) if text.get(t) == Some(wanted) => {
                p += 1;
                t += 1;
            }
            (_, Some((after, from))) => {
                star = Some((after, from + 1));
                (p, t) = (after, from + 1);
            }
            (_, None) => return false,
        }
    }
    let rest = pattern.get(p..).unwrap_or_default();
    rest.iter().all(|byte| *byte == b'*')
}

impl FromStr for Glob {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        if text.len() > Self::MAX {
            return Err(InvalidValue::TooLong {
                length: text.len(),
                max: Self::MAX,
            });
        }
        // A key of a `for_each` may be any text.
        let name = text.split_once('[').map_or(text, |(name, _)| name);
        let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-*".contains(&b);
        if name.is_empty() || !name.bytes().all(fits) || text.contains(char::is_control) {
            let why = format!(
                "{} is no name of checks: write a name, or one with `*` for any characters",
                Quoted(text)
            );
            return Err(InvalidValue::Other(why));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_meant() {
        for (pattern, address, meant) in [
            ("web", "web", true),
            ("web", "web[\"eu\"]", true),
            ("web", "webs", false),
            ("web[\"eu\"]", "web[\"eu\"]", true),
            ("web[\"eu\"]", "web[\"us\"]", false),
            ("web_*", "web_", true),
            ("web_*", "web_front[\"eu\"]", true),
            ("web_*", "web", false),
            ("*_api", "shop_api", true),
            ("*_api", "shop_api[\"eu\"]", true),
            ("*_api", "shop_api_2", false),
            ("*", "anything[\"x\"]", true),
            ("a*b*c", "aXbXbXc", true),
            ("a*b*c", "aXcXb", false),
            ("*eu*", "web[\"eu\"]", true),
        ] {
            let glob: Glob = pattern.parse().unwrap();
            assert_eq!(glob.matches(address), meant, "{pattern} {address}");
        }
        let many = format!("{}b", "*a".repeat(190));
        let glob: Glob = many.parse().unwrap();
        assert!(!glob.matches(&"a".repeat(1000)));
    }

    #[test]
    fn what_is_no_pattern() {
        for bad in ["", "Web", "web?", "a b", "[\"eu\"]", "web\n"] {
            assert!(bad.parse::<Glob>().is_err(), "{bad:?}");
        }
        assert!("a".repeat(401).parse::<Glob>().is_err());
    }
}
