//! What one probe saw.

use std::time::Duration;

use time::OffsetDateTime;

use crate::model::dial::Redirects;

/// What a probe says of the site.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Outcome {
    /// It answered, and every assertion held.
    Up,
    /// It answered, and broke an assertion.
    Down,
    /// It gave no valid answer; the class says why.
    Error,
    /// Our own fault: it says nothing of the site.
    Unknown,
}

impl Outcome {
    /// Every outcome with its stored number and its name.
    pub const ALL: [(Self, i16, &'static str); 4] = [
        (Self::Up, 1, "up"),
        (Self::Down, 2, "down"),
        (Self::Error, 3, "error"),
        (Self::Unknown, 4, "unknown"),
    ];

    /// The number that is stored.
    pub fn number(self) -> i16 {
        self.row().1
    }

    /// The name that people read.
    pub fn name(self) -> &'static str {
        self.row().2
    }

    /// The outcome that is stored as this number.
    pub fn from_number(number: i16) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|row| row.1 == number)
            .map(|row| row.0)
    }

    fn row(self) -> (Self, i16, &'static str) {
        Self::ALL
            .into_iter()
            .find(|row| row.0 == self)
            .unwrap_or(Self::ALL[3])
    }
}

macro_rules! error_classes {
    ($($(#[$doc:meta])* $name:ident = $number:literal $text:literal,)*) => {
        /// Why there was no valid answer.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum ErrorClass {
            $($(#[$doc])* $name,)*
        }

        impl ErrorClass {
            /// Every class with its stored number and its name.
            pub const ALL: &'static [(Self, i16, &'static str)] =
                &[$((Self::$name, $number, $text),)*];

            /// The number that is stored.
            pub fn number(self) -> i16 {
                match self { $(Self::$name => $number,)* }
            }

            /// The name that people read.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The class that is stored as this number; 0 is none.
            pub fn from_number(number: i16) -> Option<Self> {
                match number { $($number => Some(Self::$name),)* _ => None }
            }
        }
    };
}

/// How the detail of a probe begins whose check cannot be read: it is of a newer version.
pub const SPEC_REFUSED: &str = "the spec is refused";

error_classes! {
    /// The name does not exist.
    DnsNxdomain = 1 "dns_nxdomain",
    /// The resolver failed.
    DnsServfail = 2 "dns_servfail",
    /// The resolver did not answer in time.
    DnsTimeout = 3 "dns_timeout",
    ConnectRefused = 4 "connect_refused",
    ConnectTimeout = 5 "connect_timeout",
    NetUnreachable = 6 "net_unreachable",
    TlsExpired = 7 "tls_expired",
    /// The certificate is for another name.
    TlsName = 8 "tls_name",
    /// The certificate's issuer is not trusted.
    TlsUntrusted = 9 "tls_untrusted",
    TlsHandshake = 10 "tls_handshake",
    TlsTimeout = 11 "tls_timeout",
    WriteTimeout = 12 "write_timeout",
    FirstByteTimeout = 13 "first_byte_timeout",
    TransferTimeout = 14 "transfer_timeout",
    /// The connection ended before the answer did.
    Reset = 15 "reset",
    /// What came is not HTTP.
    Protocol = 16 "protocol",
    /// The answer's header is larger than we read.
    BodyLimit = 17 "body_limit",
    TooManyRedirects = 18 "too_many_redirects",
    /// The address is one that must not be probed.
    BlockedByPolicy = 19 "blocked_by_policy",
    /// With `Unknown`: we had no file descriptor, or no time.
    Internal = 20 "internal",
    /// With `Unknown`: the check may not use the secret that it names.
    SecretUnbound = 21 "secret_unbound",
    /// With `Unknown`: the worker has no value for a secret, or none that can be sent.
    SecretMissing = 22 "secret_missing",
    /// Whoever gives the token that the check needs did not.
    NoToken = 23 "no_token",
    /// The proxy of the check could not be reached, or opened no way to the site.
    Proxy = 24 "proxy",
    /// With `Unknown`: it failed where nearly everything did, which is the worker's own fault, most
    /// likely.
    ProberImpaired = 25 "prober_impaired",
}

impl ErrorClass {
    /// Whether it looks the same where there is no network: nothing says that the site was reached.
    /// What has answered in HTTP was, and a box on the way can show a certificate of its own.
    pub fn looks_cut_off(self) -> bool {
        match self {
            Self::DnsNxdomain
            | Self::DnsServfail
            | Self::DnsTimeout
            | Self::ConnectRefused
            | Self::ConnectTimeout
            | Self::NetUnreachable
            | Self::TlsExpired
            | Self::TlsName
            | Self::TlsUntrusted
            | Self::TlsHandshake
            | Self::TlsTimeout
            | Self::WriteTimeout
            | Self::FirstByteTimeout
            | Self::TransferTimeout
            | Self::Reset
            | Self::NoToken
            | Self::Proxy => true,
            Self::Protocol
            | Self::BodyLimit
            | Self::TooManyRedirects
            | Self::BlockedByPolicy
            | Self::Internal
            | Self::SecretUnbound
            | Self::SecretMissing
            | Self::ProberImpaired => false,
        }
    }
}

/// How long each part of a probe took; zero where it did not get that far.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Phases {
    pub dns: Duration,
    pub connect: Duration,
    pub tls: Duration,
    pub write: Duration,
    pub first_byte: Duration,
    pub transfer: Duration,
    /// From the start of the work to its end.
    pub total: Duration,
}

impl Phases {
    /// These and what came after them.
    pub fn then(self, later: Self) -> Self {
        Self {
            dns: self.dns + later.dns,
            connect: self.connect + later.connect,
            tls: self.tls + later.tls,
            write: self.write + later.write,
            first_byte: self.first_byte + later.first_byte,
            transfer: self.transfer + later.transfer,
            total: self.total + later.total,
        }
    }
}

/// One request of a probe and what came of it: a probe has one, and one more for each redirect.
#[derive(Clone, PartialEq, Debug)]
pub struct Hop {
    /// What was asked, without its query, which may be another one each time; at most
    /// [`Hop::MAX_URL`] bytes.
    pub url: String,
    /// The status of its answer, 0 without one.
    pub status: u16,
    /// The address that it was asked of, empty without one.
    pub address: String,
    /// Its own part of the probe.
    pub phases: Phases,
    /// The earliest end of the certificates that were shown.
    pub certificate_not_after: Option<OffsetDateTime>,
    /// It went over a connection that was open before.
    pub reused: bool,
}

impl Hop {
    /// The longest URL that is shown, in bytes.
    pub const MAX_URL: usize = 200;
    /// The most hops of a probe.
    pub const MOST: usize = 1 + Redirects::MAX as usize;
}

/// What one probe saw. Times are monotonic durations, except the two moments.
#[derive(Clone, PartialEq, Debug)]
pub struct Observation {
    /// When the probe was due: with the check it is the probe's identity.
    pub scheduled_at: OffsetDateTime,
    pub started_at: OffsetDateTime,
    pub outcome: Outcome,
    /// It is up, and a `warn` of the check did not hold.
    pub degraded: bool,
    pub class: Option<ErrorClass>,
    /// The status of the last answer, 0 without one.
    pub status: u16,
    /// For people: which expectation broke, what the error said. At most 300 bytes.
    pub detail: String,
    /// The address that was dialled last, empty without one.
    pub address: String,
    /// Of all hops together.
    pub phases: Phases,
    /// The earliest end of the certificates that were shown.
    pub certificate_not_after: Option<OffsetDateTime>,
    /// The last request went over a connection that was open before.
    pub reused: bool,
    /// Each request by itself, in their order; empty where there was one.
    pub hops: Vec<Hop>,
}

impl Observation {
    /// Whether people may want to see what it saw: something was not as it should be.
    pub fn is_to_be_shown(&self) -> bool {
        self.degraded || matches!(self.outcome, Outcome::Down | Outcome::Error)
    }

    /// When it ended, if it failed as it would without a network.
    pub fn cut_off_at(&self) -> Option<OffsetDateTime> {
        let looks_so = self.class.is_some_and(ErrorClass::looks_cut_off);
        (self.outcome == Outcome::Error && looks_so).then(|| self.started_at + self.phases.total)
    }

    /// Why it says nothing of the site, if it does not.
    pub fn unknown(&self) -> Option<ErrorClass> {
        (self.outcome == Outcome::Unknown).then_some(self.class.unwrap_or(ErrorClass::Internal))
    }
}
