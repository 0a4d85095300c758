//! `Checks/History`: what the probes of a check came to over a window: of each of them where it is
//! short or that is asked, as long as they are kept, else of the hours that they were rolled up
//! into.

use time::{Duration, OffsetDateTime};

use super::Call;
use super::checks::{check_id, unknown};
use super::convert;
use super::error::ApiError;
use crate::clock;
use crate::history::window::{Bucket, History, Outage, Window, downtime};
use crate::model::id::CheckNo;
use crate::model::observation::ErrorClass;
use crate::proto::evidence::phases_of;
use crate::proto::lokahi::{
    CheckHistory, CheckHistoryOpts, Evidence, HistoryBucket, HistoryIncident, HistoryTransition,
};
use crate::proto::moment::{time_of, timestamp};
use crate::proto::twirp::TwirpError;
use crate::store::Connection;
use crate::store::check::check_get;
use crate::store::error::StoreError;
use crate::store::incident::{IncidentRow, TransitionRow, incident_list, transition_list};
use crate::store::observation::{Kept, Seen, observation_newest, observation_window};
use crate::store::partition::partition_days;
use crate::store::rollup::{gap_list, rollup_closed, rollup_list};

/// How far back it looks unless it is said.
const USUAL: Duration = Duration::HOUR.saturating_mul(24);
/// The longest window that is made of single probes unasked: each of them is on a page of its own.
const OF_PROBES: Duration = Duration::HOUR.saturating_mul(3);
/// The longest window: as long as rollups are kept, and a little.
const LONGEST: Duration = Duration::DAY.saturating_mul(400);
const USUAL_BUCKETS: u32 = 48;
const MOST_BUCKETS: u32 = 500;
const MOST_OBSERVATIONS: i64 = 1000;
/// How many incidents and transitions are listed.
const EVENTS: i64 = 100;
/// How many probes one answer reads: one each second for four days.
const PROBES: i64 = 400_000;

pub(super) async fn history(call: Call, opts: CheckHistoryOpts) -> Result<CheckHistory, ApiError> {
    let id = check_id(&opts.id)?;
    let now = clock::now();
    let (since, until) = asked(&opts, now)?;
    let buckets = bounded("buckets", opts.buckets, MOST_BUCKETS)?;
    let buckets = if buckets == 0 { USUAL_BUCKETS } else { buckets };
    let observations = i64::from(bounded("observations", opts.observations, 1000)?);
    let mut conn = call.state.store.acquire().await?;
    let stored = check_get(&mut conn, id).await?.ok_or_else(|| unknown(id))?;
    let check = stored.check_no;
    let days = partition_days(&mut conn).await?;
    let asked_of_probes = opts.exact || until - since <= OF_PROBES;
    let kept = days.first().is_some_and(|day| day.start() <= since);
    let exact = match kept && asked_of_probes {
        true => of_probes(&mut conn, check, Window::exact(since, until, buckets)).await?,
        false => None,
    };
    let is_exact = exact.is_some();
    let found = match exact {
        Some(found) => found,
        None => {
            let window = Window::whole_hours(since, until, buckets, now);
            of_hours(&mut conn, check, window).await?
        }
    };
    let (since, until) = (found.window.since, found.window.until);
    let more = EVENTS + 1;
    let mut incidents = incident_list(&mut conn, id, since, until, more).await?;
    let mut transitions = transition_list(&mut conn, id, since, until, more).await?;
    let shown = usize::try_from(EVENTS).unwrap_or(0);
    let cut = incidents.len() > shown || transitions.len() > shown;
    incidents.truncate(shown);
    transitions.truncate(shown);
    let newest = match observations {
        0 => Vec::new(),
        limit => {
            let limit = limit.min(MOST_OBSERVATIONS);
            observation_newest(&mut conn, check, since, until, limit).await?
        }
    };
    let outages: Vec<Outage> = incidents
        .iter()
        .map(|incident| Outage {
            opened_at: incident.opened_at,
            closed_at: incident.closed_at,
        })
        .collect();
    let down = downtime(&outages, since, until).whole_nanoseconds();
    let total = found.total();
    Ok(CheckHistory {
        check: Some(convert::check(&stored, now)),
        since: Some(timestamp(since)),
        until: Some(timestamp(until)),
        buckets: found.buckets.iter().map(bucket).collect(),
        bucket_seconds: found.window.step.whole_seconds(),
        total: Some(bucket(&total)),
        uptime: total.counts.uptime(),
        left_out: total.counts.left_out_share(),
        exact: is_exact,
        incidents: incidents.iter().map(incident).collect(),
        down_nanoseconds: i64::try_from(down).unwrap_or(i64::MAX),
        transitions: transitions.iter().map(transition).collect(),
        observations: newest.iter().map(observation).collect(),
        cut,
    })
}

fn asked(
    opts: &CheckHistoryOpts,
    now: OffsetDateTime,
) -> Result<(OffsetDateTime, OffsetDateTime), TwirpError> {
    let until = opts.until.as_ref().map_or(now, time_of).min(now);
    if until < OffsetDateTime::UNIX_EPOCH {
        return Err(TwirpError::argument("until", "is before 1970"));
    }
    let since = opts.since.as_ref().map_or(until - USUAL, time_of);
    if since >= until {
        return Err(TwirpError::argument(
            "since",
            "must be before until, and not later than now",
        ));
    }
    if until - since > LONGEST {
        let why = format!("is more than {} days before until", LONGEST.whole_days());
        return Err(TwirpError::argument("since", why));
    }
    Ok((since, until))
}

fn bounded(name: &'static str, number: i32, most: u32) -> Result<u32, TwirpError> {
    let fits = u32::try_from(number).ok().filter(|number| *number <= most);
    fits.ok_or_else(|| TwirpError::argument(name, format!("{number} is not between 0 and {most}")))
}

/// Of each probe; `None` if these are too many.
async fn of_probes(
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
async fn of_hours(
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

fn bucket(of: &Bucket) -> HistoryBucket {
    let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let nanoseconds = |us: u32| i64::from(us) * 1000;
    let latency = of.quantiles();
    let latency = |quantile: fn(&crate::history::window::Quantiles) -> u32| {
        latency.as_ref().map_or(0, |all| nanoseconds(quantile(all)))
    };
    HistoryBucket {
        start: Some(timestamp(of.start)),
        up: count(of.counts.up),
        down: count(of.counts.down),
        error: count(of.counts.error),
        unknown: count(of.counts.unknown),
        skipped: count(of.counts.skipped),
        lost: count(of.counts.lost),
        maintenance: count(of.counts.maintenance),
        p50_nanoseconds: latency(|all| all.p50),
        p95_nanoseconds: latency(|all| all.p95),
        p99_nanoseconds: latency(|all| all.p99),
        max_nanoseconds: latency(|all| all.max),
    }
}

fn incident(of: &IncidentRow) -> HistoryIncident {
    HistoryIncident {
        id: of.id.to_string(),
        state: of.state.number().into(),
        opened_at: Some(timestamp(of.opened_at)),
        closed_at: of.closed_at.map(timestamp),
        acknowledged: of.acknowledged.as_ref().map(Into::into),
    }
}

fn transition(of: &TransitionRow) -> HistoryTransition {
    HistoryTransition {
        at: Some(timestamp(of.at)),
        previous: of.previous.number().into(),
        next: of.next.number().into(),
        incident: of.incident.map(|id| id.to_string()).unwrap_or_default(),
        r#type: of.kind.clone(),
        resolved: of.resolved,
    }
}

fn observation(of: &Kept) -> Evidence {
    Evidence {
        scheduled_at: Some(timestamp(of.at)),
        outcome: of.outcome.name().to_owned(),
        error_class: of.class.map_or("", ErrorClass::name).to_owned(),
        status_code: of.status.into(),
        phases: Some(phases_of(&of.phases)),
        ..Evidence::default()
    }
}
