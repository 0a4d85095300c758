//! Checks that a call says in the words of check files.

use serde_json::json;

use crate::support::declaring::Declaring;
use crate::support::server::Server;

const BLOCK: &str = r#"check "front" {
  url         = "https://front.example.com/"
  every       = "30s"
  method      = "POST"
  headers     = { accept = "application/json" }
  webhook_url = "https://hooks.example.com/"
  labels      = { team = "web" }

  assert {
    status      = [200, 201]
    max_latency = "2s"
  }

  confirm {
    failures = 4
  }
}
"#;

#[tokio::test]
async fn a_call_says_all_that_files_can_say() {
    let server = Server::start().await;
    let create = json!({"hcl": BLOCK, "request_id": "one"}).to_string();
    let made = server.good("Checks/Create", &create).await;
    assert_eq!(
        (&made["name"], &made["every"], &made["method"]),
        (&json!("front"), &json!(30), &json!("POST"))
    );
    assert_eq!(made["labels"], json!({"team": "web"}));
    assert_eq!(made["webhook_url"], "https://hooks.example.com/");
    assert_eq!(server.good("Checks/Create", &create).await, made, "once");

    // What the block says no more is the default again.
    let plain = "check \"front\" {\n  url = \"https://front.example.com/\"\n}\n";
    let put = json!({"id": made["id"], "hcl": plain}).to_string();
    let put = server.good("Checks/Put", &put).await;
    assert_eq!((&put["every"], &put["method"]), (&json!(60), &json!("GET")));
    assert_eq!(put["webhook_url"], json!(null));
    assert_eq!(put["version"], "2");
    let single = json!({"id": made["id"], "every": 10}).to_string();
    assert_eq!(server.good("Checks/Put", &single).await["every"], 10);
}

#[tokio::test]
async fn what_cannot_be_is_refused_with_its_line() {
    let server = Server::start().await;
    let create = json!({"hcl": BLOCK}).to_string();
    let made = server.good("Checks/Create", &create).await;
    let id = made["id"].as_str().unwrap().to_owned();
    let refused = async |method: &str, call: serde_json::Value| {
        let answer = server.json(method, &call.to_string()).await;
        assert_eq!(answer.refusal(), "400 invalid_argument hcl");
        answer.json()["msg"].as_str().unwrap().to_owned()
    };
    let of =
        |body: &str| format!("check \"web\" {{\n  url = \"http://w.example.com/\"\n{body}}}\n");
    let mut all = Vec::new();
    for text in [
        "  every = \"0s\"\n".to_owned(),
        "  evry = \"10s\"\n".to_owned(),
        "  auth {\n    token = secret(\"token\")\n  }\n".to_owned(),
        "  notify {\n    webhooks = [webhook.oncall]\n  }\n".to_owned(),
        "  for_each = toset([\"a\"])\n".to_owned(),
        "  body = var.none\n".to_owned(),
    ] {
        all.push(refused("Checks/Create", json!({"hcl": of(&text)})).await);
    }
    let two = of("") + &of("").replace("web", "other");
    all.push(refused("Checks/Create", json!({"hcl": two})).await);
    let hook = of("") + "webhook \"oncall\" {\n  url = \"http://h.example.com/\"\n}\n";
    all.push(refused("Checks/Create", json!({"hcl": hook})).await);
    let beside = json!({"hcl": of(""), "url": "http://w.example.com/"});
    all.push(refused("Checks/Create", beside).await);
    let beside = json!({"id": id, "hcl": BLOCK, "every": 10});
    all.push(refused("Checks/Put", beside).await);
    all.push(refused("Checks/Put", json!({"id": id, "hcl": of("")})).await);
    let long = of(&format!("# {}\n", "x".repeat(256 * 1024)));
    all.push(refused("Checks/Create", json!({"hcl": long})).await);
    insta::assert_snapshot!(all.join("\n"), @r"
    hcl: check.hcl:3:11: error[LK0402]: `every`: 0 seconds must be between 1 s and 30 d (2592000 s)
    hcl: check.hcl:3:3: error[LK0304]: unknown attribute `evry` in `check`; hint: did you mean `every`?
    hcl: uses a secret, which only what check files declare may: apply a file instead
    hcl: check.hcl:4:17: error[LK0407]: no webhook is called `oncall`
    hcl: must declare one check without for_each or a key
    hcl: check.hcl:3:10: error[LK0407]: no variable is called `none`
    hcl: must declare one check, and no more
    hcl: is for a check alone: it tells its webhook_url, and moves nothing
    hcl: says all that the check is: leave the other fields out
    hcl: says all that the check is: leave the other fields out
    hcl: calls the check web, and it is front
    hcl: at most 262144 bytes are allowed
    ");
}

#[tokio::test]
async fn what_files_declare_is_not_said_over_the_api() {
    let server = Server::start().await;
    let client = server.client();
    let spec = "http://web.example.com/".parse().unwrap();
    let spec = lokahi::model::check::CheckSpec::new(spec);
    let shop = Declaring::new("shop").check("front", spec);
    shop.apply(&client).await.unwrap();
    let found = client.list(&Default::default()).await.unwrap().results;
    let id = found[0].check.as_ref().unwrap().id.clone();
    let put = json!({"id": id, "hcl": BLOCK, "force": true, "force_reason": "now"});
    let answer = server.json("Checks/Put", &put.to_string()).await;
    assert_eq!(answer.refusal(), "400 invalid_argument hcl");
}
