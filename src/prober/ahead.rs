//! Probes that were sent ahead of their time. Those that are due within a step begin
//! together: a wake-up for each would cost as much as the probe, and all of a batch at once
//! would measure how they wait for each other.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use time::OffsetDateTime;

use super::batch::Batch;
use crate::model::probe::Probe;

/// What is due within so much time begins together, with the first of it.
const STEP: Duration = Duration::from_millis(25);
/// The most that a probe may be ahead of its time.
const LONGEST: Duration = Duration::from_secs(1);

/// A probe and the batch that its report goes back with.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) probe: Probe,
    pub(super) batch: Arc<Batch>,
    /// Not begun after this.
    pub(super) expires: OffsetDateTime,
}

/// What begins with one step.
#[derive(Debug)]
struct Step {
    at: Instant,
    probes: Vec<Waiting>,
}

/// Probes by the step in which they are due.
#[derive(Debug)]
pub(super) struct Ahead {
    epoch: Instant,
    steps: BTreeMap<u128, Step>,
    waiting: usize,
}

impl Ahead {
    pub(super) fn new(epoch: Instant) -> Self {
        Self {
            epoch,
            steps: BTreeMap::new(),
            waiting: 0,
        }
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.waiting
    }

    /// Adds a probe that is due so long after `now`; at once when that is negative.
    pub(super) fn add(&mut self, now: Instant, after: time::Duration, waiting: Waiting) {
        let at = now + Duration::try_from(after).unwrap_or_default().min(LONGEST);
        let number = at.saturating_duration_since(self.epoch).as_nanos() / STEP.as_nanos();
        let new = || Step {
            at,
            probes: Vec::new(),
        };
        let step = self.steps.entry(number).or_insert_with(new);
        step.at = step.at.min(at);
        step.probes.push(waiting);
        self.waiting += 1;
    }

    /// When the next step begins.
    pub(super) fn next(&self) -> Option<Instant> {
        self.steps.values().next().map(|step| step.at)
    }

    /// Takes the first step whose time has come.
    pub(super) fn take(&mut self, now: Instant) -> Option<Vec<Waiting>> {
        let first = self.steps.first_entry()?;
        if first.get().at > now {
            return None;
        }
        let probes = first.remove().probes;
        self.waiting -= probes.len();
        Some(probes)
    }
}
