//! Whether what is believed of the sites is what the script did to them.

use std::collections::BTreeSet;

use super::{Case, SLACK, Verdict, Violation};
use crate::chaos::cast::{CHECKS, detection};
use crate::chaos::facts::{State, Transition};
use crate::chaos::fault::{Kind, Who};
use crate::chaos::script::Span;

pub(super) fn judge(case: &Case<'_>, verdict: &mut Verdict) {
    for check in 0..CHECKS {
        let all = case.facts.transitions.iter();
        let own: Vec<&Transition> = all.filter(|it| it.check == check).collect();
        chain(&own, verdict);
        for it in &own {
            causes(case, it, verdict);
        }
        required(case, check, &own, verdict);
        last(case, check, &own, verdict);
    }
}

/// Each goes on where the one before ended, and only what need not be told is not told.
fn chain(own: &[&Transition], verdict: &mut Verdict) {
    let mut wrong = |it: &Transition, what: String| {
        verdict.violations.push(Violation::of_transition(it, what));
    };
    let mut before = (0, State::Init);
    let mut incident = "";
    let mut incidents = BTreeSet::new();
    for it in own {
        if it.sequence != before.0 + 1 {
            wrong(it, format!("expected sequence {}", before.0 + 1));
        }
        if it.previous != before.1 {
            let (previous, known) = (it.previous, before.1);
            wrong(
                it,
                format!("expected to come from {known:?}, not {previous:?}"),
            );
        }
        let goes_on = it.previous.is_outage();
        if goes_on && (it.incident != incident || it.incident.is_empty()) {
            let other = &it.incident;
            wrong(
                it,
                format!("expected to be of the incident {incident}, not {other}"),
            );
        }
        if !goes_on && it.next.is_outage() && !incidents.insert(&it.incident) {
            wrong(it, "expected to open an incident of its own".to_owned());
        }
        incident = &it.incident;
        if !it.reminds() && it.kind != it.next.kind() {
            wrong(it, format!("expected {}, not {}", it.next.kind(), it.kind));
        }
        // The first UP is news to nobody, and of an incident the first change between DOWN and
        // ERROR is told, and no more.
        let may_be_silent = match it.previous {
            State::Init => it.next == State::Up,
            previous => previous.is_outage() && it.next.is_outage(),
        };
        if !it.told && !may_be_silent {
            wrong(it, "expected to be told to its receivers".to_owned());
        }
        if it.told && it.previous == State::Init && it.next == State::Up {
            wrong(it, "expected not to be told: it is the first UP".to_owned());
        }
        before = (it.sequence, it.next);
    }
}

/// Nothing is believed that was not so.
fn causes(case: &Case<'_>, it: &Transition, verdict: &mut Verdict) {
    // Before the beginning all is well.
    let outages = case.script.outages.get(it.check);
    let outages = outages.map(Vec::as_slice).unwrap_or_default();
    let around = Span {
        from: it.at - SLACK,
        until: it.at + SLACK,
    };
    let is_caused = |around: Span| match it.next {
        State::Init => false,
        State::Down | State::Error => outages.iter().any(|outage| outage.span.meets(&around)),
        // Not all of it is within one outage.
        State::Up => !outages
            .iter()
            .any(|outage| outage.span.from <= around.from && around.until <= outage.span.until),
    };
    // A probe of a frozen worker may ask much later than it was due.
    let probes = |kind| {
        let workers = [Who::Healthworker1, Who::Healthworker2];
        matches!(kind, Kind::Freeze(who) if workers.contains(&who))
    };
    let frozen = case.windows.iter().filter(|window| probes(window.kind));
    let frozen = frozen.map(|window| window.span);
    let frozen = frozen.chain(case.stalls.iter().copied());
    let longest = frozen
        .filter(|window| window.meets(&around))
        .map(|window| window.until)
        .fold(around.until, f64::max);
    let stretched = Span {
        until: longest + SLACK,
        ..around
    };
    if !is_caused(around) && !is_caused(stretched) {
        let (next, at) = (it.next, it.at);
        let what = format!("expected no change to {next:?} at {at:.1} s: the site was not so");
        verdict.violations.push(Violation::of_transition(it, what));
    }
}

/// What must be seen is seen: in a time without faults that is longer than what it takes.
fn required(case: &Case<'_>, check: usize, own: &[&Transition], verdict: &mut Verdict) {
    for (phase, fails) in phases(case, check) {
        for free in case.free(phase, Kind::blinds) {
            // A probe is dated by when it was due: the site may be otherwise when it is asked.
            let asked = free.until - SLACK;
            if asked - free.from < detection(check) {
                continue;
            }
            verdict.counts.required += 1;
            verdict.counts.required_outages += usize::from(fails);
            let known = own.iter().rfind(|it| it.at <= asked);
            let believed = known.map_or(State::Init, |it| it.next);
            if believed != State::Init && believed.is_outage() == fails {
                continue;
            }
            let (from, until) = (free.from, free.until);
            let wanted = if fails { "down" } else { "up" };
            let what = format!(
                "expected to be seen {wanted} between {from:.1} s and {until:.1} s, and it is \
                 believed to be {believed:?}"
            );
            verdict.violations.push(Violation::of_check(check, what));
        }
    }
}

/// The times in which a site behaves in one way, and whether it fails.
fn phases(case: &Case<'_>, check: usize) -> Vec<(Span, bool)> {
    let mut found = Vec::new();
    let mut from = 0.0;
    let outages = case.script.outages.get(check);
    for outage in outages.into_iter().flatten() {
        let until = outage.span.from;
        found.push((Span { from, until }, false));
        let until = outage.span.until.min(case.ended);
        let from_here = outage.span.from;
        let span = Span {
            from: from_here,
            until,
        };
        found.push((span, true));
        from = outage.span.until;
    }
    let until = case.ended;
    found.push((Span { from, until }, false));
    found.retain(|(span, _)| span.until > span.from);
    found
}

/// In the end it is believed what is so.
fn last(case: &Case<'_>, check: usize, own: &[&Transition], verdict: &mut Verdict) {
    let mut wrong = |what: String| {
        verdict.violations.push(Violation::of_check(check, what));
    };
    let Some(state) = case.facts.states.get(&check) else {
        return wrong("expected to have a state".to_owned());
    };
    let wanted = match case.script.ends_up(check) {
        true => "up",
        false => "down",
    };
    if *state == State::Init || state.is_outage() == case.script.ends_up(check) {
        wrong(format!("expected to be {wanted} in the end, not {state:?}"));
    }
    let told = own.last().map_or(State::Init, |it| it.next);
    if told != *state {
        wrong(format!(
            "expected its last transition to lead to {state:?}, not {told:?}"
        ));
    }
}
