//! Bad merges of each kind, as they happen in a repository: each is held before anything is
//! written, and named.

use super::{HOOK, NOTIFY, Shop, check, checks};

/// The names of the guards that hold what the files say now.
async fn guards(shop: &Shop) -> Vec<String> {
    let document = shop.document(&[]).await;
    assert_eq!(document["held"], serde_json::json!(true), "{document:#}");
    let guards = document["guards"].as_array().unwrap();
    let name = |guard: &serde_json::Value| guard["name"].as_str().unwrap().to_owned();
    guards.iter().map(name).collect()
}

fn defaults(text: &str) -> String {
    format!("defaults {{\n  {text}\n}}\n\n")
}

#[tokio::test]
async fn defaults_that_disable_everything() {
    let shop = Shop::with(&(HOOK.to_owned() + &checks(0..12, NOTIFY))).await;
    let all = defaults("enabled = false") + HOOK + &checks(0..12, NOTIFY);
    shop.folder.write(&all);
    assert_eq!(guards(&shop).await, ["silence"]);
}

#[tokio::test]
async fn defaults_that_silence_everything() {
    let tells = defaults(NOTIFY);
    let shop = Shop::with(&(tells + HOOK + &checks(0..12, ""))).await;
    let nobody = defaults("notify {\n    webhooks = []\n  }");
    shop.folder.write(&(nobody + HOOK + &checks(0..12, "")));
    assert_eq!(guards(&shop).await, ["silence"]);
}

#[tokio::test]
async fn the_last_receiver_taken_away() {
    let tells = defaults(NOTIFY);
    let shop = Shop::with(&(tells + HOOK + &checks(0..12, ""))).await;
    shop.folder.write(&checks(0..12, ""));
    assert_eq!(guards(&shop).await, ["silence"]);
}

#[tokio::test]
async fn defaults_that_expect_something_else_of_everything() {
    let shop = Shop::with(&checks(0..30, "")).await;
    let teapot = defaults("assert \"tea\" {\n    status = [418]\n  }");
    shop.folder.write(&(teapot + &checks(0..30, "")));
    assert_eq!(guards(&shop).await, ["changes"]);
}

#[tokio::test]
async fn the_files_of_another_repository() {
    let shop = Shop::start().await;
    shop.folder.init("https://git.example.com/ops.git");
    shop.folder.write(&checks(0..3, ""));
    shop.folder.commit();
    shop.apply().await;
    let elsewhere = [
        "remote",
        "set-url",
        "origin",
        "https://git.example.com/x.git",
    ];
    shop.folder.git(&elsewhere);
    shop.folder.write(&checks(0..2, ""));
    shop.folder.commit();
    let planned = shop.plan(&[]).await;
    let held = planned.out.lines().find(|line| line.starts_with("Held"));
    insta::assert_snapshot!(held.unwrap(), @"Held: the checks came from https://git.example.com/ops.git, and these files come from https://git.example.com/x.git, and the plan deletes.");
    assert_eq!(shop.try_apply(&["--allow-deletes", "1"]).await.code, 4);
    let accepted = shop.try_apply(&["--accept-source-change"]).await;
    assert_eq!(accepted.code, 0, "{}", accepted.out);
    // From now on it comes from there.
    shop.folder.write(&checks(0..1, ""));
    shop.folder.commit();
    shop.apply().await;
}

#[tokio::test]
async fn the_files_of_another_folder() {
    let shop = Shop::start().await;
    shop.folder.init("https://git.example.com/ops.git");
    let folder = |name: &str| shop.folder.0.join(name);
    for name in ["live", "test"] {
        std::fs::create_dir(folder(name)).unwrap();
    }
    let text = |n| {
        format!(
            "lokahi {{\n  project = \"shop\"\n}}\n\n{}",
            checks(0..n, "")
        )
    };
    std::fs::write(folder("live").join("shop.hcl"), text(3)).unwrap();
    std::fs::write(folder("test").join("shop.hcl"), text(2)).unwrap();
    shop.folder.commit();
    let apply = async |name: &str| {
        let path = folder(name);
        let apply = ["apply", "--auto-approve", path.to_str().unwrap()];
        shop.ctl(&apply).await
    };
    assert_eq!(apply("live").await.code, 0);
    let held = apply("test").await;
    assert_eq!(held.code, 4);
    assert!(
        held.out
            .contains("came from https://git.example.com/ops.git (live)"),
        "{}",
        held.out
    );
}

#[tokio::test]
async fn a_for_each_that_lost_its_entries() {
    let each = |keys: &str| {
        format!(
            "check \"page\" {{\n  for_each = toset([{keys}])\n\n  \
             url = \"https://${{each.key}}.example.com/\"\n}}\n\n"
        )
    };
    let keys: Vec<String> = (0..8).map(|n| format!("\"k{n}\"")).collect();
    let shop = Shop::with(&(each(&keys.join(", ")) + &check("web", ""))).await;
    shop.folder.write(&(each("") + &check("web", "")));
    assert_eq!(guards(&shop).await, ["deletes"]);
}

#[tokio::test]
async fn a_protected_check_with_another_name_and_no_moved_block() {
    let protect = "lifecycle {\n    prevent_destroy = true\n  }";
    let web = check("web", protect);
    let shop = Shop::with(&(web.clone() + &check("dns", ""))).await;
    let renamed = web.replace("\"web\"", "\"site\"");
    shop.folder.write(&(renamed + &check("dns", "")));
    assert_eq!(guards(&shop).await, ["prevent_destroy"]);
    // Nor does it go with what protected it.
    shop.folder.write(&check("dns", ""));
    assert_eq!(guards(&shop).await, ["prevent_destroy"]);
}

#[tokio::test]
async fn another_domain_for_everything() {
    let named = |domain: &str| {
        let all = checks(0..30, "").replace("example.com", "${local.domain}");
        format!("locals {{\n  domain = \"{domain}\"\n}}\n\n{all}")
    };
    let shop = Shop::with(&named("example.com")).await;
    shop.folder.write(&named("example.net"));
    assert_eq!(guards(&shop).await, ["changes"]);
}

#[tokio::test]
async fn nothing_but_the_block_of_the_project() {
    let shop = Shop::with(&checks(0..3, "")).await;
    shop.folder.write("");
    assert_eq!(guards(&shop).await, ["empty"]);
}

#[tokio::test]
async fn a_link_that_leads_nowhere_and_a_folder_that_is_not_there() {
    let shop = Shop::with(&check("web", "")).await;
    shop.folder.write_file("more.hcl", &check("dns", ""));
    shop.apply().await;
    shop.folder.remove("more.hcl");
    std::os::unix::fs::symlink("nowhere.hcl", shop.folder.0.join("more.hcl")).unwrap();
    let every_flag = [
        "--allow-deletes",
        "1",
        "--allow-empty",
        "--accept-source-change",
    ];
    let refused = shop.try_apply(&every_flag).await;
    assert_eq!(refused.code, 1, "{}", refused.out);
    assert!(refused.out.contains("error[LK0101]"), "{}", refused.out);
    // Without its root nobody knows what the project is.
    shop.folder.remove("more.hcl");
    shop.folder.remove("shop.hcl");
    for folder in [shop.folder.path().to_owned(), shop.folder.file("nowhere")] {
        let apply = ["apply", "--auto-approve", &folder];
        let refused = shop.ctl(&[&apply[..], &every_flag].concat()).await;
        assert_ne!(refused.code, 0, "{}", refused.out);
    }
    assert_eq!(shop.generation().await, 2, "nothing was written");
}

#[tokio::test]
async fn a_project_under_another_name() {
    let shop = Shop::start().await;
    shop.folder.init("https://git.example.com/ops.git");
    shop.folder.write(&checks(0..3, ""));
    shop.folder.commit();
    shop.apply().await;
    let named = |name: &str, rest: &str| {
        let root = format!("lokahi {{\n  project = \"{name}\"\n}}\n\n{rest}");
        shop.folder.write_file("shop.hcl", &root);
        shop.folder.commit();
    };
    named(
        "store",
        &(checks(0..2, "") + &checks(2..4, "every = \"5s\"")),
    );
    let planned = shop.plan(&[]).await;
    let warning = planned.out.lines().find(|line| line.starts_with("warning"));
    insta::assert_snapshot!(warning.unwrap(), @r#"warning: the project shop comes from the same folder of this repository, and 2 of its 3 checks are declared here as they are: both projects will probe them and tell of them. If shop became store: keep the name shop in the files, and everything keeps its history; or end shop after this by applying a folder that declares nothing but project = "shop", with --allow-empty --accept-source-change"#);
    shop.apply().await;
    // As it says.
    named("shop", "");
    assert_eq!(shop.try_apply(&["--allow-empty"]).await.code, 0);
    assert!(shop.check("shop", "c0").await.is_none());
    assert!(shop.check("store", "c0").await.is_some());
    // Another project of one root, by its variables say, has checks of its own.
    let other = checks(0..4, "").replace("example.com", "example.net");
    named("test", &other);
    let planned = shop.plan(&[]).await;
    assert_eq!(planned.code, 0, "{}", planned.words);
    assert!(!planned.out.contains("warning:"), "{}", planned.out);
}

#[tokio::test]
async fn a_project_under_another_name_in_a_repository_without_a_remote() {
    let shop = Shop::start().await;
    shop.folder
        .git(&["init", "--quiet", "--initial-branch", "main"]);
    shop.folder.write(&checks(0..3, ""));
    shop.folder.commit();
    shop.apply().await;
    let root = format!(
        "lokahi {{\n  project = \"shpo\"\n}}\n\n{}",
        checks(0..3, "")
    );
    shop.folder.write_file("shop.hcl", &root);
    let planned = shop.plan(&[]).await;
    let expect = "warning: the project shop comes from a folder of the same path, of a repository \
                  without a remote, too, and 3 of its 3 checks are declared here as they are";
    assert!(planned.out.contains(expect), "{}", planned.out);
}

#[tokio::test]
async fn half_of_the_files_gone() {
    let shop = Shop::start().await;
    shop.folder.write("");
    for name in ["a", "b", "c", "d", "e"] {
        shop.folder
            .write_file(&format!("{name}.hcl"), &check(name, ""));
    }
    shop.apply().await;
    for name in ["a", "b", "c"] {
        shop.folder.remove(&format!("{name}.hcl"));
    }
    let planned = shop.plan(&[]).await;
    assert_eq!(planned.code, 4, "{}", planned.out);
    let held = planned.out.lines().find(|line| line.starts_with("Held"));
    insta::assert_snapshot!(held.unwrap(), @"Held: 2 files declare something where 5 did, and the plan deletes.");
}

#[tokio::test]
async fn one_mistake_in_one_file() {
    let shop = Shop::with(&checks(0..3, "")).await;
    shop.folder
        .write(&(checks(0..2, "") + &check("c2", "evry = \"5s\"")));
    let refused = shop.try_apply(&["--allow-deletes", "1"]).await;
    assert_eq!(refused.code, 1, "{}", refused.out);
    assert!(refused.out.contains("shop.hcl:1"), "{}", refused.out);
    assert_eq!(shop.generation().await, 1, "no part of a root is applied");
}

#[tokio::test]
async fn defaults_that_look_elsewhere_or_ask_something_else_of_everything() {
    let shop = Shop::with(&checks(0..30, "")).await;
    for text in [
        "proxy = \"http://proxy.example.com:3128\"",
        "headers = { host = \"evil.example.com\" }",
        "locations = [\"mars\"]",
        "method = \"OPTIONS\"",
        "follow_redirects = false",
        "tls {\n    verify = false\n  }",
    ] {
        shop.folder.write(&(defaults(text) + &checks(0..30, "")));
        assert_eq!(guards(&shop).await, ["changes"], "{text}");
    }
    let elsewhere = checks(0..30, "").replace(".example.com/", ".example.com:8443/");
    shop.folder.write(&elsewhere);
    assert_eq!(guards(&shop).await, ["changes"]);
    // Another header is no other question.
    let header = defaults("headers = { x-team = \"web\" }");
    shop.folder.write(&(header + &checks(0..30, "")));
    shop.apply().await;
}
