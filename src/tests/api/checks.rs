//! Checks from their making to their end.

use serde_json::json;

use crate::support::server::Server;

const NOBODY: &str = "0198c3d2-7a54-7cc0-b1d2-3f6f1a2b3c4d";

async fn create(server: &Server, opts: serde_json::Value) -> String {
    let made = server.good("Checks/Create", &opts.to_string()).await;
    made["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_check_is_made_changed_and_deleted() {
    let server = Server::start().await;
    let opts = json!({"url": "http://a.example.com/", "webhook_url": "http://hook.example.com/"});
    let id = create(&server, opts).await;
    let get = json!({"id": id}).to_string();
    let made = server.good("Checks/Get", &get).await;
    assert_eq!(
        (&made["every"], &made["version"]),
        (&json!(60), &json!("1"))
    );

    let put = json!({"id": id, "every": 1, "playbook_url": "https://wiki.example.com/"});
    let put = server.good("Checks/Put", &put.to_string()).await;
    assert_eq!(put["version"], "2");
    assert_eq!(put["url"], "http://a.example.com/");
    assert_eq!(put["webhook_url"], "http://hook.example.com/");
    assert_eq!(put["timeout_nanoseconds"], "800000000");
    assert_eq!(server.good("Checks/Get", &get).await, put);

    let same = json!({"id": id, "every": 1});
    assert_eq!(
        server.good("Checks/Put", &same.to_string()).await["version"],
        "2"
    );

    let clear = json!({"id": id, "update_mask": ["playbook_url", "webhook_url"]});
    let cleared = server.good("Checks/Put", &clear.to_string()).await;
    assert_eq!(
        (&cleared["playbook_url"], &cleared["webhook_url"]),
        (&json!(null), &json!(null))
    );
    assert_eq!(cleared["every"], 1);

    assert_eq!(server.good("Checks/Delete", &get).await, cleared);
    for method in ["Checks/Get", "Checks/Put", "Checks/Delete", "Checks/Status"] {
        assert_eq!(
            server.json(method, &get).await.refusal(),
            "404 not_found id",
            "{method}"
        );
    }
}

#[tokio::test]
async fn an_unknown_id_is_not_found() {
    let server = Server::start().await;
    for id in [NOBODY, "nonsense", ""] {
        let body = json!({"id": id}).to_string();
        for method in ["Checks/Get", "Checks/Put", "Checks/Delete", "Checks/Status"] {
            let refused = server.json(method, &body).await;
            assert_eq!(refused.refusal(), "404 not_found id", "{method} {id}");
        }
    }
}

#[tokio::test]
async fn a_refusal_names_the_argument() {
    let server = Server::start().await;
    let refusal = async |method: &str, body: serde_json::Value| {
        server.json(method, &body.to_string()).await.refusal()
    };
    for (field, value) in [
        ("url", json!("")),
        ("url", json!("ftp://a.example.com/")),
        (
            "url",
            json!(format!("http://a.example.com/{}", "x".repeat(2048))),
        ),
        ("every", json!(-1)),
        ("webhook_url", json!("mailto:a@example.com")),
        ("webhook_format", json!(9)),
        ("playbook_url", json!("page 5")),
        ("name", json!("Not A Name")),
        ("request_id", json!("x".repeat(201))),
    ] {
        let mut opts = json!({"url": "http://a.example.com/"});
        opts[field] = value;
        let expected = format!("400 invalid_argument {field}");
        assert_eq!(refusal("Checks/Create", opts).await, expected);
    }
    for (field, value) in [
        ("count", json!(-1)),
        ("count", json!(10_001)),
        ("offset", json!(-1)),
        ("states", json!([77])),
        ("owner", json!("nobody")),
    ] {
        let expected = format!("400 invalid_argument {field}");
        assert_eq!(
            refusal("Checks/List", json!({field: value})).await,
            expected
        );
    }
    let id = create(&server, json!({"url": "http://a.example.com/"})).await;
    let mask = json!({"id": id, "update_mask": ["state"]});
    assert_eq!(
        refusal("Checks/Put", mask).await,
        "400 invalid_argument update_mask"
    );
    let name = json!({"id": id, "name": "other"});
    assert_eq!(
        refusal("Checks/Put", name).await,
        "400 invalid_argument name"
    );
}

#[tokio::test]
async fn a_name_is_taken_once_and_a_url_as_often_as_wanted() {
    let server = Server::start().await;
    let opts = json!({"url": "http://a.example.com/", "name": "shop"});
    let first = create(&server, opts.clone()).await;
    let again = server.json("Checks/Create", &opts.to_string()).await;
    assert_eq!(again.refusal(), "409 already_exists name");
    create(&server, json!({"url": "http://a.example.com/"})).await;
    // Whoever is deleted gives the name back.
    server
        .good("Checks/Delete", &json!({"id": first}).to_string())
        .await;
    create(&server, opts).await;
}

#[tokio::test]
async fn a_repeated_request_gets_the_same_answer() {
    let server = Server::start().await;
    let opts = json!({"url": "http://a.example.com/", "name": "shop", "request_id": "r1"});
    let first = server.good("Checks/Create", &opts.to_string()).await;
    assert_eq!(server.good("Checks/Create", &opts.to_string()).await, first);
    let listed = server.good("Checks/List", "{}").await;
    assert_eq!(listed["results"].as_array().unwrap().len(), 1);

    let put = json!({"id": first["id"], "every": 5, "request_id": "r1"});
    let other = server.json("Checks/Put", &put.to_string()).await;
    assert_eq!(other.refusal(), "400 invalid_argument request_id");

    let put = json!({"id": first["id"], "every": 5, "request_id": "r2"});
    let changed = server.good("Checks/Put", &put.to_string()).await;
    let back = json!({"id": first["id"], "every": 60});
    server.good("Checks/Put", &back.to_string()).await;
    assert_eq!(server.good("Checks/Put", &put.to_string()).await, changed);
    let now = server
        .good("Checks/Get", &json!({"id": first["id"]}).to_string())
        .await;
    assert_eq!(now["every"], 60, "the repetition wrote nothing");
}

#[tokio::test]
async fn a_version_that_is_not_the_expected_one_aborts() {
    let server = Server::start().await;
    let id = create(&server, json!({"url": "http://a.example.com/"})).await;
    let put = |version: i64| json!({"id": id, "every": 5, "expected_version": version}).to_string();
    let stale = server.json("Checks/Put", &put(7)).await;
    assert_eq!(stale.refusal(), "409 aborted expected_version");
    server.good("Checks/Put", &put(1)).await;
    let delete = json!({"id": id, "expected_version": "1"}).to_string();
    assert_eq!(
        server.json("Checks/Delete", &delete).await.refusal(),
        "409 aborted expected_version"
    );
}

#[tokio::test]
async fn a_list_is_paged_and_filtered() {
    let server = Server::start().await;
    for number in 0..5 {
        create(
            &server,
            json!({"url": format!("http://a.example.com/{number}")}),
        )
        .await;
    }
    let urls = async |body: serde_json::Value| {
        let page = server.good("Checks/List", &body.to_string()).await;
        let rows = page["results"].as_array().cloned().unwrap_or_default();
        let url = |row: &serde_json::Value| {
            let url = row["check"]["url"].as_str().unwrap();
            url.chars().last().unwrap()
        };
        rows.iter().map(url).collect::<String>()
    };
    assert_eq!(urls(json!({})).await, "01234");
    assert_eq!(urls(json!({"count": 2, "offset": 1})).await, "12");
    assert_eq!(
        urls(json!({"states": ["INIT"], "owner": "api", "project": "api"})).await,
        "01234"
    );
    assert_eq!(urls(json!({"states": ["DOWN", "ERROR"]})).await, "");
    assert_eq!(urls(json!({"owner": "declared"})).await, "");
    assert_eq!(urls(json!({"project": "shop"})).await, "");
    assert_eq!(urls(json!({"labels": {"team": "web"}})).await, "");
    assert_eq!(urls(json!({"include_status": true, "count": 1})).await, "0");
}

#[tokio::test]
async fn a_check_that_cannot_be_read_hides_no_other() {
    let server = Server::start().await;
    let of = |name: &str| json!({"url": format!("http://{name}.example.com/"), "webhook_url": "http://hook.example.com/"});
    let (new, old) = (
        create(&server, of("new")).await,
        create(&server, of("old")).await,
    );
    // As a newer version writes it.
    let mut conn = server.store.acquire().await.unwrap();
    sqlx::query(
        "update specs set bytes = '\\xff' where id in (select live_spec_id from checks
         where id = $1::text::uuid)",
    )
    .bind(&new)
    .execute(&mut *conn)
    .await
    .unwrap();
    let listed = server.good("Checks/List", "{}").await;
    let rows = listed["results"].as_array().unwrap().iter();
    let shown: Vec<_> = rows
        .map(|row| {
            let check = &row["check"];
            let text = |name: &str| check[name].as_str().unwrap_or("").to_owned();
            let is_refused = text("reason").starts_with("the spec is refused: ");
            (text("id"), text("url"), text("unknown"), is_refused)
        })
        .collect();
    let url = "http://old.example.com/".to_owned();
    assert_eq!(
        shown,
        [
            (new, String::new(), "internal".to_owned(), true),
            (old, url, String::new(), false)
        ]
    );
}
