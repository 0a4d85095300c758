//! The store over a real Postgres: what passes from hand to hand keeps its id
//! and its history.

use std::collections::BTreeMap;

use lokahi::clock;
use lokahi::model::check::CheckSpec;
use lokahi::model::health::{State, Told, Transition};
use lokahi::model::id::{CheckId, EventId, ReceiverId, SpecId};
use lokahi::model::ownership::Owner;
use lokahi::model::webhook::{WebhookFormat, WebhookSpec};
use lokahi::spec::{Digest, encode_check, encode_webhook};
use lokahi::store::check::{
    NewCheck, check_adopt, check_create, check_delete, check_get, check_lock, check_release,
    check_rename, check_revive, check_update,
};
use lokahi::store::error::StoreError;
use lokahi::store::observation::{state_delete, state_reset};
use lokahi::store::project::{ProjectId, project_find, project_lock};
use lokahi::store::receiver::{
    NewReceiver, receiver_create, receiver_delete, receiver_link, receiver_rename, receiver_revive,
};
use lokahi::store::shard::shard_check_find;
use lokahi::store::spec::spec_put;
use lokahi::store::tombstone::api_checks_lock;
use lokahi::store::transition::{NewTransition, transition_insert};
use sqlx::{Connection as _, PgConnection, Row as _};
use uuid::Uuid;

use crate::support::servers::servers;
use crate::support::until;

/// A database with the projects `shop` and `api`.
struct Shelf {
    url: String,
    conn: PgConnection,
    shop: ProjectId,
    api: ProjectId,
}

impl Shelf {
    async fn new() -> Self {
        let url = servers().database().await;
        let mut conn = PgConnection::connect(&url).await.unwrap();
        let shop = project_lock(&mut conn, "shop").await.unwrap().id;
        let api = project_find(&mut conn, "api").await.unwrap().unwrap();
        Self {
            url,
            conn,
            shop,
            api,
        }
    }

    async fn spec(&mut self, bytes: Vec<u8>) -> SpecId {
        let digest = Digest::of(&bytes);
        spec_put(&mut self.conn, &[bytes]).await.unwrap()[&digest]
    }

    async fn wish(&mut self, address: &str, change: impl FnOnce(&mut CheckSpec)) -> NewCheck {
        let mut spec = CheckSpec::new("http://site.example.com/".parse().unwrap());
        change(&mut spec);
        NewCheck {
            id: CheckId(Uuid::now_v7()),
            address: address.to_owned(),
            spec_id: self.spec(encode_check(&spec)).await,
            spec: std::sync::Arc::new(spec),
            quiet: false,
        }
    }

    async fn declared(&mut self, address: &str) -> NewCheck {
        let new = self.wish(address, |_| ()).await;
        let made = std::slice::from_ref(&new);
        check_create(
            &mut self.conn,
            self.shop,
            Owner::Declared,
            made,
            clock::now(),
        )
        .await
        .unwrap();
        new
    }

    async fn made(&mut self, address: &str) -> NewCheck {
        let new = self.wish(address, |_| ()).await;
        let made = std::slice::from_ref(&new);
        check_create(&mut self.conn, self.api, Owner::Api, made, clock::now())
            .await
            .unwrap();
        new
    }

    async fn receiver(&mut self, address: &str, url: &str) -> NewReceiver {
        let spec = WebhookSpec::new(url.parse().unwrap(), WebhookFormat::Json);
        let new = NewReceiver {
            id: ReceiverId(Uuid::now_v7()),
            address: address.to_owned(),
            spec_id: self.spec(encode_webhook(&spec)).await,
            spec,
        };
        let made = std::slice::from_ref(&new);
        receiver_create(&mut self.conn, self.shop, made, clock::now())
            .await
            .unwrap();
        new
    }

    /// `PROJECT/ADDRESS OWNER vVERSION`.
    async fn shown(&mut self, id: CheckId) -> String {
        match check_get(&mut self.conn, id).await.unwrap() {
            Some(c) => format!(
                "{}/{} {} v{}",
                c.project,
                c.address,
                c.owner.name(),
                c.version
            ),
            None => "gone".to_owned(),
        }
    }

    /// Entries of the feed about a check.
    async fn noted(&mut self, id: CheckId) -> i64 {
        sqlx::query_scalar("select count(*) from changes where check_id = $1")
            .bind(id.0)
            .fetch_one(&mut self.conn)
            .await
            .unwrap()
    }

    async fn column<T>(&mut self, sql: &'static str, id: Uuid) -> T
    where
        T: Send + Unpin + for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
    {
        let row = sqlx::query(sql).bind(id).fetch_one(&mut self.conn).await;
        row.unwrap().get(0)
    }
}

fn transition(check: &NewCheck, seq: i64) -> NewTransition {
    NewTransition {
        id: EventId(Uuid::now_v7()),
        check: check.id,
        kind: "check.up",
        transition: Transition {
            previous: State::Init,
            degraded: false,
            next: State::Up,
            at: clock::now(),
            seq,
            incident: None,
            told: Told::No,
            flap: None,
            reminds: false,
        },
        spec_id: check.spec_id,
        generation: 1,
        revision: String::new(),
        payload: Vec::new(),
        group: None,
    }
}

#[tokio::test]
async fn a_buried_check_comes_back_with_its_id_and_goes_on_counting() {
    let mut shelf = Shelf::new().await;
    let mut check = shelf.declared("shop").await;
    let past: Vec<_> = (1..=7).map(|seq| transition(&check, seq)).collect();
    let now = clock::now();
    transition_insert(&mut shelf.conn, &past, now)
        .await
        .unwrap();
    check_delete(&mut shelf.conn, &[check.id], now)
        .await
        .unwrap();
    state_delete(&mut shelf.conn, &[check.id]).await.unwrap();
    check.address = "store".to_owned();
    check.quiet = true;
    let back = [check.clone()];
    check_revive(&mut shelf.conn, shelf.shop, Owner::Declared, &back, now)
        .await
        .unwrap();
    assert_eq!(shelf.shown(check.id).await, "shop/store declared v3");
    let known = shard_check_find(&mut shelf.conn, &[check.id])
        .await
        .unwrap();
    assert_eq!(
        (known[0].health.state, known[0].health.seq),
        (State::Init, 7)
    );
    assert_eq!(shelf.noted(check.id).await, 3);
    let next = [transition(&check, known[0].health.seq + 1)];
    transition_insert(&mut shelf.conn, &next, now)
        .await
        .unwrap();
    let quiet = "select quiet from check_states where check_id = $1";
    assert!(shelf.column::<bool>(quiet, check.id.0).await);
}

#[tokio::test]
async fn a_check_that_is_not_buried_yet_goes_on_as_it_was() {
    let mut shelf = Shelf::new().await;
    let check = shelf.declared("shop").await;
    let now = clock::now();
    sqlx::query("update check_states set state = 2, seq = 4, failures = 1")
        .execute(&mut shelf.conn)
        .await
        .unwrap();
    check_delete(&mut shelf.conn, &[check.id], now)
        .await
        .unwrap();
    let back = [check.clone()];
    check_revive(&mut shelf.conn, shelf.shop, Owner::Declared, &back, now)
        .await
        .unwrap();
    let known = shard_check_find(&mut shelf.conn, &[check.id])
        .await
        .unwrap();
    assert_eq!(
        (known[0].health.state, known[0].health.seq),
        (State::Down, 4)
    );
}

#[tokio::test]
async fn an_address_that_is_taken_is_not_given_to_a_buried_check() {
    let mut shelf = Shelf::new().await;
    let check = shelf.declared("shop").await;
    let now = clock::now();
    check_delete(&mut shelf.conn, &[check.id], now)
        .await
        .unwrap();
    shelf.declared("shop").await;
    let taken = check_revive(&mut shelf.conn, shelf.shop, Owner::Declared, &[check], now).await;
    assert!(matches!(taken, Err(StoreError::AddressTaken(name)) if name == "shop"));
}

#[tokio::test]
async fn names_are_swapped_in_one_statement() {
    let mut shelf = Shelf::new().await;
    let (a, b) = (shelf.declared("a").await, shelf.declared("b").await);
    let swap = [(a.id, "b".to_owned()), (b.id, "a".to_owned())];
    check_rename(&mut shelf.conn, &swap).await.unwrap();
    assert_eq!(shelf.shown(a.id).await, "shop/b declared v2");
    assert_eq!(shelf.shown(b.id).await, "shop/a declared v2");
    assert_eq!(shelf.noted(a.id).await, 2);
}

#[tokio::test]
async fn a_name_that_is_given_up_later_in_the_transaction_can_be_taken() {
    let mut shelf = Shelf::new().await;
    let (old, new) = (
        shelf.receiver("oncall", "http://a.example.com/").await,
        shelf.receiver("pager", "http://b.example.com/").await,
    );
    let mut tx = shelf.conn.begin().await.unwrap();
    receiver_rename(&mut tx, &[(new.id, "oncall".to_owned())])
        .await
        .unwrap();
    receiver_delete(&mut tx, &[old.id], clock::now())
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let address = "select address from receivers where id = $1";
    assert_eq!(shelf.column::<String>(address, new.id.0).await, "oncall");
}

#[tokio::test]
async fn a_removed_receiver_comes_back_with_its_id() {
    let mut shelf = Shelf::new().await;
    let mut pager = shelf.receiver("pager", "http://b.example.com/").await;
    receiver_delete(&mut shelf.conn, &[pager.id], clock::now())
        .await
        .unwrap();
    pager.address = "oncall".to_owned();
    receiver_revive(&mut shelf.conn, std::slice::from_ref(&pager))
        .await
        .unwrap();
    let shown = "select address || ' ' || (deleted_at is null) from receivers where id = $1";
    assert_eq!(
        shelf.column::<String>(shown, pager.id.0).await,
        "oncall true"
    );
}

#[tokio::test]
async fn a_released_check_keeps_its_name_and_those_it_tells() {
    let mut shelf = Shelf::new().await;
    let check = shelf.declared("shop").await;
    let open = shelf.receiver("oncall", "http://hook.example.com/").await;
    receiver_link(&mut shelf.conn, &[(check.id, vec![open.id])])
        .await
        .unwrap();
    let tells = open.spec.clone();
    let mut released = shelf.wish("shop", |spec| spec.webhook = Some(tells)).await;
    released.id = check.id;
    // What waits when its receiver goes in the same apply is not lost.
    let mut seen = transition(&check, 1);
    seen.transition.told = Told::Yes;
    transition_insert(&mut shelf.conn, &[seen], clock::now())
        .await
        .unwrap();
    check_release(&mut shelf.conn, &[released], shelf.api)
        .await
        .unwrap();
    receiver_delete(&mut shelf.conn, &[open.id], clock::now())
        .await
        .unwrap();
    let waits = "select d.state || ' ' || (r.address is null) from deliveries d
                 join receivers r on r.id = d.receiver_id where d.check_id = $1";
    assert_eq!(
        shelf.column::<String>(waits, check.id.0).await,
        "pending true"
    );
    assert_eq!(shelf.shown(check.id).await, "api/shop api v2");
    assert_eq!(shelf.noted(check.id).await, 2);
    let told = sqlx::query(
        "select p.name, r.url, r.format, r.address is null from check_receivers l
         join receivers r on r.id = l.receiver_id join projects p on p.id = r.project_id",
    )
    .fetch_all(&mut shelf.conn)
    .await
    .unwrap();
    let told: Vec<(String, String, i16, bool)> = told
        .iter()
        .map(|row| (row.get(0), row.get(1), row.get(2), row.get(3)))
        .collect();
    let expected = ("api".to_owned(), open.spec.url.to_string(), 1, true);
    assert_eq!(told, [expected]);
}

#[tokio::test]
async fn a_released_check_whose_name_the_api_has_is_called_by_its_id() {
    let mut shelf = Shelf::new().await;
    let (check, _taken) = (shelf.declared("shop").await, shelf.made("shop").await);
    check_release(&mut shelf.conn, std::slice::from_ref(&check), shelf.api)
        .await
        .unwrap();
    let shown = shelf.shown(check.id).await;
    assert_eq!(shown, format!("api/{} api v2", check.id));
}

#[tokio::test]
async fn an_adopted_check_is_the_same_check() {
    let mut shelf = Shelf::new().await;
    let made = shelf.made("it").await;
    let mut wish = shelf.wish("shop", |spec| spec.enabled = false).await;
    wish.id = made.id;
    check_adopt(&mut shelf.conn, shelf.shop, &[wish.clone()])
        .await
        .unwrap();
    assert_eq!(shelf.shown(made.id).await, "shop/shop declared v2");
    assert_eq!(shelf.noted(made.id).await, 2);
    let declared = "select declared_spec_id from checks where id = $1";
    assert_eq!(
        shelf.column::<i64>(declared, made.id.0).await,
        wish.spec_id.0
    );
}

#[tokio::test]
async fn whether_a_check_is_disabled_is_a_column() {
    let mut shelf = Shelf::new().await;
    let mut seen = BTreeMap::new();
    let check = shelf.declared("shop").await;
    for enabled in [false, true] {
        let mut wish = shelf.wish("shop", |spec| spec.enabled = enabled).await;
        wish.id = check.id;
        check_update(&mut shelf.conn, Owner::Declared, &[wish])
            .await
            .unwrap();
        let disabled = "select disabled from checks where id = $1";
        seen.insert(enabled, shelf.column::<bool>(disabled, check.id.0).await);
    }
    assert_eq!(seen, BTreeMap::from([(false, true), (true, false)]));
}

#[tokio::test]
async fn who_changes_a_check_does_not_keep_its_transitions_waiting() {
    let mut shelf = Shelf::new().await;
    let check = shelf.made("it").await;
    let mut other = PgConnection::connect(&shelf.url).await.unwrap();
    let mut tx = other.begin().await.unwrap();
    let wanted = ["it".to_owned()];
    let adopting = api_checks_lock(&mut tx, &wanted).await.unwrap();
    assert_eq!(adopting.len(), 1);
    assert_eq!(check_lock(&mut tx, check.id).await.unwrap(), Some(1));
    sqlx::query("set lock_timeout = '1s'")
        .execute(&mut shelf.conn)
        .await
        .unwrap();
    let seen = [transition(&check, 1)];
    let recorded = transition_insert(&mut shelf.conn, &seen, clock::now()).await;
    assert!(recorded.is_ok(), "{recorded:?}");
}

#[tokio::test]
async fn a_check_that_changes_while_it_is_adopted_is_found() {
    let mut shelf = Shelf::new().await;
    let mut check = shelf.made("it").await;
    let changed = shelf.wish("it", |spec| spec.enabled = false).await;
    check.spec_id = changed.spec_id;
    let mut other = PgConnection::connect(&shelf.url).await.unwrap();
    let mut tx = other.begin().await.unwrap();
    check_update(&mut tx, Owner::Api, &[check]).await.unwrap();
    let mut adopter = PgConnection::connect(&shelf.url).await.unwrap();
    let wanted = ["it".to_owned()];
    let adopting = async {
        let mut tx = adopter.begin().await.unwrap();
        api_checks_lock(&mut tx, &wanted).await.unwrap()
    };
    let waits = "select count(*) from pg_locks l join pg_stat_activity a using (pid)
                 where not l.granted and a.datname = current_database()";
    let pool = sqlx::PgPool::connect(&shelf.url).await.unwrap();
    let committing = async {
        until("the adoption waits for the change", async || {
            let waiting: i64 = sqlx::query_scalar(waits).fetch_one(&pool).await.unwrap();
            waiting > 0
        })
        .await;
        tx.commit().await.unwrap();
    };
    let (found, ()) = tokio::join!(adopting, committing);
    let digests: Vec<Digest> = found.into_iter().map(|(_, _, digest)| digest).collect();
    assert_eq!(digests, [Digest::of(&encode_check(&changed.spec))]);
}

#[tokio::test]
async fn of_what_nobody_watches_nothing_is_believed() {
    let mut shelf = Shelf::new().await;
    let check = shelf.declared("shop").await;
    sqlx::query(
        "update check_states set state = 2, seq = 4, failures = 1, last_at = now(),
             last_outcome = 2, last_class = 3, last_status = 500, last_total_us = 7",
    )
    .execute(&mut shelf.conn)
    .await
    .unwrap();
    // What followed the stored state and did not change it.
    sqlx::raw_sql(
        "create table observations_default partition of observations default;
         insert into observations select check_no, now() + interval '1 second',
             0, 0, 0, 0, 0, 0, 7, 2, 3, 500 from checks;
         insert into evidence select check_no, now(), '' from checks",
    )
    .execute(&mut shelf.conn)
    .await
    .unwrap();
    state_reset(&mut shelf.conn, &[check.id], clock::now())
        .await
        .unwrap();
    let stored = check_get(&mut shelf.conn, check.id).await.unwrap().unwrap();
    assert_eq!((stored.state, stored.seq), (State::Init, 4));
    assert!(stored.last.is_none());
    assert_eq!(stored.failure, None);
}
