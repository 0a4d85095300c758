//! A judge that cannot fail is worth nothing: each kind of violation, in a play that is good but
//! for that.

mod fallback;
mod groups;
mod notices;
mod reception;
mod reminders;

use super::*;
use crate::chaos::cast::{CHECKS, hears};
use crate::chaos::event::Event;
use crate::chaos::facts::State;
use crate::chaos::fault::{Link, Who};
use crate::chaos::script::{Failure, Outage};

/// Check c0 is down from 100 s to 200 s; its receivers are steady, proto and each.
struct Play {
    script: Script,
    facts: Facts,
    heard: Vec<Reception>,
    windows: Vec<Window>,
    stalls: Vec<Span>,
}

/// One of these lines says so.
fn one_says(found: &[String], words: &str) {
    assert!(found.iter().any(|it| it.contains(words)), "{found:?}");
}

/// A span that can be written down shortly.
fn span(from: f64, until: f64) -> Span {
    Span { from, until }
}

fn transition(check: usize, sequence: i64, states: (State, State), at: f64) -> Transition {
    Transition {
        id: format!("e{check}-{sequence}"),
        check,
        sequence,
        kind: states.1.kind().to_owned(),
        previous: states.0,
        next: states.1,
        // All of a play are of one.
        incident: format!("i{check}"),
        at,
        told: states.0 != State::Init,
    }
}

fn delivery(of: &Transition, receiver: usize) -> Delivery {
    Delivery {
        id: format!("d{receiver}-{}", of.id),
        event: of.id.clone(),
        receiver,
        check: Some(of.check),
        sequence: of.sequence,
        state: "delivered".to_owned(),
        superseded_by: String::new(),
        reason: String::new(),
        created: of.at,
        attempted: Some(of.at + 1.0),
        failed: Some(of.at + 1.0),
        finished: Some(of.at + 1.0),
    }
}

fn reception(of: &Transition, receiver: usize, at: f64) -> Reception {
    let event = Event {
        kind: of.kind.clone(),
        id: of.id.clone(),
        sequence: of.sequence,
        check: format!("check-{}", of.check),
        previous: of.previous.number(),
        state: of.next.number(),
        incident: of.incident.clone(),
        seen: 1,
        ..Event::default()
    };
    Reception {
        receiver,
        at,
        id: of.id.clone(),
        digest: 1,
        event: Ok(event),
        signed: Ok(()),
        shaped: Ok(()),
        age: 0.0,
        answer: Some(204),
    }
}

impl Play {
    fn good() -> Self {
        let mut script = Script {
            outages: vec![Vec::new(); CHECKS],
            moods: vec![Vec::new(); RECEIVERS.len()],
            faults: Vec::new(),
            last: 240.0,
        };
        script.outages[0].push(Outage {
            span: span(100.0, 200.0),
            failure: Failure::Closes,
        });
        let mut play = Self {
            script,
            facts: Facts::default(),
            heard: Vec::new(),
            windows: Vec::new(),
            stalls: Vec::new(),
        };
        for check in 0..CHECKS {
            let first = transition(check, 1, (State::Init, State::Up), -5.0);
            play.facts.transitions.push(first);
            play.facts.states.insert(check, State::Up);
            play.facts.checks.insert(format!("check-{check}"), check);
        }
        play.tell(transition(0, 2, (State::Up, State::Error), 107.0));
        play.tell(transition(0, 3, (State::Error, State::Up), 203.0));
        play
    }

    /// A transition that all of its receivers got within a second.
    fn tell(&mut self, it: Transition) {
        for receiver in hears(it.check) {
            self.facts.deliveries.push(delivery(&it, receiver));
            self.heard.push(reception(&it, receiver, it.at + 1.0));
        }
        let newer = |one: &Transition| (one.check, one.sequence) > (it.check, it.sequence);
        let all = &self.facts.transitions;
        let place = all.iter().position(newer).unwrap_or(all.len());
        self.facts.transitions.insert(place, it);
    }

    fn delivery(&mut self, id: &str) -> &mut Delivery {
        let found = self.facts.deliveries.iter_mut().find(|it| it.id == id);
        found.unwrap()
    }

    fn transition(&mut self, id: &str) -> &mut Transition {
        let found = self.facts.transitions.iter_mut().find(|it| it.id == id);
        found.unwrap()
    }

    fn receptions(&mut self, id: &str, receiver: usize) -> Vec<&mut Reception> {
        let all = self.heard.iter_mut();
        all.filter(|it| it.id == id && it.receiver == receiver)
            .collect()
    }

    /// Has receivers told that the end is one of what they never heard of.
    fn unheard(&mut self, receivers: &[usize]) {
        for receiver in receivers {
            for it in self.receptions("e0-3", *receiver) {
                if let Ok(event) = &mut it.event {
                    event.unheard = true;
                }
            }
        }
    }

    fn verdict(&self) -> Verdict {
        judge(&Case {
            script: &self.script,
            facts: &self.facts,
            heard: &self.heard,
            windows: &self.windows,
            stalls: &self.stalls,
            ended: 300.0,
        })
    }
}

/// The violations of a play that is good but for one thing.
fn wrong(but: impl FnOnce(&mut Play)) -> Vec<String> {
    let mut play = Play::good();
    but(&mut play);
    let found = play.verdict().violations;
    found.iter().map(ToString::to_string).collect()
}

/// The one violation of such a play.
fn one(but: impl FnOnce(&mut Play)) -> String {
    let mut found = wrong(but);
    assert_eq!(found.len(), 1, "{found:#?}");
    found.remove(0)
}

#[test]
fn a_good_play_is_good_and_what_had_to_be_seen_is_counted() {
    let verdict = Play::good().verdict();
    assert_eq!(verdict.violations, []);
    let counts = verdict.counts;
    // Each check all the time, and the one that fails before, in and after that.
    assert_eq!((counts.required, counts.required_outages), (CHECKS + 2, 1));
    assert_eq!((counts.delivered, counts.duplicates), (6, 0));
    assert!((counts.slowest - 1.0).abs() < 1e-9);
}

#[test]
fn a_transition_without_a_delivery() {
    let found = one(|play| {
        play.facts.deliveries.retain(|it| it.id != "d1-e0-2");
        play.heard
            .retain(|it| (it.receiver, it.id.as_str()) != (1, "e0-2"));
        play.unheard(&[1]);
    });
    assert_eq!(
        found,
        "check c0, sequence 2, webhook-id e0-2: expected to be owed, and there is no delivery to \
         receiver proto"
    );
}

#[test]
fn a_delivery_that_nobody_is_owed() {
    let found = wrong(|play| {
        let it = play.transition("e0-2").clone();
        play.facts.deliveries.push(delivery(&it, 4));
        play.heard.push(reception(&it, 4, 250.0));
    });
    assert!(
        found[0].contains("expected not to be owed to receiver refusing"),
        "{found:?}"
    );
    assert!(found[1].contains("expected to go to others"), "{found:?}");
    let twice = one(|play| {
        let it = play.transition("e0-2").clone();
        play.facts.deliveries.push(delivery(&it, 0));
    });
    assert!(twice.contains("expected to be owed once"), "{twice}");
    let of_nothing = wrong(|play| play.delivery("d0-e0-2").event = "nothing".to_owned());
    one_says(&of_nothing, "no delivery of nothing");
}

#[test]
fn limbo() {
    for state in ["pending", "held"] {
        let found = one(|play| play.delivery("d2-e0-3").state = state.to_owned());
        assert_eq!(
            found,
            format!(
                "check c0, receiver each, sequence 3, webhook-id e0-3: expected an outcome, and \
                 it is {state}"
            )
        );
    }
}

#[test]
fn delivered_and_never_taken() {
    let never = one(|play| {
        play.heard
            .retain(|it| (it.receiver, it.id.as_str()) != (0, "e0-3"))
    });
    assert!(never.contains("expected to have been taken"), "{never}");
    let refused = one(|play| play.receptions("e0-3", 0)[0].answer = Some(503));
    assert!(refused.contains("expected to have been taken"), "{refused}");
}

/// At receiver 0 the second event tells the first.
fn supersede(play: &mut Play) {
    let older = play.delivery("d0-e0-2");
    older.state = "superseded".to_owned();
    older.superseded_by = "d0-e0-3".to_owned();
    play.heard
        .retain(|it| (it.receiver, it.id.as_str()) != (0, "e0-2"));
    let newer = play.receptions("e0-3", 0).remove(0);
    if let Ok(event) = &mut newer.event {
        event.superseded = vec!["e0-2".to_owned()];
    }
    play.unheard(&[0]);
}

#[test]
fn superseded_by_one_that_lists_it() {
    assert_eq!(wrong(supersede), [""; 0]);
    let unlisted = one(|play| {
        supersede(play);
        if let Ok(event) = &mut play.receptions("e0-3", 0)[0].event {
            event.superseded.clear();
        }
    });
    assert!(
        unlisted.contains("expected to be listed in what came as sequence 3"),
        "{unlisted}"
    );
    let by_nothing = one(|play| {
        supersede(play);
        play.delivery("d0-e0-2").superseded_by.clear();
    });
    assert!(
        by_nothing.contains("expected to say by what"),
        "{by_nothing}"
    );
    let by_another = one(|play| {
        supersede(play);
        play.delivery("d0-e0-2").superseded_by = "d1-e0-3".to_owned();
    });
    assert!(
        by_another.contains("expected a newer one of the same"),
        "{by_another}"
    );
    // What tells it must have an outcome itself.
    let of_limbo = one(|play| {
        supersede(play);
        play.delivery("d0-e0-3").state = "pending".to_owned();
    });
    assert!(
        of_limbo.contains("sequence 3") && of_limbo.contains("pending"),
        "{of_limbo}"
    );
}

#[test]
fn superseded_where_each_is_wanted() {
    let found = one(|play| {
        let older = play.delivery("d2-e0-2");
        older.state = "superseded".to_owned();
        older.superseded_by = "d2-e0-3".to_owned();
    });
    assert!(found.contains("expected to be sent itself"), "{found}");
}

#[test]
fn given_up_without_a_reason() {
    let kill = |play: &mut Play, refusals: u32| {
        play.delivery("d1-e0-3").state = "dead".to_owned();
        notices::notice(play, (1, "n"), false, 206.0);
        let it = play.receptions("e0-3", 1).remove(0);
        it.answer = Some(400);
        let it = it.clone();
        for n in 1..refusals {
            let at = it.at + f64::from(n);
            play.heard.push(Reception { at, ..it.clone() });
        }
    };
    assert_eq!(wrong(|play| kill(play, 3)), [""; 0]);
    let found = one(|play| kill(play, 2));
    assert!(found.contains("expected not to be given up"), "{found}");
    let gone = |play: &mut Play, after: f64| {
        kill(play, 2);
        for (n, it) in play.receptions("e0-3", 1).into_iter().enumerate() {
            it.answer = Some(410);
            it.at += after * n as f64;
        }
    };
    assert_eq!(wrong(|play| gone(play, 3600.0)), [""; 0]);
    let soon = one(|play| gone(play, 60.0));
    assert!(soon.contains("expected not to be given up"), "{soon}");
}

#[test]
fn a_change_without_a_cause() {
    let found = wrong(|play| {
        play.tell(transition(3, 2, (State::Up, State::Error), 50.0));
        play.tell(transition(3, 3, (State::Error, State::Up), 60.0));
    });
    assert_eq!(
        found,
        [
            "check c3, sequence 2, webhook-id e3-2: expected no change to Error at 50.0 s: the site \
          was not so"
        ]
    );
    let early = wrong(|play| {
        play.transition("e0-3").at = 150.0;
        // It comes late, so that nothing else is odd.
        play.windows.push(Window {
            kind: Kind::Silence(Link::Postgres),
            span: span(90.0, 210.0),
        });
    });
    assert_eq!(early.len(), 1, "{early:?}");
    assert!(
        early[0].contains("expected no change to Up at 150.0 s"),
        "{early:?}"
    );
}

#[test]
fn what_a_correct_observer_must_see() {
    let unseen = |play: &mut Play| {
        play.facts
            .transitions
            .retain(|it| it.check != 0 || it.sequence == 1);
        play.facts.deliveries.clear();
        play.heard.clear();
    };
    let found = one(unseen);
    assert!(
        found.starts_with("check c0: expected to be seen down between 100.0 s"),
        "{found}"
    );
    // Not while something keeps it from seeing.
    let blinded = |kind, until| {
        wrong(|play| {
            unseen(play);
            let span = span(95.0, until);
            play.windows.push(Window { kind, span });
        })
    };
    let killed = Kind::Kill(Who::Lokahid1);
    assert_eq!(blinded(killed, 175.0), [""; 0]);
    assert_eq!(blinded(killed, 120.0).len(), 1);
    assert_eq!(blinded(Kind::Freeze(Who::Webhookworker1), 175.0).len(), 1);
    // And its end.
    let found = wrong(|play| {
        play.facts.transitions.retain(|it| it.id != "e0-3");
        play.facts.deliveries.retain(|it| it.event != "e0-3");
        play.heard.retain(|it| it.id != "e0-3");
    });
    assert!(
        found[0].contains("expected to be seen up between 200.0 s and 300.0 s"),
        "{found:?}"
    );
    // The probe that sees it was due a moment before.
    let early = wrong(|play| {
        let mut all = play.facts.transitions.iter_mut();
        all.find(|it| it.id == "e0-3").unwrap().at = 199.99;
    });
    assert_eq!(early, [""; 0]);
}

#[test]
fn another_state_in_the_end() {
    let found = wrong(|play| {
        play.facts.states.insert(5, State::Down);
    });
    assert_eq!(
        found,
        [
            "check c5: expected to be up in the end, not Down",
            "check c5: expected its last transition to lead to Down, not Up"
        ]
    );
    let lost = one(|play| {
        play.facts.states.remove(&5);
    });
    assert!(lost.contains("expected to have a state"), "{lost}");
}

#[test]
fn a_chain_with_a_gap() {
    let gap = wrong(|play| play.transition("e0-3").sequence = 4);
    assert!(gap[0].contains("expected sequence 3"), "{gap:?}");
    let jump = wrong(|play| play.transition("e0-3").previous = State::Down);
    assert!(
        jump[0].contains("expected to come from Error, not Down"),
        "{jump:?}"
    );
    // And each of its three receivers was told otherwise.
    assert_eq!(jump.len(), 4, "{jump:?}");
    let torn = wrong(|play| play.transition("e0-3").incident = "other".to_owned());
    assert!(
        torn[0].contains("expected to be of the incident i0, not other"),
        "{torn:?}"
    );
    let kind = wrong(|play| play.transition("e0-3").kind = "check.down".to_owned());
    assert!(
        kind[0].contains("expected check.up, not check.down"),
        "{kind:?}"
    );
}

#[test]
fn what_is_not_told() {
    let silent = wrong(|play| {
        play.transition("e0-2").told = false;
        play.facts.deliveries.retain(|it| it.event != "e0-2");
        play.heard.retain(|it| it.id != "e0-2");
        play.unheard(&[0, 1, 2]);
    });
    assert_eq!(silent.len(), 1, "{silent:?}");
    assert!(
        silent[0].contains("expected to be told to its receivers"),
        "{silent:?}"
    );
    let first = wrong(|play| play.transition("e5-1").told = true);
    assert!(
        first[0].contains("expected not to be told: it is the first UP"),
        "{first:?}"
    );
}

#[test]
fn an_end_out_of_nowhere() {
    let found = one(|play| {
        supersede(play);
        if let Ok(event) = &mut play.receptions("e0-3", 0)[0].event {
            event.unheard = false;
        }
    });
    assert!(
        found.contains("expected to say that it ends what was never heard of here"),
        "{found}"
    );
}
