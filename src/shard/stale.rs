//! Tells the operators of projects where probes have stopped coming from, and when they come
//! again. That is the checker's own fault, never a site's: a check's receivers are told only if
//! their `events` name it.

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
use crate::model::check::CheckSpec;
use crate::model::id::EventId;
use crate::proto::lokahi::ProjectEvent;
use crate::store::error::StoreError;
use crate::store::project::project_settings;
use crate::store::shard::{LeaseOwner, shard_fence};
use crate::store::stale::{
    StaleChange, StaleShard, stale_list, stale_receivers, stale_set, stale_tell, stale_told,
};
use crate::store::{Connection, Store, bounded};

const EVERY: Duration = Duration::from_secs(5);
const KIND: &str = "check.stale";

pub(super) struct Stale {
    pub(super) store: Store,
    pub(super) bus: Bus,
    pub(super) board: Arc<Board>,
    pub(super) owner: LeaseOwner,
    /// Where checks are probed from that name no location.
    pub(super) location: String,
}

impl Stale {
    pub(super) async fn run(self, token: CancellationToken) {
        while token
            .run_until_cancelled(tokio::time::sleep(EVERY))
            .await
            .is_some()
        {
            let written = bounded(self.look()).await;
            hint(&self.bus, written, "what is stale cannot be told").await;
        }
    }

    /// Compares what is stale with what was told.
    async fn look(&self) -> Result<Vec<EventId>, StoreError> {
        let now = clock::now();
        let held = self.board.held();
        let ours: Vec<_> = held.iter().map(|held| held.shard).collect();
        let mut now_so: BTreeMap<_, BTreeSet<StaleShard>> = BTreeMap::new();
        let by = |row: &StaleShard| (row.project.clone(), row.location.clone());
        let mut unheard = BTreeSet::new();
        for ((project, place, shard), voices) in self.board.voices(now) {
            let row = StaleShard {
                project: project.to_string(),
                location: place.map_or_else(|| self.location.clone(), |place| place.to_string()),
                shard,
                checks: i32::try_from(voices.stale).unwrap_or(i32::MAX),
            };
            if voices.stale > 0 {
                now_so.entry(by(&row)).or_default().insert(row);
            } else if !voices.heard {
                unheard.insert((by(&row), shard));
            }
        }
        let mut conn = self.store.acquire().await?;
        let mut before: BTreeMap<_, BTreeSet<StaleShard>> = BTreeMap::new();
        for row in stale_list(&mut conn, &ours).await? {
            // What is ours since a moment is not well because nothing is missed yet.
            if unheard.contains(&(by(&row), row.shard)) {
                now_so.entry(by(&row)).or_default().insert(row.clone());
            }
            before.entry(by(&row)).or_default().insert(row);
        }
        drop(conn);
        let all: BTreeSet<_> = now_so.keys().chain(before.keys()).cloned().collect();
        let mut events = Vec::new();
        for key in all
            .into_iter()
            .filter(|key| now_so.get(key) != before.get(key))
        {
            let rows: Vec<StaleShard> = now_so.get(&key).into_iter().flatten().cloned().collect();
            let mut tx = self.store.begin().await?;
            shard_fence(&mut tx, &self.owner, &held).await?;
            let (project, location) = &key;
            let change = stale_set(&mut tx, project, location, (&ours, &rows), now).await?;
            if let Some(change) = &change {
                events.extend(self.tell(&mut tx, change, now).await?);
            }
            tx.commit().await.map_err(|source| StoreError::Query {
                doing: "commit what is stale",
                source,
            })?;
            if let Some(change) = change {
                match change.over {
                    true => info!(project, "{}", words(&change)),
                    false => warn!(project, "{}", words(&change)),
                }
            }
        }
        Ok(events)
    }

    /// Who hears of it: the operators, receivers that name it of checks that are probed from
    /// there, and of its end whoever heard of it.
    async fn concerned(
        &self,
        conn: &mut Connection,
        change: &StaleChange,
    ) -> Result<Vec<String>, StoreError> {
        let operators = project_settings(conn, change.project).await?.operators;
        let mut all: Vec<String> = operators.iter().map(ToString::to_string).collect();
        let is_there = |spec: &CheckSpec| match spec.locations.as_slice() {
            [] => change.location == self.location,
            named => named.iter().any(|name| name.as_str() == change.location),
        };
        all.extend(match change.event {
            Some(event) => stale_told(conn, event).await?,
            None => stale_receivers(conn, change.project, is_there).await?,
        });
        Ok(all)
    }

    async fn tell(
        &self,
        conn: &mut Connection,
        change: &StaleChange,
        now: OffsetDateTime,
    ) -> Result<Option<EventId>, StoreError> {
        let concerned = self.concerned(conn, change).await?;
        if concerned.is_empty() {
            return Ok(None);
        }
        let event = tell(conn, change, &concerned, now).await?;
        if let Some(event) = event
            && !change.over
        {
            stale_tell(conn, change, event).await?;
        }
        Ok(event)
    }
}

/// What people read of it.
fn words(change: &StaleChange) -> String {
    let StaleChange {
        location, checks, ..
    } = change;
    if change.over {
        return format!("probes come from the location {location} again");
    }
    let what = match checks {
        1 => "1 check gets".to_owned(),
        n => format!("{n} checks get"),
    };
    format!(
        "{what} no probes from the location {location}, and what is known of them is old: does a \
         healthworker run with LOCATION={location}, and reach NATS?"
    )
}

async fn tell(
    conn: &mut Connection,
    change: &StaleChange,
    receivers: &[String],
    now: OffsetDateTime,
) -> Result<Option<EventId>, StoreError> {
    let since = change.since.format(&Rfc3339).unwrap_or_default();
    let told = OfProject {
        kind: KIND,
        generation: 0,
        resolved: change.over,
        event: ProjectEvent {
            project: change.name.clone(),
            reason: change.location.clone(),
            message: format!("{} (since {since})", words(change)),
            ..ProjectEvent::default()
        },
    };
    let (id, owed) = told.write(conn, change.project, receivers, now).await?;
    Ok((owed > 0).then_some(id))
}
