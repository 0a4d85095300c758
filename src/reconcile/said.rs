//! What was logged of a root: a thing that stays is said once.

use tracing::{error, info, warn};

use super::tell::cut;
use crate::manifest::diagnostic::Diagnostic;
use crate::manifest::report;

/// How many warnings are logged at once.
const WARNINGS: usize = 10;

#[derive(Debug, Default)]
pub(super) struct Said {
    words: String,
    warnings: String,
}

impl Said {
    /// Says a thing once, until something else is to be said.
    pub(super) fn say(&mut self, words: &str) {
        self.say_of(words, words);
    }

    /// The same of a thing whose words change by themselves.
    pub(super) fn say_of(&mut self, thing: &str, words: &str) {
        if self.words != thing {
            error!("{}", cut(words).trim_end());
            thing.clone_into(&mut self.words);
        }
    }

    /// The same of what is no fault.
    pub(super) fn note(&mut self, words: &str) {
        if self.words != words {
            info!("{}", cut(words).trim_end());
            words.clone_into(&mut self.words);
        }
    }

    /// Says the end of what was said.
    pub(super) fn good_again(&mut self, project: &str) {
        if !self.words.is_empty() {
            info!(%project, "good again");
            self.words.clear();
        }
    }

    /// Shows warnings of the files when they are others than last time.
    pub(super) fn warn_once(&mut self, warnings: &[Diagnostic], shown: &str) {
        let first = warnings.get(..WARNINGS).unwrap_or(warnings);
        let mut words = report::human(first, shown, report::Style::default());
        if let Some(more @ 1..) = warnings.len().checked_sub(WARNINGS) {
            words.push_str(&format!("and {more} more: lokahictl validate {shown}"));
        }
        if words != self.warnings && !words.is_empty() {
            warn!("{}", words.trim_end());
        }
        self.warnings = words;
    }
}
