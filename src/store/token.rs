//! Tokens: of the text only its hash is here. They are ended, never deleted, so
//! that audit can be read against them.

use sqlx::PgConnection;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::error::{Doing as _, StoreError};
use crate::model::id::TokenId;
use crate::model::scope::Scopes;
use crate::model::token::TokenHash;

/// How old `last_used_at` may be.
const COARSE: Duration = Duration::minutes(5);
/// How many ended tokens a list shows.
const ENDED: i64 = 1000;

/// A token to be written.
#[derive(Clone, Debug)]
pub struct NewToken<'a> {
    pub id: TokenId,
    pub hash: TokenHash,
    pub name: &'a str,
    pub scopes: &'a Scopes,
    pub created_by: &'a str,
    /// `None`: never.
    pub expires_at: Option<OffsetDateTime>,
}

/// A stored token. A scope that this program does not know allows nothing, and
/// is left out.
#[derive(Clone, Debug)]
pub struct StoredToken {
    pub id: TokenId,
    pub name: String,
    pub scopes: Scopes,
    pub created_at: OffsetDateTime,
    pub created_by: String,
    pub expires_at: Option<OffsetDateTime>,
    pub revoked_at: Option<OffsetDateTime>,
    pub last_used_at: Option<OffsetDateTime>,
}

struct Row {
    id: Uuid,
    name: String,
    scopes: Vec<String>,
    created_at: OffsetDateTime,
    created_by: String,
    expires_at: Option<OffsetDateTime>,
    revoked_at: Option<OffsetDateTime>,
    last_used_at: Option<OffsetDateTime>,
}

impl From<Row> for StoredToken {
    fn from(row: Row) -> Self {
        let known = row.scopes.iter().filter_map(|scope| scope.parse().ok());
        Self {
            id: TokenId(row.id),
            name: row.name,
            scopes: Scopes(known.collect()),
            created_at: row.created_at,
            created_by: row.created_by,
            expires_at: row.expires_at,
            revoked_at: row.revoked_at,
            last_used_at: row.last_used_at,
        }
    }
}

/// Makes a token. A live one of the same name is [`StoreError::NameTaken`]; one
/// that has expired is ended for it.
pub async fn token_create(
    conn: &mut PgConnection,
    new: &NewToken<'_>,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    sqlx::query!(
        "update tokens set revoked_at = expires_at
         where name = $1 and revoked_at is null and expires_at <= $2",
        new.name,
        now,
    )
    .execute(&mut *conn)
    .await
    .doing("end an expired token")?;
    let scopes: Vec<String> = new.scopes.0.iter().map(ToString::to_string).collect();
    let made = sqlx::query!(
        "insert into tokens (id, hash, name, scopes, created_at, created_by, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7)
         on conflict (name) where revoked_at is null do nothing",
        new.id.0,
        new.hash.0.as_slice(),
        new.name,
        &scopes,
        now,
        new.created_by,
        new.expires_at,
    )
    .execute(conn)
    .await
    .doing("store a token")?;
    if made.rows_affected() == 0 {
        return Err(StoreError::NameTaken(new.name.to_owned()));
    }
    Ok(())
}

/// How many tokens can be used.
pub async fn token_count(conn: &mut PgConnection, now: OffsetDateTime) -> Result<i64, StoreError> {
    sqlx::query_scalar!(
        r#"select count(*) as "count!" from tokens
           where revoked_at is null and (expires_at is null or expires_at > $1)"#,
        now,
    )
    .fetch_one(conn)
    .await
    .doing("count tokens")
}

/// The token of this hash, ended or not.
pub async fn token_find(
    conn: &mut PgConnection,
    hash: TokenHash,
) -> Result<Option<StoredToken>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        "select id, name, scopes, created_at, created_by, expires_at, revoked_at, last_used_at
         from tokens where hash = $1",
        hash.0.as_slice(),
    )
    .fetch_optional(conn)
    .await
    .doing("find a token")?;
    Ok(row.map(StoredToken::from))
}

/// Notes that a token was used, if that was not noted lately.
pub async fn token_used(
    conn: &mut PgConnection,
    token: &StoredToken,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    if token.last_used_at.is_some_and(|last| now - last < COARSE) {
        return Ok(());
    }
    sqlx::query!(
        "update tokens set last_used_at = $2 where id = $1",
        token.id.0,
        now
    )
    .execute(conn)
    .await
    .doing("note that a token was used")?;
    Ok(())
}

/// The tokens that can be used, newest first; with `ended` the newest others, too.
pub async fn token_list(
    conn: &mut PgConnection,
    ended: bool,
    now: OffsetDateTime,
) -> Result<Vec<StoredToken>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        r#"select id as "id!", name as "name!", scopes as "scopes!", created_at as "created_at!",
               created_by as "created_by!", expires_at, revoked_at, last_used_at
           from (
               (select * from tokens
                where revoked_at is null and (expires_at is null or expires_at > $2))
               union all
               (select * from tokens
                where $1 and not (revoked_at is null and (expires_at is null or expires_at > $2))
                order by created_at desc limit $3)
           ) as t
           order by created_at desc, id desc"#,
        ended,
        now,
        ENDED,
    )
    .fetch_all(conn)
    .await
    .doing("list tokens")?;
    Ok(rows.into_iter().map(StoredToken::from).collect())
}

/// The token of this id, or the one of this name that is not revoked; locked
/// until the transaction ends.
pub async fn token_lock(
    conn: &mut PgConnection,
    id_or_name: &str,
) -> Result<Option<StoredToken>, StoreError> {
    let id = id_or_name.parse::<TokenId>().ok().map(|id| id.0);
    let row = sqlx::query_as!(
        Row,
        "select id, name, scopes, created_at, created_by, expires_at, revoked_at, last_used_at
         from tokens where id = $1 or ($1 is null and name = $2 and revoked_at is null)
         for update",
        id,
        id_or_name,
    )
    .fetch_optional(conn)
    .await
    .doing("lock a token")?;
    Ok(row.map(StoredToken::from))
}

/// Ends a token.
pub async fn token_revoke(
    conn: &mut PgConnection,
    id: TokenId,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    sqlx::query!(
        "update tokens set revoked_at = $2 where id = $1 and revoked_at is null",
        id.0,
        now
    )
    .execute(conn)
    .await
    .doing("revoke a token")?;
    Ok(())
}
