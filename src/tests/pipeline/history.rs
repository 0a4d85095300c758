//! What is left of probes: hours are rolled up by lokahid itself, through kill -9, and probes
//! that nobody answers are in the history.

use lokahi::clock;
use lokahi::history::window::hour_of;
use lokahi::proto::lokahi::check::State;
use lokahi::store::partition::partition_prepare;
use sqlx::{Connection as _, PgConnection};
use time::Duration;

use super::fleet::Fleet;
use super::peers::{Receiver, Site};
use crate::support::servers::servers;
use crate::support::until;

/// Of how many checks there is a past, of how many hours, and of how many probes in each.
const CHECKS: i64 = 3000;
const HOURS: i64 = 4;
const PROBES: i64 = 10;

async fn count(database: &mut PgConnection, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(database).await.unwrap()
}

#[tokio::test]
async fn lokahid_may_be_killed_while_it_rolls_up() {
    let url = servers().database().await;
    let mut conn = PgConnection::connect(&url).await.unwrap();
    let now = clock::now();
    partition_prepare(&mut conn, now).await.unwrap();
    let from = hour_of(now) - Duration::hours(HOURS + 1);
    // Buried, so that nobody probes them.
    sqlx::raw_sql("insert into specs (digest, bytes) values (sha256('x'), 'x')")
        .execute(&mut conn)
        .await
        .unwrap();
    sqlx::query(
        "insert into checks (id, project_id, address, owner, live_spec_id, created_at, deleted_at)
             select gen_random_uuid(), 1, 'check-' || n, 'api', 1, $2, now()
             from generate_series(1, $1) n",
    )
    .bind(CHECKS)
    .bind(now)
    .execute(&mut conn)
    .await
    .unwrap();
    sqlx::query(
        "insert into observations select check_no, $1 + make_interval(hours => h, mins => m),
                 0, 0, 0, 0, 0, 0, 80000 + m, 1, 0, 200
             from checks, generate_series(0, $2 - 1) h, generate_series(0, $3 - 1) m",
    )
    .bind(from)
    .bind(i32::try_from(HOURS).unwrap())
    .bind(i32::try_from(PROBES).unwrap())
    .execute(&mut conn)
    .await
    .unwrap();
    let mut fleet = Fleet::start_over(&url, &servers().nats_url, &[]).await;
    for kills in 1..=3 {
        until("it has rolled up a little more", async || {
            let rows = "select count(*) from rollups";
            count(&mut fleet.database().await, rows).await >= kills * 400
        })
        .await;
        fleet.lokahid.kill().await;
        fleet.lokahid.start();
        fleet.lokahid.address().await;
    }
    until("all of it is rolled up", async || {
        let sql = "select count(*) from rollup_progress
                   where closed > now() - interval '1 hour 11 minutes'";
        count(&mut fleet.database().await, sql).await == 1
    })
    .await;
    let rows = sqlx::query_as::<_, (i64, Vec<u8>)>("select check_no, hours from rollups")
        .fetch_all(&mut conn)
        .await
        .unwrap();
    let mut hours = 0;
    for (_, bytes) in &rows {
        let day = lokahi::history::day::Day::decode(bytes).unwrap();
        hours += day.hours.len();
        for hour in day.hours.values() {
            assert_eq!(hour.counts.up, PROBES.unsigned_abs());
            assert_eq!(hour.latency.len(), PROBES.unsigned_abs());
        }
    }
    assert_eq!(hours as i64, CHECKS * HOURS);
}

#[tokio::test]
async fn probes_that_nobody_answers_are_in_the_history() {
    let (site, receiver) = (Site::start().await, Receiver::start().await);
    let mut fleet = Fleet::start(&[]).await;
    let check = fleet.create(&site.url, &receiver.url).await;
    fleet.until_state(&check.id, State::Up).await;
    fleet.healthworker.kill().await;
    until("probes are lost", async || {
        fleet.metric("lokahi_probes_lost_total").await >= 2.0
    })
    .await;
    let lost = fleet.metric("lokahi_probes_lost_total").await as i64;
    // It writes down at its end what it has counted.
    fleet.lokahid.stop().await;
    let written = "select coalesce(sum(lost), 0)::bigint from gaps";
    let written = count(&mut fleet.database().await, written).await;
    assert!(written >= lost, "{written} of {lost}");
    fleet.lokahid.start();
    fleet.lokahid.address().await;
    let asked = lokahi::proto::lokahi::CheckHistoryOpts {
        id: check.id.clone(),
        ..Default::default()
    };
    let history = fleet.client().check_history(&asked).await.unwrap();
    assert!(history.total.unwrap().lost >= lost);
    assert!(history.left_out > 0.0 && history.uptime == Some(1.0));
}
