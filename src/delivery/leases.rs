//! Keeps the claims of what is being sent, beside whoever claims and writes down: when that takes
//! long, nobody else takes what is ours.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::debug;
use uuid::Uuid;

use crate::model::id::DeliveryId;
use crate::runtime::chain::chain;
use crate::store::delivery::delivery_renew;
use crate::store::error::StoreError;
use crate::store::{Store, bounded};

/// How often leases are renewed; they last three times as long.
const RENEW: Duration = Duration::from_secs(2);

/// What a worker has claimed and not written down yet: a delivery more than once if another worker
/// has lost it meanwhile, too.
#[derive(Debug, Default)]
pub(super) struct Leases(Mutex<HashMap<DeliveryId, usize>>);

impl Leases {
    fn lock(&self) -> MutexGuard<'_, HashMap<DeliveryId, usize>> {
        // It is never left halfway.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn keep(&self, delivery: DeliveryId) {
        *self.lock().entry(delivery).or_default() += 1;
    }

    pub(super) fn leave(&self, delivery: DeliveryId) {
        if let Entry::Occupied(mut kept) = self.lock().entry(delivery) {
            *kept.get_mut() -= 1;
            if *kept.get() == 0 {
                kept.remove();
            }
        }
    }

    /// What is being sent, or was and is not written down.
    pub(super) fn kept(&self) -> Vec<DeliveryId> {
        self.lock().keys().copied().collect()
    }

    /// Renews them until the worker has ended.
    pub(super) async fn run(self: Arc<Self>, store: Store, worker: Uuid, ended: CancellationToken) {
        let mut tick = tokio::time::interval(RENEW);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while ended.run_until_cancelled(tick.tick()).await.is_some() {
            // Without a claim nothing is asked of Postgres.
            let ids = self.kept();
            if ids.is_empty() {
                continue;
            }
            let renewed = bounded(renew(&store, worker, &ids));
            if let Some(Err(error)) = ended.run_until_cancelled(renewed).await {
                // Whoever claims says that Postgres is away.
                debug!("leases are not renewed: {}", chain(&error));
            }
        }
    }
}

async fn renew(store: &Store, worker: Uuid, ids: &[DeliveryId]) -> Result<(), StoreError> {
    let mut conn = store.acquire().await?;
    delivery_renew(&mut conn, worker, ids).await
}
