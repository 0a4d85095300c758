//! Whether what a worker sees fail is its own fault. Pure: reports and times are given, and the
//! answer is whether a failure is to be believed.
//!
//! A worker is suspected when at once at least 10 checks fail on at least 5 unrelated hosts, and
//! those are over half of what it probed: within some stretch of the last 30 s, so that the first
//! failures of many are not believed before the others have come. Checks that are down already
//! count for nothing. While it is suspected its failures are withheld as long as its sentinels fail,
//! or as long as another worker is there that is under no suspicion: what that one sees counts. Two
//! that are suspected are believed where both see the same. Without sentinels and without another
//! worker nothing is withheld; and never for longer than [`LIMIT`]. While sentinels fail each check
//! has half a minute before it is believed, so that the first ones wait for the others.

mod window;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use time::{Duration, OffsetDateTime};

use self::window::Window;
pub use self::window::{Probed, Sight};
use crate::model::id::CheckNo;
use crate::model::probe::Sentinels;

/// How long it takes without such a burst until a worker is well again.
const WELL: Duration = Duration::seconds(30);
/// How long a worker's failures are withheld, together, until it was well for [`REARM`]. What
/// is down is told within five minutes: the rest is for waiting for others, and for the probes that
/// confirm it.
pub const LIMIT: Duration = Duration::seconds(240);
const REARM: Duration = Duration::minutes(5);
/// Who was not heard of for so long is not there to probe again.
const PRESENT: Duration = Duration::minutes(1);
/// Who was not heard of for so long is forgotten.
const FORGOTTEN: Duration = Duration::minutes(10);
/// The most workers and checks that are remembered, and workers that saw one check fail.
const WORKERS: usize = 1000;
const CHECKS: usize = 200_000;
const WITNESSES: usize = 4;

/// Why a failure is withheld.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Why {
    /// The worker's sentinels fail, too, or have not said since.
    Sentinels,
    /// Another worker has not probed it since.
    Another,
}

/// Why nothing is withheld any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// It fails no more, or others have seen the same.
    Well,
    /// It is not heard of.
    Gone,
    /// It was long enough.
    Limit,
}

/// A worker whose failures are withheld.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Standing {
    pub worker: Arc<str>,
    pub location: Arc<str>,
    /// Since when.
    pub since: OffsetDateTime,
    /// What failed at once.
    pub checks: usize,
    pub hosts: usize,
    /// Whether its sentinels do.
    pub why: Why,
}

#[derive(Debug)]
struct Worker {
    location: Arc<str>,
    heard: OffsetDateTime,
    sentinels: Option<Sentinels>,
    window: Window,
    /// When so much failed at once last.
    burst: Option<OffsetDateTime>,
    spell: Option<Spell>,
    /// How long its failures were withheld already.
    spent: Duration,
    ended: Option<End>,
}

#[derive(Debug)]
struct Spell {
    /// When the first of the probes began, by the worker's clock.
    began: OffsetDateTime,
    checks: usize,
    hosts: usize,
    /// Since when something is withheld, and why it was last.
    acts: Option<(OffsetDateTime, Why)>,
}

/// What the sentinels of a worker say of a burst.
#[derive(PartialEq, Eq)]
enum Word {
    /// It has none.
    None,
    Well,
    Fail,
    /// They were not asked since it began.
    Unsaid,
}

impl Worker {
    fn new(location: Arc<str>, now: OffsetDateTime) -> Self {
        Self {
            location,
            heard: now,
            sentinels: None,
            window: Window::default(),
            burst: None,
            spell: None,
            spent: Duration::ZERO,
            ended: None,
        }
    }

    fn word(&self, began: OffsetDateTime) -> Word {
        match self.sentinels {
            None => Word::None,
            Some(said) if said.fail() => Word::Fail,
            Some(said) if said.begun >= began => Word::Well,
            Some(_) => Word::Unsaid,
        }
    }

    fn is_blind(&self) -> bool {
        self.sentinels.is_some_and(|said| said.fail())
    }

    fn is_there(&self, now: OffsetDateTime) -> bool {
        now - self.heard <= PRESENT && !self.is_blind()
    }

    /// Ends what is over.
    fn settle(&mut self, now: OffsetDateTime) {
        let since = self.burst.map(|burst| now - burst);
        let Some(spell) = &self.spell else {
            if since.is_none_or(|since| since >= REARM) {
                self.spent = Duration::ZERO;
            }
            return;
        };
        let acts = spell.acts.map_or(Duration::ZERO, |(at, _)| now - at);
        let end = if self.spent + acts >= LIMIT {
            End::Limit
        } else if since.is_some_and(|since| since <= WELL) {
            return;
        } else if now - self.heard > WELL {
            End::Gone
        } else {
            End::Well
        };
        self.spent += acts;
        (self.spell, self.ended) = (None, Some(end));
    }
}

/// What is known of all workers.
#[derive(Debug, Default)]
pub struct Judge {
    workers: BTreeMap<Arc<str>, Worker>,
    suspects: HashMap<CheckNo, Suspect>,
}

/// A check that fails and is not down.
#[derive(Debug)]
struct Suspect {
    since: OffsetDateTime,
    /// Who has seen it fail, and can see.
    seen_by: Vec<Arc<str>>,
}

impl Judge {
    /// Takes what came from a worker at once.
    pub fn hear(
        &mut self,
        (worker, location): (&Arc<str>, &Arc<str>),
        sentinels: Option<Sentinels>,
        probed: impl IntoIterator<Item = Probed>,
        now: OffsetDateTime,
    ) {
        let of = self.worker(worker, location, now);
        of.heard = now;
        // Parts of batches overtake one another.
        if let Some(said) = sentinels
            && of.sentinels.is_none_or(|known| known.begun <= said.begun)
        {
            of.sentinels = Some(said);
        }
        let mut settled = Vec::new();
        let mut fails = false;
        for probed in probed {
            if probed.sight != Sight::Fails {
                settled.push(probed.check);
            }
            fails |= probed.sight == Sight::Fails;
            of.window.push(probed, now);
        }
        if fails && let Some(burst) = of.window.burst(now) {
            of.burst = Some(now);
            match &mut of.spell {
                Some(spell) => {
                    spell.checks = spell.checks.max(burst.checks);
                    spell.hosts = spell.hosts.max(burst.hosts);
                }
                None if of.spent < LIMIT => {
                    of.spell = Some(Spell {
                        began: burst.began,
                        checks: burst.checks,
                        hosts: burst.hosts,
                        acts: None,
                    });
                }
                None => {}
            }
        }
        of.settle(now);
        for check in settled {
            self.suspects.remove(&check);
        }
    }

    /// Whether a failure that was just taken is withheld, and why. `is_probed_from` says of a
    /// location whether the check is probed from there.
    pub fn withholds(
        &mut self,
        worker: &Arc<str>,
        check: CheckNo,
        is_probed_from: impl Fn(&str) -> bool,
        now: OffsetDateTime,
    ) -> Option<Why> {
        if self.suspects.len() >= CHECKS {
            self.suspects.clear();
        }
        let is_blind = self.workers.get(worker)?.is_blind();
        let suspect = self.suspects.entry(check).or_insert_with(|| Suspect {
            since: now,
            seen_by: Vec::new(),
        });
        let others_saw = suspect.seen_by.iter().any(|other| other != worker);
        let is_new = !suspect.seen_by.contains(worker) && suspect.seen_by.len() < WITNESSES;
        if is_new && !is_blind {
            suspect.seen_by.push(Arc::clone(worker));
        }
        let since = suspect.since;
        let is_other = |(name, other): &(&Arc<str>, &Worker)| {
            *name != worker && other.is_there(now) && is_probed_from(&other.location)
        };
        let others = || self.workers.iter().filter(is_other);
        let is_one_there = others().next().is_some();
        let is_one_well = others().any(|(_, other)| other.spell.is_none());
        let of = self.workers.get_mut(worker)?;
        let Some(spell) = &of.spell else {
            // The others that make a burst of it may not have been seen yet.
            let is_early = is_blind && of.spent < LIMIT && now - since < window::LENGTH;
            return is_early.then_some(Why::Sentinels);
        };
        let why = match of.word(spell.began) {
            Word::Fail | Word::Unsaid => Why::Sentinels,
            Word::Well | Word::None if is_one_well => Why::Another,
            // Nobody is left who would know better.
            Word::Well | Word::None if others_saw || !is_one_there => return None,
            Word::Well | Word::None => Why::Another,
        };
        let spell = of.spell.as_mut()?;
        spell.acts = Some((spell.acts.map_or(now, |(since, _)| since), why));
        Some(why)
    }

    /// Time has passed.
    pub fn tick(&mut self, now: OffsetDateTime) {
        for worker in self.workers.values_mut() {
            worker.settle(now);
        }
        self.workers
            .retain(|_, worker| worker.spell.is_some() || now - worker.heard < FORGOTTEN);
    }

    /// Takes up what was withheld of a worker before we were started.
    pub fn resume(
        &mut self,
        worker: &Arc<str>,
        location: &Arc<str>,
        since: OffsetDateTime,
        now: OffsetDateTime,
    ) {
        let of = self.worker(worker, location, now);
        of.burst = Some(now);
        of.spell.get_or_insert(Spell {
            began: since,
            checks: 0,
            hosts: 0,
            acts: Some((since, Why::Another)),
        });
        of.settle(now);
    }

    /// The workers whose failures are withheld.
    pub fn standing(&self) -> Vec<Standing> {
        let standing = |(name, worker): (&Arc<str>, &Worker)| {
            let spell = worker.spell.as_ref()?;
            let (since, why) = spell.acts?;
            Some(Standing {
                worker: Arc::clone(name),
                location: Arc::clone(&worker.location),
                since,
                checks: spell.checks,
                hosts: spell.hosts,
                why,
            })
        };
        self.workers.iter().filter_map(standing).collect()
    }

    /// The workers that can be asked, each with its location: heard of lately, and under no
    /// suspicion.
    pub fn present(&self, now: OffsetDateTime) -> impl Iterator<Item = (Arc<str>, Arc<str>)> {
        let there = self
            .workers
            .iter()
            .filter(move |(_, it)| it.is_there(now) && it.spell.is_none());
        there.map(|(name, it)| (Arc::clone(&it.location), Arc::clone(name)))
    }

    /// Why a worker's failures were withheld no more, the last time.
    pub fn ended(&self, worker: &str) -> Option<End> {
        self.workers.get(worker)?.ended
    }

    fn worker(
        &mut self,
        worker: &Arc<str>,
        location: &Arc<str>,
        now: OffsetDateTime,
    ) -> &mut Worker {
        if self.workers.len() >= WORKERS && !self.workers.contains_key(worker) {
            let quiet = self.workers.iter().filter(|(_, it)| it.spell.is_none());
            let oldest = quiet.min_by_key(|(_, it)| it.heard);
            if let Some(name) = oldest.map(|(name, _)| Arc::clone(name)) {
                self.workers.remove(&name);
            }
        }
        let new = || Worker::new(Arc::clone(location), now);
        self.workers.entry(Arc::clone(worker)).or_insert_with(new)
    }
}
