//! Answers to requests that carried a request id: a retry gets the same.

use sqlx::PgConnection;
use time::{Duration, OffsetDateTime};

use super::error::{Doing as _, StoreError};

/// How long an answer is kept.
const KEPT: Duration = Duration::days(1);

/// A request, as its sender names it.
#[derive(Clone, Copy, Debug)]
pub struct RequestKey<'a> {
    pub principal: &'a str,
    pub request_id: &'a str,
    pub method: &'a str,
}

/// What was stored for a request: its method and its answer.
pub async fn request_find(
    conn: &mut PgConnection,
    key: RequestKey<'_>,
) -> Result<Option<(String, Vec<u8>)>, StoreError> {
    // Two requests of one id at once: the second waits here for the first.
    sqlx::query!(
        "select pg_advisory_xact_lock(hashtextextended($1 || chr(10) || $2, 0))",
        key.principal,
        key.request_id,
    )
    .fetch_one(&mut *conn)
    .await
    .doing("lock a request id")?;
    let row = sqlx::query!(
        "select method, answer from requests where principal = $1 and request_id = $2",
        key.principal,
        key.request_id,
    )
    .fetch_optional(conn)
    .await
    .doing("find an earlier answer")?;
    Ok(row.map(|row| (row.method, row.answer)))
}

/// Keeps an answer, in the transaction that it reports.
pub async fn request_keep(
    conn: &mut PgConnection,
    key: RequestKey<'_>,
    answer: &[u8],
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into requests (principal, request_id, method, answer, expires)
         values ($1, $2, $3, $4, $5)",
        key.principal,
        key.request_id,
        key.method,
        answer,
        now + KEPT,
    )
    .execute(conn)
    .await
    .doing("keep an answer")?;
    Ok(())
}

/// Forgets expired answers.
pub async fn request_forget(
    conn: &mut PgConnection,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    sqlx::query!("delete from requests where expires < $1", now)
        .execute(conn)
        .await
        .doing("forget old answers")?;
    Ok(())
}
