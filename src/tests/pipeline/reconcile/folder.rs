//! A folder of check files, as editors and git write it, and the checks that stand there.

use std::path::{Path, PathBuf};

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
