//! Bad merges of each kind, as they happen in a repository: each is held before anything is
//! written, and named. Those after which the files come from elsewhere stand in `sources`.

use super::{HOOK, NOTIFY, Shop, check, checks};

/// The names of the guards that hold what the files say now.
async fn guards(shop: &Shop) -> Vec<String> {
    let document = shop.document(&[]).await;
    assert_eq!(document["held"], serde_json::json!(true), "{document:#}");
    let guards = document["guards"].as_array().unwrap();
    let name = |guard: &serde_json::Value| guard["name"].as_str().unwrap().to_owned();
    guards.iter().map(name).collect()
}

fn defaults(text: &str) -> String {
    format!("defaults {{\n  {text}\n}}\n\n")
}

#[tokio::test]
async fn defaults_that_disable_everything() {
    let shop = Shop::with(&(HOOK.to_owned() + &checks(0..12, NOTIFY))).await;
    let all = defaults("enabled = false") + HOOK + &checks(0..12, NOTIFY);
    shop.folder.write(&all);
    assert_eq!(guards(&shop).await, ["silence"]);
}

#[tokio::test]
async fn defaults_that_silence_everything() {
    let tells = defaults(NOTIFY);
    let shop = Shop::with(&(tells + HOOK + &checks(0..12, ""))).await;
    let nobody = defaults("notify {\n    webhooks = []\n  }");
    shop.folder.write(&(nobody + HOOK + &checks(0..12, "")));
    assert_eq!(guards(&shop).await, ["silence"]);
}

#[tokio::test]
async fn the_last_receiver_taken_away() {
    let tells = defaults(NOTIFY);
    let shop = Shop::with(&(tells + HOOK + &checks(0..12, ""))).await;
    shop.folder.write(&checks(0..12, ""));
    assert_eq!(guards(&shop).await, ["silence"]);
}

#[tokio::test]
async fn defaults_that_expect_something_else_of_everything() {
    let shop = Shop::with(&checks(0..30, "")).await;
    let teapot = defaults("assert \"tea\" {\n    status = [418]\n  }");
    shop.folder.write(&(teapot + &checks(0..30, "")));
    assert_eq!(guards(&shop).await, ["changes"]);
}

#[tokio::test]
async fn a_for_each_that_lost_its_entries() {
    let each = |keys: &str| {
        format!(
            "check \"page\" {{\n  for_each = toset([{keys}])\n\n  \
             url = \"https://${{each.key}}.example.com/\"\n}}\n\n"
        )
    };
    let keys: Vec<String> = (0..8).map(|n| format!("\"k{n}\"")).collect();
    let shop = Shop::with(&(each(&keys.join(", ")) + &check("web", ""))).await;
    shop.folder.write(&(each("") + &check("web", "")));
    assert_eq!(guards(&shop).await, ["deletes"]);
}

#[tokio::test]
async fn a_protected_check_with_another_name_and_no_moved_block() {
    let protect = "lifecycle {\n    prevent_destroy = true\n  }";
    let web = check("web", protect);
    let shop = Shop::with(&(web.clone() + &check("dns", ""))).await;
    let renamed = web.replace("\"web\"", "\"site\"");
    shop.folder.write(&(renamed + &check("dns", "")));
    assert_eq!(guards(&shop).await, ["prevent_destroy"]);
    // Nor does it go with what protected it.
    shop.folder.write(&check("dns", ""));
    assert_eq!(guards(&shop).await, ["prevent_destroy"]);
}

#[tokio::test]
async fn another_domain_for_everything() {
    let named = |domain: &str| {
        let all = checks(0..30, "").replace("example.com", "${local.domain}");
        format!("locals {{\n  domain = \"{domain}\"\n}}\n\n{all}")
    };
    let shop = Shop::with(&named("example.com")).await;
    shop.folder.write(&named("example.net"));
    assert_eq!(guards(&shop).await, ["changes"]);
}

#[tokio::test]
async fn nothing_but_the_block_of_the_project() {
    let shop = Shop::with(&checks(0..3, "")).await;
    shop.folder.write("");
    assert_eq!(guards(&shop).await, ["empty"]);
}

#[tokio::test]
async fn half_of_the_files_gone() {
    let shop = Shop::start().await;
    shop.folder.write("");
    for name in ["a", "b", "c", "d", "e"] {
        shop.folder
            .write_file(&format!("{name}.hcl"), &check(name, ""));
    }
    shop.apply().await;
    for name in ["a", "b", "c"] {
        shop.folder.remove(&format!("{name}.hcl"));
    }
    let planned = shop.plan(&[]).await;
    assert_eq!(planned.code, 4, "{}", planned.out);
    let held = planned.out.lines().find(|line| line.starts_with("Held"));
    insta::assert_snapshot!(held.unwrap(), @"Held: 2 files declare something where 5 did, and the plan deletes.");
}

#[tokio::test]
async fn one_mistake_in_one_file() {
    let shop = Shop::with(&checks(0..3, "")).await;
    shop.folder
        .write(&(checks(0..2, "") + &check("c2", "evry = \"5s\"")));
    let refused = shop.try_apply(&["--allow-deletes", "1"]).await;
    assert_eq!(refused.code, 1, "{}", refused.out);
    assert!(refused.out.contains("shop.hcl:1"), "{}", refused.out);
    assert_eq!(shop.generation().await, 1, "no part of a root is applied");
}

#[tokio::test]
async fn defaults_that_look_elsewhere_or_ask_something_else_of_everything() {
    let shop = Shop::with(&checks(0..30, "")).await;
    for text in [
        "proxy = \"http://proxy.example.com:3128\"",
        "headers = { host = \"evil.example.com\" }",
        "locations = [\"mars\"]",
        "method = \"OPTIONS\"",
        "follow_redirects = false",
        "tls {\n    verify = false\n  }",
    ] {
        shop.folder.write(&(defaults(text) + &checks(0..30, "")));
        assert_eq!(guards(&shop).await, ["changes"], "{text}");
    }
    let elsewhere = checks(0..30, "").replace(".example.com/", ".example.com:8443/");
    shop.folder.write(&elsewhere);
    assert_eq!(guards(&shop).await, ["changes"]);
    // Another header is no other question.
    let header = defaults("headers = { x-team = \"web\" }");
    shop.folder.write(&(header + &checks(0..30, "")));
    shop.apply().await;
}
