//! A probe on its way to a worker, and its report on the way back.

use std::sync::Arc;

use time::OffsetDateTime;

use crate::model::id::{CheckId, CheckNo, SpecId};
use crate::model::observation::Observation;
use crate::model::secret::SecretUse;

/// The location of workers that were given none.
pub const DEFAULT_LOCATION: &str = "default";

/// A location, as it is remembered: the lower half of xxh3 of its name, which must never change.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct LocationKey(pub u32);

impl LocationKey {
    /// The key of a location's name.
    pub fn of(name: &str) -> Self {
        Self(xxhash_rust::xxh3::xxh3_64(name.as_bytes()) as u32)
    }
}

/// One probe to be done.
#[derive(Clone, PartialEq, Debug)]
pub struct Probe {
    pub check_id: CheckId,
    pub check_no: CheckNo,
    pub spec_id: SpecId,
    /// When it is due; with the check it is the probe's identity.
    pub scheduled_at: OffsetDateTime,
    /// The encoded spec: a worker knows nothing but what it is sent.
    pub spec: Arc<[u8]>,
    pub secrets: SecretUse,
}

/// Probes that are sent together.
#[derive(Clone, PartialEq, Debug)]
pub struct ProbeBatch {
    /// Unique for the one that asks.
    pub batch: u64,
    /// The subject on which the reports are wanted.
    pub reply_to: String,
    /// When it was sent, by the clock that scheduled the probes. Some of them may
    /// be due a little later: a worker needs no clock that agrees with ours.
    pub sent_at: OffsetDateTime,
    /// What has not begun by then is dropped: late is worse than never.
    pub expires: OffsetDateTime,
    /// Who passes it on.
    pub avoided: Option<Avoided>,
    pub probes: Vec<Probe>,
}

/// A worker that has looked already, so that another one is to look now. Nobody knows which worker
/// of a location takes a batch; this one sends it there again, so many times at most.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Avoided {
    pub worker: Arc<str>,
    pub passes: u32,
}

impl Avoided {
    /// Of two workers one takes the same batch so often once in 256 times.
    pub const PASSES: u32 = 8;

    pub fn new(worker: Arc<str>) -> Self {
        let passes = Self::PASSES;
        Self { worker, passes }
    }

    /// What is left of it when this worker has taken the batch: `None` if it is to probe.
    pub fn passed_by(&self, worker: &str) -> Option<Self> {
        let passes = self.passes.min(Self::PASSES).checked_sub(1)?;
        (*self.worker == *worker).then(|| Self {
            worker: Arc::clone(&self.worker),
            passes,
        })
    }
}

/// What one probe saw.
#[derive(Clone, PartialEq, Debug)]
pub struct Report {
    pub check_no: CheckNo,
    pub spec_id: SpecId,
    pub observation: Observation,
}

/// What a worker's own sentinels said last: sites that answer as long as its network works.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sentinels {
    /// When they were asked, by the worker's clock.
    pub begun: OffsetDateTime,
    pub asked: u32,
    pub failed: u32,
    /// Until when there was trouble last, by the worker's clock: most of them failed, or answered
    /// so late that what was sent to them first was lost, as it is when a network comes back.
    pub trouble: Option<OffsetDateTime>,
}

impl Sentinels {
    /// Whether most of them gave no answer, or not a good one.
    pub fn fail(&self) -> bool {
        self.failed > self.asked / 2
    }
}

/// Reports that are sent together; they answer one batch, wholly or in part.
#[derive(Clone, PartialEq, Debug)]
pub struct Reports {
    pub batch: u64,
    pub location: String,
    pub worker: String,
    /// `None` where the worker has none; begun in 1970 where they were not asked yet.
    pub sentinels: Option<Sentinels>,
    pub reports: Vec<Report>,
}
