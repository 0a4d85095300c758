//! Values for the variables of check files, from flags, files and the environment.

use std::path::PathBuf;

use clap::Args;

use super::exit::{Exit, Failure};
use crate::manifest::inputs::Inputs;
use crate::reconcile::load;

/// What check files are given from outside.
#[derive(Debug, Args)]
pub(super) struct InputFlags {
    /// A variable of the check files and its value; LOKAHI_VAR_NAME gives one, too
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = pair)]
    variables: Vec<(String, String)>,
    /// A file with lines NAME = VALUE; a later one wins, --var wins over all
    #[arg(long = "var-file", value_name = "FILE")]
    files: Vec<PathBuf>,
    /// An environment variable that `env` may read besides LOKAHI_*
    #[arg(long, value_name = "NAME")]
    allow_env: Vec<String>,
}

impl InputFlags {
    /// Reads the files and the environment.
    pub(super) fn read(&self) -> Result<Inputs, Failure> {
        let read = |path: &PathBuf| {
            let shown = path.display().to_string();
            let text = std::fs::read_to_string(path).map_err(|error| {
                Failure::new(Exit::Usage, format!("cannot read {shown}: {error}"))
            })?;
            Ok::<_, Failure>((shown, text))
        };
        Ok(Inputs {
            flags: self.variables.clone(),
            files: self.files.iter().map(read).collect::<Result<_, _>>()?,
            allowed: self.allow_env.iter().cloned().collect(),
            ..Inputs::default()
        }
        .with_environment(load::environment()))
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .ok_or_else(|| "write NAME=VALUE".to_owned())
}
