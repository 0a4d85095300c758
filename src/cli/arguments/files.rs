//! What is done with check files alone, without a server.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::cli::inputs::InputFlags;

#[derive(Debug, Args)]
pub(in crate::cli) struct Validate {
    /// Folders of check files; every project at and below them is validated
    #[arg(default_value = "checks.d")]
    pub(in crate::cli) paths: Vec<PathBuf>,
    #[command(flatten)]
    pub(in crate::cli) inputs: InputFlags,
    /// How to print it
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub(in crate::cli) output: ReportOutput,
    /// End with 3 if there are warnings
    #[arg(long)]
    pub(in crate::cli) deny_warnings: bool,
    /// How many problems are printed, errors before warnings; the others are counted
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(in crate::cli) max_errors: usize,
}

/// How problems are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum ReportOutput {
    /// For people, with the lines underlined
    #[default]
    Human,
    /// One document for programs
    Json,
    /// Annotations of a GitHub workflow: nine and a summary, as it shows ten a step
    Github,
    /// A test report for GitLab and others
    Junit,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Render {
    /// The folder of check files
    #[arg(default_value = "checks.d")]
    pub(in crate::cli) path: PathBuf,
    #[command(flatten)]
    pub(in crate::cli) inputs: InputFlags,
    /// Only this check; `NAME["KEY"]` or, for all of a for_each, NAME
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) check: Option<String>,
    /// Say which line gave each value
    #[arg(long)]
    pub(in crate::cli) explain: bool,
    /// How to print it
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub(in crate::cli) output: RenderOutput,
}

/// How evaluated checks are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum RenderOutput {
    /// Check files without variables, templates and defaults
    #[default]
    Hcl,
    /// One document for programs
    Json,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Fmt {
    /// Folders and files; `-` is standard input, written to standard output
    #[arg(default_value = "checks.d", value_name = "PATH")]
    pub(in crate::cli) paths: Vec<PathBuf>,
    /// Write nothing, print what would change, and exit 3 if something would
    #[arg(long)]
    pub(in crate::cli) check: bool,
    /// Write nothing, print how files would change
    #[arg(long)]
    pub(in crate::cli) diff: bool,
}
