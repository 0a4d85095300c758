//! The ends of attempts: many in one transaction.

use std::collections::{BTreeMap, HashSet};

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::due::{beside, lane};
use super::said::{receivers, responses};
use super::{Attempted, Verdict};
use crate::store::error::{Doing as _, StoreError};

/// Writes how attempts ended and what becomes of their deliveries. Whoever lost a claim meanwhile
/// finishes only the attempt. Within a transaction by index.
pub async fn delivery_finish(
    conn: &mut PgConnection,
    worker: Uuid,
    ended: &[Attempted],
) -> Result<(), StoreError> {
    let claims = Claims::of(ended);
    let ours = ours(conn, worker, &claims).await?;
    attempts(conn, ended).await?;
    // In the order of whoever replaces a receiver: its checks, what waits for it, and what of that
    // is claimed.
    responses(conn, ended).await?;
    deliveries(conn, &ours, &decisive(&ours, ended)).await?;
    unclaim(conn, worker, &claims).await?;
    // What a worker that was frozen got no answer to says nothing of the receiver.
    let told = |it: &&Attempted| {
        let is_answer = it.status.is_some() || it.slowed_until.is_some();
        is_answer || it.arrived() || ours.contains(&attempt(it))
    };
    receivers(conn, ended.iter().filter(told)).await
}

/// An attempt: its delivery, and its number there.
type Attempt = (Uuid, i32);

fn attempt(it: &Attempted) -> Attempt {
    (it.delivery.0, it.n)
}

/// The claims of attempts, as Postgres takes them.
struct Claims {
    ids: Vec<Uuid>,
    numbers: Vec<i32>,
    receivers: Vec<Uuid>,
    lanes: Vec<Uuid>,
    places: Vec<Uuid>,
}

impl Claims {
    fn of(ended: &[Attempted]) -> Self {
        let each = ended.iter();
        Self {
            ids: each.clone().map(|it| it.delivery.0).collect(),
            numbers: each.clone().map(|it| it.n).collect(),
            receivers: each.clone().map(|it| it.receiver.0).collect(),
            lanes: each.clone().map(|it| lane(it.receiver, it.check)).collect(),
            places: each.map(|it| beside(it.delivery, it.replay)).collect(),
        }
    }
}

/// Which of these are claimed by us still. Whoever takes one for lost meanwhile only notes that it
/// was begun.
async fn ours(
    conn: &mut PgConnection,
    worker: Uuid,
    claims: &Claims,
) -> Result<HashSet<Attempt>, StoreError> {
    let ours = sqlx::query!(
        "select c.delivery_id, c.n
         from unnest($2::uuid[], $3::integer[], $4::uuid[], $5::uuid[], $6::uuid[])
             as e (id, n, receiver, lane, beside)
         join claims c on c.receiver_id = e.receiver and c.lane = e.lane and c.beside = e.beside
             and c.delivery_id = e.id and c.n = e.n and c.worker = $1",
        worker,
        &claims.ids,
        &claims.numbers,
        &claims.receivers,
        &claims.lanes,
        &claims.places,
    )
    .fetch_all(conn)
    .await
    .doing("find claims that end")?;
    Ok(ours.into_iter().map(|it| (it.delivery_id, it.n)).collect())
}

/// Ends those of these that are ours still.
async fn unclaim(conn: &mut PgConnection, worker: Uuid, claims: &Claims) -> Result<(), StoreError> {
    sqlx::query!(
        "delete from claims c
         using unnest($2::uuid[], $3::integer[], $4::uuid[], $5::uuid[], $6::uuid[])
             as e (id, n, receiver, lane, beside)
         where c.receiver_id = e.receiver and c.lane = e.lane and c.beside = e.beside
             and c.delivery_id = e.id and c.n = e.n and c.worker = $1",
        worker,
        &claims.ids,
        &claims.numbers,
        &claims.receivers,
        &claims.lanes,
        &claims.places,
    )
    .execute(conn)
    .await
    .doing("end claims")?;
    Ok(())
}

/// Stores attempts with their ends. Of one that was not ours any more it may be known already that
/// it was begun.
async fn attempts(conn: &mut PgConnection, ended: &[Attempted]) -> Result<(), StoreError> {
    // In one order, as whatever many write at once.
    let each: BTreeMap<Attempt, &Attempted> = ended.iter().map(|it| (attempt(it), it)).collect();
    let each = || each.values().copied();
    let status = |it: &Attempted| it.status.and_then(|status| i16::try_from(status).ok());
    let ids: Vec<Uuid> = each().map(|it| it.delivery.0).collect();
    let numbers: Vec<i32> = each().map(|it| it.n).collect();
    let began: Vec<OffsetDateTime> = each().map(|it| it.ended_at - it.took).collect();
    let at: Vec<OffsetDateTime> = each().map(|it| it.ended_at).collect();
    let statuses: Vec<Option<i16>> = each().map(status).collect();
    let errors = each().map(|it| it.error.as_deref().map(storable));
    let errors: Vec<Option<String>> = errors.collect();
    let excerpts: Vec<String> = each().map(|it| storable(&it.excerpt)).collect();
    sqlx::query!(
        "insert into attempts (delivery_id, n, started_at, finished_at, status, error, excerpt)
         select * from unnest($1::uuid[], $2::integer[], $3::timestamptz[], $4::timestamptz[],
             $5::smallint[], $6::text[], $7::text[])
         on conflict (delivery_id, n) do update set finished_at = excluded.finished_at,
             status = excluded.status, error = excluded.error, excerpt = excluded.excerpt",
        &ids,
        &numbers,
        &began,
        &at,
        &statuses as &[Option<i16>],
        &errors as &[Option<String>],
        &excerpts,
    )
    .execute(conn)
    .await
    .doing("store attempts")?;
    Ok(())
}

/// What decides on each delivery: that it arrived, if it did, or else what was ours. Everything
/// else of an attempt that was not ours any more is nobody's business: it may have been followed by
/// another.
fn decisive<'a>(ours: &HashSet<Attempt>, ended: &'a [Attempted]) -> Vec<&'a Attempted> {
    let mut of: BTreeMap<Uuid, &Attempted> = BTreeMap::new();
    for it in ended {
        if !it.arrived() && !ours.contains(&attempt(it)) {
            continue;
        }
        let decides = of.entry(it.delivery.0).or_insert(it);
        if (it.arrived(), it.n) > (decides.arrived(), decides.n) {
            *decides = it;
        }
    }
    of.into_values().collect()
}

/// What was received is delivered, whoever has claimed it now, whoever removed the receiver
/// meanwhile, and whatever went out instead.
async fn deliveries(
    conn: &mut PgConnection,
    ours: &HashSet<Attempt>,
    decisive: &[&Attempted],
) -> Result<(), StoreError> {
    let of = || decisive.iter().copied();
    let ids: Vec<Uuid> = of().map(|it| it.delivery.0).collect();
    let numbers: Vec<i32> = of().map(|it| it.n).collect();
    let began: Vec<OffsetDateTime> = of().map(|it| it.ended_at - it.took).collect();
    let at: Vec<OffsetDateTime> = of().map(|it| it.ended_at).collect();
    let again: Vec<Option<OffsetDateTime>> = of().map(|it| it.again_at).collect();
    // What was lost is frozen already, or goes to another receiver by now.
    let frozen = of().map(|it| it.frozen && ours.contains(&attempt(it)));
    let frozen: Vec<bool> = frozen.collect();
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
    let done = sqlx::query!(
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
    .execute(&mut *conn)
    .await
    .doing("finish deliveries")?;
    if u64::try_from(ids.len()) == Ok(done.rows_affected()) {
        return Ok(());
    }
    // What has ended otherwise meanwhile was tried all the same.
    sqlx::query!(
        "update deliveries d set attempts = e.n,
             first_attempt_at = coalesce(d.first_attempt_at, e.began)
         from unnest($1::uuid[], $2::integer[], $3::timestamptz[]) as e (id, n, began)
         where d.id = e.id and d.attempts < e.n",
        &ids,
        &numbers,
        &began,
    )
    .execute(conn)
    .await
    .doing("count attempts")?;
    Ok(())
}

/// What others said, as Postgres can store it: an attempt whose end cannot be
/// written down would be repeated for ever.
pub(super) fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}
