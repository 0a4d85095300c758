//! Alerts that go on are posted again in time, whoever hangs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};

use axum::Router;
use axum::http::StatusCode;
use lokahi::model::check::{Assert, CheckSpec};
use lokahi::model::health::State;
use lokahi::model::webhook::{AttemptTimeout, WebhookFormat, WebhookSpec};
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::peers::{Receiver, Site, serve};
use super::shop::Shop;
use crate::support::until;

/// How many alerts are posted again to one receiver at once.
const EACH: usize = 16;

/// Something like an Alertmanager that takes alerts and, while it hangs, says nothing.
struct Taker {
    url: String,
    hangs: watch::Sender<bool>,
    /// Posts of what fires: an end does not say when it began.
    fired: Arc<AtomicUsize>,
    ended: Arc<AtomicUsize>,
    server: JoinHandle<()>,
}

impl Taker {
    async fn start() -> Self {
        let (fired, ended) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let hangs = watch::Sender::new(false);
        let counts = (Arc::clone(&fired), Arc::clone(&ended), hangs.clone());
        let take = async move |body: String| {
            let (fired, ended, hangs) = &counts;
            let count = if body.contains("startsAt") {
                fired
            } else {
                ended
            };
            count.fetch_add(1, Ordering::SeqCst);
            hangs.subscribe().wait_for(|hangs| !hangs).await.unwrap();
            StatusCode::OK
        };
        let (url, server) = serve(Router::new().fallback(take)).await;
        Self {
            url,
            hangs,
            fired,
            ended,
            server,
        }
    }

    fn receiver(&self) -> WebhookSpec {
        WebhookSpec {
            // Longer than it hangs here.
            timeout: AttemptTimeout::from_milliseconds(60_000).unwrap(),
            ..WebhookSpec::new(self.url.parse().unwrap(), WebhookFormat::Alertmanager)
        }
    }

    fn fired(&self) -> usize {
        self.fired.load(Ordering::SeqCst)
    }
}

impl Drop for Taker {
    fn drop(&mut self) {
        self.server.abort();
    }
}

#[tokio::test]
async fn a_receiver_that_hangs_holds_up_no_other_alert_and_is_told_of_none_that_ended() {
    let site = Site::start().await;
    let (slow, quick) = (Taker::start().await, Taker::start().await);
    let mut shop = Shop::open().await;
    let told = [
        shop.receiver_with("slow", slow.receiver()).await,
        shop.receiver_with("quick", quick.receiver()).await,
    ];
    let check = shop.wish("front", &site.url, |_| ()).await;
    shop.create(&check, &told).await;
    shop.until(check.id, State::Up).await;
    site.set(false);
    let kept = "select count(*) from deliveries where again_at is not null";
    until("both know", async || shop.count(kept).await == 2).await;
    assert_eq!((slow.fired(), quick.fired()), (1, 1));

    // Very many are due where nothing is answered, and longer than the other one.
    slow.hangs.send_replace(true);
    let due = "insert into bodies (delivery_id, format, body)
            select md5(d.id::text || n)::uuid, b.format, b.body from deliveries d
            join bodies b on b.delivery_id = d.id join receivers r on r.id = d.receiver_id
            cross join generate_series(1, 40) n where r.address = 'slow';
        insert into deliveries (id, event_id, receiver_id, check_id, seq, replay_no, state, next_at,
                created_at, finished_at, frozen, again_at)
            select md5(d.id::text || n)::uuid, d.event_id, d.receiver_id, d.check_id, d.seq, n,
                'delivered', d.next_at, d.created_at, d.finished_at, true,
                now() - interval '2 minutes'
            from deliveries d join receivers r on r.id = d.receiver_id
            cross join generate_series(1, 40) n where r.address = 'slow';
        update deliveries d set again_at = now() - interval '1 minute'
            from receivers r where r.id = d.receiver_id and r.address = 'quick'";
    let mut conn = shop.fleet.database().await;
    sqlx::raw_sql(due).execute(&mut conn).await.unwrap();
    until("the other one is posted again", async || quick.fired() > 1).await;
    until("as many hang as may", async || slow.fired() == 1 + EACH).await;
    let left = "select count(*) from deliveries where again_at < now() - interval '1 minute'";
    assert_eq!(shop.count(left).await, 24);

    // What goes on no more by the time that there is a place for it is not posted.
    site.set(true);
    until("the end is told", async || {
        slow.ended.load(Ordering::SeqCst) == 1 && quick.ended.load(Ordering::SeqCst) == 1
    })
    .await;
    slow.hangs.send_replace(false);
    sqlx::query("update deliveries set again_at = now() where again_at is not null")
        .execute(&mut conn)
        .await
        .unwrap();
    until("nothing is due", async || shop.count(kept).await == 0).await;
    assert_eq!(slow.fired(), 1 + EACH);
}

/// The names of the alerts of a post.
fn names(body: &[u8]) -> Vec<String> {
    let alerts: Vec<Value> = serde_json::from_slice(body).unwrap();
    let names = alerts.iter().map(|it| it["labels"]["alertname"].as_str());
    names.map(|name| name.unwrap().to_owned()).collect()
}

#[tokio::test]
async fn what_was_told_within_a_newer_event_is_posted_again_with_it() {
    let status = Arc::new(AtomicU16::new(200));
    let answer = Arc::clone(&status);
    let answer = async move || StatusCode::from_u16(answer.load(Ordering::SeqCst)).unwrap();
    let (site, server) = serve(Router::new().fallback(answer)).await;
    let receiver = Receiver::start().await;
    let mut shop = Shop::open().await;
    let url = receiver.url.parse().unwrap();
    let spec = WebhookSpec::new(url, WebhookFormat::Alertmanager);
    let am = shop.receiver_with("am", spec).await;
    let degraded_by_500 = |spec: &mut CheckSpec| {
        let status = |codes: &[&str]| Assert {
            status: codes.iter().map(|code| code.parse().unwrap()).collect(),
            ..Assert::default()
        };
        spec.asserts = vec![status(&["200", "500"])];
        spec.warns = vec![status(&["200"])];
    };
    let check = shop.wish("front", &site, degraded_by_500).await;
    shop.create(&check, &[am]).await;
    shop.until(check.id, State::Up).await;
    receiver.answer(503);
    status.store(500, Ordering::SeqCst);
    until("it was tried", async || !receiver.received().is_empty()).await;
    status.store(404, Ordering::SeqCst);
    shop.until(check.id, State::Down).await;
    let both = ["LokahiDegraded", "LokahiDown"];
    until("both were tried", async || {
        names(&receiver.received().last().unwrap().body) == both
    })
    .await;
    receiver.answer(200);
    until("both are told", async || !receiver.taken().is_empty()).await;
    assert_eq!(names(&receiver.taken()[0].body), both);
    let kept = "select count(*) from deliveries where again_at is not null";
    until("that is written down", async || shop.count(kept).await == 1).await;
    let due = "update deliveries set again_at = now() where again_at is not null";
    sqlx::query(due).execute(&mut shop.conn).await.unwrap();
    until("it is posted again", async || {
        let posts = receiver.received();
        posts.iter().filter(|it| it.answered == 200).count() == 2
    })
    .await;
    assert_eq!(names(&receiver.received().last().unwrap().body), both);
    server.abort();
}

#[tokio::test]
async fn a_receiver_that_takes_no_alert_again_fails() {
    let (site, receiver) = (Site::start().await, Receiver::start().await);
    let mut shop = Shop::open().await;
    let url = receiver.url.parse().unwrap();
    let spec = WebhookSpec::new(url, WebhookFormat::Alertmanager);
    let am = shop.receiver_with("am", spec).await;
    let check = shop.wish("front", &site.url, |_| ()).await;
    shop.create(&check, &[am]).await;
    shop.until(check.id, State::Up).await;
    site.set(false);
    let kept = "select count(*) from deliveries where again_at is not null";
    until("it fires", async || shop.count(kept).await == 1).await;
    let failing = "select count(*) from receiver_status where failing_since is not null
        and error = 'it answered 500'";
    let due = "update deliveries set again_at = now() where again_at is not null";
    for (status, fails) in [(500, 1), (200, 0)] {
        receiver.answer(status);
        sqlx::query(due).execute(&mut shop.conn).await.unwrap();
        until("that is written down", async || {
            shop.count(failing).await == fails
        })
        .await;
    }
    assert_eq!(receiver.received().len(), 3);
}
