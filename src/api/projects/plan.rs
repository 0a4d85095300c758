//! Plans, and applying one by its token.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use prost::Message as _;
use uuid::Uuid;

use super::super::error::ApiError;
use super::super::notices::{cut_off_notices, silent_notices, unknown_notices};
use super::super::permit::apply_to;
use super::super::{Call, edit};
use super::refused;
use super::standing::generation;
use super::wish::{allowances, wish};
use crate::clock;
use crate::files::git::without_credentials;
use crate::model::change::{Change, Summary};
use crate::model::desired::API_PROJECT;
use crate::model::name::Name;
use crate::model::observation::ErrorClass;
use crate::model::scope::Scope;
use crate::plan::Plan;
use crate::plan::guard::{Allow, Guard};
use crate::plan::text;
use crate::plan::wire;
use crate::proto::lokahi::{
    ApplyRequest, ApplyResult, Move, PlanPageRequest, PlanPageResult, PlanRequest, PlanResult,
    ProgressRequest, ProgressResult,
};
use crate::proto::twirp::{Code, TwirpError};
use crate::reconcile::apply::{self, Applied, Condition};
use crate::reconcile::error::ApplyError;
use crate::reconcile::propose::{Proposal, propose};
use crate::spec::Digest;
use crate::store::Connection;
use crate::store::audit::{AuditEntry, audit_write};
use crate::store::generation::generation_list;
use crate::store::plan::{NewPlan, StoredPlan, plan_applied, plan_create, plan_find, plan_page};
use crate::store::project::{Project, project_list};
use crate::store::shard::generation_progress;
use crate::store::unknown::{UnknownCheck, UnknownOf, unknown_list};

/// The most bytes of changes on one page.
const PAGE: usize = 1024 * 1024;
const NO_PLAN: &str = "there is no such plan; plans are kept for seven days";

/// Makes a plan and keeps it.
pub(in crate::api) async fn plan(
    call: Call,
    mut asked: PlanRequest,
) -> Result<PlanResult, ApiError> {
    let name: Name = edit::argument("project", &asked.project)?;
    if let Some(revision) = &mut asked.revision {
        // The request is kept for its apply.
        revision.remote = without_credentials(&revision.remote);
        revision.ci_url = without_credentials(&revision.ci_url);
    }
    let request = asked.encode_to_vec();
    let now = clock::now();
    let mut tx = call.state.store.begin().await?;
    let wish = wish(&mut tx, &call, &call.principal.name, asked).await?;
    let found = project_list(&mut tx, Some(name.as_str())).await?.pop();
    let project = found.unwrap_or_else(|| Project::new(name.as_str()));
    let proposal = propose(&mut tx, &wish, project, now).await;
    drop(wish);
    let mut shown = Shown::of(proposal.map_err(refused)?);
    let (first, more) = pages(std::mem::take(&mut shown.plan.changes));
    let all = [vec![first.encode_to_vec()], more].concat();
    let result = result(name.as_str(), &shown, first, all.len());
    let new = NewPlan {
        token: &result.token,
        project: name.as_str(),
        principal: &call.principal.name,
        request: &request,
        generation: shown.project.generation,
        live_version: shown.project.live_version,
        digest: &shown.digest.0,
        pages: &all,
        at: now,
    };
    plan_create(&mut tx, &new).await?;
    call.commit(tx, "keep a plan").await?;
    Ok(result)
}

/// What a plan shows: of 50,000 checks the rest of a proposal is 100 MB.
struct Shown {
    project: Project,
    summary: Summary,
    plan: Plan,
    guards: Vec<Guard>,
    places: usize,
    digest: Digest,
}

impl Shown {
    fn of(proposal: Proposal) -> Self {
        Self {
            summary: proposal.plan.summary(),
            project: proposal.project,
            plan: proposal.plan,
            guards: proposal.guards,
            places: proposal.places.len(),
            digest: proposal.digest,
        }
    }
}

fn result(project: &str, shown: &Shown, first: PlanPageResult, pages: usize) -> PlanResult {
    let plan = &shown.plan;
    let suggestion = |(from, to): &(String, String)| Move {
        from: from.clone(),
        to: to.clone(),
        ..Move::default()
    };
    PlanResult {
        token: token(),
        project: project.to_owned(),
        generation: shown.project.generation,
        live_version: shown.project.live_version,
        digest: shown.digest.0.to_vec(),
        summary: Some(wire::to_summary(shown.summary)),
        changes: first.changes,
        pages: i32::try_from(pages).unwrap_or(i32::MAX),
        guards: shown.guards.iter().map(wire::to_guard).collect(),
        routing: plan.routing.iter().map(wire::to_routing).collect(),
        suggestions: plan.suggestions.iter().map(suggestion).collect(),
        warnings: plan.warnings.clone(),
        silent: i32::try_from(plan.weight.silent.len()).unwrap_or(i32::MAX),
        places: i32::try_from(shown.places).unwrap_or(i32::MAX),
    }
}

/// Nobody guesses one: it lets whoever may apply do what it stands for.
fn token() -> String {
    let (one, other) = (Uuid::new_v4(), Uuid::new_v4());
    URL_SAFE_NO_PAD.encode([one.into_bytes(), other.into_bytes()].concat())
}

/// Changes in messages of a bounded size: the first, and the encoded ones that follow it.
fn pages(changes: Vec<Change>) -> (PlanPageResult, Vec<Vec<u8>>) {
    let (mut first, mut more) = (None, Vec::new());
    let mut page = PlanPageResult::default();
    let mut size = 0;
    let mut turn = |page: &mut PlanPageResult| {
        let page = std::mem::take(page);
        match first {
            None => first = Some(page),
            Some(_) => more.push(page.encode_to_vec()),
        }
    };
    for change in changes {
        let change = wire::to_change(&change);
        let length = change.encoded_len() + 8;
        if size + length > PAGE && size > 0 {
            turn(&mut page);
            size = 0;
        }
        size += length;
        page.changes.push(change);
    }
    turn(&mut page);
    (first.unwrap_or_default(), more)
}

/// A further page of a plan.
pub(in crate::api) async fn page(
    call: Call,
    asked: PlanPageRequest,
) -> Result<PlanPageResult, ApiError> {
    let mut conn = call.state.store.acquire().await?;
    if asked.page == 0 {
        return since(&mut conn, &asked.token).await;
    }
    let found = plan_page(&mut conn, &asked.token, asked.page).await?;
    let bytes = found.ok_or_else(|| unknown("the plan has no such page"))?;
    Ok(PlanPageResult::decode(&bytes[..])?)
}

/// The first page of a plan, and what became of it.
async fn since(conn: &mut Connection, token: &str) -> Result<PlanPageResult, ApiError> {
    let found = plan_find(conn, token).await?;
    let stored = found.ok_or_else(|| unknown(NO_PLAN))?;
    let first = plan_page(conn, token, 0).await?.unwrap_or_default();
    let mut page = PlanPageResult::decode(&first[..])?;
    if let Some(result) = stored.result {
        let n = ApplyResult::decode(&result[..])?.generation;
        if let Some(project) = project_list(conn, Some(&stored.project)).await?.pop() {
            let made = generation_list(conn, project.id, n.saturating_add(1), 1).await?;
            page.applied = made.first().map(generation);
        }
    }
    Ok(page)
}

/// Does what a plan showed.
pub(in crate::api) async fn apply(
    call: Call,
    asked: ApplyRequest,
) -> Result<ApplyResult, ApiError> {
    let mut tx = call.state.store.begin().await?;
    let found = plan_find(&mut tx, &asked.token).await?;
    let stored = found.ok_or_else(|| unknown(NO_PLAN))?;
    let name: Name = edit::argument("project", &stored.project)?;
    call.needs(&Scope::Apply(name)).await?;
    if let Some(result) = &stored.result {
        return Ok(ApplyResult::decode(&result[..])?);
    }
    let request = PlanRequest::decode(&stored.request[..])?;
    let revision = request.revision.clone();
    let mut wish = wish(&mut tx, &call, &stored.principal, request).await?;
    drop(tx);
    wish.allow = allowances(asked.allow.unwrap_or_default())?.or(wish.allow);
    let condition = Condition {
        shown: shown(&stored),
        leaves_the_api: !call.principal.scopes.allow(&apply_to(API_PROJECT)),
        ..Condition::default()
    };
    let done = answer(&stored.project);
    let store = &call.state.store;
    let token = &asked.token;
    let forced = wish.allow != Allow::default();
    let seal = async |conn: &mut Connection, applied: &Applied| {
        let subject = format!(
            "{}, generation {}: {}",
            wish.kind.name(),
            applied.generation,
            text::summary(applied.plan.summary())
        );
        let entry = AuditEntry {
            project: &stored.project,
            after: shown(&stored).map(|(digest, _)| digest),
            forced,
            reason: &wish.revision.sha,
            ..call.entry(clock::now(), &subject)
        };
        audit_write(conn, &entry).await?;
        plan_applied(conn, token, &done(applied).encode_to_vec()).await
    };
    let applied = apply::apply(store, &wish, &condition, clock::now(), seal).await;
    let applied = match applied {
        Ok(applied) => applied,
        Err(ApplyError::OfTheApi) => {
            call.needs(&apply_to(API_PROJECT)).await?;
            return Err(refused(ApplyError::OfTheApi));
        }
        Err(error) => {
            // The same token, meanwhile applied by a call that was thought lost.
            let mut conn = store.acquire().await?;
            let found = plan_find(&mut conn, &asked.token).await?;
            if let Some(result) = found.and_then(|plan| plan.result) {
                return Ok(ApplyResult::decode(&result[..])?);
            }
            return Err(refused(error));
        }
    };
    if !applied.plan.is_empty() {
        call.state.announce().await;
        // One that observes, or whose files declare what was restored, says so.
        call.state.wake_reconcilers().await;
        let sha = revision.map(|revision| revision.sha).unwrap_or_default();
        let (project, generation) = (&stored.project, applied.generation);
        tracing::info!(%project, generation, %sha, by = %call.principal.name, "applied");
    }
    Ok(done(&applied))
}

fn shown(stored: &StoredPlan) -> Option<(Digest, i64)> {
    let digest = stored.digest.clone().try_into().ok()?;
    Some((Digest(digest), stored.generation))
}

fn answer(project: &str) -> impl Fn(&Applied) -> ApplyResult {
    let project = project.to_owned();
    move |applied| ApplyResult {
        project: project.clone(),
        generation: applied.generation,
        summary: Some(wire::to_summary(applied.plan.summary())),
        suspended: applied.suspended,
    }
}

/// How far the schedulers are.
pub(in crate::api) async fn progress(
    call: Call,
    asked: ProgressRequest,
) -> Result<ProgressResult, ApiError> {
    let mut conn = call.state.store.acquire().await?;
    let found = generation_progress(&mut conn, &asked.project, asked.generation).await?;
    let progress = found.ok_or_else(|| unknown("there is no such generation"))?;
    let of = UnknownOf::Of(&asked.project, asked.generation);
    let unknown = unknown_list(&mut conn, of).await?;
    let many = i32::try_from(unknown.len()).unwrap_or(i32::MAX);
    let project = Some(asked.project.as_str());
    let mut notices = cut_off_notices(&mut conn, project).await?;
    let is_cut_off = !notices.is_empty();
    // Of these the one above tells, once it does.
    let is_told = |it: &UnknownCheck| is_cut_off && it.class == ErrorClass::ProberImpaired;
    notices.extend(unknown_notices(
        unknown.into_iter().filter(|it| !is_told(it)),
    ));
    if many == 0 {
        notices.clear();
    }
    notices.extend(silent_notices(&mut conn, project).await?);
    Ok(ProgressResult {
        unknown: many,
        notices,
        scheduled: progress.scheduled,
        unprobed: i32::try_from(progress.unprobed).unwrap_or(i32::MAX),
        changed: i32::try_from(progress.changed).unwrap_or(i32::MAX),
    })
}

fn unknown(why: &str) -> TwirpError {
    TwirpError::new(Code::NotFound, why)
}
