//! The health of a site, and its changes.

use time::OffsetDateTime;

use crate::model::id::IncidentId;
use crate::model::probe::LocationKey;

/// What is believed of a site.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum State {
    /// Not probed yet.
    #[default]
    Init,
    /// It answers as asserted.
    Up,
    /// It answers, but not as asserted.
    Down,
    /// It gives no valid answer.
    Error,
}

impl State {
    /// Every state, with its stored number (the wire's too) and its name.
    pub const ALL: [(Self, i16, &'static str); 4] = [
        (Self::Init, 0, "INIT"),
        (Self::Up, 1, "UP"),
        (Self::Down, 2, "DOWN"),
        (Self::Error, 3, "ERROR"),
    ];

    /// The number that is stored and sent.
    pub fn number(self) -> i16 {
        match self {
            Self::Init => 0,
            Self::Up => 1,
            Self::Down => 2,
            Self::Error => 3,
        }
    }

    /// The state of this number.
    pub fn from_number(number: i16) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|row| row.1 == number)
            .map(|row| row.0)
    }

    /// The name that people read.
    pub fn name(self) -> &'static str {
        match self {
            Self::Init => "INIT",
            Self::Up => "UP",
            Self::Down => "DOWN",
            Self::Error => "ERROR",
        }
    }

    /// Whether an incident is open in this state.
    pub fn is_outage(self) -> bool {
        matches!(self, Self::Down | Self::Error)
    }
}

/// Everything the fold remembers of a check.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Health {
    pub state: State,
    /// When the state was entered.
    pub since: OffsetDateTime,
    /// Failures in a row, as far as they count.
    pub failures: u8,
    /// Successes in a row, as far as they count.
    pub successes: u8,
    /// It is up, or was when it was last judged, and a `warn` does not hold.
    pub degraded: bool,
    /// Probes in a row that say otherwise than `degraded`, as far as they count.
    pub warned: u8,
    /// Number of the last transition; 0 before the first.
    pub seq: i64,
    pub incident: Option<IncidentId>,
    /// Whether a change between DOWN and ERROR was told in this incident.
    pub retold: bool,
    /// The newest probe that was folded.
    pub last_at: Option<OffsetDateTime>,
    /// Nobody is told of it until it was UP once.
    pub quiet: bool,
    /// The last probes of a check that looks back, oldest first, while one of them failed.
    pub recent: Vec<Recent>,
}

/// A probe that a check remembers because it looks back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Recent {
    pub at: OffsetDateTime,
    pub location: LocationKey,
    pub failed: bool,
}

impl Health {
    /// The health of a check that was never probed.
    pub fn new(at: OffsetDateTime) -> Self {
        Self {
            state: State::Init,
            since: at,
            failures: 0,
            successes: 0,
            degraded: false,
            warned: 0,
            seq: 0,
            incident: None,
            retold: false,
            last_at: None,
            quiet: false,
            recent: Vec::new(),
        }
    }

    /// Forgets what was counted: another question is asked from now on.
    pub fn end_streaks(&mut self) {
        (self.failures, self.successes, self.warned) = (0, 0, 0);
        self.recent.clear();
    }

    /// Whether receivers wait for an end of something.
    pub fn is_told_of(&self) -> bool {
        self.incident.is_some() || self.degraded
    }

    /// Whether the other one is the same but for the newest probe.
    pub fn differs_in_time_only(&self, other: &Self) -> bool {
        Self {
            last_at: self.last_at,
            ..other.clone()
        } == *self
    }
}

/// A change of state, or of being degraded: then it is up before and after.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Transition {
    pub previous: State,
    pub next: State,
    /// Whether it is degraded from then on.
    pub degraded: bool,
    /// The moment of the probe that decided it.
    pub at: OffsetDateTime,
    pub seq: i64,
    /// The incident that it opens, continues or closes.
    pub incident: Option<IncidentId>,
    pub told: Told,
}

impl Transition {
    /// Whether it opens an incident.
    pub fn opens(&self) -> bool {
        self.next.is_outage() && !self.previous.is_outage()
    }

    /// Whether it degrades the check, or ends that.
    pub fn is_of_degradation(&self) -> bool {
        self.previous == self.next
    }

    /// Whether it degrades the check.
    pub fn degrades(&self) -> bool {
        self.is_of_degradation() && self.degraded
    }

    /// Whether it ends what an event of the same type began.
    pub fn resolves(&self) -> bool {
        self.is_of_degradation() && !self.degraded
    }
}

/// Whether receivers hear of a transition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Told {
    /// Every receiver does.
    Yes,
    /// It is recorded only: the first UP of a new check, and what a check does
    /// before it that began quietly.
    No,
}
