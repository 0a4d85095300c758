//! The outbox: what waits for a receiver, who works on it, and how it ended.

use std::time::Duration;

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::error::{Doing as _, StoreError};
use super::project::project_sole;
use super::receiver::format_from;
use crate::model::desired::API_PROJECT;
use crate::model::id::{CheckId, DeliveryId, EventId, ReceiverId};
use crate::model::secret::SecretUse;
use crate::model::webhook::WebhookFormat;

/// How long a claim lasts unless it is renewed.
pub const LEASE: Duration = Duration::from_secs(6);

/// A delivery that is ours to attempt now.
#[derive(Clone, Debug)]
pub struct Claimed {
    pub id: DeliveryId,
    pub event: EventId,
    pub receiver: ReceiverId,
    pub check: Option<CheckId>,
    pub kind: String,
    pub at: OffsetDateTime,
    /// A URL, or the secret that it is: `secret("NAME")`.
    pub url: String,
    /// Whether its value may be used then.
    pub secrets: SecretUse,
    pub format: WebhookFormat,
    /// The check, as PROJECT/ADDRESS: for the log.
    pub subject: String,
    /// The receiver's name; when it has none, its host or the secret that it is.
    pub receiver_name: String,
    /// Number of this attempt, from 1.
    pub attempt: i32,
    pub first_attempt_at: OffsetDateTime,
    /// The encoded event.
    pub payload: Vec<u8>,
    /// What an earlier attempt sent, if there was one.
    pub body: Option<Vec<u8>>,
}

/// How an attempt ended.
#[derive(Clone, Debug)]
pub struct Attempted {
    pub status: Option<u16>,
    pub error: Option<String>,
    /// The beginning of the answer, at most 4 KiB.
    pub excerpt: String,
    pub took: Duration,
}

/// What becomes of the delivery.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    Delivered,
    RetryAt(OffsetDateTime),
    /// Nothing more is tried; the reason is shown.
    Dead(String),
}

/// Claims due deliveries, oldest first, for `worker`. Of what waits for one
/// receiver and check only the first in order can be claimed.
pub async fn delivery_claim(
    conn: &mut PgConnection,
    worker: Uuid,
    busy: &[ReceiverId],
    limit: i64,
    now: OffsetDateTime,
) -> Result<Vec<Claimed>, StoreError> {
    let busy: Vec<Uuid> = busy.iter().map(|id| id.0).collect();
    let rows = sqlx::query!(
        r#"with due as (
               select d.id from deliveries d
               where d.state = 'pending' and d.next_at <= $2 and d.receiver_id <> all($3)
                   and not exists (select from deliveries e
                       where e.receiver_id = d.receiver_id and e.check_id = d.check_id
                           and e.state = 'pending' and e.seq < d.seq
                           and e.replay_no = 0 and d.replay_no = 0)
               order by d.next_at limit $4 for update skip locked),
           claimed as (
               update deliveries d set lease = $1, next_at = $2 + make_interval(secs => $5),
                   attempts = attempts + 1, first_attempt_at = coalesce(first_attempt_at, $2)
               from due where d.id = due.id
               returning d.*)
           select c.id, c.event_id, c.receiver_id, c.check_id, c.attempts, c.body,
               c.first_attempt_at as "first_attempt_at!", t.type as kind, t.at, t.payload,
               r.url, r.format, r.address as receiver_name, o.name as receiver_project,
               coalesce(p.name || '/' || k.address, '') as "subject!"
           from claimed c
           join transitions t on t.id = c.event_id
           join receivers r on r.id = c.receiver_id
           join projects o on o.id = r.project_id
           left join checks k on k.id = c.check_id
           left join projects p on p.id = k.project_id"#,
        worker,
        now,
        &busy,
        limit,
        LEASE.as_secs_f64(),
    )
    .fetch_all(&mut *conn)
    .await
    .doing("claim deliveries")?;
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let sole = project_sole(conn).await?;
    rows.into_iter()
        .map(|row| {
            let declared = row.receiver_project != API_PROJECT;
            let project = row.receiver_project.as_str().into();
            Ok(Claimed {
                id: DeliveryId(row.id),
                event: EventId(row.event_id),
                receiver: ReceiverId(row.receiver_id),
                check: row.check_id.map(CheckId),
                kind: row.kind,
                at: row.at,
                subject: row.subject,
                receiver_name: row.receiver_name.unwrap_or_else(|| host(&row.url)),
                url: row.url,
                secrets: SecretUse::of(&project, declared, sole.as_deref()),
                format: format_from(row.format)?,
                attempt: row.attempts,
                first_attempt_at: row.first_attempt_at,
                payload: row.payload,
                body: row.body,
            })
        })
        .collect()
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

/// Freezes bodies and writes the attempts before anything is sent: what then
/// has no end is known to have been begun.
pub async fn delivery_begin(
    conn: &mut PgConnection,
    claimed: &[(DeliveryId, i32, &[u8])],
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    let ids: Vec<Uuid> = claimed.iter().map(|c| c.0.0).collect();
    let numbers: Vec<i32> = claimed.iter().map(|c| c.1).collect();
    let bodies: Vec<Vec<u8>> = claimed.iter().map(|c| c.2.to_vec()).collect();
    sqlx::query!(
        "update deliveries d set body = n.body from unnest($1::uuid[], $2::bytea[]) as n (id, body)
         where d.id = n.id and d.body is null",
        &ids,
        &bodies,
    )
    .execute(&mut *conn)
    .await
    .doing("freeze the bodies of deliveries")?;
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

/// Writes how an attempt ended and what becomes of its delivery. Whoever lost
/// the lease meanwhile finishes only the attempt.
pub async fn delivery_finish(
    conn: &mut PgConnection,
    worker: Uuid,
    claimed: &Claimed,
    attempted: &Attempted,
    verdict: &Verdict,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    sqlx::query!(
        "update attempts set finished_at = $3, status = $4, error = $5, excerpt = $6
         where delivery_id = $1 and n = $2",
        claimed.id.0,
        claimed.attempt,
        now,
        attempted
            .status
            .and_then(|status| i16::try_from(status).ok()),
        attempted.error.as_deref().map(storable),
        storable(&attempted.excerpt),
    )
    .execute(&mut *conn)
    .await
    .doing("finish an attempt")?;
    let (state, reason, next_at) = match verdict {
        Verdict::Delivered => ("delivered", "", now),
        Verdict::RetryAt(at) => ("pending", "", *at),
        Verdict::Dead(reason) => ("dead", reason.as_str(), now),
    };
    // What was received is delivered, whoever has the lease now, and whoever removed the
    // receiver meanwhile.
    sqlx::query!(
        "update deliveries set state = $3, reason = $4, next_at = $5, lease = null,
             finished_at = case when $3 = 'pending' then null else $6::timestamptz end
         where id = $1 and (state = 'pending' and lease = $2
             or state in ('pending', 'dead') and $3 = 'delivered')",
        claimed.id.0,
        worker,
        state,
        reason,
        next_at,
        now,
    )
    .execute(&mut *conn)
    .await
    .doing("finish a delivery")?;
    if *verdict == Verdict::Delivered {
        sqlx::query!(
            "update check_receivers set response_nanoseconds = $3
             where check_id = $1 and receiver_id = $2",
            claimed.check.map(|id| id.0),
            claimed.receiver.0,
            i64::try_from(attempted.took.as_nanos()).unwrap_or(i64::MAX),
        )
        .execute(conn)
        .await
        .doing("store how long a receiver took")?;
    }
    Ok(())
}

/// What others said, as Postgres can store it: an attempt whose end cannot be
/// written down would be repeated for ever.
fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
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

/// How many deliveries are in each state that needs somebody, and the age of
/// the oldest that is due, in seconds. Whoever removes a receiver wants nothing
/// more to be sent there: that needs nobody.
pub async fn delivery_counts(
    conn: &mut PgConnection,
    now: OffsetDateTime,
) -> Result<DeliveryCounts, StoreError> {
    let row = sqlx::query!(
        r#"select count(*) filter (where state = 'pending') as "pending!",
               count(*) filter (where state = 'held') as "held!",
               count(*) filter (where state = 'dead' and reason <> 'receiver removed') as "dead!",
               coalesce(extract(epoch from $1 - min(created_at) filter (where state = 'pending')), 0)
                   ::double precision as "oldest!",
               (select count(*) from trials where suspect_at is not null and over_at is null)
                   as "suspect!"
           from deliveries where state in ('pending', 'held', 'dead')"#,
        now,
    )
    .fetch_one(conn)
    .await
    .doing("count deliveries")?;
    Ok(DeliveryCounts {
        pending: row.pending,
        held: row.held,
        dead: row.dead,
        oldest_seconds: row.oldest,
        suspect: row.suspect,
    })
}

/// What waits and what was given up.
#[derive(Clone, Copy, Debug, Default)]
pub struct DeliveryCounts {
    pub pending: i64,
    /// Something holds them back.
    pub held: i64,
    /// But for those whose receiver was removed.
    pub dead: i64,
    /// Age of the oldest that waits.
    pub oldest_seconds: f64,
    /// Generations that are suspect: what their checks would tell is held.
    pub suspect: i64,
}
