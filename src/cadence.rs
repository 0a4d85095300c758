//! When a check is due: start to start, each check at its own phase.
//!
//! The phase is a hash of the id, so that a restart neither aligns checks nor
//! makes a burst, and nothing has to be stored.

use time::{Duration, OffsetDateTime};

use crate::model::check::{Every, Timeout};
use crate::model::id::CheckId;

/// Microseconds since 1970: the scheduler's unit of time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Micros(pub i64);

/// How late a probe may begin: a tenth of its period, between a second and a minute.
pub fn lateness(every: Every) -> Micros {
    let tenth = i64::from(every.seconds()) * 100_000;
    Micros(tenth.clamp(1_000_000, 60_000_000))
}

/// The first moment after `after` at which the check is due.
pub fn next_due(id: CheckId, every: Every, after: Micros) -> Micros {
    let period = i64::from(every.seconds()) * 1_000_000;
    let phase = (id.hash() % period.unsigned_abs()) as i64;
    let periods = (after.0 - phase).div_euclid(period) + 1;
    Micros(periods * period + phase)
}

/// How many times the check was due after `from`, up to and including `to`.
pub fn due_between(id: CheckId, every: Every, from: Micros, to: Micros) -> u64 {
    let period = i64::from(every.seconds()) * 1_000_000;
    let first = next_due(id, every, from);
    if first > to {
        0
    } else {
        ((to.0 - first.0) / period + 1).unsigned_abs()
    }
}

/// How much later than others what a failing probe saw may be told: it waits for the sentinels of
/// its worker.
const SENTINELS: Duration = Duration::seconds(3);

/// Whether what was seen at `seen` is too old to be believed at `now`: two
/// probes should have come since, and did not, where one of so many `turns` is
/// from there. That is our own fault, not the site's.
pub fn is_stale(
    seen: OffsetDateTime,
    every: Every,
    turns: u32,
    timeout: Timeout,
    now: OffsetDateTime,
) -> bool {
    let periods = Duration::seconds(2 * i64::from(every.seconds()) * i64::from(turns));
    now - seen > periods + timeout.duration() + SENTINELS
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    proptest! {
        #[test]
        fn due_times_are_one_period_apart(id: u128, seconds in 1i64..100_000, after in 0i64..1 << 50) {
            let id = CheckId(Uuid::from_u128(id));
            let every = Every::from_seconds(seconds).unwrap();
            let first = next_due(id, every, Micros(after));
            let second = next_due(id, every, first);
            prop_assert!(first.0 > after && first.0 <= after + seconds * 1_000_000);
            prop_assert_eq!(second.0 - first.0, seconds * 1_000_000);
            prop_assert_eq!(due_between(id, every, Micros(after), second), 2);
            prop_assert_eq!(due_between(id, every, first, Micros(second.0 - 1)), 0);
        }
    }

    #[test]
    fn phases_spread() {
        let every = Every::from_seconds(60).unwrap();
        let mut seconds = [0u32; 60];
        for n in 0..6000u128 {
            let id = CheckId(Uuid::from_u128(n));
            seconds[(next_due(id, every, Micros(0)).0 / 1_000_000) as usize % 60] += 1;
        }
        assert!(
            seconds.iter().all(|&n| (50..200).contains(&n)),
            "{seconds:?}"
        );
    }
}
