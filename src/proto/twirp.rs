//! What Twirp adds to the messages: two encodings and errors with codes, by the
//! Twirp wire protocol, version 7. Servers and clients share it.

use std::collections::BTreeMap;

use prost::{Message, Name};
use serde::{Deserialize, Serialize};

use super::json::{self, JsonError, JsonStyle};

/// How a request and its answer are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Encoding {
    Protobuf,
    Json,
}

/// Bytes are not the message that was expected.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    #[error("the body is not the protobuf message {0}")]
    Protobuf(String, #[source] prost::DecodeError),
    #[error("the body is not the message {0} as JSON")]
    Json(String, #[source] JsonError),
}

impl Encoding {
    /// The encoding that a `Content-Type` names; parameters are allowed.
    pub fn from_content_type(text: &str) -> Option<Self> {
        let essence = text.split(';').next().unwrap_or_default().trim();
        if essence.eq_ignore_ascii_case("application/protobuf") {
            Some(Self::Protobuf)
        } else if essence.eq_ignore_ascii_case("application/json") {
            Some(Self::Json)
        } else {
            None
        }
    }

    /// What to write into `Content-Type`.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Protobuf => "application/protobuf",
            Self::Json => "application/json",
        }
    }

    /// The message of these bytes.
    pub fn decode<M: Message + Name + Default>(self, bytes: &[u8]) -> Result<M, DecodeError> {
        match self {
            Self::Protobuf => {
                M::decode(bytes).map_err(|error| DecodeError::Protobuf(M::full_name(), error))
            }
            Self::Json => {
                json::from_json(bytes).map_err(|error| DecodeError::Json(M::full_name(), error))
            }
        }
    }

    /// The bytes of a message.
    pub fn encode<M: Message + Name>(self, message: &M) -> Result<Vec<u8>, JsonError> {
        match self {
            Self::Protobuf => Ok(message.encode_to_vec()),
            Self::Json => json::to_json(message, JsonStyle::Wire).map(String::into_bytes),
        }
    }
}

/// The codes of Twirp.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    Canceled,
    InvalidArgument,
    Malformed,
    DeadlineExceeded,
    NotFound,
    BadRoute,
    AlreadyExists,
    PermissionDenied,
    Unauthenticated,
    ResourceExhausted,
    FailedPrecondition,
    Aborted,
    OutOfRange,
    Unimplemented,
    Internal,
    Unavailable,
    Dataloss,
    /// Also every code that this program does not know.
    #[serde(other)]
    Unknown,
}

impl Code {
    /// The HTTP status and the name on the wire.
    fn row(self) -> (u16, &'static str) {
        match self {
            Self::Canceled => (408, "canceled"),
            Self::Unknown => (500, "unknown"),
            Self::InvalidArgument => (400, "invalid_argument"),
            Self::Malformed => (400, "malformed"),
            Self::DeadlineExceeded => (408, "deadline_exceeded"),
            Self::NotFound => (404, "not_found"),
            Self::BadRoute => (404, "bad_route"),
            Self::AlreadyExists => (409, "already_exists"),
            Self::PermissionDenied => (403, "permission_denied"),
            Self::Unauthenticated => (401, "unauthenticated"),
            Self::ResourceExhausted => (429, "resource_exhausted"),
            Self::FailedPrecondition => (412, "failed_precondition"),
            Self::Aborted => (409, "aborted"),
            Self::OutOfRange => (400, "out_of_range"),
            Self::Unimplemented => (501, "unimplemented"),
            Self::Internal => (500, "internal"),
            Self::Unavailable => (503, "unavailable"),
            Self::Dataloss => (503, "dataloss"),
        }
    }

    /// The HTTP status that goes with it.
    pub fn status(self) -> u16 {
        self.row().0
    }

    /// Its name on the wire.
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// The code for an answer of this HTTP status that is not Twirp's: from a
    /// proxy, say.
    pub fn from_status(status: u16) -> Self {
        match status {
            300..=400 => Self::Internal,
            401 => Self::Unauthenticated,
            403 => Self::PermissionDenied,
            404 => Self::BadRoute,
            429 => Self::ResourceExhausted,
            502..=504 => Self::Unavailable,
            _ => Self::Unknown,
        }
    }
}

/// A refusal, as it goes over the wire: nothing internal may stand in it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, thiserror::Error)]
#[error("{}: {msg}", code.name())]
pub struct TwirpError {
    pub code: Code,
    #[serde(default)]
    pub msg: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub meta: BTreeMap<String, String>,
}

impl TwirpError {
    pub fn new(code: Code, msg: impl Into<String>) -> Self {
        Self {
            code,
            msg: msg.into(),
            meta: BTreeMap::new(),
        }
    }

    /// An argument broke its rule; `meta.argument` names it.
    pub fn argument(argument: &str, why: impl std::fmt::Display) -> Self {
        Self::new(Code::InvalidArgument, format!("{argument}: {why}")).with("argument", argument)
    }

    /// The same with one more entry in `meta`.
    pub fn with(mut self, key: &str, value: impl Into<String>) -> Self {
        self.meta.insert(key.to_owned(), value.into());
        self
    }

    /// The body of the answer.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// The error in an answer that was not 200.
    pub fn from_answer(status: u16, body: &[u8]) -> Self {
        serde_json::from_slice(body).unwrap_or_else(|_not_twirp| {
            let text: String = String::from_utf8_lossy(body).chars().take(200).collect();
            Self::new(
                Code::from_status(status),
                format!("HTTP status {status} from something that is not lokahi: {text:?}"),
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_types() {
        let of = Encoding::from_content_type;
        assert_eq!(of("application/json; charset=utf-8"), Some(Encoding::Json));
        assert_eq!(of("Application/Protobuf"), Some(Encoding::Protobuf));
        assert_eq!(of("text/plain"), None);
        assert_eq!(of(""), None);
    }

    #[test]
    fn an_error_comes_back_as_it_was_sent() {
        let error = TwirpError::argument("url", "is wrong");
        let json = error.to_json();
        assert_eq!(
            String::from_utf8(json.clone()).unwrap(),
            r#"{"code":"invalid_argument","msg":"url: is wrong","meta":{"argument":"url"}}"#
        );
        assert_eq!(TwirpError::from_answer(400, &json), error);
        assert_eq!(
            TwirpError::from_answer(502, b"<html>").code,
            Code::Unavailable
        );
        let newer = TwirpError::from_answer(418, br#"{"code":"teapot","msg":"x"}"#);
        assert_eq!(newer.code, Code::Unknown);
    }
}
