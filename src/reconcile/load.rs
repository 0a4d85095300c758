//! From a folder to its desired state. It reads everything each time: what the
//! watcher says is only a hint.

use std::path::{Path, PathBuf};

use crate::folder::Folder;
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
