//! Tells the operators of projects of which checks nothing is known, and when it is again: no probes
//! come from a location, or they come and could not look. That is the checker's own fault, never
//! a site's: a check's receivers are told only if their `events` name it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::board::Board;
use super::tell::{OfProject, hint};
use super::unknown::Unknown;
use super::voices::{Blind, Cause, Voices};
use crate::bus::Bus;
use crate::clock;
use crate::model::check::CheckSpec;
use crate::model::id::{EventId, ShardNo};
use crate::model::secret::SecretName;
use crate::proto::lokahi::ProjectEvent;
use crate::store::error::StoreError;
use crate::store::project::project_settings;
use crate::store::shard::{LeaseOwner, shard_fence};
use crate::store::stale::{
    StaleChange, StaleKey, StaleShard, stale_can_be, stale_list, stale_receivers, stale_set,
    stale_tell, stale_told,
};
use crate::store::{Connection, Store, bounded};

const EVERY: Duration = Duration::from_secs(5);
const KIND: &str = "check.stale";

/// What is stale in which shards, and of what is blind what is said of it.
type Extent = (BTreeSet<StaleShard>, Option<(Cause, Blind)>);

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
        let ours = self.board.whole();
        let mut conn = self.store.acquire().await?;
        let mut before: BTreeMap<StaleKey, BTreeSet<StaleShard>> = BTreeMap::new();
        for (key, row) in stale_list(&mut conn, &ours).await? {
            before.entry(key).or_default().insert(row);
        }
        drop(conn);
        let mut now_so: BTreeMap<StaleKey, Extent> = BTreeMap::new();
        for ((project, place, shard), voices) in self.board.voices(now) {
            let key = |cause: String| StaleKey {
                project: project.to_string(),
                location: place
                    .as_deref()
                    .map_or_else(|| self.location.clone(), str::to_owned),
                cause,
            };
            sum(&mut now_so, &before, key, shard, voices);
        }
        let all: BTreeSet<StaleKey> = now_so.keys().chain(before.keys()).cloned().collect();
        let mut events = Vec::new();
        for key in all {
            let (rows, blind) = now_so.remove(&key).unwrap_or_default();
            if rows == before.remove(&key).unwrap_or_default() {
                continue;
            }
            let rows: Vec<StaleShard> = rows.into_iter().collect();
            let mut tx = self.store.begin().await?;
            shard_fence(&mut tx, &self.owner, &held).await?;
            let change = stale_set(&mut tx, &key, (&ours, &rows), now).await?;
            let words = match &change {
                Some(change) if change.over => {
                    let is_so = |spec: &CheckSpec| self.is_of(&change.key, spec);
                    let is_left = stale_can_be(&mut tx, change.project, is_so).await?;
                    Some(over(&change.key, is_left))
                }
                Some(change) => Some(begun(change, blind.as_ref())),
                None => None,
            };
            if let (Some(change), Some(words)) = (&change, &words) {
                events.extend(self.tell(&mut tx, change, words, now).await?);
            }
            tx.commit().await.map_err(|source| StoreError::Query {
                doing: "commit what is stale",
                source,
            })?;
            let project = key.project;
            match (change, words) {
                (Some(change), Some(words)) if change.over => info!(project, "{words}"),
                (_, Some(words)) => warn!(project, "{words}"),
                _ => {}
            }
        }
        Ok(events)
    }

    /// Who hears of it: the operators, receivers that name it of checks that are probed from
    /// there, with the secret that it is about, and of its end whoever heard of it.
    async fn concerned(
        &self,
        conn: &mut Connection,
        change: &StaleChange,
    ) -> Result<Vec<String>, StoreError> {
        let operators = project_settings(conn, change.project).await?.operators;
        let mut all: Vec<String> = operators.iter().map(ToString::to_string).collect();
        let is_so = |spec: &CheckSpec| self.is_of(&change.key, spec);
        all.extend(match change.event {
            Some(event) => stale_told(conn, event).await?,
            None => stale_receivers(conn, change.project, is_so).await?,
        });
        Ok(all)
    }

    /// Whether a check is probed from there, with the secret that it is about.
    fn is_of(&self, key: &StaleKey, spec: &CheckSpec) -> bool {
        let location = &key.location;
        let secret = key.cause.split_once('/').map(|(_, secret)| secret);
        let is_there = match spec.locations.as_slice() {
            [] => *location == self.location,
            named => named.iter().any(|name| name.as_str() == location),
        };
        let mut secrets = spec.secrets().map(SecretName::as_str);
        is_there && secret.is_none_or(|secret| secrets.any(|it| it == secret))
    }

    async fn tell(
        &self,
        conn: &mut Connection,
        change: &StaleChange,
        words: &str,
        now: OffsetDateTime,
    ) -> Result<Option<EventId>, StoreError> {
        let concerned = self.concerned(conn, change).await?;
        if concerned.is_empty() {
            return Ok(None);
        }
        let event = tell(conn, change, words, &concerned, now).await?;
        if let Some(event) = event
            && !change.over
        {
            stale_tell(conn, change, event).await?;
        }
        Ok(event)
    }
}

/// Adds what is stale in a shard. What was told of one that is ours since a moment goes on until its
/// checks were heard of: nothing is missed of them yet.
fn sum(
    all: &mut BTreeMap<StaleKey, Extent>,
    before: &BTreeMap<StaleKey, BTreeSet<StaleShard>>,
    key: impl Fn(String) -> StaleKey,
    shard: ShardNo,
    voices: Voices,
) {
    let told = |key: &StaleKey| {
        let rows = before.get(key)?;
        rows.iter().find(|row| row.shard == shard).cloned()
    };
    let checks = |many| i32::try_from(many).unwrap_or(i32::MAX);
    let silence = key(String::new());
    let row = match voices.stale {
        0 => told(&silence).filter(|_| !voices.heard),
        many => Some(StaleShard {
            shard,
            checks: checks(many),
        }),
    };
    if let Some(row) = row {
        all.entry(silence.clone()).or_default().0.insert(row);
    }
    let same = |it: &&StaleKey| it.project == silence.project && it.location == silence.location;
    for known in before.keys().filter(same) {
        if !known.cause.is_empty()
            && voices.waits_for(&known.cause)
            && !voices.blind.keys().any(|it| it.to_string() == known.cause)
            && let Some(row) = told(known)
        {
            all.entry(known.clone()).or_default().0.insert(row);
        }
    }
    for (cause, blind) in voices.blind {
        let key = key(cause.to_string());
        let is_told = told(&key).is_some();
        let (rows, of) = all.entry(key).or_default();
        if blind.lasts || is_told {
            let checks = checks(blind.checks);
            rows.insert(StaleShard { shard, checks });
        }
        match of {
            Some((_, sum)) => sum.merge(blind),
            None => *of = Some((cause, blind)),
        }
    }
}

/// What people read when it begins.
fn begun(change: &StaleChange, blind: Option<&(Cause, Blind)>) -> String {
    let location = &change.key.location;
    match blind {
        _ if change.key.cause.is_empty() => silence(change),
        Some((cause, blind)) => blindness(change, cause, blind),
        // What another one saw goes on here.
        None => format!("checks are unknown from the location {location}"),
    }
}

/// What people read when it is over; `is_left`: checks are left that could be so.
fn over(key: &StaleKey, is_left: bool) -> String {
    let StaleKey {
        location, cause, ..
    } = key;
    let (class, secret) = cause.split_once('/').unwrap_or((cause, ""));
    let of = match secret {
        "" => String::new(),
        secret => format!(" of secret({secret:?})"),
    };
    match (is_left, class) {
        (true, "") => format!("probes come from the location {location} again"),
        (true, class) => format!(
            "the location {location} knows its checks again: for {class}{of} none of them is unknown \
             any more"
        ),
        (false, _) if secret.is_empty() => format!(
            "no check is to be probed from the location {location} any more: those that were are \
             deleted, disabled, paused, or probed from elsewhere"
        ),
        (false, _) => format!(
            "no check with secret({secret:?}) is to be probed from the location {location} any more"
        ),
    }
}

fn silence(change: &StaleChange) -> String {
    let location = &change.key.location;
    let what = match change.checks {
        1 => "1 check gets".to_owned(),
        n => format!("{n} checks get"),
    };
    format!(
        "{what} no probes from the location {location}, and what is known of them is old: does a \
         healthworker run with LOCATION={location}, and reach NATS?"
    )
}

fn blindness(change: &StaleChange, cause: &Cause, blind: &Blind) -> String {
    let unknown = Unknown {
        project: &change.key.project,
        location: &change.key.location,
        class: cause.class,
        secret: cause.secret.as_ref(),
        checks: usize::try_from(blind.checks).unwrap_or(usize::MAX),
        names: blind.names.iter().map(String::as_str).collect(),
        hosts: blind.hosts.iter().map(String::as_str).collect(),
        detail: &blind.detail,
    };
    unknown.words()
}

async fn tell(
    conn: &mut Connection,
    change: &StaleChange,
    words: &str,
    receivers: &[String],
    now: OffsetDateTime,
) -> Result<Option<EventId>, StoreError> {
    let since = change.since.format(&Rfc3339).unwrap_or_default();
    let StaleKey {
        project,
        location,
        cause,
    } = &change.key;
    let told = OfProject {
        kind: KIND,
        generation: 0,
        resolved: change.over,
        event: ProjectEvent {
            project: project.clone(),
            reason: match cause.as_str() {
                "" => location.clone(),
                cause => format!("{location}/{cause}"),
            },
            message: format!("{words} (since {since})"),
            ..ProjectEvent::default()
        },
    };
    let (id, owed) = told.write(conn, change.project, receivers, now).await?;
    Ok((owed > 0).then_some(id))
}
