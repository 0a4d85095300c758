//! `webhook retry`: what waits for receivers is sent now.

use clap::Args;

use super::receivers::{Called, called};
use crate::cli::arguments::TextOutput;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output::Console;
use crate::client::Client;
use crate::proto::lokahi::{RetryOpts, RetryResult};

#[derive(Debug, Args)]
pub(in crate::cli) struct Retry {
    /// Receivers, each by its name, PROJECT/NAME, or its id
    #[arg(value_name = "NAME", conflicts_with = "all")]
    names: Vec<Called>,
    /// Every receiver, or every one of the project
    #[arg(long)]
    all: bool,
    /// Of this project
    #[arg(long)]
    project: Option<String>,
    /// How to print it
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    output: TextOutput,
}

pub(super) async fn retry(
    client: &Client,
    what: Retry,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    if what.names.is_empty() && !what.all {
        let message = "which receivers? Name them, or give --all";
        return Err(Failure::new(Exit::Usage, message));
    }
    let mut sum = RetryResult::default();
    if what.all {
        let opts = RetryOpts {
            project: what.project.unwrap_or_default(),
            all: true,
            ..RetryOpts::default()
        };
        sum = client.retry(&opts).await?;
    } else {
        for name in what.names {
            let (project, receiver) = called(Some(name), what.project.clone())?;
            let opts = RetryOpts {
                project,
                receiver,
                all: false,
            };
            let result = client.retry(&opts).await?;
            sum.deliveries += result.deliveries;
            sum.receivers += result.receivers;
        }
    }
    if what.output == TextOutput::Json {
        console.json(&sum)?;
        return Ok(Exit::Ok);
    }
    let words = match sum.deliveries {
        0 => "Nothing waits.".to_owned(),
        1 => "1 delivery that waited is due now.".to_owned(),
        many => format!(
            "{many} deliveries that waited are due now, to {}.",
            match sum.receivers {
                1 => "1 receiver".to_owned(),
                receivers => format!("{receivers} receivers"),
            }
        ),
    };
    writeln!(console.out, "{words}")?;
    Ok(Exit::Ok)
}
