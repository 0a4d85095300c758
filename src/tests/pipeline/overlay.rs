//! What people set on checks at three in the morning: nobody probes it, nobody hears of it,
//! somebody works on it.

use lokahi::model::health::State;
use lokahi::model::id::CheckId;
use lokahi::model::webhook::{WebhookFormat, WebhookSpec};
use lokahi::proto::lokahi::check::State as WireState;
use lokahi::store::check::NewCheck;
use time::OffsetDateTime;

use super::peers::{Receiver, Site};
use super::shop::{Shop, told, until_told};
use crate::support::programs::{Ended, lokahictl};
use crate::support::until;

/// A check of a site, and who hears of it.
async fn shop(site: &Site, receiver: &Receiver) -> (Shop, NewCheck) {
    let mut shop = Shop::open().await;
    let check = shop.wish("front", &site.url, |_| ()).await;
    let oncall = shop.receiver("oncall", receiver).await;
    shop.create(&check, &[oncall]).await;
    shop.until(check.id, State::Up).await;
    (shop, check)
}

async fn ctl(shop: &Shop, arguments: &[&str]) -> Ended {
    let ended = lokahictl(&shop.fleet.base(), arguments).await;
    assert_eq!(ended.code, 0, "{arguments:?}: {}{}", ended.out, ended.words);
    ended
}

/// `STATE: REASON` of the newest delivery.
async fn newest(shop: &Shop) -> String {
    sqlx::query_scalar(
        "select state || ': ' || reason from deliveries order by seq desc, created_at desc limit 1",
    )
    .fetch_one(&mut shop.fleet.database().await)
    .await
    .unwrap()
}

/// When the pause of a check ends.
async fn pause_end(shop: &Shop, check: CheckId) -> OffsetDateTime {
    sqlx::query_scalar("select until from overlays where check_id = $1 and kind = 'paused'")
        .bind(check.0)
        .fetch_one(&mut shop.fleet.database().await)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_paused_check_is_not_probed_its_incident_ends_and_it_comes_back_by_itself() {
    let (site, receiver) = (Site::start().await, Receiver::start().await);
    let (shop, check) = shop(&site, &receiver).await;
    site.set(false);
    let opening = "check.down front 2";
    assert_eq!(until_told(&receiver, 1).await, [opening]);

    let paused = ctl(
        &shop,
        &["pause", "front", "--for", "5s", "--reason", "moving house"],
    )
    .await;
    assert!(
        paused.out.starts_with("shop/front is paused until "),
        "{}",
        paused.out
    );
    assert!(paused.out.contains(": moving house"), "{}", paused.out);
    let until_then = pause_end(&shop, check.id).await;
    // Whoever was told of the incident is told of its end, and of why.
    let end = "check.deleted front 3";
    assert_eq!(until_told(&receiver, 2).await, [opening, end]);
    let ended = lokahi::clock::now();
    let body: serde_json::Value = serde_json::from_slice(&receiver.taken()[1].body).unwrap();
    assert_eq!(
        body["data"]["check"]["paused"]["reason"], "moving house",
        "{body}"
    );
    let table = ctl(&shop, &["list", "--output", "table"]).await;
    assert!(table.out.contains("  PAUSED  "), "{}", table.out);
    let status = ctl(&shop, &["status", "shop", "--output", "table"]).await;
    assert!(status.out.contains("1 paused, 0 muted"), "{}", status.out);

    // It is still down: that is a new incident.
    let again = "check.down front 4";
    assert_eq!(until_told(&receiver, 3).await, [opening, end, again]);
    let times = shop.times(check.id, ended).await;
    assert!(
        times.iter().all(|at| *at >= until_then),
        "{times:?} {until_then}"
    );
    let open = "select count(*) from incidents where closed_at is null";
    assert_eq!(shop.count(open).await, 1);
}

#[tokio::test]
async fn a_pause_outlasts_a_restart_and_ends_when_somebody_ends_it() {
    let (site, receiver) = (Site::start().await, Receiver::start().await);
    let (mut shop, check) = shop(&site, &receiver).await;
    ctl(&shop, &["pause", "front"]).await;
    shop.until(check.id, State::Init).await;
    shop.fleet.lokahid.kill().await;
    shop.fleet.lokahid.start();
    shop.fleet.lokahid.address().await;
    // Another check shows that the shards are taken over.
    let beside = shop.wish("beside", &site.url, |_| ()).await;
    shop.create(&beside, &[]).await;
    shop.until(beside.id, State::Up).await;
    assert_eq!(shop.stored(check.id).await.unwrap().state, State::Init);
    let explained = ctl(&shop, &["explain", "front"]).await;
    assert!(explained.out.contains("is PAUSED"), "{}", explained.out);

    let ended = ctl(&shop, &["pause", "front", "--end"]).await;
    assert_eq!(ended.out, "shop/front is not paused\n");
    assert_eq!(ended.words, "Ended for 1 of 1 check.\n");
    shop.until(check.id, State::Up).await;
    let ended = ctl(&shop, &["pause", "front", "--end"]).await;
    assert_eq!(ended.words, "Nothing to end: 1 check not paused.\n");
    assert_eq!(told(&receiver).len(), 0);
}

#[tokio::test]
async fn what_begins_and_ends_while_a_check_is_muted_is_told_to_nobody() {
    let (site, receiver) = (Site::start().await, Receiver::start().await);
    let (shop, check) = shop(&site, &receiver).await;
    let mute = ["mute", "front", "--for", "2h", "--reason", "we know"];
    ctl(&shop, &mute).await;
    let nobody = lokahictl(&shop.fleet.base(), &["mute", "nosuch*"]).await;
    assert_eq!(nobody.code, 1);
    assert!(
        nobody.words.contains("there is no such check"),
        "{}",
        nobody.words
    );
    site.set(false);
    shop.until(check.id, State::Down).await;
    let held = newest(&shop).await;
    let until = held.strip_prefix("held: muted by anonymous until ");
    let until = until.and_then(|it| it.strip_suffix(": we know")).unwrap();
    let explained = ctl(&shop, &["explain", "front"]).await;
    assert!(
        explained.out.contains(&format!(
            "oncall not told yet: muted by anonymous until {until}: we know"
        )),
        "{}",
        explained.out
    );
    let table = ctl(&shop, &["down", "--output", "table"]).await;
    assert!(table.out.contains("  DOWN (muted)  "), "{}", table.out);
    site.set(true);
    shop.until(check.id, State::Up).await;
    let rows: Vec<String> = sqlx::query_scalar(
        "select seq || ' ' || state || ': ' || reason from deliveries order by seq",
    )
    .fetch_all(&mut shop.fleet.database().await)
    .await
    .unwrap();
    assert_eq!(
        rows,
        [
            "2 superseded: it was over while it was held: muted by anonymous: we know",
            "3 superseded: what it ends was held until then, and told to nobody",
        ]
    );

    // What comes after the end of the mute is told as ever.
    ctl(&shop, &["mute", "front", "--end"]).await;
    site.set(false);
    assert_eq!(until_told(&receiver, 1).await, ["check.down front 4"]);
}

#[tokio::test]
async fn an_end_is_told_although_the_check_is_muted() {
    let (site, receiver) = (Site::start().await, Receiver::start().await);
    let (shop, check) = shop(&site, &receiver).await;
    site.set(false);
    let opening = "check.down front 2";
    assert_eq!(until_told(&receiver, 1).await, [opening]);
    ctl(&shop, &["mute", "front"]).await;
    site.set(true);
    assert_eq!(
        until_told(&receiver, 2).await,
        [opening, "check.up front 3"]
    );
    // And nothing more.
    site.set(false);
    shop.until(check.id, State::Down).await;
    assert_eq!(newest(&shop).await, "held: muted by anonymous");
    assert_eq!(told(&receiver).len(), 2);
}

#[tokio::test]
async fn what_waits_to_be_sent_when_a_mute_begins_is_held() {
    let (site, receiver) = (Site::start().await, Receiver::start().await);
    let (mut shop, check) = shop(&site, &receiver).await;
    shop.fleet.webhookworker.kill().await;
    site.set(false);
    shop.until(check.id, State::Down).await;
    assert_eq!(newest(&shop).await, "pending: ");
    ctl(&shop, &["mute", "front"]).await;
    assert_eq!(newest(&shop).await, "held: muted by anonymous");
    shop.fleet.webhookworker.start();
    site.set(true);
    shop.until(check.id, State::Up).await;
    let ended = "superseded: what it ends was held until then, and told to nobody";
    assert_eq!(newest(&shop).await, ended);
    assert_eq!(told(&receiver).len(), 0);
}

#[tokio::test]
async fn the_end_is_told_of_what_was_tried_before_a_mute_began() {
    let (site, receiver) = (Site::start().await, Receiver::start().await);
    let (shop, check) = shop(&site, &receiver).await;
    // It may have taken it, whatever it says.
    receiver.answer(500);
    site.set(false);
    let tried = "select count(*) from deliveries where attempts > 0";
    until("it was tried", async || shop.count(tried).await == 1).await;
    ctl(&shop, &["mute", "front"]).await;
    assert_eq!(newest(&shop).await, "held: muted by anonymous");
    receiver.answer(200);
    site.set(true);
    shop.until(check.id, State::Up).await;
    assert_eq!(until_told(&receiver, 1).await, ["check.up front 3"]);
}

#[tokio::test]
async fn an_end_that_a_newer_event_was_to_list_is_told_although_that_is_held() {
    let (site, receiver) = (Site::start().await, Receiver::start().await);
    let mut shop = Shop::open().await;
    let check = shop.wish("front", &site.url, |_| ()).await;
    let spec = WebhookSpec::new(receiver.url.parse().unwrap(), WebhookFormat::Json);
    let oncall = shop.receiver_with("oncall", spec).await;
    shop.create(&check, &[oncall]).await;
    shop.until(check.id, State::Up).await;
    site.set(false);
    assert_eq!(until_told(&receiver, 1).await, ["check.down front 2"]);
    receiver.answer(503);
    for (up, state, tried) in [
        (
            true,
            State::Up,
            "select count(*) from deliveries where seq = 3 and attempts > 0",
        ),
        (
            false,
            State::Down,
            "select count(*) from deliveries where seq = 4 and attempts > 0",
        ),
    ] {
        site.set(up);
        shop.until(check.id, state).await;
        until("it was tried", async || shop.count(tried).await == 1).await;
    }
    ctl(&shop, &["mute", "front"]).await;
    receiver.answer(200);
    let told = ["check.down front 2", "check.up front 3"];
    assert_eq!(until_told(&receiver, 2).await, told);
    assert_eq!(newest(&shop).await, "held: muted by anonymous");
    site.set(true);
    shop.until(check.id, State::Up).await;
    let told = [told[0], told[1], "check.up front 5"];
    assert_eq!(until_told(&receiver, 3).await, told);
}

#[tokio::test]
async fn what_still_is_when_a_mute_ends_is_told_then_though_lokahid_was_killed() {
    let (site, receiver) = (Site::start().await, Receiver::start().await);
    let (mut shop, check) = shop(&site, &receiver).await;
    ctl(&shop, &["mute", "front", "--for", "6s"]).await;
    site.set(false);
    shop.until(check.id, State::Down).await;
    assert!(newest(&shop).await.starts_with("held: muted by "));
    let since = shop.fleet.status(&check.id.to_string()).await;
    let since = since.check.unwrap().since.unwrap();
    shop.fleet.lokahid.kill().await;
    shop.fleet.lokahid.start();
    assert_eq!(until_told(&receiver, 1).await, ["check.down front 2"]);
    // As it happened, not as it was sent.
    let body: serde_json::Value = serde_json::from_slice(&receiver.taken()[0].body).unwrap();
    let at = body["data"]["at"].as_str().unwrap();
    let at = OffsetDateTime::parse(at, &time::format_description::well_known::Rfc3339).unwrap();
    assert_eq!(at.unix_timestamp(), since.seconds, "{body}");
    let delivered = "select count(*) from deliveries where state = 'delivered'";
    until("it is written down", async || {
        shop.count(delivered).await == 1
    })
    .await;
    let attempts = "select count(*) from attempts";
    assert_eq!(shop.count(attempts).await, 1);
}

#[tokio::test]
async fn many_that_are_held_are_all_told_once() {
    let (site, receiver) = (Site::start().await, Receiver::start().await);
    let mut shop = Shop::open().await;
    let oncall = shop.receiver("oncall", &receiver).await;
    for n in 0..40 {
        let check = shop.wish(&format!("page_{n}"), &site.url, |_| ()).await;
        shop.create(&check, &[oncall]).await;
    }
    let up = "select count(*) from check_states where state = 1";
    until("all are up", async || shop.count(up).await == 40).await;
    let muted = ctl(&shop, &["mute", "shop/page_*", "--for", "1h"]).await;
    assert_eq!(muted.words, "40 checks muted.\n");
    assert!(muted.out.ends_with("... and 20 more\n"), "{}", muted.out);
    site.set(false);
    let held = "select count(*) from deliveries where state = 'held'";
    until("all are held", async || shop.count(held).await == 40).await;
    assert_eq!(told(&receiver).len(), 0);
    let ended = ctl(&shop, &["mute", "--project", "shop", "--end"]).await;
    assert_eq!(ended.words, "Ended for 40 of 40 checks.\n");
    assert_eq!(until_told(&receiver, 40).await.len(), 40);
    assert_eq!(receiver.received().len(), 40);
}

#[tokio::test]
async fn an_acknowledgement_is_seen_everywhere_and_ends_with_its_incident() {
    let (site, receiver) = (Site::start().await, Receiver::start().await);
    let (shop, check) = shop(&site, &receiver).await;
    let id = check.id.to_string();
    let refused = lokahictl(&shop.fleet.base(), &["ack", "front"]).await;
    assert_eq!(refused.code, 1);
    assert!(
        refused.words.contains("has no open incident"),
        "{}",
        refused.words
    );
    let none = ctl(&shop, &["ack", "--project", "shop"]).await;
    assert_eq!(none.words, "Nothing is down among these checks.\n");

    site.set(false);
    until_told(&receiver, 1).await;
    let acked = ctl(&shop, &["ack", "front", "--reason", "at it"]).await;
    let words = "acknowledged by anonymous: at it";
    assert_eq!(acked.out, format!("shop/front is {words}\n"));
    let table = ctl(&shop, &["down", "--output", "table"]).await;
    assert!(
        table.out.contains("  DOWN (acknowledged)  "),
        "{}",
        table.out
    );
    for command in [["explain", "front"], ["history", "shop/front"]] {
        let [name, of] = command;
        let told = match name {
            "history" => ctl(&shop, &[name, of, "--output", "table"]).await,
            _ => ctl(&shop, &[name, of]).await,
        };
        assert!(told.out.contains(words), "{}", told.out);
    }
    let now = shop.fleet.status(&id).await.check.unwrap();
    assert_eq!(now.acknowledged.unwrap().reason, "at it");

    site.set(true);
    until_told(&receiver, 2).await;
    let body: serde_json::Value = serde_json::from_slice(&receiver.taken()[1].body).unwrap();
    let end = &body["data"]["check"];
    assert_eq!(end["acknowledged"]["by"], "anonymous", "{body}");
    shop.fleet.until_state(&id, WireState::Up).await;
    let now = shop.fleet.status(&id).await.check.unwrap();
    assert_eq!(now.acknowledged, None);
    // The incident remembers.
    let past = ctl(&shop, &["history", "shop/front", "--output", "table"]).await;
    assert!(past.out.contains(words), "{}", past.out);
}
