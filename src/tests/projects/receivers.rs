//! Receivers in plans and applies: what is shown of their secrets, headers and fallbacks, and
//! what is stored of them.

use std::collections::BTreeMap;

use lokahi::model::webhook::{WebhookFormat, WebhookSpec};
use sqlx::Row as _;

use super::{NOTIFY, Shop, check};
use crate::support::declaring::Declaring;
use crate::support::server::Server;

fn hook(name: &str, more: &str) -> String {
    format!("webhook \"{name}\" {{\n  url = \"https://{name}.example.com/\"\n  {more}\n}}\n\n")
}

/// `NAME: collapse, fallback` of what is live.
async fn stored(server: &Server) -> BTreeMap<String, (bool, String)> {
    let rows = sqlx::query(
        "select address, collapse, fallback from receivers
         where address is not null and deleted_at is null",
    );
    let rows = rows
        .fetch_all(&mut *server.store.acquire().await.unwrap())
        .await
        .unwrap();
    rows.iter()
        .map(|row| (row.get(0), (row.get(1), row.get(2))))
        .collect()
}

#[tokio::test]
async fn a_plan_shows_each_of_their_attributes() {
    let shop = Shop::start().await;
    let checks = check("web", NOTIFY);
    shop.folder
        .write(&(hook("oncall", "") + &hook("pager", "") + &checks));
    shop.apply().await;
    let plain = |collapse, fallback: &str| (collapse, fallback.to_owned());
    assert_eq!(stored(&shop.server).await["oncall"], plain(true, ""));

    let full = "secrets = [secret(\"new\"), secret(\"old\")]\n  \
                headers = { authorization = \"Bearer ${secret(\"tok\")}\" }\n  \
                timeout = \"5s\"\n  fallback = webhook.pager\n  collapse = false";
    shop.folder
        .write(&(hook("oncall", full) + &hook("pager", "") + &checks));
    let planned = shop.plan(&[]).await;
    let shown: Vec<&str> = planned
        .out
        .lines()
        .filter(|line| line.contains(" -> ") && line.contains('~'))
        .collect();
    insta::assert_snapshot!(shown.join("\n"), @r#"
    ~ secrets               : null -> [secret("new"), secret("old")]
    ~ headers.authorization : null -> "Bearer ${secret("tok")}"
    ~ timeout               : null -> "5s"
    ~ fallback              : null -> webhook.pager
    ~ collapse              : null -> false
    "#);
    shop.apply().await;
    assert_eq!(stored(&shop.server).await["oncall"], plain(false, "pager"));
    let exported = shop.good(&["export", "--owner", "shop"]).await;
    for line in [
        "secrets  = [secret(\"new\"), secret(\"old\")]",
        "fallback = webhook.pager",
        "collapse = false",
    ] {
        assert!(exported.contains(line), "{exported}");
    }

    // The fallback is called something else, and stays what it is.
    let moved = "moved {\n  from = webhook.pager\n  to   = webhook.night\n}\n";
    let night = full.replace("webhook.pager", "webhook.night");
    let night = hook("oncall", &night) + &hook("night", "") + &checks;
    let night = night.replace("https://night.", "https://pager.");
    shop.folder.write(&(night + moved));
    let only = shop.try_apply(&["--target", "webhook.night"]).await;
    assert_eq!(only.code, 1, "{}", only.out);
    assert!(only.words.contains("webhook.oncall"), "{}", only.words);
    shop.apply().await;
    let now = stored(&shop.server).await;
    assert_eq!(now["oncall"], plain(false, "night"));
    assert_eq!(now.len(), 2);

    // Without its block it is an error of the files.
    shop.folder
        .write(&(hook("oncall", "fallback = webhook.night") + &checks));
    let planned = shop.plan(&[]).await;
    assert_eq!(planned.code, 1);
    let told = planned.out + &planned.words;
    assert!(told.contains("no webhook is called `night`"), "{told}");
}

#[tokio::test]
async fn the_server_believes_no_client_that_fallbacks_end() {
    let server = Server::start().await;
    let to = |fallback: &str| WebhookSpec {
        fallback: Some(fallback.parse().unwrap()),
        ..WebhookSpec::new("http://h/".parse().unwrap(), WebhookFormat::Json)
    };
    let refused = async |declaring: Declaring| {
        let planned = declaring.plan(&server.client()).await;
        planned.unwrap_err().to_string()
    };
    let circle = Declaring::new("shop")
        .webhook("a", to("b"))
        .webhook("b", to("a"));
    let circle = refused(circle).await;
    assert!(
        circle.contains("fallbacks go in a circle: webhook.a -> webhook.b -> webhook.a"),
        "{circle}"
    );
    let unknown = refused(Declaring::new("shop").webhook("a", to("gone"))).await;
    assert!(
        unknown.contains("webhook.a, by its fallback, notifies webhook \"gone\""),
        "{unknown}"
    );
}
