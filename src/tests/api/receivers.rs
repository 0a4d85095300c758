//! Receivers and deliveries over the API: who is meant, pages, and what is sent again once.

use lokahi::model::webhook::{WebhookFormat, WebhookSpec};
use serde_json::{Value, json};
use sqlx::Executor as _;

use crate::support::declaring::Declaring;
use crate::support::programs::lokahictl;
use crate::support::server::Server;

/// A server with the receiver `oncall` in two projects, and no worker.
struct Ground {
    server: Server,
}

impl Ground {
    async fn new() -> Self {
        let ground = Self {
            server: Server::guarded().await,
        };
        for project in ["shop", "blog"] {
            let url = "https://hooks.example.com:8443/T0/B0/secret"
                .parse()
                .unwrap();
            let oncall = WebhookSpec::new(url, WebhookFormat::Json);
            let wish = Declaring::new(project).webhook("oncall", oncall);
            wish.apply(&ground.server.client()).await.unwrap();
        }
        ground
    }

    async fn run(&self, sql: &'static str) {
        let mut conn = self.server.store.acquire().await.unwrap();
        conn.execute(sql).await.unwrap();
    }

    async fn count(&self, sql: &'static str) -> i64 {
        let mut conn = self.server.store.acquire().await.unwrap();
        sqlx::query_scalar(sql).fetch_one(&mut *conn).await.unwrap()
    }

    /// So many deliveries of shop's oncall, a second apart, the newest a second ago.
    async fn delivered(&self, many: i32) {
        let mut conn = self.server.store.acquire().await.unwrap();
        sqlx::query(
            "with events as (
                 insert into transitions (id, type, seq, previous, next, at, told, payload)
                 select gen_random_uuid(), 'project.drifted', n, 0, 0,
                     now() - n * interval '1 second', true, 'event'
                 from generate_series(1, $1) n returning id, seq, at),
             told as (
                 insert into deliveries (id, event_id, receiver_id, seq, state, next_at, created_at,
                     finished_at, attempts, frozen)
                 select gen_random_uuid(), e.id, r.id, e.seq, 'delivered', e.at, e.at, e.at, 1, true
                 from events e, receivers r join projects p on p.id = r.project_id
                 where p.name = 'shop' and r.address = 'oncall' returning id)
             insert into bodies (delivery_id, body) select id, '{}' from told",
        )
        .bind(many)
        .execute(&mut *conn)
        .await
        .unwrap();
    }

    async fn good(&self, method: &str, body: Value) -> Value {
        self.server.good(method, &body.to_string()).await
    }

    async fn refused(&self, method: &str, body: Value) -> (String, Value) {
        let answer = self.server.json(method, &body.to_string()).await;
        (answer.refusal(), answer.json())
    }
}

#[tokio::test]
async fn of_a_url_only_its_host_is_shown() {
    let ground = Ground::new().await;
    let page = ground
        .good("Receivers/List", json!({"project": "shop"}))
        .await;
    let listed = page["receivers"].as_array().unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0]["name"], "oncall");
    assert_eq!(listed[0]["host"], "hooks.example.com:8443");
    assert!(!page.to_string().contains("secret"), "{page}");
    // One that only checks tell that have no name for it is there while they do.
    let check = json!({"url": "http://a.example.com/", "webhook_url": "http://h.example.com/x"});
    ground.good("Checks/Create", check).await;
    let page = ground.good("Receivers/List", json!({})).await;
    let listed = page["receivers"].as_array().unwrap();
    let shown = listed.iter().map(|it| {
        let text = |name: &str| it[name].as_str().unwrap_or("-").to_owned();
        format!(
            "{}/{} {} {}",
            text("project"),
            text("name"),
            text("host"),
            it["checks"]
        )
    });
    assert_eq!(
        shown.collect::<Vec<_>>(),
        [
            "api/- h.example.com 1",
            "blog/oncall hooks.example.com:8443 null",
            "shop/oncall hooks.example.com:8443 null",
        ]
    );
    let one = ground.good("Receivers/List", json!({"count": 1})).await;
    assert_eq!(one["more"], true);
    let (refused, _) = ground
        .refused("Receivers/List", json!({"count": 10_001}))
        .await;
    assert_eq!(refused, "400 invalid_argument count");
}

#[tokio::test]
async fn who_is_meant_must_be_there_and_be_one() {
    let ground = Ground::new().await;
    for method in ["Receivers/Test", "Receivers/Retry"] {
        let (refused, why) = ground.refused(method, json!({"receiver": "oncall"})).await;
        assert_eq!(refused, "400 invalid_argument receiver");
        assert!(why["msg"].as_str().unwrap().contains("blog, shop"), "{why}");
        for nobody in [
            json!({"receiver": "nobody"}),
            json!({"receiver": "oncall", "project": "till"}),
            json!({"receiver": "0198c3d2-7a54-7cc0-b1d2-3f6f1a2b3c4d"}),
        ] {
            let (refused, _) = ground.refused(method, nobody).await;
            assert_eq!(refused, "404 not_found receiver");
        }
    }
    ground
        .run(
            "update receivers set deleted_at = now() where project_id =
            (select id from projects where name = 'blog')",
        )
        .await;
    let sent = json!({"receiver": "oncall", "request_id": "a"});
    let first = ground.good("Receivers/Test", sent.clone()).await;
    assert_eq!(
        (&first["project"], &first["state"]),
        (&json!("shop"), &json!("pending"))
    );
    assert_eq!(ground.good("Receivers/Test", sent).await["id"], first["id"]);
    assert_eq!(
        ground
            .count("select count(*) from transitions where type = 'test'")
            .await,
        1
    );
    let removed = json!({"receiver": "oncall", "project": "blog"});
    let (refused, why) = ground.refused("Receivers/Test", removed).await;
    assert_eq!(refused, "412 failed_precondition -");
    assert_eq!(why["meta"]["reason"], "removed");

    ground
        .run(
            "insert into receiver_status (receiver_id, slowed_until)
            select id, now() + interval '1 hour' from receivers where deleted_at is null",
        )
        .await;
    let (_, why) = ground
        .refused("Receivers/Test", json!({"receiver": "oncall"}))
        .await;
    assert_eq!(why["meta"]["reason"], "slowed");
    let due = ground.good("Receivers/Retry", json!({"all": true})).await;
    assert_eq!(
        (&due["deliveries"], &due["receivers"]),
        (&json!("1"), &json!(1))
    );
    ground
        .good("Receivers/Test", json!({"receiver": "oncall"}))
        .await;
}

#[tokio::test]
async fn deliveries_are_read_in_pages_and_by_what_they_are() {
    let ground = Ground::new().await;
    ground.delivered(5).await;
    let mut seen = Vec::new();
    let mut before = String::new();
    loop {
        let asked = json!({"count": 2, "before": before, "receiver": "oncall", "project": "shop"});
        let page = ground.good("Receivers/Deliveries", asked).await;
        let found = page["deliveries"].as_array().unwrap();
        seen.extend(
            found
                .iter()
                .map(|it| it["created_at"].as_str().unwrap().to_owned()),
        );
        let Some(next) = page["next"].as_str() else {
            break;
        };
        before = next.to_owned();
    }
    let mut sorted = seen.clone();
    sorted.sort();
    sorted.reverse();
    assert_eq!((seen.len(), &seen), (5, &sorted));

    let many = async |asked: Value| {
        let page = ground.good("Receivers/Deliveries", asked).await;
        page["deliveries"].as_array().map_or(0, Vec::len)
    };
    assert_eq!(many(json!({"state": "delivered"})).await, 5);
    assert_eq!(many(json!({"state": "dead"})).await, 0);
    assert_eq!(many(json!({"project": "blog"})).await, 0);
    assert_eq!(many(json!({"since": "2100-01-01T00:00:00Z"})).await, 0);
    let nobody = "0198c3d2-7a54-7cc0-b1d2-3f6f1a2b3c4d";
    assert_eq!(many(json!({"check_id": nobody})).await, 0);
    // With their attempts few are shown at a time, and none is left out.
    ground.delivered(25).await;
    let all = ground.good("Receivers/Deliveries", json!({})).await;
    let ids = all["deliveries"].as_array().unwrap().iter();
    let ids: Vec<&str> = ids.map(|it| it["id"].as_str().unwrap()).collect();
    let asked = json!({"ids": ids, "attempts": true});
    let first = ground.good("Receivers/Deliveries", asked).await;
    assert_eq!(first["next"], ids[19]);
    let asked = json!({"ids": ids, "attempts": true, "before": ids[19]});
    let rest = ground.good("Receivers/Deliveries", asked).await;
    let shown = [&first, &rest].into_iter().flat_map(|page| {
        let page = page["deliveries"].as_array().unwrap().iter();
        page.map(|it| it["id"].as_str().unwrap())
    });
    assert_eq!(shown.collect::<Vec<_>>(), ids);
    assert_eq!((ids.len(), &rest["next"]), (30, &Value::Null));
    for (asked, expect) in [
        (json!({"state": "lost"}), "400 invalid_argument state"),
        (json!({"count": 1001}), "400 invalid_argument count"),
        (json!({"before": nobody}), "400 invalid_argument before"),
        (json!({"receiver": "nobody"}), "404 not_found receiver"),
        (json!({"attempts": true}), "400 invalid_argument attempts"),
        (json!({"ids": ["x"]}), "400 invalid_argument ids"),
        (
            json!({"ids": [nobody], "count": 1}),
            "400 invalid_argument ids",
        ),
    ] {
        let (refused, _) = ground.refused("Receivers/Deliveries", asked).await;
        assert_eq!(refused, expect);
    }
}

#[tokio::test]
async fn what_is_sent_again_is_so_once_and_not_more_than_was_agreed_to() {
    let ground = Ground::new().await;
    ground.delivered(150).await;
    let since = json!({"since": "2020-01-01T00:00:00Z"});
    let (refused, why) = ground.refused("Receivers/Replay", since).await;
    assert_eq!(refused, "412 failed_precondition -");
    assert_eq!(
        why["meta"],
        json!({"reason": "too_many", "deliveries": "150"})
    );
    let agreed = json!({"since": "2020-01-01T00:00:00Z", "most": 150, "request_id": "a"});
    let done = ground.good("Receivers/Replay", agreed.clone()).await;
    let numbers = [&done["deliveries"], &done["events"], &done["receivers"]];
    assert_eq!(numbers, [150, 150, 1]);
    assert_eq!(ground.good("Receivers/Replay", agreed).await, done);
    let made = "select count(*) from deliveries join bodies on delivery_id = id
        where replay_no = 1 and state = 'pending' and bodies.body = '{}' and frozen and fell_back and seq > 0";
    assert_eq!(ground.count(made).await, 150);
    // The oldest is due first.
    let order = "select count(*) from deliveries a join deliveries b
        on b.seq = a.seq + 1 and b.replay_no = 1
        where a.replay_no = 1 and a.next_at > b.next_at";
    assert_eq!(ground.count(order).await, 149);

    // What waits is not sent twice.
    let again = json!({"since": "2020-01-01T00:00:00Z", "most": 10_000});
    let nothing = ground.good("Receivers/Replay", again).await;
    assert_eq!(nothing["deliveries"], json!(null));
    let (_, why) = ground
        .refused("Receivers/Replay", json!({"ids": [done["ids"][0]]}))
        .await;
    assert_eq!(why["meta"]["reason"], "waits");
    assert!(
        why["msg"].as_str().unwrap().contains("webhook retry"),
        "{why}"
    );

    // What failed again is what was given up.
    ground
        .run("update deliveries set state = 'delivered' where replay_no = 1 and seq > 2")
        .await;
    ground
        .run("update deliveries set state = 'dead' where replay_no = 1 and seq <= 2")
        .await;
    let dead = json!({"since": "2020-01-01T00:00:00Z", "state": "dead"});
    let done = ground.good("Receivers/Replay", dead.clone()).await;
    assert_eq!(done["deliveries"], 2);
    let second = "select count(*) from deliveries where replay_no = 2 and seq <= 2";
    assert_eq!(ground.count(second).await, 2);

    let nobody = "0198c3d2-7a54-7cc0-b1d2-3f6f1a2b3c4d";
    for (asked, expect) in [
        (json!({}), "400 invalid_argument ids"),
        (json!({"ids": [nobody]}), "404 not_found ids"),
        (
            json!({"ids": [nobody], "since": "2020-01-01T00:00:00Z"}),
            "400 invalid_argument ids",
        ),
        (
            json!({"ids": [nobody], "state": "dead"}),
            "400 invalid_argument state",
        ),
        (
            json!({"since": "2020-01-01T00:00:00Z", "state": "held"}),
            "400 invalid_argument state",
        ),
        (
            json!({"since": "2020-01-01T00:00:00Z", "most": 10_001}),
            "400 invalid_argument most",
        ),
    ] {
        let (refused, _) = ground.refused("Receivers/Replay", asked).await;
        assert_eq!(refused, expect);
    }
    ground.run("update deliveries set state = 'dead'").await;
    ground.run("update receivers set deleted_at = now()").await;
    let (_, why) = ground
        .refused("Receivers/Replay", json!({"ids": [done["ids"][0]]}))
        .await;
    assert_eq!(why["meta"]["reason"], "removed");
    assert_eq!(
        ground.good("Receivers/Replay", dead).await["deliveries"],
        json!(null)
    );
    let entries = ground
        .good("Audit/List", json!({"action": "Receivers/Replay"}))
        .await;
    let entries = entries["entries"].as_array().unwrap();
    let subjects = entries.iter().map(|it| it["subject"].as_str().unwrap());
    assert_eq!(
        subjects.collect::<Vec<_>>(),
        ["2 deliveries to oncall", "150 deliveries to oncall"]
    );
}

#[tokio::test]
async fn a_body_in_another_form_than_the_receivers_is_made_anew() {
    let ground = Ground::new().await;
    ground.delivered(2).await;
    // The one was sent as protobuf, before its receiver wanted JSON.
    ground
        .run(
            r"update bodies set body = '\x0a00' from deliveries where id = delivery_id and seq = 1",
        )
        .await;
    let since = json!({"since": "2020-01-01T00:00:00Z"});
    assert_eq!(
        ground.good("Receivers/Replay", since).await["deliveries"],
        2
    );
    // What each was is known when it is sent.
    let forms = "select sum((format + 1) * seq)::bigint
        from deliveries join bodies on delivery_id = id where replay_no = 1";
    assert_eq!(ground.count(forms).await, 1 + 2 * 2);
}

#[tokio::test]
async fn lokahictl_asks_about_many_and_says_who_is_not_there() {
    let ground = Ground::new().await;
    ground.delivered(101).await;
    let ctl = async |line: &str| {
        let arguments: Vec<&str> = line.split(' ').collect();
        lokahictl(&ground.server.url, &arguments).await
    };
    let again = "select count(*) from deliveries where replay_no > 0";
    // Nobody is there to be asked.
    let declined = ctl("webhook replay --since 1h").await;
    assert_eq!(declined.code, 7, "{}", declined.words);
    assert!(
        declined.words.starts_with("Nothing was sent again.\n")
            && declined.words.contains("101 deliveries")
            && declined.words.contains("--yes"),
        "{}",
        declined.words
    );
    assert_eq!(ground.count(again).await, 0);
    let agreed = ctl("webhook replay --since 1h --yes").await;
    assert_eq!(agreed.code, 0, "{}", agreed.words);
    assert_eq!(
        agreed.out,
        "101 events are sent again to 1 receiver: 101 deliveries\n"
    );
    assert_eq!(ground.count(again).await, 101);
    let cut = ctl("webhook deliveries --count 2 --output table").await;
    assert_eq!(cut.out.lines().count(), 3);
    assert!(cut.words.starts_with("There are more: --before "));

    for (line, code, expect) in [
        ("webhook test api/-", 64, "is meant by its id"),
        ("webhook list nobody", 1, "there is no receiver \"nobody\""),
        ("webhook retry shop/nobody", 1, "in the project \"shop\""),
        ("webhook test oncall", 1, "of several projects: blog, shop"),
        (
            "webhook deliveries 0198c3d2-7a54-7cc0-b1d2-3f6f1a2b3c4d",
            1,
            "no delivery and no event",
        ),
        (
            "webhook test shop/oncall --project blog",
            64,
            "is not of the project blog",
        ),
        ("webhook replay", 64, "--since"),
        ("webhook replay --since 1h --state held", 64, "superseded"),
        ("webhook retry", 64, "--all"),
    ] {
        let refused = ctl(line).await;
        assert_eq!(refused.code, code, "{line}: {}", refused.words);
        assert!(refused.words.contains(expect), "{line}: {}", refused.words);
    }
}
