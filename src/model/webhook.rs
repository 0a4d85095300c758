//! What a user declares about a receiver.

use std::fmt;

use crate::model::value::HttpUrl;

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

/// A receiver.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct WebhookSpec {
    /// Where events are POSTed to.
    pub url: HttpUrl,
    /// How they are written.
    pub format: WebhookFormat,
}
