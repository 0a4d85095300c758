//! What may be wrong with what was received.

use super::*;
use crate::chaos::judge::Kind;

#[test]
fn what_was_never_committed() {
    let found = one(|play| {
        let mut it = play.receptions("e0-3", 0)[0].clone();
        it.id = "phantom".to_owned();
        if let Ok(event) = &mut it.event {
            event.id = "phantom".to_owned();
        }
        play.heard.push(it);
    });
    assert_eq!(
        found,
        "receiver steady, sequence 3, webhook-id phantom: expected a transition in Postgres: \
         nothing like it was committed"
    );
}

#[test]
fn what_says_something_else_than_postgres() {
    type Change = fn(&mut Event);
    let cases: [(Change, &str); 10] = [
        (
            |it| it.id = "e0-2".to_owned(),
            "the event of its webhook-id",
        ),
        (|it| it.sequence = 7, "expected check.up of sequence 3"),
        (
            |it| it.kind = "check.down".to_owned(),
            "expected check.up of sequence 3",
        ),
        (
            |it| it.check = "check-1".to_owned(),
            "expected another check",
        ),
        (
            |it| it.superseded = vec!["e1-1".to_owned()],
            "expected to list earlier events",
        ),
        (|it| it.state = 2, "expected from Error to Up"),
        (|it| it.previous = 1, "expected from Error to Up"),
        (
            |it| it.incident.clear(),
            "in the incident \"i0\", as Postgres has it",
        ),
        (|it| it.seen = 0, "expected to say what was seen"),
        (|it| it.unseen = 1, "expected to say what was seen"),
    ];
    for (change, expected) in cases {
        // One more, so that nothing else is wrong.
        let found = one(|play| {
            let mut it = play.receptions("e0-3", 0)[0].clone();
            if let Ok(event) = &mut it.event {
                change(event);
            }
            play.heard.push(it);
        });
        assert!(found.contains(expected), "{found}");
    }
    let unsigned = one(|play| {
        let mut it = play.receptions("e0-3", 0)[0].clone();
        it.signed = Err("unsigned".to_owned());
        play.heard.push(it);
    });
    assert!(
        unsigned.contains("expected to be signed with the secrets of its receiver: unsigned"),
        "{unsigned}"
    );
    let bare = one(|play| {
        let mut it = play.receptions("e0-3", 0)[0].clone();
        it.shaped = Err("as json".to_owned());
        play.heard.push(it);
    });
    assert!(
        bare.contains("expected as its receiver wants it: as json"),
        "{bare}"
    );
    let unreadable = one(|play| {
        let mut it = play.receptions("e0-3", 0)[0].clone();
        it.event = Err("no type".to_owned());
        play.heard.push(it);
    });
    assert!(
        unreadable.contains("expected an event: no type"),
        "{unreadable}"
    );
}

#[test]
fn other_bytes_the_second_time() {
    let again = |play: &mut Play, digest| {
        let it = play.receptions("e0-3", 0)[0].clone();
        let at = it.at + 5.0;
        play.heard.push(Reception { digest, at, ..it });
    };
    let mut same = Play::good();
    again(&mut same, 1);
    let verdict = same.verdict();
    assert_eq!((verdict.violations, verdict.counts.duplicates), (vec![], 1));
    let found = one(|play| again(play, 2));
    assert!(
        found.contains("expected the same bytes as at 204.0 s"),
        "{found}"
    );
}

#[test]
fn out_of_order() {
    let swap = |play: &mut Play| {
        play.receptions("e0-2", 0)[0].at = 206.0;
        play.unheard(&[0]);
        play.heard.sort_by(|one, other| one.at.total_cmp(&other.at));
    };
    let found = one(swap);
    assert_eq!(
        found,
        "check c0, receiver steady, sequence 2, webhook-id e0-2: expected before sequence 3, \
         which came at 204.0 s"
    );
    // A worker that was frozen then is counted, one of the others excuses nothing.
    let frozen = |who| {
        let mut play = Play::good();
        swap(&mut play);
        play.windows.push(Window {
            kind: Kind::Freeze(who),
            span: span(190.0, 205.0),
        });
        let verdict = play.verdict();
        (verdict.violations.len(), verdict.counts.late)
    };
    assert_eq!(frozen(Who::Webhookworker2), (0, 1));
    assert_eq!(frozen(Who::Healthworker2), (1, 0));
}

#[test]
fn what_is_stamped_with_another_time() {
    let old = |play: &mut Play| {
        let mut it = play.receptions("e0-3", 0)[0].clone();
        it.age = 60.0;
        play.heard.push(it);
    };
    let found = one(old);
    assert!(
        found.contains("expected the time of this attempt, not of 60 s ago"),
        "{found}"
    );
    // A worker may stop between the two.
    let frozen = wrong(|play| {
        old(play);
        play.windows.push(Window {
            kind: Kind::Freeze(Who::Webhookworker1),
            span: span(145.0, 203.0),
        });
    });
    assert_eq!(frozen, [""; 0]);
}

#[test]
fn out_of_order_only_in_what_is_taken() {
    // The older one comes first and is refused, and is taken after the newer.
    let found = one(|play| {
        let mut again = play.receptions("e0-2", 0)[0].clone();
        play.receptions("e0-2", 0)[0].answer = Some(503);
        again.at = 206.0;
        play.heard.push(again);
        play.unheard(&[0]);
        play.heard.sort_by(|one, other| one.at.total_cmp(&other.at));
    });
    assert_eq!(
        found,
        "check c0, receiver steady, sequence 2, webhook-id e0-2: expected to be taken before \
         sequence 3 at 204.0 s"
    );
}
