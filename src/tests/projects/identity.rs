//! Going back finds every object by its id, whatever became of its name.

use serde_json::json;

use super::past::{live, moved, rollback};
use super::{HOOK, NOTIFY, Shop, check};

const APPROVE: &str = "--auto-approve";

/// What the checks and their ids were, and are after going back to generation 1.
async fn there_and_back(shop: &Shop, steps: &[String]) {
    let before = live(shop).await;
    for files in steps {
        shop.folder.write(files);
        shop.apply().await;
    }
    rollback(shop, "1").await;
    assert_eq!(live(shop).await, before, "ids and all");
    let again = rollback(shop, "1").await;
    assert_eq!(again["applied"], json!(false), "{again:#}");
}

fn renamed(from: &str, to: &str, body: &str) -> String {
    check(to, body) + &moved(from, to)
}

#[tokio::test]
async fn what_was_renamed_and_then_deleted_comes_back_as_it_was() {
    let shop = Shop::with(&(HOOK.to_owned() + &check("web", NOTIFY) + &check("dns", ""))).await;
    let night = |text: String| text.replace("oncall", "night");
    let hook = "moved {\n  from = webhook.oncall\n  to   = webhook.night\n}\n\n";
    let second = night(HOOK.to_owned() + &renamed("web", "front", NOTIFY)) + hook;
    let steps = [second + &check("dns", ""), check("dns", "")];
    let receiver =
        "select id::text from receivers where deleted_at is null and address is not null";
    let mut conn = shop.server.store.acquire().await.unwrap();
    let first: String = sqlx::query_scalar(receiver)
        .fetch_one(&mut *conn)
        .await
        .unwrap();
    there_and_back(&shop, &steps).await;
    let now: String = sqlx::query_scalar(receiver)
        .fetch_one(&mut *conn)
        .await
        .unwrap();
    assert_eq!(now, first);
}

#[tokio::test]
async fn a_name_that_went_over_a_deleted_check_goes_back() {
    let shop = Shop::with(&(check("x", "every = \"30s\"") + &check("y", ""))).await;
    there_and_back(&shop, &[check("y", ""), renamed("y", "x", "")]).await;
}

#[tokio::test]
async fn what_was_released_and_declared_anew_is_the_first_again() {
    let release = "removed {\n  from   = check.web\n  action = \"release\"\n}\n\n";
    let shop = Shop::with(&(check("web", "") + &check("dns", ""))).await;
    let steps = [
        check("dns", "") + release,
        check("dns", "") + &check("web", ""),
    ];
    there_and_back(&shop, &steps).await;
    assert!(shop.check("api", "web").await.is_none());
}

#[tokio::test]
async fn what_was_released_and_deleted_there_comes_back() {
    let release = "removed {\n  from   = check.web\n  action = \"release\"\n}\n\n";
    let shop = Shop::with(&(check("web", "") + &check("dns", ""))).await;
    let id = shop.id("web").await;
    shop.folder.write(&(check("dns", "") + release));
    shop.apply().await;
    shop.good(&["delete", "web"]).await;
    let done = rollback(&shop, "1").await;
    assert_eq!(done["summary"]["revive"], json!(1), "{done:#}");
    assert_eq!(shop.id("web").await, id);
}

#[tokio::test]
async fn a_check_that_came_back_under_another_name_is_not_doubled() {
    let shop = Shop::with(&(check("web", "") + &check("dns", ""))).await;
    let delete = ["delete", "shop/web", "--force", "--reason", "wrong"];
    shop.good(&delete).await;
    shop.good(&["restore", "shop", "check.web", "--as", "front", APPROVE])
        .await;
    let done = rollback(&shop, "2").await;
    assert_eq!(done["applied"], json!(false), "{done:#}");
    assert_eq!(live(&shop).await.len(), 2);
}

#[tokio::test]
async fn who_names_a_receiver_that_was_replaced_tells_the_one_that_stood_there() {
    let files = |hook: &str| hook.to_owned() + &check("web", NOTIFY) + &check("dns", "");
    let shop = Shop::with(&files(HOOK)).await;
    let linked = "select r.id::text from check_receivers l join receivers r on r.id = l.receiver_id
        where r.deleted_at is null";
    let mut conn = shop.server.store.acquire().await.unwrap();
    let first: Vec<String> = sqlx::query_scalar(linked)
        .fetch_all(&mut *conn)
        .await
        .unwrap();
    // It becomes another one's name.
    let night = HOOK.replace("oncall", "night");
    let hook = "moved {\n  from = webhook.oncall\n  to   = webhook.night\n}\n\n";
    let web = check("web", NOTIFY).replace("oncall", "night");
    shop.folder
        .write(&(night.clone() + hook + &web + &check("dns", "")));
    shop.apply().await;
    let both = HOOK.to_owned() + &night + &check("web", NOTIFY) + &check("dns", "");
    shop.folder.write(&both);
    shop.apply().await;
    let second: Vec<String> = sqlx::query_scalar(linked)
        .fetch_all(&mut *conn)
        .await
        .unwrap();
    assert_ne!(second, first);
    rollback(&shop, "1").await;
    let now: Vec<String> = sqlx::query_scalar(linked)
        .fetch_all(&mut *conn)
        .await
        .unwrap();
    assert_eq!(now, first);
}
