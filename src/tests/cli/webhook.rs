//! `webhook listen` and `webhook verify`, as programs: what is sent to the one, signed as a
//! webhookworker signs, and what the other says of messages that were kept.

mod listen;
mod verify;

use lokahi::clock;
use lokahi::proto::json::{JsonStyle, to_json};
use lokahi::proto::lokahi::check::State;
use lokahi::proto::lokahi::{Check, CheckStatus, Evidence};
use lokahi::signature::sign;

use crate::support::server::{Answer, answer, http};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OTHER: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
const SECRETS: [(&str, &str); 3] = [
    ("LOKAHI_SECRET_NEW", SECRET),
    ("LOKAHI_SECRET_OLD", OTHER),
    ("LOKAHI_SECRET_WORD", "hunter2"),
];
const JSON: &str = "application/json";
const PROTOBUF: &str = "application/protobuf";
const HANDLE: &str = "/twirp/github.xe.lokahi.Webhook/Handle";

fn event() -> CheckStatus {
    CheckStatus {
        check: Some(Check {
            id: "ID".into(),
            url: "http://site.example.com/".into(),
            name: "front".into(),
            project: "home".into(),
            playbook_url: "https://wiki.example.com/front".into(),
            state: State::Down.into(),
            since: Some(prost_types::Timestamp {
                seconds: 1_767_225_600,
                nanos: 0,
            }),
            ..Check::default()
        }),
        r#type: "check.down".into(),
        evidence: vec![Evidence {
            outcome: "down".into(),
            detail: "status 500 is not 2xx".into(),
            ..Evidence::default()
        }],
        ..CheckStatus::default()
    }
}

fn envelope() -> Vec<u8> {
    let data = to_json(&event(), JsonStyle::Wire).unwrap();
    let text =
        format!(r#"{{"type":"check.down","timestamp":"2026-01-01T00:00:00Z","data":{data}}}"#);
    text.into_bytes()
}

/// POSTs an event, signed with this secret if there is one.
async fn post(url: &str, kind: &str, body: Vec<u8>, secret: Option<&str>) -> Answer {
    let at = clock::now().unix_timestamp();
    let mut call = http()
        .post(url)
        .header("content-type", kind)
        .header("webhook-id", "msg_1")
        .header("webhook-timestamp", at.to_string())
        .header("lokahi-attempt", "3");
    if let Some(secret) = secret {
        let signature = sign(&[secret.parse().unwrap()], "msg_1", at, &body);
        call = call.header("webhook-signature", signature);
    }
    answer(call.body(body)).await
}
