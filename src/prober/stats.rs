//! What the prober counts, for `/metrics` and for whoever wonders.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::pool::Pool;
use crate::model::observation::Outcome;

/// Counters of one worker.
#[derive(Debug, Default)]
pub struct Stats {
    received: AtomicU64,
    started: AtomicU64,
    in_flight: AtomicU64,
    finished: [AtomicU64; Outcome::ALL.len()],
    expired: AtomicU64,
    panicked: AtomicU64,
    unsent: AtomicU64,
    lateness_micros: AtomicU64,
    lateness_most_micros: AtomicU64,
    pool: Arc<Pool>,
}

/// The counters at one moment. All but `in_flight` and `kept` only grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Probes that were asked for.
    pub received: u64,
    pub started: u64,
    pub in_flight: u64,
    /// Connections that wait for the next probes of their checks.
    pub kept: u64,
    pub up: u64,
    pub down: u64,
    pub error: u64,
    pub unknown: u64,
    /// Came too late to be begun.
    pub expired: u64,
    /// Of the unknown ones, those that met a fault of this program.
    pub panicked: u64,
    /// Reports that could not be sent because NATS was away.
    pub unsent: u64,
    /// From when probes were due to when they began, summed, and the longest of all.
    pub lateness: Duration,
    pub lateness_most: Duration,
}

impl Stats {
    pub(super) fn new(pool: Arc<Pool>) -> Self {
        Self {
            pool,
            ..Self::default()
        }
    }

    pub fn counts(&self) -> Counts {
        let finished = |outcome| {
            self.finished
                .get(Self::index(outcome))
                .map_or(0, |count| count.load(Relaxed))
        };
        Counts {
            received: self.received.load(Relaxed),
            started: self.started.load(Relaxed),
            in_flight: self.in_flight.load(Relaxed),
            kept: self.pool.count() as u64,
            up: finished(Outcome::Up),
            down: finished(Outcome::Down),
            error: finished(Outcome::Error),
            unknown: finished(Outcome::Unknown),
            expired: self.expired.load(Relaxed),
            panicked: self.panicked.load(Relaxed),
            unsent: self.unsent.load(Relaxed),
            lateness: Duration::from_micros(self.lateness_micros.load(Relaxed)),
            lateness_most: Duration::from_micros(self.lateness_most_micros.load(Relaxed)),
        }
    }

    pub(super) fn received(&self, probes: usize) {
        self.received.fetch_add(probes as u64, Relaxed);
    }

    /// A probe begins. It counts as in flight until the value is dropped.
    pub(super) fn start(&self, late: Duration) -> InFlight<'_> {
        let micros = u64::try_from(late.as_micros()).unwrap_or(u64::MAX);
        self.lateness_micros.fetch_add(micros, Relaxed);
        self.lateness_most_micros.fetch_max(micros, Relaxed);
        self.started.fetch_add(1, Relaxed);
        self.in_flight.fetch_add(1, Relaxed);
        InFlight(self)
    }

    pub(super) fn finish(&self, outcome: Outcome) {
        if let Some(count) = self.finished.get(Self::index(outcome)) {
            count.fetch_add(1, Relaxed);
        }
    }

    pub(super) fn expired(&self, probes: usize) {
        self.expired.fetch_add(probes as u64, Relaxed);
    }

    pub(super) fn panicked(&self) {
        self.panicked.fetch_add(1, Relaxed);
    }

    pub(super) fn unsent(&self, reports: usize) {
        self.unsent.fetch_add(reports as u64, Relaxed);
    }

    fn index(outcome: Outcome) -> usize {
        match outcome {
            Outcome::Up => 0,
            Outcome::Down => 1,
            Outcome::Error => 2,
            Outcome::Unknown => 3,
        }
    }
}

/// A probe on its way.
#[derive(Debug)]
pub(super) struct InFlight<'a>(&'a Stats);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Relaxed);
    }
}
