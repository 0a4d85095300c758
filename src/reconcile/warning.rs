//! What a plan warns of beside what it does: who is there already under another name, what is
//! not known, and what nobody serves.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::error::ApplyError;
use super::propose::Wish;
use super::unbound::unbound;
use crate::model::change::{Action, Kind};
use crate::model::desired::{Ancestry, Revision};
use crate::model::quoted::shell;
use crate::plan::Plan;
use crate::plan::names::Names;
use crate::plan::state::Specs;
use crate::plan::text::moment;
use crate::spec::Digest;
use crate::store::Connection;
use crate::store::delivery::delivery_waiting;
use crate::store::generation::GenerationKind;
use crate::store::location::location_strangers;
use crate::store::project::Project;
use crate::store::tombstone::{
    api_checks_beside, api_names_taken, checks_adopted, checks_restored,
};
use crate::store::twin::{Twin, project_twins};

/// All of them.
pub(super) async fn warnings(
    conn: &mut Connection,
    wish: &Wish,
    plan: &Plan,
    specs: &Specs,
    project: &Project,
) -> Result<Vec<String>, ApplyError> {
    let mut all = unnamed(conn, plan).await?;
    all.extend(beside(conn, plan, project).await?);
    all.extend(unserved(conn, wish, plan, specs).await?);
    all.extend(given_up(conn, plan).await?);
    if wish.kind == GenerationKind::Rollback {
        all.extend(of_rollback(conn, plan, project).await?);
    }
    if !wish.is_from_files() {
        return Ok(all);
    }
    all.extend(unbound(conn, wish, plan, specs).await?);
    all.extend(restored(conn, plan, project).await?);
    if project.generation == 0 {
        all.extend(twins(conn, wish).await?);
    }
    let unknown = wish.revision.ancestry == Ancestry::Unknown;
    if unknown && !project.max_revision.is_empty() {
        let warning = "whether this commit is newer than what was applied before is not known: \
                       there is no git history here, or only the end of it, or it is another repository's";
        all.push(warning.to_owned());
    }
    // A reconciler goes where its branch goes.
    let aside = wish.revision.ancestry == Ancestry::Diverged && !plan.is_empty();
    if aside && wish.kind == GenerationKind::Apply {
        let short: String = project.max_revision.chars().take(10).collect();
        all.push(format!(
            "{short}, which was applied before, is not in the history of this commit: what it \
             declares and this commit does not is undone. Merge it first, unless that is meant"
        ));
    }
    Ok(all)
}

/// What waits for receivers that end.
async fn given_up(conn: &mut Connection, plan: &Plan) -> Result<Vec<String>, ApplyError> {
    let ended = plan.changes.iter().filter(|change| {
        change.kind == Kind::Webhook && change.action == Action::Delete && !change.is_of_the_gone()
    });
    let ended: Vec<Uuid> = ended.filter_map(|change| change.id).collect();
    if ended.is_empty() {
        return Ok(Vec::new());
    }
    let waiting = delivery_waiting(conn, &ended).await?;
    let warnings = waiting.into_iter().map(|(name, many)| {
        let (wait, are) = match many {
            1 => ("1 event waits".to_owned(), "is"),
            many => (format!("{many} events wait"), "are"),
        };
        format!(
            "{wait} for webhook.{name}, and {are} given up with it; one that only gets another name \
             takes them along: moved {{ from = webhook.{name}, to = webhook.NEW }}, each on a line \
             of its own"
        )
    });
    Ok(warnings.collect())
}

/// The checks that end.
fn ended(plan: &Plan) -> Vec<Uuid> {
    let ended = plan.changes.iter().filter(|change| {
        change.kind == Kind::Check && change.action == Action::Delete && !change.is_of_the_gone()
    });
    ended.filter_map(|change| change.id).collect()
}

/// What somebody brought back, and is in no file.
async fn restored(
    conn: &mut Connection,
    plan: &Plan,
    project: &Project,
) -> Result<Vec<String>, ApplyError> {
    let ended = ended(plan);
    if ended.is_empty() {
        return Ok(Vec::new());
    }
    let restored = checks_restored(conn, project.id, &ended).await?;
    let Some((_, by, at)) = restored.last() else {
        return Ok(Vec::new());
    };
    let mut names = Names::default();
    restored
        .iter()
        .for_each(|(name, ..)| names.push(&format!("check.{name}")));
    Ok(vec![format!(
        "{by} brought {names} back at {}, and this deletes {} again: lokahictl export --owner {} \
         prints what to declare, if it is to stay",
        moment(*at),
        it_or_them(restored.len()),
        project.name,
    )])
}

/// What a rollback does beside its changes.
async fn of_rollback(
    conn: &mut Connection,
    plan: &Plan,
    project: &Project,
) -> Result<Vec<String>, ApplyError> {
    let mut all = Vec::new();
    if plan.is_empty() {
        return Ok(all);
    }
    if let Some(owner) = project.undone_by() {
        all.push(format!(
            "this suspends the reconciler of {owner}, or its next round would undo it; it goes on \
             with lokahictl resume {}",
            project.name
        ));
    }
    let ended = ended(plan);
    if ended.is_empty() {
        return Ok(all);
    }
    let adopted = checks_adopted(conn, project.id, &ended).await?;
    if let Some(first) = adopted.first() {
        let mut names = Names::default();
        adopted
            .iter()
            .for_each(|name| names.push(&format!("check.{name}")));
        all.push(format!(
            "the API had {names} before this project adopted {}, and this deletes {}. To give back \
             what is the API's instead: first apply files without its block, and with removed {{ \
             from = check.{first}, action = \"release\" }}, each on a line of its own",
            it_or_them(adopted.len()),
            it_or_them(adopted.len()),
        ));
    }
    Ok(all)
}

fn it_or_them(n: usize) -> &'static str {
    if n == 1 { "it" } else { "them" }
}

/// Live projects whose checks a new one declares once more: most likely its older names.
async fn twins(conn: &mut Connection, wish: &Wish) -> Result<Vec<String>, ApplyError> {
    let Revision {
        remote, path, sha, ..
    } = &wish.revision;
    if sha.is_empty() {
        // Nobody knows whether two folders outside of repositories are one.
        return Ok(Vec::new());
    }
    let from = match remote.as_str() {
        "" => "a folder of the same path, of a repository without a remote, too",
        _ => "the same folder of this repository",
    };
    let name = wish.wanted.project.as_str();
    let checks = wish.wanted.checks.iter();
    let checks: Vec<(&str, Digest)> = checks.map(|(a, d)| (a.as_str(), d.spec)).collect();
    let found = project_twins(conn, name, (remote, path), &checks).await?;
    let say = |Twin {
                   name: old,
                   checks,
                   same,
               }: Twin| {
        format!(
            "the project {old} comes from {from}, and {same} of its {checks} checks are \
             declared here as they are: both projects will probe them and tell of them. If {old} \
             became {name}: keep the name {old} in the files, and everything keeps its history; or \
             end {old} after this by applying a folder that declares nothing but project = {old:?}, \
             with --allow-empty --accept-source-change"
        )
    };
    Ok(found.into_iter().map(say).collect())
}

/// Which of the released checks lose their names to others of the API.
async fn unnamed(conn: &mut Connection, plan: &Plan) -> Result<Vec<String>, ApplyError> {
    let changes = plan.changes.iter();
    let released = changes.filter(|change| change.action == Action::Release);
    let ids: BTreeMap<String, Uuid> = released
        .filter_map(|change| Some((change.address.clone(), change.id?)))
        .collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let names: Vec<String> = ids.keys().cloned().collect();
    let taken = api_names_taken(conn, &names).await?;
    let say = |name: String| {
        let id = ids.get(&name)?;
        Some(format!(
            "the API has another check {name:?}: check.{name} is called by its id there, {id}; \
             give it another name first if it needs one"
        ))
    };
    Ok(taken.into_iter().filter_map(say).collect())
}

/// Locations of what changes from which no report has ever come: most likely misspelt.
async fn unserved(
    conn: &mut Connection,
    wish: &Wish,
    plan: &Plan,
    specs: &Specs,
) -> Result<Vec<String>, ApplyError> {
    let mut by: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let kept = plan.changes.iter().filter(|change| change.action.keeps());
    for change in kept.filter(|change| change.kind == Kind::Check) {
        let declared = wish.wanted.checks.get(&change.address);
        let spec = declared.and_then(|declared| specs.checks.get(&declared.spec));
        for location in spec.iter().flat_map(|spec| &spec.locations) {
            by.entry(location.as_str())
                .or_default()
                .push(&change.address);
        }
    }
    if by.is_empty() {
        return Ok(Vec::new());
    }
    let names: Vec<String> = by.keys().map(ToString::to_string).collect();
    let strangers = location_strangers(conn, &names).await?;
    let say = |name: String| {
        let checks = by.get(name.as_str())?;
        let first = checks.first()?;
        let who = match checks.len() {
            1 => format!("check.{first} is"),
            n => format!("check.{first} and {} more are", n - 1),
        };
        Some(format!(
            "no health worker has ever reported from the location {name:?}: until one runs with \
             LOCATION={name}, {who} not probed from there"
        ))
    };
    Ok(strangers.into_iter().filter_map(say).collect())
}

/// Which of the checks that are made the API seems to have already: what was released once and
/// is declared again, most likely.
async fn beside(
    conn: &mut Connection,
    plan: &Plan,
    project: &Project,
) -> Result<Vec<String>, ApplyError> {
    let made = plan.changes.iter().filter(|change| {
        change.kind == Kind::Check && matches!(change.action, Action::Create | Action::Revive)
    });
    let made: Vec<String> = made.map(|change| change.address.clone()).collect();
    if made.is_empty() {
        return Ok(Vec::new());
    }
    let found = api_checks_beside(conn, project.id, &made).await?;
    let Some((first, id)) = found.first() else {
        return Ok(Vec::new());
    };
    let mut names = Names::default();
    found
        .iter()
        .for_each(|(name, _)| names.push(&format!("check.{name}")));
    Ok(vec![format!(
        "the API has {names} already, by that name or since it was released, and this makes another \
         one beside it. To have it with its history instead: lokahictl adopt {} --path FOLDER, or an import block, \
         id = \"{id}\" and to = check.{first}{}",
        shell(&format!("{first}={id}")),
        if found.len() == 1 { "" } else { "; and so on" }
    )])
}
