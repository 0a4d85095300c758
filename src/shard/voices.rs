//! What is heard of checks from a place: nothing at all, or that a probe could not look, which is
//! our own fault and says nothing of the site.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use time::OffsetDateTime;

use super::entry::Entry;
use crate::cadence;
use crate::model::observation::{ErrorClass, Observation, Outcome, SPEC_REFUSED};
use crate::model::secret::SecretName;

/// What was unknown is known again when it was not unknown for ten rounds of its probes, or for
/// this time if that is shorter, but for two rounds at least: of several workers one may be unable.
const QUIET: Duration = Duration::from_secs(300);
/// How many checks of a cause are named, and how many of their hosts are counted.
const NAMED: usize = 3;
const HOSTS: usize = 1000;

/// Why a probe could not look.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Cause {
    pub(super) class: ErrorClass,
    /// The one that it is about.
    pub(super) secret: Option<SecretName>,
}

impl Cause {
    /// That of a probe that could not look. Of a worker that is cut off `prober.impaired` tells.
    fn of(seen: &Observation) -> Option<Self> {
        let class = seen.class.unwrap_or(ErrorClass::Internal);
        let could_not = seen.outcome == Outcome::Unknown && class != ErrorClass::ProberImpaired;
        let secret = || SecretName::named_in(&seen.detail);
        could_not.then(|| Self {
            class,
            secret: match class {
                ErrorClass::SecretUnbound | ErrorClass::SecretMissing => secret(),
                _ => None,
            },
        })
    }
}

/// As it is stored: `secret_missing/db-token`, `internal`.
impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.class.name())?;
        match &self.secret {
            Some(secret) => write!(f, "/{}", secret.as_str()),
            None => Ok(()),
        }
    }
}

/// What was heard of a check from one place.
#[derive(Clone, Debug, Default)]
pub(super) struct Heard {
    at: Option<OffsetDateTime>,
    /// When a probe could look last.
    known: Option<OffsetDateTime>,
    /// The last one that could not.
    unknown: Option<Box<Unknown>>,
}

#[derive(Clone, Debug)]
struct Unknown {
    at: OffsetDateTime,
    cause: Cause,
    detail: String,
}

impl Heard {
    /// Takes in what a probe saw.
    pub(super) fn hear(&mut self, seen: &Observation) {
        let at = seen.scheduled_at;
        self.at = self.at.max(Some(at));
        match Cause::of(seen) {
            Some(cause) => {
                let detail = seen.detail.clone();
                self.unknown = Some(Box::new(Unknown { at, cause, detail }));
            }
            None => self.known = self.known.max(Some(at)),
        }
    }

    /// The last probe that could not look, as long as that is not over; `round`: from one probe
    /// from here to the next.
    fn unknown(&self, round: Duration, now: OffsetDateTime) -> Option<&Unknown> {
        let quiet = (10 * round).min(QUIET).max(2 * round);
        let unknown = self.unknown.as_deref()?;
        let is_over = self.known > Some(unknown.at) && now - unknown.at > quiet;
        (!is_over).then_some(unknown)
    }
}

/// How probes of some checks come from a place.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Voices {
    /// Of how many they have stopped coming.
    pub(super) stale: u32,
    /// How many there are.
    pub(super) checks: u32,
    /// When the newest of those was due that came.
    pub(super) heard_at: Option<OffsetDateTime>,
    /// Of some none came since they are ours, and none had for long before that.
    pub(super) may_be_stale: bool,
    /// Of which they came, and say nothing.
    pub(super) blind: BTreeMap<Cause, Blind>,
    /// Of some none came since they are ours, and of some of those none ever.
    unheard: Unheard,
    new: Unheard,
}

/// Checks of which nothing was heard.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Unheard {
    some: bool,
    /// What they need.
    secrets: BTreeSet<SecretName>,
}

impl Unheard {
    fn add(&mut self, entry: &Entry) {
        self.some = true;
        self.secrets.extend(entry.secrets.iter().cloned());
    }

    /// Whether one of them may be blind for this cause.
    fn may_be(&self, cause: &str) -> bool {
        match cause.split_once('/') {
            None => self.some,
            Some((_, secret)) => self.secrets.iter().any(|it| it.as_str() == secret),
        }
    }
}

impl Voices {
    /// Adds what is heard of a check from there.
    pub(super) fn add(&mut self, entry: &Entry, heard: &Heard, now: OffsetDateTime) {
        let turns = u32::try_from(entry.locations.len().max(1)).unwrap_or(u32::MAX);
        let is_old = |seen: Option<OffsetDateTime>| {
            let since = seen.map_or(entry.taken, |seen| seen.max(entry.taken));
            cadence::is_stale(since, entry.every, turns, entry.timeout, now)
        };
        let (stale, is_heard) = (is_old(heard.at), heard.at > Some(entry.taken));
        self.stale += u32::from(stale);
        self.checks += 1;
        self.heard_at = self.heard_at.max(heard.at);
        if !is_heard {
            self.unheard.add(entry);
            let before = entry.check.health.last_at;
            // Of one place of several nobody remembers it.
            let was_old = before.filter(|_| turns == 1).is_none_or(|before| {
                cadence::is_stale(before, entry.every, turns, entry.timeout, entry.taken)
            });
            self.may_be_stale |= was_old && !stale;
            if before.is_none() {
                self.new.add(entry);
            }
        }
        let round = entry.every.duration() * turns;
        if let Some(unknown) = heard.unknown(round, now) {
            let blind = self.blind.entry(unknown.cause.clone()).or_default();
            blind.lasts |= is_old(heard.known);
            blind.checks += 1;
            blind.names.insert(entry.check.address.clone());
            let host = entry.url.parse().host_str().unwrap_or_default().to_owned();
            blind.hosts.insert(host);
            blind.cut();
            if blind.at < Some(unknown.at) {
                (blind.at, blind.detail) = (Some(unknown.at), unknown.detail.clone());
            }
        }
    }

    /// Adds a check that this lokahid cannot read, so that nobody is asked to look.
    pub(super) fn add_unreadable(&mut self, address: &str, fault: &str) {
        let cause = Cause {
            class: ErrorClass::Internal,
            secret: None,
        };
        let blind = self.blind.entry(cause).or_default();
        blind.lasts = true;
        blind.checks += 1;
        blind.names.insert(address.to_owned());
        blind.cut();
        blind.detail = format!("{SPEC_REFUSED}: {fault}");
    }

    /// Whether probes came that say nothing, for this cause.
    pub(super) fn is_blind_for(&self, cause: &str) -> bool {
        self.blind.keys().any(|it| it.to_string() == cause)
    }

    /// Whether a check that was blind for this cause before it was ours has not said yet whether
    /// it is.
    pub(super) fn waits_for(&self, cause: &str) -> bool {
        self.unheard.may_be(cause)
    }

    /// The same of a check that was never heard of.
    pub(super) fn is_new_to(&self, cause: &str) -> bool {
        self.new.may_be(cause)
    }
}

/// Checks whose probes could not look, for one cause.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Blind {
    /// Of some of them nothing is known for as long as makes a check stale.
    pub(super) lasts: bool,
    pub(super) checks: u32,
    /// The first few of their names, and the hosts that they probe.
    pub(super) names: BTreeSet<String>,
    pub(super) hosts: BTreeSet<String>,
    /// What the newest of the probes said.
    pub(super) detail: String,
    at: Option<OffsetDateTime>,
}

impl Blind {
    /// Adds those of another shard.
    pub(super) fn merge(&mut self, other: Self) {
        self.lasts |= other.lasts;
        self.checks += other.checks;
        self.names.extend(other.names);
        self.hosts.extend(other.hosts);
        self.cut();
        if self.at < other.at {
            (self.at, self.detail) = (other.at, other.detail);
        }
    }

    fn cut(&mut self) {
        for (few, most) in [(&mut self.names, NAMED), (&mut self.hosts, HOSTS)] {
            while few.len() > most {
                few.pop_last();
            }
        }
    }
}
