//! The condition of an assert: an expression over the response. Here is the one place where
//! it is made ready and judged; this version has nothing to evaluate it with, and says so
//! rather than that it holds.

use super::evidence::Evidence;
use crate::model::check::Assert;

/// What became of a condition.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Judged {
    #[expect(dead_code, reason = "for the evaluator")]
    Holds,
    /// It does not hold; for people.
    #[expect(dead_code, reason = "for the evaluator")]
    Broken(String),
    /// It cannot be told, which is not the site's fault.
    Unclear(String),
}

/// A condition, ready to be judged.
#[derive(Debug)]
pub(super) struct Condition {
    condition: String,
    /// What to say when it does not hold.
    #[expect(dead_code, reason = "for the evaluator")]
    error_message: Option<String>,
}

impl Condition {
    /// That of an assert, if it has one.
    pub(super) fn of(assert: &Assert) -> Option<Self> {
        Some(Self {
            condition: assert.condition.clone()?,
            error_message: assert.error_message.clone(),
        })
    }

    /// Judges it by everything that the probe has seen.
    pub(super) fn judge(&self, _evidence: &Evidence<'_>) -> Judged {
        let text: String = self.condition.chars().take(60).collect();
        Judged::Unclear(format!("this worker cannot judge the condition {text:?}"))
    }
}
