//! Checks that are probed from several places.

use lokahi::model::check::CheckSpec;
use lokahi::model::desired::ProjectSpec;
use lokahi::model::health::State;
use lokahi::model::name::Name;
use lokahi::spec::{Digest, encode_project};
use lokahi::store::project::project_spec;
use lokahi::store::spec::spec_put;

use super::fleet::Program;
use super::peers::{Receiver, Site};
use super::shop::{Shop, told, until_told};
use crate::support::programs::lokahictl;
use crate::support::servers::servers;
use crate::support::until;

pub(super) fn place(word: &str) -> Name {
    let random = lokahi::files::private::random_hex(4).unwrap();
    format!("{word}-{random}").parse().unwrap()
}

/// A worker there; to one that is `apart` every site is out of reach.
fn worker(place: &Name, apart: bool) -> Program {
    let mut settings = vec![
        ("NATS_URL", servers().nats_url.as_str()),
        ("LOCATION", place.as_str()),
    ];
    settings.extend(apart.then_some(("TARGET_DENY", "127.0.0.0/8")));
    let mut program = Program::new(env!("CARGO_BIN_EXE_healthworker"), &[], &settings);
    program.start();
    program
}

fn from(places: &[&Name]) -> impl FnOnce(&mut CheckSpec) {
    let places: Vec<Name> = places.iter().map(|place| (*place).clone()).collect();
    move |spec: &mut CheckSpec| {
        spec.locations = places;
        spec.confirm.failures = 2;
        spec.confirm.of = 2;
        spec.confirm.retry = std::time::Duration::from_millis(200);
    }
}

/// From where the failures were seen that the first event shows.
fn witnesses(receiver: &Receiver) -> Vec<String> {
    let event: serde_json::Value = serde_json::from_slice(&receiver.taken()[0].body).unwrap();
    let evidence = event["data"]["evidence"].as_array().unwrap();
    let place = |seen: &serde_json::Value| seen["location"].as_str().unwrap().to_owned();
    evidence.iter().map(place).collect()
}

impl Shop {
    /// Makes this the receiver of what the project tells of itself.
    pub(super) async fn operators(&mut self, at: &Receiver) {
        self.receiver("operators", at).await;
        let spec = ProjectSpec {
            operators: vec!["operators".parse().unwrap()],
            ..ProjectSpec::default()
        };
        let bytes = encode_project(&spec);
        let digest = Digest::of(&bytes);
        let id = spec_put(&mut self.conn, &[bytes]).await.unwrap()[&digest];
        project_spec(&mut self.conn, self.project, id)
            .await
            .unwrap();
    }

    /// How many probes are stored, from where.
    async fn probed(&self, place: &Name) -> i64 {
        sqlx::query_scalar(
            "select count(*) from observations o join locations l on l.id = o.location
             where l.name = $1",
        )
        .bind(place.as_str())
        .fetch_one(&mut self.fleet.database().await)
        .await
        .unwrap()
    }
}

#[tokio::test]
async fn what_fails_from_one_place_is_tried_from_another() {
    let (site, receiver) = (Site::start().await, Receiver::start().await);
    let mut shop = Shop::open().await;
    let (eu, us) = (place("eu"), place("us"));
    let _workers = [worker(&eu, true), worker(&us, false)];
    let check = shop.wish("shop", &site.url, from(&[&eu, &us])).await;
    let oncall = shop.receiver("oncall", &receiver).await;
    shop.create(&check, &[oncall]).await;
    // Each failure from there is followed by a success from here.
    until("both were asked often", async || {
        shop.probed(&eu).await >= 5 && shop.probed(&us).await >= 5
    })
    .await;
    assert_eq!(shop.stored(check.id).await.unwrap().state, State::Up);

    site.set(false);
    let told = until_told(&receiver, 1).await;
    assert_eq!(told, ["check.down shop 2"]);
    let places = witnesses(&receiver);
    assert_eq!(places.len(), 2, "{places:?}");
    assert_ne!(places[0], places[1]);
}

#[tokio::test]
async fn a_check_that_wants_two_places_does_not_believe_one() {
    let (site, receiver) = (Site::start().await, Receiver::start().await);
    let mut shop = Shop::open().await;
    let (eu, us) = (place("eu"), place("us"));
    let mut workers = [worker(&eu, true), worker(&us, false)];
    let two = |spec: &mut CheckSpec| {
        from(&[&eu, &us])(spec);
        (spec.confirm.of, spec.confirm.distinct) = (10, 2);
    };
    let check = shop.wish("shop", &site.url, two).await;
    let oncall = shop.receiver("oncall", &receiver).await;
    shop.create(&check, &[oncall]).await;
    // Of the last ten far more than two failed, all of one place.
    until("it failed often", async || shop.probed(&eu).await >= 6).await;
    assert_eq!(shop.stored(check.id).await.unwrap().state, State::Up);
    // What it has seen is known to whoever takes over.
    shop.fleet.lokahid.kill().await;
    let kept = "select count(*) from check_states where recent is not null";
    assert_eq!(shop.count(kept).await, 1);
    workers[1].stop().await;
    shop.fleet.lokahid.start();
    shop.fleet.lokahid.address().await;
    let before = shop.probed(&eu).await;
    until("it failed again", async || shop.probed(&eu).await > before).await;
    assert_eq!(shop.stored(check.id).await.unwrap().state, State::Up);
    site.set(false);
    workers[1].start();
    until_told(&receiver, 1).await;
    let places = witnesses(&receiver);
    assert!(
        places.contains(&eu.to_string()) && places.contains(&us.to_string()),
        "{places:?}"
    );
}

#[tokio::test]
async fn a_location_that_nobody_serves_is_told_to_the_operators_once() {
    let (site, operators) = (Site::start().await, Receiver::start().await);
    let mut shop = Shop::open().await;
    let nowhere = place("nowhere");
    shop.operators(&operators).await;
    let check = shop.wish("shop", &site.url, from(&[&nowhere])).await;
    let other = shop.wish("other", &site.url, from(&[&nowhere])).await;
    shop.create(&check, &[]).await;
    shop.create(&other, &[]).await;
    until("they hear of it", async || operators.taken().len() == 1).await;
    // A restart does not repeat it.
    shop.fleet.lokahid.kill().await;
    shop.fleet.lokahid.start();
    shop.fleet.lokahid.address().await;
    until("it was looked at again", async || {
        shop.fleet.lokahid.has_said("no report came")
    })
    .await;
    assert_eq!(shop.stored(check.id).await.unwrap().state, State::Init);
    let _worker = worker(&nowhere, false);
    until("they hear that it is over", async || {
        operators.taken().len() == 2
    })
    .await;
    let shown = operators.taken().into_iter().map(|taken| {
        let event: serde_json::Value = serde_json::from_slice(&taken.body).unwrap();
        let data = &event["data"];
        let text = |value: &serde_json::Value| value.as_str().unwrap_or("").to_owned();
        (
            text(&event["type"]),
            text(&data["project"]["reason"]),
            data["resolved"] == true,
        )
    });
    let told = |over| ("check.stale".to_owned(), nowhere.to_string(), over);
    assert_eq!(shown.collect::<Vec<_>>(), [told(false), told(true)]);
}

#[tokio::test]
async fn probes_come_again_when_one_has_come_whatever_takes_the_place_of_what_got_none() {
    let (site, operators) = (Site::start().await, Receiver::start().await);
    let mut shop = Shop::open().await;
    let nowhere = place("nowhere");
    shop.operators(&operators).await;
    let check = shop.wish("shop", &site.url, from(&[&nowhere])).await;
    shop.create(&check, &[]).await;
    until("they hear of it", async || operators.taken().len() == 1).await;
    // Of this one nobody can say yet that its probes do not come.
    let seldom = |spec: &mut CheckSpec| {
        from(&[&nowhere])(spec);
        spec.every = lokahi::model::check::Every::from_seconds(30).unwrap();
    };
    let next = shop.wish("next", &site.url, seldom).await;
    shop.create(&next, &[]).await;
    shop.edit(&check, |spec| spec.enabled = false).await;
    until("that was looked at", async || {
        let shards: Vec<i16> = sqlx::query_scalar("select shard_no from staleness_shards")
            .fetch_all(&mut shop.fleet.database().await)
            .await
            .unwrap();
        operators.taken().len() > 1 || shards == [next.id.shard().0]
    })
    .await;
    assert_eq!(operators.taken().len(), 1);
    let explained = lokahictl(&shop.fleet.base(), &["explain", "next"]).await;
    let words = format!("  is probed from {nowhere}\n");
    assert!(explained.out.contains(&words), "{}", explained.out);
    let _worker = worker(&nowhere, false);
    until("they hear that it is over", async || {
        operators.taken().len() == 2
    })
    .await;
    let end: serde_json::Value = serde_json::from_slice(&operators.taken()[1].body).unwrap();
    let message = end["data"]["project"]["message"].as_str().unwrap();
    let words = format!("probes come from the location {nowhere} again (since ");
    assert!(message.starts_with(&words), "{message}");
}

#[tokio::test]
async fn where_nothing_is_left_to_be_probed_no_probes_come_again() {
    let (site, operators) = (Site::start().await, Receiver::start().await);
    let mut shop = Shop::open().await;
    let nowhere = place("nowhere");
    shop.operators(&operators).await;
    let check = shop.wish("shop", &site.url, from(&[&nowhere])).await;
    let beside = shop.wish("beside", &site.url, |_| ()).await;
    shop.create(&check, &[]).await;
    shop.create(&beside, &[]).await;
    until("they hear of it", async || operators.taken().len() == 1).await;
    shop.edit(&check, |spec| spec.enabled = false).await;
    until("they hear that it is over", async || {
        operators.taken().len() == 2
    })
    .await;
    let end: serde_json::Value = serde_json::from_slice(&operators.taken()[1].body).unwrap();
    let data = &end["data"];
    assert_eq!(data["resolved"], true);
    let words = format!("no check is to be probed from the location {nowhere} any more: ");
    let message = data["project"]["message"].as_str().unwrap();
    assert!(message.starts_with(&words), "{message}");
}

#[tokio::test]
async fn explain_says_that_too_few_locations_are_heard_of_to_believe_an_outage() {
    let (site, operators) = (Site::start().await, Receiver::start().await);
    let mut shop = Shop::open().await;
    let (eu, us) = (place("eu"), place("us"));
    let _there = worker(&eu, false);
    shop.operators(&operators).await;
    let two = |spec: &mut CheckSpec| {
        from(&[&eu, &us])(spec);
        spec.confirm.distinct = 2;
    };
    let check = shop.wish("shop", &site.url, two).await;
    shop.create(&check, &[]).await;
    shop.until(check.id, State::Up).await;
    until("that one is silent is known", async || {
        !operators.taken().is_empty()
    })
    .await;
    let explain = async || {
        lokahictl(&shop.fleet.base(), &["explain", "shop"])
            .await
            .out
    };
    let words = format!(
        "cannot go down: 2 locations must see it fail, and from {us} nothing comes. Does a \
         healthworker run with LOCATION={us}, and reach NATS?"
    );
    let explained = explain().await;
    assert!(explained.contains(&words), "{explained}");
    let _here = worker(&us, false);
    until("both are heard of", async || {
        !explain().await.contains("cannot go down")
    })
    .await;
}

#[tokio::test]
async fn receivers_that_name_it_are_told_that_their_checks_are_stale_and_of_its_end() {
    let (site, oncall) = (Site::start().await, Receiver::start().await);
    let (picky, beside) = (Receiver::start().await, Receiver::start().await);
    let mut shop = Shop::open().await;
    let nowhere = place("nowhere");
    let check = shop.wish("shop", &site.url, from(&[&nowhere])).await;
    let all = shop.receiver("oncall", &oncall).await;
    let wants = ["check.down", "check.stale"];
    let some = shop.receiver_of("picky", &picky, &wants).await;
    shop.create(&check, &[all, some]).await;
    // One of another place.
    let other = shop.receiver_of("beside", &beside, &wants).await;
    let elsewhere = shop.wish("elsewhere", &site.url, |_| ()).await;
    shop.create(&elsewhere, &[other]).await;
    assert_eq!(until_told(&picky, 1).await, ["check.stale - -"]);
    let _worker = worker(&nowhere, false);
    until_told(&picky, 2).await;
    let end: serde_json::Value = serde_json::from_slice(&picky.taken()[1].body).unwrap();
    assert_eq!(
        (&end["type"], &end["data"]["resolved"]),
        (&"check.stale".into(), &true.into())
    );

    shop.until(check.id, State::Up).await;
    site.set(false);
    until_told(&picky, 3).await;
    site.set(true);
    // It has not named it, and was told of what it ends.
    let heard = &until_told(&picky, 4).await[2..];
    assert_eq!(heard, ["check.down shop 2", "check.up shop 3"]);
    assert_eq!(until_told(&oncall, 2).await, heard);
    assert!(
        told(&beside)
            .iter()
            .all(|it| !it.starts_with("check.stale"))
    );
}

#[tokio::test]
async fn a_receiver_that_names_its_events_gets_no_other() {
    let (site, picky) = (Site::start().await, Receiver::start().await);
    let mut shop = Shop::open().await;
    let hears = shop.receiver_of("picky", &picky, &["check.error"]).await;
    let check = shop.wish("shop", &site.url, |_| ()).await;
    shop.create(&check, &[hears]).await;
    shop.until(check.id, State::Up).await;
    site.set(false);
    shop.until(check.id, State::Down).await;
    let url = "http://127.0.0.1:9/";
    shop.edit(&check, |spec| spec.url = url.parse().unwrap())
        .await;
    shop.until(check.id, State::Error).await;
    assert_eq!(until_told(&picky, 1).await, ["check.error shop 3"]);
    let deliveries = "select count(*) from deliveries";
    assert_eq!(shop.count(deliveries).await, 1);
}
