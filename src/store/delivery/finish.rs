//! The ends of attempts: many in one transaction, with what they say of their receivers.

use std::collections::{BTreeMap, HashSet};

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::due::{beside, by_index, lane};
use super::{Attempted, Verdict};
use crate::store::error::{Doing as _, StoreError};

/// Writes how attempts ended and what becomes of their deliveries. Whoever lost a claim meanwhile
/// finishes only the attempt. Within a transaction that does nothing else.
pub async fn delivery_finish(
    conn: &mut PgConnection,
    worker: Uuid,
    ended: &[Attempted],
) -> Result<(), StoreError> {
    by_index(conn).await?;
    let ours = attempts(conn, worker, ended).await?;
    deliveries(conn, &ours, ended).await?;
    responses(conn, ended).await?;
    receivers(conn, ended).await
}

/// Stores attempts with their ends, and ends their claims; returns those that were ours until now.
/// Of another one its attempt is known already, and its end was not.
async fn attempts(
    conn: &mut PgConnection,
    worker: Uuid,
    ended: &[Attempted],
) -> Result<HashSet<Uuid>, StoreError> {
    let status = |it: &Attempted| it.status.and_then(|status| i16::try_from(status).ok());
    let ids: Vec<Uuid> = ended.iter().map(|it| it.delivery.0).collect();
    let numbers: Vec<i32> = ended.iter().map(|it| it.n).collect();
    let receivers: Vec<Uuid> = ended.iter().map(|it| it.receiver.0).collect();
    let lanes = ended.iter().map(|it| lane(it.receiver, it.check));
    let lanes: Vec<Uuid> = lanes.collect();
    let places = ended.iter().map(|it| beside(it.delivery, it.replay));
    let places: Vec<Uuid> = places.collect();
    let began: Vec<OffsetDateTime> = ended.iter().map(|it| it.ended_at - it.took).collect();
    let at: Vec<OffsetDateTime> = ended.iter().map(|it| it.ended_at).collect();
    let statuses: Vec<Option<i16>> = ended.iter().map(status).collect();
    let errors = ended.iter().map(|it| it.error.as_deref().map(storable));
    let errors: Vec<Option<String>> = errors.collect();
    let excerpts: Vec<String> = ended.iter().map(|it| storable(&it.excerpt)).collect();
    let ours = sqlx::query_scalar!(
        "with made as (
             insert into attempts (delivery_id, n, started_at, finished_at, status, error, excerpt)
             select * from unnest($2::uuid[], $3::integer[], $4::timestamptz[], $5::timestamptz[],
                 $6::smallint[], $7::text[], $8::text[])
             on conflict (delivery_id, n) do update set finished_at = excluded.finished_at,
                 status = excluded.status, error = excluded.error, excerpt = excluded.excerpt)
         delete from claims c
         using unnest($2::uuid[], $3::integer[], $9::uuid[], $10::uuid[], $11::uuid[])
             as e (id, n, receiver, lane, beside)
         where c.receiver_id = e.receiver and c.lane = e.lane and c.beside = e.beside
             and c.delivery_id = e.id and c.n = e.n and c.worker = $1
         returning c.delivery_id",
        worker,
        &ids,
        &numbers,
        &began,
        &at,
        &statuses as &[Option<i16>],
        &errors as &[Option<String>],
        &excerpts,
        &receivers,
        &lanes,
        &places,
    )
    .fetch_all(conn)
    .await
    .doing("finish attempts")?;
    Ok(ours.into_iter().collect())
}

/// What was received is delivered, whoever has claimed it now, whoever removed the receiver
/// meanwhile, and whatever went out instead. Everything else of an attempt that was not ours any
/// more is nobody's business: it may have been followed by another.
async fn deliveries(
    conn: &mut PgConnection,
    ours: &HashSet<Uuid>,
    ended: &[Attempted],
) -> Result<(), StoreError> {
    let of = || {
        ended
            .iter()
            .filter(|it| ours.contains(&it.delivery.0) || it.arrived())
    };
    let ids: Vec<Uuid> = of().map(|it| it.delivery.0).collect();
    let numbers: Vec<i32> = of().map(|it| it.n).collect();
    let began: Vec<OffsetDateTime> = of().map(|it| it.ended_at - it.took).collect();
    let at: Vec<OffsetDateTime> = of().map(|it| it.ended_at).collect();
    let again: Vec<Option<OffsetDateTime>> = of().map(|it| it.again_at).collect();
    let frozen: Vec<bool> = of().map(|it| it.frozen).collect();
    let (mut states, mut reasons, mut next) = (Vec::new(), Vec::new(), Vec::new());
    for it in of() {
        let (state, reason, next_at) = match &it.verdict {
            Verdict::Delivered => ("delivered", "", it.ended_at),
            Verdict::RetryAt(at) => ("pending", "", *at),
            Verdict::Dead(reason) => ("dead", reason.as_str(), it.ended_at),
        };
        states.push(state.to_owned());
        reasons.push(reason.to_owned());
        next.push(next_at);
    }
    sqlx::query!(
        "update deliveries d set state = e.state, reason = e.reason, next_at = e.next_at,
             finished_at = case when e.state = 'pending' then null else e.at end,
             again_at = e.again_at, attempts = greatest(d.attempts, e.n),
             first_attempt_at = coalesce(d.first_attempt_at, e.began),
             frozen = d.frozen or e.frozen
         from unnest($1::uuid[], $2::text[], $3::text[], $4::timestamptz[], $5::timestamptz[],
             $6::timestamptz[], $7::integer[], $8::timestamptz[], $9::boolean[])
             as e (id, state, reason, next_at, at, again_at, n, began, frozen)
         where d.id = e.id and (d.state = 'pending'
             or e.state = 'delivered' and (d.state = 'dead' or d.superseded_by is not null))",
        &ids,
        &states,
        &reasons,
        &next,
        &at,
        &again as &[Option<OffsetDateTime>],
        &numbers,
        &began,
        &frozen,
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
