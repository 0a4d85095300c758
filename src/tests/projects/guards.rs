//! What must not happen by accident, by lokahictl: exit code 4, what was seen, and the flag or
//! edit that lets it pass.

use lokahi::proto::lokahi::Allowances;

use super::{HOOK, NOTIFY, Shop, check, checks, spec};
use crate::support::declaring::{Declaring, apply};
use crate::support::programs::Ended;
use crate::support::server::Server;

/// What a guard says, without the plan that it holds.
fn held(ended: &Ended) -> String {
    assert_eq!(ended.code, 4, "{}{}", ended.out, ended.words);
    let (_, after) = ended.out.split_once("Held: ").unwrap();
    format!("Held: {after}")
}

#[tokio::test]
async fn too_many_deletes_pass_with_their_exact_number() {
    let shop = Shop::with(&checks(0..10, "")).await;
    shop.folder.write(&checks(4..10, ""));
    let planned = shop.plan(&[]).await;
    insta::assert_snapshot!(held(&planned), @r"
    Held: 4 of 10 checks would be deleted; 3 may be at once.
      c0, c1, c2, c3
      It passes with --allow-deletes 4
    ");
    let applied = shop.try_apply(&[]).await;
    insta::assert_snapshot!(applied.words, @r"
    error: a guard holds this plan: nothing was changed
    hint: look at what it names; the plan says which flag or edit lets it pass
    ");
    for wrong in ["3", "5"] {
        let applied = shop.try_apply(&["--allow-deletes", wrong]).await;
        let seen = format!("3 may be at once ({wrong} were allowed)");
        assert!(held(&applied).contains(&seen), "{}", applied.out);
    }
    assert_eq!(shop.generation().await, 1);
    let applied = shop.try_apply(&["--allow-deletes", "4"]).await;
    assert_eq!((applied.code, shop.generation().await), (0, 2));
    // Three are not too many.
    shop.folder.write(&checks(7..10, ""));
    assert_eq!(shop.try_apply(&[]).await.code, 0);
}

#[tokio::test]
async fn a_raised_limit_counts_from_the_next_apply() {
    let limit = |number: u32| {
        format!("lokahi {{\n  project     = \"shop\"\n  max_deletes = {number}\n}}\n\n")
    };
    let shop = Shop::with(&checks(0..10, "")).await;
    shop.folder
        .write_file("shop.hcl", &(limit(8) + &checks(5..10, "")));
    let planned = shop.plan(&[]).await;
    assert!(
        held(&planned).starts_with("Held: 5 of 10 checks would be deleted; 3 may be at once."),
        "{}",
        planned.out
    );
    shop.folder
        .write_file("shop.hcl", &(limit(8) + &checks(0..10, "")));
    shop.apply().await;
    let status = shop.good(&["status", "shop", "--output", "table"]).await;
    assert!(status.contains("max_deletes = 8"), "{status}");
    shop.folder
        .write_file("shop.hcl", &(limit(8) + &checks(5..10, "")));
    assert_eq!(shop.try_apply(&[]).await.code, 0);
    // One that is lowered counts at once.
    shop.folder
        .write_file("shop.hcl", &(limit(0) + &checks(6..10, "")));
    let planned = shop.plan(&[]).await;
    assert!(
        held(&planned).starts_with("Held: 1 of 5 checks would be deleted; 0 may be at once."),
        "{}",
        planned.out
    );
}

#[tokio::test]
async fn the_line_of_a_removed_block_and_of_the_project_is_cited() {
    let shop = Shop::with(&checks(0..2, "")).await;
    let root = "# ours\nlokahi {\n  project     = \"shop\"\n  max_deletes = 8\n}\n\n";
    let removed = "removed {\n  from = check.c1\n}\n";
    shop.folder
        .write_file("shop.hcl", &(root.to_owned() + &checks(0..1, "")));
    shop.folder.write_file("gone.hcl", removed);
    let planned = shop.plan(&[]).await;
    let heads = planned.out.lines().filter(|line| line.contains("FOLDER"));
    let heads: Vec<&str> = heads.collect();
    insta::assert_snapshot!(heads.join("\n"), @r"
    # project.shop will be updated in place        FOLDER/shop.hcl:2
    - check.c1 will be deleted                     FOLDER/gone.hcl:1 (was shop.hcl:10)
    ");
    let document = shop.document(&[]).await;
    let places = document["changes"].as_array().unwrap().iter();
    let places: Vec<_> = places
        .map(|change| (&change["source"], &change["block"]))
        .collect();
    insta::assert_snapshot!(serde_json::to_string(&places).unwrap(), @r#"[[{"file":"shop.hcl","line":2},null],[{"file":"shop.hcl","line":10},{"file":"gone.hcl","line":1}]]"#);
}

#[tokio::test]
async fn nothing_declared_is_held_and_nothing_but_its_flag_helps() {
    let shop = Shop::with(&checks(0..2, "")).await;
    shop.folder.write("");
    let planned = shop.try_apply(&["--allow-deletes", "2"]).await;
    insta::assert_snapshot!(held(&planned), @r"
    Held: no check would be left of the 2 that are live.
      c0, c1
      It passes with --allow-empty
    ");
    assert_eq!(shop.try_apply(&["--allow-empty"]).await.code, 0);
    assert!(shop.check("shop", "c0").await.is_none());
}

#[tokio::test]
async fn a_protected_check_goes_only_after_its_protection() {
    let protect = "lifecycle {\n    prevent_destroy = true\n  }";
    let shop = Shop::with(&(check("web", protect) + &check("mail", ""))).await;
    shop.folder.write(&check("mail", ""));
    let every_flag = [
        "--allow-empty",
        "--allow-deletes",
        "1",
        "--accept-source-change",
        "--allow-rollback",
    ];
    let planned = shop.try_apply(&every_flag).await;
    insta::assert_snapshot!(held(&planned), @r"
    Held: 1 of the checks to be deleted has prevent_destroy.
      web
      It passes with declaring prevent_destroy = false, applying that, and deleting later
    ");
    shop.folder.write(&(check("web", "") + &check("mail", "")));
    shop.apply().await;
    shop.folder.write(&check("mail", ""));
    shop.apply().await;
    assert!(shop.check("shop", "web").await.is_none());
}

#[tokio::test]
async fn checks_that_tell_nobody_any_more_pass_with_their_exact_number() {
    let shop = Shop::with(&(HOOK.to_owned() + &checks(0..5, NOTIFY))).await;
    let silent = HOOK.to_owned() + &checks(0..4, "") + &checks(4..5, NOTIFY);
    shop.folder.write(&silent);
    let planned = shop.plan(&[]).await;
    insta::assert_snapshot!(held(&planned), @r"
    Held: 4 of 5 checks would be disabled or tell nobody; 3 may at once.
      c0, c1, c2, c3
      It passes with --allow-silence 4
    ");
    let wrong = shop.try_apply(&["--allow-silence", "5"]).await;
    assert!(held(&wrong).contains("(5 were allowed)"), "{}", wrong.out);
    assert_eq!(shop.try_apply(&["--allow-silence", "4"]).await.code, 0);
}

#[tokio::test]
async fn other_sites_everywhere_pass_with_their_exact_number() {
    let shop = Shop::with(&checks(0..30, "")).await;
    let elsewhere: String = checks(0..26, "").replace("example.com", "example.net");
    shop.folder.write(&(elsewhere + &checks(26..30, "")));
    let planned = shop.plan(&[]).await;
    let seen = held(&planned);
    let first = seen.lines().next().unwrap();
    insta::assert_snapshot!(first, @"Held: 26 of 30 checks would look at another host or for something else; 25 may at once.");
    assert!(seen.ends_with("It passes with --allow-changes 26\n"));
    let wrong = shop.try_apply(&["--allow-changes", "30"]).await;
    assert!(held(&wrong).contains("(30 were allowed)"), "{}", wrong.out);
    assert_eq!(shop.try_apply(&["--allow-changes", "26"]).await.code, 0);
}

#[tokio::test]
async fn an_older_commit_passes_with_its_flag() {
    let shop = Shop::start().await;
    shop.folder.init("https://git.example.com/ops.git");
    shop.folder.write(&checks(0..2, ""));
    let old = shop.folder.commit();
    shop.folder.write(&checks(0..3, ""));
    let new = shop.folder.commit();
    shop.apply().await;
    shop.folder.git(&["checkout", "--quiet", &old]);
    let planned = shop.plan(&[]).await;
    let seen = held(&planned).replace(new.get(..10).unwrap(), "NEWER");
    insta::assert_snapshot!(seen, @r"
    Held: NEWER, which was applied before, is newer than this commit.
      It passes with --allow-rollback
    ");
    assert_eq!(shop.try_apply(&["--allow-rollback"]).await.code, 0);
    // What was applied last is not the newest that ever was.
    assert_eq!(
        shop.good(&["plan", shop.folder.path()])
            .await
            .lines()
            .next(),
        Some("No changes: what is live is what is declared.")
    );
    shop.folder.git(&["checkout", "--quiet", "main"]);
    shop.apply().await;
}

#[tokio::test]
async fn a_guard_that_holds_an_apply_is_passed_by_its_allowance() {
    let server = Server::start().await;
    let client = server.client();
    let many = |numbers: std::ops::Range<usize>| {
        numbers.fold(Declaring::new("shop"), |wish, n| {
            wish.check(&format!("c{n}"), spec(&format!("http://c{n}.example.com/")))
        })
    };
    many(0..10).apply(&client).await.unwrap();
    let plan = many(4..10).plan(&client).await.unwrap();
    let guard = &plan.guards[0];
    assert_eq!((guard.name.as_str(), guard.count), ("deletes", 4));
    let body = serde_json::json!({"token": plan.token}).to_string();
    let refused = server.json("Projects/Apply", &body).await;
    insta::assert_snapshot!(refused.json(), @r#"{"code":"failed_precondition","meta":{"guards":"deletes","reason":"held"},"msg":"held: 4 of 10 checks would be deleted; 3 may be at once (passes with --allow-deletes 4)"}"#);
    let allow = |deletes| lokahi::proto::lokahi::ApplyRequest {
        token: plan.token.clone(),
        allow: Some(Allowances {
            deletes: Some(deletes),
            ..Allowances::default()
        }),
    };
    assert!(client.apply(&allow(5)).await.is_err());
    // The same token: a plan that was held is a plan all the same.
    assert!(apply(&client, &plan).await.is_err());
    assert_eq!(client.apply(&allow(4)).await.unwrap().generation, 2);
}

#[tokio::test]
async fn a_commit_of_another_branch_is_not_the_newest() {
    let shop = Shop::start().await;
    shop.folder.init("https://git.example.com/ops.git");
    shop.folder.write(&checks(0..2, ""));
    let old = shop.folder.commit();
    shop.folder.write(&checks(0..3, ""));
    let newest = shop.folder.commit();
    shop.apply().await;
    shop.folder
        .git(&["checkout", "--quiet", "-b", "side", &old]);
    let aside = checks(0..2, "") + &check("side", "");
    shop.folder.write(&aside);
    shop.folder.commit();
    // It deletes what main has added since.
    let planned = shop.plan(&["--fail-on", "warning"]).await;
    assert_eq!(planned.code, 3, "{}", planned.out);
    let warning = planned.out.lines().find(|line| line.starts_with("warning"));
    let warning = warning
        .unwrap()
        .replace(newest.get(..10).unwrap(), "NEWEST");
    insta::assert_snapshot!(warning, @"warning: NEWEST, which was applied before, is not in the history of this commit: what it declares and this commit does not is undone. Merge it first, unless that is meant");
    shop.apply().await;
    shop.folder.git(&["checkout", "--quiet", &old]);
    let seen = held(&shop.plan(&[]).await);
    assert!(seen.contains("--allow-rollback"), "{seen}");
}

#[tokio::test]
async fn a_part_of_the_files_is_not_where_the_project_comes_from() {
    let shop = Shop::start().await;
    shop.folder.init("https://git.example.com/ops.git");
    shop.folder.write(&checks(0..3, ""));
    shop.folder.commit();
    shop.apply().await;
    let other = crate::support::checkout::Checkout::new();
    other.init("https://git.example.com/other.git");
    other.write(&checks(0..1, "every = \"30s\""));
    other.commit();
    let part = ["apply", "--auto-approve", other.path(), "--target", "c0"];
    shop.good(&part).await;
    let seen = held(&shop.ctl(&["plan", other.path()]).await);
    assert!(seen.contains("--accept-source-change"), "{seen}");
}

#[tokio::test]
async fn all_checks_and_the_last_receiver_go_with_a_flag_only() {
    let shop = Shop::with(&(HOOK.to_owned() + &checks(0..2, NOTIFY))).await;
    let removed = |n: u32| format!("removed {{\n  from = check.c{n}\n}}\n");
    shop.folder.write(&(removed(0) + &removed(1)));
    let planned = shop.try_apply(&["--no-prune"]).await;
    insta::assert_snapshot!(held(&planned), @r"
    Held: no check would be left of the 2 that are live.
      c0, c1
      It passes with --allow-empty
    ");
    let each = shop.plan(&["--target", "c0", "--target", "c1"]).await;
    assert_eq!(held(&each), held(&planned));
    shop.folder.write(&checks(0..2, ""));
    let planned = shop.try_apply(&[]).await;
    insta::assert_snapshot!(held(&planned), @r"
    Held: 2 of 2 checks would be disabled or tell nobody; the last receiver of c0, c1 is deleted.
      c0, c1
      It passes with --allow-silence 2
    ");
    assert_eq!(shop.try_apply(&["--allow-silence", "2"]).await.code, 0);
}
