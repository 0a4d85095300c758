//! What the ends of attempts say of receivers: how long they take, and whether they do well.

use std::collections::BTreeMap;

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::finish::storable;
use super::{Attempted, Verdict};
use crate::model::webhook::answered;
use crate::store::error::{Doing as _, StoreError};

/// How long receivers took, for whoever asks for a check.
pub(super) async fn responses(
    conn: &mut PgConnection,
    ended: &[Attempted],
) -> Result<(), StoreError> {
    let delivered = ended.iter().filter(|it| it.verdict == Verdict::Delivered);
    let mut took: BTreeMap<(Uuid, Uuid), i64> = BTreeMap::new();
    for it in delivered {
        let Some(check) = it.check else { continue };
        let nanoseconds = i64::try_from(it.took.as_nanos()).unwrap_or(i64::MAX);
        took.insert((check.0, it.receiver.0), nanoseconds);
    }
    if took.is_empty() {
        return Ok(());
    }
    let checks: Vec<Uuid> = took.keys().map(|key| key.0).collect();
    let receivers: Vec<Uuid> = took.keys().map(|key| key.1).collect();
    let took: Vec<i64> = took.into_values().collect();
    sqlx::query!(
        "update check_receivers c set response_nanoseconds = e.took
         from unnest($1::uuid[], $2::uuid[], $3::bigint[]) as e (check_id, receiver_id, took)
         where c.check_id = e.check_id and c.receiver_id = e.receiver_id",
        &checks,
        &receivers,
        &took,
    )
    .execute(conn)
    .await
    .doing("store how long receivers took")?;
    Ok(())
}

/// What a batch says of one receiver.
#[derive(Default)]
struct Said {
    /// The first failure that no success followed.
    failing_since: Option<OffsetDateTime>,
    /// How many failed since the last success, and whether there was none.
    failures: i32,
    only_failures: bool,
    error: String,
    failed_at: Option<OffsetDateTime>,
    delivered_at: Option<OffsetDateTime>,
    gave_up_at: Option<OffsetDateTime>,
    slowed_until: Option<OffsetDateTime>,
}

impl Said {
    fn add(&mut self, it: &Attempted) {
        if it.verdict == Verdict::Delivered {
            self.failing_since = None;
            self.failures = 0;
            self.only_failures = false;
            self.delivered_at = Some(it.ended_at);
            self.slowed_until = None;
            return;
        }
        self.failing_since.get_or_insert(it.ended_at);
        self.failures += 1;
        self.failed_at = Some(it.ended_at);
        self.slowed_until = self.slowed_until.max(it.slowed_until);
        self.error = match (&it.error, it.status) {
            (Some(error), _) => storable(error),
            (None, Some(status)) => answered(status),
            (None, None) => "no answer".to_owned(),
        };
        if matches!(it.verdict, Verdict::Dead(_)) {
            self.gave_up_at = Some(it.ended_at);
        }
    }
}

/// How receivers do by now.
pub(super) async fn receivers(
    conn: &mut PgConnection,
    ended: impl Iterator<Item = &Attempted>,
) -> Result<(), StoreError> {
    let mut order: Vec<&Attempted> = ended.filter(|it| !it.is_test).collect();
    order.sort_by_key(|it| it.ended_at);
    // In the order of ids: two workers that write at once do not wait for each other in a circle.
    let mut by: BTreeMap<Uuid, Said> = BTreeMap::new();
    for it in order {
        let fresh = || Said {
            only_failures: true,
            ..Said::default()
        };
        by.entry(it.receiver.0).or_insert_with(fresh).add(it);
    }
    if by.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = by.keys().copied().collect();
    let of = by.values();
    let since: Vec<_> = of.clone().map(|it| it.failing_since).collect();
    let failures: Vec<i32> = of.clone().map(|it| it.failures).collect();
    let only: Vec<bool> = of.clone().map(|it| it.only_failures).collect();
    let errors: Vec<String> = of.clone().map(|it| it.error.clone()).collect();
    let failed: Vec<_> = of.clone().map(|it| it.failed_at).collect();
    let delivered: Vec<_> = of.clone().map(|it| it.delivered_at).collect();
    let gave_up: Vec<_> = of.clone().map(|it| it.gave_up_at).collect();
    let slowed: Vec<_> = of.map(|it| it.slowed_until).collect();
    sqlx::query!(
        "with e as (
             select * from unnest($1::uuid[], $2::timestamptz[], $3::integer[], $4::boolean[],
                     $5::text[], $6::timestamptz[], $7::timestamptz[], $8::timestamptz[],
                     $9::timestamptz[])
                 as e (id, since, failures, only_failures, error, failed_at, delivered_at,
                     gave_up_at, slowed_until)),
         updated as (
             update receiver_status s set
                 failing_since = case when e.only_failures
                     then coalesce(s.failing_since, e.since) else e.since end,
                 failures = e.failures + case when e.only_failures then s.failures else 0 end,
                 error = case when e.failed_at is null then s.error else e.error end,
                 failed_at = coalesce(e.failed_at, s.failed_at),
                 delivered_at = coalesce(e.delivered_at, s.delivered_at),
                 gave_up_at = coalesce(e.gave_up_at, s.gave_up_at),
                 -- What was under way as it asked for time has not seen that.
                 slowed_until = case when e.only_failures
                     then greatest(s.slowed_until, e.slowed_until) else e.slowed_until end
             from e where s.receiver_id = e.id
             returning s.receiver_id)
         insert into receiver_status (receiver_id, failing_since, failures, error, failed_at,
             delivered_at, gave_up_at, slowed_until)
         select e.id, e.since, e.failures, e.error, e.failed_at, e.delivered_at, e.gave_up_at,
             e.slowed_until
         from e where e.id not in (select receiver_id from updated)
         on conflict (receiver_id) do nothing",
        &ids,
        &since as &[Option<OffsetDateTime>],
        &failures,
        &only,
        &errors,
        &failed as &[Option<OffsetDateTime>],
        &delivered as &[Option<OffsetDateTime>],
        &gave_up as &[Option<OffsetDateTime>],
        &slowed as &[Option<OffsetDateTime>],
    )
    .execute(conn)
    .await
    .doing("store how receivers do")?;
    Ok(())
}
