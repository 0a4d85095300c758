//! Numbers that only grow, for whoever wants to know how much was done.

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

/// Upper bounds of the buckets, in milliseconds.
pub const BOUNDS: [u64; 10] = [1, 5, 10, 20, 50, 100, 200, 500, 1000, 5000];

/// A histogram of durations in the buckets of `BOUNDS`, and above.
#[derive(Debug, Default)]
pub struct Buckets {
    counts: [Counter; BOUNDS.len() + 1],
    sum_microseconds: Counter,
}

impl Buckets {
    /// Counts one.
    pub fn observe(&self, duration: Duration) {
        let milliseconds = duration.as_micros().div_ceil(1000);
        let bucket = BOUNDS
            .iter()
            .position(|bound| milliseconds <= u128::from(*bound))
            .unwrap_or(BOUNDS.len());
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
