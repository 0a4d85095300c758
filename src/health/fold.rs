//! One step: what was believed and what was seen give what is believed now.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use time::OffsetDateTime;

use super::flapping::flap;
use crate::model::check::{Confirm, WhileFlapping};
use crate::model::health::{Health, Recent, State, Told, Transition};
use crate::model::id::IncidentId;
use crate::model::observation::{ErrorClass, Observation, Outcome};
use crate::model::probe::LocationKey;

/// The result of one step.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Step {
    pub health: Health,
    pub transition: Option<Transition>,
    /// It begins or ends to flap, after the other transition if there is one.
    pub flap: Option<Transition>,
    /// A change is under way but not confirmed: probe again after `retry`.
    pub suspect: bool,
}

/// Failures that were counted and are not any more: the worker that saw them was cut off.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Retracted {
    /// The newest ones of this location.
    pub location: LocationKey,
    pub failures: u8,
}

/// What one probe says to the fold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Seen {
    pub outcome: Outcome,
    /// It is up, and a `warn` did not hold.
    pub degraded: bool,
    /// It is unknown because it failed at a worker that is not believed.
    pub unbelieved: bool,
    /// What it says of failures before it.
    pub retracted: Option<Retracted>,
    /// When the probe was due.
    pub at: OffsetDateTime,
    pub location: LocationKey,
}

impl Seen {
    pub fn of(observation: &Observation, location: &str, retracted: Option<Retracted>) -> Self {
        Self {
            outcome: observation.outcome,
            degraded: observation.degraded,
            unbelieved: observation.class == Some(ErrorClass::ProberImpaired),
            retracted,
            at: observation.scheduled_at,
            location: LocationKey::of(location),
        }
    }
}

/// Folds one probe into the health of its check.
///
/// `incident` is the id that an incident gets if this step opens one. Failures and successes
/// count in a row only, unless `confirm` looks back: then failures count among the last `of`
/// probes, of `distinct` locations, `within` a time. The first success of a new check needs no confirmation: nobody is told
/// of it. Of a check that began quietly nobody is told until after that. Being degraded is
/// believed as an outage is, by `confirm`, and judged only while the check is up.
/// Whether it flaps is judged by single results, whatever they confirm.
pub fn fold(
    health: &Health,
    probe: Seen,
    confirm: Confirm,
    flapping: WhileFlapping,
    incident: IncidentId,
) -> Step {
    let Seen { outcome, at, .. } = probe;
    let mut next = Health {
        last_at: Some(at),
        ..health.clone()
    };
    if let Some(retracted) = probe.retracted.filter(|_| !health.state.is_outage()) {
        retract(&mut next, retracted);
    }
    let seen = match outcome {
        Outcome::Up => State::Up,
        Outcome::Down => State::Down,
        Outcome::Error => State::Error,
        // Our own fault says nothing of the site, not even that time passed.
        Outcome::Unknown => {
            if probe.unbelieved && !health.state.is_outage() {
                next.unbelieved.get_or_insert(at);
            }
            return Step {
                suspect: is_suspect(&next),
                health: next,
                transition: None,
                flap: None,
            };
        }
    };
    let confirmed = if seen == health.state {
        (next.failures, next.successes) = (0, 0);
        false
    } else if seen == State::Up {
        next.failures = 0;
        next.successes = next.successes.saturating_add(1);
        health.state == State::Init || next.successes >= confirm.successes
    } else if confirm.looks_back() && !health.state.is_outage() {
        next.successes = 0;
        look_back(&mut next, probe, true, confirm)
    } else {
        next.successes = 0;
        next.failures = next.failures.saturating_add(1);
        next.failures >= confirm.failures
    };
    if seen == State::Up && !confirmed && !next.recent.is_empty() {
        look_back(&mut next, probe, false, confirm);
    }
    let mut transition = confirmed.then(|| enter(&mut next, seen, at, incident));
    if seen != State::Up {
        next.warned = 0;
    } else if next.state == State::Up {
        let changed = degrade(&mut next, probe, confirm, transition.is_some());
        transition = transition.or(changed);
    }
    if seen == State::Up || next.state.is_outage() {
        next.unbelieved = None;
    }
    let flap = flap(&mut next, seen != State::Up, at, flapping);
    Step {
        suspect: is_suspect(&next),
        health: next,
        transition,
        flap,
    }
}

/// Counts some failures no more.
fn retract(health: &mut Health, retracted: Retracted) {
    let mut gone = retracted.failures;
    if !health.recent.is_empty() {
        let mut left = gone;
        health.recent.reverse();
        health.recent.retain(|it| {
            let goes = it.failed && it.location == retracted.location && left > 0;
            left -= u8::from(goes);
            !goes
        });
        health.recent.reverse();
        gone -= left;
    }
    health.failures = health.failures.saturating_sub(gone);
    if health.failures == 0 {
        health.recent.clear();
    }
}

/// Counts the failures that are near enough; whether they are enough, of enough locations.
fn look_back(health: &mut Health, probe: Seen, failed: bool, confirm: Confirm) -> bool {
    let recent = &mut health.recent;
    recent.push(Recent {
        at: probe.at,
        location: probe.location,
        failed,
    });
    if let Some(within) = confirm.within {
        recent.retain(|it| it.at >= probe.at - within);
    }
    recent.drain(..recent.len().saturating_sub(confirm.of.into()));
    let bad = || recent.iter().filter(|it| it.failed);
    let locations: BTreeSet<LocationKey> = bad().map(|it| it.location).collect();
    health.failures = u8::try_from(bad().count()).unwrap_or(u8::MAX);
    let enough = health.failures >= confirm.failures && locations.len() >= confirm.distinct.into();
    if health.failures == 0 {
        recent.clear();
    }
    enough
}

fn is_suspect(health: &Health) -> bool {
    health.failures > 0 || health.successes > 0 || health.warned > 0
}

/// Counts what a probe that was up says of being degraded. One step makes one transition:
/// after another one it is made by the next probe.
fn degrade(health: &mut Health, probe: Seen, confirm: Confirm, moved: bool) -> Option<Transition> {
    if probe.degraded == health.degraded {
        health.warned = 0;
        return None;
    }
    health.warned = health.warned.saturating_add(1);
    let needed = match probe.degraded {
        true => confirm.failures,
        false => confirm.successes,
    };
    if moved || health.warned < needed {
        return None;
    }
    health.degraded = probe.degraded;
    health.warned = 0;
    health.seq += 1;
    Some(Transition {
        previous: State::Up,
        next: State::Up,
        degraded: health.degraded,
        at: probe.at,
        seq: health.seq,
        incident: None,
        told: Told::Yes,
        flap: None,
        reminds: false,
    })
}

fn enter(
    health: &mut Health,
    state: State,
    at: OffsetDateTime,
    incident: IncidentId,
) -> Transition {
    let previous = health.state;
    let told = match (previous, state) {
        _ if health.quiet => Told::No,
        (State::Init, State::Up) => Told::No,
        // Within one incident a change of kind is news once; then it is noise.
        (State::Down | State::Error, State::Down | State::Error) if health.retold => Told::No,
        _ => Told::Yes,
    };
    // What was well once is like any other from then on.
    health.quiet &= state != State::Up;
    health.state = state;
    health.since = at;
    (health.failures, health.successes) = (0, 0);
    health.recent.clear();
    health.seq += 1;
    health.retold = previous.is_outage() && state.is_outage();
    health.told_at = match (state.is_outage(), told) {
        (true, Told::Yes) => Some(at),
        (true, Told::No) => health.told_at,
        (false, _) => None,
    };
    let of = if state.is_outage() {
        *health.incident.get_or_insert(incident)
    } else {
        return Transition {
            previous,
            next: state,
            degraded: health.degraded,
            at,
            seq: health.seq,
            incident: health.incident.take(),
            told,
            flap: None,
            reminds: false,
        };
    };
    Transition {
        previous,
        next: state,
        degraded: health.degraded,
        at,
        seq: health.seq,
        incident: Some(of),
        told,
        flap: None,
        reminds: false,
    }
}
