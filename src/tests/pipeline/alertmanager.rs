//! A real Alertmanager is told what fires, that it still does, and that it ended.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use lokahi::model::check::{CheckSpec, Grouping};
use lokahi::model::health::State;
use lokahi::model::webhook::{WebhookFormat, WebhookSpec};
use serde_json::Value;

use super::peers::Site;
use super::shop::Shop;
use crate::support::folder::Folder;
use crate::support::peer::{Peer, Sign};
use crate::support::programs::lokahictl;
use crate::support::server::{answer, http};
use crate::support::stranger::stranger;
use crate::support::until;

const CONFIG: &str = "route: { receiver: nobody }\nreceivers: [{ name: nobody }]\n";

/// Where Debian's Alertmanager reads templates, of its own mails, and nowhere else.
const TEMPLATES: &str = "/usr/share/prometheus/alertmanager";

/// Mounts a folder with those files for the program that follows, which runs in there.
const MOUNT: &str =
    "mount -t tmpfs tmpfs /usr/share && cp -r \"$1\" /usr/share/ && shift && exec \"$@\"";

/// The program, with templates where it wants them: one that is only unpacked has none there.
fn with_its_templates(program: &Command) -> Command {
    if Path::new(TEMPLATES).exists() {
        return Command::new(program.get_program());
    }
    let ways: [&[&str]; 2] = [&["--mount"], &["--user", "--map-root-user", "--mount"]];
    let allowed = ways.into_iter().find(|way| {
        let tried = Command::new("unshare").args(*way).arg("true").output();
        tried.is_ok_and(|output| output.status.success())
    });
    let unpacked = Path::new(program.get_program()).parent().unwrap();
    let mut command = Command::new("unshare");
    command
        .args(allowed.expect("namespaces are allowed here, or Alertmanager is installed"))
        .args(["sh", "-c", MOUNT, "sh"])
        .arg(unpacked.join("tree/usr/share/prometheus"))
        .arg(program.get_program());
    command
}

struct Alertmanager(Peer);

impl Alertmanager {
    async fn start() -> Self {
        let folder = Folder::new();
        folder.write("config.yml", CONFIG);
        let peer = Peer::start(folder, Sign::Says("Listening"), |folder, port| {
            let mut command = with_its_templates(&stranger("prometheus-alertmanager"));
            command
                .arg(format!(
                    "--config.file={}",
                    folder.path().join("config.yml").display()
                ))
                .arg(format!("--storage.path={}", folder.path().display()))
                .arg(format!("--web.listen-address=127.0.0.1:{port}"))
                .arg("--cluster.listen-address=");
            command
        })
        .await;
        Self(peer)
    }

    fn receiver(&self) -> WebhookSpec {
        let url = format!("http://127.0.0.1:{}", self.0.port);
        WebhookSpec::new(url.parse().unwrap(), WebhookFormat::Alertmanager)
    }

    /// What fires, in the order of the checks' names.
    async fn alerts(&self) -> Vec<Value> {
        let url = format!("http://127.0.0.1:{}/api/v2/alerts", self.0.port);
        let answer = answer(http().get(&url)).await;
        let mut alerts: Vec<Value> = serde_json::from_slice(&answer.body).unwrap();
        alerts.sort_by_key(|it| it["labels"]["check"].to_string());
        alerts
    }
}

#[tokio::test]
async fn an_alert_fires_is_posted_again_and_ends() {
    let site = Site::start().await;
    let alertmanager = Alertmanager::start().await;
    let mut shop = Shop::open().await;
    let am = shop.receiver_with("am", alertmanager.receiver()).await;
    let labelled = |spec: &mut CheckSpec| spec.labels = [("team".into(), "web".into())].into();
    let check = shop.wish("front", &site.url, labelled).await;
    shop.create(&check, &[am]).await;
    shop.until(check.id, State::Up).await;
    assert_eq!(alertmanager.alerts().await, Vec::<Value>::new());
    site.set(false);
    until("it fires", async || alertmanager.alerts().await.len() == 1).await;
    let fires = alertmanager.alerts().await.remove(0);
    for (label, value) in [
        ("alertname", "LokahiDown"),
        ("check", "front"),
        ("project", "shop"),
        ("team", "web"),
        ("url", &site.url),
    ] {
        assert_eq!(fires["labels"][label], value, "{fires}");
    }
    assert_eq!(fires["annotations"]["summary"], "front is DOWN");
    assert_eq!(fires["annotations"]["description"], "status 500 is not 2xx");

    // A minute later it is posted again, and ends later.
    sqlx::query("update deliveries set again_at = again_at - interval '1 minute'")
        .execute(&mut shop.fleet.database().await)
        .await
        .unwrap();
    until("it is posted again", async || {
        alertmanager.alerts().await[0]["endsAt"].as_str() > fires["endsAt"].as_str()
    })
    .await;
    let still = alertmanager.alerts().await.remove(0);
    assert_eq!(still["startsAt"], fires["startsAt"]);
    site.set(true);
    until("it ended", async || alertmanager.alerts().await.is_empty()).await;
    sqlx::query("update deliveries set again_at = again_at - interval '1 minute'")
        .execute(&mut shop.fleet.database().await)
        .await
        .unwrap();
    until("it is never posted again", async || {
        shop.count("select count(*) from deliveries where again_at is not null")
            .await
            == 0
    })
    .await;
    assert!(alertmanager.alerts().await.is_empty());
}

#[tokio::test]
async fn what_is_told_together_is_posted_together_and_ends_one_by_one() {
    let (site, other) = (Site::start().await, Site::start().await);
    let alertmanager = Alertmanager::start().await;
    let mut shop = Shop::open().await;
    let am = shop.receiver_with("am", alertmanager.receiver()).await;
    let together = |spec: &mut CheckSpec| {
        spec.grouping = Some(Grouping {
            by: Vec::new(),
            wait: Duration::from_secs(2),
        });
    };
    let mut checks = Vec::new();
    for (name, url) in [("a", &site.url), ("b", &other.url)] {
        let check = shop.wish(name, url, together).await;
        shop.create(&check, &[am]).await;
        shop.until(check.id, State::Up).await;
        checks.push(check);
    }
    site.set(false);
    other.set(false);
    until("both fire", async || alertmanager.alerts().await.len() == 2).await;
    let groups = "select count(*) from transitions where type = 'group'";
    assert_eq!(shop.count(groups).await, 1);
    other.set(true);
    until("one ended", async || alertmanager.alerts().await.len() == 1).await;
    // Only what goes on is posted again.
    sqlx::query("update deliveries set again_at = again_at - interval '1 minute'")
        .execute(&mut shop.fleet.database().await)
        .await
        .unwrap();
    let before = alertmanager.alerts().await.remove(0);
    until("it is posted again", async || {
        alertmanager.alerts().await[0]["endsAt"].as_str() > before["endsAt"].as_str()
    })
    .await;
    let fires = alertmanager.alerts().await;
    assert_eq!(fires.len(), 1, "{fires:?}");
    assert_eq!(fires[0]["labels"]["check"], "a");
}

#[tokio::test]
async fn an_alert_whose_labels_were_edited_ends_with_the_outage() {
    let site = Site::start().await;
    let alertmanager = Alertmanager::start().await;
    let mut shop = Shop::open().await;
    let am = shop.receiver_with("am", alertmanager.receiver()).await;
    let of = |team: &'static str| {
        move |spec: &mut CheckSpec| spec.labels = [("team".into(), team.into())].into()
    };
    let check = shop.wish("front", &site.url, of("web")).await;
    shop.create(&check, &[am]).await;
    shop.until(check.id, State::Up).await;
    site.set(false);
    until("it fires", async || alertmanager.alerts().await.len() == 1).await;
    let fires = alertmanager.alerts().await.remove(0);
    assert_eq!(fires["labels"]["team"], "web");
    until("that is written down", async || {
        shop.count("select count(*) from deliveries where state = 'delivered'")
            .await
            == 1
    })
    .await;
    shop.edit(&check, of("mail")).await;
    shop.until_read(check.id).await;
    site.set(true);
    until("it ended", async || alertmanager.alerts().await.is_empty()).await;
}

#[tokio::test]
async fn what_operators_send_arrives() {
    let site = Site::start().await;
    let alertmanager = Alertmanager::start().await;
    let mut shop = Shop::open().await;
    let am = shop.receiver_with("am", alertmanager.receiver()).await;
    let check = shop.wish("front", &site.url, |_| ()).await;
    shop.create(&check, &[am]).await;
    let base = shop.fleet.base();
    let tested = lokahictl(&base, &["webhook", "test", "shop/am"]).await;
    assert_eq!(tested.code, 0, "{}", tested.words);
    assert!(
        tested
            .out
            .starts_with("shop/am took it: it answered 200, after "),
        "{}",
        tested.out
    );
    let names = async || {
        let alerts = alertmanager.alerts().await;
        let names = alerts
            .iter()
            .map(|it| it["labels"]["alertname"].to_string());
        names.collect::<Vec<_>>()
    };
    until("the test fires", async || {
        names().await == ["\"LokahiTest\""]
    })
    .await;
    shop.until(check.id, State::Up).await;
    site.set(false);
    let outage = async || {
        let alerts = alertmanager.alerts().await;
        let mut outages = alerts
            .into_iter()
            .filter(|it| it["labels"]["alertname"] == "LokahiDown");
        outages.next()
    };
    until("the outage fires", async || outage().await.is_some()).await;
    let fires = outage().await.unwrap();
    let delivered = "select count(*) from deliveries where state = 'delivered' and seq > 0";
    until("that is written down", async || {
        shop.count(delivered).await == 1
    })
    .await;
    let event = fires["annotations"]["event_id"].as_str().unwrap();
    let again = lokahictl(&base, &["webhook", "replay", event]).await;
    assert_eq!(again.code, 0, "{}", again.words);
    until("it is posted again", async || {
        outage().await.unwrap()["endsAt"].as_str() > fires["endsAt"].as_str()
    })
    .await;
    let still = outage().await.unwrap();
    assert_eq!(
        (&still["labels"], &still["startsAt"]),
        (&fires["labels"], &fires["startsAt"])
    );
    until("that is written down", async || {
        shop.count(delivered).await == 2
    })
    .await;
    // Once it is over nobody makes it fire anew.
    site.set(true);
    until("the outage ends", async || outage().await.is_none()).await;
    until("that is written down", async || {
        shop.count(delivered).await == 3
    })
    .await;
    let late = lokahictl(&base, &["webhook", "replay", event]).await;
    assert_eq!(late.code, 1, "{}", late.words);
    let words = late.words.replace(event, "EVENT");
    insta::assert_snapshot!(words, @"error: failed_precondition: the event EVENT for am was followed by something newer, and alerts say what is so now: it is not sent again there");
    let all = lokahictl(&base, &["webhook", "replay", "--since", "1h"]).await;
    assert_eq!(all.code, 0, "{}", all.words);
    assert!(
        all.out.starts_with("1 event is sent again to 1 receiver"),
        "{}",
        all.out
    );
    until("that is written down", async || {
        shop.count(delivered).await == 4
    })
    .await;
    assert!(outage().await.is_none());
}
