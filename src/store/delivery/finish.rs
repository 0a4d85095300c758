//! The ends of attempts: many in one transaction, with what they say of their receivers.

use std::collections::BTreeMap;

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Attempted, Verdict};
use crate::store::error::{Doing as _, StoreError};

/// Writes how attempts ended and what becomes of their deliveries. Whoever lost a lease meanwhile
/// finishes only the attempt.
pub async fn delivery_finish(
    conn: &mut PgConnection,
    worker: Uuid,
    ended: &[Attempted],
) -> Result<(), StoreError> {
    attempts(conn, ended).await?;
    deliveries(conn, worker, ended).await?;
    responses(conn, ended).await?;
    receivers(conn, ended).await
}

async fn attempts(conn: &mut PgConnection, ended: &[Attempted]) -> Result<(), StoreError> {
    let status = |it: &Attempted| it.status.and_then(|status| i16::try_from(status).ok());
    let ids: Vec<Uuid> = ended.iter().map(|it| it.delivery.0).collect();
    let numbers: Vec<i32> = ended.iter().map(|it| it.n).collect();
    let at: Vec<OffsetDateTime> = ended.iter().map(|it| it.ended_at).collect();
    let statuses: Vec<Option<i16>> = ended.iter().map(status).collect();
    let errors = ended.iter().map(|it| it.error.as_deref().map(storable));
    let errors: Vec<Option<String>> = errors.collect();
    let excerpts: Vec<String> = ended.iter().map(|it| storable(&it.excerpt)).collect();
    sqlx::query!(
        "update attempts a set finished_at = e.at, status = e.status, error = e.error,
             excerpt = e.excerpt
         from unnest($1::uuid[], $2::integer[], $3::timestamptz[], $4::smallint[], $5::text[],
             $6::text[]) as e (id, n, at, status, error, excerpt)
         where a.delivery_id = e.id and a.n = e.n",
        &ids,
        &numbers,
        &at,
        &statuses as &[Option<i16>],
        &errors as &[Option<String>],
        &excerpts,
    )
    .execute(conn)
    .await
    .doing("finish attempts")?;
    Ok(())
}

async fn deliveries(
    conn: &mut PgConnection,
    worker: Uuid,
    ended: &[Attempted],
) -> Result<(), StoreError> {
    let mut ids = Vec::with_capacity(ended.len());
    let numbers: Vec<i32> = ended.iter().map(|it| it.n).collect();
    let (mut states, mut reasons) = (Vec::new(), Vec::new());
    let (mut next, mut at) = (Vec::new(), Vec::new());
    let again: Vec<Option<OffsetDateTime>> = ended.iter().map(|it| it.again_at).collect();
    for it in ended {
        let (state, reason, next_at) = match &it.verdict {
            Verdict::Delivered => ("delivered", "", it.ended_at),
            Verdict::RetryAt(at) => ("pending", "", *at),
            Verdict::Dead(reason) => ("dead", reason.as_str(), it.ended_at),
        };
        ids.push(it.delivery.0);
        states.push(state.to_owned());
        reasons.push(reason.to_owned());
        next.push(next_at);
        at.push(it.ended_at);
    }
    // Of an attempt that was written down already, and that nobody knew to be, nothing is written
    // again: it may have been followed by another. What was received is delivered, whoever has the lease now, whoever removed the receiver
    // meanwhile, and whatever went out instead.
    sqlx::query!(
        "update deliveries d set state = e.state, reason = e.reason, next_at = e.next_at,
             lease = null, finished_at = case when e.state = 'pending' then null else e.at end,
             again_at = e.again_at
         from unnest($2::uuid[], $3::text[], $4::text[], $5::timestamptz[], $6::timestamptz[],
             $7::timestamptz[], $8::integer[])
             as e (id, state, reason, next_at, at, again_at, n)
         where d.id = e.id and (d.state = 'pending' and d.lease = $1 and d.attempts = e.n
             or e.state = 'delivered'
                 and (d.state in ('pending', 'dead') or d.superseded_by is not null))",
        worker,
        &ids,
        &states,
        &reasons,
        &next,
        &at,
        &again as &[Option<OffsetDateTime>],
        &numbers,
    )
    .execute(conn)
    .await
    .doing("finish deliveries")?;
    Ok(())
}

/// How long receivers took, for whoever asks for a check.
async fn responses(conn: &mut PgConnection, ended: &[Attempted]) -> Result<(), StoreError> {
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
            (None, Some(status)) => format!("it answered {status}"),
            (None, None) => "no answer".to_owned(),
        };
        if matches!(it.verdict, Verdict::Dead(_)) {
            self.gave_up_at = Some(it.ended_at);
        }
    }
}

async fn receivers(conn: &mut PgConnection, ended: &[Attempted]) -> Result<(), StoreError> {
    let mut order: Vec<&Attempted> = ended.iter().filter(|it| !it.is_test).collect();
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
                 slowed_until = e.slowed_until
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

/// What others said, as Postgres can store it: an attempt whose end cannot be
/// written down would be repeated for ever.
fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}
