//! One root under the reconciler: its state between two rounds, and one round of it.
//!
//! Bad input never stops anything: the last good generation is in Postgres. A
//! scan that deletes must be seen twice, some time apart, because a folder that
//! is being written looks like one from which something was taken away.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use tracing::{debug, error, info, warn};

use super::apply::{self, ApplyError, Request};
use super::load::Wanted;
use crate::bus::Bus;
use crate::clock;
use crate::manifest::diagnostic::Diagnostics;
use crate::manifest::report;
use crate::model::change::{Action, Change};
use crate::model::desired::{Desired, Revision};
use crate::plan::{Plan, text};
use crate::runtime::chain::chain;
use crate::store::Store;
use crate::store::project::GenerationKind;

/// How far apart two scans must be that agree on a delete.
const TWICE: Duration = Duration::from_secs(10);
/// How long a failure is waited for, at first and at most.
pub(super) const BACK_OFF: Duration = Duration::from_secs(5);
const BACK_OFF_MAX: Duration = Duration::from_secs(180);
/// Who is named in the generations.
const ACTOR: &str = "reconciler";

/// A root that was seen.
#[derive(Debug)]
pub(super) struct Root {
    path: PathBuf,
    /// A desired state that deletes, and when it was first seen.
    suspected: Option<(Desired, Instant)>,
    failures: u32,
    last_words: String,
    last_warnings: String,
}

/// How rounds ended.
#[derive(Debug, Default)]
pub(super) struct Settled {
    /// When to look again at the latest, if not as usual.
    pub(super) again: Option<Duration>,
    pub(super) failed: bool,
    /// A delete waits to be seen again.
    pub(super) held: bool,
    /// Where it stands now, if something was changed or nothing had to be.
    pub(super) generation: Option<i64>,
}

impl Settled {
    /// Adds how another root ended.
    pub(super) fn add(&mut self, other: Self) {
        self.again = [self.again, other.again].into_iter().flatten().min();
        self.failed |= other.failed;
        self.held |= other.held;
        self.generation = other.generation.or(self.generation);
    }

    /// Whether Postgres is what the files say.
    pub(super) fn ready(&self) -> bool {
        !self.failed && !self.held
    }
}

impl Root {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            suspected: None,
            failures: 0,
            last_words: String::new(),
            last_warnings: String::new(),
        }
    }

    /// The root is no longer there. What it declared stays: files that are missing are no
    /// wish to delete.
    pub(super) fn gone(&mut self) -> Settled {
        self.suspected = None;
        let path = self.path.display();
        self.say(&format!(
            "{path} has no `lokahi` block any more; its checks stay as they are. To end a \
             project, leave its block and take its checks out"
        ));
        self.failed()
    }

    /// One round with what it says now.
    pub(super) async fn round(
        &mut self,
        wanted: Result<Wanted, Diagnostics>,
        store: &Store,
        bus: &Bus,
    ) -> Settled {
        let desired = match wanted {
            Ok((desired, warnings)) => {
                let words = report::human(&warnings, &self.shown(), report::Style::default());
                if words != self.last_warnings && !words.is_empty() {
                    warn!("{}", words.trim_end());
                }
                self.last_warnings = words;
                desired
            }
            Err(problems) => {
                let words = report::human(&problems.0, &self.shown(), report::Style::default());
                self.say(&format!(
                    "the check files have problems; nothing was changed\n{words}"
                ));
                return self.failed();
            }
        };
        match self.bring(desired, store, bus).await {
            Ok(settled) => {
                if self.failures > 0 {
                    info!(root = %self.path.display(), "the check files are good again");
                }
                self.failures = 0;
                settled
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

    async fn bring(
        &mut self,
        desired: Desired,
        store: &Store,
        bus: &Bus,
    ) -> Result<Settled, ApplyError> {
        let mut request = Request {
            desired,
            revision: Revision::default(),
            actor: ACTOR.to_owned(),
            kind: GenerationKind::Reconcile,
            dry_run: true,
            expected_generation: None,
        };
        let planned = apply::apply(store, &request, clock::now()).await?;
        if let Some(wait) = self.must_wait(&request.desired, &planned.changes) {
            return Ok(Settled {
                again: Some(wait),
                held: true,
                ..Settled::default()
            });
        }
        self.suspected = None;
        let mut generation = planned.generation;
        if !planned.changes.is_empty() {
            request.dry_run = false;
            request.expected_generation = Some(planned.generation);
            let applied = apply::apply(store, &request, clock::now()).await?;
            generation = applied.generation;
            self.tell(&request.desired, applied.changes, generation, bus)
                .await;
        }
        self.last_words.clear();
        Ok(Settled {
            generation: Some(generation),
            ..Settled::default()
        })
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

    async fn tell(&self, desired: &Desired, changes: Vec<Change>, generation: i64, bus: &Bus) {
        let plan = Plan { changes };
        info!(
            project = %desired.project,
            generation,
            "applied\n{}",
            text::human(&plan, &self.shown()).trim_end()
        );
        if let Err(error) = bus.changed_publish().await {
            debug!(
                error = &error as &dyn std::error::Error,
                "no hint to the schedulers"
            );
        }
    }

    fn failed(&mut self) -> Settled {
        let wait = BACK_OFF
            .saturating_mul(1 << self.failures.min(10))
            .min(BACK_OFF_MAX);
        self.failures += 1;
        Settled {
            again: Some(wait),
            failed: true,
            ..Settled::default()
        }
    }

    /// Says a thing once, until something else is to be said.
    fn say(&mut self, words: &str) {
        if self.last_words == words {
            return;
        }
        error!("{}", words.trim_end());
        words.clone_into(&mut self.last_words);
    }

    fn shown(&self) -> String {
        self.path.display().to_string()
    }
}
