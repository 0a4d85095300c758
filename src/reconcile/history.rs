//! Wishes that come from a project's own past: an earlier generation again, and what was
//! deleted.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use super::error::{ApplyError, NameLives};
use super::propose::Wish;
use crate::clock;
use crate::model::change::Kind;
use crate::model::desired::{Declared, Move, ProjectSpec, Removal, SourceLine};
use crate::plan::RESTORABLE;
use crate::spec::{Digest, encode_project};
use crate::store::Connection;
use crate::store::generation::{Member, generation_members};
use crate::store::project::{
    Project, ProjectId, project_checks, project_ended, project_list, project_receivers,
};
use crate::store::spec::spec_put;
use crate::store::tombstone::{api_checks_lock, tombstone_find};

/// Makes a wish for what the project was at generation `n`. What has another name by now is
/// found by its id.
pub async fn roll_back(conn: &mut Connection, wish: &mut Wish, n: i64) -> Result<(), ApplyError> {
    let project = find(conn, wish).await?;
    if n < 1 || n > project.generation {
        return Err(ApplyError::NoGeneration {
            project: project.name,
            n,
        });
    }
    let now = now_called(conn, project.id).await?;
    let members = generation_members(conn, project.id, n).await?;
    let back: HashSet<(Kind, Uuid)> = members
        .iter()
        .filter_map(|member| Some((member.kind, member.object?)))
        .collect();
    let now_at: HashMap<(Kind, &str), Uuid> = now
        .iter()
        .map(|((kind, id), address)| ((*kind, address.as_str()), *id))
        .collect();
    let released = released_since(conn, &members, &now).await?;
    for member in members {
        let source = member.source;
        let spec = member.digest;
        let declared = Declared { spec, source };
        let all = match member.kind {
            Kind::Project => {
                wish.wanted.project_spec = Some(spec);
                continue;
            }
            Kind::Check => &mut wish.wanted.checks,
            Kind::Webhook => &mut wish.wanted.webhooks,
        };
        let name = |address: &str| format!("{}.{address}", member.kind.name());
        let called = member.object.and_then(|id| now.get(&(member.kind, id)));
        if let Some(called) = called.filter(|called| **called != member.address) {
            wish.wanted.moves.push(Declared {
                spec: Move::Moved {
                    from: name(called),
                    to: name(&member.address),
                },
                source: SourceLine::default(),
            });
            // Whoever has taken its name since goes.
            let here = now_at.get(&(member.kind, member.address.as_str()));
            if here.is_some_and(|id| !back.contains(&(member.kind, *id))) {
                let from = name(&member.address);
                let action = Removal::Delete;
                wish.wanted.moves.push(Declared {
                    spec: Move::Removed { from, action },
                    source: SourceLine::default(),
                });
            }
        }
        if member.object.is_some_and(|id| released.contains(&id)) {
            let id = member.object.unwrap_or_default().to_string();
            let to = name(&member.address);
            wish.wanted.moves.push(Declared {
                spec: Move::Import { id, to },
                source: SourceLine::default(),
            });
        }
        all.insert(member.address, declared);
    }
    if wish.wanted.project_spec.is_none() {
        let nothing = encode_project(&ProjectSpec::default());
        wish.wanted.project_spec = Some(Digest::of(&nothing));
        spec_put(conn, &[nothing]).await?;
    }
    Ok(())
}

/// Which of the checks the API has by now: there is one of each, and it comes back.
async fn released_since(
    conn: &mut Connection,
    members: &[Member],
    now: &HashMap<(Kind, Uuid), String>,
) -> Result<HashSet<Uuid>, ApplyError> {
    let checks = members.iter().filter(|member| member.kind == Kind::Check);
    let away = checks.filter_map(|member| {
        let id = member.object?;
        (!now.contains_key(&(Kind::Check, id))).then(|| id.to_string())
    });
    let found = api_checks_lock(conn, &away.collect::<Vec<_>>()).await?;
    Ok(found.into_iter().map(|(_, id, _)| id).collect())
}

/// What every live object is called.
async fn now_called(
    conn: &mut Connection,
    project: ProjectId,
) -> Result<HashMap<(Kind, Uuid), String>, ApplyError> {
    let checks = project_checks(conn, project).await?.into_iter();
    let checks = checks.map(|row| ((Kind::Check, row.id), row.address));
    let receivers = project_receivers(conn, project).await?.into_iter();
    let receivers = receivers.map(|row| ((Kind::Webhook, row.id), row.address));
    Ok(checks.chain(receivers).collect())
}

/// Makes a wish for what is live and these deleted objects, `check.NAME` or `webhook.NAME`,
/// each under another name where one is given. Whoever asks has looked at the names.
pub async fn restore(
    conn: &mut Connection,
    wish: &mut Wish,
    restored: &[(String, String)],
) -> Result<(), ApplyError> {
    let project = find(conn, wish).await?;
    let since = clock::now() - RESTORABLE;
    let mut live: HashMap<(Kind, String), (Uuid, SourceLine)> = HashMap::new();
    for row in project_receivers(conn, project.id).await? {
        let (spec, source) = (row.live, row.source.clone());
        let declared = Declared { spec, source };
        wish.wanted.webhooks.insert(row.address.clone(), declared);
        live.insert((Kind::Webhook, row.address), (row.id, row.source));
    }
    for row in project_checks(conn, project.id).await? {
        live.insert((Kind::Check, row.address), (row.id, row.source));
    }
    let ended = project_ended(conn, project.id).await?.into_iter();
    // What was deleted past the files stands where it stood.
    let mut places: HashMap<Uuid, SourceLine> = ended.map(|row| (row.id, row.source)).collect();
    for (reference, to) in restored {
        let (kind, address) = match reference.split_once('.') {
            Some(("webhook", address)) => (Kind::Webhook, address),
            Some(("check", address)) => (Kind::Check, address),
            _ => (Kind::Check, reference.as_str()),
        };
        let shown = format!("{}.{address}", kind.name());
        let to = match to.as_str() {
            "" => address,
            to => to.strip_prefix("check.").unwrap_or(to),
        };
        let asked = [address.to_owned()];
        let found = tombstone_find(conn, project.id, kind, &asked, since).await?;
        let at = |name: &str| live.get(&(kind, name.to_owned())).cloned();
        let Some(row) = found.into_iter().next() else {
            return Err(match at(address) {
                None => ApplyError::NothingToRestore { address: shown },
                Some((id, declared)) => ApplyError::Lives {
                    address: shown,
                    id,
                    declared,
                },
            });
        };
        let name = format!("{}.{to}", kind.name());
        if let Some((id, declared)) = at(to) {
            return Err(ApplyError::NameLives(Box::new(NameLives {
                project: project.name,
                address: shown,
                name,
                id,
                declared,
            })));
        }
        let declared = Declared {
            spec: row.live,
            source: places.remove(&row.id).unwrap_or_default(),
        };
        let all = match kind {
            Kind::Webhook => &mut wish.wanted.webhooks,
            _ => &mut wish.wanted.checks,
        };
        if all.insert(to.to_owned(), declared).is_some() {
            return Err(ApplyError::RestoredTwice(name));
        }
        if to != address {
            let key = (kind, to.to_owned());
            wish.restored.insert(key, address.to_owned());
        }
        wish.options.targets.push(format!("{}.{to}", kind.name()));
    }
    Ok(())
}

async fn find(conn: &mut Connection, wish: &Wish) -> Result<Project, ApplyError> {
    let name = wish.wanted.project.as_str();
    let found = project_list(conn, Some(name)).await?.pop();
    found.ok_or_else(|| ApplyError::NoProject(name.to_owned()))
}
