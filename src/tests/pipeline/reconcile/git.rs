//! CHECKS_GIT: committed trees of a repository, with their names.

use super::folder::{Folder, check};
use super::standing::{condition, live, status, until_condition};
use crate::pipeline::fleet::Fleet;
use crate::support::programs::lokahictl;
use crate::support::until;

/// Not a word of it may be found anywhere.
const PASSWORD: &str = "canary-f3b1d7";
const ROOT: &str = "lokahi {\n  project = \"shop\"\n}\n";

struct Story {
    fleet: Fleet,
    /// Where people commit.
    work: Folder,
    /// Where they push to.
    bare: Folder,
    /// Copies.
    _cache: Folder,
}

impl Story {
    async fn start(interval: &str) -> Self {
        let (work, bare, cache) = (Folder::new(), Folder::new(), Folder::new());
        bare.git(&["init", "-q", "--bare"]);
        work.git(&["init", "-q"]);
        work.git(&["remote", "add", "origin", &bare.text("")]);
        work.write("checks.d/lokahi.hcl", ROOT);
        work.write("checks.d/web.hcl", &check("a", "60s"));
        let sha = work.commit("first");
        work.git(&["push", "-q", "origin", "main"]);
        let place = format!("{}#main:checks.d", bare.text(""));
        let fleet = Fleet::start(&[
            ("CHECKS_GIT", &place),
            ("CACHE_DIR", &cache.text("")),
            ("RECONCILE_INTERVAL", interval),
        ])
        .await;
        let story = Self {
            fleet,
            work,
            bare,
            _cache: cache,
        };
        story.until_applied(&sha).await;
        story
    }

    fn push(&self, text: &str) -> String {
        self.work.write("checks.d/web.hcl", text);
        let sha = self.work.commit("more");
        self.work.git(&["push", "-q", "--force", "origin", "main"]);
        sha
    }

    async fn until_applied(&self, sha: &str) {
        until(&format!("{sha} is applied"), async || {
            let revision = status(&self.fleet, "shop").await.revision;
            revision.unwrap_or_default().sha == sha
        })
        .await;
        until_condition(&self.fleet, "shop", ("Ready", true, "Applied")).await;
    }
}

#[tokio::test]
async fn a_commit_is_applied_with_its_name_within_the_interval() {
    let story = Story::start("1s").await;
    let sha = story.push(&(check("a", "60s") + &check("b", "60s")));
    story.until_applied(&sha).await;
    let revision = status(&story.fleet, "shop").await.revision.unwrap();
    assert_eq!(
        (revision.r#ref.as_str(), revision.path.as_str()),
        ("main", "checks.d")
    );
    assert!(!revision.dirty);
    // What a tree lacks was taken away: there is nothing to wait for.
    let sha = story.push(&check("b", "60s"));
    story.until_applied(&sha).await;
    assert_eq!(live(&story.fleet).await, ["b"]);
    assert_eq!(status(&story.fleet, "shop").await.generation, 3);
}

#[tokio::test]
async fn a_commit_is_applied_at_once_when_somebody_says_so() {
    let story = Story::start("1h").await;
    let sha = story.push(&check("a", "30s"));
    let told = lokahictl(&story.fleet.base(), &["reconcile", "shop"]).await;
    assert_eq!(told.code, 0, "{}", told.words);
    story.until_applied(&sha).await;
}

#[tokio::test]
async fn a_push_back_to_an_ancestor_is_held() {
    let story = Story::start("1s").await;
    let first = story.work.git(&["rev-parse", "HEAD"]);
    let second = story.push(&check("a", "30s"));
    story.until_applied(&second).await;
    story
        .work
        .git(&["push", "-q", "--force", "origin", &format!("{first}:main")]);
    let words = until_condition(&story.fleet, "shop", ("Held", true, "rollback")).await;
    let short: String = second.chars().take(10).collect();
    assert!(words.contains(&short), "{words}");
    assert!(words.contains("push the newer commit again"), "{words}");
    let mut fleet = story.fleet;
    // A copy that never had what was forced away asks for it.
    fleet.lokahid.stop().await;
    let cache = Folder::new();
    fleet.lokahid.set("CACHE_DIR", &cache.text(""));
    fleet.lokahid.start();
    fleet.lokahid.address().await;
    until("it has looked", async || {
        fleet.metric("lokahi_reconcile_rounds_total").await >= 2.0
    })
    .await;
    assert_eq!(condition(&fleet, "shop", "Held").await.reason, "rollback");
    assert_eq!(status(&fleet, "shop").await.generation, 2);
    let approved = lokahictl(&fleet.base(), &["approve", "shop"]).await;
    assert_eq!(approved.code, 0, "{}", approved.words);
    until("it is done", async || {
        status(&fleet, "shop").await.generation == 3
    })
    .await;
    // What heals it afterwards is no step back.
    fleet.lokahid.stop().await;
    fleet.lokahid.set("SELF_HEAL", "restore");
    fleet.lokahid.start();
    fleet.lokahid.address().await;
    let put = ["put", "shop/a", "-e", "300", "--force", "--reason", "3 am"];
    let forced = lokahictl(&fleet.base(), &put).await;
    assert_eq!(forced.code, 0, "{}", forced.words);
    until("it is healed", async || {
        status(&fleet, "shop").await.generation == 4
    })
    .await;
    assert!(!condition(&fleet, "shop", "Held").await.status);
}

#[tokio::test]
async fn a_rewritten_branch_is_watched_over_from_there() {
    let story = Story::start("1s").await;
    let first = story.work.git(&["rev-parse", "HEAD"]);
    let old = story.push(&check("a", "30s"));
    story.until_applied(&old).await;
    story.work.git(&["reset", "-q", "--hard", &first]);
    let third = story.push(&check("a", "20s"));
    story.until_applied(&third).await;
    let fourth = story.push(&check("a", "10s"));
    story.until_applied(&fourth).await;
    let back = format!("{third}:main");
    story.work.git(&["push", "-q", "--force", "origin", &back]);
    let words = until_condition(&story.fleet, "shop", ("Held", true, "rollback")).await;
    let short: String = fourth.chars().take(10).collect();
    assert!(words.contains(&short), "{words}");
}

#[tokio::test]
async fn while_the_remote_is_away_nothing_changes_and_it_comes_back_by_itself() {
    let story = Story::start("1s").await;
    let (here, away) = (
        story.bare.text(""),
        format!("{}.away", story.bare.text("").trim_end_matches('/')),
    );
    std::fs::rename(&here, &away).unwrap();
    let words = until_condition(&story.fleet, "shop", ("Ready", false, "SourceUnavailable")).await;
    assert!(words.contains("git fetch"), "{words}");
    assert_eq!(live(&story.fleet).await, ["a"]);
    std::fs::rename(&away, &here).unwrap();
    until_condition(&story.fleet, "shop", ("Ready", true, "Applied")).await;
    assert_eq!(status(&story.fleet, "shop").await.generation, 1);
}

#[tokio::test]
async fn a_branch_that_is_removed_is_no_wish() {
    let story = Story::start("1s").await;
    story.bare.git(&["symbolic-ref", "HEAD", "refs/heads/none"]);
    story.bare.git(&["update-ref", "-d", "refs/heads/main"]);
    let words = until_condition(&story.fleet, "shop", ("Ready", false, "SourceUnavailable")).await;
    assert!(words.contains("main"), "{words}");
    assert_eq!(live(&story.fleet).await, ["a"]);
}

#[tokio::test]
async fn a_folder_that_a_commit_lacks_is_no_wish_and_no_mistake_of_a_file() {
    let story = Story::start("1s").await;
    story.work.git(&["mv", "checks.d", "elsewhere"]);
    let sha = story.work.commit("moved");
    story.work.git(&["push", "-q", "origin", "main"]);
    let words = until_condition(&story.fleet, "shop", ("Ready", false, "SourceUnavailable")).await;
    let short: String = sha.chars().take(10).collect();
    let expect = format!("there is no folder checks.d in main at {short}");
    assert!(words.contains(&expect), "{words}");
    assert_eq!(live(&story.fleet).await, ["a"]);
    story.work.git(&["mv", "elsewhere", "checks.d"]);
    let sha = story.push(&check("a", "30s"));
    story.until_applied(&sha).await;
}

#[tokio::test]
async fn a_link_that_leads_out_of_the_tree_is_not_followed() {
    let story = Story::start("1s").await;
    let outside = Folder::new();
    outside.write("secret.hcl", &check("stolen", "60s"));
    std::os::unix::fs::symlink(
        outside.path().join("secret.hcl"),
        story.work.path().join("checks.d/link.hcl"),
    )
    .unwrap();
    story.push(&check("a", "30s"));
    let words = until_condition(&story.fleet, "shop", ("Ready", false, "InvalidFiles")).await;
    assert!(words.contains("link.hcl:1"), "{words}");
    assert_eq!(live(&story.fleet).await, ["a"]);
}

#[tokio::test]
async fn credentials_of_a_repository_are_shown_nowhere() {
    let (work, cache) = (Folder::new(), Folder::new());
    work.git(&["init", "-q"]);
    work.write("lokahi.hcl", ROOT);
    work.write("web.hcl", &check("a", "60s"));
    work.commit("first");
    // git reads the same tree at a URL with credentials: the host of a file URL is not looked at.
    let place = format!(
        "file://user:{PASSWORD}@localhost{}#main",
        work.text("").trim_end_matches('/')
    );
    let rewritten = format!("url.{}.insteadOf", work.text("").trim_end_matches('/'));
    let url = place.split('#').next().unwrap();
    let mut fleet = Fleet::start(&[
        ("CHECKS_GIT", &place),
        ("CACHE_DIR", &cache.text("")),
        ("RECONCILE_INTERVAL", "1s"),
        ("GIT_CONFIG_COUNT", "1"),
        ("GIT_CONFIG_KEY_0", &rewritten),
        ("GIT_CONFIG_VALUE_0", url),
    ])
    .await;
    until_condition(&fleet, "shop", ("Ready", true, "Applied")).await;
    std::fs::remove_dir_all(work.path().join(".git")).unwrap();
    until_condition(&fleet, "shop", ("Ready", false, "SourceUnavailable")).await;
    // Without git's help it refuses the URL itself, and quotes it.
    fleet.lokahid.stop().await;
    fleet.lokahid.set("GIT_CONFIG_COUNT", "0");
    fleet.lokahid.start();
    fleet.lokahid.address().await;
    until("it has looked", async || {
        fleet.metric("lokahi_reconcile_failures_total").await >= 1.0
    })
    .await;
    let shown = lokahictl(&fleet.base(), &["status", "shop", "--output", "json"])
        .await
        .out;
    let history = lokahictl(&fleet.base(), &["history", "shop", "--output", "json"])
        .await
        .out;
    let audit = lokahictl(&fleet.base(), &["audit", "--output", "json"]).await;
    for (place, text) in [
        ("the database", fleet.dump().await),
        ("the log", fleet.lokahid.log()),
        ("the metrics", fleet.metrics().await),
        ("status", shown.clone()),
        ("history", history),
        ("the audit", audit.out + &audit.words),
    ] {
        assert!(!text.contains(PASSWORD), "{place}");
    }
    assert!(
        shown.contains("localhost"),
        "the rest of it is shown: {shown}"
    );
}

#[tokio::test]
async fn a_root_that_comes_back_is_looked_at_when_somebody_says_so() {
    let story = Story::start("1h").await;
    let ctl = async |arguments: &[&str]| lokahictl(&story.fleet.base(), arguments).await;
    story.work.write(
        "checks.d/lokahi.hcl",
        "lokahi {\n  project = \"store\"\n}\n",
    );
    story.push(&check("a", "60s"));
    assert_eq!(ctl(&["reconcile", "shop"]).await.code, 0);
    until_condition(&story.fleet, "shop", ("Ready", false, "RootMissing")).await;
    // Both are there, and the new one says so.
    let ready = until_condition(&story.fleet, "store", ("Ready", true, "Applied")).await;
    let warning = "warning: the project shop comes from the same folder";
    assert!(ready.contains(warning), "{ready}");
    let shown = ctl(&["status", "store", "--output", "table"]).await.out;
    assert!(shown.contains(warning), "{shown}");
    // Of what somebody applies by hand since it says nothing.
    let folder = story.work.text("checks.d");
    let suspend = ["suspend", "store", "--reason", "by hand"];
    assert_eq!(ctl(&suspend).await.code, 0);
    story.push(&check("a", "45s"));
    let applied = ctl(&["apply", &folder, "--auto-approve"]).await;
    assert_eq!(applied.code, 0, "{}{}", applied.out, applied.words);
    assert_eq!(ctl(&["resume", "store"]).await.code, 0);
    let ready = until_condition(&story.fleet, "store", ("Ready", true, "Applied")).await;
    assert_eq!(ready, "what is live is what the files say");
    story.work.write("checks.d/lokahi.hcl", ROOT);
    story.push(&check("a", "60s"));
    let told = ctl(&["reconcile", "shop"]).await;
    assert_eq!(told.code, 0, "{}", told.words);
    assert!(told.words.contains(" looks at shop now"), "{}", told.words);
    until_condition(&story.fleet, "shop", ("Ready", true, "Applied")).await;
}

#[tokio::test]
async fn a_failure_names_the_folder_and_the_commit() {
    let story = Story::start("1s").await;
    let sha = story.push("check \"a\" {");
    let words = until_condition(&story.fleet, "shop", ("Ready", false, "InvalidFiles")).await;
    let short: String = sha.chars().take(10).collect();
    let expect = format!("checks.d at {short} cannot be applied:\nweb.hcl:1");
    assert!(words.starts_with(&expect), "{words}");
}

#[tokio::test]
async fn a_project_that_the_source_does_not_declare_is_not_taken_by_its_failure() {
    let story = Story::start("1s").await;
    story.work.write(
        "checks.d/lokahi.hcl",
        "lokahi {\n  project = \"store\"\n}\n",
    );
    story.push(&check("a", "60s"));
    until_condition(&story.fleet, "shop", ("Ready", false, "RootMissing")).await;
    until_condition(&story.fleet, "store", ("Ready", true, "Applied")).await;
    let (here, away) = (
        story.bare.text(""),
        format!("{}.away", story.bare.text("").trim_end_matches('/')),
    );
    let mut fleet = story.fleet;
    let unreadable = ("Ready", false, "SourceUnavailable");
    for restarted in [false, true] {
        std::fs::rename(&here, &away).unwrap();
        until_condition(&fleet, "store", unreadable).await;
        if restarted {
            for mode in ["off", "apply"] {
                fleet.lokahid.stop().await;
                fleet.lokahid.set("RECONCILE", mode);
                fleet.lokahid.start();
                fleet.lokahid.address().await;
                if mode == "off" {
                    until_condition(&fleet, "store", ("Ready", false, "NoReconciler")).await;
                    let alone = condition(&fleet, "store", "Reconciling").await;
                    assert!(!alone.status, "nobody tries again: {alone:?}");
                }
            }
            until_condition(&fleet, "store", unreadable).await;
        }
        std::fs::rename(&away, &here).unwrap();
        until_condition(&fleet, "store", ("Ready", true, "Applied")).await;
        let missed = condition(&fleet, "shop", "Ready").await;
        assert_eq!(missed.reason, "RootMissing", "{}", missed.message);
        until("whoever applies it may have it", async || {
            status(&fleet, "shop").await.reconciler.is_empty()
        })
        .await;
    }
    let folder = Folder::new();
    folder.write("shop.hcl", &(ROOT.to_owned() + &check("a", "30s")));
    let root = folder.text("");
    let applied = lokahictl(&fleet.base(), &["apply", &root, "--auto-approve"]).await;
    assert_eq!(applied.code, 0, "{}{}", applied.out, applied.words);
}
