//! A plan is a promise: it changes nothing, and its token does what was shown, once.

use lokahi::client::Client;
use sqlx::Row as _;

use super::{HOOK, Shop, check, checks, spec};
use crate::support::declaring::{Declaring, apply};
use crate::support::server::Server;

/// Every row of every table but those that keep plans, and what was uploaded for them.
async fn everything(server: &Server) -> Vec<String> {
    let mut conn = server.store.acquire().await.unwrap();
    let tables = sqlx::query(
        "select quote_ident(table_name) as name from information_schema.tables
         where table_schema = 'public' and table_name not in
             ('plans', 'plan_pages', 'uploads', 'specs')
         order by 1",
    );
    let tables = tables.fetch_all(&mut *conn).await.unwrap();
    assert!(tables.len() > 15);
    let mut all = Vec::new();
    for table in tables {
        let name: String = table.get("name");
        let rows = format!("select coalesce(string_agg(t::text, chr(10)), '') from {name} t");
        let rows: String = sqlx::query_scalar(sqlx::AssertSqlSafe(rows))
            .fetch_one(&mut *conn)
            .await
            .unwrap();
        all.push(format!("{name}: {rows}"));
    }
    all
}

#[tokio::test]
async fn a_plan_writes_nothing_but_itself() {
    let shop = Shop::with(&check("web", "")).await;
    shop.good(&["create", "-u", "http://a.example.com/", "--name", "blog"])
        .await;
    let before = everything(&shop.server).await;
    let blog = shop.check("api", "blog").await.unwrap().id;
    // Of everything that a plan may do.
    let import = format!("import {{\n  id = \"{blog}\"\n  to = check.blog\n}}\n\n");
    let removed = "removed {\n  from = check.web\n\n  action = \"release\"\n}\n\n";
    for declares in [
        check("web", "every = \"5s\""),
        check("shop", ""),
        check("blog", "") + &import + removed,
    ] {
        shop.folder.write(&declares);
        let planned = shop.plan(&["--detailed-exitcode"]).await;
        assert_eq!(planned.code, 2, "{}{}", planned.out, planned.words);
    }
    assert_eq!(everything(&shop.server).await, before);
}

#[tokio::test]
async fn a_token_that_was_applied_gives_what_it_gave() {
    let server = Server::start().await;
    let client = server.client();
    let one = Declaring::new("shop").check("one", spec("http://one.example.com/"));
    let plan = one.plan(&client).await.unwrap();
    let first = apply(&client, &plan).await.unwrap();
    let two = one
        .clone()
        .check("two", spec("http://two.example.com/"))
        .apply(&client)
        .await
        .unwrap();
    assert_eq!((first.generation, two.generation), (1, 2));
    // However late, and whatever is so by now.
    assert_eq!(apply(&client, &plan).await.unwrap(), first);
    let asked = async || apply(&client, &plan).await.unwrap();
    let (a, b, c) = tokio::join!(asked(), asked(), asked());
    assert_eq!((&a, &b, &c), (&first, &first, &first));
}

#[tokio::test]
async fn a_plan_that_shows_the_same_applies_although_time_went_on() {
    let server = Server::start().await;
    let client = server.client();
    let base = Declaring::new("shop")
        .check("web", spec("http://web.example.com/"))
        .check("mail", spec("http://mail.example.com/"));
    let only = |name: &str| {
        let mut wish = base.clone();
        wish.request.targets = vec![name.to_owned()];
        wish
    };
    let (web, mail) = (only("web"), only("mail"));
    let planned = web.plan(&client).await.unwrap();
    assert_eq!(mail.apply(&client).await.unwrap().generation, 1);
    assert_eq!(planned.generation, 0);
    assert_eq!(apply(&client, &planned).await.unwrap().generation, 2);
}

#[tokio::test]
async fn a_plan_of_one_is_applied_by_another_who_may() {
    let server = Server::guarded().await;
    let by = async |name: &str, scopes: &[&str]| {
        let token = server.token(name, scopes).await;
        Client::new(&server.base).unwrap().with_token(&token)
    };
    let planner = by("pull-request", &["plan"]).await.unwrap();
    let applier = by("main", &["apply:shop"]).await.unwrap();
    let wish = Declaring::new("shop").check("web", spec("http://web.example.com/"));
    let plan = wish.plan(&planner).await.unwrap();
    let refused = apply(&planner, &plan).await.unwrap_err().to_string();
    assert!(refused.starts_with("permission_denied"), "{refused}");
    assert_eq!(apply(&applier, &plan).await.unwrap().generation, 1);
    // An upload is whose it is.
    let request = wish.upload_index(&planner).await.unwrap();
    let refused = applier.plan(&request).await.unwrap_err().to_string();
    assert!(
        refused.contains("names no upload of yours"),
        "nobody plans with what another uploaded: {refused}"
    );
}

#[tokio::test]
async fn a_block_that_only_moves_in_its_file_is_found_there() {
    let shop = Shop::with(&(HOOK.to_owned() + &checks(0..2, ""))).await;
    let place = async || {
        let ended = shop.good(&["explain", "shop/c1"]).await;
        let line = ended.lines().find(|line| line.contains("declared at"));
        line.unwrap().trim().to_owned()
    };
    let before = place().await;
    assert!(before.starts_with("declared at shop.hcl:14 of"), "{before}");
    let note = "# a word of thanks\n\n".to_owned() + HOOK;
    shop.folder.write(&(note + &checks(0..2, "")));
    let words = shop.apply().await;
    assert_eq!(words, "No changes: what is live is what is declared.\n");
    assert_eq!(place().await, before.replace(":14", ":16"));
    assert_eq!(shop.generation().await, 1, "it is no change");
    // And beside a change of another check.
    shop.folder
        .write(&(HOOK.to_owned() + &check("c0", "every = \"30s\"") + &checks(1..2, "")));
    shop.apply().await;
    assert_eq!(place().await, before);
}
