//! The fold once more, slow and obvious: after each probe everything is read again from all of
//! them. The quick one must say the same.

use proptest::prelude::*;
use time::macros::datetime;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::{Seen, fold};
use crate::model::check::{Confirm, WhileFlapping};
use crate::model::health::{Flapping, Health, State, Told};
use crate::model::id::IncidentId;
use crate::model::observation::Outcome;
use crate::model::probe::LocationKey;

const START: OffsetDateTime = datetime!(2026-01-01 00:00 UTC);

/// What is believed after a probe, and what is told of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Belief {
    state: State,
    degraded: bool,
    suspect: bool,
    /// Whether there was a transition, and whether it is told.
    news: Option<bool>,
    flapping: Flapping,
}

/// One in upper case is of another location.
fn seen(letter: char, n: usize) -> Seen {
    let location = LocationKey(letter.is_ascii_uppercase().into());
    let letter = letter.to_ascii_lowercase();
    Seen {
        location,
        outcome: match letter {
            'u' | 'w' => Outcome::Up,
            'd' => Outcome::Down,
            'e' => Outcome::Error,
            _ => Outcome::Unknown,
        },
        degraded: letter == 'w',
        unbelieved: false,
        retracted: None,
        at: START + Duration::seconds(n as i64 + 1),
    }
}

/// The state that one probe alone speaks for.
fn says(letter: char) -> Option<State> {
    match letter.to_ascii_lowercase() {
        'u' | 'w' => Some(State::Up),
        'd' => Some(State::Down),
        'e' => Some(State::Error),
        _ => None,
    }
}

/// How many of the last of these go on meeting a condition.
fn run<T>(all: &[T], meets: impl Fn(&T) -> bool) -> usize {
    all.iter().rev().take_while(|item| meets(item)).count()
}

/// All of a check's life, from the first probe.
fn slowly(letters: &[char], confirm: Confirm, policy: WhileFlapping, quiet: bool) -> Vec<Belief> {
    let mut beliefs: Vec<Belief> = Vec::new();
    for n in 0..letters.len() {
        let believed = beliefs.last().map_or(State::Init, |last| last.state);
        let degraded = beliefs.last().is_some_and(|last| last.degraded);
        // The probes that said something, with what was believed after each but this one.
        let spoke: Vec<(usize, State)> = (0..=n)
            .filter_map(|at| Some((at, says(letters[at])?)))
            .collect();
        let since = |changed: &dyn Fn(usize) -> bool| {
            let last = (0..n).rev().find(|at| changed(*at));
            let first = last.map_or(0, |at| at + 1);
            spoke.iter().filter(move |it| it.0 >= first).copied()
        };
        let state_at = |at: usize| beliefs[at].state;
        let entered = |at: usize| state_at(at) != at.checked_sub(1).map_or(State::Init, state_at);
        // A row is of one side, and none of it agrees with what is believed.
        let against: Vec<_> = since(&entered).collect();
        let up = against.last().is_some_and(|last| last.1 == State::Up);
        let row = run(&against, |it| it.1 != believed && (it.1 == State::Up) == up);
        let needed = match up {
            true if believed == State::Init => 1,
            true => confirm.successes,
            false => confirm.failures,
        };
        let silent = says(letters[n]).is_none();
        // Looking back, it is enough that so many of the last ones failed, near enough, in
        // enough places. An outage ends as ever.
        let looks_back = confirm.looks_back() && !believed.is_outage();
        let last = &against[against.len().saturating_sub(confirm.of.into())..];
        let near = |at: usize| {
            let newest = against.last().map_or(n, |last| last.0);
            let age = std::time::Duration::from_secs((newest - at) as u64);
            confirm.within.is_none_or(|within| age <= within)
        };
        let bad: Vec<usize> = last
            .iter()
            .filter(|it| it.1.is_outage() && near(it.0))
            .map(|it| it.0)
            .collect();
        let places = bad.iter().map(|at| letters[*at].is_ascii_uppercase());
        let places = places.collect::<std::collections::BTreeSet<_>>().len();
        let enough = match looks_back && !up {
            true => bad.len() >= needed.into() && places >= confirm.distinct.into(),
            false => row >= usize::from(needed),
        };
        let state = match against.last() {
            Some(last) if !silent && enough => last.1,
            _ => believed,
        };
        let row = if looks_back { bad.len() } else { row };
        let moved = state != believed;
        // Being degraded counts while the check is up, this probe included.
        let up_after = |at: usize| if at == n { state } else { state_at(at) } == State::Up;
        let flag_at = |at: usize| beliefs[at].degraded;
        let turned = |at: usize| flag_at(at) != at.checked_sub(1).is_some_and(flag_at);
        let judged: Vec<_> = since(&turned).collect();
        let otherwise = |it: &(usize, State)| {
            it.1 == State::Up
                && up_after(it.0)
                && letters[it.0].eq_ignore_ascii_case(&'w') != degraded
        };
        let warnings = run(&judged, otherwise);
        let needed = match degraded {
            true => confirm.successes,
            false => confirm.failures,
        };
        let turns = !silent && !moved && warnings >= usize::from(needed);
        let was_up = (0..n).any(|at| state_at(at) == State::Up);
        // Changes of kind since the outage began.
        let of_kind = (0..n)
            .rev()
            .take_while(|at| state_at(*at).is_outage())
            .filter(|at| {
                entered(*at) && at.checked_sub(1).is_some_and(|it| state_at(it).is_outage())
            })
            .count();
        let told = match (believed, state) {
            _ if turns => true,
            _ if quiet && !was_up => false,
            (State::Init, State::Up) => false,
            (from, to) if from.is_outage() && to.is_outage() => of_kind == 0,
            _ => true,
        };
        let row = if moved { 0 } else { row };
        let warnings = if turns { 0 } else { warnings };
        beliefs.push(Belief {
            flapping: flaps(
                &letters[..=n],
                beliefs.last(),
                policy,
                quiet && !was_up && state != State::Up,
            ),
            state,
            degraded: degraded != turns,
            suspect: row > 0 || warnings > 0,
            news: (moved || turns).then_some(told),
        });
    }
    beliefs
}

/// Whether it flaps after all of these.
fn flaps(
    letters: &[char],
    before: Option<&Belief>,
    policy: WhileFlapping,
    is_quiet: bool,
) -> Flapping {
    let results: Vec<bool> = letters
        .iter()
        .filter_map(|letter| Some(says(*letter)?.is_outage()))
        .collect();
    let before = before.map_or(Flapping::No, |last| last.flapping);
    if letters.last().is_none_or(|letter| says(*letter).is_none()) {
        return before;
    }
    // From the newest pair of results on, each weighs less.
    let pairs = results.windows(2).rev().take(20).enumerate();
    let weights = pairs.map(|(age, pair)| match pair[0] == pair[1] {
        true => 0.0,
        false => 1.18 - 0.02 * age as f64,
    });
    let percent = weights.sum::<f64>() / 20.0 * 100.0;
    // Whole numbers of hundredths: what is equal must not be less.
    let percent = (percent * 1000.0).round() / 1000.0;
    match before {
        Flapping::No if percent >= 30.0 && policy == WhileFlapping::Hold && !is_quiet => {
            Flapping::Held
        }
        Flapping::No if percent >= 30.0 => Flapping::Shown,
        Flapping::No => Flapping::No,
        _ if percent < 25.0 => Flapping::No,
        same => same,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]
    #[test]
    fn the_quick_fold_says_what_the_slow_one_says(
        letters in "[uwdeUWDE?]{0,60}",
        failures in 1u8..4,
        successes in 1u8..4,
        more in 0u8..4,
        distinct in 1u8..3,
        within in prop::option::of(1u64..8),
        quiet in any::<bool>(),
        holds in any::<bool>(),
    ) {
        let policy = if holds { WhileFlapping::Hold } else { WhileFlapping::Tell };
        let retry = std::time::Duration::from_secs(1);
        let confirm = Confirm {
            of: failures + more,
            distinct: distinct.min(failures),
            within: within.map(std::time::Duration::from_secs),
            ..Confirm::in_a_row(failures, successes, retry)
        };
        let letters: Vec<char> = letters.chars().collect();
        let mut health = Health { quiet, ..Health::new(START) };
        let mut quickly = Vec::new();
        for (n, letter) in letters.iter().enumerate() {
            let incident = IncidentId(Uuid::from_u128(n as u128));
            let step = fold(&health, seen(*letter, n), confirm, policy, incident);
            let turned = (health.flapping == Flapping::Held) != (step.health.flapping == Flapping::Held);
            prop_assert_eq!(step.flap.is_some(), turned);
            quickly.push(Belief {
                state: step.health.state,
                degraded: step.health.degraded,
                suspect: step.suspect,
                news: step.transition.map(|it| it.told == Told::Yes),
                flapping: step.health.flapping,
            });
            health = step.health;
        }
        prop_assert_eq!(quickly, slowly(&letters, confirm, policy, quiet));
    }
}
