//! Tells the operators of projects of which checks nothing is known, and when it is again: no
//! probes come from a location, or they come and could not look. That is the checker's own fault,
//! never a site's: a check's receivers are told only if their `events` name it.

#[cfg(test)]
mod tests;

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
use crate::store::location::location_seen;
use crate::store::project::project_settings;
use crate::store::shard::{LeaseOwner, shard_fence};
use crate::store::stale::{
    StaleChange, StaleKey, StaleShard, stale_can_be, stale_list, stale_open, stale_receivers,
    stale_set, stale_tell, stale_told,
};
use crate::store::{Connection, Store, bounded};

const EVERY: Duration = Duration::from_secs(5);
/// The type of its events.
pub const KIND: &str = "check.stale";

/// What is stale in which shards, and of what is blind what is said of it.
type Extent = (BTreeSet<StaleShard>, Option<(Cause, Blind)>);
/// How probes of a project's checks come from a location, by shard.
type Voiced = BTreeMap<ShardNo, Voices>;

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
        let open: BTreeMap<StaleKey, OffsetDateTime> =
            stale_open(&mut conn).await?.into_iter().collect();
        drop(conn);
        let mut groups: BTreeMap<(String, String), Voiced> = BTreeMap::new();
        for ((project, place, shard), voices) in self.board.voices(now) {
            let place = place.as_deref().unwrap_or(&self.location);
            let group = groups.entry((project.to_string(), place.to_owned()));
            group.or_default().insert(shard, voices);
        }
        let told = Told { before, open };
        let mut now_so: BTreeMap<StaleKey, Extent> = BTreeMap::new();
        let mut heard = BTreeMap::new();
        for ((project, location), voiced) in groups {
            let at = voiced.values().filter_map(|voices| voices.heard_at).max();
            heard.insert((project.clone(), location.clone()), at);
            told.sum(&mut now_so, (&project, &location), voiced);
        }
        let Told { mut before, open } = told;
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
                    let left = match stale_can_be(&mut tx, change.project, is_so).await? {
                        false => Left::None,
                        true => {
                            let place = (key.project.clone(), key.location.clone());
                            let at = heard.get(&place).copied().flatten();
                            let seen = location_seen(&mut tx, &key.location).await?;
                            let is_heard = at.max(seen) > Some(change.since);
                            let is_silent = open.contains_key(&key.silence());
                            match is_heard && (key.cause.is_empty() || !is_silent) {
                                true => Left::Heard,
                                false => Left::Silent,
                            }
                        }
                    };
                    Some(over(&change.key, left))
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

/// What was told, before one looks.
struct Told {
    /// In which of our shards.
    before: BTreeMap<StaleKey, BTreeSet<StaleShard>>,
    /// Anywhere, and since when.
    open: BTreeMap<StaleKey, OffsetDateTime>,
}

impl Told {
    fn row(&self, key: &StaleKey, shard: ShardNo) -> Option<StaleShard> {
        let rows = self.before.get(key)?;
        rows.iter().find(|row| row.shard == shard).cloned()
    }

    /// Adds what is stale of a project's checks from a location. What was told of one that is ours
    /// since a moment goes on until it was heard of; and what is told at all goes on for a check
    /// that takes the place of another one, until that was: of the end it is said that nothing is
    /// so any more.
    fn sum(
        &self,
        all: &mut BTreeMap<StaleKey, Extent>,
        (project, location): (&str, &str),
        voiced: Voiced,
    ) {
        let key = |cause: String| StaleKey {
            project: project.to_owned(),
            location: location.to_owned(),
            cause,
        };
        let row = |shard, checks| StaleShard {
            shard,
            checks: i32::try_from(checks).unwrap_or(i32::MAX),
        };
        let silence = key(String::new());
        let mut rows = BTreeSet::new();
        for (&shard, voices) in &voiced {
            match voices.stale {
                0 => rows.extend(self.row(&silence, shard).filter(|_| voices.may_be_stale)),
                many => _ = rows.insert(row(shard, many)),
            }
        }
        let heard = voiced.values().filter_map(|voices| voices.heard_at).max();
        if rows.is_empty()
            && self.before.contains_key(&silence)
            && heard <= self.open.get(&silence).copied()
        {
            let first = voiced.iter().next();
            rows.extend(first.map(|(&shard, voices)| row(shard, voices.checks)));
        }
        if !rows.is_empty() {
            all.entry(silence.clone()).or_default().0.extend(rows);
        }
        for known in self.before.keys().filter(|it| it.is_blind_at(&silence)) {
            let is_blind = |voices: &Voices| voices.is_blind_for(&known.cause);
            let waiting = voiced.iter().filter(|(_, voices)| !is_blind(voices));
            let kept = waiting.filter(|(_, voices)| voices.waits_for(&known.cause));
            let mut kept: Vec<_> = kept
                .filter_map(|(&shard, _)| self.row(known, shard))
                .collect();
            if kept.is_empty() && !voiced.values().any(is_blind) {
                let mut new = voiced.iter().filter(|(_, it)| it.is_new_to(&known.cause));
                kept.extend(new.next().map(|(&shard, _)| row(shard, 1)));
            }
            if !kept.is_empty() {
                all.entry(known.clone()).or_default().0.extend(kept);
            }
        }
        for (shard, voices) in voiced {
            for (cause, blind) in voices.blind {
                let key = key(cause.to_string());
                let is_told = self.open.contains_key(&key);
                let (rows, of) = all.entry(key).or_default();
                if blind.lasts || is_told {
                    rows.insert(row(shard, blind.checks));
                }
                match of {
                    Some((_, sum)) => sum.merge(blind),
                    None => *of = Some((cause, blind)),
                }
            }
        }
    }
}

/// What people read when it begins.
fn begun(change: &StaleChange, blind: Option<&(Cause, Blind)>) -> String {
    let location = &change.key.location;
    match blind {
        _ if change.key.cause.is_empty() => silence(change.checks.into(), location),
        Some((cause, blind)) => blindness(change, cause, blind),
        // What another one saw goes on here.
        None => format!("checks are unknown from the location {location}"),
    }
}

/// What is left when it is over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Left {
    /// No check that could be so.
    None,
    /// Some, and probes have come from there since.
    Heard,
    /// Some, and as far as we know none came.
    Silent,
}

/// What people read when it is over.
fn over(key: &StaleKey, left: Left) -> String {
    let StaleKey {
        location, cause, ..
    } = key;
    let (class, secret) = cause.split_once('/').unwrap_or((cause, ""));
    let of = match secret {
        "" => String::new(),
        secret => format!(" of secret({secret:?})"),
    };
    match (left, class) {
        (Left::Heard, "") => format!("probes come from the location {location} again"),
        (Left::Heard, class) => format!(
            "the location {location} knows its checks again: for {class}{of} none of them is unknown \
             any more"
        ),
        (Left::Silent, "") => format!(
            "the checks that got no probes from the location {location} are not to be probed from \
             there any more; of the others there nothing was heard since"
        ),
        (Left::Silent, class) => format!(
            "no check that is left is known to be unknown from the location {location} for \
             {class}{of}; but no probes came from there since"
        ),
        (Left::None, _) if secret.is_empty() => format!(
            "no check is to be probed from the location {location} any more: those that were are \
             deleted, disabled, paused, or probed from elsewhere"
        ),
        (Left::None, _) => format!(
            "no check with secret({secret:?}) is to be probed from the location {location} any more"
        ),
    }
}

/// What people read of a location from which so many checks get no probes.
pub fn silence(checks: i64, location: &str) -> String {
    let what = match checks {
        1 => "1 check gets".to_owned(),
        n => format!("{n} checks get"),
    };
    let them = if checks == 1 { "it" } else { "them" };
    format!(
        "{what} no probes from the location {location}, and what is known of {them} is old: does a \
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
