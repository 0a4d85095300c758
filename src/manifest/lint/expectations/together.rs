//! Asserts that cannot hold together.

use super::seen;
use crate::manifest::attributes::assert::ASSERT;
use crate::manifest::condition::{Bounds, Condition};
use crate::manifest::diagnostic::{Code, Problem};
use crate::manifest::layer::Inner;
use crate::manifest::source::Span;
use crate::model::check::{Assert, CheckSpec};

/// Asserts that cannot hold together.
pub(super) struct Together {
    bounds: Bounds,
    /// Whether there is more than one thing to hold.
    many: bool,
    /// What those before leave, and where they are.
    before: Vec<(Bounds, Span)>,
}

impl Together {
    pub(super) fn new(spec: &CheckSpec, blocks: usize) -> Self {
        Self {
            bounds: seen(spec),
            many: blocks > 1,
            before: Vec::new(),
        }
    }

    /// What an assert leaves of the responses, with what is to be said of it.
    pub(super) fn add(
        &mut self,
        assert: &Assert,
        inner: &Inner,
        condition: Option<Condition>,
        problems: &mut Vec<Problem>,
    ) {
        if !self.many && condition.is_none() {
            return;
        }
        let place = |wanted: &str| {
            let mut rows = inner.layer.rows(&ASSERT);
            rows.find(|(name, _)| *name == wanted)
                .map(|(_, node)| node.span)
        };
        let status = place("status").filter(|_| !assert.status.is_empty());
        let mut parts: Vec<(Option<Bounds>, Span)> = Vec::new();
        if let Some(span) = status {
            parts.push((self.bounds.clone().with_status(&assert.status), span));
        }
        if let (Some(most), Some(span)) = (assert.max_latency, place("max_latency")) {
            let most = self.bounds.clone().with_latency(most.as_secs_f64());
            parts.push((most, span));
        }
        if let (Some(condition), Some(span)) = (condition, place("condition")) {
            parts.push((condition.where_it_holds(&self.bounds), span));
        }
        for (bounds, span) in parts {
            // What is impossible by itself was told.
            let Some(bounds) = bounds else { continue };
            let other = self.before.iter().find(|(it, _)| it.and(&bounds).is_none());
            if let Some((_, other)) = other {
                let message = "this never holds together with another of the check's asserts, so \
                               that the check is always down";
                let problem = Problem::new(Code::NeverHolds, span, message);
                problems.push(problem.also(*other, "the other is here"));
            }
            self.before.push((bounds, span));
        }
    }
}
