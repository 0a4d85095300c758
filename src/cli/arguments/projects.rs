//! The flags of what concerns projects: plans, applies, and how projects stand.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::{ListOutput, TextOutput};
use crate::cli::inputs::InputFlags;

/// What lets a plan pass the guards.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "What may pass the guards")]
pub(in crate::cli) struct Allow {
    /// No check left, although some are live
    #[arg(long)]
    pub(in crate::cli) allow_empty: bool,
    /// Exactly so many deletes
    #[arg(long, value_name = "N")]
    pub(in crate::cli) allow_deletes: Option<u32>,
    /// Exactly so many checks that are disabled or tell nobody any more
    #[arg(long, value_name = "N")]
    pub(in crate::cli) allow_silence: Option<u32>,
    /// Exactly so many checks that look at another host or for something else
    #[arg(long, value_name = "N")]
    pub(in crate::cli) allow_changes: Option<u32>,
    /// Files from another repository or folder, or less than half of the files
    #[arg(long)]
    pub(in crate::cli) accept_source_change: bool,
    /// A commit that is older than what was applied before
    #[arg(long)]
    pub(in crate::cli) allow_rollback: bool,
}

/// What is planned.
#[derive(Debug, Args)]
pub(in crate::cli) struct Scope {
    /// Delete nothing that no `removed` block names
    #[arg(long)]
    pub(in crate::cli) no_prune: bool,
    /// Only this check (NAME, or NAME["KEY"]) and the webhooks that it needs; deletes nothing
    /// but what a `removed` block names
    #[arg(long = "target", value_name = "NAME")]
    pub(in crate::cli) targets: Vec<String>,
    /// Take a check that the API made, by its id or name, as what the files declare as NAME
    #[arg(long = "adopt", value_name = "NAME=ID", value_parser = pair)]
    pub(in crate::cli) adopt: Vec<(String, String)>,
    /// Checks that are made tell nobody that they were down from the start
    #[arg(long)]
    pub(in crate::cli) quiet_start: bool,
    #[command(flatten)]
    pub(in crate::cli) allow: Allow,
}

/// What `--fail-on` looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Finding {
    /// Something is deleted
    Delete,
    /// A check is disabled or tells nobody any more
    Silence,
    /// A guard holds the plan
    Guard,
    /// Somebody went past the files
    Drift,
    /// The plan or a file has a warning
    Warning,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Plan {
    /// The folder of check files
    #[arg(default_value = "checks.d")]
    pub(in crate::cli) path: PathBuf,
    #[command(flatten)]
    pub(in crate::cli) inputs: InputFlags,
    #[command(flatten)]
    pub(in crate::cli) scope: Scope,
    /// End with 2 if there are changes
    #[arg(long)]
    pub(in crate::cli) detailed_exitcode: bool,
    /// Write the plan to a file, for `apply --plan FILE`
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) save: Option<PathBuf>,
    /// Have health workers probe once what the plan makes or changes; ends with 8 if a check
    /// would be down. Needs the scope apply:PROJECT
    #[arg(long)]
    pub(in crate::cli) probe: bool,
    /// End with 3 if the plan has one of these
    #[arg(long, value_name = "FINDING", value_delimiter = ',')]
    pub(in crate::cli) fail_on: Vec<Finding>,
    /// How to print it
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub(in crate::cli) output: TextOutput,
}

/// How it is applied.
#[derive(Debug, Args)]
pub(in crate::cli) struct Doing {
    /// Do not ask
    #[arg(long)]
    pub(in crate::cli) auto_approve: bool,
    /// Wait until every scheduler has taken it over and new checks were probed; as long as
    /// this [default: 60s]
    #[arg(long, value_name = "DURATION", num_args = 0..=1, require_equals = true,
        default_missing_value = "60s", value_parser = wait)]
    pub(in crate::cli) wait: Option<Duration>,
    /// How to print it
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub(in crate::cli) output: TextOutput,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Apply {
    /// The folder of check files [default: checks.d]
    #[arg(conflicts_with = "plan")]
    pub(in crate::cli) path: Option<PathBuf>,
    /// Apply what `plan --save FILE` showed, and nothing else
    #[arg(long, value_name = "FILE", conflicts_with_all = ["no_prune", "targets", "adopt",
        "quiet_start"])]
    pub(in crate::cli) plan: Option<PathBuf>,
    /// Refuse files that differ from their commit, or have none
    #[arg(long)]
    pub(in crate::cli) require_clean: bool,
    #[command(flatten)]
    pub(in crate::cli) inputs: InputFlags,
    #[command(flatten)]
    pub(in crate::cli) scope: Scope,
    #[command(flatten)]
    pub(in crate::cli) doing: Doing,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Adopt {
    /// What the files declare, and what the API calls it
    #[arg(required = true, value_name = "NAME=ID", value_parser = pair)]
    pub(in crate::cli) pairs: Vec<(String, String)>,
    /// The folder of check files
    #[arg(long, default_value = "checks.d")]
    pub(in crate::cli) path: PathBuf,
    #[command(flatten)]
    pub(in crate::cli) inputs: InputFlags,
    #[command(flatten)]
    pub(in crate::cli) doing: Doing,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Rollback {
    pub(in crate::cli) project: String,
    /// The generation that is to be again
    pub(in crate::cli) generation: i64,
    #[command(flatten)]
    pub(in crate::cli) allow: Allow,
    #[command(flatten)]
    pub(in crate::cli) doing: Doing,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Restore {
    /// The project; `api` for what `delete` removed
    pub(in crate::cli) project: String,
    /// What was deleted: a check's name, or webhook.NAME; of the API also an id
    #[arg(required = true, value_name = "NAME")]
    pub(in crate::cli) names: Vec<String>,
    /// Bring it back under another name
    #[arg(long = "as", value_name = "NAME")]
    pub(in crate::cli) to: Option<String>,
    #[command(flatten)]
    pub(in crate::cli) doing: Doing,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Status {
    /// Only this project
    pub(in crate::cli) project: Option<String>,
    /// How to print it
    #[arg(long, value_name = "FORMAT")]
    pub(in crate::cli) output: Option<ListOutput>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct History {
    /// A project, or a check by its id, its name, or PROJECT/NAME
    #[arg(value_name = "PROJECT|CHECK")]
    pub(in crate::cli) name: String,
    /// Of a check: how far back, as 90m, 24h, 7d [default: 24h]
    #[arg(long, value_name = "DURATION", value_parser = wait)]
    pub(in crate::cli) since: Option<Duration>,
    /// Of a check: read each probe, as long as they are kept, where hours would do within 1 %
    #[arg(long)]
    pub(in crate::cli) exact: bool,
    /// How many generations; of a check, how many of its newest probes [default: 30; 10]
    #[arg(short, long, value_name = "N")]
    pub(in crate::cli) count: Option<i32>,
    /// How to print it
    #[arg(long, value_name = "FORMAT")]
    pub(in crate::cli) output: Option<ListOutput>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Suspend {
    pub(in crate::cli) project: String,
    /// Why: whoever finds it suspended reads it
    #[arg(long)]
    pub(in crate::cli) reason: String,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Approve {
    pub(in crate::cli) project: String,
    /// Only if this is what is held: the beginning of the digest that `status` shows
    #[arg(long)]
    pub(in crate::cli) digest: Option<String>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Export {
    /// Whose checks: api, the name of a project, or all
    #[arg(long, default_value = "api", value_name = "api|PROJECT|all")]
    pub(in crate::cli) owner: String,
    /// The checks of this project, or this check, that somebody changed past the files, as they
    /// are now
    #[arg(
        long,
        value_name = "PROJECT|NAME|PROJECT/NAME",
        conflicts_with = "owner"
    )]
    pub(in crate::cli) drift: Option<String>,
    /// The project that the files declare
    #[arg(long, default_value = "exported", value_name = "NAME")]
    pub(in crate::cli) project: String,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Explain {
    /// The check, by its id, its name, or PROJECT/NAME
    #[arg(value_name = "CHECK")]
    pub(in crate::cli) id: String,
    /// How to print it
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub(in crate::cli) output: TextOutput,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Watch {
    /// The folder of check files
    #[arg(default_value = "checks.d")]
    pub(in crate::cli) path: PathBuf,
    #[command(flatten)]
    pub(in crate::cli) inputs: InputFlags,
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.rsplit_once('=') {
        Some((name, id)) if !name.is_empty() && !id.is_empty() => {
            Ok((name.to_owned(), id.to_owned()))
        }
        _ => Err("write NAME=ID".to_owned()),
    }
}

fn wait(text: &str) -> Result<Duration, String> {
    let seconds = super::seconds(text)?;
    let seconds = u64::try_from(seconds).map_err(|_| "that is too short".to_owned())?;
    Ok(Duration::from_secs(seconds))
}
