//! kill -9 of its programs: it goes on by itself, and what was committed is told.

pub(super) mod servers;

use lokahi::proto::lokahi::check::State;
use sqlx::Row as _;

use super::fleet::Fleet;
use super::peers::{Receiver, Site};
use crate::support::until;

/// Flips the site, waits until lokahi believes it, and flips it back.
async fn flip(fleet: &Fleet, site: &Site, check: &str) {
    site.set(false);
    fleet.until_state(check, State::Down).await;
    site.set(true);
    fleet.until_state(check, State::Up).await;
}

/// Everything that was to be told is delivered, in order, each under one id: by itself, or within
/// a newer one.
async fn all_told(fleet: &Fleet, receiver: &Receiver) {
    until("nothing waits any more", async || {
        let waiting: i64 =
            sqlx::query_scalar("select count(*) from deliveries where state = 'pending'")
                .fetch_one(&mut fleet.database().await)
                .await
                .unwrap();
        waiting == 0
    })
    .await;
    let rows = sqlx::query("select id::text as id, seq from transitions where told order by seq")
        .fetch_all(&mut fleet.database().await)
        .await
        .unwrap();
    let owed: Vec<(String, i64)> = rows
        .iter()
        .map(|row| (row.get("id"), row.get("seq")))
        .collect();
    let mut told: Vec<(String, i64)> = receiver
        .taken()
        .iter()
        .flat_map(|r| r.event().superseded.into_iter().chain([r.event()]))
        .map(|event| (event.event_id, event.sequence))
        .collect();
    // What was received and not known to be is listed once more by the next.
    let mut seen = std::collections::HashSet::new();
    told.retain(|(id, _)| seen.insert(id.clone()));
    assert_eq!(told, owed, "what was told is what was committed, in order");
}

#[tokio::test]
async fn any_program_may_be_killed() {
    let (site, receiver) = (Site::start().await, Receiver::start().await);
    let mut fleet = Fleet::start(&[]).await;
    let check = fleet.create(&site.url, &receiver.url).await;
    fleet.until_state(&check.id, State::Up).await;
    for round in 0..2 {
        fleet.lokahid.kill().await;
        site.set(round % 2 == 0);
        fleet.lokahid.start();
        fleet.lokahid.address().await;
        flip(&fleet, &site, &check.id).await;

        fleet.healthworker.kill().await;
        site.set(false);
        fleet.healthworker.start();
        fleet.until_state(&check.id, State::Down).await;

        fleet.webhookworker.kill().await;
        site.set(true);
        fleet.until_state(&check.id, State::Up).await;
        fleet.webhookworker.start();
    }
    all_told(&fleet, &receiver).await;
}

#[tokio::test]
async fn a_webhook_worker_killed_while_it_sends_repeats_under_the_same_id() {
    let site = Site::start().await;
    // Takes the connection, reads, and never answers: the worker is then in the
    // middle of an attempt.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut fleet = Fleet::start(&[]).await;
    let url = format!("http://{}/", silent.local_addr().unwrap());
    let check = fleet.create(&site.url, &url).await;
    site.set(false);
    fleet.until_state(&check.id, State::Down).await;
    let (stream, _) = silent.accept().await.unwrap();
    fleet.webhookworker.kill().await;
    drop(stream);
    let receiver = Receiver::at(silent);
    fleet.webhookworker.start();
    all_told(&fleet, &receiver).await;
    let attempts = sqlx::query("select n, finished_at is null as open from attempts order by n")
        .fetch_all(&mut fleet.database().await)
        .await
        .unwrap();
    let attempts: Vec<(i32, bool)> = attempts
        .iter()
        .map(|row| (row.get("n"), row.get("open")))
        .collect();
    assert_eq!(attempts[0], (1, true), "nobody knows how the first ended");
    assert_eq!(attempts.last().map(|a| a.1), Some(false));
}
