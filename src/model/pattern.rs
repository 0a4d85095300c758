//! Regular expressions that asserts are made of. The engine runs in time that is linear in
//! what it reads; how large one may become is bounded here.

use std::fmt;
use std::str::FromStr;

use regex::bytes::{Regex, RegexBuilder};

use crate::model::quoted::Quoted;
use crate::model::value::InvalidValue;

/// A regular expression that compiles within our bounds.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Pattern(String);

impl Pattern {
    /// The longest one, in bytes.
    pub const MAX: usize = 1024;
    /// The largest compiled one, in bytes; and what one may use while it runs.
    const MAX_COMPILED: usize = 1024 * 1024;
    const MAX_RUNNING: usize = 512 * 1024;

    /// The expression as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The expression, ready to be looked for: over bytes, for a body need not be text.
    pub fn compile(&self) -> Regex {
        #[expect(clippy::expect_used, reason = "the constructor compiled the same text")]
        compiled(&self.0).expect("checked when it was made")
    }
}

fn compiled(text: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(text)
        .size_limit(Pattern::MAX_COMPILED)
        .dfa_size_limit(Pattern::MAX_RUNNING)
        .build()
}

impl FromStr for Pattern {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        if text.len() > Self::MAX {
            return Err(InvalidValue::TooLong {
                length: text.len(),
                max: Self::MAX,
            });
        }
        match compiled(text) {
            Ok(_) => Ok(Self(text.to_owned())),
            Err(regex::Error::CompiledTooBig(_)) => {
                let why = format!(
                    "{} is too large when it is compiled: repeat less",
                    Quoted(text)
                );
                Err(InvalidValue::Other(why))
            }
            Err(error) => {
                // The last line says what is wrong; those before draw it.
                let error = error.to_string();
                let why = error.lines().last().unwrap_or_default();
                let why = why.strip_prefix("error: ").unwrap_or(why);
                let text = format!("{} is not a regular expression: {why}", Quoted(text));
                Err(InvalidValue::Other(text))
            }
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_or_too_large_is_refused() {
        let refused = |text: &str| text.parse::<Pattern>().unwrap_err().to_string();
        assert_eq!(
            refused("a("),
            "\"a(\" is not a regular expression: unclosed group"
        );
        assert!(refused("(?:\\w{100}){100}").contains("too large"));
        assert!(refused(&"a".repeat(1025)).contains("1024"));
        let pattern: Pattern = "^v[0-9]+$".parse().unwrap();
        assert!(pattern.compile().is_match(b"v12"));
    }
}
