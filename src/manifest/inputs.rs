//! What is given from outside: values of variables, and the part of the environment that may
//! be read. Whoever calls the language collects it; the language reads nothing by itself.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest as _, Sha256};

/// What variables begin with in the environment.
pub const PREFIX: &str = "LOKAHI_VAR_";
/// What is never read, whatever is allowed: secrets, tokens of CI, and the server's URL, in which
/// a password may stand.
const NEVER: [&str; 3] = ["LOKAHI_SECRET_", "LOKAHI_TOKEN", "LOKAHI_SERVER"];

/// What to do about a variable that has no value.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Missing {
    /// Its type is checked, and nothing fails.
    #[default]
    Unknown,
    /// It is a problem: what is to be applied must be known.
    Refused,
}

/// What to do about a flag for a variable that the root does not declare.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Strays {
    /// It is a slip of the pen.
    #[default]
    Refused,
    /// It is for another root of the same run.
    Allowed,
}

/// Everything from outside. The order of what gives a variable its value is flags, files
/// (a later one wins), environment.
#[derive(Clone, Debug, Default)]
pub struct Inputs {
    /// `--var NAME=VALUE`; of a name that is given twice the last one counts.
    pub flags: Vec<(String, String)>,
    /// The path and text of each `--var-file`.
    pub files: Vec<(String, String)>,
    pub environment: BTreeMap<String, String>,
    /// Names that `env` may read besides LOKAHI_*.
    pub allowed: BTreeSet<String>,
    pub missing: Missing,
    pub strays: Strays,
}

impl Inputs {
    /// Takes from an environment what may be read of it.
    pub fn with_environment(
        mut self,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Self {
        let readable = |(name, _): &(String, String)| self.may_read(name);
        self.environment = variables.into_iter().filter(readable).collect();
        self
    }

    /// SHA-256 of what gives variables their values: the same files with another one are
    /// another revision.
    pub fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        let mut add = |text: &str| {
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text.as_bytes());
        };
        for (name, value) in self.flags.iter().chain(&self.files) {
            add(name);
            add(value);
        }
        for (name, value) in &self.environment {
            add(name);
            add(value);
        }
        hash.finalize().into()
    }

    /// Whether a variable of the environment is read by nobody, whatever is allowed.
    pub fn is_never_read(name: &str) -> bool {
        NEVER.iter().any(|never| name.starts_with(never))
    }

    /// Whether a variable of the environment may be read.
    pub fn may_read(&self, name: &str) -> bool {
        !Self::is_never_read(name) && (name.starts_with("LOKAHI_") || self.allowed.contains(name))
    }
}
