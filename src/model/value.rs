//! Values that stand in several places: URLs, headers, labels, and why one is
//! refused.

use std::fmt;
use std::str::FromStr;

use url::Url;

use crate::model::quoted::Quoted;
use crate::model::secret::Text;

/// Why a value was refused. The text completes "NAME: ".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidValue {
    /// Not a URL at all.
    #[error("{} is not a URL: {why}", Quoted(.url))]
    Url {
        /// What was given, cut.
        url: String,
        /// What the parser said.
        why: String,
    },
    /// A URL that cannot be probed or posted to.
    #[error("{} has the scheme \"{scheme}\"; only http and https can be used", Quoted(.url))]
    Scheme {
        /// What was given, cut.
        url: String,
        /// Its scheme.
        scheme: String,
    },
    /// A URL that carries user:password@.
    #[error(
        "a URL must not carry a user name or password: everyone who lists checks would read it"
    )]
    Credentials,
    /// Outside its range.
    #[error("{what} must be between {min} and {max}")]
    Range {
        /// What was given, with its unit.
        what: String,
        /// Least value.
        min: String,
        /// Greatest value.
        max: String,
    },
    /// Longer than allowed.
    #[error("is {length} long; at most {max} are allowed")]
    TooLong {
        /// Its length in bytes, or number of entries.
        length: usize,
        /// The most that is allowed.
        max: usize,
    },
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

impl InvalidValue {
    /// Why a URL is refused that is a secret: nothing of it is shown. Completes "the value ".
    pub fn of_secret(&self) -> String {
        match self {
            // What the parser says quotes nothing.
            Self::Url { why, .. } => format!("is not a URL: {why}"),
            Self::Credentials => {
                "is a URL that has a user name or password: it must not".to_owned()
            }
            Self::TooLong { max, .. } => format!("is longer than {max} bytes, as no URL may be"),
            // A scheme is a piece of it.
            _ => "is not a URL of http or https".to_owned(),
        }
    }
}

/// An absolute http or https URL of at most 2,048 bytes with a host and without
/// credentials, kept as it was written.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct HttpUrl(String);

impl HttpUrl {
    /// The longest URL, in bytes.
    pub const MAX: usize = 2048;

    /// The URL as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The URL in parts.
    pub fn parse(&self) -> Url {
        #[expect(clippy::expect_used, reason = "the constructor parsed the same text")]
        Url::parse(&self.0).expect("checked when it was made")
    }
}

impl FromStr for HttpUrl {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        if text.len() > Self::MAX {
            return Err(InvalidValue::TooLong {
                length: text.len(),
                max: Self::MAX,
            });
        }
        let shown = || text.chars().take(200).collect::<String>();
        if text.chars().any(|c| c.is_control() || c == ' ') {
            let why = "it has spaces or control characters".to_owned();
            return Err(InvalidValue::Url { url: shown(), why });
        }
        let url = Url::parse(text).map_err(|error| InvalidValue::Url {
            url: shown(),
            why: error.to_string(),
        })?;
        if !matches!(url.scheme(), "http" | "https") {
            let scheme = url.scheme().to_owned();
            return Err(InvalidValue::Scheme {
                url: shown(),
                scheme,
            });
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(InvalidValue::Credentials);
        }
        // The parser takes the next part of the path for the host that is missing.
        let host = text.split_once("://").map_or("", |(_, rest)| rest);
        if host.is_empty() || host.starts_with(['/', '\\']) {
            return Err(InvalidValue::Url {
                url: shown(),
                why: "a host stands after `//`".into(),
            });
        }
        if url.port() == Some(0) {
            return Err(InvalidValue::Url {
                url: shown(),
                why: "port 0 cannot be dialled".into(),
            });
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Checks a name that a site is asked for and its certificate must have: a host's, or an
/// address.
pub fn valid_server_name(name: &str) -> Result<(), InvalidValue> {
    match url::Host::parse(name) {
        Ok(url::Host::Domain(host)) if host == name && is_host_name(name) => Ok(()),
        Ok(url::Host::Ipv4(_)) => Ok(()),
        _ => {
            let name: String = name.chars().take(200).collect();
            Err(InvalidValue::Other(format!(
                "{name:?} is no name of a host in lower case"
            )))
        }
    }
}

/// Whether a name can be that of a host: parts of 1 to 63 letters, digits, `-` and `_` that
/// neither begin nor end with `-` (RFC 1123, section 2.1; many have `_` in them all the same).
pub fn is_host_name(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let part = |part: &str| {
        let ends = part.starts_with('-') || part.ends_with('-');
        (1..=63).contains(&part.len()) && !ends && part.bytes().all(inner)
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    name.len() <= 253 && name.split('.').all(part)
}

/// Checks a scope by RFC 6749, section 3.3.
pub fn valid_scope(scope: &str) -> Result<(), InvalidValue> {
    let allowed = |byte: u8| matches!(byte, b'!' | b'#'..=b'[' | b']'..=b'~');
    if scope.is_empty() || scope.len() > 200 || !scope.bytes().all(allowed) {
        let scope: String = scope.chars().take(200).collect();
        return Err(InvalidValue::Other(format!(
            "{scope:?} is no scope: 1 to 200 characters without spaces"
        )));
    }
    Ok(())
}

/// Checks a header name and value by RFC 9110, section 5, and that it is not
/// one of those that the prober sets itself.
pub fn valid_header(name: &str, value: &str) -> Result<(), InvalidValue> {
    const OURS: [&str; 6] = [
        "host",
        "connection",
        "content-length",
        "transfer-encoding",
        "x-lokahi-check",
        "upgrade",
    ];
    valid_header_name(name)?;
    if OURS.iter().any(|ours| name.eq_ignore_ascii_case(ours)) && !name.eq_ignore_ascii_case("host")
    {
        return Err(InvalidValue::Other(format!(
            "the header {} is set by lokahi itself",
            Quoted(name)
        )));
    }
    if value.len() > 8 * 1024 {
        return Err(InvalidValue::TooLong {
            length: value.len(),
            max: 8 * 1024,
        });
    }
    if value.bytes().any(|b| (b < 0x20 && b != b'\t') || b == 0x7f) {
        return Err(InvalidValue::Other(format!(
            "the value of header {} has control characters",
            Quoted(name)
        )));
    }
    Ok(())
}

/// Checks a header name by RFC 9110, section 5.1.
pub fn valid_header_name(name: &str) -> Result<(), InvalidValue> {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if name.is_empty() || name.len() > 256 || !name.bytes().all(token) {
        return Err(InvalidValue::Other(format!(
            "{} is not a header name",
            Quoted(name)
        )));
    }
    Ok(())
}

/// Checks a header like `valid_header`, as far as its value is known, and that no secret says
/// which host is asked.
pub fn valid_header_text(name: &str, value: &Text) -> Result<(), InvalidValue> {
    if name.eq_ignore_ascii_case("host") && value.as_plain().is_none() {
        let text = "the header \"host\" cannot have a secret in it";
        return Err(InvalidValue::Other(text.to_owned()));
    }
    valid_header(name, &value.known())
}

/// Checks a label: a key of letters, digits, `_`, `-` and `.` that begins with
/// a letter or `_`, at most 64 bytes; a value of at most 256 bytes without
/// control characters.
pub fn valid_label(key: &str, value: &str) -> Result<(), InvalidValue> {
    let inner = |b: u8| b.is_ascii_alphanumeric() || b"_-.".contains(&b);
    let first = key
        .bytes()
        .next()
        .is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    if !first || key.len() > 64 || !key.bytes().all(inner) {
        let rule = "a letter or `_`, then letters, digits, `_`, `-` or `.`, 64 at most";
        return Err(InvalidValue::Other(format!(
            "{} is not a label: {rule}",
            Quoted(key)
        )));
    }
    if value.len() > 256 {
        return Err(InvalidValue::TooLong {
            length: value.len(),
            max: 256,
        });
    }
    if value.chars().any(char::is_control) {
        let text = format!("the value of label {} has control characters", Quoted(key));
        return Err(InvalidValue::Other(text));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Result<String, String> {
        text.parse::<HttpUrl>()
            .map(|u| u.to_string())
            .map_err(|e| e.to_string())
    }

    #[test]
    fn urls() {
        assert_eq!(
            url("http://duke:9001?x").as_deref(),
            Ok("http://duke:9001?x")
        );
        assert!(
            url("ftp://example.com/")
                .unwrap_err()
                .contains("only http and https")
        );
        assert!(url("example.com").unwrap_err().contains("is not a URL"));
        assert!(url("http://").is_err());
        assert!(url("http://a b/").is_err());
        assert!(
            url("http://user:pass@example.com/")
                .unwrap_err()
                .contains("password")
        );
        assert!(
            url(&format!("http://a/{}", "x".repeat(2048)))
                .unwrap_err()
                .contains("2048")
        );
    }

    #[test]
    fn of_a_secret_url_nothing_is_shown() {
        for (url, why) in [
            (
                " http://t0ken/",
                "is not a URL: it has spaces or control characters",
            ),
            ("t0ken.test/x", "is not a URL: relative URL without a base"),
            ("http:///t0ken", "is not a URL: a host stands after `//`"),
            ("http://t0ken:99999/", "is not a URL: invalid port number"),
            (
                "http://u:t0ken@a/",
                "is a URL that has a user name or password: it must not",
            ),
            ("t0ken://a/", "is not a URL of http or https"),
        ] {
            assert_eq!(url.parse::<HttpUrl>().unwrap_err().of_secret(), why);
        }
    }

    #[test]
    fn names_of_hosts() {
        for good in ["a", "a-b.example.com", "my_service", "example.com."] {
            assert!(is_host_name(good), "{good}");
            assert!(valid_server_name(good).is_ok(), "{good}");
        }
        let long = "x".repeat(64);
        for bad in ["", ".", "*.example.com", "a..b", "-a", "a-", &long] {
            assert!(!is_host_name(bad), "{bad}");
            assert!(valid_server_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn headers() {
        assert!(valid_header("accept", "application/json").is_ok());
        assert!(valid_header("host", "example.com").is_ok());
        assert!(valid_header("Content-Length", "1").is_err());
        assert!(valid_header("a b", "1").is_err());
        assert!(valid_header("a", "x\r\ny: z").is_err());
    }
}
