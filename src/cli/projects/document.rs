//! A plan for programs: one document, to which fields are only ever added within a version.

use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;

use super::planned::Planned;
use crate::cli::diagnostics::diagnostic;
use crate::model::change::Change;
use crate::plan::guard::Guard;
use crate::plan::names::Names;
use crate::plan::routing::{Audience, Routing};
use crate::proto::lokahi::Evidence;
use crate::spec::hex;

/// The document. `kind` is the command's name.
pub(super) fn document(planned: &Planned, kind: &str) -> Value {
    let plan = &planned.plan;
    let summary = planned.summary();
    let revision = &planned.revision;
    json!({
        "format_version": 1,
        "kind": kind,
        "project": planned.project,
        "root": planned.root,
        "generation": planned.generation,
        "plan_token": planned.token,
        "plan_digest": hex(&planned.digest),
        "revision": {
            "ref": revision.r#ref, "sha": revision.sha, "dirty": revision.dirty,
            "remote": revision.remote, "path": revision.path, "ci_url": revision.ci_url,
        },
        "summary": {
            "add": summary.create + summary.revive, "change": summary.update,
            "delete": summary.delete, "rename": summary.rename, "adopt": summary.adopt,
            "release": summary.release, "revive": summary.revive, "drifted": summary.drifted,
        },
        "held": planned.is_held(),
        "guards": planned.guards.iter().map(guard).collect::<Vec<_>>(),
        "changes": plan.changes.iter().map(change).collect::<Vec<_>>(),
        "routing": plan.routing.iter().map(routing).collect::<Vec<_>>(),
        "suggestions": plan.suggestions.iter()
            .map(|(from, to)| json!({"from": from, "to": to})).collect::<Vec<_>>(),
        "warnings": plan.warnings,
        "diagnostics": planned.lints.iter().map(diagnostic).collect::<Vec<_>>(),
        "probed": planned.probed.iter().map(probed).collect::<Vec<_>>(),
        "text": planned.human(),
    })
}

fn probed((address, seen): &(String, Evidence)) -> Value {
    json!({
        "address": address, "outcome": seen.outcome, "class": seen.error_class,
        "detail": seen.detail, "status": seen.status_code, "location": seen.location,
    })
}

pub(super) fn change(change: &Change) -> Value {
    let fields = change.fields.iter().map(|field| {
        json!({
            "path": field.path, "before": field.before, "after": field.after,
            "before_sensitive": field.before.contains("secret("),
            "after_sensitive": field.after.contains("secret("),
        })
    });
    let drift = change.drift.as_ref().map(|drift| {
        json!({
            "by": drift.by, "at": drift.at.format(&Rfc3339).unwrap_or_default(),
            "reason": drift.reason,
        })
    });
    let until = change.restorable_until;
    json!({
        "kind": change.kind.name(),
        "address": change.address,
        "id": change.id.map(|id| id.to_string()),
        "actions": change.actions(),
        "from": change.from,
        "source": {"file": change.source.file, "line": change.source.line},
        "block": change.block.as_ref().map(|at| json!({"file": at.file, "line": at.line})),
        "fields": fields.collect::<Vec<_>>(),
        "drift": drift,
        "restorable_until": until.and_then(|at| at.format(&Rfc3339).ok()),
    })
}

fn guard(guard: &Guard) -> Value {
    json!({
        "name": guard.name, "message": guard.message, "passes_with": guard.passes_with,
        "addresses": guard.addresses.first, "count": guard.addresses.count(),
    })
}

fn routing(routing: &Routing) -> Value {
    let (receiver, url) = match &routing.receiver {
        Audience::Nobody => (None, None),
        Audience::Webhook(name) => (Some(name), None),
        Audience::Url(url) => (None, Some(url)),
    };
    let names = |names: &Names| json!({"count": names.count(), "first": names.first});
    json!({
        "webhook": receiver, "url": url, "gains": names(&routing.gains),
        "loses": names(&routing.loses), "moved": routing.moved,
    })
}
