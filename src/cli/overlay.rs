//! `pause`, `mute` and `ack`: what is set on checks while they run, on one or on all that are
//! meant by a pattern or labels.

use std::time::Duration;

use time::OffsetDateTime;

use super::arguments::overlay::{Ack, Chosen, Mute, Pause};
use super::arguments::{Filter, TextOutput};
use super::checks::filtered;
use super::exit::{Exit, Failure};
use super::naming;
use super::output::{Console, progress};
use super::table::printable;
use crate::client::Client;
use crate::clock;
use crate::model::glob::Glob;
use crate::plan::text::{counted, moment};
use crate::proto::lokahi::check::State;
use crate::proto::lokahi::{Check, ListOpts, Overlay, OverlayOpts, OverlayResult};
use crate::proto::moment::time_of;

/// How many checks go in one call: some hundred entries of the audit.
const BATCH: usize = 200;
/// A page of the list of checks.
const PAGE: i32 = 10_000;
/// How many checks are named one by one.
const NAMED: usize = 20;

#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Pause,
    Mute,
    Ack,
}

impl What {
    /// As people read it, of checks that have it.
    fn done(self) -> &'static str {
        match self {
            Self::Pause => "paused",
            Self::Mute => "muted",
            Self::Ack => "acknowledged",
        }
    }

    /// What is set of it.
    fn of(self, check: &Check) -> Option<&Overlay> {
        match self {
            Self::Pause => check.paused.as_ref(),
            Self::Mute => check.muted.as_ref(),
            Self::Ack => check.acknowledged.as_ref(),
        }
    }
}

pub(super) async fn pause(
    client: &Client,
    what: Pause,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    run(client, What::Pause, &what.chosen, what.lasts, console).await
}

pub(super) async fn mute(
    client: &Client,
    what: Mute,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    run(client, What::Mute, &what.chosen, what.lasts, console).await
}

pub(super) async fn ack(
    client: &Client,
    what: Ack,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    run(client, What::Ack, &what.chosen, None, console).await
}

async fn run(
    client: &Client,
    what: What,
    chosen: &Chosen,
    lasts: Option<Duration>,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    let states = match what {
        // Of many those are meant that something is wrong with.
        What::Ack => vec![State::Down.into(), State::Error.into()],
        What::Pause | What::Mute => Vec::new(),
    };
    let ids = ids(client, chosen, states).await?;
    if ids.is_empty() {
        if matches!(what, What::Ack) {
            writeln!(console.words, "Nothing is down among these checks.")?;
            return Ok(Exit::Ok);
        }
        // A script that is wrong about a name must not believe that something is muted.
        let message = "there is no such check; lokahictl list shows what there is";
        return Err(Failure::new(Exit::Refused, message.to_owned()));
    }
    let bar = progress(ids.len() as u64);
    let mut all = OverlayResult::default();
    for batch in ids.chunks(BATCH) {
        let opts = OverlayOpts {
            ids: batch.to_vec(),
            for_seconds: lasts.map_or(0, |lasts| {
                i64::try_from(lasts.as_secs()).unwrap_or(i64::MAX)
            }),
            reason: chosen.reason.clone().unwrap_or_default(),
            end: chosen.end,
        };
        let done = match what {
            What::Pause => client.pause(&opts).await,
            What::Mute => client.mute(&opts).await,
            What::Ack => client.acknowledge(&opts).await,
        };
        let done = match done {
            Ok(done) => done,
            Err(error) => {
                bar.finish_and_clear();
                let (before, of) = (all.checks.len(), ids.len());
                if before > 0 {
                    let words = format!("{before} of {of} checks are done, the others are not:");
                    writeln!(console.words, "{words}")?;
                }
                return Err(error.into());
            }
        };
        all.changed += done.changed;
        all.checks.extend(done.checks);
        bar.inc(batch.len() as u64);
    }
    bar.finish_and_clear();
    if chosen.output == TextOutput::Json {
        console.json(&all)?;
        return Ok(Exit::Ok);
    }
    for check in all.checks.iter().take(NAMED) {
        writeln!(console.out, "{}", line(what, check))?;
    }
    if all.checks.len() > NAMED {
        let more = all.checks.len() - NAMED;
        writeln!(console.out, "... and {more} more")?;
    }
    if all.checks.len() > 1 || chosen.end {
        writeln!(console.words, "{}", summary(what, chosen.end, &all))?;
    }
    Ok(Exit::Ok)
}

fn summary(what: What, end: bool, all: &OverlayResult) -> String {
    let many = all.checks.len();
    let checks = counted(many, "check");
    match (end, usize::try_from(all.changed).unwrap_or(0)) {
        (false, _) => format!("{checks} {}.", what.done()),
        (true, 0) => format!("Nothing to end: {checks} not {}.", what.done()),
        (true, changed) => format!("Ended for {changed} of {checks}."),
    }
}

fn line(what: What, check: &Check) -> String {
    let name = match check.name.as_str() {
        "" => check.id.clone(),
        name => format!("{}/{name}", check.project),
    };
    let text = match what.of(check) {
        Some(overlay) => format!("{name} is {}", words(what.done(), overlay, clock::now())),
        None => format!("{name} is not {}", what.done()),
    };
    printable(&text)
}

/// `paused until 2026-11-29 12:00:00 UTC by ada: moving`.
pub(super) fn words(done: &str, overlay: &Overlay, now: OffsetDateTime) -> String {
    let until = match overlay.until.as_ref().map(time_of) {
        Some(until) => format!(" until {} ({} left)", moment(until), left(until - now)),
        None if done == What::Ack.done() => String::new(),
        None => format!(
            " until somebody ends it (lokahictl {} --end)",
            command(done)
        ),
    };
    let why = match overlay.reason.as_str() {
        "" => String::new(),
        reason => format!(": {reason}"),
    };
    format!("{done}{until} by {}{why}", overlay.by)
}

fn command(done: &str) -> &'static str {
    match done {
        "muted" => "mute",
        _ => "pause",
    }
}

fn left(span: time::Duration) -> String {
    match span.whole_seconds().max(0) {
        seconds @ 0..120 => format!("{seconds}s"),
        seconds @ 120..7200 => format!("{}m", seconds / 60),
        seconds @ 7200..172_800 => format!("{}h", seconds / 3600),
        seconds => format!("{}d", seconds / 86_400),
    }
}

/// All that is set on a check, a line each; the first word is what.
pub(super) fn all(check: &Check, now: OffsetDateTime) -> Vec<String> {
    let set = [What::Pause, What::Mute, What::Ack]
        .into_iter()
        .filter_map(|what| Some(words(what.done(), what.of(check)?, now)));
    let maintenance = check.maintenance.iter();
    set.chain(maintenance.map(|it| words("in maintenance", it, now)))
        .collect()
}

/// The ids of all that are meant.
async fn ids(client: &Client, chosen: &Chosen, states: Vec<i32>) -> Result<Vec<String>, Failure> {
    let Chosen { ids, filter, .. } = chosen;
    let Filter {
        labels,
        project,
        owner,
    } = filter;
    let filters = !labels.is_empty() || project.is_some() || owner.is_some();
    if !filters && ids.is_empty() {
        let message = "which checks? Name them, or give --label or --project";
        return Err(Failure::new(Exit::Usage, message.to_owned()));
    }
    let mut found = Vec::new();
    let mut patterns = Vec::new();
    for name in ids {
        if filters || name.contains('*') {
            patterns.push(pattern(name)?);
        } else {
            found.push(naming::id(client, name).await?);
        }
    }
    if !filters && patterns.is_empty() {
        return Ok(found);
    }
    let mut offset = 0;
    loop {
        let page = client
            .list(&ListOpts {
                count: PAGE,
                offset,
                states: states.clone(),
                ..filtered(filter.clone())
            })
            .await?;
        let many = i32::try_from(page.results.len()).unwrap_or(PAGE);
        let checks = page.results.into_iter().filter_map(|row| row.check);
        let meant = |check: &Check| {
            ids.is_empty()
                || patterns.iter().any(|(project, glob)| {
                    project.is_none_or(|project| check.project == project)
                        && glob.matches(&check.name)
                })
        };
        found.extend(checks.filter(meant).map(|check| check.id));
        if many < PAGE {
            break;
        }
        offset += many;
    }
    let mut seen = std::collections::HashSet::new();
    found.retain(|id| seen.insert(id.clone()));
    Ok(found)
}

/// `NAME` or `PROJECT/NAME`, with `*` in the name.
fn pattern(text: &str) -> Result<(Option<&str>, Glob), Failure> {
    let (project, name) = match text.split_once('/') {
        Some((project, name)) => (Some(project), name),
        None => (None, text),
    };
    let glob = name.parse::<Glob>();
    let glob = glob.map_err(|error| Failure::new(Exit::Usage, error.to_string()))?;
    Ok((project, glob))
}
