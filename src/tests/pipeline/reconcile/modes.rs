//! RECONCILE, SELF_HEAL, suspensions, and who may change what a reconciler owns.

use lokahi::proto::lokahi::{Check, CheckId, ListOpts};

use super::folder::{check, checks};
use super::ground::Story;
use crate::support::until;

/// The only check, changed past the files.
async fn force_put(story: &Story, every: i32) -> String {
    let mut check = only(story).await;
    let id = check.id.clone();
    check.every = every;
    check.force = true;
    check.force_reason = "3 am".to_owned();
    story.fleet.client().put(&check).await.unwrap();
    id
}

async fn force_delete(story: &Story) {
    let id = CheckId {
        id: only(story).await.id,
        force: true,
        reason: "3 am".to_owned(),
        ..CheckId::default()
    };
    let client = story.fleet.client();
    let _gone: Check = client
        .call("github.xe.lokahi.Checks/Delete", &id)
        .await
        .unwrap();
}

async fn only(story: &Story) -> Check {
    let page = story
        .fleet
        .client()
        .list(&ListOpts::default())
        .await
        .unwrap();
    let found = page.results.into_iter().filter_map(|result| result.check);
    let mut found: Vec<Check> = found.collect();
    assert_eq!(found.len(), 1);
    found.remove(0)
}

#[tokio::test]
async fn off_does_nothing_and_observe_only_tells() {
    let story = Story::begin(&[("web.hcl", &check("a", "60s"))], &[("RECONCILE", "off")]).await;
    let folder = story.folder.text("");
    let applied = story.ctl(&["apply", &folder, "--auto-approve"]).await;
    assert_eq!(applied.code, 0, "{}", applied.words);
    let mut fleet = story.fleet;
    fleet.lokahid.stop().await;
    fleet.lokahid.set("RECONCILE", "observe");
    fleet.lokahid.start();
    fleet.lokahid.address().await;
    let story = Story { fleet, ..story };
    story.until_ready().await;
    story.folder.write("web.hcl", &check("a", "30s"));
    let words = story.until_condition("Ready", false, "Observing").await;
    assert!(
        words.contains("\"60s\" -> \"30s\"") || words.contains("30s"),
        "{words}"
    );
    assert_eq!(story.status().await.generation, 1);
    assert_eq!(story.told(), Vec::<String>::new(), "nothing is wrong");
}

#[tokio::test]
async fn what_is_only_observed_is_a_persons_to_apply() {
    let files = [("web.hcl", &*check("a", "60s"))];
    let story = Story::begin(&files, &[("RECONCILE", "observe")]).await;
    story.until_condition("Ready", false, "Observing").await;
    let folder = story.folder.text("");
    let apply = ["apply", folder.as_str(), "--auto-approve"];
    let applied = story.ctl(&apply).await;
    assert_eq!(applied.code, 0, "{}", applied.words);
    story.until_ready().await;
    // What a guard holds passes by a flag here, and the status names it.
    story.folder.write("web.hcl", &checks(5, "60s"));
    assert_eq!(story.ctl(&apply).await.code, 0);
    story.folder.write("web.hcl", &check("c0", "60s"));
    until("the guard is told", async || {
        let ready = story.condition("Ready").await;
        ready.reason == "Observing" && ready.message.contains("--allow-deletes 4")
    })
    .await;
    let passes = [&apply[..], &["--allow-deletes", "4"]].concat();
    let applied = story.ctl(&passes).await;
    assert_eq!(applied.code, 0, "{}", applied.words);
    let back = ["rollback", "shop", "2", "--auto-approve"];
    let back = story.ctl(&back).await;
    assert_eq!(back.code, 0, "{}", back.words);
    assert!(
        back.words.contains("the next apply of them undoes"),
        "{}",
        back.words
    );
    let status = story
        .ctl(&["status", "shop", "--output", "table"])
        .await
        .out;
    assert!(
        status.contains("(it observes, and applies nothing)"),
        "{status}"
    );
    assert!(
        !status.contains("suspended"),
        "nobody would undo it: {status}"
    );
    assert_eq!(story.live().await.len(), 5);
    assert_eq!(story.told(), Vec::<String>::new(), "nothing is wrong");
}

#[tokio::test]
async fn with_warn_a_forced_change_stays_and_is_told() {
    let story = Story::start(&[("web.hcl", &check("a", "60s"))], &[]).await;
    force_put(&story, 30).await;
    let words = story.until_condition("Drifted", true, "ForcedChange").await;
    assert!(
        words.contains("1 check was changed past the files"),
        "{words}"
    );
    assert!(words.contains("lokahictl export --drift shop"), "{words}");
    story.until_told(&["project.drifted ForcedChange"]).await;
    assert_eq!(story.gauge("Drifted").await, Some(1.0));
    assert_eq!(only(&story).await.every, 30);
    // The files take the change over, and that is its end.
    story.folder.write("web.hcl", &check("a", "30s"));
    story.until_condition("Drifted", false, "None").await;
    story
        .until_told(&["project.drifted ForcedChange", "project.drifted."])
        .await;
    // Or it is undone, as it is written.
    let put = ["put", "shop/a", "-e", "50", "--force", "--reason", "3 am"];
    let put = story.ctl(&put).await;
    assert_eq!(put.code, 0, "{}", put.words);
    let says =
        "undoes what is otherwise in them where SELF_HEAL=restore is set there; else it stays";
    assert!(put.words.contains(says), "{}", put.words);
    let words = story.until_condition("Drifted", true, "ForcedChange").await;
    let written = "lokahictl suspend shop --reason WHY, lokahictl apply FOLDER and lokahictl resume \
                   shop bring back what the files say";
    assert!(words.contains(written), "{words}");
    let folder = story.folder.text("");
    let apply = ["apply", folder.as_str(), "--auto-approve"];
    let refused = story.ctl(&apply).await;
    assert_eq!(refused.code, 9, "{}{}", refused.out, refused.words);
    let suspend = ["suspend", "shop", "--reason", "WHY"];
    for command in [&suspend[..], &apply, &["resume", "shop"]] {
        let done = story.ctl(command).await;
        assert_eq!(done.code, 0, "{command:?}: {}{}", done.out, done.words);
    }
    story.until_condition("Drifted", false, "None").await;
    assert_eq!(only(&story).await.every, 30);
    assert_eq!(story.gauge("Drifted").await, Some(0.0));
}

#[tokio::test]
async fn with_warn_a_forced_delete_stays_and_is_told() {
    let story = Story::start(&[("web.hcl", &check("a", "60s"))], &[]).await;
    force_delete(&story).await;
    let words = story.until_condition("Drifted", true, "ForcedChange").await;
    let said = "1 check was deleted past the files (a); lokahictl restore shop a has it back";
    assert!(words.starts_with(said), "{words}");
    assert!(!words.contains("export"), "nothing would keep it: {words}");
    story.until_told(&["project.drifted ForcedChange"]).await;
    assert!(story.live().await.is_empty());
    assert_eq!(story.status().await.drifted, 1);
    let status = story
        .ctl(&["status", "shop", "--output", "table"])
        .await
        .out;
    let line = "  drift        1 check was deleted past the files\n";
    assert!(status.contains(line), "{status}");
    // The files let go of it, too, and that is its end.
    story.folder.write("web.hcl", &check("b", "60s"));
    story.until_condition("Drifted", false, "None").await;
    story
        .until_told(&["project.drifted ForcedChange", "project.drifted."])
        .await;
}

#[tokio::test]
async fn what_the_files_declare_may_be_restored_under_their_reconciler() {
    let both = check("a", "60s") + &check("b", "60s");
    let story = Story::start(&[("web.hcl", &both)], &[("RECONCILE_INTERVAL", "1h")]).await;
    let id = story.id("a").await;
    story.folder.write("web.hcl", &check("a", "60s"));
    until("b is gone", async || story.live().await == ["a"]).await;
    force_delete(&story).await;
    story.until_condition("Drifted", true, "ForcedChange").await;

    let wrong = story.ctl(&["restore", "shop", "b", "--auto-approve"]).await;
    assert_eq!(wrong.code, 9, "{}", wrong.words);
    assert!(
        wrong.words.contains("do not declare check.b") && wrong.words.contains("its block back"),
        "{}",
        wrong.words
    );
    let other = ["restore", "shop", "a", "--as", "c", "--auto-approve"];
    let other = story.ctl(&other).await;
    assert_eq!(other.code, 9, "{}", other.words);
    assert!(
        other.words.contains("do not declare check.c"),
        "{}",
        other.words
    );

    let back = story.ctl(&["restore", "shop", "a", "--auto-approve"]).await;
    assert_eq!(back.code, 0, "{}", back.words);
    assert_eq!(back.words, "", "it is declared");
    story.until_condition("Drifted", false, "None").await;
    story.until_ready().await;
    assert_eq!(
        (story.live().await, story.id("a").await),
        (vec!["a".to_owned()], id)
    );
    let refused = story.ctl(&["delete", "shop/a"]).await;
    assert!(
        refused.words.contains("web.hcl:1"),
        "where it stood: {}",
        refused.words
    );
}

#[tokio::test]
async fn with_restore_what_waits_for_something_else_says_so() {
    let protected = |every: &str| {
        let checks = checks(6, every);
        format!("defaults {{\n  notify {{\n    webhooks = [webhook.operators]\n  }}\n}}\n{checks}")
    };
    let story = Story::start(
        &[("web.hcl", &protected("60s"))],
        &[("SELF_HEAL", "restore")],
    )
    .await;
    story.folder.write("web.hcl", "check \"broken");
    story.until_condition("Ready", false, "InvalidFiles").await;
    let id = story.id("c0").await;
    let forced = Check {
        id: id.clone(),
        every: 30,
        force: true,
        force_reason: "3 am".to_owned(),
        ..Check::default()
    };
    story.fleet.client().put(&forced).await.unwrap();
    let words = story.until_condition("Drifted", true, "ForcedChange").await;
    assert!(
        words.ends_with("waits until the files are mended"),
        "{words}"
    );

    story.folder.write("web.hcl", &checks(6, "60s"));
    story.until_condition("Held", true, "silence").await;
    let words = story.condition("Drifted").await.message;
    assert!(words.contains("waits for what is held"), "{words}");
    assert_eq!(story.status().await.drifted, 1);

    story.folder.write("web.hcl", &protected("60s"));
    story.until_ready().await;
    assert_eq!(story.status().await.drifted, 0, "all of it is one plan");
    assert!(!story.condition("Drifted").await.status);
}

#[tokio::test]
async fn with_restore_what_was_adopted_is_brought_back_as_all_others() {
    let story = Story::start(&[], &[("SELF_HEAL", "restore")]).await;
    let made = lokahi::proto::lokahi::CreateOpts {
        url: "http://127.0.0.1:9/".to_owned(),
        name: "by_hand".to_owned(),
        ..Default::default()
    };
    let client = story.fleet.client();
    let made: Check = client
        .call("github.xe.lokahi.Checks/Create", &made)
        .await
        .unwrap();
    let import = format!("import {{\n  id = \"{}\"\n  to = check.a\n}}\n", made.id);
    story
        .folder
        .write("web.hcl", &(check("a", "60s") + &import));
    until("it is adopted", async || story.live().await == ["a"]).await;
    assert_eq!(only(&story).await.id, made.id, "with its history");
    assert_eq!(force_put(&story, 30).await, made.id);
    until("it is restored", async || only(&story).await.every == 60).await;
    force_delete(&story).await;
    until("it is back", async || story.live().await == ["a"]).await;
    let back = only(&story).await;
    assert_eq!((back.id, back.owner.as_str()), (made.id, "declared"));
}

#[tokio::test]
async fn with_restore_a_forced_change_and_a_forced_delete_are_undone() {
    let story = Story::start(
        &[("web.hcl", &check("a", "60s"))],
        &[("SELF_HEAL", "restore")],
    )
    .await;
    let id = force_put(&story, 30).await;
    until("it is restored", async || only(&story).await.every == 60).await;
    story
        .until_told(&["project.drifted ForcedChange", "project.drifted."])
        .await;
    force_delete(&story).await;
    until("it is back", async || story.live().await == ["a"]).await;
    assert_eq!(only(&story).await.id, id, "with its history");
    story.until_condition("Drifted", false, "None").await;
}

#[tokio::test]
async fn with_off_a_forced_change_is_nobodys_news() {
    let story = Story::start(&[("web.hcl", &check("a", "60s"))], &[("SELF_HEAL", "off")]).await;
    force_put(&story, 30).await;
    story.folder.write("more.hcl", &check("b", "60s"));
    until("the files are followed", async || {
        story.live().await == ["a", "b"]
    })
    .await;
    assert!(!story.condition("Drifted").await.status);
    assert_eq!(story.told(), Vec::<String>::new());
    let every: Vec<i32> = {
        let page = story
            .fleet
            .client()
            .list(&ListOpts::default())
            .await
            .unwrap();
        page.results
            .into_iter()
            .filter_map(|it| it.check)
            .map(|check| check.every)
            .collect()
    };
    assert_eq!(every, [30, 60]);
}

#[tokio::test]
async fn an_apply_to_what_a_reconciler_owns_is_refused_with_the_command_to_type() {
    let story = Story::start(&[("web.hcl", &check("a", "60s"))], &[]).await;
    let other = super::folder::Folder::new();
    other.write(
        "lokahi.hcl",
        &(Story::root(&story.operators) + &checks(2, "60s")),
    );
    let folder = other.text("");
    let refused = story
        .ctl(&["apply", &folder, "--auto-approve", "--allow-deletes", "1"])
        .await;
    assert_eq!(refused.code, 9, "{}", refused.words);
    assert!(
        refused.words.contains("lokahictl suspend shop"),
        "{}",
        refused.words
    );
    assert_eq!(story.live().await, ["a"]);
}

#[tokio::test]
async fn a_suspension_has_an_age_and_ends_when_somebody_says_so() {
    let story = Story::start(&[("web.hcl", &check("a", "60s"))], &[]).await;
    let done = story
        .ctl(&["suspend", "shop", "--reason", "migration"])
        .await;
    assert_eq!(done.code, 0, "{}", done.words);
    let words = story.until_condition("Ready", false, "Suspended").await;
    assert!(
        words.contains("migration") && words.contains("lokahictl resume shop"),
        "{words}"
    );
    let again = ["suspend", "shop", "--reason", "something else"];
    let again = story.ctl(&again).await;
    assert!(
        again.words.contains("stays so for that reason"),
        "{}",
        again.words
    );
    story.folder.write("web.hcl", &check("a", "30s"));
    let shown = story
        .ctl(&["status", "shop", "--output", "table"])
        .await
        .out;
    let line = shown
        .lines()
        .find(|line| line.trim().starts_with("suspended"))
        .unwrap();
    assert!(
        line.contains("since") && line.contains("migration"),
        "{line}"
    );
    let rounds = story.fleet.metric("lokahi_reconcile_rounds_total").await;
    until("it looks on", async || {
        story.fleet.metric("lokahi_reconcile_rounds_total").await > rounds + 1.0
    })
    .await;
    assert_eq!(story.status().await.generation, 1, "it does nothing");
    let applied = story
        .ctl(&["apply", &story.folder.text(""), "--auto-approve"])
        .await;
    assert_eq!(applied.code, 0, "now a person may: {}", applied.words);
    story.folder.write("web.hcl", &check("a", "20s"));
    let resumed = story.ctl(&["resume", "shop"]).await;
    assert_eq!((resumed.code, resumed.out.as_str()), (0, ""));
    let expect = "lokahictl status shop";
    assert!(resumed.words.contains(expect), "{}", resumed.words);
    until("it goes on", async || story.status().await.generation == 3).await;
    story.until_ready().await;
    assert_eq!(story.told(), Vec::<String>::new(), "no fault, no word");
}

#[tokio::test]
async fn a_rollback_suspends_and_says_so() {
    let story = Story::start(&[("web.hcl", &check("a", "60s"))], &[]).await;
    story.folder.write("web.hcl", &check("a", "30s"));
    until("the edit is applied", async || {
        story.status().await.generation == 2
    })
    .await;
    let shown = story.ctl(&["rollback", "shop", "1"]).await;
    assert_eq!(shown.code, 7, "{}", shown.words);
    let before = "warning: this suspends the reconciler of ";
    assert!(shown.out.contains(before), "{}", shown.out);
    let back = story
        .ctl(&["rollback", "shop", "1", "--auto-approve"])
        .await;
    assert_eq!(back.code, 0, "{}", back.words);
    let all = back.out + &back.words;
    assert!(
        all.contains("suspended") && all.contains("lokahictl resume shop"),
        "{all}"
    );
    // At once, before its reconciler has looked.
    let ready = story.condition("Ready").await;
    assert_eq!((ready.status, ready.reason.as_str()), (false, "Suspended"));
    assert!(ready.message.contains("rolled back"), "{}", ready.message);
    assert_eq!(only(&story).await.every, 60);
}

#[tokio::test]
async fn without_its_reconciler_nobody_says_that_a_project_is_ready() {
    let story = Story::start(&[("web.hcl", &check("a", "60s"))], &[]).await;
    let mut fleet = story.fleet;
    fleet.lokahid.stop().await;
    fleet.lokahid.set("RECONCILE", "off");
    fleet.lokahid.start();
    fleet.lokahid.address().await;
    let story = Story { fleet, ..story };
    let ready = story.condition("Ready").await;
    assert_eq!(
        (ready.status, ready.reason.as_str()),
        (false, "NoReconciler")
    );
    assert!(ready.message.contains("Applied"), "{}", ready.message);
    // A person has it now, and what was said before is over.
    story.folder.write("web.hcl", &check("a", "30s"));
    let applied = story
        .ctl(&["apply", &story.folder.text(""), "--auto-approve"])
        .await;
    assert_eq!(applied.code, 0, "{}", applied.words);
    assert!(story.status().await.conditions.is_empty());
}
