//! What the check files of one project say: the desired state.

use std::collections::BTreeMap;

use crate::model::check::CheckSpec;
use crate::model::maintenance::Maintenance;
use crate::model::name::Name;
use crate::model::webhook::WebhookSpec;

/// The project that owns what the API creates; no files may declare it.
pub const API_PROJECT: &str = "api";
/// The built-in project of the canaries. No file can name it so, since names have no dot.
pub const CANARY_PROJECT: &str = "lokahi.canary";

/// A line of a file.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct SourceLine {
    /// Path below the project's root folder, with `/`.
    pub file: String,
    /// From 1.
    pub line: u32,
}

/// A thing that was declared, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Declared<T> {
    pub spec: T,
    pub source: SourceLine,
}

/// Everything that one project declares, by address; checks as `C`, which may be their bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Desired<C = CheckSpec> {
    pub project: Name,
    pub checks: BTreeMap<String, Declared<C>>,
    pub webhooks: BTreeMap<String, Declared<WebhookSpec>>,
    pub project_spec: ProjectSpec,
    /// Where the root's own block stands.
    pub project_source: SourceLine,
    /// In the order of the files.
    pub moves: Vec<Declared<Move>>,
}

impl<C> Desired<C> {
    /// The same project with its checks in another form.
    pub fn with_checks<D>(self, checks: BTreeMap<String, Declared<D>>) -> Desired<D> {
        Desired {
            project: self.project,
            checks,
            webhooks: self.webhooks,
            project_spec: self.project_spec,
            project_source: self.project_source,
            moves: self.moves,
        }
    }
}

/// What a root says of its project.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct ProjectSpec {
    /// Who hears of held and failed applies; declared webhooks, sorted, each once.
    pub operators: Vec<Name>,
    pub limits: Limits,
    /// When somebody works on which of its checks. One has no history that a new name could lose.
    pub maintenances: BTreeMap<Name, Maintenance>,
}

impl ProjectSpec {
    /// The most operators.
    pub const MAX_OPERATORS: usize = 32;
}

/// How many checks one apply may touch before a guard holds it; `None`: the usual share of
/// the live ones.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Limits {
    pub deletes: Option<u32>,
    pub silence: Option<u32>,
    pub changes: Option<u32>,
}

impl Limits {
    /// The highest number.
    pub const MAX: u32 = 1_000_000;
}

/// What an address has to do with something that is live already. Addresses are written
/// `check.x`, `check.x["key"]`, `webhook.x`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Move {
    /// It is the same thing under another name.
    Moved { from: String, to: String },
    /// It is declared no more.
    Removed { from: String, action: Removal },
    /// A check of the API comes under the files.
    Import { id: String, to: String },
}

/// What becomes of something that is declared no more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Removal {
    Delete,
    /// It stays, and belongs to the API.
    Release,
}

/// Where the files came from; what a client claims.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Revision {
    /// A branch or a tag.
    pub reference: String,
    /// The commit.
    pub sha: String,
    /// Files differ from the commit.
    pub dirty: bool,
    /// The repository, without credentials.
    pub remote: String,
    /// The root below the repository.
    pub path: String,
    /// SHA-256 of the variables' values.
    pub variables: Vec<u8>,
    pub ci_url: String,
    /// Who the client says it is.
    pub claimed_by: String,
    pub ancestry: Ancestry,
    /// How many check files were read.
    pub files: usize,
}

/// How a commit relates to the highest that was ever applied.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Ancestry {
    /// Nobody could say.
    #[default]
    Unknown,
    /// The same one, or one that came after it.
    SameOrLater,
    /// One that the highest came after.
    Earlier,
    /// On another branch.
    Diverged,
}
