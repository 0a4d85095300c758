//! A folder of check files, and a lokahid that does what it says.

mod folder;
mod standing;
mod ground;

mod changing;
mod git;
mod holding;
mod killed;
mod lease;
mod modes;

use std::path::Path;

use lokahi::proto::lokahi::{Check, ChecksPage, CreateOpts, ListOpts};

use super::fleet::Fleet;
use crate::support::programs::lokahictl;
use crate::support::until;

struct Folder(std::path::PathBuf);

impl Folder {
    fn new(text: &str) -> Self {
        let name = format!(
            "lokahi-checks-{}",
            lokahi::files::private::random_hex(6).unwrap()
        );
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir(&folder).unwrap();
        let folder = Self(folder);
        folder.write(text);
        folder
    }

    fn path(&self) -> &Path {
        &self.0
    }

    /// As editors do it: a new file in place of the old one.
    fn write(&self, text: &str) {
        let draft = self.0.join(".draft");
        std::fs::write(&draft, text).unwrap();
        std::fs::rename(draft, self.0.join("shop.hcl")).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

const ROOT: &str = r#"
lokahi {
  project = "shop"
}
"#;

fn check(name: &str, every: &str) -> String {
    format!("check \"{name}\" {{\n  url   = \"http://127.0.0.1:9/\"\n  every = \"{every}\"\n}}\n")
}

async fn names(fleet: &Fleet) -> Vec<String> {
    let page: ChecksPage = fleet
        .client()
        .call("github.xe.lokahi.Checks/List", &ListOpts::default())
        .await
        .unwrap();
    let checks = page.results.into_iter().filter_map(|result| result.check);
    checks
        .map(|check| format!("{}/{}@{}", check.project, check.name, check.every))
        .collect()
}

#[tokio::test]
async fn apply_does_what_the_files_say_and_nothing_twice() {
    let fleet = Fleet::start(&[]).await;
    let wish = CreateOpts {
        url: "http://127.0.0.1:9/".into(),
        name: "by_hand".into(),
        ..CreateOpts::default()
    };
    let _mine: Check = fleet
        .client()
        .call("github.xe.lokahi.Checks/Create", &wish)
        .await
        .unwrap();
    let folder = Folder::new(&format!(
        "{ROOT}{}{}",
        check("one", "60s"),
        check("two", "60s")
    ));
    let path = folder.path().to_str().unwrap();
    let apply = async || lokahictl(&fleet.base(), &["apply", path, "--auto-approve"]).await;

    let first = apply().await;
    assert_eq!(first.code, 0, "{}", first.words);
    assert!(
        first
            .out
            .contains("Plan: 2 to add, 0 to change, 0 to delete."),
        "{}",
        first.out
    );
    assert_eq!(
        names(&fleet).await,
        ["api/by_hand@60", "shop/one@60", "shop/two@60"]
    );

    let second = apply().await;
    assert_eq!(second.code, 0);
    let generations: i64 = sqlx::query_scalar("select count(*) from generations")
        .fetch_one(&mut fleet.database().await)
        .await
        .unwrap();
    assert_eq!(generations, 1, "no change, no write");

    folder.write(&format!("{ROOT}{}", check("two", "30s")));
    let third = apply().await;
    assert!(
        third.out.contains("0 to add, 1 to change, 1 to delete."),
        "{}",
        third.out
    );
    assert_eq!(names(&fleet).await, ["api/by_hand@60", "shop/two@30"]);
}

#[tokio::test]
async fn apply_asks_first() {
    let fleet = Fleet::start(&[]).await;
    let folder = Folder::new(&format!("{ROOT}{}", check("one", "60s")));
    let ended = lokahictl(&fleet.base(), &["apply", folder.path().to_str().unwrap()]).await;
    assert_eq!(ended.code, 7, "{}", ended.words);
    assert!(
        ended.words.contains("Nothing was changed."),
        "{}",
        ended.words
    );
    assert!(names(&fleet).await.is_empty());
}

#[tokio::test]
async fn lokahid_follows_its_folder_and_survives_bad_input() {
    let folder = Folder::new(&format!("{ROOT}{}", check("one", "60s")));
    let fleet = Fleet::start(&[("CHECKS_DIR", folder.path().to_str().unwrap())]).await;
    until("the folder is applied", async || {
        names(&fleet).await == ["shop/one@60"]
    })
    .await;

    folder.write(&format!("{ROOT}{}", check("one", "30s")));
    until("the edit is applied", async || {
        names(&fleet).await == ["shop/one@30"]
    })
    .await;

    folder.write("check \"one\" {");
    until("the fault is known", async || {
        fleet.metric("lokahi_reconcile_ready").await == 0.0
    })
    .await;
    assert_eq!(
        names(&fleet).await,
        ["shop/one@30"],
        "the last good state stands"
    );

    assert!(!fleet.lokahid.has_said("good again"));
    folder.write(&format!("{ROOT}{}", check("one", "30s")));
    until("the log says that it is mended", async || {
        fleet.lokahid.has_said("good again")
    })
    .await;
    folder.write(&format!("{ROOT}{}", check("two", "30s")));
    // A delete must be seen twice.
    until("the delete waits", async || {
        fleet.metric("lokahi_reconcile_held").await == 1.0
    })
    .await;
    assert_eq!(names(&fleet).await, ["shop/one@30"]);
    until("it is done", async || {
        names(&fleet).await == ["shop/two@30"]
    })
    .await;
    assert_eq!(fleet.metric("lokahi_reconcile_ready").await, 1.0);
}
