//! From a folder to its desired state. It reads everything each time: what the
//! watcher says is only a hint.

use std::path::{Path, PathBuf};

use crate::files::folder::Folder;
use crate::manifest::compile::compile;
use crate::manifest::diagnostic::{Diagnostic, Diagnostics};
use crate::model::desired::Desired;

/// Why a folder gave no desired state.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Something in it is wrong; nothing of it may be applied.
    #[error("the check files have problems")]
    Invalid(#[source] Diagnostics),
    /// A defect of ours. The next round tries again.
    #[error("reading the check files panicked")]
    Panicked(#[source] tokio::task::JoinError),
}

/// What the folder declares, and warnings. Blocks on the disk.
pub fn load(root: &Path) -> Result<(Desired, Vec<Diagnostic>), Diagnostics> {
    compile(&Folder::new(root))
}

/// The same, away from the threads that serve others.
pub async fn load_aside(root: PathBuf) -> Result<(Desired, Vec<Diagnostic>), LoadError> {
    let loaded = tokio::task::spawn_blocking(move || load(&root)).await;
    loaded
        .map_err(LoadError::Panicked)?
        .map_err(LoadError::Invalid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_sample_is_good() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("checks.d");
        let (desired, warnings) = load_aside(root).await.unwrap();
        assert!(warnings.is_empty());
        assert_eq!(desired.project.as_str(), "sample");
        let duke = &desired.checks["duke_of_york"];
        assert_eq!(duke.source.file, "duke.hcl");
        assert_eq!(duke.spec.every.seconds(), 1);
        assert_eq!(duke.spec.receivers[0].as_str(), "sample_hook");
    }

    #[tokio::test]
    async fn a_folder_that_is_not_there_is_a_problem() {
        let error = load_aside("/nowhere/at/all".into()).await.unwrap_err();
        let LoadError::Invalid(problems) = error else {
            panic!("{error}")
        };
        assert_eq!(
            problems.to_string(),
            ".: error[LK0101]: cannot be read: there is no such file or folder"
        );
    }
}
