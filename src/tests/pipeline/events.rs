//! What an owner hears, and that every word of it is as promised.

use lokahi::proto::lokahi::check::State;
use lokahi::proto::lokahi::{Check, CreateOpts, WebhookFormat};
use lokahi::store::delivery::delivery_counts;

use super::fleet::Fleet;
use super::peers::{Receiver, Site};
use crate::support::programs::lokahictl;
use crate::support::until;

#[tokio::test]
async fn an_owner_hears_of_the_outage_and_of_its_end() {
    let (site, receiver) = (Site::start().await, Receiver::start().await);
    let mut fleet = Fleet::start(&[]).await;
    let check = fleet.create(&site.url, &receiver.url).await;
    fleet.until_state(&check.id, State::Up).await;
    site.set(false);
    until("the outage was told", async || receiver.taken().len() == 1).await;
    site.set(true);
    until("the recovery was told", async || {
        receiver.taken().len() == 2
    })
    .await;

    let told = receiver.taken();
    let (down, up) = (told[0].event(), told[1].event());
    assert_eq!(
        (down.r#type.as_str(), up.r#type.as_str()),
        ("check.down", "check.up")
    );
    let shown = down.check.clone().unwrap();
    assert_eq!(shown.state, i32::from(State::Down));
    assert_eq!(shown.url, site.url);
    assert_eq!(shown.playbook_url, "https://wiki.example.com/it");
    assert_eq!(down.resp_status_code, 500);
    assert!(down.last_response_time_nanoseconds > 0);
    // Two failures are asked for before anybody is woken.
    assert_eq!(down.evidence.len(), 2);
    assert_eq!(down.evidence[1].detail, "status 500 is not 2xx");
    assert!(down.histogram_data.is_some());
    assert_eq!(down.incident, up.incident);
    assert_eq!(down.sequence + 1, up.sequence);
    assert_eq!(down.previous_state, i32::from(State::Up));
    assert_eq!(told[0].header("content-type"), "application/protobuf");
    assert_eq!(told[0].header("accept"), "application/protobuf");
    assert!(told[0].header("user-agent").starts_with("lokahi/"));
    assert_eq!(told[0].id, down.event_id);
    // Of its recovery the full record is kept, too.
    let status = fleet.status(&shown.id).await;
    let outcomes: Vec<&str> = status.evidence.iter().map(|seen| &*seen.outcome).collect();
    assert!(outcomes.ends_with(&["down", "up"]), "{outcomes:?}");
    assert_eq!(status.evidence.last().unwrap().status_code, 200);
    for program in fleet.all() {
        assert_eq!(program.stop().await, Some(0));
    }
}

#[tokio::test]
async fn json_comes_in_an_envelope() {
    let (site, receiver) = (Site::start().await, Receiver::start().await);
    let fleet = Fleet::start(&[]).await;
    let wish = CreateOpts {
        url: site.url.clone(),
        webhook_url: receiver.url.clone(),
        webhook_format: WebhookFormat::Json.into(),
        every: 1,
        name: "shop".into(),
        ..CreateOpts::default()
    };
    site.set(false);
    let _check: Check = fleet
        .client()
        .call("github.xe.lokahi.Checks/Create", &wish)
        .await
        .unwrap();
    until("the outage was told", async || !receiver.taken().is_empty()).await;
    let told = &receiver.taken()[0];
    let body: serde_json::Value = serde_json::from_slice(&told.body).unwrap();
    assert_eq!(told.header("content-type"), "application/json");
    assert_eq!(body["type"], "check.down");
    assert_eq!(body["data"]["check"]["name"], "shop");
    assert_eq!(body["data"]["check"]["state"], "DOWN");
    assert_eq!(body["data"]["event_id"], told.id.as_str());
    assert!(body["timestamp"].as_str().unwrap().ends_with('Z'));
}

#[tokio::test]
async fn a_restart_repeats_nothing_and_forgets_nothing() {
    let (site, receiver) = (Site::start().await, Receiver::start().await);
    let mut fleet = Fleet::start(&[]).await;
    let check = fleet.create(&site.url, &receiver.url).await;
    fleet.until_state(&check.id, State::Up).await;
    site.set(false);
    until("the outage was told", async || receiver.taken().len() == 1).await;
    assert_eq!(fleet.lokahid.stop().await, Some(0));
    let asked = site.asked.load(std::sync::atomic::Ordering::SeqCst);
    fleet.lokahid.start();
    fleet.lokahid.address().await;
    until("it is probed again", async || {
        site.asked.load(std::sync::atomic::Ordering::SeqCst) > asked + 3
    })
    .await;
    assert_eq!(receiver.received().len(), 1, "the outage was told once");
    let status = fleet.status(&check.id).await;
    assert_eq!(status.check.unwrap().state, i32::from(State::Down));
    site.set(true);
    until("the end was told", async || receiver.taken().len() == 2).await;
    let told = receiver.taken();
    assert_eq!(told[0].event().incident, told[1].event().incident);
}

#[tokio::test]
async fn an_incident_of_a_deleted_check_ends() {
    let (site, receiver) = (Site::start().await, Receiver::start().await);
    let fleet = Fleet::start(&[]).await;
    site.set(false);
    let wish = CreateOpts {
        url: site.url.clone(),
        webhook_url: receiver.url.clone(),
        webhook_format: WebhookFormat::Json.into(),
        every: 1,
        ..CreateOpts::default()
    };
    let check: Check = fleet
        .client()
        .call("github.xe.lokahi.Checks/Create", &wish)
        .await
        .unwrap();
    until("the outage was told", async || receiver.taken().len() == 1).await;
    let id = lokahi::proto::lokahi::CheckId {
        id: check.id,
        ..Default::default()
    };
    let _gone: Check = fleet
        .client()
        .call("github.xe.lokahi.Checks/Delete", &id)
        .await
        .unwrap();
    until("the end was told", async || receiver.taken().len() == 2).await;
    let end: serde_json::Value = serde_json::from_slice(&receiver.taken()[1].body).unwrap();
    assert_eq!(end["type"], "check.deleted");
    let asked = site.asked.load(std::sync::atomic::Ordering::SeqCst);
    until("its state is gone", async || {
        let states: i64 = sqlx::query_scalar("select count(*) from check_states")
            .fetch_one(&mut fleet.database().await)
            .await
            .unwrap();
        states == 0
    })
    .await;
    assert!(site.asked.load(std::sync::atomic::Ordering::SeqCst) <= asked + 1);
    let open: i64 = sqlx::query_scalar("select count(*) from incidents where closed_at is null")
        .fetch_one(&mut fleet.database().await)
        .await
        .unwrap();
    assert_eq!(open, 0);
}

#[tokio::test]
async fn what_waits_goes_to_the_new_url_of_an_edited_check() {
    let (site, old, new) = (
        Site::start().await,
        Receiver::start().await,
        Receiver::start().await,
    );
    let fleet = Fleet::start(&[]).await;
    old.answer(503);
    site.set(false);
    let check = fleet.create(&site.url, &old.url).await;
    until("the old one was tried", async || !old.received().is_empty()).await;
    let edit = Check {
        id: check.id,
        webhook_url: new.url.clone(),
        ..Check::default()
    };
    let _edited: Check = fleet
        .client()
        .call("github.xe.lokahi.Checks/Put", &edit)
        .await
        .unwrap();
    until("the new one was told", async || new.taken().len() == 1).await;
    assert_eq!(new.taken()[0].id, old.received()[0].id);
    site.set(true);
    until("it hears of the end", async || new.taken().len() == 2).await;
}

#[tokio::test]
async fn whoever_asks_is_told_why_a_check_is_not_up() {
    let (site, receiver) = (Site::start().await, Receiver::start().await);
    let fleet = Fleet::start(&[]).await;
    let check = fleet.create(&site.url, &receiver.url).await;
    // Nobody listens there.
    let refused = fleet.create("http://127.0.0.1:1/", &receiver.url).await;
    fleet.until_state(&check.id, State::Up).await;
    let reason = async |id: &str| fleet.client().get(id).await.unwrap().reason;
    assert_eq!(reason(&check.id).await, "");
    site.set(false);
    fleet.until_state(&check.id, State::Down).await;
    fleet.until_state(&refused.id, State::Error).await;
    assert_eq!(reason(&check.id).await, "status 500 is not 2xx");
    let why = reason(&refused.id).await;
    assert!(why.starts_with("connect_refused: "), "{why}");
    let down = lokahictl(&fleet.base(), &["down", "--output", "table"]).await;
    assert!(
        down.out.contains("  status 500 is not 2xx\n"),
        "{}",
        down.out
    );
    let got = lokahictl(&fleet.base(), &["get", &check.id]).await;
    let got: serde_json::Value = serde_json::from_str(&got.out).unwrap();
    assert_eq!(got["reason"], "status 500 is not 2xx");
    site.set(true);
    fleet.until_state(&check.id, State::Up).await;
    assert_eq!(reason(&check.id).await, "");
}

#[tokio::test]
async fn what_waits_for_a_receiver_that_was_removed_needs_nobody() {
    let (site, receiver) = (Site::start().await, Receiver::start().await);
    receiver.answer(500);
    let fleet = Fleet::start(&[]).await;
    let check = fleet.create(&site.url, &receiver.url).await;
    fleet.until_state(&check.id, State::Up).await;
    site.set(false);
    until("an attempt failed", async || {
        !receiver.received().is_empty()
    })
    .await;
    let put = ["put", &check.id, "--clear", "webhook-url"];
    assert_eq!(lokahictl(&fleet.base(), &put).await.code, 0);
    let mut database = fleet.database().await;
    let dead: i64 = sqlx::query_scalar("select count(*) from deliveries where state = 'dead'")
        .fetch_one(&mut database)
        .await
        .unwrap();
    assert_eq!(dead, 1);
    let counts = delivery_counts(&mut database, lokahi::clock::now()).await;
    assert_eq!(counts.unwrap().dead, 0);
}
