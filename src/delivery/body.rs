//! What is sent: the frozen event in the form that the receiver wants, and the
//! headers that go with it.

use prost::Message as _;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tracing::error;
use url::Url;

use crate::model::webhook::WebhookFormat;
use crate::proto::json::{self, JsonStyle};
use crate::proto::lokahi;
use crate::store::delivery::Claimed;

/// The body of a delivery. Frozen at the first attempt.
pub(super) fn body(claimed: &Claimed) -> Vec<u8> {
    match claimed.format {
        WebhookFormat::Protobuf => claimed.payload.clone(),
        WebhookFormat::Json => json_body(claimed),
    }
}

fn json_body(claimed: &Claimed) -> Vec<u8> {
    let event = lokahi::CheckStatus::decode(claimed.payload.as_slice()).unwrap_or_default();
    let message = json::to_json(&event, JsonStyle::Wire).unwrap_or_else(|fault| {
        // A defect of ours; the event itself must still be told.
        error!(
            error = &fault as &dyn std::error::Error,
            "an event has no JSON form"
        );
        "{}".to_owned()
    });
    if is_twirp(&claimed.url) {
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

/// A Twirp service takes the bare message.
fn is_twirp(url: &str) -> bool {
    Url::parse(url).is_ok_and(|url| url.path().starts_with("/twirp/"))
}

/// The headers of one attempt: `webhook-id` is the same in every attempt,
/// `webhook-timestamp` is this attempt's.
pub(super) fn headers(claimed: &Claimed, now: OffsetDateTime) -> Vec<(&'static str, String)> {
    let kind = match claimed.format {
        WebhookFormat::Protobuf => "application/protobuf",
        WebhookFormat::Json => "application/json",
    };
    vec![
        ("content-type", kind.to_owned()),
        ("accept", kind.to_owned()),
        ("webhook-id", claimed.event.to_string()),
        ("webhook-timestamp", now.unix_timestamp().to_string()),
        ("lokahi-attempt", claimed.attempt.to_string()),
    ]
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;
    use uuid::Uuid;

    use super::*;
    use crate::model::id::{DeliveryId, EventId, ReceiverId};
    use crate::model::secret::SecretUse;

    fn claimed(url: &str, format: WebhookFormat) -> Claimed {
        let event = lokahi::CheckStatus {
            r#type: "check.down".into(),
            sequence: 7,
            last_response_time_nanoseconds: 5,
            ..lokahi::CheckStatus::default()
        };
        Claimed {
            id: DeliveryId(Uuid::nil()),
            event: EventId(Uuid::nil()),
            receiver: ReceiverId(Uuid::nil()),
            check: None,
            kind: "check.down".into(),
            at: datetime!(2026-01-01 00:00 UTC),
            url: url.into(),
            secrets: SecretUse::bound(""),
            subject: "api/x".into(),
            receiver_name: "h".into(),
            format,
            attempt: 2,
            first_attempt_at: datetime!(2026-01-01 00:00 UTC),
            payload: event.encode_to_vec(),
            body: None,
        }
    }

    #[test]
    fn forms() {
        let text = |url, format| String::from_utf8(body(&claimed(url, format))).unwrap();
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
        assert_eq!(body(&plain), plain.payload);
    }

    #[test]
    fn every_attempt_has_the_same_id() {
        let now = datetime!(2026-01-01 00:01 UTC);
        let headers = headers(&claimed("http://h/", WebhookFormat::Json), now);
        let value = |name| headers.iter().find(|h| h.0 == name).map(|h| h.1.as_str());
        assert_eq!(
            value("webhook-id"),
            Some("00000000-0000-0000-0000-000000000000")
        );
        assert_eq!(value("webhook-timestamp"), Some("1767225660"));
        assert_eq!(value("lokahi-attempt"), Some("2"));
    }
}
