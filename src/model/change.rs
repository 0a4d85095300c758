//! What a plan will do to one object.

use time::OffsetDateTime;
use uuid::Uuid;

use crate::model::desired::SourceLine;

/// What happens to an object.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Action {
    Create,
    /// It was deleted, and comes back with its id and history.
    Revive,
    Update,
    /// Another address; it may change, too.
    Rename,
    /// From the API into the project; it may change, too.
    Adopt,
    /// From the project to the API.
    Release,
    Delete,
}

impl Action {
    /// The sign in front of a line of a plan.
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Create | Self::Revive => "+",
            Self::Update => "~",
            Self::Rename => ">",
            Self::Adopt => "<=",
            Self::Release => ".",
            Self::Delete => "-",
        }
    }

    /// Whether the object is the project's afterwards.
    pub fn keeps(self) -> bool {
        !matches!(self, Self::Delete | Self::Release)
    }
}

/// The kind of an object.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Kind {
    /// What a root says of its project; its address is the project's name.
    Project,
    Webhook,
    Check,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Project, Self::Webhook, Self::Check];

    /// The name that files use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Project => "project",
            Self::Webhook => "webhook",
            Self::Check => "check",
        }
    }

    /// The kind of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// One attribute before and after, as text in the files' notation.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct FieldChange {
    pub path: String,
    pub before: String,
    pub after: String,
}

/// A change of a declared object that its files did not ask for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Drift {
    /// The principal.
    pub by: String,
    pub at: OffsetDateTime,
    pub reason: String,
}

/// One object of a plan.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Change {
    pub kind: Kind,
    pub address: String,
    pub action: Action,
    /// Of what exists already, be it as a tombstone.
    pub id: Option<Uuid>,
    /// The address before a rename, also of what was deleted; or the id of what is adopted.
    pub from: Option<String>,
    /// Where it is declared; for a delete or release, where it was.
    pub source: SourceLine,
    /// Where the `removed` block stands that says so, if one does.
    pub block: Option<SourceLine>,
    /// What differs.
    pub fields: Vec<FieldChange>,
    /// What is overwritten, where somebody went past the files.
    pub drift: Option<Drift>,
    /// Until when a deleted one can be brought back; absent where somebody has deleted it
    /// past the files already.
    pub restorable_until: Option<OffsetDateTime>,
}

impl Change {
    /// Whether it only ends what files said of something that is not there any more.
    pub fn is_of_the_gone(&self) -> bool {
        self.action == Action::Delete && self.restorable_until.is_none()
    }

    /// Everything that is done to it: "rename" and "update", say.
    pub fn actions(&self) -> Vec<&'static str> {
        let first = match self.action {
            Action::Create => "create",
            Action::Revive => "revive",
            Action::Update => "update",
            Action::Rename => "rename",
            Action::Adopt => "adopt",
            Action::Release => "release",
            Action::Delete => "delete",
        };
        let also = matches!(self.action, Action::Rename | Action::Adopt | Action::Revive)
            && !self.fields.is_empty();
        let mut all = vec![first];
        all.extend(also.then_some("update"));
        all
    }
}

/// How much a plan or a generation does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Summary {
    pub create: usize,
    pub revive: usize,
    pub update: usize,
    pub rename: usize,
    pub adopt: usize,
    pub release: usize,
    pub delete: usize,
    /// How many of these overwrite what somebody did past the files.
    pub drifted: usize,
}

impl Summary {
    /// What these changes do.
    pub fn of(changes: &[Change]) -> Self {
        let count = |action| changes.iter().filter(|c| c.action == action).count();
        // What gets another name or owner may become something else by the way.
        let changed = |change: &&Change| match change.action {
            Action::Update => true,
            Action::Rename | Action::Adopt => !change.fields.is_empty(),
            _ => false,
        };
        Self {
            create: count(Action::Create),
            revive: count(Action::Revive),
            update: changes.iter().filter(changed).count(),
            rename: count(Action::Rename),
            adopt: count(Action::Adopt),
            release: count(Action::Release),
            delete: count(Action::Delete),
            drifted: changes.iter().filter(|c| c.drift.is_some()).count(),
        }
    }
}
