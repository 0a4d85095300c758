//! `adopt`, and apply with its flag, take what the API made, with its history.

use serde_json::json;

use super::{Shop, check};

pub(super) const URL: &str = "https://blog.example.com/";

#[tokio::test]
async fn adopt_takes_what_it_names_and_touches_nothing_else() {
    let shop = Shop::with(&check("web", "")).await;
    let create = ["create", "-u", URL, "--name", "homepage"];
    shop.good(&create).await;
    let id = shop.check("api", "homepage").await.unwrap().id;
    shop.folder.write(&(check("blog", "") + &check("dns", "")));
    let path = shop.folder.path();
    let asked = shop.ctl(&["adopt", "blog=homepage", "--path", path]).await;
    assert_eq!(asked.code, 7, "it asks, as apply does");
    let adopt = ["adopt", "blog=homepage", "--path", path, "--auto-approve"];
    let adopted = shop
        .good(&[&adopt[..], &["--output", "json"]].concat())
        .await;
    let document: serde_json::Value = serde_json::from_str(&adopted).unwrap();
    let change = &document["changes"][0];
    assert_eq!(document["changes"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&change["actions"][0], &change["from"], &change["id"]),
        (&json!("adopt"), &json!("homepage"), &json!(id))
    );
    assert_eq!(shop.id("blog").await, id);
    assert!(shop.check("shop", "dns").await.is_none(), "not yet");
    assert!(shop.check("shop", "web").await.is_some(), "nor is it gone");
}

#[tokio::test]
async fn apply_adopts_with_a_flag() {
    let shop = Shop::start().await;
    shop.good(&["create", "-u", URL, "--name", "blog"]).await;
    let id = shop.check("api", "blog").await.unwrap().id;
    shop.folder.write(&check("blog", ""));
    let applied = shop.try_apply(&["--adopt", &format!("blog={id}")]).await;
    assert_eq!(applied.code, 0, "{}", applied.words);
    assert_eq!(shop.id("blog").await, id);
}

#[tokio::test]
async fn what_cannot_be_adopted_is_named() {
    let shop = Shop::start().await;
    shop.folder.write(&check("blog", ""));
    let nothing = shop.try_apply(&["--adopt", "blog=homepage"]).await;
    assert_eq!(nothing.code, 1);
    insta::assert_snapshot!(nothing.words, @r#"error: invalid_argument: the API has no check "homepage" that could become check.blog; lokahictl export --owner api prints those that it has, with their ids"#);
    let import =
        "import {\n  id = \"01a2026a-dcde-7362-83c8-0524b9fb13db\"\n  to = check.blog\n}\n";
    shop.folder.write(&(check("blog", "") + import));
    let by_block = shop.plan(&[]).await;
    let (_, line) = by_block.words.split_once("hint: ").unwrap();
    assert_eq!(line.trim_end(), "look at FOLDER/shop.hcl:10");
    shop.folder.write(&check("blog", ""));
    shop.good(&["create", "-u", URL, "--name", "homepage"])
        .await;
    let undeclared = shop.try_apply(&["--adopt", "news=homepage"]).await;
    assert_eq!(undeclared.code, 1);
    insta::assert_snapshot!(undeclared.words, @"error: invalid_argument: check.news is to adopt a check of the API, and no block in the files declares it: write that first; lokahictl export --owner api prints one that changes nothing");
    let usage = shop.try_apply(&["--adopt", "blog"]).await;
    assert_eq!(usage.code, 64);

    shop.apply().await;
    let id = shop.id("blog").await;
    let sale = check("sale", "");
    shop.folder.write(&(check("blog", "") + &sale));
    let here = shop.try_apply(&["--adopt", &format!("sale={id}")]).await;
    assert_eq!(here.code, 1);
    let words = here.words.replace(&id.to_string(), "ID");
    insta::assert_snapshot!(words, @"error: invalid_argument: the check ID is check.blog of this project already. To call it sale and keep its history, declare: moved { from = check.blog, to = check.sale }, each on a line of its own");
}

#[tokio::test]
async fn one_check_becomes_one() {
    let shop = Shop::start().await;
    shop.good(&["create", "-u", URL, "--name", "homepage"])
        .await;
    let id = shop.check("api", "homepage").await.unwrap().id;
    shop.folder.write(&(check("blog", "") + &check("dns", "")));
    let by_id = format!("dns={id}");
    let twice = shop
        .try_apply(&["--adopt", "blog=homepage", "--adopt", &by_id])
        .await;
    assert_eq!(twice.code, 1, "{}", twice.out);
    let words = twice.words.replace(&id, "ID");
    insta::assert_snapshot!(words, @"error: invalid_argument: check.blog and check.dns are both to adopt the check ID, and it can be one");
    assert!(shop.check("api", "homepage").await.is_some());
}

#[tokio::test]
async fn what_was_released_and_is_declared_again_is_said_to_be_there() {
    let shop = Shop::with(&(check("blog", "") + &check("dns", ""))).await;
    let id = shop.id("blog").await;
    let release = "removed {\n  from   = check.blog\n  action = \"release\"\n}\n";
    shop.folder.write(&(check("dns", "") + release));
    shop.apply().await;
    assert_eq!(shop.check("api", "blog").await.unwrap().id, id);
    // The commit is reverted.
    shop.folder.write(&(check("blog", "") + &check("dns", "")));
    let planned = shop.plan(&[]).await;
    let warning = planned.out.lines().find(|line| line.starts_with("warning"));
    let warning = warning.unwrap().replace(&id, "ID");
    insta::assert_snapshot!(warning, @r#"warning: the API has check.blog already, by that name or since it was released, and this makes another one beside it. To have it with its history instead: lokahictl adopt 'blog=ID' --path FOLDER, or an import block, id = "ID" and to = check.blog"#);
    let adopted = shop
        .ctl(&[
            "adopt",
            &format!("blog={id}"),
            "--path",
            shop.folder.path(),
            "--auto-approve",
        ])
        .await;
    assert_eq!(adopted.code, 0, "{}", adopted.words);
    assert_eq!(shop.id("blog").await, id);
    assert!(shop.check("api", "blog").await.is_none());
    let planned = shop.plan(&[]).await;
    assert!(!planned.out.contains("warning"), "{}", planned.out);
}
