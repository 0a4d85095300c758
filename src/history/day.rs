//! A day of a check by hours, and its stored form: the `RollupDay` of `proto/internal.proto`.

use std::collections::BTreeMap;

use prost::Message as _;

use super::counts::Counts;
use crate::histogram::sparse::{InvalidHistogram, Sparse};
use crate::model::observation::Outcome;
use crate::proto::internal::{RollupDay, RollupHour};

/// The stored bytes are no day.
#[derive(Debug, thiserror::Error)]
pub enum InvalidDay {
    #[error("the bytes are no RollupDay")]
    Message(#[from] prost::DecodeError),
    #[error("the latencies of hour {hour} cannot be read")]
    Latency {
        hour: u32,
        #[source]
        source: InvalidHistogram,
    },
    #[error("a day has no hour {0}")]
    Hour(u32),
}

/// What the probes of one hour came to.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Hour {
    pub counts: Counts,
    /// Of the probes that were answered, in microseconds.
    pub latency: Sparse,
}

impl Hour {
    /// Counts a probe.
    pub fn note(&mut self, outcome: Outcome, microseconds: u32) {
        self.counts.note(outcome, 1);
        if is_answered(outcome) {
            self.latency.add(microseconds);
        }
    }

    /// Counts probes within maintenance: they say nothing more.
    pub fn note_maintained(&mut self, times: u64) {
        self.counts.maintenance += times;
    }
}

/// Whether its latency is one of the site's.
pub(super) fn is_answered(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Up | Outcome::Down)
}

/// A day in UTC, by its hours from 0 to 23; those without a probe are not in it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Day {
    pub hours: BTreeMap<u8, Hour>,
}

impl Day {
    pub fn encode(&self) -> Vec<u8> {
        let number = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
        let hours = self.hours.iter().map(|(&hour, of)| RollupHour {
            hour: hour.into(),
            up: number(of.counts.up),
            down: number(of.counts.down),
            error: number(of.counts.error),
            unknown: number(of.counts.unknown),
            skipped: number(of.counts.skipped),
            lost: number(of.counts.lost),
            latency: of.latency.encode(),
            maintenance: number(of.counts.maintenance),
        });
        let hours = hours.collect();
        RollupDay { hours }.encode_to_vec()
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, InvalidDay> {
        let mut day = Self::default();
        for of in RollupDay::decode(bytes)?.hours {
            let hour = u8::try_from(of.hour).ok().filter(|hour| *hour < 24);
            let hour = hour.ok_or(InvalidDay::Hour(of.hour))?;
            let latency = Sparse::decode(&of.latency);
            let latency = latency.map_err(|source| InvalidDay::Latency {
                hour: of.hour,
                source,
            })?;
            let counts = Counts {
                up: of.up.into(),
                down: of.down.into(),
                error: of.error.into(),
                unknown: of.unknown.into(),
                skipped: of.skipped.into(),
                lost: of.lost.into(),
                maintenance: of.maintenance.into(),
            };
            day.hours.insert(hour, Hour { counts, latency });
        }
        Ok(day)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_read_as_it_was_written() {
        let mut day = Day::default();
        for (hour, outcome) in [(0, Outcome::Up), (5, Outcome::Error), (23, Outcome::Down)] {
            let of = day.hours.entry(hour).or_default();
            (1..=120).for_each(|n| of.note(outcome, 80_000 + n * 100));
            of.counts.lost = 2;
            of.note_maintained(3);
        }
        let bytes = day.encode();
        assert_eq!(Day::decode(&bytes).unwrap(), day);
        assert!(day.hours[&5].latency.is_empty(), "an error is no latency");
        assert!(Day::decode(&[10, 2, 8, 24]).is_err(), "there is no hour 24");
    }

    #[test]
    fn an_hour_of_a_site_takes_few_bytes() {
        let mut day = Day::default();
        // Half a minute from one probe to the next, spread over a third around 80 ms.
        let hour = day.hours.entry(9).or_default();
        (0..120u32).for_each(|n| hour.note(Outcome::Up, 70_000 + n * 7919 % 25_000));
        assert!(day.encode().len() < 40, "{}", day.encode().len());
    }
}
