//! The text of a token, and what is kept of it. Where the random bytes come
//! from, and who may have a token, is the caller's.

use std::fmt;

use sha2::{Digest as _, Sha256};

/// What every token begins with, so that people and scanners know one.
pub const PREFIX: &str = "lokahi_";
/// How many hexadecimal digits follow: 32 bytes.
const DIGITS: usize = 64;

/// A token as its owner has it. It is never stored, and its `Debug` form hides it.
#[derive(Clone)]
pub struct TokenText(String);

/// SHA-256 of a token's text: all that is kept. The text is random, so that
/// nothing slower is needed, and nobody can choose how a hash begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TokenHash(pub [u8; 32]);

impl TokenText {
    /// How many random bytes a new one needs.
    pub const BYTES: usize = DIGITS / 2;

    /// The token of random bytes in hexadecimal; or, of what a caller sent, the
    /// token that it is.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(PREFIX)?;
        let good = digits.len() == DIGITS && digits.bytes().all(|b| b.is_ascii_hexdigit());
        good.then(|| Self(text.to_owned()))
    }

    /// The text, for its owner alone.
    pub fn reveal(self) -> String {
        self.0
    }

    /// What is kept of it.
    pub fn hash(&self) -> TokenHash {
        TokenHash(Sha256::digest(self.0.as_bytes()).into())
    }
}

impl fmt::Debug for TokenText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a token")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_token_is_one() {
        let digits = "5f".repeat(TokenText::BYTES);
        let token = TokenText::parse(&format!("{PREFIX}{digits}")).unwrap();
        assert!(!format!("{token:?}").contains("5f"));
        let long = format!("{PREFIX}{digits}0");
        let other = format!("{PREFIX}{}", "xy".repeat(TokenText::BYTES));
        for bad in ["", PREFIX, &digits, &long, &other] {
            assert!(TokenText::parse(bad).is_none(), "{bad}");
        }
    }
}
