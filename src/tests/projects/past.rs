//! Generations: which there were, and going back to one.

use serde_json::{Value, json};

use super::{HOOK, NOTIFY, Shop, check};

const APPROVE: &str = "--auto-approve";

pub(super) async fn rollback(shop: &Shop, generation: &str) -> Value {
    let rollback = ["rollback", "shop", generation, APPROVE, "--output", "json"];
    serde_json::from_str(&shop.good(&rollback).await).unwrap()
}

pub(super) async fn live(shop: &Shop) -> Vec<(String, String, i32, Vec<String>)> {
    let asked = lokahi::proto::lokahi::ListOpts {
        project: "shop".to_owned(),
        ..Default::default()
    };
    let page = shop.server.client().list(&asked).await.unwrap();
    let checks = page.results.into_iter().map(|row| row.check.unwrap());
    let mut all: Vec<_> = checks
        .map(|check| (check.name, check.id, check.every, check.receivers))
        .collect();
    all.sort();
    all
}

#[tokio::test]
async fn back_before_an_edit_a_delete_and_a_rename() {
    let first = HOOK.to_owned()
        + &check("web", NOTIFY)
        + &check("mail", "every = \"30s\"")
        + &check("dns", "");
    let shop = Shop::with(&first).await;
    let before = live(&shop).await;
    // An edit, a delete, and another name, of check and receiver.
    let second = HOOK.replace("oncall", "night")
        + &check("web", NOTIFY)
            .replace("\"web\"", "\"front\"")
            .replace("oncall", "night")
        + &check("mail", "every = \"5s\"")
        + "moved {\n  from = check.web\n  to   = check.front\n}\n\n"
        + "moved {\n  from = webhook.oncall\n  to   = webhook.night\n}\n\n";
    shop.folder.write(&second);
    shop.apply().await;
    assert_ne!(live(&shop).await, before);

    let done = rollback(&shop, "1").await;
    let summary = &done["summary"];
    let counts = ["rename", "revive", "change", "delete"].map(|key| summary[key].clone());
    assert_eq!(json!(counts), json!([2, 1, 2, 0]), "{done:#}");
    assert_eq!(live(&shop).await, before, "ids and all");
    shop.folder.write(&first);
    let planned = shop.plan(&["--detailed-exitcode"]).await;
    assert_eq!(planned.code, 0, "{}", planned.out);

    // And forth again.
    rollback(&shop, "2").await;
    shop.folder.write(&second);
    let planned = shop.plan(&["--detailed-exitcode"]).await;
    assert_eq!(planned.code, 0, "{}", planned.out);
}

#[tokio::test]
async fn back_to_what_is_so_changes_nothing() {
    let shop = Shop::with(&check("web", "")).await;
    let done = rollback(&shop, "1").await;
    assert_eq!(
        (&done["applied"], &done["generation"]),
        (&json!(false), &json!(1))
    );
    for (generation, code) in [("2", 1), ("0", 64)] {
        let refused = shop.ctl(&["rollback", "shop", generation, APPROVE]).await;
        assert_eq!(refused.code, code, "{}", refused.words);
    }
}

#[tokio::test]
async fn the_guards_watch_over_a_rollback() {
    let shop = Shop::with(&super::checks(0..2, "")).await;
    shop.folder.write(&super::checks(0..8, ""));
    shop.apply().await;
    let held = shop.ctl(&["rollback", "shop", "1", APPROVE]).await;
    assert_eq!(held.code, 4, "{}", held.out);
    let rollback = ["rollback", "shop", "1", APPROVE, "--allow-deletes", "6"];
    shop.good(&rollback).await;
}

#[tokio::test]
async fn history_tells_who_did_what() {
    let shop = Shop::start().await;
    shop.folder.init("https://ada:pw@git.example.com/ops.git");
    shop.folder.write(&check("web", ""));
    let sha = shop.folder.commit();
    shop.apply().await;
    shop.folder.write(&(check("web", "") + &check("mail", "")));
    shop.apply().await;
    let put = ["put", "shop/web", "-e", "5", "--force", "--reason", "x"];
    shop.good(&put).await;
    shop.good(&["rollback", "shop", "1", APPROVE]).await;
    let front = check("web", "").replace("\"web\"", "\"front\"");
    shop.folder.write(&(front + &moved("web", "front")));
    shop.apply().await;
    let table = shop.good(&["history", "shop", "--output", "table"]).await;
    let time = |word: &str| word.starts_with("20") || word == "UTC" || word.contains(':');
    let rows = table.lines().map(|line| {
        let words = line.split_whitespace().filter(|word| !time(word));
        words
            .collect::<Vec<_>>()
            .join(" ")
            .replace(sha.get(..7).unwrap(), "SHA")
            + "\n"
    });
    insta::assert_snapshot!(rows.collect::<String>(), @r"
    GENERATION KIND AT BY REVISION CHANGES
    4 apply anonymous main@SHA* +0 ~0 -0, 1 renamed
    3 rollback anonymous +0 ~1 -1, 1 changed or deleted past the files before
    2 apply anonymous main@SHA* +1 ~0 -0
    1 apply anonymous main@SHA +1 ~0 -0
    ");
    let audit = shop
        .server
        .good("Audit/List", r#"{"action":"Projects/Apply"}"#);
    let audit = audit.await["entries"][1]["subject"].clone();
    let subject = "rollback, generation 3: Plan: 0 to add, 1 to change, 1 to delete.";
    assert_eq!(audit, subject);
    let two = ["history", "shop", "-c", "3", "--output", "json"];
    let two: Value = serde_json::from_str(&shop.good(&two).await).unwrap();
    let generations = two["generations"].as_array().unwrap();
    assert_eq!(generations.len(), 3);
    let second = &generations[2]["revision"];
    assert_eq!(
        (&second["sha"], &second["dirty"]),
        (&json!(sha), &json!(true))
    );
    assert_eq!(second["remote"], "https://git.example.com/ops.git");
}

pub(super) fn moved(from: &str, to: &str) -> String {
    format!("moved {{\n  from = check.{from}\n  to   = check.{to}\n}}\n\n")
}

#[tokio::test]
async fn a_rollback_gives_a_check_its_name_back_although_another_has_it() {
    let shop = Shop::with(&check("a", "")).await;
    let first = shop.id("a").await;
    let second = check("a", "").replace("\"a\"", "\"b\"");
    shop.folder.write(&(second.clone() + &moved("a", "b")));
    shop.apply().await;
    shop.folder
        .write(&(second + &check("a", "every = \"30s\"")));
    shop.apply().await;
    assert_ne!(shop.id("a").await, first);

    let done = rollback(&shop, "1").await;
    let counts = ["rename", "delete"].map(|key| done["summary"][key].clone());
    assert_eq!(json!(counts), json!([1, 1]), "{done:#}");
    let names: Vec<_> = live(&shop)
        .await
        .into_iter()
        .map(|row| (row.0, row.1))
        .collect();
    assert_eq!(names, [("a".to_owned(), first)]);
}

#[tokio::test]
async fn a_rollback_takes_back_what_was_released_since() {
    let shop = Shop::with(&(check("web", "") + &check("dns", ""))).await;
    let id = shop.id("web").await;
    let release = "removed {\n  from   = check.web\n  action = \"release\"\n}\n\n";
    shop.folder.write(&(check("dns", "") + release));
    shop.apply().await;
    let done = rollback(&shop, "1").await;
    assert_eq!(done["summary"]["adopt"], json!(1), "{done:#}");
    assert_eq!(shop.id("web").await, id);
    assert!(shop.check("api", "web").await.is_none());
}

#[tokio::test]
async fn a_rollback_that_deletes_what_the_api_had_says_so() {
    let shop = Shop::with(&check("web", "")).await;
    let url = "http://blog.example.com/";
    shop.good(&["create", "-u", url, "--name", "blog"]).await;
    let id = shop.check("api", "blog").await.unwrap().id;
    let import = format!("import {{\n  id = \"{id}\"\n  to = check.blog\n}}\n\n");
    let all = check("web", "") + &check("blog", "") + &check("mail", "");
    shop.folder.write(&(all + &import));
    shop.apply().await;
    assert_eq!(shop.id("blog").await, id);
    let asked = shop.ctl(&["rollback", "shop", "1"]).await;
    assert_eq!(asked.code, 7, "{}{}", asked.out, asked.words);
    let warning = asked.out.lines().find(|line| line.starts_with("warning"));
    insta::assert_snapshot!(warning.unwrap(), @r#"warning: the API had check.blog before this project adopted it, and this deletes it. To give back what is the API's instead: first apply files without its block, and with removed { from = check.blog, action = "release" }, each on a line of its own"#);
}

#[tokio::test]
async fn back_to_what_it_is_undoes_only_what_went_past_the_files() {
    let shop = Shop::with(&check("web", "")).await;
    let back = ["rollback", "shop", "1", APPROVE];
    let nothing = shop.good(&back).await;
    assert_eq!(
        nothing,
        "No changes: what is live is what generation 1 was.\n"
    );
    let put = [
        "put", "shop/web", "-e", "300", "--force", "--reason", "3 am",
    ];
    shop.good(&put).await;
    let done = shop.ctl(&back).await;
    assert_eq!(done.code, 0, "{}", done.words);
    assert!(
        !done.words.contains("The files do not say this"),
        "{}",
        done.words
    );
    assert_eq!(shop.check("shop", "web").await.unwrap().every, 60);
}
