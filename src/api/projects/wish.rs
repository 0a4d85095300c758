//! What a plan is asked for: an index that was uploaded, an earlier generation, or something
//! that was deleted, as the wish that it is.

use std::collections::BTreeMap;

use prost::Message as _;

use super::super::error::ApiError;
use super::super::{Call, edit};
use super::specs::{digest, upload_id};
use super::{refused, short};
use crate::files::git::without_credentials;
use crate::model::desired::{Declared, Move, Revision, SourceLine};
use crate::model::name::{Address, Name};
use crate::plan::guard::Allow;
use crate::plan::state::{Options, Wanted};
use crate::plan::wire;
use crate::proto::lokahi::{
    Allowances, Declared as WireDeclared, IndexPart, PlanRequest, Restore, Revision as WireRevision,
};
use crate::proto::twirp::TwirpError;
use crate::reconcile::history;
use crate::reconcile::propose::Wish;
use crate::spec::Digest;
use crate::store::Connection;
use crate::store::generation::GenerationKind;
use crate::store::plan::upload_parts;

/// How many moves, targets or restored objects one plan may name.
const MOST: usize = 50_000;

/// The wish of a request, which `planner` has uploaded what it names for: whoever calls may be
/// somebody else, who applies it.
pub(super) async fn wish(
    conn: &mut Connection,
    call: &Call,
    planner: &str,
    asked: PlanRequest,
) -> Result<Wish, ApiError> {
    let project: Name = edit::argument("project", &asked.project)?;
    let (moves, targets) = (asked.moves.len(), asked.targets.len());
    if moves.max(targets).max(asked.restore.len()) > MOST {
        let why = format!("moves, targets and restore have {MOST} entries at most");
        return Err(TwirpError::argument("moves", why).into());
    }
    for target in &asked.targets {
        short("targets", target.clone())?;
    }
    let mut wish = Wish {
        wanted: Wanted {
            project: project.clone(),
            project_spec: None,
            project_source: SourceLine {
                file: short("project_file", asked.project_file)?,
                line: u32::try_from(asked.project_line).unwrap_or(0),
            },
            checks: BTreeMap::new(),
            webhooks: BTreeMap::new(),
            moves: Vec::new(),
            ids: BTreeMap::new(),
        },
        revision: revision(asked.revision.unwrap_or_default())?,
        actor: call.principal.name.clone(),
        kind: GenerationKind::Apply,
        options: Options {
            no_prune: asked.no_prune,
            targets: asked.targets,
            leave_drift: false,
        },
        allow: allowances(asked.allow.unwrap_or_default())?,
        quiet_start: asked.quiet_start,
    };
    match (asked.upload_id.as_str(), asked.rollback_to, asked.restore) {
        ("", 0, restore) if restore.is_empty() => {
            let why = "or rollback_to, or restore must say what is wanted";
            return Err(TwirpError::argument("upload_id", why).into());
        }
        ("", 0, restore) => {
            wish.kind = GenerationKind::Restore;
            for one in &restore {
                restorable(one)?;
            }
            let restore = restore.into_iter().map(|one| (one.address, one.to));
            let restore: Vec<(String, String)> = restore.collect();
            history::restore(conn, &mut wish, &restore)
                .await
                .map_err(refused)?;
        }
        ("", n, _) => {
            wish.kind = GenerationKind::Rollback;
            history::roll_back(conn, &mut wish, n)
                .await
                .map_err(refused)?;
        }
        (upload, ..) => {
            let parts = upload_parts(conn, upload_id(upload)?, planner).await?;
            if parts.is_empty() {
                let why = "names no upload of yours, or one that is older than seven days";
                return Err(TwirpError::argument("upload_id", why).into());
            }
            if !asked.project_digest.is_empty() {
                let digest = digest("project_digest", asked.project_digest)?;
                wish.wanted.project_spec = Some(digest);
            }
            wish.wanted.moves = asked.moves.into_iter().map(wire::from_move).collect();
            for block in &wish.wanted.moves {
                moved(block)?;
            }
            for part in parts {
                let part = IndexPart::decode(&part[..])?;
                declare::<Address>("checks", part.checks, &mut wish.wanted.checks)?;
                declare::<Name>("webhooks", part.webhooks, &mut wish.wanted.webhooks)?;
            }
        }
    }
    Ok(wish)
}

/// Adds declared objects of one kind, whose addresses are each an `A`.
fn declare<A>(
    argument: &'static str,
    list: Vec<WireDeclared>,
    all: &mut BTreeMap<String, Declared<Digest>>,
) -> Result<(), TwirpError>
where
    A: std::str::FromStr<Err: std::fmt::Display> + std::fmt::Display,
{
    for item in list {
        let address = edit::argument::<A>(argument, &item.address)?.to_string();
        let declared = Declared {
            spec: digest(argument, item.digest)?,
            source: SourceLine {
                file: short(argument, item.file)?,
                line: u32::try_from(item.line).unwrap_or(0),
            },
        };
        if all.insert(address.clone(), declared).is_some() {
            let why = format!("{address} stands there twice");
            return Err(TwirpError::argument(argument, why));
        }
    }
    Ok(())
}

/// Whether what is to come back, and what it is to be called, can be names.
fn restorable(one: &Restore) -> Result<(), TwirpError> {
    let (address, to) = (one.address.as_str(), one.to.as_str());
    let (is_webhook, address) = match address.split_once('.') {
        Some(("webhook", name)) => (true, name),
        Some(("check", name)) => (false, name),
        _ => (false, address),
    };
    let to = to.strip_prefix("check.").unwrap_or(to);
    let renamed = Some(to).filter(|to| !to.is_empty());
    for name in [Some(address), renamed].into_iter().flatten() {
        match is_webhook {
            true => drop(edit::argument::<Name>("restore", name)?),
            false => drop(edit::argument::<Address>("restore", name)?),
        }
    }
    Ok(())
}

/// Whether a block can be shown.
fn moved(block: &Declared<Move>) -> Result<(), TwirpError> {
    let none = String::new();
    let (one, other) = match &block.spec {
        Move::Moved { from, to } => (from, to),
        Move::Removed { from, .. } => (from, &none),
        Move::Import { id, to } => (id, to),
    };
    for text in [one, other, &block.source.file] {
        short("moves", text.clone())?;
    }
    Ok(())
}

fn revision(wire: WireRevision) -> Result<Revision, TwirpError> {
    let revision = wire::from_revision(wire);
    Ok(Revision {
        reference: short("revision.ref", revision.reference)?,
        sha: short("revision.sha", revision.sha)?,
        remote: without_credentials(&short("revision.remote", revision.remote)?),
        path: short("revision.path", revision.path)?,
        ci_url: without_credentials(&short("revision.ci_url", revision.ci_url)?),
        claimed_by: short("revision.claimed_by", revision.claimed_by)?,
        variables: match revision.variables.len() {
            0 | 32 => revision.variables,
            _ => return Err(TwirpError::argument("revision.variables", "has 32 bytes")),
        },
        ..revision
    })
}

/// What may pass the guards.
pub(super) fn allowances(wire: Allowances) -> Result<Allow, TwirpError> {
    let number = |n: Option<i32>| -> Result<Option<usize>, TwirpError> {
        let n = n.map(usize::try_from).transpose();
        n.map_err(|_| TwirpError::argument("allow", "a number in it is negative"))
    };
    Ok(Allow {
        empty: wire.empty,
        deletes: number(wire.deletes)?,
        silence: number(wire.silence)?,
        changes: number(wire.changes)?,
        source_change: wire.source_change,
        rollback: wire.rollback,
    })
}
