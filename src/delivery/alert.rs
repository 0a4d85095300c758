//! Events as Prometheus's Alertmanager takes them, at `POST /api/v2/alerts`: for whoever keeps
//! routing and silences there.
//!
//! An alert is what its labels are: they are the same when it fires, is posted again and ends. It
//! ends by itself at its `endsAt`, so one that goes on is posted again before that. What an alert
//! says is frozen with the body; its end is of each attempt.
//! Source: Alertmanager's documentation, "Clients", and its `api/v2/openapi.yaml`.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

use crate::model::id::EventId;
use crate::model::value::HttpUrl;
use crate::proto::lokahi::{Check, CheckStatus};
use crate::proto::moment::time_of;

/// Where alerts are posted.
const PATH: &str = "/api/v2/alerts";
/// How long an alert of a check fires unless it is posted again, and after what time it is.
const LASTS: Duration = Duration::minutes(4);
pub const AGAIN: Duration = Duration::minutes(1);
/// How long one fires that nobody posts again, unless its end comes: of a project.
const LASTS_ALONE: Duration = Duration::hours(24);
/// How long one fires that is a test.
const TEST_LASTS: Duration = Duration::minutes(1);
/// The key of a frozen alert that says how long it fires, in seconds; 0: it has ended.
const LASTS_KEY: &str = "lasts";

/// The URL of the alerts of an Alertmanager: below a base URL, or as it is.
pub(super) fn place(base: HttpUrl) -> HttpUrl {
    let mut url = base.parse();
    let path = url.path().trim_end_matches('/').to_owned();
    if path.ends_with(PATH) {
        return base;
    }
    url.set_path(&format!("{path}{PATH}"));
    // One that is too long now is said to be not there, by whoever is.
    url.as_str().parse().unwrap_or(base)
}

/// The alerts of an event, or of all that a group tells, without their ends. What was told
/// `before` of the same and with other labels, since somebody has edited these, is another alert
/// to an Alertmanager: it ends.
pub(super) fn frozen(event: &CheckStatus, before: &[CheckStatus]) -> Vec<u8> {
    let events = match event.events.as_slice() {
        [] => std::slice::from_ref(event),
        events => events,
    };
    // Of what went before, too: another alert of the same check may have begun there. Of one that
    // is told twice the newest word stands.
    let told = events
        .iter()
        .flat_map(|event| event.superseded.iter().chain([event]));
    let mut newest: Vec<Value> = Vec::new();
    for alert in told.flat_map(alerts) {
        newest.retain(|it| it["labels"] != alert["labels"]);
        newest.push(alert);
    }
    let of_same = |one: &Value, other: &Value| {
        let mut same = ["alertname", "check_id"].iter();
        same.all(|label| one["labels"][label] == other["labels"][label])
    };
    let mut ended: Vec<Value> = Vec::new();
    for mut alert in before.iter().flat_map(alerts) {
        let is_known = |it: &Value| it["labels"] == alert["labels"];
        let has_successor = newest.iter().any(|it| of_same(it, &alert));
        if has_successor && !newest.iter().chain(&ended).any(is_known) {
            alert[LASTS_KEY] = 0.into();
            ended.push(alert);
        }
    }
    ended.extend(newest);
    Value::Array(ended).to_string().into_bytes()
}

/// The same with its ends, for an attempt at this moment.
pub(super) fn timed(frozen: &[u8], now: OffsetDateTime) -> Vec<u8> {
    let mut alerts: Vec<Map<String, Value>> = serde_json::from_slice(frozen).unwrap_or_default();
    for alert in &mut alerts {
        let lasts = alert.remove(LASTS_KEY).and_then(|it| it.as_i64());
        let ends = now + Duration::seconds(lasts.unwrap_or_default());
        alert.insert("endsAt".into(), moment(ends).into());
    }
    serde_json::to_vec(&alerts).unwrap_or_default()
}

/// Whether one of these fires, and only as long as it is posted again.
pub(super) fn is_kept_alive(frozen: &[u8]) -> bool {
    let alerts: Vec<Map<String, Value>> = serde_json::from_slice(frozen).unwrap_or_default();
    let mut lasts = alerts.iter().filter_map(|it| it.get(LASTS_KEY)?.as_i64());
    lasts.any(|lasts| lasts == LASTS.whole_seconds())
}

/// Those of these alerts that are of such events.
pub(super) fn only(frozen: &[u8], events: &[EventId]) -> Vec<u8> {
    let mut alerts: Vec<Value> = serde_json::from_slice(frozen).unwrap_or_default();
    let events: Vec<String> = events.iter().map(ToString::to_string).collect();
    alerts.retain(|it| {
        let event = it["annotations"]["event_id"].as_str();
        event.is_some_and(|event| events.iter().any(|open| open == event))
    });
    Value::Array(alerts).to_string().into_bytes()
}

fn alerts(event: &CheckStatus) -> Vec<Value> {
    let kind = event.r#type.as_str();
    match (&event.check, kind) {
        (Some(check), "check.up") => vec![of_check(event, check, DOWN, Duration::ZERO)],
        (Some(check), "check.down" | "check.error" | "check.reminder") => {
            vec![of_check(event, check, DOWN, LASTS)]
        }
        (Some(check), "check.degraded") => {
            vec![of_check(event, check, "LokahiDegraded", lasts(event))]
        }
        (Some(check), "check.flapping") => {
            vec![of_check(event, check, "LokahiFlapping", lasts(event))]
        }
        // Whatever was told of it ends.
        (Some(check), "check.deleted") => [DOWN, "LokahiDegraded", "LokahiFlapping"]
            .map(|name| of_check(event, check, name, Duration::ZERO))
            .into(),
        (Some(check), "test") => vec![of_check(event, check, "LokahiTest", TEST_LASTS)],
        _ => vec![of_project(event)],
    }
}

/// The alert that a check is down, or gives no valid answer.
const DOWN: &str = "LokahiDown";

fn lasts(event: &CheckStatus) -> Duration {
    match event.resolved {
        true => Duration::ZERO,
        false => LASTS,
    }
}

fn of_check(event: &CheckStatus, check: &Check, name: &str, lasts: Duration) -> Value {
    // Theirs first: what lokahi says of a check stands over them.
    let own = check.labels.iter();
    let mut labels: BTreeMap<String, &str> = own
        .map(|(name, value)| (label(name), value.as_str()))
        .collect();
    let called = if check.name.is_empty() {
        &check.id
    } else {
        &check.name
    };
    for (name, value) in [
        ("alertname", name),
        ("check", called),
        ("check_id", &check.id),
        ("project", &check.project),
        ("url", &check.url),
    ] {
        labels.insert(name.to_owned(), value);
    }
    // An empty label is none.
    labels.retain(|_, value| !value.is_empty());
    let state = check.state().as_str_name();
    // Of one that is up it may say why that is degraded, which is another alert.
    let seen = event.evidence.last().filter(|_| event.r#type != "check.up");
    let reason = seen.map(|seen| seen.reason()).unwrap_or_default();
    let summary = match (name, event.resolved) {
        _ if event.r#type == "check.deleted" => format!("{called} is watched no more"),
        ("LokahiDegraded", false) => format!("{called} is degraded"),
        ("LokahiDegraded", true) => format!("{called} is degraded no more"),
        ("LokahiFlapping", false) => format!("{called} flaps, and is {state} now"),
        ("LokahiFlapping", true) => format!("{called} flaps no more, and is {state}"),
        _ => format!("{called} is {state}"),
    };
    let annotations = [
        ("summary", summary),
        ("description", reason),
        ("state", state.to_owned()),
        ("runbook_url", check.playbook_url.clone()),
        ("about", check.description.clone()),
        ("incident", event.incident.clone()),
        ("event_id", event.event_id.clone()),
        ("revision", event.revision.clone()),
    ];
    alert(event, json!(labels), &annotations, &check.url, lasts)
}

fn of_project(event: &CheckStatus) -> Value {
    let project = event.project.clone().unwrap_or_default();
    let words = event.r#type.split(['.', '_']).map(|word| {
        let mut letters = word.chars();
        let first = letters.next().map(|it| it.to_ascii_uppercase());
        first.into_iter().chain(letters).collect::<String>()
    });
    let name = format!("Lokahi{}", words.collect::<String>());
    let mut labels = BTreeMap::from([("alertname", name), ("project", project.project)]);
    labels.insert("receiver", project.receiver);
    // What it is about: the same in its end, unlike its words.
    if event.r#type == "check.stale" {
        labels.insert("about", project.reason.clone());
    }
    labels.retain(|_, value| !value.is_empty());
    let annotations = [
        ("summary", project.reason),
        ("description", project.message),
        ("revision", project.revision),
        ("event_id", event.event_id.clone()),
    ];
    let lasts = match event.resolved {
        true => Duration::ZERO,
        false => LASTS_ALONE,
    };
    alert(event, json!(labels), &annotations, "", lasts)
}

fn alert(
    event: &CheckStatus,
    labels: Value,
    annotations: &[(&str, String)],
    url: &str,
    lasts: Duration,
) -> Value {
    let annotations = annotations.iter().filter(|(_, text)| !text.is_empty());
    let annotations: BTreeMap<_, _> = annotations.map(|(name, text)| (*name, text)).collect();
    let mut alert = json!({
        "labels": labels,
        "annotations": annotations,
        LASTS_KEY: lasts.whole_seconds(),
    });
    if let (Some(alert), Some(at)) = (alert.as_object_mut(), &event.at)
        // An end does not know when it began; whoever has heard of that does.
        && lasts > Duration::ZERO
    {
        alert.insert("startsAt".into(), moment(time_of(at)).into());
    }
    if let (Some(alert), false) = (alert.as_object_mut(), url.is_empty()) {
        alert.insert("generatorURL".into(), url.into());
    }
    alert
}

/// A label as Prometheus knows it: letters, digits and `_`. Of several that are one then, the last
/// in the order of their bytes counts.
fn label(name: &str) -> String {
    let fits = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    name.chars().map(fits).collect()
}

fn moment(at: OffsetDateTime) -> String {
    at.format(&Rfc3339).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::proto::lokahi::check::State;
    use crate::proto::lokahi::{Evidence, ProjectEvent};
    use crate::proto::moment::timestamp;

    const NOW: OffsetDateTime = datetime!(2026-01-01 10:00 UTC);

    fn event(kind: &str, state: State) -> CheckStatus {
        CheckStatus {
            check: Some(Check {
                id: "0-1".into(),
                name: "front".into(),
                project: "shop".into(),
                url: "https://shop.example.com/".into(),
                playbook_url: "https://wiki.example.com/front".into(),
                state: state.into(),
                labels: [
                    ("team-a".to_owned(), "web".to_owned()),
                    ("url".to_owned(), "x".to_owned()),
                ]
                .into(),
                ..Check::default()
            }),
            r#type: kind.into(),
            event_id: "e".into(),
            incident: "i".into(),
            at: Some(timestamp(datetime!(2026-01-01 09:58 UTC))),
            evidence: vec![Evidence {
                outcome: "down".into(),
                detail: "status 500 is not 2xx".into(),
                ..Evidence::default()
            }],
            ..CheckStatus::default()
        }
    }

    fn posted(event: &CheckStatus) -> Value {
        serde_json::from_slice(&timed(&frozen(event, &[]), NOW)).unwrap()
    }

    #[test]
    fn an_outage_fires_for_four_minutes_and_ends_now() {
        let down = posted(&event("check.down", State::Down));
        let expected = json!([{
            "labels": {
                "alertname": "LokahiDown",
                "check": "front",
                "check_id": "0-1",
                "project": "shop",
                "team_a": "web",
                "url": "https://shop.example.com/",
            },
            "annotations": {
                "summary": "front is DOWN",
                "description": "status 500 is not 2xx",
                "state": "DOWN",
                "runbook_url": "https://wiki.example.com/front",
                "incident": "i",
                "event_id": "e",
            },
            "startsAt": "2026-01-01T09:58:00Z",
            "endsAt": "2026-01-01T10:04:00Z",
            "generatorURL": "https://shop.example.com/",
        }]);
        assert_eq!(down, expected);
        let up = posted(&event("check.up", State::Up));
        assert_eq!(up[0]["labels"], down[0]["labels"]);
        assert_eq!(up[0]["endsAt"], "2026-01-01T10:00:00Z");
        assert_eq!(up[0]["startsAt"], Value::Null);
        let reminder = event("check.reminder", State::Down);
        assert!(is_kept_alive(&frozen(&reminder, &[])));
        assert!(!is_kept_alive(&frozen(&event("check.up", State::Up), &[])));
    }

    #[test]
    fn what_went_before_is_posted_unless_it_is_over() {
        let mut up = event("check.up", State::Up);
        up.superseded = vec![
            event("check.degraded", State::Up),
            event("check.down", State::Down),
        ];
        // An end is posted again for what goes on within it.
        assert!(is_kept_alive(&frozen(&up, &[])));
        let alerts = posted(&up);
        let ends: Vec<(&str, &str)> = alerts
            .as_array()
            .unwrap()
            .iter()
            .map(|it| {
                let name = it["labels"]["alertname"].as_str().unwrap();
                (name, it["endsAt"].as_str().unwrap())
            })
            .collect();
        assert_eq!(
            ends,
            [
                ("LokahiDegraded", "2026-01-01T10:04:00Z"),
                ("LokahiDown", "2026-01-01T10:00:00Z")
            ]
        );
    }

    #[test]
    fn an_alert_whose_labels_were_edited_ends() {
        let relabelled = |kind: &str, state, team: &str| {
            let mut event = event(kind, state);
            let labels = &mut event.check.as_mut().unwrap().labels;
            labels.insert("team-a".into(), team.into());
            event
        };
        let down = relabelled("check.down", State::Down, "web");
        let again = relabelled("check.error", State::Error, "mail");
        let posted = |now: &CheckStatus, before: &[CheckStatus]| {
            let posted: Value = serde_json::from_slice(&timed(&frozen(now, before), NOW)).unwrap();
            let alerts = posted.as_array().unwrap().iter().map(|it| {
                let text = |value: &Value| value.as_str().unwrap().to_owned();
                (text(&it["labels"]["team_a"]), text(&it["endsAt"]))
            });
            alerts.collect::<Vec<_>>()
        };
        let at = |team: &str, ends: &str| (team.to_owned(), ends.to_owned());
        let (over, later) = ("2026-01-01T10:00:00Z", "2026-01-01T10:04:00Z");
        let both = [down.clone(), again.clone()];
        assert_eq!(
            posted(&again, &both[..1]),
            [at("web", over), at("mail", later)]
        );
        let up = relabelled("check.up", State::Up, "mail");
        assert_eq!(posted(&up, &both), [at("web", over), at("mail", over)]);
        // With the same labels there is nothing else to end; nor of another alert.
        assert_eq!(posted(&down, &both[..1]), [at("web", later)]);
        let degraded = relabelled("check.degraded", State::Up, "mail");
        assert_eq!(posted(&degraded, &both[..1]), [at("mail", later)]);
    }

    #[test]
    fn of_labels_that_are_one_to_prometheus_the_last_counts() {
        let mut down = event("check.down", State::Down);
        let labels = &mut down.check.as_mut().unwrap().labels;
        for name in ["a_b", "a.b", "a-b"] {
            labels.insert(name.into(), name.into());
        }
        assert_eq!(posted(&down)[0]["labels"]["a_b"], "a_b");
    }

    #[test]
    fn what_is_told_together_is_posted_together() {
        let group = CheckStatus {
            r#type: "group".into(),
            events: vec![
                event("check.down", State::Down),
                event("check.deleted", State::Init),
            ],
            ..CheckStatus::default()
        };
        let names: Vec<Value> = posted(&group)
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["labels"]["alertname"].clone())
            .collect();
        // Of one alert the newest word stands.
        assert_eq!(names, ["LokahiDown", "LokahiDegraded", "LokahiFlapping"]);
    }

    #[test]
    fn what_a_project_tells_fires_until_its_end() {
        let mut event = CheckStatus {
            r#type: "receiver.failing".into(),
            at: Some(timestamp(NOW)),
            project: Some(ProjectEvent {
                project: "shop".into(),
                reason: "NotDelivered".into(),
                message: "it answers 503".into(),
                receiver: "oncall".into(),
                ..ProjectEvent::default()
            }),
            ..CheckStatus::default()
        };
        let fires = posted(&event);
        assert_eq!(fires[0]["labels"]["alertname"], "LokahiReceiverFailing");
        assert_eq!(fires[0]["endsAt"], "2026-01-02T10:00:00Z");
        assert!(!is_kept_alive(&frozen(&event, &[])));
        event.resolved = true;
        event.project.as_mut().unwrap().reason = "Delivered".into();
        assert_eq!(posted(&event)[0]["labels"], fires[0]["labels"]);
        assert_eq!(posted(&event)[0]["endsAt"], "2026-01-01T10:00:00Z");
    }

    #[test]
    fn where_alerts_are_posted() {
        for (url, at) in [
            ("http://am:9093", "http://am:9093/api/v2/alerts"),
            ("http://am:9093/", "http://am:9093/api/v2/alerts"),
            ("http://p/am/", "http://p/am/api/v2/alerts"),
            ("http://am/api/v2/alerts", "http://am/api/v2/alerts"),
        ] {
            assert_eq!(place(url.parse().unwrap()).as_str(), at);
        }
    }
}
