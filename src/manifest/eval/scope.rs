//! What names mean at the place where an expression stands, and through which doors its
//! functions may look.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU64, Ordering};

use super::typing::Type;
use super::value::{Node, Value};

/// A value and whether it may be shown.
#[derive(Clone, Debug)]
pub struct Known {
    pub node: Node,
    pub sensitive: bool,
}

/// Values by name.
#[derive(Clone, Debug, Default)]
pub struct Members {
    known: BTreeMap<String, Known>,
    /// Whether what could not be read may have declared others: a name that is missing was told
    /// already, by whoever could not read it.
    pub torn: bool,
}

impl Members {
    pub fn new() -> Self {
        Self::default()
    }
}

impl<const N: usize> From<[(String, Known); N]> for Members {
    fn from(known: [(String, Known); N]) -> Self {
        Self {
            known: known.into(),
            torn: false,
        }
    }
}

impl Deref for Members {
    type Target = BTreeMap<String, Known>;

    fn deref(&self) -> &Self::Target {
        &self.known
    }
}

impl DerefMut for Members {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.known
    }
}

/// What a name at the beginning of an expression means.
#[derive(Clone, Debug)]
pub enum Root<'s> {
    /// `var`, `local`: what stands behind the dot.
    Members(&'s Members),
    /// `each`, `response`: a value.
    Value(Value),
    /// `webhook`, `template`, `check`: a reference to what is called so.
    Reference,
    /// A name that has no meaning here; why.
    Misplaced(&'static str),
}

/// What `each` means where there is no `for_each`.
pub const NO_EACH: Root<'static> =
    Root::Misplaced("`each` is known in a check with `for_each` only");

/// What an expression may ask besides its names.
pub trait Doors: fmt::Debug {
    /// The content of a file of the root, or why not.
    fn file(&self, path: &str) -> Result<String, String>;
    /// The files of the root that match a pattern, ascending, or why not.
    fn fileset(&self, folder: &str, pattern: &str) -> Result<Vec<String>, String>;
    /// An environment variable; `None` if it is not set; or why it may not be read.
    fn env(&self, name: &str) -> Result<Option<String>, String>;
}

/// Which of the doors are open, besides those of functions that only compute.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// The default of a variable: `env` may be called.
    Default,
    /// Everything else in a file.
    File,
    /// A condition: nothing may be asked but the response.
    Condition,
}

/// The scope of an expression.
#[derive(Debug)]
pub struct Scope<'s> {
    pub roots: Vec<(&'static str, Root<'s>)>,
    pub place: Place,
    pub doors: &'s dyn Doors,
    pub work: &'s Work,
}

/// What all evaluations of a root have cost together, in steps. Whether it was too much does
/// not depend on their order, so that it is the same on any number of threads.
#[derive(Debug)]
pub struct Work {
    done: AtomicU64,
    most: u64,
}

impl Work {
    /// The most that the files of a root may cost.
    pub const MAX: u64 = 100_000_000;

    /// With an end.
    pub fn bounded(most: u64) -> Self {
        let done = AtomicU64::new(0);
        Self { done, most }
    }

    /// For evaluations that are bounded one by one.
    pub fn endless() -> Self {
        Self::bounded(u64::MAX)
    }

    /// Counts work that was done.
    pub fn spend(&self, steps: u64) {
        self.done.fetch_add(steps, Ordering::Relaxed);
    }

    /// Whether there was too much of it: what comes after that is not worth doing.
    pub fn is_too_much(&self) -> bool {
        self.done.load(Ordering::Relaxed) > self.most
    }
}

impl<'s> Scope<'s> {
    /// The scope of an expression in a file, where `each` means what is given.
    pub fn of_file(
        variables: &'s Members,
        locals: &'s Members,
        each: Root<'s>,
        doors: &'s dyn Doors,
        work: &'s Work,
    ) -> Self {
        Self {
            roots: vec![
                ("var", Root::Members(variables)),
                ("local", Root::Members(locals)),
                ("each", each),
                ("webhook", Root::Reference),
                ("template", Root::Reference),
                (
                    "response",
                    Root::Misplaced("`response` is known in a `condition` only"),
                ),
            ],
            place: Place::File,
            doors,
            work,
        }
    }

    /// What a name means.
    pub fn root(&self, name: &str) -> Option<&Root<'_>> {
        let mut roots = self.roots.iter();
        roots.find(|(root, _)| *root == name).map(|(_, root)| root)
    }
}

/// No door at all.
#[derive(Debug)]
pub struct Closed;

impl Doors for Closed {
    fn file(&self, _path: &str) -> Result<String, String> {
        Err("no files can be read here".to_owned())
    }

    fn fileset(&self, _folder: &str, _pattern: &str) -> Result<Vec<String>, String> {
        Err("no files can be read here".to_owned())
    }

    fn env(&self, _name: &str) -> Result<Option<String>, String> {
        Err("no environment can be read here".to_owned())
    }
}

/// What is known of a response before there is one.
pub fn response_type() -> Type {
    use super::typing::Presence::Required;
    let object = |entries: &[(&str, Type)]| {
        let entry = |(name, of): &(&str, Type)| ((*name).to_owned(), (of.clone(), Required));
        Type::Object(entries.iter().map(entry).collect())
    };
    let latency = ["dns", "connect", "tls", "first_byte", "total"];
    object(&[
        ("status", Type::Number),
        ("headers", Type::Map(Box::new(Type::String))),
        ("body", Type::String),
        ("json", Type::Any),
        (
            "latency",
            object(&latency.map(|phase| (phase, Type::Number))),
        ),
        (
            "cert",
            object(&[
                ("not_after", Type::String),
                ("days_left", Type::Number),
                ("issuer", Type::String),
            ]),
        ),
        ("url", Type::String),
        ("http_version", Type::String),
    ])
}
