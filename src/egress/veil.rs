//! Covers secrets in what others said, before anybody else can read it.

use percent_encoding::percent_decode_str;
use url::Url;

/// What stands in the place of a secret.
const COVER: &str = "[secret]";
/// Shorter words stand in every text by chance.
const LEAST: usize = 4;

/// The words that must not be shown.
#[derive(Default)]
pub struct Veil {
    /// The longest first.
    words: Vec<String>,
}

impl std::fmt::Debug for Veil {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Veil({})", self.words.len())
    }
}

impl Veil {
    /// Over these words, as they are and as they are quoted.
    pub fn over<'w>(words: impl IntoIterator<Item = &'w str>) -> Self {
        let mut all: Vec<String> = Vec::new();
        for word in words {
            let quoted = format!("{word:?}");
            let quoted = quoted.trim_matches('"').to_owned();
            all.extend([word.to_owned(), word.trim().to_owned(), quoted]);
        }
        all.retain(|word| word.len() >= LEAST);
        all.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        all.dedup();
        Self { words: all }
    }

    /// Over a URL that is a secret, and over its parts: a receiver may say them back.
    pub fn over_url(url: &Url) -> Self {
        let path = url.path().split('/');
        let query = url.query().unwrap_or_default().split(['&', '=']);
        let whole = [url.as_str(), url.path()];
        let whole = whole.into_iter().chain(url.host_str()).chain(url.query());
        Self::over(whole.chain(path).chain(query))
    }

    /// Over the words of both.
    pub fn and(self, other: Self) -> Self {
        let both = self.words.into_iter().chain(other.words);
        let both: Vec<String> = both.collect();
        Self::over(both.iter().map(String::as_str))
    }

    /// The text without them. Where one stands in a form that cannot be cut out nothing of
    /// the text is shown.
    pub fn cover(&self, mut text: String) -> String {
        if self.words.is_empty() {
            return text;
        }
        for word in &self.words {
            if text.contains(word) {
                text = text.replace(word, COVER);
            }
        }
        let decoded = percent_decode_str(&text).decode_utf8_lossy();
        if self.words.iter().any(|word| decoded.contains(word)) {
            return COVER.to_owned();
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_secret_is_left() {
        let check = |secret: &str, text: &str, expect: &str| {
            assert_eq!(Veil::over([secret]).cover(text.into()), expect);
        };
        check("s3cret", "a s3cret, s3cret", "a [secret], [secret]");
        check("a\"b\nc", "said \"a\\\"b\\nc\"", "said \"[secret]\"");
        check("s3cr t", "to /x?t=s3cr%20t", "[secret]");
        check(" padded ", "said padded", "said [secret]");
        check("abc", "an abc", "an abc");
        check("s3cret", "all is well", "all is well");
    }

    #[test]
    fn parts_of_a_secret_url_are_covered() {
        let url = Url::parse("https://hooks.example.com/services/T0/B1234/zzzz?key=k3y9").unwrap();
        let veil = Veil::over_url(&url);
        for said in [
            "no team at /services/T0/B1234/zzzz",
            "zzzz is unknown",
            "hooks.example.com: no such name",
            "bad k3y9",
        ] {
            let shown = veil.cover(said.into());
            assert!(shown.contains(COVER), "{shown}");
            for part in ["zzzz", "B1234", "hooks", "k3y9"] {
                assert!(!shown.contains(part), "{shown}");
            }
        }
    }
}
