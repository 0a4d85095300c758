//! Plans that were shown and may be applied by their token, and the lists of what is declared
//! that they were made from.

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::error::{Doing as _, StoreError};

/// A plan to be kept.
#[derive(Clone, Debug)]
pub struct NewPlan<'a> {
    pub token: &'a str,
    pub project: &'a str,
    pub principal: &'a str,
    pub request: &'a [u8],
    pub generation: i64,
    pub live_version: i64,
    pub digest: &'a [u8],
    /// Page after page.
    pub pages: &'a [Vec<u8>],
    pub at: OffsetDateTime,
}

/// A kept one.
#[derive(Clone, Debug)]
pub struct StoredPlan {
    pub project: String,
    /// Who asked for it.
    pub principal: String,
    pub request: Vec<u8>,
    pub generation: i64,
    pub live_version: i64,
    pub digest: Vec<u8>,
    pub created_at: OffsetDateTime,
    /// What the apply answered, if there was one.
    pub result: Option<Vec<u8>>,
}

/// Adds a part to an upload: this one, or the one after the last.
pub async fn upload_add(
    conn: &mut PgConnection,
    (id, part): (Uuid, Option<i32>),
    principal: &str,
    bytes: &[u8],
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into uploads (id, part, principal, bytes, created_at)
         select $1, coalesce($5, max(part) + 1, 0), $2, $3, $4 from uploads where id = $1
         on conflict (id, part) do update set bytes = excluded.bytes
             where uploads.principal = excluded.principal",
        id,
        principal,
        bytes,
        now,
        part,
    )
    .execute(conn)
    .await
    .doing("store a part of an upload")?;
    Ok(())
}

/// The parts of an upload of this principal, in order.
pub async fn upload_parts(
    conn: &mut PgConnection,
    id: Uuid,
    principal: &str,
) -> Result<Vec<Vec<u8>>, StoreError> {
    sqlx::query_scalar!(
        "select bytes from uploads where id = $1 and principal = $2 order by part",
        id,
        principal,
    )
    .fetch_all(conn)
    .await
    .doing("read an upload")
}

/// Keeps a plan.
pub async fn plan_create(conn: &mut PgConnection, new: &NewPlan<'_>) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into plans (token, project, principal, request, generation, live_version, digest,
             created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
        new.token,
        new.project,
        new.principal,
        new.request,
        new.generation,
        new.live_version,
        new.digest,
        new.at,
    )
    .execute(&mut *conn)
    .await
    .doing("keep a plan")?;
    sqlx::query!(
        "insert into plan_pages (token, page, bytes)
         select $1, n - 1, bytes from unnest($2::bytea[]) with ordinality as p (bytes, n)",
        new.token,
        new.pages,
    )
    .execute(conn)
    .await
    .doing("keep the pages of a plan")?;
    Ok(())
}

/// The plan of this token.
pub async fn plan_find(
    conn: &mut PgConnection,
    token: &str,
) -> Result<Option<StoredPlan>, StoreError> {
    sqlx::query_as!(
        StoredPlan,
        "select project, principal, request, generation, live_version, digest, created_at, result
         from plans where token = $1",
        token
    )
    .fetch_optional(conn)
    .await
    .doing("find a plan")
}

/// A page of a plan, from 1.
pub async fn plan_page(
    conn: &mut PgConnection,
    token: &str,
    page: i32,
) -> Result<Option<Vec<u8>>, StoreError> {
    sqlx::query_scalar!(
        "select bytes from plan_pages where token = $1 and page = $2",
        token,
        page
    )
    .fetch_optional(conn)
    .await
    .doing("read a page of a plan")
}

/// Keeps what applying a plan came to: part of the transaction that did it.
pub async fn plan_applied(
    conn: &mut PgConnection,
    token: &str,
    result: &[u8],
) -> Result<(), StoreError> {
    sqlx::query!(
        "update plans set result = $2 where token = $1",
        token,
        result
    )
    .execute(conn)
    .await
    .doing("keep the result of a plan")?;
    Ok(())
}

/// Forgets plans and uploads of before.
pub async fn plan_forget(
    conn: &mut PgConnection,
    before: OffsetDateTime,
) -> Result<u64, StoreError> {
    let plans = sqlx::query!("delete from plans where created_at < $1", before)
        .execute(&mut *conn)
        .await
        .doing("forget old plans")?;
    let uploads = sqlx::query!("delete from uploads where created_at < $1", before)
        .execute(conn)
        .await
        .doing("forget old uploads")?;
    Ok(plans.rows_affected() + uploads.rows_affected())
}
