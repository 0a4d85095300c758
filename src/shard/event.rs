//! Events as receivers get them: frozen with the transition, so that every
//! attempt and every later version tells the same.

use std::collections::BTreeMap;

use prost::Message as _;
use uuid::Uuid;

use super::ledger::Witness;
use crate::histogram::Summary;
use crate::model::check::{CheckSpec, Grouping};
use crate::model::health::{Flap, Flapping, State, Transition};
use crate::model::id::EventId;
use crate::model::overlay::Overlay;
use crate::model::webhook::WebhookFormat;
use crate::proto::moment::timestamp;
use crate::proto::{evidence, lokahi};
use crate::spec;
use crate::store::shard::ShardCheck;
use crate::store::transition::NewTransition;

/// What all checks have in common that are grouped by no label.
const EVERYTHING: &str = "*";

/// The type of the event of a transition.
pub(super) fn kind(transition: &Transition) -> &'static str {
    match transition.next {
        _ if transition.flap.is_some() => "check.flapping",
        _ if transition.reminds => "check.reminder",
        _ if transition.is_of_degradation() => "check.degraded",
        State::Up => "check.up",
        State::Down => "check.down",
        State::Error => "check.error",
        // A state is left for INIT only when nobody watches the check any more.
        State::Init => "check.deleted",
    }
}

/// Everything that an event tells.
pub(super) struct Story<'a> {
    pub(super) id: EventId,
    pub(super) check: &'a ShardCheck,
    pub(super) spec: &'a CheckSpec,
    pub(super) transition: &'a Transition,
    /// The probes that led here, newest last.
    pub(super) witnesses: &'a [Witness],
    pub(super) latency: Option<Summary>,
    /// What people set on the check.
    pub(super) overlay: Overlay,
}

/// What a transition is made of.
pub(super) struct NewEvent<'a> {
    pub(super) check: &'a ShardCheck,
    pub(super) spec: &'a [u8],
    pub(super) transition: &'a Transition,
    pub(super) witnesses: &'a [Witness],
    pub(super) latency: Option<Summary>,
    pub(super) overlay: Option<Overlay>,
}

pub(super) fn new_transition(new: NewEvent<'_>) -> Option<NewTransition> {
    let (check, transition) = (new.check, new.transition);
    let spec = spec::decode_check(new.spec).ok()?;
    let id = EventId(Uuid::now_v7());
    let story = Story {
        id,
        check,
        spec: &spec,
        transition,
        witnesses: new.witnesses,
        latency: new.latency,
        overlay: new.overlay.unwrap_or_default(),
    };
    Some(NewTransition {
        id,
        check: check.id,
        kind: kind(transition),
        payload: encode(&story),
        transition: transition.clone(),
        spec_id: check.spec_id,
        generation: check.generation,
        revision: check.revision.clone(),
        group: spec
            .grouping
            .as_ref()
            .map(|it| (group(it, &spec.labels), it.wait)),
    })
}

/// What a check has in common with others that are told together: a label and its value a line,
/// which has no other control characters.
fn group(grouping: &Grouping, labels: &BTreeMap<String, String>) -> String {
    let pair = |name: &String| {
        let value = labels.get(name).map_or("", String::as_str);
        format!("{name}={value}")
    };
    match grouping.by.as_slice() {
        [] => EVERYTHING.to_owned(),
        by => by.iter().map(pair).collect::<Vec<_>>().join("\n"),
    }
}

/// The encoded event.
pub(super) fn encode(story: &Story<'_>) -> Vec<u8> {
    let newest = story.witnesses.last().map(|witness| &witness.observation);
    lokahi::CheckStatus {
        check: Some(check(story)),
        last_response_time_nanoseconds: newest.map_or(0, |seen| nanoseconds(seen.phases.total)),
        histogram_data: story.latency.map(Into::into),
        resp_status_code: newest.map_or(0, |seen| seen.status.into()),
        r#type: kind(story.transition).to_owned(),
        event_id: story.id.to_string(),
        sequence: story.transition.seq,
        previous_state: story.transition.previous.number().into(),
        at: Some(timestamp(story.transition.at)),
        incident: story
            .transition
            .incident
            .map(|id| id.to_string())
            .unwrap_or_default(),
        evidence: story.witnesses.iter().map(evidence).collect(),
        resolved: story.transition.resolves(),
        generation: story.check.generation,
        revision: story.check.revision.clone(),
        ..lokahi::CheckStatus::default()
    }
    .encode_to_vec()
}

fn check(story: &Story<'_>) -> lokahi::Check {
    let (check, spec) = (story.check, story.spec);
    let id = check.id.to_string();
    let format = spec
        .webhook
        .as_ref()
        .map_or(WebhookFormat::Protobuf, |w| w.format);
    lokahi::Check {
        url: spec.url.to_string(),
        webhook_url: spec
            .webhook
            .as_ref()
            .map(|w| w.url.to_string())
            .unwrap_or_default(),
        webhook_format: match format {
            WebhookFormat::Protobuf => lokahi::WebhookFormat::Protobuf.into(),
            WebhookFormat::Json => lokahi::WebhookFormat::Json.into(),
            WebhookFormat::Alertmanager => lokahi::WebhookFormat::Alertmanager.into(),
        },
        description: spec.description.clone(),
        every: i32::try_from(spec.every.seconds()).unwrap_or(i32::MAX),
        playbook_url: spec
            .playbook_url
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        state: story.transition.next.number().into(),
        name: if check.address == id {
            String::new()
        } else {
            check.address.clone()
        },
        project: check.project.to_string(),
        owner: check.owner.clone(),
        version: check.version,
        labels: spec.labels.clone(),
        receivers: spec.receivers.iter().map(ToString::to_string).collect(),
        suppressed_by: spec
            .suppressed_by
            .iter()
            .map(|it| format!("check.{it}"))
            .collect(),
        since: Some(timestamp(story.transition.at)),
        method: spec.method.name().to_owned(),
        timeout_nanoseconds: nanoseconds(spec.timeout.duration()),
        disabled: !spec.enabled,
        degraded: story.transition.next == State::Up && story.transition.degraded,
        flapping: match story.transition.flap {
            Some(flap) => flap == Flap::Begins,
            None => check.health.flapping != Flapping::No,
        },
        id,
        ..lokahi::Check::default()
    }
    .with_overlay(&story.overlay)
}

/// One probe, for people who want to know what was seen.
pub(super) fn evidence(witness: &Witness) -> lokahi::Evidence {
    evidence::of(&witness.observation, &witness.location, &witness.worker)
}

fn nanoseconds(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}
