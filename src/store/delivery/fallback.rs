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
        r#"select d.id, f.id as fallback from deliveries d
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
    // What it tells itself, or, of a group, each of what that does; what it was sent instead of; and
    // what has happened since in the same incident, so that whoever hears of the opening hears of
    // the end.
    let owed = sqlx::query_scalar!(
        r#"with late as (
               select d.id, d.event_id, d.receiver_id, d.check_id, d.seq, d.group_key, t.type,
                   t.incident_id, f.id as fallback, f.format, f.events
               from unnest($1::uuid[], $2::uuid[]) as l (id, fallback)
               join deliveries d on d.id = l.id
               join transitions t on t.id = d.event_id
               join receivers f on f.id = l.fallback),
           owed as (
               select fallback, event_id, check_id, seq, group_key from late
               where type <> 'group'
               union
               select l.fallback, m.event_id, m.check_id, m.seq, l.group_key
               from late l join deliveries m on m.superseded_by = l.id
               union
               select l.fallback, x.event_id, x.check_id, x.seq, ''
               from late l
               join transitions n on n.incident_id = l.incident_id and n.seq > l.seq
               join deliveries x on x.event_id = n.id and x.receiver_id = l.receiver_id
                   and x.replay_no = 0 and x.state <> 'held')
           insert into deliveries (id, event_id, receiver_id, check_id, seq, next_at, created_at,
               group_key)
           select distinct on (o.event_id, o.fallback)
               gen_random_uuid(), o.event_id, o.fallback, o.check_id, o.seq, $3, $3,
               case f.format when 0 then '' else o.group_key end
           from owed o
           join transitions t on t.id = o.event_id
           join receivers f on f.id = o.fallback
           where f.format <> 0 or t.type in ('check.up', 'check.down', 'check.error')
               or t.type = any(string_to_array(f.events, ' '))
           on conflict (event_id, receiver_id, replay_no) do nothing
           returning event_id"#,
        &ids,
        &fallbacks,
        now,
    )
    .fetch_all(conn)
    .await
    .doing("owe events to fallbacks")?;
    Ok((owed.into_iter().map(EventId).collect(), more))
}
