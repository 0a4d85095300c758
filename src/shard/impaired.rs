//! Tells that a health worker is cut off, most likely, and when that is over: the operators of each
//! project whose checks it concerns, or, where there are none, each receiver of these checks once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::board::Board;
use super::tell::{OfProject, hint};
use crate::bus::Bus;
use crate::clock;
use crate::health::impaired::{End, Standing, Why};
use crate::model::id::{CheckId, EventId, ShardNo};
use crate::proto::lokahi::ProjectEvent;
use crate::store::error::StoreError;
use crate::store::impaired::{
    ImpairedChange, NewImpaired, event_follow, event_owe, impaired_list, impaired_set,
    impaired_told,
};
use crate::store::project::project_settings;
use crate::store::shard::{HeldShard, LeaseOwner, shard_fence};
use crate::store::{Connection, Store, bounded};

const EVERY: Duration = Duration::from_secs(1);
/// The type of its events.
pub const KIND: &str = "prober.impaired";

/// A project, and a worker.
type Key = (Arc<str>, Arc<str>);

pub(super) struct Impaired {
    pub(super) store: Store,
    pub(super) bus: Bus,
    pub(super) board: Arc<Board>,
    pub(super) owner: LeaseOwner,
    /// The shards whose rows were read.
    pub(super) read: BTreeSet<ShardNo>,
    /// What is stored by us.
    pub(super) stored: BTreeMap<Key, Extent>,
}

/// Where something is withheld, and of which checks.
#[derive(Clone, PartialEq, Eq, Default)]
pub(super) struct Extent {
    location: String,
    shards: BTreeSet<ShardNo>,
    checks: BTreeSet<CheckId>,
}

/// What is to be told.
struct News<'a> {
    key: &'a Key,
    location: &'a str,
    checks: &'a [CheckId],
    words: &'a str,
}

impl Impaired {
    pub(super) async fn run(mut self, token: CancellationToken) {
        while token
            .run_until_cancelled(tokio::time::sleep(EVERY))
            .await
            .is_some()
        {
            let written = bounded(self.look()).await;
            hint(
                &self.bus,
                written,
                "which workers are impaired cannot be told",
            )
            .await;
        }
    }

    /// Compares what is withheld with what was told.
    async fn look(&mut self) -> Result<Vec<EventId>, StoreError> {
        let now = clock::now();
        let held = self.board.held();
        self.take_up(&held, now).await?;
        self.board.withheld.tick(now);
        let mut all: BTreeMap<Key, (Extent, Option<Standing>)> = BTreeMap::new();
        for (standing, concerned) in self.board.withheld.concerned() {
            for ((project, shard), checks) in concerned {
                if !self.read.contains(&shard) {
                    continue;
                }
                let key = (project, Arc::clone(&standing.worker));
                let (extent, of) = all.entry(key).or_default();
                extent.location = standing.location.to_string();
                extent.shards.insert(shard);
                extent.checks.extend(checks);
                *of = Some(standing.clone());
            }
        }
        for (key, extent) in &self.stored {
            let gone = Extent {
                location: extent.location.clone(),
                ..Extent::default()
            };
            all.entry(key.clone()).or_insert((gone, None));
        }
        let mut events = Vec::new();
        for (key, (extent, standing)) in all {
            if self.stored.get(&key) == Some(&extent) {
                continue;
            }
            events.extend(self.write(&held, &key, &extent, standing, now).await?);
            match extent.shards.is_empty() {
                true => self.stored.remove(&key),
                false => self.stored.insert(key, extent),
            };
        }
        Ok(events)
    }

    /// Goes on with what others have told of shards that are ours by now.
    async fn take_up(&mut self, held: &[HeldShard], now: OffsetDateTime) -> Result<(), StoreError> {
        let ours: BTreeSet<ShardNo> = held.iter().map(|held| held.shard).collect();
        let new: Vec<ShardNo> = ours.difference(&self.read).copied().collect();
        if !new.is_empty() {
            let mut conn = self.store.acquire().await?;
            for row in impaired_list(&mut conn, &new).await? {
                let project: Arc<str> = row.project.into();
                let (worker, location) = (row.worker.into(), row.location.as_str().into());
                let of = (Arc::clone(&project), row.shard);
                let who = (&worker, &location);
                self.board.withheld.resume(who, row.since, of, now);
                let stored = self.stored.entry((project, worker)).or_default();
                stored.location = row.location;
                stored.shards.insert(row.shard);
            }
        }
        for extent in self.stored.values_mut() {
            extent.shards.retain(|shard| ours.contains(shard));
        }
        self.stored.retain(|_, extent| !extent.shards.is_empty());
        self.read = ours;
        Ok(())
    }

    async fn write(
        &self,
        held: &[HeldShard],
        key: &Key,
        extent: &Extent,
        standing: Option<Standing>,
        now: OffsetDateTime,
    ) -> Result<Option<EventId>, StoreError> {
        let ours: Vec<ShardNo> = self.read.iter().copied().collect();
        let shards: Vec<ShardNo> = extent.shards.iter().copied().collect();
        let checks: Vec<CheckId> = extent.checks.iter().copied().collect();
        let words = match &standing {
            Some(standing) => begun(standing),
            None => ended(key, &extent.location, self.board.withheld.ended(&key.1)),
        };
        let new = NewImpaired {
            project: &key.0,
            worker: &key.1,
            location: &extent.location,
            since: standing.map_or(now, |standing| standing.since),
            message: &words,
            ours: &ours,
            shards: &shards,
        };
        let news = News {
            key,
            location: &extent.location,
            checks: &checks,
            words: &words,
        };
        let mut tx = self.store.begin().await?;
        shard_fence(&mut tx, &self.owner, held).await?;
        let change = impaired_set(&mut tx, &new).await?;
        let event = match &change {
            Some(change) => tell(&mut tx, &news, change, now).await?,
            None => None,
        };
        tx.commit().await.map_err(|source| StoreError::Query {
            doing: "commit which workers are impaired",
            source,
        })?;
        let project = &*key.0;
        match change {
            Some(change) if change.began => warn!(project, "{words}"),
            Some(change) if change.over => info!(project, "{words}"),
            _ => {}
        }
        Ok(event)
    }
}

/// What people read when it begins.
fn begun(standing: &Standing) -> String {
    let Standing {
        worker,
        location,
        checks,
        hosts,
        ..
    } = standing;
    let (too, until) = match standing.why {
        Why::Sentinels => (", and so do its sentinels", "while these fail"),
        Why::Another => ("", "until another worker has looked, too"),
    };
    format!(
        "the health worker {worker} at the location {location} is cut off, most likely: at once \
         {checks} checks on {hosts} unrelated hosts fail there{too}. What fails there counts as \
         unknown {until}, for 5 minutes at most: are its network and its name server well?"
    )
}

/// What people read when it is over.
fn ended((_, worker): &Key, location: &str, end: Option<End>) -> String {
    let what = match end {
        Some(End::Gone) => "is not heard of any more",
        Some(End::Limit) => {
            "has been failing for too long: what it says is believed again, and its checks go down"
        }
        Some(End::Well) | None => "is believed again: no longer do so many checks fail there alone",
    };
    format!("the health worker {worker} at the location {location} {what}")
}

async fn tell(
    conn: &mut Connection,
    news: &News<'_>,
    change: &ImpairedChange,
    now: OffsetDateTime,
) -> Result<Option<EventId>, StoreError> {
    let operators = project_settings(conn, change.project).await?.operators;
    let operators: Vec<String> = operators.iter().map(ToString::to_string).collect();
    if !change.began && !change.over {
        // More checks, and with them more receivers, maybe.
        let Some(told) = change.told.filter(|_| operators.is_empty()) else {
            return Ok(None);
        };
        let new = event_owe(conn, told, news.checks, now).await?;
        return Ok((new > 0).then_some(told));
    }
    let since = change.since.format(&Rfc3339).unwrap_or_default();
    let told = OfProject {
        kind: KIND,
        generation: 0,
        resolved: change.over,
        event: ProjectEvent {
            project: news.key.0.to_string(),
            reason: news.location.to_owned(),
            message: format!("{} (since {since})", news.words),
            ..ProjectEvent::default()
        },
    };
    let (id, mut owed) = told.write(conn, change.project, &operators, now).await?;
    match change.told {
        _ if change.began => {
            if operators.is_empty() {
                owed += event_owe(conn, id, news.checks, now).await?;
            }
            impaired_told(conn, change.project, &news.key.1, id).await?;
        }
        Some(told) => owed += event_follow(conn, id, told, now).await?,
        None => {}
    }
    Ok((owed > 0).then_some(id))
}
