//! What may be wrong with events that are told together.

use super::*;
use crate::chaos::cast::GROUPED;
use crate::chaos::facts::{GROUP, Notice};

/// Tells these events as one at the receiver of the racks.
fn gather(play: &mut Play, id: &str, members: &[&str], at: f64) {
    let mut events = Vec::new();
    for member in members {
        let row = play.delivery(&format!("d{GROUPED}-{member}"));
        row.state = "superseded".to_owned();
        row.superseded_by = format!("d-{id}");
        events.extend(play.receptions(member, GROUPED).remove(0).event.clone());
        let is_it = |it: &Reception| (it.id.as_str(), it.receiver) == (member, GROUPED);
        play.heard.retain(|it| !is_it(it));
    }
    play.facts.notices.push(Notice {
        event: Event {
            kind: GROUP.to_owned(),
            id: id.to_owned(),
            ..Event::default()
        },
        at,
    });
    play.facts.deliveries.push(Delivery {
        id: format!("d-{id}"),
        event: id.to_owned(),
        receiver: GROUPED,
        check: None,
        sequence: 7,
        state: "delivered".to_owned(),
        superseded_by: String::new(),
        reason: String::new(),
        created: at,
        attempted: Some(at),
        failed: Some(at),
        finished: Some(at),
    });
    let event = Event {
        kind: GROUP.to_owned(),
        id: id.to_owned(),
        events,
        ..Event::default()
    };
    play.heard.push(Reception {
        receiver: GROUPED,
        at,
        id: id.to_owned(),
        digest: 1,
        event: Ok(event),
        signed: Ok(()),
        shaped: Ok(()),
        age: 0.0,
        answer: Some(204),
    });
    play.heard.sort_by(|one, other| one.at.total_cmp(&other.at));
}

/// Two checks of a rack, and one of the other, go down and come up again.
fn racked(play: &mut Play) {
    for check in [36, 37, 38] {
        let outage = play.script.outages[0][0];
        play.script.outages[check].push(outage);
        play.tell(transition(check, 2, (State::Up, State::Error), 107.0));
        play.tell(transition(check, 3, (State::Error, State::Up), 203.0));
    }
}

fn gathered(play: &mut Play) {
    racked(play);
    gather(play, "g1", &["e36-2", "e38-2"], 109.0);
    gather(play, "g2", &["e36-3", "e38-3"], 205.0);
}

/// The first group as it came.
fn first(play: &mut Play) -> &mut Reception {
    play.receptions("g1", GROUPED).remove(0)
}

/// What the first group told.
fn told(play: &mut Play) -> &mut Vec<Event> {
    &mut first(play).event.as_mut().unwrap().events
}

/// The violations of a good play with groups but for one thing.
fn but(change: impl FnOnce(&mut Play)) -> Vec<String> {
    wrong(|play| {
        gathered(play);
        change(play);
    })
}

#[test]
fn groups_are_good() {
    assert_eq!(wrong(racked), [""; 0]);
    let mut play = Play::good();
    gathered(&mut play);
    let verdict = play.verdict();
    assert_eq!(verdict.violations, []);
    assert_eq!((verdict.counts.groups, verdict.counts.grouped), (2, 4));
    // One for all of the time, too.
    let whole = wrong(|play| {
        racked(play);
        gather(play, "g", &["e36-2", "e38-2", "e36-3", "e38-3"], 205.0);
    });
    assert_eq!(whole, [""; 0]);
}

#[test]
fn a_group_tells_exactly_its_members() {
    let less = but(|play| told(play).truncate(1));
    assert_eq!(
        less[0],
        "check c38, receiver grouped, sequence 2, webhook-id e38-2: expected to be told by the \
         group g1"
    );
    assert!(less[1].contains("expected its members"), "{less:?}");
    let more = but(|play| {
        let third = reception(&play.transition("e37-2").clone(), GROUPED, 109.0);
        told(play).extend(third.event);
    });
    assert!(more[0].contains("expected its members"), "{more:?}");
    let twice = but(|play| {
        let again = told(play)[0].clone();
        told(play).push(again);
    });
    assert!(twice[0].contains("expected its members"), "{twice:?}");
    let other = but(|play| told(play)[1].kind = "check.down".to_owned());
    assert!(
        other[0].contains("expected check.error of sequence 2"),
        "{other:?}"
    );
}

#[test]
fn a_member_is_told_by_its_group_alone() {
    let found = but(|play| {
        let it = play.transition("e36-2").clone();
        play.heard.insert(0, reception(&it, GROUPED, 108.0));
    });
    assert!(
        found[0].contains("expected to be told by the group g1 alone, not also at 108.0 s"),
        "{found:?}"
    );
}

#[test]
fn a_group_has_an_outcome() {
    let limbo = but(|play| play.delivery("d-g1").state = "pending".to_owned());
    assert_eq!(
        limbo,
        ["receiver grouped, sequence 7, webhook-id g1: expected an outcome, and it is pending"]
    );
    let untaken = but(|play| first(play).answer = Some(503));
    assert!(
        untaken[0].contains("expected to have been taken"),
        "{untaken:?}"
    );
    let beaten = but(|play| {
        let group = play.delivery("d-g1");
        group.state = "superseded".to_owned();
        group.superseded_by = "d-g2".to_owned();
    });
    assert!(
        beaten[0].contains("expected to be sent itself"),
        "{beaten:?}"
    );
}

#[test]
fn what_is_no_group() {
    let single = wrong(|play| {
        racked(play);
        gather(play, "g", &["e36-2"], 109.0);
    });
    assert!(
        single[0].contains("a group: expected two members at least, not 1"),
        "{single:?}"
    );
    let mixed = wrong(|play| {
        racked(play);
        gather(play, "g", &["e36-2", "e37-2"], 109.0);
    });
    assert!(
        mixed[0].contains("a group: expected members of one rack"),
        "{mixed:?}"
    );
    let elsewhere = but(|play| play.delivery("d-g1").receiver = 0);
    one_says(&elsewhere, "a group: expected not to go to receiver steady");
    let unsent = but(|play| play.facts.deliveries.retain(|it| it.id != "d-g1"));
    one_says(
        &unsent,
        "a group: expected to be owed, and there is no delivery",
    );
    let unknown = but(|play| play.facts.notices.retain(|it| it.event.id != "g1"));
    one_says(&unknown, "expected a group of this receiver in Postgres");
}

#[test]
fn groups_out_of_order() {
    let within = wrong(|play| {
        racked(play);
        gather(play, "g", &["e36-3", "e36-2"], 205.0);
    });
    assert_eq!(
        within,
        [
            "check c36, receiver grouped, sequence 2, webhook-id g: expected before sequence 3, \
             which came at 205.0 s"
        ]
    );
    let between = but(|play| {
        first(play).at = 206.0;
        play.heard.sort_by(|one, other| one.at.total_cmp(&other.at));
    });
    // Of both checks, and either end is one of nothing then.
    let late = between
        .iter()
        .filter(|it| it.contains("webhook-id g1: expected before sequence 3"));
    assert_eq!(late.count(), 2, "{between:?}");
}

#[test]
fn an_end_out_of_nowhere_in_a_group() {
    let found = wrong(|play| {
        racked(play);
        gather(play, "g", &["e36-3", "e38-3"], 205.0);
        // It was given up.
        let it = play.receptions("e36-2", GROUPED).remove(0);
        it.answer = Some(400);
        let it = it.clone();
        for after in [5.0, 15.0] {
            let at = it.at + after;
            play.heard.push(Reception { at, ..it.clone() });
        }
        play.heard.sort_by(|one, other| one.at.total_cmp(&other.at));
        play.delivery(&format!("d{GROUPED}-e36-2")).state = "dead".to_owned();
    });
    assert_eq!(
        found,
        [
            "check c36, receiver grouped, sequence 3, webhook-id g: expected to say that it ends \
             what was never heard of here"
        ]
    );
}
