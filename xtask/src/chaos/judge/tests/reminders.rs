//! What may be wrong with what is told again.

use super::*;
use crate::chaos::facts::REMINDER;

/// A check that tells again, with receivers of both formats, is down for two minutes.
const CHECK: usize = 1;

fn remind(play: &mut Play, sequence: i64, at: f64) {
    let it = Transition {
        kind: REMINDER.to_owned(),
        ..transition(CHECK, sequence, (State::Error, State::Error), at)
    };
    play.tell(it);
    // Whoever wants the oldest form knows none.
    let (event, proto) = (format!("e{CHECK}-{sequence}"), 3);
    play.facts
        .deliveries
        .retain(|it| (it.event.as_str(), it.receiver) != (&event, proto));
    play.heard
        .retain(|it| (it.id.as_str(), it.receiver) != (&event, proto));
}

fn reminded(play: &mut Play) {
    let outage = Outage {
        span: span(50.0, 170.0),
        failure: Failure::Closes,
    };
    play.script.outages[CHECK].push(outage);
    play.tell(transition(CHECK, 2, (State::Up, State::Error), 57.0));
    remind(play, 3, 117.0);
    play.tell(transition(CHECK, 4, (State::Error, State::Up), 172.0));
    play.heard.sort_by(|one, other| one.at.total_cmp(&other.at));
}

fn but(change: impl FnOnce(&mut Play)) -> Vec<String> {
    wrong(|play| {
        reminded(play);
        change(play);
    })
}

#[test]
fn an_outage_that_goes_on_is_told_again() {
    let mut play = Play::good();
    reminded(&mut play);
    let verdict = play.verdict();
    assert_eq!(verdict.violations, []);
    assert_eq!(verdict.counts.reminders, 1);
}

#[test]
fn an_outage_that_goes_on_is_not_told_again() {
    let silent = |play: &mut Play| {
        play.facts.transitions.retain(|it| it.id != "e1-3");
        play.facts.deliveries.retain(|it| it.event != "e1-3");
        play.heard.retain(|it| it.id != "e1-3");
        for it in &mut play.heard {
            if let Ok(event) = it.event.as_mut()
                && event.id == "e1-4"
            {
                event.sequence = 3;
            }
        }
        for it in &mut play.facts.deliveries {
            if it.event == "e1-4" {
                it.sequence = 3;
            }
        }
        play.transition("e1-4").sequence = 3;
    };
    assert_eq!(
        but(silent),
        [
            "check c1, sequence 2, webhook-id e1-2: expected to be told again between 117.0 s and \
             170.0 s"
        ]
    );
    let blind = but(|play| {
        silent(play);
        play.windows.push(Window {
            kind: Kind::Silence(Link::Postgres),
            span: span(110.0, 140.0),
        });
    });
    assert_eq!(blind, [""; 0]);
}

#[test]
fn what_is_no_reminder() {
    let soon = but(|play| play.transition("e1-3").at = 116.0);
    assert_eq!(
        soon,
        ["check c1, sequence 3, webhook-id e1-3: expected not to be told again so soon"]
    );
    let other = but(|play| play.transition("e1-3").incident = "other".to_owned());
    one_says(&other, "expected to say again what goes on");
    let over = but(|play| {
        let states = (State::Up, State::Up);
        let it = Transition {
            kind: REMINDER.to_owned(),
            ..transition(CHECK, 5, states, 240.0)
        };
        play.tell(it);
    });
    assert!(
        over.iter()
            .any(|it| it.contains("sequence 5") && it.contains("expected to say again")),
        "{over:?}"
    );
    let untold = but(|play| {
        play.transition("e1-3").told = false;
        play.facts.deliveries.retain(|it| it.event != "e1-3");
        play.heard.retain(|it| it.id != "e1-3");
    });
    one_says(&untold, "expected to be told: nobody works on it");
    let unwanted = wrong(|play| {
        let states = (State::Error, State::Error);
        play.facts.transitions.retain(|it| it.id != "e0-3");
        play.tell(Transition {
            kind: REMINDER.to_owned(),
            ..transition(0, 3, states, 190.0)
        });
    });
    assert!(
        unwanted
            .iter()
            .any(|it| it.contains("sequence 3") && it.contains("expected not to be told again")),
        "{unwanted:?}"
    );
}

#[test]
fn a_reminder_where_nobody_knows_it() {
    let found = but(|play| {
        let it = play.transition("e1-3").clone();
        play.facts.deliveries.push(delivery(&it, 3));
    });
    assert!(
        found[0].contains("expected not to be owed to receiver each_proto"),
        "{found:?}"
    );
}

#[test]
fn a_reminder_after_the_end() {
    let found = but(|play| {
        play.receptions("e1-3", 0)[0].at = 176.0;
        play.heard.sort_by(|one, other| one.at.total_cmp(&other.at));
    });
    assert_eq!(
        found,
        [
            "check c1, receiver steady, sequence 3, webhook-id e1-3: expected before sequence 4, \
             which came at 173.0 s"
        ]
    );
}
