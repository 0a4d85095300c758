//! How a round ended, of one root or of all.

use std::time::Duration;

/// How rounds ended.
#[derive(Debug, Default)]
pub(super) struct Settled {
    /// When to look again at the latest, if not as usual.
    pub(super) again: Option<Duration>,
    pub(super) failed: bool,
    /// Something waits: a delete to be seen again, or a person.
    pub(super) held: bool,
    /// Where it stands now, if something was changed or nothing had to be.
    pub(super) generation: Option<i64>,
}

impl Settled {
    /// Adds how another root ended.
    pub(super) fn add(&mut self, other: Self) {
        self.again = [self.again, other.again].into_iter().flatten().min();
        self.failed |= other.failed;
        self.held |= other.held;
        self.generation = other.generation.or(self.generation);
    }

    /// Whether Postgres is what the files say.
    pub(super) fn ready(&self) -> bool {
        !self.failed && !self.held
    }

    pub(super) fn waits(again: Option<Duration>) -> Self {
        Self {
            again,
            held: true,
            ..Self::default()
        }
    }
}
