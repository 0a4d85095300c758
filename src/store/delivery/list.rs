//! Deliveries as operators look at them: found first, by one index, and then read.

use std::collections::HashMap;

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::due::IN_ORDER;
use crate::model::desired::CANARY_PROJECT;
use crate::model::id::{CheckId, DeliveryId, EventId, ReceiverId};
use crate::store::error::{Doing as _, StoreError};

/// How much of an answer is read, in characters.
const EXCERPT: i32 = 500;
/// How many attempts of one delivery are read: more than three days have.
const ATTEMPTS: i64 = 200;

/// Which deliveries. All given filters must hold.
#[derive(Clone, Debug, Default)]
pub struct DeliveryFilter<'a> {
    pub state: Option<&'a str>,
    /// To any of these.
    pub receivers: Option<Vec<ReceiverId>>,
    pub check: Option<CheckId>,
    /// Made since then.
    pub since: Option<OffsetDateTime>,
    /// Older than this one.
    pub before: Option<DeliveryId>,
}

/// A delivery with all that is shown of it.
#[derive(Clone, Debug)]
pub struct StoredDelivery {
    pub id: DeliveryId,
    pub event: EventId,
    /// As `check.down`.
    pub kind: String,
    pub resolved: bool,
    pub check: Option<(CheckId, String, String)>,
    pub receiver: ReceiverId,
    pub project: String,
    /// `None`: a bare `webhook_url`.
    pub receiver_name: Option<String>,
    pub url: String,
    pub removed: bool,
    /// Of the receiver, as it is stored.
    pub spec: Vec<u8>,
    pub state: String,
    pub reason: String,
    pub attempts: i32,
    pub created_at: OffsetDateTime,
    pub next_at: OffsetDateTime,
    pub finished_at: Option<OffsetDateTime>,
    /// A worker has claimed it, until then unless it is renewed.
    pub claimed_until: Option<OffsetDateTime>,
    /// Of the last attempt that has ended.
    pub status: Option<i16>,
    pub error: Option<String>,
    pub excerpt: Option<String>,
    /// The event that lists its event, and the state of that delivery.
    pub superseded: Option<(EventId, String)>,
    /// Of one that waits: the event that goes to its receiver before it.
    pub after: Option<EventId>,
    /// Of one that is dead: the state of the last one that its event was sent again by.
    pub again: Option<String>,
    pub replay: i32,
}

/// An attempt with its end, if that is known.
#[derive(Clone, Debug)]
pub struct StoredAttempt {
    pub n: i32,
    pub started_at: OffsetDateTime,
    pub finished_at: Option<OffsetDateTime>,
    pub status: Option<i16>,
    pub error: Option<String>,
    pub excerpt: Option<String>,
}

/// Finds the newest deliveries that fit, `count` at most; those of canaries where their receiver or
/// check is named.
pub async fn delivery_find(
    conn: &mut PgConnection,
    filter: &DeliveryFilter<'_>,
    count: i64,
) -> Result<Vec<DeliveryId>, StoreError> {
    let receivers = filter.receivers.as_ref();
    let receivers: Option<Vec<Uuid>> = receivers.map(|all| all.iter().map(|id| id.0).collect());
    let before = filter.before.map(|id| id.0);
    let found = match filter.check {
        // By way of its events, which are few.
        Some(check) => {
            sqlx::query_scalar!(
                "select d.id from transitions t join deliveries d on d.event_id = t.id
                 where t.check_id = $1 and ($2::text is null or d.state = $2)
                     and ($3::uuid[] is null or d.receiver_id = any($3))
                     and ($4::timestamptz is null or d.created_at >= $4)
                     and ($5::uuid is null or (d.created_at, d.id)
                         < (select b.created_at, b.id from deliveries b where b.id = $5))
                 order by d.created_at desc, d.id desc limit $6",
                check.0,
                filter.state,
                receivers.as_deref(),
                filter.since,
                before,
                count,
            )
            .fetch_all(conn)
            .await
        }
        None => {
            sqlx::query_scalar!(
                "select d.id from deliveries d
                 where ($1::text is null or d.state = $1)
                     and (d.receiver_id = any($2) or ($2::uuid[] is null and not exists
                         (select from receivers r join projects p on p.id = r.project_id
                          where r.id = d.receiver_id and p.name = $6)))
                     and ($3::timestamptz is null or d.created_at >= $3)
                     and ($4::uuid is null or (d.created_at, d.id)
                         < (select b.created_at, b.id from deliveries b where b.id = $4))
                 order by d.created_at desc, d.id desc limit $5",
                filter.state,
                receivers.as_deref(),
                filter.since,
                before,
                count,
                CANARY_PROJECT,
            )
            .fetch_all(conn)
            .await
        }
    };
    let found = found.doing("find deliveries")?;
    Ok(found.into_iter().map(DeliveryId).collect())
}

/// Finds deliveries by their own ids and by those of their events, older than one if that is given:
/// the newest, at most `count`.
pub async fn delivery_named(
    conn: &mut PgConnection,
    ids: &[Uuid],
    before: Option<DeliveryId>,
    count: i64,
) -> Result<Vec<DeliveryId>, StoreError> {
    let found = sqlx::query_scalar!(
        r#"select d.id as "id!" from (
               select id, created_at from deliveries where id = any($1)
               union select id, created_at from deliveries where event_id = any($1)) d
           where $2::uuid is null or (d.created_at, d.id)
               < (select b.created_at, b.id from deliveries b where b.id = $2)
           order by d.created_at desc, d.id desc limit $3"#,
        ids,
        before.map(|id| id.0),
        count,
    )
    .fetch_all(conn)
    .await
    .doing("find deliveries by ids")?;
    Ok(found.into_iter().map(DeliveryId).collect())
}

/// Those of these receivers for which events wait, held or not, by their names, and how many.
pub async fn delivery_waiting(
    conn: &mut PgConnection,
    receivers: &[Uuid],
) -> Result<Vec<(String, i64)>, StoreError> {
    let rows = sqlx::query!(
        r#"select coalesce(r.address, '-') as "name!", count(*) as "waiting!"
           from deliveries d join receivers r on r.id = d.receiver_id
           where d.receiver_id = any($1) and d.state in ('pending', 'held')
           group by 1 order by 1"#,
        receivers,
    )
    .fetch_all(conn)
    .await
    .doing("count what waits for receivers")?;
    let waiting = rows.into_iter().map(|row| (row.name, row.waiting));
    Ok(waiting.collect())
}

/// Which of these ids are those of no delivery, and of no event of one.
pub async fn delivery_unknown(
    conn: &mut PgConnection,
    ids: &[Uuid],
) -> Result<Vec<Uuid>, StoreError> {
    sqlx::query_scalar!(
        r#"select a.id as "id!" from unnest($1::uuid[]) as a (id)
           where not exists (select from deliveries where id = a.id)
               and not exists (select from deliveries where event_id = a.id)"#,
        ids,
    )
    .fetch_all(conn)
    .await
    .doing("look for what is unknown")
}

/// Reads deliveries, newest first.
pub async fn delivery_read(
    conn: &mut PgConnection,
    ids: &[DeliveryId],
) -> Result<Vec<StoredDelivery>, StoreError> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    let rows = sqlx::query!(
        r#"select d.id, d.event_id, t.type as kind, t.resolved, d.receiver_id, p.name as project,
               r.address as "receiver_name?", r.url, r.deleted_at is not null as "removed!",
               s.bytes as spec, d.state,
               case when d.state <> 'pending' or d.reason <> '' then d.reason
                   when d.group_key = '*' and not d.gathered then 'waits for others'
                   when d.group_key <> '' and not d.gathered
                       then 'waits for others of ' || replace(d.group_key, chr(10), ', ')
                   when u.slowed_until > greatest(d.next_at, now())
                       then 'the receiver asked for time'
                   else '' end as "reason!",
               greatest(d.attempts, c.n) as "attempts!", d.created_at,
               greatest(d.next_at, u.slowed_until) as "next_at!",
               d.finished_at, c.until as "claimed_until?", d.replay_no,
               d.check_id, k.address as "check_address?", o.name as "check_project?",
               a.status as "status?", a.error as "error?", a.excerpt as "excerpt?",
               g.event_id as "superseded_by?", g.state as "superseded_state?",
               (select n.state from deliveries n where d.state = 'dead' and n.event_id = d.event_id
                   and n.receiver_id = d.receiver_id and n.replay_no > d.replay_no
                   order by n.replay_no desc limit 1) as again,
               (select f.event_id from deliveries f where d.state = 'pending' and d.replay_no = 0
                   and f.id = coalesce(
                       (select l.delivery_id from claims l where l.receiver_id = d.receiver_id
                           and l.lane = coalesce(d.check_id, d.receiver_id) and l.beside = $3
                           and l.delivery_id <> d.id),
                       (select e.id from deliveries e where e.receiver_id = d.receiver_id
                           and e.state = 'pending' and e.replay_no = 0
                           and coalesce(e.check_id, e.receiver_id)
                               = coalesce(d.check_id, d.receiver_id)
                           and (e.group_key = '' or e.gathered) and e.seq < d.seq
                           and (d.check_id is null or not r.collapse or d.frozen)
                           order by e.seq limit 1),
                       -- What went before of those that it is told with, one or a message of many.
                       (select m.id from deliveries m where m.receiver_id = d.receiver_id
                           and m.state = 'pending' and m.group_key = d.group_key
                           and m.gathered and d.group_key <> '' and not d.gathered
                           order by m.seq limit 1))) as after
           from deliveries d
           join transitions t on t.id = d.event_id
           join receivers r on r.id = d.receiver_id
           join projects p on p.id = r.project_id
           join specs s on s.id = r.spec_id
           left join claims c on c.delivery_id = d.id
           left join receiver_status u on u.receiver_id = d.receiver_id
           left join checks k on k.id = d.check_id
           left join projects o on o.id = k.project_id
           left join deliveries g on g.id = d.superseded_by
           left join lateral (select status, error, left(excerpt, $2) as excerpt from attempts
               where delivery_id = d.id and finished_at is not null order by n desc limit 1) a
               on true
           where d.id = any($1) order by d.created_at desc, d.id desc"#,
        &ids,
        EXCERPT,
        IN_ORDER,
    )
    .fetch_all(conn)
    .await
    .doing("read deliveries")?;
    let read = rows.into_iter().map(|row| StoredDelivery {
        id: DeliveryId(row.id),
        event: EventId(row.event_id),
        kind: row.kind,
        resolved: row.resolved,
        check: row.check_id.map(|id| {
            let project = row.check_project.unwrap_or_default();
            (CheckId(id), project, row.check_address.unwrap_or_default())
        }),
        receiver: ReceiverId(row.receiver_id),
        project: row.project,
        receiver_name: row.receiver_name,
        url: row.url,
        removed: row.removed,
        spec: row.spec,
        state: row.state,
        reason: row.reason,
        attempts: row.attempts,
        created_at: row.created_at,
        next_at: row.next_at,
        finished_at: row.finished_at,
        claimed_until: row.claimed_until,
        status: row.status,
        error: row.error,
        excerpt: row.excerpt,
        superseded: row.superseded_by.map(EventId).zip(row.superseded_state),
        after: row.after.map(EventId),
        again: row.again,
        replay: row.replay_no,
    });
    Ok(read.collect())
}

/// The newest attempts of each of these deliveries, oldest first.
pub async fn delivery_attempts(
    conn: &mut PgConnection,
    ids: &[DeliveryId],
) -> Result<HashMap<DeliveryId, Vec<StoredAttempt>>, StoreError> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    let rows = sqlx::query!(
        r#"select a.delivery_id as "delivery_id!", a.n as "n!", a.started_at as "started_at!", a.finished_at, a.status, a.error,
               left(a.excerpt, $2) as excerpt
           from unnest($1::uuid[]) as d (id)
           cross join lateral (
               (select delivery_id, n, started_at, finished_at, status, error, excerpt
                   from attempts where delivery_id = d.id order by n desc limit $3)
               union all
               select delivery_id, n, started_at, null, null, null, null
                   from claims where delivery_id = d.id) a
           order by a.delivery_id, a.n"#,
        &ids,
        EXCERPT,
        ATTEMPTS,
    )
    .fetch_all(conn)
    .await
    .doing("read attempts")?;
    let mut of: HashMap<DeliveryId, Vec<StoredAttempt>> = HashMap::new();
    for row in rows {
        let attempt = StoredAttempt {
            n: row.n,
            started_at: row.started_at,
            finished_at: row.finished_at,
            status: row.status,
            error: row.error,
            excerpt: row.excerpt,
        };
        of.entry(DeliveryId(row.delivery_id))
            .or_default()
            .push(attempt);
    }
    Ok(of)
}
