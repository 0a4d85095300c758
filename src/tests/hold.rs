//! What is held, over a real Postgres, by its statements alone.

use lokahi::clock;
use lokahi::store::hold::hold_again;
use sqlx::{Connection as _, Executor as _, PgConnection};

use crate::support::servers::servers;

/// A check that is down, and what is held of that: that it went down, and how it went on.
const OUTAGE: &str = "
    insert into specs (digest, bytes) values (decode(repeat('00', 32), 'hex'), '');
    insert into receivers (id, project_id, address, spec_id, url, format, created_at)
        select gen_random_uuid(), p.id, 'oncall', s.id, 'http://h/', 1, now()
        from specs s, projects p where p.name = 'api';
    insert into checks (id, project_id, address, owner, live_spec_id, labels, disabled, created_at)
        select gen_random_uuid(), p.id, 'front', 'api', s.id, '{}', false, now()
        from specs s, projects p where p.name = 'api';
    insert into incidents (id, check_id, opened_seq, opened_at)
        select gen_random_uuid(), id, 1, now() from checks;
    insert into transitions (id, check_id, incident_id, type, seq, previous, next, at, told, payload)
        select gen_random_uuid(), check_id, id, type, seq, 1, 2, now(), true, ''
        from incidents, (values (1, 'check.down'), (2, 'check.error')) as t (seq, type);
    insert into deliveries (id, event_id, receiver_id, check_id, seq, state, reason, next_at,
            created_at)
        select uuid_ordered(now()), t.id, r.id, t.check_id, t.seq, 'held', 'muted', now(), now()
        from transitions t, receivers r";

#[tokio::test]
async fn what_goes_on_with_something_that_is_held_waits_for_that() {
    let url = servers().database().await;
    let mut conn = PgConnection::connect(&url).await.unwrap();
    sqlx::raw_sql(OUTAGE).execute(&mut conn).await.unwrap();
    let states = "select string_agg(seq || ' ' || state || ' ' || reason, ', ' order by seq)
        from deliveries";
    let mut other = PgConnection::connect(&url).await.unwrap();
    let mut looks = other.begin().await.unwrap();
    let lock = "select from deliveries where seq = 1 for update";
    looks.execute(lock).await.unwrap();
    let later = clock::now() + std::time::Duration::from_secs(1);
    // Nothing holds it any more, and somebody else decides on what was before it.
    assert_eq!(
        hold_again(&mut conn, 500, later).await.unwrap(),
        (1, vec![])
    );
    let found: String = sqlx::query_scalar(states)
        .fetch_one(&mut conn)
        .await
        .unwrap();
    assert_eq!(found, "1 held muted, 2 held muted");
    looks.rollback().await.unwrap();
    // As little as one at a time.
    for _ in 0..2 {
        let (found, sent) = hold_again(&mut conn, 1, later).await.unwrap();
        assert_eq!((found, sent.len()), (1, 1));
    }
    let found: String = sqlx::query_scalar(states)
        .fetch_one(&mut conn)
        .await
        .unwrap();
    assert_eq!(found, "1 pending , 2 pending ");
}
