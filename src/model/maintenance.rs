//! Maintenance: a time in which somebody works on what is watched. Probing and recording go on;
//! what is seen then is told to nobody, and is in no uptime.

use std::collections::BTreeMap;
use std::time::Duration;

use time::{Date, OffsetDateTime};

use crate::model::cron::Cron;
use crate::model::desired::CANARY_PROJECT;
use crate::model::glob::Glob;
use crate::model::zone::Zone;

/// Which checks are meant: by name and by labels, all of which must fit. Judged at the moment,
/// so that a check that comes later is meant, too.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Selector {
    /// Any of these; empty: whatever it is called.
    pub names: Vec<Glob>,
    /// All of these.
    pub labels: BTreeMap<String, String>,
}

/// Whether what is said of one project, or of every one, holds in this project. Canaries are meant
/// by whoever names theirs.
pub fn holds_in(of: Option<&str>, project: &str) -> bool {
    of.map_or(project != CANARY_PROJECT, |of| of == project)
}

impl Selector {
    /// The most names, and the most labels.
    pub const MAX: usize = 32;

    /// Whether it says nothing: then it means nothing.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty() && self.labels.is_empty()
    }

    /// Whether a check of this address and these labels is meant.
    pub fn matches<'a>(&self, address: &str, label: impl Fn(&str) -> Option<&'a str>) -> bool {
        !self.is_empty()
            && (self.names.is_empty() || self.names.iter().any(|name| name.matches(address)))
            && self
                .labels
                .iter()
                .all(|(key, value)| label(key) == Some(value.as_str()))
    }
}

/// When it is.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum When {
    /// Once.
    Once {
        start: OffsetDateTime,
        end: OffsetDateTime,
    },
    /// Each time that the clock of a zone shows such a time, for as long.
    Recurring {
        cron: Cron,
        duration: Duration,
        zone: Zone,
    },
}

impl When {
    /// How long a window may be that recurs, and how short.
    pub const MAX: Duration = Duration::from_secs(7 * 86_400);
    pub const MIN: Duration = Duration::from_secs(60);
    /// How far ahead the next one is looked for: a leap day may be eight years away.
    const AHEAD: u16 = 366 * 9;

    /// The window that is open at a moment: from when to when.
    pub fn open_at(&self, at: OffsetDateTime) -> Option<(OffsetDateTime, OffsetDateTime)> {
        match self {
            Self::Once { start, end } => (*start <= at && at < *end).then_some((*start, *end)),
            Self::Recurring {
                cron,
                duration,
                zone,
            } => {
                let start = latest(cron, zone, at, *duration)?;
                let end = start + *duration;
                (at < end).then_some((start, end))
            }
        }
    }

    /// The beginning of the next window after a moment.
    pub fn next_after(&self, at: OffsetDateTime) -> Option<OffsetDateTime> {
        match self {
            Self::Once { start, .. } => (*start > at).then_some(*start),
            Self::Recurring { cron, zone, .. } => {
                let mut date = zone.date(at)?.previous_day()?;
                for _ in 0..Self::AHEAD {
                    if cron.has_day(date) {
                        let moments = moments(cron, zone, date);
                        if let Some(next) = moments.filter(|moment| *moment > at).min() {
                            return Some(next);
                        }
                    }
                    date = date.next_day()?;
                }
                None
            }
        }
    }

    /// Whether none is open at this moment or later.
    pub fn is_over(&self, at: OffsetDateTime) -> bool {
        matches!(self, Self::Once { end, .. } if *end <= at)
    }
}

/// The latest beginning that is not after a moment, as far back as a window lasts.
fn latest(
    cron: &Cron,
    zone: &Zone,
    at: OffsetDateTime,
    duration: Duration,
) -> Option<OffsetDateTime> {
    // A day more on both sides: zones, and clocks that are changed.
    let mut date = zone.date(at)?.next_day()?;
    let days = duration.as_secs() / 86_400 + 3;
    for _ in 0..=days {
        if cron.has_day(date) {
            let moments = moments(cron, zone, date);
            if let Some(latest) = moments.filter(|moment| *moment <= at).max() {
                return Some(latest);
            }
        }
        date = date.previous_day()?;
    }
    None
}

fn moments(cron: &Cron, zone: &Zone, date: Date) -> impl Iterator<Item = OffsetDateTime> {
    let times = cron.times();
    times.filter_map(move |(hour, minute)| zone.moment(date, hour, minute))
}

/// One maintenance.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Maintenance {
    pub selector: Selector,
    pub when: When,
    pub reason: String,
}

impl Maintenance {
    /// How many one project may declare.
    pub const MOST: usize = 100;
    /// The longest reason, in bytes.
    pub const MAX_REASON: usize = 1024;
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    fn recurring(cron: &str, hours: u64, zone: &str) -> When {
        When::Recurring {
            cron: cron.parse().unwrap(),
            duration: Duration::from_secs(hours * 3600),
            zone: zone.parse().unwrap(),
        }
    }

    #[test]
    fn whom_it_means() {
        let labels = |key: &str| (key == "team").then_some("web");
        let selector = |names: &[&str], team: Option<&str>| Selector {
            names: names.iter().map(|name| name.parse().unwrap()).collect(),
            labels: team
                .map(|team| ("team".to_owned(), team.to_owned()))
                .into_iter()
                .collect(),
        };
        for (names, team, meant) in [
            (&["front"][..], None, true),
            (&["back", "fr*"], None, true),
            (&["back"], None, false),
            (&[], Some("web"), true),
            (&[], Some("dba"), false),
            (&["front"], Some("web"), true),
            (&["front"], Some("dba"), false),
            (&["back"], Some("web"), false),
            (&[], None, false),
        ] {
            let matches = selector(names, team).matches("front[\"eu\"]", labels);
            assert_eq!(matches, meant, "{names:?} {team:?}");
        }
    }

    #[test]
    fn when_it_is_open() {
        let nightly = recurring("0 3 * * *", 2, "Europe/Berlin");
        // Over midnight, on a Sunday evening.
        let weekly = recurring("0 22 * * sun", 5, "Europe/Berlin");
        for (when, at, open) in [
            (&nightly, datetime!(2026-11-29 01:59 UTC), None),
            (
                &nightly,
                datetime!(2026-11-29 02:00 UTC),
                Some(datetime!(2026-11-29 04:00 UTC)),
            ),
            (&nightly, datetime!(2026-11-29 04:00 UTC), None),
            // In summer it is an hour earlier.
            (
                &nightly,
                datetime!(2026-07-29 01:00 UTC),
                Some(datetime!(2026-07-29 03:00 UTC)),
            ),
            (
                &weekly,
                datetime!(2026-11-30 01:30 UTC),
                Some(datetime!(2026-11-30 02:00 UTC)),
            ),
            (&weekly, datetime!(2026-11-30 02:00 UTC), None),
        ] {
            assert_eq!(when.open_at(at).map(|(_, end)| end), open, "{at}");
        }
    }

    #[test]
    fn a_window_begins_once_whatever_clocks_do() {
        let nightly = recurring("30 2 * * *", 1, "Europe/Berlin");
        let starts = |from: OffsetDateTime| {
            let next = |at: &OffsetDateTime| nightly.next_after(*at);
            let all = std::iter::successors(nightly.next_after(from), next);
            all.take(3).collect::<Vec<_>>()
        };
        assert_eq!(
            starts(datetime!(2026-03-28 00:00 UTC)),
            [
                datetime!(2026-03-28 01:30 UTC),
                // 02:30 is left out on that day.
                datetime!(2026-03-29 01:30 UTC),
                datetime!(2026-03-30 00:30 UTC),
            ]
        );
        assert_eq!(
            starts(datetime!(2026-10-24 00:00 UTC)),
            [
                datetime!(2026-10-24 00:30 UTC),
                // And comes twice on that one.
                datetime!(2026-10-25 00:30 UTC),
                datetime!(2026-10-26 01:30 UTC),
            ]
        );
        // Twenty minutes into the one that a lost hour moved.
        let open = nightly.open_at(datetime!(2026-03-29 01:50 UTC));
        assert_eq!(
            open.map(|(start, _)| start),
            Some(datetime!(2026-03-29 01:30 UTC))
        );
    }

    #[test]
    fn one_that_does_not_recur_is_over_at_its_end() {
        let (start, end) = (
            datetime!(2026-11-29 10:00 UTC),
            datetime!(2026-11-29 12:00 UTC),
        );
        let once = When::Once { start, end };
        let minute = time::Duration::MINUTE;
        assert_eq!(once.open_at(start - minute), None);
        assert_eq!(once.next_after(start - minute), Some(start));
        assert_eq!(once.open_at(start), Some((start, end)));
        assert_eq!((once.open_at(end), once.next_after(end)), (None, None));
        assert_eq!(
            (once.is_over(end - minute), once.is_over(end)),
            (false, true)
        );
        let leap = recurring("0 0 29 2 *", 1, "UTC");
        assert_eq!(
            leap.next_after(datetime!(2096-03-01 00:00 UTC)),
            Some(datetime!(2104-02-29 00:00 UTC))
        );
    }
}
