//! A receiver that was away hears of the newest event, and in it of all that it missed.

use lokahi::model::health::State as Health;
use lokahi::model::webhook::{ReceiverUrl, WebhookFormat, WebhookSpec};
use lokahi::proto::lokahi::check::State;
use sqlx::Row as _;

use super::fleet::Fleet;
use super::peers::{Receiver, Site};
use super::shop::{Shop, until_told};
use crate::support::programs::lokahictl;
use crate::support::until;

#[tokio::test]
async fn a_receiver_that_is_away_gets_the_newest_with_all_that_it_missed() {
    let (site, receiver) = (Site::start().await, Receiver::start().await);
    let fleet = Fleet::start(&[]).await;
    let check = fleet.create(&site.url, &receiver.url).await;
    receiver.answer(503);
    for up in [true, false, true, false] {
        site.set(up);
        let state = if up { State::Up } else { State::Down };
        fleet.until_state(&check.id, state).await;
    }
    until("the newest was tried", async || {
        let tried = receiver.received();
        tried.last().is_some_and(|it| it.event().sequence == 4)
    })
    .await;
    receiver.answer(200);
    until("it was told", async || receiver.taken().len() == 1).await;
    site.set(true);
    until("the end was told", async || receiver.taken().len() == 2).await;

    let told = receiver.taken();
    let newest = told[0].event();
    let listed = newest.superseded.iter();
    let listed: Vec<(i64, &str)> = listed.map(|it| (it.sequence, &*it.r#type)).collect();
    assert_eq!(newest.sequence, 4);
    assert_eq!(listed, [(2, "check.down"), (3, "check.up")]);
    // In full, as they would have been sent.
    assert_eq!(newest.superseded[0].evidence.len(), 2);
    assert!(newest.superseded[0].event_id != newest.event_id);
    let end = told[1].event();
    assert_eq!((end.sequence, end.superseded.len()), (5, 0));
    assert_eq!((newest.unheard, end.unheard), (false, false));

    // What was frozen is sent again as it was, and every attempt has a row and its end.
    let tried: Vec<_> = receiver.received();
    let tried: Vec<_> = tried.iter().filter(|it| it.event().sequence == 4).collect();
    assert!(
        tried
            .iter()
            .all(|it| it.id == told[0].id && it.body == told[0].body)
    );
    let last = tried.last().unwrap();
    assert_eq!(last.header("lokahi-attempt"), tried.len().to_string());
    until("the attempts are written down", async || {
        let row = sqlx::query(
            "select count(*) filter (where finished_at is null) as open,
                 count(*) filter (where status = 503) as refused,
                 count(*) filter (where status = 200) as taken from attempts",
        )
        .fetch_one(&mut fleet.database().await)
        .await
        .unwrap();
        let count = |name: &str| row.get::<i64, _>(name);
        (count("open"), count("taken")) == (0, 2) && count("refused") >= 1
    })
    .await;
    // Whatever did not go out itself says which delivery told it.
    let ways: Vec<(i64, String, bool)> = sqlx::query_as(
        "select d.seq, d.state, n.seq = 4 and d.seq < 4 from deliveries d
         left join deliveries n on n.id = coalesce(d.superseded_by, d.id) order by d.seq",
    )
    .fetch_all(&mut fleet.database().await)
    .await
    .unwrap();
    let way = |seq, state: &str, by| (seq, state.to_owned(), by);
    assert_eq!(
        ways,
        [
            way(2, "superseded", true),
            way(3, "superseded", true),
            way(4, "delivered", false),
            way(5, "delivered", false)
        ]
    );
    // What is no more than its event is made of it each time; the rest stands as it was sent.
    let stored: Vec<i64> = sqlx::query_scalar(
        "select d.seq from bodies b join deliveries d on d.id = b.delivery_id
         where d.seq <> 3 order by d.seq",
    )
    .fetch_all(&mut fleet.database().await)
    .await
    .unwrap();
    assert_eq!(stored, [4]);
    let status: (bool, i32) =
        sqlx::query_as("select failing_since is null, failures from receiver_status")
            .fetch_one(&mut fleet.database().await)
            .await
            .unwrap();
    assert_eq!(status, (true, 0));
}

#[tokio::test]
async fn a_receiver_that_does_not_collapse_gets_everything_in_order() {
    let (site, receiver) = (Site::start().await, Receiver::start().await);
    let mut shop = Shop::open().await;
    // Of a story's shop each event goes out by itself.
    let oncall = shop.receiver("oncall", &receiver).await;
    let check = shop.wish("front", &site.url, |_| ()).await;
    shop.create(&check, &[oncall]).await;
    receiver.answer(503);
    for up in [true, false, true, false] {
        site.set(up);
        let state = if up { Health::Up } else { Health::Down };
        shop.until(check.id, state).await;
    }
    until("it was tried", async || receiver.received().len() >= 2).await;
    receiver.answer(200);
    let told = until_told(&receiver, 3).await;
    assert_eq!(
        told,
        [
            "check.down front 2",
            "check.up front 3",
            "check.down front 4"
        ]
    );
    let first = receiver.taken()[0].clone();
    let tried = receiver.received();
    let tried = tried.iter().filter(|it| it.id == first.id);
    assert!(tried.clone().all(|it| it.body == first.body));
    assert!(tried.count() >= 2);
}

#[tokio::test]
async fn an_end_says_that_nobody_was_told_of_the_beginning() {
    let (site, receiver) = (Site::start().await, Receiver::start().await);
    let fleet = Fleet::start(&[]).await;
    let check = fleet.create(&site.url, &receiver.url).await;
    fleet.until_state(&check.id, State::Up).await;
    receiver.answer(503);
    site.set(false);
    until("it was tried", async || !receiver.received().is_empty()).await;
    site.set(true);
    fleet.until_state(&check.id, State::Up).await;
    receiver.answer(200);
    until("the end was told", async || !receiver.taken().is_empty()).await;
    let end = receiver.taken()[0].event();
    assert_eq!(end.r#type, "check.up");
    assert!(end.unheard);
    assert_eq!(end.superseded.len(), 1);
}

#[tokio::test]
async fn what_was_told_with_an_event_is_told_with_it_again_in_whichever_format() {
    let (site, receiver) = (Site::start().await, Receiver::start().await);
    let mut shop = Shop::open().await;
    let check = shop.wish("front", &site.url, |_| ()).await;
    let url: ReceiverUrl = receiver.url.parse().unwrap();
    let of = |format| WebhookSpec::new(url.clone(), format);
    let oncall = shop.receiver_with("oncall", of(WebhookFormat::Json)).await;
    shop.receiver_with("other", of(WebhookFormat::Protobuf))
        .await;
    shop.create(&check, &[oncall]).await;
    shop.until(check.id, Health::Up).await;
    receiver.answer(503);
    site.set(false);
    until("it was tried", async || !receiver.received().is_empty()).await;
    site.set(true);
    shop.until(check.id, Health::Up).await;
    receiver.answer(200);
    until("the end was told", async || !receiver.taken().is_empty()).await;
    let first = receiver.taken()[0].clone();
    let body: serde_json::Value = serde_json::from_slice(&first.body).unwrap();
    assert_eq!(body["data"]["unheard"], true);
    // Its receiver wants protobuf from now on.
    let edit = "update receivers r set spec_id = o.spec_id, format = o.format
        from receivers o where o.address = 'other' and r.address = 'oncall'";
    let mut conn = shop.fleet.database().await;
    sqlx::raw_sql(edit).execute(&mut conn).await.unwrap();
    let again = ["webhook", "replay", first.id.as_str()];
    let done = lokahictl(&shop.fleet.base(), &again).await;
    assert_eq!(done.code, 0, "{}{}", done.out, done.words);
    let protobuf = || {
        let mut all = receiver.received().into_iter();
        all.find(|it| it.header("content-type") == "application/protobuf")
    };
    until("it was told again", async || protobuf().is_some()).await;
    let again = protobuf().unwrap();
    let event = again.event();
    let listed: Vec<i64> = event.superseded.iter().map(|it| it.sequence).collect();
    assert_eq!((event.sequence, event.unheard), (3, true));
    assert_eq!(listed, [2]);
    assert_eq!(again.id, first.id);
}

#[tokio::test]
async fn a_receiver_that_gets_another_format_gets_what_waits_in_it() {
    let (site, receiver) = (Site::start().await, Receiver::start().await);
    let fleet = Fleet::start(&[]).await;
    let check = fleet.create(&site.url, &receiver.url).await;
    fleet.until_state(&check.id, State::Up).await;
    receiver.answer(503);
    site.set(false);
    until("it was tried", async || !receiver.received().is_empty()).await;
    let put = ["put", &check.id, "--webhook-format", "json"];
    let done = lokahictl(&fleet.base(), &put).await;
    assert_eq!(done.code, 0, "{}", done.words);
    receiver.answer(200);
    until("it was told", async || receiver.taken().len() == 1).await;
    let told = &receiver.taken()[0];
    assert_eq!(told.header("content-type"), "application/json");
    let body: serde_json::Value = serde_json::from_slice(&told.body).unwrap();
    assert_eq!(body["type"], "check.down");
    assert_eq!(told.id, receiver.received()[0].id);
}
