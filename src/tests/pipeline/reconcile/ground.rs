//! What the stories of the reconciler share: a folder of check files, a fleet that follows it,
//! operators who hear of it, and how the project stands.

use std::path::{Path, PathBuf};

use lokahi::proto::lokahi::{Condition, ListOpts, ProjectStatus, ProjectsRequest};
use serde_json::Value;
use sqlx::Row as _;

use crate::pipeline::fleet::Fleet;
use crate::pipeline::peers::Receiver;
use crate::support::programs::{Ended, lokahictl};
use crate::support::until;

/// A folder that is removed with the story.
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new() -> Self {
        let name = lokahi::files::private::random_hex(6).unwrap();
        let folder = std::env::temp_dir().join(format!("lokahi-checks-{name}"));
        std::fs::create_dir(&folder).unwrap();
        Self(folder)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    pub(super) fn text(&self, below: &str) -> String {
        self.0.join(below).to_str().unwrap().to_owned()
    }

    /// As editors do it: a new file in place of the old one.
    pub(super) fn write(&self, path: &str, text: &str) {
        let path = self.0.join(path);
        let folder = path.parent().unwrap();
        std::fs::create_dir_all(folder).unwrap();
        let draft = folder.join(".draft");
        std::fs::write(&draft, text).unwrap();
        std::fs::rename(draft, path).unwrap();
    }

    pub(super) fn remove(&self, path: &str) {
        std::fs::remove_file(self.0.join(path)).unwrap();
    }

    /// A link in place of what was there, in one step.
    pub(super) fn link(&self, target: &str, path: &str) {
        let draft = self.0.join(format!("{path}.draft"));
        std::os::unix::fs::symlink(target, &draft).unwrap();
        std::fs::rename(draft, self.0.join(path)).unwrap();
    }

    /// Runs git in it.
    pub(super) fn git(&self, arguments: &[&str]) -> String {
        git(&self.0, arguments)
    }

    /// Commits everything; returns the commit.
    pub(super) fn commit(&self, message: &str) -> String {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", message]);
        self.git(&["rev-parse", "HEAD"])
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// Runs git as it is without anybody's settings.
pub(super) fn git(folder: &Path, arguments: &[&str]) -> String {
    let done = std::process::Command::new("git")
        .arg("-C")
        .arg(folder)
        .args([
            "-c",
            "user.name=story",
            "-c",
            "user.email=story@example.com",
        ])
        .args(["-c", "init.defaultBranch=main", "-c", "gc.auto=0"])
        .args(arguments)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .unwrap();
    let words = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "git {arguments:?}: {words}");
    String::from_utf8(done.stdout).unwrap().trim().to_owned()
}

/// A check that nobody can reach.
pub(super) fn check(name: &str, every: &str) -> String {
    format!("check \"{name}\" {{\n  url   = \"http://127.0.0.1:9/\"\n  every = \"{every}\"\n}}\n")
}

/// So many, `c0`, `c1`, ...
pub(super) fn checks(count: usize, every: &str) -> String {
    (0..count).map(|n| check(&format!("c{n}"), every)).collect()
}

/// A project, a fleet that reconciles it, and its operators.
pub(super) struct Story {
    pub(super) fleet: Fleet,
    pub(super) operators: Receiver,
    pub(super) folder: Folder,
}

impl Story {
    /// The root of the project `shop`, whose operators hear of it.
    pub(super) fn root(operators: &Receiver) -> String {
        format!(
            "lokahi {{\n  project   = \"shop\"\n  operators = [webhook.operators]\n}}\n\
             webhook \"operators\" {{\n  url    = \"{}\"\n  format = \"json\"\n}}\n",
            operators.url
        )
    }

    /// These files beside a root, and applied.
    pub(super) async fn start(files: &[(&str, &str)], settings: &[(&str, &str)]) -> Self {
        let story = Self::begin(files, settings).await;
        story.until_ready().await;
        story
    }

    /// The same, and not waited for.
    pub(super) async fn begin(files: &[(&str, &str)], settings: &[(&str, &str)]) -> Self {
        let (folder, operators) = (Folder::new(), Receiver::start().await);
        folder.write("lokahi.hcl", &Self::root(&operators));
        for (path, text) in files {
            folder.write(path, text);
        }
        let path = folder.text("");
        let mut all = vec![("CHECKS_DIR", path.as_str()), ("RECONCILE_INTERVAL", "2s")];
        all.extend_from_slice(settings);
        let fleet = Fleet::start(&all).await;
        Self {
            fleet,
            operators,
            folder,
        }
    }

    pub(super) async fn status(&self) -> ProjectStatus {
        status(&self.fleet, "shop").await
    }

    pub(super) async fn condition(&self, aspect: &str) -> Condition {
        condition(&self.fleet, "shop", aspect).await
    }

    pub(super) async fn until_ready(&self) {
        self.until_condition("Ready", true, "Applied").await;
    }

    /// Waits until an aspect is so; returns what is said of it.
    pub(super) async fn until_condition(&self, aspect: &str, holds: bool, reason: &str) -> String {
        until_condition(&self.fleet, "shop", (aspect, holds, reason)).await
    }

    /// What lives, by address.
    pub(super) async fn live(&self) -> Vec<String> {
        live(&self.fleet).await
    }

    /// The id of a check that lives.
    pub(super) async fn id(&self, name: &str) -> String {
        let wanted = ListOpts {
            name: name.to_owned(),
            ..ListOpts::default()
        };
        let found = self.fleet.client().list(&wanted).await.unwrap();
        let mut found = found.results.into_iter().filter_map(|row| row.check);
        found.next().unwrap().id
    }

    /// The types and reasons of what operators were told of the project, in order; an end is
    /// the type and a dot.
    pub(super) fn told(&self) -> Vec<String> {
        let told = self.operators.taken().into_iter().filter_map(|received| {
            let body: Value = serde_json::from_slice(&received.body).unwrap();
            let kind = body["type"].as_str().unwrap().to_owned();
            if !kind.starts_with("project.") {
                return None;
            }
            assert_eq!(body["data"]["project"]["project"], "shop", "{body}");
            let reason = body["data"]["project"]["reason"].as_str().unwrap();
            Some(match body["data"]["resolved"] == true {
                true => format!("{kind}."),
                false => format!("{kind} {reason}"),
            })
        });
        told.collect()
    }

    pub(super) async fn until_told(&self, all: &[&str]) {
        until(&format!("operators were told {all:?}"), async || {
            self.told() == all
        })
        .await;
    }

    /// Whether `/metrics` says that an aspect holds.
    pub(super) async fn gauge(&self, aspect: &str) -> Option<f64> {
        gauge(&self.fleet, "shop", aspect).await
    }

    pub(super) async fn ctl(&self, arguments: &[&str]) -> Ended {
        lokahictl(&self.fleet.base(), arguments).await
    }
}

pub(super) async fn status(fleet: &Fleet, project: &str) -> ProjectStatus {
    let asked = ProjectsRequest {
        project: project.to_owned(),
        ..Default::default()
    };
    let found = fleet.client().projects(&asked).await;
    let found = found.map(|found| found.projects).unwrap_or_default();
    found.into_iter().next().unwrap_or_default()
}

pub(super) async fn condition(fleet: &Fleet, project: &str, aspect: &str) -> Condition {
    let all = status(fleet, project).await.conditions.into_iter();
    let mut all = all.filter(|condition| condition.r#type == aspect);
    all.next().unwrap_or_default()
}

pub(super) async fn until_condition(
    fleet: &Fleet,
    project: &str,
    (aspect, holds, reason): (&str, bool, &str),
) -> String {
    let what = format!("{project} is {aspect} {holds}: {reason}");
    until(&what, async || {
        let now = condition(fleet, project, aspect).await;
        now.status == holds && now.reason == reason
    })
    .await;
    condition(fleet, project, aspect).await.message
}

pub(super) async fn live(fleet: &Fleet) -> Vec<String> {
    sqlx::query("select address from checks where deleted_at is null order by address")
        .fetch_all(&mut fleet.database().await)
        .await
        .unwrap()
        .iter()
        .map(|row| row.get("address"))
        .collect()
}

pub(super) async fn gauge(fleet: &Fleet, project: &str, aspect: &str) -> Option<f64> {
    let page = fleet.metrics().await;
    let start = "lokahi_project_condition{";
    let line = page.lines().find(|line| {
        line.starts_with(start)
            && line.contains(&format!("project=\"{project}\""))
            && line.contains(&format!("type=\"{aspect}\""))
    })?;
    line.rsplit(' ').next()?.parse().ok()
}
