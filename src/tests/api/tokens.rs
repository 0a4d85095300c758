//! The life of a token: made, used in two ways, expired, revoked.

use serde_json::{Value, json};

use crate::support::server::{Server, answer};

/// The message of a refusal.
fn words(answer: &crate::support::server::Answer) -> String {
    let json = answer.json();
    format!("{} {}", answer.status, json["msg"].as_str().unwrap())
}

#[tokio::test]
async fn a_token_is_a_bearer_or_a_password() {
    let server = Server::guarded().await;
    let token = server.token("ci", &["read"]).await;
    let digits = token.strip_prefix("lokahi_").unwrap();
    assert!(digits.len() == 64 && digits.bytes().all(|b| b.is_ascii_hexdigit()));

    let url = format!("{}/twirp/github.xe.lokahi.Checks/List", server.base);
    let call = || {
        let call = server.http.post(&url).body("{}");
        call.header("content-type", "application/json")
    };
    assert_eq!(answer(call().bearer_auth(&token)).await.status, 200);
    let basic = |user: &str| call().basic_auth(user, Some(&token));
    assert_eq!(answer(basic("token")).await.status, 200);
    let other = answer(basic("ada")).await;
    assert_eq!(words(&other), "401 the user name or the password is wrong");
    // One digit more, fewer, other; and what is none at all.
    let fewer: String = token.chars().take(70).collect();
    for wrong in [&format!("{token}0"), &fewer, &format!("{fewer}g"), "x"] {
        let refused = answer(call().bearer_auth(wrong)).await;
        assert_eq!(words(&refused), "401 the token is not known", "{wrong}");
        let ways = refused.headers.get_all("www-authenticate").iter().count();
        assert_eq!(ways, 2);
    }
}

#[tokio::test]
async fn a_token_that_has_ended_says_how() {
    let server = Server::guarded().await;
    let body = r#"{"name":"ci","scopes":["read"],"expires_in_seconds":"3600"}"#;
    let made = server.good("Tokens/Create", body).await;
    let token = made["text"].as_str().unwrap();
    let list = async || server.json_by(token, "Checks/List", "{}").await;
    assert_eq!(list().await.status, 200);

    let revoked = server.good("Tokens/Revoke", r#"{"token":"ci"}"#).await;
    assert!(revoked["revoked_at"].is_string(), "{revoked}");
    let refused = words(&list().await);
    assert!(
        refused.starts_with("401 the token ci was revoked at 20"),
        "{refused}"
    );
    let gone = server.json("Tokens/Revoke", r#"{"token":"ci"}"#).await;
    assert_eq!(gone.refusal(), "404 not_found token");
    let id = json!({"token": made["token"]["id"]}).to_string();
    let again = server.good("Tokens/Revoke", &id).await;
    assert_eq!(again["revoked_at"], revoked["revoked_at"]);

    // The name is free, and the next one expires.
    let made = server.good("Tokens/Create", body).await;
    let token = made["text"].as_str().unwrap();
    let mut conn = server.store.acquire().await.unwrap();
    let expire =
        "update tokens set expires_at = now() - interval '1 second' where revoked_at is null";
    sqlx::query(expire).execute(&mut *conn).await.unwrap();
    let refused = words(&server.json_by(token, "Checks/List", "{}").await);
    assert!(
        refused.starts_with("401 the token ci expired at 20"),
        "{refused}"
    );
    let next = server.token("ci", &["read"]).await;
    assert_eq!(server.json_by(&next, "Checks/List", "{}").await.status, 200);
    let refused = words(&server.json_by(token, "Checks/List", "{}").await);
    assert!(
        refused.starts_with("401 the token ci expired at 20"),
        "{refused}"
    );

    let live = server.good("Tokens/List", "{}").await;
    assert_eq!(live["tokens"].as_array().unwrap().len(), 1);
    let all = server
        .good("Tokens/List", r#"{"include_ended":true}"#)
        .await;
    assert_eq!(all["tokens"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn a_list_says_what_a_token_is_and_when_it_was_used() {
    let server = Server::guarded().await;
    let token = server.token("ci", &["plan", "read", "plan"]).await;
    let listed = async || -> Value {
        let page = server.good("Tokens/List", "{}").await;
        page["tokens"][0].clone()
    };
    let before = listed().await;
    assert_eq!(before["scopes"], json!(["read", "plan"]));
    assert_eq!(
        (&before["name"], &before["created_by"]),
        (&json!("ci"), &json!("ada"))
    );
    assert_eq!(before["last_used_at"], Value::Null);
    server.json_by(&token, "Checks/List", "{}").await;
    let used = listed().await["last_used_at"].clone();
    assert!(used.is_string());
    server.json_by(&token, "Checks/List", "{}").await;
    assert_eq!(
        listed().await["last_used_at"],
        used,
        "it is not written each time"
    );
}

#[tokio::test]
async fn what_cannot_be_a_token_is_refused() {
    let server = Server::guarded().await;
    server.token("ci", &["read"]).await;
    let refused = async |body: Value| server.json("Tokens/Create", &body.to_string()).await;
    let scopes = json!({"name": "x", "scopes": ["read", "write", "apply:A"]});
    insta::assert_snapshot!(words(&refused(scopes).await), @r#"400 scopes: "write" is no scope: there are read, plan, apply:PROJECT, operate and admin; "apply:A" is no scope: there are read, plan, apply:PROJECT, operate and admin"#);
    let taken = json!({"name": "ci", "scopes": ["read"]});
    insta::assert_snapshot!(words(&refused(taken).await), @r#"409 there is a token "ci" already; revoke it first, or choose another name"#);
    for (body, expect) in [
        (json!({"name": "x"}), "400 invalid_argument scopes"),
        (
            json!({"name": "X y", "scopes": ["read"]}),
            "400 invalid_argument name",
        ),
        (
            json!({"name": "x", "scopes": ["read"], "expires_in_seconds": 0}),
            "400 invalid_argument expires_in_seconds",
        ),
        (
            json!({"name": "x", "scopes": ["read"], "expires_in_seconds": 400_000_000}),
            "400 invalid_argument expires_in_seconds",
        ),
    ] {
        assert_eq!(refused(body).await.refusal(), expect);
    }
}

#[tokio::test]
async fn without_postgres_the_administrator_gets_in_and_a_token_is_told_to_wait() {
    let server = Server::guarded().await;
    let token = server.token("ci", &["read"]).await;
    server.store.close().await;
    let refused = server.json_by(&token, "admin.RunLocal/Stats", "{}").await;
    assert_eq!(refused.refusal(), "503 unavailable -");
    server.good("admin.RunLocal/Stats", "{}").await;
}

#[tokio::test]
async fn a_server_without_a_password_judges_a_token_all_the_same() {
    let server = Server::start().await;
    let token = server.token("ci", &["read"]).await;
    server.good("Checks/List", "{}").await;
    assert_eq!(
        server.json_by(&token, "Checks/List", "{}").await.status,
        200
    );
    let denied = server.json_by(&token, "Tokens/List", "{}").await;
    assert_eq!(denied.refusal(), "403 permission_denied -");
    let unknown = server.json_by("x", "Checks/List", "{}").await;
    assert_eq!(unknown.refusal(), "401 unauthenticated -");
}
