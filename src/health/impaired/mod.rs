//! Whether what a worker sees fail is its own fault. Pure: reports and times are given, and the
//! answer is whether a failure is to be believed.
//!
//! A worker is suspected when at once at least 10 checks fail on at least 5 unrelated hosts, and
//! those are over half of what it probed: within some stretch of the last 30 s, so that the first
//! failures of many are not believed before the others have come. Checks that are down already
//! count for nothing. While it is suspected its failures are withheld as long as its sentinels
//! fail, or as long as another worker is there that is under no suspicion: what that one sees
//! counts. Two that are suspected are believed where both see the same. Without sentinels and
//! without another worker nothing is withheld; and of no check for longer than [`LIMIT`] from its
//! first failure on, whichever workers have seen it: that is kept with the check. While sentinels
//! fail, or have not answered since it failed as it would without a network, each check has half a
//! minute before it is believed, so that the first ones wait for the others. Those that were
//! believed, because there are no sentinels, are taken back once others of the same burst are
//! withheld: they confirm nothing.
//!
//! What people are told is of the location (`place`): a worker that is restarted there is suspected
//! until it has seen something that is well.

mod place;
mod window;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use time::{Duration, OffsetDateTime};

use self::place::Place;
pub use self::place::{End, Ended, Standing, What};
use self::window::Window;
pub use self::window::{Probed, Sight};
use crate::health::Retracted;
use crate::model::check::Confirm;
use crate::model::id::CheckNo;
use crate::model::probe::{LocationKey, Sentinels};

/// How long it takes without such a burst until a worker is well again.
const WELL: Duration = Duration::seconds(30);
/// How long the failures of a check are withheld, together, until it is up or down. What is down is
/// told within five minutes: the rest is for waiting for others, and for the probes that confirm
/// it.
pub const LIMIT: Duration = Duration::seconds(240);
/// Who was not heard of for so long is not there to probe again.
const PRESENT: Duration = Duration::minutes(1);
/// Who was not heard of for so long is forgotten.
const FORGOTTEN: Duration = Duration::minutes(10);
/// The most workers and checks that are remembered, and workers that saw one check fail, and
/// failures of it that are believed.
const WORKERS: usize = 1000;
const CHECKS: usize = 200_000;
const WITNESSES: usize = 4;
const BELIEVED: usize = Confirm::MAX_OF as usize;

/// Why a failure is withheld.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Why {
    /// The worker's sentinels fail, too, or have not said since.
    Sentinels,
    /// Another worker has not probed it since.
    Another,
    /// Not so much has failed yet, and the worker's sentinels fail, too.
    Early,
    /// Not so much has failed yet, and its sentinels have not said since.
    Unsaid,
}

/// What is made of a failure.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Verdict {
    /// Why it is withheld, if it is.
    pub withheld: Option<Why>,
    /// What was believed of the check before, and is not any more.
    pub retracted: Option<Retracted>,
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
}

#[derive(Debug)]
struct Spell {
    /// When the first of the probes began, by the worker's clock.
    began: OffsetDateTime,
    checks: usize,
    hosts: usize,
    /// It is suspected only because its location is, until it sees something that is well.
    inherited: bool,
    /// Something is withheld.
    acts: bool,
}

impl Spell {
    fn inherited(now: OffsetDateTime) -> Self {
        Self {
            began: now,
            checks: 0,
            hosts: 0,
            inherited: true,
            acts: false,
        }
    }
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
        }
    }

    /// Whether something that it saw is withheld.
    fn acts(&self) -> bool {
        self.spell.as_ref().is_some_and(|spell| spell.acts)
    }

    fn is_blind(&self) -> bool {
        self.sentinels.is_some_and(|said| said.fail())
    }

    fn is_there(&self, now: OffsetDateTime) -> bool {
        now - self.heard <= PRESENT && !self.is_blind()
    }

    /// Ends what is over.
    fn settle(&mut self, now: OffsetDateTime) {
        if self.burst.is_none_or(|burst| now - burst > WELL) {
            self.spell = None;
        }
    }
}

/// What its sentinels say of what a worker saw, if they were asked since then. What began before
/// their trouble was over was in it.
fn word(said: Option<Sentinels>, probed: &Probed, since: OffsetDateTime) -> Word {
    let since = probed.cut_off_at.max(Some(since));
    let began = probed.cut_off_at.map(|_| probed.began);
    match said {
        None => Word::None,
        Some(said) if said.fail() => Word::Fail,
        Some(said) if began.is_some() && said.trouble > began => Word::Fail,
        Some(said) if Some(said.begun) >= since => Word::Well,
        Some(_) => Word::Unsaid,
    }
}

/// What is known of all workers.
#[derive(Debug, Default)]
pub struct Judge {
    workers: BTreeMap<Arc<str>, Worker>,
    places: BTreeMap<Arc<str>, Place>,
    suspects: HashMap<CheckNo, Suspect>,
}

/// A check that fails and is not down.
#[derive(Debug)]
struct Suspect {
    since: OffsetDateTime,
    /// Who has seen it fail, and can see.
    seen_by: Vec<Arc<str>>,
    /// The newest failures that were not withheld: who saw each, and when that probe began.
    believed: Vec<(Arc<str>, OffsetDateTime)>,
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
        let place = self.places.entry(Arc::clone(location)).or_default();
        let is_cut_off = place.is_cut_off();
        place.heard = Some(now);
        let is_new = !self.workers.contains_key(worker);
        let of = self.worker(worker, location, now);
        of.heard = now;
        // Parts of batches overtake one another.
        if let Some(said) = sentinels
            && of.sentinels.is_none_or(|known| known.begun <= said.begun)
        {
            of.sentinels = Some(said);
        }
        let mut settled = Vec::new();
        let (mut fails, mut well) = (false, false);
        for probed in probed {
            if probed.sight != Sight::Fails {
                settled.push(probed.check);
            }
            fails |= probed.sight == Sight::Fails;
            well |= probed.sight == Sight::Well;
            of.window.push(probed, now);
        }
        if is_new && is_cut_off {
            of.spell = Some(Spell::inherited(now));
            of.burst = Some(now);
        }
        let inherits = of.spell.as_ref().is_some_and(|spell| spell.inherited);
        match inherits {
            true if well => of.spell = None,
            true if fails => of.burst = Some(now),
            _ => {}
        }
        let burst = of.window.burst(now).filter(|_| fails);
        if let Some(burst) = &burst {
            of.burst = Some(now);
            of.spell = Some(match of.spell.take() {
                Some(spell) => Spell {
                    checks: spell.checks.max(burst.checks),
                    hosts: spell.hosts.max(burst.hosts),
                    inherited: false,
                    ..spell
                },
                None => Spell {
                    began: burst.began,
                    checks: burst.checks,
                    hosts: burst.hosts,
                    inherited: false,
                    acts: false,
                },
            });
        }
        of.settle(now);
        let can_see = of.spell.is_none() && !of.is_blind();
        if let Some(place) = self.places.get_mut(location) {
            if well && can_see {
                place.well = Some(now);
            }
            if burst.is_some() {
                place.burst(now);
            }
        }
        for check in settled {
            self.suspects.remove(&check);
        }
    }

    /// What is made of a failure that was just heard. `unbelieved`: since when failures of this
    /// check are withheld, as it is stored. `is_probed_from` says of a location whether the check
    /// is probed from there.
    pub fn judge(
        &mut self,
        worker: &Arc<str>,
        probed: &Probed,
        unbelieved: Option<OffsetDateTime>,
        is_probed_from: impl Fn(&str) -> bool,
        now: OffsetDateTime,
    ) -> Verdict {
        let withheld = self.withholds(worker, (probed, unbelieved), is_probed_from, now);
        let is_suspected = (self.workers.get(worker)).is_some_and(|of| of.spell.is_some());
        // What a worker under suspicion is believed, others have seen, or nobody is there to.
        let retracted = match withheld.is_some() || !is_suspected {
            true => self.retract(probed.check),
            false => None,
        };
        if withheld.is_none()
            && let Some(suspect) = self.suspects.get_mut(&probed.check)
        {
            if suspect.believed.len() >= BELIEVED {
                suspect.believed.remove(0);
            }
            let seen = (Arc::clone(worker), probed.began);
            suspect.believed.push(seen);
        }
        Verdict {
            withheld,
            retracted,
        }
    }

    /// Takes back what workers saw of a check in a burst before it was one; of one location.
    fn retract(&mut self, check: CheckNo) -> Option<Retracted> {
        let suspect = self.suspects.get_mut(&check)?;
        let workers = &self.workers;
        let doubted = |(worker, began): &(Arc<str>, OffsetDateTime)| {
            let of = workers.get(worker)?;
            let spell = of.spell.as_ref().filter(|spell| spell.acts)?;
            (*began >= spell.began).then(|| LocationKey::of(&of.location))
        };
        let location = suspect.believed.iter().find_map(doubted)?;
        let before = suspect.believed.len();
        suspect
            .believed
            .retain(|seen| doubted(seen) != Some(location));
        Some(Retracted {
            location,
            failures: u8::try_from(before - suspect.believed.len()).unwrap_or(u8::MAX),
        })
    }

    fn withholds(
        &mut self,
        worker: &Arc<str>,
        (probed, unbelieved): (&Probed, Option<OffsetDateTime>),
        is_probed_from: impl Fn(&str) -> bool,
        now: OffsetDateTime,
    ) -> Option<Why> {
        if self.suspects.len() >= CHECKS {
            self.suspects.clear();
        }
        let is_blind = self.workers.get(worker)?.is_blind();
        let new = || Suspect {
            since: now,
            seen_by: Vec::new(),
            believed: Vec::new(),
        };
        let suspect = self.suspects.entry(probed.check).or_insert_with(new);
        let others_saw = suspect.seen_by.iter().any(|other| other != worker);
        let is_new = !suspect.seen_by.contains(worker) && suspect.seen_by.len() < WITNESSES;
        if is_new && !is_blind {
            suspect.seen_by.push(Arc::clone(worker));
        }
        let since = unbelieved.map_or(suspect.since, |at| at.min(suspect.since));
        let is_other = |(name, other): &(&Arc<str>, &Worker)| {
            *name != worker && other.is_there(now) && is_probed_from(&other.location)
        };
        let others = || self.workers.iter().filter(is_other);
        let is_one_there = others().next().is_some();
        let is_one_well = others().any(|(_, other)| other.spell.is_none());
        let is_cut_off = self.places.values().any(Place::is_cut_off);
        let of = self.workers.get_mut(worker)?;
        let place = self.places.entry(Arc::clone(&of.location)).or_default();
        let said = |since| word(of.sentinels, probed, since);
        let Some(spell) = &mut of.spell else {
            // The others that make a burst of it may not have been seen yet; or a burst has been
            // seen, and goes on, at a location that had another name, or another worker.
            let goes_on = unbelieved.is_some() && is_cut_off;
            let why = match probed.cut_off_at.map(said) {
                _ if is_blind => Why::Early,
                Some(Word::Fail) => Why::Early,
                Some(Word::Unsaid) => Why::Unsaid,
                _ => return None,
            };
            if now - since < window::LENGTH || goes_on && now - since < LIMIT {
                place.go_on(now);
                return Some(why);
            }
            place.believe(End::Limit);
            return None;
        };
        let why = match said(spell.began) {
            Word::Fail | Word::Unsaid => Why::Sentinels,
            Word::Well | Word::None if is_one_well => Why::Another,
            // Nobody is left who would know better.
            Word::Well | Word::None if others_saw || !is_one_there => {
                place.believe(End::Well);
                return None;
            }
            Word::Well | Word::None => Why::Another,
        };
        if now - since >= LIMIT {
            place.believe(End::Limit);
            return None;
        }
        spell.acts = true;
        place.withhold(worker, why, (spell.checks, spell.hosts), now);
        Some(why)
    }

    /// Time has passed.
    pub fn tick(&mut self, now: OffsetDateTime) {
        for worker in self.workers.values_mut() {
            worker.settle(now);
        }
        self.workers
            .retain(|_, worker| worker.spell.is_some() || now - worker.heard < FORGOTTEN);
        for (location, place) in &mut self.places {
            let there = self
                .workers
                .iter()
                .filter(|(_, it)| it.location == *location);
            let suspected = there.clone().filter(|(_, it)| it.spell.is_some());
            let acting = suspected.clone().filter(|(_, it)| it.acts());
            let heard = there.filter(|(_, it)| now - it.heard <= WELL);
            place.settle(
                suspected.count(),
                acting.map(|(name, _)| name).collect(),
                heard.map(|(name, _)| name).collect(),
                now,
            );
        }
        self.places.retain(|_, place| {
            let heard = place.heard.is_some_and(|heard| now - heard < FORGOTTEN);
            heard || place.is_cut_off()
        });
    }

    /// Takes up what was withheld of a location before we were started.
    pub fn resume(&mut self, location: &Arc<str>, since: OffsetDateTime, now: OffsetDateTime) {
        let place = self.places.entry(Arc::clone(location)).or_default();
        place.resume(since, now);
    }

    /// The locations of which failures are withheld.
    pub fn standing(&self) -> Vec<Standing> {
        let standing = |(name, place): (&Arc<str>, &Place)| place.standing(name);
        self.places.iter().filter_map(standing).collect()
    }

    /// The workers whose failures are withheld, each with its location.
    pub fn impaired(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<str>)> {
        let impaired = self.workers.iter().filter(|(_, it)| it.acts());
        impaired.map(|(name, it)| (name, &it.location))
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

    /// Why failures of a location were withheld no more, the last time.
    pub fn ended(&self, location: &str) -> Option<&Ended> {
        self.places.get(location)?.ended.as_ref()
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
