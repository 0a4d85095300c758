//! Who gets in, and which pages are open.

use lokahi::api::ApiSettings;

use crate::support::server::{Server, answer};
use crate::support::servers::{options, servers};
use lokahi::runtime::supervisor::Supervisor;
use lokahi::services::Services;

#[tokio::test]
async fn the_wrong_user_the_wrong_password_and_nobody_are_refused() {
    let server = Server::guarded().await;
    let address = server.base.strip_prefix("http://").unwrap();
    for wrong in ["eve:se:cret@", "ada:secret@", "ada@", ""] {
        let url = format!("http://{wrong}{address}/twirp/github.xe.lokahi.Checks/List");
        let call = server
            .http
            .post(url)
            .header("content-type", "application/json");
        let answer = answer(call.body("{}")).await;
        assert_eq!(answer.refusal(), "401 unauthenticated -", "{wrong}");
        let ways = answer.headers.get_all("www-authenticate").iter();
        let ways: Vec<&str> = ways.map(|way| way.to_str().unwrap()).collect();
        assert_eq!(
            ways,
            [r#"Basic realm="lokahi""#, r#"Bearer realm="lokahi""#]
        );
    }
    assert_eq!(
        server.good("Checks/List", "{}").await,
        serde_json::json!({})
    );
}

#[tokio::test]
async fn pages_for_machines_are_open_except_the_metrics() {
    let server = Server::guarded().await;
    let page = async |path: &str| {
        let answer = answer(server.http.get(format!("{}{path}", server.base))).await;
        (answer.status, String::from_utf8(answer.body).unwrap())
    };
    assert_eq!(page("/livez").await, (200, "ok\n".to_owned()));
    let ready = r#"{"database":"ok","deliveries":"ok","nats":"ok","probes":"ok","ready":true}"#;
    assert_eq!(page("/readyz").await, (200, format!("{ready}\n")));
    assert_eq!(page("/health").await, (200, format!("{ready}\n")));
    assert_eq!(page("/metrics").await.0, 401);
    let metrics = answer(server.http.get(format!("{}/metrics", server.url))).await;
    assert_eq!(metrics.body, b"# EOF\n");

    let settings = ApiSettings {
        userpass: Some("ada:secret".to_owned()),
        metrics_open: true,
        ..ApiSettings::default()
    };
    let open = Server::start_with(settings, &servers().nats_url).await;
    let metrics = answer(open.http.get(format!("{}/metrics", open.base))).await;
    assert_eq!(metrics.status, 200);
}

#[tokio::test]
async fn what_is_wrong_is_said_and_what_needs_it_is_unavailable() {
    let supervisor = Supervisor::new();
    let nats = Services::start(options(false, true), &supervisor.tasks())
        .await
        .unwrap();
    let server = Server::start_with(ApiSettings::default(), nats.nats_url().unwrap()).await;
    nats.stop().await.unwrap();
    crate::support::until("NATS is missed", async || !server.bus.is_connected()).await;
    server.store.close().await;
    let page = answer(server.http.get(format!("{}/readyz", server.base))).await;
    assert_eq!(page.status, 503);
    insta::assert_snapshot!(
        String::from_utf8(page.body).unwrap(),
        @r#"{"database":"could not ask Postgres for a sign of life","deliveries":"ok","nats":"NATS is not connected","probes":"ok","ready":false}"#
    );
    let refused = server.json("Checks/List", "{}").await;
    assert_eq!(refused.refusal(), "503 unavailable -");
}
