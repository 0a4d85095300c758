//! Whether those who run the project hear of it, and of its receivers that fail: each that must be
//! told is, none is without a cause, and what begins has its end.

use std::collections::{BTreeMap, BTreeSet};

use super::waiting::{Wait, waits};
use super::{Case, GRACE, Verdict, Violation};
use crate::chaos::cast::{self, Mood, OPERATORS, RECEIVERS};
use crate::chaos::event::Event;
use crate::chaos::facts::{Delivery, GROUP, Notice};
use crate::chaos::fault::Kind;
use crate::chaos::hooks::Reception;
use crate::chaos::script::Span;

pub(super) const FAILING: &str = "receiver.failing";
/// What fails still is told again after so long, in seconds.
const AGAIN: f64 = 3600.0;

pub(super) fn judge(case: &Case<'_>, verdict: &mut Verdict) {
    // By project and type, of how many the end is still to come.
    let mut open: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for it in &case.facts.notices {
        let open = open.entry((&it.event.project, &it.event.kind)).or_default();
        let problem = match it.event.kind.as_str() {
            GROUP => continue,
            FAILING => owed(case, it).or_else(|| causes(case, it)),
            _ => owed(case, it).or_else(|| ends_nothing(it, open)),
        };
        verdict.counts.notices += 1;
        verdict
            .violations
            .extend(problem.map(|what| Violation::of_notice(it, what)));
    }
    for receiver in 0..RECEIVERS.len() {
        of(case, receiver, verdict);
    }
    order(case, verdict);
}

/// Whether it ends what has not begun, or ended before.
fn ends_nothing(it: &Notice, open: &mut usize) -> Option<String> {
    let left = match it.event.resolved {
        true => open.checked_sub(1),
        false => Some(*open + 1),
    };
    *open = left.unwrap_or_default();
    left.is_none()
        .then(|| "expected to end what was told".to_owned())
}

/// What is told of one thing comes in order.
fn order(case: &Case<'_>, verdict: &mut Verdict) {
    let rows = case.facts.deliveries.iter();
    let rows = rows.map(|row| ((row.event.as_str(), row.receiver), row.sequence));
    let rows: BTreeMap<(&str, usize), i64> = rows.collect();
    let mut seen = BTreeSet::new();
    // By who hears what of whom, what came first last.
    let mut newest: BTreeMap<(usize, &str, &str), (i64, f64)> = BTreeMap::new();
    for it in case.heard {
        let known = case.facts.notice(&it.id);
        let Some(known) = known.filter(|it| it.event.kind != GROUP) else {
            continue;
        };
        let key = (it.id.as_str(), it.receiver);
        let Some(sequence) = rows.get(&key).filter(|_| seen.insert(key)) else {
            continue;
        };
        let lane = newest.entry((it.receiver, &known.event.kind, &known.event.about));
        let (newer, at) = lane.or_insert((*sequence, it.at));
        if *sequence >= *newer {
            (*newer, *at) = (*sequence, it.at);
            continue;
        }
        let since = Span {
            from: *at,
            until: it.at,
        };
        if case.was_frozen(since, Kind::delays_sends) {
            verdict.counts.late += 1;
            continue;
        }
        let what = format!("expected before what came at {at:.1} s");
        let wrong = Violation::of_reception(it, case.facts, what);
        verdict.violations.push(wrong);
    }
}

/// The operators hear of each; where there are none, some go to the receivers of checks.
fn owed(case: &Case<'_>, it: &Notice) -> Option<String> {
    let all = case.facts.deliveries.iter();
    let rows: Vec<&Delivery> = all.filter(|row| row.event == it.event.id).collect();
    let is_ours = it.event.project == cast::PROJECT;
    let fits = |row: &&Delivery| is_ours == (row.receiver == OPERATORS);
    match rows.as_slice() {
        [] if is_ours => Some("expected to be owed to the operators".to_owned()),
        rows if !rows.iter().all(fits) => Some("expected to go to its operators only".to_owned()),
        [_, _, ..] if is_ours => Some("expected to be owed once".to_owned()),
        _ => None,
    }
}

/// Nobody is said to fail who gets what it is owed.
fn causes(case: &Case<'_>, it: &Notice) -> Option<String> {
    if it.event.resolved {
        return None;
    }
    let Some(about) = cast::of_name(&it.event.about) else {
        return Some(format!("expected a receiver, not {:?}", it.event.about));
    };
    if about == OPERATORS {
        return Some("expected that nobody is told of itself".to_owned());
    }
    let waits = waits(case.facts, about);
    let is_caused = waits.values().any(|wait| wait.may_be_late(it.at));
    (!is_caused).then(|| "expected not to be told: nothing was late there".to_owned())
}

/// What is told of one receiver.
fn of(case: &Case<'_>, receiver: usize, verdict: &mut Verdict) {
    let name = RECEIVERS.get(receiver).map_or("", |it| it.name);
    let all = case.facts.notices.iter();
    let own = all.filter(|it| it.event.kind == FAILING && it.event.about == name);
    let own: Vec<&Notice> = own.collect();
    let mut began: Option<&Notice> = None;
    // From when until when it was said to fail.
    let mut told: Vec<Span> = Vec::new();
    for it in own {
        let problem = match (it.event.resolved, began) {
            (true, None) => Some("expected to end what was told"),
            (false, Some(before)) if it.at - before.at < AGAIN => {
                Some("expected not to be told again before an hour is over")
            }
            _ => None,
        };
        let problem = problem.map(|what| Violation::of_notice(it, what.to_owned()));
        verdict.violations.extend(problem);
        match (it.event.resolved, told.last_mut()) {
            (true, Some(last)) => last.until = it.at,
            (false, _) if began.is_none() => told.push(Span {
                from: it.at,
                until: f64::INFINITY,
            }),
            _ => {}
        }
        began = (!it.event.resolved).then_some(it);
    }
    // Of the operators themselves nobody hears, nor where there are none.
    if cast::has_operators(receiver) {
        begins(case, receiver, &told, verdict);
        ends(case, receiver, &told, verdict);
    }
}

/// Who fails for two minutes, or gives up, is told while nothing hinders anybody.
fn begins(case: &Case<'_>, receiver: usize, told: &[Span], verdict: &mut Verdict) {
    let is_told = |free: &Span| told.iter().any(|told| told.meets(free));
    let waits = waits(case.facts, receiver);
    let fails = |wait: &Wait| fails(case, receiver, wait);
    let due: Vec<Span> = waits.values().filter_map(fails).collect();
    verdict.counts.failing += usize::from(!due.is_empty());
    let untold = due.iter().find(|free| !is_told(free));
    let problem = untold.map(|free| {
        let (from, until) = (free.from, free.until);
        let what = format!("expected to be told to fail between {from:.1} s and {until:.1} s");
        Violation::of_receiver(receiver, what)
    });
    verdict.violations.extend(problem);
}

/// When it must be told that a receiver fails which waits for this, if it must be.
fn fails(case: &Case<'_>, receiver: usize, wait: &Wait) -> Option<Span> {
    let (from, until) = wait.failing(case.ended)?;
    let taken = taken(case, receiver).filter(|at| *at >= wait.fails_since());
    let until = taken.fold(until, f64::min);
    long(case, Span { from, until })
}

/// Who takes its events again is told not to fail any more.
fn ends(case: &Case<'_>, receiver: usize, told: &[Span], verdict: &mut Verdict) {
    let moods = case.script.moods.get(receiver);
    let moods: Vec<&(Span, Mood)> = moods.into_iter().flatten().collect();
    for told in told {
        let mut well = taken(case, receiver).filter(|at| *at > told.from);
        let must_end = well.find_map(|from| {
            let begins = moods.iter().map(|(span, _)| span.from);
            let next = begins.filter(|begins| *begins > from);
            let until = next.fold(case.ended, f64::min);
            let is_well = !moods.iter().any(|(span, _)| span.contains(from));
            long(case, Span { from, until }).filter(|_| is_well)
        });
        if let Some(free) = must_end.filter(|free| told.until > free.until) {
            let (from, until) = (told.from, free.until);
            let what =
                format!("expected to be told by {until:.1} s that what began at {from:.1} s ended");
            verdict
                .violations
                .push(Violation::of_receiver(receiver, what));
        }
    }
}

/// When this receiver took something.
fn taken<'a>(case: &'a Case<'_>, receiver: usize) -> impl Iterator<Item = f64> + use<'a> {
    let own = case.heard.iter().filter(move |it| it.receiver == receiver);
    own.filter(|it| it.was_taken()).map(|it| it.at)
}

/// A part of a time without faults that is long enough for whoever looks every five seconds.
fn long(case: &Case<'_>, of: Span) -> Option<Span> {
    let free = case.free(of, |_| true);
    free.into_iter()
        .find(|free| free.until - free.from >= GRACE)
}

/// Why what came is not what Postgres has of it.
pub(super) fn content(
    case: &Case<'_>,
    known: &Notice,
    heard: &Reception,
    it: &Event,
) -> Result<(), String> {
    let mut rows = case.facts.deliveries.iter();
    if !rows.any(|row| row.event == heard.id && row.receiver == heard.receiver) {
        return Err("expected to go to others".to_owned());
    }
    let said = |it: &Event| {
        let words = if it.resolved { "resolved " } else { "" };
        format!("{words}{} of {:?} in {:?}", it.kind, it.about, it.project)
    };
    let (known, told) = (said(&known.event), said(it));
    match known == told {
        true => Ok(()),
        false => Err(format!("expected {known}, as Postgres has it, not {told}")),
    }
}
