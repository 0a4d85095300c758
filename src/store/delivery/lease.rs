//! Leases: a claim lasts until its attempt has an end, or its worker has not renewed it. When that
//! is, the clock of Postgres alone says: those of two workers may differ by more than a lease.

use sqlx::PgConnection;
use uuid::Uuid;

use super::LEASE;
use crate::model::id::DeliveryId;
use crate::store::error::{Doing as _, StoreError};

/// Keeps the claims of what is still being sent.
pub async fn delivery_renew(
    conn: &mut PgConnection,
    worker: Uuid,
    deliveries: &[DeliveryId],
) -> Result<(), StoreError> {
    let ids: Vec<Uuid> = deliveries.iter().map(|id| id.0).collect();
    sqlx::query!(
        // What is being ended needs no lease, and nobody waits for it.
        "update claims set until = clock_timestamp() + make_interval(secs => $3)
         where (receiver_id, lane, beside) in (
             select receiver_id, lane, beside from claims
             where delivery_id = any($2) and worker = $1 for update skip locked)",
        worker,
        &ids,
        LEASE.as_secs_f64(),
    )
    .execute(conn)
    .await
    .doing("renew the leases of deliveries")?;
    Ok(())
}

/// Ends the claims that were not renewed, whosever they are, but for those of `worker` that it is
/// `sending`; at its orderly end, `None`, all that it has. Nobody knows how their attempts ended; what
/// they sent is frozen.
pub async fn delivery_lapse(
    conn: &mut PgConnection,
    worker: Uuid,
    sending: Option<&[DeliveryId]>,
) -> Result<(), StoreError> {
    let ends = sending.is_none();
    let sending: Vec<Uuid> = sending.into_iter().flatten().map(|id| id.0).collect();
    sqlx::query!(
        "with lapsed as (
             delete from claims where delivery_id in (
                 select delivery_id from claims
                 where case when worker = $1
                     then delivery_id <> all($2) and (until < clock_timestamp() or $3)
                     else until < clock_timestamp() end
                 for update skip locked)
             returning delivery_id, n, started_at, frozen),
         begun as (
             insert into attempts (delivery_id, n, started_at)
             select delivery_id, n, started_at from lapsed
             on conflict (delivery_id, n) do nothing)
         update deliveries d set attempts = greatest(d.attempts, l.n),
             first_attempt_at = coalesce(d.first_attempt_at, l.started_at),
             frozen = d.frozen or l.frozen
         from lapsed l where d.id = l.delivery_id",
        worker,
        &sending,
        ends,
    )
    .execute(conn)
    .await
    .doing("end the claims of workers that are gone")?;
    Ok(())
}
