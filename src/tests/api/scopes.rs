//! What each scope lets through and what it does not, for every method that is
//! served: a new one fails here until somebody has said who may call it.

use std::collections::{BTreeMap, BTreeSet};

use lokahi::api::method_rows;
use lokahi::model::check::CheckSpec;
use lokahi::model::desired::{Declared, Move, Removal};
use lokahi::proto::lokahi::{PlanRequest, PlanResult};
use serde_json::json;

use crate::support::declaring::Declaring;
use crate::support::server::{Server, answer};

const SCOPES: [&str; 7] = [
    "read",
    "plan",
    "apply:api",
    "apply:shop",
    "apply:blog",
    "operate",
    "admin",
];

const READ: &[&str] = &SCOPES;
const PLAN: &[&str] = &["plan", "apply:api", "apply:shop", "apply:blog", "admin"];
const API: &[&str] = &["apply:api", "admin"];
/// Which of them, a check decides; this one is nobody's.
const SOME_APPLY: &[&str] = &["apply:api", "apply:shop", "apply:blog", "admin"];
const SHOP: &[&str] = &["apply:shop", "admin"];
const OPERATE: &[&str] = &["operate", "admin"];
const ADMIN: &[&str] = &["admin"];

/// The method, a request that changes nothing that matters, and who may.
const METHODS: &[(&str, &str, &[&str])] = &[
    ("Audit/List", "{}", OPERATE),
    ("Checks/Acknowledge", r#"{"ids":["x"]}"#, OPERATE),
    ("Checks/Create", r#"{"url":"ftp://x/"}"#, API),
    ("Checks/Delete", r#"{"id":"x"}"#, SOME_APPLY),
    ("Checks/EndMaintenance", r#"{"id":"x"}"#, OPERATE),
    ("Checks/Get", r#"{"id":"x"}"#, READ),
    ("Checks/History", r#"{"id":"x"}"#, READ),
    ("Checks/List", "{}", READ),
    ("Checks/Probe", r#"{"project":"shop"}"#, SHOP),
    ("Checks/Maintain", "{}", OPERATE),
    ("Checks/Maintenances", "{}", READ),
    ("Checks/Mute", r#"{"ids":["x"]}"#, OPERATE),
    ("Checks/Pause", r#"{"ids":["x"]}"#, OPERATE),
    ("Checks/Put", r#"{"id":"x"}"#, SOME_APPLY),
    ("Checks/Restore", r#"{"id":"x"}"#, API),
    ("Checks/Status", r#"{"id":"x"}"#, READ),
    ("Projects/Apply", r#"{"token":"PLAN"}"#, SHOP),
    ("Projects/Approve", r#"{"project":"shop"}"#, SHOP),
    ("Projects/Explain", r#"{"id":"x"}"#, READ),
    ("Projects/History", r#"{"project":"shop"}"#, READ),
    ("Projects/MissingSpecs", "{}", PLAN),
    ("Projects/Objects", "{}", READ),
    ("Projects/Plan", r#"{"project":"shop"}"#, PLAN),
    ("Projects/PlanPage", "{}", PLAN),
    (
        "Projects/Progress",
        r#"{"project":"shop","generation":"1"}"#,
        READ,
    ),
    ("Projects/Reconcile", r#"{"project":"shop"}"#, OPERATE),
    ("Projects/Resume", r#"{"project":"shop"}"#, OPERATE),
    ("Projects/Status", "{}", READ),
    ("Projects/Suspend", r#"{"project":"shop"}"#, OPERATE),
    ("Projects/UploadIndex", "{}", PLAN),
    ("Projects/UploadSpecs", "{}", PLAN),
    ("Receivers/Deliveries", "{}", READ),
    ("Receivers/List", "{}", READ),
    (
        "Receivers/Replay",
        r#"{"since":"2026-01-01T00:00:00Z"}"#,
        OPERATE,
    ),
    ("Receivers/Retry", r#"{"all":true}"#, OPERATE),
    ("Receivers/Test", r#"{"receiver":"x"}"#, OPERATE),
    ("Tokens/Create", "{}", ADMIN),
    ("Tokens/List", "{}", ADMIN),
    ("Tokens/Revoke", r#"{"token":"x"}"#, ADMIN),
    ("admin.RunLocal/Checks", "{}", OPERATE),
    ("admin.RunLocal/Stats", "{}", READ),
];

#[tokio::test]
async fn each_scope_allows_what_it_should_of_every_method() {
    let served = method_rows().into_iter().map(|row| row.name);
    let classified = METHODS.iter().map(|(method, _, _)| *method);
    assert_eq!(
        classified
            .map(|method| format!("github.xe.lokahi.{method}"))
            .collect::<BTreeSet<_>>(),
        served.map(str::to_owned).collect::<BTreeSet<_>>(),
        "each method stands in METHODS with who may call it"
    );

    let server = Server::guarded().await;
    let mut tokens = BTreeMap::new();
    for scope in SCOPES {
        let name = scope.replace(':', "-");
        tokens.insert(scope, server.token(&name, &[scope]).await);
    }
    // Whose plan a token stands for, only the plan knows.
    let plan = Declaring::new("shop").plan(&server.client()).await.unwrap();
    for (method, body, allowed) in METHODS {
        let body = &body.replace("PLAN", &plan.token);
        for (scope, token) in &tokens {
            let answer = server.json_by(token, method, body).await;
            let denied = answer.status == 403;
            assert_ne!(
                denied,
                allowed.contains(scope),
                "{method} {body} by {scope}"
            );
            assert_ne!(answer.status, 401, "{method} by {scope}");
            assert_ne!(answer.status, 500, "{method} by {scope}");
        }
        let anybody = server
            .http
            .post(format!("{}/twirp/github.xe.lokahi.{method}", server.base));
        let anybody = anybody
            .header("content-type", "application/json")
            .body("{}");
        assert_eq!(answer(anybody).await.status, 401, "{method}");
    }
}

#[tokio::test]
async fn a_check_is_changed_by_whoever_may_apply_its_project() {
    let server = Server::guarded().await;
    let made = json!({"url": "http://a.example.com/"}).to_string();
    let made = server.good("Checks/Create", &made).await["id"].clone();
    let site = CheckSpec::new("http://b.example.com/".parse().unwrap());
    let shop = Declaring::new("shop").check("web", site);
    shop.apply(&server.client()).await.unwrap();
    let listed = server.good("Checks/List", r#"{"project":"shop"}"#).await;
    let web = listed["results"][0]["check"]["id"].clone();
    let mut seen = Vec::new();
    for scope in ["plan", "apply:api", "apply:shop", "apply:blog"] {
        let token = server.token(&scope.replace(':', "-"), &[scope]).await;
        let ask = async |id: &serde_json::Value, force: bool| {
            let put = json!({
                "id": id, "every": 30, "force": force, "force_reason": "it floods the pager",
            });
            let put = put.to_string();
            server.json_by(&token, "Checks/Put", &put).await.status
        };
        let statuses = [
            ask(&made, false).await,
            ask(&web, false).await,
            ask(&web, true).await,
        ];
        seen.push((scope, statuses));
    }
    assert_eq!(
        seen,
        [
            ("plan", [403, 403, 403]),
            // Without force the answer is where it is declared.
            ("apply:api", [200, 412, 403]),
            ("apply:shop", [403, 412, 200]),
            ("apply:blog", [403, 412, 403]),
        ]
    );
}

#[tokio::test]
async fn metrics_are_for_whoever_reads() {
    let server = Server::guarded().await;
    let page = async |token: &str| {
        let call = server.http.get(format!("{}/metrics", server.base));
        answer(call.bearer_auth(token)).await.status
    };
    let reader = server.token("prometheus", &["read"]).await;
    assert_eq!(page(&reader).await, 200);
    let nobody = format!("lokahi_{}", "0".repeat(64));
    assert_eq!(page(&nobody).await, 401);
}

#[tokio::test]
async fn a_refusal_names_the_scope_and_is_written_down_once() {
    let server = Server::guarded().await;
    let token = server.token("ci", &["plan", "apply:blog"]).await;
    let plan = Declaring::new("shop").plan(&server.client()).await.unwrap();
    let ask = async || {
        let request = json!({"token": plan.token}).to_string();
        server.json_by(&token, "Projects/Apply", &request).await
    };
    let refused = ask().await;
    assert_eq!((refused.status, ask().await.status), (403, 403));
    insta::assert_snapshot!(refused.json(), @r#"{"code":"permission_denied","meta":{"scope":"apply:shop"},"msg":"Projects/Apply needs the scope apply:shop; token:ci has plan, apply:blog"}"#);
    let of_another = server.json_by(&token, "Tokens/List", "{}").await;
    assert_eq!(of_another.refusal(), "403 permission_denied -");
    let denied = server
        .good("Audit/List", r#"{"principal":"token:ci"}"#)
        .await;
    let entries = denied["entries"].as_array().unwrap();
    let shown = entries.iter().map(|entry| {
        let of = |field: &str| entry[field].as_str().unwrap_or("-").to_owned();
        let fields = ["action", "project", "outcome", "reason"].map(of);
        format!("{}\n", fields.join(" | "))
    });
    insta::assert_snapshot!(shown.collect::<String>(), @r"
    Tokens/List | - | denied | needs admin, has plan, apply:blog
    Projects/Apply | shop | denied | needs apply:shop, has plan, apply:blog
    ");
    assert_eq!(entries[1]["remote"], "127.0.0.1");
}

#[tokio::test]
async fn what_the_api_does_to_a_check_is_in_the_audit() {
    let server = Server::guarded().await;
    let token = server.token("ci", &["apply:api"]).await;
    let ask = async |method: &str, body: serde_json::Value| {
        let answer = server.json_by(&token, method, &body.to_string()).await;
        assert_eq!(answer.status, 200, "{}", answer.json());
        answer.json()
    };
    let made = json!({"url": "http://a.example.com/", "name": "front"});
    let id = ask("Checks/Create", made).await["id"].clone();
    ask("Checks/Put", json!({"id": id, "every": 30})).await;
    ask("Checks/Put", json!({"id": id, "every": 30})).await;
    ask("Checks/Delete", json!({"id": id})).await;
    let refused = json!({"url": "ftp://a.example.com/"}).to_string();
    server.json_by(&token, "Checks/Create", &refused).await;

    let all = server.good("Audit/List", r#"{"project":"api"}"#).await;
    let entries = all["entries"].as_array().unwrap();
    let digest = |entry: usize, side: &str| entries[entry][side].as_str().map(str::to_owned);
    let actions: Vec<_> = entries.iter().map(|entry| &entry["action"]).collect();
    assert_eq!(actions, ["Checks/Delete", "Checks/Put", "Checks/Create"]);
    assert_eq!(digest(2, "before"), None);
    assert_eq!(digest(2, "after"), digest(1, "before"));
    assert_eq!(digest(1, "after"), digest(0, "before"));
    assert_ne!(digest(1, "before"), digest(1, "after"));
    assert_eq!(digest(0, "after"), None);
    for entry in entries {
        let subject = format!("check front {}", id.as_str().unwrap());
        assert_eq!(
            (&entry["principal"], &entry["subject"]),
            (&json!("token:ci"), &json!(subject))
        );
        assert_eq!(entry["outcome"], "done");
    }
}

#[tokio::test]
async fn the_audit_is_read_in_pages_and_never_changed() {
    let server = Server::guarded().await;
    for number in 0..5 {
        server.token(&format!("ci-{number}"), &["read"]).await;
    }
    let mut seen = Vec::new();
    let mut older_than = "0".to_owned();
    loop {
        let body = json!({"count": 2, "older_than": older_than, "action": "Tokens/Create"});
        let page = server.good("Audit/List", &body.to_string()).await;
        let Some(entries) = page["entries"].as_array() else {
            break;
        };
        for entry in entries {
            assert_eq!(entry["principal"], "ada");
            let subject = entry["subject"].as_str().unwrap();
            seen.push(subject.split(' ').nth(1).unwrap().to_owned());
            older_than = entry["id"].as_str().unwrap().to_owned();
        }
    }
    assert_eq!(seen, ["ci-4", "ci-3", "ci-2", "ci-1", "ci-0"]);
    for count in ["-1", "1001"] {
        let body = format!(r#"{{"count":{count}}}"#);
        let refused = server.json("Audit/List", &body).await;
        assert_eq!(refused.refusal(), "400 invalid_argument count");
    }

    let mut conn = server.store.acquire().await.unwrap();
    for statement in [
        "delete from audit",
        "update audit set principal = 'eve'",
        "truncate audit",
    ] {
        let error = sqlx::query(statement).execute(&mut *conn).await;
        let error = error.unwrap_err().to_string();
        assert!(error.contains("append-only"), "{statement}: {error}");
    }
}

#[tokio::test]
async fn what_the_api_has_changes_hands_by_whoever_may_apply_both() {
    let server = Server::guarded().await;
    let made = json!({"url": "http://a.example.com/", "name": "front"}).to_string();
    let made = server.good("Checks/Create", &made).await;
    let site = CheckSpec::new("http://a.example.com/".parse().unwrap());
    let mut shop = Declaring::new("shop").check("web", site.clone());
    let import = |id: &str| Move::Import {
        id: id.to_owned(),
        to: "check.web".to_owned(),
    };
    let block = |spec| Declared {
        spec,
        source: Default::default(),
    };
    shop.desired.moves.push(block(import("front")));
    let own = server.token("own", &["apply:shop"]).await;
    let both = server.token("both", &["apply:shop", "apply:api"]).await;
    let by = async |token: &str, plan: &PlanResult| {
        let request = json!({"token": plan.token}).to_string();
        server.json_by(token, "Projects/Apply", &request).await
    };
    let client = server.client();
    let adopting = shop.plan(&client).await.unwrap();
    let refused = by(&own, &adopting).await;
    insta::assert_snapshot!(refused.json(), @r#"{"code":"permission_denied","meta":{"scope":"apply:api"},"msg":"Projects/Apply needs the scope apply:api; token:own has apply:shop"}"#);
    let denied = server
        .good("Audit/List", r#"{"principal":"token:own"}"#)
        .await;
    assert_eq!(denied["entries"][0]["outcome"], "denied");
    assert_eq!(by(&both, &adopting).await.status, 200);

    let mut released = Declaring::new("shop").check("dns", site.clone());
    let release = Move::Removed {
        from: "check.web".to_owned(),
        action: Removal::Release,
    };
    released.desired.moves.push(block(release));
    let releasing = released.plan(&client).await.unwrap();
    assert_eq!(by(&own, &releasing).await.status, 403);
    assert_eq!(by(&both, &releasing).await.status, 200);
    // What neither adopts nor releases is the project's alone.
    let more = Declaring::new("shop")
        .check("mail", site.clone())
        .check("dns", site);
    let plan = more.plan(&client).await.unwrap();
    assert_eq!(by(&own, &plan).await.status, 200);
    // Nor does it come back out of what the API has buried.
    let delete = json!({"id": made["id"]}).to_string();
    server.good("Checks/Delete", &delete).await;
    let back = PlanRequest {
        project: "shop".to_owned(),
        rollback_to: 1,
        ..PlanRequest::default()
    };
    let back = client.plan(&back).await.unwrap();
    assert_eq!(back.summary.unwrap().revive, 1);
    assert_eq!(by(&own, &back).await.status, 403);
    assert_eq!(by(&both, &back).await.status, 200);
}

#[tokio::test]
async fn a_denied_force_is_in_the_audit_of_the_project() {
    let server = Server::guarded().await;
    let client = server.client();
    let site = CheckSpec::new("http://site.example.com/".parse().unwrap());
    let shop = Declaring::new("shop").check("web", site);
    shop.apply(&client).await.unwrap();
    let token = server.token("eve", &["read", "operate"]).await;
    let listed = server.good("Checks/List", r#"{"project":"shop"}"#).await;
    let id = listed["results"][0]["check"]["id"].as_str().unwrap();
    for (method, body) in [
        (
            "Checks/Put",
            json!({"id": id, "every": 5, "force": true, "force_reason": "x"}),
        ),
        (
            "Checks/Delete",
            json!({"id": id, "force": true, "reason": "x"}),
        ),
    ] {
        let denied = server.json_by(&token, method, &body.to_string()).await;
        assert_eq!(denied.status, 403, "{method}");
        let said = denied.json().to_string();
        assert!(said.contains("apply:shop"), "{said}");
    }
    let denied = server.good("Audit/List", r#"{"project":"shop"}"#).await;
    let entries = denied["entries"].as_array().unwrap().iter();
    let entries = entries.filter(|entry| entry["outcome"] == "denied");
    assert_eq!(entries.count(), 2);
}
