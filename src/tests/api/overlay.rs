//! What is set on checks: all that are named or none, with an entry in the audit for each.

use serde_json::json;

use crate::support::server::Server;

async fn create(server: &Server, name: &str) -> String {
    let opts = json!({"url": "http://a.example.com/", "name": name});
    let made = server.good("Checks/Create", &opts.to_string()).await;
    made["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn all_that_are_named_are_changed_or_none_and_the_audit_knows() {
    let server = Server::guarded().await;
    let (front, back) = (
        create(&server, "front").await,
        create(&server, "back").await,
    );
    let token = server.token("oncall", &["operate"]).await;
    let nobody = "0198c3d2-7a54-7cc0-b1d2-3f6f1a2b3c4d";
    let ask = async |method: &str, body: serde_json::Value| {
        let body = body.to_string();
        server.json_by(&token, method, &body).await
    };
    let missing = ask("Checks/Mute", json!({"ids": [front, nobody]})).await;
    assert_eq!(missing.refusal(), "404 not_found id");
    for (field, body) in [
        ("ids", json!({})),
        ("for_seconds", json!({"ids": [front], "for_seconds": -1})),
        (
            "for_seconds",
            json!({"ids": [front], "for_seconds": "31622401"}),
        ),
        (
            "reason",
            json!({"ids": [front], "reason": "x".repeat(1025)}),
        ),
    ] {
        let refused = ask("Checks/Pause", body).await;
        assert_eq!(refused.refusal(), format!("400 invalid_argument {field}"));
    }
    let lasting = json!({"ids": [front], "for_seconds": 60});
    let refused = ask("Checks/Acknowledge", lasting).await;
    assert_eq!(refused.refusal(), "400 invalid_argument for_seconds");
    let got = server
        .good("Checks/Get", &json!({"id": front}).to_string())
        .await;
    assert_eq!(got["muted"], json!(null), "nothing was changed");

    let both = json!({"ids": [back, front, back], "for_seconds": 3600, "reason": "we know"});
    let done = ask("Checks/Mute", both).await.json();
    let checks = done["checks"].as_array().unwrap();
    let shown: Vec<&str> = checks
        .iter()
        .map(|it| it["name"].as_str().unwrap())
        .collect();
    assert_eq!(shown, ["back", "front"]);
    for check in checks {
        let muted = &check["muted"];
        assert_eq!(
            (&muted["by"], &muted["reason"]),
            (&json!("token:oncall"), &json!("we know"))
        );
        assert_ne!(muted["until"], json!(null));
    }
    let listed = server.good("Checks/List", "{}").await;
    assert_eq!(listed["results"][0]["check"]["muted"]["reason"], "we know");
    let one = json!({"ids": [front], "end": true, "reason": "it is over"});
    assert_eq!(ask("Checks/Mute", one.clone()).await.json()["changed"], 1);
    assert_eq!(ask("Checks/Mute", one).await.json()["changed"], json!(null));

    let audit = server
        .good("Audit/List", r#"{"action":"Checks/Mute"}"#)
        .await;
    let shown = audit["entries"].as_array().unwrap().iter().map(|entry| {
        let of = |field: &str| entry[field].as_str().unwrap_or("-").to_owned();
        let name = of("subject").split(' ').nth(1).unwrap().to_owned();
        format!("{name} | {} | {}\n", of("principal"), of("reason"))
    });
    insta::assert_snapshot!(shown.collect::<String>(), @r"
    front | token:oncall | ended: it is over
    front | token:oncall | for 3600 s: we know
    back | token:oncall | for 3600 s: we know
    ");
}

#[tokio::test]
async fn an_edit_and_an_end_of_a_check_leave_what_is_set_on_it() {
    let server = Server::start().await;
    let id = create(&server, "front").await;
    let pause = json!({"ids": [id], "reason": "moving"}).to_string();
    server.good("Checks/Pause", &pause).await;
    let put = json!({"id": id, "every": 30}).to_string();
    let put = server.good("Checks/Put", &put).await;
    assert_eq!(put["paused"]["reason"], "moving");
    let get = json!({"id": id}).to_string();
    server.good("Checks/Delete", &get).await;
    let gone = server.json("Checks/Pause", &pause).await;
    assert_eq!(gone.refusal(), "404 not_found id");
    let back = server.good("Checks/Restore", &get).await;
    assert_eq!(back["paused"]["reason"], "moving");
}
