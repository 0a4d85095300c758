//! Makes room for what is recorded, and forgets what nobody needs.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::clock;
use crate::store::error::StoreError;
use crate::store::{Store, canary, change, maintenance, partition, plan, request, rollup};

/// How often, when all is well; partitions are made two days ahead.
const EVERY: Duration = Duration::from_secs(3600);
/// How soon again, when it failed.
const AGAIN: Duration = Duration::from_secs(30);

/// Every lokahid does this: it is idempotent.
pub(super) async fn run(store: Store, observations_size: u64, token: CancellationToken) {
    loop {
        let wait = match keep_house(&store, observations_size).await {
            Ok(()) => EVERY,
            Err(error) => {
                warn!(
                    error = &error as &dyn std::error::Error,
                    "housekeeping failed; trying again"
                );
                AGAIN
            }
        };
        tokio::select! {
            () = token.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
    }
}

async fn keep_house(store: &Store, observations_size: u64) -> Result<(), StoreError> {
    let now = clock::now();
    let mut conn = store.acquire().await?;
    partition::partition_prepare(&mut conn, now).await?;
    let closed = rollup::rollup_closed(&mut conn).await?;
    let dropped = partition::partition_drop(&mut conn, now, closed, observations_size).await?;
    if !dropped.is_empty() {
        info!(partitions = dropped.join(" "), "old observations dropped");
    }
    if let Some(oldest) = partition::partition_days(&mut conn).await?.first() {
        rollup::gap_forget(&mut conn, oldest.start()).await?;
    }
    // Until then a deleted check can come back.
    rollup::rollup_forget(&mut conn, now - time::Duration::days(7)).await?;
    change::change_forget(&mut conn, now - time::Duration::hours(1)).await?;
    plan::plan_forget(&mut conn, now - time::Duration::days(7)).await?;
    maintenance::maintenance_forget(&mut conn, now - time::Duration::days(30)).await?;
    canary::canary_forget(&mut conn, now).await?;
    request::request_forget(&mut conn, now).await
}
