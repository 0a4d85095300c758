//! The reconciler: brings Postgres to what a source says, whenever either changes. Each project
//! in the source is brought by itself: what is wrong with one stops only that one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use super::root::{BACK_OFF, Ground, Root, Settled};
use super::source::{Scan, Source};
use crate::bus::{self, Bus};
use crate::manifest::inputs::Inputs;
use crate::runtime::chain::chain;
use crate::runtime::counter::Counter;
use crate::store::Store;
use crate::store::condition::reconciler_release;

/// What the reconciler does with what differs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Mode {
    /// It says so.
    Observe,
    /// It applies.
    #[default]
    Apply,
}

/// What it does with what somebody changed past the files.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum SelfHeal {
    /// Nothing, until the files say something new of it.
    Off,
    /// It says so, to the operators too.
    #[default]
    Warn,
    /// It restores what the files say.
    Restore,
}

/// What the reconciler watches, and how.
#[derive(Clone, Debug)]
pub struct ReconcileSettings {
    pub source: Source,
    /// The values of variables, and what of the environment may be read.
    pub inputs: Arc<Inputs>,
    /// How often it looks without being told to.
    pub interval: Duration,
    pub mode: Mode,
    pub self_heal: SelfHeal,
    /// This lokahid: one at a time reconciles a project.
    pub owner: String,
}

/// How it stands, for metrics.
#[derive(Debug, Default)]
pub struct ReconcileStatus {
    pub rounds: Counter,
    pub failures: Counter,
    /// Whether the last round brought Postgres to what every root of the source says.
    pub ready: AtomicBool,
    /// Whether something waits: a delete to be seen again, or a person.
    pub held: AtomicBool,
    /// Of the project that changed last.
    pub generation: AtomicI64,
}

/// The loop for one source and all the projects in it.
#[derive(Debug)]
pub struct Reconciler {
    store: Store,
    bus: Bus,
    settings: ReconcileSettings,
    status: Arc<ReconcileStatus>,
    /// What was ever a root since the start.
    roots: BTreeMap<String, Root>,
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
        info!(source = %self.settings.source.shown(), "reconciling");
        let interval = self.settings.interval;
        let mut watch = self.settings.source.watch(interval);
        let mut asked = self.bus.reconcile_subscribe().await.ok();
        loop {
            let again = self.round().await;
            let changed = async {
                match &mut watch {
                    Some(watch) => watch.dirty().await,
                    None => tokio::time::sleep(interval).await,
                }
            };
            tokio::select! {
                () = token.cancelled() => break,
                () = changed => {}
                () = bus::woken(&mut asked) => {}
                () = sleep_if(again) => {}
            }
        }
        let Ok(mut conn) = self.store.acquire().await else {
            return;
        };
        if let Err(error) = reconciler_release(&mut conn, &self.settings.owner).await {
            debug!(
                error = &error as &dyn std::error::Error,
                "projects are not given up"
            );
        }
    }

    /// One round over all roots; returns when to look again at the latest, if not as usual.
    async fn round(&mut self) -> Option<Duration> {
        self.status.rounds.add(1);
        let scanned = scan_aside(&self.settings).await;
        let mut ground = Ground {
            store: &self.store,
            bus: &self.bus,
            settings: &self.settings,
            whole: false,
        };
        let mut all = Settled::default();
        match scanned {
            Err(words) => {
                for root in self.roots.values_mut() {
                    all.add(root.unreadable(&words, &ground).await);
                }
                if self.roots.is_empty() {
                    error!("{words}; trying again");
                    all.again = Some(BACK_OFF);
                }
                all.failed = true;
            }
            Ok(scan) => {
                if scan.strays != self.last_strays && !scan.strays.is_empty() {
                    warn!("{}", scan.strays.trim_end());
                }
                self.last_strays.clone_from(&scan.strays);
                ground.whole = scan.whole;
                for (key, root) in &mut self.roots {
                    if !scan.roots.iter().any(|seen| seen.key == *key) {
                        all.add(root.gone(key, &ground).await);
                    }
                }
                for seen in scan.roots {
                    let root = self.roots.entry(seen.key.clone()).or_default();
                    all.add(root.round(seen, &ground).await);
                }
            }
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

/// What every root of the source says, read away from the threads that serve others.
async fn scan_aside(settings: &ReconcileSettings) -> Result<Scan, String> {
    let (source, inputs) = (settings.source.clone(), Arc::clone(&settings.inputs));
    let shown = source.shown();
    let scanned = tokio::task::spawn_blocking(move || source.scan(&inputs)).await;
    match scanned {
        Ok(Ok(scan)) => Ok(scan),
        Ok(Err(error)) => Err(format!("{shown} cannot be read: {}", chain(&error))),
        Err(error) => Err(format!("{shown} cannot be read: {}", chain(&error))),
    }
}

async fn sleep_if(wait: Option<Duration>) {
    match wait {
        Some(wait) => tokio::time::sleep(wait).await,
        None => std::future::pending().await,
    }
}
