//! The reconciler: brings Postgres to what a folder says, whenever either
//! changes.
//!
//! Bad input never stops anything: the last good generation is in Postgres. A
//! scan that deletes must be seen twice, some time apart, because a folder that
//! is being written looks like one from which something was taken away.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info};

use super::apply::{self, ApplyError, Request};
use super::load::{LoadError, wanted_aside};
use super::watch::{Pace, Watch};
use crate::bus::Bus;
use crate::clock;
use crate::manifest::inputs::Inputs;
use crate::manifest::report;
use crate::model::change::{Action, Change};
use crate::model::desired::{Desired, Revision};
use crate::plan::{Plan, text};
use crate::runtime::chain::chain;
use crate::runtime::counter::Counter;
use crate::store::Store;
use crate::store::project::GenerationKind;

/// How far apart two scans must be that agree on a delete.
const TWICE: Duration = Duration::from_secs(10);
/// How long a failure is waited for, at first and at most.
const BACK_OFF: Duration = Duration::from_secs(5);
const BACK_OFF_MAX: Duration = Duration::from_secs(180);
/// Who is named in the generations.
const ACTOR: &str = "reconciler";

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
    /// Whether the last round brought Postgres to what the folder says.
    pub ready: AtomicBool,
    /// Whether a delete waits to be seen again.
    pub held: AtomicBool,
    pub generation: AtomicI64,
}

/// The loop for one folder.
#[derive(Debug)]
pub struct Reconciler {
    store: Store,
    bus: Bus,
    settings: ReconcileSettings,
    status: Arc<ReconcileStatus>,
    /// A desired state that deletes, and when it was first seen.
    suspected: Option<(Desired, Instant)>,
    failures: u32,
    last_words: String,
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
            suspected: None,
            failures: 0,
            last_words: String::new(),
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

    /// One round; returns when to look again at the latest, if not as usual.
    async fn round(&mut self) -> Option<Duration> {
        self.status.rounds.add(1);
        let desired = match wanted_aside(
            self.settings.folder.clone(),
            Arc::clone(&self.settings.inputs),
        )
        .await
        {
            Ok((desired, warnings)) => {
                if !warnings.is_empty() {
                    self.say(&report::human(
                        &warnings,
                        &self.root(),
                        report::Style::default(),
                    ));
                }
                desired
            }
            Err(LoadError::Invalid(problems)) => {
                let words = report::human(&problems.0, &self.root(), report::Style::default());
                self.say(&format!(
                    "the check files have problems; nothing was changed\n{words}"
                ));
                return self.failed();
            }
            Err(error) => {
                self.say(&format!("{error}; trying again"));
                return self.failed();
            }
        };
        match self.bring(desired).await {
            Ok(again) => {
                if self.failures > 0 {
                    info!("the check files are good again");
                }
                self.failures = 0;
                again
            }
            Err(error) => {
                let why = chain(&error);
                self.say(&format!(
                    "could not bring the checks to what the files say: {why}"
                ));
                self.failed()
            }
        }
    }

    async fn bring(&mut self, desired: Desired) -> Result<Option<Duration>, ApplyError> {
        let mut request = Request {
            desired,
            revision: Revision::default(),
            actor: ACTOR.to_owned(),
            kind: GenerationKind::Reconcile,
            dry_run: true,
            expected_generation: None,
        };
        let planned = apply::apply(&self.store, &request, clock::now()).await?;
        if let Some(wait) = self.must_wait(&request.desired, &planned.changes) {
            self.status.held.store(true, Ordering::Relaxed);
            return Ok(Some(wait));
        }
        self.suspected = None;
        self.status.held.store(false, Ordering::Relaxed);
        let mut generation = planned.generation;
        if !planned.changes.is_empty() {
            request.dry_run = false;
            request.expected_generation = Some(planned.generation);
            let applied = apply::apply(&self.store, &request, clock::now()).await?;
            generation = applied.generation;
            self.tell(&request.desired, applied.changes, generation)
                .await;
        }
        self.last_words.clear();
        self.status.generation.store(generation, Ordering::Relaxed);
        self.status.ready.store(true, Ordering::Relaxed);
        Ok(None)
    }

    /// How long a state that deletes something must still be seen.
    fn must_wait(&mut self, desired: &Desired, changes: &[Change]) -> Option<Duration> {
        if !changes.iter().any(|change| change.action == Action::Delete) {
            return None;
        }
        let now = clock::monotonic();
        match &self.suspected {
            Some((seen, since)) if seen == desired => {
                let waited = now.saturating_duration_since(*since);
                (waited < TWICE).then(|| TWICE - waited)
            }
            _ => {
                let gone = changes
                    .iter()
                    .filter(|c| c.action == Action::Delete)
                    .count();
                info!(
                    deletes = gone,
                    "the files delete something; looking again in {TWICE:?}"
                );
                self.suspected = Some((desired.clone(), now));
                Some(TWICE)
            }
        }
    }

    async fn tell(&self, desired: &Desired, changes: Vec<Change>, generation: i64) {
        let plan = Plan { changes };
        info!(
            project = %desired.project,
            generation,
            "applied\n{}",
            text::human(&plan, &self.root()).trim_end()
        );
        if let Err(error) = self.bus.changed_publish().await {
            debug!(
                error = &error as &dyn std::error::Error,
                "no hint to the schedulers"
            );
        }
    }

    fn failed(&mut self) -> Option<Duration> {
        self.status.failures.add(1);
        self.status.ready.store(false, Ordering::Relaxed);
        let wait = BACK_OFF
            .saturating_mul(1 << self.failures.min(10))
            .min(BACK_OFF_MAX);
        self.failures += 1;
        Some(wait)
    }

    /// Says a thing once, until something else is to be said.
    fn say(&mut self, words: &str) {
        if self.last_words == words {
            return;
        }
        error!("{}", words.trim_end());
        words.clone_into(&mut self.last_words);
    }

    fn root(&self) -> String {
        self.settings.folder.display().to_string()
    }
}

async fn sleep_if(wait: Option<Duration>) {
    match wait {
        Some(wait) => tokio::time::sleep(wait).await,
        None => std::future::pending().await,
    }
}
