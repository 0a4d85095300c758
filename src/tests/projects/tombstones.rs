//! What is deleted is not lost at once.

use lokahi::proto::lokahi::change::Action;

use super::{HOOK, NOTIFY, Shop, check, spec};
use crate::support::declaring::Declaring;
use crate::support::server::Server;

#[tokio::test]
async fn what_is_declared_again_comes_back_as_itself() {
    let server = Server::start().await;
    let client = server.client();
    let mail = Declaring::new("shop").check("mail", spec("http://mail.example.com/"));
    let both = mail.clone().check("web", spec("http://web.example.com/"));
    both.apply(&client).await.unwrap();
    let live = async || {
        let found = client.list(&Default::default()).await.unwrap().results;
        let checks = found.into_iter().map(|row| row.check.unwrap());
        checks
            .map(|check| (check.name, check.id))
            .collect::<Vec<_>>()
    };
    let before = live().await;
    let id = before.iter().find(|(name, _)| name == "web").unwrap();
    let id = id.1.clone();

    let plan = mail.plan(&client).await.unwrap();
    let until = plan.changes[0].restorable_until.unwrap().seconds;
    let seven_days = lokahi::clock::now().unix_timestamp() + 7 * 86_400;
    assert!((seven_days - 120..=seven_days).contains(&until), "{until}");
    mail.apply(&client).await.unwrap();
    let gone = client.get(&id).await.unwrap_err().to_string();
    assert!(gone.starts_with("not_found"), "{gone}");

    let again = both.plan(&client).await.unwrap();
    let change = &again.changes[0];
    assert_eq!((change.action(), &change.id), (Action::Revive, &id));
    both.apply(&client).await.unwrap();
    assert_eq!(live().await, before);
}

#[tokio::test]
async fn after_seven_days_it_is_somebody_else() {
    let shop = Shop::with(&(check("web", "") + &check("mail", ""))).await;
    let id = shop.id("web").await;
    shop.folder.write(&check("mail", ""));
    shop.apply().await;
    let mut conn = shop.server.store.acquire().await.unwrap();
    let long_ago = "update checks set deleted_at = now() - interval '7 days 1 second'
                    where deleted_at is not null";
    sqlx::query(long_ago).execute(&mut *conn).await.unwrap();
    let late = shop.ctl(&["restore", "shop", "web"]).await;
    assert_eq!(late.code, 1);
    insta::assert_snapshot!(late.words, @"error: not_found: check.web was not deleted within the last seven days: nothing is left to bring back");
    shop.folder.write(&(check("web", "") + &check("mail", "")));
    shop.apply().await;
    assert_ne!(shop.id("web").await, id);
}

#[tokio::test]
async fn restore_brings_back_what_is_named_and_nothing_else() {
    let tells = check("web", &format!("every = \"30s\"\n  {NOTIFY}"));
    let all = HOOK.to_owned() + &tells + &check("mail", "") + &check("dns", "");
    let shop = Shop::with(&all).await;
    let id = shop.id("web").await;
    shop.folder.write(&check("mail", ""));
    shop.apply().await;

    let without = shop
        .ctl(&["restore", "shop", "web", "--auto-approve"])
        .await;
    assert_eq!(without.code, 1, "{}", without.out);
    insta::assert_snapshot!(without.words, @r#"
    error: invalid_argument: check.web notifies webhook "oncall", which is not declared
    hint: if it was deleted, too: lokahictl restore shop web webhook.oncall
    "#);
    let restore = ["restore", "shop", "web", "webhook.oncall", "--auto-approve"];
    let said = shop.good(&restore).await;
    insta::assert_snapshot!(said, @r"
      + webhook.oncall will be brought back, with its history
      + check.web will be brought back, with its history
    Who will be told of what differently:
      webhook.oncall hears of 1 check: web
    Plan: 2 to add, 0 to change, 0 to delete.   generation 2 -> 3
    Applied: shop is at generation 3.
    ");
    let web = shop.check("shop", "web").await.unwrap();
    assert_eq!((web.id, web.every), (id, 30));
    assert_eq!(web.receivers, ["oncall"]);
    assert!(shop.check("shop", "dns").await.is_none());
    let twice = shop
        .ctl(&["restore", "shop", "web", "--auto-approve"])
        .await;
    assert_eq!(twice.code, 1, "what lives cannot come back");
    let id = shop.id("web").await;
    insta::assert_snapshot!(twice.words.replace(&id, "ID"), @"error: already_exists: check.web was not deleted: ID is live under that name, and no file declares it");
    // The files have not changed: the next apply would take it away again, and says so.
    let planned = shop.plan(&[]).await;
    assert!(
        planned.out.contains("- check.web will be deleted"),
        "{}",
        planned.out
    );
    let mut lines = planned.out.lines();
    let warned = lines.find(|line| line.starts_with("warning: anonymous brought check.web back"));
    let words = " UTC, and this deletes it again: lokahictl export --owner shop prints what to \
                 declare, if it is to stay";
    assert!(warned.unwrap().ends_with(words), "{}", planned.out);
}

#[tokio::test]
async fn who_took_the_name_meanwhile_is_named() {
    let shop = Shop::with(&(check("web", "") + &check("mail", ""))).await;
    let id = shop.id("web").await;
    shop.folder.write(&check("mail", ""));
    shop.apply().await;
    // What was mail is called web.
    let renamed = check("mail", "").replace("\"mail\"", "\"web\"");
    let moved = "moved {\n  from = check.mail\n  to   = check.web\n}\n";
    shop.folder.write(&(renamed + moved));
    shop.apply().await;
    let other = shop.id("web").await;
    let taken = shop.ctl(&["restore", "shop", "web"]).await;
    assert_eq!(taken.code, 1);
    insta::assert_snapshot!(taken.words.replace(&other, "OTHER"), @"error: already_exists: check.web cannot come back as check.web: OTHER is live under that name, declared at shop.hcl:5; bring it back under another name: lokahictl restore shop check.web --as NAME");
    let restore = ["restore", "shop", "web", "--as", "site", "--auto-approve"];
    shop.good(&restore).await;
    assert_eq!(shop.id("site").await, id);
}

#[tokio::test]
async fn what_comes_back_may_have_another_name() {
    let shop = Shop::with(&(check("web", "") + &check("mail", ""))).await;
    let id = shop.id("web").await;
    shop.folder.write(&check("mail", ""));
    shop.apply().await;
    let mail = shop.id("mail").await;
    let taken = ["restore", "shop", "web", "--as", "mail", "--auto-approve"];
    let taken = shop.ctl(&taken).await;
    assert_eq!(taken.code, 1);
    insta::assert_snapshot!(taken.words.replace(&mail, "ID"), @"error: already_exists: check.web cannot come back as check.mail: ID is live under that name, declared at shop.hcl:5; bring it back under another name: lokahictl restore shop check.web --as NAME");
    let wrong = shop.ctl(&["restore", "shop", "web", "--as", "No"]).await;
    insta::assert_snapshot!(wrong.words, @r#"error: invalid_argument: restore: "No" is not an address: a name, or NAME["KEY"] for one of a `for_each`"#);
    let restore = ["restore", "shop", "web", "--as", "front", "--auto-approve"];
    shop.good(&restore).await;
    assert_eq!(shop.id("front").await, id);
    assert!(shop.check("shop", "web").await.is_none());
    let history = shop.good(&["history", "shop", "--output", "json"]).await;
    let history: serde_json::Value = serde_json::from_str(&history).unwrap();
    assert_eq!(history["generations"][0]["kind"], "restore");
}

#[tokio::test]
async fn what_the_api_made_and_lost_comes_back_as_itself() {
    let shop = Shop::start().await;
    let create = ["create", "-u", "http://a.example.com/", "--name", "blog"];
    let hook = ["-w", "http://hook.example.com/"];
    shop.good(&[&create[..], &hook].concat()).await;
    let before = shop.check("api", "blog").await.unwrap();
    shop.good(&["delete", "blog"]).await;
    shop.good(&["restore", "api", "blog"]).await;
    let back = shop.check("api", "blog").await.unwrap();
    assert_eq!(
        (&back.id, &back.webhook_url),
        (&before.id, &before.webhook_url)
    );
    let mut conn = shop.server.store.acquire().await.unwrap();
    let told: i64 = sqlx::query_scalar("select count(*) from check_receivers")
        .fetch_one(&mut *conn)
        .await
        .unwrap();
    assert_eq!(told, 1);
    // Its name may be somebody else's by now.
    shop.good(&["delete", "blog"]).await;
    shop.good(&create).await;
    let taken = shop.ctl(&["restore", "api", &before.id]).await;
    let other = shop.check("api", "blog").await.unwrap().id;
    let words = taken
        .words
        .replace(&before.id, "ID")
        .replace(&other, "OTHER");
    insta::assert_snapshot!(words, @r#"error: already_exists: another check, OTHER, is called "blog" by now; bring this one back under another name: lokahictl restore api ID --as NAME"#);
    let out = shop
        .good(&["restore", "api", &before.id, "--as", "old"])
        .await;
    let said = format!("Restored: check old ({}), with its history.\n", before.id);
    assert_eq!(out, said);
    let lives = shop.ctl(&["restore", "api", "old"]).await;
    assert_eq!(lives.code, 1, "{}", lives.out);
    insta::assert_snapshot!(lives.words.replace(&before.id, "ID"), @r#"error: already_exists: "old" was not deleted: the check ID is live"#);
}

#[tokio::test]
async fn what_lives_is_explained_before_a_deleted_check_of_its_former_name() {
    let shop = Shop::with(&(check("web", "") + &check("mail", ""))).await;
    let id = shop.id("web").await;
    let renamed = check("web", "").replace("\"web\"", "\"site\"") + &check("mail", "");
    let moved = "moved {\n  from = check.web\n  to   = check.site\n}\n";
    shop.folder.write(&(renamed.clone() + moved));
    shop.apply().await;
    shop.folder.write(&(renamed.clone() + &check("web", "")));
    shop.apply().await;
    let other = shop.id("web").await;
    shop.folder.write(&renamed);
    shop.apply().await;
    for asked in ["web", "shop/web"] {
        let told = shop.good(&["explain", asked]).await;
        let told: Vec<&str> = told.lines().collect();
        assert!(told[0].starts_with("shop/site "), "{told:?}");
        assert_eq!(told[1], "  was called web before");
        let namesake =
            format!("  another check was called web and is deleted: lokahictl explain {other}");
        assert_eq!(told[2], namesake);
    }
    let told = shop.good(&["explain", &other]).await;
    assert!(told.contains("  was deleted at "), "{told}");
    let told = shop.good(&["explain", &id]).await;
    assert!(!told.contains("deleted"), "{told}");
}
