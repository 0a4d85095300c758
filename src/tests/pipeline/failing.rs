//! A receiver that fails: its fallback hears of what does not arrive, and the operators of it.

use std::time::Duration;

use lokahi::model::check::{CheckSpec, Grouping};
use lokahi::model::health::State;
use lokahi::model::id::{CheckId, ReceiverId};
use lokahi::model::webhook::{WebhookFormat, WebhookSpec};
use serde_json::Value;
use uuid::Uuid;

use super::peers::{Receiver, Site};
use super::shop::{Shop, told, until_told};
use crate::support::programs::lokahictl;
use crate::support::until;

/// One whose fallback is `second`.
fn with_fallback(at: &Receiver) -> WebhookSpec {
    WebhookSpec {
        fallback: Some("second".parse().unwrap()),
        ..WebhookSpec::new(at.url.parse().unwrap(), WebhookFormat::Json)
    }
}

/// A check that is up, its receiver and that one's fallback.
struct Stage {
    shop: Shop,
    site: Site,
    primary: Receiver,
    second: Receiver,
    check: CheckId,
}

impl Stage {
    /// The fallback gets events in this format, each by itself.
    async fn set(mut shop: Shop, format: WebhookFormat) -> Self {
        let [primary, second] = [Receiver::start().await, Receiver::start().await];
        let site = Site::start().await;
        let to_second = WebhookSpec {
            collapse: false,
            ..WebhookSpec::new(second.url.parse().unwrap(), format)
        };
        shop.receiver_with("second", to_second).await;
        let oncall = shop.receiver_with("oncall", with_fallback(&primary)).await;
        let check = shop.wish("front", &site.url, |_| ()).await;
        shop.create(&check, &[oncall]).await;
        shop.until(check.id, State::Up).await;
        Self {
            shop,
            site,
            primary,
            second,
            check: check.id,
        }
    }
}

/// Lets more than two minutes pass for what waits, and for whoever fails.
async fn two_minutes_pass(shop: &Shop) {
    let mut database = shop.fleet.database().await;
    for sql in [
        "update deliveries set first_attempt_at = first_attempt_at - interval '121 s',
             waits_since = waits_since - interval '121 s' where state = 'pending'",
        "update receiver_status set failing_since = failing_since - interval '121 s'",
    ] {
        sqlx::query(sql).execute(&mut database).await.unwrap();
    }
}

#[tokio::test]
async fn its_fallback_and_the_operators_hear_of_it_and_of_its_end() {
    let third = Receiver::start().await;
    let mut shop = Shop::open().await;
    shop.operators(&third).await;
    let Stage {
        shop,
        site,
        primary,
        second,
        ..
    } = Stage::set(shop, WebhookFormat::Json).await;
    primary.answer(503);
    site.set(false);
    until("the end of an attempt is written down", async || {
        shop.count("select count(*) from receiver_status where failing_since is not null")
            .await
            == 1
    })
    .await;
    assert!(second.received().is_empty());
    two_minutes_pass(&shop).await;
    assert_eq!(until_told(&second, 1).await, ["check.down front 2"]);
    assert_eq!(second.taken()[0].id, primary.received()[0].id);
    until("the operators hear of it", async || {
        third.taken().len() == 1
    })
    .await;
    let heard: Value = serde_json::from_slice(&third.taken()[0].body).unwrap();
    assert_eq!(heard["type"], "receiver.failing");
    let of = &heard["data"]["project"];
    assert_eq!(of["receiver"], "oncall");
    assert_eq!(of["reason"], "NotDelivered");
    let words = of["message"].as_str().unwrap();
    assert!(
        words.contains("it answered 503") && words.contains("1 event waits for it"),
        "{words}"
    );

    // Both hear of the end; and it is told that it takes events again.
    primary.answer(200);
    site.set(true);
    assert_eq!(until_told(&second, 2).await[1], "check.up front 3");
    until("the receiver hears of the end", async || {
        told(&primary)
            .last()
            .is_some_and(|it| it == "check.up front 3")
    })
    .await;
    until("the operators hear that it is over", async || {
        third.taken().len() == 2
    })
    .await;
    let over: Value = serde_json::from_slice(&third.taken()[1].body).unwrap();
    assert_eq!(over["data"]["resolved"], true);
    assert_eq!(
        over["data"]["project"]["message"],
        "the receiver oncall gets its events again"
    );
}

#[tokio::test]
async fn what_is_given_up_goes_to_the_fallback_at_once() {
    // The fallback is of the original form, which knows no reminders and groups.
    let Stage {
        shop,
        site,
        primary,
        second,
        ..
    } = Stage::set(Shop::open().await, WebhookFormat::Protobuf).await;
    primary.answer(400);
    site.set(false);
    until("it was refused three times", async || {
        primary.received().len() == 3
    })
    .await;
    until("the fallback has it", async || second.taken().len() == 1).await;
    assert_eq!(second.taken()[0].event().r#type, "check.down");
    let dead = "select count(*) from deliveries where state = 'dead' and fell_back
        and reason = 'the receiver refused it with 400, three times'";
    until("that is written down", async || shop.count(dead).await == 1).await;
}

#[tokio::test]
async fn a_fallback_hears_of_the_end_too_however_late_it_hears_of_the_beginning() {
    let Stage {
        shop,
        site,
        primary,
        second,
        check,
    } = Stage::set(Shop::open().await, WebhookFormat::Json).await;
    primary.answer(503);
    site.set(false);
    until("it was tried", async || !primary.received().is_empty()).await;
    site.set(true);
    shop.until(check, State::Up).await;
    until("the end was tried instead", async || {
        shop.count("select count(*) from deliveries where state = 'superseded'")
            .await
            == 1
    })
    .await;
    two_minutes_pass(&shop).await;
    // Whoever does not collapse gets each by itself.
    let told = until_told(&second, 2).await;
    assert_eq!(told, ["check.down front 2", "check.up front 3"]);
}

#[tokio::test]
async fn a_fallback_that_has_heard_of_the_end_is_not_told_of_the_beginning_after_it() {
    let Stage {
        mut shop,
        site,
        primary,
        second,
        check,
    } = Stage::set(Shop::open().await, WebhookFormat::Json).await;
    primary.answer(503);
    site.set(false);
    until("it was tried", async || !primary.received().is_empty()).await;
    // From now on it is told of the check itself, too.
    let both: Vec<Uuid> = sqlx::query_scalar("select id from receivers order by address")
        .fetch_all(&mut shop.fleet.database().await)
        .await
        .unwrap();
    let both: Vec<ReceiverId> = both.into_iter().map(ReceiverId).collect();
    shop.route(check, &both).await;
    site.set(true);
    assert_eq!(until_told(&second, 1).await, ["check.up front 3"]);
    until("that is written down", async || {
        shop.count("select count(*) from deliveries where state = 'delivered'")
            .await
            == 1
    })
    .await;
    two_minutes_pass(&shop).await;
    let late = "select count(*) from deliveries where state = 'pending' and fell_back";
    until("what is late fell back", async || {
        shop.count(late).await == 1
    })
    .await;
    let copies = "select count(*) from deliveries d join receivers r on r.id = d.receiver_id
        where r.address = 'second' and d.seq = 2";
    assert_eq!(shop.count(copies).await, 0);
    let end: Value = serde_json::from_slice(&second.taken()[0].body).unwrap();
    assert_eq!(end["data"]["unheard"], true);
}

#[tokio::test]
async fn what_falls_back_and_waits_for_a_message_is_not_overtaken() {
    let [primary, second] = [Receiver::start().await, Receiver::start().await];
    let site = Site::start().await;
    let mut shop = Shop::open().await;
    let to_second = WebhookSpec {
        collapse: false,
        ..WebhookSpec::new(second.url.parse().unwrap(), WebhookFormat::Json)
    };
    let fallback = shop.receiver_with("second", to_second).await;
    let oncall = shop.receiver_with("oncall", with_fallback(&primary)).await;
    let together = |spec: &mut CheckSpec| {
        let wait = Duration::from_secs(1);
        spec.grouping = Some(Grouping { by: vec![], wait });
    };
    let a = shop.wish("a", &site.url, together).await;
    shop.create(&a, &[oncall]).await;
    // Of this one the fallback is told itself.
    let b = shop.wish("b", &site.url, together).await;
    shop.create(&b, &[fallback]).await;
    for check in [&a, &b] {
        shop.until(check.id, State::Up).await;
    }
    primary.answer(503);
    second.answer(503);
    site.set(false);
    until("both were tried", async || {
        !primary.received().is_empty() && !second.received().is_empty()
    })
    .await;
    site.set(true);
    for check in [&a, &b] {
        shop.until(check.id, State::Up).await;
    }
    two_minutes_pass(&shop).await;
    let copies = "select count(*) from deliveries d
        join receivers r on r.id = d.receiver_id join checks c on c.id = d.check_id
        where r.address = 'second' and c.address = 'a'";
    until("it fell back", async || shop.count(copies).await == 2).await;
    let tried = second.received().len();
    until("the message was tried again", async || {
        second.received().len() > tried
    })
    .await;
    let received = second.received();
    assert!(received.iter().all(|it| it.id == received[0].id));
    second.answer(200);
    let retried = lokahictl(&shop.fleet.base(), &["webhook", "retry", "second"]).await;
    assert_eq!(retried.code, 0, "{}", retried.words);
    until("all was told", async || events(&second).len() == 4).await;
    let told = events(&second);
    let of_a: Vec<&String> = told.iter().filter(|it| it.ends_with(" a")).collect();
    assert_eq!(of_a, ["check.down a", "check.up a"], "{told:?}");
}

#[tokio::test]
async fn of_what_a_late_message_told_the_fallback_hears_the_ends_too() {
    let [primary, second] = [Receiver::start().await, Receiver::start().await];
    let site = Site::start().await;
    let mut shop = Shop::open().await;
    let to_second = WebhookSpec::new(second.url.parse().unwrap(), WebhookFormat::Json);
    shop.receiver_with("second", to_second).await;
    let oncall = shop.receiver_with("oncall", with_fallback(&primary)).await;
    let mut checks = Vec::new();
    for name in ["a", "b"] {
        let together = |spec: &mut CheckSpec| {
            let wait = Duration::from_secs(2);
            spec.grouping = Some(Grouping { by: vec![], wait });
        };
        let check = shop.wish(name, &site.url, together).await;
        shop.create(&check, &[oncall]).await;
        checks.push(check.id);
    }
    for check in &checks {
        shop.until(*check, State::Up).await;
    }
    primary.answer(503);
    site.set(false);
    let tried = "select count(*) from deliveries d join transitions t on t.id = d.event_id
        where t.type = 'group' and d.attempts > 0";
    until("a message was tried", async || shop.count(tried).await == 1).await;
    site.set(true);
    for check in &checks {
        shop.until(*check, State::Up).await;
    }
    // What is late is the message; the ends wait for it, and are not.
    two_minutes_pass(&shop).await;
    until("all was told", async || events(&second).len() == 4).await;
    let mut told = events(&second);
    told[..2].sort();
    told[2..].sort();
    let expected = ["check.down a", "check.down b", "check.up a", "check.up b"];
    assert_eq!(told, expected);
}

/// `TYPE NAME` of each event that a receiver took, whatever message told it.
fn events(receiver: &Receiver) -> Vec<String> {
    let one = |event: &Value| {
        let name = event["check"]["name"].as_str().unwrap();
        format!("{} {name}", event["type"].as_str().unwrap())
    };
    let taken = receiver.taken().into_iter().flat_map(|taken| {
        let body: Value = serde_json::from_slice(&taken.body).unwrap();
        match &body["data"]["events"] {
            Value::Array(events) => events.iter().map(one).collect(),
            _ => vec![one(&body["data"])],
        }
    });
    taken.collect()
}
