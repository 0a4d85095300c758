//! What happens to whom and when, by the seed: outages of the sites, moods of the receivers, and
//! faults of everything that lokahi is made of. Times are seconds since the beginning.
//!
//! Faults come in storms. In the calm between two of them lokahi has the time to see what there is
//! to see, so that something can be required of it.

use super::cast::{self, CHECKS, Mood, RECEIVERS};
use super::fault::{ARMED, Fault, Kind, Link, Moment, Who};
use crate::chance::Chance;

/// Until then all is well, and checks that were just applied are not suspected of that.
const PROLOGUE: f64 = 20.0;
/// After the last fault there is so much left at least.
const EPILOGUE: f64 = 60.0;
const STORM: f64 = 50.0;
const CALM: f64 = 45.0;

/// From a moment to another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Span {
    pub(super) from: f64,
    pub(super) until: f64,
}

impl Span {
    pub(super) fn contains(&self, at: f64) -> bool {
        (self.from..self.until).contains(&at)
    }

    pub(super) fn meets(&self, other: &Self) -> bool {
        self.from < other.until && other.from < self.until
    }
}

/// How a page fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    Answers500,
    Closes,
    Hangs,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Outage {
    pub(super) span: Span,
    pub(super) failure: Failure,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Script {
    /// By check, in their order.
    pub(super) outages: Vec<Vec<Outage>>,
    /// By receiver, in their order.
    pub(super) moods: Vec<Vec<(Span, Mood)>>,
    /// In their order.
    pub(super) faults: Vec<Fault>,
    /// When the last fault and the last mood are over, if what must start again does so at once.
    pub(super) last: f64,
}

impl Script {
    /// What so many seconds hold.
    pub(super) fn of(seed: u64, length: f64) -> Self {
        let mut dice = Dice(Chance::new(seed));
        let until = length - EPILOGUE;
        let faults = faults(&mut dice, until);
        let moods = moods(&mut dice, until);
        let ends = faults.iter().map(|it| it.at + it.lasts);
        let moods_end = moods.iter().flatten().map(|(span, _)| span.until);
        let last = ends.chain(moods_end).fold(0.0, f64::max);
        Self {
            outages: outages(&mut dice, last),
            moods,
            faults,
            last,
        }
    }

    /// What a page does at a moment.
    pub(super) fn outage(&self, check: usize, at: f64) -> Option<&Outage> {
        let outages = self.outages.get(check)?;
        outages.iter().find(|outage| outage.span.contains(at))
    }

    pub(super) fn mood(&self, receiver: usize, at: f64) -> Option<(Span, Mood)> {
        let moods = self.moods.get(receiver)?;
        moods.iter().find(|(span, _)| span.contains(at)).copied()
    }

    /// Whether a check is up in the end.
    pub(super) fn ends_up(&self, check: usize) -> bool {
        self.outage(check, f64::MAX / 2.0).is_none()
    }
}

struct Dice(Chance);

impl Dice {
    fn between(&mut self, least: f64, most: f64) -> f64 {
        least + (most - least) * self.0.below(10_000) as f64 / 10_000.0
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> Option<T> {
        of.get(self.0.below(of.len() as u64) as usize).copied()
    }

    /// All of them in some order.
    fn shuffled<T: Copy>(&mut self, of: &[T]) -> Vec<T> {
        let mut left = of.to_vec();
        let mut found = Vec::new();
        while !left.is_empty() {
            found.push(left.swap_remove(self.0.below(left.len() as u64) as usize));
        }
        found
    }
}

/// Each kind of fault once, in some order.
fn deck(dice: &mut Dice, turn: usize) -> Vec<Kind> {
    let first = turn.is_multiple_of(2);
    let pick = |one, other| if first { one } else { other };
    let aimed = Moment::ALL[turn % Moment::ALL.len()];
    let kinds = [
        Kind::KillAtCommit(Moment::Before),
        Kind::KillAtCommit(Moment::Between),
        Kind::KillAtCommit(Moment::After),
        Kind::KillPostgresAtCommit,
        Kind::CutAtCommit(aimed),
        Kind::KillAtDelivery(Moment::Before),
        Kind::KillAtDelivery(Moment::Between),
        Kind::KillAtDelivery(Moment::After),
        Kind::Kill(pick(Who::Lokahid1, Who::Lokahid2)),
        Kind::Kill(pick(Who::Healthworker1, Who::Healthworker2)),
        Kind::Kill(pick(Who::Webhookworker1, Who::Webhookworker2)),
        Kind::Freeze(pick(Who::Lokahid2, Who::Lokahid1)),
        Kind::Freeze(pick(Who::Healthworker2, Who::Healthworker1)),
        Kind::Freeze(pick(Who::Webhookworker2, Who::Webhookworker1)),
        Kind::FreezeAtClaim(pick(Who::Webhookworker1, Who::Webhookworker2)),
        Kind::HoldAtClaim(pick(Who::Webhookworker2, Who::Webhookworker1)),
        Kind::Kill(Who::Nats),
        Kind::StopNats,
        Kind::Kill(Who::Postgres),
        Kind::RestartPostgres,
        Kind::FullDisk,
        Kind::Cut(Link::Postgres),
        Kind::Silence(Link::Postgres),
        Kind::Cut(Link::Nats),
        Kind::Silence(Link::Nats),
    ];
    dice.shuffled(&kinds)
}

fn faults(dice: &mut Dice, until: f64) -> Vec<Fault> {
    let mut found: Vec<Fault> = Vec::new();
    let mut cards = Vec::new();
    let mut turn = 0;
    let mut storm = Span {
        from: PROLOGUE,
        until: PROLOGUE + STORM,
    };
    let mut at = storm.from;
    loop {
        if cards.is_empty() {
            cards = deck(dice, turn);
            turn += 1;
        }
        let Some(kind) = cards.pop() else {
            return found;
        };
        let (least, most) = kind.lasts();
        let lasts = dice.between(least, most);
        let waits = if kind.waits() { ARMED } else { 0.0 };
        at += dice.between(0.0, 1.0);
        if at > storm.until {
            storm.from = storm.until + CALM;
            storm.until = storm.from + STORM;
            at = storm.from + dice.between(0.0, 3.0);
        }
        // What has a fault already is left until that is over, and some seconds more: it must
        // have come back to be broken again.
        let busy = found.iter().filter(|it| {
            let shared = it.kind.subjects();
            kind.subjects().iter().any(|who| shared.contains(who))
        });
        let free = busy.map(|it| it.at + it.lasts + 3.0).fold(at, f64::max);
        if free > storm.until {
            cards.insert(0, kind);
            continue;
        }
        let fault = Fault {
            kind,
            at: free,
            lasts: lasts + waits,
        };
        if fault.at + fault.lasts > until {
            return found;
        }
        found.push(fault);
        at += dice.between(0.0, 4.0);
        found.sort_by(|one, other| one.at.total_cmp(&other.at));
    }
}

fn moods(dice: &mut Dice, until: f64) -> Vec<Vec<(Span, Mood)>> {
    let one = |receiver: &cast::Receiver| {
        let mut found = Vec::new();
        let mut left: Vec<Mood> = Vec::new();
        let mut from = PROLOGUE + dice.between(0.0, 20.0);
        loop {
            if left.is_empty() {
                left = dice.shuffled(receiver.moods);
            }
            let Some(mood) = left.pop() else {
                return found;
            };
            let lasts = match mood {
                Mood::Closed => dice.between(30.0, 120.0),
                Mood::Away => dice.between(170.0, 190.0),
                Mood::Hangs => dice.between(17.0, 45.0),
                Mood::Refuses => dice.between(20.0, 60.0),
                _ => dice.between(10.0, 40.0),
            };
            let span = Span {
                from,
                until: (from + lasts).min(until),
            };
            if span.until - span.from < 5.0 {
                return found;
            }
            found.push((span, mood));
            // At times one follows the other at once.
            let calm = dice.between(-10.0, 30.0);
            from = span.until + calm.max(0.0);
        }
    };
    RECEIVERS.iter().map(one).collect()
}

/// Of each four checks one is up all the time, and a rack fails as one. After the last fault every
/// third of the others goes down for good, and the rest is up: what is seen then shows that all is
/// as before.
fn outages(dice: &mut Dice, last: f64) -> Vec<Vec<Outage>> {
    const FAILURES: [Failure; 3] = [Failure::Answers500, Failure::Closes, Failure::Hangs];
    let mut one = |check: usize| {
        let mut found = Vec::new();
        if check % 4 == 3 {
            return found;
        }
        let mut from = PROLOGUE + dice.between(-3.0, 30.0);
        while let Some(failure) = dice.one(&FAILURES) {
            let lasts = match dice.0.below(4) {
                0 => dice.between(3.0, 12.0),
                1 | 2 => dice.between(20.0, 45.0),
                _ => dice.between(60.0, 110.0),
            };
            let mut span = Span {
                from,
                until: from + lasts,
            };
            from = span.until + dice.between(15.0, 50.0);
            if from > last {
                // The last one is over when the faults are.
                span.until = span.until.min(last + 2.0);
                if span.until > span.from {
                    found.push(Outage { span, failure });
                }
                break;
            }
            found.push(Outage { span, failure });
        }
        if check.is_multiple_of(3) {
            let after = found.last().map_or(0.0, |outage| outage.span.until + 20.0);
            let span = Span {
                from: after.max(last + 3.0),
                until: f64::INFINITY,
            };
            let failure = Failure::Answers500;
            found.push(Outage { span, failure });
        }
        found
    };
    let mut all: Vec<Vec<Outage>> = (0..CHECKS).map(&mut one).collect();
    for check in 0..CHECKS {
        let leader = cast::rack(check).and_then(|(_, first)| all.get(first).cloned());
        if let (Some(leader), Some(own)) = (leader, all.get_mut(check)) {
            *own = leader;
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::chaos::SEED;

    #[test]
    fn a_seed_gives_the_same_script_each_time_and_five_minutes_hold_each_fault() {
        let script = Script::of(SEED, 300.0);
        assert_eq!(script, Script::of(SEED, 300.0));
        assert_ne!(script, Script::of(SEED + 1, 300.0));
        // Of those that have a moment each kind counts for itself.
        let kinds: BTreeSet<String> = script.faults.iter().map(|it| it.kind.words()).collect();
        assert!(kinds.len() >= 26, "{kinds:#?}");
        assert!(script.last <= 240.0);
        // What does not arrive goes to a fallback, for both reasons.
        let first = RECEIVERS
            .iter()
            .position(|it| it.fallback.is_some())
            .unwrap();
        for (mood, least) in [(Mood::Away, 170.0), (Mood::Refuses, 20.0)] {
            let lasts = |(span, it): &(Span, Mood)| *it == mood && span.until - span.from >= least;
            assert!(
                script.moods[first].iter().any(lasts),
                "{:?}",
                script.moods[first]
            );
        }
        for pair in script.faults.windows(2) {
            assert!(pair[0].at <= pair[1].at);
        }
    }

    #[test]
    fn nobody_has_two_faults_at_once() {
        for seed in 0..50 {
            let faults = Script::of(seed, 600.0).faults;
            for (n, fault) in faults.iter().enumerate() {
                for other in faults.iter().skip(n + 1) {
                    let shared = other.kind.subjects();
                    if fault.kind.subjects().iter().any(|who| shared.contains(who)) {
                        assert!(fault.at + fault.lasts < other.at, "{fault:?} {other:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn some_checks_never_fail_and_some_are_down_in_the_end() {
        let script = Script::of(1, 300.0);
        assert!(script.outages[3].is_empty());
        let down = (0..CHECKS).filter(|check| !script.ends_up(*check));
        assert!((3..CHECKS / 2).contains(&down.count()));
        assert_eq!(script.outages[36], script.outages[38]);
        assert_ne!(script.outages[36], script.outages[37]);
        assert!((36..42).all(|check| !script.outages[check].is_empty()));
        for outages in &script.outages {
            for pair in outages.windows(2) {
                assert!(pair[1].span.from - pair[0].span.until >= 10.0);
            }
        }
    }
}
