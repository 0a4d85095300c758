//! Stored values as messages.

use prost::Message as _;
use time::OffsetDateTime;

use crate::cadence::is_stale;
use crate::histogram::Summary;
use crate::model::health::State;
use crate::model::id::CheckNo;
use crate::model::observation::{ErrorClass, Outcome, SPEC_REFUSED};
use crate::model::overlay::Overlay;
use crate::model::value::HttpUrl;
use crate::model::webhook::WebhookFormat;
use crate::proto::moment::timestamp;
use crate::proto::{admin, lokahi};
use crate::store::check::StoredCheck;
use crate::store::deleted::Deleted;

/// A check as callers see it at `now`.
pub(super) fn check(stored: &StoredCheck, now: OffsetDateTime) -> lokahi::Check {
    let spec = &stored.spec;
    let seen = stored.last.map(|last| last.at);
    // A new check has until its second probe.
    let since = seen.map_or(stored.since, |seen| seen.max(stored.since));
    let turns = u32::try_from(spec.locations.len().max(1)).unwrap_or(u32::MAX);
    let webhook = spec.webhook.as_ref();
    let format = webhook.map_or(WebhookFormat::Protobuf, |webhook| webhook.format);
    lokahi::Check {
        id: stored.id.to_string(),
        url: spec.url.to_string(),
        webhook_url: webhook
            .map(|webhook| webhook.url.to_string())
            .unwrap_or_default(),
        webhook_response_time_nanoseconds: stored.webhook_response_nanoseconds,
        every: i32::try_from(spec.every.seconds()).unwrap_or(i32::MAX),
        playbook_url: spec
            .playbook_url
            .as_ref()
            .map(HttpUrl::to_string)
            .unwrap_or_default(),
        state: stored.state.number().into(),
        webhook_format: webhook_format(format).into(),
        name: stored.name().unwrap_or_default().to_owned(),
        project: stored.project.clone(),
        owner: stored.owner.name().to_owned(),
        version: stored.version,
        labels: spec.labels.clone(),
        receivers: spec.receivers.iter().map(ToString::to_string).collect(),
        suppressed_by: spec
            .suppressed_by
            .iter()
            .map(|it| format!("check.{it}"))
            .collect(),
        since: Some(timestamp(stored.since)),
        method: spec.method.name().to_owned(),
        timeout_nanoseconds: i64::from(spec.timeout.milliseconds()) * 1_000_000,
        last_probe: seen.map(timestamp),
        reason: reason(stored),
        // Of what was never probed nothing is believed that could be wrong.
        stale: spec.enabled
            && stored.overlay.paused.is_none()
            && stored.state != State::Init
            && is_stale(since, spec.every, turns, spec.timeout, now),
        disabled: !spec.enabled,
        description: spec.description.clone(),
        degraded: stored.state == State::Up && stored.degraded,
        flapping: stored.flapping,
        unknown: unknown(stored),
        ..lokahi::Check::default()
    }
    .readable_or(stored)
    .with_overlay(&stored.overlay)
}

impl lokahi::Check {
    /// What the spec says is left out where nobody can read it.
    fn readable_or(self, stored: &StoredCheck) -> Self {
        let Some(why) = &stored.unreadable else {
            return self;
        };
        Self {
            reason: format!("{SPEC_REFUSED}: {why}"),
            unknown: ErrorClass::Internal.name().to_owned(),
            stale: false,
            url: String::new(),
            method: String::new(),
            every: 0,
            timeout_nanoseconds: 0,
            ..self
        }
    }
}

/// A deleted check as it was; nothing is believed of it any more.
pub(super) fn deleted(gone: Deleted) -> lokahi::Check {
    let at = gone.at;
    let stored = StoredCheck {
        id: gone.id,
        check_no: CheckNo(0),
        project: gone.project,
        address: gone.address,
        owner: gone.owner,
        version: gone.version,
        spec: gone.spec,
        unreadable: None,
        degraded: false,
        flapping: false,
        state: State::Init,
        since: at,
        seq: 0,
        last: None,
        webhook_response_nanoseconds: 0,
        failure: None,
        overlay: Overlay::default(),
    };
    lokahi::Check {
        since: None,
        ..check(&stored, at)
    }
}

/// Why its newest probe says nothing of the site.
fn unknown(stored: &StoredCheck) -> String {
    let newest = stored.last.filter(|_| stored.spec.enabled);
    let newest = newest.filter(|last| last.outcome == Outcome::Unknown.number());
    let class = newest.map(|last| ErrorClass::from_number(last.class));
    let class = class.map(|class| class.unwrap_or(ErrorClass::Internal));
    class.map_or("", ErrorClass::name).to_owned()
}

/// Why it is not up. Evidence that cannot be read says no less than none.
fn reason(stored: &StoredCheck) -> String {
    let bytes = stored.failure.as_deref().unwrap_or_default();
    lokahi::Evidence::decode(bytes).unwrap_or_default().reason()
}

/// An entry of a page; the histogram only where it was asked for.
pub(super) fn result(stored: &StoredCheck, now: OffsetDateTime) -> lokahi::checks_page::Result {
    lokahi::checks_page::Result {
        check: Some(check(stored, now)),
        ..lokahi::checks_page::Result::default()
    }
}

/// The same with what its newest probe saw.
pub(super) fn result_with_status(
    stored: &StoredCheck,
    summary: Option<Summary>,
    now: OffsetDateTime,
) -> lokahi::checks_page::Result {
    let class = stored
        .last
        .and_then(|last| ErrorClass::from_number(last.class));
    lokahi::checks_page::Result {
        histogram_data: Some(summary.unwrap_or_default().into()),
        last_response_time_nanoseconds: last_nanoseconds(stored),
        resp_status_code: last_status(stored),
        error_class: class.map_or("", ErrorClass::name).to_owned(),
        ..result(stored, now)
    }
}

/// How long the newest probe took.
pub(super) fn last_nanoseconds(stored: &StoredCheck) -> i64 {
    stored
        .last
        .map_or(0, |last| i64::from(last.total_us) * 1000)
}

/// The status that the newest probe saw.
pub(super) fn last_status(stored: &StoredCheck) -> i32 {
    stored.last.map_or(0, |last| last.status.into())
}

/// Percentiles in whole nanoseconds, as the administrative API has them.
pub(super) fn whole_histogram(summary: Option<Summary>) -> admin::HistogramData {
    let summary = summary.unwrap_or_default();
    admin::HistogramData {
        max_nanoseconds: summary.max as i64,
        min_nanoseconds: summary.min as i64,
        mean_nanoseconds: summary.mean as i64,
        stddev: summary.stddev as i64,
        p50_nanoseconds: summary.p50 as i64,
        p75_nanoseconds: summary.p75 as i64,
        p95_nanoseconds: summary.p95 as i64,
        p99_nanoseconds: summary.p99 as i64,
    }
}

/// The format's number on the wire.
pub(super) fn webhook_format(format: WebhookFormat) -> lokahi::WebhookFormat {
    match format {
        WebhookFormat::Protobuf => lokahi::WebhookFormat::Protobuf,
        WebhookFormat::Json => lokahi::WebhookFormat::Json,
        WebhookFormat::Alertmanager => lokahi::WebhookFormat::Alertmanager,
    }
}

/// The format of a number on the wire.
pub(super) fn webhook_format_from(number: i32) -> Option<WebhookFormat> {
    match lokahi::WebhookFormat::try_from(number).ok()? {
        lokahi::WebhookFormat::Protobuf => Some(WebhookFormat::Protobuf),
        lokahi::WebhookFormat::Json => Some(WebhookFormat::Json),
        lokahi::WebhookFormat::Alertmanager => Some(WebhookFormat::Alertmanager),
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::model::check::CheckSpec;
    use crate::model::id::{CheckId, CheckNo};
    use crate::model::ownership::Owner;
    use crate::store::check::LastProbe;

    #[test]
    fn of_what_was_never_probed_nothing_is_stale() {
        let now = datetime!(2026-11-25 12:00 UTC);
        let stored = |state| StoredCheck {
            id: CheckId(uuid::Uuid::nil()),
            check_no: CheckNo(1),
            project: "shop".to_owned(),
            address: "web".to_owned(),
            owner: Owner::Declared,
            version: 1,
            spec: CheckSpec::new("http://a/".parse().unwrap()),
            unreadable: None,
            state,
            degraded: false,
            flapping: false,
            since: datetime!(2026-11-24 12:00 UTC),
            seq: 0,
            // Before it was disabled, and is enabled again.
            last: Some(LastProbe {
                at: datetime!(2026-11-24 12:00 UTC),
                outcome: 1,
                class: 0,
                status: 200,
                total_us: 1,
            }),
            webhook_response_nanoseconds: 0,
            failure: None,
            overlay: Overlay::default(),
        };
        assert!(check(&stored(State::Up), now).stale);
        assert!(!check(&stored(State::Init), now).stale);
    }
}
