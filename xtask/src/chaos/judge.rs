//! The judge: what the script says, what Postgres has and what was received give every violation
//! of what is claimed. Pure. What it allows stands in one place each, with the reason; what it
//! does not know as allowed is a violation.

mod fallback;
mod groups;
mod notices;
mod observing;
mod outcomes;
mod reception;
mod reminders;
#[cfg(test)]
mod tests;
mod waiting;

use std::fmt;

use super::cast::{self, RECEIVERS};
use super::facts::{Delivery, Facts, Notice, Transition};
use super::fault::Kind;
use super::hooks::Reception;
use super::script::{Script, Span};

/// Within this time after the last fault all must be as before.
pub(super) const BOUND: f64 = 120.0;
/// So long after a fault that blinds nothing is required to be seen: connections come back within
/// five seconds, leases of shards run out after ten.
const GRACE: f64 = 15.0;
/// How far the moment at which a probe was due may be from that at which the site was asked: a
/// batch of probes that nobody takes for two seconds is not probed any more.
const SLACK: f64 = 3.0;
/// So long after it goes on a worker that was frozen may do what it had begun.
const THAW: f64 = 5.0;

/// A fault as it was.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Window {
    pub(super) kind: Kind,
    pub(super) span: Span,
}

/// What is judged.
#[derive(Debug)]
pub(super) struct Case<'a> {
    pub(super) script: &'a Script,
    pub(super) facts: &'a Facts,
    /// In the order in which it came.
    pub(super) heard: &'a [Reception],
    pub(super) windows: &'a [Window],
    /// When this machine stood still.
    pub(super) stalls: &'a [Span],
    /// When what Postgres has was read.
    pub(super) ended: f64,
}

/// One line of what is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Violation {
    check: Option<usize>,
    receiver: Option<usize>,
    sequence: Option<i64>,
    id: Option<String>,
    pub(super) what: String,
}

impl Violation {
    pub(super) fn general(what: String) -> Self {
        Self {
            check: None,
            receiver: None,
            sequence: None,
            id: None,
            what,
        }
    }

    fn of_check(check: usize, what: String) -> Self {
        Self {
            check: Some(check),
            ..Self::general(what)
        }
    }

    fn of_transition(it: &Transition, what: String) -> Self {
        Self {
            check: Some(it.check),
            sequence: Some(it.sequence),
            id: Some(it.id.clone()),
            ..Self::general(what)
        }
    }

    fn of_delivery(it: &Delivery, what: String) -> Self {
        Self {
            check: it.check,
            receiver: Some(it.receiver),
            sequence: Some(it.sequence),
            id: Some(it.event.clone()),
            what,
        }
    }

    fn of_reception(it: &Reception, facts: &Facts, what: String) -> Self {
        let known = facts.transition(&it.id);
        Self {
            check: known.map(|known| known.check),
            receiver: Some(it.receiver),
            // What is of no check has none.
            sequence: it
                .event
                .as_ref()
                .ok()
                .map(|event| event.sequence)
                .filter(|it| *it > 0),
            id: Some(it.id.clone()),
            what,
        }
    }

    fn of_notice(it: &Notice, what: String) -> Self {
        let (kind, about) = (&it.event.kind, &it.event.about);
        Self {
            id: Some(it.event.id.clone()),
            ..Self::general(format!("{kind} of {about:?}: {what}"))
        }
    }

    fn of_receiver(receiver: usize, what: String) -> Self {
        Self {
            receiver: Some(receiver),
            ..Self::general(what)
        }
    }

    /// Of a transition, in what told it.
    fn of_telling(it: &Reception, transition: &Transition, what: String) -> Self {
        Self {
            check: Some(transition.check),
            receiver: Some(it.receiver),
            sequence: Some(transition.sequence),
            id: Some(it.id.clone()),
            what,
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words = Vec::new();
        words.extend(
            self.check
                .map(|check| format!("check {}", cast::name(check))),
        );
        let receiver = self.receiver.and_then(|it| RECEIVERS.get(it));
        words.extend(receiver.map(|it| format!("receiver {}", it.name)));
        words.extend(self.sequence.map(|number| format!("sequence {number}")));
        words.extend(self.id.as_ref().map(|id| format!("webhook-id {id}")));
        match words.is_empty() {
            true => f.write_str(&self.what),
            false => write!(f, "{}: {}", words.join(", "), self.what),
        }
    }
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    pub(super) violations: Vec<Violation>,
    pub(super) counts: Counts,
}

#[derive(Debug, Default, PartialEq)]
pub(super) struct Counts {
    /// Times in which a correct observer must see how a check is, and of them those in an outage.
    pub(super) required: usize,
    pub(super) required_outages: usize,
    pub(super) delivered: usize,
    pub(super) superseded: usize,
    /// Of them those that a group tells, and how many groups there are.
    pub(super) grouped: usize,
    pub(super) groups: usize,
    pub(super) dead: usize,
    /// What fallbacks were owed.
    pub(super) fell_back: usize,
    /// Outages that were told again.
    pub(super) reminders: usize,
    /// Receivers that had to be told to fail.
    pub(super) failing: usize,
    /// What was told of a project.
    pub(super) notices: usize,
    /// Taken once more.
    pub(super) duplicates: usize,
    /// Came first after a newer one, from a worker that was frozen.
    pub(super) late: usize,
    /// The longest from a transition until its receiver, which was well all the time, had it, in
    /// seconds.
    pub(super) slowest: f64,
}

pub(super) fn judge(case: &Case<'_>) -> Verdict {
    let mut verdict = Verdict::default();
    observing::judge(case, &mut verdict);
    reminders::judge(case, &mut verdict);
    outcomes::judge(case, &mut verdict);
    groups::judge(case, &mut verdict);
    fallback::judge(case, &mut verdict);
    notices::judge(case, &mut verdict);
    reception::judge(case, &mut verdict);
    verdict
}

impl Case<'_> {
    /// Whether a worker of either kind was frozen then, or all of this machine was.
    fn was_frozen(&self, span: Span, is_of: impl Fn(Kind) -> bool) -> bool {
        let frozen = self.windows.iter().filter(|it| is_of(it.kind));
        let frozen = frozen.map(|it| Span {
            from: it.span.from,
            until: it.span.until + THAW,
        });
        frozen
            .chain(self.stalls.iter().copied())
            .any(|window| window.meets(&span))
    }

    /// The parts of a time in which there is no such fault, and has not been for a while.
    fn free(&self, of: Span, is_one: impl Fn(Kind) -> bool) -> Vec<Span> {
        let faults = self.windows.iter().filter(|it| is_one(it.kind));
        let faults = faults.map(|it| it.span).chain(self.stalls.iter().copied());
        let mut faults: Vec<Span> = faults.collect();
        faults.sort_by(|one, other| one.from.total_cmp(&other.from));
        let mut found = Vec::new();
        let mut from = of.from;
        for window in faults {
            let until = window.from.min(of.until);
            if until > from {
                found.push(Span { from, until });
            }
            from = from.max(window.until + GRACE);
        }
        let until = of.until;
        if until > from {
            found.push(Span { from, until });
        }
        found
    }
}
