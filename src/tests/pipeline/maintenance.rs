//! Somebody works on what is watched: nobody is told of what begins then, and no uptime counts it.

use lokahi::proto::lokahi::check::State;

use super::fleet::Fleet;
use super::peers::{Receiver, Site};
use super::shop::{told, until_told};
use crate::support::checkout::Checkout;
use crate::support::programs::{Ended, lokahictl};
use crate::support::until;

/// A declared check of a site, and who hears of it.
pub(super) struct Declared {
    pub(super) fleet: Fleet,
    folder: Checkout,
    pub(super) site: Site,
    pub(super) receiver: Receiver,
    pub(super) files: String,
}

impl Declared {
    async fn start() -> Self {
        Self::told("").await
    }

    /// One whose events are told as these lines say.
    pub(super) async fn told(how: &str) -> Self {
        let (site, receiver) = (Site::start().await, Receiver::start().await);
        let files = format!(
            "webhook \"oncall\" {{\n  url    = \"{}\"\n  format = \"json\"\n}}\n\n\
             check \"front\" {{\n  url    = \"{}\"\n  every  = \"1s\"\n  labels = {{ team = \"web\" }}\n\n  \
             confirm {{\n    failures = 1\n  }}\n\n  notify {{\n    webhooks = [webhook.oncall]\n{how}  }}\n}}\n\n",
            receiver.url, site.url
        );
        let declared = Self {
            fleet: Fleet::start(&[]).await,
            folder: Checkout::new(),
            site,
            receiver,
            files,
        };
        declared.apply("").await;
        declared.until(State::Up).await;
        declared
    }

    async fn ctl(&self, arguments: &[&str]) -> Ended {
        let ended = lokahictl(&self.fleet.base(), arguments).await;
        assert_eq!(ended.code, 0, "{arguments:?}: {}{}", ended.out, ended.words);
        ended
    }

    /// Applies the check and what else is declared.
    pub(super) async fn apply(&self, more: &str) {
        self.folder.write(&(self.files.clone() + more));
        self.ctl(&["apply", "--auto-approve", self.folder.path()])
            .await;
    }

    pub(super) async fn until(&self, state: State) {
        until(&format!("it is {state:?}"), async || {
            let list = lokahictl(&self.fleet.base(), &["get", "shop/front"]).await;
            let check: serde_json::Value = serde_json::from_str(&list.out).unwrap();
            check["state"] == i32::from(state)
        })
        .await;
    }

    async fn count(&self, sql: &'static str) -> i64 {
        let database = &mut self.fleet.database().await;
        sqlx::query_scalar(sql).fetch_one(database).await.unwrap()
    }

    /// `STATE: REASON` of each delivery.
    async fn deliveries(&self) -> Vec<String> {
        let sql = "select state || ': ' || reason from deliveries order by seq";
        let database = &mut self.fleet.database().await;
        sqlx::query_scalar(sql).fetch_all(database).await.unwrap()
    }
}

#[tokio::test]
async fn what_begins_in_maintenance_is_told_when_it_is_over_and_in_no_uptime() {
    let shop = Declared::start().await;
    let maintain = [
        "maintain",
        "-l",
        "team=web",
        "--for",
        "1h",
        "--reason",
        "a new disk",
    ];
    let begun = shop.ctl(&maintain).await;
    assert!(
        begun.out.starts_with("maintenance of 1 check until "),
        "{}",
        begun.out
    );
    let id = begun.words.split(' ').nth(3).unwrap().to_owned();
    let marked = "select count(*) from observations where maintenance";
    until("probes are marked", async || shop.count(marked).await > 0).await;
    shop.site.set(false);
    shop.until(State::Down).await;
    let held = shop.deliveries().await;
    assert_eq!(held.len(), 1);
    assert!(
        held[0].starts_with("held: in maintenance until "),
        "{held:?}"
    );
    assert!(held[0].ends_with(", by anonymous: a new disk"), "{held:?}");
    let table = shop.ctl(&["down", "--output", "table"]).await;
    assert!(
        table.out.contains("  DOWN (maintenance)  "),
        "{}",
        table.out
    );
    let listed = shop.ctl(&["maintain", "--list"]).await;
    assert!(
        listed.out.contains("a new disk (anonymous)"),
        "{}",
        listed.out
    );
    let past = shop
        .ctl(&["history", "shop/front", "--exact", "--output", "json"])
        .await;
    let past: serde_json::Value = serde_json::from_str(&past.out).unwrap();
    // Every failed probe was within it.
    assert_eq!(past["uptime"], 1, "{past}");
    assert!(past["total"]["maintenance"].as_i64().unwrap() > 0, "{past}");

    shop.ctl(&["maintain", "--end", &id]).await;
    assert_eq!(until_told(&shop.receiver, 1).await, ["check.down front 2"]);
    let listed = shop.ctl(&["maintain", "--list"]).await;
    assert_eq!(listed.words, "No maintenance is declared or under way.\n");
    // Probes count again.
    let judged = "select count(*) from observations where outcome > 1 and not maintenance";
    until("probes count again", async || shop.count(judged).await > 0).await;
}

#[tokio::test]
async fn declared_maintenance_holds_as_long_as_it_is_declared() {
    let shop = Declared::start().await;
    // One begins each minute and lasts two.
    let always = "maintenance \"always\" {\n  cron     = \"* * * * *\"\n  duration = \"2m\"\n  \
                  timezone = \"Europe/Berlin\"\n  reason   = \"it moves\"\n\n  match {\n    names = \
                  [\"fr*\"]\n  }\n}\n";
    shop.apply(always).await;
    let planned = shop.ctl(&["plan", shop.folder.path()]).await;
    assert!(planned.out.contains("No changes"), "{}", planned.out);
    // What is live is written as it was.
    let exported = shop.ctl(&["export", "--owner", "shop"]).await;
    assert!(
        exported.out.contains("cron     = \"* * * * *\""),
        "{}",
        exported.out
    );
    let again = Checkout::new();
    again.write_file("shop.hcl", &exported.out);
    let planned = shop.ctl(&["plan", again.path()]).await;
    assert!(planned.out.contains("No changes"), "{}", planned.out);

    shop.site.set(false);
    shop.until(State::Down).await;
    let held = shop.deliveries().await;
    assert!(
        held[0].ends_with(", by maintenance.always: it moves"),
        "{held:?}"
    );
    let listed = shop.ctl(&["maintain", "--list", "--output", "json"]).await;
    let listed: serde_json::Value = serde_json::from_str(&listed.out).unwrap();
    let it = &listed["maintenances"][0];
    assert_eq!(
        (&it["open"], &it["checks"]),
        (&true.into(), &1.into()),
        "{it}"
    );
    let refused = lokahictl(
        &shop.fleet.base(),
        &["maintain", "--end", it["id"].as_str().unwrap()],
    )
    .await;
    assert_eq!(refused.code, 9, "{}", refused.words);
    assert!(
        refused
            .words
            .contains("declared by the files of the project shop"),
        "{}",
        refused.words
    );

    // Of what is over while it lasts nobody hears.
    shop.site.set(true);
    shop.until(State::Up).await;
    shop.site.set(false);
    shop.until(State::Down).await;
    assert_eq!(told(&shop.receiver), [""; 0]);
    shop.apply("").await;
    assert_eq!(until_told(&shop.receiver, 1).await, ["check.down front 4"]);
    // An earlier generation has it again.
    shop.ctl(&["rollback", "shop", "2", "--auto-approve"]).await;
    let listed = shop.ctl(&["maintain", "--list"]).await;
    assert!(listed.out.contains("always"), "{}", listed.out);
}

/// Longer than any story waits.
pub(super) const GROUPED: &str = "    group_by   = []\n    group_wait = \"10m\"\n";

#[tokio::test]
async fn what_waits_for_others_when_maintenance_is_begun_is_held() {
    let shop = Declared::told(GROUPED).await;
    shop.site.set(false);
    shop.until(State::Down).await;
    assert_eq!(shop.deliveries().await, ["pending: "]);
    let maintain = ["maintain", "front", "--for", "1h", "--reason", "a new disk"];
    shop.ctl(&maintain).await;
    let held = shop.deliveries().await;
    assert!(
        held[0].starts_with("held: in maintenance until "),
        "{held:?}"
    );
    // Nobody has heard of it, and nobody hears of its end.
    shop.site.set(true);
    shop.until(State::Up).await;
    let ended = shop.deliveries().await;
    assert!(
        ended.iter().all(|it| it.starts_with("superseded: ")),
        "{ended:?}"
    );
    assert_eq!(told(&shop.receiver), [""; 0]);
}

#[tokio::test]
async fn what_waits_for_others_is_held_when_a_window_has_opened_meanwhile() {
    let shop = Declared::told(GROUPED).await;
    shop.site.set(false);
    shop.until(State::Down).await;
    let always = "maintenance \"always\" {\n  cron     = \"* * * * *\"\n  duration = \"2m\"\n  \
                  timezone = \"Europe/Berlin\"\n  reason   = \"it moves\"\n\n  match {\n    names = \
                  [\"fr*\"]\n  }\n}\n";
    shop.apply(always).await;
    assert_eq!(shop.deliveries().await, ["pending: "]);
    sqlx::query("update deliveries set next_at = now()")
        .execute(&mut shop.fleet.database().await)
        .await
        .unwrap();
    until("it is held", async || {
        let held = shop.deliveries().await;
        held[0].starts_with("held: in maintenance until ")
    })
    .await;
    assert_eq!(told(&shop.receiver), [""; 0]);
    // When it is over the state is judged once.
    shop.apply("").await;
    assert_eq!(until_told(&shop.receiver, 1).await, ["check.down front 2"]);
}
