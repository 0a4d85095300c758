//! Who may change a thing.

/// The owner of a check.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Owner {
    /// The check files of its project: apply makes, changes and deletes it.
    Declared,
    /// Whoever calls the API.
    Api,
}

impl Owner {
    /// The name that is stored and shown.
    pub fn name(self) -> &'static str {
        match self {
            Self::Declared => "declared",
            Self::Api => "api",
        }
    }

    /// The owner of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Declared, Self::Api]
            .into_iter()
            .find(|owner| owner.name() == name)
    }
}
