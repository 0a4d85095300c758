//! A folder of check files, and the repository that it may be.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use lokahi::files::private::random_hex;

/// Removed when this is dropped.
pub(crate) struct Checkout(pub(crate) PathBuf);

impl Checkout {
    pub(crate) fn new() -> Self {
        let name = format!("lokahi-checkout-{}", random_hex(8).unwrap());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir(&folder).unwrap();
        Self(folder)
    }

    pub(crate) fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }

    /// A file in it, by its name.
    pub(crate) fn file(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    /// The project `shop`, and what it declares.
    pub(crate) fn write(&self, declares: &str) {
        let text = format!("lokahi {{\n  project = \"shop\"\n}}\n\n{declares}");
        fs::write(self.0.join("shop.hcl"), text).unwrap();
    }

    pub(crate) fn write_file(&self, name: &str, text: &str) {
        fs::write(self.0.join(name), text).unwrap();
    }

    pub(crate) fn remove(&self, name: &str) {
        fs::remove_file(self.0.join(name)).unwrap();
    }

    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        let identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com"];
        let output = Command::new("git")
            .arg("-C")
            .arg(&self.0)
            .args(identity)
            .args(arguments)
            .output()
            .unwrap();
        let words = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {words}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Makes it a repository that came from somewhere.
    pub(crate) fn init(&self, remote: &str) {
        self.git(&["init", "--quiet", "--initial-branch", "main"]);
        self.git(&["remote", "add", "origin", remote]);
    }

    /// Commits all that is there, and gives the commit.
    pub(crate) fn commit(&self) -> String {
        self.git(&["add", "--all"]);
        self.git(&[
            "commit",
            "--quiet",
            "--allow-empty",
            "--message",
            "a change",
        ]);
        self.git(&["rev-parse", "HEAD"])
    }
}

impl Drop for Checkout {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}
