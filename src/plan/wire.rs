//! A plan as messages, both ways: the server sends what it has computed, lokahictl shows it
//! with the same words.

use prost::Message as _;
use time::OffsetDateTime;
use uuid::Uuid;

use super::guard::Guard;
use super::names::Names;
use super::routing::{Audience, Routing};
use crate::model::change::{Action, Change, Drift, FieldChange, Kind, Summary};
use crate::model::desired::{Ancestry, Declared, Move, Removal, Revision, SourceLine};
use crate::proto::lokahi as wire;
use crate::proto::moment::{time_of, timestamp};
use crate::spec::Digest;

/// SHA-256 of what is shown: the same for plans that do the same.
pub fn digest(changes: &[Change]) -> Digest {
    let changes = changes.iter().map(|change| wire::Change {
        // It depends on when the plan was made.
        restorable_until: None,
        ..to_change(change)
    });
    let page = wire::PlanPageResult {
        changes: changes.collect(),
        applied: None,
    };
    Digest::of(&page.encode_to_vec())
}

/// A change as a message.
pub fn to_change(change: &Change) -> wire::Change {
    use wire::change::Action as Wire;
    let action = match change.action {
        Action::Create => Wire::Create,
        Action::Revive => Wire::Revive,
        Action::Update => Wire::Update,
        Action::Rename => Wire::Rename,
        Action::Adopt => Wire::Adopt,
        Action::Release => Wire::Release,
        Action::Delete => Wire::Delete,
    };
    let field = |field: &FieldChange| wire::FieldChange {
        path: field.path.clone(),
        before: field.before.clone(),
        after: field.after.clone(),
    };
    wire::Change {
        action: action.into(),
        kind: change.kind.name().to_owned(),
        address: change.address.clone(),
        file: change.source.file.clone(),
        line: line(change.source.line),
        fields: change.fields.iter().map(field).collect(),
        id: change.id.map(|id| id.to_string()).unwrap_or_default(),
        from: change.from.clone().unwrap_or_default(),
        drift: change.drift.as_ref().map(to_drift),
        restorable_until: change.restorable_until.map(timestamp),
        block_file: change
            .block
            .as_ref()
            .map_or(String::new(), |at| at.file.clone()),
        block_line: change.block.as_ref().map_or(0, |at| line(at.line)),
    }
}

/// A message as a change; a kind that is not known is a check.
pub fn from_change(change: wire::Change) -> Change {
    use wire::change::Action as Wire;
    let action = match change.action() {
        Wire::Create => Action::Create,
        Wire::Revive => Action::Revive,
        Wire::Update => Action::Update,
        Wire::Rename => Action::Rename,
        Wire::Adopt => Action::Adopt,
        Wire::Release => Action::Release,
        Wire::Delete => Action::Delete,
    };
    let field = |field: wire::FieldChange| FieldChange {
        path: field.path,
        before: field.before,
        after: field.after,
    };
    Change {
        kind: Kind::from_name(&change.kind).unwrap_or(Kind::Check),
        address: change.address,
        action,
        id: Uuid::try_parse(&change.id).ok(),
        from: Some(change.from).filter(|from| !from.is_empty()),
        source: SourceLine {
            file: change.file,
            line: u32::try_from(change.line).unwrap_or(0),
        },
        block: (!change.block_file.is_empty()).then(|| SourceLine {
            file: change.block_file,
            line: u32::try_from(change.block_line).unwrap_or(0),
        }),
        fields: change.fields.into_iter().map(field).collect(),
        drift: change.drift.map(from_drift),
        restorable_until: change.restorable_until.as_ref().map(time_of),
    }
}

/// Who went past the files, as a message.
pub fn to_drift(drift: &Drift) -> wire::Drift {
    wire::Drift {
        by: drift.by.clone(),
        at: Some(timestamp(drift.at)),
        reason: drift.reason.clone(),
    }
}

fn from_drift(drift: wire::Drift) -> Drift {
    Drift {
        by: drift.by,
        at: drift
            .at
            .as_ref()
            .map_or(OffsetDateTime::UNIX_EPOCH, time_of),
        reason: drift.reason,
    }
}

fn line(line: u32) -> i32 {
    i32::try_from(line).unwrap_or(i32::MAX)
}

fn count(n: usize) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX)
}

/// How much it does, as a message.
pub fn to_summary(summary: Summary) -> wire::Summary {
    wire::Summary {
        create: count(summary.create),
        update: count(summary.update),
        delete: count(summary.delete),
        rename: count(summary.rename),
        adopt: count(summary.adopt),
        release: count(summary.release),
        revive: count(summary.revive),
        drifted: count(summary.drifted),
    }
}

/// A message as how much it does.
pub fn from_summary(summary: &wire::Summary) -> Summary {
    let n = |n: i32| usize::try_from(n).unwrap_or(0);
    Summary {
        create: n(summary.create),
        revive: n(summary.revive),
        update: n(summary.update),
        rename: n(summary.rename),
        adopt: n(summary.adopt),
        release: n(summary.release),
        delete: n(summary.delete),
        drifted: n(summary.drifted),
    }
}

/// A reason not to apply, as a message.
pub fn to_guard(guard: &Guard) -> wire::Guard {
    wire::Guard {
        name: guard.name.to_string(),
        message: guard.message.clone(),
        passes_with: guard.passes_with.clone(),
        addresses: guard.addresses.first.clone(),
        count: count(guard.addresses.count()),
    }
}

/// Who is told differently, as a message.
pub fn to_routing(routing: &Routing) -> wire::Routing {
    let (receiver, url) = match &routing.receiver {
        Audience::Nobody => (String::new(), String::new()),
        Audience::Webhook(name) => (name.clone(), String::new()),
        Audience::Url(url) => (String::new(), url.clone()),
    };
    wire::Routing {
        receiver,
        url,
        gains: routing.gains.first.clone(),
        loses: routing.loses.first.clone(),
        gained: count(routing.gains.count()),
        lost: count(routing.loses.count()),
        moved: routing.moved.map(count),
    }
}

/// A message as who is told differently.
pub fn from_routing(routing: wire::Routing) -> Routing {
    let receiver = match (routing.receiver, routing.url) {
        (name, _) if !name.is_empty() => Audience::Webhook(name),
        (_, url) if !url.is_empty() => Audience::Url(url),
        _ => Audience::Nobody,
    };
    Routing {
        receiver,
        gains: names(routing.gains, routing.gained),
        loses: names(routing.loses, routing.lost),
        moved: routing.moved.and_then(|n| usize::try_from(n).ok()),
    }
}

/// A block about names, as a message.
pub fn to_move(declared: &Declared<Move>) -> wire::Move {
    use wire::r#move::Kind as Wire;
    let (kind, from, to, id) = match &declared.spec {
        Move::Moved { from, to } => (Wire::Moved, from.as_str(), to.as_str(), ""),
        Move::Removed { from, action } => match action {
            Removal::Delete => (Wire::Removed, from.as_str(), "", ""),
            Removal::Release => (Wire::Released, from.as_str(), "", ""),
        },
        Move::Import { id, to } => (Wire::Import, "", to.as_str(), id.as_str()),
    };
    wire::Move {
        kind: kind.into(),
        from: from.to_owned(),
        to: to.to_owned(),
        id: id.to_owned(),
        file: declared.source.file.clone(),
        line: line(declared.source.line),
    }
}

/// A message as a block about names.
pub fn from_move(wire: wire::Move) -> Declared<Move> {
    use wire::r#move::Kind as Wire;
    let kind = wire.kind();
    let wire::Move { from, to, id, .. } = wire;
    let spec = match kind {
        Wire::Moved => Move::Moved { from, to },
        Wire::Removed => Move::Removed {
            from,
            action: Removal::Delete,
        },
        Wire::Released => Move::Removed {
            from,
            action: Removal::Release,
        },
        Wire::Import => Move::Import { id, to },
    };
    Declared {
        spec,
        source: SourceLine {
            file: wire.file,
            line: u32::try_from(wire.line).unwrap_or(0),
        },
    }
}

/// Where files came from, as a message.
pub fn to_revision(revision: &Revision) -> wire::Revision {
    use wire::revision::Ancestry as Wire;
    let ancestry = match revision.ancestry {
        Ancestry::Unknown => Wire::Unknown,
        Ancestry::SameOrLater => Wire::SameOrLater,
        Ancestry::Earlier => Wire::Earlier,
        Ancestry::Diverged => Wire::Diverged,
    };
    wire::Revision {
        r#ref: revision.reference.clone(),
        sha: revision.sha.clone(),
        dirty: revision.dirty,
        remote: revision.remote.clone(),
        path: revision.path.clone(),
        variables: revision.variables.clone(),
        ci_url: revision.ci_url.clone(),
        claimed_by: revision.claimed_by.clone(),
        ancestry: ancestry.into(),
        files: count(revision.files),
    }
}

/// A message as where files came from.
pub fn from_revision(wire: wire::Revision) -> Revision {
    use wire::revision::Ancestry as Wire;
    let ancestry = match wire.ancestry() {
        Wire::Unknown => Ancestry::Unknown,
        Wire::SameOrLater => Ancestry::SameOrLater,
        Wire::Earlier => Ancestry::Earlier,
        Wire::Diverged => Ancestry::Diverged,
    };
    Revision {
        reference: wire.r#ref,
        sha: wire.sha,
        dirty: wire.dirty,
        remote: wire.remote,
        path: wire.path,
        variables: wire.variables,
        ci_url: wire.ci_url,
        claimed_by: wire.claimed_by,
        ancestry,
        files: usize::try_from(wire.files).unwrap_or(0),
    }
}

/// A message as a reason not to apply.
pub fn from_guard(guard: wire::Guard) -> Guard {
    Guard {
        name: guard.name.into(),
        message: guard.message,
        passes_with: guard.passes_with,
        addresses: names(guard.addresses, guard.count),
    }
}

fn names(first: Vec<String>, count: i32) -> Names {
    Names::of(first, usize::try_from(count).unwrap_or(0))
}
