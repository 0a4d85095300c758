//! Leases: a claim lasts until its attempt has an end, or its worker has not renewed it.

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::LEASE;
use crate::model::id::DeliveryId;
use crate::store::error::{Doing as _, StoreError};

/// Keeps the claims of what is still being sent.
pub async fn delivery_renew(
    conn: &mut PgConnection,
    worker: Uuid,
    deliveries: &[DeliveryId],
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    let ids: Vec<Uuid> = deliveries.iter().map(|id| id.0).collect();
    sqlx::query!(
        "update claims set until = $3::timestamptz + make_interval(secs => $4)
         where delivery_id = any($2) and worker = $1",
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

/// Ends the claims that were not renewed, whosever they are, and all that `worker` has: it gives
/// them back at an orderly end. Nobody knows how their attempts ended; what they sent is frozen.
pub async fn delivery_lapse(
    conn: &mut PgConnection,
    worker: Option<Uuid>,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    sqlx::query!(
        "with lapsed as (
             delete from claims where delivery_id in (
                 select delivery_id from claims where until < $1 or worker = $2
                 order by delivery_id for update skip locked)
             returning delivery_id, n, started_at),
         begun as (
             insert into attempts (delivery_id, n, started_at)
             select delivery_id, n, started_at from lapsed
             on conflict (delivery_id, n) do nothing)
         update deliveries d set attempts = greatest(d.attempts, l.n),
             first_attempt_at = coalesce(d.first_attempt_at, l.started_at),
             frozen = d.frozen or exists (select from bodies b where b.delivery_id = d.id)
         from lapsed l where d.id = l.delivery_id",
        now,
        worker,
    )
    .execute(conn)
    .await
    .doing("end the claims of workers that are gone")?;
    Ok(())
}
