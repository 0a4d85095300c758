//! Posts alerts again that go on, to whoever lets them end by themselves.

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::alert;
use super::sender::Outbound;
use crate::clock;
use crate::runtime::chain::chain;
use crate::store::delivery::{Again, again_due};
use crate::store::error::StoreError;
use crate::store::{Store, bounded};

/// How often it looks.
const LOOK: Duration = Duration::from_secs(5);
/// How many are taken in one transaction, and how many are posted at once.
const LOT: i64 = 200;
const AT_ONCE: usize = 16;

pub(super) async fn run(store: Store, out: Outbound, token: CancellationToken) {
    let mut tick = tokio::time::interval(LOOK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while token.run_until_cancelled(tick.tick()).await.is_some() {
        loop {
            let due = match bounded(due(&store)).await {
                Ok(due) => due,
                Err(error) => {
                    // Whoever claims deliveries says that Postgres is away.
                    debug!("alerts are not posted again: {}", chain(&error));
                    break;
                }
            };
            let full = i64::try_from(due.len()).is_ok_and(|found| found >= LOT);
            let posts =
                stream::iter(due).for_each_concurrent(AT_ONCE, |again| post(out.clone(), again));
            if token.run_until_cancelled(posts).await.is_none() || !full {
                break;
            }
        }
    }
}

async fn due(store: &Store) -> Result<Vec<Again>, StoreError> {
    let mut tx = store.begin().await?;
    let every = alert::AGAIN.unsigned_abs();
    let due = again_due(&mut tx, LOT, every, clock::now()).await?;
    tx.commit().await.map_err(|source| StoreError::Query {
        doing: "commit what is posted again",
        source,
    })?;
    Ok(due)
}

/// One that fails is tried again in a minute: three may fail before the alert ends.
async fn post(out: Outbound, Again { claimed, open }: Again) {
    let (Ok(webhook), Some(body)) = (&claimed.webhook, &claimed.body) else {
        return;
    };
    let posted = out
        .post_to(&claimed, webhook, alert::only(body, &open))
        .await;
    let failure = match (posted.error, posted.status) {
        (None, Some(200..=299)) => return,
        (Some(error), _) => error,
        (None, status) => format!("it answered {}", status.unwrap_or_default()),
    };
    warn!(event = %claimed.event, "an alert was not posted again to {}: {failure}", claimed.receiver_name);
}
