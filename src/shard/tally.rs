//! Counters of the data path. scheduled = recorded + skipped + lost, but for
//! what is on its way.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A counter that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds to it.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// Its value.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

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

/// Upper bounds of the lateness buckets, in milliseconds.
pub const LATENESS_BOUNDS: [u64; 10] = [1, 5, 10, 20, 50, 100, 200, 500, 1000, 5000];

/// A histogram of durations in the buckets of `LATENESS_BOUNDS`, and above.
#[derive(Debug, Default)]
pub struct Buckets {
    counts: [Counter; LATENESS_BOUNDS.len() + 1],
    sum_microseconds: Counter,
}

impl Buckets {
    /// Counts one.
    pub fn observe(&self, duration: Duration) {
        let milliseconds = duration.as_micros().div_ceil(1000);
        let bucket = LATENESS_BOUNDS
            .iter()
            .position(|bound| milliseconds <= u128::from(*bound))
            .unwrap_or(LATENESS_BOUNDS.len());
        if let Some(count) = self.counts.get(bucket) {
            count.add(1);
        }
        self.sum_microseconds
            .add(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX));
    }

    /// How many are in each bucket, the one above all bounds last.
    pub fn counts(&self) -> Vec<u64> {
        self.counts.iter().map(Counter::get).collect()
    }

    /// The sum of all, in seconds.
    pub fn sum_seconds(&self) -> f64 {
        self.sum_microseconds.get() as f64 / 1e6
    }
}
