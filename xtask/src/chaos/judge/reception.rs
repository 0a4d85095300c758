//! Whether what was received is what was committed, in order, and the same each time.

use std::collections::{BTreeMap, BTreeSet};

use super::{Case, Verdict, Violation, groups, notices};
use crate::chaos::cast;
use crate::chaos::event::Event;
use crate::chaos::facts::{GROUP, State, Transition};
use crate::chaos::fault::Kind;
use crate::chaos::hooks::Reception;
use crate::chaos::script::Span;

/// The longest wait between two attempts within the first hour, and the longest attempt, in
/// seconds.
const RETRIED: f64 = 66.0 + 15.0;
/// The oldest that an attempt is when it comes, in seconds, unless its worker was frozen.
const OLD: f64 = 20.0;

pub(super) fn judge(case: &Case<'_>, verdict: &mut Verdict) {
    let mut first: BTreeMap<(usize, &str), &Reception> = BTreeMap::new();
    let mut taken: BTreeMap<(usize, &str), usize> = BTreeMap::new();
    // By receiver and check, what came first last.
    let mut newest: BTreeMap<(usize, usize), (i64, f64)> = BTreeMap::new();
    let mut known: BTreeSet<(usize, &str)> = BTreeSet::new();
    for it in case.heard {
        if let Err(what) = content(case, it) {
            let wrong = Violation::of_reception(it, case.facts, what);
            verdict.violations.push(wrong);
            continue;
        }
        let key = (it.receiver, it.id.as_str());
        if it.was_taken() {
            let times = taken.entry(key).or_default();
            verdict.counts.duplicates += usize::from(*times > 0);
            *times += 1;
        }
        if let Some(before) = first.get(&key) {
            if before.digest != it.digest {
                let at = before.at;
                let what = format!("expected the same bytes as at {at:.1} s");
                let wrong = Violation::of_reception(it, case.facts, what);
                verdict.violations.push(wrong);
            }
            continue;
        }
        first.insert(key, it);
        for (event, transition) in told(case, it) {
            if is_out_of_nowhere(case, it, event, transition) {
                let what = "expected to say that it ends what was never heard of here";
                let wrong = Violation::of_telling(it, transition, what.to_owned());
                verdict.violations.push(wrong);
            }
            let lane = newest.entry((it.receiver, transition.check));
            let (sequence, at) = lane.or_insert((0, it.at));
            if transition.sequence > *sequence {
                (*sequence, *at) = (transition.sequence, it.at);
                continue;
            }
            // What a frozen worker had claimed may go out when it goes on, after what came since.
            let since = Span {
                from: *at,
                until: it.at,
            };
            if case.was_frozen(since, Kind::delays_sends) && *at < it.at {
                verdict.counts.late += 1;
            } else {
                let what = format!("expected before sequence {sequence}, which came at {at:.1} s");
                let wrong = Violation::of_telling(it, transition, what);
                verdict.violations.push(wrong);
                known.insert(key);
            }
        }
    }
    in_order(case, &known, verdict);
    slowest(case, verdict);
}

/// What is taken is in order, too, whatever was refused before; but for what is `known` to be late.
fn in_order(case: &Case<'_>, known: &BTreeSet<(usize, &str)>, verdict: &mut Verdict) {
    let mut seen = known.clone();
    let mut newest: BTreeMap<(usize, usize), (i64, f64)> = BTreeMap::new();
    for it in case.heard.iter().filter(|it| it.was_taken()) {
        if !seen.insert((it.receiver, it.id.as_str())) {
            continue;
        }
        for (_, transition) in told(case, it) {
            let lane = newest.entry((it.receiver, transition.check));
            let (sequence, at) = lane.or_insert((0, it.at));
            let since = Span {
                from: *at,
                until: it.at,
            };
            if transition.sequence > *sequence {
                (*sequence, *at) = (transition.sequence, it.at);
            } else if !case.was_frozen(since, Kind::delays_sends) {
                let what = format!("expected to be taken before sequence {sequence} at {at:.1} s");
                let wrong = Violation::of_telling(it, transition, what);
                verdict.violations.push(wrong);
            }
        }
    }
}

/// What happened to checks of which something tells, in its order: one thing, or those of a group.
fn told<'a>(case: &'a Case<'_>, it: &'a Reception) -> Vec<(&'a Event, &'a Transition)> {
    let event = it.event.as_ref().ok();
    let events = event.map(|event| match event.kind == GROUP {
        true => event.events.as_slice(),
        false => std::slice::from_ref(event),
    });
    let events = events.into_iter().flatten();
    events
        .filter_map(|event| Some((event, case.facts.transition(&event.id)?)))
        .collect()
}

/// Whether what came was committed, and says what was committed.
fn content(case: &Case<'_>, it: &Reception) -> Result<(), String> {
    let event = it
        .event
        .as_ref()
        .map_err(|error| format!("expected an event: {error}"))?;
    if let Err(how) = &it.signed {
        return Err(format!(
            "expected to be signed with the secrets of its receiver: {how}"
        ));
    }
    if let Err(how) = &it.shaped {
        return Err(format!("expected as its receiver wants it: {how}"));
    }
    let since = Span {
        from: it.at - it.age,
        until: it.at,
    };
    let is_of_now = (-OLD..OLD).contains(&it.age);
    if !is_of_now && !case.was_frozen(since, Kind::delays_sends) {
        let age = it.age;
        return Err(format!(
            "expected the time of this attempt, not of {age:.0} s ago"
        ));
    }
    if event.id != it.id {
        return Err(format!(
            "expected the event of its webhook-id, not {}",
            event.id
        ));
    }
    match case.facts.notice(&it.id) {
        _ if event.kind == GROUP => groups::content(case, it, event),
        Some(notice) => notices::content(case, notice, it, event),
        None => of_check(case, it.receiver, event),
    }
}

/// The same for what happened to a check.
pub(super) fn of_check(case: &Case<'_>, receiver: usize, event: &Event) -> Result<(), String> {
    let Some(known) = case.facts.transition(&event.id) else {
        return Err("expected a transition in Postgres: nothing like it was committed".to_owned());
    };
    if event.sequence != known.sequence || event.kind != known.kind {
        let (kind, sequence) = (&known.kind, known.sequence);
        return Err(format!(
            "expected {kind} of sequence {sequence}, as Postgres has it"
        ));
    }
    if case.facts.checks.get(&event.check) != Some(&known.check) {
        return Err(format!("expected another check than {}", event.check));
    }
    let is_so = event.state == known.next.number()
        && event.previous == known.previous.number()
        && event.incident == known.incident;
    if !is_so {
        let (previous, next, incident) = (known.previous, known.next, &known.incident);
        return Err(format!(
            "expected from {previous:?} to {next:?} in the incident {incident:?}, as Postgres has it"
        ));
    }
    if event.seen == 0 || event.unseen > 0 {
        return Err("expected to say what was seen, of all that it tells".to_owned());
    }
    if !cast::may_hear(known.check, receiver) {
        return Err("expected to go to others".to_owned());
    }
    for earlier in &event.superseded {
        let earlier = case.facts.transition(earlier);
        let fits = |it: &Transition| it.check == known.check && it.sequence < known.sequence;
        if !earlier.is_some_and(fits) {
            return Err("expected to list earlier events of its check only".to_owned());
        }
    }
    Ok(())
}

/// Whether it ends an incident of which its receiver has taken nothing, and does not say so.
fn is_out_of_nowhere(case: &Case<'_>, it: &Reception, event: &Event, end: &Transition) -> bool {
    if end.next != State::Up || event.unheard {
        return false;
    }
    let before = case.facts.transitions.iter().rev();
    let before = before.filter(|it| it.check == end.check && it.sequence < end.sequence);
    let mut incident = before.take_while(|it| it.next.is_outage());
    !incident.any(|opening| {
        let mut heard = case.heard.iter();
        heard.any(|heard| {
            let events = heard.event.iter().flat_map(|event| &event.events);
            let mut ids = events.map(|event| &event.id).chain([&heard.id]);
            // A group may tell both.
            let before = heard.id == it.id || heard.was_taken() && heard.at < it.at;
            before && heard.receiver == it.receiver && ids.any(|id| *id == opening.id)
        })
    })
}

/// How long it took to those who could be told at once.
fn slowest(case: &Case<'_>, verdict: &mut Verdict) {
    let mut seen = BTreeSet::new();
    for it in case.heard.iter().filter(|it| it.was_taken()) {
        if !seen.insert((it.receiver, &it.id)) {
            continue;
        }
        // The first of a group has waited longest.
        let told = told(case, it).into_iter().map(|(_, known)| known.at);
        let at = told.fold(f64::INFINITY, f64::min);
        if at == f64::INFINITY {
            continue;
        }
        // What did not arrive before is tried again so much later, and what comes after it waits.
        let took = Span {
            from: at - RETRIED,
            until: it.at,
        };
        let moods = case.script.moods.get(it.receiver);
        let was_well = !moods
            .into_iter()
            .flatten()
            .any(|(span, _)| span.meets(&took));
        if was_well {
            verdict.counts.slowest = verdict.counts.slowest.max(it.at - at);
        }
    }
}
