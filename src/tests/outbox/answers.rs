//! What a receiver has answered to a delivery before, as whoever claims it is told.

use lokahi::clock;
use lokahi::model::id::DeliveryId;
use lokahi::store::delivery::{Claimed, delivery_claim};
use sqlx::Executor as _;
use time::OffsetDateTime;

use super::Outbox;

/// A delivery that was answered so, ten minutes apart, the last time ten minutes ago: as it is
/// claimed next.
async fn answered(statuses: &[Option<i16>]) -> Claimed {
    let mut outbox = Outbox::new().await;
    let delivery = outbox.owe(0).await[0];
    let attempts = "insert into attempts (delivery_id, n, started_at, finished_at, status)
        select $1, n, at, at, status from unnest($2::smallint[]) with ordinality as a (status, n),
            lateral (select now() - (cardinality($2) + 1 - n) * interval '10 minutes' as at) b";
    sqlx::query(attempts)
        .bind(delivery)
        .bind(statuses)
        .execute(&mut outbox.conn)
        .await
        .unwrap();
    let tried = "update deliveries set frozen = true, attempts = (select count(*) from attempts);
        insert into bodies (delivery_id, body) select id, '{}' from deliveries;
        update receivers set url = 'http://h/'";
    outbox.conn.execute(tried).await.unwrap();
    let claimed = delivery_claim(&mut outbox.conn, &[DeliveryId(delivery)], clock::now()).await;
    claimed.unwrap().remove(0)
}

/// Minutes until now.
fn minutes(since: Option<OffsetDateTime>) -> Option<i64> {
    since.map(|since| (clock::now() - since).whole_minutes())
}

#[tokio::test]
async fn an_hour_without_welcome_begins_after_the_last_other_answer() {
    for (statuses, since) in [
        (&[Some(404), Some(403), Some(404)][..], Some(30)),
        (&[Some(404), Some(503), Some(404), Some(410)], Some(20)),
        (&[Some(404), None, Some(404)], Some(10)),
        (&[Some(404), Some(404), Some(503)], None),
        (&[None, Some(500)], None),
    ] {
        let claimed = answered(statuses).await;
        assert_eq!(minutes(claimed.unwelcome_since), since, "{statuses:?}");
    }
}

#[tokio::test]
async fn what_was_too_large_is_written_anew() {
    let once = answered(&[Some(503), Some(413)]).await;
    assert_eq!((once.too_large, once.refused), (1, 1));
    assert_eq!(once.body, None);
    let never = answered(&[Some(503), Some(422)]).await;
    assert_eq!((never.too_large, never.refused), (0, 1));
    assert_eq!(never.body.as_deref(), Some(&b"{}"[..]));
}
