//! What is declared of maintenance, and whether it means any check.

use std::collections::{BTreeMap, BTreeSet};

use super::Compiling;
use crate::manifest::attributes::maintenance::{MAINTENANCE, MATCH};
use crate::manifest::diagnostic::{Code, Problem};
use crate::manifest::expand::{Expanded, Known};
use crate::manifest::fill::{Filled, Filling};
use crate::model::maintenance::Maintenance;
use crate::model::name::Name;

impl Compiling<'_> {
    /// Every maintenance, and whether all of them are known.
    pub(super) fn maintenances(
        &mut self,
        names: &BTreeSet<Name>,
    ) -> (BTreeMap<Name, Maintenance>, bool) {
        let mut found = BTreeMap::new();
        let mut all_known = true;
        for (name, block) in &self.declared.maintenances {
            let layer = self.layer(block, &MAINTENANCE, names);
            if layer.block(MATCH.name, "").is_none() {
                let message = "this `maintenance` needs a `match`: which checks it means";
                let problem = Problem::new(Code::Missing, block.span, message);
                let hint = "write match { names = [\"*\"] } for all of the project";
                self.problems.push(problem.hint(hint));
                continue;
            }
            let filling = Filling::new(self.gaps, &mut self.problems);
            match filling.draft(&MAINTENANCE, &layer, block.span) {
                Filled::Good(draft) => match draft.maintenance.complete() {
                    Ok(whole) => {
                        found.insert(name.clone(), whole);
                    }
                    Err(why) => {
                        let message = format!("`maintenance`: {why}");
                        self.problems
                            .push(Problem::new(Code::Missing, block.span, message));
                    }
                },
                Filled::Unknown => all_known = false,
                Filled::Bad => {}
            }
        }
        if self.declared.maintenances.len() > Maintenance::MOST
            && let Some(block) = self.declared.maintenances.values().last()
        {
            let message = format!("more than {} blocks `maintenance`", Maintenance::MOST);
            self.problems
                .push(Problem::new(Code::OutOfBounds, block.span, message));
        }
        (found, all_known)
    }

    /// Tells those that mean no check at all: a name that was misspelt, most likely.
    pub(super) fn idle_maintenances(
        &mut self,
        maintenances: &BTreeMap<Name, Maintenance>,
        checks: &[Expanded],
    ) {
        let unknown = |check: &Expanded| matches!(check.known, Known::Part);
        if checks.iter().any(unknown) {
            return;
        }
        for (name, maintenance) in maintenances {
            let meant = |check: &Expanded| {
                let label = |key: &str| check.labels.get(key).map(String::as_str);
                maintenance.selector.matches(&check.address, label)
            };
            if !checks.iter().any(meant)
                && let Some(block) = self.declared.maintenances.get(name)
            {
                let message = format!("maintenance.{name} means no check");
                let problem = Problem::new(Code::MeansNoCheck, block.span, message);
                let hint = "look at the names and labels of its `match`";
                self.problems.push(problem.hint(hint));
            }
        }
    }
}
