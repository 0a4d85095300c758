//! A state that nothing changes is not stored again with each probe, and nobody sees that.

use lokahi::model::health::Health;
use lokahi::model::id::CheckId;
use lokahi::proto::lokahi::check::State;
use lokahi::store::check::{LastProbe, ListFilter, check_get, check_list};
use lokahi::store::shard::shard_check_find;
use sqlx::Row as _;
use time::OffsetDateTime;

use super::fleet::Fleet;
use super::peers::{Receiver, Site};
use crate::support::until;

/// What Postgres has of the only check: the probe of the stored state, and all newer ones,
/// newest first.
async fn stored(fleet: &Fleet) -> (OffsetDateTime, Vec<LastProbe>) {
    let mut database = fleet.database().await;
    let state = sqlx::query_scalar("select last_at from check_states")
        .fetch_one(&mut database)
        .await
        .unwrap();
    let newer = sqlx::query(
        "select at, outcome, class, status, total_us from observations where at > $1
         order by at desc",
    )
    .bind(state)
    .fetch_all(&mut database)
    .await
    .unwrap();
    let probe = |row: &sqlx::postgres::PgRow| LastProbe {
        at: row.get("at"),
        outcome: row.get("outcome"),
        class: row.get("class"),
        status: row.get("status"),
        total_us: row.get("total_us"),
    };
    (state, newer.iter().map(probe).collect())
}

/// How its owner will know the check after a restart.
async fn health(fleet: &Fleet, id: CheckId) -> Health {
    let found = shard_check_find(&mut fleet.database().await, &[id]).await;
    found.unwrap().remove(0).health
}

#[tokio::test]
async fn the_newest_probe_of_a_settled_check_is_what_everybody_reads() {
    let (site, receiver) = (Site::start().await, Receiver::start().await);
    let mut fleet = Fleet::start(&[]).await;
    let check = fleet.create(&site.url, &receiver.url).await;
    let id: CheckId = check.id.parse().unwrap();
    fleet.until_state(&check.id, State::Up).await;
    until("it was only probed since", async || {
        stored(&fleet).await.1.len() >= 3
    })
    .await;
    fleet.healthworker.kill().await;
    fleet.lokahid.stop().await;

    let newest = stored(&fleet).await.1.remove(0);
    let mut database = fleet.database().await;
    let got = check_get(&mut database, id).await.unwrap().unwrap();
    let listed = check_list(&mut database, &ListFilter::default(), 10, 0).await;
    assert_eq!(got.last, Some(newest));
    assert_eq!(listed.unwrap().remove(0).last, Some(newest));
    assert_eq!(health(&fleet, id).await.last_at, Some(newest.at));
}

#[tokio::test]
async fn a_suspicion_is_stored_and_so_is_its_end() {
    let (site, receiver) = (Site::start().await, Receiver::start().await);
    let mut fleet = Fleet::start(&[]).await;
    let check = fleet.create(&site.url, &receiver.url).await;
    let id: CheckId = check.id.parse().unwrap();
    fleet.until_state(&check.id, State::Up).await;
    until("it is settled", async || stored(&fleet).await.1.len() >= 2).await;
    let (before, _) = stored(&fleet).await;
    // Whoever takes over in the middle must count on from here.
    site.set(false);
    until("the suspicion or the outage is stored", async || {
        let health = health(&fleet, id).await;
        stored(&fleet).await.0 > before && (health.failures > 0 || health.seq > 1)
    })
    .await;
    site.set(true);
    fleet.until_state(&check.id, State::Up).await;
    until("all of it is over", async || {
        let health = health(&fleet, id).await;
        let counts = (health.failures, health.successes, health.incident);
        counts == (0, 0, None) && stored(&fleet).await.1.len() >= 2
    })
    .await;
    let (after, newer) = stored(&fleet).await;
    fleet.lokahid.kill().await;
    fleet.lokahid.start();
    fleet.lokahid.address().await;
    until("a new owner goes on where the old one was", async || {
        stored(&fleet).await.0 > newer[0].at
    })
    .await;
    assert!(after > before);
    let twice: i64 = sqlx::query_scalar(
        "select count(*) from (select from observations group by check_no, at having count(*) > 1) t",
    )
    .fetch_one(&mut fleet.database().await)
    .await
    .unwrap();
    assert_eq!(twice, 0);
}
