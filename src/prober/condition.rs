//! The condition of an assert: an expression over the response, judged by the evaluator of
//! the check files.

use hyper::Version;

use super::evidence::Evidence;
use crate::manifest::condition::{Condition as Expression, Facts, Latency, Verdict};
use crate::model::check::Assert;

/// What became of a condition.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Judged {
    Holds,
    /// It does not hold; for people.
    Broken(String),
    /// It cannot be told, which is not the site's fault.
    Unclear(String),
}

/// A condition, ready to be judged.
#[derive(Debug)]
pub(super) enum Condition {
    Ready {
        condition: Box<Expression>,
        /// What to say when it does not hold.
        message: Option<Box<Expression>>,
    },
    /// A newer lokahi wrote it, in words that this one does not know.
    Unreadable(String),
}

impl Condition {
    /// That of an assert, if it has one.
    pub(super) fn of(assert: &Assert) -> Option<Self> {
        let read = |text: &String| Expression::parse(text).map(Box::new);
        let condition = match read(assert.condition.as_ref()?) {
            Ok(condition) => condition,
            Err(unreadable) => return Some(Self::Unreadable(unreadable.to_string())),
        };
        // Without its message the condition still tells what it is.
        let message = assert
            .error_message
            .as_ref()
            .and_then(|text| read(text).ok());
        Some(Self::Ready { condition, message })
    }

    /// Whether it looks at the body.
    pub(super) fn needs_body(&self) -> bool {
        match self {
            Self::Ready { condition, message } => {
                condition.wants_body() || message.as_ref().is_some_and(|one| one.wants_body())
            }
            Self::Unreadable(_) => false,
        }
    }

    /// Judges it by everything that the probe has seen.
    pub(super) fn judge(&self, evidence: &Evidence<'_>) -> Judged {
        let (condition, message) = match self {
            Self::Ready { condition, message } => (condition, message),
            Self::Unreadable(why) => return Judged::Unclear(why.clone()),
        };
        let header = |(name, value): (&hyper::header::HeaderName, &hyper::header::HeaderValue)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.as_str().to_owned(), value)
        };
        let headers: Vec<_> = evidence.headers.iter().map(header).collect();
        let phases = evidence.phases;
        let certificate = evidence
            .certificate
            .map(|shown| (shown.not_after, shown.issuer.as_str(), evidence.at));
        let facts = Facts {
            status: evidence.status,
            headers: &headers,
            body: evidence.body,
            latency: Latency {
                dns: phases.dns,
                connect: phases.connect,
                tls: phases.tls,
                first_byte: phases.first_byte,
                total: phases.total,
            },
            certificate,
            url: evidence.url.as_str(),
            http_version: match evidence.version {
                Version::HTTP_10 => "1.0",
                Version::HTTP_2 => "2",
                _ => "1.1",
            },
        };
        match condition.judge(message.as_deref(), &facts) {
            Verdict::Holds => Judged::Holds,
            Verdict::Broken(words) => Judged::Broken(words),
        }
    }
}
