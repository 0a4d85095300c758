//! Failures that are not believed, because the worker that saw them is cut off, most likely: they
//! are recorded as unknown. Whose they are is decided in `health::impaired`; here is who asks it,
//! and which checks it concerns.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use time::OffsetDateTime;

use super::board::Board;
use super::entry::Entry;
use crate::egress::cut;
use crate::health::impaired::{Ended, Judge, Probed, Sight, Standing, Why};
use crate::health::{Kin, Retracted};
use crate::model::health::Health;
use crate::model::id::{CheckId, CheckNo, ShardNo};
use crate::model::observation::{ErrorClass, Observation, Outcome};
use crate::model::probe::{Report, Sentinels};
use crate::runtime::counter::Counter;

/// The longest detail of an observation, in bytes.
const MAX_DETAIL: usize = 300;

/// By project and shard, the checks of which something was withheld.
pub(super) type Concerned = BTreeMap<(Arc<str>, ShardNo), BTreeSet<CheckId>>;

/// Who reports.
#[derive(Clone, Copy)]
pub(super) struct Reporter<'a> {
    pub(super) worker: &'a Arc<str>,
    pub(super) location: &'a Arc<str>,
    pub(super) sentinels: Option<Sentinels>,
}

/// Workers that were heard of lately, by location.
#[derive(Debug, Default)]
pub(super) struct Present(BTreeSet<(Arc<str>, Arc<str>)>);

impl Present {
    /// Whether there is another one at a location.
    pub(super) fn has_another(&self, location: &Arc<str>, worker: &Arc<str>) -> bool {
        let from = (Arc::clone(location), Arc::from(""));
        let there = self.0.range(from..).take_while(|(at, _)| at == location);
        there.take(2).any(|(_, other)| other != worker)
    }
}

/// What is withheld from what workers report.
#[derive(Debug, Default)]
pub struct Withheld {
    inner: Mutex<Inner>,
    /// Failures that were recorded as unknown.
    pub probes: Counter,
}

#[derive(Debug, Default)]
struct Inner {
    judge: Judge,
    /// By location.
    concerned: BTreeMap<Arc<str>, Concerned>,
}

impl Withheld {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing in there is left halfway.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes unknown ones of those failures of a worker that are not to be believed. `pending`
    /// gives the health of a check that is not committed yet. Returned is for each report which
    /// failures before it are not believed any more.
    pub(super) fn sift<'a>(
        &self,
        board: &Board,
        pending: impl Fn(CheckNo) -> Option<&'a Health>,
        from: Reporter<'_>,
        reports: &mut [Report],
        now: OffsetDateTime,
    ) -> Vec<Option<Retracted>> {
        let probed: Vec<Option<Probed>> = reports
            .iter()
            .map(|report| sight(board, &pending, report))
            .collect();
        let mut inner = self.lock();
        let inner = &mut *inner;
        let who = (from.worker, from.location);
        let all = probed.iter().copied().flatten();
        inner.judge.hear(who, from.sentinels, all, now);
        let mut retracted = vec![None; reports.len()];
        for ((report, probed), retracted) in reports.iter_mut().zip(probed).zip(&mut retracted) {
            let Some(probed) = probed.filter(|probed| probed.sight == Sight::Fails) else {
                continue;
            };
            let of = board.with(report.check_no, |entry| {
                let key = (Arc::clone(&entry.check.project), entry.check.id.shard());
                let unbelieved = entry.check.health.unbelieved;
                (
                    key,
                    entry.check.id,
                    Arc::clone(&entry.locations),
                    unbelieved,
                )
            });
            let Some((key, id, places, unbelieved)) = of else {
                continue;
            };
            // Checks that name no location are probed where this one came from.
            let is_place = |place: &str| match places.is_empty() {
                true => place == &**from.location,
                false => places.iter().any(|one| one.as_deref() == Some(place)),
            };
            let unbelieved = match pending(report.check_no) {
                Some(health) => health.unbelieved,
                None => unbelieved,
            };
            let judge = &mut inner.judge;
            let verdict = judge.judge(from.worker, &probed, unbelieved, is_place, now);
            *retracted = verdict.retracted;
            if let Some(why) = verdict.withheld {
                withhold(&mut report.observation, why);
                self.probes.add(1);
                let concerned = inner
                    .concerned
                    .entry(Arc::clone(from.location))
                    .or_default();
                concerned.entry(key).or_default().insert(id);
            }
        }
        retracted
    }

    /// Time has passed.
    pub(super) fn tick(&self, now: OffsetDateTime) {
        let mut inner = self.lock();
        let Inner { judge, concerned } = &mut *inner;
        judge.tick(now);
        let standing = judge.standing();
        concerned.retain(|location, _| standing.iter().any(|it| it.location == *location));
    }

    /// Takes up what was told of a location before a shard was ours.
    pub(super) fn resume(
        &self,
        location: &Arc<str>,
        since: OffsetDateTime,
        of: (Arc<str>, ShardNo),
        now: OffsetDateTime,
    ) {
        let mut inner = self.lock();
        inner.judge.resume(location, since, now);
        let concerned = inner.concerned.entry(Arc::clone(location)).or_default();
        concerned.entry(of).or_default();
    }

    /// Who can be asked to look again.
    pub(super) fn present(&self, now: OffsetDateTime) -> Present {
        Present(self.lock().judge.present(now).collect())
    }

    /// The workers of which something is withheld, each with its location.
    pub fn impaired(&self) -> Vec<(Arc<str>, Arc<str>)> {
        let inner = self.lock();
        let impaired = inner.judge.impaired();
        impaired
            .map(|(worker, location)| (Arc::clone(worker), Arc::clone(location)))
            .collect()
    }

    /// The locations of which something is withheld, and whom that concerns.
    pub(super) fn concerned(&self) -> Vec<(Standing, Concerned)> {
        let inner = self.lock();
        let of = |it: Standing| {
            let concerned = inner.concerned.get(&it.location).cloned();
            (it, concerned.unwrap_or_default())
        };
        inner.judge.standing().into_iter().map(of).collect()
    }

    /// Why nothing of a location is withheld any more.
    pub(super) fn ended(&self, location: &str) -> Option<Ended> {
        self.lock().judge.ended(location).cloned()
    }
}

/// What a report says of its worker: nothing if it is about what nobody asks any more, or if the
/// worker says itself that it could not look.
fn sight<'a>(
    board: &Board,
    pending: impl Fn(CheckNo) -> Option<&'a Health>,
    report: &Report,
) -> Option<Probed> {
    let seen = &report.observation;
    let (check, began) = (report.check_no, seen.started_at);
    let probed = |kin, sight| Probed {
        check,
        began,
        kin,
        sight,
        cut_off_at: seen.cut_off_at(),
    };
    match seen.outcome {
        Outcome::Unknown => return None,
        Outcome::Up => return Some(probed(Kin::default(), Sight::Well)),
        Outcome::Down | Outcome::Error => {}
    }
    let read = |entry: &Entry| {
        let current = entry.check.spec_id == report.spec_id;
        current.then(|| (entry.check.health.state, entry.url.clone()))
    };
    let (state, url) = board.with(check, read)??;
    let state = pending(check).map_or(state, |health| health.state);
    if state.is_outage() {
        return Some(probed(Kin::default(), Sight::Known));
    }
    let dialled = seen.address.parse::<std::net::SocketAddr>().ok();
    let host = url.parse().host_str().unwrap_or_default().to_owned();
    let kin = Kin::of(&host, dialled.map(|it| it.ip()));
    Some(probed(kin, Sight::Fails))
}

/// It says nothing of the site any more, and what it said is still there for people.
fn withhold(seen: &mut Observation, why: Why) {
    let why = match why {
        Why::Sentinels => {
            "not believed: nearly everything failed at this worker at once, and its sentinels \
             failed, too"
        }
        Why::Another => {
            "not believed: nearly everything failed at this worker at once, and no other worker \
             has looked since"
        }
        Why::Early => "not believed yet: the sentinels of this worker fail, too",
        Why::Unsaid => {
            "not believed yet: the sentinels of this worker have not answered since, so it may \
             have no network"
        }
    };
    let class = seen.class.map_or("", ErrorClass::name);
    let saw = [class, &seen.detail]
        .into_iter()
        .filter(|it| !it.is_empty());
    let saw: Vec<&str> = saw.collect();
    let detail = format!("{why}; here it saw {}", saw.join(": "));
    seen.outcome = Outcome::Unknown;
    seen.class = Some(ErrorClass::ProberImpaired);
    seen.degraded = false;
    seen.detail = cut(detail, MAX_DETAIL);
}
