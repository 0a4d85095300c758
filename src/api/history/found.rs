//! What there is of a window: single probes, or hours that were rolled up and the probes since.

use time::{Duration, OffsetDateTime};

use crate::history::window::{History, Window};
use crate::model::id::CheckNo;
use crate::store::Connection;
use crate::store::error::StoreError;
use crate::store::observation::{Seen, observation_window};
use crate::store::rollup::{gap_list, rollup_closed, rollup_list};

/// How many probes one answer reads: one each second for four days.
const PROBES: i64 = 400_000;

/// Of each probe; `None` if these are too many.
pub(super) async fn of_probes(
    conn: &mut Connection,
    check: CheckNo,
    window: Window,
) -> Result<Option<History>, StoreError> {
    let (since, until) = (window.since, window.until);
    let mut found = History::of_probes(window);
    let probes = observation_window(conn, check, since, until, PROBES).await?;
    if i64::try_from(probes.len()).is_ok_and(|len| len >= PROBES) {
        return Ok(None);
    }
    note(&mut found, probes);
    miss(conn, check, &mut found, since - Duration::HOUR).await?;
    Ok(Some(found))
}

/// Of the hours that are rolled up, and of the probes since.
pub(super) async fn of_hours(
    conn: &mut Connection,
    check: CheckNo,
    window: Window,
) -> Result<History, StoreError> {
    let (since, until) = (window.since, window.until);
    let mut found = History::of_hours(window);
    let closed = rollup_closed(conn).await?;
    for (start, day) in rollup_list(conn, check, since.date(), until.date()).await? {
        for (&hour, of) in &day.hours {
            let at = start + Duration::hours(hour.into());
            // One that is not closed may be rolled up at this moment.
            if closed.is_some_and(|closed| at < closed) {
                found.merge(at, of);
            }
        }
    }
    let rest = closed.map_or(since, |closed| closed.max(since));
    if rest < until {
        let probes = observation_window(conn, check, rest, until, PROBES).await?;
        note(&mut found, probes);
        miss(conn, check, &mut found, rest).await?;
    }
    Ok(found)
}

fn note(found: &mut History, probes: Vec<Seen>) {
    for probe in probes {
        match probe.maintained {
            true => found.note_maintained(probe.at),
            false => found.note(probe.at, probe.outcome, probe.total_us),
        }
    }
}

/// Counts what was not probed in hours from one on.
async fn miss(
    conn: &mut Connection,
    check: CheckNo,
    found: &mut History,
    from: OffsetDateTime,
) -> Result<(), StoreError> {
    let until = found.window.until;
    for gap in gap_list(conn, &[check.0], from, until).await? {
        found.miss(gap.hour, gap.skipped.into(), gap.lost.into());
    }
    Ok(())
}
