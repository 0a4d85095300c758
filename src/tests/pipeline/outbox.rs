//! What operators see of deliveries, and send by hand: with lokahictl, over the real programs.

mod tested;

use lokahi::model::health::State;
use serde_json::Value;

use super::peers::{Receiver, Site};
use super::shop::Shop;
use crate::support::programs::{Ended, lokahictl};
use crate::support::until;

async fn ctl(shop: &Shop, arguments: &[&str]) -> Ended {
    let arguments = [&["webhook"], arguments].concat();
    lokahictl(&shop.fleet.base(), &arguments).await
}

/// The only delivery that a list has.
async fn only(shop: &Shop, arguments: &[&str]) -> Value {
    let arguments = [&["deliveries", "--output", "json"], arguments].concat();
    let listed = ctl(shop, &arguments).await;
    let page: Value = serde_json::from_str(&listed.out).unwrap();
    let found = page["deliveries"].as_array().unwrap();
    assert_eq!(found.len(), 1, "{page:#}");
    found[0].clone()
}

#[tokio::test]
async fn what_was_given_up_is_listed_and_sent_again_as_it_was() {
    let (site, receiver) = (Site::start().await, Receiver::start().await);
    let mut shop = Shop::open().await;
    let oncall = shop.receiver("oncall", &receiver).await;
    let check = shop.wish("front", &site.url, |_| ()).await;
    shop.create(&check, &[oncall]).await;
    shop.until(check.id, State::Up).await;
    let nothing = ctl(&shop, &["deliveries", "--output", "table"]).await;
    assert_eq!(
        (nothing.out.as_str(), nothing.words.as_str()),
        ("", "No delivery fits.\n")
    );
    receiver.answer(400);
    site.set(false);
    let given_up = "select count(*) from deliveries where state = 'dead'";
    until("it was given up", async || shop.count(given_up).await == 1).await;

    let dead = only(&shop, &["--state", "dead", "--check", "shop/front"]).await;
    let id = dead["id"].as_str().unwrap();
    assert_eq!(dead["type"], "check.down");
    assert_eq!(
        (&dead["receiver"], &dead["check"]),
        (&"oncall".into(), &"front".into())
    );
    assert_eq!(
        (&dead["attempts"], &dead["status"]),
        (&3.into(), &400.into())
    );
    assert_eq!(
        dead["reason"],
        "the receiver refused it with 400, three times"
    );
    assert_eq!(dead["event_id"], receiver.received()[0].id);
    let listed = ctl(&shop, &["list", "--output", "table"]).await;
    let line = listed.out.lines().nth(1).unwrap();
    assert!(
        line.contains("shop/oncall") && line.ends_with("it answered 400"),
        "{}",
        listed.out
    );
    // An event's id does as well.
    let event = dead["event_id"].as_str().unwrap();
    let whole = ctl(&shop, &["deliveries", event, "--output", "table"]).await;
    let attempts = whole
        .out
        .lines()
        .filter(|line| line.contains("it answered 400"));
    assert_eq!(attempts.count(), 3, "{}", whole.out);
    assert!(whole.out.contains("taken\u{fffd}"), "{}", whole.out);

    receiver.answer(503);
    let again = ctl(&shop, &["replay", id]).await;
    assert_eq!(again.code, 0, "{}", again.words);
    assert_eq!(
        again.out,
        "1 event is sent again to 1 receiver: 1 delivery\n"
    );
    // Later than any story waits, so that it is not the schedule that sends it.
    until("it waits for another attempt", async || {
        sqlx::query(
            "update deliveries set next_at = now() + interval '1 hour'
             where state = 'pending' and attempts > 0",
        )
        .execute(&mut shop.fleet.database().await)
        .await
        .unwrap()
        .rows_affected()
            == 1
    })
    .await;
    let twice = ctl(&shop, &["replay", id]).await;
    assert_eq!(twice.code, 1);
    assert!(
        twice.words.contains("lokahictl webhook retry"),
        "{}",
        twice.words
    );
    receiver.answer(200);
    let now = ctl(&shop, &["retry", "oncall"]).await;
    assert_eq!(
        (now.code, now.out.as_str()),
        (0, "1 delivery that waited is due now.\n")
    );
    until("it was taken", async || !receiver.taken().is_empty()).await;
    let taken = &receiver.taken()[0];
    let refused = &receiver.received()[0];
    assert_eq!((&taken.id, &taken.body), (&refused.id, &refused.body));
    until("that is written down", async || {
        shop.count("select count(*) from deliveries where state = 'delivered'")
            .await
            == 1
    })
    .await;
    // The second time there is nothing left that failed.
    let rest = ctl(&shop, &["replay", "--since", "1h", "--state", "dead"]).await;
    assert_eq!((rest.code, rest.out.as_str()), (0, ""));
    let sent = only(&shop, &["--state", "delivered"]).await;
    assert_eq!(
        (&sent["replay"], &sent["event_id"]),
        (&1.into(), &dead["event_id"])
    );
}
