//! `webhook listen` and `webhook verify`, as programs: what is sent to the one, signed as a
//! webhookworker signs, and what the other says of messages that were kept.

use lokahi::clock;
use lokahi::proto::json::{JsonStyle, to_json};
use lokahi::proto::lokahi::check::State;
use lokahi::proto::lokahi::{Check, CheckStatus, Evidence};
use lokahi::signature::sign;
use prost::Message as _;
use serde_json::Value;

use crate::support::folder::Folder;
use crate::support::programs::{Ended, Listening, lokahictl_with};
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

async fn lokahictl(arguments: &[&str]) -> Ended {
    let arguments = [&["webhook"], arguments].concat();
    lokahictl_with("http://127.0.0.1:1/", &arguments, &SECRETS).await
}

#[tokio::test]
async fn what_was_kept_is_verified() {
    let folder = Folder::new();
    let body = event().encode_to_vec();
    folder.write("body", &body);
    folder.write("longer", [&body[..], b"\n"].concat());
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (whole, longer) = (path("body"), path("longer"));
    let now = clock::now().unix_timestamp();
    let keys = [SECRET.parse().unwrap()];
    let at = |seconds: i64| (seconds.to_string(), sign(&keys, "msg_1", seconds, &body));
    let (fresh, old) = (at(now), at(1_767_225_660));
    let of = |file: &str, secret: &str, signed: &(String, String), more: &[&str]| {
        let fixed = [
            "verify",
            file,
            "--secret",
            secret,
            "--id",
            "msg_1",
            "--timestamp",
            signed.0.as_str(),
            "--signature",
            signed.1.as_str(),
        ];
        let all: Vec<String> = fixed
            .iter()
            .chain(more)
            .map(|it| (*it).to_owned())
            .collect();
        async move {
            let all: Vec<&str> = all.iter().map(String::as_str).collect();
            lokahictl(&all).await
        }
    };
    let valid = of(&whole, "new", &fresh, &["--secret", "old"]).await;
    assert_eq!(
        (valid.code, valid.out.as_str()),
        (0, "valid: signed with secret(\"new\")\n")
    );
    let kept = of(&whole, "new", &old, &["--any-age"]).await;
    assert_eq!(kept.code, 0, "{}", kept.words);

    let told = |ended: Ended| format!("{} {}{}", ended.code, ended.out, ended.words);
    let stale = told(of(&whole, "new", &old, &[]).await);
    assert!(
        stale.starts_with("1 error: not valid: the signature is right, but the message is "),
        "{stale}"
    );
    assert!(
        stale.ends_with("hint: --any-age takes what was kept\n"),
        "{stale}"
    );
    let mut all = String::new();
    all.push_str(&told(of(&whole, "old", &fresh, &[]).await));
    all.push_str(&told(of(&longer, "new", &fresh, &[]).await));
    all.push_str(&told(of(&whole, "word", &fresh, &[]).await));
    all.push_str(&told(of(&whole, "gone", &fresh, &[]).await));
    all.push_str(&told(
        lokahictl(&["verify", &whole, "--secret", "new", "--id", "msg_1"]).await,
    ));
    all.push_str(&told(lokahictl(&["verify", &whole]).await));
    all.push_str(&told(of("/nonexistent/body", "new", &fresh, &[]).await));
    assert!(!all.contains("hunter2"), "{all}");
    insta::assert_snapshot!(all, @r#"
    1 error: not valid: no signature fits: it was signed with another secret, or its id, timestamp or body was changed on the way
    hint: the body must be the bytes as they came, not parsed and written anew
    1 error: not valid: no signature fits: it was signed with another secret, or its id, timestamp or body was changed on the way
    hint: without the line end after the body it is signed: something added that; keep the bytes as they came
    64 error: the value of secret("word") is no signing secret: it is not base64 (with or without whsec_ before it); `openssl rand -base64 32` makes one
    64 error: secret("gone") is not known to lokahictl: set LOKAHI_SECRET_GONE, or put a file "gone" into the folder of --secrets-dir
    1 error: not valid: the header webhook-timestamp is missing
    hint: give its value with --timestamp
    64 error: no secret is named
    hint: name the secret that it should be signed with: --secret NAME
    64 error: cannot read /nonexistent/body: No such file or directory (os error 2)
    "#);
}
