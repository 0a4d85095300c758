//! Which commit a folder stands at, as git says. A folder that git does not
//! know has no revision, and neither has a machine without git.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::proto::lokahi::Revision;

/// The revision of a folder.
pub(super) fn of(folder: &Path) -> Revision {
    let git = |arguments: &[&str]| {
        let output = Command::new("git")
            .arg("-C")
            .arg(folder)
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned())
    };
    let Some(sha) = git(&["rev-parse", "--verify", "HEAD"]) else {
        return Revision::default();
    };
    Revision {
        r#ref: git(&["symbolic-ref", "--short", "HEAD"]).unwrap_or_default(),
        sha,
        dirty: git(&["status", "--porcelain", "--", "."]).is_some_and(|list| !list.is_empty()),
    }
}
