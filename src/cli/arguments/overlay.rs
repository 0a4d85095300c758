//! What is set on checks while they run: which ones, for how long, and why.

use std::time::Duration;

use clap::Args;

use super::{Filter, TextOutput, label, seconds};

/// On which checks, and why.
#[derive(Debug, Args)]
pub(in crate::cli) struct Chosen {
    /// Checks, each by its id, its name, or PROJECT/NAME; a `*` stands for any characters
    #[arg(value_name = "CHECK")]
    pub(in crate::cli) ids: Vec<String>,
    #[command(flatten)]
    pub(in crate::cli) filter: Filter,
    /// Why: whoever finds it so reads it
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) reason: Option<String>,
    /// End it, now
    #[arg(long)]
    pub(in crate::cli) end: bool,
    /// How to print it
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub(in crate::cli) output: TextOutput,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Pause {
    #[command(flatten)]
    pub(in crate::cli) chosen: Chosen,
    /// How long, as 90m, 2h, 1d [default: until --end]
    #[arg(long = "for", value_name = "DURATION", value_parser = lasting, conflicts_with = "end")]
    pub(in crate::cli) lasts: Option<Duration>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Mute {
    #[command(flatten)]
    pub(in crate::cli) chosen: Chosen,
    /// How long, as 90m, 2h, 1d [default: until --end]
    #[arg(long = "for", value_name = "DURATION", value_parser = lasting, conflicts_with = "end")]
    pub(in crate::cli) lasts: Option<Duration>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Ack {
    #[command(flatten)]
    pub(in crate::cli) chosen: Chosen,
}

/// A span that is none would be for ever.
pub(in crate::cli) fn lasting(text: &str) -> Result<Duration, String> {
    let seconds = u64::try_from(seconds(text)?).unwrap_or(0);
    match seconds {
        0 => Err("that is too short: write 90m, 2h, 1d".to_owned()),
        seconds => Ok(Duration::from_secs(seconds)),
    }
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Maintain {
    /// Checks by name, or PROJECT/NAME; a `*` stands for any characters
    #[arg(value_name = "NAME", conflicts_with_all = ["list", "end"])]
    pub(in crate::cli) names: Vec<String>,
    /// Only those with this label
    #[arg(short, long = "label", value_name = "KEY=VALUE", value_parser = label)]
    pub(in crate::cli) labels: Vec<(String, String)>,
    /// Only those of this project
    #[arg(long)]
    pub(in crate::cli) project: Option<String>,
    /// How long, as 90m, 2h, 1d
    #[arg(long = "for", value_name = "DURATION", value_parser = lasting)]
    pub(in crate::cli) lasts: Option<Duration>,
    /// Why: whoever finds it so reads it
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) reason: Option<String>,
    /// List what is declared and what is under way
    #[arg(long, conflicts_with = "end")]
    pub(in crate::cli) list: bool,
    /// End what was begun so, now
    #[arg(long, value_name = "ID")]
    pub(in crate::cli) end: Option<String>,
    /// How to print it
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub(in crate::cli) output: TextOutput,
}
