//! A check on the board: what it is, where it is probed from, and what was heard of it.

use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;

use super::maintained::Meant;
use super::sent::Place;
use super::voices::Heard;
use super::withheld::Present;
use crate::cadence::{self, Micros};
use crate::model::check::{Confirm, Every, Timeout, WhileFlapping};
use crate::model::observation::{ErrorClass, Observation};
use crate::model::secret::SecretName;
use crate::model::value::HttpUrl;
use crate::store::shard::ShardCheck;

/// A check of ours.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) check: ShardCheck,
    pub(super) spec: Arc<[u8]>,
    pub(super) url: HttpUrl,
    pub(super) every: Every,
    pub(super) timeout: Timeout,
    pub(super) confirm: Confirm,
    pub(super) flapping: WhileFlapping,
    /// When an outage is told again.
    pub(super) repeat: Option<Duration>,
    /// Where it is probed from; empty: where everything is that says nothing.
    pub(super) locations: Arc<[Place]>,
    /// What was heard from each of them; with none of them, from there.
    pub(super) heard: Vec<Heard>,
    /// What its probes need.
    pub(super) secrets: Box<[SecretName]>,
    /// How often it was sent: the next one is that one's turn.
    pub(super) turn: usize,
    pub(super) last: Option<LastSeen>,
    /// The last probe of the state that we have stored; `None` when we do not know that the
    /// stored state is this one.
    pub(super) stored: Option<Stored>,
    /// When it became ours.
    pub(super) taken: OffsetDateTime,
    pub(super) due: Micros,
    pub(super) meant: Meant,
    /// Who saw it fail just now: another worker is to look again, if one is there.
    pub(super) failed_at: Option<Arc<str>>,
}

impl Entry {
    /// Where it is probed from this time.
    pub(super) fn next_place(&mut self) -> Place {
        let places = self.locations.len();
        self.turn = self.turn.wrapping_add(1);
        let at = self.turn.checked_rem(places)?;
        self.locations.get(at).cloned().flatten()
    }

    /// Who must not look this time, where it is probed now: `present` says whether another worker
    /// is there.
    pub(super) fn next_avoided(&mut self, place: &Place, present: &Present) -> Option<Arc<str>> {
        let worker = self.failed_at.take()?;
        let location = &self.last.as_ref()?.location;
        let is_there = place.as_ref().is_none_or(|place| place == location);
        (is_there && present.has_another(location, &worker)).then_some(worker)
    }

    /// What was heard from each place where it should be probed from.
    pub(super) fn places(&self) -> impl Iterator<Item = (Place, &Heard)> {
        let single = self.locations.is_empty().then_some(None);
        let places = self.locations.iter().cloned().chain(single);
        places.zip(&self.heard)
    }

    /// Takes in what a probe saw from a location.
    pub(super) fn hear(&mut self, seen: &Observation, location: &Arc<str>) {
        let place = match self.locations.is_empty() {
            true => Some(0),
            false => {
                let mut places = self.locations.iter();
                places.position(|place| place.as_ref() == Some(location))
            }
        };
        if let Some(heard) = place.and_then(|place| self.heard.get_mut(place)) {
            heard.hear(seen);
        }
    }

    /// Whether its probes have stopped coming. What its owner before us did
    /// not probe is not held against anybody.
    pub(super) fn is_stale(&self, now: OffsetDateTime) -> bool {
        let seen = self.check.health.last_at;
        let since = seen.map_or(self.taken, |seen| seen.max(self.taken));
        let turns = u32::try_from(self.locations.len().max(1)).unwrap_or(u32::MAX);
        cadence::is_stale(since, self.every, turns, self.timeout, now)
    }
}

/// A check that is to be probed and cannot be read: a newer version has written it, most likely.
#[derive(Debug)]
pub(super) struct Unreadable {
    pub(super) check: ShardCheck,
    pub(super) fault: String,
}

/// A probe as its check's stored state has it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Stored {
    pub(super) at: OffsetDateTime,
    /// Why it says nothing of the site, if it does not.
    pub(super) unknown: Option<ErrorClass>,
}

/// The newest probe of a check, and from where.
#[derive(Clone, Debug)]
pub struct LastSeen {
    pub observation: Observation,
    pub location: Arc<str>,
}
