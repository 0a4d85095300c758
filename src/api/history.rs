//! `Checks/History`: what the probes of a check came to over a window: of each of them where it is
//! short or that is asked, as long as they are kept, else of the hours that they were rolled up
//! into.

mod found;
mod wire;

use time::{Duration, OffsetDateTime};

use self::found::{of_hours, of_probes};
use self::wire::{bucket, incident, observation, transition};
use super::Call;
use super::checks::{check_id, unknown};
use super::convert;
use super::error::ApiError;
use crate::clock;
use crate::history::window::{Outage, Window, downtime};
use crate::proto::lokahi::{CheckHistory, CheckHistoryOpts};
use crate::proto::moment::{time_of, timestamp};
use crate::proto::twirp::TwirpError;
use crate::store::check::check_get;
use crate::store::incident::{incident_list, transition_list};
use crate::store::observation::observation_newest;
use crate::store::partition::partition_days;

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
