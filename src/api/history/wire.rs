//! What was found, as messages.

use crate::history::window::Bucket;
use crate::model::observation::ErrorClass;
use crate::proto::evidence::phases_of;
use crate::proto::lokahi::{Evidence, HistoryBucket, HistoryIncident, HistoryTransition};
use crate::proto::moment::timestamp;
use crate::store::incident::{IncidentRow, TransitionRow};
use crate::store::observation::Kept;

pub(super) fn bucket(of: &Bucket) -> HistoryBucket {
    let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let nanoseconds = |us: u32| i64::from(us) * 1000;
    let latency = of.quantiles();
    let latency = |quantile: fn(&crate::history::window::Quantiles) -> u32| {
        latency.as_ref().map_or(0, |all| nanoseconds(quantile(all)))
    };
    HistoryBucket {
        start: Some(timestamp(of.start)),
        up: count(of.counts.up),
        down: count(of.counts.down),
        error: count(of.counts.error),
        unknown: count(of.counts.unknown),
        skipped: count(of.counts.skipped),
        lost: count(of.counts.lost),
        maintenance: count(of.counts.maintenance),
        p50_nanoseconds: latency(|all| all.p50),
        p95_nanoseconds: latency(|all| all.p95),
        p99_nanoseconds: latency(|all| all.p99),
        max_nanoseconds: latency(|all| all.max),
    }
}

pub(super) fn incident(of: &IncidentRow) -> HistoryIncident {
    HistoryIncident {
        id: of.id.to_string(),
        state: of.state.number().into(),
        opened_at: Some(timestamp(of.opened_at)),
        closed_at: of.closed_at.map(timestamp),
        acknowledged: of.acknowledged.as_ref().map(Into::into),
    }
}

pub(super) fn transition(of: &TransitionRow) -> HistoryTransition {
    HistoryTransition {
        at: Some(timestamp(of.at)),
        previous: of.previous.number().into(),
        next: of.next.number().into(),
        incident: of.incident.map(|id| id.to_string()).unwrap_or_default(),
        r#type: of.kind.clone(),
        resolved: of.resolved,
    }
}

pub(super) fn observation(of: &Kept) -> Evidence {
    Evidence {
        scheduled_at: Some(timestamp(of.at)),
        outcome: of.outcome.name().to_owned(),
        error_class: of.class.map_or("", ErrorClass::name).to_owned(),
        status_code: of.status.into(),
        phases: Some(phases_of(&of.phases)),
        ..Evidence::default()
    }
}
