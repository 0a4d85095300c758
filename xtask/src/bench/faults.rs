//! What is wrong with the sites of `alerts` and when, by a fixed seed: outages that must be told,
//! and blips that must not.

use std::time::Duration;

use crate::chance::Chance;

pub(super) const EVERY: Duration = Duration::from_secs(30);
pub(super) const TIMEOUT: Duration = Duration::from_secs(5);
/// What lokahi does unless a check says else.
pub(super) const RETRY: Duration = Duration::from_secs(5);

/// Until when the first failure after the beginning of an outage is confirmed at the latest.
pub(super) fn confirmed_within() -> Duration {
    EVERY + (RETRY + TIMEOUT) * 2
}

/// Between two faults of a site it is well for so long that the end of the first was seen.
const CALM: Duration = Duration::from_secs(60);

/// How a site fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It answers 500.
    Answers500,
    /// It closes without an answer.
    Closes,
    /// It hangs, and so does the probe until its timeout.
    Hangs,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Answers500, Self::Closes, Self::Hangs];
}

/// From a moment to another, since the beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) from: Duration,
    pub(super) until: Duration,
    pub(super) kind: Kind,
}

impl Fault {
    /// Whether it is long enough that a check must be down for it.
    pub(super) fn is_outage(&self) -> bool {
        self.until - self.from > confirmed_within()
    }
}

/// The faults of each site, in their order, all over by `length`. Of five sites two have outages
/// and blips, one has blips, and two are well all the time.
pub(super) fn faults(seed: u64, sites: u32, length: Duration) -> Vec<Vec<Fault>> {
    let mut chance = Chance::new(seed);
    let one = |site: u32| {
        let outages = match site % 5 {
            0 | 1 => true,
            2 => false,
            _ => return Vec::new(),
        };
        let mut found = Vec::new();
        let mut from = chance.between(Duration::from_secs(1), CALM);
        loop {
            let lasts = if outages && chance.below(2) == 0 {
                let least = confirmed_within() + Duration::from_secs(1);
                // Most are short, some are long.
                let most = least + Duration::from_secs([10, 60, 300][chance.below(3) as usize]);
                chance.between(least, most)
            } else {
                // Shorter than it takes until the second probe, so that one at most meets it.
                chance.between(Duration::from_millis(200), Duration::from_secs(2))
            };
            let until = from + lasts;
            if until > length {
                return found;
            }
            let kind = Kind::ALL[chance.below(3) as usize];
            found.push(Fault { from, until, kind });
            from = until + chance.between(CALM, CALM * 2);
        }
    };
    (0..sites).map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_the_same_each_time_and_far_enough_apart() {
        let length = Duration::from_secs(1800);
        let all = faults(1, 1000, length);
        assert_eq!(all, faults(1, 1000, length));
        assert_ne!(all, faults(2, 1000, length));
        let mut counts = [0, 0];
        for site in &all {
            for fault in site {
                counts[usize::from(fault.is_outage())] += 1;
                assert!(fault.until <= length);
                assert!(fault.is_outage() || fault.until - fault.from < RETRY);
            }
            for pair in site.windows(2) {
                assert!(pair[1].from - pair[0].until >= CALM);
            }
        }
        assert!(counts.iter().all(|count| *count > 1000), "{counts:?}");
        assert!(all[3].is_empty() && all[4].is_empty());
    }
}
