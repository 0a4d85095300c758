//! A fleet and the declared project `shop`, written as an apply writes it: for
//! stories of what becomes of a check.

use lokahi::clock;
use lokahi::model::check::CheckSpec;
use lokahi::model::health::State;
use lokahi::model::id::{CheckId, ReceiverId};
use lokahi::model::ownership::Owner;
use lokahi::model::webhook::{WebhookFormat, WebhookSpec};
use lokahi::spec::{Digest, encode_check, encode_webhook};
use lokahi::store::check::{NewCheck, check_create, check_update};
use lokahi::store::project::{ProjectId, project_lock};
use lokahi::store::receiver::{NewReceiver, receiver_create, receiver_link};
use lokahi::store::shard::{Progress, generation_progress};
use lokahi::store::spec::spec_put;
use sqlx::{Connection as _, PgConnection, Row as _};
use time::OffsetDateTime;
use uuid::Uuid;

use super::fleet::Fleet;
use super::peers::Receiver;
use crate::support::until;

pub(super) struct Shop {
    pub(super) fleet: Fleet,
    pub(super) conn: PgConnection,
    pub(super) project: ProjectId,
}

/// What is stored of a check's health.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Stored {
    pub(super) state: State,
    pub(super) seq: i64,
    pub(super) incident: Option<Uuid>,
}

impl Shop {
    pub(super) async fn open() -> Self {
        Self::over(Fleet::start(&[]).await).await
    }

    /// The same over a fleet with settings of its own.
    pub(super) async fn over(fleet: Fleet) -> Self {
        let mut conn = fleet.database().await;
        let project = project_lock(&mut conn, "shop").await.unwrap().id;
        Self {
            fleet,
            conn,
            project,
        }
    }

    /// A check that is probed each second and believed at once.
    pub(super) async fn wish(
        &mut self,
        address: &str,
        url: &str,
        change: impl FnOnce(&mut CheckSpec),
    ) -> NewCheck {
        let mut spec = CheckSpec::new(url.parse().unwrap());
        spec.every = lokahi::model::check::Every::from_seconds(1).unwrap();
        spec.timeout = spec.every.default_timeout();
        spec.confirm.failures = 1;
        change(&mut spec);
        let bytes = encode_check(&spec);
        let digest = Digest::of(&bytes);
        let spec_id = spec_put(&mut self.conn, &[bytes]).await.unwrap()[&digest];
        NewCheck {
            id: CheckId(Uuid::now_v7()),
            address: address.to_owned(),
            spec_id,
            spec: std::sync::Arc::new(spec),
            quiet: false,
        }
    }

    pub(super) async fn create(&mut self, check: &NewCheck, told: &[ReceiverId]) {
        let checks = std::slice::from_ref(check);
        let (conn, now) = (&mut self.conn, clock::now());
        check_create(conn, self.project, Owner::Declared, checks, now)
            .await
            .unwrap();
        self.route(check.id, told).await;
    }

    /// The same check with another spec.
    pub(super) async fn edit(&mut self, check: &NewCheck, change: impl FnOnce(&mut CheckSpec)) {
        let mut spec = CheckSpec::clone(&check.spec);
        change(&mut spec);
        let url = spec.url.to_string();
        let mut wish = self.wish(&check.address, &url, |own| *own = spec).await;
        wish.id = check.id;
        check_update(&mut self.conn, Owner::Declared, &[wish])
            .await
            .unwrap();
    }

    /// Makes a receiver of JSON.
    pub(super) async fn receiver(&mut self, address: &str, at: &Receiver) -> ReceiverId {
        self.receiver_of(address, at, &[]).await
    }

    /// The same of one that wants these events only.
    pub(super) async fn receiver_of(
        &mut self,
        address: &str,
        at: &Receiver,
        events: &[&str],
    ) -> ReceiverId {
        let spec = WebhookSpec {
            events: events.iter().map(|event| event.parse().unwrap()).collect(),
            // Each event by itself, however quickly they come.
            collapse: false,
            ..WebhookSpec::new(at.url.parse().unwrap(), WebhookFormat::Json)
        };
        self.receiver_with(address, spec).await
    }

    /// Makes a receiver.
    pub(super) async fn receiver_with(&mut self, address: &str, spec: WebhookSpec) -> ReceiverId {
        let bytes = encode_webhook(&spec);
        let digest = Digest::of(&bytes);
        let spec_id = spec_put(&mut self.conn, &[bytes]).await.unwrap()[&digest];
        let id = ReceiverId(Uuid::now_v7());
        let new = NewReceiver {
            id,
            address: address.to_owned(),
            spec_id,
            spec,
        };
        receiver_create(&mut self.conn, self.project, &[new], clock::now())
            .await
            .unwrap();
        id
    }

    /// Says who hears of a check from now on.
    pub(super) async fn route(&mut self, check: CheckId, told: &[ReceiverId]) {
        receiver_link(&mut self.conn, &[(check, told.to_vec())])
            .await
            .unwrap();
    }

    /// What is stored of a check; `None` if there is no row.
    pub(super) async fn stored(&self, check: CheckId) -> Option<Stored> {
        let row =
            sqlx::query("select state, seq, incident_id from check_states where check_id = $1")
                .bind(check.0)
                .fetch_optional(&mut self.fleet.database().await)
                .await
                .unwrap()?;
        Some(Stored {
            state: State::from_number(row.get(0)).unwrap(),
            seq: row.get(1),
            incident: row.get(2),
        })
    }

    pub(super) async fn until(&self, check: CheckId, state: State) {
        until(&format!("{check} is {}", state.name()), async || {
            let stored = self.stored(check).await;
            stored.is_some_and(|stored| stored.state == state)
        })
        .await;
    }

    /// When its newest probe was due.
    pub(super) async fn newest(&self, check: CheckId) -> OffsetDateTime {
        sqlx::query_scalar(
            "select max(o.at) from observations o join checks c on c.check_no = o.check_no
             where c.id = $1",
        )
        .bind(check.0)
        .fetch_one(&mut self.fleet.database().await)
        .await
        .unwrap()
    }

    /// When its probes were due, from that one on.
    pub(super) async fn times(&self, check: CheckId, since: OffsetDateTime) -> Vec<OffsetDateTime> {
        sqlx::query_scalar(
            "select o.at from observations o join checks c on c.check_no = o.check_no
             where c.id = $1 and o.at >= $2 order by o.at",
        )
        .bind(check.0)
        .bind(since)
        .fetch_all(&mut self.fleet.database().await)
        .await
        .unwrap()
    }

    /// Makes checks as generation `n`.
    pub(super) async fn apply(&mut self, n: i64, checks: &[NewCheck]) {
        let now = clock::now();
        // Postgres keeps microseconds.
        let now = now
            .replace_nanosecond(now.nanosecond() / 1000 * 1000)
            .unwrap();
        let mut tx = self.conn.begin().await.unwrap();
        check_create(&mut tx, self.project, Owner::Declared, checks, now)
            .await
            .unwrap();
        for check in checks {
            sqlx::query(
                "insert into memberships (project_id, kind, address, spec_id, from_gen, file, line)
                 values ($1, 'check', $2, $3, $4, 'a.hcl', 1)",
            )
            .bind(self.project.0)
            .bind(&check.address)
            .bind(check.spec_id.0)
            .bind(n)
            .execute(&mut *tx)
            .await
            .unwrap();
        }
        sqlx::query(
            "insert into generations (project_id, n, kind, actor, created, updated, deleted, at)
             values ($1, $2, 'apply', 'story', $3, 0, 0, $4)",
        )
        .bind(self.project.0)
        .bind(n)
        .bind(i32::try_from(checks.len()).unwrap())
        .bind(now)
        .execute(&mut *tx)
        .await
        .unwrap();
        tx.commit().await.unwrap();
    }

    pub(super) async fn progress(&self, n: i64) -> Option<Progress> {
        let database = &mut self.fleet.database().await;
        generation_progress(database, "shop", n).await.unwrap()
    }

    /// One number.
    pub(super) async fn count(&self, sql: &'static str) -> i64 {
        let database = &mut self.fleet.database().await;
        sqlx::query_scalar(sql).fetch_one(database).await.unwrap()
    }

    /// Waits until the owner of a check's shard has read all that the feed has of it.
    pub(super) async fn until_read(&self, check: CheckId) {
        until("the feed was read", async || {
            let open: i64 = sqlx::query_scalar(
                "select count(*) from changes c join shards s on s.shard_no = c.shard
                 where c.shard = $1 and (s.seen is null or s.seen <= c.xid)",
            )
            .bind(check.shard().0)
            .fetch_one(&mut self.fleet.database().await)
            .await
            .unwrap();
            open == 0
        })
        .await;
    }
}

/// `TYPE NAME SEQUENCE` of everything that a receiver took.
pub(super) fn told(receiver: &Receiver) -> Vec<String> {
    let taken = receiver.taken();
    let told = taken.iter().map(|received| {
        let body: serde_json::Value = serde_json::from_slice(&received.body).unwrap();
        let name = body["data"]["check"]["name"].as_str().unwrap_or("-");
        let sequence = body["data"]["sequence"].as_str().unwrap_or("-");
        format!("{} {name} {sequence}", body["type"].as_str().unwrap())
    });
    told.collect()
}

/// Waits until a receiver took as much, and gives it.
pub(super) async fn until_told(receiver: &Receiver, many: usize) -> Vec<String> {
    until(&format!("{many} were told"), async || {
        receiver.taken().len() >= many
    })
    .await;
    told(receiver)
}
