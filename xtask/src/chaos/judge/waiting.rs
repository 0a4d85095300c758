//! How long receivers have waited for what they are owed, by what Postgres has.

use std::collections::BTreeMap;

use super::GRACE;
use crate::chaos::facts::{Delivery, Facts};

/// A receiver that has not got an event for so long has a fallback that gets it, and is told to
/// fail, in seconds.
pub(super) const PATIENCE: f64 = 120.0;

/// Of an event at a receiver. What is told by one delivery has waited as long as the first of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Wait {
    /// When it was owed itself, and when the first of what is told with it was.
    owed: f64,
    pub(super) since: f64,
    /// When it was attempted first, and when an attempt ended first.
    attempted: f64,
    failed: f64,
    /// When it had its outcome.
    pub(super) until: f64,
    /// It was given up.
    is_dead: bool,
}

impl Wait {
    /// Whether it may be said at a moment that it does not arrive.
    pub(super) fn may_be_late(&self, at: f64) -> bool {
        let gave_up = self.is_dead && self.until <= at;
        // Its outcome is known as soon as it can be written down.
        gave_up || at - self.since >= PATIENCE && at <= self.until + 2.0 * GRACE
    }

    /// From when on it must be said, and until when it can be.
    pub(super) fn due(&self, ended: f64) -> Option<(f64, f64)> {
        if self.is_dead {
            return Some((self.until, ended));
        }
        // What joined those that are late is late as soon as it is claimed.
        let due = self.owed.max(self.attempted + PATIENCE);
        let until = self.until.min(ended);
        (due < until).then_some((due, until))
    }

    /// The same of its receiver, which fails since an attempt has ended. What was taken shortly
    /// before may be written down after that, and it begins anew with the next attempt.
    pub(super) fn failing(&self, ended: f64) -> Option<(f64, f64)> {
        let attempted = self.failed + GRACE;
        Self { attempted, ..*self }.due(ended)
    }

    /// From when on nothing may be taken, or it does not fail.
    pub(super) fn fails_since(&self) -> f64 {
        match self.is_dead {
            true => self.until - GRACE,
            false => self.failed,
        }
    }
}

/// By event, what this receiver waited for.
pub(super) fn waits(facts: &Facts, receiver: usize) -> BTreeMap<&str, Wait> {
    let all = facts.deliveries.iter();
    let own: Vec<&Delivery> = all.filter(|it| it.receiver == receiver).collect();
    let by_id: BTreeMap<&str, &Delivery> = own.iter().map(|it| (it.id.as_str(), *it)).collect();
    // Newer and newer ones, if what Postgres has is in order; so many at most if not.
    let teller = |it: &Delivery| {
        let mut by = by_id.get(it.id.as_str()).copied();
        for _ in 0..own.len() {
            let next = by.and_then(|by| by_id.get(by.superseded_by.as_str()).copied());
            match next {
                Some(next) => by = Some(next),
                None => break,
            }
        }
        by
    };
    let mut waits: BTreeMap<&str, Wait> = BTreeMap::new();
    let mut told = Vec::new();
    for it in &own {
        let Some(by) = teller(it) else { continue };
        told.push((*it, by.id.as_str()));
        let wait = waits.entry(&by.id).or_insert(Wait {
            owed: f64::INFINITY,
            since: f64::INFINITY,
            attempted: f64::INFINITY,
            failed: f64::INFINITY,
            until: by.finished.unwrap_or(f64::INFINITY),
            is_dead: by.state == "dead",
        });
        wait.since = wait.since.min(it.created);
        let attempted = it.attempted.unwrap_or(f64::INFINITY);
        wait.attempted = wait.attempted.min(attempted);
        wait.failed = wait.failed.min(it.failed.unwrap_or(f64::INFINITY));
    }
    let found = told.into_iter();
    found
        .filter_map(|(it, by)| {
            let owed = it.created;
            let wait = waits.get(by)?;
            Some((it.event.as_str(), Wait { owed, ..*wait }))
        })
        .collect()
}
