//! Judges again what something holds back, until nothing does: what still is then is told, what
//! is over never is. Each lokahid does so, for all checks; lots are locked, so that they share.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::bus::Bus;
use crate::clock;
use crate::store::error::StoreError;
use crate::store::hold::hold_again;
use crate::store::{Store, bounded};

/// How often it looks.
const LOOK: Duration = Duration::from_secs(1);
/// How many are judged in one transaction.
const LOT: i64 = 500;

pub(super) async fn run(store: Store, bus: Bus, token: CancellationToken) {
    let mut tick = tokio::time::interval(LOOK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut away = false;
    while token.run_until_cancelled(tick.tick()).await.is_some() {
        match bounded(round(&store, &bus)).await {
            Ok(()) if away => {
                info!("held deliveries are judged again");
                away = false;
            }
            Err(error) if !away => {
                warn!(
                    error = &error as &dyn std::error::Error,
                    "held deliveries cannot be judged; they are kept, and it is tried again"
                );
                away = true;
            }
            Ok(()) | Err(_) => {}
        }
    }
}

/// Judges all that is due.
async fn round(store: &Store, bus: &Bus) -> Result<(), StoreError> {
    loop {
        let mut tx = store.begin().await?;
        let (judged, sent) = hold_again(&mut tx, LOT, clock::now()).await?;
        tx.commit().await.map_err(|source| StoreError::Query {
            doing: "commit what becomes of held deliveries",
            source,
        })?;
        if !sent.is_empty()
            && let Err(error) = bus.hint_publish(&sent).await
        {
            // Workers look by themselves, too.
            debug!(
                error = &error as &dyn std::error::Error,
                "no hint to the webhook workers"
            );
        }
        if i64::try_from(judged).is_ok_and(|judged| judged < LOT) {
            return Ok(());
        }
    }
}
