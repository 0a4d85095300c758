//! Receivers that fail, as those have to know who run the project.

use std::time::Duration;

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::delivery::TRIED_ONCE;
use super::error::{Doing as _, StoreError};
use super::project::ProjectId;
use crate::model::id::{EventId, ReceiverId};

/// How long a receiver may fail before somebody hears of it, and how often that is said again.
const PATIENCE: Duration = Duration::from_secs(120);
const AGAIN: Duration = Duration::from_secs(3600);

/// A receiver that fails, or does no more.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failing {
    pub receiver: ReceiverId,
    pub project: ProjectId,
    pub project_name: String,
    /// Its name; the host of one that has none.
    pub name: String,
    /// Of the first attempt that failed; `None`: it gets its events again, or was removed.
    pub since: Option<OffsetDateTime>,
    pub removed: bool,
    /// How the last attempt failed.
    pub error: String,
    /// Deliveries that wait for it, and those that were given up in this time.
    pub waiting: i64,
    pub given_up: i64,
    /// What told of it first, if it did.
    pub told_by: Option<EventId>,
}

/// Finds and locks receivers of which something is to be told now: that one fails for two minutes
/// or something was given up, that it still does after an hour, and that it does no more.
pub async fn failing_due(
    conn: &mut PgConnection,
    limit: i64,
    now: OffsetDateTime,
) -> Result<Vec<Failing>, StoreError> {
    let rows = sqlx::query!(
        r#"select s.receiver_id, s.failing_since, s.error, s.told_by, r.project_id,
               r.deleted_at is not null as "removed!", p.name as project,
               coalesce(r.address, split_part(regexp_replace(r.url, '^[a-z]+://([^/@]*@)?', ''), '/', 1))
                   as "name!",
               (select count(*) from deliveries d
                   where d.receiver_id = s.receiver_id and d.state = 'pending') as "waiting!",
               (select count(*) from deliveries d
                   where d.receiver_id = s.receiver_id and d.state = 'dead'
                       and d.finished_at >= s.failing_since and d.reason <> $4) as "given_up!"
           from receiver_status s
           join receivers r on r.id = s.receiver_id
           join projects p on p.id = r.project_id
           where (s.failing_since is not null or s.told_at is not null)
               and case when s.failing_since is null or r.deleted_at is not null
                   then s.told_at is not null
                   when s.told_at is null
                   then s.failing_since <= $1 or s.gave_up_at >= s.failing_since
                   else s.told_at <= $2 end
           order by s.receiver_id limit $3 for update of s skip locked"#,
        now - PATIENCE,
        now - AGAIN,
        limit,
        TRIED_ONCE,
    )
    .fetch_all(conn)
    .await
    .doing("find receivers that fail")?;
    let failing = rows.into_iter().map(|row| Failing {
        receiver: ReceiverId(row.receiver_id),
        project: ProjectId(row.project_id),
        project_name: row.project,
        name: row.name,
        since: row.failing_since.filter(|_| !row.removed),
        removed: row.removed,
        error: row.error,
        waiting: row.waiting,
        given_up: row.given_up,
        told_by: row.told_by.map(EventId),
    });
    Ok(failing.collect())
}

/// Remembers that it was told that a receiver fails, and by which event first; or that it was told
/// that it does no more.
pub async fn failing_told(
    conn: &mut PgConnection,
    failing: &Failing,
    event: Option<EventId>,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    let event: Option<Uuid> = event.map(|event| event.0);
    sqlx::query!(
        "update receiver_status set
             told_at = case when $2 then $4::timestamptz end,
             told_by = case when $2 then coalesce(told_by, $3) end,
             -- What was removed fails no more.
             failing_since = case when $2 then failing_since end
         where receiver_id = $1",
        failing.receiver.0,
        failing.since.is_some(),
        event,
        now,
    )
    .execute(conn)
    .await
    .doing("remember what was told of a receiver")?;
    Ok(())
}
