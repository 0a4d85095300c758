//! What may be wrong with what is told of a project and its receivers.

use super::*;
use crate::chaos::cast::{self, Mood, OPERATORS};
use crate::chaos::judge::notices::FAILING;

const FAILS: usize = 4;

/// Something is told of a receiver.
pub(super) fn notice(play: &mut Play, (about, id): (usize, &str), resolved: bool, at: f64) {
    let event = Event {
        kind: FAILING.to_owned(),
        id: id.to_owned(),
        project: cast::PROJECT.to_owned(),
        about: RECEIVERS[about].name.to_owned(),
        resolved,
        ..Event::default()
    };
    play.facts.deliveries.push(Delivery {
        id: format!("d-{id}"),
        event: id.to_owned(),
        receiver: OPERATORS,
        check: None,
        sequence: at as i64,
        state: "delivered".to_owned(),
        superseded_by: String::new(),
        reason: String::new(),
        created: at,
        attempted: Some(at),
        failed: Some(at),
        finished: Some(at),
    });
    play.heard.push(Reception {
        receiver: OPERATORS,
        at: at + 1.0,
        id: id.to_owned(),
        digest: 1,
        event: Ok(event.clone()),
        signed: Ok(()),
        shaped: Ok(()),
        age: 0.0,
        answer: Some(204),
    });
    play.facts.notices.push(Notice { event, at });
    play.heard.sort_by(|one, other| one.at.total_cmp(&other.at));
}

/// Check c2 goes down, and one of its receivers takes that more than two minutes later.
fn fails(play: &mut Play) {
    let outage = Outage {
        span: span(50.0, f64::INFINITY),
        failure: Failure::Closes,
    };
    play.script.outages[2].push(outage);
    play.tell(transition(2, 2, (State::Up, State::Error), 57.0));
    play.facts.states.insert(2, State::Error);
    play.script.moods[FAILS].push((span(50.0, 210.0), Mood::Away));
    let row = play.delivery("d4-e2-2");
    row.finished = Some(230.0);
    play.receptions("e2-2", FAILS)[0].at = 230.0;
    // That is there, too.
    let it = play.transition("e2-2").clone();
    let spare = RECEIVERS.iter().position(cast::is_fallback).unwrap();
    play.facts.deliveries.push(Delivery {
        created: 180.0,
        ..delivery(&it, spare)
    });
    play.heard.push(reception(&it, spare, 181.0));
    notice(play, (FAILS, "n1"), false, 183.0);
    notice(play, (FAILS, "n2"), true, 234.0);
}

fn but(change: impl FnOnce(&mut Play)) -> Vec<String> {
    wrong(|play| {
        fails(play);
        change(play);
    })
}

/// As if it was never told.
fn lose(play: &mut Play, id: &str) {
    play.facts.notices.retain(|it| it.event.id != id);
    play.facts.deliveries.retain(|it| it.event != id);
    play.heard.retain(|it| it.id != id);
}

#[test]
fn who_fails_is_told_and_ends() {
    let mut play = Play::good();
    fails(&mut play);
    let verdict = play.verdict();
    assert_eq!(verdict.violations, []);
    assert_eq!((verdict.counts.notices, verdict.counts.failing), (2, 1));
}

#[test]
fn who_fails_is_not_told() {
    let untold = |play: &mut Play| {
        lose(play, "n1");
        lose(play, "n2");
    };
    assert_eq!(
        but(untold),
        ["receiver refusing: expected to be told to fail between 193.0 s and 230.0 s"]
    );
    // Nobody can look while Postgres is away.
    let away = but(|play| {
        untold(play);
        play.windows.push(Window {
            kind: Kind::Silence(Link::Postgres),
            span: span(175.0, 225.0),
        });
    });
    assert_eq!(away, [""; 0]);
    // Another one that it took since begins it anew.
    let anew = but(|play| {
        untold(play);
        let it = play.transition("e2-2").clone();
        play.heard.insert(0, reception(&it, FAILS, 150.0));
    });
    assert_eq!(anew, [""; 0]);
}

#[test]
fn who_does_well_again_is_not_told() {
    assert_eq!(
        but(|play| lose(play, "n2")),
        ["receiver refusing: expected to be told by 300.0 s that what began at 183.0 s ended"]
    );
    // Not if it goes on.
    let goes_on = but(|play| {
        lose(play, "n2");
        play.script.moods[FAILS].push((span(235.0, 300.0), Mood::Broken));
    });
    assert_eq!(goes_on, [""; 0]);
}

#[test]
fn what_is_told_without_a_cause() {
    let early = wrong(|play| notice(play, (FAILS, "n"), false, 250.0));
    assert_eq!(
        early,
        [
            "webhook-id n: receiver.failing of \"refusing\": expected not to be told: nothing was \
             late there"
        ]
    );
    let nobody = but(|play| play.facts.notices[0].event.about = "x".to_owned());
    one_says(&nobody, "expected a receiver, not \"x\"");
    let itself = but(|play| play.facts.notices[0].event.about = "operators".to_owned());
    one_says(&itself, "expected that nobody is told of itself");
}

#[test]
fn what_ends_has_begun() {
    let unbegun = but(|play| {
        lose(play, "n1");
        play.facts.notices[0].at = 170.0;
    });
    one_says(&unbegun, "expected to end what was told");
    let again = but(|play| {
        notice(play, (FAILS, "n3"), false, 190.0);
        play.facts
            .notices
            .sort_by(|one, other| one.at.total_cmp(&other.at));
    });
    assert_eq!(
        again,
        [
            "webhook-id n3: receiver.failing of \"refusing\": expected not to be told again before \
             an hour is over"
        ]
    );
    let before = but(|play| {
        play.receptions("n1", OPERATORS)[0].at = 240.0;
        play.heard.sort_by(|one, other| one.at.total_cmp(&other.at));
    });
    assert_eq!(
        before,
        ["receiver operators, webhook-id n1: expected before what came at 235.0 s"]
    );
}

#[test]
fn what_else_is_told_of_a_project() {
    let kind = "check.stale";
    let stale = |play: &mut Play, id: &str, resolved: bool, at: f64| {
        notice(play, (FAILS, id), resolved, at);
        let told = play.heard.iter_mut().find(|it| it.id == id).unwrap();
        let told = told.event.as_mut().unwrap();
        let known = &mut play.facts.notices.last_mut().unwrap().event;
        for event in [told, known] {
            event.kind = kind.to_owned();
            event.about.clear();
        }
    };
    let good = wrong(|play| {
        stale(play, "s1", false, 50.0);
        stale(play, "s2", true, 60.0);
    });
    assert_eq!(good, [""; 0]);
    let unbegun = wrong(|play| stale(play, "s2", true, 60.0));
    assert_eq!(
        unbegun,
        ["webhook-id s2: check.stale of \"\": expected to end what was told"]
    );
    let late = wrong(|play| {
        stale(play, "s1", false, 50.0);
        stale(play, "s2", true, 60.0);
        play.receptions("s1", OPERATORS)[0].at = 70.0;
        play.heard.sort_by(|one, other| one.at.total_cmp(&other.at));
    });
    assert_eq!(
        late,
        ["receiver operators, webhook-id s1: expected before what came at 61.0 s"]
    );
}

#[test]
fn what_is_told_to_others_or_to_nobody() {
    let nobody = but(|play| play.facts.deliveries.retain(|it| it.event != "n1"));
    one_says(
        &nobody,
        "n1: receiver.failing of \"refusing\": expected to be owed to the",
    );
    let others = but(|play| play.delivery("d-n1").receiver = 0);
    one_says(&others, "expected to go to its operators only");
    one_says(&others, "expected to go to others");
    let limbo = but(|play| play.delivery("d-n2").state = "pending".to_owned());
    assert_eq!(
        limbo,
        ["receiver operators, sequence 234, webhook-id n2: expected an outcome, and it is pending"]
    );
}

#[test]
fn what_says_something_else_of_a_project() {
    let found = but(|play| {
        if let Ok(event) = &mut play.receptions("n1", OPERATORS)[0].event {
            event.about = "steady".to_owned();
        }
    });
    assert!(
        found[0].contains("expected receiver.failing of \"refusing\" in \"chaos\", as Postgres"),
        "{found:?}"
    );
}
