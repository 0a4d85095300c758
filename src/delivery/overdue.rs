//! Looks for what does not arrive, and owes it to the fallback of its receiver.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::DeliveryTally;
use crate::bus::Bus;
use crate::clock;
use crate::model::id::EventId;
use crate::runtime::chain::chain;
use crate::store::delivery::fallback_insert;
use crate::store::error::StoreError;
use crate::store::{Store, bounded};

/// How often it looks.
const LOOK: Duration = Duration::from_secs(2);
/// How many are owed in one transaction.
const LOT: i64 = 500;

pub(super) async fn run(
    store: Store,
    bus: Bus,
    tally: Arc<DeliveryTally>,
    token: CancellationToken,
) {
    let mut tick = tokio::time::interval(LOOK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while token.run_until_cancelled(tick.tick()).await.is_some() {
        match round(&store, &bus, &tally).await {
            Ok(()) => {}
            // Whoever claims deliveries says that Postgres is away.
            Err(error) if error.is_passing() && !error.is_too_much() => {
                debug!("overdue deliveries are not looked at: {}", chain(&error));
            }
            Err(error) => warn!(
                error = &error as &dyn std::error::Error,
                "what does not arrive is not given to fallbacks; trying again"
            ),
        }
    }
}

async fn round(store: &Store, bus: &Bus, tally: &DeliveryTally) -> Result<(), StoreError> {
    loop {
        let (owed, more) = bounded(lot(store)).await?;
        if !owed.is_empty() {
            info!(
                "{} events that do not arrive go to fallbacks, too",
                owed.len()
            );
            tally.fell_back.add(owed.len() as u64);
            // A hint: workers look by themselves, too.
            bus.hint_publish(&owed).await.unwrap_or_default();
        }
        if !more {
            return Ok(());
        }
    }
}

async fn lot(store: &Store) -> Result<(Vec<EventId>, bool), StoreError> {
    let mut tx = store.begin().await?;
    let found = fallback_insert(&mut tx, LOT, clock::now()).await?;
    tx.commit().await.map_err(|source| StoreError::Query {
        doing: "commit what falls back",
        source,
    })?;
    Ok(found)
}
