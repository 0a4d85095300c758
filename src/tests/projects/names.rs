//! `moved` and `removed` blocks in real files: what a thing is called is not what it is.

use std::collections::BTreeMap;

use lokahi::clock;
use lokahi::model::desired::{Declared, Move};
use lokahi::store::partition::partition_prepare;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{HOOK, NOTIFY, Shop, check, spec};
use crate::support::checkout::Checkout;
use crate::support::declaring::{Declaring, apply};
use crate::support::server::Server;

fn moved(from: &str, to: &str) -> String {
    format!("moved {{\n  from = {from}\n  to   = {to}\n}}\n\n")
}

fn removed(from: &str, action: &str) -> String {
    format!("removed {{\n  from   = {from}\n  action = \"{action}\"\n}}\n\n")
}

/// What is known of a check beside its spec: state, incident, observations.
async fn past(shop: &Shop, id: &str) -> serde_json::Value {
    let id: Uuid = id.parse().unwrap();
    let mut conn = shop.server.store.acquire().await.unwrap();
    sqlx::query_scalar(
        "select jsonb_build_object(
             'state', (select to_jsonb(t) - 'last_at' from check_states t where check_id = $1),
             'incidents', (select jsonb_agg(i) from incidents i where check_id = $1),
             'observations', (select count(*) from observations o
                 join checks c on c.check_no = o.check_no where c.id = $1))",
    )
    .bind(id)
    .fetch_one(&mut *conn)
    .await
    .unwrap()
}

/// The URLs that it tells.
async fn told(shop: &Shop, id: &str) -> Vec<String> {
    let mut conn = shop.server.store.acquire().await.unwrap();
    sqlx::query_scalar(
        "select r.url from check_receivers l join receivers r on r.id = l.receiver_id
         where l.check_id = $1 and r.deleted_at is null",
    )
    .bind(id.parse::<Uuid>().unwrap())
    .fetch_all(&mut *conn)
    .await
    .unwrap()
}

/// As if it had been down for a while.
async fn break_it(shop: &Shop, id: &str) {
    let id: Uuid = id.parse().unwrap();
    let mut conn = shop.server.store.acquire().await.unwrap();
    partition_prepare(&mut conn, clock::now()).await.unwrap();
    for statement in [
        "insert into incidents (id, check_id, opened_seq, opened_at)
         values (gen_random_uuid(), $1, 1, now())",
        "update check_states set state = 2, failures = 3, seq = 1,
             incident_id = (select id from incidents where check_id = $1)
         where check_id = $1",
        "insert into observations (check_no, at, dns_us, connect_us, tls_us, write_us,
             first_byte_us, transfer_us, total_us, outcome, class, status)
         select check_no, now(), 1, 1, 1, 1, 1, 1, 6, 2, 0, 500 from checks where id = $1",
    ] {
        sqlx::query(statement)
            .bind(id)
            .execute(&mut *conn)
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_rename_keeps_id_state_incident_and_observations() {
    let shop = Shop::with(&check("web", "")).await;
    let id = shop.id("web").await;
    break_it(&shop, &id).await;
    let before = past(&shop, &id).await;
    assert_eq!(
        (&before["state"]["state"], &before["observations"]),
        (&json!(2), &json!(1))
    );

    let front = check("web", "every = \"30s\"").replace("\"web\"", "\"front\"");
    shop.folder
        .write(&(front.clone() + &moved("check.web", "check.front")));
    let planned = shop.plan(&[]).await;
    insta::assert_snapshot!(planned.out, @r#"
      > check.web -> check.front will be its name, with its history        FOLDER/shop.hcl:5
      ~ every : "60s" -> "30s"
    Plan: 0 to add, 1 to change, 0 to delete, 1 to rename.   generation 1 -> 2
    "#);
    shop.apply().await;
    let check = shop.check("shop", "front").await.unwrap();
    assert_eq!((&check.id, check.every), (&id, 30));
    assert_eq!(past(&shop, &id).await, before);
    assert!(shop.check("shop", "web").await.is_none());
    for former in ["web", "shop/web"] {
        let told = shop.good(&["explain", former]).await;
        assert!(told.starts_with("shop/front  "), "{told}");
        assert!(told.contains("  was called web before\n"), "{told}");
    }
    // The block may stay, and may go.
    for declares in [front.clone() + &moved("check.web", "check.front"), front] {
        shop.folder.write(&declares);
        let planned = shop.plan(&["--detailed-exitcode"]).await;
        assert_eq!(planned.code, 0, "{}", planned.out);
    }
}

#[tokio::test]
async fn without_a_block_a_rename_is_suggested() {
    let shop = Shop::with(&check("web", "")).await;
    let front = check("web", "").replace("\"web\"", "\"front\"");
    shop.folder.write(&front);
    let planned = shop.plan(&[]).await;
    let hint = planned.out.lines().find(|line| line.starts_with("hint"));
    insta::assert_snapshot!(hint.unwrap(), @"hint: check.front is what check.web was. If it was renamed, keep its history: moved { from = check.web, to = check.front }, each on a line of its own");
}

#[tokio::test]
async fn all_of_a_for_each_are_renamed_together() {
    let each = |name: &str, keys: &str| {
        format!(
            "check \"{name}\" {{\n  for_each = toset([{keys}])\n\n  \
             url = \"https://${{each.key}}.example.com/\"\n}}\n\n"
        )
    };
    let shop = Shop::with(&each("web", "\"de\", \"fr\"")).await;
    let (de, fr) = (shop.id("web[\"de\"]").await, shop.id("web[\"fr\"]").await);
    let front = each("front", "\"de\", \"fr\", \"it\"");
    shop.folder
        .write(&(front + &moved("check.web", "check.front")));
    let summary = shop.document(&[]).await["summary"].clone();
    assert_eq!(
        (&summary["rename"], &summary["add"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(summary["delete"], json!(0));
    shop.apply().await;
    assert_eq!(shop.id("front[\"de\"]").await, de);
    assert_eq!(shop.id("front[\"fr\"]").await, fr);

    // One of them becomes a check of its own.
    let rest = each("front", "\"fr\", \"it\"") + &check("germany", "");
    let out = moved("check.front[\"de\"]", "check.germany");
    shop.folder.write(&(rest + &out));
    shop.apply().await;
    assert_eq!(shop.id("germany").await, de);
}

#[tokio::test]
async fn two_checks_change_names() {
    let server = Server::start().await;
    let client = server.client();
    let (one, two) = (
        spec("http://one.example.com/"),
        spec("http://two.example.com/"),
    );
    let before = Declaring::new("shop").check("one", one.clone());
    before
        .check("two", two.clone())
        .apply(&client)
        .await
        .unwrap();
    let live = async || {
        let found = client.list(&Default::default()).await.unwrap().results;
        let checks = found.into_iter().map(|row| row.check.unwrap());
        checks
            .map(|check| (check.url, check.id))
            .collect::<BTreeMap<_, _>>()
    };
    let ids = live().await;
    let mut swapped = Declaring::new("shop").check("one", two).check("two", one);
    for (from, to) in [("check.one", "check.two"), ("check.two", "check.one")] {
        let (from, to) = (from.to_owned(), to.to_owned());
        let spec = Move::Moved { from, to };
        let source = Default::default();
        swapped.desired.moves.push(Declared { spec, source });
    }
    let plan = swapped.plan(&client).await.unwrap();
    assert_eq!(plan.summary.unwrap().rename, 2);
    apply(&client, &plan).await.unwrap();
    assert_eq!(live().await, ids, "each goes on looking at its site");
    swapped.desired.moves.clear();
    assert!(swapped.plan(&client).await.unwrap().changes.is_empty());
}

#[tokio::test]
async fn half_of_a_swap_is_refused_with_the_other_half() {
    let server = Server::start().await;
    let client = server.client();
    let (one, two) = (
        spec("http://one.example.com/"),
        spec("http://two.example.com/"),
    );
    let before = Declaring::new("shop").check("one", one.clone());
    let before = before.check("two", two.clone());
    before.apply(&client).await.unwrap();
    let mut swapped = Declaring::new("shop").check("one", two).check("two", one);
    for (from, to) in [("check.one", "check.two"), ("check.two", "check.one")] {
        let (from, to) = (from.to_owned(), to.to_owned());
        let spec = Move::Moved { from, to };
        let source = Default::default();
        swapped.desired.moves.push(Declared { spec, source });
    }
    swapped.request.targets = vec!["check.two".to_owned()];
    let half = swapped.plan(&client).await.unwrap_err().to_string();
    insta::assert_snapshot!(half, @"invalid_argument: targets: check.two is live, and this plan leaves it as it is while something else becomes check.two: with --target check.one, too, it becomes check.one; or plan without --target");
    swapped.request.targets.push("check.one".to_owned());
    let both = swapped.plan(&client).await.unwrap();
    assert_eq!(apply(&client, &both).await.unwrap().generation, 2);
}

#[tokio::test]
async fn of_two_that_become_one_the_nearer_does_and_the_other_is_named() {
    let shop = Shop::with(&(check("zoo", "") + &check("web", ""))).await;
    let (zoo, web) = (shop.id("zoo").await, shop.id("web").await);
    let front = check("web", "").replace("\"web\"", "\"front\"");
    let moves = moved("check.zoo", "check.web") + &moved("check.web", "check.front");
    shop.folder.write(&(front + &moves));
    let planned = shop.plan(&[]).await;
    let warning = planned.out.lines().find(|line| line.starts_with("warning"));
    insta::assert_snapshot!(warning.unwrap(), @"warning: the moved blocks lead from check.web and from check.zoo to check.front, and both are live: the first becomes it, and check.zoo is planned by its own name");
    shop.apply().await;
    assert_eq!(shop.id("front").await, web);
    assert!(shop.server.client().get(&zoo).await.is_err());
}

#[tokio::test]
async fn what_was_deleted_past_the_files_comes_back_under_its_new_name() {
    let shop = Shop::with(&(check("web", "") + &check("dns", ""))).await;
    let id = shop.id("web").await;
    let delete = ["delete", "shop/web", "--force", "--reason", "it floods"];
    shop.good(&delete).await;
    let front = check("web", "").replace("\"web\"", "\"front\"");
    let all = front + &moved("check.web", "check.front") + &check("dns", "");
    shop.folder.write(&all);
    let planned = shop.plan(&[]).await;
    let first: Vec<&str> = planned.out.lines().collect();
    assert_eq!(
        first[0],
        "  + check.web -> check.front will be brought back, with its history        FOLDER/shop.hcl:5"
    );
    assert_eq!(
        first.last(),
        Some(&"Plan: 1 to add, 0 to change, 0 to delete.   generation 1 -> 2")
    );
    shop.apply().await;
    assert_eq!(shop.id("front").await, id);
    assert_eq!(shop.plan(&["--detailed-exitcode"]).await.code, 0);
    // Nothing of its old name is left to be told of.
    let back = shop
        .good(&["rollback", "shop", "1", "--auto-approve"])
        .await;
    assert!(back.contains("check.front -> check.web"), "{back}");
    assert_eq!(shop.id("web").await, id);
}

#[tokio::test]
async fn a_receiver_is_renamed_with_what_waits_for_it() {
    let shop = Shop::with(&(HOOK.to_owned() + &check("web", NOTIFY))).await;
    let id = async |name: &str| -> Option<Uuid> {
        let mut conn = shop.server.store.acquire().await.unwrap();
        sqlx::query_scalar("select id from receivers where address = $1 and deleted_at is null")
            .bind(name)
            .fetch_optional(&mut *conn)
            .await
            .unwrap()
    };
    let before = id("oncall").await;
    let renamed = (HOOK.to_owned() + &check("web", NOTIFY)).replace("oncall", "night");
    shop.folder
        .write(&(renamed + &moved("webhook.oncall", "webhook.night")));
    let planned = shop.plan(&[]).await;
    insta::assert_snapshot!(planned.out, @r"
      > webhook.oncall -> webhook.night will be its name, with its history        FOLDER/shop.hcl:5
      # check.web will be updated in place                              FOLDER/shop.hcl:9
      ~ notify.webhooks : [webhook.oncall] -> [webhook.night]
    Plan: 0 to add, 1 to change, 0 to delete, 1 to rename.   generation 1 -> 2
    ");
    shop.apply().await;
    assert!(before.is_some());
    assert_eq!((id("night").await, id("oncall").await), (before, None));
    let web = shop.check("shop", "web").await.unwrap();
    assert_eq!(web.receivers, ["night"]);
}

#[tokio::test]
async fn what_is_removed_goes_although_nothing_is_pruned() {
    let shop = Shop::with(&(check("web", "") + &check("mail", "") + &check("dns", ""))).await;
    shop.folder
        .write(&(check("dns", "") + &removed("check.web", "delete")));
    let kept = shop.try_apply(&["--no-prune"]).await;
    assert_eq!(kept.code, 0, "{}", kept.words);
    assert!(shop.check("shop", "web").await.is_none());
    assert!(shop.check("shop", "mail").await.is_some());
}

#[tokio::test]
async fn what_is_released_lives_on_with_the_api() {
    let hook = HOOK.to_owned();
    let shop = Shop::with(&(hook.clone() + &check("web", NOTIFY) + &check("dns", NOTIFY))).await;
    let id = shop.id("web").await;
    break_it(&shop, &id).await;
    let before = past(&shop, &id).await;
    let release = removed("check.web", "release");
    shop.folder
        .write(&(hook + &check("dns", NOTIFY) + &release));
    let planned = shop.plan(&[]).await;
    insta::assert_snapshot!(planned.out, @r"
      . check.web will belong to the API        FOLDER/shop.hcl:16 (was shop.hcl:9)
    Plan: 0 to add, 0 to change, 0 to delete, 1 to release.   generation 1 -> 2
    ");
    shop.apply().await;
    let web = shop.check("api", "web").await.unwrap();
    assert_eq!((&web.id, web.owner.as_str()), (&id, "api"));
    assert_eq!(told(&shop, &id).await, ["http://hook.example.com/"]);
    assert_eq!(past(&shop, &id).await, before);
    // It is the API's to change, without force.
    shop.good(&["put", "api/web", "-e", "5"]).await;
    let planned = shop.plan(&["--detailed-exitcode"]).await;
    assert_eq!(planned.code, 0, "{}", planned.out);
}

#[tokio::test]
async fn what_was_released_is_exported_as_it_is() {
    let disabled = format!("enabled = false\n\n  {NOTIFY}");
    let shop = Shop::with(&(HOOK.to_owned() + &check("web", &disabled) + &check("dns", ""))).await;
    shop.folder
        .write(&(check("dns", "") + &removed("check.web", "release")));
    shop.apply().await;
    let text = shop
        .good(&["export", "--owner", "api", "--project", "other"])
        .await;
    let other = Checkout::new();
    other.write_file("shop.hcl", &text);
    let planned = shop.good(&["plan", other.path(), "--output", "json"]).await;
    let document: Value = serde_json::from_str(&planned).unwrap();
    let changes = document["changes"].as_array().unwrap();
    assert_eq!(changes.len(), 1, "{text}");
    assert_eq!(changes[0]["actions"], serde_json::json!(["adopt"]));
    assert_eq!(changes[0]["fields"], serde_json::json!([]), "{text}");
    // Nobody's file says any more that it is disabled.
    shop.good(&["put", "api/web", "--enable"]).await;
    let web = shop.check("api", "web").await.unwrap();
    assert_eq!(
        (web.disabled, web.webhook_url.as_str()),
        (false, "http://hook.example.com/")
    );
}

#[tokio::test]
async fn a_name_that_the_api_has_given_is_not_given_twice() {
    let shop = Shop::with(&(check("web", "") + &check("dns", ""))).await;
    let id = shop.id("web").await;
    let create = ["create", "-u", "http://a.example.com/", "--name", "web"];
    shop.good(&create).await;
    let release = removed("check.web", "release");
    shop.folder.write(&(check("dns", "") + &release));
    let planned = shop.plan(&[]).await;
    let warning = planned.out.lines().find(|line| line.starts_with("warning"));
    insta::assert_snapshot!(warning.unwrap().replace(&id, "ID"), @r#"warning: the API has another check "web": check.web is called by its id there, ID; give it another name first if it needs one"#);
    shop.apply().await;
    let found = shop.server.client().get(&id).await.unwrap();
    assert_eq!((found.project.as_str(), found.name.as_str()), ("api", ""));
}

#[tokio::test]
async fn a_protected_check_may_be_released_and_stays_protected_from_files() {
    let protect = "lifecycle {\n    prevent_destroy = true\n  }";
    let web = check("web", protect);
    let shop = Shop::with(&(web.clone() + &check("dns", ""))).await;
    let id = shop.id("web").await;
    shop.folder
        .write(&(check("dns", "") + &removed("check.web", "release")));
    shop.apply().await;
    // Taken back it is as it was, without a difference.
    let import = format!("import {{\n  id = \"{id}\"\n  to = check.web\n}}\n\n");
    shop.folder.write(&(web + &check("dns", "") + &import));
    let document = shop.document(&[]).await;
    assert_eq!(document["changes"][0]["fields"], json!([]));
    shop.apply().await;
    shop.folder.write(&check("dns", ""));
    assert_eq!(shop.try_apply(&[]).await.code, 4);
    // While it belongs to the API, whoever may change that may delete it.
    shop.folder
        .write(&(check("dns", "") + &removed("check.web", "release")));
    shop.apply().await;
    shop.good(&["delete", "api/web"]).await;
}

#[tokio::test]
async fn what_the_api_cannot_have_is_not_released() {
    let pager = "webhook \"pager\" {\n  url = \"http://pager.example.com/\"\n}\n\n";
    let both = "notify {\n    webhooks = [webhook.oncall, webhook.pager]\n  }";
    let hooks = HOOK.to_owned() + pager;
    let shop = Shop::with(&(hooks.clone() + &check("web", both) + &check("dns", NOTIFY))).await;
    let release = removed("check.web", "release");
    shop.folder
        .write(&(hooks + &check("dns", NOTIFY) + &release));
    let refused = shop.plan(&[]).await;
    assert_eq!(refused.code, 1);
    let (_, words) = refused.words.split_once("error").unwrap();
    insta::assert_snapshot!(words, @r"
    : invalid_argument: check.web cannot be released: it tells 2 (webhook.oncall, webhook.pager), and a check of the API tells one: declare it with one of them and apply, then release it
    hint: look at FOLDER/shop.hcl:13
    ");
}

#[tokio::test]
async fn a_receiver_stays_while_something_outside_of_the_plan_names_it() {
    let oncall = "lokahi {\n  project   = \"shop\"\n  operators = [webhook.oncall]\n}\n\n";
    let hook = HOOK.replace("\n}", "\n  format = \"json\"\n}");
    let shop = Shop::start().await;
    shop.folder
        .write(&(hook.clone() + &check("web", NOTIFY) + &check("dns", "")));
    shop.apply().await;
    let id = shop.id("web").await;
    // It is not pruned, and would tell nobody.
    let gone = check("dns", "") + &removed("webhook.oncall", "delete");
    let renamed = (hook.clone() + &check("web", NOTIFY)).replace("oncall", "night")
        + &check("dns", "")
        + &moved("webhook.oncall", "webhook.night");
    let mut refused = Vec::new();
    for (declares, flags) in [
        (&gone, &["--no-prune"][..]),
        (&gone, &["--target", "webhook.oncall"]),
        (&renamed, &["--target", "webhook.night"]),
    ] {
        shop.folder.write(declares);
        let ended = shop.try_apply(flags).await;
        assert_eq!(ended.code, 1, "{}", ended.out);
        refused.push(ended.words);
    }
    for (words, what) in refused
        .iter()
        .zip(["be deleted", "be deleted", "become webhook.night"])
    {
        let says = format!(
            "webhook.oncall cannot {what}: this plan leaves as it is what names it (check.web)"
        );
        assert!(words.contains(&says), "{words}");
    }
    assert_eq!(told(&shop, &id).await, ["http://hook.example.com/"]);
    // With what names it, it goes.
    let both = ["--target", "webhook.night", "--target", "web"];
    let ended = shop.try_apply(&both).await;
    assert_eq!(ended.code, 0, "{}", ended.words);
    shop.folder.write(&(hook.clone() + &check("dns", "")));
    shop.apply().await;

    // The operators are told, too.
    shop.folder
        .write_file("shop.hcl", &(oncall.to_owned() + &hook + &check("dns", "")));
    shop.apply().await;
    shop.folder.write(&gone);
    let ended = shop.try_apply(&["--target", "webhook.oncall"]).await;
    assert_eq!(ended.code, 1, "{}", ended.out);
    assert!(
        ended.words.contains("the operators of shop"),
        "{}",
        ended.words
    );
}

#[tokio::test]
async fn who_removes_a_receiver_reads_what_is_given_up_with_it() {
    let shop = Shop::with(&(HOOK.to_owned() + &check("web", NOTIFY))).await;
    let owe = |many: i32| async move {
        sqlx::query(
            "with events as (
                 insert into transitions (id, type, seq, previous, next, at, told, payload)
                 select gen_random_uuid(), 'project.drifted', 1, 0, 0, now(), true, ''
                 from generate_series(1, $1) returning id)
             insert into deliveries (id, event_id, receiver_id, seq, next_at, created_at)
             select gen_random_uuid(), e.id, r.id, 1, now(), now() from events e, receivers r",
        )
        .bind(many)
    };
    shop.folder.write(&check("web", ""));
    for (more, words) in [
        (
            1,
            "warning: 1 event waits for webhook.oncall, and is given up with it; ",
        ),
        (
            2,
            "warning: 3 events wait for webhook.oncall, and are given up with it; ",
        ),
    ] {
        let mut conn = shop.server.store.acquire().await.unwrap();
        owe(more).await.execute(&mut *conn).await.unwrap();
        let plan = shop.plan(&[]).await;
        assert!(plan.out.contains(words), "{}", plan.out);
    }
}
