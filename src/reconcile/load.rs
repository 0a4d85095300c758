//! From a folder to its desired state. It reads everything each time: what the
//! watcher says is only a hint.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::files::folder::Folder;
use crate::manifest::compile::{Compiled, Keep, compile, roots as roots_of};
use crate::manifest::diagnostic::{Code, Diagnostic, Diagnostics, Severity};
use crate::manifest::inputs::{Inputs, Missing};
use crate::manifest::source::{Excerpt, whole_file};
use crate::model::desired::{Declared, Desired, Move};

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

/// What is to be applied, and warnings.
pub type Wanted = (Desired, Vec<Diagnostic>);

/// What a root declares. Blocks on the disk.
pub fn load(root: &Path, inputs: &Inputs, keep: Keep) -> Result<Compiled, Diagnostics> {
    compile(&Folder::new(root), inputs, keep)
}

/// What a root declares, complete: every variable has a value, and nothing is asked for that
/// apply cannot do. Blocks on the disk.
pub fn wanted(root: &Path, inputs: &Inputs) -> Result<Wanted, Diagnostics> {
    let inputs = Inputs {
        missing: Missing::Refused,
        ..inputs.clone()
    };
    let compiled = load(root, &inputs, Keep::Specs)?;
    let Some(desired) = compiled.desired else {
        let message = "not everything is known: a variable hangs on something that is not set";
        return Err(Diagnostics(vec![Diagnostic {
            message: message.to_owned(),
            ..at_line(Code::NoValue, ".", 0)
        }]));
    };
    let refuse = |block: &Declared<Move>| Diagnostic {
        message: "apply cannot act upon this block yet".to_owned(),
        hint: Some("take it out; until then a new name is a new check".to_owned()),
        ..at_line(Code::InvalidMove, &block.source.file, block.source.line)
    };
    let refused: Vec<_> = desired.moves.iter().map(refuse).collect();
    match refused.is_empty() {
        true => Ok((desired, compiled.warnings)),
        false => Err(Diagnostics(refused)),
    }
}

fn at_line(code: Code, file: &str, line: u32) -> Diagnostic {
    Diagnostic {
        code,
        severity: Severity::Error,
        message: String::new(),
        at: Excerpt {
            line,
            column: u32::from(line > 0),
            ..whole_file(file.to_owned())
        },
        also: Vec::new(),
        values: Vec::new(),
        hint: None,
    }
}

/// The environment of this process, as far as it is text.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

/// The roots at and below a path; the path itself where there is none, so that whoever reads
/// it says what is missing.
pub fn roots(path: &Path) -> Vec<PathBuf> {
    let found = roots_of(&Folder::new(path));
    if found.is_empty() {
        return vec![path.to_owned()];
    }
    let below = |folder: &String| match folder.as_str() {
        "" => path.to_owned(),
        folder => path.join(folder),
    };
    found.iter().map(below).collect()
}

/// The same as [`wanted`], away from the threads that serve others.
pub async fn wanted_aside(root: PathBuf, inputs: Arc<Inputs>) -> Result<Wanted, LoadError> {
    let loaded = tokio::task::spawn_blocking(move || wanted(&root, &inputs)).await;
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
        let (desired, warnings) = wanted_aside(root, Arc::default()).await.unwrap();
        assert!(warnings.is_empty());
        assert_eq!(desired.project.as_str(), "sample");
        let duke = &desired.checks["duke_of_york"];
        assert_eq!(duke.source.file, "duke.hcl");
        assert_eq!(duke.spec.every.seconds(), 1);
        assert_eq!(duke.spec.receivers[0].as_str(), "sample_hook");
    }

    #[tokio::test]
    async fn a_folder_that_is_not_there_is_a_problem() {
        let error = wanted_aside("/nowhere/at/all".into(), Arc::default())
            .await
            .unwrap_err();
        let LoadError::Invalid(problems) = error else {
            panic!("{error}")
        };
        assert_eq!(
            problems.to_string(),
            ".: error[LK0101]: cannot be read: there is no such file or folder"
        );
    }
}
