//! Claims deliveries, has them sent, and writes down how that ended, all that has ended at a time.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{mem, slice};

use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};
use uuid::Uuid;

use super::body;
use super::group::gather;
use super::leases::Leases;
use super::queue::{LOOK, Queue};
use super::sender::{Outbound, send};
use super::window::Windows;
use crate::bus::{self, Bus};
use crate::clock;
use crate::model::id::{DeliveryId, ReceiverId};
use crate::runtime::counter::Counter;
use crate::store::delivery::{
    Attempted, Begun, Candidate, Claimed, LEASE, Verdict, delivery_begin, delivery_claim,
    delivery_due, delivery_finish, delivery_lapse, delivery_lock, delivery_next,
};
use crate::store::error::StoreError;
use crate::store::{Store, bounded};

/// The most that is sent at once, and that waits for its end to be written down.
const IN_FLIGHT: usize = 512;
/// The most that is claimed in one transaction.
const LOT: usize = 256;
/// How long it may take to gather what is told together, some of it.
const PREPARE: Duration = Duration::from_secs(5);
/// What took longer to be claimed is not sent: its lease must last until it is renewed.
const LATE: Duration = Duration::from_secs(LEASE.as_secs() / 2);
/// How often the outbox is looked at without a hint.
const POLL: Duration = Duration::from_secs(1);

/// Then, or never.
async fn until(then: Option<Instant>) {
    match then {
        Some(then) => tokio::time::sleep_until(then.into()).await,
        None => std::future::pending().await,
    }
}

/// What a worker has done.
#[derive(Debug, Default)]
pub struct DeliveryTally {
    pub delivered: Counter,
    pub retried: Counter,
    pub dead: Counter,
    /// Events that went out within a newer one.
    pub superseded: Counter,
    /// Events that went to a fallback, too.
    pub fell_back: Counter,
}

pub(super) struct Worker {
    id: Uuid,
    store: Store,
    bus: Bus,
    out: Outbound,
    tally: Arc<DeliveryTally>,
    sending: JoinSet<Attempted>,
    claims: HashMap<Id, Candidate>,
    windows: Windows,
    queue: Queue,
    /// Places that were taken for what is being claimed.
    reserved: HashMap<DeliveryId, Candidate>,
    /// What ended and is not written down yet. Its claims are ours until it is.
    ended: Vec<Attempted>,
    /// Lanes of what was delivered, where the next one waits.
    followed: Vec<(ReceiverId, Uuid)>,
    leases: Arc<Leases>,
    /// When claims that were not renewed are ended, and what is told together is gathered.
    chores_at: Instant,
    /// There is more to be gathered.
    more: bool,
    /// That we have ended, for whoever renews leases.
    done: CancellationToken,
    away: bool,
}

impl Worker {
    pub(super) fn new(store: Store, bus: Bus, out: Outbound, tally: Arc<DeliveryTally>) -> Self {
        Self {
            id: Uuid::now_v7(),
            store,
            bus,
            out,
            tally,
            sending: JoinSet::new(),
            claims: HashMap::new(),
            windows: Windows::default(),
            queue: Queue::default(),
            reserved: HashMap::new(),
            ended: Vec::new(),
            followed: Vec::new(),
            leases: Arc::default(),
            chores_at: clock::monotonic(),
            more: false,
            done: CancellationToken::new(),
            away: false,
        }
    }

    /// What keeps its claims while it runs.
    pub(super) fn keeper(&self) -> impl Future<Output = ()> + Send + 'static {
        let leases = Arc::clone(&self.leases);
        leases.run(self.store.clone(), self.id, self.done.clone())
    }

    pub(super) async fn run(mut self, token: CancellationToken) {
        let mut hints = self.bus.hint_subscribe().await.ok();
        let mut poll = tokio::time::interval(POLL);
        poll.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = token.cancelled() => break,
                Some(ended) = self.sending.join_next_with_id() => {
                    self.ended(ended);
                    while let Some(ended) = self.sending.try_join_next_with_id() {
                        self.ended(ended);
                    }
                }
                _ = poll.tick() => {}
                () = bus::woken(&mut hints) => {}
                () = until(self.queue.next_look(clock::monotonic())) => {}
                () = until(self.more.then(clock::monotonic)) => {}
            }
            self.queue.heard();
            let round = bounded(self.round()).await;
            self.noticed(round);
        }
        self.finish().await;
    }

    /// Writes down what has ended, and claims anew; now and then, does what comes before that, too.
    async fn round(&mut self) -> Result<(), StoreError> {
        let more = mem::take(&mut self.more);
        self.write().await?;
        // What waits by itself waits for nothing else.
        self.claim().await?;
        let now = clock::monotonic();
        if now < self.chores_at && !more {
            return Ok(());
        }
        self.chores_at = now + POLL;
        let prepared = tokio::time::timeout(PREPARE, self.prepare()).await;
        prepared.unwrap_or(Err(StoreError::Stuck(PREPARE)))?;
        self.queue.heard();
        self.claim().await
    }

    /// Ends the claims of workers that are gone, and gathers what is told together.
    async fn prepare(&mut self) -> Result<(), StoreError> {
        let mut conn = self.store.acquire().await?;
        let sending = self.leases.kept();
        delivery_lapse(&mut conn, self.id, Some(&sending)).await?;
        drop(conn);
        self.more = gather(&self.store).await?;
        Ok(())
    }

    /// Writes down what has ended; what cannot be written stays.
    async fn write(&mut self) -> Result<(), StoreError> {
        if self.ended.is_empty() {
            return Ok(());
        }
        match self.write_lot(&self.ended).await {
            Ok(()) => {
                for ended in self.ended.drain(..) {
                    self.leases.leave(ended.delivery);
                }
            }
            Err(error) if !error.is_passing() => self.write_each().await?,
            Err(error) => return Err(error),
        }
        self.follow().await
    }

    /// One that cannot be stored keeps nothing else from being stored.
    async fn write_each(&mut self) -> Result<(), StoreError> {
        while let Some(ended) = self.ended.last() {
            match self.write_lot(slice::from_ref(ended)).await {
                Ok(()) => {}
                Err(fault) if !fault.is_passing() => {
                    // A defect of ours. Its lease runs out, and it is tried again.
                    error!(
                        error = &fault as &dyn std::error::Error,
                        delivery = %ended.delivery,
                        "how an attempt ended cannot be written down"
                    );
                }
                Err(error) => return Err(error),
            }
            self.leases.leave(ended.delivery);
            self.ended.pop();
        }
        Ok(())
    }

    async fn write_lot(&self, ended: &[Attempted]) -> Result<(), StoreError> {
        let mut tx = self.store.begin_by_index().await?;
        delivery_finish(&mut tx, self.id, ended).await?;
        tx.commit().await.map_err(|source| StoreError::Query {
            doing: "commit the ends of attempts",
            source,
        })
    }

    /// Finds what is next where something was delivered.
    async fn follow(&mut self) -> Result<(), StoreError> {
        // What is not found so, whoever looks will find.
        let lanes = std::mem::take(&mut self.followed);
        if lanes.is_empty() {
            return Ok(());
        }
        let mut tx = self.store.begin_by_index().await?;
        let next = delivery_next(&mut tx, &lanes, clock::now()).await?;
        let done = tx.rollback().await;
        done.map_err(|source| StoreError::Query {
            doing: "end a look",
            source,
        })?;
        self.queue.add(next);
        Ok(())
    }

    /// Claims until nothing is due or our hands are full.
    async fn claim(&mut self) -> Result<(), StoreError> {
        loop {
            // Of a claim that failed, or that took too long.
            self.give_back();
            let room = IN_FLIGHT.saturating_sub(self.sending.len() + self.ended.len());
            if room == 0 {
                return Ok(());
            }
            let wants = self.queue.wants(&self.windows, clock::monotonic());
            if wants {
                self.look().await?;
            }
            let taken = self.queue.take(&mut self.windows, room.min(LOT));
            match taken.is_empty() {
                true if wants => continue,
                true => return Ok(()),
                false => {}
            }
            let places = taken.iter().map(|it| (it.id, it.clone()));
            self.reserved.extend(places);
            self.claim_lot(&taken).await?;
        }
    }

    /// Looks for what is due.
    async fn look(&mut self) -> Result<(), StoreError> {
        let (begun, busy) = (clock::monotonic(), self.queue.busy(&self.windows));
        let after = self.queue.after();
        let mut tx = self.store.begin_by_index().await?;
        let due = delivery_due(&mut tx, after, &busy, LOOK, clock::now()).await?;
        tx.rollback().await.map_err(|source| StoreError::Query {
            doing: "end a look",
            source,
        })?;
        self.queue.found(due, begun, clock::monotonic());
        Ok(())
    }

    /// Claims those of these that still can be, and begins to send them.
    async fn claim_lot(&mut self, taken: &[Candidate]) -> Result<(), StoreError> {
        let (now, begun_at) = (clock::now(), clock::monotonic());
        let mut tx = self.store.begin_by_index().await?;
        let ids = delivery_lock(&mut tx, taken).await?;
        let claimed = delivery_claim(&mut tx, &ids, now).await?;
        let bodies: Vec<Option<Vec<u8>>> = claimed.iter().map(body::body).collect();
        let begun: Vec<_> = claimed
            .iter()
            .zip(&bodies)
            .map(|(claimed, body)| Begun {
                claimed,
                body: body.as_deref(),
                is_plain: body::is_plain(claimed),
            })
            .collect();
        let ours = delivery_begin(&mut tx, self.id, &begun, now).await?;
        tx.commit().await.map_err(|source| StoreError::Query {
            doing: "commit a claim",
            source,
        })?;
        if begun_at.elapsed() > LATE {
            // Before it is renewed, another worker may have it: whatever goes out is in its order only
            // while it is ours. When its lease runs out it is claimed again.
            warn!("Postgres was slow to answer a claim, which is left to run out");
            self.give_back();
            return Ok(());
        }
        let begun = claimed.into_iter().zip(bodies);
        for (claim, body) in begun.filter(|(claim, _)| ours.contains(&claim.id)) {
            self.spawn(claim, body);
        }
        // What is left, somebody else was quicker to claim.
        self.give_back();
        Ok(())
    }

    fn give_back(&mut self) {
        for (_, it) in self.reserved.drain() {
            self.windows.give_back(&it);
        }
    }

    fn spawn(&mut self, claim: Claimed, body: Option<Vec<u8>>) {
        let Some(place) = self.reserved.remove(&claim.id) else {
            return;
        };
        self.tally.superseded.add(claim.superseded.len() as u64);
        self.leases.keep(claim.id);
        let out = self.out.clone();
        let task = self
            .sending
            .spawn(async move { send(&out, &claim, body).await });
        self.claims.insert(task.id(), place);
    }

    fn ended(&mut self, ended: Result<(Id, Attempted), JoinError>) {
        let (id, ended) = match ended {
            Ok((id, ended)) => (id, Some(ended)),
            Err(error) => {
                // Its lease runs out and it is tried again.
                let id = error.id();
                error!(
                    error = &error as &dyn std::error::Error,
                    "a delivery panicked"
                );
                (id, None)
            }
        };
        let Some(claim) = self.claims.remove(&id) else {
            return;
        };
        let Some(ended) = ended else {
            self.windows.give_back(&claim);
            self.leases.leave(claim.id);
            return;
        };
        self.windows
            .ended(&claim, ended.status.is_some(), ended.took);
        if claim.followed && ended.verdict == Verdict::Delivered {
            self.followed.push((claim.receiver, claim.lane));
        }
        if ended.check.is_none() {
            // What is told together next may have waited for it.
            self.chores_at = clock::monotonic();
        }
        match ended.verdict {
            Verdict::Delivered => self.tally.delivered.add(1),
            Verdict::RetryAt(_) => self.tally.retried.add(1),
            // Nothing is lost by it.
            Verdict::Dead(_) if ended.is_test => {}
            Verdict::Dead(_) => self.tally.dead.add(1),
        }
        self.ended.push(ended);
    }

    fn noticed(&mut self, result: Result<(), StoreError>) {
        match result {
            Ok(()) if self.away => {
                info!("Postgres is back");
                self.away = false;
            }
            Err(error) if !self.away => {
                warn!(
                    error = &error as &dyn std::error::Error,
                    "deliveries can be neither claimed nor written down; trying again"
                );
                self.away = true;
            }
            Ok(()) | Err(_) => {}
        }
    }

    /// Finishes what is being sent; the supervisor's deadline cuts the rest,
    /// whose lease then runs out.
    async fn finish(&mut self) {
        while let Some(ended) = self.sending.join_next_with_id().await {
            self.ended(ended);
            // What is written down by then is not cut.
            let written = bounded(self.write()).await;
            self.noticed(written);
        }
        let written = bounded(self.write()).await;
        self.noticed(written);
        self.done.cancel();
        if let Ok(mut conn) = self.store.acquire().await
            && let Err(error) = delivery_lapse(&mut conn, self.id, None).await
        {
            warn!(
                error = &error as &dyn std::error::Error,
                "claims could not be given back"
            );
        }
    }
}
