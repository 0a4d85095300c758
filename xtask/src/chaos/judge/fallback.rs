//! Whether a fallback gets what does not arrive where it belongs, all of it and nothing else.

use std::collections::BTreeMap;

use super::waiting::{Wait, waits};
use super::{Case, GRACE, Verdict, Violation};
use crate::chaos::cast::{self, RECEIVERS};
use crate::chaos::facts::{Delivery, Transition};
use crate::chaos::script::Span;

pub(super) fn judge(case: &Case<'_>, verdict: &mut Verdict) {
    for (first, about) in RECEIVERS.iter().enumerate() {
        let is_it = |it: &cast::Receiver| Some(it.name) == about.fallback;
        if let Some(fallback) = RECEIVERS.iter().position(is_it) {
            of(case, (first, fallback), verdict);
        }
    }
}

fn of(case: &Case<'_>, (first, fallback): (usize, usize), verdict: &mut Verdict) {
    let waits = waits(case.facts, first);
    let all = case.facts.deliveries.iter();
    let rows = all.filter(|it| it.receiver == fallback);
    let rows: BTreeMap<&str, &Delivery> = rows.map(|it| (it.event.as_str(), it)).collect();
    // By incident, since when the fallback hears of it.
    let mut heard: BTreeMap<&str, f64> = BTreeMap::new();
    for it in &case.facts.transitions {
        let wait = waits.get(it.id.as_str());
        let since = heard.get(it.incident.as_str());
        let problem = match (rows.get(it.id.as_str()), wait) {
            (Some(row), Some(wait)) => {
                let is_late = wait.may_be_late(row.created);
                if is_late || since.is_some_and(|since| *since <= row.created) {
                    verdict.counts.fell_back += 1;
                    if !it.incident.is_empty() {
                        heard.entry(&it.incident).or_insert(row.created);
                    }
                    continue;
                }
                let waited = row.created - wait.since;
                format!("expected not to go to the fallback after {waited:.1} s")
            }
            (Some(_), None) => "expected not to go to the fallback of others".to_owned(),
            (None, Some(_)) if since.is_some() => {
                "expected to go to the fallback, which heard of its incident".to_owned()
            }
            (None, Some(wait)) if must_be(case, wait) => {
                "expected to go to the fallback: it did not arrive".to_owned()
            }
            (None, _) => continue,
        };
        verdict
            .violations
            .push(Violation::of_fallback(it, first, problem));
    }
}

/// Whether it must be known not to arrive: while nothing hinders anybody from looking.
fn must_be(case: &Case<'_>, wait: &Wait) -> bool {
    let Some((from, until)) = wait.due(case.ended) else {
        return false;
    };
    let free = case.free(Span { from, until }, |_| true);
    free.iter().any(|free| free.until - free.from >= GRACE)
}

impl Violation {
    fn of_fallback(it: &Transition, receiver: usize, what: String) -> Self {
        Self {
            receiver: Some(receiver),
            ..Self::of_transition(it, what)
        }
    }
}
