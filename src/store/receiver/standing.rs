//! How receivers do, and which is meant by a name.

use sqlx::PgConnection;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::format_of;
use crate::model::desired::CANARY_PROJECT;
use crate::model::id::ReceiverId;
use crate::model::webhook::WebhookFormat;
use crate::store::delivery::TRIED_ONCE;
use crate::store::error::{Doing as _, StoreError};

/// How long what was given up is counted.
const RECENT: Duration = Duration::days(7);

/// Which receivers are meant. Whatever is given must fit.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReceiverName<'a> {
    pub project: Option<&'a str>,
    pub address: Option<&'a str>,
    pub id: Option<ReceiverId>,
}

/// A receiver that is meant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReceiverCalled {
    pub id: ReceiverId,
    pub project: String,
    /// `None`: a bare `webhook_url`.
    pub address: Option<String>,
    pub url: String,
    pub removed: bool,
    /// It asked for this much time.
    pub slowed_until: Option<OffsetDateTime>,
}

/// A receiver as it stands.
#[derive(Clone, Debug)]
pub struct ReceiverStanding {
    pub id: ReceiverId,
    pub project: String,
    /// `None`: a bare `webhook_url`.
    pub address: Option<String>,
    pub url: String,
    pub format: WebhookFormat,
    /// Types with spaces between; empty: what the format knows.
    pub events: String,
    pub collapse: bool,
    /// Empty: none.
    pub fallback: String,
    /// As it is stored.
    pub spec: Vec<u8>,
    pub checks: i64,
    pub waiting: i64,
    pub held: i64,
    /// Given up in the last seven days.
    pub dead: i64,
    pub failing_since: Option<OffsetDateTime>,
    pub failures: i32,
    /// How the last attempt failed.
    pub error: String,
    pub delivered_at: Option<OffsetDateTime>,
    pub slowed_until: Option<OffsetDateTime>,
}

/// The receivers that this may mean, those that are there first.
pub async fn receiver_called(
    conn: &mut PgConnection,
    name: ReceiverName<'_>,
) -> Result<Vec<ReceiverCalled>, StoreError> {
    let id: Option<Uuid> = name.id.map(|id| id.0);
    let rows = sqlx::query!(
        r#"select r.id, p.name as project, r.address, r.url,
               r.deleted_at is not null as "removed!", s.slowed_until as "slowed_until?"
           from receivers r
           join projects p on p.id = r.project_id
           left join receiver_status s on s.receiver_id = r.id
           where ($1::text is null or p.name = $1) and ($2::text is null or r.address = $2)
               and ($3::uuid is null or r.id = $3)
           order by r.deleted_at desc nulls first, p.name, r.id"#,
        name.project,
        name.address,
        id,
    )
    .fetch_all(conn)
    .await
    .doing("find a receiver")?;
    let called = rows.into_iter().map(|row| ReceiverCalled {
        id: ReceiverId(row.id),
        project: row.project,
        address: row.address,
        url: row.url,
        removed: row.removed,
        slowed_until: row.slowed_until,
    });
    Ok(called.collect())
}

/// How receivers do that are there, those that fail first, `limit` at most. Of those without a
/// name, the ones that something is to be said of; of canaries none but that of this project or id.
pub async fn receiver_standing(
    conn: &mut PgConnection,
    name: ReceiverName<'_>,
    limit: i64,
    now: OffsetDateTime,
) -> Result<Vec<ReceiverStanding>, StoreError> {
    let id: Option<Uuid> = name.id.map(|id| id.0);
    let rows = sqlx::query!(
        r#"with waiting as materialized (
               select receiver_id, count(*) as n from deliveries where state = 'pending'
               group by receiver_id),
           held as materialized (
               select receiver_id, count(*) as n from deliveries where state = 'held'
               group by receiver_id),
           dead as materialized (
               select receiver_id, count(*) as n from deliveries where state = 'dead'
                   and finished_at >= $4 and reason not in ('receiver removed', $5)
               group by receiver_id),
           told as materialized (
               select l.receiver_id, count(*) as n from check_receivers l
               join checks c on c.id = l.check_id and c.deleted_at is null
               group by l.receiver_id)
           select r.id, p.name as project, r.address, r.url, r.format, r.events, r.collapse,
               r.fallback, b.bytes as spec, coalesce(t.n, 0) as "checks!",
               coalesce(w.n, 0) as "waiting!", coalesce(h.n, 0) as "held!",
               coalesce(d.n, 0) as "dead!", s.failing_since as "failing_since?",
               s.failures as "failures?", s.error as "error?", s.delivered_at as "delivered_at?",
               s.slowed_until as "slowed_until?"
           from receivers r
           join projects p on p.id = r.project_id
           join specs b on b.id = r.spec_id
           left join receiver_status s on s.receiver_id = r.id
           left join told t on t.receiver_id = r.id
           left join waiting w on w.receiver_id = r.id
           left join held h on h.receiver_id = r.id
           left join dead d on d.receiver_id = r.id
           where r.deleted_at is null
               and (r.address is not null or coalesce(t.n, w.n, h.n, d.n) is not null)
               and (p.name = $1 or ($1::text is null and (p.name <> $7 or r.id = $3)))
               and ($2::text is null or r.address = $2)
               and ($3::uuid is null or r.id = $3)
           order by s.failing_since nulls last, p.name, r.address nulls last, r.id limit $6"#,
        name.project,
        name.address,
        id,
        now - RECENT,
        TRIED_ONCE,
        limit,
        CANARY_PROJECT,
    )
    .fetch_all(conn)
    .await
    .doing("read how receivers do")?;
    let standing = rows.into_iter().map(|row| ReceiverStanding {
        id: ReceiverId(row.id),
        project: row.project,
        address: row.address,
        url: row.url,
        format: format_of(row.format),
        events: row.events,
        collapse: row.collapse,
        fallback: row.fallback,
        spec: row.spec,
        checks: row.checks,
        waiting: row.waiting,
        held: row.held,
        dead: row.dead,
        failing_since: row.failing_since,
        failures: row.failures.unwrap_or_default(),
        error: row.error.unwrap_or_default(),
        delivered_at: row.delivered_at,
        slowed_until: row.slowed_until.filter(|until| *until > now),
    });
    Ok(standing.collect())
}
