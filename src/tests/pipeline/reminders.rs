//! Of an outage that goes on its receivers hear again.

use std::time::Duration;

use lokahi::model::health::State;

use super::peers::{Receiver, Site};
use super::shop::{Shop, until_told};
use crate::support::programs::lokahictl;
use crate::support::until;

const REPEAT: Duration = Duration::from_secs(3600);

/// Kills lokahid, lets an hour pass for it, and starts it anew.
async fn an_hour_passes(shop: &mut Shop) {
    shop.fleet.lokahid.kill().await;
    sqlx::query("update check_states set told_at = told_at - interval '1 hour'")
        .execute(&mut shop.fleet.database().await)
        .await
        .unwrap();
    shop.fleet.lokahid.start();
    shop.fleet.lokahid.address().await;
}

/// A check that is to be told of again, is down, and was told of.
async fn outage() -> (Shop, Site, Receiver) {
    let (site, receiver) = (Site::start().await, Receiver::start().await);
    let mut shop = Shop::open().await;
    let oncall = shop.receiver("oncall", &receiver).await;
    let again = |spec: &mut lokahi::model::check::CheckSpec| spec.repeat = Some(REPEAT);
    let check = shop.wish("front", &site.url, again).await;
    shop.create(&check, &[oncall]).await;
    shop.until(check.id, State::Up).await;
    site.set(false);
    until_told(&receiver, 1).await;
    (shop, site, receiver)
}

#[tokio::test]
async fn an_outage_is_told_again_until_somebody_works_on_it() {
    let (mut shop, site, receiver) = outage().await;
    an_hour_passes(&mut shop).await;
    let told = until_told(&receiver, 2).await;
    assert_eq!(told, ["check.down front 2", "check.reminder front 3"]);
    let reminder: serde_json::Value = serde_json::from_slice(&receiver.taken()[1].body).unwrap();
    let data = &reminder["data"];
    assert_eq!(data["check"]["state"], "DOWN");
    let evidence = data["evidence"].as_array().unwrap();
    assert_eq!(evidence.len(), 1, "what is seen now");
    let opening: serde_json::Value = serde_json::from_slice(&receiver.taken()[0].body).unwrap();
    assert_eq!(data["incident"], opening["data"]["incident"]);
    assert_ne!(reminder["data"]["event_id"], opening["data"]["event_id"]);

    let base = shop.fleet.base();
    let acknowledged = lokahictl(&base, &["ack", "front", "--reason", "at it"]).await;
    assert_eq!(acknowledged.code, 0, "{}", acknowledged.words);
    an_hour_passes(&mut shop).await;
    until("it is remembered, and told to nobody", async || {
        shop.count("select count(*) from transitions where type = 'check.reminder' and not told")
            .await
            == 1
    })
    .await;
    let explained = lokahictl(&base, &["explain", "front"]).await.out;
    assert!(explained.contains("still DOWN"), "{explained}");
    site.set(true);
    let told = until_told(&receiver, 3).await;
    assert_eq!(told[2], "check.up front 5");
}

#[tokio::test]
async fn of_reminders_that_are_held_the_newest_is_told() {
    let (mut shop, _site, receiver) = outage().await;
    let mute = ["mute", "front", "--reason", "we know"];
    let muted = lokahictl(&shop.fleet.base(), &mute).await;
    assert_eq!(muted.code, 0, "{}", muted.words);
    let held = "select count(*) from deliveries where state = 'held'";
    let ended = "select count(*) from deliveries where reason = 'a newer reminder is held'";
    for reminder in 1..=3 {
        an_hour_passes(&mut shop).await;
        until("one is held, and no older one", async || {
            (shop.count(held).await, shop.count(ended).await) == (1, reminder - 1)
        })
        .await;
    }
    let unmuted = lokahictl(&shop.fleet.base(), &["mute", "front", "--end"]).await;
    assert_eq!(unmuted.code, 0, "{}", unmuted.words);
    let told = until_told(&receiver, 2).await;
    assert_eq!(told, ["check.down front 2", "check.reminder front 5"]);
}
