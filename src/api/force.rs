//! What a file declares is changed in the file. Who must go past it says so: it is audited, and
//! the next plan shows it as drift.

use time::OffsetDateTime;

use super::Call;
use super::error::ApiError;
use super::permit::apply_to;
use crate::manifest::report::path_below;
use crate::model::change::Drift;
use crate::model::check::CheckSpec;
use crate::model::desired::SourceLine;
use crate::model::id::{CheckId, ReceiverId};
use crate::model::ownership::Owner;
use crate::proto::twirp::{Code, TwirpError};
use crate::store::Connection;
use crate::store::check::StoredCheck;
use crate::store::project::{
    ProjectId, project_find, project_forced, project_list, project_lock_of, project_receivers,
    project_source,
};

/// The longest reason, in bytes.
const LONGEST_REASON: usize = 1024;

/// Refuses to change a check by whoever may not: one that files declare is changed by force and
/// with the scope to apply its project, one of the API's own with the scope of that. The reason
/// comes with the name of its argument.
pub(super) async fn allowed(
    call: &Call,
    conn: &mut Connection,
    check: &StoredCheck,
    force: bool,
    (argument, reason): (&str, &str),
) -> Result<(), ApiError> {
    let needed = apply_to(&check.project);
    if check.owner == Owner::Api {
        return call.needs(&needed).await;
    }
    if !force {
        let (place, generation) = project_source(conn, check.id).await?.unwrap_or_default();
        let found = project_list(conn, Some(&check.project)).await?.pop();
        let from = found.and_then(|project| project.source);
        return Err(declared(check, place, generation, from).into());
    }
    reason_fits(argument, reason)?;
    if reason.trim().is_empty() {
        let why = "is needed: whoever finds it changed wants to know";
        return Err(TwirpError::argument(argument, why).into());
    }
    call.needs(&needed).await
}

/// Refuses a reason that cannot be kept.
pub(super) fn reason_fits(argument: &str, reason: &str) -> Result<(), TwirpError> {
    if reason.len() > LONGEST_REASON || reason.contains('\0') {
        let why = format!("is longer than {LONGEST_REASON} bytes, or has a NUL");
        return Err(TwirpError::argument(argument, why));
    }
    Ok(())
}

/// Refuses to delete a check past its files where these protect it: what must not go by
/// accident is not for a call either, and there is another way to have it quiet.
pub(super) async fn unprotected(
    conn: &mut Connection,
    check: &StoredCheck,
) -> Result<(), ApiError> {
    if check.owner == Owner::Api || !check.spec.prevent_destroy {
        return Ok(());
    }
    let (SourceLine { file, line }, _) = project_source(conn, check.id).await?.unwrap_or_default();
    let (project, address) = (&check.project, &check.address);
    let text = format!(
        "the check {address} has prevent_destroy, and is not deleted by force either; to have it \
         quiet now: lokahictl put {} --disable --force --reason WHY; to have it gone: declare \
         prevent_destroy = false at {file}:{line} of the project {project}, apply that, and delete \
         it then",
        check.id
    );
    let error = TwirpError::new(Code::FailedPrecondition, text)
        .with("reason", "prevent_destroy")
        .with("project", project)
        .with("address", address)
        .with("file", file)
        .with("line", line.to_string());
    Err(error.into())
}

/// Orders a forced change with applies: before anything of the check is locked.
pub(super) async fn order(conn: &mut Connection, id: CheckId, force: bool) -> Result<(), ApiError> {
    match force {
        true => Ok(project_lock_of(conn, id).await?),
        false => Ok(()),
    }
}

/// Notes a forced change, and by whom.
pub(super) async fn note(
    call: &Call,
    conn: &mut Connection,
    check: &StoredCheck,
    reason: &str,
    now: OffsetDateTime,
) -> Result<(), ApiError> {
    let drift = Drift {
        by: call.principal.name.clone(),
        at: now,
        reason: reason.to_owned(),
    };
    Ok(project_forced(conn, &check.project, check.id, &drift).await?)
}

/// The project of a check.
pub(super) async fn project(
    conn: &mut Connection,
    check: &StoredCheck,
) -> Result<ProjectId, ApiError> {
    let found = project_find(conn, &check.project).await?;
    found.ok_or(ApiError::SpecLost)
}

/// The declared receivers that a check names.
pub(super) async fn declared_receivers(
    conn: &mut Connection,
    project: ProjectId,
    spec: &CheckSpec,
) -> Result<Vec<ReceiverId>, ApiError> {
    if spec.receivers.is_empty() {
        return Ok(Vec::new());
    }
    let all = project_receivers(conn, project).await?.into_iter();
    let named = all.filter(|row| {
        spec.receivers
            .iter()
            .any(|name| name.as_str() == row.address)
    });
    Ok(named.map(|row| ReceiverId(row.id)).collect())
}

/// Where it is declared, `from` a repository and a folder in it, and what to do.
fn declared(
    check: &StoredCheck,
    SourceLine { file, line }: SourceLine,
    generation: i64,
    from: Option<(String, String)>,
) -> TwirpError {
    let (remote, folder) = from.unwrap_or_default();
    let path = path_below(&folder, &file);
    let of = match remote.as_str() {
        "" => String::new(),
        remote => format!(" ({remote})"),
    };
    let text = format!(
        "the check {} is declared in {path}:{line} of the project {}{of}; edit it there and \
         apply, or go past the files with force and a reason (lokahictl: --force --reason WHY)",
        check.address, check.project
    );
    TwirpError::new(Code::FailedPrecondition, text)
        .with("reason", "declared")
        .with("project", &check.project)
        .with("address", &check.address)
        .with("file", file)
        .with("path", path)
        .with("line", line.to_string())
        .with("generation", generation.to_string())
}
