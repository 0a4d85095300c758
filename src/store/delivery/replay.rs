//! What operators have sent: again what has ended, now what waits, and tests.

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::TEST;
use crate::model::id::{DeliveryId, EventId, ReceiverId};
use crate::store::error::{Doing as _, StoreError};

/// A query in which `OUTDATED` says of a delivery `d` to the receiver `r` that it is for one of alerts,
/// which is format 2, and tells of a check what something newer has told otherwise, itself or as a
/// message of several: an alert knows no order, and would begin or end what is so by now.
macro_rules! of_what_is_told {
    ($before:literal + OUTDATED + $after:literal, $($argument:expr),+ $(,)?) => {
        sqlx::query!(
            $before
                + r#"
                    (r.format = 2 and exists (
                        select from (
                            select d.event_id as id
                            union all
                            select m.event_id from deliveries g
                            join deliveries m on m.superseded_by = g.id
                            where d.check_id is null and g.event_id = d.event_id
                                and g.receiver_id = d.receiver_id) told
                        join transitions t on t.id = told.id
                        join transitions n on n.check_id = t.check_id and n.seq > t.seq and n.told
                            and (n.type = 'check.deleted' or case
                                when t.type in ('check.degraded', 'check.flapping')
                                    then n.type = t.type
                                else n.type not in ('check.degraded', 'check.flapping') end)))"#
                + $after,
            $($argument),+
        )
    };
}

/// The last delivery of an event to a receiver: what it was sent again by counts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Latest {
    pub id: DeliveryId,
    pub event: EventId,
    pub receiver: ReceiverId,
    pub project: String,
    /// `None`: a bare `webhook_url`.
    pub receiver_name: Option<String>,
    pub url: String,
    pub removed: bool,
    pub state: String,
    /// It is for a receiver of alerts, which say what is so now, and something newer was told since.
    pub is_outdated: bool,
}

/// What is sent again of what came since a moment.
#[derive(Clone, Debug)]
pub struct ReplayFilter<'a> {
    pub since: OffsetDateTime,
    /// Empty: what was delivered or given up.
    pub state: &'a str,
    /// To any of these.
    pub receivers: Option<&'a [ReceiverId]>,
}

/// One replay at a time: two that looked at once would send the same twice.
pub async fn replay_lock(conn: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::query!("select pg_advisory_xact_lock(hashtextextended('replay', 0))")
        .fetch_one(conn)
        .await
        .doing("wait for another replay")?;
    Ok(())
}

/// The last delivery of whatever these ids name, deliveries or events, to each receiver, or to
/// these; oldest first.
pub async fn replay_named(
    conn: &mut PgConnection,
    ids: &[Uuid],
    receivers: Option<&[ReceiverId]>,
) -> Result<Vec<Latest>, StoreError> {
    let receivers: Option<Vec<Uuid>> = receivers.map(|all| all.iter().map(|id| id.0).collect());
    let rows = of_what_is_told!(
        r#"with wanted as (
               select event_id, receiver_id from deliveries where id = any($1)
               union select event_id, receiver_id from deliveries where event_id = any($1)),
           latest as (
               select distinct on (d.event_id, d.receiver_id) d.* from wanted w
               join deliveries d on d.event_id = w.event_id and d.receiver_id = w.receiver_id
               where $2::uuid[] is null or d.receiver_id = any($2)
               order by d.event_id, d.receiver_id, d.replay_no desc)
           select d.id as "id!", d.event_id as "event_id!", d.receiver_id as "receiver_id!",
               d.state as "state!", p.name as project, r.address as "receiver_name?", r.url,
               r.deleted_at is not null as "removed!", "#
            + OUTDATED
            + r#" as "is_outdated!"
           from latest d
           join receivers r on r.id = d.receiver_id
           join projects p on p.id = r.project_id
           order by d.created_at, d.seq, d.id"#,
        ids,
        receivers.as_deref(),
    )
    .fetch_all(conn)
    .await
    .doing("find what is sent again")?;
    let found = rows.into_iter().map(|row| Latest {
        id: DeliveryId(row.id),
        event: EventId(row.event_id),
        receiver: ReceiverId(row.receiver_id),
        project: row.project,
        receiver_name: row.receiver_name,
        url: row.url,
        removed: row.removed,
        state: row.state,
        is_outdated: row.is_outdated,
    });
    Ok(found.collect())
}

/// The last deliveries of what came since a moment to receivers that are still there, and has ended
/// as the filter says; oldest first, `limit` at most. Tests come with no event, and what nobody
/// wants any more is left out, and alerts that say what is so no more.
pub async fn replay_since(
    conn: &mut PgConnection,
    filter: &ReplayFilter<'_>,
    limit: i64,
) -> Result<Vec<Latest>, StoreError> {
    let receivers = filter.receivers;
    let receivers: Option<Vec<Uuid>> = receivers.map(|all| all.iter().map(|id| id.0).collect());
    let rows = of_what_is_told!(
        r#"select d.id, d.event_id, d.receiver_id, d.state, p.name as project,
               r.address as "receiver_name?", r.url
           from deliveries d
           join deliveries o on o.event_id = d.event_id and o.receiver_id = d.receiver_id
               and o.replay_no = 0 and o.created_at >= $1
           join receivers r on r.id = d.receiver_id and r.deleted_at is null
           join projects p on p.id = r.project_id
           where d.created_at >= $1
               and (d.state = $2 or $2 = '' and d.state in ('delivered', 'dead'))
               and d.reason <> 'receiver removed'
               and ($3::uuid[] is null or d.receiver_id = any($3))
               and not exists (select from deliveries l where l.event_id = d.event_id
                   and l.receiver_id = d.receiver_id and l.replay_no > d.replay_no)
               and not "#
            + OUTDATED
            + r#"
           order by o.created_at, o.seq, o.id limit $4"#,
        filter.since,
        filter.state,
        receivers.as_deref(),
        limit,
    )
    .fetch_all(conn)
    .await
    .doing("find what is sent again since")?;
    let found = rows.into_iter().map(|row| Latest {
        id: DeliveryId(row.id),
        event: EventId(row.event_id),
        receiver: ReceiverId(row.receiver_id),
        project: row.project,
        receiver_name: row.receiver_name,
        url: row.url,
        removed: false,
        state: row.state,
        is_outdated: false,
    });
    Ok(found.collect())
}

/// Owes the events of these deliveries to their receivers once more, beside their order and each
/// with the body that was sent; but for receivers that are removed meanwhile. Returns the new
/// deliveries, in this order. The caller has the lock of replays.
///
/// A body that was frozen for another format than the receiver has now is made anew.
pub async fn replay_insert(
    conn: &mut PgConnection,
    deliveries: &[DeliveryId],
    now: OffsetDateTime,
) -> Result<Vec<DeliveryId>, StoreError> {
    let ids: Vec<Uuid> = deliveries.iter().map(|id| id.0).collect();
    // Whoever removes one waits, and then ends what is written here.
    sqlx::query!(
        "select id from receivers where deleted_at is null
             and id in (select receiver_id from deliveries where id = any($1)) for share",
        &ids,
    )
    .fetch_all(&mut *conn)
    .await
    .doing("lock receivers")?;
    let made = sqlx::query_scalar!(
        r#"with again as (
               select uuid_ordered($2) as id, d.event_id, d.receiver_id, d.check_id, d.seq, a.n,
                   (select max(m.replay_no) + 1 from deliveries m
                       where m.event_id = d.event_id and m.receiver_id = d.receiver_id) as replay_no,
                   d.frozen and not exists (select from bodies b where b.delivery_id = d.id)
                       as is_plain,
                   b.format, b.body, b.unheard
               from unnest($1::uuid[]) with ordinality as a (id, n)
               join deliveries d on d.id = a.id
               join receivers r on r.id = d.receiver_id and r.deleted_at is null
               -- What was said first, in whichever form.
               left join lateral (
                   select b.body, b.unheard, coalesce(b.format,
                       -- JSON begins with a brace, alerts with a bracket; protobuf with neither.
                       case substring(b.body from 1 for 1)
                           when '{' then 1 when '[' then 2 else 0 end) as format
                   from deliveries o join bodies b on b.delivery_id = o.id
                   where o.event_id = d.event_id and o.receiver_id = d.receiver_id
                   order by o.replay_no limit 1) b on true),
           made as (
               insert into deliveries (id, event_id, receiver_id, check_id, seq, replay_no, next_at,
                   created_at, frozen, fell_back)
               select id, event_id, receiver_id, check_id, seq, replay_no,
                   -- The older is sent first, as far as many are sent at once.
                   $2::timestamptz + n * interval '1 microsecond', $2,
                   body is not null or is_plain, true
               from again order by n
               returning id),
           of_bodies as (
               insert into bodies (delivery_id, format, body, unheard)
               select id, format, body, unheard from again where body is not null)
           select m.id from made m join again a on a.id = m.id order by a.n"#,
        &ids,
        now,
    )
    .fetch_all(conn)
    .await
    .doing("send deliveries again")?;
    Ok(made.into_iter().map(DeliveryId).collect())
}

/// Lets what waits for these receivers be sent now, but for what is being sent, whatever time they
/// asked for. Returns the events and, of each of their deliveries, the receiver.
pub async fn delivery_retry(
    conn: &mut PgConnection,
    receivers: &[ReceiverId],
    now: OffsetDateTime,
) -> Result<Vec<(EventId, ReceiverId)>, StoreError> {
    let ids: Vec<Uuid> = receivers.iter().map(|id| id.0).collect();
    let rows = sqlx::query!(
        "update deliveries set next_at = least(next_at, $2)
         where receiver_id = any($1) and state = 'pending'
             and not exists (select from claims c where c.delivery_id = deliveries.id)
         returning event_id, receiver_id",
        &ids,
        now,
    )
    .fetch_all(&mut *conn)
    .await
    .doing("send what waits")?;
    sqlx::query!(
        "update receiver_status set slowed_until = null
         where receiver_id = any($1) and slowed_until is not null",
        &ids,
    )
    .execute(conn)
    .await
    .doing("forget what time receivers asked for")?;
    let due = rows.into_iter();
    Ok(due
        .map(|row| (EventId(row.event_id), ReceiverId(row.receiver_id)))
        .collect())
}

/// An event that shows whether events arrive.
#[derive(Clone, Copy, Debug)]
pub struct NewTest<'a> {
    pub event: EventId,
    pub receiver: ReceiverId,
    /// The encoded event.
    pub payload: &'a [u8],
}

/// Owes a test to its receiver, beside the order of what else waits there; `None` if the receiver
/// is not there any more.
pub async fn test_insert(
    conn: &mut PgConnection,
    new: &NewTest<'_>,
    now: OffsetDateTime,
) -> Result<Option<DeliveryId>, StoreError> {
    let there = sqlx::query_scalar!(
        "select id from receivers where id = $1 and deleted_at is null for share",
        new.receiver.0,
    )
    .fetch_optional(&mut *conn)
    .await
    .doing("lock a receiver")?;
    if there.is_none() {
        return Ok(None);
    }
    sqlx::query!(
        "insert into transitions (id, type, seq, previous, next, at, told, payload)
         values ($1, $2, 0, 0, 0, $3, true, $4)",
        new.event.0,
        TEST,
        now,
        new.payload,
    )
    .execute(&mut *conn)
    .await
    .doing("store a test")?;
    let id = Uuid::now_v7();
    sqlx::query!(
        "insert into deliveries (id, event_id, receiver_id, seq, replay_no, next_at, created_at,
             fell_back)
         values ($1, $2, $3, 0, 1, $4, $4, true)",
        id,
        new.event.0,
        new.receiver.0,
        now,
    )
    .execute(conn)
    .await
    .doing("store the delivery of a test")?;
    Ok(Some(DeliveryId(id)))
}
