//! Claims: which deliveries are to be attempted now, and by whom.
//!
//! One claim at a time is made of what waits for one receiver of one check (its lane): whoever
//! claims locks the lane first, and then looks again at what is in it. A statement that had
//! looked before it got the lock would not see what another worker has claimed meanwhile.

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::heard::{before, unheard};
use super::{Carried, Claimed, GROUP, LEASE};
use crate::model::desired::API_PROJECT;
use crate::model::id::{CheckId, DeliveryId, EventId, ReceiverId};
use crate::model::secret::SecretUse;
use crate::model::webhook::{WebhookFormat, WebhookSpec};
use crate::runtime::chain::chain;
use crate::spec;
use crate::store::error::{Doing as _, StoreError};
use crate::store::project::project_sole;
use crate::store::receiver::format_number;

/// What may be said of a delivery that another one tells.
const SUPERSEDED: &str = "a newer event that lists it went out instead";

/// A delivery that could be attempted now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Candidate {
    pub id: DeliveryId,
    pub receiver: ReceiverId,
    /// Its check; what is of none has the lane of its receiver.
    pub lane: Uuid,
    /// Not 0: it is sent beside what else is in its lane.
    pub replay: i32,
    /// The host of its receiver, with its port; of a secret URL, the secret.
    pub host: String,
    /// What is behind it in its lane is sent by itself, one after the other.
    pub followed: bool,
}

/// Finds deliveries that are due, oldest first, but for receivers on these hosts and those that
/// asked for time; within a transaction that does nothing else.
///
/// Of a lane only one can be claimed at a time: the first in order, or where the newest wins, the
/// newest of those that were never attempted, since the bodies of others are frozen.
///
/// What is being sent is read once, and not for each of them: of a long lane Postgres may read all,
/// each time.
///
/// They are read in the order in which they are due, until there are enough. Left to itself
/// Postgres sorts all that is due first: it takes the outbox to be as empty as it was when it
/// looked last.
pub async fn delivery_due(
    conn: &mut PgConnection,
    busy: &[String],
    limit: i64,
    now: OffsetDateTime,
) -> Result<Vec<Candidate>, StoreError> {
    in_order(conn).await?;
    let rows = sqlx::query!(
        r#"select d.id, d.receiver_id, coalesce(d.check_id, d.receiver_id) as "lane!",
                   d.replay_no, r.host,
                   not r.collapse and d.check_id is not null and d.replay_no = 0
                   and exists (select from deliveries e
                       where e.receiver_id = d.receiver_id and e.state = 'pending'
                           and coalesce(e.check_id, e.receiver_id)
                               = coalesce(d.check_id, d.receiver_id)
                           and e.seq > d.seq and e.replay_no = 0) as "followed!"
               from deliveries d
               join receivers r on r.id = d.receiver_id
               left join receiver_status s on s.receiver_id = d.receiver_id
               where d.state = 'pending' and d.next_at <= $1
                   and r.host <> all($2)
                   and (s.slowed_until is null or s.slowed_until <= $1)
                   and (d.group_key = '' or d.gathered)
                   and (d.replay_no <> 0 or (
                       (d.receiver_id, coalesce(d.check_id, d.receiver_id)) not in (
                           select e.receiver_id, coalesce(e.check_id, e.receiver_id)
                           from deliveries e
                           where e.state = 'pending' and e.lease is not null
                               and e.next_at > $1 and e.replay_no = 0)
                       and not exists (select from deliveries e
                           where e.receiver_id = d.receiver_id and e.state = 'pending'
                               and coalesce(e.check_id, e.receiver_id)
                                   = coalesce(d.check_id, d.receiver_id)
                               and e.seq < d.seq and e.replay_no = 0
                               and (e.group_key = '' or e.gathered)
                               and (d.check_id is null or not r.collapse or d.body is not null))
                       and not exists (select from deliveries e
                           where e.receiver_id = d.receiver_id and e.state = 'pending'
                               and coalesce(e.check_id, e.receiver_id)
                                   = coalesce(d.check_id, d.receiver_id)
                               and e.seq > d.seq and e.replay_no = 0
                               and (e.group_key = '' or e.gathered)
                               and d.check_id is not null and r.collapse
                               and e.body is null and (e.next_at <= $1) is true)))
               order by d.next_at limit $3"#,
        now,
        busy,
        limit,
    )
    .fetch_all(conn)
    .await
    .doing("find deliveries that are due")?;
    let found = rows.into_iter().map(|row| Candidate {
        id: DeliveryId(row.id),
        receiver: ReceiverId(row.receiver_id),
        lane: row.lane,
        replay: row.replay_no,
        host: row.host,
        followed: row.followed,
    });
    Ok(found.collect())
}

/// The first that is due in each of these lanes, each of a receiver and a check of it, as
/// [`delivery_due`] finds it where each event is sent by itself; within a transaction that does
/// nothing else. Whoever has sent what was before it need not look at all that is due.
pub async fn delivery_next(
    conn: &mut PgConnection,
    lanes: &[(ReceiverId, Uuid)],
    now: OffsetDateTime,
) -> Result<Vec<Candidate>, StoreError> {
    in_order(conn).await?;
    let receivers: Vec<Uuid> = lanes.iter().map(|it| it.0.0).collect();
    let lanes: Vec<Uuid> = lanes.iter().map(|it| it.1).collect();
    let rows = sqlx::query!(
        r#"select d.id, l.receiver as "receiver!", l.lane as "lane!", r.host,
               exists (select from deliveries e
                   where e.receiver_id = l.receiver and e.state = 'pending'
                       and coalesce(e.check_id, e.receiver_id) = l.lane
                       and e.seq > d.seq and e.replay_no = 0) as "followed!"
           from unnest($1::uuid[], $2::uuid[]) as l (receiver, lane)
           join receivers r on r.id = l.receiver and not r.collapse
           cross join lateral (select f.id, f.seq, f.next_at from deliveries f
               where f.receiver_id = l.receiver and f.state = 'pending'
                   and coalesce(f.check_id, f.receiver_id) = l.lane and f.replay_no = 0
                   and (f.group_key = '' or f.gathered)
               order by f.seq limit 1) d
           where d.next_at <= $3"#,
        &receivers,
        &lanes,
        now,
    )
    .fetch_all(conn)
    .await
    .doing("find what is next in lanes")?;
    let found = rows.into_iter().map(|row| Candidate {
        id: DeliveryId(row.id),
        receiver: ReceiverId(row.receiver),
        lane: row.lane,
        replay: 0,
        host: row.host,
        followed: row.followed,
    });
    Ok(found.collect())
}

/// Locks the lanes of these until the transaction ends; of those that nobody else has locked, the
/// deliveries.
pub async fn delivery_lock(
    conn: &mut PgConnection,
    candidates: &[Candidate],
) -> Result<Vec<DeliveryId>, StoreError> {
    let ids: Vec<Uuid> = candidates.iter().map(|it| it.id.0).collect();
    let receivers: Vec<Uuid> = candidates.iter().map(|it| it.receiver.0).collect();
    let lanes: Vec<Uuid> = candidates.iter().map(|it| it.lane).collect();
    let replays: Vec<i32> = candidates.iter().map(|it| it.replay).collect();
    let locked = sqlx::query_scalar!(
        r#"select id as "id!"
           from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::integer[])
               as c (id, receiver, lane, replay)
           where replay <> 0 or pg_try_advisory_xact_lock(
               uuid_hash_extended(receiver, 0) # uuid_hash_extended(lane, 1))"#,
        &ids,
        &receivers,
        &lanes,
        &replays,
    )
    .fetch_all(conn)
    .await
    .doing("lock lanes")?;
    Ok(locked.into_iter().map(DeliveryId).collect())
}

/// Until the transaction ends Postgres reads by indexes, in their order.
async fn in_order(conn: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::query!(
        "select set_config(name, 'off', true) from unnest(array[
             'enable_sort', 'enable_bitmapscan', 'enable_hashjoin', 'enable_seqscan']) as name",
    )
    .fetch_all(conn)
    .await
    .doing("have an index read in its order")?;
    Ok(())
}

/// Reads those of these deliveries that still can be claimed, as their next attempts would be, and
/// locks them until the transaction ends; their lanes are locked already. What they beat is
/// superseded in the same transaction.
pub async fn delivery_claim(
    conn: &mut PgConnection,
    candidates: &[DeliveryId],
    now: OffsetDateTime,
) -> Result<Vec<Claimed>, StoreError> {
    let ids: Vec<Uuid> = candidates.iter().map(|id| id.0).collect();
    let rows = sqlx::query!(
        r#"with claimed as materialized (
               select d.*, r.collapse and d.check_id is not null and d.replay_no = 0 as wins,
                   coalesce(d.body_format, r.format) = r.format as fits
               from deliveries d join receivers r on r.id = d.receiver_id
               where d.id = any($2) and d.state = 'pending' and d.next_at <= $1
                   and not exists (select from receiver_status s
                       where s.receiver_id = d.receiver_id and s.slowed_until > $1)
                   and (d.group_key = '' or d.gathered)
                   and (d.replay_no <> 0 or (
                       (d.receiver_id, coalesce(d.check_id, d.receiver_id)) not in (
                           select e.receiver_id, coalesce(e.check_id, e.receiver_id)
                           from deliveries e
                           where e.state = 'pending' and e.lease is not null
                               and e.next_at > $1 and e.replay_no = 0)
                       and not exists (select from deliveries e
                           where e.receiver_id = d.receiver_id and e.state = 'pending'
                               and coalesce(e.check_id, e.receiver_id)
                                   = coalesce(d.check_id, d.receiver_id)
                               and e.seq < d.seq and e.replay_no = 0
                               and (e.group_key = '' or e.gathered)
                               and (d.check_id is null or not r.collapse or d.body is not null))
                       and not exists (select from deliveries e
                           where e.receiver_id = d.receiver_id and e.state = 'pending'
                               and coalesce(e.check_id, e.receiver_id)
                                   = coalesce(d.check_id, d.receiver_id)
                               and e.seq > d.seq and e.replay_no = 0
                               and (e.group_key = '' or e.gathered)
                               and d.check_id is not null and r.collapse
                               and e.body is null and (e.next_at <= $1) is true)))
               for no key update of d),
           beaten as (
               update deliveries o set state = 'superseded', superseded_by = c.id, lease = null,
                   finished_at = $1, reason = $3
               from claimed c
               where c.wins and c.body is null and o.receiver_id = c.receiver_id
                   and coalesce(o.check_id, o.receiver_id) = c.check_id
                   and o.state = 'pending' and o.replay_no = 0 and o.seq < c.seq
               returning c.id)
           select c.id, c.event_id, c.receiver_id, c.check_id, c.attempts,
               case when c.fits then c.body end as body,
               coalesce(c.first_attempt_at, $1) as "first_attempt_at!", t.type as kind, t.at, t.payload,
               r.url, r.address as receiver_name, s.bytes as spec,
               o.name as receiver_project,
               coalesce(p.name || '/' || k.address, '') as "subject!",
               (select count(*)::integer from attempts a where c.attempts > 0
                   and a.delivery_id = c.id and a.status in (400, 413, 422)) as "refused!",
               (select min(a.finished_at) from attempts a where c.attempts > 0
                   and a.delivery_id = c.id and a.status not in (400, 408, 413, 422, 425, 429)
                   and a.status not between 500 and 599) as unwelcome_since,
               exists (select from beaten b where b.id = c.id) as "wins!",
               r.format as receiver_format
           from claimed c
           join transitions t on t.id = c.event_id
           join receivers r on r.id = c.receiver_id
           join specs s on s.id = r.spec_id
           join projects o on o.id = r.project_id
           left join checks k on k.id = c.check_id
           left join projects p on p.id = k.project_id"#,
        now,
        &ids,
        SUPERSEDED,
    )
    .fetch_all(&mut *conn)
    .await
    .doing("claim deliveries")?;
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let winners: Vec<Uuid> = rows.iter().filter(|r| r.wins).map(|r| r.id).collect();
    if !winners.is_empty() {
        follow(conn, &winners).await?;
    }
    let unfrozen = rows.iter().filter(|r| r.kind != GROUP && r.body.is_none());
    let unfrozen: Vec<Uuid> = unfrozen.map(|r| r.id).collect();
    let mut beaten = superseded(conn, &unfrozen).await?;
    let groups = rows.iter().filter(|r| r.kind == GROUP && r.body.is_none());
    let groups: Vec<Uuid> = groups.map(|r| r.id).collect();
    if !groups.is_empty() {
        beaten.extend(members(conn, &groups).await?);
    }
    // What begins something is no end of anything.
    let begins = |kind: &str| matches!(kind, "check.down" | "check.error");
    let ends = rows
        .iter()
        .filter(|r| r.body.is_none() && r.kind != GROUP && !begins(&r.kind));
    let ends: Vec<Uuid> = ends.map(|r| r.id).collect();
    let unheard = unheard(conn, &ends, &groups).await?;
    let alertmanager = format_number(WebhookFormat::Alertmanager);
    let alerts = rows
        .iter()
        .filter(|r| r.body.is_none() && r.receiver_format == alertmanager);
    let alerts: Vec<Uuid> = alerts.map(|r| r.id).collect();
    let before = match alerts.is_empty() {
        true => Vec::new(),
        false => before(conn, &alerts).await?,
    };
    let specs: Vec<Result<WebhookSpec, String>> = rows
        .iter()
        .map(|row| spec::decode_webhook(&row.spec).map_err(|error| chain(&error)))
        .collect();
    let mut readable = specs.iter().flatten();
    let sole = match readable.any(|webhook| webhook.references().next().is_some()) {
        true => project_sole(conn).await?,
        // Nobody asks.
        false => None,
    };
    let claimed = rows.into_iter().zip(specs).map(|(row, webhook)| {
        let declared = row.receiver_project != API_PROJECT;
        let project = row.receiver_project.as_str().into();
        let told = beaten.iter().filter(|it| it.by == row.id);
        let superseded = told.map(|it| Carried {
            payload: it.payload.clone(),
            unheard: row.kind == GROUP && unheard.contains(&it.delivery),
        });
        let superseded = superseded.collect();
        let of = before.iter().filter(|it| it.by == row.id);
        let before = of.map(|it| it.payload.clone()).collect();
        Claimed {
            id: DeliveryId(row.id),
            event: EventId(row.event_id),
            receiver: ReceiverId(row.receiver_id),
            check: row.check_id.map(CheckId),
            kind: row.kind,
            at: row.at,
            subject: row.subject,
            receiver_name: row.receiver_name.unwrap_or_else(|| host(&row.url)),
            secrets: SecretUse::of(&project, declared, sole.as_deref()),
            webhook,
            attempt: row.attempts + 1,
            first_attempt_at: row.first_attempt_at,
            refused: row.refused,
            unwelcome_since: row.unwelcome_since,
            superseded,
            before,
            unheard: unheard.contains(&row.id),
            payload: row.payload,
            body: row.body,
        }
    });
    Ok(claimed.collect())
}

/// A delivery whose event another one tells.
struct Beaten {
    by: Uuid,
    delivery: Uuid,
    payload: Vec<u8>,
}

/// These deliveries tell what those told that they beat, too, and their receivers have waited as
/// long.
async fn follow(conn: &mut PgConnection, winners: &[Uuid]) -> Result<(), StoreError> {
    sqlx::query!(
        "update deliveries o set superseded_by = b.superseded_by
         from deliveries b where o.superseded_by = b.id and b.superseded_by = any($1)",
        winners,
    )
    .execute(&mut *conn)
    .await
    .doing("follow what is superseded")?;
    sqlx::query!(
        "update deliveries d set waits_since = b.since
         from (select superseded_by as id,
                   min(coalesce(waits_since, first_attempt_at, created_at)) as since
               from deliveries where superseded_by = any($1) group by superseded_by) b
         where d.id = b.id",
        winners,
    )
    .execute(conn)
    .await
    .doing("note how long a receiver has waited")?;
    Ok(())
}

/// What these deliveries supersede, in its order.
async fn superseded(conn: &mut PgConnection, by: &[Uuid]) -> Result<Vec<Beaten>, StoreError> {
    sqlx::query_as!(
        Beaten,
        r#"select d.superseded_by as "by!", d.id as delivery, t.payload from deliveries d
           join transitions t on t.id = d.event_id
           where d.superseded_by = any($1) order by d.seq"#,
        by,
    )
    .fetch_all(conn)
    .await
    .doing("read what is superseded")
}

/// What these groups tell, in its order: whoever gets a group gets all of it.
async fn members(conn: &mut PgConnection, groups: &[Uuid]) -> Result<Vec<Beaten>, StoreError> {
    // A replay of a group tells what the group does.
    sqlx::query_as!(
        Beaten,
        "select r.id as by, m.id as delivery, t.payload from deliveries r
         join deliveries g on g.event_id = r.event_id
         join deliveries m on m.superseded_by = g.id
         join transitions t on t.id = m.event_id
         where r.id = any($1) order by t.at, m.seq, t.id",
        groups,
    )
    .fetch_all(conn)
    .await
    .doing("read what groups tell")
}

/// The part of a URL that may be shown: the rest may be a secret.
fn host(url: &str) -> String {
    let after = url.split_once("://").map_or(url, |(_, rest)| rest);
    after
        .split(['/', '?', '#'])
        .next()
        .unwrap_or_default()
        .to_owned()
}

/// An attempt that begins.
#[derive(Clone, Copy, Debug)]
pub struct Begun<'a> {
    pub delivery: DeliveryId,
    /// Its number, from 1.
    pub n: i32,
    /// What is frozen, and in which format: none where that was done before, or nothing can be.
    pub body: Option<(WebhookFormat, &'a [u8])>,
}

/// Claims these deliveries for `worker`, freezes their bodies and writes the attempts before
/// anything is sent: what then has no end is known to have been begun.
pub async fn delivery_begin(
    conn: &mut PgConnection,
    worker: Uuid,
    claimed: &[Begun<'_>],
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    let ids: Vec<Uuid> = claimed.iter().map(|c| c.delivery.0).collect();
    let numbers: Vec<i32> = claimed.iter().map(|c| c.n).collect();
    let body = |c: &Begun<'_>| c.body.map(|(_, bytes)| bytes.to_vec());
    let bodies: Vec<Option<Vec<u8>>> = claimed.iter().map(body).collect();
    let format = |c: &Begun<'_>| c.body.map(|(format, _)| format_number(format));
    let formats: Vec<Option<i16>> = claimed.iter().map(format).collect();
    sqlx::query!(
        "update deliveries d set lease = $4, next_at = $5::timestamptz + make_interval(secs => $6),
             attempts = d.attempts + 1, first_attempt_at = coalesce(d.first_attempt_at, $5),
             body = coalesce(n.body, d.body), body_format = coalesce(n.format, d.body_format)
         from unnest($1::uuid[], $2::bytea[], $3::smallint[]) as n (id, body, format)
         where d.id = n.id",
        &ids,
        &bodies as &[Option<Vec<u8>>],
        &formats as &[Option<i16>],
        worker,
        now,
        LEASE.as_secs_f64(),
    )
    .execute(&mut *conn)
    .await
    .doing("claim deliveries and freeze their bodies")?;
    sqlx::query!(
        "insert into attempts (delivery_id, n, started_at)
         select delivery_id, n, $3 from unnest($1::uuid[], $2::integer[]) as a (delivery_id, n)",
        &ids,
        &numbers,
        now,
    )
    .execute(conn)
    .await
    .doing("begin attempts")?;
    Ok(())
}

/// Keeps the claims of what is still being sent.
pub async fn delivery_renew(
    conn: &mut PgConnection,
    worker: Uuid,
    deliveries: &[DeliveryId],
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    let ids: Vec<Uuid> = deliveries.iter().map(|id| id.0).collect();
    sqlx::query!(
        "update deliveries set next_at = $3::timestamptz + make_interval(secs => $4)
         where id = any($2) and lease = $1 and state = 'pending'",
        worker,
        &ids,
        now,
        LEASE.as_secs_f64(),
    )
    .execute(conn)
    .await
    .doing("renew the leases of deliveries")?;
    Ok(())
}

/// Gives claims back at an orderly end.
pub async fn delivery_release(
    conn: &mut PgConnection,
    worker: Uuid,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    sqlx::query!(
        "update deliveries set lease = null, next_at = $2 where lease = $1 and state = 'pending'",
        worker,
        now,
    )
    .execute(conn)
    .await
    .doing("release deliveries")?;
    Ok(())
}
