//! What may be wrong with what goes to a fallback.

use super::notices::notice;
use super::*;

const FIRST: usize = 4;
const SPARE: usize = 7;

/// Check c2 goes down and comes up again, and one of its receivers takes neither for a while:
/// both go to its fallback.
fn late(play: &mut Play) {
    let outage = Outage {
        span: span(50.0, 100.0),
        failure: Failure::Closes,
    };
    play.script.outages[2].push(outage);
    let states = [(State::Up, State::Error), (State::Error, State::Up)];
    for (states, (sequence, at)) in states.into_iter().zip([(2, 57.0), (3, 103.0)]) {
        play.tell(transition(2, sequence, states, at));
        let it = play.transition(&format!("e2-{sequence}")).clone();
        // Newest wins, when it takes events again.
        let row = play.delivery(&format!("d{FIRST}-{}", it.id));
        row.finished = Some(250.0);
        let came = Delivery {
            created: 180.0,
            ..delivery(&it, SPARE)
        };
        play.facts.deliveries.push(came);
        play.heard
            .push(reception(&it, SPARE, 179.0 + sequence as f64));
        play.receptions(&it.id, FIRST)[0].at = 250.0;
    }
    let older = play.delivery(&format!("d{FIRST}-e2-2"));
    older.state = "superseded".to_owned();
    older.superseded_by = format!("d{FIRST}-e2-3");
    play.heard
        .retain(|it| (it.receiver, it.id.as_str()) != (FIRST, "e2-2"));
    notice(play, (FIRST, "begins"), false, 185.0);
    notice(play, (FIRST, "ends"), true, 255.0);
    if let Ok(event) = &mut play.receptions("e2-3", FIRST)[0].event {
        event.superseded = vec!["e2-2".to_owned()];
        event.unheard = true;
    }
    play.heard.sort_by(|one, other| one.at.total_cmp(&other.at));
}

fn but(change: impl FnOnce(&mut Play)) -> Vec<String> {
    wrong(|play| {
        late(play);
        change(play);
    })
}

/// Takes an event from the fallback.
fn lose(play: &mut Play, event: &str) {
    let id = format!("d{SPARE}-{event}");
    play.facts.deliveries.retain(|it| it.id != id);
    play.heard
        .retain(|it| (it.receiver, it.id.as_str()) != (SPARE, event));
}

#[test]
fn the_cast_has_them() {
    assert_eq!(RECEIVERS[FIRST].fallback, Some(RECEIVERS[SPARE].name));
}

#[test]
fn what_is_late_is_there() {
    let mut play = Play::good();
    late(&mut play);
    let verdict = play.verdict();
    assert_eq!(verdict.violations, []);
    assert_eq!(verdict.counts.fell_back, 2);
}

#[test]
fn what_is_late_is_not_there() {
    let both = but(|play| {
        lose(play, "e2-2");
        lose(play, "e2-3");
    });
    assert_eq!(
        both[0],
        "check c2, receiver refusing, sequence 2, webhook-id e2-2: expected to go to the fallback: \
         it did not arrive"
    );
    assert_eq!(both.len(), 2, "{both:?}");
    // Whoever hears of the opening hears of the end.
    let end = but(|play| lose(play, "e2-3"));
    assert_eq!(
        end,
        [
            "check c2, receiver refusing, sequence 3, webhook-id e2-3: expected to go to the \
             fallback, which heard of its incident"
        ]
    );
    // Nor is late what came as the receiver took its events again.
    let newest = but(|play| {
        lose(play, "e2-3");
        play.transition("e2-3").incident = "another".to_owned();
        play.delivery(&format!("d{FIRST}-e2-3")).created = 249.0;
    });
    let falls_back = |it: &String| it.contains("fallback");
    assert!(!newest.iter().any(falls_back), "{newest:?}");
    // That its incident is another one is wrong in itself: in Postgres, and at each receiver.
    assert_eq!(newest.len(), 4, "{newest:?}");
    // Nobody can look while Postgres is away.
    let away = but(|play| {
        lose(play, "e2-2");
        lose(play, "e2-3");
        play.windows.push(Window {
            kind: Kind::Silence(Link::Postgres),
            span: span(170.0, 230.0),
        });
    });
    assert_eq!(away, [""; 0]);
}

#[test]
fn what_was_given_up_is_not_there() {
    let found = but(|play| {
        lose(play, "e2-2");
        lose(play, "e2-3");
        let last = play.delivery(&format!("d{FIRST}-e2-3"));
        last.state = "dead".to_owned();
        last.finished = Some(120.0);
        let it = play.receptions("e2-3", FIRST).remove(0);
        it.answer = Some(400);
        let it = it.clone();
        play.heard.extend([it.clone(), it]);
    });
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(
        found[1].contains("expected to go to the fallback: it did not arrive"),
        "{found:?}"
    );
}

#[test]
fn what_is_not_late_is_there() {
    let early = but(|play| {
        for event in ["e2-2", "e2-3"] {
            play.delivery(&format!("d{SPARE}-{event}")).created = 150.0;
        }
    });
    assert_eq!(
        early[0],
        "check c2, receiver refusing, sequence 2, webhook-id e2-2: expected not to go to the \
         fallback after 93.0 s"
    );
    assert_eq!(early.len(), 2, "{early:?}");
    // What arrived long ago.
    let arrived = but(|play| {
        play.delivery(&format!("d{FIRST}-e2-3")).finished = Some(110.0);
    });
    let wrong_here = arrived
        .iter()
        .filter(|it| it.contains("expected not to go to the fallback after 123.0 s"));
    assert_eq!(wrong_here.count(), 2, "{arrived:?}");
    let of_others = wrong(|play| {
        let it = play.transition("e0-2").clone();
        play.facts.deliveries.push(delivery(&it, SPARE));
        play.heard.push(reception(&it, SPARE, 250.0));
    });
    one_says(&of_others, "expected not to go to the fallback of others");
    one_says(&of_others, "expected to go to others");
}

#[test]
fn out_of_order_at_the_fallback() {
    let found = but(|play| {
        play.receptions("e2-2", SPARE)[0].at = 190.0;
        if let Ok(event) = &mut play.receptions("e2-3", SPARE)[0].event {
            event.unheard = true;
        }
        play.heard.sort_by(|one, other| one.at.total_cmp(&other.at));
    });
    assert_eq!(
        found,
        [
            "check c2, receiver spare, sequence 2, webhook-id e2-2: expected before sequence 3, \
             which came at 182.0 s"
        ]
    );
}
