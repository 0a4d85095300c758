//! The schedulers' feed: which checks must be looked at anew.

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::error::{Doing as _, StoreError};
use crate::model::id::{CheckId, ShardNo};

/// A place in the feed. Transactions below it have all ended.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Cursor {
    xid: i64,
    seq: i64,
}

impl Cursor {
    /// The first transaction whose entries may lie after it.
    pub(super) fn below(self) -> i64 {
        // The horizon comes before every entry of its transaction.
        self.xid + i64::from(self.seq > 0)
    }
}

/// One entry of the feed.
#[derive(Clone, Copy, Debug)]
pub struct Changed {
    pub cursor: Cursor,
    pub shard: ShardNo,
    pub check: CheckId,
}

/// Notes that checks changed; part of the transaction that changes them.
pub async fn change_note(conn: &mut PgConnection, checks: &[CheckId]) -> Result<(), StoreError> {
    let ids: Vec<Uuid> = checks.iter().map(|id| id.0).collect();
    let shards: Vec<i16> = checks.iter().map(|id| id.shard().0).collect();
    sqlx::query!(
        "insert into changes (shard, check_id)
         select shard, check_id from unnest($1::smallint[], $2::uuid[]) as c (shard, check_id)",
        &shards,
        &ids,
    )
    .execute(conn)
    .await
    .doing("note changed checks")?;
    Ok(())
}

/// Where the feed stands: whatever is read from now on is after it.
pub async fn change_horizon(conn: &mut PgConnection) -> Result<Cursor, StoreError> {
    let xid = sqlx::query_scalar!(
        r#"select pg_snapshot_xmin(pg_current_snapshot())::text::bigint as "xmin!""#
    )
    .fetch_one(conn)
    .await
    .doing("find the end of the change feed")?;
    Ok(Cursor { xid, seq: 0 })
}

/// What changed after the cursor, oldest first, at most `limit`.
///
/// Only transactions below the oldest running one are read: one that commits
/// late would otherwise be passed by.
pub async fn change_list(
    conn: &mut PgConnection,
    after: Cursor,
    limit: i64,
) -> Result<Vec<Changed>, StoreError> {
    let rows = sqlx::query!(
        r#"select xid::text::bigint as "xid!", seq, shard, check_id from changes
           where (xid, seq) > ($1::bigint::text::xid8, $2)
               and xid < pg_snapshot_xmin(pg_current_snapshot())
           order by changes.xid, seq limit $3"#,
        after.xid,
        after.seq,
        limit,
    )
    .fetch_all(conn)
    .await
    .doing("read the change feed")?;
    Ok(rows
        .into_iter()
        .map(|row| Changed {
            cursor: Cursor {
                xid: row.xid,
                seq: row.seq,
            },
            shard: ShardNo(row.shard),
            check: CheckId(row.check_id),
        })
        .collect())
}

/// Forgets what every scheduler has read long ago.
pub async fn change_forget(
    conn: &mut PgConnection,
    before: OffsetDateTime,
) -> Result<u64, StoreError> {
    let done = sqlx::query!("delete from changes where at < $1", before)
        .execute(conn)
        .await
        .doing("forget old changes")?;
    Ok(done.rows_affected())
}
