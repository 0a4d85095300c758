//! What is set on checks, as people read it.

use time::OffsetDateTime;

use crate::cli::table::printable;
use crate::clock;
use crate::plan::text::{counted, moment};
use crate::proto::lokahi::{Check, Overlay, OverlayResult};
use crate::proto::moment::time_of;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Pause,
    Mute,
    Ack,
}

impl What {
    /// As people read it, of checks that have it.
    pub(super) fn done(self) -> &'static str {
        match self {
            Self::Pause => "paused",
            Self::Mute => "muted",
            Self::Ack => "acknowledged",
        }
    }

    /// What is set of it.
    pub(super) fn of(self, check: &Check) -> Option<&Overlay> {
        match self {
            Self::Pause => check.paused.as_ref(),
            Self::Mute => check.muted.as_ref(),
            Self::Ack => check.acknowledged.as_ref(),
        }
    }
}

pub(super) fn summary(what: What, end: bool, all: &OverlayResult) -> String {
    let many = all.checks.len();
    let checks = counted(many, "check");
    match (end, usize::try_from(all.changed).unwrap_or(0)) {
        (false, _) => format!("{checks} {}.", what.done()),
        (true, 0) => format!("Nothing to end: {checks} not {}.", what.done()),
        (true, changed) => format!("Ended for {changed} of {checks}."),
    }
}

pub(super) fn line(what: What, check: &Check) -> String {
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
pub(in crate::cli) fn words(done: &str, overlay: &Overlay, now: OffsetDateTime) -> String {
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
pub(in crate::cli) fn all(check: &Check, now: OffsetDateTime) -> Vec<String> {
    let set = [What::Pause, What::Mute, What::Ack]
        .into_iter()
        .filter_map(|what| Some(words(what.done(), what.of(check)?, now)));
    let maintenance = check.maintenance.iter();
    set.chain(maintenance.map(|it| words("in maintenance", it, now)))
        .collect()
}
