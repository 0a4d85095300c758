//! Why a check is in its state, since when, which line and revision made it so, and who was
//! told.

use super::super::error::ApiError;
use super::super::{Call, checks};
use super::standing::generation;
use crate::plan::wire;
use crate::proto::lokahi::{CheckId as WireId, DeliveryStatus, Explanation, Told};
use crate::proto::moment::timestamp;
use crate::store::explain::{DeliveryRow, ToldRow, explain_drift, explain_told};
use crate::store::generation::generation_list;
use crate::store::project::project_source;

/// How many transitions are told of.
const TRANSITIONS: i64 = 10;

/// All that is known of one check.
pub(in crate::api) async fn explain(call: Call, wanted: WireId) -> Result<Explanation, ApiError> {
    let id = checks::check_id(&wanted.id)?;
    let status = checks::status(call.clone(), wanted).await?;
    let mut conn = call.state.store.acquire().await?;
    let source = project_source(&mut conn, id).await?;
    let told = explain_told(&mut conn, id, TRANSITIONS).await?;
    let found = explain_drift(&mut conn, id).await?;
    let mut explanation = Explanation {
        status: Some(status),
        told: told.into_iter().map(wire_told).collect(),
        ..Explanation::default()
    };
    if let Some((project, drift)) = found {
        explanation.drift = drift.as_ref().map(wire::to_drift);
        if let Some((source, since)) = source {
            explanation.file = source.file;
            explanation.line = i32::try_from(source.line).unwrap_or(i32::MAX);
            let made = generation_list(&mut conn, project, since + 1, 1)
                .await?
                .pop();
            explanation.generation = made.as_ref().map(generation);
        }
    }
    Ok(explanation)
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
    DeliveryStatus {
        receiver: row.receiver,
        attempts: row.attempts,
        next_at: (row.state == "pending").then(|| timestamp(row.next_at)),
        finished_at: row.finished_at.map(timestamp),
        state: row.state,
        reason: row.reason,
    }
}
