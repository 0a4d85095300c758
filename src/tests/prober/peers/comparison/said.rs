//! What both programs say of a target, in the same words.

use std::collections::BTreeSet;
use std::fmt;

use time::Date;

/// How long either may take for one target.
pub(super) const TIMEOUT: &str = "3s";

/// Parts of a probe, by lokahi's names. blackbox_exporter counts writing into what it calls
/// processing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Phase {
    Dns,
    Connect,
    Tls,
    FirstByte,
    Transfer,
}

impl Phase {
    pub(super) const ALL: [(Self, &str, &str); 5] = [
        (Self::Dns, "dns", "resolve"),
        (Self::Connect, "connect", "connect"),
        (Self::Tls, "tls", "tls"),
        (Self::FirstByte, "first_byte", "processing"),
        (Self::Transfer, "transfer", "transfer"),
    ];
}

#[derive(Debug)]
pub(super) struct Said {
    pub(super) success: bool,
    /// Why not, as far as it says.
    pub(super) class: String,
    pub(super) status: u16,
    /// Those that took time.
    pub(super) phases: BTreeSet<Phase>,
    /// The day on which the first certificate ends.
    pub(super) ends: Option<Date>,
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.success { "success" } else { "failure" })?;
        if !self.class.is_empty() {
            write!(f, " (`{}`)", self.class)?;
        }
        if self.status > 0 {
            write!(f, ", {}", self.status)?;
        }
        let names = Phase::ALL
            .iter()
            .filter(|(phase, ..)| self.phases.contains(phase));
        let names: Vec<_> = names.map(|(_, name, _)| *name).collect();
        if !names.is_empty() {
            write!(f, "; {}", names.join(" "))?;
        }
        match self.ends {
            Some(day) => write!(f, "; until {day}"),
            None => Ok(()),
        }
    }
}

/// What two accounts differ in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Difference {
    Success,
    Status,
    /// Only blackbox_exporter has it.
    Theirs(Phase),
    /// Only lokahi has it.
    Ours(Phase),
    Certificate,
}

pub(super) fn differences(theirs: &Said, ours: &Said) -> Vec<Difference> {
    let mut found = Vec::new();
    if theirs.success != ours.success {
        found.push(Difference::Success);
    }
    if theirs.status != ours.status {
        found.push(Difference::Status);
    }
    found.extend(
        theirs
            .phases
            .difference(&ours.phases)
            .map(|phase| Difference::Theirs(*phase)),
    );
    found.extend(
        ours.phases
            .difference(&theirs.phases)
            .map(|phase| Difference::Ours(*phase)),
    );
    if theirs.ends != ours.ends {
        found.push(Difference::Certificate);
    }
    found
}
