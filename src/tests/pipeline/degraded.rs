//! What is up and not as it should be: told once, and once more when that ends.

use lokahi::model::check::Assert;
use lokahi::model::health::State;
use lokahi::proto::lokahi::check::State as WireState;
use lokahi::store::check::NewCheck;

use super::peers::{Receiver, Site};
use super::shop::{Shop, told, until_told};
use crate::support::programs::lokahictl;
use crate::support::until;

/// A check of a site that is up whatever it answers, and degraded by a 500.
async fn check(shop: &mut Shop, site: &Site) -> NewCheck {
    let status = |label: &str, codes: &[&str]| Assert {
        label: label.to_owned(),
        status: codes.iter().map(|code| code.parse().unwrap()).collect(),
        ..Assert::default()
    };
    let change = |spec: &mut lokahi::model::check::CheckSpec| {
        spec.asserts = vec![status("", &["200", "500"])];
        spec.warns = vec![status("fresh", &["200"])];
        // One answer is nothing.
        spec.confirm.failures = 2;
    };
    shop.wish("shop", &site.url, change).await
}

#[tokio::test]
async fn it_is_told_with_its_reason_and_its_end_to_whoever_heard_of_it() {
    let (site, first, second) = (
        Site::start().await,
        Receiver::start().await,
        Receiver::start().await,
    );
    let mut shop = Shop::open().await;
    let check = check(&mut shop, &site).await;
    let oncall = shop.receiver("oncall", &first).await;
    shop.create(&check, &[oncall]).await;
    shop.until(check.id, State::Up).await;

    site.set(false);
    let opening = ["check.degraded shop 2"];
    assert_eq!(until_told(&first, 1).await, opening);
    let body: serde_json::Value = serde_json::from_slice(&first.taken()[0].body).unwrap();
    let data = &body["data"];
    assert_eq!(data["check"]["state"], "UP");
    assert_eq!(data["check"]["degraded"], true);
    assert_eq!(data["resolved"], serde_json::Value::Null);
    let evidence = data["evidence"].as_array().unwrap();
    assert_eq!(evidence.len(), 2, "{data}");
    let words = "warn \"fresh\": status 500 is not 200";
    assert!(
        evidence.iter().all(|seen| seen["detail"] == words),
        "{data}"
    );
    let base = shop.fleet.base();
    let table = lokahictl(&base, &["list", "--output", "table"]).await;
    assert!(table.out.contains("  UP (degraded)  "), "{}", table.out);
    let id = check.id.to_string();
    let now = shop.fleet.status(&id).await.check.unwrap();
    assert_eq!((now.degraded, now.reason.as_str()), (true, words));
    let explained = lokahictl(&base, &["explain", "shop"]).await;
    assert!(explained.out.contains("DEGRADED"), "{}", explained.out);
    // It is no outage.
    assert_eq!(shop.count("select count(*) from incidents").await, 0);

    // Who heard of it hears of its end, also when somebody else is told by now.
    let later = shop.receiver("later", &second).await;
    shop.route(check.id, &[later]).await;
    site.set(true);
    let end = "check.degraded shop 3";
    assert_eq!(until_told(&second, 1).await, [end]);
    assert_eq!(until_told(&first, 2).await, [opening[0], end]);
    let body: serde_json::Value = serde_json::from_slice(&second.taken()[0].body).unwrap();
    assert_eq!(body["data"]["resolved"], true);
    // One of them has never heard of it.
    assert_eq!(body["data"]["unheard"], true);
    let body: serde_json::Value = serde_json::from_slice(&first.taken()[1].body).unwrap();
    assert_eq!(body["data"]["unheard"], serde_json::Value::Null);
    let status = shop.fleet.status(&id).await;
    let seen = status.check.unwrap();
    assert!(!seen.degraded);
    assert_eq!((seen.state(), seen.reason.as_str()), (WireState::Up, ""));
}

#[tokio::test]
async fn it_ends_with_the_check_and_the_original_form_hears_of_neither() {
    let (site, first, original) = (
        Site::start().await,
        Receiver::start().await,
        Receiver::start().await,
    );
    let mut shop = Shop::open().await;
    let beside = shop.fleet.create(&site.url, &original.url).await;
    let check = check(&mut shop, &site).await;
    let oncall = shop.receiver("oncall", &first).await;
    shop.create(&check, &[oncall]).await;
    shop.fleet.until_state(&beside.id, WireState::Up).await;
    shop.until(check.id, State::Up).await;
    let link = format!(
        "insert into check_receivers (check_id, receiver_id)
         select '{}', receiver_id from check_receivers where check_id = '{}'",
        check.id, beside.id
    );
    sqlx::query(sqlx::AssertSqlSafe(link))
        .execute(&mut shop.conn)
        .await
        .unwrap();

    site.set(false);
    until("the outage of the other check was told", async || {
        !original.taken().is_empty()
    })
    .await;
    let opening = "check.degraded shop 2";
    assert_eq!(until_told(&first, 1).await, [opening]);
    shop.edit(&check, |spec| spec.enabled = false).await;
    assert_eq!(
        until_told(&first, 2).await,
        [opening, "check.deleted shop 3"]
    );
    shop.until(check.id, State::Init).await;
    assert_eq!(told(&first).len(), 2);
    let kinds = original.taken();
    let mut kinds = kinds.iter().map(|it| it.event().r#type.clone());
    assert!(kinds.all(|kind| kind == "check.down"));
}
