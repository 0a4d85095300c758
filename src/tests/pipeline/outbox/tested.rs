//! A test that operators send a receiver.

use lokahi::model::webhook::{WebhookFormat, WebhookSpec};
use lokahi::store::delivery::delivery_counts;
use serde_json::Value;

use super::ctl;
use crate::pipeline::fleet::Fleet;
use crate::pipeline::peers::Receiver;
use crate::pipeline::shop::Shop;
use crate::support::free_port;

#[tokio::test]
async fn a_test_is_tried_once_and_is_nobodys_page() {
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let fleet = Fleet::start(&[("LOKAHI_SECRET_NEW", secret)]).await;
    let (receiver, old) = (Receiver::start().await, Receiver::start().await);
    let mut shop = Shop::over(fleet).await;
    let signed = WebhookSpec {
        secrets: vec!["new".parse().unwrap()],
        ..WebhookSpec::new(receiver.url.parse().unwrap(), WebhookFormat::Json)
    };
    shop.receiver_with("oncall", signed).await;
    let original = WebhookSpec::new(old.url.parse().unwrap(), WebhookFormat::Protobuf);
    shop.receiver_with("old", original).await;
    let nobody = format!("http://127.0.0.1:{}/", free_port());
    let nobody = WebhookSpec::new(nobody.parse().unwrap(), WebhookFormat::Json);
    shop.receiver_with("nobody", nobody).await;

    let taken = ctl(&shop, &["test", "shop/oncall"]).await;
    assert_eq!(taken.code, 0, "{}", taken.words);
    assert!(
        taken
            .out
            .starts_with("shop/oncall took it: it answered 200, after ")
            && taken.out.contains("; signed\n"),
        "{}",
        taken.out
    );
    let got = &receiver.taken()[0];
    let body: Value = serde_json::from_slice(&got.body).unwrap();
    assert_eq!(body["type"], "test");
    assert_eq!(body["data"]["check"]["id"], got.id);
    assert!(got.header("webhook-signature").starts_with("v1,"));
    // As an original receiver reads it.
    let unsigned = ctl(&shop, &["test", "old", "--project", "shop"]).await;
    assert!(unsigned.out.contains("; not signed\n"), "{}", unsigned.out);
    let event = old.taken()[0].event();
    assert_eq!(event.r#type, "test");
    assert_eq!(event.check.unwrap().url, "https://lokahi.example/test");

    receiver.answer(500);
    let failed = ctl(&shop, &["test", "oncall"]).await;
    assert_eq!(failed.code, 1);
    assert!(
        failed
            .words
            .contains("error: shop/oncall did not take it: it answered 500, after "),
        "{}",
        failed.words
    );
    let away = ctl(&shop, &["test", "nobody", "--output", "json"]).await;
    assert_eq!(away.code, 1);
    let away: Value = serde_json::from_str(&away.out).unwrap();
    assert_eq!(
        (&away["state"], &away["attempts"]),
        (&"dead".into(), &1.into())
    );
    assert_eq!(away["reason"], "a test is tried once");
    assert_ne!(away["error"].as_str().unwrap(), "");
    let away = ctl(&shop, &["test", "nobody"]).await;
    let words = "error: the test for shop/nobody failed: connection refused, after ";
    assert!(away.words.contains(words), "{}", away.words);
    assert_eq!(receiver.received().len(), 2);
    assert_eq!(shop.count("select count(*) from receiver_status").await, 0);
    let counts = delivery_counts(&mut shop.fleet.database().await, lokahi::clock::now()).await;
    let counts = counts.unwrap();
    assert_eq!((counts.dead, counts.failing, counts.pending), (0, 0, 0));

    assert_eq!(shop.fleet.webhookworker.stop().await, Some(0));
    let waits = ctl(&shop, &["test", "oncall", "--timeout", "1s"]).await;
    assert_eq!(waits.code, 69, "{}", waits.words);
    assert!(
        waits.words.contains("does a webhookworker run?"),
        "{}",
        waits.words
    );
    // What waits for the same host may be what keeps it.
    let waits = ctl(&shop, &["test", "oncall", "--timeout", "1s"]).await;
    let words = "more waits for 127.0.0.1:";
    assert!(waits.words.contains(words), "{}", waits.words);
}
