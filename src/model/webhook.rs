//! What a user declares about a receiver.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::model::name::Name;
use crate::model::quoted::Quoted;
use crate::model::secret::{SecretName, Text};
use crate::model::value::{HttpUrl, InvalidValue, valid_header_text};

/// How a receiver wants its events written.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum WebhookFormat {
    /// A `CheckStatus` as protobuf, as the original sends it.
    #[default]
    Protobuf,
    /// A Standard Webhooks envelope; on a Twirp path the bare message.
    Json,
    /// What Alertmanager's `/api/v2/alerts` takes.
    Alertmanager,
}

impl WebhookFormat {
    /// Every format, with the name that files and flags use.
    pub const ALL: [(Self, &'static str); 3] = [
        (Self::Protobuf, "protobuf"),
        (Self::Json, "json"),
        (Self::Alertmanager, "alertmanager"),
    ];

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
            Self::Alertmanager => "alertmanager",
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

    /// As much of it as anybody may see: the host, with its port, or the secret.
    pub fn place(&self) -> String {
        let url = match self {
            Self::Url(url) => url.parse(),
            Self::Secret(name) => return name.to_string(),
        };
        let host = url.host_str().unwrap_or_default();
        match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
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

/// How long one attempt to send may take, in milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct AttemptTimeout(u32);

impl AttemptTimeout {
    /// The shortest and the longest, in milliseconds.
    pub const MIN: i64 = 1_000;
    pub const MAX: i64 = 60_000;

    /// The timeout of so many milliseconds, if it is between a second and a minute.
    pub fn from_milliseconds(milliseconds: i64) -> Result<Self, InvalidValue> {
        match u32::try_from(milliseconds) {
            Ok(short) if (Self::MIN..=Self::MAX).contains(&milliseconds) => Ok(Self(short)),
            _ => Err(InvalidValue::Other(format!(
                "{milliseconds} ms must be between {} and {} ms",
                Self::MIN,
                Self::MAX
            ))),
        }
    }

    /// The same number.
    pub fn milliseconds(self) -> u32 {
        self.0
    }

    /// The same as a duration.
    pub fn duration(self) -> Duration {
        Duration::from_millis(self.0.into())
    }
}

impl Default for AttemptTimeout {
    fn default() -> Self {
        Self(15_000)
    }
}

/// Checks a header that a receiver is to be sent, as far as its value is known: no header that
/// lokahi sets itself, of which nobody could say whose counts.
pub fn valid_event_header(name: &str, value: &Text) -> Result<(), InvalidValue> {
    const OURS: [&str; 17] = [
        "accept",
        "accept-encoding",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "date",
        "expect",
        "host",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "user-agent",
    ];
    let lower = name.to_ascii_lowercase();
    let family = ["webhook-", "lokahi-"];
    let ours = OURS.contains(&lower.as_str()) || family.iter().any(|it| lower.starts_with(it));
    if ours {
        return Err(InvalidValue::Other(format!(
            "the header {} is set by lokahi itself",
            Quoted(name)
        )));
    }
    valid_header_text(name, value)
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
    /// What its events are signed with, each once; empty: they are not signed.
    pub secrets: Vec<SecretName>,
    /// What is sent besides lokahi's own headers, sorted by name.
    pub headers: Vec<(String, Text)>,
    /// How long an attempt may take.
    pub timeout: AttemptTimeout,
    /// The receiver of the same project that also gets what does not arrive here.
    pub fallback: Option<Name>,
    /// Of what waits for it only the newest of a check goes out.
    pub collapse: bool,
}

impl WebhookSpec {
    /// Whether JSON goes there without its envelope: a Twirp service takes the bare message.
    pub fn is_bare(&self) -> bool {
        let url = self
            .url
            .as_url()
            .filter(|_| self.format == WebhookFormat::Json);
        url.is_some_and(|url| url.parse().path().starts_with("/twirp/"))
    }

    /// The most secrets that sign one event.
    pub const MAX_SECRETS: usize = 4;
    /// The most headers.
    pub const MAX_HEADERS: usize = 32;
    /// The longest value of a header, in bytes.
    pub const MAX_HEADER: usize = 8 * 1024;

    /// One with every default.
    pub fn new(url: ReceiverUrl, format: WebhookFormat) -> Self {
        Self {
            url,
            format,
            events: Vec::new(),
            secrets: Vec::new(),
            headers: Vec::new(),
            timeout: AttemptTimeout::default(),
            fallback: None,
            collapse: true,
        }
    }

    /// Every secret that is needed to send to it.
    pub fn references(&self) -> impl Iterator<Item = &SecretName> {
        let headers = self.headers.iter();
        let headers = headers.flat_map(|(_, value)| value.references());
        self.url
            .as_secret()
            .into_iter()
            .chain(&self.secrets)
            .chain(headers)
    }
}

/// What a receiver answered, in words.
pub fn answered(status: u16) -> String {
    match status {
        300..400 => format!("it answered {status}, and redirects are not followed"),
        _ => format!("it answered {status}"),
    }
}

/// The same of a redirect to this origin.
pub fn redirected(status: u16, origin: &str) -> String {
    format!("{} (it leads to {origin})", answered(status))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_header_is_taken_that_lokahi_sets() {
        let plain = Text::plain("x");
        for ours in [
            "Content-Type",
            "webhook-id",
            "Webhook-Foo",
            "LOKAHI-ATTEMPT",
            "host",
            "Accept-Encoding",
            "Content-Length",
            "Date",
            "Proxy-Authorization",
            "Transfer-Encoding",
            "connection",
        ] {
            let error = valid_event_header(ours, &plain).unwrap_err().to_string();
            let expect = format!("the header \"{ours}\" is set by lokahi itself");
            assert_eq!(error, expect);
        }
        for theirs in ["authorization", "x-webhook-id", "hostess"] {
            assert!(valid_event_header(theirs, &plain).is_ok(), "{theirs}");
        }
        assert!(valid_event_header("a b", &plain).is_err());
        assert!(valid_event_header("a", &Text::plain("b\n")).is_err());
    }

    #[test]
    fn an_attempt_takes_a_second_to_a_minute() {
        assert_eq!(
            AttemptTimeout::default().duration(),
            Duration::from_secs(15)
        );
        for (milliseconds, good) in [(999, false), (1_000, true), (60_000, true), (60_001, false)] {
            let timeout = AttemptTimeout::from_milliseconds(milliseconds);
            assert_eq!(timeout.is_ok(), good, "{milliseconds}");
        }
    }

    #[test]
    fn a_url_or_a_secret() {
        for text in ["https://hooks.example.com/x", "secret(\"slack\")"] {
            assert_eq!(text.parse::<ReceiverUrl>().unwrap().to_string(), text);
        }
        for (text, place) in [
            (
                "https://hooks.example.com:8443/x?y#z",
                "hooks.example.com:8443",
            ),
            ("https://hooks.example.com:443/T0/B0", "hooks.example.com"),
            ("http://[::1]:9001/", "[::1]:9001"),
            ("secret(\"slack\")", "secret(\"slack\")"),
        ] {
            assert_eq!(text.parse::<ReceiverUrl>().unwrap().place(), place);
        }
        for bad in ["secret(\"A\")", "secret(\"a\") ", "secret(a)", "ftp://a/"] {
            assert!(bad.parse::<ReceiverUrl>().is_err(), "{bad}");
        }
    }
}
