//! What does not arrive goes to the fallback of its receiver, too.

use std::time::Duration;

use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::model::id::EventId;
use crate::store::error::{Doing as _, StoreError};
use uuid::Uuid;

/// How long an event may not have arrived before the fallback gets it.
const PATIENCE: Duration = Duration::from_secs(120);

/// Owes to fallbacks what has not arrived at their receivers for two minutes, and at once what
/// was given up; at most `limit` at a time. Returns the events, and whether there may be more.
///
/// A fallback gets what its receiver was to get, whatever its own `events` name; but one of the
/// original form cannot be told what that does not know. What was there already stays as it is.
pub async fn fallback_insert(
    conn: &mut PgConnection,
    limit: i64,
    now: OffsetDateTime,
) -> Result<(Vec<EventId>, bool), StoreError> {
    let late = sqlx::query!(
        r#"select d.id, d.event_id, d.check_id, d.seq, f.id as fallback
           from deliveries d
           join receivers r on r.id = d.receiver_id
           join receivers f on f.project_id = r.project_id and f.address = r.fallback
               and f.deleted_at is null and f.id <> r.id
           where not d.fell_back and d.replay_no = 0 and r.deleted_at is null
               and (d.state = 'dead' or d.state = 'pending'
                   and coalesce(d.waits_since, d.first_attempt_at, d.next_at) <= $1)
           order by d.created_at limit $2 for update of d skip locked"#,
        now - PATIENCE,
        limit,
    )
    .fetch_all(&mut *conn)
    .await
    .doing("find what does not arrive")?;
    let more = i64::try_from(late.len()).is_ok_and(|found| found >= limit);
    let ids: Vec<Uuid> = late.iter().map(|row| row.id).collect();
    let events: Vec<Uuid> = late.iter().map(|row| row.event_id).collect();
    let checks: Vec<Option<Uuid>> = late.iter().map(|row| row.check_id).collect();
    let seqs: Vec<i64> = late.iter().map(|row| row.seq).collect();
    let fallbacks: Vec<Uuid> = late.iter().map(|row| row.fallback).collect();
    // What was given up has no fallback that has not got it by now.
    sqlx::query!(
        "update deliveries d set fell_back = true
         where not d.fell_back and (d.id = any($1) or d.state = 'dead' and not exists (
             select from receivers r join receivers f on f.project_id = r.project_id
                 and f.address = r.fallback and f.deleted_at is null and f.id <> r.id
             where r.id = d.receiver_id and r.deleted_at is null))",
        &ids,
    )
    .execute(&mut *conn)
    .await
    .doing("note what fell back")?;
    if late.is_empty() {
        return Ok((Vec::new(), false));
    }
    let owed = sqlx::query_scalar!(
        "insert into deliveries (id, event_id, receiver_id, check_id, seq, next_at, created_at)
         select distinct on (e.event_id, e.fallback)
             gen_random_uuid(), e.event_id, e.fallback, e.check_id, e.seq, $6, $6
         from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bigint[], $5::uuid[])
             as e (id, event_id, check_id, seq, fallback)
         join transitions t on t.id = e.event_id
         join receivers f on f.id = e.fallback
         where f.format <> 0 or t.type in ('check.up', 'check.down', 'check.error')
             or t.type = any(string_to_array(f.events, ' '))
         on conflict (event_id, receiver_id, replay_no) do nothing
         returning event_id",
        &ids,
        &events,
        &checks as &[Option<Uuid>],
        &seqs,
        &fallbacks,
        now,
    )
    .fetch_all(conn)
    .await
    .doing("owe events to fallbacks")?;
    Ok((owed.into_iter().map(EventId).collect(), more))
}
