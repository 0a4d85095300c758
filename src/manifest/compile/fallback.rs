//! Fallbacks of receivers must not lead back: what does not arrive would go in a circle.

use std::collections::BTreeMap;

use super::Compiling;
use crate::manifest::circle::circle;
use crate::manifest::diagnostic::{Code, Problem};
use crate::manifest::source::Span;
use crate::model::name::Name;

/// As many places of a circle are shown.
const MAX_SHOWN: usize = 10;

impl Compiling<'_> {
    /// Tells a receiver that is its own fallback, by way of others or at once. Of each its
    /// fallback is given, and where that is said.
    pub(super) fn fallbacks(&mut self, fallbacks: &BTreeMap<Name, (Name, Span)>) {
        let edges = fallbacks
            .iter()
            .map(|(name, (fallback, _))| (name.as_str(), vec![fallback.as_str()]));
        let mut edges: BTreeMap<&str, Vec<&str>> = edges.collect();
        let span = |name: &str| {
            let mut all = fallbacks.iter();
            all.find(|(it, _)| it.as_str() == name)
                .map(|(_, (_, span))| *span)
        };
        // Each has one fallback at most: no two circles have one in common.
        while let Some(found) = circle(&edges) {
            for name in &found {
                edges.remove(name);
            }
            let way: Vec<String> = found.iter().map(|it| format!("webhook.{it}")).collect();
            let message = match way.as_slice() {
                [one, _] => format!("{one} is its own fallback"),
                way => format!("fallbacks go in a circle: {}", way.join(" -> ")),
            };
            let mut places = found.iter().filter_map(|name| span(name));
            let Some(first) = places.next() else { continue };
            let problem = Problem::new(Code::Cycle, first, message);
            // The last is the first again.
            let others = places.take(found.len().saturating_sub(2)).take(MAX_SHOWN);
            let problem = others.fold(problem, |problem, at| problem.also(at, "and on from here"));
            let hint = "what does not arrive must end somewhere: take one of them out";
            self.problems.push(problem.hint(hint));
        }
    }
}
