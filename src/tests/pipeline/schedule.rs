//! What was due is accounted for: scheduled = recorded + skipped + lost.

use lokahi::proto::lokahi::check::State;

use super::fleet::{Fleet, Program};
use super::peers::{Receiver, Site};
use crate::support::until;

#[tokio::test]
async fn every_probe_that_was_due_is_accounted_for() {
    let (site, receiver) = (Site::start().await, Receiver::start().await);
    let mut fleet = Fleet::start(&[]).await;
    for _ in 0..20 {
        fleet.create(&site.url, &receiver.url).await;
    }
    until("some were recorded", async || {
        fleet.metric("lokahi_probes_recorded_total").await > 60.0
    })
    .await;
    // Without a worker what is sent is lost, and counted so.
    fleet.healthworker.kill().await;
    until("some were lost", async || {
        fleet.metric("lokahi_probes_lost_total").await > 20.0
    })
    .await;
    fleet.healthworker.start();
    let recorded = fleet.metric("lokahi_probes_recorded_total").await;
    until("it goes on", async || {
        fleet.metric("lokahi_probes_recorded_total").await > recorded + 40.0
    })
    .await;
    // Read together: what is neither yet is on its way.
    until("the numbers meet", async || {
        let scheduled = fleet.metric("lokahi_probes_scheduled_total").await;
        let recorded = fleet.metric("lokahi_probes_recorded_total").await;
        let skipped = fleet.metric("lokahi_probes_skipped_total").await;
        let lost = fleet.metric("lokahi_probes_lost_total").await;
        // A second's worth may be on its way between the four questions.
        (scheduled - recorded - skipped - lost).abs() <= 40.0
    })
    .await;
    let stored: i64 = sqlx::query_scalar("select count(*) from observations")
        .fetch_one(&mut fleet.database().await)
        .await
        .unwrap();
    assert!(stored as f64 >= recorded);
    let twice: i64 = sqlx::query_scalar(
        "select count(*) from (select from observations group by check_no, at having count(*) > 1) t",
    )
    .fetch_one(&mut fleet.database().await)
    .await
    .unwrap();
    assert_eq!(twice, 0);
}

#[tokio::test]
async fn a_hanging_site_holds_up_nobody() {
    let (site, receiver) = (Site::start().await, Receiver::start().await);
    // Accepts and never answers.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let fleet = Fleet::start(&[]).await;
    let url = format!("http://{}/", silent.local_addr().unwrap());
    let hanging = fleet.create(&url, &receiver.url).await;
    let healthy = fleet.create(&site.url, &receiver.url).await;
    fleet.until_state(&hanging.id, State::Error).await;
    fleet.until_state(&healthy.id, State::Up).await;
    let status = fleet.status(&hanging.id).await;
    assert_eq!(status.evidence[0].error_class, "first_byte_timeout");
    until("the outage was told", async || receiver.taken().len() == 1).await;
    assert_eq!(receiver.taken()[0].event().r#type, "check.error");
    let asked = site.asked.load(std::sync::atomic::Ordering::SeqCst);
    until("the other goes on", async || {
        site.asked.load(std::sync::atomic::Ordering::SeqCst) > asked + 3
    })
    .await;
}

#[tokio::test]
async fn the_first_probes_of_all_in_one_find_its_own_worker() {
    let (site, receiver) = (Site::start().await, Receiver::start().await);
    let mut fleet = Fleet::start(&[]).await;
    for _ in 0..40 {
        fleet.create(&site.url, &receiver.url).await;
    }
    for program in fleet.all() {
        program.stop().await;
    }
    // Everything is there and due when it starts.
    let arguments = ["--all-in-one"];
    let database_url = fleet.database_url.clone();
    let listen = fleet.base().replace("http://", "");
    let location = format!("alone-{}", listen.replace([':', '.'], "-"));
    let settings = [
        ("DATABASE_URL", database_url.as_str()),
        ("NATS_URL", &crate::support::servers::servers().nats_url),
        ("LISTEN", &listen),
        ("LOCATION", &location),
        ("METRICS_OPEN", "true"),
    ];
    let mut alone = Program::new(env!("CARGO_BIN_EXE_lokahid"), &arguments, &settings);
    alone.start();
    alone.address().await;
    // What is lost is known after some six seconds.
    until("some were recorded", async || {
        fleet.metric("lokahi_probes_recorded_total").await > 300.0
    })
    .await;
    assert_eq!(fleet.metric("lokahi_probes_lost_total").await, 0.0);
    assert_eq!(alone.stop().await, Some(0));
}
