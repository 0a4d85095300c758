//! What has come back and is not committed yet, folded over what is.
//!
//! Folding happens when a report comes, so that a transition is noticed at
//! once; if the commit fails everything is folded again from the reports.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::board::Board;
use super::due::micros;
use super::entry::{Entry, LastSeen};
use crate::cadence::Micros;
use crate::clock;
use crate::health::{self, Retracted, Seen};
use crate::model::check::Every;
use crate::model::health::{Health, Transition};
use crate::model::id::{CheckId, CheckNo, IncidentId, SpecId};
use crate::model::observation::{ErrorClass, Observation, Outcome};
use crate::model::probe::Report;
use crate::store::observation::STATE_AGE;
use crate::store::shard::ShardCheck;

/// The most failed probes that an event shows.
const WITNESSES: usize = 10;
/// What was not believed is asked again after this time, or its period if that is shorter.
const UNBELIEVED: Duration = Duration::from_secs(15);

/// What one probe saw, and who looked.
#[derive(Clone, Debug)]
pub(super) struct Witness {
    pub(super) check: CheckNo,
    pub(super) spec: SpecId,
    pub(super) observation: Observation,
    pub(super) location: Arc<str>,
    pub(super) worker: Arc<str>,
    /// Which failures before it are not believed any more.
    pub(super) retracted: Option<Retracted>,
}

impl Witness {
    pub(super) fn new(
        report: Report,
        retracted: Option<Retracted>,
        location: &Arc<str>,
        worker: &Arc<str>,
    ) -> Self {
        Self {
            check: report.check_no,
            spec: report.spec_id,
            observation: report.observation,
            location: Arc::clone(location),
            worker: Arc::clone(worker),
            retracted,
        }
    }

    pub(super) fn into_last_seen(self) -> LastSeen {
        LastSeen {
            observation: self.observation,
            location: self.location,
        }
    }
}

/// A check as it will be after the commit. The board may have forgotten it by
/// then: what was believed of it is written all the same, before its end is.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub(super) id: CheckId,
    pub(super) health: Health,
    pub(super) last: Witness,
    /// When a suspect check is probed again.
    pub(super) again: Option<Micros>,
    /// Whether the state must be stored; if not, the observation says it all.
    pub(super) stores: bool,
}

/// A transition that will be committed.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    /// The check and its spec as they were when it was seen.
    pub(super) check: ShardCheck,
    pub(super) spec: Arc<[u8]>,
    pub(super) transition: Transition,
    pub(super) witnesses: Vec<Witness>,
}

/// Reports, and what follows from them.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub(super) reports: Vec<Witness>,
    pub(super) pending: HashMap<CheckNo, Pending>,
    pub(super) drafts: Vec<Draft>,
    /// Failures since the last transition, for the next one to show.
    suspicions: HashMap<CheckNo, Vec<Witness>>,
}

impl Ledger {
    pub(super) fn is_empty(&self) -> bool {
        self.reports.is_empty()
    }

    /// Takes a report; one of a check that is not ours is dropped and told by
    /// `false`.
    pub(super) fn add(&mut self, board: &Board, witness: Witness) -> bool {
        if board.with(witness.check, |_| ()).is_none() {
            return false;
        }
        self.fold(board, &witness);
        self.reports.push(witness);
        true
    }

    /// Forgets what followed and folds every report again, over what the board
    /// says now. What the board has seen already is dropped: it was committed.
    pub(super) fn refold(&mut self, board: &Board) -> usize {
        self.pending.clear();
        self.drafts.clear();
        self.suspicions.clear();
        let before = self.reports.len();
        let reports = std::mem::take(&mut self.reports);
        for witness in reports {
            let committed = board.with(witness.check, |entry| {
                entry.check.health.last_at >= Some(witness.observation.scheduled_at)
            });
            if committed == Some(false) {
                self.fold(board, &witness);
                self.reports.push(witness);
            }
        }
        before - self.reports.len()
    }

    /// Takes everything out that belongs to checks that are no longer ours, and
    /// counts their reports as lost.
    pub(super) fn retain_ours(&mut self, board: &Board) {
        self.reports.retain(|witness| {
            let ours = board.with(witness.check, |_| ()).is_some();
            if !ours {
                board.lose(witness.check, witness.observation.scheduled_at);
            }
            ours
        });
        self.pending
            .retain(|check, _| board.with(*check, |_| ()).is_some());
        self.drafts
            .retain(|draft| board.with(draft.check.check_no, |_| ()).is_some());
    }

    /// What was committed is gone from here; suspicions stay.
    pub(super) fn clear(&mut self) {
        self.reports.clear();
        self.pending.clear();
        self.drafts.clear();
    }

    fn fold(&mut self, board: &Board, witness: &Witness) {
        let number = witness.check;
        let at = witness.observation.scheduled_at;
        let Some((id, committed, policy, current, stored)) = board.with(number, |entry| {
            (
                entry.check.id,
                entry.check.health.clone(),
                (entry.confirm, entry.every, entry.flapping, entry.repeat),
                entry.check.spec_id == witness.spec,
                entry.stored,
            )
        }) else {
            return;
        };
        let (confirm, every, flapping, repeat) = policy;
        let before = self.pending.get(&number);
        let mut health = before.map_or_else(|| committed.clone(), |pending| pending.health.clone());
        // A question that is no longer asked, or an answer that came out of
        // order, is recorded but says nothing of the state.
        if !current || health.last_at.is_some_and(|last| last >= at) {
            return;
        }
        let asked = before.map(|pending| pending.last.spec);
        if asked.is_some_and(|asked| asked != witness.spec) {
            // What was counted of the question before is not committed yet.
            health.end_streaks();
        }
        // A success opens no incident, and random numbers are not free.
        let incident = IncidentId(match witness.observation.outcome {
            Outcome::Up => Uuid::nil(),
            _ => Uuid::now_v7(),
        });
        let retracted = witness.retracted;
        let seen = Seen::of(&witness.observation, &witness.location, retracted);
        let mut step = health::fold(&health, seen, confirm, flapping, incident);
        let failed = matches!(seen.outcome, Outcome::Down | Outcome::Error);
        let is_news = step.transition.is_some() || step.flap.is_some();
        let reminder = match failed && !is_news {
            true => health::remind(&mut step.health, at, repeat),
            false => None,
        };
        if step.transition.is_none() && !step.suspect {
            // Nothing is under way: what was suspected did not come true.
            self.suspicions.remove(&number);
        } else if witness.observation.is_to_be_shown() {
            let suspicions = self.suspicions.entry(number).or_default();
            // Of the streak that this one goes on, and of none before it.
            let retracted = retracted.map_or(0, |it| it.failures);
            let failures = health.failures.saturating_sub(retracted);
            let streak = usize::from(failures.max(health.warned)).min(WITNESSES - 1);
            suspicions.drain(..suspicions.len().saturating_sub(streak));
            suspicions.push(witness.clone());
        }
        for transition in step.transition.into_iter().chain(step.flap).chain(reminder) {
            let read = |entry: &Entry| (entry.check.clone(), Arc::clone(&entry.spec));
            let subject = board.with(number, read);
            let Some((check, spec)) = subject.filter(|(check, _)| check.spec_id == witness.spec)
            else {
                // It went, or was edited, at this very moment.
                return;
            };
            // What opens is shown with the probes that led to it, its end with
            // the success.
            let witnesses = if transition.flap.is_some() || transition.reminds {
                vec![witness.clone()]
            } else {
                let suspicions = self.suspicions.remove(&number).unwrap_or_default();
                match transition.next.is_outage() || transition.degrades() {
                    true => suspicions,
                    false => vec![witness.clone()],
                }
            };
            self.drafts.push(Draft {
                check,
                spec,
                transition,
                witnesses,
            });
        }
        let again = match witness.observation.class {
            Some(ErrorClass::ProberImpaired) => Some(retry_at(patience(confirm.retry, every))),
            _ => step.suspect.then(|| retry_at(confirm.retry)),
        };
        // Whoever asks of which checks nothing is known asks the states.
        let unknown = witness.observation.unknown();
        let recent = stored.is_some_and(|it| at - it.at < STATE_AGE && it.unknown == unknown);
        let pending = Pending {
            id,
            stores: !recent || !step.health.differs_in_time_only(&committed),
            health: step.health,
            last: witness.clone(),
            again,
        };
        self.pending.insert(number, pending);
    }
}

/// When a check is probed again of which nothing is known because its worker is cut off. That can
/// be thousands, for minutes.
fn patience(retry: Duration, every: Every) -> Duration {
    let every = Duration::from_secs(every.seconds().into());
    retry.max(every.min(UNBELIEVED)).min(2 * UNBELIEVED)
}

fn retry_at(retry: Duration) -> Micros {
    micros(clock::now() + retry)
}
