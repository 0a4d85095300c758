//! Which checks come back by themselves, and when: nobody changes them at the end of a pause, so
//! that no feed tells of it.

use std::collections::HashMap;

use time::OffsetDateTime;

use crate::model::id::CheckId;
use crate::model::overlay::Pause;
use crate::store::shard::ShardCheck;

/// The ends of pauses. One that was read again stands with what was read last.
#[derive(Debug, Default)]
pub(super) struct Paused {
    ends: HashMap<CheckId, OffsetDateTime>,
}

impl Paused {
    /// Takes a check as it was read.
    pub(super) fn note(&mut self, check: &ShardCheck, now: OffsetDateTime) {
        match check.pause {
            Pause::Until(until) if until > now && !check.deleted => {
                self.ends.insert(check.id, until);
            }
            _ => {
                self.ends.remove(&check.id);
            }
        }
    }

    /// Takes those out whose pause is over.
    pub(super) fn over(&mut self, now: OffsetDateTime) -> Vec<CheckId> {
        let over = self.ends.iter().filter(|(_, until)| **until <= now);
        let over: Vec<CheckId> = over.map(|(id, _)| *id).collect();
        self.ends.retain(|_, until| *until > now);
        over
    }

    /// Puts them back: they could not be read.
    pub(super) fn again(&mut self, checks: &[CheckId], now: OffsetDateTime) {
        self.ends.extend(checks.iter().map(|id| (*id, now)));
    }
}
