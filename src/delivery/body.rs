//! What is sent: the frozen event in the form that the receiver wants.

use prost::Message as _;
use time::format_description::well_known::Rfc3339;
use tracing::error;

use super::alert;
use crate::model::webhook::WebhookFormat;
use crate::proto::json::{self, JsonStyle};
use crate::proto::lokahi::{Check, CheckStatus};
use crate::store::delivery::Claimed;

/// How much of earlier events a body tells in full, in bytes: the newest of them.
pub(super) const TOLD_IN_FULL: usize = 256 * 1024;
/// The same for a receiver that has said that a body is too large. Many take no more than 100 kB.
const TOLD_IN_SHORT: usize = 16 * 1024;

/// The body of a delivery, frozen at its first attempt: what it was, or is made now. `None` of a
/// receiver that this program cannot read.
pub(super) fn body(claimed: &Claimed) -> Option<Vec<u8>> {
    let webhook = claimed.webhook.as_ref().ok()?;
    if let Some(frozen) = &claimed.body {
        return Some(frozen.clone());
    }
    let body = match webhook.format {
        WebhookFormat::Protobuf if is_as_it_was(claimed) => claimed.payload.clone(),
        WebhookFormat::Protobuf => event(claimed, told_in_full(claimed)).encode_to_vec(),
        WebhookFormat::Json => json_body(claimed, webhook.is_bare()),
        WebhookFormat::Alertmanager => {
            let before: Vec<CheckStatus> = claimed.before.iter().map(|it| decoded(it)).collect();
            // Without its labels it would be another alert.
            alert::frozen(&event(claimed, usize::MAX), &before)
        }
    };
    Some(body)
}

/// Whether a body is its event alone, and can be made of it again. An alert is what its receiver got
/// before, too.
pub(super) fn is_plain(claimed: &Claimed) -> bool {
    let format = claimed.webhook.as_ref().ok().map(|it| it.format);
    format != Some(WebhookFormat::Alertmanager) && is_as_it_was(claimed)
}

/// Whether only the event is told, and nothing but what every receiver is.
fn is_as_it_was(claimed: &Claimed) -> bool {
    claimed.superseded.is_empty() && !claimed.unheard
}

fn told_in_full(claimed: &Claimed) -> usize {
    match claimed.too_large {
        0 => TOLD_IN_FULL,
        _ => TOLD_IN_SHORT,
    }
}

/// The event, with what only this receiver has to know; so many bytes of earlier events in full.
///
/// To a receiver that takes not even the short form it goes alone: what is so now must arrive. What
/// a group tells is all that it is, and stays.
fn event(claimed: &Claimed, in_full: usize) -> CheckStatus {
    let mut told = 0;
    let event = decoded(&claimed.payload);
    let is_group = event.r#type == "group";
    let newest_first = claimed.superseded.iter().rev().map(|it| {
        told += it.payload.len();
        let carried = CheckStatus {
            unheard: it.unheard,
            ..decoded(&it.payload)
        };
        match told <= in_full {
            true => carried,
            false => shortened(carried, is_group),
        }
    });
    let mut carried: Vec<CheckStatus> = newest_first.collect();
    carried.reverse();
    if is_group {
        let events = carried;
        return CheckStatus { events, ..event };
    }
    if claimed.too_large > 1 {
        carried.clear();
    }
    CheckStatus {
        superseded: carried,
        unheard: claimed.unheard,
        ..event
    }
}

fn decoded(payload: &[u8]) -> CheckStatus {
    CheckStatus::decode(payload).unwrap_or_else(|fault| {
        // A defect of ours; the rest must still be told.
        error!(
            error = &fault as &dyn std::error::Error,
            "a stored event cannot be read"
        );
        CheckStatus::default()
    })
}

/// What tells one event from another, and no more; of what nothing else tells of its check, whom
/// that calls, too.
fn shortened(event: CheckStatus, is_all: bool) -> CheckStatus {
    let check = event.check.map(|check| {
        let short = Check {
            id: check.id,
            state: check.state,
            ..Check::default()
        };
        match is_all {
            true => Check {
                name: check.name,
                project: check.project,
                playbook_url: check.playbook_url,
                ..short
            },
            false => short,
        }
    });
    CheckStatus {
        check,
        r#type: event.r#type,
        event_id: event.event_id,
        sequence: event.sequence,
        previous_state: event.previous_state,
        at: event.at,
        incident: event.incident,
        resolved: event.resolved,
        unheard: event.unheard,
        ..CheckStatus::default()
    }
}

fn json_body(claimed: &Claimed, is_bare: bool) -> Vec<u8> {
    let message = match is_as_it_was(claimed) {
        true => json::encoded_to_json::<CheckStatus>(&claimed.payload, JsonStyle::Wire),
        false => json::to_json(&event(claimed, told_in_full(claimed)), JsonStyle::Wire),
    };
    let message = message.unwrap_or_else(|fault| {
        // A defect of ours; the event itself must still be told.
        error!(
            error = &fault as &dyn std::error::Error,
            "an event has no JSON form"
        );
        "{}".to_owned()
    });
    if is_bare {
        return message.into_bytes();
    }
    // The Standard Webhooks envelope.
    let timestamp = claimed.at.format(&Rfc3339).unwrap_or_default();
    format!(
        r#"{{"type":{:?},"timestamp":{timestamp:?},"data":{message}}}"#,
        claimed.kind
    )
    .into_bytes()
}

#[cfg(test)]
pub(super) mod tests {
    use time::macros::datetime;
    use uuid::Uuid;

    use super::*;
    use crate::model::id::{DeliveryId, EventId, ReceiverId};
    use crate::model::secret::SecretUse;
    use crate::model::webhook::WebhookSpec;
    use crate::store::delivery::Carried;

    fn encoded(sequence: i64) -> Carried {
        let event = CheckStatus {
            r#type: "check.down".into(),
            sequence,
            last_response_time_nanoseconds: 5,
            revision: "x".repeat(100_000),
            ..CheckStatus::default()
        };
        Carried {
            payload: event.encode_to_vec(),
            unheard: false,
        }
    }

    pub(crate) fn claimed(url: &str, format: WebhookFormat) -> Claimed {
        let event = CheckStatus {
            r#type: "check.down".into(),
            sequence: 7,
            last_response_time_nanoseconds: 5,
            ..CheckStatus::default()
        };
        Claimed {
            id: DeliveryId(Uuid::nil()),
            event: EventId(Uuid::nil()),
            receiver: ReceiverId(Uuid::nil()),
            check: None,
            replay: 0,
            kind: "check.down".into(),
            at: datetime!(2026-01-01 00:00 UTC),
            webhook: Ok(WebhookSpec::new(url.parse().unwrap(), format)),
            secrets: SecretUse::bound(""),
            subject: "api/x".into(),
            receiver_name: "h".into(),
            attempt: 2,
            first_attempt_at: datetime!(2026-01-01 00:00 UTC),
            refused: 0,
            too_large: 0,
            unwelcome_since: None,
            superseded: Vec::new(),
            before: Vec::new(),
            unheard: false,
            payload: event.encode_to_vec(),
            body: None,
        }
    }

    #[test]
    fn forms() {
        let text = |url, format| String::from_utf8(body(&claimed(url, format)).unwrap()).unwrap();
        assert_eq!(
            text("https://hooks.example.com/x", WebhookFormat::Json),
            r#"{"type":"check.down","timestamp":"2026-01-01T00:00:00Z","data":{"last_response_time_nanoseconds":"5","type":"check.down","sequence":"7"}}"#
        );
        assert_eq!(
            text(
                "http://h/twirp/github.xe.lokahi.Webhook/Handle",
                WebhookFormat::Json
            ),
            r#"{"last_response_time_nanoseconds":"5","type":"check.down","sequence":"7"}"#
        );
        let plain = claimed("http://h/", WebhookFormat::Protobuf);
        assert_eq!(body(&plain), Some(plain.payload));
    }

    #[test]
    fn what_was_sent_is_sent_again() {
        let mut again = claimed("http://h/", WebhookFormat::Json);
        again.body = Some(b"frozen".to_vec());
        again.unheard = true;
        assert_eq!(body(&again).unwrap(), b"frozen");
        again.webhook = Err("from a newer program".into());
        assert_eq!(body(&again), None);
    }

    #[test]
    fn earlier_events_are_told_the_newest_in_full() {
        let mut newest = claimed("http://h/", WebhookFormat::Protobuf);
        newest.superseded = (1..=4).map(encoded).collect();
        newest.unheard = true;
        let event = CheckStatus::decode(body(&newest).unwrap().as_slice()).unwrap();
        assert_eq!((event.sequence, event.unheard), (7, true));
        let told = event.superseded.iter();
        let told: Vec<(i64, usize)> = told.map(|it| (it.sequence, it.revision.len())).collect();
        assert_eq!(told, [(1, 0), (2, 0), (3, 100_000), (4, 100_000)]);
    }

    /// The events that a body of so many refusals as too large carries, by sequence, and whether in
    /// full.
    fn carried(kind: &str, too_large: i32) -> Vec<(i64, bool)> {
        let mut claimed = claimed("http://h/", WebhookFormat::Protobuf);
        claimed.payload = CheckStatus {
            r#type: kind.into(),
            ..CheckStatus::default()
        }
        .encode_to_vec();
        claimed.too_large = too_large;
        let named = |sequence| CheckStatus {
            check: Some(Check {
                name: format!("c{sequence}"),
                ..Check::default()
            }),
            revision: "x".repeat(10_000),
            sequence,
            ..CheckStatus::default()
        };
        let payloads = (1..=3).map(|sequence| named(sequence).encode_to_vec());
        let carried = payloads.map(|payload| Carried {
            payload,
            unheard: false,
        });
        claimed.superseded = carried.collect();
        let event = CheckStatus::decode(body(&claimed).unwrap().as_slice()).unwrap();
        let is_named = |it: &CheckStatus| !it.check.as_ref().unwrap().name.is_empty();
        assert!(event.events.iter().all(is_named));
        let carried = event.superseded.iter().chain(&event.events);
        carried
            .map(|it| (it.sequence, !it.revision.is_empty()))
            .collect()
    }

    #[test]
    fn what_is_too_large_tells_less_of_others() {
        let (whole, short) = ([true; 3], [false, false, true]);
        let each = |full: [bool; 3]| (1..=3).zip(full).collect::<Vec<_>>();
        assert_eq!(carried("check.up", 0), each(whole));
        assert_eq!(carried("check.up", 1), each(short));
        assert_eq!(carried("check.up", 2), []);
        for (too_large, full) in [(0, whole), (1, short), (2, short)] {
            assert_eq!(carried("group", too_large), each(full));
        }
    }
}
