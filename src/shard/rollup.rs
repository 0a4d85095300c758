//! Rolls up each hour that is over, once, from its observations. Any lokahid does it, and one at
//! a time: the row that says how far it is stays locked while some checks of an hour are rolled
//! up and the row goes on past them, in one transaction.
//!
//! An hour is closed when `GRACE` is over after it. What is stored later notes its hour
//! (`store::rollup::late_note`), which is then rolled up again, from all of its observations.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::clock;
use crate::history::window::hour_of;
use crate::model::id::CheckNo;
use crate::store::error::StoreError;
use crate::store::partition::{self, DayPartition};
use crate::store::{Connection, Store, bounded, rollup};

/// How often it looks whether an hour is over.
const EVERY: Duration = Duration::from_secs(60);
/// How long after an hour its observations may come before it is rolled up.
const GRACE: time::Duration = time::Duration::minutes(10);
/// What is stored so long after it was due notes its hour. Less than `GRACE` by more than
/// any transaction takes.
const LATE: time::Duration = time::Duration::minutes(5);
/// Of how many checks an hour is rolled up in one transaction.
const CHECKS: i64 = 500;
/// How many late hours are rolled up again in one transaction.
const LATE_HOURS: i64 = 500;

/// Whether there is more to do.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    More,
    Done,
}

pub(super) async fn run(store: Store, token: CancellationToken) {
    let mut away = false;
    loop {
        match token
            .run_until_cancelled(catch_up(&store, clock::now()))
            .await
        {
            None => return,
            Some(Ok(())) if away => {
                info!("hours are rolled up again");
                away = false;
            }
            Some(Err(error)) if !away => {
                warn!(
                    error = &error as &dyn std::error::Error,
                    "hours cannot be rolled up; trying again, and no observations are dropped"
                );
                away = true;
            }
            Some(_) => {}
        }
        tokio::select! {
            () = token.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

/// Rolls up all that is over at `now`, or as much as no other lokahid is at.
pub async fn catch_up(store: &Store, now: OffsetDateTime) -> Result<(), StoreError> {
    while bounded(step(store, async |conn| close(conn, now).await)).await? == Step::More {}
    while bounded(step(store, mend)).await? == Step::More {}
    Ok(())
}

/// One transaction. It is ended here also where there was nothing to do: the next one wants the
/// lock that it holds.
async fn step(
    store: &Store,
    work: impl AsyncFnOnce(&mut Connection) -> Result<Step, StoreError>,
) -> Result<Step, StoreError> {
    let mut tx = store.begin().await?;
    let done = work(&mut tx).await?;
    tx.commit().await.map_err(|source| StoreError::Query {
        doing: "commit rollups",
        source,
    })?;
    Ok(done)
}

/// The hours, each once, of what is stored at `now` so late that they may be rolled up already.
pub(super) fn late_hours(
    stored: impl Iterator<Item = (CheckNo, OffsetDateTime)>,
    now: OffsetDateTime,
) -> Vec<(CheckNo, OffsetDateTime)> {
    let late = stored.filter(|(_, at)| *at < now - LATE);
    let hours: BTreeSet<_> = late.map(|(check, at)| (check, hour_of(at))).collect();
    hours.into_iter().collect()
}

/// Rolls up an hour of some checks.
async fn close(conn: &mut Connection, now: OffsetDateTime) -> Result<Step, StoreError> {
    let Some(progress) = rollup::progress_lock(conn).await? else {
        return Ok(Step::Done);
    };
    let days = partition::partition_days(conn).await?;
    let Some(hour) = next_hour(progress.closed, &days) else {
        return Ok(Step::Done);
    };
    let end = hour + time::Duration::HOUR;
    if end + GRACE > now {
        return Ok(Step::Done);
    }
    let after = match progress.closed == Some(hour) {
        true => progress.after,
        false => CheckNo(0),
    };
    let checks = rollup::rollup_checks(conn, after, hour, CHECKS).await?;
    let hours = rollup::rollup_tally(conn, &checks, hour).await?;
    partition::partition_rollups(conn, hour.date()).await?;
    rollup::rollup_put(conn, hour, hours).await?;
    match checks.last() {
        Some(last) => rollup::progress_note(conn, hour, *last).await?,
        None => {
            debug!(%hour, "an hour is rolled up");
            rollup::progress_note(conn, end, CheckNo(0)).await?;
        }
    }
    Ok(Step::More)
}

/// The hour that is next: days without a partition have no observations.
fn next_hour(closed: Option<OffsetDateTime>, days: &[DayPartition]) -> Option<OffsetDateTime> {
    let Some(closed) = closed else {
        return days.first().map(DayPartition::start);
    };
    let mut ahead = days
        .iter()
        .filter(|day| day.start() + time::Duration::DAY > closed);
    ahead.next().map(|day| day.start().max(closed))
}

/// Rolls up again what was stored late.
async fn mend(conn: &mut Connection) -> Result<Step, StoreError> {
    let Some(closed) = rollup::progress_lock(conn).await?.and_then(|it| it.closed) else {
        return Ok(Step::Done);
    };
    let late = rollup::late_take(conn, closed, LATE_HOURS).await?;
    if late.is_empty() {
        return Ok(Step::Done);
    }
    let days = partition::partition_days(conn).await?;
    // Several flushes may have noted the same.
    let mut hours: BTreeMap<OffsetDateTime, BTreeSet<CheckNo>> = BTreeMap::new();
    for (check, hour) in late {
        hours.entry(hour).or_default().insert(check);
    }
    // Of a day that is dropped by now only its rollups are left.
    hours.retain(|hour, _| days.iter().any(|day| day.day == hour.date()));
    for (hour, checks) in hours {
        let checks: Vec<CheckNo> = checks.into_iter().collect();
        let tally = rollup::rollup_tally(conn, &checks, hour).await?;
        partition::partition_rollups(conn, hour.date()).await?;
        rollup::rollup_put(conn, hour, tally).await?;
    }
    Ok(Step::More)
}

#[cfg(test)]
mod tests {
    use time::macros::{date, datetime};

    use super::*;

    #[test]
    fn what_comes_late_names_its_hour_once() {
        let now = datetime!(2026-11-25 12:03 UTC);
        let at = |minutes: i64| now - time::Duration::minutes(minutes);
        let stored = [(1, 1), (1, 4), (1, 6), (1, 7), (2, 30), (2, 90)];
        let stored = stored.map(|(check, minutes)| (CheckNo(check), at(minutes)));
        let eleven = datetime!(2026-11-25 11:00 UTC);
        assert_eq!(
            late_hours(stored.into_iter(), now),
            [
                (CheckNo(1), eleven),
                (CheckNo(2), eleven - time::Duration::HOUR),
                (CheckNo(2), eleven),
            ]
        );
    }

    #[test]
    fn days_without_observations_are_passed_over() {
        let day = |day| DayPartition { day, bytes: 0 };
        let days = [day(date!(2026 - 11 - 20)), day(date!(2026 - 11 - 24))];
        for (closed, expected) in [
            (None, datetime!(2026-11-20 00:00 UTC)),
            (
                Some(datetime!(2026-11-20 23:00 UTC)),
                datetime!(2026-11-20 23:00 UTC),
            ),
            (
                Some(datetime!(2026-11-21 00:00 UTC)),
                datetime!(2026-11-24 00:00 UTC),
            ),
        ] {
            assert_eq!(next_hour(closed, &days), Some(expected));
        }
        let over = datetime!(2026-11-25 00:00 UTC);
        assert_eq!(next_hour(Some(over), &days), None);
    }
}
