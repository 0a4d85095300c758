//! What a user declares about a receiver.

use std::fmt;
use std::str::FromStr;

use crate::model::secret::SecretName;
use crate::model::value::{HttpUrl, InvalidValue};

/// How a receiver wants its events written.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum WebhookFormat {
    /// A `CheckStatus` as protobuf, as the original sends it.
    #[default]
    Protobuf,
    /// A Standard Webhooks envelope; on a Twirp path the bare message.
    Json,
}

impl WebhookFormat {
    /// Every format, with the name that files and flags use.
    pub const ALL: [(Self, &'static str); 2] = [(Self::Protobuf, "protobuf"), (Self::Json, "json")];

    /// The format of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|(_, n)| *n == name)
            .map(|(format, _)| format)
    }

    /// The name that files and flags use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Protobuf => "protobuf",
            Self::Json => "json",
        }
    }
}

impl fmt::Display for WebhookFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where a receiver is: many a service gives a URL that is a secret as a whole.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ReceiverUrl {
    Url(HttpUrl),
    Secret(SecretName),
}

impl ReceiverUrl {
    /// The URL, unless it is a secret.
    pub fn as_url(&self) -> Option<&HttpUrl> {
        match self {
            Self::Url(url) => Some(url),
            Self::Secret(_) => None,
        }
    }

    /// The secret that it is.
    pub fn as_secret(&self) -> Option<&SecretName> {
        match self {
            Self::Url(_) => None,
            Self::Secret(name) => Some(name),
        }
    }
}

impl From<HttpUrl> for ReceiverUrl {
    fn from(url: HttpUrl) -> Self {
        Self::Url(url)
    }
}

/// A URL, or `secret("NAME")`: how it is stored and shown. No URL has that form.
impl fmt::Display for ReceiverUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(url) => url.fmt(f),
            Self::Secret(name) => name.fmt(f),
        }
    }
}

impl FromStr for ReceiverUrl {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let name = text
            .strip_prefix("secret(\"")
            .and_then(|rest| rest.strip_suffix("\")"));
        match name {
            Some(name) => name
                .parse()
                .map(Self::Secret)
                .map_err(|error| InvalidValue::Other(format!("{error}"))),
            None => text.parse().map(Self::Url),
        }
    }
}

/// A type of events, as receivers may name them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct EventType(&'static str);

impl EventType {
    /// Every type that a receiver may ask for.
    pub const ALL: [Self; 14] = [
        Self("check.up"),
        Self("check.down"),
        Self("check.error"),
        Self("check.degraded"),
        Self("check.flapping"),
        Self("check.stale"),
        Self("check.reminder"),
        Self("check.deleted"),
        Self("config.suspect"),
        Self("prober.impaired"),
        Self("project.failed"),
        Self("project.held"),
        Self("project.drifted"),
        Self("receiver.failing"),
    ];
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl FromStr for EventType {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let mut all = Self::ALL.into_iter();
        all.find(|known| known.0 == text).ok_or_else(|| {
            let all: Vec<&str> = Self::ALL.iter().map(|known| known.0).collect();
            InvalidValue::Other(format!("is none of {}", all.join(", ")))
        })
    }
}

/// A receiver.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct WebhookSpec {
    /// Where events are POSTed to.
    pub url: ReceiverUrl,
    /// How they are written.
    pub format: WebhookFormat,
    /// Which it gets, sorted, each once; empty: all that its format knows, but for `check.stale`.
    pub events: Vec<EventType>,
}

impl WebhookSpec {
    /// One that gets what its format knows.
    pub fn new(url: ReceiverUrl, format: WebhookFormat) -> Self {
        Self {
            url,
            format,
            events: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_or_a_secret() {
        for text in ["https://hooks.example.com/x", "secret(\"slack\")"] {
            assert_eq!(text.parse::<ReceiverUrl>().unwrap().to_string(), text);
        }
        for bad in ["secret(\"A\")", "secret(\"a\") ", "secret(a)", "ftp://a/"] {
            assert!(bad.parse::<ReceiverUrl>().is_err(), "{bad}");
        }
    }
}
