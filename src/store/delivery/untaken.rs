//! What could have been sent long ago, and nobody took: no worker runs.

use std::time::Duration;

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::due::delivery_due;
use crate::model::id::ReceiverId;
use crate::store::error::{Doing as _, StoreError};

/// Of one receiver no more are counted, and of all some times as many.
pub const UNTAKEN_COUNTED: i64 = 100;
const LOOK: (i64, i64) = (UNTAKEN_COUNTED, 10 * UNTAKEN_COUNTED);

/// Deliveries that nobody takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Untaken {
    /// As far as they are counted.
    pub many: i64,
    /// When the first of them was due.
    pub since: OffsetDateTime,
}

/// Finds what could have been sent at this moment, while no worker sends anything: what is due, what
/// is told together and was not gathered, what somebody claimed and never finished, and alerts that
/// are not posted again, so often as that is. Within a transaction by index.
pub async fn delivery_untaken(
    conn: &mut PgConnection,
    at: OffsetDateTime,
    every: Duration,
) -> Result<Option<Untaken>, StoreError> {
    // It has claimed something, or has just written down how it ended.
    let sends = sqlx::query_scalar!(
        r#"select exists (select from claims where until > clock_timestamp())
               or exists (select from receiver_status
                   where greatest(delivered_at, failed_at) > $1) as "sends!""#,
        at,
    )
    .fetch_one(&mut *conn)
    .await
    .doing("find whether a worker sends")?;
    if sends {
        return Ok(None);
    }
    let due = delivery_due(conn, ReceiverId(Uuid::nil()), &[], LOOK, at).await?;
    let due: Vec<Uuid> = due.iter().map(|it| it.id.0).collect();
    let found = sqlx::query!(
        r#"select count(*) as "many!", min(next_at) as since from (
             select id, next_at from deliveries where id = any($1) and state = 'pending'
             union
             select d.id, d.next_at from deliveries d
             where d.state = 'pending' and d.group_key <> '' and d.next_at <= $2
                 and not d.gathered and not exists (select from deliveries g
                     where g.state = 'pending' and g.group_key <> ''
                         and uuid_hash_extended(g.receiver_id, 2) # hashtextextended(g.group_key, 3)
                             = uuid_hash_extended(d.receiver_id, 2)
                                 # hashtextextended(d.group_key, 3)
                         and g.gathered)
             union
             select d.id, d.next_at from claims c join deliveries d on d.id = c.delivery_id
             where c.until <= $2 and d.state = 'pending'
             union
             -- Alerts that end unless they are posted again, if none was taken to be since then.
             select id, again_at from deliveries
             where again_at <= $2 and not exists (select from deliveries
                 where again_at > $2 + make_interval(secs => $3))) waiting"#,
        &due,
        at,
        every.as_secs_f64(),
    )
    .fetch_one(conn)
    .await
    .doing("find what nobody takes")?;
    let untaken = found.since.map(|since| Untaken {
        many: found.many,
        since,
    });
    Ok(untaken)
}
