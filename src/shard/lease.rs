//! Keeps our shards, loads their checks, and follows the change feed.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::ShardSettings;
use super::board::Board;
use crate::bus::{self, Bus};
use crate::clock;
use crate::model::id::{CheckId, ShardNo};
use crate::store::change::{self, Cursor};
use crate::store::error::StoreError;
use crate::store::project::project_sole;
use crate::store::shard::{self, HeldShard, ShardCheck};
use crate::store::{Connection, Store, bounded};

/// How often leases are renewed; they last three times as long.
const RENEW: Duration = Duration::from_secs(3);
/// How often the feed is read without a hint.
const POLL: Duration = Duration::from_secs(1);
/// The most changes that are read at once.
const CHANGES: i64 = 5000;

pub(super) struct Lease {
    pub(super) store: Store,
    pub(super) bus: Bus,
    pub(super) board: Arc<Board>,
    pub(super) settings: ShardSettings,
    pub(super) buried: mpsc::Sender<ShardCheck>,
    pub(super) loaded: Arc<Notify>,
}

impl Lease {
    pub(super) async fn run(self, token: CancellationToken) {
        let mut hints = self.bus.changed_subscribe().await.ok();
        let mut renew = tokio::time::interval(RENEW);
        let mut poll = tokio::time::interval(POLL);
        for interval in [&mut renew, &mut poll] {
            interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        }
        let mut cursor = None;
        let mut away = false;
        loop {
            let step = tokio::select! {
                () = token.cancelled() => break,
                _ = renew.tick() => bounded(self.renew(&mut cursor)).await,
                _ = poll.tick() => bounded(self.follow(&mut cursor)).await,
                () = bus::woken(&mut hints) => bounded(self.follow(&mut cursor)).await,
            };
            match step {
                Ok(()) if away => {
                    info!("Postgres is back");
                    away = false;
                }
                Err(error) if !away => {
                    warn!(
                        error = &error as &dyn std::error::Error,
                        "shards cannot be kept; trying again, probing goes on"
                    );
                    away = true;
                }
                Ok(()) | Err(_) => {}
            }
        }
    }

    async fn renew(&self, cursor: &mut Option<Cursor>) -> Result<(), StoreError> {
        let mut conn = self.store.acquire().await?;
        if cursor.is_none() {
            // What changes while we load is read again from here.
            *cursor = Some(change::change_horizon(&mut conn).await?);
            let own = shard::shard_take(&mut conn, &self.settings.owner, true).await?;
            return self.load(&mut conn, &own).await;
        }
        // A project may come and go without a check.
        self.board.set_sole(project_sole(&mut conn).await?);
        let held = self.board.held();
        let renewed = shard::shard_renew(&mut conn, &self.settings.owner).await?;
        let lost: Vec<ShardNo> = held
            .iter()
            .filter(|held| !renewed.contains(held))
            .map(|held| held.shard)
            .collect();
        if !lost.is_empty() {
            warn!(shards = lost.len(), "another lokahid has taken shards over");
            self.board.drop_shards(&lost);
        }
        let mut gained: Vec<HeldShard> = renewed
            .into_iter()
            .filter(|now| !held.contains(now))
            .collect();
        gained.extend(shard::shard_take(&mut conn, &self.settings.owner, false).await?);
        self.load(&mut conn, &gained).await
    }

    async fn load(&self, conn: &mut Connection, gained: &[HeldShard]) -> Result<(), StoreError> {
        if gained.is_empty() {
            return Ok(());
        }
        let now = clock::now();
        let shards: Vec<ShardNo> = gained.iter().map(|held| held.shard).collect();
        self.board.hold(gained);
        self.board.set_sole(project_sole(conn).await?);
        let mut buried = Vec::new();
        let mut checks = 0;
        let loaded = shard::shard_checks(conn, &shards, |check| {
            checks += 1;
            if check.deleted {
                buried.push(check)
            } else {
                self.board.put(check, now)
            }
        })
        .await;
        if let Err(error) = loaded {
            // Half of a shard is worse than none: the next round takes it again.
            self.board.drop_shards(&shards);
            return Err(error);
        }
        info!(shards = shards.len(), checks, "shards taken over");
        self.bury(buried).await;
        self.loaded.notify_one();
        Ok(())
    }

    async fn follow(&self, cursor: &mut Option<Cursor>) -> Result<(), StoreError> {
        let Some(mut after) = *cursor else {
            return Ok(());
        };
        let mut conn = self.store.acquire().await?;
        loop {
            let changes = change::change_list(&mut conn, after, CHANGES).await?;
            let Some(newest) = changes.last() else {
                return Ok(());
            };
            let mut ids: Vec<CheckId> = changes
                .iter()
                .filter(|change| self.board.epoch(change.shard).is_some())
                .map(|change| change.check)
                .collect();
            ids.sort_unstable();
            ids.dedup();
            let now = clock::now();
            self.board.set_sole(project_sole(&mut conn).await?);
            let mut buried = Vec::new();
            let found = shard::shard_check_find(&mut conn, &ids).await?;
            let exist: HashSet<CheckId> = found.iter().map(|check| check.id).collect();
            for gone in ids.iter().filter(|id| !exist.contains(id)) {
                self.board.remove(*gone);
            }
            for check in found {
                if check.deleted {
                    self.board.remove(check.id);
                    buried.push(check);
                } else {
                    self.board.put(check, now);
                }
            }
            self.bury(buried).await;
            self.loaded.notify_one();
            after = newest.cursor;
            *cursor = Some(after);
        }
    }

    async fn bury(&self, checks: Vec<ShardCheck>) {
        for check in checks {
            if self.buried.send(check).await.is_err() {
                // The recorder has ended, and so does the process; whoever
                // takes the shard over finds the check again.
                return;
            }
        }
    }
}
