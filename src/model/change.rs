//! What a plan will do to one object.

use crate::model::desired::SourceLine;

/// What happens to an object.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Action {
    Create,
    Update,
    Delete,
}

impl Action {
    /// The sign in front of a line of a plan.
    pub fn symbol(self) -> char {
        match self {
            Self::Create => '+',
            Self::Update => '~',
            Self::Delete => '-',
        }
    }
}

/// The kind of an object. Receivers come first: checks refer to them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Kind {
    Webhook,
    Check,
}

impl Kind {
    /// The name that files use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Check => "check",
        }
    }
}

/// One attribute before and after, as text in the files' notation.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct FieldChange {
    pub path: String,
    pub before: String,
    pub after: String,
}

/// One object of a plan.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Change {
    pub kind: Kind,
    pub address: String,
    pub action: Action,
    /// Where it is declared; empty for a delete.
    pub source: SourceLine,
    /// What differs, for an update.
    pub fields: Vec<FieldChange>,
}
