//! What is exported is what is live: a plan of it is empty.

use serde_json::json;

use super::{HOOK, NOTIFY, Shop, check};
use crate::support::checkout::Checkout;

#[tokio::test]
async fn what_the_api_made_comes_under_the_files_as_it_is() {
    let shop = Shop::start().await;
    let named = ["create", "-u", "http://a.example.com/", "--name", "blog"];
    shop.good(&named).await;
    let tells = ["-w", "http://hook.example.com/?a=${b}", "-e", "90"];
    let unnamed = [
        "create",
        "-u",
        "http://b.example.com/x?y=%20\"",
        "-p",
        "https://wiki/",
    ];
    shop.good(&[&unnamed[..], &tells].concat()).await;
    let text = shop.good(&["export", "--project", "shop"]).await;
    shop.folder.write_file("export.hcl", &text);
    let document = shop.document(&[]).await;
    let summary = &document["summary"];
    assert_eq!((&summary["adopt"], &summary["add"]), (&2.into(), &0.into()));
    for change in document["changes"].as_array().unwrap() {
        assert_eq!(change["fields"], serde_json::json!([]), "{change}");
    }
    let ids = async |project: &str| {
        let asked = lokahi::proto::lokahi::ListOpts {
            project: project.to_owned(),
            ..Default::default()
        };
        let page = shop.server.client().list(&asked).await.unwrap();
        let ids = page.results.into_iter().map(|row| row.check.unwrap().id);
        ids.collect::<Vec<_>>()
    };
    let before = ids("api").await;
    shop.apply().await;
    assert_eq!((ids("api").await, ids("shop").await), (vec![], before));
    let planned = shop.plan(&["--detailed-exitcode"]).await;
    assert_eq!(planned.code, 0, "{}", planned.out);
}

#[tokio::test]
async fn of_every_project_each_check_tells_its_own_webhook() {
    let shop = Shop::start().await;
    let other = HOOK.replace("hook.example.com", "other.example.com");
    for (project, hook) in [("shop", HOOK), ("blog", other.as_str())] {
        let root = format!("lokahi {{\n  project = \"{project}\"\n}}\n\n");
        shop.folder
            .write_file("shop.hcl", &(root + hook + &check("web", NOTIFY)));
        shop.apply().await;
    }
    let all = ["export", "--owner", "all", "--project", "merged"];
    let text = shop.good(&all).await;
    let merged = Checkout::new();
    merged.write_file("merged.hcl", &text);
    let planned = shop
        .good(&["plan", merged.path(), "--output", "json"])
        .await;
    let document: serde_json::Value = serde_json::from_str(&planned).unwrap();
    let hears = document["routing"].as_array().unwrap().iter();
    let hears = hears.map(|it| (it["webhook"].clone(), it["gains"]["first"].clone()));
    let expected = [
        (json!("oncall"), json!(["web"])),
        (json!("oncall-2"), json!(["web-2"])),
    ];
    assert_eq!(hears.collect::<Vec<_>>(), expected, "{text}");
}

#[tokio::test]
async fn a_project_is_exported_whole() {
    let json = HOOK.replace("example.com/\"", "example.com/\"\n  format = \"json\"");
    let each = "check \"each\" {\n  for_each = toset([\"a b\", \"c\"])\n\n  \
                url = \"https://example.com/${urlencode(each.key)}\"\n}\n\n";
    let rich = "check \"rich\" {\n  url         = \"https://x.example.com/\"\n  \
                method      = \"POST\"\n  body        = \"a \\\"b\\\" $${c}\\n\"\n  \
                webhook_url = \"https://other.example.com/\"\n  enabled     = false\n\n  \
                headers = {\n    accept = secret(\"accept\")\n  }\n\n  labels = {\n    \
                team = \"web\"\n  }\n\n  assert \"page\" {\n    status        = [200, 204]\n    \
                body_contains = [\"hello\"]\n  }\n\n  lifecycle {\n    \
                prevent_destroy = true\n  }\n}\n\n";
    let shop = Shop::start().await;
    let project = "lokahi {\n  project   = \"shop\"\n  operators = [webhook.oncall]\n  \
                   max_deletes = 40\n  max_changes = 200\n}\n\n";
    let text = [project, &json, &check("web", NOTIFY), each, rich].concat();
    shop.folder.write_file("shop.hcl", &text);
    shop.apply().await;
    let text = shop.good(&["export", "--owner", "shop"]).await;
    shop.folder.write_file("shop.hcl", &text);
    let planned = shop.plan(&["--detailed-exitcode"]).await;
    assert_eq!(planned.code, 0, "{}\n{}", planned.out, text);
    let formatted = shop
        .good(&["fmt", "--check", "--diff", shop.folder.path()])
        .await;
    assert_eq!(formatted, "", "it is laid out as fmt does it");
}
