//! `webhook listen`: what is sent to it, signed as a webhookworker signs.

use lokahi::proto::json::{JsonStyle, to_json};
use prost::Message as _;
use serde_json::Value;

use super::{HANDLE, JSON, OTHER, PROTOBUF, SECRET, SECRETS, envelope, event, post};
use crate::support::programs::Listening;

async fn listening(arguments: &[&str]) -> Listening {
    let arguments = [&["webhook", "listen", "--port", "0"], arguments].concat();
    Listening::start_with(env!("CARGO_BIN_EXE_lokahictl"), &arguments, &SECRETS).await
}

/// The next object that it prints.
async fn heard(listening: &mut Listening) -> Value {
    serde_json::from_str(&listening.line().await).unwrap()
}

#[tokio::test]
async fn every_form_is_printed_with_what_its_signature_is_worth() {
    let arguments = ["--output", "json", "--secret", "new", "--secret", "old"];
    let mut hook = listening(&arguments).await;
    let bare = to_json(&event(), JsonStyle::Wire).unwrap().into_bytes();
    for (path, kind, body, secret, by) in [
        ("/", JSON, envelope(), SECRET, "new"),
        ("/x", PROTOBUF, event().encode_to_vec(), OTHER, "old"),
        (HANDLE, JSON, bare, SECRET, "new"),
        (HANDLE, PROTOBUF, event().encode_to_vec(), SECRET, "new"),
    ] {
        let url = format!("{}{path}", hook.url);
        let taken = post(&url, kind, body, Some(secret)).await;
        assert_eq!(taken.status, 200, "{path}");
        let heard = heard(&mut hook).await;
        assert_eq!(heard["signature"], "ok");
        assert_eq!(heard["signed_by"], by);
        assert_eq!(heard["type"], "check.down");
        assert_eq!(heard["check"], "front");
        assert_eq!(heard["state"], "DOWN");
        assert_eq!(heard["since"], "2026-01-01T00:00:00Z");
        assert_eq!(heard["playbook_url"], "https://wiki.example.com/front");
        assert_eq!(
            (&heard["webhook_id"], &heard["attempt"]),
            (&"msg_1".into(), &3.into())
        );
        assert_eq!(heard["event"]["check"]["project"], "home");
    }
    let stranger = lokahi::files::private::random_hex(16).unwrap();
    let url = hook.url.clone();
    for (secret, why) in [
        (Some(stranger.as_str()), "no signature fits"),
        (None, "the header webhook-signature is missing"),
    ] {
        let refused = post(&url, JSON, envelope(), secret).await;
        assert_eq!(refused.status, 401);
        let heard = heard(&mut hook).await;
        assert_eq!(
            (&heard["signature"], &heard["answer"]),
            (&"bad".into(), &401.into())
        );
        assert!(heard["error"].as_str().unwrap().starts_with(why), "{heard}");
    }
    let malformed = post(&url, JSON, b"{".to_vec(), Some(SECRET)).await;
    assert_eq!(malformed.status, 400);
    let heard = heard(&mut hook).await;
    assert_eq!(
        (&heard["signature"], &heard["event"]),
        (&"ok".into(), &Value::Null)
    );
    assert_eq!(hook.stop().await, 130);
}

#[tokio::test]
async fn it_is_printed_for_people_and_answered_as_wished() {
    let mut hook = listening(&["--answer", "503"]).await;
    let url = hook.url.clone();
    let mut printed = String::new();
    for secret in [None, Some(SECRET)] {
        let refused = post(&url, JSON, envelope(), secret).await;
        assert_eq!(refused.status, 503);
        for _ in 0..4 {
            printed.push_str(&hook.line().await);
            printed.push('\n');
        }
    }
    // When it was received differs.
    let lines: Vec<String> = printed
        .lines()
        .map(|line| match line.split_once("Z check.down") {
            Some((_, rest)) => format!("AT check.down{rest}"),
            None => line.to_owned(),
        })
        .collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    AT check.down front (home): DOWN, status 500 is not 2xx
      since 2026-01-01T00:00:00Z, playbook https://wiki.example.com/front
      webhook-id msg_1, attempt 3, json, answered 503
      not signed
    AT check.down front (home): DOWN, status 500 is not 2xx
      since 2026-01-01T00:00:00Z, playbook https://wiki.example.com/front
      webhook-id msg_1, attempt 3, json, answered 503
      signed, and not checked: --secret NAME checks it
    "#);
}
