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
    /// Which of the last probes changed the result.
    pub flips: Flips,
    pub flapping: Flapping,
    /// When its receivers were told last of the incident that goes on.
    pub told_at: Option<OffsetDateTime>,
    /// Since when its failures are not believed: until it is up or an outage.
    pub unbelieved: Option<OffsetDateTime>,
}

/// Whether a check goes up and down too often.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Flapping {
    #[default]
    No,
    /// It does, and its receivers are told of each change.
    Shown,
    /// It does, its receivers were told so, and what it goes through is held until that is over.
    Held,
}

impl Flapping {
    /// The number that is stored.
    pub fn number(self) -> i16 {
        match self {
            Self::No => 0,
            Self::Shown => 1,
            Self::Held => 2,
        }
    }

    /// What is stored as this number.
    pub fn from_number(number: i16) -> Self {
        match number {
            1 => Self::Shown,
            2 => Self::Held,
            _ => Self::No,
        }
    }
}

/// Which of the last [`Flips::PROBES`] probes that said something had another result, well or
/// not, than the one before.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Flips {
    /// The newest in the lowest bit.
    changes: u32,
    /// Whether the newest one failed.
    failed: Option<bool>,
}

impl Flips {
    /// How many probes it looks back.
    pub const PROBES: u32 = 20;
    const CHANGES: u32 = (1 << Self::PROBES) - 1;
    const KNOWN: u32 = 1 << Self::PROBES;
    const FAILED: u32 = 1 << (Self::PROBES + 1);

    /// With one more probe.
    pub fn and(self, failed: bool) -> Self {
        let changed = self.failed.is_some_and(|before| before != failed);
        Self {
            changes: (self.changes << 1 | u32::from(changed)) & Self::CHANGES,
            failed: Some(failed),
        }
    }

    /// With so many more that have changed nothing.
    pub fn and_quiet(self, probes: u32) -> Self {
        Self {
            changes: self.changes.unbounded_shl(probes) & Self::CHANGES,
            ..self
        }
    }

    /// The ages, in probes, of those that changed the result; the newest has 0.
    pub fn ages(self) -> impl Iterator<Item = u32> {
        (0..Self::PROBES).filter(move |age| self.changes >> age & 1 == 1)
    }

    /// Whether the other one is this one with more probes that have changed nothing.
    pub fn only_ages_to(self, other: Self) -> bool {
        (0..=Self::PROBES).any(|probes| self.and_quiet(probes) == other)
    }

    /// As it is stored.
    pub fn number(self) -> i32 {
        let known = self.failed.map_or(0, |_| Self::KNOWN);
        let failed = self
            .failed
            .filter(|failed| *failed)
            .map_or(0, |_| Self::FAILED);
        (self.changes | known | failed).cast_signed()
    }

    /// What is stored as this number.
    pub fn from_number(number: i32) -> Self {
        let number = number.cast_unsigned();
        Self {
            changes: number & Self::CHANGES,
            failed: (number & Self::KNOWN != 0).then_some(number & Self::FAILED != 0),
        }
    }
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
            flips: Flips::default(),
            flapping: Flapping::No,
            told_at: None,
            unbelieved: None,
        }
    }

    /// Forgets what was counted: another question is asked from now on.
    pub fn end_streaks(&mut self) {
        (self.failures, self.successes, self.warned) = (0, 0, 0);
        self.recent.clear();
        self.flips = Flips::default();
        self.unbelieved = None;
    }

    /// Whether receivers wait for an end of something.
    pub fn is_told_of(&self) -> bool {
        self.incident.is_some() || self.degraded || self.flapping == Flapping::Held
    }

    /// Whether the other one is the same but for newer probes that have changed nothing.
    pub fn differs_in_time_only(&self, other: &Self) -> bool {
        self.flips.only_ages_to(other.flips)
            && Self {
                last_at: self.last_at,
                flips: self.flips,
                ..other.clone()
            } == *self
    }
}

/// A change of state, or of being degraded: then it is up before and after; or that it begins to
/// flap, or ends to, in the state that it has; or that it is down still.
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
    pub flap: Option<Flap>,
    /// It says again what was told, and that it is so still.
    pub reminds: bool,
}

/// What a transition says of flapping.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flap {
    Begins,
    Ends,
}

impl Transition {
    /// Whether it opens an incident.
    pub fn opens(&self) -> bool {
        self.next.is_outage() && !self.previous.is_outage()
    }

    /// Whether it degrades the check, or ends that.
    pub fn is_of_degradation(&self) -> bool {
        self.previous == self.next && self.flap.is_none() && !self.reminds
    }

    /// Whether it degrades the check.
    pub fn degrades(&self) -> bool {
        self.is_of_degradation() && self.degraded
    }

    /// Whether it ends what an event of the same type began.
    pub fn resolves(&self) -> bool {
        self.is_of_degradation() && !self.degraded || self.flap == Some(Flap::Ends)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flips_are_counted_aged_and_kept() {
        let mut flips = Flips::default();
        for failed in [false, false, true, true, false] {
            flips = flips.and(failed);
        }
        assert_eq!(flips.ages().collect::<Vec<_>>(), [0, 2]);
        assert_eq!(Flips::from_number(flips.number()), flips);
        assert_eq!(Flips::from_number(0), Flips::default());
        let aged = flips.and(false).and(false);
        assert_eq!(aged.ages().collect::<Vec<_>>(), [2, 4]);
        assert_eq!(flips.and_quiet(2), aged);
        assert!(flips.only_ages_to(aged) && !aged.only_ages_to(flips));
        assert!(!flips.only_ages_to(flips.and(true)));
        assert_eq!(flips.and_quiet(Flips::PROBES).ages().count(), 0);
        // It does not forget what the newest one said.
        assert_eq!(flips.and_quiet(99).and(true).ages().count(), 1);
    }
}
