//! Watches whether somebody sends what is to be sent: without a webhookworker nothing else would
//! say so, since nobody is left who could tell.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::api::Trouble;
use crate::clock;
use crate::delivery::AGAIN;
use crate::plan::text::counted;
use crate::runtime::chain::chain;
use crate::runtime::supervisor::Tasks;
use crate::store::delivery::{UNTAKEN_COUNTED, Untaken, delivery_untaken};
use crate::store::error::StoreError;
use crate::store::{Store, bounded};

/// How often it looks.
const LOOK: Duration = Duration::from_secs(10);
/// What waits for longer than this would have been taken.
const PATIENCE: Duration = Duration::from_secs(30);

type Found = Arc<Mutex<Option<Untaken>>>;

/// Looks from time to time; what is wrong, for whoever asks.
pub(super) fn watch(tasks: &Tasks, store: &Store) -> Trouble {
    let found = Found::default();
    let looks = run(store.clone(), Arc::clone(&found), tasks.token());
    tasks.spawn("untaken deliveries", looks);
    Arc::new(move || {
        let found = *found.lock().unwrap_or_else(PoisonError::into_inner);
        found.map(|untaken| words(untaken, clock::now()))
    })
}

async fn run(store: Store, shared: Found, token: CancellationToken) {
    let mut tick = tokio::time::interval(LOOK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    // What is there once may be taken in this moment.
    let mut before = None;
    while token.run_until_cancelled(tick.tick()).await.is_some() {
        let found = match bounded(look(&store)).await {
            Ok(found) => found,
            Err(error) => {
                // Others say that Postgres is away; what was known of it stands.
                debug!("what nobody takes is not looked for: {}", chain(&error));
                continue;
            }
        };
        let stands = found.filter(|_| before.is_some());
        before = found;
        let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
        match (*shared, stands) {
            (None, Some(untaken)) => warn!("{}", words(untaken, clock::now())),
            (Some(_), None) => info!("what waited to be sent is taken again"),
            _ => {}
        }
        *shared = stands;
    }
}

async fn look(store: &Store) -> Result<Option<Untaken>, StoreError> {
    let mut tx = store.begin_by_index().await?;
    let found = delivery_untaken(&mut tx, clock::now() - PATIENCE, AGAIN.unsigned_abs()).await?;
    let done = tx.rollback().await;
    done.map_err(|source| StoreError::Query {
        doing: "end a look",
        source,
    })?;
    Ok(found)
}

/// What is wrong, and what to do.
fn words(untaken: Untaken, now: OffsetDateTime) -> String {
    let Untaken { many, since } = untaken;
    let least = if many >= UNTAKEN_COUNTED {
        "at least "
    } else {
        ""
    };
    let many = usize::try_from(many).unwrap_or_default();
    let (wait, them) = if many == 1 {
        ("waits", "it")
    } else {
        ("wait", "them")
    };
    format!(
        "nobody sends messages: {least}{} {wait} to be sent, for {} s, and no webhookworker takes {them}; \
         does one run, and does it reach this Postgres?",
        counted(many, "event"),
        (now - since).whole_seconds(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong() {
        let now = clock::now();
        let since = now - Duration::from_secs(146);
        let of = |many| words(Untaken { many, since }, now);
        insta::assert_snapshot!(of(1), @"nobody sends messages: 1 event waits to be sent, for 146 s, and no webhookworker takes it; does one run, and does it reach this Postgres?");
        assert!(of(100).contains(": at least 100 events wait to be sent,"));
        insta::assert_snapshot!(of(20), @"nobody sends messages: 20 events wait to be sent, for 146 s, and no webhookworker takes them; does one run, and does it reach this Postgres?");
    }
}
