//! Writes what came back: observations, states, transitions and the deliveries
//! they owe, in one transaction that is fenced by the shards' epochs.
//!
//! A flush that holds a transition goes at once. While Postgres is away
//! reports are kept up to a bound; beyond it they are counted as lost.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use prost::Message as _;
use time::OffsetDateTime;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::board::Board;
use super::event::{self, NewEvent, new_transition};
use super::ledger::{Draft, Ledger, Witness};
use super::rollup::late_hours;
use super::withheld::Reporter;
use crate::backoff;
use crate::bus::{Bus, Feed};
use crate::clock;
use crate::histogram;
use crate::model::health::{State, Told, Transition};
use crate::model::id::{CheckId, CheckNo, EventId, LocationId, ShardNo};
use crate::model::observation::Outcome;
use crate::model::overlay::Overlay;
use crate::model::probe::Reports;
use crate::store::error::StoreError;
use crate::store::hold::hold_new;
use crate::store::location::location_note;
use crate::store::observation::{self, NewObservation, StateRow};
use crate::store::overlay::overlay_find;
use crate::store::rollup;
use crate::store::shard::{self, HeldShard, LeaseOwner, ShardCheck};
use crate::store::transition::{self, NewTransition};
use crate::store::{Connection, Store, avoid_scans, bounded};

/// How long reports wait for company.
const FLUSH: Duration = Duration::from_millis(500);
/// The most reports that are kept while Postgres is away.
const BUFFER: usize = 200_000;
/// Failures that are not Postgres's being away, before reports are given up.
const PATIENCE: u32 = 5;
/// Of how many probes an event shows the latency, together.
const LATENCY_SAMPLES: i64 = 100_000;

/// How often it is noted that reports come from a location.
const LOCATION_NOTED: time::Duration = time::Duration::minutes(1);

/// By name, the ids of locations, and when each was noted last.
type Locations = HashMap<Arc<str>, (LocationId, OffsetDateTime)>;

pub(super) struct Recorder {
    store: Store,
    bus: Bus,
    board: Arc<Board>,
    owner: LeaseOwner,
    ends: mpsc::Receiver<ShardCheck>,
    ledger: Ledger,
    ending: Vec<ShardCheck>,
    failures: u32,
    refusals: u32,
    /// Reports were given up, and that was not enough.
    ends_suspected: bool,
    locations: Locations,
}

/// What a committed flush is told of.
#[derive(Default)]
struct Flushed {
    /// Checks whose end was to be written and waits no more.
    settled: HashSet<CheckId>,
    /// Those of them of which nothing is believed any more.
    ended: HashSet<CheckId>,
    events: Vec<EventId>,
    errors: Vec<Vec<u8>>,
    deliveries: u64,
    locations: Locations,
}

impl Recorder {
    pub(super) fn new(
        store: Store,
        bus: Bus,
        board: Arc<Board>,
        owner: LeaseOwner,
        ends: mpsc::Receiver<ShardCheck>,
    ) -> Self {
        Self {
            store,
            bus,
            board,
            owner,
            ends,
            ledger: Ledger::default(),
            ending: Vec::new(),
            failures: 0,
            refusals: 0,
            ends_suspected: false,
            locations: Locations::default(),
        }
    }

    pub(super) async fn run(mut self, reply_to: String, token: CancellationToken) {
        let mut feed = match self.bus.report_subscribe(&reply_to).await {
            Ok(feed) => feed,
            Err(error) => {
                error!(
                    error = &error as &dyn std::error::Error,
                    "no reports can be received"
                );
                return;
            }
        };
        let mut due = clock::monotonic() + FLUSH;
        loop {
            let wait = due.saturating_duration_since(clock::monotonic());
            tokio::select! {
                () = token.cancelled() => break,
                Some(check) = self.ends.recv() => {
                    self.ending.push(check);
                    self.drain(&mut feed);
                }
                Some(reports) = feed.next() => {
                    self.take(reports);
                    self.drain(&mut feed);
                    // While Postgres is away the back-off decides.
                    if self.ledger.drafts.is_empty() || self.failures > 0 {
                        continue;
                    }
                }
                () = tokio::time::sleep(wait) => {}
            }
            self.flush().await;
            due = clock::monotonic() + self.pause();
        }
        // Reports of what is still being probed are not waited for.
        self.flush().await;
    }

    fn pause(&self) -> Duration {
        match self.failures {
            0 => FLUSH,
            n => FLUSH.max(backoff::reconnect(n, 0.5)),
        }
    }

    /// Takes what is there already, so that one flush carries it all.
    fn drain(&mut self, feed: &mut Feed<Reports>) {
        while let Some(reports) = feed.take_ready() {
            self.take(reports);
        }
        while let Ok(check) = self.ends.try_recv() {
            self.ending.push(check);
        }
    }

    fn take(&mut self, reports: Reports) {
        let now = clock::now();
        let mut counted = self.board.settle(reports.batch, reports.reports, now);
        let location: Arc<str> = reports.location.into();
        let worker: Arc<str> = reports.worker.into();
        let from = Reporter {
            worker: &worker,
            location: &location,
            sentinels: reports.sentinels,
        };
        let pending = |check| self.ledger.pending.get(&check).map(|it| &it.health);
        let withheld = &self.board.withheld;
        let retracted = withheld.sift(&self.board, pending, from, &mut counted, now);
        for (report, retracted) in counted.into_iter().zip(retracted) {
            let delay = report.observation.started_at - report.observation.scheduled_at;
            // A few begin a little early, together with others.
            let late = delay.max(time::Duration::ZERO).unsigned_abs();
            self.board.tally.lateness.observe(late);
            let (check, at) = (report.check_no, report.observation.scheduled_at);
            let witness = Witness::new(report, retracted, &location, &worker);
            if self.ledger.reports.len() >= BUFFER || !self.ledger.add(&self.board, witness) {
                self.board.lose(check, at);
            }
        }
    }

    async fn flush(&mut self) {
        if self.ledger.is_empty() && self.ending.is_empty() {
            return;
        }
        match bounded(self.write()).await {
            Ok(flushed) => self.committed(flushed).await,
            Err(StoreError::Fenced(shards)) => {
                let shards: Vec<ShardNo> = shards.into_iter().map(ShardNo).collect();
                warn!(
                    ?shards,
                    "another lokahid has taken shards over; their reports are dropped"
                );
                self.board.drop_shards(&shards);
                self.ending
                    .retain(|check| !shards.contains(&check.id.shard()));
                self.ledger.retain_ours(&self.board);
                self.failures += 1;
            }
            Err(error) => {
                self.board.tally.flush_failures.add(1);
                if self.failures == 0 {
                    warn!(
                        error = &error as &dyn std::error::Error,
                        "reports cannot be stored; they are kept and tried again"
                    );
                }
                self.failures += 1;
                if error.is_passing() {
                    self.refusals = 0;
                } else {
                    self.refused(&error);
                }
            }
        }
    }

    /// Postgres is there and refuses: after a while the reports are the reason.
    fn refused(&mut self, error: &StoreError) {
        self.refusals += 1;
        if self.refusals < PATIENCE {
            return;
        }
        error!(
            error = error as &dyn std::error::Error,
            reports = self.ledger.reports.len(),
            "Postgres refuses these reports; they are given up and counted as lost"
        );
        for witness in &self.ledger.reports {
            self.board
                .lose(witness.check, witness.observation.scheduled_at);
        }
        if std::mem::replace(&mut self.ends_suspected, true) {
            // Not the reports were the reason. Whoever takes the shards over tries again.
            self.ending.clear();
        }
        self.ledger.clear();
        self.refusals = 0;
    }

    async fn write(&mut self) -> Result<Flushed, StoreError> {
        let mut tx = self.store.begin().await?;
        shard::shard_fence(&mut tx, &self.owner, &self.held()).await?;
        if self.failures > 0 {
            // The last commit may have happened although we were not told.
            self.read_back(&mut tx).await?;
        }
        let mut flushed = Flushed::default();
        if !self.ledger.is_empty() {
            // Before the states that say that an incident is over: its last event is of it, too.
            let drafts = self.ledger.drafts.iter();
            let ids: Vec<CheckId> = drafts.map(|draft| draft.check.id).collect();
            let overlays = match ids.is_empty() {
                true => HashMap::new(),
                false => {
                    // Incidents and what waits grow in a burst.
                    avoid_scans(&mut tx).await?;
                    overlay_find(&mut tx, &ids, clock::now()).await?
                }
            };
            let locations = self.locate(&mut tx).await?;
            self.write_reports(&mut tx, &locations).await?;
            flushed = self.write_transitions(&mut tx, &overlays).await?;
            flushed.locations = locations;
        }
        self.write_ends(&mut tx, &mut flushed).await?;
        tx.commit().await.map_err(|source| StoreError::Query {
            doing: "commit reports",
            source,
        })?;
        Ok(flushed)
    }

    /// The shards that this flush writes to.
    fn held(&self) -> Vec<HeldShard> {
        let mut shards: BTreeSet<ShardNo> = self
            .ledger
            .reports
            .iter()
            .filter_map(|witness| {
                self.board
                    .with(witness.check, |entry| entry.check.id.shard())
            })
            .collect();
        // The board may have forgotten some of these.
        let pending = self.ledger.pending.values();
        shards.extend(pending.map(|pending| pending.id.shard()));
        shards.extend(self.ending.iter().map(|check| check.id.shard()));
        shards
            .into_iter()
            // An epoch that is not ours fails the fence, as it should.
            .map(|shard| HeldShard {
                shard,
                epoch: self.board.epoch(shard).unwrap_or(-1),
            })
            .collect()
    }

    async fn read_back(&mut self, conn: &mut Connection) -> Result<(), StoreError> {
        let mut ids: Vec<CheckId> = self
            .ledger
            .reports
            .iter()
            .filter_map(|witness| self.board.with(witness.check, |entry| entry.check.id))
            .collect();
        ids.sort_unstable();
        ids.dedup();
        for check in shard::shard_check_find(conn, &ids).await? {
            self.board.restore(check.check_no, check.health);
        }
        let committed = self.ledger.refold(&self.board);
        self.board.tally.recorded.add(committed as u64);
        Ok(())
    }

    /// The locations of these reports: as they are known, or noted anew.
    async fn locate(&self, conn: &mut Connection) -> Result<Locations, StoreError> {
        let now = clock::now();
        let reports = self.ledger.reports.iter();
        let names: BTreeSet<&Arc<str>> = reports.map(|witness| &witness.location).collect();
        let fresh = |name: &&Arc<str>| {
            let known = self.locations.get(*name);
            known.is_none_or(|(_, noted)| now - *noted > LOCATION_NOTED)
        };
        let names: Vec<String> = names
            .into_iter()
            .filter(fresh)
            .map(ToString::to_string)
            .collect();
        let mut locations = self.locations.clone();
        if !names.is_empty() {
            let ids = location_note(conn, &names, now).await?;
            let noted = names.into_iter().zip(ids);
            locations.extend(noted.map(|(name, id)| (name.into(), (id, now))));
        }
        Ok(locations)
    }

    async fn write_reports(
        &self,
        conn: &mut Connection,
        locations: &Locations,
    ) -> Result<(), StoreError> {
        let reports = self.ledger.reports.iter();
        let due = reports.map(|w| (w.check, w.observation.scheduled_at));
        let maintained = self.board.in_maintenance(due.clone());
        let reports = self.ledger.reports.iter().zip(maintained);
        let seen = reports.filter_map(|(w, maintained)| {
            Some(NewObservation {
                check: w.check,
                location: locations.get(&w.location)?.0,
                seen: &w.observation,
                maintained,
            })
        });
        let seen: Vec<_> = seen.collect();
        observation::observation_insert(conn, &seen).await?;
        let late = late_hours(due, clock::now());
        if !late.is_empty() {
            rollup::late_note(conn, &late).await?;
        }
        let causes = self.ledger.drafts.iter().filter_map(|draft| {
            let cause = draft.witnesses.last()?;
            Some((cause.check, cause.observation.scheduled_at))
        });
        let causes: HashSet<_> = causes.collect();
        let evidence: Vec<_> = self
            .ledger
            .reports
            .iter()
            .filter(|witness| self.is_evident(witness, &causes))
            .map(|w| {
                (
                    w.check,
                    w.observation.scheduled_at,
                    event::evidence(w).encode_to_vec(),
                )
            })
            .collect();
        if !evidence.is_empty() {
            observation::evidence_insert(conn, &evidence).await?;
        }
        let mut states: Vec<StateRow<'_>> = self
            .ledger
            .pending
            .values()
            .filter(|pending| pending.stores)
            .map(|pending| StateRow {
                check: pending.id,
                spec: pending.last.spec,
                health: &pending.health,
                last: &pending.last.observation,
            })
            .collect();
        if states.is_empty() {
            return Ok(());
        }
        observation::state_update(conn, &mut states).await
    }

    /// Whether the full record of a probe is kept: of what is not up, and of what a change of
    /// state came with. What degrades a check can last for weeks: it is kept when something
    /// changes, and once an hour.
    fn is_evident(&self, witness: &Witness, causes: &HashSet<(CheckNo, OffsetDateTime)>) -> bool {
        let seen = &witness.observation;
        let pending = self.ledger.pending.get(&witness.check);
        let stored = pending
            .is_some_and(|it| it.stores && it.last.observation.scheduled_at == seen.scheduled_at);
        let cause = causes.contains(&(witness.check, seen.scheduled_at));
        seen.outcome != Outcome::Up || cause || (seen.degraded && stored)
    }

    async fn write_transitions(
        &self,
        conn: &mut Connection,
        overlays: &HashMap<CheckId, Overlay>,
    ) -> Result<Flushed, StoreError> {
        let drafts = &self.ledger.drafts;
        if drafts.is_empty() {
            return Ok(Flushed::default());
        }
        let now = clock::now();
        let numbers: Vec<CheckNo> = drafts.iter().map(|draft| draft.check.check_no).collect();
        let each = (LATENCY_SAMPLES / numbers.len() as i64).clamp(20, 1000);
        let since = now - time::Duration::days(1);
        let mut latencies = observation::observation_latencies(conn, &numbers, since, each).await?;
        let mut flushed = Flushed::default();
        let mut rows = Vec::with_capacity(drafts.len());
        for draft in drafts {
            let overlay = overlays.get(&draft.check.id).cloned();
            let mut transition = draft.transition.clone();
            if transition.reminds && overlay.as_ref().is_some_and(|it| it.acknowledged.is_some()) {
                // Somebody works on it.
                transition.told = Told::No;
            }
            let latency = latencies
                .remove(&draft.check.check_no)
                .and_then(histogram::summarise);
            let new = NewEvent {
                check: &draft.check,
                spec: &draft.spec,
                transition: &transition,
                witnesses: &draft.witnesses,
                latency,
                overlay,
            };
            let Some(row) = new_transition(new) else {
                continue;
            };
            if row.transition.told == Told::Yes {
                flushed.events.push(row.id);
            }
            if row.kind == "check.error" {
                flushed.errors.push(row.payload.clone());
            }
            rows.push(row);
        }
        flushed.deliveries = transition::transition_insert(conn, &rows, now).await?;
        hold_new(conn, &rows, overlays, now).await?;
        Ok(flushed)
    }

    /// Writes that checks are watched no more, because they were deleted,
    /// disabled or paused: the end of an incident, and that nothing is believed of them.
    /// One that is watched again by now is left alone; one that somebody else
    /// changes at this moment waits.
    async fn write_ends(
        &self,
        conn: &mut Connection,
        flushed: &mut Flushed,
    ) -> Result<(), StoreError> {
        if self.ending.is_empty() {
            return Ok(());
        }
        let ids: Vec<CheckId> = self.ending.iter().map(|check| check.id).collect();
        let held = shard::shard_check_hold(conn, &ids).await?;
        // As it is now: reports may have come in since it was read.
        let ends = shard::shard_check_find(conn, &held).await?;
        let now = clock::now();
        let overlays = overlay_find(conn, &held, now).await?;
        let rows: Vec<NewTransition> = ends
            .iter()
            .filter(|check| !check.is_watched(now) && check.health.is_told_of())
            .filter_map(|check| {
                let end = Transition {
                    previous: check.health.state,
                    next: State::Init,
                    degraded: false,
                    at: now,
                    seq: check.health.seq + 1,
                    incident: check.health.incident,
                    told: match check.health.quiet {
                        true => Told::No,
                        false => Told::Yes,
                    },
                    flap: None,
                    reminds: false,
                };
                new_transition(NewEvent {
                    check,
                    spec: &check.spec,
                    transition: &end,
                    witnesses: &[],
                    latency: None,
                    overlay: overlays.get(&check.id).cloned(),
                })
            })
            .collect();
        if !rows.is_empty() {
            flushed.deliveries += transition::transition_insert(conn, &rows, now).await?;
            hold_new(conn, &rows, &overlays, now).await?;
            let told = rows.iter().filter(|row| row.transition.told == Told::Yes);
            flushed.events.extend(told.map(|row| row.id));
        }
        let of = |chosen: &dyn Fn(&&ShardCheck) -> bool| -> Vec<CheckId> {
            ends.iter().filter(chosen).map(|check| check.id).collect()
        };
        observation::state_delete(conn, &of(&|check| check.deleted)).await?;
        let kept = of(&|check| !check.deleted && !check.is_watched(now) && check.is_to_end(now));
        observation::state_reset(conn, &kept, now).await?;
        let unwatched = of(&|check| !check.is_watched(now));
        flushed.ended = unwatched.into_iter().collect();
        flushed.settled = held.into_iter().collect();
        Ok(())
    }

    async fn committed(&mut self, flushed: Flushed) {
        if self.failures > 0 {
            info!("reports are stored again");
        }
        (self.failures, self.refusals) = (0, 0);
        self.ends_suspected = false;
        self.locations.extend(flushed.locations);
        let tally = &self.board.tally;
        tally.flushes.add(1);
        tally.recorded.add(self.ledger.reports.len() as u64);
        tally.transitions.add(self.ledger.drafts.len() as u64);
        tally.deliveries.add(flushed.deliveries);
        self.ledger.drafts.iter().for_each(log);
        for (number, pending) in std::mem::take(&mut self.ledger.pending) {
            if flushed.ended.contains(&pending.id) {
                // What is on the board of it by now was read after its end.
                continue;
            }
            self.board.advance(number, pending);
        }
        self.ledger.clear();
        self.ending
            .retain(|check| !flushed.settled.contains(&check.id));
        // Hints only: workers look by themselves, too.
        let told =
            flushed.events.is_empty() || self.bus.hint_publish(&flushed.events).await.is_ok();
        let mut heard = true;
        for event in &flushed.errors {
            heard &= self.bus.error_publish(event).await.is_ok();
        }
        if !told || !heard {
            warn!("NATS is away: webhook workers find their work without a hint");
        }
    }
}

fn log(draft: &Draft) {
    let check = &draft.check;
    let detail = draft
        .witnesses
        .last()
        .map_or("", |witness| witness.observation.detail.as_str());
    info!(
        check = %check.address,
        project = %check.project,
        id = %check.id,
        seq = draft.transition.seq,
        "{} -> {} {detail}",
        draft.transition.previous.name(),
        draft.transition.next.name(),
    );
}
