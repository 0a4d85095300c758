//! Shards: who owns which, and what their owner must know of the checks.

use std::sync::Arc;

use futures_util::TryStreamExt as _;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::change::Cursor;
use super::error::{Doing as _, StoreError};
use crate::model::health::{Flapping, Flips, Health, State};
use crate::model::id::{CheckId, CheckNo, IncidentId, ShardNo, SpecId};
use crate::model::overlay::Pause;
use crate::spec::recent;

/// How long a lease lasts unless it is renewed.
const LEASE_SECONDS: f64 = 10.0;

/// A shard that is ours while its epoch stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HeldShard {
    pub shard: ShardNo,
    pub epoch: i64,
}

/// A check as its shard's owner knows it.
#[derive(Clone, Debug)]
pub struct ShardCheck {
    pub id: CheckId,
    pub check_no: CheckNo,
    pub spec_id: SpecId,
    pub spec: Vec<u8>,
    pub project: Arc<str>,
    pub address: String,
    pub owner: String,
    pub version: i64,
    pub deleted: bool,
    pub disabled: bool,
    /// What somebody said over the API.
    pub pause: Pause,
    pub health: Health,
    /// The generation and git revision that its spec came with.
    pub generation: i64,
    pub revision: String,
}

impl ShardCheck {
    /// Whether anybody probes it at this moment.
    pub fn is_watched(&self, now: OffsetDateTime) -> bool {
        !self.deleted && !self.disabled && !self.pause.holds(now)
    }

    /// Whether the end of its being watched is still to be written.
    pub fn is_to_end(&self, now: OffsetDateTime) -> bool {
        let told = self.health.state == State::Init && !self.health.is_told_of();
        self.deleted || (!self.is_watched(now) && !told)
    }
}

/// A lokahid to the others: its instance's name, which a restart keeps, and
/// its process, which it does not. Two processes of one name, by mistake, then
/// take shards from each other and never share one.
#[derive(Clone, Debug)]
pub struct LeaseOwner {
    instance: String,
    owner: String,
}

impl LeaseOwner {
    /// The name that a restart keeps.
    pub fn instance(&self) -> &str {
        &self.instance
    }

    /// This process, as an instance of that name.
    pub fn new(instance: &str) -> Self {
        // The sign parts the two in the column.
        let instance = instance.replace('#', "-");
        Self {
            owner: format!("{instance}#{}", Uuid::now_v7().simple()),
            instance,
        }
    }
}

/// Takes every shard whose lease has run out, under a new epoch; with
/// `restarted` also what an earlier life of this instance left behind.
pub async fn shard_take(
    conn: &mut PgConnection,
    owner: &LeaseOwner,
    restarted: bool,
) -> Result<Vec<HeldShard>, StoreError> {
    let rows = sqlx::query!(
        "update shards set owner = $1, epoch = epoch + 1,
             expires = now() + make_interval(secs => $2)
         where shard_no in (select shard_no from shards
             where owner <> $1
                 and (expires < now() or ($3 and split_part(owner, '#', 1) = $4))
             order by shard_no for update skip locked)
         returning shard_no, epoch",
        owner.owner,
        LEASE_SECONDS,
        restarted,
        owner.instance,
    )
    .fetch_all(conn)
    .await
    .doing("take shards")?;
    Ok(rows
        .into_iter()
        .map(|row| HeldShard {
            shard: ShardNo(row.shard_no),
            epoch: row.epoch,
        })
        .collect())
}

/// Renews what is ours and returns it. A lease that ran out while nobody else
/// took the shard is renewed too.
pub async fn shard_renew(
    conn: &mut PgConnection,
    owner: &LeaseOwner,
) -> Result<Vec<HeldShard>, StoreError> {
    let rows = sqlx::query!(
        "with mine as (
             select shard_no from shards where owner = $1 order by shard_no for update)
         update shards s set expires = now() + make_interval(secs => $2)
         from mine where s.shard_no = mine.shard_no returning s.shard_no, s.epoch",
        owner.owner,
        LEASE_SECONDS,
    )
    .fetch_all(conn)
    .await
    .doing("renew shards")?;
    Ok(rows
        .into_iter()
        .map(|row| HeldShard {
            shard: ShardNo(row.shard_no),
            epoch: row.epoch,
        })
        .collect())
}

/// Gives shards back at an orderly end, so that another need not wait.
pub async fn shard_release(conn: &mut PgConnection, owner: &LeaseOwner) -> Result<(), StoreError> {
    sqlx::query!(
        "update shards set expires = '-infinity', owner = '' where owner = $1",
        owner.owner
    )
    .execute(conn)
    .await
    .doing("release shards")?;
    Ok(())
}

/// Holds the given shards against a take-over until the transaction ends.
/// Fails when one of them has another epoch by now.
pub async fn shard_fence(
    conn: &mut PgConnection,
    owner: &LeaseOwner,
    held: &[HeldShard],
) -> Result<(), StoreError> {
    let shards: Vec<i16> = held.iter().map(|h| h.shard.0).collect();
    let epochs: Vec<i64> = held.iter().map(|h| h.epoch).collect();
    let ours = sqlx::query_scalar!(
        "select s.shard_no from shards s
         join unnest($2::smallint[], $3::bigint[]) as h (shard_no, epoch)
             on h.shard_no = s.shard_no and h.epoch = s.epoch
         where s.owner = $1
         -- Whoever locks several does it in this order, or two would wait for each other.
         order by s.shard_no for share of s",
        owner.owner,
        &shards,
        &epochs,
    )
    .fetch_all(conn)
    .await
    .doing("fence shards")?;
    let lost: Vec<i16> = shards
        .into_iter()
        .filter(|shard| !ours.contains(shard))
        .collect();
    if lost.is_empty() {
        Ok(())
    } else {
        Err(StoreError::Fenced(lost))
    }
}

struct Row {
    id: Uuid,
    check_no: i64,
    spec_id: i64,
    spec: Vec<u8>,
    project: String,
    address: String,
    owner: String,
    version: i64,
    deleted: bool,
    disabled: bool,
    is_paused: bool,
    paused_until: Option<OffsetDateTime>,
    state: i16,
    since: OffsetDateTime,
    failures: i16,
    successes: i16,
    retold: bool,
    degraded: bool,
    warned: i16,
    recent: Option<Vec<u8>>,
    seq: i64,
    incident_id: Option<Uuid>,
    flapping: i16,
    flips: i32,
    told_at: Option<OffsetDateTime>,
    quiet_probes: i64,
    unbelieved_since: Option<OffsetDateTime>,
    last_at: Option<OffsetDateTime>,
    quiet: bool,
    state_spec: Option<i64>,
    generation: i64,
    revision: String,
}

impl TryFrom<Row> for ShardCheck {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        // Streaks of a question that is no longer asked count for nothing.
        let count = |n: i16| match row.state_spec {
            Some(spec) if spec != row.spec_id => 0,
            _ => u8::try_from(n).unwrap_or(u8::MAX),
        };
        let failures = count(row.failures);
        Ok(Self {
            id: CheckId(row.id),
            check_no: CheckNo(row.check_no),
            spec_id: SpecId(row.spec_id),
            spec: row.spec,
            project: row.project.into(),
            address: row.address,
            owner: row.owner,
            version: row.version,
            deleted: row.deleted,
            disabled: row.disabled,
            pause: match (row.is_paused, row.paused_until) {
                (false, _) => Pause::None,
                (true, None) => Pause::Open,
                (true, Some(until)) => Pause::Until(until),
            },
            health: Health {
                state: State::from_number(row.state).ok_or(StoreError::Number {
                    what: "state",
                    number: row.state,
                })?,
                since: row.since,
                failures,
                successes: count(row.successes),
                seq: row.seq,
                incident: row.incident_id.map(IncidentId),
                retold: row.retold,
                degraded: row.degraded,
                warned: count(row.warned),
                last_at: row.last_at,
                quiet: row.quiet,
                told_at: row.told_at,
                flapping: Flapping::from_number(row.flapping),
                unbelieved: match row.state_spec {
                    Some(spec) if spec != row.spec_id => None,
                    _ => row.unbelieved_since,
                },
                flips: match row.state_spec {
                    Some(spec) if spec != row.spec_id => Flips::default(),
                    _ => Flips::from_number(row.flips)
                        .and_quiet(u32::try_from(row.quiet_probes).unwrap_or(Flips::PROBES)),
                },
                recent: match row.recent.filter(|_| failures > 0) {
                    Some(bytes) => recent::decode(&bytes).map_err(|source| StoreError::Spec {
                        spec_id: row.spec_id,
                        source,
                    })?,
                    None => Vec::new(),
                },
            },
            generation: row.generation,
            revision: row.revision,
        })
    }
}

/// Every check of these shards, buried ones included while their state remains.
pub async fn shard_checks(
    conn: &mut PgConnection,
    shards: &[ShardNo],
    mut each: impl FnMut(ShardCheck),
) -> Result<(), StoreError> {
    let shards: Vec<i16> = shards.iter().map(|shard| shard.0).collect();
    let mut rows = sqlx::query_as!(
        Row,
        r#"select c.id, c.check_no, c.live_spec_id as spec_id, s.bytes as spec, p.name as project,
               c.address, c.owner, c.version, c.deleted_at is not null as "deleted!",
               c.disabled, v.check_id is not null as "is_paused!", v.until as "paused_until?",
               t.quiet, t.spec_id as state_spec,
               t.state, t.since, t.failures, t.successes, t.retold, t.degraded, t.warned,
               t.recent, t.seq, t.flapping, t.flips, t.told_at, t.unbelieved_since,
               t.incident_id,
               -- With 20 of them all is forgotten that changed.
               case when t.flips & 1048575 = 0 then 0 else (select count(*) from (
                   select from observations o where o.check_no = c.check_no and o.at > t.last_at
                       and o.outcome <> 4 limit 20) o) end as "quiet_probes!",
               -- What followed the stored state and did not change it.
               coalesce((select max(o.at) from observations o
                         where o.check_no = c.check_no and o.at > t.last_at), t.last_at) as last_at,
               coalesce(m.from_gen, 0) as "generation!", coalesce(g.sha, '') as "revision!"
           from check_states t
           join checks c on c.id = t.check_id
           join specs s on s.id = c.live_spec_id
           join projects p on p.id = c.project_id
           left join overlays v on v.check_id = c.id and v.kind = 'paused'
           left join memberships m on m.project_id = c.project_id and m.kind = 'check'
               and m.address = c.address and m.to_gen is null
           left join generations g on g.project_id = c.project_id and g.n = m.from_gen
           where t.shard = any($1)"#,
        &shards,
    )
    .fetch(conn);
    while let Some(row) = rows.try_next().await.doing("read the checks of shards")? {
        each(ShardCheck::try_from(row)?);
    }
    Ok(())
}

/// The same for single checks; one that is gone altogether is left out.
pub async fn shard_check_find(
    conn: &mut PgConnection,
    checks: &[CheckId],
) -> Result<Vec<ShardCheck>, StoreError> {
    let ids: Vec<Uuid> = checks.iter().map(|id| id.0).collect();
    sqlx::query_as!(
        Row,
        r#"select c.id, c.check_no, c.live_spec_id as spec_id, s.bytes as spec, p.name as project,
               c.address, c.owner, c.version, c.deleted_at is not null as "deleted!",
               c.disabled, v.check_id is not null as "is_paused!", v.until as "paused_until?",
               t.quiet, t.spec_id as state_spec,
               t.state, t.since, t.failures, t.successes, t.retold, t.degraded, t.warned,
               t.recent, t.seq, t.flapping, t.flips, t.told_at, t.unbelieved_since,
               t.incident_id,
               -- With 20 of them all is forgotten that changed.
               case when t.flips & 1048575 = 0 then 0 else (select count(*) from (
                   select from observations o where o.check_no = c.check_no and o.at > t.last_at
                       and o.outcome <> 4 limit 20) o) end as "quiet_probes!",
               -- What followed the stored state and did not change it.
               coalesce((select max(o.at) from observations o
                         where o.check_no = c.check_no and o.at > t.last_at), t.last_at) as last_at,
               coalesce(m.from_gen, 0) as "generation!", coalesce(g.sha, '') as "revision!"
           from check_states t
           join checks c on c.id = t.check_id
           join specs s on s.id = c.live_spec_id
           join projects p on p.id = c.project_id
           left join overlays v on v.check_id = c.id and v.kind = 'paused'
           left join memberships m on m.project_id = c.project_id and m.kind = 'check'
               and m.address = c.address and m.to_gen is null
           left join generations g on g.project_id = c.project_id and g.n = m.from_gen
           where t.check_id = any($1)"#,
        &ids,
    )
    .fetch_all(conn)
    .await
    .doing("read changed checks")?
    .into_iter()
    .map(ShardCheck::try_from)
    .collect()
}

/// Holds checks as they are until the transaction ends, so that none is brought
/// back or deleted meanwhile; returns those that nobody else holds.
pub async fn shard_check_hold(
    conn: &mut PgConnection,
    checks: &[CheckId],
) -> Result<Vec<CheckId>, StoreError> {
    let ids: Vec<Uuid> = checks.iter().map(|id| id.0).collect();
    let held = sqlx::query_scalar!(
        "select id from checks where id = any($1) for no key update skip locked",
        &ids,
    )
    .fetch_all(conn)
    .await
    .doing("hold checks")?;
    Ok(held.into_iter().map(CheckId).collect())
}

/// Notes how far the owner of these shards has read the feed: what is up to there
/// is on its board.
pub async fn shard_seen(
    conn: &mut PgConnection,
    owner: &LeaseOwner,
    shards: &[ShardNo],
    cursor: Cursor,
) -> Result<(), StoreError> {
    let shards: Vec<i16> = shards.iter().map(|shard| shard.0).collect();
    sqlx::query!(
        "with mine as (
             select shard_no from shards
             where owner = $1 and shard_no = any($2)
                 and (seen is null or seen < $3::bigint::text::xid8)
             order by shard_no for update)
         update shards s set seen = $3::bigint::text::xid8
         from mine where s.shard_no = mine.shard_no",
        owner.owner,
        &shards,
        cursor.below(),
    )
    .execute(conn)
    .await
    .doing("note how far the change feed was read")?;
    Ok(())
}

/// What became of a generation after it was applied.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    /// Every shard that it concerns is owned by somebody who knows of it.
    pub scheduled: bool,
    /// How many of the checks that it made were never probed, but should be.
    pub unprobed: i64,
    /// How many of those that it changed were not probed since, but should be.
    pub changed: i64,
}

/// How far generation `n` of a project has come; `None` if there is no such one.
pub async fn generation_progress(
    conn: &mut PgConnection,
    project: &str,
    n: i64,
) -> Result<Option<Progress>, StoreError> {
    let row = sqlx::query!(
        r#"select not exists (select from changes f
                   join shards s on s.shard_no = f.shard
                   where f.xid = g.xid
                       and (s.owner = '' or s.seen is null or s.seen <= f.xid)) as "scheduled!",
               (select count(*) from memberships m
                   join checks c on c.project_id = m.project_id and c.address = m.address
                   join check_states t on t.check_id = c.id
                   where m.project_id = g.project_id and m.kind = 'check' and m.from_gen = g.n
                       and c.created_at = g.at and c.deleted_at is null and not c.disabled
                       and not exists (select from overlays v where v.check_id = c.id
                           and v.kind = 'paused' and (v.until is null or v.until > now()))
                       and t.last_at is null) as "unprobed!",
               (select count(*) from memberships m
                   join checks c on c.project_id = m.project_id and c.address = m.address
                   join check_states t on t.check_id = c.id
                   where m.project_id = g.project_id and m.kind = 'check' and m.from_gen = g.n
                       and c.created_at <> g.at and c.deleted_at is null and not c.disabled
                       and not exists (select from overlays v where v.check_id = c.id
                           and v.kind = 'paused' and (v.until is null or v.until > now()))
                       and coalesce(t.last_at < g.at, true)
                       and not exists (select from observations o
                           where o.check_no = c.check_no and o.at >= g.at)) as "changed!"
           from generations g join projects p on p.id = g.project_id
           where p.name = $1 and g.n = $2"#,
        project,
        n,
    )
    .fetch_optional(conn)
    .await
    .doing("see how far a generation has come")?;
    Ok(row.map(|row| Progress {
        scheduled: row.scheduled,
        unprobed: row.unprobed,
        changed: row.changed,
    }))
}
