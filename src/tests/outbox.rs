//! The outbox over a real Postgres, by its statements alone: what workers meet that lost a claim,
//! or have very much to do.

mod answers;

use std::time::Duration;

use lokahi::clock;
use lokahi::model::id::{DeliveryId, ReceiverId};
use lokahi::store::delivery::{
    Attempted, Begun, GatheringLimits, Verdict, again_due, delivery_begin, delivery_claim,
    delivery_counts, delivery_finish, delivery_lapse, delivery_read, delivery_renew,
    delivery_untaken, group_due,
};
use sqlx::{Connection as _, Executor as _, PgConnection};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::support::servers::servers;

/// A database with one receiver, and an hour ago.
struct Outbox {
    conn: PgConnection,
    receiver: Uuid,
    began: OffsetDateTime,
}

impl Outbox {
    async fn new() -> Self {
        let url = servers().database().await;
        let mut conn = PgConnection::connect(&url).await.unwrap();
        let receiver = sqlx::query_scalar(
            "with spec as (
                 insert into specs (digest, bytes) values (decode(repeat('00', 32), 'hex'), '')
                 returning id)
             insert into receivers (id, project_id, address, spec_id, url, format, created_at)
             select gen_random_uuid(), p.id, 'oncall', spec.id, 'http://h/', 1, now()
             from spec, projects p where p.name = 'api' returning id",
        )
        .fetch_one(&mut conn)
        .await
        .unwrap();
        Self {
            conn,
            receiver,
            began: clock::now() - Duration::from_secs(3600),
        }
    }

    /// Deliveries that wait, each of an event of its own, under these keys.
    async fn owe(&mut self, keys: i32) -> Vec<Uuid> {
        sqlx::query_scalar(
            "with events as (
                 insert into transitions (id, type, seq, previous, next, at, told, payload)
                 select gen_random_uuid(), 'project.drifted', n, 0, 0, now(), true, ''
                 from generate_series(1, greatest($2, 1)) n returning id, seq)
             insert into deliveries (id, event_id, receiver_id, seq, next_at, created_at, group_key)
             select uuid_ordered(now()), id, $1, seq, now() - interval '1 minute', now(),
                 case $2 when 0 then '' else 'site=' || seq end
             from events returning id",
        )
        .bind(self.receiver)
        .bind(keys)
        .fetch_all(&mut self.conn)
        .await
        .unwrap()
    }

    async fn claim(&mut self, delivery: Uuid, worker: Uuid, n: i32) {
        sqlx::query(
            "insert into claims (receiver_id, lane, beside, delivery_id, worker, until, n, started_at)
             values ($1, $1, $2, $3, $4, now() - interval '1 second', $5, now())",
        )
        .bind(self.receiver)
        .bind(Uuid::nil())
        .bind(delivery)
        .bind(worker)
        .bind(n)
        .execute(&mut self.conn)
        .await
        .unwrap();
    }

    fn ended(&self, delivery: Uuid, n: i32, verdict: Verdict) -> Attempted {
        Attempted {
            delivery: DeliveryId(delivery),
            receiver: ReceiverId(self.receiver),
            check: None,
            replay: 0,
            is_test: false,
            n,
            status: None,
            error: Some("connection refused".to_owned()),
            excerpt: String::new(),
            took: Duration::from_millis(1),
            ended_at: self.began + Duration::from_secs(n.unsigned_abs().into()),
            slowed_until: None,
            again_at: None,
            frozen: true,
            verdict,
        }
    }

    async fn finish(&mut self, worker: Uuid, ended: &[Attempted]) {
        let mut tx = self.conn.begin().await.unwrap();
        delivery_finish(&mut tx, worker, ended).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn row(&mut self, sql: &'static str) -> String {
        sqlx::query_scalar(sql)
            .fetch_one(&mut self.conn)
            .await
            .unwrap()
    }
}

const HOW: &str = "select d.state || ' after ' || d.attempts || ', ' || (
        select string_agg(n || case when finished_at is null then ' open' else ' ended' end, ', '
            order by n) from attempts where delivery_id = d.id)
        || ', claims ' || (select count(*) from claims)
    from deliveries d";

#[tokio::test]
async fn an_attempt_that_was_lost_may_end_with_the_one_that_followed_it() {
    let mut outbox = Outbox::new().await;
    let delivery = outbox.owe(0).await[0];
    let (first, second) = (Uuid::now_v7(), Uuid::now_v7());
    // Frozen beyond its lease, and followed by one that dies.
    outbox.claim(delivery, first, 1).await;
    for (at, n) in [(second, 2), (first, 3)] {
        delivery_lapse(&mut outbox.conn, at, Some(&[]))
            .await
            .unwrap();
        outbox.claim(delivery, at, n).await;
    }
    assert_eq!(
        outbox.row(HOW).await,
        "pending after 2, 1 open, 2 open, claims 1"
    );
    let frozen = outbox.row("select frozen::text from deliveries").await;
    assert_eq!(frozen, "true");
    let later = clock::now() + Duration::from_secs(60);
    let ends = [
        outbox.ended(delivery, 1, Verdict::Dead("too late".to_owned())),
        outbox.ended(delivery, 3, Verdict::RetryAt(later)),
    ];
    outbox.finish(first, &ends).await;
    assert_eq!(
        outbox.row(HOW).await,
        "pending after 3, 1 ended, 2 open, 3 ended, claims 0"
    );
    // Whoever took it has it, whatever the next one came to.
    outbox.claim(delivery, first, 4).await;
    let ends = [
        outbox.ended(delivery, 2, Verdict::Delivered),
        outbox.ended(delivery, 4, Verdict::RetryAt(later)),
    ];
    outbox.finish(first, &ends).await;
    assert_eq!(
        outbox.row(HOW).await,
        "delivered after 3, 1 ended, 2 ended, 3 ended, 4 ended, claims 0"
    );
}

#[tokio::test]
async fn a_worker_ends_no_claim_of_what_it_is_sending() {
    let mut outbox = Outbox::new().await;
    let delivery = outbox.owe(0).await[0];
    let (ours, other) = (Uuid::now_v7(), Uuid::now_v7());
    outbox.claim(delivery, ours, 1).await;
    let sending = [DeliveryId(delivery)];
    let conn = &mut outbox.conn;
    delivery_lapse(conn, ours, Some(&sending)).await.unwrap();
    let claims = "select count(*)::text from claims";
    assert_eq!(outbox.row(claims).await, "1");
    // What is not known to be sent is nobody's; another's is taken for lost.
    for worker in [ours, other] {
        delivery_lapse(&mut outbox.conn, worker, Some(&[]))
            .await
            .unwrap();
        assert_eq!(outbox.row(claims).await, "0");
        outbox.claim(delivery, ours, 2).await;
    }
    sqlx::query("update claims set until = now() + interval '1 minute'")
        .execute(&mut outbox.conn)
        .await
        .unwrap();
    delivery_lapse(&mut outbox.conn, other, None).await.unwrap();
    assert_eq!(outbox.row(claims).await, "1");
    delivery_lapse(&mut outbox.conn, ours, None).await.unwrap();
    assert_eq!(outbox.row(claims).await, "0");
}

#[tokio::test]
async fn a_lease_is_as_long_whatever_a_worker_takes_for_now() {
    let mut outbox = Outbox::new().await;
    let delivery = DeliveryId(outbox.owe(0).await[0]);
    let (slow, other) = (Uuid::now_v7(), Uuid::now_v7());
    let mut tx = outbox.conn.begin().await.unwrap();
    let claimed = delivery_claim(&mut tx, &[delivery], clock::now()).await;
    let claimed = &claimed.unwrap()[0];
    let begun = [Begun {
        claimed,
        body: None,
        is_plain: true,
    }];
    let ours = delivery_begin(&mut tx, slow, &begun, outbox.began).await;
    assert_eq!(ours.unwrap().len(), 1);
    tx.commit().await.unwrap();
    let conn = &mut outbox.conn;
    delivery_lapse(conn, other, Some(&[])).await.unwrap();
    delivery_renew(conn, slow, &[delivery]).await.unwrap();
    delivery_lapse(conn, other, Some(&[])).await.unwrap();
    let claims = "select count(*)::text from claims";
    assert_eq!(outbox.row(claims).await, "1");
    let old = "update claims set until = now() - interval '1 second'";
    outbox.conn.execute(old).await.unwrap();
    let lapsed = delivery_lapse(&mut outbox.conn, other, Some(&[])).await;
    lapsed.unwrap();
    assert_eq!(outbox.row(claims).await, "0");
}

#[tokio::test]
async fn time_that_was_asked_for_is_given_until_something_is_taken() {
    let mut outbox = Outbox::new().await;
    let delivery = outbox.owe(0).await[0];
    let worker = Uuid::now_v7();
    let later = outbox.began + Duration::from_secs(600);
    let asks = Attempted {
        slowed_until: Some(later),
        ..outbox.ended(delivery, 1, Verdict::RetryAt(later))
    };
    outbox.finish(worker, &[asks]).await;
    // It was under way by then.
    let other = outbox.ended(delivery, 2, Verdict::RetryAt(later));
    outbox.finish(worker, &[other]).await;
    let slowed = "select (slowed_until is not null)::text from receiver_status";
    assert_eq!(outbox.row(slowed).await, "true");
    let taken = outbox.ended(delivery, 3, Verdict::Delivered);
    outbox.finish(worker, &[taken]).await;
    assert_eq!(outbox.row(slowed).await, "false");
}

#[tokio::test]
async fn of_very_many_keys_some_are_gathered_at_a_time_and_none_twice() {
    let mut outbox = Outbox::new().await;
    outbox.owe(250).await;
    let limits = GatheringLimits {
        keys: 100,
        of_each: 500,
        bytes: 1_000,
        enough: 60,
    };
    let mut found = Vec::new();
    loop {
        let mut tx = outbox.conn.begin().await.unwrap();
        let (due, more) = group_due(&mut tx, limits, clock::now()).await.unwrap();
        assert!(due.len() <= 60);
        for it in &due {
            assert_eq!(it.members.len(), 1);
            let gathered = "update deliveries set gathered = true where id = $1";
            let gathered = sqlx::query(gathered).bind(it.members[0].0);
            tx.execute(gathered).await.unwrap();
            found.push(it.key.clone());
        }
        tx.commit().await.unwrap();
        assert_eq!(more, due.len() == 60);
        if !more {
            break;
        }
    }
    found.sort();
    found.dedup();
    assert_eq!(found.len(), 250);
}

#[tokio::test]
async fn what_waits_behind_one_that_was_gathered_alone_says_so() {
    let mut outbox = Outbox::new().await;
    outbox.owe(2).await;
    let one_key = "update deliveries set group_key = 'site=1', gathered = seq = 1";
    outbox.conn.execute(one_key).await.unwrap();
    let both = "select array_agg(id order by seq) from deliveries";
    let both: Vec<Uuid> = sqlx::query_scalar(both)
        .fetch_one(&mut outbox.conn)
        .await
        .unwrap();
    let both: Vec<DeliveryId> = both.into_iter().map(DeliveryId).collect();
    let read = delivery_read(&mut outbox.conn, &both).await.unwrap();
    let of = |id| read.iter().find(|it| it.id == id).unwrap();
    let (first, second) = (of(both[0]), of(both[1]));
    assert_eq!((first.after, second.after), (None, Some(first.event)));
}

#[tokio::test]
async fn what_needs_somebody_is_counted_without_a_look_at_what_was_delivered() {
    let mut outbox = Outbox::new().await;
    outbox.owe(6).await;
    let states = "update deliveries set state = 'held' where seq in (1, 2);
        update deliveries set state = 'dead', reason = 'three days' where seq = 3;
        update deliveries set state = 'dead', reason = 'receiver removed' where seq = 4;
        insert into deliveries (id, event_id, receiver_id, seq, state, next_at, created_at)
            select gen_random_uuid(), gen_random_uuid(), r.id, n, 'delivered', now(), now()
            from receivers r, generate_series(1, 20000) n";
    outbox.conn.execute(states).await.unwrap();
    outbox.conn.execute("analyze deliveries").await.unwrap();
    let scans = "select seq_scan from pg_stat_xact_user_tables where relname = 'deliveries'";
    let scans = || sqlx::query_scalar::<_, i64>(scans);
    let mut tx = outbox.conn.begin().await.unwrap();
    let before = scans().fetch_one(&mut *tx).await.unwrap();
    let counts = delivery_counts(&mut tx, clock::now()).await.unwrap();
    assert_eq!((counts.pending, counts.held, counts.dead), (2, 2, 1));
    assert_eq!(scans().fetch_one(&mut *tx).await.unwrap(), before);
}

#[tokio::test]
async fn an_attempt_that_was_lost_without_an_answer_is_no_failure_of_its_receiver() {
    let mut outbox = Outbox::new().await;
    let delivery = outbox.owe(0).await[0];
    let (frozen, worker) = (Uuid::now_v7(), Uuid::now_v7());
    let later = clock::now() + Duration::from_secs(60);
    let failing = "select count(*)::text from receiver_status where failing_since is not null";
    let lost = outbox.ended(delivery, 1, Verdict::RetryAt(later));
    outbox.finish(frozen, &[lost]).await;
    assert_eq!(outbox.row(failing).await, "0");
    outbox.claim(delivery, worker, 2).await;
    let ours = outbox.ended(delivery, 2, Verdict::RetryAt(later));
    outbox.finish(worker, &[ours]).await;
    assert_eq!(outbox.row(failing).await, "1");
}

#[tokio::test]
async fn nobody_sends_where_nothing_was_taken_and_nobody_has_just_sent() {
    let mut outbox = Outbox::new().await;
    outbox.owe(0).await;
    let every = Duration::from_secs(60);
    let mut many = async |sql: &'static str| {
        outbox.conn.execute(sql).await.unwrap();
        let at = clock::now() - Duration::from_secs(30);
        let found = delivery_untaken(&mut outbox.conn, at, every).await.unwrap();
        found.map(|untaken| untaken.many)
    };
    assert_eq!(many("select").await, Some(1));
    let just = "insert into receiver_status (receiver_id, failed_at)
        select receiver_id, now() - interval '5 s' from deliveries";
    assert_eq!(many(just).await, None);
    let long = "update receiver_status set failed_at = now() - interval '1 minute'";
    assert_eq!(many(long).await, Some(1));
    let fires = "update deliveries set state = 'delivered', again_at = now() - interval '40 s'";
    assert_eq!(many(fires).await, Some(1));
    let taken = "insert into deliveries (id, event_id, receiver_id, seq, replay_no, state, next_at,
            created_at, again_at)
        select uuid_ordered(now()), event_id, receiver_id, seq, 1, 'delivered', now(), now(),
            now() + interval '50 s' from deliveries";
    assert_eq!(many(taken).await, None);
    let over = "update deliveries set again_at = null";
    assert_eq!(many(over).await, None);
}

#[tokio::test]
async fn one_message_tells_no_more_than_it_can_in_full() {
    let mut outbox = Outbox::new().await;
    let deliveries = outbox.owe(5).await;
    for sql in [
        "update deliveries set group_key = 'site=fra'",
        "update transitions set payload = convert_to(repeat('x', 400), 'UTF8'),
             at = at + seq * interval '1 s'",
    ] {
        outbox.conn.execute(sql).await.unwrap();
    }
    for (bytes, members) in [(399, 1), (800, 2), (1_999, 4), (2_000, 5)] {
        let limits = GatheringLimits {
            keys: 100,
            of_each: 500,
            bytes,
            enough: 60,
        };
        let mut tx = outbox.conn.begin().await.unwrap();
        let (due, _) = group_due(&mut tx, limits, clock::now()).await.unwrap();
        let first: Vec<Uuid> = due[0].members.iter().map(|id| id.0).collect();
        assert_eq!(first, deliveries[..members]);
        tx.rollback().await.unwrap();
    }
}

#[tokio::test]
async fn what_went_to_another_receiver_is_not_frozen_by_what_was_lost() {
    let mut outbox = Outbox::new().await;
    let delivery = outbox.owe(0).await[0];
    let worker = Uuid::now_v7();
    outbox.claim(delivery, worker, 1).await;
    // Its receiver is replaced while it is being sent.
    outbox.conn.execute("delete from claims").await.unwrap();
    let end = outbox.ended(delivery, 1, Verdict::Delivered);
    outbox.finish(worker, &[end]).await;
    let how = "select state || ' ' || frozen::text from deliveries";
    assert_eq!(outbox.row(how).await, "delivered false");
}

#[tokio::test]
async fn alerts_are_posted_again_to_whoever_wants_alerts() {
    let mut outbox = Outbox::new().await;
    outbox.owe(0).await;
    let now = clock::now();
    let prepare = "insert into checks (id, project_id, address, owner, live_spec_id, labels,
                 disabled, created_at)
             select gen_random_uuid(), r.project_id, 'front', 'api', r.spec_id, '{}', false, now()
             from receivers r;
         insert into incidents (id, check_id, opened_seq, opened_at)
             select gen_random_uuid(), id, 1, now() from checks;
         update transitions set incident_id = i.id from incidents i;
         insert into bodies (delivery_id, format, body) select id, 2, '[]' from deliveries;
         update deliveries set state = 'delivered', again_at = now() - interval '1 second'";
    outbox.conn.execute(prepare).await.unwrap();
    let minute = Duration::from_secs(60);
    let due = again_due(&mut outbox.conn, &[], (9, 9), minute, now).await;
    let (found, more) = due.unwrap();
    assert!(found.is_empty() && more, "it wants JSON");
    // It is not read again before it is due again.
    let due = again_due(&mut outbox.conn, &[], (9, 9), minute, now).await;
    assert!(!due.unwrap().1);
    let wants = "update receivers set format = 2;
        update deliveries set again_at = now() - interval '1 second'";
    outbox.conn.execute(wants).await.unwrap();
    // Its places are taken.
    let busy = [(ReceiverId(outbox.receiver), 9)];
    let due = again_due(&mut outbox.conn, &busy, (9, 9), minute, now).await;
    let (found, more) = due.unwrap();
    assert!(found.is_empty() && !more);
    let due = again_due(&mut outbox.conn, &busy, (10, 9), minute, now).await;
    let (found, more) = due.unwrap();
    assert_eq!((found.len(), more), (1, false));
}

/// Of a check that was told of first in one event and then in another that carries all before it,
/// with an incident that is open: the types of what is posted again.
async fn posted_again(events: &str, own: &str) -> String {
    let mut outbox = Outbox::new().await;
    let check = "update receivers set format = 2;
        insert into checks (id, project_id, address, owner, live_spec_id, labels, disabled,
                created_at)
            select gen_random_uuid(), r.project_id, 'front', 'api', r.spec_id, '{}', false, now()
            from receivers r;
        insert into incidents (id, check_id, opened_seq, opened_at)
            select gen_random_uuid(), id, 1, now() from checks";
    outbox.conn.execute(check).await.unwrap();
    let told = "with events as (
            insert into transitions (id, check_id, type, seq, previous, next, at, told, payload,
                resolved, incident_id)
            select gen_random_uuid(), c.id, split_part(e.type, ' ', 1), n, 0, 0, now(), true, '',
                e.type like '% resolved', case when e.type ~ 'down|error|reminder' then i.id end
            from string_to_table($1, ', ') with ordinality as e (type, n), checks c, incidents i
            returning id, check_id, seq)
        insert into deliveries (id, event_id, receiver_id, check_id, seq, state, next_at,
            created_at)
        select uuid_ordered(now()), e.id, r.id, e.check_id, seq, 'delivered', now(), now()
        from events e, receivers r";
    let told = sqlx::query(told).bind(format!("{events}, {own}"));
    outbox.conn.execute(told).await.unwrap();
    let carries = "update deliveries d set state = 'superseded', superseded_by = o.id
            from deliveries o where o.seq = (select max(seq) from deliveries) and o.seq > d.seq;
        update deliveries set again_at = now() - interval '1 second' where state = 'delivered';
        insert into bodies (delivery_id, format, body) select id, 2, '[]' from deliveries";
    outbox.conn.execute(carries).await.unwrap();
    let minute = Duration::from_secs(60);
    let due = again_due(&mut outbox.conn, &[], (9, 9), minute, clock::now()).await;
    let (found, more) = due.unwrap();
    assert_eq!(found.is_empty(), more);
    let open = found.iter().flat_map(|it| it.open.iter().map(|id| id.0));
    let open: Vec<Uuid> = open.collect();
    let types = "select coalesce(string_agg(type, ', ' order by seq), '') from transitions
        where id = any($1)";
    let types = sqlx::query_scalar(types).bind(open);
    types.fetch_one(&mut outbox.conn).await.unwrap()
}

#[tokio::test]
async fn what_goes_on_is_posted_again_whatever_carries_it() {
    for (events, own, expect) in [
        ("check.degraded", "check.down", "check.degraded, check.down"),
        ("check.degraded", "check.up", "check.degraded"),
        ("check.degraded, check.degraded resolved", "check.up", ""),
        ("check.degraded", "check.deleted", ""),
        // Of an incident the newest, whichever is the message's own.
        (
            "check.down, check.error",
            "check.degraded",
            "check.error, check.degraded",
        ),
        ("check.down", "check.reminder", "check.reminder"),
        (
            "check.degraded, check.down",
            "check.degraded resolved",
            "check.down",
        ),
    ] {
        let posted = posted_again(events, own).await;
        assert_eq!(posted, expect, "{own} carries {events}");
    }
}
