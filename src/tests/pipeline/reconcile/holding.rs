//! What a guard holds: it is named, it waits for a person, and exactly that is let through.

use super::folder::{check, checks};
use super::ground::Story;
use crate::support::until;

/// Files with one check each.
fn files(count: usize) -> Vec<(String, String)> {
    let file = |n| (format!("c{n}.hcl"), check(&format!("c{n}"), "60s"));
    (0..count).map(file).collect()
}

/// Six checks that tell somebody, and what all of them have beside that.
fn told(more: &str) -> String {
    format!(
        "defaults {{\n  notify {{\n    webhooks = [webhook.operators]\n  }}\n{more}}}\n{}",
        checks(6, "60s")
    )
}

#[tokio::test]
async fn half_of_the_files_gone_waits_for_a_person() {
    let files = files(10);
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(a, b)| (a.as_str(), b.as_str()))
        .collect();
    let story = Story::start(&files, &[]).await;
    for n in 0..6 {
        story.folder.remove(&format!("c{n}.hcl"));
    }
    let words = story.until_condition("Held", true, "deletes,source").await;
    assert!(
        words.starts_with("6 of 10 checks would be deleted; 3 may be at once"),
        "{words}"
    );
    assert!(words.contains("lokahictl approve shop"), "{words}");
    assert!(words.contains("3 may be at once: c0, c1"), "{words}");
    assert!(
        !words.contains("--"),
        "no flag that only `apply` has: {words}"
    );
    assert_eq!(story.gauge("Held").await, Some(1.0));
    assert_eq!(story.gauge("Ready").await, Some(0.0));
    story.until_told(&["project.held deletes,source"]).await;
    assert_eq!(story.live().await.len(), 10);
    let shown = story
        .ctl(&["status", "shop", "--output", "table"])
        .await
        .out;
    assert!(shown.contains("lokahictl approve shop"), "{shown}");

    // Nobody applies it by hand: a plan names what lets it pass here, and no flag.
    let planned = story.ctl(&["plan", &story.folder.text("")]).await;
    assert_eq!(planned.code, 4, "{}", planned.words);
    let passes = "It passes with lokahictl approve shop, once its reconciler holds the same\n";
    let named = planned.out.matches("It passes with");
    assert_eq!((named.count(), planned.out.matches(passes).count()), (2, 2));

    let approved = story.ctl(&["approve", "shop"]).await;
    assert_eq!(approved.code, 0, "{}", approved.words);
    assert!(
        approved.words.starts_with("Approved: the reconciler of ")
            && approved
                .words
                .contains("does exactly this in its next round"),
        "{}",
        approved.words
    );
    assert_eq!(approved.out, "", "the status of before is no answer");
    until("it is done", async || story.live().await.len() == 4).await;
    assert_eq!(story.status().await.approved_by, "", "that was for once");
    story
        .until_told(&["project.held deletes,source", "project.held."])
        .await;
    assert_eq!(story.gauge("Held").await, Some(0.0));
    let audit: Vec<(String, String, bool)> = sqlx::query_as(
        "select principal, action, forced from audit where outcome = 'done' order by id",
    )
    .fetch_all(&mut story.fleet.database().await)
    .await
    .unwrap();
    let audit: Vec<(&str, &str, bool)> = audit
        .iter()
        .map(|(a, b, c)| (a.as_str(), b.as_str(), *c))
        .collect();
    assert_eq!(
        audit,
        [
            ("reconciler", "reconcile", false),
            ("anonymous", "Projects/Approve", true),
            ("reconciler", "reconcile", true)
        ]
    );
}

#[tokio::test]
async fn a_bad_merge_is_held_and_only_what_was_approved_passes() {
    let story = Story::start(&[("web.hcl", &told(""))], &[]).await;
    story.folder.write("web.hcl", &told("  enabled = false\n"));
    let words = story.until_condition("Held", true, "silence").await;
    assert!(
        words.starts_with("6 of 6 checks would be disabled or tell nobody"),
        "{words}"
    );
    assert_eq!(story.status().await.disabled, 0);
    let first = story.condition("Held").await.digest;

    let wrong = story
        .ctl(&["approve", "shop", "--digest", &"0".repeat(64)])
        .await;
    assert_eq!(wrong.code, 5, "{}", wrong.words);
    // Another tree, before anybody has approved the first.
    let other = told("  enabled = false\n").replace("60s", "30s");
    story.folder.write("web.hcl", &other);
    until("it is held anew", async || {
        let held = story.condition("Held").await;
        held.status && held.digest != first
    })
    .await;
    let stale = story.ctl(&["approve", "shop", "--digest", &first]).await;
    assert_eq!(stale.code, 5, "{}", stale.words);
    assert_eq!(story.status().await.generation, 1);

    let second = story.condition("Held").await.digest;
    let good = story.ctl(&["approve", "shop", "--digest", &second]).await;
    assert_eq!(good.code, 0, "{}", good.words);
    until("it is done", async || story.status().await.disabled == 6).await;
    story
        .until_told(&[
            "project.held silence",
            "project.held silence",
            "project.held.",
        ])
        .await;
}

#[tokio::test]
async fn what_was_approved_is_not_what_came_after() {
    let story = Story::start(&[("web.hcl", &told(""))], &[("RECONCILE_INTERVAL", "1h")]).await;
    story.folder.write("web.hcl", &told("  enabled = false\n"));
    story.until_condition("Held", true, "silence").await;
    let first = story.condition("Held").await.digest;
    // Written and approved at once: what is found then is another thing.
    story.folder.write(
        "web.hcl",
        &told("  enabled = false\n").replace("60s", "30s"),
    );
    let approved = story.ctl(&["approve", "shop", "--digest", &first]).await;
    assert!([0, 5].contains(&approved.code), "{}", approved.words);
    until("it is held anew", async || {
        let held = story.condition("Held").await;
        held.status && held.digest != first
    })
    .await;
    assert_eq!(story.status().await.disabled, 0);
}

/// Somebody approves just before the files say something else.
async fn approved_late(story: &Story, digest: &str) {
    let late = "update projects set approved = decode($1, 'hex'), approved_by = 'ada'
                where name = 'shop'";
    let written = sqlx::query(late)
        .bind(digest)
        .execute(&mut story.fleet.database().await)
        .await
        .unwrap();
    // It is not read again: a round may be under way, and ends it before anybody looks.
    assert_eq!(written.rows_affected(), 1);
}

/// The next round ends an approval.
async fn until_withdrawn(story: &Story) {
    assert_eq!(story.ctl(&["reconcile", "shop"]).await.code, 0);
    until("the approval is over", async || {
        story.status().await.approved_by.is_empty()
    })
    .await;
}

#[tokio::test]
async fn an_approval_ends_with_files_that_cannot_be_read() {
    let story = Story::start(&[("web.hcl", &told(""))], &[]).await;
    let bad = told("  enabled = false\n");
    story.folder.write("web.hcl", &bad);
    story.until_condition("Held", true, "silence").await;
    let digest = story.condition("Held").await.digest;
    story.folder.write("broken.hcl", "check {");
    story.until_condition("Ready", false, "InvalidFiles").await;
    approved_late(&story, &digest).await;
    until_withdrawn(&story).await;
    story.folder.remove("broken.hcl");
    story.until_condition("Held", true, "silence").await;
    assert_eq!(story.status().await.disabled, 0);
}

#[tokio::test]
async fn an_approval_ends_when_the_files_are_mended() {
    let story = Story::start(&[("web.hcl", &told(""))], &[]).await;
    let bad = told("  enabled = false\n");
    story.folder.write("web.hcl", &bad);
    story.until_condition("Held", true, "silence").await;
    let digest = story.condition("Held").await.digest;
    story.folder.write("web.hcl", &told(""));
    story.until_condition("Ready", true, "Applied").await;
    approved_late(&story, &digest).await;
    until_withdrawn(&story).await;
    // The same once more is another day's mistake.
    story.folder.write("web.hcl", &bad);
    story.until_condition("Held", true, "silence").await;
    assert_eq!(story.status().await.disabled, 0);
}

#[tokio::test]
async fn an_approval_that_nobody_heeds_yet_says_what_it_waits_for() {
    let story = Story::start(&[("web.hcl", &told(""))], &[]).await;
    story.folder.write("web.hcl", &told("  enabled = false\n"));
    story.until_condition("Held", true, "silence").await;
    let mut fleet = story.fleet;
    fleet.lokahid.stop().await;
    fleet.lokahid.set("RECONCILE", "off");
    fleet.lokahid.start();
    fleet.lokahid.address().await;
    let story = Story { fleet, ..story };
    let approved = story.ctl(&["approve", "shop"]).await;
    assert_eq!(approved.code, 0, "{}", approved.words);
    let expect =
        "Approved, and no lokahid reconciles shop now: the next one that begins to does it.\n";
    assert_eq!(approved.words, expect);
    let line = "  approved     by anonymous: the next round does it\n";
    assert!(approved.out.contains(line), "{}", approved.out);
    assert_eq!(story.status().await.disabled, 0);
    let mut fleet = story.fleet;
    fleet.lokahid.stop().await;
    fleet.lokahid.set("RECONCILE", "apply");
    fleet.lokahid.start();
    fleet.lokahid.address().await;
    let story = Story { fleet, ..story };
    until("it is done", async || story.status().await.disabled == 6).await;
}

#[tokio::test]
async fn checks_that_look_elsewhere_all_at_once_are_held() {
    let many = checks(30, "60s");
    let story = Story::start(&[("web.hcl", &many)], &[]).await;
    story
        .folder
        .write("web.hcl", &many.replace("127.0.0.1", "127.0.0.2"));
    let words = story.until_condition("Held", true, "changes").await;
    assert!(
        words.contains("30 of 30 checks would look at another host"),
        "{words}"
    );
    assert_eq!(story.status().await.generation, 1);
}

#[tokio::test]
async fn checks_that_tell_nobody_any_more_are_held() {
    let story = Story::start(&[("web.hcl", &told(""))], &[]).await;
    story.folder.write("web.hcl", &checks(6, "60s"));
    story.until_condition("Held", true, "silence").await;
    assert_eq!(story.status().await.generation, 1);
}

#[tokio::test]
async fn nobody_can_approve_that_what_is_protected_goes() {
    let protect = "defaults {\n  lifecycle {\n    prevent_destroy = true\n  }\n}\n";
    let all = protect.to_owned() + &checks(3, "60s");
    let story = Story::start(&[("web.hcl", &all)], &[]).await;
    story.folder.write("web.hcl", &checks(2, "60s"));
    story.until_condition("Held", true, "prevent_destroy").await;
    let refused = story.ctl(&["approve", "shop"]).await;
    assert_eq!(refused.code, 1, "{}", refused.words);
    assert!(
        refused.words.contains("nobody can approve prevent_destroy"),
        "{}",
        refused.words
    );
    assert_eq!(story.live().await, ["c0", "c1", "c2"]);
    // Without its protection it goes later, as the first apply says `false`.
    story.folder.write("web.hcl", &checks(3, "60s"));
    until("it is not protected", async || {
        story.status().await.generation == 2
    })
    .await;
    story.folder.write("web.hcl", &checks(2, "60s"));
    until("it is gone", async || story.live().await == ["c0", "c1"]).await;
}

#[tokio::test]
async fn nobody_can_approve_that_nothing_is_left() {
    let story = Story::start(&[("web.hcl", &checks(2, "60s"))], &[]).await;
    story.folder.remove("web.hcl");
    let words = story.until_condition("Held", true, "empty").await;
    assert!(words.contains("lokahictl suspend shop"), "{words}");
    let meant = "lokahictl apply FOLDER --allow-empty --accept-source-change";
    assert!(words.contains(meant), "{words}");
    assert!(
        words.contains("If it is not meant: mend the files"),
        "{words}"
    );
    let refused = story.ctl(&["approve", "shop"]).await;
    assert_eq!(refused.code, 1, "{}", refused.words);
    assert!(
        refused.words.contains("nobody can approve empty"),
        "{}",
        refused.words
    );
    assert_eq!(story.live().await, ["c0", "c1"]);
    // If it is meant, it can be done as it is written.
    let folder = story.folder.text("");
    let flags = ["--allow-empty", "--accept-source-change", "--auto-approve"];
    let apply = [&["apply", folder.as_str()], &flags[..]].concat();
    let suspend = ["suspend", "shop", "--reason", "it ends"];
    story.ctl(&suspend).await;
    let approve = story.ctl(&["approve", "shop"]).await;
    let words =
        "shop is suspended, and nothing of it is held meanwhile; after lokahictl resume shop";
    assert!(approve.words.contains(words), "{}", approve.words);
    for command in [&apply[..], &["resume", "shop"]] {
        let done = story.ctl(command).await;
        assert_eq!(done.code, 0, "{command:?}: {}{}", done.out, done.words);
    }
    story.until_ready().await;
    assert!(story.live().await.is_empty());
}

#[tokio::test]
async fn a_guard_that_nobody_saw_is_not_approved() {
    let files = files(10);
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(a, b)| (a.as_str(), b.as_str()))
        .collect();
    let story = Story::start(&files, &[("RECONCILE_INTERVAL", "1h")]).await;
    for n in 0..4 {
        story.folder.remove(&format!("c{n}.hcl"));
    }
    story.until_condition("Held", true, "deletes").await;
    let digest = story.condition("Held").await.digest;
    // The same deletes, of a project that came from many more files.
    sqlx::query("update projects set files = 100 where name = 'shop'")
        .execute(&mut story.fleet.database().await)
        .await
        .unwrap();
    let approved = story.ctl(&["approve", "shop", "--digest", &digest]).await;
    assert_eq!(approved.code, 0, "{}", approved.words);
    story.until_condition("Held", true, "deletes,source").await;
    assert_ne!(story.condition("Held").await.digest, digest);
    assert_eq!(story.live().await.len(), 10);
    assert_eq!(story.ctl(&["approve", "shop"]).await.code, 0);
    until("it is done", async || story.live().await.len() == 6).await;
}
