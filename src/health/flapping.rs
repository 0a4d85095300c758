//! Whether a check goes up and down too often: Icinga's way to see it.

use time::OffsetDateTime;

use crate::model::check::WhileFlapping;
use crate::model::health::{Flap, Flapping, Flips, Health, Told, Transition};

/// From so much on it flaps, and below the other it does so no more, in hundredths of a probe of
/// [`Flips::PROBES`]: 30 % and 25 %.
const BEGINS: u32 = 600;
const ENDS: u32 = 500;

/// How much the result has changed over the last probes, in hundredths of a probe.
///
/// As in Icinga 2 (its documentation, Advanced Topics, "Check Flapping"): of the last 20 results
/// each that differs from the one before counts, the oldest 0.8 and each newer one 0.02 more; the
/// sum is compared with 20, by default with a high threshold of 30 % and a low one of 25 %. As for
/// its hosts a result is good or bad: what kind of bad it is changes nothing.
fn weight(flips: Flips) -> u32 {
    let of_age = |age: u32| 80 + 2 * (Flips::PROBES - 1 - age);
    flips.ages().map(of_age).sum()
}

/// Takes one more result. A check that is held tells once that it begins and once that it ends;
/// of another one it is only known.
pub(super) fn flap(
    health: &mut Health,
    failed: bool,
    at: OffsetDateTime,
    policy: WhileFlapping,
) -> Option<Transition> {
    health.flips = health.flips.and(failed);
    let weight = weight(health.flips);
    let before = health.flapping;
    health.flapping = match before {
        Flapping::No if weight >= BEGINS => match policy {
            WhileFlapping::Hold if !health.quiet => Flapping::Held,
            WhileFlapping::Hold | WhileFlapping::Tell => Flapping::Shown,
        },
        Flapping::Shown | Flapping::Held if weight < ENDS => Flapping::No,
        same => same,
    };
    let flap = match (before, health.flapping) {
        (Flapping::No, Flapping::Held) => Flap::Begins,
        (Flapping::Held, Flapping::No) => Flap::Ends,
        _ => return None,
    };
    health.seq += 1;
    Some(Transition {
        previous: health.state,
        next: health.state,
        degraded: health.degraded,
        at,
        seq: health.seq,
        incident: None,
        told: Told::Yes,
        flap: Some(flap),
        reminds: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newer_changes_weigh_more() {
        let after = |letters: &str| {
            let flips = letters
                .chars()
                .fold(Flips::default(), |flips, letter| flips.and(letter == 'd'));
            weight(flips)
        };
        // The newest counts 1.18, the oldest of twenty 0.8.
        assert_eq!(after("ud"), 118);
        assert_eq!(after(&format!("u{}", "d".repeat(20))), 80);
        assert_eq!(after(&format!("u{}", "d".repeat(21))), 0);
        assert_eq!(after("udud"), 118 + 116 + 114);
        // Five changes are not yet a third of it, six are.
        assert_eq!(after("ududud"), 570);
        assert_eq!(after("udududu"), 678);
    }
}
