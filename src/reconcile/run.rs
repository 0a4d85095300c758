//! The reconciler: brings Postgres to what a folder says, whenever either
//! changes. Each project in the folder is brought by itself: what is wrong with one stops
//! only that one.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use tokio::task::JoinError;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::load::{self, Wanted};
use super::root::{BACK_OFF, Root, Settled};
use super::watch::{Pace, Watch};
use crate::bus::Bus;
use crate::manifest::diagnostic::{Diagnostic, Diagnostics};
use crate::manifest::inputs::Inputs;
use crate::manifest::report;
use crate::runtime::counter::Counter;
use crate::store::Store;

/// What the reconciler watches.
#[derive(Clone, Debug)]
pub struct ReconcileSettings {
    pub folder: PathBuf,
    /// The values of variables, and what of the environment may be read.
    pub inputs: Arc<Inputs>,
    /// How often it looks without being told to.
    pub interval: Duration,
}

/// How it stands, for metrics.
#[derive(Debug, Default)]
pub struct ReconcileStatus {
    pub rounds: Counter,
    pub failures: Counter,
    /// Whether the last round brought Postgres to what every root of the folder says.
    pub ready: AtomicBool,
    /// Whether a delete waits to be seen again.
    pub held: AtomicBool,
    /// Of the project that changed last.
    pub generation: AtomicI64,
}

/// The loop for one folder and all the projects in it.
#[derive(Debug)]
pub struct Reconciler {
    store: Store,
    bus: Bus,
    settings: ReconcileSettings,
    status: Arc<ReconcileStatus>,
    /// What was ever a root since the start.
    roots: BTreeMap<PathBuf, Root>,
    /// What was said of files that belong to no root.
    last_strays: String,
}

impl Reconciler {
    pub fn new(
        store: Store,
        bus: Bus,
        settings: ReconcileSettings,
        status: Arc<ReconcileStatus>,
    ) -> Self {
        Self {
            store,
            bus,
            settings,
            status,
            roots: BTreeMap::new(),
            last_strays: String::new(),
        }
    }

    /// Runs until the token is cancelled.
    pub async fn run(mut self, token: CancellationToken) {
        info!(folder = %self.settings.folder.display(), "reconciling with a folder");
        let mut watch = Watch::new(&self.settings.folder, Pace::every(self.settings.interval));
        loop {
            let again = self.round().await;
            tokio::select! {
                () = token.cancelled() => return,
                () = watch.dirty() => {}
                () = sleep_if(again) => {}
            }
        }
    }

    /// One round over all roots; returns when to look again at the latest, if not as usual.
    async fn round(&mut self) -> Option<Duration> {
        self.status.rounds.add(1);
        let loaded = match tree_aside(&self.settings).await {
            Ok((loaded, strays)) => {
                let folder = self.settings.folder.display().to_string();
                let words = report::human(&strays, &folder, report::Style::default());
                if words != self.last_strays && !words.is_empty() {
                    warn!("{}", words.trim_end());
                }
                self.last_strays = words;
                loaded
            }
            Err(error) => {
                error!(
                    error = &error as &dyn std::error::Error,
                    "the check files could not be read; trying again"
                );
                self.status.failures.add(1);
                self.status.ready.store(false, Ordering::Relaxed);
                return Some(BACK_OFF);
            }
        };
        let mut all = Settled::default();
        let gone: Vec<PathBuf> = self.roots.keys().cloned().collect();
        for path in gone {
            if !loaded.iter().any(|(root, _)| *root == path)
                && let Some(root) = self.roots.get_mut(&path)
            {
                all.add(root.gone());
            }
        }
        for (path, wanted) in loaded {
            let root = self
                .roots
                .entry(path.clone())
                .or_insert_with(|| Root::new(path));
            all.add(root.round(wanted, &self.store, &self.bus).await);
        }
        if all.failed {
            self.status.failures.add(1);
        }
        self.status.ready.store(all.ready(), Ordering::Relaxed);
        self.status.held.store(all.held, Ordering::Relaxed);
        if let Some(generation) = all.generation {
            self.status.generation.store(generation, Ordering::Relaxed);
        }
        all.again
    }
}

/// Every root of a folder and what it says.
type Loaded = Vec<(PathBuf, Result<Wanted, Diagnostics>)>;

/// What every root of the folder says, and which files belong to none; read away from the threads
/// that serve others.
async fn tree_aside(settings: &ReconcileSettings) -> Result<(Loaded, Vec<Diagnostic>), JoinError> {
    let (folder, inputs) = (settings.folder.clone(), Arc::clone(&settings.inputs));
    let read = move || (load::tree(&folder, &inputs), load::survey(&folder).1);
    tokio::task::spawn_blocking(read).await
}

async fn sleep_if(wait: Option<Duration>) {
    match wait {
        Some(wait) => tokio::time::sleep(wait).await,
        None => std::future::pending().await,
    }
}
