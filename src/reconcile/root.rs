//! One root under the reconciler: its state between two rounds, and one round of it.
//!
//! Bad input never stops anything: the last good generation is in Postgres. A scan of a folder
//! that deletes must be seen twice, some time apart, because a folder that is being written
//! looks like one from which something was taken away.

use std::time::{Duration, Instant};

use tracing::{debug, info, warn};

use super::apply::{self, Applied, Condition};
use super::drift::Drift;
use super::error::ApplyError;
use super::propose::{Proposal, Wish, propose};
use super::run::{LEASE, Mode, ReconcileSettings, ReconcileStatus, SelfHeal};
use super::said::Said;
use super::settled::Settled;
use super::source::Seen;
use super::specs;
use super::tell::{Words, cut, next, tell};
use crate::bus::Bus;
use crate::clock;
use crate::manifest::report;
use crate::model::desired::{Desired, Revision};
use crate::plan::guard::{Allow, Guard};
use crate::plan::state::{Options, Wanted as Index};
use crate::plan::text::{self, Standing};
use crate::runtime::chain::chain;
use crate::spec::{Digest, Encoded};
use crate::store::audit::{AuditEntry, audit_write};
use crate::store::condition::{Aspect, approval_end, approval_withdraw, reconciler_take};
use crate::store::error::StoreError;
use crate::store::generation::GenerationKind;
use crate::store::project::{Project, Suspension, project_list};
use crate::store::{Connection, Store};

/// How far apart two scans must be that agree on a delete.
pub(super) const TWICE: Duration = Duration::from_secs(10);
/// How long a failure is waited for, at first and at most.
pub(super) const BACK_OFF: Duration = Duration::from_secs(5);
const BACK_OFF_MAX: Duration = Duration::from_secs(180);
/// After somebody else changed the project meanwhile.
const SOON: Duration = Duration::from_secs(1);
/// Who is named in the generations and the audit.
const ACTOR: &str = "reconciler";

/// What a round works with.
pub(super) struct Ground<'a> {
    pub(super) store: &'a Store,
    pub(super) bus: &'a Bus,
    pub(super) settings: &'a ReconcileSettings,
    pub(super) status: &'a ReconcileStatus,
    /// The source cannot be half written.
    pub(super) whole: bool,
}

/// A root that was seen.
#[derive(Debug, Default)]
pub(super) struct Root {
    /// The project that it last was.
    pub(super) project: Option<String>,
    /// The digest of a plan that takes away, and when it was first made.
    pub(super) suspected: Option<(Digest, Instant)>,
    failures: u32,
    pub(super) said: Said,
    /// The generation that was applied here last, and what its plan warned of.
    warned: (i64, String),
    /// The project that its root declares by now, in its place.
    pub(super) became: Option<String>,
    /// That it is gone was said, and whoever declares the project may have it.
    pub(super) left: bool,
}

impl Root {
    /// One that was reconciled here before, and was not seen yet.
    pub(super) fn remembered(project: &str) -> Self {
        Self {
            project: Some(project.to_owned()),
            ..Self::default()
        }
    }

    /// An approval ends with what it was for: whatever comes after files that cannot be read is
    /// looked at anew.
    pub(super) async fn withdraw(&self, ground: &Ground<'_>) {
        let Some(name) = &self.project else { return };
        let withdrawn = async {
            let mut conn = ground.store.acquire().await?;
            approval_end(&mut conn, name).await
        };
        match withdrawn.await {
            Ok(true) => {
                info!(project = %name, "what was approved is not what the files say any more")
            }
            Ok(false) => {}
            Err(error) => warn!(
                project = %name,
                error = &error as &dyn std::error::Error,
                "an approval could not be withdrawn"
            ),
        }
    }

    /// One round with what it says now.
    pub(super) async fn round(&mut self, seen: Seen, ground: &Ground<'_>) -> Settled {
        self.left = false;
        self.project = seen.project.or(self.project.take());
        let revision = seen.revision;
        let (desired, warnings) = match seen.wanted {
            Ok(wanted) => wanted,
            Err(problems) => {
                self.suspected = None;
                let words = report::human(&problems.0, &seen.shown, report::Style::default());
                self.said.say(&words);
                let words = format!("{}\n{problems}", found_in(&seen.shown, &revision));
                self.withdraw(ground).await;
                return self
                    .fail_quietly("InvalidFiles", &words, &revision.sha, ground)
                    .await;
            }
        };
        self.said.warn_once(&warnings, &seen.shown);
        let name = desired.project.to_string();
        match self.bring(desired, &seen.shown, &revision, ground).await {
            Ok(settled) => {
                self.failures = 0;
                settled
            }
            Err(ApplyError::Stale { .. }) => {
                debug!(project = %name, "somebody else changed it meanwhile; looking again");
                Settled {
                    again: Some(SOON),
                    ..Settled::default()
                }
            }
            Err(ApplyError::Store(error)) if error.is_passing() => {
                self.said.say(&format!("{name}: {}", chain(&error)));
                self.failed()
            }
            Err(error) => {
                let place = found_in(&seen.shown, &revision);
                let line = error.place().map(|it| format!("{}:{}: ", it.file, it.line));
                let words = format!("{place}\n{}{}", line.unwrap_or_default(), chain(&error));
                self.fail("ApplyFailed", &words, &revision.sha, ground)
                    .await
            }
        }
    }

    /// Brings the project to what its files say, or says why not.
    async fn bring(
        &mut self,
        desired: Desired<Encoded>,
        shown: &str,
        revision: &Revision,
        ground: &Ground<'_>,
    ) -> Result<Settled, ApplyError> {
        let name = desired.project.to_string();
        let sha = &revision.sha;
        let Some(project) = self.own(&name, ground).await? else {
            self.suspected = None;
            ground.status.forget(&name);
            return Ok(Settled {
                again: Some(LEASE / 2),
                ..Settled::default()
            });
        };
        if let Some(suspension) = project.suspended.clone() {
            return self.suspended(&project, &suspension, sha, ground).await;
        }
        let (wanted, encoded) = Index::of(desired);
        specs::put(ground.store, encoded).await?;
        let wish = self.wish(wanted, shown, revision, &project, ground).await;
        let mut conn = ground.store.acquire().await?;
        let proposal = propose(&mut conn, &wish, project, clock::now()).await?;
        drop(conn);
        let drift = Drift::of(&proposal);
        let approval = proposal.approval();
        let approved = proposal.project.approved.as_deref() == Some(&approval.0[..]);
        if let (false, Some(old)) = (approved, &proposal.project.approved) {
            // The files say something else by now: what was meant is not what comes later.
            let mut conn = ground.store.acquire().await?;
            approval_withdraw(&mut conn, proposal.project.id, old).await?;
            info!(project = %name, "what was approved is not what the files say any more");
        }
        if proposal.plan.is_empty() {
            self.suspected = None;
            let acts = ground.settings.mode == Mode::Apply;
            let project = proposal.project.clone();
            if acts && !proposal.places.is_empty() {
                // No change, and nothing that is said of it.
                self.apply(&wish, proposal, false, "", ground).await?;
            }
            return self.settled(&project, &drift, sha, ground).await;
        }
        let words = text::human(
            &proposal.plan,
            &Standing {
                root: shown,
                revision: &text::revision(&revision.reference, sha, revision.dirty),
                generation: proposal.project.generation,
                // Flags are for whoever applies: here that is a person only while it observes.
                guards: match ground.settings.mode {
                    Mode::Observe => &proposal.guards,
                    Mode::Apply => &[],
                },
                wanted: None,
            },
        );
        // Of 50,000 changes it is tens of megabytes, and nobody is shown more.
        let words = cut(&words);
        let wait = self.must_wait(&proposal, ground.whole);
        let passes = |guard: &Guard| approved && guard.can_be_approved();
        let held = !proposal.guards.iter().all(passes);
        if ground.settings.mode == Mode::Observe {
            self.said.note(&format!(
                "{name} would be changed, and is only observed\n{words}"
            ));
            let ready = Words::of(Aspect::Ready, false, "Observing", &words);
            self.waits(&proposal.project, ready, &drift, sha, ground)
                .await?;
            return Ok(Settled::waits(None));
        }
        if held {
            return self.hold(&proposal, &words, &drift, sha, ground).await;
        }
        if let Some(wait) = wait {
            let message = format!(
                "what takes checks or their receivers away must be seen twice, {} s apart: \
                 this may be a folder half written\n{words}",
                TWICE.as_secs()
            );
            let ready = Words::of(Aspect::Ready, false, "Waiting", &message);
            self.waits(&proposal.project, ready, &drift, sha, ground)
                .await?;
            return Ok(Settled::waits(Some(wait)));
        }
        self.suspected = None;
        if !drift.is_empty() && ground.settings.self_heal == SelfHeal::Restore {
            // Its end follows; whoever forced it should know that it was undone.
            let words = drift.words(&name, ground.settings, "Applied");
            let drift = Words::of(Aspect::Drifted, true, "ForcedChange", &words);
            tell(ground, &proposal.project, &[drift], sha).await?;
        }
        let warnings = proposal.plan.warnings.iter();
        let warned: String = warnings
            .map(|warning| format!("\nwarning: {warning}"))
            .collect();
        self.apply(&wish, proposal, approved, &words, ground)
            .await?;
        let project = find(ground.store, &name).await?;
        let project = project.ok_or(ApplyError::NoGeneration {
            project: name,
            n: 0,
        })?;
        self.warned = (project.generation, warned);
        let drift = Drift::read(ground.store, &project).await?;
        self.settled(&project, &drift, sha, ground).await
    }

    async fn apply(
        &mut self,
        wish: &Wish,
        proposal: Proposal,
        approved: bool,
        words: &str,
        ground: &Ground<'_>,
    ) -> Result<(), ApplyError> {
        let condition = Condition {
            shown: Some((proposal.digest, proposal.project.generation)),
            approved: approved.then(|| proposal.approval()),
            reconciler: Some(ground.settings.owner.clone()),
            leaves_the_api: false,
        };
        let (name, shown) = (proposal.project.name.clone(), proposal.digest);
        // It is made anew under the project's lock: two at a time are twice the memory.
        drop(proposal);
        let now = clock::now();
        let seal = async |conn: &mut Connection, applied: &Applied| {
            let summary = text::summary(applied.plan.summary());
            let entry = AuditEntry {
                at: now,
                principal: ACTOR,
                action: "reconcile",
                subject: &format!("generation {}: {summary}", applied.generation),
                project: &name,
                before: None,
                after: Some(shown),
                forced: approved,
                reason: &wish.revision.sha,
                denied: false,
                remote: "",
            };
            audit_write(conn, &entry).await
        };
        let applied = apply::apply(ground.store, wish, &condition, now, seal).await?;
        if !applied.plan.is_empty() {
            let generation = applied.generation;
            info!(project = %name, generation, "applied\n{}", cut(words).trim_end());
        }
        if let Err(error) = ground.bus.changed_publish().await {
            debug!(
                error = &error as &dyn std::error::Error,
                "no hint to the schedulers"
            );
        }
        Ok(())
    }

    /// The project, if it is this lokahid's to reconcile.
    pub(super) async fn own(
        &self,
        name: &str,
        ground: &Ground<'_>,
    ) -> Result<Option<Project>, StoreError> {
        let mut conn = ground.store.acquire().await?;
        let (owner, seconds) = (&ground.settings.owner, LEASE.as_secs_f64());
        let observes = ground.settings.mode == Mode::Observe;
        if !reconciler_take(&mut conn, name, owner, observes, seconds).await? {
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
        }
    }

    /// How long a plan that takes something away must still be seen.
    fn must_wait(&mut self, proposal: &Proposal, whole: bool) -> Option<Duration> {
        let deletes = proposal.plan.summary().delete;
        if whole || deletes == 0 && proposal.plan.weight.silent.is_empty() {
            self.suspected = None;
            return None;
        }
        let now = clock::monotonic();
        match &self.suspected {
            Some((digest, since)) if *digest == proposal.digest => {
                let waited = now.saturating_duration_since(*since);
                (waited < TWICE).then(|| TWICE - waited)
            }
            _ => {
                info!(
                    deletes,
                    "the files take something away; looking again in {TWICE:?}"
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
        drift: &Drift,
        sha: &str,
        ground: &Ground<'_>,
    ) -> Result<Settled, ApplyError> {
        let project = &proposal.project;
        let names: Vec<&str> = proposal.guards.iter().map(|guard| &*guard.name).collect();
        let reason = names.join(",");
        let saw = proposal.guards.iter();
        let saw = saw.map(|guard| match guard.addresses.is_empty() {
            true => guard.message.clone(),
            false => format!("{}: {}", guard.message, guard.addresses),
        });
        let saw: Vec<String> = saw.collect();
        let message = format!("{}\n{}\n{words}", saw.join("\n"), next(proposal));
        // Until when it could be brought back is another minute each time.
        let key = format!("{} {reason} {:?}", project.name, proposal.digest);
        self.said
            .say_of(&key, &format!("{} is held: {message}", project.name));
        let drifted = drift.words(&project.name, ground.settings, "Held");
        let held = Words {
            digest: Some(&proposal.approval()),
            ..Words::of(Aspect::Held, true, &reason, &message)
        };
        let all = [
            held,
            Words::not(Aspect::Reconciling),
            drift.condition(&drifted, ground),
            Words::of(Aspect::Ready, false, "Held", &message),
        ];
        tell(ground, project, &all, sha).await?;
        Ok(Settled::waits(None))
    }

    async fn suspended(
        &mut self,
        project: &Project,
        suspension: &Suspension,
        sha: &str,
        ground: &Ground<'_>,
    ) -> Result<Settled, ApplyError> {
        self.suspected = None;
        let words = suspension.words(&project.name);
        let ready = Words::of(Aspect::Ready, false, "Suspended", &words);
        let drift = Drift::read(ground.store, project).await?;
        self.waits(project, ready, &drift, sha, ground).await?;
        Ok(Settled::waits(None))
    }

    /// Nothing is done for now, and no guard holds it.
    async fn waits(
        &self,
        project: &Project,
        ready: Words<'_>,
        drift: &Drift,
        sha: &str,
        ground: &Ground<'_>,
    ) -> Result<(), ApplyError> {
        let looks_again = ready.reason == "Waiting";
        let drifted = drift.words(&project.name, ground.settings, ready.reason);
        let all = [
            Words::not(Aspect::Held),
            Words::of(Aspect::Reconciling, looks_again, ready.reason, ""),
            drift.condition(&drifted, ground),
            ready,
        ];
        Ok(tell(ground, project, &all, sha).await?)
    }

    /// What is live is what the files say.
    async fn settled(
        &mut self,
        project: &Project,
        drift: &Drift,
        sha: &str,
        ground: &Ground<'_>,
    ) -> Result<Settled, ApplyError> {
        let words = match drift.is_empty() {
            true => "what is live is what the files say",
            false => "what the files say is applied, and some of it was changed past them since",
        };
        let words = match &self.warned {
            // What somebody else has applied since is another thing.
            (generation, warned) if *generation == project.generation && !warned.is_empty() => {
                format!("{words}. Before generation {generation} its plan said:{warned}")
            }
            _ => words.to_owned(),
        };
        let ready = Words::of(Aspect::Ready, true, "Applied", &words);
        self.waits(project, ready, drift, sha, ground).await?;
        self.said.good_again(&project.name);
        Ok(Settled {
            generation: Some(project.generation),
            ..Settled::default()
        })
    }

    pub(super) async fn fail(
        &mut self,
        reason: &str,
        words: &str,
        sha: &str,
        ground: &Ground<'_>,
    ) -> Settled {
        self.said.say(words);
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
            let drift = Drift::read(ground.store, &project)
                .await
                .unwrap_or_default();
            let drifted = drift.words(&project.name, ground.settings, reason);
            let all = [
                // What was held is not what there is now.
                Words::not(Aspect::Held),
                Words::of(Aspect::Reconciling, true, "Retrying", ""),
                drift.condition(&drifted, ground),
                Words::of(Aspect::Ready, false, reason, words),
            ];
            if let Err(error) = tell(ground, &project, &all, sha).await {
                debug!(
                    error = &error as &dyn std::error::Error,
                    "a failure is not stored"
                );
            }
        }
        self.failed()
    }

    pub(super) fn failed(&mut self) -> Settled {
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
}

/// Which files cannot be applied: "checks.d at 3f2c1a9b0d cannot be applied:".
fn found_in(shown: &str, revision: &Revision) -> String {
    let short: String = revision.sha.chars().take(10).collect();
    match (short.as_str(), revision.dirty) {
        ("", _) => format!("{shown} cannot be applied:"),
        (short, false) => format!("{shown} at {short} cannot be applied:"),
        // The commit may be a good one.
        (short, true) => {
            format!(
                "{shown}, with changes since {short} that are not committed, cannot be applied:"
            )
        }
    }
}

async fn find(store: &Store, name: &str) -> Result<Option<Project>, StoreError> {
    let mut conn = store.acquire().await?;
    Ok(project_list(&mut conn, Some(name)).await?.pop())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_waited_for_longer_each_time_and_tried_for_ever() {
        let mut root = Root::default();
        let waits: Vec<u64> = (0..40)
            .filter_map(|_| root.failed().again)
            .map(|wait| wait.as_secs())
            .collect();
        assert_eq!(waits[..7], [5, 10, 20, 40, 80, 160, 180]);
        assert_eq!(waits.last(), Some(&180));
    }
}
