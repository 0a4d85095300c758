//! The little programs, as programs: what is POSTed, and what they do with it.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::IntoResponse as _;
use lokahi::proto::json::{JsonStyle, to_json};
use lokahi::proto::lokahi::check::State;
use lokahi::proto::lokahi::{Check, CheckStatus, Evidence};
use lokahi::runtime::supervisor::Supervisor;
use lokahi::serve::server::serve;
use prost::Message as _;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::support::programs::Listening;
use crate::support::server::{Answer, answer, http};
use crate::support::until;

const HANDLE: &str = "/twirp/github.xe.lokahi.Webhook/Handle";
const PROTOBUF: &str = "application/protobuf";
const JSON: &str = "application/json";

fn event() -> CheckStatus {
    CheckStatus {
        check: Some(Check {
            id: "ID".into(),
            url: "http://site.example.com/".into(),
            name: "front".into(),
            project: "home".into(),
            playbook_url: "URL".into(),
            state: State::Down.into(),
            ..Check::default()
        }),
        last_response_time_nanoseconds: 2_265_561,
        resp_status_code: 500,
        r#type: "check.down".into(),
        evidence: vec![Evidence {
            outcome: "down".into(),
            detail: "status 500 is not 2xx".into(),
            ..Evidence::default()
        }],
        ..CheckStatus::default()
    }
}

async fn post(url: &str, path: &str, content_type: &str, body: impl Into<Vec<u8>>) -> Answer {
    let call = http().post(format!("{url}{path}"));
    answer(call.header("content-type", content_type).body(body.into())).await
}

#[tokio::test]
async fn sample_hook_prints_every_form_of_an_event() {
    let mut hook = Listening::start(env!("CARGO_BIN_EXE_sample_hook"), &[]).await;
    let bare = to_json(&event(), JsonStyle::Wire).unwrap();
    let data: Value = serde_json::from_str(&bare).unwrap();
    let envelope = json!({"type": "check.down", "timestamp": "2026-11-22T10:00:00Z", "data": data});
    // The original writes zero values, too: an empty URL, a response time of 0.
    let explicit = [
        event().encode_to_vec(),
        b"\x0a\x04\x1a\x00\x20\x00".to_vec(),
    ]
    .concat();
    let line = "check id: ID, state: DOWN, latency: 2.265561ms, status code: 500, \
                playbook url: URL, check: front (home), reason: status 500 is not 2xx";
    for (path, content_type, body) in [
        (HANDLE, PROTOBUF, event().encode_to_vec()),
        (HANDLE, PROTOBUF, explicit),
        (HANDLE, JSON, bare.into_bytes()),
        ("/anywhere", PROTOBUF, event().encode_to_vec()),
        (
            "/",
            "application/json; charset=utf-8",
            envelope.to_string().into_bytes(),
        ),
        // After days of flapping they are large.
        ("/", JSON, {
            let mut large = envelope.to_string().into_bytes();
            large.resize(4 << 20, b' ');
            large
        }),
    ] {
        let taken = post(&hook.url, path, content_type, body).await;
        assert_eq!(taken.status, 200, "{path} {content_type}");
        assert_eq!(hook.line().await, line);
    }
    for (path, content_type, body, status) in [
        (
            "/twirp/github.xe.lokahi.Webhook/Other",
            JSON,
            b"{}".to_vec(),
            404,
        ),
        ("/", "text/plain", b"{}".to_vec(), 404),
        ("/", JSON, b"{".to_vec(), 400),
        ("/", JSON, vec![b' '; 5 << 20], 413),
    ] {
        let refused = post(&hook.url, path, content_type, body).await;
        assert_eq!(refused.status, status, "{path} {content_type}");
    }
    hook.logged("refused an event: the body is not").await;
    hook.logged("refused an event: the body is larger than 4194304 bytes")
        .await;
    assert_eq!(hook.stop().await, 0);
}

/// A chat that has too much to do for its first message.
async fn chat(supervisor: &Supervisor) -> (String, Arc<Mutex<Vec<Value>>>) {
    let heard: Arc<Mutex<Vec<Value>>> = Arc::default();
    let messages = Arc::clone(&heard);
    let router = Router::new().fallback(move |body: Bytes| {
        let mut messages = messages.lock().unwrap();
        messages.push(serde_json::from_slice(&body).unwrap());
        std::future::ready(match messages.len() {
            1 => {
                let wait = [(RETRY_AFTER, "7")];
                (
                    StatusCode::TOO_MANY_REQUESTS,
                    wait,
                    "not so fast, /B0/t0ken",
                )
                    .into_response()
            }
            _ => StatusCode::NO_CONTENT.into_response(),
        })
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/B0/t0ken", listener.local_addr().unwrap());
    supervisor.spawn("chat", serve(listener, None, router, supervisor.token()));
    (url, heard)
}

#[tokio::test]
async fn what_the_chat_refuses_is_refused_so_that_it_comes_again() {
    let text = "DOWN front (home): status 500 is not 2xx – http://site.example.com/ – URL";
    for (program, message) in [
        (env!("CARGO_BIN_EXE_slack_hook"), json!({"text": text})),
        (
            env!("CARGO_BIN_EXE_discord_hook"),
            json!({"content": text, "username": "lokahi", "allowed_mentions": {"parse": []}}),
        ),
    ] {
        let supervisor = Supervisor::new();
        let (url, heard) = chat(&supervisor).await;
        let hook = Listening::start(program, &[("WEBHOOK_URL", &url)]).await;
        let refused = post(&hook.url, HANDLE, PROTOBUF, event().encode_to_vec()).await;
        assert_eq!(refused.status, 429);
        assert_eq!(refused.headers["retry-after"], "7");
        let said = String::from_utf8(refused.body).unwrap();
        assert!(said.contains("not so fast, [secret]"), "{said}");
        let taken = post(&hook.url, HANDLE, PROTOBUF, event().encode_to_vec()).await;
        assert_eq!(taken.status, 200);
        assert_eq!(*heard.lock().unwrap(), [message.clone(), message]);
        assert_eq!(hook.stop().await, 0);
        supervisor.token().cancel();
    }
}

#[tokio::test]
async fn the_duke_is_up_and_then_he_is_down() {
    let settings = [("PERIOD", "1s")];
    let duke = Listening::start(env!("CARGO_BIN_EXE_duke-of-york"), &settings).await;
    let state = async || {
        let answer = answer(http().get(&duke.url)).await;
        (answer.status, String::from_utf8(answer.body).unwrap())
    };
    let (up, down) = ((200, "UP\n".to_owned()), (500, "DOWN\n".to_owned()));
    assert_eq!(state().await, up);
    until("he is down", async || state().await == down).await;
    until("he is up again", async || state().await == up).await;
    assert_eq!(duke.stop().await, 0);
}
