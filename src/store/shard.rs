//! Shards: who owns which, and what their owner must know of the checks.

use futures_util::TryStreamExt as _;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::error::{Doing as _, StoreError};
use crate::model::health::{Health, State};
use crate::model::id::{CheckId, CheckNo, IncidentId, ShardNo, SpecId};

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
    pub project: String,
    pub address: String,
    pub owner: String,
    pub version: i64,
    pub deleted: bool,
    pub health: Health,
    /// The generation and git revision that its spec came with.
    pub generation: i64,
    pub revision: String,
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
        "update shards set expires = now() + make_interval(secs => $2)
         where owner = $1 returning shard_no, epoch",
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
         where s.owner = $1 for share of s",
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
    state: i16,
    since: OffsetDateTime,
    failures: i16,
    successes: i16,
    retold: bool,
    seq: i64,
    incident_id: Option<Uuid>,
    last_at: Option<OffsetDateTime>,
    generation: i64,
    revision: String,
}

impl TryFrom<Row> for ShardCheck {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let count = |n: i16| u8::try_from(n).unwrap_or(u8::MAX);
        Ok(Self {
            id: CheckId(row.id),
            check_no: CheckNo(row.check_no),
            spec_id: SpecId(row.spec_id),
            spec: row.spec,
            project: row.project,
            address: row.address,
            owner: row.owner,
            version: row.version,
            deleted: row.deleted,
            health: Health {
                state: State::from_number(row.state).ok_or(StoreError::Number {
                    what: "state",
                    number: row.state,
                })?,
                since: row.since,
                failures: count(row.failures),
                successes: count(row.successes),
                seq: row.seq,
                incident: row.incident_id.map(IncidentId),
                retold: row.retold,
                last_at: row.last_at,
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
               t.state, t.since, t.failures, t.successes, t.retold, t.seq, t.incident_id,
               -- What followed the stored state and did not change it.
               coalesce((select max(o.at) from observations o
                         where o.check_no = c.check_no and o.at > t.last_at), t.last_at) as last_at,
               coalesce(m.from_gen, 0) as "generation!", coalesce(g.sha, '') as "revision!"
           from check_states t
           join checks c on c.id = t.check_id
           join specs s on s.id = c.live_spec_id
           join projects p on p.id = c.project_id
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
               t.state, t.since, t.failures, t.successes, t.retold, t.seq, t.incident_id,
               -- What followed the stored state and did not change it.
               coalesce((select max(o.at) from observations o
                         where o.check_no = c.check_no and o.at > t.last_at), t.last_at) as last_at,
               coalesce(m.from_gen, 0) as "generation!", coalesce(g.sha, '') as "revision!"
           from check_states t
           join checks c on c.id = t.check_id
           join specs s on s.id = c.live_spec_id
           join projects p on p.id = c.project_id
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
