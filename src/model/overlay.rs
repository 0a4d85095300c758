//! What people set on a check while it runs, beside what files say of it: nobody probes it for
//! now, its receivers hear nothing for now, somebody works on its incident.

use time::OffsetDateTime;

/// What lasts by itself, until a moment or until somebody ends it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum OverlayKind {
    /// Nobody probes it.
    Paused,
    /// What its receivers would be told is held back.
    Muted,
}

impl OverlayKind {
    /// As it is stored, and as people read it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Paused => "paused",
            Self::Muted => "muted",
        }
    }

    /// The kind of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Paused, Self::Muted]
            .into_iter()
            .find(|kind| kind.name() == name)
    }
}

/// That somebody set something, and why.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mark {
    pub since: OffsetDateTime,
    /// `None`: until somebody ends it; of an acknowledgement: as long as the incident.
    pub until: Option<OffsetDateTime>,
    /// The principal.
    pub by: String,
    pub reason: String,
}

/// All that is set on one check, as far as it is in force.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Overlay {
    pub paused: Option<Mark>,
    pub muted: Option<Mark>,
    /// Of the open incident.
    pub acknowledged: Option<Mark>,
    /// The maintenance that it is in: `by` says which, or who made it.
    pub maintenance: Option<Mark>,
    /// A check that is down, and why this one may be: `by` is its address, `since` when it went.
    pub suppressed: Option<Mark>,
    /// Its generation is suspect, which `by` says: that it failed is told to nobody yet.
    pub suspect: Option<Mark>,
}

/// Until when nobody probes a check.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Pause {
    #[default]
    None,
    Until(OffsetDateTime),
    /// Until somebody ends it.
    Open,
}

impl Pause {
    /// Whether nobody probes it at this moment.
    pub fn holds(self, now: OffsetDateTime) -> bool {
        match self {
            Self::None => false,
            Self::Until(until) => now < until,
            Self::Open => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn a_pause_ends_at_its_moment() {
        let end = datetime!(2026-11-29 10:00 UTC);
        let second = time::Duration::SECOND;
        assert!(Pause::Until(end).holds(end - second));
        assert!(!Pause::Until(end).holds(end));
        assert!(Pause::Open.holds(end + second));
        assert!(!Pause::None.holds(end));
    }
}
