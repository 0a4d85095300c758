//! Where check files come from: a folder, which changes under our hands, or a repository,
//! whose trees are whole and have a name.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::load::{self, Wanted};
use super::watch::{Pace, Watch};
use crate::files::git::{self, GitError, Mirror, Place};
use crate::manifest::diagnostic::Diagnostics;
use crate::manifest::inputs::Inputs;
use crate::manifest::report;
use crate::model::desired::{Ancestry, Revision};

/// A source, by its settings.
#[derive(Clone, Debug)]
pub enum Source {
    /// A folder of this machine: a mount, a synced link.
    Folder(PathBuf),
    /// Committed trees, and the folder in which copies of them are kept.
    Git(Place, PathBuf),
}

/// What a root says, and what it is.
pub(super) struct Seen {
    /// How it is called, for people.
    pub(super) shown: String,
    /// What it is told apart by: its path in the source.
    pub(super) key: String,
    pub(super) wanted: Result<Wanted, Diagnostics>,
    pub(super) revision: Revision,
}

/// A source as it was in one moment.
pub(super) struct Scan {
    pub(super) roots: Vec<Seen>,
    /// Warnings of the check files that belong to none of them.
    pub(super) strays: String,
    /// Nothing can be half written: what it lacks was taken away.
    pub(super) whole: bool,
}

impl Source {
    /// How it is called, for people.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Folder(folder) => folder.display().to_string(),
            Self::Git(place, _) => place.to_string(),
        }
    }

    /// What tells of changes, beside the interval.
    pub(super) fn watch(&self, interval: Duration) -> Option<Watch> {
        match self {
            Self::Folder(folder) => Some(Watch::new(folder, Pace::every(interval))),
            Self::Git(..) => None,
        }
    }

    /// Reads all of it. Blocks.
    pub(super) fn scan(&self, inputs: &Arc<Inputs>) -> Result<Scan, GitError> {
        match self {
            Self::Folder(folder) => {
                let roots = load::tree(folder, inputs).into_iter();
                let roots = roots.map(|(path, wanted)| {
                    let shown = path.display().to_string();
                    Seen {
                        key: shown.clone(),
                        revision: complete(git::revision(&path), &wanted, inputs),
                        shown,
                        wanted,
                    }
                });
                Ok(Scan {
                    roots: roots.collect(),
                    strays: strays(folder, &self.shown()),
                    whole: false,
                })
            }
            Self::Git(place, copies) => {
                let tree = Mirror::new(place.clone(), copies.clone()).fetch()?;
                let roots = load::tree(&tree.folder, inputs).into_iter();
                let roots = roots.map(|(path, wanted)| {
                    let below = path.strip_prefix(&tree.folder).unwrap_or(&path);
                    let below = below.display().to_string();
                    let part = [place.folder.as_str(), below.as_str()];
                    let parts: Vec<&str> = part.into_iter().filter(|p| !p.is_empty()).collect();
                    let folder = parts.join("/");
                    let revision = Revision {
                        path: folder.clone(),
                        ..tree.revision.clone()
                    };
                    Seen {
                        shown: match folder.is_empty() {
                            true => ".".to_owned(),
                            false => folder.clone(),
                        },
                        key: folder,
                        revision: complete(revision, &wanted, inputs),
                        wanted,
                    }
                });
                Ok(Scan {
                    roots: roots.collect(),
                    strays: strays(&tree.folder, &self.shown()),
                    whole: true,
                })
            }
        }
    }

    /// How a commit relates to the highest that was applied. Blocks.
    pub(super) fn ancestry(&self, seen: &str, sha: &str, highest: &str) -> Ancestry {
        match self {
            Self::Folder(_) => git::ancestry(&PathBuf::from(seen), sha, highest),
            Self::Git(place, copies) => {
                Mirror::new(place.clone(), copies.clone()).ancestry(sha, highest)
            }
        }
    }
}

fn strays(folder: &Path, shown: &str) -> String {
    let (_, strays) = load::survey(folder);
    report::human(&strays, shown, report::Style::default())
}

/// A revision with what only whoever read the files knows.
pub fn complete(
    revision: Revision,
    wanted: &Result<Wanted, Diagnostics>,
    inputs: &Inputs,
) -> Revision {
    Revision {
        variables: inputs.digest().to_vec(),
        files: wanted.as_ref().map_or(0, |(desired, _)| files(desired)),
        ..revision
    }
}

/// How many files something is declared in.
fn files(desired: &crate::model::desired::Desired) -> usize {
    let checks = desired.checks.values().map(|check| &check.source.file);
    let webhooks = desired
        .webhooks
        .values()
        .map(|webhook| &webhook.source.file);
    let all: std::collections::BTreeSet<&String> = checks.chain(webhooks).collect();
    all.len()
}
