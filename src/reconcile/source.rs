//! Where check files come from: a folder, which changes under our hands, or a repository,
//! whose trees are whole and have a name.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::load::{self, Wanted};
use super::watch::{Pace, Watch};
use crate::files::git::{self, GitError, Mirror, Place};
use crate::manifest::diagnostic::{Diagnostic, Diagnostics};
use crate::manifest::inputs::Inputs;
use crate::manifest::report;
use crate::model::desired::{Ancestry, Desired, Revision};
use crate::spec::Encoded;

/// How often a folder is read anew because git changed it meanwhile.
const ATTEMPTS: usize = 5;
/// How long git may write to a folder, in looks.
const LOOKS: u32 = 200;
const LOOK: Duration = Duration::from_millis(50);

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
    /// The project that it says to be, also where the rest of it cannot be compiled.
    pub(super) project: Option<String>,
    pub(super) revision: Revision,
}

/// A source as it was in one moment.
pub(super) struct Scan {
    pub(super) roots: Vec<Seen>,
    /// Warnings of the check files that belong to none of them.
    pub(super) strays: String,
    /// Nothing can be half written: what it lacks was taken away.
    pub(super) whole: bool,
    /// The folders beside the roots that were read with them.
    pub(super) libraries: BTreeSet<PathBuf>,
}

/// Why a source cannot be read at all.
#[derive(Debug, thiserror::Error)]
pub(super) enum SourceError {
    #[error("there is no folder of check files to be read")]
    Folder(#[source] io::Error),
    /// Another commit each time.
    #[error("another commit was checked out each time it was read")]
    Restless,
    /// The commit has no such folder.
    #[error(
        "there is no folder {folder} in {reference} at {sha}; bring it back, or name another one \
         in CHECKS_GIT"
    )]
    NoFolder {
        folder: String,
        reference: String,
        sha: String,
    },
    #[error(transparent)]
    Git(#[from] GitError),
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
    pub(super) fn scan(&self, inputs: &Arc<Inputs>) -> Result<Scan, SourceError> {
        match self {
            Self::Folder(folder) => {
                fs::read_dir(folder).map_err(SourceError::Folder)?;
                settled(folder, inputs)
            }
            Self::Git(place, copies) => {
                let tree = Mirror::new(place.clone(), copies.clone()).fetch()?;
                if !tree.folder.is_dir() {
                    return Err(SourceError::NoFolder {
                        folder: place.folder.clone(),
                        reference: tree.revision.reference,
                        sha: tree.revision.sha.chars().take(10).collect(),
                    });
                }
                let (loaded, strays) = load::whole(&tree.folder, inputs);
                let roots = loaded.roots.into_iter().map(|(path, wanted)| {
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
                        project: project(&path, &wanted),
                        wanted,
                    }
                });
                Ok(Scan {
                    roots: roots.collect(),
                    strays: told(&strays, &self.shown()),
                    whole: true,
                    libraries: loaded.libraries,
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

/// A folder between two moments in which git did not write to it.
fn settled(folder: &Path, inputs: &Arc<Inputs>) -> Result<Scan, SourceError> {
    for _again in 0..ATTEMPTS {
        unlocked(folder)?;
        let before = git::standing(folder);
        let (loaded, strays) = load::whole(folder, inputs);
        let roots = loaded.roots.into_iter().map(|(path, wanted)| {
            let shown = path.display().to_string();
            Seen {
                key: shown.clone(),
                revision: complete(git::revision(&path), &wanted, inputs),
                project: project(&path, &wanted),
                shown,
                wanted,
            }
        });
        let scan = Scan {
            roots: roots.collect(),
            strays: told(&strays, &folder.display().to_string()),
            whole: false,
            libraries: loaded.libraries,
        };
        if git::index_lock(folder).is_none() && git::standing(folder) == before {
            return Ok(scan);
        }
    }
    Err(SourceError::Restless)
}

/// Waits until git has written what it writes.
fn unlocked(folder: &Path) -> Result<(), GitError> {
    for _look in 0..LOOKS {
        if git::index_lock(folder).is_none() {
            return Ok(());
        }
        std::thread::sleep(LOOK);
    }
    git::index_lock(folder).map_or(Ok(()), |lock| Err(GitError::Busy(lock)))
}

fn project(path: &Path, wanted: &Result<Wanted, Diagnostics>) -> Option<String> {
    let name = match wanted {
        Ok((desired, _)) => Some(desired.project.clone()),
        Err(_) => load::named(path),
    };
    name.map(|name| name.to_string())
}

fn told(strays: &[Diagnostic], shown: &str) -> String {
    report::human(strays, shown, report::Style::default())
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
fn files(desired: &Desired<Encoded>) -> usize {
    let checks = desired.checks.values().map(|check| &check.source.file);
    let webhooks = desired
        .webhooks
        .values()
        .map(|webhook| &webhook.source.file);
    let all: BTreeSet<&String> = checks.chain(webhooks).collect();
    all.len()
}
