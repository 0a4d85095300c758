//! A burst is one message.

use std::time::Duration;

use lokahi::model::check::{CheckSpec, Grouping};
use lokahi::model::health::State;
use lokahi::model::id::ReceiverId;
use lokahi::model::webhook::{WebhookFormat, WebhookSpec};
use lokahi::proto::lokahi::check::State as WireState;
use lokahi::store::check::NewCheck;
use serde_json::Value;

use super::maintenance::{Declared, GROUPED};
use super::peers::{Receiver, Site};
use super::shop::Shop;
use crate::support::until;

/// One that waits for others with the same team.
fn of_team(team: &str) -> impl FnOnce(&mut CheckSpec) {
    let labels = [("team".to_owned(), team.to_owned())].into();
    |spec| {
        spec.labels = labels;
        spec.grouping = Some(Grouping {
            by: vec!["team".into()],
            wait: Duration::from_secs(3),
        });
    }
}

/// Two checks of one team that are up, and are told there.
async fn two_of_a_team(shop: &mut Shop, site: &Site, oncall: ReceiverId) -> Vec<NewCheck> {
    let mut checks = Vec::new();
    for name in ["a", "b"] {
        let check = shop.wish(name, &site.url, of_team("web")).await;
        shop.create(&check, &[oncall]).await;
        checks.push(check);
    }
    for check in &checks {
        shop.until(check.id, State::Up).await;
    }
    checks
}

fn bodies(receiver: &Receiver) -> Vec<Value> {
    let taken = receiver.taken();
    let taken = taken
        .iter()
        .map(|it| serde_json::from_slice(&it.body).unwrap());
    taken.collect()
}

/// `TYPE NAME`, of each event that a message tells.
fn members(body: &Value) -> Vec<String> {
    let events = body["data"]["events"]
        .as_array()
        .unwrap_or_else(|| panic!("{body}"))
        .iter();
    let mut all: Vec<String> = events
        .map(|it| {
            format!(
                "{} {}",
                it["type"].as_str().unwrap(),
                it["check"]["name"].as_str().unwrap()
            )
        })
        .collect();
    all.sort();
    all
}

#[tokio::test]
async fn what_fails_together_is_told_in_one_message() {
    let (site, receiver) = (Site::start().await, Receiver::start().await);
    let mut shop = Shop::open().await;
    let oncall = shop.receiver("oncall", &receiver).await;
    let mut checks = Vec::new();
    for (name, team) in [("a", "web"), ("b", "web"), ("c", "web"), ("d", "mail")] {
        let check = shop.wish(name, &site.url, of_team(team)).await;
        shop.create(&check, &[oncall]).await;
        checks.push(check);
    }
    for check in &checks {
        shop.until(check.id, State::Up).await;
    }
    receiver.answer(503);
    site.set(false);
    until("two messages were tried", async || {
        let received = receiver.received();
        let mut ids: Vec<&str> = received.iter().map(|it| it.id.as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        ids.len() == 2
    })
    .await;
    // What comes now waits for those: it would overtake them.
    site.set(true);
    for check in &checks {
        shop.until(check.id, State::Up).await;
    }
    shop.fleet.webhookworker.kill().await;
    shop.fleet.webhookworker.start();
    receiver.answer(200);
    until("all was told", async || receiver.taken().len() == 4).await;

    let told = bodies(&receiver);
    let groups: Vec<&Value> = told.iter().filter(|it| it["type"] == "group").collect();
    assert_eq!(groups.len(), 2, "{told:?}");
    assert_eq!(
        members(groups[0]),
        ["check.down a", "check.down b", "check.down c"]
    );
    assert_eq!(
        members(groups[1]),
        ["check.up a", "check.up b", "check.up c"]
    );
    assert_eq!(groups[0]["data"]["group"]["team"], "web");
    assert_eq!(groups[0]["data"]["events"][0]["unheard"], Value::Null);
    // One alone is told as it is.
    let alone = told.iter().filter(|it| it["type"] != "group");
    let alone: Vec<(&str, &str)> = alone
        .map(|it| {
            let name = it["data"]["check"]["name"].as_str().unwrap();
            (it["type"].as_str().unwrap(), name)
        })
        .collect();
    assert_eq!(alone, [("check.down", "d"), ("check.up", "d")]);
    // Every event has its outcome.
    let open = "select count(*) from deliveries where state not in ('delivered', 'superseded')
        or state = 'superseded' and superseded_by is null";
    until("every end is written down", async || {
        shop.count(open).await == 0
    })
    .await;
    assert_eq!(shop.count("select count(*) from deliveries").await, 10);
}

#[tokio::test]
async fn what_goes_out_alone_and_fails_holds_up_nobody_for_ever() {
    let (site, receiver) = (Site::start().await, Receiver::start().await);
    let mut shop = Shop::open().await;
    // One of which the newest wins.
    let spec = WebhookSpec::new(receiver.url.parse().unwrap(), WebhookFormat::Json);
    let oncall = shop.receiver_with("oncall", spec).await;
    let check = shop.wish("a", &site.url, of_team("web")).await;
    shop.create(&check, &[oncall]).await;
    shop.until(check.id, State::Up).await;
    receiver.answer(503);
    site.set(false);
    until("it was tried alone", async || {
        !receiver.received().is_empty()
    })
    .await;
    site.set(true);
    shop.until(check.id, State::Up).await;
    // The end has waited for others as long as it may, and still the first goes on being tried.
    until("the end is due", async || {
        let due = "select count(*) from deliveries
            where state = 'pending' and not gathered and next_at <= now()";
        shop.count(due).await == 1
    })
    .await;
    receiver.answer(200);
    until("both were told", async || receiver.taken().len() == 2).await;
    let told: Vec<String> = bodies(&receiver)
        .iter()
        .map(|it| it["type"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(told, ["check.down", "check.up"]);
}

/// Waits until one message was tried, and fails: it is under way then.
async fn until_tried(receiver: &Receiver) {
    until("a message was tried", async || {
        !receiver.received().is_empty()
    })
    .await;
}

#[tokio::test]
async fn what_waits_with_others_is_not_overtaken_when_its_check_is_grouped_no_more() {
    let (site, receiver) = (Site::start().await, Receiver::start().await);
    let mut shop = Shop::open().await;
    let oncall = shop.receiver("oncall", &receiver).await;
    let check = shop.wish("a", &site.url, of_team("web")).await;
    let patient = |spec: &mut CheckSpec| {
        of_team("web")(spec);
        // Longer than any story waits.
        spec.grouping.as_mut().unwrap().wait = Duration::from_secs(600);
    };
    let check = {
        shop.create(&check, &[oncall]).await;
        shop.edit(&check, patient).await;
        check
    };
    shop.until_read(check.id).await;
    shop.until(check.id, State::Up).await;
    site.set(false);
    shop.until(check.id, State::Down).await;
    shop.edit(&check, |spec| spec.grouping = None).await;
    shop.until_read(check.id).await;
    site.set(true);
    shop.until(check.id, State::Up).await;
    // What is new need not wait, and takes what is old along.
    until("it was told", async || !receiver.taken().is_empty()).await;
    let told = bodies(&receiver);
    assert_eq!(order(&told), [["check.down a", "check.up a"]]);
}

/// `TYPE NAME` of each event, in their order, by message.
fn order(told: &[Value]) -> Vec<Vec<String>> {
    let one = |event: &Value| {
        format!(
            "{} {}",
            event["type"].as_str().unwrap(),
            event["check"]["name"].as_str().unwrap()
        )
    };
    let messages = told.iter().map(|body| match &body["data"]["events"] {
        Value::Array(events) => events.iter().map(one).collect(),
        _ => vec![one(&body["data"])],
    });
    messages.collect()
}

#[tokio::test]
async fn what_is_under_way_with_others_is_not_overtaken_when_a_label_is_edited() {
    let (site, receiver) = (Site::start().await, Receiver::start().await);
    let mut shop = Shop::open().await;
    let oncall = shop.receiver("oncall", &receiver).await;
    let checks = two_of_a_team(&mut shop, &site, oncall).await;
    receiver.answer(503);
    site.set(false);
    until_tried(&receiver).await;
    let moved = |spec: &mut CheckSpec| {
        of_team("mail")(spec);
        spec.grouping.as_mut().unwrap().wait = Duration::from_secs(1);
    };
    shop.edit(&checks[0], moved).await;
    shop.until_read(checks[0].id).await;
    site.set(true);
    for check in &checks {
        shop.until(check.id, State::Up).await;
    }
    // What is new is due by then, and the message goes on being tried alone.
    let due = "select count(*) from deliveries d join transitions t on t.id = d.event_id
        where d.state = 'pending' and t.type = 'check.up' and d.next_at <= now()";
    until("the ends are due", async || shop.count(due).await == 2).await;
    let tried = receiver.received().len();
    until("it was tried again", async || {
        receiver.received().len() > tried
    })
    .await;
    let received = receiver.received();
    assert!(received.iter().all(|it| it.id == received[0].id));
    receiver.answer(200);
    until("all was told", async || {
        order(&bodies(&receiver)).concat().len() == 4
    })
    .await;
    let mut told = order(&bodies(&receiver));
    told[0].sort();
    assert_eq!(told[0], ["check.down a", "check.down b"]);
}

#[tokio::test]
async fn ends_say_within_a_message_that_nobody_was_told_of_their_beginnings() {
    let (site, receiver) = (Site::start().await, Receiver::start().await);
    let mut shop = Shop::open().await;
    let oncall = shop.receiver("oncall", &receiver).await;
    two_of_a_team(&mut shop, &site, oncall).await;
    receiver.answer(400);
    site.set(false);
    until("it is given up", async || {
        let dead = "select count(*) from deliveries where state = 'dead'";
        shop.count(dead).await == 1
    })
    .await;
    receiver.answer(200);
    site.set(true);
    until("the ends are told", async || receiver.taken().len() == 1).await;
    let told = bodies(&receiver).remove(0);
    assert_eq!(members(&told), ["check.up a", "check.up b"]);
    let unheard = told["data"]["events"].as_array().unwrap().iter();
    assert!(unheard.clone().all(|it| it["unheard"] == true), "{told}");
    // What is heard of is not unheard.
    site.set(false);
    until("the next is told", async || receiver.taken().len() == 2).await;
    site.set(true);
    until("its end is told", async || receiver.taken().len() == 3).await;
    let told = bodies(&receiver).remove(2);
    let unheard = told["data"]["events"].as_array().unwrap().iter();
    assert!(
        unheard.clone().all(|it| it["unheard"] == Value::Null),
        "{told}"
    );
}

#[tokio::test]
async fn a_receiver_that_was_given_the_original_form_is_told_of_no_groups() {
    let mut shop = Declared::told(GROUPED).await;
    for up in [false, true] {
        shop.site.set(up);
        shop.until(if up { WireState::Up } else { WireState::Down })
            .await;
    }
    shop.files = shop.files.replace("json", "protobuf");
    shop.apply("").await;
    sqlx::query("update deliveries set next_at = now()")
        .execute(&mut shop.fleet.database().await)
        .await
        .unwrap();
    until("it was told", async || !shop.receiver.taken().is_empty()).await;
    let event = shop.receiver.taken()[0].event();
    assert_eq!(event.r#type, "check.up");
    assert_eq!(event.superseded.len(), 1);
}
