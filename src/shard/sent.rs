//! Batches that are on their way, and the locations from which nothing comes back.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;

use crate::model::id::CheckNo;
use crate::model::probe::{Avoided, Probe, ProbeBatch, Report};

/// What has not begun this long after it was sent is dropped by the worker.
const BATCH_EXPIRES: Duration = Duration::from_secs(2);
/// How long after a probe's own deadline its report may still come.
const REPORT_GRACE: Duration = Duration::from_secs(3);

/// A location; `None` is where everything is probed from that names none.
pub type Place = Option<Arc<str>>;

/// Which way probes go: where to, and past whom.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Way {
    pub(super) place: Place,
    /// A worker that has looked already.
    pub(super) avoided: Option<Arc<str>>,
}

/// A batch on its way to a location.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) place: Place,
    pub(super) batch: ProbeBatch,
}

/// Probes get no answer: since when, and how many.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Silence {
    /// The newest report; while there was none, when the first probe was sent.
    pub since: OffsetDateTime,
    pub unanswered: u64,
}

/// What was heard of a location.
#[derive(Debug, Default)]
struct Voice {
    /// When the newest report came.
    heard: Option<OffsetDateTime>,
    silence: Option<Silence>,
}

#[derive(Debug)]
struct OpenBatch {
    place: Place,
    /// Those that are not answered yet, and when they were due.
    missing: Vec<(CheckNo, OffsetDateTime)>,
    sent_at: OffsetDateTime,
    deadline: OffsetDateTime,
}

/// Everything that was sent and is not answered.
#[derive(Debug, Default)]
pub(super) struct Sent {
    open: HashMap<u64, OpenBatch>,
    last: u64,
    voices: BTreeMap<Place, Voice>,
}

impl Sent {
    /// Makes a batch, which is open from now on. None of its probes takes longer than `longest`.
    pub(super) fn open(
        &mut self,
        Way { place, avoided }: Way,
        probes: Vec<Probe>,
        now: OffsetDateTime,
        longest: Duration,
        reply_to: &str,
    ) -> Outgoing {
        self.last += 1;
        let expires = now + BATCH_EXPIRES;
        let missing = probes
            .iter()
            .map(|probe| (probe.check_no, probe.scheduled_at));
        let open = OpenBatch {
            place: place.clone(),
            missing: missing.collect(),
            sent_at: now,
            deadline: expires + longest + REPORT_GRACE,
        };
        self.open.insert(self.last, open);
        let batch = ProbeBatch {
            batch: self.last,
            reply_to: reply_to.to_owned(),
            sent_at: now,
            expires,
            avoided: avoided.map(Avoided::new),
            probes,
        };
        Outgoing { place, batch }
    }

    /// Forgets a batch that was not sent.
    pub(super) fn withdraw(&mut self, batch: u64) {
        self.open.remove(&batch);
    }

    /// Takes reports off an open batch; returns those that it asked for.
    pub(super) fn settle(
        &mut self,
        batch: u64,
        mut reports: Vec<Report>,
        now: OffsetDateTime,
    ) -> Vec<Report> {
        let Some(open) = self.open.get_mut(&batch) else {
            return Vec::new();
        };
        reports.retain(|report| {
            let mut missing = open.missing.iter();
            let asked = missing.position(|(check, _)| *check == report.check_no);
            asked.map(|asked| open.missing.swap_remove(asked)).is_some()
        });
        if !reports.is_empty() {
            let voice = Voice {
                heard: Some(now),
                silence: None,
            };
            self.voices.insert(open.place.clone(), voice);
        }
        if open.missing.is_empty() {
            self.open.remove(&batch);
        }
        reports
    }

    /// Gives up batches whose reports should have come by now, and tells of each probe of them
    /// when it was due; returns how many there are.
    pub(super) fn sweep(
        &mut self,
        now: OffsetDateTime,
        mut each: impl FnMut(CheckNo, OffsetDateTime),
    ) -> u64 {
        let mut lost = 0;
        let voices = &mut self.voices;
        self.open.retain(|_, open| {
            if open.deadline >= now {
                return true;
            }
            let unanswered = open.missing.len() as u64;
            lost += unanswered;
            open.missing
                .iter()
                .for_each(|(check, at)| each(*check, *at));
            let voice = voices.entry(open.place.clone()).or_default();
            let since = voice.heard.unwrap_or(open.sent_at);
            let new = Silence {
                since,
                unanswered: 0,
            };
            let silence = voice.silence.get_or_insert(new);
            // Batches come in no order.
            silence.since = silence.since.min(since);
            silence.unanswered += unanswered;
            false
        });
        lost
    }

    /// Forgets what was heard of places that nobody asks any more.
    pub(super) fn forget(&mut self, is_asked: impl Fn(&Place) -> bool) {
        self.voices.retain(|place, _| is_asked(place));
    }

    /// Where probes get no answer.
    pub(super) fn silences(&self) -> Vec<(Place, Silence)> {
        let silent = |(place, voice): (&Place, &Voice)| Some((place.clone(), voice.silence?));
        self.voices.iter().filter_map(silent).collect()
    }

    /// How many probes are on their way.
    pub(super) fn waiting(&self) -> usize {
        self.open.values().map(|batch| batch.missing.len()).sum()
    }
}
