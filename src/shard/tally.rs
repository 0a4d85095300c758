//! Counters of the data path. scheduled = recorded + skipped + lost, but for
//! what is on its way.

use crate::runtime::counter::{Buckets, Counter};

/// Everything that is counted between a check being due and being recorded.
#[derive(Debug, Default)]
pub struct Tally {
    /// Probes that were due.
    pub scheduled: Counter,
    /// Never sent: NATS was away, or we were late.
    pub skipped: Counter,
    /// Sent, without a report in time, or with one that could not be stored.
    pub lost: Counter,
    /// Stored.
    pub recorded: Counter,
    pub transitions: Counter,
    pub deliveries: Counter,
    pub flushes: Counter,
    pub flush_failures: Counter,
    /// Started minus scheduled.
    pub lateness: Buckets,
}
