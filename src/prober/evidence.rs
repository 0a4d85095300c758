//! Everything that a probe has in its hands at its end, for its asserts to be judged by.

use std::cell::OnceCell;

use hyper::Version;
use hyper::header::HeaderMap;
use time::OffsetDateTime;
use url::Url;

use crate::model::json::{JsonPath, Step};
use crate::model::observation::Phases;

/// The certificates that the last site has shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The earliest end of them all.
    pub not_after: OffsetDateTime,
    /// Of the site's own one, e.g. `C=US, O=Let's Encrypt, CN=R3`.
    pub issuer: String,
}

/// The answer and how it came about.
#[derive(Debug)]
pub struct Evidence<'a> {
    pub status: u16,
    pub version: Version,
    pub headers: &'a HeaderMap,
    /// Where the answer came from, at the end of all redirects.
    pub url: &'a Url,
    /// When the probe began.
    pub at: OffsetDateTime,
    pub phases: &'a Phases,
    /// Absent without TLS.
    pub certificate: Option<&'a Certificate>,
    /// The body, at most 1 MiB; empty where no assert asks for more than what it contains.
    pub body: &'a [u8],
    /// The body was longer than we read.
    pub truncated: bool,
    /// What the body is as JSON, once somebody has asked.
    pub json: OnceCell<Option<serde_json::Value>>,
}

impl Evidence<'_> {
    /// The body as JSON, if it is JSON; nested 127 levels deep at most.
    pub fn json(&self) -> Option<&serde_json::Value> {
        let read = || serde_json::from_slice(self.body).ok();
        self.json.get_or_init(read).as_ref()
    }

    /// What stands in a place of the body's JSON.
    pub fn json_at(&self, path: &JsonPath) -> Option<&serde_json::Value> {
        path.steps()
            .iter()
            .try_fold(self.json()?, |value, step| match step {
                Step::Key(key) => value.as_object()?.get(key),
                Step::Index(index) => value.as_array()?.get(usize::try_from(*index).ok()?),
            })
    }
}
