//! Keeps our shards, loads their checks, and follows the change feed.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::ShardSettings;
use super::board::{Arrival, Board};
use super::maintained::Maintained;
use super::paused::Paused;
use crate::bus::{self, Bus};
use crate::clock;
use crate::model::id::{CheckId, ShardNo};
use crate::store::change::{self, Cursor};
use crate::store::error::StoreError;
use crate::store::impaired::impaired_list;
use crate::store::maintenance::{maintenance_list, maintenance_version};
use crate::store::project::project_sole;
use crate::store::shard::{self, HeldShard, ShardCheck};
use crate::store::{Connection, Store, bounded};

/// How often leases are renewed; they last three times as long.
const RENEW: Duration = Duration::from_secs(3);
/// How often the feed is read without a hint.
const POLL: Duration = Duration::from_secs(1);
/// The most changes that are read at once.
const CHANGES: i64 = 5000;

/// How far the feed was read.
#[derive(Default)]
struct Reading {
    /// `None` before shards were taken for the first time.
    cursor: Option<Cursor>,
    /// Shards whose owner, us, has not noted it yet.
    unnoted: BTreeSet<ShardNo>,
    /// Checks of ours that come back by themselves.
    paused: Paused,
}

pub(super) struct Lease {
    pub(super) store: Store,
    pub(super) bus: Bus,
    pub(super) board: Arc<Board>,
    pub(super) settings: ShardSettings,
    pub(super) ended: mpsc::Sender<ShardCheck>,
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
        let mut reading = Reading::default();
        let mut away = false;
        loop {
            let step = tokio::select! {
                () = token.cancelled() => break,
                _ = renew.tick() => bounded(self.renew(&mut reading)).await,
                _ = poll.tick() => bounded(self.follow(&mut reading)).await,
                () = bus::woken(&mut hints) => bounded(self.follow(&mut reading)).await,
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

    async fn renew(&self, reading: &mut Reading) -> Result<(), StoreError> {
        let mut conn = self.store.acquire().await?;
        if reading.cursor.is_none() {
            // What changes while we load is read again from here.
            reading.cursor = Some(change::change_horizon(&mut conn).await?);
            let own = shard::shard_take(&mut conn, &self.settings.owner, true).await?;
            return self.load(&mut conn, &own, &mut reading.paused).await;
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
        self.load(&mut conn, &gained, &mut reading.paused).await
    }

    async fn load(
        &self,
        conn: &mut Connection,
        gained: &[HeldShard],
        paused: &mut Paused,
    ) -> Result<(), StoreError> {
        if gained.is_empty() {
            return Ok(());
        }
        let now = clock::now();
        let shards: Vec<ShardNo> = gained.iter().map(|held| held.shard).collect();
        // Before anything of them is probed: what is withheld goes on from the first report on.
        for row in impaired_list(conn, &shards).await? {
            let (project, location) = (row.project.into(), row.location.into());
            let of = (project, row.shard);
            self.board.withheld.resume(&location, row.since, of, now);
        }
        self.board.hold(gained);
        self.maintain(conn).await?;
        self.board.set_sole(project_sole(conn).await?);
        let horizon = change::change_horizon(conn).await?;
        let mut ended = Vec::new();
        let mut checks = 0;
        let loaded = shard::shard_checks(conn, &shards, |check| {
            checks += 1;
            paused.note(&check, now);
            self.sort(check, Arrival::Loaded, &mut ended, now);
        })
        .await;
        if let Err(error) = loaded {
            // Half of a shard is worse than none: the next round takes it again.
            self.board.drop_shards(&shards);
            return Err(error);
        }
        self.board.loaded(&shards);
        info!(shards = shards.len(), checks, "shards taken over");
        self.end(ended).await;
        self.loaded.notify_one();
        shard::shard_seen(conn, &self.settings.owner, &shards, horizon).await
    }

    async fn follow(&self, reading: &mut Reading) -> Result<(), StoreError> {
        let Some(mut after) = reading.cursor else {
            return Ok(());
        };
        self.wake(&mut reading.paused).await?;
        let mut conn = self.store.acquire().await?;
        self.maintain(&mut conn).await?;
        loop {
            let changes = change::change_list(&mut conn, after, CHANGES).await?;
            let Some(newest) = changes.last() else {
                return self.note(&mut conn, reading, after).await;
            };
            let mut ids: Vec<CheckId> = changes
                .iter()
                .filter(|change| self.board.epoch(change.shard).is_some())
                .map(|change| change.check)
                .collect();
            ids.sort_unstable();
            ids.dedup();
            self.look(&mut conn, &ids, &mut reading.paused).await?;
            reading.unnoted.extend(ids.iter().map(|id| id.shard()));
            after = newest.cursor;
            reading.cursor = Some(after);
        }
    }

    /// Looks at checks anew whose pause is over. The end of what was believed of one may be
    /// written at this moment: that one waits for the next time.
    async fn wake(&self, paused: &mut Paused) -> Result<(), StoreError> {
        let mut over = paused.over(clock::now());
        over.retain(|id| self.board.epoch(id.shard()).is_some());
        if over.is_empty() {
            return Ok(());
        }
        // Those that are not looked at in the end stay.
        paused.again(&over, clock::now());
        let mut tx = self.store.begin().await?;
        let held = shard::shard_check_hold(&mut tx, &over).await?;
        self.look(&mut tx, &held, paused).await?;
        tx.commit().await.map_err(|source| StoreError::Query {
            doing: "look at checks whose pause is over",
            source,
        })
    }

    /// Looks whether something about maintenance was changed.
    async fn maintain(&self, conn: &mut Connection) -> Result<(), StoreError> {
        let version = maintenance_version(conn).await?;
        if version != self.board.maintained_version() {
            // What is changed meanwhile is looked at again.
            let all = maintenance_list(conn, None, clock::now()).await?;
            self.board.set_maintained(Maintained::new(version, all));
        }
        Ok(())
    }

    /// Looks at checks anew: they were changed, or their time has come.
    async fn look(
        &self,
        conn: &mut Connection,
        ids: &[CheckId],
        paused: &mut Paused,
    ) -> Result<(), StoreError> {
        let now = clock::now();
        self.board.set_sole(project_sole(conn).await?);
        let mut ended = Vec::new();
        let found = shard::shard_check_find(conn, ids).await?;
        let exist: HashSet<CheckId> = found.iter().map(|check| check.id).collect();
        for gone in ids.iter().filter(|id| !exist.contains(id)) {
            self.board.remove(*gone);
        }
        for check in found {
            paused.note(&check, now);
            self.sort(check, Arrival::Changed, &mut ended, now);
        }
        self.end(ended).await;
        self.loaded.notify_one();
        Ok(())
    }

    /// Notes that all of the feed up to there is on the board.
    async fn note(
        &self,
        conn: &mut Connection,
        reading: &mut Reading,
        until: Cursor,
    ) -> Result<(), StoreError> {
        if reading.unnoted.is_empty() {
            return Ok(());
        }
        let shards: Vec<ShardNo> = reading.unnoted.iter().copied().collect();
        shard::shard_seen(conn, &self.settings.owner, &shards, until).await?;
        reading.unnoted.clear();
        Ok(())
    }

    /// Puts a check on the board, or takes it off if nobody watches it.
    fn sort(
        &self,
        check: ShardCheck,
        arrival: Arrival,
        ended: &mut Vec<ShardCheck>,
        now: OffsetDateTime,
    ) {
        if check.is_watched(now) {
            return self.board.put(check, arrival, now);
        }
        // Before its end is written: a report that comes now is too late.
        let was_here = self.board.remove(check.id);
        if was_here || check.is_to_end(now) {
            ended.push(check);
        }
    }

    async fn end(&self, checks: Vec<ShardCheck>) {
        for check in checks {
            if self.ended.send(check).await.is_err() {
                // The recorder has ended, and so does the process; whoever
                // takes the shard over finds the check again.
                return;
            }
        }
    }
}
