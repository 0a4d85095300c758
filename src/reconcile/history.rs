//! Wishes that come from a project's own past: an earlier generation again, and what was
//! deleted.

use std::collections::HashMap;

use uuid::Uuid;

use super::error::{ApplyError, NameLives};
use super::propose::Wish;
use crate::clock;
use crate::model::change::Kind;
use crate::model::desired::{Declared, ProjectSpec, SourceLine};
use crate::plan::RESTORABLE;
use crate::spec::{Digest, encode_project};
use crate::store::Connection;
use crate::store::generation::generation_members;
use crate::store::project::{
    Project, project_checks, project_ended, project_list, project_receivers,
};
use crate::store::spec::spec_put;
use crate::store::tombstone::tombstone_find;

/// Makes a wish for what the project was at generation `n`, each object found by its id.
pub async fn roll_back(conn: &mut Connection, wish: &mut Wish, n: i64) -> Result<(), ApplyError> {
    let project = find(conn, wish).await?;
    if n < 1 || n > project.generation {
        return Err(ApplyError::NoGeneration {
            project: project.name,
            n,
        });
    }
    for member in generation_members(conn, project.id, n).await? {
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
        if let Some(id) = member.object {
            let key = (member.kind, member.address.clone());
            wish.wanted.ids.insert(key, id);
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
        wish.wanted.ids.insert((kind, to.to_owned()), row.id);
        wish.options.targets.push(format!("{}.{to}", kind.name()));
    }
    Ok(())
}

async fn find(conn: &mut Connection, wish: &Wish) -> Result<Project, ApplyError> {
    let name = wish.wanted.project.as_str();
    let found = project_list(conn, Some(name)).await?.pop();
    found.ok_or_else(|| ApplyError::NoProject(name.to_owned()))
}
