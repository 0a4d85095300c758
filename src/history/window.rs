//! The history of a check over a window, in buckets: from each of its probes, or from the hours
//! that they were rolled up into.

use time::{Duration, OffsetDateTime};

use super::counts::Counts;
use super::day::{Hour, is_answered};
use crate::histogram::sparse::Sparse;
use crate::model::observation::Outcome;

/// From when to when, in steps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Window {
    pub since: OffsetDateTime,
    pub until: OffsetDateTime,
    pub step: Duration,
}

impl Window {
    /// As it was asked for, in at most so many steps of whole seconds.
    pub fn exact(since: OffsetDateTime, until: OffsetDateTime, buckets: u32) -> Self {
        let step = divided((until - since).whole_milliseconds(), buckets, 1000);
        Self {
            since,
            until,
            step: Duration::seconds(step),
        }
    }

    /// Widened to whole hours, but for an end that is now, in at most so many steps of whole
    /// hours.
    pub fn whole_hours(
        since: OffsetDateTime,
        until: OffsetDateTime,
        buckets: u32,
        now: OffsetDateTime,
    ) -> Self {
        let since = hour_of(since);
        let end = hour_of(until);
        let until = match end == until {
            true => until,
            false => now.min(end + Duration::HOUR),
        };
        let step = divided((until - since).whole_milliseconds(), buckets, 3_600_000);
        Self {
            since,
            until,
            step: Duration::hours(step),
        }
    }

    fn index(&self, at: OffsetDateTime) -> Option<usize> {
        if at < self.since || at >= self.until {
            return None;
        }
        let steps = (at - self.since).whole_milliseconds() / self.step.whole_milliseconds().max(1);
        usize::try_from(steps).ok()
    }

    fn starts(&self) -> impl Iterator<Item = OffsetDateTime> {
        let next = |at: &OffsetDateTime| Some(*at + self.step).filter(|next| *next < self.until);
        std::iter::successors(Some(self.since), next)
    }
}

/// How many units of so many milliseconds a part is, rounded up; one at least.
fn divided(milliseconds: i128, parts: u32, unit: i128) -> i64 {
    let parts = i128::from(parts.max(1)) * unit;
    let units = milliseconds.max(1).div_euclid(parts) + i128::from(milliseconds % parts != 0);
    i64::try_from(units.max(1)).unwrap_or(i64::MAX)
}

/// The beginning of the hour that a moment is in.
pub fn hour_of(at: OffsetDateTime) -> OffsetDateTime {
    at.replace_time(time::Time::MIDNIGHT) + Duration::hours(at.hour().into())
}

/// The latencies of answered probes, in microseconds.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Samples {
    Each(Vec<u32>),
    Merged(Sparse),
}

impl Samples {
    fn quantiles(&self) -> Option<Quantiles> {
        match self {
            Self::Each(values) => {
                let mut sorted = values.clone();
                sorted.sort_unstable();
                let of = |percent: f64| {
                    let rank = (percent / 100.0 * sorted.len() as f64).ceil() as usize;
                    sorted.get(rank.max(1) - 1).copied()
                };
                Some(Quantiles {
                    p50: of(50.0)?,
                    p95: of(95.0)?,
                    p99: of(99.0)?,
                    max: of(100.0)?,
                })
            }
            Self::Merged(sparse) => Some(Quantiles {
                p50: sparse.percentile(50.0)?,
                p95: sparse.percentile(95.0)?,
                p99: sparse.percentile(99.0)?,
                max: sparse.max()?,
            }),
        }
    }
}

/// Latencies in microseconds, by nearest rank.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Quantiles {
    pub p50: u32,
    pub p95: u32,
    pub p99: u32,
    pub max: u32,
}

/// One step of the window, or all of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bucket {
    pub start: OffsetDateTime,
    pub counts: Counts,
    samples: Samples,
}

impl Bucket {
    /// None where no probe was answered.
    pub fn quantiles(&self) -> Option<Quantiles> {
        self.samples.quantiles()
    }
}

/// A window and what was seen in it. What lies outside is passed over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct History {
    pub window: Window,
    pub buckets: Vec<Bucket>,
}

impl History {
    /// One that keeps the latency of each probe, and takes no hours: percentiles are exact.
    pub fn of_probes(window: Window) -> Self {
        Self::new(window, Samples::Each(Vec::new()))
    }

    /// One of whole hours and of single probes: percentiles are right to 1 %.
    pub fn of_hours(window: Window) -> Self {
        Self::new(window, Samples::Merged(Sparse::default()))
    }

    fn new(window: Window, samples: Samples) -> Self {
        let bucket = |start| Bucket {
            start,
            counts: Counts::default(),
            samples: samples.clone(),
        };
        Self {
            window,
            buckets: window.starts().map(bucket).collect(),
        }
    }

    fn bucket(&mut self, at: OffsetDateTime) -> Option<&mut Bucket> {
        let index = self.window.index(at)?;
        self.buckets.get_mut(index)
    }

    /// Counts a probe.
    pub fn note(&mut self, at: OffsetDateTime, outcome: Outcome, microseconds: u32) {
        let Some(bucket) = self.bucket(at) else {
            return;
        };
        bucket.counts.note(outcome, 1);
        match &mut bucket.samples {
            _ if !is_answered(outcome) => {}
            Samples::Each(values) => values.push(microseconds),
            Samples::Merged(sparse) => sparse.add(microseconds),
        }
    }

    /// Counts a probe within maintenance.
    pub fn note_maintained(&mut self, at: OffsetDateTime) {
        if let Some(bucket) = self.bucket(at) {
            bucket.counts.maintenance += 1;
        }
    }

    /// Counts an hour.
    pub fn merge(&mut self, start: OffsetDateTime, hour: &Hour) {
        let Some(bucket) = self.bucket(start) else {
            return;
        };
        bucket.counts.add(&hour.counts);
        if let Samples::Merged(sparse) = &mut bucket.samples {
            sparse.merge(&hour.latency);
        }
    }

    /// Counts probes that left no observation. They are known to the hour: those of an hour that
    /// the window begins in count from its beginning on.
    pub fn miss(&mut self, hour: OffsetDateTime, skipped: u64, lost: u64) {
        let at = match hour + Duration::HOUR > self.window.since {
            true => hour.max(self.window.since),
            false => hour,
        };
        if let Some(bucket) = self.bucket(at) {
            bucket.counts.skipped += skipped;
            bucket.counts.lost += lost;
        }
    }

    /// All of the window as one.
    pub fn total(&self) -> Bucket {
        let mut total = Bucket {
            start: self.window.since,
            counts: Counts::default(),
            samples: Samples::Each(Vec::new()),
        };
        for bucket in &self.buckets {
            total.counts.add(&bucket.counts);
            match (&mut total.samples, &bucket.samples) {
                (Samples::Each(all), Samples::Each(values)) => all.extend_from_slice(values),
                (Samples::Merged(all), Samples::Merged(sparse)) => all.merge(sparse),
                (all, samples) => *all = samples.clone(),
            }
        }
        total
    }
}

/// From when to when the check was down; none where it still is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Outage {
    pub opened_at: OffsetDateTime,
    pub closed_at: Option<OffsetDateTime>,
}

/// How much of a window lies in outages.
pub fn downtime(outages: &[Outage], since: OffsetDateTime, until: OffsetDateTime) -> Duration {
    let within = outages.iter().map(|outage| {
        let end = outage.closed_at.unwrap_or(until).min(until);
        (end - outage.opened_at.max(since)).max(Duration::ZERO)
    });
    within.sum()
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use time::macros::datetime;

    use super::*;

    const SINCE: OffsetDateTime = datetime!(2026-11-24 12:30 UTC);
    const UNTIL: OffsetDateTime = datetime!(2026-11-25 12:30 UTC);

    #[test]
    fn a_day_in_forty_eight_steps() {
        let window = Window::exact(SINCE, UNTIL, 48);
        assert_eq!(window.step, Duration::minutes(30));
        assert_eq!(window.starts().count(), 48);
        let odd = Window::exact(SINCE, UNTIL, 7);
        assert_eq!(odd.starts().count(), 7);
        assert_eq!(Window::exact(UNTIL, UNTIL, 48).starts().count(), 1);
    }

    #[test]
    fn whole_hours_hold_what_was_asked_for() {
        let now = UNTIL + Duration::minutes(10);
        let running = Window::whole_hours(SINCE, now, 48, now);
        assert_eq!(running.since, datetime!(2026-11-24 12:00 UTC));
        assert_eq!((running.until, running.step), (now, Duration::HOUR));
        let past = Window::whole_hours(SINCE, UNTIL - Duration::DAY / 2, 4, now);
        assert_eq!(past.until, datetime!(2026-11-25 01:00 UTC));
        assert_eq!(past.step, Duration::hours(4));
    }

    #[test]
    fn what_was_not_probed_counts_from_the_beginning_of_its_hour() {
        let mut history = History::of_probes(Window::exact(SINCE, UNTIL, 48));
        history.miss(datetime!(2026-11-24 11:00 UTC), 100, 0);
        history.miss(datetime!(2026-11-24 12:00 UTC), 1, 0);
        history.miss(datetime!(2026-11-24 13:00 UTC), 0, 2);
        assert_eq!(history.buckets[0].counts.skipped, 1);
        assert_eq!(history.buckets[1].counts.lost, 2);
        assert_eq!(history.total().counts.left_out(), 3);
    }

    #[test]
    fn downtime_is_what_lies_in_the_window() {
        let outage = |opened_at, closed_at| Outage {
            opened_at,
            closed_at,
        };
        let minute = Duration::MINUTE;
        let outages = [
            outage(UNTIL - minute, None),
            outage(SINCE + minute, Some(SINCE + minute * 3)),
            outage(SINCE - minute, Some(SINCE + minute)),
            outage(SINCE - minute * 9, Some(SINCE - minute)),
        ];
        assert_eq!(downtime(&outages, SINCE, UNTIL), minute * 4);
    }

    proptest! {
        /// Hours of which each probe was rolled up give what the probes themselves give: the same
        /// counts, and latencies within one percent.
        #[test]
        fn hours_tell_what_their_probes_tell(
            probes in vec((0i64..86_400, 0usize..4, 1u32..5_000_000), 0..400),
            buckets in 1u32..60,
        ) {
            let window = Window::whole_hours(SINCE, UNTIL, buckets, UNTIL);
            let (mut each, mut rolled) = (History::of_probes(window), History::of_hours(window));
            let mut hours: std::collections::BTreeMap<_, Hour> = Default::default();
            for (second, outcome, latency) in probes {
                let at = window.since + Duration::seconds(second);
                let outcome = Outcome::ALL[outcome].0;
                each.note(at, outcome, latency);
                match at < UNTIL - Duration::HOUR {
                    true => hours.entry(hour_of(at)).or_default().note(outcome, latency),
                    // Of the last hours there are probes only.
                    false => rolled.note(at, outcome, latency),
                }
            }
            for (start, hour) in &hours {
                rolled.merge(*start, hour);
            }
            let all = each.buckets.iter().zip(&rolled.buckets);
            let (total, rolled_total) = (each.total(), rolled.total());
            for (each, rolled) in all.chain([(&total, &rolled_total)]) {
                prop_assert_eq!(each.counts, rolled.counts);
                let (Some(exact), Some(told)) = (each.quantiles(), rolled.quantiles()) else {
                    prop_assert_eq!(each.quantiles().is_some(), rolled.quantiles().is_some());
                    continue;
                };
                let pairs = [(exact.p50, told.p50), (exact.p95, told.p95),
                    (exact.p99, told.p99), (exact.max, told.max)];
                for (exact, told) in pairs {
                    let error = (f64::from(exact) - f64::from(told)).abs();
                    prop_assert!(error <= f64::from(exact) * 0.01, "{told} for {exact}");
                }
            }
        }
    }
}
