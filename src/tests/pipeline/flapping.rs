//! A check that goes up and down too often, and a receiver that does not want to hear of each
//! time.

use lokahi::model::check::{CheckSpec, WhileFlapping};
use lokahi::model::health::State;
use lokahi::store::check::NewCheck;

use super::peers::{Receiver, Site};
use super::shop::{Shop, told, until_told};
use crate::support::programs::lokahictl;
use crate::support::until;

/// A check that is held while it flaps, who hears of it, and its site.
struct Story {
    shop: Shop,
    check: NewCheck,
    site: Site,
    receiver: Receiver,
}

impl Story {
    async fn start() -> Self {
        let (site, receiver) = (Site::start().await, Receiver::start().await);
        let mut shop = Shop::open().await;
        let oncall = shop.receiver("oncall", &receiver).await;
        let held = |spec: &mut CheckSpec| spec.flapping = WhileFlapping::Hold;
        let check = shop.wish("front", &site.url, held).await;
        shop.create(&check, &[oncall]).await;
        shop.until(check.id, State::Up).await;
        Self {
            shop,
            check,
            site,
            receiver,
        }
    }

    /// Changes what the site answers, and waits until that is known of these checks, too.
    async fn turn(&self, up: bool, others: &[&NewCheck]) {
        self.site.set(up);
        let state = if up { State::Up } else { State::Down };
        for check in others.iter().copied().chain([&self.check]) {
            self.shop.until(check.id, state).await;
        }
    }

    async fn is_flapping(&self) -> bool {
        let flapping = "select count(*) from check_states where flapping = 2";
        self.shop.count(flapping).await == 1
    }

    /// Goes up and down until it flaps; it is up then.
    async fn flap(&self, others: &[&NewCheck]) {
        until("it flaps", async || {
            self.turn(false, others).await;
            self.turn(true, others).await;
            self.is_flapping().await
        })
        .await;
    }

    /// `STATE: REASON` of the newest delivery of a change of state.
    async fn newest(&self) -> String {
        sqlx::query_scalar(
            "select d.state || ': ' || d.reason from deliveries d
             join transitions t on t.id = d.event_id
             where t.check_id = $1 and t.type <> 'check.flapping' order by t.seq desc limit 1",
        )
        .bind(self.check.id.0)
        .fetch_one(&mut self.shop.fleet.database().await)
        .await
        .unwrap()
    }
}

/// The types of what a receiver took, with a dot where it is the end of something.
fn kinds(receiver: &Receiver) -> Vec<String> {
    let taken = receiver.taken().into_iter().map(|taken| {
        let event: serde_json::Value = serde_json::from_slice(&taken.body).unwrap();
        let over = if event["data"]["resolved"] == true {
            "."
        } else {
            ""
        };
        format!("{}{over}", event["type"].as_str().unwrap())
    });
    taken.collect()
}

#[tokio::test]
async fn that_it_flaps_is_told_once_and_what_it_came_to_though_lokahid_was_killed() {
    let mut story = Story::start().await;
    // One of the same site whose receiver wants to hear everything.
    let other = Receiver::start().await;
    let all = story.shop.receiver("all", &other).await;
    let plain = story.shop.wish("plain", &story.site.url, |_| ()).await;
    story.shop.create(&plain, &[all]).await;
    story.shop.until(plain.id, State::Up).await;

    story.flap(&[&plain]).await;
    until("that is told", async || {
        kinds(&story.receiver).contains(&"check.flapping".to_owned())
    })
    .await;
    // What began before it did has its end, and then there is silence.
    let downs = |told: &[String]| told.iter().filter(|it| *it == "check.down").count();
    let ups = |told: &[String]| told.iter().filter(|it| *it == "check.up").count();
    until("each that was told has its end", async || {
        let told = kinds(&story.receiver);
        downs(&told) == ups(&told)
    })
    .await;
    let before = kinds(&story.receiver);
    story.turn(false, &[&plain]).await;
    assert_eq!(
        story.newest().await,
        "held: it is flapping: told is what it comes to"
    );
    let base = story.shop.fleet.base();
    let explained = lokahictl(&base, &["explain", "front"]).await.out;
    for words in [
        ", flapping",
        "FLAPPING, UP now",
        "oncall not told yet: it is flapping",
    ] {
        assert!(explained.contains(words), "{words}: {explained}");
    }
    story.turn(true, &[&plain]).await;
    assert!(story.newest().await.starts_with("superseded: "));
    story.shop.fleet.lokahid.kill().await;
    story.shop.fleet.lokahid.start();
    story.shop.fleet.lokahid.address().await;
    let listed = lokahictl(&base, &["list", "--output", "table"]).await.out;
    assert_eq!(listed.matches("(flapping)").count(), 2, "{listed}");
    assert_eq!(kinds(&story.receiver), before);

    // It stays down: that is what it came to.
    story.turn(false, &[&plain]).await;
    let told = until_told(&story.receiver, before.len() + 2).await;
    let came_to = kinds(&story.receiver)[before.len()..].to_vec();
    assert_eq!(came_to, ["check.down", "check.flapping."], "{told:?}");
    story.turn(true, &[&plain]).await;
    until_told(&story.receiver, before.len() + 3).await;
    assert_eq!(kinds(&story.receiver).last().unwrap(), "check.up");

    // The other one has told everything, and no more than that.
    let changes: i64 = sqlx::query_scalar("select count(*) from transitions where check_id = $1")
        .bind(plain.id.0)
        .fetch_one(&mut story.shop.fleet.database().await)
        .await
        .unwrap();
    let changes = usize::try_from(changes).unwrap();
    // But that it came up first.
    until_told(&other, changes - 1).await;
    let told = kinds(&other);
    assert_eq!(downs(&told) + ups(&told), changes - 1, "{told:?}");
}

#[tokio::test]
async fn who_was_told_that_a_check_flaps_is_told_when_nobody_watches_it_any_more() {
    let mut story = Story::start().await;
    story.flap(&[]).await;
    until("that is told", async || {
        kinds(&story.receiver).contains(&"check.flapping".to_owned())
    })
    .await;
    story
        .shop
        .edit(&story.check, |spec| spec.enabled = false)
        .await;
    until("its end is told", async || {
        kinds(&story.receiver).contains(&"check.deleted".to_owned())
    })
    .await;
    assert!(!story.is_flapping().await);
    let sequence = |it: &String| it.rsplit(' ').next().unwrap().parse::<i64>().unwrap();
    let told: Vec<i64> = told(&story.receiver).iter().map(sequence).collect();
    assert!(told.is_sorted(), "{told:?}");
}

#[tokio::test]
async fn whoever_has_not_heard_that_a_check_flaps_is_told_so_with_its_end() {
    let mut story = Story::start().await;
    story.flap(&[]).await;
    until("that is told", async || {
        kinds(&story.receiver).contains(&"check.flapping".to_owned())
    })
    .await;
    let second = Receiver::start().await;
    let later = story.shop.receiver("later", &second).await;
    story.shop.route(story.check.id, &[later]).await;
    // It stays up: that is what it came to.
    for (receiver, unheard) in [
        (&story.receiver, serde_json::Value::Null),
        (&second, true.into()),
    ] {
        let end = "check.flapping.".to_owned();
        until("its end is told", async || kinds(receiver).contains(&end)).await;
        let at = kinds(receiver).iter().position(|it| *it == end).unwrap();
        let body: serde_json::Value = serde_json::from_slice(&receiver.taken()[at].body).unwrap();
        assert_eq!(body["data"]["unheard"], unheard);
    }
}
