//! An import block takes what the API made, with its history.

use super::adopting::URL;
use super::{Shop, check};

#[tokio::test]
async fn an_import_block_takes_a_check_by_its_id() {
    let shop = Shop::start().await;
    shop.good(&["create", "-u", URL, "-e", "30"]).await;
    let made = shop.server.client().list(&Default::default()).await;
    let id = made.unwrap().results[0].check.clone().unwrap().id;
    let import = format!("import {{\n  id = \"{id}\"\n  to = check.blog\n}}\n\n");
    shop.folder.write(&(check("blog", "") + &import));
    let planned = shop.plan(&[]).await;
    insta::assert_snapshot!(planned.out.replace(&id, "ID"), @r#"
      <= ID -> check.blog will be declared here, with its history        FOLDER/shop.hcl:5
      ~ every : "30s" -> "60s"
    Plan: 0 to add, 1 to change, 0 to delete, 1 to adopt.   generation 0 -> 1
    "#);
    shop.apply().await;
    let blog = shop.check("shop", "blog").await.unwrap();
    assert_eq!((&blog.id, blog.owner.as_str()), (&id, "declared"));
    assert!(shop.check("api", "").await.is_none());
    // It has been applied; the block says nothing any more.
    let planned = shop.plan(&["--detailed-exitcode"]).await;
    assert_eq!(planned.code, 0, "{}", planned.out);
}

#[tokio::test]
async fn an_import_block_that_was_applied_says_nothing_of_another_name() {
    let shop = Shop::start().await;
    shop.good(&["create", "-u", URL, "-e", "30"]).await;
    let made = shop.server.client().list(&Default::default()).await;
    let id = made.unwrap().results[0].check.clone().unwrap().id;
    let import = |to: &str| format!("import {{\n  id = \"{id}\"\n  to = check.{to}\n}}\n\n");
    let dns = check("dns", "");
    shop.folder
        .write(&(check("blog", "") + &import("blog") + &dns));
    shop.apply().await;
    // It was applied: whoever has the name now is somebody else.
    let moved = "moved {\n  from = check.blog\n  to   = check.site\n}\n\n";
    shop.folder.write(&(check("site", "") + moved + &dns));
    shop.apply().await;
    shop.folder
        .write(&(check("site", "") + &check("blog", "") + &import("blog") + &dns));
    shop.apply().await;
    assert_eq!(shop.id("site").await, id);
    assert_ne!(shop.id("blog").await, id);
    // What was deleted since comes back where a block wants it.
    shop.folder.write(&(check("blog", "") + &dns));
    shop.apply().await;
    shop.folder
        .write(&(check("blog", "") + &check("page", "") + &import("page") + &dns));
    shop.apply().await;
    assert_eq!(shop.id("page").await, id);
}

#[tokio::test]
async fn what_was_adopted_and_deleted_comes_back_by_its_block() {
    let shop = Shop::start().await;
    shop.good(&["create", "-u", URL, "--name", "homepage"])
        .await;
    let id = shop.check("api", "homepage").await.unwrap().id;
    let import = format!("import {{\n  id = \"{id}\"\n  to = check.blog\n}}\n\n");
    let alone = check("dns", "");
    shop.folder.write(&alone);
    shop.apply().await;
    let declares = alone.clone() + &check("blog", "") + &import;
    shop.folder.write(&declares);
    shop.apply().await;
    // Past the files, by a rollback, and by files that do not declare it for a while.
    let forced = ["delete", "shop/blog", "--force", "--reason", "3 am"];
    shop.good(&forced).await;
    shop.apply().await;
    assert_eq!(shop.id("blog").await, id);
    let back = ["rollback", "shop", "1", "--auto-approve"];
    shop.good(&back).await;
    shop.apply().await;
    assert_eq!(shop.id("blog").await, id);
    shop.folder.write(&alone);
    shop.apply().await;
    shop.folder.write(&declares);
    shop.apply().await;
    assert_eq!(shop.id("blog").await, id);
}
