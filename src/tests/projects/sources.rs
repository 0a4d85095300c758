//! Bad merges after which the files come from elsewhere: another repository, folder or project, or
//! from nowhere.

use super::{Shop, check, checks};

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
