//! A check on the board: what it is, where it is probed from, and what was heard of it.

use std::sync::Arc;

use time::OffsetDateTime;

use super::maintained::Meant;
use super::sent::Place;
use super::withheld::Present;
use crate::cadence::{self, Micros};
use crate::model::check::{Confirm, Every, Timeout, WhileFlapping};
use crate::model::observation::Observation;
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
    /// Where it is probed from; empty: where everything is that says nothing.
    pub(super) locations: Arc<[Place]>,
    /// When it was last heard of from each of them.
    pub(super) heard: Vec<Option<OffsetDateTime>>,
    /// How often it was sent: the next one is that one's turn.
    pub(super) turn: usize,
    pub(super) last: Option<LastSeen>,
    /// The last probe of the state that we have stored; `None` when we do not know that the
    /// stored state is this one.
    pub(super) stored: Option<OffsetDateTime>,
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

    /// How it stands with each place where it should be probed from.
    pub(super) fn voices(&self, now: OffsetDateTime) -> impl Iterator<Item = (Place, Voices)> {
        let last = self.check.health.last_at;
        let single = self.locations.is_empty().then_some((None, last));
        let places = self.locations.iter().cloned();
        let each = places.zip(self.heard.iter().copied()).chain(single);
        let turns = u32::try_from(self.locations.len().max(1)).unwrap_or(u32::MAX);
        each.map(move |(place, heard)| {
            let since = heard.map_or(self.taken, |heard| heard.max(self.taken));
            let stale = cadence::is_stale(since, self.every, turns, self.timeout, now);
            let voices = Voices {
                stale: u32::from(stale),
                heard: heard.is_some_and(|heard| heard > self.taken),
            };
            (place, voices)
        })
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

/// The newest probe of a check, and from where.
#[derive(Clone, Debug)]
pub struct LastSeen {
    pub observation: Observation,
    pub location: Arc<str>,
}

/// How probes of some checks come from a place.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Voices {
    /// Of how many they have stopped coming.
    pub(super) stale: u32,
    /// Of some they came since they are ours.
    pub(super) heard: bool,
}
