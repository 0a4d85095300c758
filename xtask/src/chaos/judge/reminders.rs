//! Whether an outage that goes on is told again when it is time, and nothing else is.

use super::{Case, Verdict, Violation};
use crate::chaos::cast::{self, CHECKS, REPEAT, detection};
use crate::chaos::facts::Transition;
use crate::chaos::fault::Kind;
use crate::chaos::script::Span;

/// How exact seconds since 1970 are.
const EXACT: f64 = 0.001;

pub(super) fn judge(case: &Case<'_>, verdict: &mut Verdict) {
    for check in 0..CHECKS {
        let all = case.facts.transitions.iter();
        let own: Vec<&Transition> = all.filter(|it| it.check == check).collect();
        for (place, it) in own.iter().enumerate() {
            let before = own.get(..place).unwrap_or_default();
            if it.reminds() {
                verdict.counts.reminders += 1;
                let problem = of(it, before);
                verdict
                    .violations
                    .extend(problem.map(|what| Violation::of_transition(it, what.to_owned())));
            }
            if cast::repeats(check) && it.told && it.next.is_outage() {
                let mut after = own.iter().skip(place + 1);
                let next = after.find(|next| next.told || !next.next.is_outage());
                let next = next.map_or(case.ended, |next| next.at);
                required(case, it, next, verdict);
            }
        }
    }
}

/// Why this is no reminder of the incident that goes on.
fn of(it: &Transition, before: &[&Transition]) -> Option<&'static str> {
    if !cast::repeats(it.check) {
        return Some("expected not to be told again");
    }
    if !it.told {
        return Some("expected to be told: nobody works on it");
    }
    let last = before.iter().rfind(|earlier| earlier.told);
    let goes_on = before.last().is_some_and(|last| last.next.is_outage());
    let last = last.filter(|last| goes_on && last.incident == it.incident);
    let Some(last) = last.filter(|_| it.previous == it.next) else {
        return Some("expected to say again what goes on");
    };
    (it.at - last.at < REPEAT - EXACT).then_some("expected not to be told again so soon")
}

/// While a site fails, and nobody is kept from seeing it, it must be told again in time.
fn required(case: &Case<'_>, it: &Transition, next: f64, verdict: &mut Verdict) {
    let outages = case.script.outages.get(it.check);
    for outage in outages.into_iter().flatten() {
        let goes_on = Span {
            from: outage.span.from.max(it.at + REPEAT),
            until: outage.span.until.min(next),
        };
        let free = case.free(goes_on, Kind::blinds);
        let long = free
            .iter()
            .find(|free| free.until - free.from >= detection(it.check));
        if let Some(long) = long {
            let (from, until) = (long.from, long.until);
            let what = format!("expected to be told again between {from:.1} s and {until:.1} s");
            verdict.violations.push(Violation::of_transition(it, what));
        }
    }
}
