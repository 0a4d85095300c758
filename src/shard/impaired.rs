//! Tells that health workers at a location are cut off, most likely, and when that is over: the
//! operators of each project whose checks it concerns, or, where there are none, each receiver of
//! these checks once.

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
use crate::health::impaired::{End, Ended, Standing, What, Why};
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
/// How many workers are named.
const NAMED: usize = 3;
/// The type of its events.
pub const KIND: &str = "prober.impaired";

/// A project, and a location.
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
    shards: BTreeSet<ShardNo>,
    checks: BTreeSet<CheckId>,
    /// By whom it was seen.
    workers: BTreeSet<Arc<str>>,
}

/// What is to be told.
struct News<'a> {
    key: &'a Key,
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
                "which locations are cut off cannot be told",
            )
            .await;
        }
    }

    /// Compares what is withheld with what was told.
    async fn look(&mut self) -> Result<Vec<EventId>, StoreError> {
        let now = clock::now();
        let held = self.board.held();
        self.take_up(&held).await?;
        self.board.withheld.tick(now);
        let mut all: BTreeMap<Key, (Extent, Option<Standing>)> = BTreeMap::new();
        for (standing, concerned) in self.board.withheld.concerned() {
            for ((project, shard), checks) in concerned {
                if !self.read.contains(&shard) {
                    continue;
                }
                let key = (project, Arc::clone(&standing.location));
                let (extent, of) = all.entry(key).or_default();
                if let Some(what) = said(&standing) {
                    extent.workers.clone_from(&what.workers);
                }
                extent.shards.insert(shard);
                extent.checks.extend(checks);
                *of = Some(standing.clone());
            }
        }
        for key in self.stored.keys() {
            all.entry(key.clone()).or_default();
        }
        let mut events = Vec::new();
        for (key, (extent, standing)) in all {
            if self.stored.get(&key) == Some(&extent) {
                continue;
            }
            let is_said = standing.as_ref().is_none_or(|it| said(it).is_some());
            if !is_said && !self.stored.contains_key(&key) {
                // Its workers have not said what it is yet.
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

    /// Goes on with what others have told of shards that are ours by now. What is withheld of them
    /// is known since they were loaded.
    async fn take_up(&mut self, held: &[HeldShard]) -> Result<(), StoreError> {
        let ours: BTreeSet<ShardNo> = held.iter().map(|held| held.shard).collect();
        let new: Vec<ShardNo> = ours.difference(&self.read).copied().collect();
        if !new.is_empty() {
            let mut conn = self.store.acquire().await?;
            for row in impaired_list(&mut conn, &new).await? {
                let project: Arc<str> = row.project.into();
                let location: Arc<str> = row.location.into();
                let stored = self.stored.entry((project, location)).or_default();
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
            Some(standing) => said(standing).map(|what| begun(&key.1, what)),
            None => Some(ended(&key.1, self.board.withheld.ended(&key.1))),
        };
        let words = words.as_deref();
        let new = NewImpaired {
            project: &key.0,
            location: &key.1,
            since: standing.map_or(now, |standing| standing.since),
            message: words,
            ours: &ours,
            shards: &shards,
        };
        let news = News {
            key,
            checks: &checks,
            words: words.unwrap_or("its health workers are cut off, most likely"),
        };
        let mut tx = self.store.begin().await?;
        shard_fence(&mut tx, &self.owner, held).await?;
        let change = impaired_set(&mut tx, &new).await?;
        let event = match &change {
            Some(change) => tell(&mut tx, &news, change, now).await?,
            None => None,
        };
        tx.commit().await.map_err(|source| StoreError::Query {
            doing: "commit which locations are cut off",
            source,
        })?;
        let project = &*key.0;
        match change {
            Some(change) if change.began => warn!(project, "{}", news.words),
            Some(change) if change.over => info!(project, "{}", news.words),
            _ => {}
        }
        Ok(event)
    }
}

/// What is said of it, once its workers have said so themselves.
fn said(standing: &Standing) -> Option<&What> {
    standing.what.as_ref().filter(|what| what.checks > 0)
}

/// What people read when it begins.
fn begun(location: &str, what: &What) -> String {
    let What {
        workers,
        checks,
        hosts,
        why,
    } = what;
    let many = workers.len() > 1;
    let (too, until) = match why {
        Why::Another => ("", "until another worker has looked, too"),
        _ if many => (", and so do their sentinels", "while these fail"),
        _ => (", and so do its sentinels", "while these fail"),
    };
    format!(
        "{} {} cut off, most likely: at once {checks} checks on {hosts} unrelated hosts fail \
         there{too}. What fails there counts as unknown {until}, for 5 minutes at most: are the \
         network and the name server there well?",
        who(location, workers.iter()),
        if many { "are" } else { "is" },
    )
}

/// What people read when it is over.
fn ended(location: &str, ended: Option<Ended>) -> String {
    let (end, workers) = match ended {
        Some(Ended { end, workers }) => (end, workers),
        None => (End::Well, Vec::new()),
    };
    let many = workers.len() != 1;
    let what = match (end, many) {
        (End::Gone, false) => "is not heard of any more",
        (End::Gone, true) => "are not heard of any more",
        (End::Limit, false) => {
            "has been failing for too long: what it says is believed again, and its checks go down"
        }
        (End::Limit, true) => {
            "have been failing for too long: what they say is believed again, and their checks go \
             down"
        }
        (End::Well, false) => "is believed again: no longer do so many checks fail there alone",
        (End::Well, true) => "are believed again: no longer do so many checks fail there alone",
    };
    format!("{} {what}", who(location, workers.iter()))
}

/// The workers that it is about.
fn who<'a>(location: &str, workers: impl ExactSizeIterator<Item = &'a Arc<str>>) -> String {
    let named = workers.len();
    let names: Vec<&str> = workers.take(NAMED).map(|it| &**it).collect();
    let of = match named {
        1 => "the health worker ",
        _ => "the health workers ",
    };
    let more = match named.saturating_sub(names.len()) {
        0 => String::new(),
        n => format!(" and {n} more"),
    };
    let names = names.join(", ");
    let at = if named > 0 { " at" } else { "at" };
    format!("{of}{names}{more}{at} the location {location}")
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
            reason: news.key.1.to_string(),
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
