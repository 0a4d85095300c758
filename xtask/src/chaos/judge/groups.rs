//! Whether what is told together is told once, and by exactly one group.

use super::outcomes::receptions;
use super::reception;
use super::{Case, Verdict, Violation};
use crate::chaos::cast::{self, RECEIVERS};
use crate::chaos::event::Event;
use crate::chaos::facts::{Delivery, GROUP};
use crate::chaos::hooks::Reception;

/// Each group goes once to a receiver that wants groups, and has members.
pub(super) fn judge(case: &Case<'_>, verdict: &mut Verdict) {
    let groups = case
        .facts
        .notices
        .iter()
        .filter(|it| it.event.kind == GROUP);
    for group in groups {
        verdict.counts.groups += 1;
        let all = case.facts.deliveries.iter();
        let rows: Vec<&Delivery> = all.filter(|it| it.event == group.event.id).collect();
        let problem = match rows.as_slice() {
            [] => Some("to be owed, and there is no delivery".to_owned()),
            [only] if only.receiver != cast::GROUPED => {
                let about = RECEIVERS.get(only.receiver).map_or("", |it| it.name);
                Some(format!("not to go to receiver {about}"))
            }
            [only] => members(case, only).err(),
            _ => Some("to be owed once".to_owned()),
        };
        let problem = problem.map(|what| Violation {
            id: Some(group.event.id.clone()),
            ..Violation::general(format!("a group: expected {what}"))
        });
        verdict.violations.extend(problem);
    }
}

/// The events that a group's delivery tells, as Postgres has it, in some order.
fn members<'a>(case: &'a Case<'_>, group: &Delivery) -> Result<Vec<&'a str>, String> {
    let all = case.facts.deliveries.iter();
    let own: Vec<&Delivery> = all.filter(|it| it.superseded_by == group.id).collect();
    // What is alone goes out as it is.
    if own.len() < 2 {
        return Err(format!("two members at least, not {}", own.len()));
    }
    let rack = |it: &Delivery| it.check.and_then(cast::rack);
    let first = own.first().and_then(|it| rack(it));
    let fits = |it: &&Delivery| it.receiver == group.receiver && rack(it) == first;
    if first.is_none() || !own.iter().all(fits) {
        return Err("members of one rack, and of its receiver".to_owned());
    }
    Ok(own.into_iter().map(|it| it.event.as_str()).collect())
}

/// Why what came is not what Postgres has of this group.
pub(super) fn content(case: &Case<'_>, it: &Reception, event: &Event) -> Result<(), String> {
    let all = case.facts.deliveries.iter();
    let mut own = all.filter(|row| row.event == it.id && row.receiver == it.receiver);
    let is_group = case
        .facts
        .notice(&it.id)
        .is_some_and(|it| it.event.kind == GROUP);
    let Some(group) = own.next().filter(|_| is_group) else {
        return Err("expected a group of this receiver in Postgres".to_owned());
    };
    let mut known = members(case, group).map_err(|what| format!("expected {what}"))?;
    let mut told: Vec<&str> = event.events.iter().map(|it| it.id.as_str()).collect();
    known.sort_unstable();
    told.sort_unstable();
    if known != told {
        return Err(format!("expected its members {known:?}, not {told:?}"));
    }
    let mut events = event.events.iter();
    events.try_for_each(|member| reception::of_check(case, it.receiver, member))
}

/// Why this one, which a group tells, is not told by that.
pub(super) fn superseded(case: &Case<'_>, it: &Delivery, group: &Delivery) -> Option<String> {
    let lists = |heard: &Reception| {
        let event = heard.event.as_ref();
        event.is_ok_and(|event| event.events.iter().any(|member| member.id == it.event))
    };
    if !receptions(case, group).any(lists) {
        return Some(format!("expected to be told by the group {}", group.event));
    }
    let itself = receptions(case, it).next();
    itself.map(|itself| {
        let (at, group) = (itself.at, &group.event);
        format!("expected to be told by the group {group} alone, not also at {at:.1} s")
    })
}
