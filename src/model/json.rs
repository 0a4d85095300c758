//! Places in JSON.

use std::fmt;
use std::str::FromStr;

use crate::model::quoted::Quoted;
use crate::model::value::InvalidValue;

/// A step into JSON.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Step {
    Key(String),
    Index(u32),
}

/// A place in JSON: `status`, `items[0].id`, `a.b["c d"]`. It has one step at least.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct JsonPath(Vec<Step>);

impl JsonPath {
    /// The longest one, in bytes, and in steps.
    pub const MAX: usize = 512;
    pub const MAX_STEPS: usize = 64;

    /// Its steps.
    pub fn steps(&self) -> &[Step] {
        &self.0
    }
}

/// A key that needs no quotes.
fn bare(key: &str) -> bool {
    !key.is_empty() && key.bytes().all(is_bare)
}

fn is_bare(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_-".contains(&byte) || byte >= 0x80
}

impl FromStr for JsonPath {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let wrong = || {
            InvalidValue::Other(format!(
                "{} is not a place in JSON: write status, items[0].id or a[\"b c\"]",
                Quoted(text)
            ))
        };
        if text.len() > Self::MAX {
            return Err(InvalidValue::TooLong {
                length: text.len(),
                max: Self::MAX,
            });
        }
        let mut steps = Vec::new();
        let mut rest = text;
        while !rest.is_empty() || steps.is_empty() {
            let (step, after) = step(rest, steps.is_empty()).ok_or_else(wrong)?;
            steps.push(step);
            rest = after;
        }
        if steps.len() > Self::MAX_STEPS {
            return Err(InvalidValue::TooLong {
                length: steps.len(),
                max: Self::MAX_STEPS,
            });
        }
        Ok(Self(steps))
    }
}

/// The first step of a text, and what follows it.
fn step(text: &str, first: bool) -> Option<(Step, &str)> {
    if let Some(quoted) = text.strip_prefix("[\"") {
        let mut key = String::new();
        let mut characters = quoted.char_indices();
        while let Some((at, c)) = characters.next() {
            match c {
                '"' => {
                    let after = quoted.get(at + 1..)?.strip_prefix(']')?;
                    return Some((Step::Key(key), after));
                }
                '\\' => key.push(
                    characters
                        .next()
                        .map(|(_, c)| c)
                        .filter(|c| "\\\"".contains(*c))?,
                ),
                c => key.push(c),
            }
        }
        return None;
    }
    if let Some(number) = text.strip_prefix('[') {
        let (number, after) = number.split_once(']')?;
        let digits = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
        let index = number.parse().ok().filter(|_| digits)?;
        return Some((Step::Index(index), after));
    }
    let text = if first { text } else { text.strip_prefix('.')? };
    let length = text.bytes().take_while(|b| is_bare(*b)).count();
    let (key, after) = text.split_at_checked(length)?;
    (!key.is_empty()).then(|| (Step::Key(key.to_owned()), after))
}

/// Canonical: equal paths have equal text.
impl fmt::Display for JsonPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, step) in self.0.iter().enumerate() {
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Key(key) if bare(key) && at == 0 => f.write_str(key)?,
                Step::Key(key) if bare(key) => write!(f, ".{key}")?,
                Step::Key(key) => {
                    let key = key.replace('\\', "\\\\").replace('"', "\\\"");
                    write!(f, "[\"{key}\"]")?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_have_one_form() {
        for (text, expect) in [
            ("status", "status"),
            ("items[0].id", "items[0].id"),
            ("a.b[\"c d\"]", "a.b[\"c d\"]"),
            ("[\"a\"][\"b\"]", "a.b"),
            ("[0][1]", "[0][1]"),
            ("a[\"q\\\"\\\\\"].b", "a[\"q\\\"\\\\\"].b"),
            ("größe", "größe"),
            ("[\"\"]", "[\"\"]"),
        ] {
            let path: JsonPath = text.parse().unwrap();
            assert_eq!(path.to_string(), expect, "{text}");
            assert_eq!(expect.parse::<JsonPath>().unwrap(), path);
        }
        for bad in [
            "", ".", "a.", ".a", "a..b", "a[", "a[x]", "a[-1]", "a[+1]", "a b", "a[\"b]", "a]",
        ] {
            assert!(bad.parse::<JsonPath>().is_err(), "{bad}");
        }
    }
}
