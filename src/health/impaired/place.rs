//! A location whose workers are cut off, most likely: one spell, whichever of its workers it is,
//! from the first failure that is withheld until one of them can see, or is believed.

use std::collections::BTreeSet;
use std::sync::Arc;

use time::{Duration, OffsetDateTime};

use super::{WELL, Why};

/// After this time without a word from any of its workers a location is not waited for any more:
/// one that is restarted is back by then.
const AWAY: Duration = Duration::minutes(2);
/// After this time without such a burst it is over, whatever else is seen there.
const QUIET: Duration = Duration::minutes(5);

/// Why nothing is withheld any more.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum End {
    /// They fail no more, or others have seen the same.
    Well,
    /// The workers are not heard of.
    Gone,
    /// It was long enough.
    Limit,
}

/// How it ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ended {
    pub end: End,
    /// The workers that it was about last.
    pub workers: Vec<Arc<str>>,
}

/// A location where failures are withheld.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Standing {
    pub location: Arc<str>,
    /// Since when.
    pub since: OffsetDateTime,
    /// What is said of it; `None` until its workers have said so again, after a start.
    pub what: Option<What>,
}

/// Who is cut off, and what failed there at once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct What {
    pub workers: BTreeSet<Arc<str>>,
    pub checks: usize,
    pub hosts: usize,
    /// Whether their sentinels do.
    pub why: Why,
}

#[derive(Debug, Default)]
pub(super) struct Place {
    /// When one of its workers was heard of last.
    pub(super) heard: Option<OffsetDateTime>,
    /// When one that is under no suspicion saw something that was well.
    pub(super) well: Option<OffsetDateTime>,
    pub(super) ended: Option<Ended>,
    spell: Option<Spell>,
}

#[derive(Debug)]
struct Spell {
    since: OffsetDateTime,
    /// When so much failed at once last, or something was withheld without that.
    burst: OffsetDateTime,
    what: Option<What>,
    /// Something that failed was believed, and why.
    believed: Option<End>,
}

impl Place {
    pub(super) fn is_cut_off(&self) -> bool {
        self.spell.is_some()
    }

    /// So much has failed at once again.
    pub(super) fn burst(&mut self, now: OffsetDateTime) {
        if let Some(spell) = &mut self.spell {
            spell.burst = now;
        }
    }

    /// A failure that one of its workers saw is withheld.
    pub(super) fn withhold(
        &mut self,
        worker: &Arc<str>,
        why: Why,
        (checks, hosts): (usize, usize),
        now: OffsetDateTime,
    ) {
        let spell = self.spell.get_or_insert(Spell {
            since: now,
            burst: now,
            what: None,
            believed: None,
        });
        let what = spell.what.get_or_insert(What {
            workers: BTreeSet::new(),
            checks,
            hosts,
            why,
        });
        what.workers.insert(Arc::clone(worker));
        what.checks = what.checks.max(checks);
        what.hosts = what.hosts.max(hosts);
        what.why = why;
        spell.believed = None;
    }

    /// Something is withheld still, though less fails there at once.
    pub(super) fn go_on(&mut self, now: OffsetDateTime) {
        if let Some(spell) = &mut self.spell {
            spell.burst = now;
            spell.believed = None;
        }
    }

    /// One is not withheld that would have been.
    pub(super) fn believe(&mut self, why: End) {
        if let Some(spell) = &mut self.spell {
            spell.believed = Some(why);
        }
    }

    pub(super) fn resume(&mut self, since: OffsetDateTime, now: OffsetDateTime) {
        self.heard.get_or_insert(now);
        self.spell.get_or_insert(Spell {
            since,
            burst: now,
            what: None,
            believed: None,
        });
    }

    /// Ends what is over. Given are how many of its workers are under suspicion, of which
    /// something is withheld, and which were heard of lately.
    pub(super) fn settle(
        &mut self,
        suspected: usize,
        acting: BTreeSet<&Arc<str>>,
        heard: BTreeSet<&Arc<str>>,
        now: OffsetDateTime,
    ) {
        let Some(spell) = &mut self.spell else {
            return;
        };
        if let Some(what) = &mut spell.what
            && !acting.is_empty()
        {
            what.workers = acting.into_iter().map(Arc::clone).collect();
        }
        if suspected > 0 || now - spell.burst <= WELL {
            return;
        }
        let is_away = heard.is_empty();
        if is_away && self.heard.is_some_and(|heard| now - heard <= AWAY) {
            return;
        }
        let is_quiet = self.well > Some(spell.burst) || now - spell.burst > QUIET;
        if !is_away && !is_quiet && spell.believed.is_none() {
            return;
        }
        let known = spell.what.iter().flat_map(|what| &what.workers);
        let (there, gone): (Vec<_>, Vec<_>) = known.partition(|worker| heard.contains(worker));
        let is_gone = is_away || there.is_empty() && !gone.is_empty();
        // What is said of the others is not so of those that are gone.
        let (end, workers) = match spell.believed {
            _ if is_gone => (End::Gone, gone),
            believed => (believed.unwrap_or(End::Well), there),
        };
        let workers = workers.into_iter().cloned().collect();
        self.ended = Some(Ended { end, workers });
        self.spell = None;
    }

    pub(super) fn standing(&self, location: &Arc<str>) -> Option<Standing> {
        let spell = self.spell.as_ref()?;
        Some(Standing {
            location: Arc::clone(location),
            since: spell.since,
            what: spell.what.clone(),
        })
    }
}
