//! Posts alerts again that go on, to whoever lets them end by themselves.
//!
//! Only what can be posted at once is taken: whether an alert goes on is known of this moment, and
//! one that waits here would outlive its end. What cannot be posted now stays due in Postgres.

use std::collections::HashMap;
use std::time::Duration;

use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error};

use super::alert;
use super::sender::{Outbound, send_again};
use crate::clock;
use crate::model::id::ReceiverId;
use crate::runtime::chain::chain;
use crate::store::delivery::{Again, Attempted, again_due, again_ended};
use crate::store::error::StoreError;
use crate::store::{Store, bounded};

/// How often it looks.
const LOOK: Duration = Duration::from_secs(5);
/// How many are posted at once, to one receiver and to all: one that hangs fills its own places.
const EACH: usize = 16;
const ALL: usize = 512;

pub(super) async fn run(store: Store, out: Outbound, token: CancellationToken) {
    let posting = Posting {
        store,
        out,
        posts: JoinSet::new(),
        receivers: HashMap::new(),
        busy: HashMap::new(),
        ended: Vec::new(),
    };
    posting.run(token).await;
}

struct Posting {
    store: Store,
    out: Outbound,
    posts: JoinSet<Option<Attempted>>,
    /// Whom each of these goes to.
    receivers: HashMap<Id, ReceiverId>,
    /// How many are on their way to a receiver, where any are.
    busy: HashMap<ReceiverId, usize>,
    /// What of their ends is not written down yet.
    ended: Vec<Attempted>,
}

impl Posting {
    async fn run(mut self, token: CancellationToken) {
        let mut tick = tokio::time::interval(LOOK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = token.cancelled() => break,
                _ = tick.tick() => {}
                Some(ended) = self.posts.join_next_with_id() => {
                    let mut wanted = self.ended(ended);
                    while let Some(ended) = self.posts.try_join_next_with_id() {
                        wanted |= self.ended(ended);
                    }
                    if !wanted {
                        continue;
                    }
                }
            }
            if token.run_until_cancelled(self.looks()).await.is_none() {
                break;
            }
        }
        // What is cut is posted in a minute, by whoever runs then.
        self.posts.shutdown().await;
    }

    /// Gives the place of a post back; whether something may have waited for it.
    fn ended(&mut self, ended: Result<(Id, Option<Attempted>), JoinError>) -> bool {
        let id = match ended {
            Ok((id, ended)) => {
                self.ended.extend(ended);
                id
            }
            Err(error) => {
                error!(
                    error = &error as &dyn std::error::Error,
                    "a post of an alert panicked"
                );
                error.id()
            }
        };
        let all = self.receivers.len();
        let Some(receiver) = self.receivers.remove(&id) else {
            return false;
        };
        let busy = self.busy.remove(&receiver).unwrap_or_default();
        if busy > 1 {
            self.busy.insert(receiver, busy - 1);
        }
        busy >= EACH || all >= ALL
    }

    /// Looks until nothing is left that can be posted now.
    async fn looks(&mut self) {
        loop {
            match bounded(self.look()).await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    // Whoever claims deliveries says that Postgres is away.
                    debug!("alerts are not posted again: {}", chain(&error));
                    return;
                }
            }
        }
    }

    /// Takes what there is a place for, and posts it; whether there may be more.
    async fn look(&mut self) -> Result<bool, StoreError> {
        // What cannot be written down takes no more memory.
        let room = ALL.saturating_sub(self.receivers.len() + self.ended.len());
        let busy = self.busy.iter().map(|(receiver, many)| (*receiver, *many));
        let busy: Vec<(ReceiverId, usize)> = busy.collect();
        let every = alert::AGAIN.unsigned_abs();
        let mut tx = self.store.begin_by_index().await?;
        again_ended(&mut tx, &self.ended).await?;
        let (due, more) = again_due(&mut tx, &busy, (EACH, room), every, clock::now()).await?;
        tx.commit().await.map_err(|source| StoreError::Query {
            doing: "commit what is posted again",
            source,
        })?;
        self.ended.clear();
        for again in due {
            let receiver = again.claimed.receiver;
            let task = self.posts.spawn(post(self.out.clone(), again));
            self.receivers.insert(task.id(), receiver);
            *self.busy.entry(receiver).or_default() += 1;
        }
        Ok(more)
    }
}

async fn post(out: Outbound, Again { claimed, open }: Again) -> Option<Attempted> {
    let (Ok(webhook), Some(body)) = (&claimed.webhook, &claimed.body) else {
        return None;
    };
    Some(send_again(&out, &claimed, webhook, alert::only(body, &open)).await)
}
