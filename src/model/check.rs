//! What a user declares about a check: parsed values that cannot be wrong.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::Hash;
use std::str::FromStr;
use std::time::Duration;

use crate::model::auth::Auth;
use crate::model::dial::{Close, ConnectTo, HttpVersion, IpFamily, Priority, Proxy, Redirects};
use crate::model::json::JsonPath;
use crate::model::name::{Address, Name};
use crate::model::pattern::Pattern;
use crate::model::quoted::Quoted;
use crate::model::scalar::Scalar;
use crate::model::secret::{SecretName, Text};
use crate::model::tls::TlsSpec;
use crate::model::value::{HttpUrl, InvalidValue};
use crate::model::webhook::WebhookSpec;

/// The period of a check: whole seconds, 1 s to 30 d.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Every(u32);

impl Every {
    /// The longest period, in seconds.
    pub const MAX: u32 = 30 * 24 * 3600;
    /// What is used when nothing is said.
    pub const DEFAULT: Self = Self(60);

    /// A period of this many seconds.
    pub fn from_seconds(seconds: i64) -> Result<Self, InvalidValue> {
        u32::try_from(seconds)
            .ok()
            .filter(|s| (1..=Self::MAX).contains(s))
            .map(Self)
            .ok_or_else(|| InvalidValue::Range {
                what: format!("{seconds} seconds"),
                min: "1 s".into(),
                max: "30 d (2592000 s)".into(),
            })
    }

    /// The period in seconds.
    pub fn seconds(self) -> u32 {
        self.0
    }

    /// The period.
    pub fn duration(self) -> Duration {
        Duration::from_secs(u64::from(self.0))
    }

    /// The timeout of a check that names none: 10 s or 0.8 of the period,
    /// whichever is smaller.
    pub fn default_timeout(self) -> Timeout {
        Timeout(10_000.min(self.0 * 800))
    }
}

/// The time for one whole probe, 1 ms or more and less than the period.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Timeout(u32);

impl Timeout {
    /// The longest timeout, in milliseconds.
    pub const MAX: u32 = 5 * 60 * 1000;

    /// A timeout of this many milliseconds for a check of this period.
    pub fn from_milliseconds(milliseconds: i64, every: Every) -> Result<Self, InvalidValue> {
        let most = i64::from(Self::MAX).min(i64::from(every.seconds()) * 1000 - 1);
        if (1..=most).contains(&milliseconds) {
            Ok(Self(milliseconds as u32))
        } else {
            Err(InvalidValue::Range {
                what: format!("{milliseconds} ms"),
                min: "1 ms".into(),
                max: format!("{most} ms (less than every, and 5 minutes at most)"),
            })
        }
    }

    /// The timeout in milliseconds.
    pub fn milliseconds(self) -> u32 {
        self.0
    }

    /// The timeout.
    pub fn duration(self) -> Duration {
        Duration::from_millis(u64::from(self.0))
    }
}

/// A method that may be sent to somebody's site again and again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Method {
    #[default]
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
    Options,
}

impl Method {
    /// Every method, with its name.
    pub const ALL: [(Self, &'static str); 7] = [
        (Self::Get, "GET"),
        (Self::Head, "HEAD"),
        (Self::Post, "POST"),
        (Self::Put, "PUT"),
        (Self::Patch, "PATCH"),
        (Self::Delete, "DELETE"),
        (Self::Options, "OPTIONS"),
    ];

    /// The method of this name, in upper case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|(_, n)| *n == name)
            .map(|(method, _)| method)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::ALL
            .into_iter()
            .find(|(m, _)| *m == self)
            .map_or("GET", |(_, name)| name)
    }
}

/// A range of status codes, both ends included, within 100 to 599.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct StatusRange {
    from: u16,
    to: u16,
}

impl StatusRange {
    /// 200 to 299: what is asserted when nothing is said.
    pub const SUCCESS: Self = Self { from: 200, to: 299 };

    /// From one code to another.
    pub fn new(from: u16, to: u16) -> Result<Self, InvalidValue> {
        if (100..=599).contains(&from) && (from..=599).contains(&to) {
            Ok(Self { from, to })
        } else if from > to && (100..=599).contains(&from) && (100..=599).contains(&to) {
            Err(InvalidValue::Other(format!(
                "the range {from}-{to} ends before it begins: write \"{to}-{from}\""
            )))
        } else {
            let what = match from == to {
                true => format!("status {from}"),
                false => format!("status {from}-{to}"),
            };
            Err(InvalidValue::Range {
                what,
                min: "100".into(),
                max: "599".into(),
            })
        }
    }

    /// The least code.
    pub fn from(self) -> u16 {
        self.from
    }

    /// The greatest code.
    pub fn to(self) -> u16 {
        self.to
    }

    /// Whether the code is in the range.
    pub fn contains(self, status: u16) -> bool {
        (self.from..=self.to).contains(&status)
    }
}

/// `200`, `2xx` or `200-204`.
impl FromStr for StatusRange {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let wrong = || {
            InvalidValue::Other(format!(
                "{} is not a status: write 200, \"2xx\" or \"200-204\"",
                Quoted(text)
            ))
        };
        if let Some(class) = text.strip_suffix("xx") {
            let class: u16 = class.parse().map_err(|_not_a_number| wrong())?;
            return Self::new(
                class.saturating_mul(100),
                class.saturating_mul(100).saturating_add(99),
            );
        }
        let (from, to) = text.split_once('-').unwrap_or((text, text));
        let code = |text: &str| text.trim().parse::<u16>().map_err(|_not_a_number| wrong());
        Self::new(code(from)?, code(to)?)
    }
}

impl fmt::Display for StatusRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.from == self.to {
            write!(f, "{}", self.from)
        } else if self.from.is_multiple_of(100) && self.to == self.from + 99 {
            write!(f, "{}xx", self.from / 100)
        } else {
            write!(f, "{}-{}", self.from, self.to)
        }
    }
}

/// What must hold for the check to be UP, or for it not to be degraded. All of it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Assert {
    /// Empty for the block without a label.
    pub label: String,
    /// The status is in one of these; empty: not asserted.
    pub status: Vec<StatusRange>,
    /// The body contains each of these.
    pub body_contains: Vec<String>,
    /// The body matches each of these somewhere.
    pub body_matches: Vec<Pattern>,
    /// Each header of that name has this value, and there is one. Names are in lower case.
    pub header: BTreeMap<String, String>,
    /// A header of that name matches somewhere. Names are in lower case.
    pub header_matches: BTreeMap<String, Pattern>,
    /// The body is JSON that has this in that place.
    pub json: BTreeMap<JsonPath, Scalar>,
    /// The probe took no longer than this.
    pub max_latency: Option<Duration>,
    /// No certificate that the site has shown ends sooner than this after the probe; in whole
    /// seconds.
    pub certificate_valid_for: Option<Duration>,
    /// An HCL expression over `response` that is true; see `manifest::condition`.
    pub condition: Option<String>,
    /// An HCL expression over `response` that says what is wrong when it is not.
    pub error_message: Option<String>,
}

/// How often something must be seen before it is believed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Confirm {
    /// Failures in a row before the check is DOWN or ERROR, 1 to 10.
    pub failures: u8,
    /// Successes in a row before it is UP again, 1 to 10.
    pub successes: u8,
    /// When a suspect check is probed again.
    pub retry: Duration,
    /// The failures are counted among so many last probes, `failures` to [`Confirm::MAX_OF`];
    /// if it is `failures`, in a row.
    pub of: u8,
    /// Of how many locations they must be, 1 to `failures`.
    pub distinct: u8,
    /// Failures that are older than this do not count.
    pub within: Option<Duration>,
}

impl Confirm {
    /// The most failures or successes that can be asked for.
    pub const MAX: u8 = 10;
    /// The most probes of which they are asked for.
    pub const MAX_OF: u8 = 20;

    /// 2 failures, 1 success, retry after the smaller of 5 s and the period.
    pub fn default_for(every: Every) -> Self {
        Self::in_a_row(2, 1, Duration::from_secs(5).min(every.duration()))
    }

    /// Failures and successes that follow one another, from anywhere and however long it takes.
    pub fn in_a_row(failures: u8, successes: u8, retry: Duration) -> Self {
        Self {
            failures,
            successes,
            retry,
            of: failures,
            distinct: 1,
            within: None,
        }
    }

    /// Whether failures need not follow one another, or must be of several locations, or of late.
    pub fn looks_back(&self) -> bool {
        self.of > self.failures || self.distinct > 1 || self.within.is_some()
    }
}

/// What receivers hear of a check that goes up and down too often.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum WhileFlapping {
    /// Each change, as ever.
    #[default]
    Tell,
    /// That it flaps, then nothing but the end of what they were told before, and what it came to.
    Hold,
}

impl fmt::Display for WhileFlapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tell => "tell",
            Self::Hold => "hold",
        })
    }
}

impl FromStr for WhileFlapping {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        match text {
            "tell" => Ok(Self::Tell),
            "hold" => Ok(Self::Hold),
            _ => Err(InvalidValue::Other(
                "is neither \"tell\" nor \"hold\"".into(),
            )),
        }
    }
}

/// Which events of several checks are told in one message.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Grouping {
    /// Labels, sorted, each once: checks that have the same values of them are told of together.
    pub by: Vec<String>,
    /// How long the first waits for others; whole seconds.
    pub wait: Duration,
}

impl Grouping {
    /// The most labels.
    pub const MAX_BY: usize = 8;
    /// The shortest and the longest wait.
    pub const WAIT: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(600));
}

/// Every check of a project that says the same, after half a minute.
impl Default for Grouping {
    fn default() -> Self {
        Self {
            by: Vec::new(),
            wait: Duration::from_secs(30),
        }
    }
}

/// A check, as declared, with every default written out.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CheckSpec {
    pub url: HttpUrl,
    pub method: Method,
    /// In the order in which they are sent.
    pub headers: Vec<(String, Text)>,
    pub body: Text,
    pub redirects: Redirects,
    /// Which addresses of the host's name are tried; absent: whichever comes first.
    pub ip_family: Option<IpFamily>,
    /// Where connections to the URL's own host and port go instead.
    pub connect_to: Option<ConnectTo>,
    /// The only one that is spoken; absent: what both sides can, the newest first.
    pub http_version: Option<HttpVersion>,
    pub close: Close,
    /// Whether its connections stay open for its next probes.
    pub reuse_connection: bool,
    pub priority: Priority,
    /// Through which requests go.
    pub proxy: Option<Proxy>,
    /// Where workers probe it from, in turn, each once; empty: where they are unless it is said.
    pub locations: Vec<Name>,
    pub tls: TlsSpec,
    pub auth: Option<Auth>,
    pub every: Every,
    pub timeout: Timeout,
    /// Never empty: without one declared, `2xx` is asserted.
    pub asserts: Vec<Assert>,
    /// What degrades it when it does not hold while it is up.
    pub warns: Vec<Assert>,
    pub confirm: Confirm,
    pub labels: BTreeMap<String, String>,
    /// What it is, for people; at most [`CheckSpec::MAX_DESCRIPTION`] bytes.
    pub description: String,
    pub playbook_url: Option<HttpUrl>,
    /// The implicit receiver.
    pub webhook: Option<WebhookSpec>,
    /// Declared receivers of the same project, sorted, each once.
    pub receivers: Vec<Name>,
    /// Checks of the same project, sorted, each once: while one of them is down, nobody is told
    /// of this one.
    pub suppressed_by: Vec<Address>,
    pub flapping: WhileFlapping,
    /// After this time its receivers are told again of an outage that goes on, again and again;
    /// whole seconds.
    pub repeat: Option<Duration>,
    /// How its events wait for those of others, to be told together.
    pub grouping: Option<Grouping>,
    /// Whether anybody probes it.
    pub enabled: bool,
    /// Whether a plan that deletes it is refused.
    pub prevent_destroy: bool,
}

impl CheckSpec {
    /// The most headers.
    pub const MAX_HEADERS: usize = 64;
    /// The longest request body and the longest header value, in bytes.
    pub const MAX_BODY: usize = 64 * 1024;
    /// The longest name of a host with its port, in bytes.
    pub const MAX_NAME: usize = 300;
    /// The longest description, in bytes.
    pub const MAX_DESCRIPTION: usize = 1024;
    /// The most locations.
    pub const MAX_LOCATIONS: usize = 16;
    /// The most labels.
    pub const MAX_LABELS: usize = 64;
    /// The shortest and the longest time after which receivers are told again.
    pub const REPEAT: (Duration, Duration) =
        (Duration::from_secs(60), Duration::from_secs(7 * 86_400));
    /// The most receivers.
    pub const MAX_RECEIVERS: usize = 32;
    /// The most checks that suppress one.
    pub const MAX_PARENTS: usize = 8;
    /// The most asserts, and the most entries in a list or an object of one.
    pub const MAX_ASSERTS: usize = 32;
    /// The longest expression of an assert, in bytes.
    pub const MAX_EXPRESSION: usize = 8 * 1024;

    /// A check of this URL with every default.
    pub fn new(url: HttpUrl) -> Self {
        Self {
            url,
            method: Method::Get,
            headers: Vec::new(),
            body: Text::default(),
            redirects: Redirects::default(),
            ip_family: None,
            connect_to: None,
            http_version: None,
            close: Close::default(),
            reuse_connection: false,
            priority: Priority::default(),
            proxy: None,
            locations: Vec::new(),
            tls: TlsSpec::default(),
            auth: None,
            every: Every::DEFAULT,
            timeout: Every::DEFAULT.default_timeout(),
            asserts: vec![Assert::success()],
            warns: Vec::new(),
            confirm: Confirm::default_for(Every::DEFAULT),
            labels: BTreeMap::new(),
            description: String::new(),
            playbook_url: None,
            webhook: None,
            receivers: Vec::new(),
            suppressed_by: Vec::new(),
            flapping: WhileFlapping::default(),
            repeat: None,
            grouping: None,
            enabled: true,
            prevent_destroy: false,
        }
    }

    /// The secrets that a probe of it needs.
    pub fn secrets(&self) -> impl Iterator<Item = &SecretName> {
        let values = self.headers.iter().map(|(_, value)| value);
        let texts = values.chain([&self.body]).chain(&self.tls.key);
        let auth = self.auth.iter().flat_map(Auth::secrets);
        texts.flat_map(Text::references).chain(auth)
    }

    /// All that decides, besides the URL, what is asked and of whom.
    pub fn question(&self) -> impl PartialEq + Hash + '_ {
        (
            self.method,
            &self.headers,
            &self.body,
            self.redirects,
            self.ip_family,
            &self.connect_to,
            self.http_version,
            &self.tls,
            &self.auth,
        )
    }

    /// Whether two specs ask the site the same question. If not, streaks begin
    /// anew; state and incident stay.
    pub fn probes_like(&self, other: &Self) -> bool {
        self.url == other.url
            && self.question() == other.question()
            && self.asserts == other.asserts
    }

    /// Whether a site that is UP by one of them is by the other, unless something else changes.
    pub fn finds_like(&self, other: &Self) -> bool {
        self.probes_like(other)
            && self.timeout == other.timeout
            && self.locations == other.locations
            && self.proxy == other.proxy
            && self.close == other.close
            && self.reuse_connection == other.reuse_connection
    }
}

impl Assert {
    /// Whether it says nothing but its name.
    pub fn is_empty(&self) -> bool {
        let label = self.label.clone();
        *self
            == Self {
                label,
                ..Self::default()
            }
    }

    /// `status = ["2xx"]`: what is asserted when nothing is said.
    pub fn success() -> Self {
        Self {
            status: vec![StatusRange::SUCCESS],
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_and_timeouts() {
        let every = Every::from_seconds(1).unwrap();
        assert_eq!(every.default_timeout().milliseconds(), 800);
        assert_eq!(Every::DEFAULT.default_timeout().milliseconds(), 10_000);
        assert!(Every::from_seconds(0).is_err());
        assert!(Every::from_seconds(i64::from(Every::MAX) + 1).is_err());
        assert!(Timeout::from_milliseconds(1000, every).is_err());
        assert_eq!(
            Timeout::from_milliseconds(999, every)
                .unwrap()
                .milliseconds(),
            999
        );
    }

    #[test]
    fn statuses() {
        for (text, shown) in [("200", "200"), ("2xx", "2xx"), ("200-204", "200-204")] {
            assert_eq!(text.parse::<StatusRange>().unwrap().to_string(), shown);
        }
        for bad in ["", "xx", "9xx", "204-200", "99", "600", "a"] {
            assert!(bad.parse::<StatusRange>().is_err(), "{bad}");
        }
    }
}
