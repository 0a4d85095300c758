//! Which checks suppress which: they must be declared, and not go in a circle.

use std::collections::{BTreeMap, BTreeSet};

use super::Compiling;
use crate::manifest::circle::circle;
use crate::manifest::diagnostic::{Code, Problem};
use crate::manifest::expand::{Called, Expanded};
use crate::manifest::source::Span;
use crate::manifest::suggest::did_you_mean;

/// Among how many names the nearest is looked for.
const NEAR: usize = 1000;

impl Compiling<'_> {
    /// Tells references to checks that are not declared, and circles.
    pub(super) fn suppressions(&mut self, checks: &[Expanded], names: &[Called]) {
        if checks.iter().all(|check| check.parents.is_empty()) {
            return;
        }
        let declared: BTreeSet<&str> = checks.iter().map(|it| it.address.as_str()).collect();
        let mut spans: BTreeMap<&str, Span> = BTreeMap::new();
        let mut edges: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for check in checks {
            for (parent, span) in &check.parents {
                spans.entry(&check.address).or_insert(*span);
                edges.entry(&check.address).or_default().push(parent);
                let name = parent
                    .split_once('[')
                    .map_or(parent.as_str(), |(name, _)| name);
                if declared.contains(parent.as_str())
                    || self.gaps.may_hold("check", Some(name))
                    || self.gaps.may_hold("check", None)
                {
                    continue;
                }
                // One that is declared with a mistake is told as that.
                let several = declared.range(name..).find(|it| {
                    it.strip_prefix(name)
                        .is_some_and(|rest| rest.starts_with('['))
                });
                if several.is_none() && names.iter().any(|it| it.name.as_str() == name) {
                    continue;
                }
                let problem = Problem::new(
                    Code::UnknownReference,
                    *span,
                    format!("`suppressed_by`: no check is called `{parent}`"),
                );
                let hint = match several {
                    Some(first) => Some(format!("it is several: write check.{first}, say")),
                    None => did_you_mean(parent, declared.iter().take(NEAR).copied()),
                };
                self.problems.push(problem.maybe_hint(hint));
            }
        }
        if let Some(found) = circle(&edges)
            && let Some(span) = found.first().and_then(|first| spans.get(first))
        {
            let way: Vec<String> = found.iter().map(|it| format!("check.{it}")).collect();
            let message = match way.as_slice() {
                [one, _] => format!("{one} suppresses itself"),
                way => format!(
                    "checks suppress each other in a circle: {}",
                    way.join(" -> ")
                ),
            };
            let problem = Problem::new(Code::Cycle, *span, message);
            let hint = "what all hang on hangs on nothing: suppressed_by = [] there, if `defaults` \
                        say else";
            self.problems.push(problem.hint(hint));
        }
    }
}
