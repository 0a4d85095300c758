//! What the loops share: the checks of our shards, when they are due, and the
//! batches that are on their way.
//!
//! One lock, held for moments only and never across an await.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use time::OffsetDateTime;
use tracing::error;

use super::due::{DueQueue, micros, moment};
use super::entry::{Entry, LastSeen, Stored, Unreadable};
use super::gaps::{Gaps, Missed};
use super::ledger::Pending;
use super::maintained::{Maintained, Meant};
use super::sent::{Outgoing, Place, Sent, Silence, Way};
use super::tally::Tally;
use super::voices::{Heard, Voices};
use super::withheld::Withheld;
use crate::cadence::{self, Micros};
use crate::history::window::hour_of;
use crate::model::check::Every;
use crate::model::health::{Health, State};
use crate::model::id::{CheckId, CheckNo, ShardNo};
use crate::model::observation::Outcome;
use crate::model::ownership::Owner;
use crate::model::probe::{Probe, ProbeBatch, Report};
use crate::model::secret::SecretUse;
use crate::model::value::HttpUrl;
use crate::runtime::chain::chain;
use crate::spec;
use crate::store::rollup::Gap;
use crate::store::shard::{HeldShard, ShardCheck};

/// The most probes in a batch, and the most bytes of their specs.
const BATCH_PROBES: usize = 256;
const BATCH_BYTES: usize = 512 * 1024;
/// A check that is new to whoever waits for it is due within this time.
const FIRST_PROBE_SPREAD: i64 = 10_000_000;

const SKIPPED: Missed = Missed {
    skipped: 1,
    lost: 0,
};
const LOST: Missed = Missed {
    skipped: 0,
    lost: 1,
};

/// How a check comes to the board.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Arrival {
    /// With its shard: it was probed before, by whoever had that.
    Loaded,
    /// With the feed: it is new, or was changed, brought back or enabled.
    Changed,
}

/// A check, for whoever reads the board.
#[derive(Clone, Debug)]
pub struct Seen<'a> {
    pub check: &'a ShardCheck,
    pub url: &'a HttpUrl,
    pub last: Option<&'a LastSeen>,
    pub stale: bool,
}

/// What is collected for a batch.
#[derive(Debug, Default)]
struct Load {
    probes: Vec<Probe>,
    bytes: usize,
    longest: Duration,
}

/// The shared state of the loops.
#[derive(Debug, Default)]
pub struct Board {
    inner: Mutex<Inner>,
    pub tally: Tally,
    pub withheld: Withheld,
}

#[derive(Debug, Default)]
struct Inner {
    held: BTreeMap<ShardNo, i64>,
    /// Those of them whose checks are not all here yet.
    loading: BTreeSet<ShardNo>,
    checks: HashMap<CheckNo, Entry>,
    numbers: HashMap<CheckId, CheckNo>,
    /// Those that are to be probed and cannot be.
    unreadable: HashMap<CheckId, Unreadable>,
    due: DueQueue,
    sent: Sent,
    /// The only project that declares anything; `None` when there is another.
    sole: Option<String>,
    gaps: Gaps,
    maintained: Maintained,
}

impl Board {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic elsewhere leaves every entry whole: each is replaced at once.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The shards that are ours.
    pub(super) fn held(&self) -> Vec<HeldShard> {
        let inner = self.lock();
        inner
            .held
            .iter()
            .map(|(&shard, &epoch)| HeldShard { shard, epoch })
            .collect()
    }

    /// The epoch under which a shard is ours.
    pub(super) fn epoch(&self, shard: ShardNo) -> Option<i64> {
        self.lock().held.get(&shard).copied()
    }

    /// Makes shards ours; their checks come with `put`, until they are `loaded`.
    pub(super) fn hold(&self, shards: &[HeldShard]) {
        let mut inner = self.lock();
        let held = shards.iter().map(|held| (held.shard, held.epoch));
        inner.held.extend(held);
        inner.loading.extend(shards.iter().map(|held| held.shard));
    }

    /// All checks of these shards are here.
    pub(super) fn loaded(&self, shards: &[ShardNo]) {
        self.lock().loading.retain(|it| !shards.contains(it));
    }

    /// The shards that are ours with all their checks.
    pub(super) fn whole(&self) -> Vec<ShardNo> {
        let inner = self.lock();
        let shards = inner.held.keys().copied();
        shards.filter(|it| !inner.loading.contains(it)).collect()
    }

    /// Forgets shards and their checks.
    pub(super) fn drop_shards(&self, shards: &[ShardNo]) {
        let mut inner = self.lock();
        inner.held.retain(|shard, _| !shards.contains(shard));
        inner.loading.retain(|shard| !shards.contains(shard));
        inner
            .checks
            .retain(|_, entry| !shards.contains(&entry.check.id.shard()));
        inner.numbers.retain(|id, _| !shards.contains(&id.shard()));
        inner
            .unreadable
            .retain(|id, _| !shards.contains(&id.shard()));
    }

    /// Says which project is the only one that declares anything. Checks are put here after
    /// that was read, so that none of another project is taken for one of it.
    pub(super) fn set_sole(&self, sole: Option<String>) {
        self.lock().sole = sole;
    }

    /// Says what is maintained from now on.
    pub(super) fn set_maintained(&self, maintained: Maintained) {
        self.lock().maintained = maintained;
    }

    /// The version of what is maintained.
    pub(super) fn maintained_version(&self) -> i64 {
        self.lock().maintained.version()
    }

    /// Of each of these probes whether it was due within maintenance.
    pub(super) fn in_maintenance(
        &self,
        probes: impl ExactSizeIterator<Item = (CheckNo, OffsetDateTime)>,
    ) -> Vec<bool> {
        let mut inner = self.lock();
        let Inner {
            maintained, checks, ..
        } = &mut *inner;
        if maintained.is_empty() {
            return vec![false; probes.len()];
        }
        let mut holds = |(check, at): (CheckNo, OffsetDateTime)| {
            let Some(entry) = checks.get_mut(&check) else {
                return false;
            };
            maintained.holds(&mut entry.meant, &entry.check, &entry.spec, at)
        };
        probes.map(&mut holds).collect()
    }

    /// Takes a check as it is stored, whether it is new or changed.
    pub(super) fn put(&self, mut check: ShardCheck, arrival: Arrival, now: OffsetDateTime) {
        let spec = match spec::decode_check(&check.spec) {
            Ok(spec) => spec,
            Err(fault) => {
                error!(check = %check.id, error = &fault as &dyn std::error::Error,
                    "a check cannot be read and is not probed");
                self.remove(check.id);
                let mut inner = self.lock();
                if inner.held.contains_key(&check.id.shard()) {
                    let fault = chain(&fault);
                    inner
                        .unreadable
                        .insert(check.id, Unreadable { check, fault });
                }
                return;
            }
        };
        let mut inner = self.lock();
        inner.unreadable.remove(&check.id);
        if !inner.held.contains_key(&check.id.shard()) {
            return;
        }
        let bytes: Arc<[u8]> = std::mem::take(&mut check.spec).into();
        let old = inner.checks.remove(&check.check_no);
        let (mut last, mut taken, mut turn) = (None, now, None);
        let locations: Arc<[Place]> = spec
            .locations
            .iter()
            .map(|name| Some(name.as_str().into()))
            .collect();
        let mut heard = vec![Heard::default(); locations.len().max(1)];
        let secrets: BTreeSet<_> = spec.secrets().cloned().collect();
        let now_at = now;
        let now = micros(now);
        let due = match old {
            Some(old) => {
                // What is folded but not read back yet is newer than the row.
                check.health = old.check.health;
                (last, taken, turn) = (old.last, old.taken, Some(old.turn));
                match old.locations == locations {
                    true => heard = old.heard,
                    // What is asked for from now on cannot be missed yet.
                    false => taken = now_at,
                }
                if let Ok(before) = spec::decode_check(&old.spec)
                    && !before.probes_like(&spec)
                {
                    check.health.end_streaks();
                }
                if old.every == spec.every {
                    old.due
                } else {
                    cadence::next_due(check.id, spec.every, now)
                }
            }
            None => first_due(&check, arrival, spec.every, now),
        };
        inner.due.push(due, check.check_no);
        inner.numbers.insert(check.id, check.check_no);
        // Whoever takes over goes on about where another one was.
        let first = due.0 / (i64::from(spec.every.seconds()) * 1_000_000);
        let entry = Entry {
            locations,
            heard,
            secrets: secrets.into_iter().collect(),
            turn: turn.unwrap_or(usize::try_from(first).unwrap_or(0)),
            spec: bytes,
            url: spec.url,
            every: spec.every,
            timeout: spec.timeout,
            confirm: spec.confirm,
            flapping: spec.flapping,
            repeat: spec.repeat,
            last,
            stored: None,
            taken,
            due,
            meant: Meant::default(),
            failed_at: None,
            check,
        };
        inner.checks.insert(entry.check.check_no, entry);
    }

    /// Forgets one check; whether it was there.
    pub(super) fn remove(&self, id: CheckId) -> bool {
        let mut inner = self.lock();
        inner.unreadable.remove(&id);
        let number = inner.numbers.remove(&id);
        number.is_some_and(|number| inner.checks.remove(&number).is_some())
    }

    /// When the next check is due.
    pub(super) fn next_due(&self) -> Option<Micros> {
        self.lock().due.first()
    }

    /// Everything that is due until `ahead` from now, in batches that are open
    /// from now on; each check is due next after that.
    pub(super) fn take_due(
        &self,
        now: OffsetDateTime,
        ahead: Duration,
        reply_to: &str,
    ) -> Vec<Outgoing> {
        let horizon = micros(now + ahead);
        let present = self.withheld.present(now);
        let mut inner = self.lock();
        let mut batches = Vec::new();
        let mut loads: BTreeMap<Way, Load> = BTreeMap::new();
        let (mut scheduled, mut skipped) = (0, 0);
        let inner = &mut *inner;
        while let Some((due, number)) = inner.due.pop(horizon) {
            let Some(entry) = inner.checks.get_mut(&number) else {
                continue;
            };
            if entry.due != due {
                continue;
            }
            entry.due = cadence::next_due(entry.check.id, entry.every, horizon);
            inner.due.push(entry.due, number);
            let missed = cadence::due_between(entry.check.id, entry.every, due, horizon);
            scheduled += 1 + missed;
            skipped += missed;
            if missed > 0 {
                let of = (entry.check.id, entry.every);
                skip(&mut inner.gaps, number, of, due, horizon);
            }
            if is_too_late(due, micros(now), entry.every) {
                skipped += 1;
                inner.gaps.add(hour_of(moment(due)), number, SKIPPED);
                continue;
            }
            let place = entry.next_place();
            let avoided = entry.next_avoided(&place, &present);
            let way = Way { place, avoided };
            let load = loads.entry(way.clone()).or_default();
            load.bytes += entry.spec.len() + 64;
            load.longest = load.longest.max(entry.timeout.duration());
            load.probes.push(Probe {
                check_id: entry.check.id,
                check_no: number,
                spec_id: entry.check.spec_id,
                scheduled_at: moment(due),
                spec: Arc::clone(&entry.spec),
                secrets: SecretUse::of(
                    &entry.check.project,
                    entry.check.owner == Owner::Declared.name(),
                    inner.sole.as_deref(),
                ),
            });
            if load.probes.len() >= BATCH_PROBES || load.bytes >= BATCH_BYTES {
                let load = std::mem::take(load);
                batches.push(
                    inner
                        .sent
                        .open(way, load.probes, now, load.longest, reply_to),
                );
            }
        }
        for (way, load) in loads
            .into_iter()
            .filter(|(_, load)| !load.probes.is_empty())
        {
            batches.push(
                inner
                    .sent
                    .open(way, load.probes, now, load.longest, reply_to),
            );
        }
        self.tally.scheduled.add(scheduled);
        self.tally.skipped.add(skipped);
        batches
    }

    /// A batch that could not be sent.
    pub(super) fn unsent(&self, batch: &ProbeBatch) {
        let mut inner = self.lock();
        inner.sent.withdraw(batch.batch);
        for probe in &batch.probes {
            let hour = hour_of(probe.scheduled_at);
            inner.gaps.add(hour, probe.check_no, SKIPPED);
        }
        self.tally.skipped.add(batch.probes.len() as u64);
    }

    /// A report that is not stored.
    pub(super) fn lose(&self, check: CheckNo, at: OffsetDateTime) {
        self.lock().gaps.add(hour_of(at), check, LOST);
        self.tally.lost.add(1);
    }

    /// Everything that was missed since the last time.
    pub(super) fn take_gaps(&self) -> Gaps {
        std::mem::take(&mut self.lock().gaps)
    }

    /// What was taken and could not be written.
    pub(super) fn put_back(&self, gap: &Gap) {
        let missed = Missed {
            skipped: gap.skipped,
            lost: gap.lost,
        };
        self.lock().gaps.add(gap.hour, gap.check, missed);
    }

    /// Takes reports off an open batch; returns those that still count. Those
    /// of a batch that was given up have been counted as lost.
    pub(super) fn settle(
        &self,
        batch: u64,
        reports: Vec<Report>,
        now: OffsetDateTime,
    ) -> Vec<Report> {
        self.lock().sent.settle(batch, reports, now)
    }

    /// Gives up batches whose reports should have come by now; returns how many
    /// probes are lost with them.
    pub(super) fn sweep(&self, now: OffsetDateTime) -> u64 {
        let mut inner = self.lock();
        let Inner {
            sent,
            gaps,
            checks,
            due,
            ..
        } = &mut *inner;
        let lost = sent.sweep(now, |check, at| {
            gaps.add(hour_of(at), check, LOST);
            // Whoever was to look again is gone, and nothing is known meanwhile.
            if let Some(entry) = checks.get_mut(&check)
                && entry.check.health.unbelieved.is_some()
            {
                let again = soon(entry.check.id, entry.every, micros(now));
                if again < entry.due {
                    entry.due = again;
                    due.push(again, check);
                }
            }
        });
        self.tally.lost.add(lost);
        lost
    }

    /// Where probes get no answer, and since when: as long as checks are probed from there.
    pub fn silences(&self) -> Vec<(Place, Silence)> {
        let mut inner = self.lock();
        if inner.sent.silences().is_empty() {
            return Vec::new();
        }
        let Inner { sent, checks, .. } = &mut *inner;
        let places = checks.values().flat_map(Entry::places);
        let asked: BTreeSet<Place> = places.map(|(place, _)| place).collect();
        sent.forget(|place| asked.contains(place));
        sent.silences()
    }

    /// Reads one check.
    pub(super) fn with<T>(&self, check: CheckNo, read: impl FnOnce(&Entry) -> T) -> Option<T> {
        self.lock().checks.get(&check).map(read)
    }

    /// Advances a check to what was committed. A suspect one is due again soon.
    /// Where another question is asked by now, streaks are over.
    pub(super) fn advance(&self, check: CheckNo, pending: Pending) {
        let mut inner = self.lock();
        let inner = &mut *inner;
        let Some(entry) = inner.checks.get_mut(&check) else {
            return;
        };
        if pending.stores {
            entry.stored = pending.health.last_at.map(|at| Stored {
                at,
                unknown: pending.last.observation.unknown(),
            });
        }
        entry.check.health = pending.health;
        if entry.check.spec_id != pending.last.spec {
            entry.check.health.end_streaks();
        }
        entry.hear(&pending.last.observation, &pending.last.location);
        let failed = pending
            .again
            .filter(|_| pending.last.observation.outcome != Outcome::Up);
        entry.failed_at = failed.map(|_| Arc::clone(&pending.last.worker));
        entry.last = Some(pending.last.into_last_seen());
        if let Some(again) = pending.again
            && again < entry.due
        {
            entry.due = again;
            inner.due.push(again, check);
        }
    }

    /// Sets the health of a check to what was read back.
    pub(super) fn restore(&self, check: CheckNo, health: Health) {
        if let Some(entry) = self.lock().checks.get_mut(&check) {
            (entry.check.health, entry.stored) = (health, None);
        }
    }

    /// How many shards are ours, and how many probes are on their way.
    pub fn counts(&self) -> (usize, usize) {
        let inner = self.lock();
        (inner.held.len(), inner.sent.waiting())
    }

    /// How it stands with probes, by project, location and shard; of shards whose checks are all
    /// here.
    pub(super) fn voices(
        &self,
        now: OffsetDateTime,
    ) -> HashMap<(Arc<str>, Place, ShardNo), Voices> {
        let inner = self.lock();
        let mut all: HashMap<_, Voices> = HashMap::new();
        for entry in inner.checks.values() {
            let shard = entry.check.id.shard();
            if inner.loading.contains(&shard) {
                continue;
            }
            for (place, heard) in entry.places() {
                let key = (Arc::clone(&entry.check.project), place, shard);
                all.entry(key).or_default().add(entry, heard, now);
            }
        }
        for Unreadable { check, fault } in inner.unreadable.values() {
            let shard = check.id.shard();
            if !inner.loading.contains(&shard) {
                // From where it is to be probed nobody can read either.
                let key = (Arc::clone(&check.project), None, shard);
                all.entry(key)
                    .or_default()
                    .add_unreadable(&check.address, fault);
            }
        }
        all
    }

    /// Reads every check, in no order. Keep it short: the scheduler waits.
    pub fn read(&self, now: OffsetDateTime, mut each: impl FnMut(Seen<'_>)) {
        for entry in self.lock().checks.values() {
            each(Seen {
                check: &entry.check,
                url: &entry.url,
                last: entry.last.as_ref(),
                stale: entry.is_stale(now),
            });
        }
    }
}

/// Counts what was due after `due`, up to and including `until`, hour by hour.
fn skip(
    gaps: &mut Gaps,
    number: CheckNo,
    (id, every): (CheckId, Every),
    due: Micros,
    until: Micros,
) {
    let mut from = due;
    while from < until {
        let hour = hour_of(moment(from));
        // The last moment of the hour; the next one belongs to the next.
        let end = micros(hour + time::Duration::HOUR).0 - 1;
        let to = Micros(end.max(from.0 + 1).min(until.0));
        let times = cadence::due_between(id, every, from, to);
        if times > 0 {
            let skipped = u32::try_from(times).unwrap_or(u32::MAX);
            let hour = hour_of(moment(to));
            gaps.add(hour, number, Missed { skipped, lost: 0 });
        }
        from = to;
    }
}

fn first_due(check: &ShardCheck, arrival: Arrival, every: Every, now: Micros) -> Micros {
    let next = cadence::next_due(check.id, every, now);
    if arrival == Arrival::Loaded && check.health.unbelieved.is_some() {
        // Its owner before us had meant to ask again soon.
        return next.min(soon(check.id, every, now));
    }
    if arrival == Arrival::Loaded && check.health.state != State::Init {
        return next;
    }
    soon(check.id, every, now)
}

fn soon(check: CheckId, every: Every, now: Micros) -> Micros {
    // Whoever has just declared a check, or enabled it, wants to see it live,
    // not after a month.
    let spread = FIRST_PROBE_SPREAD.min(i64::from(every.seconds()) * 1_000_000);
    Micros(now.0 + (check.hash() % spread.unsigned_abs()) as i64)
}

/// After a pause of the machine everything would be due at once: what is late
/// by more than a tenth of its period is skipped, never sent in a burst.
fn is_too_late(due: Micros, now: Micros, every: Every) -> bool {
    now.0 - due.0 > cadence::lateness(every).0
}
