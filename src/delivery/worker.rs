//! Claims deliveries and keeps their leases while they are being sent.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{Id, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};
use uuid::Uuid;

use super::body;
use super::sender::{Outbound, send};
use crate::bus::{self, Bus};
use crate::clock;
use crate::model::id::{DeliveryId, ReceiverId};
use crate::runtime::counter::Counter;
use crate::store::delivery::{
    Claimed, Verdict, delivery_begin, delivery_claim, delivery_release, delivery_renew,
};
use crate::store::error::StoreError;
use crate::store::{Store, bounded};

/// The most that are sent at once, altogether and to one receiver.
const IN_FLIGHT: usize = 256;
const PER_RECEIVER: usize = 64;
/// How often the outbox is looked at without a hint.
const POLL: Duration = Duration::from_secs(1);
/// How often leases are renewed; they last three times as long.
const RENEW: Duration = Duration::from_secs(2);

/// What a worker has done.
#[derive(Debug, Default)]
pub struct DeliveryTally {
    pub delivered: Counter,
    pub retried: Counter,
    pub dead: Counter,
}

pub(super) struct Worker {
    id: Uuid,
    store: Store,
    bus: Bus,
    out: Outbound,
    tally: Arc<DeliveryTally>,
    sending: JoinSet<Verdict>,
    /// What each task sends.
    claims: HashMap<Id, (DeliveryId, ReceiverId)>,
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
            away: false,
        }
    }

    pub(super) async fn run(mut self, token: CancellationToken) {
        let mut hints = self.bus.hint_subscribe().await.ok();
        let mut poll = tokio::time::interval(POLL);
        let mut renew = tokio::time::interval(RENEW);
        for interval in [&mut poll, &mut renew] {
            interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        }
        loop {
            tokio::select! {
                () = token.cancelled() => break,
                // Without a claim nothing is asked of Postgres, and nothing known of it.
                _ = renew.tick(), if !self.claims.is_empty() => {
                    let renewed = bounded(self.renew()).await;
                    self.noticed(renewed);
                    continue;
                }
                Some(ended) = self.sending.join_next_with_id() => {
                    self.ended(ended);
                    while let Some(ended) = self.sending.try_join_next_with_id() {
                        self.ended(ended);
                    }
                }
                _ = poll.tick() => {}
                () = bus::woken(&mut hints) => {}
            }
            let claimed = bounded(self.claim()).await;
            self.noticed(claimed);
        }
        self.finish().await;
    }

    /// Claims until nothing is due or our hands are full.
    async fn claim(&mut self) -> Result<(), StoreError> {
        loop {
            let room = IN_FLIGHT.saturating_sub(self.sending.len());
            if room == 0 {
                return Ok(());
            }
            let asked = room.min(PER_RECEIVER);
            let now = clock::now();
            let mut tx = self.store.begin().await?;
            let busy = self.busy();
            let claimed = delivery_claim(&mut tx, self.id, &busy, asked as i64, now).await?;
            if claimed.is_empty() {
                return Ok(());
            }
            let bodies: Vec<Vec<u8>> = claimed
                .iter()
                .map(|claim| claim.body.clone().unwrap_or_else(|| body::body(claim)))
                .collect();
            let begun: Vec<_> = claimed
                .iter()
                .zip(&bodies)
                .map(|(claim, body)| (claim.id, claim.attempt, body.as_slice()))
                .collect();
            delivery_begin(&mut tx, &begun, now).await?;
            tx.commit().await.map_err(|source| StoreError::Query {
                doing: "commit a claim",
                source,
            })?;
            let full = claimed.len() == asked;
            for (claim, body) in claimed.into_iter().zip(bodies) {
                self.spawn(claim, body);
            }
            if !full {
                return Ok(());
            }
        }
    }

    fn spawn(&mut self, claim: Claimed, body: Vec<u8>) {
        let key = (claim.id, claim.receiver);
        let (store, out, worker) = (self.store.clone(), self.out.clone(), self.id);
        let task = self
            .sending
            .spawn(async move { send(&store, &out, worker, &claim, body).await });
        self.claims.insert(task.id(), key);
    }

    /// Receivers that have as much under way as one may have.
    fn busy(&self) -> Vec<ReceiverId> {
        let mut counts: HashMap<ReceiverId, usize> = HashMap::new();
        for (_, receiver) in self.claims.values() {
            *counts.entry(*receiver).or_default() += 1;
        }
        counts
            .into_iter()
            .filter(|(_, n)| *n >= PER_RECEIVER)
            .map(|(id, _)| id)
            .collect()
    }

    async fn renew(&self) -> Result<(), StoreError> {
        if self.claims.is_empty() {
            return Ok(());
        }
        let ids: Vec<DeliveryId> = self.claims.values().map(|claim| claim.0).collect();
        let mut conn = self.store.acquire().await?;
        delivery_renew(&mut conn, self.id, &ids, clock::now()).await
    }

    fn ended(&mut self, ended: Result<(Id, Verdict), tokio::task::JoinError>) {
        let id = match &ended {
            Ok((id, verdict)) => {
                match verdict {
                    Verdict::Delivered => self.tally.delivered.add(1),
                    Verdict::RetryAt(_) => self.tally.retried.add(1),
                    Verdict::Dead(_) => self.tally.dead.add(1),
                }
                *id
            }
            Err(error) => {
                // Its lease runs out and it is tried again.
                error!(
                    error = error as &dyn std::error::Error,
                    "a delivery panicked"
                );
                error.id()
            }
        };
        self.claims.remove(&id);
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
                    "deliveries cannot be claimed; trying again"
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
        }
        if let Ok(mut conn) = self.store.acquire().await
            && let Err(error) = delivery_release(&mut conn, self.id, clock::now()).await
        {
            warn!(
                error = &error as &dyn std::error::Error,
                "claims could not be given back"
            );
        }
    }
}
