//! Flags of plan and apply, and what their exit codes tell a script.

use serde_json::json;

use super::{HOOK, NOTIFY, Shop, check};
use crate::support::programs::{lokahictl, lokahictl_with};
use crate::support::server::Server;

#[tokio::test]
async fn changes_are_an_exit_code_if_that_is_asked() {
    let shop = Shop::start().await;
    shop.folder.write(&check("web", ""));
    assert_eq!(shop.plan(&[]).await.code, 0);
    assert_eq!(shop.plan(&["--detailed-exitcode"]).await.code, 2);
    shop.apply().await;
    assert_eq!(shop.plan(&["--detailed-exitcode"]).await.code, 0);
    let again = shop.good(&["apply", shop.folder.path()]).await;
    assert_eq!(
        again, "No changes: what is live is what is declared.\n",
        "no change, no prompt"
    );
    assert_eq!(shop.generation().await, 1);
}

#[tokio::test]
async fn a_target_is_all_that_is_done() {
    let shop = Shop::with(&(check("web", "") + &check("old", ""))).await;
    let tells = HOOK.to_owned() + &check("web", NOTIFY) + &check("mail", "");
    shop.folder.write(&tells);
    let document = shop.document(&["--target", "web"]).await;
    let changes = document["changes"].as_array().unwrap();
    let names: Vec<_> = changes.iter().map(|change| &change["address"]).collect();
    assert_eq!(json!(names), json!(["oncall", "web"]));
    let applied = shop.try_apply(&["--target", "check.web"]).await;
    assert_eq!(applied.code, 0, "{}", applied.words);
    assert!(shop.check("shop", "mail").await.is_none());
    assert!(
        shop.check("shop", "old").await.is_some(),
        "nothing is pruned"
    );
}

#[tokio::test]
async fn findings_end_with_three() {
    let tells = HOOK.to_owned() + &check("web", NOTIFY) + &check("mail", NOTIFY);
    let shop = Shop::with(&tells).await;
    let ended = async |declares: &str, finding: &str| {
        shop.folder.write(declares);
        shop.plan(&["--fail-on", finding]).await.code
    };
    let deleted = HOOK.to_owned() + &check("web", NOTIFY);
    assert_eq!(ended(&deleted, "delete,silence").await, 3);
    let said = shop.plan(&["--fail-on", "silence,warning,delete"]).await;
    assert_eq!(
        said.words,
        "error: the plan has what --fail-on names: delete\n"
    );
    assert_eq!(ended(&deleted, "silence").await, 0);
    let disabled = check("mail", &format!("enabled = false\n  {NOTIFY}"));
    let disabled = deleted.clone() + &disabled;
    assert_eq!(ended(&disabled, "silence").await, 3);
    assert_eq!(ended(&disabled, "delete,drift,guard").await, 0);
    // A new one that tells nobody yet is not silenced.
    let new = tells.clone() + &check("dns", "");
    assert_eq!(ended(&new, "delete,silence").await, 0);
    assert_eq!(shop.plan(&["--fail-on", "nonsense"]).await.code, 64);
}

#[tokio::test]
async fn a_warning_of_a_file_is_a_finding_and_stands_in_the_document() {
    let good = HOOK.to_owned() + &check("web", NOTIFY);
    let shop = Shop::with(&good).await;
    assert_eq!(shop.plan(&["--fail-on", "warning"]).await.code, 0);
    assert_eq!(shop.document(&[]).await["diagnostics"], json!([]));
    // A change of nothing but a lint: the plan itself has no change, and no warning.
    shop.folder
        .write(&(good + "locals {\n  unused = \"is nobody's\"\n}\n"));
    let failed = shop.plan(&["--fail-on", "warning"]).await;
    assert_eq!(failed.code, 3, "{}", failed.words);
    let place = "FOLDER/shop.hcl:17:3";
    assert!(failed.words.contains(place), "{}", failed.words);
    let end = "error: the plan has what --fail-on names: warning\n";
    assert!(failed.words.ends_with(end), "{}", failed.words);
    let said = shop.document(&[]).await["diagnostics"].clone();
    let fields = ["severity", "file", "line"].map(|field| said[0][field].clone());
    assert_eq!(
        json!(fields),
        json!(["warning", "shop.hcl", 17]),
        "{said:#}"
    );
    // Nor is a file that belongs to no root.
    shop.folder
        .write(&(HOOK.to_owned() + &check("web", NOTIFY)));
    let tree = crate::support::checkout::Checkout::new();
    std::fs::create_dir(tree.file("shop")).unwrap();
    tree.write_file("stray.hcl", &check("stray", ""));
    std::fs::copy(shop.folder.file("shop.hcl"), tree.file("shop/shop.hcl")).unwrap();
    let stray = shop
        .ctl(&["plan", tree.path(), "--fail-on", "warning"])
        .await;
    assert_eq!(stray.code, 3, "{}", stray.words);
    assert!(stray.words.contains("stray.hcl"), "{}", stray.words);
}

#[tokio::test]
async fn a_commit_is_what_is_applied_if_that_is_asked() {
    let shop = Shop::start().await;
    shop.folder.write(&check("web", ""));
    let clean = ["--require-clean"];
    let nowhere = shop.try_apply(&clean).await;
    assert_eq!(nowhere.code, 1);
    insta::assert_snapshot!(nowhere.words, @r"
    error: --require-clean: FOLDER has no commit that git knows of
    hint: apply a clone of the repository, with git installed, or leave --require-clean out
    ");
    shop.folder.init("https://git.example.com/ops.git");
    shop.folder.commit();
    shop.folder.write(&check("web", "every = \"5s\""));
    let dirty = shop.try_apply(&clean).await;
    assert_eq!(dirty.code, 1);
    insta::assert_snapshot!(dirty.words, @r"
    error: --require-clean: FOLDER has files that differ from the commit
    hint: commit them, or leave --require-clean out
    ");
    shop.folder.commit();
    assert_eq!(shop.try_apply(&clean).await.code, 0);
}

#[tokio::test]
async fn what_cannot_be_planned_is_not_said_to_be_unchanged() {
    let shop = Shop::start().await;
    shop.folder.write(&check("web", "evry = \"30s\""));
    let last = |words: &str| words.lines().last().unwrap().to_owned();
    let planned = shop.plan(&[]).await;
    assert_eq!(
        last(&planned.words),
        "error: 1 error: there is no plan of FOLDER"
    );
    let applied = shop.try_apply(&[]).await;
    assert_eq!(last(&applied.words), "error: 1 error: nothing was changed");
}

#[tokio::test]
async fn of_several_projects_each_is_named() {
    let shop = Shop::start().await;
    for name in ["blog", "shop"] {
        std::fs::create_dir(shop.folder.file(name)).unwrap();
        let text = format!(
            "lokahi {{\n  project = \"{name}\"\n}}\n\n{}",
            check("web", "")
        );
        shop.folder.write_file(&format!("{name}/a.hcl"), &text);
    }
    let applied = shop.apply().await;
    insta::assert_snapshot!(applied, @r"
    FOLDER/blog: project blog
      + check.web will be created        FOLDER/blog/a.hcl:5
    Who will be told of what differently:
      nobody hears of 1 check: web
    Plan: 1 to add, 0 to change, 0 to delete.   generation 0 -> 1
    Applied: blog is at generation 1.
    FOLDER/shop: project shop
      + check.web will be created        FOLDER/shop/a.hcl:5
    Who will be told of what differently:
      nobody hears of 1 check: web
    Plan: 1 to add, 0 to change, 0 to delete.   generation 0 -> 1
    Applied: shop is at generation 1.
    ");
}

#[tokio::test]
async fn a_path_is_the_one_that_was_typed() {
    let shop = Shop::with(&check("web", "")).await;
    shop.folder.write("");
    let typed = format!("{}/./", shop.folder.path());
    let planned = shop.ctl(&["plan", &typed]).await;
    assert!(planned.out.contains("(was shop.hcl:5)"), "{}", planned.out);
    shop.folder.write("x");
    for command in ["plan", "validate"] {
        let invalid = shop.ctl(&[command, &typed]).await;
        let found = invalid.out.contains(" FOLDER/./shop.hcl:5:1\n");
        assert!(found, "{command}: {}", invalid.out);
    }
}

#[tokio::test]
async fn who_suspends_what_nobody_reconciles_hears_of_it() {
    let shop = Shop::with(&check("web", "")).await;
    let suspended = shop
        .ctl(&["suspend", "shop", "--reason", "migration"])
        .await;
    assert_eq!(suspended.code, 0);
    insta::assert_snapshot!(suspended.words, @"No lokahid reconciles shop now: this stops one that begins to, and no lokahictl apply. lokahictl resume shop ends it.");
}

#[tokio::test]
async fn a_token_that_may_plan_may_not_apply() {
    let server = Server::guarded().await;
    let shop = Shop {
        folder: crate::support::checkout::Checkout::new(),
        server,
    };
    shop.folder.write(&check("web", ""));
    let run = async |command: &str, scopes: &[&str]| {
        let name = format!("{command}-{}", scopes.len());
        let token = shop.server.token(&name, scopes).await;
        let arguments: &[&str] = match command {
            "plan" => &["plan", shop.folder.path()],
            _ => &["apply", "--auto-approve", shop.folder.path()],
        };
        let environment = [("LOKAHI_TOKEN", token.as_str())];
        lokahictl_with(&shop.server.base, arguments, &environment).await
    };
    let refused = run("apply", &["read", "plan"]).await;
    assert_eq!(refused.code, 77);
    insta::assert_snapshot!(super::unlinted(&refused.words), @r"
    error: permission_denied: Projects/Apply needs the scope apply:shop; token:apply-2 has read, plan
    hint: an administrator can make a token that may: lokahictl token create NAME --scope SCOPE
    ");
    assert_eq!(run("plan", &["plan"]).await.code, 0);
    let reader = run("plan", &["read", "operate", "apply:blog"]).await;
    assert_eq!(
        reader.code, 0,
        "whoever applies one project plans every one"
    );
    let denied = shop
        .server
        .good("Audit/List", r#"{"action":"Projects/Apply"}"#);
    assert_eq!(denied.await["entries"][0]["outcome"], "denied");
}

#[tokio::test]
async fn nobody_to_ask_and_nobody_there() {
    let shop = Shop::start().await;
    shop.folder.write(&check("web", ""));
    let json = ["apply", shop.folder.path(), "--output", "json"];
    let declined = shop.ctl(&json).await;
    assert_eq!(declined.code, 7);
    let document: serde_json::Value = serde_json::from_str(&declined.out).unwrap();
    assert_eq!(document["applied"], false);
    let away = ["plan", shop.folder.path()];
    assert_eq!(lokahictl("http://127.0.0.1:9", &away).await.code, 69);
}

#[tokio::test]
async fn waiting_for_a_scheduler_that_is_not_there_ends_with_six() {
    let shop = Shop::start().await;
    shop.folder.write(&check("web", ""));
    let applied = shop.try_apply(&["--wait=1s"]).await;
    assert_eq!(applied.code, 6, "{}", applied.words);
    insta::assert_snapshot!(applied.words, @r"
    error: generation 1 is applied, and after 1s not every scheduler has taken it over yet
    hint: does a lokahid run? lokahictl status and lokahictl list say how it goes on
    ");
    assert_eq!(shop.generation().await, 1, "it is applied all the same");
}

#[tokio::test]
async fn an_apply_has_no_fail_on_and_says_what_has() {
    let shop = Shop::start().await;
    let wrong = shop.try_apply(&["--fail-on", "delete"]).await;
    assert_eq!(wrong.code, 64);
    let tip = "lokahictl plan --fail-on looks, before an apply";
    assert!(wrong.words.contains(tip), "{}", wrong.words);
    assert!(!wrong.words.contains("--allow-silence"), "{}", wrong.words);
}
