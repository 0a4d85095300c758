//! Why nothing was applied.

use time::OffsetDateTime;
use uuid::Uuid;

use crate::model::desired::{API_PROJECT, SourceLine};
use crate::model::quoted::shell;
use crate::model::secret::SecretName;
use crate::plan::cling::Clinging;
use crate::plan::guard::Guard;
use crate::plan::taken::Taken;
use crate::plan::text::moment;
use crate::spec::{Digest, SpecError};
use crate::store::error::StoreError;

/// Why nothing was applied.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The built-in project.
    #[error("the project {API_PROJECT:?} belongs to the API; give yours another name")]
    Reserved,
    /// Something else would be done by now.
    #[error("{}", stale(.expected, .found, .by))]
    Stale {
        /// The generation that the plan was made at.
        expected: i64,
        found: i64,
        /// Who changed what is live since, and when.
        by: Option<(String, OffsetDateTime)>,
    },
    /// A guard holds it.
    #[error("{}", held(.0))]
    Held(Vec<Guard>),
    /// A reconciler brings the project to its source by itself.
    #[error(
        "the reconciler of {owner} brings {project} to its own source, and would undo what is not \
         in that; suspend it first: lokahictl suspend {project} --reason WHY, and afterwards: \
         lokahictl resume {project}"
    )]
    Reconciled { project: String, owner: String },
    /// What is restored is not in the source of the project's reconciler.
    #[error(
        "the files that the reconciler of {owner} brings {project} to do not declare {what}: its \
         next round would delete it again. Put its block back into them, and it is back with its \
         history; or first: lokahictl suspend {project} --reason WHY"
    )]
    Undeclared {
        project: String,
        owner: String,
        what: String,
    },
    /// Something tells a receiver that is not declared.
    #[error("{what} notifies webhook {receiver:?}, which is not declared")]
    UnknownReceiver { what: String, receiver: String },
    /// Nobody would ever be told of one of them.
    #[error("checks suppress each other in a circle: {0}")]
    Circle(String),
    /// What does not arrive would go round for ever.
    #[error("fallbacks go in a circle: {0}")]
    FallbackCircle(String),
    /// What the plan leaves as it is names a receiver that the plan takes away.
    #[error("{}", still_told(.0))]
    StillTold(Clinging),
    /// What the plan leaves as it is has a name that the plan gives to something else.
    #[error("{}", name_taken(.0))]
    NameTaken(Taken),
    /// One environment variable would stand for both.
    #[error("{0} and {1} are one variable, {variable}: give one of them another name", variable = .0.variable())]
    SecretsCollide(SecretName, SecretName),
    /// Who asks may not.
    #[error(
        "it adopts checks of the API or releases some to it, and that needs apply:{API_PROJECT}, too"
    )]
    OfTheApi,
    /// The client has not uploaded it.
    #[error("the spec of {0} is not stored; upload it first")]
    NotStored(String),
    /// There is no such check among those of the API.
    #[error(
        "the API has no check {id:?} that could become check.{to}; lokahictl export --owner api \
         prints those that it has, with their ids"
    )]
    NothingToAdopt {
        id: String,
        to: String,
        /// Where the block stands, if it is one.
        block: SourceLine,
    },
    /// What is adopted must be declared.
    #[error(
        "check.{to} is to adopt a check of the API, and no block in the files declares it: write \
         that first; lokahictl export --owner api prints one that changes nothing"
    )]
    AdoptedUndeclared {
        to: String,
        /// Where the block stands, if it is one.
        block: SourceLine,
    },
    /// One check cannot be two.
    #[error("check.{one} and check.{other} are both to adopt the check {id}, and it can be one")]
    AdoptedTwice {
        id: String,
        one: String,
        other: String,
    },
    /// It is the project's already, under another name.
    #[error(
        "the check {id} is check.{at} of this project already. To call it {to} and keep its \
         history, declare: moved {{ from = check.{at}, to = check.{to} }}, each on a line of its own"
    )]
    AdoptedHere { id: String, to: String, at: String },
    /// The API has nothing of that kind.
    #[error("{from} cannot be released: {why}")]
    CannotRelease {
        from: String,
        /// Where it was declared.
        declared: Option<SourceLine>,
        /// And what to do.
        why: String,
    },
    /// Nobody has such a thing.
    #[error("--target {target}: neither the files nor the project have that")]
    UnknownTarget { target: String },
    /// Nobody has applied it.
    #[error("there is no project {0:?}")]
    NoProject(String),
    /// No such generation.
    #[error("{project} has no generation {n}")]
    NoGeneration { project: String, n: i64 },
    /// Nothing of this name was deleted lately.
    #[error("{address} was not deleted within the last seven days: nothing is left to bring back")]
    NothingToRestore { address: String },
    /// What is to come back is there.
    #[error("{address} was not deleted: {}", lives(.id, .declared))]
    Lives {
        address: String,
        id: Uuid,
        declared: SourceLine,
    },
    /// Something else has the name by now.
    #[error("{}", name_lives(.0))]
    NameLives(Box<NameLives>),
    /// Two are to come back as one.
    #[error("{0} is to come back twice")]
    RestoredTwice(String),
    /// What is stored cannot be read.
    #[error("a stored spec cannot be read")]
    Stored {
        digest: Digest,
        #[source]
        source: SpecError,
    },
    /// Postgres.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ApplyError {
    /// Where in the files that stands which it is about.
    pub fn place(&self) -> Option<&SourceLine> {
        let place = match self {
            Self::NothingToAdopt { block, .. } | Self::AdoptedUndeclared { block, .. } => block,
            Self::CannotRelease { declared, .. } => declared.as_ref()?,
            _ => return None,
        };
        Some(place).filter(|place| !place.file.is_empty())
    }
}

/// A deleted object that is to come back under the name of another one.
#[derive(Debug)]
pub struct NameLives {
    pub project: String,
    /// `check.NAME` or `webhook.NAME`: what it was, and what it is to be.
    pub address: String,
    pub name: String,
    /// Who has that name, and where it is declared.
    pub id: Uuid,
    pub declared: SourceLine,
}

fn name_lives(it: &NameLives) -> String {
    let NameLives {
        project,
        address,
        name,
        id,
        declared,
    } = it;
    format!(
        "{address} cannot come back as {name}: {}; bring it back under another name: lokahictl \
         restore {project} {} --as NAME",
        lives(id, declared),
        shell(address)
    )
}

/// Who has the name, and where that stands.
fn lives(id: &Uuid, declared: &SourceLine) -> String {
    match declared.file.as_str() {
        "" => format!("{id} is live under that name, and no file declares it"),
        file => format!(
            "{id} is live under that name, declared at {file}:{}",
            declared.line
        ),
    }
}

fn stale(expected: &i64, found: &i64, by: &Option<(String, OffsetDateTime)>) -> String {
    let who = match by {
        Some((who, at)) => format!(" by {who} at {}", moment(*at)),
        None => String::new(),
    };
    match expected == found {
        true => format!("what is live was changed{who} since the plan was made; plan again"),
        false => format!(
            "the project is at generation {found} by now, applied{who}; the plan was made at \
             {expected}; plan again"
        ),
    }
}

fn still_told(clinging: &Clinging) -> String {
    let Clinging {
        webhook,
        becomes,
        named_by,
    } = clinging;
    let what = match becomes {
        Some(to) => format!("become webhook.{to}"),
        None => "be deleted".to_owned(),
    };
    format!(
        "webhook.{webhook} cannot {what}: this plan leaves as it is what names it ({named_by}); let the same apply change or delete them (without --target or --no-prune), or \
         keep the webhook"
    )
}

fn name_taken(taken: &Taken) -> String {
    let name = &taken.name;
    let way = match &taken.goes_to {
        Some(to) => format!("with --target {to}, too, it becomes {to}"),
        None => "name what becomes of it, too".to_owned(),
    };
    format!(
        "{name} is live, and this plan leaves it as it is while something else becomes {name}: \
         {way}; or plan without --target"
    )
}

fn held(guards: &[Guard]) -> String {
    let each = |guard: &Guard| format!("{} (passes with {})", guard.message, guard.passes_with);
    let all: Vec<String> = guards.iter().map(each).collect();
    format!("held: {}", all.join("; "))
}
