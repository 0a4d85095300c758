//! Whether each transition has its outcome at each of its receivers.

use std::collections::BTreeMap;

use super::{Case, Verdict, Violation, groups};
use crate::chaos::cast::{self, RECEIVERS};
use crate::chaos::facts::Delivery;
use crate::chaos::hooks::Reception;

/// How often a receiver must have refused something that was given up.
const REFUSALS: usize = 3;
/// So long a receiver may say that we are not welcome, in seconds.
const UNWELCOME: f64 = 3600.0;

pub(super) fn judge(case: &Case<'_>, verdict: &mut Verdict) {
    owed(case, verdict);
    let by_id: BTreeMap<&str, &Delivery> = case
        .facts
        .deliveries
        .iter()
        .map(|it| (it.id.as_str(), it))
        .collect();
    for it in &case.facts.deliveries {
        let problem = match it.state.as_str() {
            "delivered" => {
                verdict.counts.delivered += 1;
                delivered(case, it)
            }
            "superseded" => {
                verdict.counts.superseded += 1;
                let by = by_id.get(it.superseded_by.as_str());
                match by.filter(|by| by.check.is_none() && it.check.is_some()) {
                    Some(group) => {
                        verdict.counts.grouped += 1;
                        groups::superseded(case, it, group)
                    }
                    None => superseded(case, &by_id, it),
                }
            }
            "dead" => {
                verdict.counts.dead += 1;
                dead(case, it)
            }
            limbo => Some(format!("expected an outcome, and it is {limbo}")),
        };
        let problem = problem.map(|what| Violation::of_delivery(it, what));
        verdict.violations.extend(problem);
    }
}

/// Each receiver of a check is owed what is told of it, and nobody else is.
fn owed(case: &Case<'_>, verdict: &mut Verdict) {
    let mut rows: BTreeMap<(&str, usize), usize> = BTreeMap::new();
    for it in &case.facts.deliveries {
        *rows.entry((&it.event, it.receiver)).or_default() += 1;
    }
    for it in &case.facts.transitions {
        let hears = cast::hears_of(it.check, &it.kind);
        for (receiver, about) in RECEIVERS.iter().enumerate() {
            let found = rows.remove(&(it.id.as_str(), receiver)).unwrap_or(0);
            // What of it is owed to a fallback is judged elsewhere.
            let is_owed = match cast::is_fallback(about) {
                true => found > 0,
                false => it.told && hears.contains(&receiver),
            };
            let what = match (is_owed, found) {
                (true, 1) | (false, 0) => continue,
                (true, 0) => "expected to be owed, and there is no delivery",
                (true, _) => "expected to be owed once",
                (false, _) => "expected not to be owed",
            };
            let what = format!("{what} to receiver {}", about.name);
            verdict.violations.push(Violation::of_transition(it, what));
        }
    }
    // What is of no check is judged elsewhere.
    rows.retain(|(event, _), _| case.facts.notice(event).is_none());
    for ((event, _), _) in rows {
        let what = format!("expected no delivery of {event}, which was never committed");
        verdict.violations.push(Violation::general(what));
    }
}

pub(super) fn receptions<'a>(
    case: &'a Case<'_>,
    it: &'a Delivery,
) -> impl Iterator<Item = &'a Reception> + use<'a> {
    let heard = case.heard.iter();
    heard.filter(move |heard| heard.receiver == it.receiver && heard.id == it.event)
}

fn delivered(case: &Case<'_>, it: &Delivery) -> Option<String> {
    let was_taken = receptions(case, it).any(Reception::was_taken);
    (!was_taken).then(|| "expected to have been taken: it is delivered".to_owned())
}

/// A newer one tells it, which has an outcome itself.
fn superseded(case: &Case<'_>, by_id: &BTreeMap<&str, &Delivery>, it: &Delivery) -> Option<String> {
    let collapses = RECEIVERS.get(it.receiver).is_some_and(|it| it.collapse);
    if !collapses || it.check.is_none() {
        return Some("expected to be sent itself: its receiver wants each".to_owned());
    }
    let mut newer = it;
    while newer.state == "superseded" {
        let Some(next) = by_id.get(newer.superseded_by.as_str()) else {
            return Some("expected to say by what it is superseded".to_owned());
        };
        let fits = next.check == it.check && next.receiver == it.receiver;
        if !fits || next.sequence <= newer.sequence {
            return Some(format!(
                "expected a newer one of the same in place of {}",
                next.id
            ));
        }
        newer = next;
    }
    let lists = |heard: &Reception| {
        let event = heard.event.as_ref();
        event.is_ok_and(|event| event.superseded.contains(&it.event))
    };
    let sequence = newer.sequence;
    if !receptions(case, newer).any(lists) {
        return Some(format!(
            "expected to be listed in what came as sequence {sequence}"
        ));
    }
    None
}

fn dead(case: &Case<'_>, it: &Delivery) -> Option<String> {
    let answers = |wanted: &[u16]| {
        let all = receptions(case, it);
        let found = all.filter(|heard| heard.answer.is_some_and(|it| wanted.contains(&it)));
        found.map(|heard| heard.at).collect::<Vec<f64>>()
    };
    let refused = answers(&[400]).len();
    let gone = answers(&[410]);
    let first = gone.iter().copied().fold(f64::INFINITY, f64::min);
    let last = gone.iter().copied().fold(0.0, f64::max);
    if refused >= REFUSALS || last - first >= UNWELCOME {
        return None;
    }
    let reason = &it.reason;
    Some(format!(
        "expected not to be given up ({reason}): its receiver refused it {refused} times"
    ))
}
