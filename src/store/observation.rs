//! Observations, the state they lead to, and the evidence of what was not up.

use std::collections::HashMap;

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::error::{Doing as _, StoreError};
use crate::model::health::Health;
use crate::model::id::{CheckId, CheckNo, LocationId, SpecId};
use crate::model::observation::{ErrorClass, Observation, Outcome, Phases};
use crate::spec::recent;

/// What one probe of a check saw.
#[derive(Clone, Copy, Debug)]
pub struct NewObservation<'a> {
    pub check: CheckNo,
    /// From where.
    pub location: LocationId,
    pub seen: &'a Observation,
    /// It was due within maintenance.
    pub maintained: bool,
}

/// Stores what probes saw, in one statement.
pub async fn observation_insert(
    conn: &mut PgConnection,
    observations: &[NewObservation<'_>],
) -> Result<(), StoreError> {
    let seen = || observations.iter().map(|o| o.seen);
    let numbers: Vec<i64> = observations.iter().map(|o| o.check.0).collect();
    let at: Vec<OffsetDateTime> = seen().map(|o| o.scheduled_at).collect();
    let phase = |of: fn(&Observation) -> std::time::Duration| -> Vec<i32> {
        seen().map(|o| microseconds(of(o))).collect()
    };
    let outcomes: Vec<i16> = seen().map(|o| o.outcome.number()).collect();
    let classes: Vec<i16> = seen()
        .map(|o| o.class.map_or(0, |class| class.number()))
        .collect();
    let statuses: Vec<i16> = seen().map(status).collect();
    let locations: Vec<i16> = observations.iter().map(|o| o.location.0).collect();
    let maintained: Vec<bool> = observations.iter().map(|o| o.maintained).collect();
    sqlx::query!(
        "insert into observations (check_no, at, dns_us, connect_us, tls_us, write_us,
             first_byte_us, transfer_us, total_us, outcome, class, status,
             location, maintenance)
         select * from unnest($1::bigint[], $2::timestamptz[], $3::integer[], $4::integer[],
             $5::integer[], $6::integer[], $7::integer[], $8::integer[], $9::integer[],
             $10::smallint[], $11::smallint[], $12::smallint[], $13::smallint[],
             $14::boolean[])",
        &numbers,
        &at,
        &phase(|o| o.phases.dns),
        &phase(|o| o.phases.connect),
        &phase(|o| o.phases.tls),
        &phase(|o| o.phases.write),
        &phase(|o| o.phases.first_byte),
        &phase(|o| o.phases.transfer),
        &phase(|o| o.phases.total),
        &outcomes,
        &classes,
        &statuses,
        &locations,
        &maintained,
    )
    .execute(conn)
    .await
    .doing("store observations")?;
    Ok(())
}

/// How old the last probe of a stored state may become while observations say more: readers
/// look so far back, and no day of observations is dropped so soon.
pub const STATE_AGE: time::Duration = time::Duration::hours(1);

/// A check's state after its newest observation.
#[derive(Clone, Debug)]
pub struct StateRow<'a> {
    pub check: CheckId,
    /// What was asked.
    pub spec: SpecId,
    pub health: &'a Health,
    pub last: &'a Observation,
}

/// Stores states, in the order of ids, so that two writers cannot deadlock.
///
/// A state that an observation leaves as it was need not be stored again within
/// [`STATE_AGE`]: whoever reads a state takes its last probe from the observations since.
pub async fn state_update(
    conn: &mut PgConnection,
    states: &mut [StateRow<'_>],
) -> Result<(), StoreError> {
    states.sort_unstable_by_key(|row| row.check);
    let ids: Vec<Uuid> = states.iter().map(|s| s.check.0).collect();
    let numbers: Vec<i16> = states.iter().map(|s| s.health.state.number()).collect();
    let since: Vec<OffsetDateTime> = states.iter().map(|s| s.health.since).collect();
    let failures: Vec<i16> = states.iter().map(|s| s.health.failures.into()).collect();
    let successes: Vec<i16> = states.iter().map(|s| s.health.successes.into()).collect();
    let retold: Vec<bool> = states.iter().map(|s| s.health.retold).collect();
    let seqs: Vec<i64> = states.iter().map(|s| s.health.seq).collect();
    let incidents: Vec<Option<Uuid>> = states
        .iter()
        .map(|s| s.health.incident.map(|id| id.0))
        .collect();
    let quiet: Vec<bool> = states.iter().map(|s| s.health.quiet).collect();
    let degraded: Vec<bool> = states.iter().map(|s| s.health.degraded).collect();
    let flapping: Vec<i16> = states.iter().map(|s| s.health.flapping.number()).collect();
    let flips: Vec<i32> = states.iter().map(|s| s.health.flips.number()).collect();
    let told_at: Vec<Option<OffsetDateTime>> = states.iter().map(|s| s.health.told_at).collect();
    let unbelieved: Vec<Option<OffsetDateTime>> =
        states.iter().map(|s| s.health.unbelieved).collect();
    let warned: Vec<i16> = states.iter().map(|s| s.health.warned.into()).collect();
    let recents: Vec<Option<Vec<u8>>> = states
        .iter()
        .map(|s| recent::encode(&s.health.recent))
        .collect();
    let specs: Vec<i64> = states.iter().map(|s| s.spec.0).collect();
    let last_at: Vec<Option<OffsetDateTime>> = states.iter().map(|s| s.health.last_at).collect();
    let outcomes: Vec<i16> = states.iter().map(|s| s.last.outcome.number()).collect();
    let classes: Vec<i16> = states
        .iter()
        .map(|s| s.last.class.map_or(0, |class| class.number()))
        .collect();
    let statuses: Vec<i16> = states.iter().map(|s| status(s.last)).collect();
    let totals: Vec<i32> = states
        .iter()
        .map(|s| microseconds(s.last.phases.total))
        .collect();
    sqlx::query!(
        "update check_states t set state = n.state, since = n.since, failures = n.failures,
             successes = n.successes, retold = n.retold, seq = n.seq,
             incident_id = n.incident_id, last_at = n.last_at, last_outcome = n.outcome,
             last_class = n.class, last_status = n.status, last_total_us = n.total_us,
             quiet = n.quiet, spec_id = n.spec_id, degraded = n.degraded, warned = n.warned,
             recent = n.recent, flapping = n.flapping, flips = n.flips, told_at = n.told_at,
             unbelieved_since = n.unbelieved
         from unnest($1::uuid[], $2::smallint[], $3::timestamptz[], $4::smallint[],
             $5::smallint[], $6::boolean[], $7::bigint[], $8::uuid[], $9::timestamptz[],
             $10::smallint[], $11::smallint[], $12::smallint[], $13::integer[], $14::boolean[],
             $15::bigint[], $16::boolean[], $17::smallint[], $18::bytea[],
             $19::smallint[], $20::integer[], $21::timestamptz[],
             $22::timestamptz[])
             as n (check_id, state, since, failures, successes, retold, seq, incident_id, last_at,
                 outcome, class, status, total_us, quiet, spec_id, degraded, warned, recent,
                 flapping, flips, told_at, unbelieved)
         where t.check_id = n.check_id",
        &ids,
        &numbers,
        &since,
        &failures,
        &successes,
        &retold,
        &seqs,
        &incidents as &[Option<Uuid>],
        &last_at as &[Option<OffsetDateTime>],
        &outcomes,
        &classes,
        &statuses,
        &totals,
        &quiet,
        &specs,
        &degraded,
        &warned,
        &recents as &[Option<Vec<u8>>],
        &flapping,
        &flips,
        &told_at as &[Option<OffsetDateTime>],
        &unbelieved as &[Option<OffsetDateTime>],
    )
    .execute(conn)
    .await
    .doing("store states")?;
    Ok(())
}

/// Nothing is believed of these checks any more, nor what their last probe saw:
/// nobody watches them. The end of an incident, which is written elsewhere, is
/// counted.
pub async fn state_reset(
    conn: &mut PgConnection,
    checks: &[CheckId],
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    let ids: Vec<Uuid> = checks.iter().map(|id| id.0).collect();
    sqlx::query!(
        "update check_states set state = 0, since = $2, failures = 0, successes = 0,
             retold = false,
             seq = seq + case when incident_id is null and not degraded and flapping < 2
                 then 0 else 1 end, flapping = 0, flips = 0, told_at = null,
             incident_id = null, degraded = false, warned = 0, recent = null, last_at = null,
             unbelieved_since = null,
             last_outcome = 0, last_class = 0, last_status = 0, last_total_us = 0
         where check_id = any($1)",
        &ids,
        now,
    )
    .execute(conn)
    .await
    .doing("reset the states of checks that nobody watches")?;
    Ok(())
}

/// Removes the state of buried checks.
pub async fn state_delete(conn: &mut PgConnection, checks: &[CheckId]) -> Result<(), StoreError> {
    let ids: Vec<Uuid> = checks.iter().map(|id| id.0).collect();
    sqlx::query!("delete from check_states where check_id = any($1)", &ids)
        .execute(conn)
        .await
        .doing("remove the states of deleted checks")?;
    Ok(())
}

/// Stores encoded evidence.
pub async fn evidence_insert(
    conn: &mut PgConnection,
    evidence: &[(CheckNo, OffsetDateTime, Vec<u8>)],
) -> Result<(), StoreError> {
    let numbers: Vec<i64> = evidence.iter().map(|e| e.0.0).collect();
    let at: Vec<OffsetDateTime> = evidence.iter().map(|e| e.1).collect();
    let bytes: Vec<Vec<u8>> = evidence.iter().map(|e| e.2.clone()).collect();
    sqlx::query!(
        "insert into evidence (check_no, at, bytes)
         select * from unnest($1::bigint[], $2::timestamptz[], $3::bytea[])",
        &numbers,
        &at,
        &bytes,
    )
    .execute(conn)
    .await
    .doing("store evidence")?;
    Ok(())
}

/// The newest evidence of a check, newest first.
pub async fn evidence_list(
    conn: &mut PgConnection,
    check: CheckNo,
    limit: i64,
) -> Result<Vec<Vec<u8>>, StoreError> {
    sqlx::query_scalar!(
        "select bytes from evidence where check_no = $1 order by at desc limit $2",
        check.0,
        limit,
    )
    .fetch_all(conn)
    .await
    .doing("read evidence")
}

/// Latencies in nanoseconds of the newest `each` answered probes of each check
/// since a moment.
pub async fn observation_latencies(
    conn: &mut PgConnection,
    checks: &[CheckNo],
    since: OffsetDateTime,
    each: i64,
) -> Result<HashMap<CheckNo, Vec<u64>>, StoreError> {
    let numbers: Vec<i64> = checks.iter().map(|check| check.0).collect();
    let rows = sqlx::query!(
        r#"select n.check_no as "check_no!", o.total_us from unnest($1::bigint[]) as n (check_no)
           cross join lateral (select total_us from observations o
               where o.check_no = n.check_no and o.at >= $2 and o.outcome = any($3)
               order by o.at desc limit $4) o"#,
        &numbers,
        since,
        &[Outcome::Up.number(), Outcome::Down.number()],
        each,
    )
    .fetch_all(conn)
    .await
    .doing("read latencies")?;
    let mut found: HashMap<CheckNo, Vec<u64>> = HashMap::new();
    for row in rows {
        let nanoseconds = u64::from(row.total_us.unsigned_abs()) * 1000;
        found
            .entry(CheckNo(row.check_no))
            .or_default()
            .push(nanoseconds);
    }
    Ok(found)
}

/// What is shown of one probe.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Seen {
    /// When it was due.
    pub at: OffsetDateTime,
    pub outcome: Outcome,
    /// The whole probe, in microseconds.
    pub total_us: u32,
    /// It was due within maintenance.
    pub maintained: bool,
}

/// The probes of a check within a window, newest first, at most `limit`.
pub async fn observation_window(
    conn: &mut PgConnection,
    check: CheckNo,
    since: OffsetDateTime,
    until: OffsetDateTime,
    limit: i64,
) -> Result<Vec<Seen>, StoreError> {
    let rows = sqlx::query!(
        "select at, outcome, total_us, maintenance from observations
         where check_no = $1 and at >= $2 and at < $3 order by at desc limit $4",
        check.0,
        since,
        until,
        limit,
    )
    .fetch_all(conn)
    .await
    .doing("read the observations of a check")?;
    let rows = rows.into_iter().map(|row| Seen {
        at: row.at,
        outcome: Outcome::from_number(row.outcome).unwrap_or(Outcome::Unknown),
        total_us: row.total_us.unsigned_abs(),
        maintained: row.maintenance,
    });
    Ok(rows.collect())
}

/// One probe as it is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Kept {
    pub at: OffsetDateTime,
    pub outcome: Outcome,
    pub class: Option<ErrorClass>,
    /// 0 without an answer.
    pub status: i16,
    pub phases: Phases,
}

/// The newest probes of a check within a window, newest first, at most `limit`.
pub async fn observation_newest(
    conn: &mut PgConnection,
    check: CheckNo,
    since: OffsetDateTime,
    until: OffsetDateTime,
    limit: i64,
) -> Result<Vec<Kept>, StoreError> {
    let rows = sqlx::query!(
        "select at, outcome, class, status, dns_us, connect_us, tls_us, write_us, first_byte_us,
             transfer_us, total_us from observations
         where check_no = $1 and at >= $2 and at < $3 order by at desc limit $4",
        check.0,
        since,
        until,
        limit,
    )
    .fetch_all(conn)
    .await
    .doing("read the newest observations of a check")?;
    let phase = |us: i32| std::time::Duration::from_micros(us.unsigned_abs().into());
    let rows = rows.into_iter().map(|row| Kept {
        at: row.at,
        outcome: Outcome::from_number(row.outcome).unwrap_or(Outcome::Unknown),
        class: ErrorClass::from_number(row.class),
        status: row.status,
        phases: Phases {
            dns: phase(row.dns_us),
            connect: phase(row.connect_us),
            tls: phase(row.tls_us),
            write: phase(row.write_us),
            first_byte: phase(row.first_byte_us),
            transfer: phase(row.transfer_us),
            total: phase(row.total_us),
        },
    });
    Ok(rows.collect())
}

fn microseconds(duration: std::time::Duration) -> i32 {
    i32::try_from(duration.as_micros()).unwrap_or(i32::MAX)
}

fn status(observation: &Observation) -> i16 {
    i16::try_from(observation.status).unwrap_or(0)
}
