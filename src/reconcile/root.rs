//! One root under the reconciler: its state between two rounds, and one round of it.
//!
//! Bad input never stops anything: the last good generation is in Postgres. A scan of a folder
//! that deletes must be seen twice, some time apart, because a folder that is being written
//! looks like one from which something was taken away.

use std::time::{Duration, Instant};

use tracing::{debug, error, info, warn};

use super::apply::{self, Condition};
use super::error::ApplyError;
use super::load::Wanted;
use super::propose::{Proposal, Wish, propose};
use super::run::{Mode, ReconcileSettings, SelfHeal};
use super::source::Seen;
use super::{event, specs};
use crate::bus::Bus;
use crate::clock;
use crate::manifest::diagnostic::Diagnostics;
use crate::manifest::report;
use crate::model::desired::Revision;
use crate::plan::guard::Allow;
use crate::plan::state::{Options, Wanted as Index};
use crate::plan::text::{self, Standing};
use crate::runtime::chain::chain;
use crate::spec::Digest;
use crate::store::Store;
use crate::store::condition::{Aspect, NewCondition, reconciler_take};
use crate::store::error::StoreError;
use crate::store::generation::GenerationKind;
use crate::store::project::{Project, project_counts, project_list};

/// How far apart two scans must be that agree on a delete.
const TWICE: Duration = Duration::from_secs(10);
/// How long a failure is waited for, at first and at most.
pub(super) const BACK_OFF: Duration = Duration::from_secs(5);
const BACK_OFF_MAX: Duration = Duration::from_secs(180);
/// Who is named in the generations.
const ACTOR: &str = "reconciler";
/// The longest message of a condition, in characters.
const MESSAGE: usize = 2000;

/// What a round works with.
pub(super) struct Ground<'a> {
    pub(super) store: &'a Store,
    pub(super) bus: &'a Bus,
    pub(super) settings: &'a ReconcileSettings,
    /// The source cannot be half written.
    pub(super) whole: bool,
}

/// A root that was seen.
#[derive(Debug, Default)]
pub(super) struct Root {
    /// The project that it last was.
    project: Option<String>,
    /// The digest of a plan that deletes, and when it was first made.
    suspected: Option<(Digest, Instant)>,
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
    /// Something waits: a delete to be seen again, or a person.
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

/// How an aspect is, in words.
struct Words<'a> {
    aspect: Aspect,
    status: bool,
    reason: &'a str,
    message: &'a str,
    digest: Option<&'a Digest>,
}

impl Root {
    /// The root is no longer there. What it declared stays: files that are missing are no
    /// wish to delete.
    pub(super) async fn gone(&mut self, key: &str, ground: &Ground<'_>) -> Settled {
        self.suspected = None;
        let words = format!(
            "{key} has no `lokahi` block any more; its checks stay as they are. To end a \
             project, leave its block and take its checks out"
        );
        self.fail("RootMissing", &words, "", ground).await
    }

    /// The source cannot be read at all.
    pub(super) async fn unreadable(&mut self, words: &str, ground: &Ground<'_>) -> Settled {
        self.suspected = None;
        self.fail("SourceUnavailable", words, "", ground).await
    }

    /// One round with what it says now.
    pub(super) async fn round(&mut self, seen: Seen, ground: &Ground<'_>) -> Settled {
        let revision = seen.revision;
        let (desired, warnings) = match seen.wanted {
            Ok(wanted) => wanted,
            Err(problems) => {
                return self
                    .invalid(&problems, &seen.shown, &revision, ground)
                    .await;
            }
        };
        self.warn_once(&warnings, &seen.shown);
        let name = desired.project.to_string();
        self.project = Some(name.clone());
        match self
            .bring((desired, Vec::new()), &seen.shown, &revision, ground)
            .await
        {
            Ok(settled) => {
                if settled.ready() {
                    self.failures = 0;
                }
                settled
            }
            Err(ApplyError::Stale { .. }) => {
                debug!(project = %name, "somebody else changed it meanwhile; looking again");
                Settled {
                    again: Some(Duration::ZERO),
                    ..Settled::default()
                }
            }
            Err(ApplyError::Store(error)) if error.is_passing() => {
                let words = chain(&error);
                self.say(&format!("{name}: {words}"));
                self.failed()
            }
            Err(error) => {
                let words = chain(&error);
                self.fail("ApplyFailed", &words, &revision.sha, ground)
                    .await
            }
        }
    }

    async fn invalid(
        &mut self,
        problems: &Diagnostics,
        shown: &str,
        revision: &Revision,
        ground: &Ground<'_>,
    ) -> Settled {
        self.suspected = None;
        self.say(&report::human(&problems.0, shown, report::Style::default()));
        let words = problems.to_string();
        self.fail_quietly("InvalidFiles", &words, &revision.sha, ground)
            .await
    }

    fn warn_once(&mut self, warnings: &[crate::manifest::diagnostic::Diagnostic], shown: &str) {
        let words = report::human(warnings, shown, report::Style::default());
        if words != self.last_warnings && !words.is_empty() {
            warn!("{}", words.trim_end());
        }
        self.last_warnings = words;
    }

    /// Brings the project to what its files say, or says why not.
    async fn bring(
        &mut self,
        (desired, _): Wanted,
        shown: &str,
        revision: &Revision,
        ground: &Ground<'_>,
    ) -> Result<Settled, ApplyError> {
        let name = desired.project.to_string();
        let Some(project) = self.own(&name, ground).await? else {
            return Ok(Settled::default());
        };
        let (wanted, encoded) = Index::of(&desired);
        drop(desired);
        specs::put(ground.store, encoded).await?;
        let wish = self.wish(wanted, shown, revision, &project, ground).await;
        if let Some(suspension) = &project.suspended {
            let words = format!("suspended by {}: {}", suspension.by, suspension.reason);
            self.tell_ready(&project, false, "Suspended", &words, revision, ground)
                .await?;
            return Ok(Settled {
                held: true,
                ..Settled::default()
            });
        }
        let mut conn = ground.store.acquire().await?;
        let proposal = propose(&mut conn, &wish, project, clock::now()).await?;
        drop(conn);
        self.drifted(&proposal.project, &revision.sha, ground)
            .await?;
        if proposal.plan.is_empty() {
            self.suspected = None;
            return self.settled(&proposal.project, revision, ground).await;
        }
        let words = text::human(
            &proposal.plan,
            &Standing {
                root: shown,
                revision: &revision.sha,
                generation: proposal.project.generation,
                guards: &proposal.guards,
            },
        );
        if ground.settings.mode == Mode::Observe {
            self.tell_ready(
                &proposal.project,
                false,
                "Observing",
                &words,
                revision,
                ground,
            )
            .await?;
            return Ok(Settled {
                held: true,
                ..Settled::default()
            });
        }
        let digest = proposal.digest;
        let approved = proposal.project.approved.as_deref() == Some(&digest.0[..]);
        let holds = proposal.guards.iter();
        if holds
            .clone()
            .any(|guard| !(approved && guard.can_be_approved()))
        {
            return self.hold(&proposal, &words, revision, ground).await;
        }
        if let Some(wait) = self.must_wait(&proposal, ground.whole) {
            let waiting = "a delete must be seen twice: this may be a folder half written";
            self.tell_ready(
                &proposal.project,
                false,
                "Waiting",
                waiting,
                revision,
                ground,
            )
            .await?;
            return Ok(Settled {
                again: Some(wait),
                held: true,
                ..Settled::default()
            });
        }
        self.suspected = None;
        let condition = Condition {
            shown: Some((digest, proposal.project.generation)),
            allow: Allow::default(),
            approved,
        };
        let seal = async |_: &mut _, _: &_| Ok(());
        let applied = apply::apply(ground.store, &wish, &condition, clock::now(), seal).await?;
        info!(project = %name, generation = applied.generation, "applied\n{}", words.trim_end());
        if let Err(error) = ground.bus.changed_publish().await {
            debug!(
                error = &error as &dyn std::error::Error,
                "no hint to the schedulers"
            );
        }
        let project = find(ground.store, &name).await?.unwrap_or(proposal.project);
        self.settled(&project, revision, ground).await
    }

    /// The project, if it is this lokahid's to reconcile.
    async fn own(&self, name: &str, ground: &Ground<'_>) -> Result<Option<Project>, StoreError> {
        let settings = ground.settings;
        let lease = settings.interval.as_secs_f64().max(20.0) * 3.0;
        let mut conn = ground.store.acquire().await?;
        if !reconciler_take(&mut conn, name, &settings.owner, lease).await? {
            debug!(project = name, "another lokahid reconciles it");
            return Ok(None);
        }
        drop(conn);
        find(ground.store, name).await
    }

    async fn wish(
        &self,
        wanted: Index,
        shown: &str,
        revision: &Revision,
        project: &Project,
        ground: &Ground<'_>,
    ) -> Wish {
        let source = ground.settings.source.clone();
        let (seen, sha) = (shown.to_owned(), revision.sha.clone());
        let highest = project.max_revision.clone();
        let ancestry = tokio::task::spawn_blocking(move || source.ancestry(&seen, &sha, &highest));
        Wish {
            wanted,
            revision: Revision {
                ancestry: ancestry.await.unwrap_or_default(),
                ..revision.clone()
            },
            actor: ACTOR.to_owned(),
            kind: GenerationKind::Reconcile,
            options: Options {
                leave_drift: ground.settings.self_heal != SelfHeal::Restore,
                ..Options::default()
            },
            allow: Allow::default(),
            quiet_start: false,
            restored: Default::default(),
        }
    }

    /// How long a plan that deletes must still be seen.
    fn must_wait(&mut self, proposal: &Proposal, whole: bool) -> Option<Duration> {
        if whole || proposal.plan.summary().delete == 0 {
            return None;
        }
        let now = clock::monotonic();
        match &self.suspected {
            Some((digest, since)) if *digest == proposal.digest => {
                let waited = now.saturating_duration_since(*since);
                (waited < TWICE).then(|| TWICE - waited)
            }
            _ => {
                let deletes = proposal.plan.summary().delete;
                info!(
                    deletes,
                    "the files delete something; looking again in {TWICE:?}"
                );
                self.suspected = Some((proposal.digest, now));
                Some(TWICE)
            }
        }
    }

    /// A guard waits for a person.
    async fn hold(
        &mut self,
        proposal: &Proposal,
        words: &str,
        revision: &Revision,
        ground: &Ground<'_>,
    ) -> Result<Settled, ApplyError> {
        let project = &proposal.project;
        let names: Vec<&str> = proposal.guards.iter().map(|guard| &*guard.name).collect();
        let reason = names.join(",");
        let name = &project.name;
        let next = match proposal.guards.iter().all(|guard| guard.can_be_approved()) {
            true => format!("To let exactly this happen: lokahictl approve {name}"),
            false => "It passes with other files only".to_owned(),
        };
        let message = format!("{}{next}\n", cut(words));
        self.say(&format!("{name} is held\n{message}"));
        let held = Words {
            aspect: Aspect::Held,
            status: true,
            reason: &reason,
            message: &message,
            digest: Some(&proposal.digest),
        };
        self.tell(project, held, &revision.sha, ground).await?;
        self.tell_ready(project, false, "Held", &message, revision, ground)
            .await?;
        Ok(Settled {
            held: true,
            ..Settled::default()
        })
    }

    /// What is live is what the files say.
    async fn settled(
        &mut self,
        project: &Project,
        revision: &Revision,
        ground: &Ground<'_>,
    ) -> Result<Settled, ApplyError> {
        let words = "what is live is what the files say";
        self.tell_ready(project, true, "Applied", words, revision, ground)
            .await?;
        self.last_words.clear();
        Ok(Settled {
            generation: Some(project.generation),
            ..Settled::default()
        })
    }

    async fn drifted(
        &self,
        project: &Project,
        sha: &str,
        ground: &Ground<'_>,
    ) -> Result<(), ApplyError> {
        if ground.settings.self_heal != SelfHeal::Warn {
            return Ok(());
        }
        let mut conn = ground.store.acquire().await?;
        let drifted = project_counts(&mut conn, project.id).await?.drifted;
        drop(conn);
        let name = &project.name;
        let message = format!(
            "{drifted} checks were changed past the files; `lokahictl export --drift {name}` \
             shows them, SELF_HEAL=restore restores them"
        );
        let words = Words {
            aspect: Aspect::Drifted,
            status: drifted > 0,
            reason: if drifted > 0 { "ForcedChange" } else { "None" },
            message: if drifted > 0 { &message } else { "" },
            digest: None,
        };
        self.tell(project, words, sha, ground).await
    }

    /// Says whether it is ready; being so ends what was held.
    async fn tell_ready(
        &self,
        project: &Project,
        status: bool,
        reason: &str,
        message: &str,
        revision: &Revision,
        ground: &Ground<'_>,
    ) -> Result<(), ApplyError> {
        if reason != "Held" {
            let released = Words {
                aspect: Aspect::Held,
                status: false,
                reason: "None",
                message: "",
                digest: None,
            };
            self.tell(project, released, &revision.sha, ground).await?;
        }
        let tried = Words {
            aspect: Aspect::Reconciling,
            status: matches!(reason, "Waiting"),
            reason,
            message: "",
            digest: None,
        };
        self.tell(project, tried, &revision.sha, ground).await?;
        let ready = Words {
            aspect: Aspect::Ready,
            status,
            reason,
            message,
            digest: None,
        };
        self.tell(project, ready, &revision.sha, ground).await
    }

    async fn tell(
        &self,
        project: &Project,
        words: Words<'_>,
        sha: &str,
        ground: &Ground<'_>,
    ) -> Result<(), ApplyError> {
        let message = cut(words.message);
        let new = NewCondition {
            aspect: words.aspect,
            status: words.status,
            reason: words.reason,
            message: &message,
            observed_generation: project.generation,
            digest: words.digest.map(|digest| &digest.0[..]),
        };
        let mut tx = ground.store.begin().await?;
        let told = event::say(&mut tx, project, &new, sha, clock::now()).await?;
        tx.commit().await.map_err(|source| StoreError::Query {
            doing: "say how a project stands",
            source,
        })?;
        if let Some(event) = told {
            // Workers also look by themselves.
            ground.bus.hint_publish(&[event]).await.unwrap_or_default();
        }
        Ok(())
    }

    async fn fail(&mut self, reason: &str, words: &str, sha: &str, ground: &Ground<'_>) -> Settled {
        self.say(words);
        self.fail_quietly(reason, words, sha, ground).await
    }

    /// Says in the project's conditions that it failed, as far as that is possible.
    async fn fail_quietly(
        &mut self,
        reason: &str,
        words: &str,
        sha: &str,
        ground: &Ground<'_>,
    ) -> Settled {
        if let Some(name) = self.project.clone()
            && let Ok(Some(project)) = self.own(&name, ground).await
        {
            let failed = Words {
                aspect: Aspect::Ready,
                status: false,
                reason,
                message: words,
                digest: None,
            };
            let tried = Words {
                aspect: Aspect::Reconciling,
                status: true,
                reason: "Retrying",
                message: "",
                digest: None,
            };
            for words in [failed, tried] {
                if let Err(error) = self.tell(&project, words, sha, ground).await {
                    debug!(
                        error = &error as &dyn std::error::Error,
                        "a failure is not stored"
                    );
                }
            }
        }
        self.failed()
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
}

async fn find(store: &Store, name: &str) -> Result<Option<Project>, StoreError> {
    let mut conn = store.acquire().await?;
    Ok(project_list(&mut conn, Some(name)).await?.pop())
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(MESSAGE) {
        Some((at, _)) => format!("{}...\n", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}
