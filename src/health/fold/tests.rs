//! What probes make of a check, as letters: one step after the other.

use std::time::Duration;

use proptest::prelude::*;
use time::macros::datetime;

use super::*;
use crate::model::health::{Flap, Flapping};

const START: OffsetDateTime = datetime!(2026-01-01 00:00 UTC);

fn confirm(failures: u8, successes: u8) -> Confirm {
    Confirm::in_a_row(failures, successes, Duration::from_secs(1))
}

/// A probe as a letter: up, up and degraded (`w`), down, error, not believed (`x`), or else
/// unknown. One in upper case is of another location.
fn seen(letter: char, at: OffsetDateTime) -> Seen {
    let location = LocationKey(letter.is_ascii_uppercase().into());
    let letter = letter.to_ascii_lowercase();
    let outcome = match letter {
        'u' | 'w' => Outcome::Up,
        'd' => Outcome::Down,
        'e' => Outcome::Error,
        _ => Outcome::Unknown,
    };
    Seen {
        outcome,
        degraded: letter == 'w',
        unbelieved: letter == 'x',
        retracted: None,
        at,
        location,
    }
}

/// Runs probes, and shows after each the state's first letter, `w` while degraded, `?` while
/// suspect, `!` for a told and `.` for an untold transition.
fn run(outcomes: &str, confirm: Confirm) -> String {
    run_from(Health::new(START), outcomes, confirm)
}

fn run_from(mut health: Health, outcomes: &str, confirm: Confirm) -> String {
    let mut shown = Vec::new();
    for (n, letter) in outcomes.chars().enumerate() {
        let at = START + Duration::from_secs(n as u64 + 1);
        let incident = IncidentId(uuid::Uuid::from_u128(n as u128));
        let step = fold(
            &health,
            seen(letter, at),
            confirm,
            WhileFlapping::Tell,
            incident,
        );
        let mut text: String = step.health.state.name().chars().take(1).collect();
        if step.health.degraded {
            text.push('w');
        }
        if step.suspect {
            text.push('?');
        }
        match step.transition.map(|t| t.told) {
            Some(Told::Yes) => text.push('!'),
            Some(Told::No) => text.push('.'),
            None => {}
        }
        shown.push(text);
        health = step.health;
    }
    shown.join(" ")
}

#[test]
fn stories() {
    for (outcomes, policy, expected) in [
        ("u", confirm(2, 1), "U."),
        ("uddu", confirm(2, 1), "U. U? D! U!"),
        // One lost packet is nobody's business.
        ("uduu", confirm(2, 1), "U. U? U U"),
        ("dd", confirm(2, 1), "I? D!"),
        ("e", confirm(1, 1), "E!"),
        ("uduu", confirm(1, 2), "U. D! D? U!"),
        ("ududu", confirm(1, 2), "U. D! D? D D?"),
        // Kinds of failure may mix while it is not confirmed.
        ("ude", confirm(2, 1), "U. U? E!"),
        // Within the incident the kind is told once.
        ("uddeedd", confirm(2, 1), "U. U? D! D? E! E? D."),
        // Our own faults neither confirm nor clear.
        ("ud?d", confirm(2, 1), "U. U? U? D!"),
        ("uwwu", confirm(2, 1), "U. U? Uw! U!"),
        // One slow answer is nobody's business either, nor one that is not.
        ("uwuwwuw", confirm(2, 2), "U. U? U U? Uw! Uw? Uw"),
        // A failure breaks the row, and being degraded lasts over an outage.
        ("uwdw", confirm(2, 1), "U. U? U? U?"),
        ("wwddwuw", confirm(2, 1), "U?. Uw! Uw? Dw! Uw! U! U?"),
        ("uw?w", confirm(2, 1), "U. U? U? Uw!"),
        ("w", confirm(1, 1), "U?."),
    ] {
        assert_eq!(run(outcomes, policy), expected, "{outcomes}");
    }
}

#[test]
fn what_is_not_believed_is_so_since_its_first_failure_until_it_is_up_or_down() {
    let mut health = Health::new(START);
    let mut since = |letter: char, second: i64| {
        let at = START + Duration::from_secs(second.unsigned_abs());
        let id = IncidentId(uuid::Uuid::nil());
        let probe = seen(letter, at);
        health = fold(&health, probe, confirm(2, 1), WhileFlapping::Tell, id).health;
        health.unbelieved.map(|at| (at - START).whole_seconds())
    };
    // One failure that is believed does not make it anything.
    for (second, (letter, expected)) in [
        ('u', None),
        ('?', None),
        ('x', Some(2)),
        ('x', Some(2)),
        ('?', Some(2)),
        ('d', Some(2)),
        ('x', Some(2)),
        ('u', None),
        ('x', Some(8)),
        ('d', Some(8)),
        ('e', None),
        ('x', None),
    ]
    .into_iter()
    .enumerate()
    {
        let second = i64::try_from(second).unwrap();
        assert_eq!(since(letter, second), expected, "{second}: {letter}");
    }
}

#[test]
fn what_a_cut_off_worker_saw_before_that_was_known_confirms_nothing() {
    let looks_back = Confirm {
        of: 3,
        distinct: 2,
        ..confirm(2, 1)
    };
    // An `X` or `x` takes one failure back of its location.
    for (outcomes, policy, expected) in [
        ("udxd", confirm(2, 1), "U. U? U U?"),
        ("uddxd", confirm(3, 1), "U. U? U? U? U?"),
        ("uddxxddd", confirm(3, 1), "U. U? U? U? U U? U? D!"),
        ("xd", confirm(1, 1), "I D!"),
        ("udxxdd", confirm(2, 1), "U. U? U U U? D!"),
        ("ddxdu", confirm(2, 1), "I? D! D D U!"),
        // The other location saw it by itself.
        (
            "udDxd",
            Confirm {
                failures: 3,
                of: 4,
                ..looks_back
            },
            "U. U? U? U? U?",
        ),
        ("udxD", looks_back, "U. U? U U?"),
        ("uDxd", looks_back, "U. U? U? D!"),
    ] {
        let mut health = Health::new(START);
        let shown = outcomes.chars().enumerate().map(|(n, letter)| {
            let at = START + Duration::from_secs(n as u64 + 1);
            let mut probe = seen(letter, at);
            probe.retracted = probe.unbelieved.then_some(Retracted {
                location: probe.location,
                failures: 1,
            });
            let id = IncidentId(uuid::Uuid::nil());
            let step = fold(&health, probe, policy, WhileFlapping::Tell, id);
            health = step.health;
            let told = step.transition.map(|it| it.told == Told::Yes);
            let mark = told.map_or("", |told| if told { "!" } else { "." });
            let suspect = if step.suspect { "?" } else { "" };
            let state: String = health.state.name().chars().take(1).collect();
            format!("{state}{suspect}{mark}")
        });
        let shown: Vec<String> = shown.collect();
        assert_eq!(shown.join(" "), expected, "{outcomes}");
    }
}

#[test]
fn what_looks_back_counts_failures_that_do_not_follow_one_another() {
    let of = |of, distinct, within: Option<u64>| Confirm {
        of,
        distinct,
        within: within.map(Duration::from_secs),
        ..confirm(2, 1)
    };
    for (outcomes, policy, expected) in [
        // Two of three.
        ("udud", of(3, 1, None), "U. U? U? D!"),
        ("uduuuu", of(3, 1, None), "U. U? U? U? U U"),
        ("ud?ud", of(3, 1, None), "U. U? U? U? D!"),
        ("dud", of(3, 1, None), "I? U. U?"),
        // From two places, in a row or not.
        ("uddd", of(2, 2, None), "U. U? U? U?"),
        ("uddD", of(2, 2, None), "U. U? U? D!"),
        ("udUD", of(3, 2, None), "U. U? U? D!"),
        ("udUDd", of(2, 2, None), "U. U? U? U? D!"),
        // Old ones are forgotten.
        ("udud", of(3, 1, Some(2)), "U. U? U? D!"),
        ("uduud", of(9, 1, Some(1)), "U. U? U? U U?"),
        // The end is as ever.
        ("uddudd", of(3, 1, None), "U. U? D! U! U? D!"),
    ] {
        assert_eq!(run(outcomes, policy), expected, "{outcomes}");
    }
}

/// Shows after each probe `f` while it flaps, `!` where that begins and is told, `.` where it
/// ends.
fn flaps(outcomes: &str, policy: WhileFlapping) -> String {
    let mut health = Health::new(START);
    let shown = outcomes.chars().enumerate().map(|(n, letter)| {
        let at = START + Duration::from_secs(n as u64 + 1);
        let id = IncidentId(uuid::Uuid::from_u128(n as u128));
        let step = fold(&health, seen(letter, at), confirm(2, 1), policy, id);
        health = step.health;
        match (step.flap.and_then(|it| it.flap), health.flapping) {
            (Some(Flap::Begins), _) => '!',
            (Some(Flap::Ends), _) => '.',
            (None, Flapping::No) => '-',
            (None, Flapping::Shown) => 'f',
            (None, Flapping::Held) => 'h',
        }
    });
    shown.collect()
}

#[test]
fn a_check_flaps_from_six_changes_on_until_these_are_long_ago() {
    use WhileFlapping::{Hold, Tell};
    for (outcomes, policy, expected) in [
        ("udududuuuuuu", Hold, "------!hhhhh"),
        ("udududuuuuuu", Tell, "------ffffff"),
        ("ddddddeeeeee", Hold, "------------"),
        // Our own faults are no results.
        ("ud?u?d?u?d?u", Hold, "-----------!"),
        ("uduudduuudddu", Hold, "------------!"),
        (
            "uuuudddduuuudddduuuuddddu",
            Hold,
            "-------------------------",
        ),
        // After fifteen results that changed nothing it is over.
        (
            "udududuuuuuuuuuuuuuuuuuuu",
            Hold,
            "------!hhhhhhhhhhhhhh.---",
        ),
        (
            "udududuuuuuuuuuuuuuuuuuuu",
            Tell,
            "------fffffffffffffff----",
        ),
    ] {
        assert_eq!(flaps(outcomes, policy), expected, "{outcomes}");
    }
}

#[test]
fn of_a_check_that_begins_quietly_nobody_is_told_until_it_was_up() {
    let quiet = Health {
        quiet: true,
        ..Health::new(START)
    };
    for (outcomes, expected) in [
        ("u", "U."),
        ("uddu", "U. U? D! U!"),
        ("dd", "I? D."),
        // The end of what nobody was told of is told to nobody.
        ("ddeeu", "I? D. D? E. U."),
        ("ddudd", "I? D. U. U? D!"),
        ("dd?dd", "I? D. D D D"),
    ] {
        let shown = run_from(quiet.clone(), outcomes, confirm(2, 1));
        assert_eq!(shown, expected, "{outcomes}");
    }
}

#[test]
fn an_incident_that_begins_quietly_is_an_incident() {
    let health = Health {
        quiet: true,
        ..Health::new(START)
    };
    let id = IncidentId(uuid::Uuid::from_u128(1));
    let step = fold(
        &health,
        seen('d', START),
        confirm(1, 1),
        WhileFlapping::Tell,
        id,
    );
    assert_eq!(step.health.incident, Some(id));
    assert_eq!(step.transition.unwrap().incident, Some(id));
}

#[test]
fn an_incident_lasts_from_the_first_failure_to_the_recovery() {
    let mut health = Health::new(START);
    let mut incidents = Vec::new();
    for (n, letter) in "udeud".chars().enumerate() {
        let at = START + Duration::from_secs(n as u64);
        let id = IncidentId(uuid::Uuid::from_u128(n as u128));
        let step = fold(
            &health,
            seen(letter, at),
            confirm(1, 1),
            WhileFlapping::Tell,
            id,
        );
        incidents.push(step.transition.unwrap().incident.map(|i| i.0.as_u128()));
        health = step.health;
    }
    assert_eq!(incidents, [None, Some(1), Some(1), Some(1), Some(4)]);
}

proptest! {
    /// Told transitions alternate between outage and recovery, numbers have
    /// no gap, and an incident is open exactly while the state is an outage.
    #[test]
    fn invariants(outcomes in "[uwde?]{0,60}", failures in 1u8..4, successes in 1u8..4) {
        let mut health = Health::new(START);
        for (n, letter) in outcomes.chars().enumerate() {
            let at = START + Duration::from_secs(n as u64 + 1);
            let id = IncidentId(uuid::Uuid::from_u128(n as u128));
            let step = fold(&health, seen(letter, at), confirm(failures, successes), WhileFlapping::Hold, id);
            prop_assert_eq!(step.health.incident.is_some(), step.health.state.is_outage());
            let made = step.transition.iter().chain(&step.flap);
            prop_assert_eq!(step.health.seq - health.seq, made.clone().count() as i64);
            let last = made.last().map_or(health.seq, |it| it.seq);
            prop_assert_eq!(step.health.seq, last);
            if let Some(transition) = &step.transition {
                let degrades = step.health.degraded != health.degraded;
                prop_assert_eq!(transition.previous == transition.next, degrades);
                prop_assert_eq!(
                    transition.incident.is_some(),
                    transition.next.is_outage() || transition.previous.is_outage()
                );
            }
            health = step.health;
        }
    }
}
