//! A folder that changes as folders do: it converges, and nothing is taken away by accident.

use lokahi::clock;
use sqlx::Row as _;

use super::folder::{Folder, check, checks, git};
use super::ground::Story;
use super::standing::until_condition;
use crate::support::until;

/// A tree of 1,000 files, each with a check that is due every so often.
fn tree(folder: &Folder, every: &str) {
    for n in 0..1000 {
        let text = check(&format!("c{n}"), every);
        std::fs::write(folder.path().join(format!("c{n}.hcl")), text).unwrap();
    }
}

#[tokio::test]
async fn a_busy_repository_is_waited_for_and_named() {
    let story = Story::begin(&[("web.hcl", &check("a", "60s"))], &[("RECONCILE", "off")]).await;
    story.folder.git(&["init", "-q"]);
    story.folder.commit("one");
    let mut fleet = story.fleet;
    fleet.lokahid.stop().await;
    fleet.lokahid.set("RECONCILE", "apply");
    fleet.lokahid.start();
    fleet.lokahid.address().await;
    let story = Story { fleet, ..story };
    story.until_ready().await;
    // As a git that was killed leaves it.
    story.folder.write(".git/index.lock", "");
    story.folder.write("web.hcl", &check("a", "30s"));
    let words = story
        .until_condition("Ready", false, "SourceUnavailable")
        .await;
    let lock = story.folder.text(".git/index.lock");
    let expect = format!("git holds {lock}: it writes to the work tree; if no git runs there");
    assert!(words.contains(&expect), "{words}");
    assert!(
        story.condition("Reconciling").await.status,
        "it looks again"
    );
    assert_eq!(story.status().await.generation, 1, "nothing half written");
    story.folder.remove(".git/index.lock");
    story.until_ready().await;
    until("it is applied", async || {
        story.status().await.generation == 2
    })
    .await;
    story
        .until_told(&["project.failed SourceUnavailable", "project.failed."])
        .await;
}

/// More than the kernel keeps of events that are nobody's business, while lokahid cannot take
/// them: what comes after them is lost, and a word that something was lost is all there is.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_change_that_is_lost_in_a_full_queue_is_seen() {
    use nix::sys::signal::{Signal, kill};
    let limit = std::fs::read_to_string("/proc/sys/fs/inotify/max_queued_events");
    let limit: usize = limit.unwrap().trim().parse().unwrap();
    let quiet = Folder::new();
    quiet.write("checks/lokahi.hcl", "lokahi {\n  project = \"shop\"\n}\n");
    quiet.write("checks/web.hcl", &check("a", "60s"));
    let root = quiet.text("checks");
    // Nothing but the word can make it look.
    let settings = [("CHECKS_DIR", &*root), ("RECONCILE_INTERVAL", "1h")];
    let story = Story::start(&[], &settings).await;
    let until_generation = async |n: i64| {
        until(&format!("generation {n} is in force"), async || {
            story.condition("Ready").await.observed_generation == n
        })
        .await;
    };
    quiet.write("checks/web.hcl", &check("a", "45s"));
    until_generation(2).await;
    let lokahid = story.fleet.lokahid.pid();
    let signal = |signal| kill(nix::unistd::Pid::from_raw(lokahid), signal).unwrap();
    signal(Signal::SIGSTOP);
    until("all of its threads stand still", async || {
        let tasks = std::fs::read_dir(format!("/proc/{lokahid}/task")).unwrap();
        tasks.flatten().all(|task| {
            let stat = std::fs::read_to_string(task.path().join("stat"));
            stat.is_ok_and(|stat| stat.contains(") T "))
        })
    })
    .await;
    // In turns, or one event would stand for all. Reading is no hint.
    for n in 0..=limit {
        let name = if n % 2 == 0 { "web.hcl" } else { "lokahi.hcl" };
        drop(std::fs::File::open(quiet.path().join("checks").join(name)).unwrap());
    }
    quiet.write("checks/web.hcl", &check("a", "30s"));
    signal(Signal::SIGCONT);
    until_generation(3).await;
}

#[tokio::test]
async fn a_loop_of_checkouts_gives_whole_trees_only() {
    let story = Story::begin(&[], &[("RECONCILE", "off")]).await;
    let folder = &story.folder;
    folder.git(&["init", "-q"]);
    tree(folder, "60s");
    let one = folder.commit("one");
    folder.git(&["checkout", "-q", "-b", "other"]);
    tree(folder, "120s");
    let other = folder.commit("other");
    let mut fleet = story.fleet;
    fleet.lokahid.stop().await;
    fleet.lokahid.set("RECONCILE", "apply");
    fleet.lokahid.start();
    fleet.lokahid.address().await;
    let story = Story { fleet, ..story };
    let path = story.folder.path().to_owned();
    let loops = tokio::task::spawn_blocking(move || {
        for n in 0..60 {
            let branch = if n % 2 == 0 { "main" } else { "other" };
            git(&path, &["checkout", "-q", branch]);
        }
    });
    loops.await.unwrap();
    until("the last tree is in force", async || {
        let row = sqlx::query("select n, sha from generations order by n desc limit 1")
            .fetch_optional(&mut story.fleet.database().await)
            .await
            .unwrap();
        row.is_some_and(|row| row.get::<String, _>("sha") == other)
            && story.condition("Ready").await.status
    })
    .await;
    let rows = sqlx::query(
        "select n, sha, dirty, created + updated as changes, deleted from generations order by n",
    )
    .fetch_all(&mut story.fleet.database().await)
    .await
    .unwrap();
    for row in rows {
        let n: i64 = row.get("n");
        assert_eq!(row.get::<i32, _>("deleted"), 0, "generation {n}");
        assert!(!row.get::<bool, _>("dirty"), "generation {n}");
        // The first one has the project and its webhook, too.
        let changes = 1000 + if n == 1 { 2 } else { 0 };
        assert_eq!(row.get::<i32, _>("changes"), changes, "generation {n}");
        assert!([&one, &other].contains(&&row.get::<String, _>("sha")));
    }
    let live: i64 = sqlx::query_scalar("select count(*) from checks where deleted_at is null")
        .fetch_one(&mut story.fleet.database().await)
        .await
        .unwrap();
    assert_eq!(live, 1000);
}

#[tokio::test]
async fn a_config_map_swap_is_one_change() {
    let story = Story::begin(&[], &[("RECONCILE", "off")]).await;
    let root = Story::root(&story.operators);
    let (folder, mut fleet) = (Folder::new(), story.fleet);
    folder.write("..one/lokahi.hcl", &root);
    folder.write("..one/web.hcl", &(check("a", "60s") + &check("b", "60s")));
    folder.write("..two/lokahi.hcl", &root);
    folder.write("..two/web.hcl", &check("a", "30s"));
    folder.link("..one", "..data");
    folder.link("..data/lokahi.hcl", "lokahi.hcl");
    folder.link("..data/web.hcl", "web.hcl");
    fleet.lokahid.stop().await;
    fleet.lokahid.set("CHECKS_DIR", &folder.text(""));
    fleet.lokahid.set("RECONCILE", "apply");
    fleet.lokahid.start();
    fleet.lokahid.address().await;
    let story = Story {
        fleet,
        folder,
        ..story
    };
    story.until_ready().await;
    assert_eq!(story.live().await, ["a", "b"]);

    story.folder.link("..two", "..data");
    story.until_condition("Ready", false, "Waiting").await;
    assert_eq!(
        story.live().await,
        ["a", "b"],
        "nothing of it before all of it"
    );
    story.until_ready().await;
    assert_eq!(story.live().await, ["a"]);
    assert_eq!(
        story.status().await.generation,
        2,
        "one change is one generation"
    );
}

#[tokio::test]
async fn a_git_sync_swap_is_found() {
    let story = Story::begin(&[], &[("RECONCILE", "off")]).await;
    let root = Story::root(&story.operators);
    let (folder, mut fleet) = (Folder::new(), story.fleet);
    for (tree, every) in [("one", "60s"), ("two", "30s")] {
        folder.write(&format!(".worktrees/{tree}/checks.d/lokahi.hcl"), &root);
        folder.write(
            &format!(".worktrees/{tree}/checks.d/web.hcl"),
            &check("a", every),
        );
    }
    folder.link(".worktrees/one", "current");
    fleet.lokahid.stop().await;
    fleet
        .lokahid
        .set("CHECKS_DIR", &folder.text("current/checks.d"));
    fleet.lokahid.set("RECONCILE", "apply");
    fleet.lokahid.start();
    fleet.lokahid.address().await;
    let story = Story {
        fleet,
        folder,
        ..story
    };
    story.until_ready().await;
    story.folder.link(".worktrees/two", "current");
    until("the swap is applied", async || {
        story.status().await.generation == 2
    })
    .await;
    assert_eq!(story.live().await, ["a"]);
}

#[tokio::test]
async fn a_saved_file_is_soon_in_force() {
    let story = Story::start(
        &[("web.hcl", &check("a", "60s"))],
        &[("RECONCILE_INTERVAL", "1h")],
    )
    .await;
    for every in ["30s", "20s", "10s"] {
        let generation = story.status().await.generation;
        let saved = clock::monotonic();
        story.folder.write("web.hcl", &check("a", every));
        until("it is in force", async || {
            story.status().await.generation > generation
        })
        .await;
        eprintln!("saved and in force after {:?}", saved.elapsed());
    }
    assert_eq!(story.status().await.generation, 4);
}

#[tokio::test]
async fn a_library_beside_the_folder_is_watched_too() {
    let tree = Folder::new();
    let template = |every: &str| format!("template \"site\" {{\n  every = \"{every}\"\n}}\n");
    tree.write("shared/lib.hcl", &template("60s"));
    tree.write(
        "checks/lokahi.hcl",
        "lokahi {\n  project = \"shop\"\n  include = [\"../shared\"]\n}\n",
    );
    tree.write(
        "checks/web.hcl",
        "check \"a\" {\n  use = [template.site]\n  url = \"http://127.0.0.1:9/\"\n}\n",
    );
    let root = tree.text("checks");
    let settings = [("CHECKS_DIR", &*root), ("RECONCILE_INTERVAL", "1h")];
    let story = Story::start(&[], &settings).await;
    // Saved anew, and taken away and brought back.
    for every in ["30s", "20s", "10s"] {
        let generation = story.status().await.generation;
        if every == "10s" {
            std::fs::remove_dir_all(tree.path().join("shared")).unwrap();
            story.until_condition("Ready", false, "InvalidFiles").await;
        }
        tree.write("shared/lib.hcl", &template(every));
        until("it is in force", async || {
            story.status().await.generation > generation
        })
        .await;
    }
    assert_eq!(story.status().await.generation, 4);
}

#[tokio::test]
async fn a_folder_that_is_removed_and_cloned_anew_changes_nothing() {
    let story = Story::start(&[("web.hcl", &checks(5, "60s"))], &[]).await;
    let copy = Folder::new();
    let path = story.folder.path();
    let status = std::process::Command::new("cp")
        .arg("-a")
        .arg(path.join("."))
        .arg(copy.path())
        .status();
    assert!(status.unwrap().success());
    std::fs::remove_dir_all(path).unwrap();
    let words = story
        .until_condition("Ready", false, "SourceUnavailable")
        .await;
    assert!(words.contains("No such file"), "{words}");
    assert_eq!(story.gauge("Ready").await, Some(0.0));
    story
        .until_told(&["project.failed SourceUnavailable"])
        .await;
    assert_eq!(story.live().await.len(), 5);

    copy.git(&["init", "-q"]);
    copy.commit("all");
    git(
        std::env::temp_dir().as_path(),
        &["clone", "-q", &copy.text(""), &story.folder.text("")],
    );
    story.until_ready().await;
    story
        .until_told(&["project.failed SourceUnavailable", "project.failed."])
        .await;
    assert_eq!(
        story.status().await.generation,
        1,
        "what came back was what was there"
    );
    assert_eq!(story.gauge("Ready").await, Some(1.0));
}

#[tokio::test]
async fn a_folder_without_files_is_no_wish() {
    let story = Story::start(&[("web.hcl", &checks(5, "60s"))], &[]).await;
    story.folder.remove("web.hcl");
    story.folder.remove("lokahi.hcl");
    let words = story.until_condition("Ready", false, "InvalidFiles").await;
    assert!(words.contains("lokahi"), "{words}");
    story.until_told(&["project.failed InvalidFiles"]).await;
    assert_eq!(story.live().await.len(), 5);
}

#[tokio::test]
async fn an_unreadable_file_holds_everything() {
    let story = Story::start(
        &[("a.hcl", &check("a", "60s")), ("b.hcl", &check("b", "60s"))],
        &[],
    )
    .await;
    let mut fleet = story.fleet;
    fleet.lokahid.stop().await;
    fleet.lokahid.be_nobody(&fleet.database_url);
    fleet.lokahid.start();
    fleet.lokahid.address().await;
    let story = Story { fleet, ..story };
    story.until_ready().await;
    let file = story.folder.path().join("a.hcl");
    let mode = |mode| {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    mode(0o000);
    story.folder.write("b.hcl", &check("b", "30s"));
    let words = story.until_condition("Ready", false, "InvalidFiles").await;
    assert!(
        words.contains("a.hcl") && words.contains("permission denied"),
        "{words}"
    );
    story.until_told(&["project.failed InvalidFiles"]).await;
    assert_eq!(story.live().await, ["a", "b"]);
    assert_eq!(story.status().await.generation, 1, "one error and no plan");
    mode(0o644);
    story.until_ready().await;
    story
        .until_told(&["project.failed InvalidFiles", "project.failed."])
        .await;
    assert_eq!(story.status().await.generation, 2);
}

#[tokio::test]
async fn the_first_scan_after_a_start_deletes_nothing() {
    let story = Story::start(&[("web.hcl", &checks(3, "60s"))], &[]).await;
    let mut fleet = story.fleet;
    fleet.lokahid.stop().await;
    story.folder.write("web.hcl", &checks(2, "60s"));
    let started = clock::now();
    fleet.lokahid.start();
    fleet.lokahid.address().await;
    let story = Story { fleet, ..story };
    let words = story.until_condition("Ready", false, "Waiting").await;
    assert!(words.contains("seen twice"), "{words}");
    assert_eq!(story.live().await.len(), 3);
    story.until_ready().await;
    assert_eq!(story.live().await.len(), 2);
    let at: time::OffsetDateTime = sqlx::query_scalar("select at from generations where n = 2")
        .fetch_one(&mut story.fleet.database().await)
        .await
        .unwrap();
    assert!(
        at - started >= time::Duration::seconds(10),
        "{at} is too soon after {started}"
    );
}

#[tokio::test]
async fn what_breaks_while_lokahid_is_away_is_told_when_it_is_back() {
    let story = Story::start(&[("web.hcl", &checks(3, "60s"))], &[]).await;
    let mut fleet = story.fleet;
    fleet.lokahid.stop().await;
    story.folder.write("web.hcl", "check \"c0\" {");
    fleet.lokahid.start();
    fleet.lokahid.address().await;
    let story = Story { fleet, ..story };
    let words = story.until_condition("Ready", false, "InvalidFiles").await;
    assert!(words.contains("web.hcl:1"), "{words}");
    story.until_told(&["project.failed InvalidFiles"]).await;
    assert_eq!(story.live().await.len(), 3);
}

#[tokio::test]
async fn a_project_that_no_root_declares_any_more_is_missed() {
    let story = Story::start(&[("web.hcl", &checks(3, "60s"))], &[]).await;
    let root = Story::root(&story.operators).replace("shop", "store");
    story.folder.write("lokahi.hcl", &root);
    let words = story.until_condition("Ready", false, "RootMissing").await;
    assert!(words.contains("no root in"), "{words}");
    story.until_told(&["project.failed RootMissing"]).await;
    assert_eq!(story.status().await.checks, 3);
    let expect = "its files declare the project store now";
    assert!(words.contains(expect), "{words}");
    until("whoever declares it may have it", async || {
        story.status().await.reconciler.is_empty()
    })
    .await;
    // What it says to do about it is done.
    let folder = Folder::new();
    folder.write("end.hcl", "lokahi { project = \"shop\" }\n");
    let flags = ["--allow-empty", "--accept-source-change"];
    assert!(words.contains(&flags.join(" ")), "{words}");
    let end = folder.text("");
    let all = [&["apply", end.as_str(), "--auto-approve"], &flags[..]].concat();
    let ended = story.ctl(&all).await;
    assert_eq!(ended.code, 0, "{}{}", ended.out, ended.words);
    assert_eq!(story.status().await.checks, 0);
}

#[tokio::test]
async fn a_name_that_was_a_mistake_and_is_put_right_is_not_wanted_again() {
    let story = Story::start(&[("web.hcl", &checks(3, "60s"))], &[]).await;
    let root = Story::root(&story.operators);
    story
        .folder
        .write("lokahi.hcl", &root.replace("shop", "shpo"));
    let words = story.until_condition("Ready", false, "RootMissing").await;
    assert!(words.contains("call it shop again"), "{words}");
    until_condition(&story.fleet, "shpo", ("Ready", true, "Applied")).await;
    story.folder.write("lokahi.hcl", &root);
    let missing = ("Ready", false, "RootMissing");
    let words = until_condition(&story.fleet, "shpo", missing).await;
    assert!(!words.contains("call it shpo again"), "{words}");
    let expect = "If the name shpo was a mistake, end it: lokahictl apply FOLDER";
    assert!(words.contains(expect), "{words}");
    story.until_ready().await;
}

#[tokio::test]
async fn a_block_that_only_moves_in_its_file_makes_no_generation() {
    let story = Story::start(&[("web.hcl", &checks(3, "60s"))], &[]).await;
    let place = async || -> (String, i32) {
        sqlx::query_as("select file, line from memberships where address = 'c2' and to_gen is null")
            .fetch_one(&mut story.fleet.database().await)
            .await
            .unwrap()
    };
    assert_eq!(place().await, ("web.hcl".to_owned(), 9));
    story
        .folder
        .write("web.hcl", &("# ours\n".to_owned() + &checks(3, "60s")));
    until("the line is known", async || place().await.1 == 10).await;
    assert_eq!(story.status().await.generation, 1);
}

#[tokio::test]
async fn each_failure_that_was_told_ends() {
    let story = Story::start(&[("web.hcl", &checks(3, "60s"))], &[]).await;
    story.folder.write("web.hcl", "check \"c0\" {");
    story.until_condition("Ready", false, "InvalidFiles").await;
    let (here, away) = (story.folder.text(""), story.folder.text("") + "../away");
    let away = away.replace("/../away", ".away");
    std::fs::rename(&here, &away).unwrap();
    story
        .until_condition("Ready", false, "SourceUnavailable")
        .await;
    std::fs::rename(&away, &here).unwrap();
    story.folder.write("web.hcl", &checks(3, "60s"));
    story.until_ready().await;
    // What ends and what begins at once arrive in any order.
    let expect = [
        "project.failed InvalidFiles",
        "project.failed SourceUnavailable",
        "project.failed.",
        "project.failed.",
    ];
    until("each is told, and its end", async || {
        let mut told = story.told();
        told.sort();
        told == expect
    })
    .await;
}
