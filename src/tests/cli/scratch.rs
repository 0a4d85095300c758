//! A folder of files, as people leave them.

use std::fs;
use std::path::PathBuf;

use lokahi::files::private as files;

pub(super) const ROOT: &str = "lokahi {\n  project = \"shop\"\n}\n";
pub(super) const CHECK: &str = "check \"web\" {\n  url         = \"https://example.com/\"\n  webhook_url = \"https://hooks.example.com/web\"\n}\n";

/// A folder of files, removed at the end.
pub(super) struct Scratch(pub(super) PathBuf);

impl Scratch {
    pub(super) fn new(files: &[(&str, &str)]) -> Self {
        let name = format!("validate-{}", files::random_hex(8).unwrap());
        let scratch = Self(std::env::temp_dir().join(name));
        fs::create_dir(&scratch.0).unwrap();
        for (path, text) in files {
            scratch.write(path, text);
        }
        scratch
    }

    pub(super) fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(super) fn at(&self, path: &str) -> String {
        self.0.join(path).display().to_string()
    }

    /// A text with the folder taken for `~`.
    pub(super) fn short(&self, text: &str) -> String {
        text.replace(&self.at("").trim_end_matches('/').to_owned(), "~")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}
