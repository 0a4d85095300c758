//! The door to the system's file events. They are hints and nothing else: any
//! event, error or overflow, and the timer, mean "look again". Which file it was
//! does not matter: a link swap names none of them, a full queue names nothing.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{ErrorKind, Event, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::{sleep, timeout};

use folders::Folders;

/// How hints become a word.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// So long nothing must happen after a hint,
    pub quiet: Duration,
    /// but no longer than this since the first one.
    pub most: Duration,
    /// Without any hint.
    pub interval: Duration,
}

impl Pace {
    /// Half a second of quiet, five at most, and a look every `interval`.
    pub fn every(interval: Duration) -> Self {
        Self {
            quiet: Duration::from_millis(500),
            most: Duration::from_secs(5),
            interval,
        }
    }
}

/// Watches a root folder, whether it exists or not. It needs no task of its own:
/// whoever awaits `dirty` drives it.
pub struct Watch {
    root: PathBuf,
    /// The folders beside it that are read with it.
    libraries: BTreeSet<PathBuf>,
    pace: Pace,
    hints: Receiver<()>,
    hint: Sender<()>,
    /// None where the system has no watches left: then there is the timer.
    watcher: Option<RecommendedWatcher>,
    /// Something was seen and not yet told; before the first look: everything.
    seen: bool,
}

impl Watch {
    /// Watches this folder. The first `dirty` comes as soon as it is quiet.
    pub fn new(root: impl Into<PathBuf>, pace: Pace) -> Self {
        let (hint, hints) = channel(1);
        let root = root.into();
        Self {
            root: std::path::absolute(&root).unwrap_or(root),
            libraries: BTreeSet::new(),
            pace,
            hints,
            hint,
            watcher: None,
            seen: true,
        }
    }

    /// Comes back when the folder may differ from what it was when this last came
    /// back. Watches are set anew before it does, so that whatever happens while
    /// the caller reads is told next time. May be dropped and called again.
    pub async fn dirty(&mut self) {
        if self.seen {
            self.settle().await;
        } else {
            // An elapsed interval is a reason like any other.
            let hinted = timeout(self.pace.interval, self.hints.recv()).await.is_ok();
            self.seen = true;
            if hinted {
                self.settle().await;
            }
        }
        self.watcher = self.arm().await;
        self.seen = false;
    }

    /// Sets the watches anew before the caller reads although nothing was told: the ways may
    /// lead elsewhere by now.
    pub async fn rewatch(&mut self) {
        self.watcher = self.arm().await;
    }

    /// Watches these folders, too, which were found by reading. What happened to a new one
    /// since it was read nobody has told: it is read once more.
    pub async fn include(&mut self, libraries: &BTreeSet<PathBuf>) {
        if self.libraries != *libraries {
            self.seen |= !libraries.is_subset(&self.libraries);
            self.libraries.clone_from(libraries);
            self.rewatch().await;
        }
    }

    /// Waits until it is quiet.
    async fn settle(&mut self) {
        let most = sleep(self.pace.most);
        tokio::pin!(most);
        loop {
            tokio::select! {
                () = &mut most => return,
                hint = timeout(self.pace.quiet, self.hints.recv()) => {
                    if hint.is_err() {
                        return;
                    }
                }
            }
        }
    }

    /// Sets all watches anew: one on a folder that was removed and made again is
    /// dead, and nothing says so. The old ones end after the new ones begin.
    async fn arm(&self) -> Option<RecommendedWatcher> {
        let (root, libraries) = (self.root.clone(), self.libraries.clone());
        let hint = self.hint.clone();
        let armed = tokio::task::spawn_blocking(move || watch(&root, &libraries, hint)).await;
        match armed {
            Ok(Ok(watcher)) => Some(watcher),
            Ok(Err(error)) => {
                let root = self.root.display();
                tracing::warn!(%error, %root, "cannot watch for changes, looking at the interval only");
                None
            }
            Err(error) => {
                tracing::error!(%error, "setting watches panicked");
                None
            }
        }
    }
}

fn watch(
    root: &Path,
    libraries: &BTreeSet<PathBuf>,
    hint: Sender<()>,
) -> notify::Result<RecommendedWatcher> {
    let folders = Arc::new(Folders::of(root, libraries));
    let known = Arc::clone(&folders);
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        let matters = event.map_or(true, |event| matters(&event, &known));
        if matters {
            // A full channel holds a hint already.
            hint.try_send(()).unwrap_or_default();
        }
    })?;
    for folder in folders.paths() {
        let Err(error) = watcher.watch(folder, RecursiveMode::NonRecursive) else {
            continue;
        };
        let folder = folder.display();
        if matches!(error.kind, ErrorKind::MaxFilesWatch) {
            tracing::warn!(%folder, "the system has no more watches: changes show at the interval only");
            break;
        }
        // Most likely it went away meanwhile, which its parent tells.
        tracing::debug!(%error, %folder, "cannot watch a folder");
    }
    Ok(watcher)
}

/// Whether something may have changed: reading is an event too, and our own. What happens beside
/// the root in a folder that is not the root's is none: a log that grows there would never let
/// it be quiet.
fn matters(event: &Event, folders: &Folders) -> bool {
    match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => {}
        EventKind::Access(_) => return false,
        _ => {}
    }
    event.paths.is_empty() || event.paths.iter().any(|path| folders.concern(path))
}

mod folders;
#[cfg(test)]
mod tests;
