//! Hours of observations rolled up: how far that is, what goes in and what comes of it.

use std::collections::{BTreeMap, HashMap};

use sqlx::PgConnection;
use time::{Date, Duration, OffsetDateTime};

use super::error::{Doing as _, StoreError};
use crate::history::day::{Day, Hour};
use crate::model::id::CheckNo;
use crate::model::observation::Outcome;

/// How far it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    /// Every hour before this one is rolled up; `None`: none was yet.
    pub closed: Option<OffsetDateTime>,
    /// Of the hour that begins there, the checks up to this number are.
    pub after: CheckNo,
}

/// Makes the work ours until the transaction ends; `None` while it is somebody else's.
pub async fn progress_lock(conn: &mut PgConnection) -> Result<Option<Progress>, StoreError> {
    let row = sqlx::query!("select closed, check_no from rollup_progress for update skip locked")
        .fetch_optional(conn)
        .await
        .doing("go on rolling up")?;
    Ok(row.map(|row| Progress {
        closed: row.closed,
        after: CheckNo(row.check_no),
    }))
}

/// Notes how far it is.
pub async fn progress_note(
    conn: &mut PgConnection,
    closed: OffsetDateTime,
    after: CheckNo,
) -> Result<(), StoreError> {
    sqlx::query!(
        "update rollup_progress set closed = $1, check_no = $2",
        closed,
        after.0
    )
    .execute(conn)
    .await
    .doing("note what is rolled up")?;
    Ok(())
}

/// Every hour before this one is rolled up.
pub async fn rollup_closed(conn: &mut PgConnection) -> Result<Option<OffsetDateTime>, StoreError> {
    sqlx::query_scalar!("select closed from rollup_progress")
        .fetch_one(conn)
        .await
        .doing("read what is rolled up")
}

/// The next checks that may have been probed in this hour or later.
pub async fn rollup_checks(
    conn: &mut PgConnection,
    after: CheckNo,
    hour: OffsetDateTime,
    limit: i64,
) -> Result<Vec<CheckNo>, StoreError> {
    let rows = sqlx::query_scalar!(
        r#"select check_no as "check_no!" from checks
           where check_no > $1 and (deleted_at is null or deleted_at > $2)
           order by check_no limit $3"#,
        after.0,
        // What was on its way when it was deleted.
        hour - Duration::HOUR,
        limit,
    )
    .fetch_all(conn)
    .await
    .doing("find checks to roll up")?;
    Ok(rows.into_iter().map(CheckNo).collect())
}

/// What the probes of one hour came to; checks without any are left out. No check may be named
/// twice.
pub async fn rollup_tally(
    conn: &mut PgConnection,
    checks: &[CheckNo],
    hour: OffsetDateTime,
) -> Result<BTreeMap<CheckNo, Hour>, StoreError> {
    let numbers: Vec<i64> = checks.iter().map(|check| check.0).collect();
    let mut hours: BTreeMap<CheckNo, Hour> = BTreeMap::new();
    // One check after the other by the index: an hour is a small part of its partition.
    let rows = sqlx::query!(
        r#"select n.check_no as "check_no!", o.outcome, o.maintenance,
               o.latencies as "latencies!"
           from unnest($1::bigint[]) as n (check_no)
           cross join lateral (select outcome, maintenance, array_agg(total_us) as latencies
               from observations o
               where o.check_no = n.check_no and o.at >= $2 and o.at < $3
               group by outcome, maintenance) o"#,
        &numbers,
        hour,
        hour + Duration::HOUR,
    )
    .fetch_all(&mut *conn)
    .await
    .doing("read the observations of an hour")?;
    for row in rows {
        let of = hours.entry(CheckNo(row.check_no)).or_default();
        if row.maintenance {
            of.note_maintained(row.latencies.len() as u64);
            continue;
        }
        // What a later version may store says nothing to this one.
        let outcome = Outcome::from_number(row.outcome).unwrap_or(Outcome::Unknown);
        for latency in row.latencies {
            of.note(outcome, latency.unsigned_abs());
        }
    }
    for gap in gap_list(conn, &numbers, hour, hour + Duration::HOUR).await? {
        let of = hours.entry(gap.check).or_default();
        of.counts.skipped += u64::from(gap.skipped);
        of.counts.lost += u64::from(gap.lost);
    }
    Ok(hours)
}

/// Stores an hour in the days of its checks, in place of what was stored of it.
pub async fn rollup_put(
    conn: &mut PgConnection,
    hour: OffsetDateTime,
    hours: BTreeMap<CheckNo, Hour>,
) -> Result<(), StoreError> {
    if hours.is_empty() {
        return Ok(());
    }
    let day = hour.date();
    let numbers: Vec<i64> = hours.keys().map(|check| check.0).collect();
    let rows = sqlx::query!(
        "select check_no, hours from rollups where check_no = any($1) and day = $2",
        &numbers,
        day,
    )
    .fetch_all(&mut *conn)
    .await
    .doing("read the days of rollups")?;
    let mut days: HashMap<CheckNo, Day> = HashMap::new();
    for row in rows {
        let check = CheckNo(row.check_no);
        days.insert(check, read(check, &row.hours)?);
    }
    let bytes: Vec<Vec<u8>> = hours
        .into_iter()
        .map(|(check, of)| {
            let mut day = days.remove(&check).unwrap_or_default();
            day.hours.insert(hour.hour(), of);
            day.encode()
        })
        .collect();
    sqlx::query!(
        "insert into rollups (check_no, day, hours)
         select check_no, $2, hours from unnest($1::bigint[], $3::bytea[]) as n (check_no, hours)
         on conflict (check_no, day) do update set hours = excluded.hours",
        &numbers,
        day,
        &bytes,
    )
    .execute(conn)
    .await
    .doing("store rollups")?;
    Ok(())
}

fn read(check: CheckNo, bytes: &[u8]) -> Result<Day, StoreError> {
    Day::decode(bytes).map_err(|source| StoreError::Rollup {
        check_no: check.0,
        source,
    })
}

/// The days of a check, with both ends, by their beginnings.
pub async fn rollup_list(
    conn: &mut PgConnection,
    check: CheckNo,
    from: Date,
    to: Date,
) -> Result<Vec<(OffsetDateTime, Day)>, StoreError> {
    let rows = sqlx::query!(
        "select day, hours from rollups where check_no = $1 and day between $2 and $3
         order by day",
        check.0,
        from,
        to,
    )
    .fetch_all(conn)
    .await
    .doing("read rollups")?;
    let days = rows.into_iter();
    days.map(|row| Ok((row.day.midnight().assume_utc(), read(check, &row.hours)?)))
        .collect()
}

/// Removes the rollups of checks that were deleted before this moment.
pub async fn rollup_forget(
    conn: &mut PgConnection,
    before: OffsetDateTime,
) -> Result<(), StoreError> {
    sqlx::query!(
        "delete from rollups r using checks c
         where r.check_no = c.check_no and c.deleted_at < $1",
        before
    )
    .execute(conn)
    .await
    .doing("forget the rollups of deleted checks")?;
    Ok(())
}

/// Notes that something of these hours was stored late: part of the transaction that stores it.
pub async fn late_note(
    conn: &mut PgConnection,
    late: &[(CheckNo, OffsetDateTime)],
) -> Result<(), StoreError> {
    let numbers: Vec<i64> = late.iter().map(|(check, _)| check.0).collect();
    let hours: Vec<OffsetDateTime> = late.iter().map(|(_, hour)| *hour).collect();
    sqlx::query!(
        "insert into rollup_late (check_no, hour)
         select * from unnest($1::bigint[], $2::timestamptz[])",
        &numbers,
        &hours,
    )
    .execute(conn)
    .await
    .doing("note what was stored late")?;
    Ok(())
}

/// Takes what was noted of hours that are rolled up, at most `limit`.
pub async fn late_take(
    conn: &mut PgConnection,
    closed: OffsetDateTime,
    limit: i64,
) -> Result<Vec<(CheckNo, OffsetDateTime)>, StoreError> {
    let rows = sqlx::query!(
        "delete from rollup_late where ctid = any(array(
             select ctid from rollup_late where hour < $1 limit $2))
         returning check_no, hour",
        closed,
        limit,
    )
    .fetch_all(conn)
    .await
    .doing("take what was stored late")?;
    let rows = rows.into_iter();
    Ok(rows.map(|row| (CheckNo(row.check_no), row.hour)).collect())
}

/// Probes of one hour that were due and left no observation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Gap {
    pub check: CheckNo,
    pub hour: OffsetDateTime,
    /// Never sent.
    pub skipped: u32,
    /// Sent, and nothing came back.
    pub lost: u32,
}

/// Adds to what is known; `gaps` has each check and hour once.
pub async fn gap_add(conn: &mut PgConnection, gaps: &[Gap]) -> Result<(), StoreError> {
    let numbers: Vec<i64> = gaps.iter().map(|gap| gap.check.0).collect();
    let hours: Vec<OffsetDateTime> = gaps.iter().map(|gap| gap.hour).collect();
    let count = |of: fn(&Gap) -> u32| -> Vec<i32> {
        let counts = gaps.iter().map(of);
        counts
            .map(|count| i32::try_from(count).unwrap_or(i32::MAX))
            .collect()
    };
    sqlx::query!(
        "insert into gaps (check_no, hour, skipped, lost)
         select * from unnest($1::bigint[], $2::timestamptz[], $3::integer[], $4::integer[])
         on conflict (check_no, hour) do update set
             skipped = gaps.skipped + excluded.skipped, lost = gaps.lost + excluded.lost",
        &numbers,
        &hours,
        &count(|gap| gap.skipped),
        &count(|gap| gap.lost),
    )
    .execute(conn)
    .await
    .doing("store what was not probed")?;
    Ok(())
}

/// What is known of these checks, from an hour on until another.
pub async fn gap_list(
    conn: &mut PgConnection,
    checks: &[i64],
    from: OffsetDateTime,
    until: OffsetDateTime,
) -> Result<Vec<Gap>, StoreError> {
    let rows = sqlx::query!(
        "select check_no, hour, skipped, lost from gaps
         where check_no = any($1) and hour >= $2 and hour < $3",
        checks,
        from,
        until,
    )
    .fetch_all(conn)
    .await
    .doing("read what was not probed")?;
    let rows = rows.into_iter().map(|row| Gap {
        check: CheckNo(row.check_no),
        hour: row.hour,
        skipped: row.skipped.unsigned_abs(),
        lost: row.lost.unsigned_abs(),
    });
    Ok(rows.collect())
}

/// Forgets what is in rollups and has no observations beside it any more.
pub async fn gap_forget(conn: &mut PgConnection, before: OffsetDateTime) -> Result<(), StoreError> {
    sqlx::query!("delete from gaps where hour < $1", before)
        .execute(conn)
        .await
        .doing("forget what was not probed")?;
    Ok(())
}
