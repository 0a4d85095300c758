//! How projects stand, and what people say about their reconcilers.

use std::time::Duration;

use super::super::error::ApiError;
use super::super::notices::unknown_notices;
use super::super::{Call, edit};
use super::short;
use crate::clock;
use crate::hold::TrialState;
use crate::model::name::Name;
use crate::model::observation::ErrorClass;
use crate::model::scope::Scope;
use crate::plan::guard::can_be_approved;
use crate::plan::wire;
use crate::proto::lokahi::{
    self, ApproveRequest, Generation, HistoryRequest, HistoryResult, ProjectRequest, ProjectStatus,
    ProjectsRequest, ProjectsResult, SuspendRequest,
};
use crate::proto::moment::timestamp;
use crate::proto::twirp::{Code, TwirpError};
use crate::shard::stale::silence;
use crate::spec::{Digest, encode_project, hex};
use crate::store::audit::{AuditEntry, audit_write};
use crate::store::condition::{
    Aspect, Condition, condition_list, project_approve, project_resume, project_suspend,
};
use crate::store::generation::{self, generation_list};
use crate::store::impaired::{Impaired, impaired_of};
use crate::store::project::{
    Counts, Project, Suspension, project_counts, project_list, project_settings,
};
use crate::store::stale::{Silent, stale_silent};
use crate::store::trial::{TrialRow, trial_list, trial_release};
use crate::store::unknown::{UnknownCheck, UnknownOf, unknown_list};
use crate::store::{Connection, Transaction};

/// How many generations one answer has, when nothing is said and at most.
const DEFAULT_COUNT: i32 = 30;
const MOST_COUNT: i32 = 1000;

/// How long a round may take to begin, in looks.
const TAKEN_LOOKS: usize = 15;
const TAKEN_LOOK: Duration = Duration::from_millis(200);

/// How one project stands, or every one.
pub(in crate::api) async fn status(
    call: Call,
    asked: ProjectsRequest,
) -> Result<ProjectsResult, ApiError> {
    let mut conn = call.state.store.acquire().await?;
    let name = Some(asked.project.as_str()).filter(|name| !name.is_empty());
    let projects = project_list(&mut conn, name).await?;
    if let (Some(name), true) = (name, projects.is_empty()) {
        return Err(no_project(name).into());
    }
    let mut all = Vec::new();
    for project in projects {
        all.push(standing(&mut conn, project, asked.brief).await?);
    }
    Ok(ProjectsResult { projects: all })
}

fn no_project(name: &str) -> TwirpError {
    let name: String = name.chars().take(100).collect();
    TwirpError::new(Code::NotFound, format!("there is no project {name:?}"))
}

async fn find(conn: &mut Connection, name: &str) -> Result<Project, ApiError> {
    let name: Name = edit::argument("project", name)?;
    let found = project_list(conn, Some(name.as_str())).await?.pop();
    Ok(found.ok_or_else(|| no_project(name.as_str()))?)
}

async fn standing(
    conn: &mut Connection,
    project: Project,
    brief: bool,
) -> Result<ProjectStatus, ApiError> {
    let Counts {
        checks,
        webhooks,
        disabled,
        changed,
        ended,
        up,
        down,
        paused,
        muted,
        unknown,
    } = match brief {
        true => Counts::default(),
        false => project_counts(conn, project.id).await?,
    };
    let newest = generation_list(conn, project.id, i64::MAX, 1).await?.pop();
    let settings = project_settings(conn, project.id).await?;
    let conditions = condition_list(conn, &[project.id]).await?.into_iter();
    let suspect = trial_list(conn, Some(project.id)).await?.into_iter();
    let suspect = suspect.filter_map(suspect_now).next_back();
    let suspended = project.suspended.clone();
    let is_alone = project.reconciler.is_none();
    let conditions = conditions.map(|(_, it)| match (&suspended, is_alone) {
        (_, true) => left_alone(it),
        (Some(suspension), false) => stopped(it, suspension, &project.name),
        (None, false) => it,
    });
    let mut conditions: Vec<_> = conditions.map(condition).collect();
    let workers = impaired_of(conn, Some(&project.name)).await?;
    conditions.extend(impaired(&workers));
    conditions.extend(silent(&stale_silent(conn, Some(&project.name)).await?));
    if unknown > 0 {
        let checks = unknown_list(&mut *conn, UnknownOf::Project(&project.name)).await?;
        let cut_off = |it: &UnknownCheck| it.class == ErrorClass::ProberImpaired;
        let notices = unknown_notices(checks.into_iter().filter(|it| !cut_off(it)));
        conditions.extend(of_unknown(&notices));
    }
    let count = |n: i64| i32::try_from(n).unwrap_or(i32::MAX);
    Ok(ProjectStatus {
        operators: settings.operators.iter().map(ToString::to_string).collect(),
        spec: encode_project(&settings),
        max_deletes: settings.limits.deletes,
        max_silence: settings.limits.silence,
        max_changes: settings.limits.changes,
        project: project.name,
        generation: project.generation,
        live_version: project.live_version,
        checks: count(checks),
        webhooks: count(webhooks),
        disabled: count(disabled),
        drifted: count(changed + ended),
        drifted_deleted: count(ended),
        up: count(up),
        down: count(down),
        paused: count(paused),
        muted: count(muted),
        unknown: count(unknown),
        revision: newest
            .as_ref()
            .map(|newest| wire::to_revision(&newest.revision)),
        applied_at: newest.as_ref().map(|newest| timestamp(newest.at)),
        applied_by: newest.map(|newest| newest.actor).unwrap_or_default(),
        max_revision: project.max_revision,
        reconciler: project.reconciler.unwrap_or_default(),
        observed: project.observed,
        approved_by: project.approved_by,
        suspended: project.suspended.map(|suspended| lokahi::Suspension {
            since: Some(timestamp(suspended.since)),
            by: suspended.by,
            reason: suspended.reason,
        }),
        conditions,
        suspect,
    })
}

/// A generation whose checks would tell something that is held.
fn suspect_now(row: TrialRow) -> Option<lokahi::Suspect> {
    let TrialState::Suspect { until } = row.trial.state else {
        return None;
    };
    let count = |n: i64| i32::try_from(n).unwrap_or(i32::MAX);
    Some(lokahi::Suspect {
        generation: row.trial.generation,
        revision: row.revision,
        changed: count(row.trial.changed),
        failed: count(row.trial.failed),
        down: count(row.down),
        since: row.since.map(timestamp),
        until: Some(timestamp(until)),
    })
}

/// Health workers that are cut off, most likely: what they see fail is not believed.
fn impaired(workers: &[Impaired]) -> Option<lokahi::Condition> {
    let messages: Vec<&str> = workers.iter().map(|it| it.message.as_str()).collect();
    Some(lokahi::Condition {
        r#type: "Impaired".to_owned(),
        status: true,
        reason: "WorkerCutOff".to_owned(),
        message: messages.join("\n"),
        since: Some(timestamp(workers.first()?.since)),
        ..lokahi::Condition::default()
    })
}

/// Locations from which no probes come: what is believed of their checks is old.
fn silent(locations: &[Silent]) -> Option<lokahi::Condition> {
    let messages = locations.iter().map(|it| silence(it.checks, &it.location));
    let messages: Vec<String> = messages.collect();
    Some(lokahi::Condition {
        r#type: "Stale".to_owned(),
        status: true,
        reason: "NoProbes".to_owned(),
        message: messages.join("\n"),
        since: Some(timestamp(locations.iter().map(|it| it.since).min()?)),
        ..lokahi::Condition::default()
    })
}

/// Checks of which nothing is known now.
fn of_unknown(notices: &[lokahi::Notice]) -> Option<lokahi::Condition> {
    let messages: Vec<&str> = notices.iter().map(|it| it.message.as_str()).collect();
    let reasons: Vec<&str> = notices.iter().map(|it| it.reason.as_str()).collect();
    (!notices.is_empty()).then(|| lokahi::Condition {
        r#type: "Unknown".to_owned(),
        status: true,
        reason: reasons.join(","),
        message: messages.join("\n"),
        ..lokahi::Condition::default()
    })
}

/// What was said by a reconciler that is not there any more is no word on how things are.
fn left_alone(said: Condition) -> Condition {
    let alone = "NoReconciler".to_owned();
    if said.aspect == Aspect::Reconciling.name() && said.status {
        return Condition {
            status: false,
            reason: alone,
            ..said
        };
    }
    if said.aspect != Aspect::Ready.name() || said.reason == "RootMissing" {
        return said;
    }
    Condition {
        status: false,
        reason: alone,
        message: format!(
            "no lokahid reconciles it now; the last word was {}: {}",
            said.reason, said.message
        ),
        ..said
    }
}

/// What was said before somebody suspended it may not be so any more, and its reconciler has
/// not looked since.
fn stopped(said: Condition, suspension: &Suspension, project: &str) -> Condition {
    if said.aspect != Aspect::Ready.name() || said.reason == "Suspended" {
        return said;
    }
    Condition {
        status: false,
        reason: "Suspended".to_owned(),
        message: suspension.words(project),
        since: suspension.since,
        ..said
    }
}

fn condition(condition: Condition) -> lokahi::Condition {
    lokahi::Condition {
        r#type: condition.aspect,
        status: condition.status,
        reason: condition.reason,
        message: condition.message,
        observed_generation: condition.observed_generation,
        since: Some(timestamp(condition.since)),
        digest: hex(&condition.digest.unwrap_or_default()),
    }
}

/// A project's generations, newest first.
pub(in crate::api) async fn history(
    call: Call,
    asked: HistoryRequest,
) -> Result<HistoryResult, ApiError> {
    let mut conn = call.state.store.acquire().await?;
    let project = find(&mut conn, &asked.project).await?;
    let count = match asked.count {
        0 => DEFAULT_COUNT,
        n if (1..=MOST_COUNT).contains(&n) => n,
        n => {
            let why = format!("{n} is not between 1 and {MOST_COUNT}");
            return Err(TwirpError::argument("count", why).into());
        }
    };
    let before = match asked.before {
        0 => i64::MAX,
        before => before,
    };
    let found = generation_list(&mut conn, project.id, before, count.into()).await?;
    Ok(HistoryResult {
        generations: found.iter().map(generation).collect(),
    })
}

/// A generation as a message.
pub(super) fn generation(generation: &generation::Generation) -> Generation {
    Generation {
        generation: generation.n,
        kind: generation.kind.clone(),
        actor: generation.actor.clone(),
        revision: Some(wire::to_revision(&generation.revision)),
        summary: Some(wire::to_summary(generation.summary)),
        at: Some(timestamp(generation.at)),
    }
}

/// Stops a project's reconciler.
pub(in crate::api) async fn suspend(
    call: Call,
    asked: SuspendRequest,
) -> Result<ProjectStatus, ApiError> {
    let reason = short("reason", asked.reason)?;
    if reason.trim().is_empty() {
        let why = "is needed: whoever finds it suspended wants to know";
        return Err(TwirpError::argument("reason", why).into());
    }
    let mut tx = call.state.store.begin().await?;
    let project = find(&mut tx, &asked.project).await?;
    let by = &call.principal.name;
    let now = clock::now();
    project_suspend(&mut tx, project.id, by, &reason, now).await?;
    let entry = AuditEntry {
        project: &project.name,
        reason: &reason,
        ..call.entry(now, "")
    };
    audit_write(&mut tx, &entry).await?;
    call.commit(tx, "suspend a project").await?;
    told(&call, &asked.project).await
}

/// Lets it go on.
pub(in crate::api) async fn resume(
    call: Call,
    asked: ProjectRequest,
) -> Result<ProjectStatus, ApiError> {
    let mut tx = call.state.store.begin().await?;
    let project = find(&mut tx, &asked.project).await?;
    project_resume(&mut tx, project.id).await?;
    let entry = AuditEntry {
        project: &project.name,
        ..call.entry(clock::now(), "")
    };
    audit_write(&mut tx, &entry).await?;
    call.commit(tx, "resume a project").await?;
    told(&call, &asked.project).await
}

/// Lets it do what it holds.
pub(in crate::api) async fn approve(
    call: Call,
    asked: ApproveRequest,
) -> Result<ProjectStatus, ApiError> {
    let name: Name = edit::argument("project", &asked.project)?;
    call.needs(&Scope::Apply(name)).await?;
    let mut tx = call.state.store.begin().await?;
    let project = find(&mut tx, &asked.project).await?;
    let conditions = condition_list(&mut tx, &[project.id]).await?;
    let mut held = conditions.into_iter().map(|(_, condition)| condition);
    let held = held.find(|condition| condition.aspect == Aspect::Held.name() && condition.status);
    if let Some(held) = &held
        && let Some(only) = held.reason.split(',').find(|name| !can_be_approved(name))
    {
        let text = format!(
            "nobody can approve {only}: see `lokahictl status {}`",
            project.name
        );
        return Err(TwirpError::new(Code::FailedPrecondition, text).into());
    }
    let suspect = match asked.suspect {
        0 if held.is_none() && asked.digest.is_empty() => {
            let all = trial_list(&mut tx, Some(project.id)).await?.into_iter();
            all.filter_map(suspect_now)
                .next_back()
                .map(|it| it.generation)
        }
        0 => None,
        generation => Some(generation),
    };
    if let Some(generation) = suspect {
        return release(call, tx, &project, generation).await;
    }
    let digest = held.and_then(|condition| condition.digest);
    let Some(digest) = digest else {
        let name = &project.name;
        let text = match project.suspended {
            None => format!("nothing of {name} is held"),
            Some(_) => format!(
                "{name} is suspended, and nothing of it is held meanwhile; after lokahictl resume \
                 {name} its files are looked at again"
            ),
        };
        return Err(TwirpError::new(Code::FailedPrecondition, text).into());
    };
    if !asked.digest.is_empty() && asked.digest.to_lowercase() != hex(&digest) {
        let text = "something else is held by now; look at it again";
        return Err(TwirpError::new(Code::Aborted, text).into());
    }
    project_approve(&mut tx, project.id, &digest, &call.principal.name).await?;
    let entry = AuditEntry {
        project: &project.name,
        after: digest.try_into().ok().map(Digest),
        forced: true,
        ..call.entry(clock::now(), "what is held")
    };
    audit_write(&mut tx, &entry).await?;
    call.commit(tx, "approve what is held").await?;
    told(&call, &asked.project).await
}

/// Lets the checks of a suspect generation tell what they have to.
async fn release(
    call: Call,
    mut tx: Transaction,
    project: &Project,
    generation: i64,
) -> Result<ProjectStatus, ApiError> {
    let (by, now) = (&call.principal.name, clock::now());
    if !trial_release(&mut tx, project.id, generation, by, now).await? {
        let text = format!("generation {generation} of {} is not suspect", project.name);
        return Err(TwirpError::new(Code::FailedPrecondition, text).into());
    }
    let subject = format!("what the checks of generation {generation} tell");
    let entry = AuditEntry {
        project: &project.name,
        ..call.entry(now, &subject)
    };
    audit_write(&mut tx, &entry).await?;
    call.commit(tx, "let go what is held").await?;
    let mut conn = call.state.store.acquire().await?;
    let project = find(&mut conn, &project.name).await?;
    standing(&mut conn, project, false).await
}

/// Makes it look now.
pub(in crate::api) async fn reconcile(
    call: Call,
    asked: ProjectRequest,
) -> Result<ProjectStatus, ApiError> {
    let mut project = find(&mut *call.state.store.acquire().await?, &asked.project).await?;
    call.state.wake_reconcilers().await;
    // One whose root was away is taken again by the round that this begins.
    for _look in 0..TAKEN_LOOKS {
        if project.reconciler.is_some() {
            break;
        }
        tokio::time::sleep(TAKEN_LOOK).await;
        project = find(&mut *call.state.store.acquire().await?, &asked.project).await?;
    }
    if project.reconciler.is_none() {
        let text = format!(
            "no lokahid reconciles {}: CHECKS_DIR or CHECKS_GIT make one do that",
            project.name
        );
        return Err(TwirpError::new(Code::FailedPrecondition, text).into());
    }
    let mut conn = call.state.store.acquire().await?;
    standing(&mut conn, project, false).await
}

/// Wakes the reconciler, and says how the project stands.
async fn told(call: &Call, name: &str) -> Result<ProjectStatus, ApiError> {
    call.state.wake_reconcilers().await;
    let mut conn = call.state.store.acquire().await?;
    let project = find(&mut conn, name).await?;
    standing(&mut conn, project, false).await
}
