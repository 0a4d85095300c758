//! An apply after which many of the checks fail that it changed: their receivers wait, and the
//! operators are told.

use lokahi::proto::lokahi::{ProjectStatus, ProjectsRequest};

use super::fleet::Fleet;
use super::peers::{Receiver, Site};
use super::shop::told;
use crate::support::checkout::Checkout;
use crate::support::programs::{Ended, lokahictl};
use crate::support::until;

/// Twelve checks of one site, who hears of them, and who of the project.
struct Story {
    fleet: Fleet,
    folder: Checkout,
    site: Site,
    oncall: Receiver,
    platform: Receiver,
    has_operators: bool,
}

const FINE: &str = "[\"all is well\"]";
const WRONG: &str = "[\"what is not there\"]";

impl Story {
    /// Each is up.
    async fn start(has_operators: bool) -> Self {
        let story = Self {
            fleet: Fleet::start(&[]).await,
            folder: Checkout::new(),
            site: Site::start().await,
            oncall: Receiver::start().await,
            platform: Receiver::start().await,
            has_operators,
        };
        story.apply(FINE, "").await;
        until("all are up", async || story.status().await.up == 12).await;
        story
    }

    /// Applies that the body has this.
    async fn apply(&self, body: &str, more: &str) {
        let operators = match self.has_operators {
            true => "operators = [webhook.platform]",
            false => "",
        };
        let (site, oncall, platform) = (&self.site.url, &self.oncall.url, &self.platform.url);
        let text = format!(
            r#"
lokahi {{
  project = "shop"
  {operators}
}}

webhook "oncall" {{
  url    = "{oncall}"
  format = "json"
}}

webhook "platform" {{
  url    = "{platform}"
  format = "json"
}}

check "page" {{
  for_each = toset(["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"])
  url      = "{site}${{each.key}}"
  every    = "1s"
  {more}

  assert {{
    body_contains = {body}
  }}

  confirm {{
    failures = 1
  }}

  notify {{
    webhooks = [webhook.oncall]
  }}
}}
"#
        );
        self.folder.write_file("shop.hcl", &text);
        let applied = self
            .ctl(&["apply", "--auto-approve", self.folder.path()])
            .await;
        assert_eq!(applied.code, 0, "{}{}", applied.out, applied.words);
    }

    async fn ctl(&self, arguments: &[&str]) -> Ended {
        lokahictl(&self.fleet.base(), arguments).await
    }

    async fn status(&self) -> ProjectStatus {
        let asked = ProjectsRequest {
            project: "shop".into(),
            ..ProjectsRequest::default()
        };
        let found = self.fleet.client().projects(&asked).await.unwrap();
        found.projects.into_iter().next().unwrap()
    }

    async fn count(&self, sql: &'static str) -> i64 {
        let database = &mut self.fleet.database().await;
        sqlx::query_scalar(sql).fetch_one(database).await.unwrap()
    }

    /// How many deliveries are held, by everything or since the generation is suspect.
    async fn held(&self) -> (i64, i64) {
        let held = "select count(*) from deliveries where state = 'held'";
        let suspect = "select count(*) from deliveries where state = 'held'
                           and reason like 'generation % is suspect%'";
        (self.count(held).await, self.count(suspect).await)
    }

    /// What the operators were told last: `TYPE`, with a dot if it is over, and its message.
    async fn until_platform(&self, many: usize) -> (String, String) {
        until(&format!("operators heard {many}"), async || {
            self.platform.taken().len() >= many
        })
        .await;
        let last = self.platform.taken().pop().unwrap();
        let event: serde_json::Value = serde_json::from_slice(&last.body).unwrap();
        let data = &event["data"];
        let over = if data["resolved"] == true { "." } else { "" };
        let message = data["project"]["message"].as_str().unwrap().to_owned();
        (
            format!("{}{over}", event["type"].as_str().unwrap()),
            message,
        )
    }
}

#[tokio::test]
async fn what_a_bad_apply_breaks_is_held_until_somebody_approves_though_lokahid_was_killed() {
    let mut story = Story::start(true).await;
    // That can make nothing fail.
    story.apply(FINE, "description = \"a page\"").await;
    assert_eq!(story.count("select count(*) from trials").await, 0);

    story.apply(WRONG, "").await;
    let (kind, message) = story.until_platform(1).await;
    assert_eq!(kind, "config.suspect");
    for words in [
        "of the 12 checks that generation 3",
        "lokahictl rollback shop 2",
    ] {
        assert!(message.contains(words), "{message}");
    }
    until("all are held", async || story.held().await == (12, 12)).await;
    story.fleet.lokahid.kill().await;
    story.fleet.lokahid.start();
    story.fleet.lokahid.address().await;
    let status = story.ctl(&["status", "shop", "--output", "table"]).await;
    let words = [
        "suspect      generation 3, since ",
        "or lokahictl approve shop",
    ];
    assert!(
        words.iter().all(|words| status.out.contains(words)),
        "{}",
        status.out
    );
    // So do those who ask for what is down, in words and as a document.
    for list in [["down", "--output", "table"], ["list", "--output", "table"]] {
        let listed = story.ctl(&list).await;
        let row = listed.out.lines().find(|row| row.contains("page[\"a\"]"));
        assert!(row.unwrap().contains("DOWN (suspect)"), "{}", listed.out);
        let footer = "config.suspect of shop: ";
        let (_, todo) = listed.words.split_once(footer).unwrap();
        assert!(todo.contains("lokahictl rollback shop 2"), "{todo}");
        assert!(todo.contains("lokahictl approve shop"), "{todo}");
    }
    let listed = story.ctl(&["down", "--output", "json"]).await;
    assert!(!listed.words.contains("suspect"), "{}", listed.words);
    let listed: serde_json::Value = serde_json::from_str(&listed.out).unwrap();
    assert_eq!(listed["notices"][0]["type"], "config.suspect");
    let suspect = &listed["results"][0]["check"]["suspect"];
    assert_eq!(suspect["by"], "generation 3", "{listed}");
    let elsewhere = story
        .ctl(&["down", "--project", "api", "--output", "table"])
        .await;
    assert!(!elsewhere.words.contains("suspect"), "{}", elsewhere.words);
    let explained = story.ctl(&["explain", "page[\"a\"]"]).await;
    let words = "oncall not told yet: generation 3 is suspect, ";
    assert!(explained.out.contains(words), "{}", explained.out);
    until("it is measured", async || {
        story.fleet.metric("lokahi_config_suspect").await == 1.0
    })
    .await;
    assert_eq!(told(&story.oncall), Vec::<String>::new());

    let approved = story.ctl(&["approve", "shop"]).await;
    assert_eq!(approved.code, 0, "{}", approved.words);
    let (kind, message) = story.until_platform(2).await;
    assert_eq!(kind, "config.suspect.");
    assert!(message.contains("anonymous approved it"), "{message}");
    until("they are told", async || told(&story.oncall).len() == 12).await;
    assert!(
        told(&story.oncall)
            .iter()
            .all(|it| it.starts_with("check.down page["))
    );
    assert_eq!(story.status().await.suspect, None);
    let down = story.ctl(&["down", "--output", "table"]).await;
    assert!(!format!("{}{}", down.out, down.words).contains("suspect"));
    let again = story.ctl(&["approve", "shop"]).await;
    assert_eq!(again.code, 1, "{}", again.words);
}

#[tokio::test]
async fn what_a_bad_apply_breaks_and_a_rollback_mends_is_told_to_nobody() {
    let story = Story::start(true).await;
    story.apply(WRONG, "").await;
    story.until_platform(1).await;
    until("all are held", async || story.held().await == (12, 12)).await;
    let back = ["rollback", "shop", "1", "--auto-approve"];
    let back = story.ctl(&back).await;
    assert_eq!(back.code, 0, "{}{}", back.out, back.words);
    let (kind, message) = story.until_platform(2).await;
    assert_eq!(kind, "config.suspect.");
    assert!(message.contains("all of them are up again"), "{message}");
    until("nothing is held", async || story.held().await == (0, 0)).await;
    assert_eq!(story.status().await.up, 12);
    assert_eq!(told(&story.oncall), Vec::<String>::new());
    // What fails from then on is nothing that the apply did.
    story.site.set(false);
    until("they are told", async || told(&story.oncall).len() == 12).await;
}

#[tokio::test]
async fn a_few_that_fail_after_an_apply_are_told_when_the_others_were_looked_at() {
    let story = Story::start(true).await;
    let one = format!("each.key == \"a\" ? {WRONG} : [\"is well\"]");
    story.apply(&one, "").await;
    until("it is told", async || !told(&story.oncall).is_empty()).await;
    assert_eq!(told(&story.oncall), ["check.down page[\"a\"] 2"]);
    assert_eq!(story.platform.taken().len(), 0);
    until("that is forgotten", async || {
        story.count("select count(*) from trials").await == 0
    })
    .await;
}

#[tokio::test]
async fn without_operators_nothing_is_held_after_an_apply() {
    let story = Story::start(false).await;
    story.apply(WRONG, "").await;
    until("they are told", async || told(&story.oncall).len() == 12).await;
    assert_eq!(story.count("select count(*) from trials").await, 0);
}
