//! The canary is heard through every program, and somebody elsewhere is told as long as it is.

use std::sync::atomic::Ordering;
use std::time::Duration;

use lokahi::clock;
use lokahi::store::Store;
use lokahi::store::canary::canary_forget;

use super::fleet::Fleet;
use super::peers::Site;
use crate::support::programs::lokahictl;
use crate::support::until;

const PROJECT: &str = "lokahi.canary";

fn beats(elsewhere: &Site) -> usize {
    elsewhere.asked.load(Ordering::SeqCst)
}

async fn until_it_beats(elsewhere: &Site) {
    let before = beats(elsewhere);
    until("a heartbeat comes", async || beats(elsewhere) > before).await;
}

/// It is said where the canary is lost, and nobody elsewhere hears anything meanwhile.
async fn until_it_is_silent(fleet: &Fleet, elsewhere: &Site, why: &str) {
    until("it is said that the canary is not heard", async || {
        fleet.lokahid.has_said(why)
    })
    .await;
    until("the metric says so, too", async || {
        fleet.metric("lokahi_canary_heard").await == 0.0
    })
    .await;
    // One may be under way.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = beats(elsewhere);
    tokio::time::sleep(Duration::from_secs(12)).await;
    assert_eq!(beats(elsewhere), before);
}

#[tokio::test]
async fn a_heartbeat_comes_while_the_canary_is_heard_and_only_then() {
    let elsewhere = Site::start().await;
    let url = format!("{}ping/c0de", elsewhere.url);
    let settings = [("HEARTBEAT_URL", url.as_str()), ("HEARTBEAT_EVERY", "10s")];
    let mut fleet = Fleet::start(&settings).await;
    until_it_beats(&elsewhere).await;
    let words = ["maintain", "*", "--for", "1h", "--reason", "all of it"];
    let maintained = lokahictl(&fleet.base(), &words).await;
    assert!(maintained.out.contains("of 0 checks"), "{}", maintained.out);
    until_it_beats(&elsewhere).await;
    until_it_beats(&elsewhere).await;
    let latency = fleet.metric("lokahi_canary_latency_seconds_count").await;
    assert!(latency >= 1.0, "{latency}");
    assert!(!fleet.lokahid.log().contains("c0de"), "the URL is a secret");

    fleet.webhookworker.kill().await;
    until_it_is_silent(&fleet, &elsewhere, "its event does not come").await;
    fleet.webhookworker.start();
    until_it_beats(&elsewhere).await;

    fleet.healthworker.kill().await;
    until_it_is_silent(&fleet, &elsewhere, "no health worker asks it").await;
    fleet.healthworker.start();
    until_it_beats(&elsewhere).await;

    fleet.lokahid.kill().await;
    fleet.lokahid.start();
    until_it_beats(&elsewhere).await;
    let canaries: i64 = sqlx::query_scalar(
        "select count(*) from checks c join projects p on p.id = c.project_id where p.name = $1",
    )
    .bind(PROJECT)
    .fetch_one(&mut fleet.database().await)
    .await
    .unwrap();
    assert_eq!(canaries, 1, "it is the same after a restart");
}

#[tokio::test]
async fn nobody_sees_a_canary_who_does_not_ask_for_it() {
    let fleet = Fleet::start(&[("CANARY", "true"), ("HEARTBEAT_EVERY", "10s")]).await;
    until("the canary is heard", async || {
        fleet.metric("lokahi_canary_heard").await == 1.0
    })
    .await;
    let base = fleet.base();
    for words in [
        &["list"][..],
        &["down"],
        &["status"],
        &["webhook", "list"],
        &["webhook", "deliveries"],
    ] {
        let seen = lokahictl(&base, words).await;
        let all = format!("{}{}", seen.out, seen.words);
        assert!(!all.contains("canary"), "{words:?}: {all}");
    }
    let metrics = fleet.metrics().await;
    assert!(!metrics.contains(PROJECT), "{metrics}");
    let named = lokahictl(&base, &["list", "--project", PROJECT]).await;
    assert!(named.out.contains("/site"), "{}", named.out);
}

#[tokio::test]
async fn what_a_canary_did_is_forgotten_and_one_that_was_removed_comes_back() {
    let fleet = Fleet::start(&[("CANARY", "true"), ("HEARTBEAT_EVERY", "10s")]).await;
    let ended = async |what: &str| -> i64 {
        let query = format!("select count(*) from {what}");
        sqlx::query_scalar(sqlx::AssertSqlSafe(query))
            .fetch_one(&mut fleet.database().await)
            .await
            .unwrap()
    };
    until("two events were received", async || {
        ended("deliveries where state = 'delivered'").await >= 2
    })
    .await;
    let store = Store::lazy(&fleet.database_url, 1).unwrap();
    let mut conn = store.acquire().await.unwrap();
    // As if two days had gone by without a change.
    let later = clock::now() + time::Duration::days(2);
    canary_forget(&mut conn, later).await.unwrap();
    assert!(
        ended("checks where deleted_at is not null").await == 1,
        "it is gone"
    );
    let left = ended("deliveries where state = 'delivered'").await;
    assert!(left <= 1, "{left} deliveries are left");
    until("the canary is written again", async || {
        ended("checks where deleted_at is null").await == 1
    })
    .await;
    let before = fleet.metric("lokahi_canary_latency_seconds_count").await;
    until("it is heard again", async || {
        fleet.metric("lokahi_canary_latency_seconds_count").await > before
    })
    .await;
}
