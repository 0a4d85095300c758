//! Why a check is in its state, since when, which line and revision made it so, and who was
//! told.

use super::super::error::ApiError;
use super::super::{Call, checks, convert};
use super::standing;
use crate::clock;
use crate::model::id::CheckId;
use crate::model::name::Name;
use crate::model::ownership::Owner;
use crate::model::webhook::ReceiverUrl;
use crate::plan::{RESTORABLE, wire};
use crate::proto::lokahi::{
    CheckId as WireId, CheckStatus, Deleted, DeliveryStatus, Explanation, Told,
};
use crate::proto::moment::timestamp;
use crate::proto::twirp::{Code, TwirpError};
use crate::store::Connection;
use crate::store::check::check_get;
use crate::store::deleted::{deleted_by_call, deleted_find, deleted_in};
use crate::store::explain::{DeliveryRow, ToldRow, explain_drift, explain_former, explain_told};
use crate::store::generation::generation_list;
use crate::store::project::project_source;
use crate::store::stale::stale_locations;

/// How many transitions are told of.
const TRANSITIONS: i64 = 10;

/// All that is known of one check.
pub(in crate::api) async fn explain(call: Call, wanted: WireId) -> Result<Explanation, ApiError> {
    let mut conn = call.state.store.acquire().await?;
    let mut namesake = None;
    let id = match wanted.id.parse::<CheckId>() {
        Ok(id) if check_get(&mut conn, id).await?.is_some() => id,
        // What was deleted has its id for ever; a name may have gone on to what lives.
        Ok(_) => return gone(&mut conn, &wanted.id).await,
        Err(_) => {
            let (project, name) = parts(&wanted.id);
            let deleted = deleted_find(&mut conn, name, project).await?;
            namesake = deleted.map(|deleted| deleted.id.to_string());
            match explain_former(&mut conn, name, project).await? {
                Some(id) => id,
                None => return gone(&mut conn, &wanted.id).await,
            }
        }
    };
    drop(conn);
    let wanted = WireId {
        id: id.to_string(),
        ..WireId::default()
    };
    let status = checks::status(call.clone(), wanted).await?;
    let mut conn = call.state.store.acquire().await?;
    let source = project_source(&mut conn, id).await?;
    let told = explain_told(&mut conn, id, TRANSITIONS).await?;
    let found = explain_drift(&mut conn, id).await?;
    let mut explanation = Explanation {
        status: Some(covered(status)),
        told: told.into_iter().map(wire_told).collect(),
        deleted_namesake: namesake.unwrap_or_default(),
        ..Explanation::default()
    };
    if let Some(stored) = check_get(&mut conn, id).await? {
        let confirm = &stored.spec.confirm;
        let locations = &stored.spec.locations;
        let places: Vec<String> = locations.iter().map(ToString::to_string).collect();
        let silent = match confirm.distinct {
            1 => Vec::new(),
            _ => stale_locations(&mut conn, &stored.project, &places).await?,
        };
        let heard = places.len() - silent.len();
        explanation.locations = places;
        if !silent.is_empty() && heard < confirm.distinct.into() {
            explanation.silent_locations = silent;
            explanation.distinct = confirm.distinct.into();
        }
    }
    if let Some((project, drift)) = found {
        explanation.drift = drift.as_ref().map(wire::to_drift);
        if let Some((source, since)) = source {
            explanation.file = source.file;
            explanation.line = i32::try_from(source.line).unwrap_or(i32::MAX);
            let made = generation_list(&mut conn, project, since + 1, 1)
                .await?
                .pop();
            explanation.generation = made.as_ref().map(standing::generation);
        }
    }
    Ok(explanation)
}

/// A project, if one is given, and a name in it.
fn parts(wanted: &str) -> (Option<&str>, &str) {
    match wanted.split_once('/') {
        Some((project, name)) => (Some(project), name),
        None => (None, wanted),
    }
}

/// All that is known of one that was deleted.
async fn gone(conn: &mut Connection, wanted: &str) -> Result<Explanation, ApiError> {
    let (project, name) = parts(wanted);
    let found = deleted_find(conn, name, project).await?;
    let found = found.ok_or_else(|| match wanted.parse::<CheckId>() {
        Ok(id) => checks::unknown(id),
        Err(_) => {
            let shown: String = wanted.chars().take(Name::MAX).collect();
            TwirpError::new(Code::NotFound, format!("there is no check {shown:?}"))
                .with("argument", "id")
        }
    })?;
    let generation = match deleted_in(conn, found.project_id, found.at).await? {
        Some(n) => generation_list(conn, found.project_id, n + 1, 1)
            .await?
            .pop(),
        None => None,
    };
    let by = generation
        .as_ref()
        .map(|made| (made.actor.clone(), String::new()));
    let (by, reason) = match by {
        Some(by) => by,
        None => deleted_by_call(conn, &found).await?.unwrap_or_default(),
    };
    let until = found.at + RESTORABLE;
    // What the API made comes back by its id, whatever had its name since.
    let is_last = found.owner == Owner::Api || !found.is_later_name;
    let comes_back = until > clock::now() && is_last;
    let deleted = Deleted {
        at: Some(timestamp(found.at)),
        by,
        reason,
        generation: generation.as_ref().map(standing::generation),
        restorable_until: comes_back.then(|| timestamp(until)),
        name_taken_by: found
            .name_taken_by
            .map(|id| id.to_string())
            .unwrap_or_default(),
    };
    let told = explain_told(conn, found.id, TRANSITIONS).await?;
    Ok(Explanation {
        status: Some(covered(CheckStatus {
            check: Some(convert::deleted(found)),
            ..CheckStatus::default()
        })),
        told: told.into_iter().map(wire_told).collect(),
        deleted: Some(deleted),
        ..Explanation::default()
    })
}

/// With the host alone of the URL that it tells: the rest may be a secret, and what is explained
/// is shown around.
fn covered(mut status: CheckStatus) -> CheckStatus {
    if let Some(check) = &mut status.check {
        check.webhook_url = place(&check.webhook_url);
    }
    status
}

/// The host of a URL; what is none, as a name, stays as it is.
fn place(receiver: &str) -> String {
    let url = receiver.parse::<ReceiverUrl>();
    url.map_or_else(|_name| receiver.to_owned(), |url| url.place())
}

fn wire_told(row: ToldRow) -> Told {
    Told {
        event_id: row.id.to_string(),
        r#type: row.kind,
        resolved: row.resolved,
        sequence: row.seq,
        previous: row.previous.into(),
        next: row.next.into(),
        at: Some(timestamp(row.at)),
        generation: row.generation,
        revision: row.revision,
        incident: row.incident.map(|id| id.to_string()).unwrap_or_default(),
        deliveries: row.deliveries.into_iter().map(delivery).collect(),
    }
}

fn delivery(row: DeliveryRow) -> DeliveryStatus {
    let (by, by_state) = row.superseded.unzip();
    DeliveryStatus {
        superseded_by: by.map(|id| id.to_string()).unwrap_or_default(),
        superseded_state: by_state.unwrap_or_default(),
        receiver: place(&row.receiver),
        attempts: row.attempts,
        next_at: matches!(row.state.as_str(), "pending" | "held").then(|| timestamp(row.next_at)),
        finished_at: row.finished_at.map(timestamp),
        state: row.state,
        reason: row.reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_url_the_host_is_shown() {
        for (receiver, shown) in [
            ("http://127.0.0.1:15311/x?token=t0ken", "127.0.0.1:15311"),
            ("secret(\"chat\")", "secret(\"chat\")"),
            ("oncall", "oncall"),
            ("team[\"a/b\"]", "team[\"a/b\"]"),
            ("", ""),
        ] {
            assert_eq!(place(receiver), shown);
        }
    }
}
