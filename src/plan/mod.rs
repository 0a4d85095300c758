//! From what is wanted and what is live to the changes that lead from one to the other: pure
//! functions with a fixed order, so that the same states always give the same plan.
//!
//! `state` says what goes in, `moves` reads renames, `compare` finds what differs, `guard` what
//! must not happen by accident, `routing` who is told of what differently, `cling` who would lose
//! a receiver unseen, `notice` what no guard holds and is easily overlooked, `taken` which name is
//! not free, `places` where what stays stands by now, `release` what the API gets; `text` writes it for people.

pub mod state;
mod moves;
mod compare;
mod remote;
pub mod names;
pub mod guard;
pub mod routing;
pub mod cling;
mod notice;
pub mod taken;
pub mod places;
pub mod release;
pub mod text;
pub mod wire;

use std::collections::BTreeSet;

use time::{Duration, OffsetDateTime};

use self::cling::Clinging;
use self::compare::Step;
use self::guard::Weight;
use self::routing::Routing;
use self::state::{Live, Options, Specs, Wanted};
use self::taken::Taken;
use crate::model::change::{Action, Change, Kind, Summary};
use crate::spec::Digest;

/// How long what was deleted can be brought back.
pub const RESTORABLE: Duration = Duration::days(7);

/// What would be done, in the order in which it can be done: receivers are made before the
/// checks that refer to them, and deleted after.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Plan {
    pub changes: Vec<Change>,
    /// Who is told of what differently.
    pub routing: Vec<Routing>,
    /// Deletes and creates of the same spec: from and to, as references.
    pub suggestions: Vec<(String, String)>,
    pub warnings: Vec<String>,
    /// What the guards look at.
    pub weight: Weight,
    /// What loses a receiver that it names, and is not in the plan: it cannot be applied.
    pub clinging: Option<Clinging>,
    /// A name that is given while somebody else keeps it: neither can that.
    pub taken: Option<Taken>,
}

impl Plan {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// How much it does.
    pub fn summary(&self) -> Summary {
        Summary::of(&self.changes)
    }
}

/// What differs, not yet in detail: the specs in `needed` make a plan of it.
#[derive(Debug)]
pub struct Draft<'a> {
    wanted: &'a Wanted,
    live: &'a Live,
    options: &'a Options,
    steps: Vec<Step<'a>>,
    warnings: Vec<String>,
}

/// Compares what is wanted with what is live.
pub fn draft<'a>(wanted: &'a Wanted, live: &'a Live, options: &'a Options) -> Draft<'a> {
    let (steps, warnings) = compare::steps(wanted, live, options);
    Draft {
        wanted,
        live,
        options,
        steps,
        warnings,
    }
}

impl Draft<'_> {
    /// The specs, of every kind, that a plan must know.
    pub fn needed(&self) -> BTreeSet<Digest> {
        let each = |step: &Step<'_>| [step.before, step.after];
        let steps = self.steps.iter().flat_map(each).flatten();
        // Its limits hold.
        steps.chain(self.live.project_spec).collect()
    }

    /// Whether webhooks give up their names, so that nobody may refer to them.
    pub fn ends_webhooks(&self) -> bool {
        self.steps.iter().any(Step::ends_webhook)
    }

    /// Whether checks come under new maintenance, so that it must be known which.
    pub fn maintains(&self, specs: &Specs) -> bool {
        let mut steps = self.steps.iter();
        let project = steps.find(|step| step.kind == Kind::Project);
        project.is_some_and(|step| guard::new_maintenances(step, specs).next().is_some())
    }

    /// Whether checks go to the API, so that it must be known what their receivers are.
    pub fn releases(&self) -> bool {
        let mut steps = self.steps.iter();
        steps.any(|step| step.action == Action::Release)
    }

    /// The plan. `now` dates until when deletes can be undone.
    pub fn plan(self, specs: &Specs, now: OffsetDateTime) -> Plan {
        let steps = compare::narrow(self.steps, self.options, specs);
        let changes: Vec<Change> = steps.iter().map(|step| step.change(specs, now)).collect();
        let project = self.wanted.project.as_str();
        let mut warnings = self.warnings;
        warnings.extend(notice::notices(&steps, specs));
        Plan {
            clinging: cling::clinging(&steps, project, self.live, specs),
            taken: taken::taken(&steps, self.wanted, self.live),
            routing: routing::routing(&steps, self.live, specs),
            suggestions: compare::suggestions(&steps, specs),
            weight: guard::weigh(&steps, self.wanted, self.live, specs, now),
            warnings,
            changes,
        }
    }
}

#[cfg(test)]
mod tests;
