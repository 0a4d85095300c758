//! What becomes of a check that is deleted, disabled, brought back, edited,
//! renamed, re-routed or released while it is down, and of one that begins
//! quietly.

use std::sync::atomic::Ordering;

use lokahi::clock;
use lokahi::model::health::State;
use lokahi::model::id::ReceiverId;
use lokahi::model::ownership::Owner;
use lokahi::model::webhook::{WebhookFormat, WebhookSpec};
use lokahi::store::check::{check_delete, check_release, check_rename, check_revive};
use lokahi::store::project::project_find;
use lokahi::store::receiver::{receiver_delete, receiver_hand_over};
use lokahi::store::shard::Progress;
use sqlx::Connection as _;

use super::peers::{Receiver, Site};
use super::shop::{Shop, told, until_told};
use crate::support::programs::lokahictl;
use crate::support::until;

/// A check that was up and is down, and a receiver that was told.
async fn outage(
    shop: &mut Shop,
    site: &Site,
    receiver: &Receiver,
) -> lokahi::store::check::NewCheck {
    let check = shop.wish("shop", &site.url, |_| ()).await;
    let oncall = shop.receiver("oncall", receiver).await;
    shop.create(&check, &[oncall]).await;
    shop.until(check.id, State::Up).await;
    site.set(false);
    assert_eq!(until_told(receiver, 1).await, ["check.down shop 2"]);
    check
}

/// Waits until another site was asked a few times more.
async fn a_while(clock: &Site) {
    let asked = clock.asked.load(Ordering::SeqCst);
    until("some seconds passed", async || {
        clock.asked.load(Ordering::SeqCst) > asked + 3
    })
    .await;
}

#[tokio::test]
async fn a_disabled_check_ends_its_incident_and_rests_until_it_is_enabled() {
    let (site, other) = (Site::start().await, Site::start().await);
    let (first, second) = (Receiver::start().await, Receiver::start().await);
    let mut shop = Shop::open().await;
    let beside = shop.wish("beside", &other.url, |_| ()).await;
    shop.create(&beside, &[]).await;
    let check = outage(&mut shop, &site, &first).await;
    let later = shop.receiver("later", &second).await;
    shop.route(check.id, &[later]).await;
    shop.edit(&check, |spec| spec.enabled = false).await;

    // Who got the opening and who is to hear today.
    let end = ["check.down shop 2", "check.deleted shop 3"];
    assert_eq!(until_told(&first, 2).await, end);
    assert_eq!(until_told(&second, 1).await, ["check.deleted shop 3"]);
    shop.until(check.id, State::Init).await;
    let open = "select count(*) from incidents where closed_at is null";
    assert_eq!(shop.count(open).await, 0);
    let asked = site.asked.load(Ordering::SeqCst);
    a_while(&other).await;
    assert!(site.asked.load(Ordering::SeqCst) <= asked + 1);
    let base = shop.fleet.base();
    let table = lokahictl(&base, &["list", "--output", "table"]).await;
    assert!(table.out.contains("  DISABLED  "), "{}", table.out);
    assert!(!table.out.contains("stale"), "{}", table.out);
    let run = lokahictl(&base, &["run", &check.id.to_string()]).await;
    assert_eq!(run.code, 1);
    assert!(
        run.words.contains("check shop is disabled"),
        "{}",
        run.words
    );
    let metrics = shop.fleet.metrics().await;
    assert!(metrics.contains("check=\"beside\""), "{metrics}");
    assert!(!metrics.contains("check=\"shop\""), "{metrics}");

    shop.edit(&check, |_| ()).await;
    let again = ["check.deleted shop 3", "check.down shop 4"];
    assert_eq!(until_told(&second, 2).await, again);
    assert_eq!(told(&first), end);
}

#[tokio::test]
async fn a_check_that_is_disabled_while_lokahid_is_dead_ends_its_incident_too() {
    let (site, receiver) = (Site::start().await, Receiver::start().await);
    let mut shop = Shop::open().await;
    let check = outage(&mut shop, &site, &receiver).await;
    shop.fleet.lokahid.kill().await;
    shop.edit(&check, |spec| spec.enabled = false).await;
    shop.fleet.lokahid.start();
    let end = ["check.down shop 2", "check.deleted shop 3"];
    assert_eq!(until_told(&receiver, 2).await, end);
    shop.until(check.id, State::Init).await;
}

#[tokio::test]
async fn a_check_that_lives_again_before_its_end_was_written_goes_on() {
    let (site, receiver) = (Site::start().await, Receiver::start().await);
    let mut shop = Shop::open().await;
    let check = outage(&mut shop, &site, &receiver).await;
    let before = shop.stored(check.id).await;
    let now = clock::now();
    let mut first = shop.fleet.database().await;
    let mut second = shop.fleet.database().await;
    let mut deleting = first.begin().await.unwrap();
    check_delete(&mut deleting, &[check.id], now).await.unwrap();
    let mut reviving = second.begin().await.unwrap();
    let project = project_find(&mut reviving, "shop").await.unwrap().unwrap();
    let back = [check.clone()];
    let waiting = "select count(*) from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'";
    let wait = check_wait(&mut reviving, check.id);
    let commit = async {
        // It waits for the row, and has it before anybody else.
        until("the second waits", async || shop.count(waiting).await > 0).await;
        deleting.commit().await.unwrap();
    };
    tokio::join!(wait, commit);
    // The end of the check is on its way and cannot be written.
    shop.until_read(check.id).await;
    check_revive(&mut reviving, project, Owner::Declared, &back, now)
        .await
        .unwrap();
    reviving.commit().await.unwrap();
    site.set(true);
    let end = ["check.down shop 2", "check.up shop 3"];
    assert_eq!(until_told(&receiver, 2).await, end);
    let after = shop.stored(check.id).await.unwrap();
    assert_eq!((after.seq, after.incident), (3, None));
    let closed = shop
        .count("select count(*) from incidents where closed_seq = 3")
        .await;
    assert_eq!((closed, before.unwrap().seq), (1, 2));
}

/// Locks a check, however long that takes.
async fn check_wait(conn: &mut sqlx::PgConnection, check: lokahi::model::id::CheckId) {
    sqlx::query("select from checks where id = $1 for update")
        .bind(check.0)
        .execute(conn)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_check_that_was_buried_and_comes_back_goes_on_counting() {
    let (site, receiver) = (Site::start().await, Receiver::start().await);
    let mut shop = Shop::open().await;
    let check = outage(&mut shop, &site, &receiver).await;
    check_delete(&mut shop.conn, &[check.id], clock::now())
        .await
        .unwrap();
    let end = ["check.down shop 2", "check.deleted shop 3"];
    assert_eq!(until_told(&receiver, 2).await, end);
    let gone = "select count(*) from check_states";
    until("its state is gone", async || shop.count(gone).await == 0).await;
    let project = project_find(&mut shop.conn, "shop").await.unwrap().unwrap();
    check_revive(
        &mut shop.conn,
        project,
        Owner::Declared,
        &[check],
        clock::now(),
    )
    .await
    .unwrap();
    assert_eq!(until_told(&receiver, 3).await[2], "check.down shop 4");
}

#[tokio::test]
async fn the_end_goes_to_who_was_told_of_the_opening_and_to_who_hears_today() {
    let site = Site::start().await;
    let (old, new) = (Receiver::start().await, Receiver::start().await);
    let mut shop = Shop::open().await;
    let check = outage(&mut shop, &site, &old).await;
    let today = shop.receiver("today", &new).await;
    shop.route(check.id, &[today]).await;
    site.set(true);
    assert_eq!(until_told(&new, 1).await, ["check.up shop 3"]);
    let end = ["check.down shop 2", "check.up shop 3"];
    assert_eq!(until_told(&old, 2).await, end);
    // The next outage is no business of the old one.
    site.set(false);
    assert_eq!(until_told(&new, 2).await[1], "check.down shop 4");
    assert_eq!(told(&old), end);
}

#[tokio::test]
async fn an_edited_check_keeps_its_incident() {
    let (site, receiver) = (Site::start().await, Receiver::start().await);
    let mut shop = Shop::open().await;
    let check = outage(&mut shop, &site, &receiver).await;
    let before = shop.stored(check.id).await.unwrap();
    let asked = "select count(distinct spec_id) from check_states
        where spec_id = (select live_spec_id from checks)";
    shop.edit(&check, |spec| spec.body = "another question".into())
        .await;
    until("the other was asked", async || shop.count(asked).await == 1).await;
    assert_eq!(shop.stored(check.id).await.unwrap(), before);
    site.set(true);
    let end = ["check.down shop 2", "check.up shop 3"];
    assert_eq!(until_told(&receiver, 2).await, end);
    let incidents = "select count(*) from incidents where closed_seq = 3";
    assert_eq!(shop.count(incidents).await, 1);
}

#[tokio::test]
async fn a_renamed_check_ends_its_incident_under_its_new_name() {
    let (site, receiver) = (Site::start().await, Receiver::start().await);
    let mut shop = Shop::open().await;
    let check = outage(&mut shop, &site, &receiver).await;
    check_rename(&mut shop.conn, &[(check.id, "store".to_owned())])
        .await
        .unwrap();
    shop.until_read(check.id).await;
    site.set(true);
    let end = ["check.down shop 2", "check.up store 3"];
    assert_eq!(until_told(&receiver, 2).await, end);
}

#[tokio::test]
async fn the_end_is_told_to_a_receiver_that_went_with_the_check_or_before_it() {
    let (site, other) = (Site::start().await, Site::start().await);
    let (first, second) = (Receiver::start().await, Receiver::start().await);
    let mut shop = Shop::open().await;
    let check = outage(&mut shop, &site, &first).await;
    // Both in one apply.
    let now = clock::now();
    let oncall = sqlx::query_scalar("select receiver_id from check_receivers where check_id = $1");
    let id: uuid::Uuid = oncall
        .bind(check.id.0)
        .fetch_one(&mut shop.conn)
        .await
        .unwrap();
    let id = ReceiverId(id);
    check_delete(&mut shop.conn, &[check.id], now)
        .await
        .unwrap();
    receiver_delete(&mut shop.conn, &[id], now).await.unwrap();
    let end = ["check.down shop 2", "check.deleted shop 3"];
    assert_eq!(until_told(&first, 2).await, end);

    // The check stays, tells nobody any more, and recovers.
    let mut kept = shop.wish("kept", &other.url, |_| ()).await;
    kept.quiet = false;
    let night = shop.receiver("night", &second).await;
    shop.create(&kept, &[night]).await;
    shop.until(kept.id, State::Up).await;
    other.set(false);
    assert_eq!(until_told(&second, 1).await, ["check.down kept 2"]);
    shop.route(kept.id, &[]).await;
    receiver_delete(&mut shop.conn, &[night], clock::now())
        .await
        .unwrap();
    other.set(true);
    let end = ["check.down kept 2", "check.up kept 3"];
    assert_eq!(until_told(&second, 2).await, end);
    other.set(false);
    shop.until(kept.id, State::Down).await;
    assert_eq!(told(&second), end, "of what comes later it hears nothing");
}

#[tokio::test]
async fn what_was_being_sent_to_a_receiver_as_it_was_removed_was_tried() {
    let site = Site::start().await;
    // Takes the connection, and says nothing until it hangs up.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    let mut shop = Shop::open().await;
    let check = shop.wish("shop", &site.url, |_| ()).await;
    let spec = WebhookSpec::new(url.parse().unwrap(), WebhookFormat::Json);
    let oncall = shop.receiver_with("oncall", spec).await;
    shop.create(&check, &[oncall]).await;
    shop.until(check.id, State::Up).await;
    site.set(false);
    let (stream, _) = silent.accept().await.unwrap();
    shop.route(check.id, &[]).await;
    receiver_delete(&mut shop.conn, &[oncall], clock::now())
        .await
        .unwrap();
    let claimed = "select count(*) from claims";
    assert_eq!(shop.count(claimed).await, 1, "it is still being sent");
    drop(stream);
    let ended = "select count(*) from attempts where finished_at is not null";
    until("it ended", async || shop.count(ended).await == 1).await;
    let dead = "select count(*) from deliveries
        where state = 'dead' and reason = 'receiver removed' and attempts = 1";
    assert_eq!(shop.count(dead).await, 1);
    assert_eq!(shop.count(claimed).await, 0);
}

#[tokio::test]
async fn the_end_of_a_released_check_is_told_once() {
    let (site, receiver) = (Site::start().await, Receiver::start().await);
    let mut shop = Shop::open().await;
    let check = outage(&mut shop, &site, &receiver).await;
    let api = project_find(&mut shop.conn, "api").await.unwrap().unwrap();
    let tells = WebhookSpec::new(receiver.url.parse().unwrap(), WebhookFormat::Json);
    let mut released = shop
        .wish("shop", &site.url, |spec| spec.webhook = Some(tells))
        .await;
    released.id = check.id;
    check_release(&mut shop.conn, &[released], api)
        .await
        .unwrap();
    site.set(true);
    let end = ["check.down shop 2", "check.up shop 3"];
    assert_eq!(until_told(&receiver, 2).await, end);
    let owed = "select count(*) from deliveries where seq = 3";
    assert_eq!(shop.count(owed).await, 1);
}

#[tokio::test]
async fn whoever_takes_the_place_of_a_receiver_hears_of_the_end_although_it_is_muted() {
    let (site, receiver) = (Site::start().await, Receiver::start().await);
    let mut shop = Shop::open().await;
    let check = outage(&mut shop, &site, &receiver).await;
    let night = shop.receiver("night", &receiver).await;
    shop.route(check.id, &[night]).await;
    let mute = ["mute", "shop", "--reason", "we know"];
    let muted = lokahictl(&shop.fleet.base(), &mute).await;
    assert_eq!(muted.code, 0, "{}", muted.words);
    site.set(true);
    let end = ["check.down shop 2", "check.up shop 3"];
    assert_eq!(until_told(&receiver, 2).await, end);
    let body: serde_json::Value = serde_json::from_slice(&receiver.taken()[1].body).unwrap();
    assert_eq!(body["data"]["unheard"], serde_json::Value::Null);
}

#[tokio::test]
async fn an_end_comes_although_another_of_the_same_url_wants_none() {
    let (site, receiver) = (Site::start().await, Receiver::start().await);
    let mut shop = Shop::open().await;
    let check = shop.wish("shop", &site.url, |_| ()).await;
    let downs = shop.receiver_of("downs", &receiver, &["check.down"]).await;
    let errors = shop
        .receiver_of("errors", &receiver, &["check.error"])
        .await;
    shop.create(&check, &[downs, errors]).await;
    shop.until(check.id, State::Up).await;
    site.set(false);
    assert_eq!(until_told(&receiver, 1).await, ["check.down shop 2"]);
    site.set(true);
    let end = ["check.down shop 2", "check.up shop 3"];
    assert_eq!(until_told(&receiver, 2).await, end);
}

#[tokio::test]
async fn what_waits_for_the_receiver_of_a_check_that_passes_over_goes_to_the_new_one() {
    let (site, receiver) = (Site::start().await, Receiver::start().await);
    let mut shop = Shop::open().await;
    let check = shop.wish("shop", &site.url, |_| ()).await;
    let oncall = shop.receiver("oncall", &receiver).await;
    shop.create(&check, &[oncall]).await;
    shop.until(check.id, State::Up).await;
    receiver.answer(503);
    site.set(false);
    until("it was tried", async || !receiver.received().is_empty()).await;
    let night = shop.receiver("night", &receiver).await;
    receiver_hand_over(&mut shop.conn, &[(check.id, vec![night])])
        .await
        .unwrap();
    shop.route(check.id, &[night]).await;
    receiver_delete(&mut shop.conn, &[oncall], clock::now())
        .await
        .unwrap();
    site.set(true);
    shop.until(check.id, State::Up).await;
    receiver.answer(200);
    let told = until_told(&receiver, 2).await;
    assert_eq!(told, ["check.down shop 2", "check.up shop 3"]);
    assert_eq!(receiver.taken()[0].id, receiver.received()[0].id);
}

#[tokio::test]
async fn of_a_quiet_start_nobody_is_told() {
    let (site, receiver) = (Site::start().await, Receiver::start().await);
    let mut shop = Shop::open().await;
    site.set(false);
    let mut check = shop.wish("shop", &site.url, |_| ()).await;
    check.quiet = true;
    let oncall = shop.receiver("oncall", &receiver).await;
    shop.create(&check, &[oncall]).await;
    shop.until(check.id, State::Down).await;
    // It is forgotten neither with the process nor with the incident.
    shop.fleet.lokahid.kill().await;
    shop.fleet.lokahid.start();
    site.set(true);
    shop.until(check.id, State::Up).await;
    site.set(false);
    assert_eq!(until_told(&receiver, 1).await, ["check.down shop 3"]);
    let incidents = "select count(*) from incidents";
    assert_eq!(shop.count(incidents).await, 2);
}

#[tokio::test]
async fn a_hundred_applies_of_others_leave_a_check_alone() {
    let (site, other, receiver) = (
        Site::start().await,
        Site::start().await,
        Receiver::start().await,
    );
    let mut shop = Shop::open().await;
    let check = outage(&mut shop, &site, &receiver).await;
    let before = shop.stored(check.id).await;
    let since = shop.newest(check.id).await;
    let mut last = None;
    for n in 0..100 {
        let new = shop.wish(&format!("n{n}"), &other.url, |_| ()).await;
        shop.create(&new, &[]).await;
        if let Some(old) = last.replace(new) {
            shop.edit(&old, |spec| spec.body = "another".into()).await;
            check_delete(&mut shop.conn, &[old.id], clock::now())
                .await
                .unwrap();
        }
        // A twentieth of a second: five seconds of probes lie between the first and the last.
        let until_then = clock::now() + std::time::Duration::from_millis(50);
        until("the next apply", async || clock::now() > until_then).await;
    }
    shop.until_read(check.id).await;
    until("it was probed after the last", async || {
        shop.newest(check.id).await > since + time::Duration::seconds(5)
    })
    .await;
    assert_eq!(shop.stored(check.id).await, before);
    let times = shop.times(check.id, since).await;
    let second = time::Duration::SECOND;
    let gaps = times.windows(2).map(|two| two[1] - two[0]);
    let phase = |gap: &time::Duration| gap.subsec_nanoseconds() == 0 && *gap >= second;
    let missing = |gap: time::Duration| gap.whole_seconds() - 1;
    assert!(gaps.clone().all(|gap| phase(&gap)), "{times:?}");
    // Of a machine that is too slow the scheduler says so itself.
    let skipped = shop.fleet.metric("lokahi_probes_skipped_total").await;
    let missing: i64 = gaps.map(missing).sum();
    assert!(missing as f64 <= skipped, "{missing} of {times:?}");
    assert_eq!(receiver.received().len(), 1);
}

#[tokio::test]
async fn a_generation_says_how_far_it_has_come() {
    let site = Site::start().await;
    let mut shop = Shop::open().await;
    assert_eq!(shop.progress(1).await, None);
    shop.fleet.healthworker.kill().await;
    shop.fleet.lokahid.kill().await;
    let on = shop.wish("on", &site.url, |_| ()).await;
    let off = shop
        .wish("off", &site.url, |spec| spec.enabled = false)
        .await;
    shop.apply(1, &[on, off]).await;
    let waits = |scheduled, unprobed| {
        Some(Progress {
            scheduled,
            unprobed,
            changed: 0,
        })
    };
    assert_eq!(shop.progress(1).await, waits(false, 1));
    shop.fleet.lokahid.start();
    until("it is scheduled", async || {
        shop.progress(1).await == waits(true, 1)
    })
    .await;
    shop.fleet.healthworker.start();
    until("it was probed", async || {
        shop.progress(1).await == waits(true, 0)
    })
    .await;
    // The running lokahid reads the next one from the feed.
    let late = shop.wish("late", &site.url, |_| ()).await;
    shop.apply(2, &[late]).await;
    until("the next is done", async || {
        shop.progress(2).await == waits(true, 0)
    })
    .await;
    shop.apply(3, &[]).await;
    assert_eq!(shop.progress(3).await, waits(true, 0));
}
