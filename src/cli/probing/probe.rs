//! `probe`: one probe from here, and where its time went.

use clap::Args;

use super::waterfall::waterfall;
use super::{Declared, Prober, Reach, declared, document, is_called, verdict, would_be_down};
use crate::cli::arguments::TextOutput;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output::Console;
use crate::model::check::CheckSpec;
use crate::runtime::chain::chain;

#[derive(Debug, Args)]
pub(in crate::cli) struct Probe {
    /// A URL, or the name of a check in the check files
    #[arg(value_name = "URL|CHECK")]
    what: String,
    #[command(flatten)]
    declared: Declared,
    #[command(flatten)]
    reach: Reach,
    /// How to print it
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    output: TextOutput,
}

pub(in crate::cli) async fn probe(
    what: &Probe,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    let spec = spec(what, console)?;
    let observation = Prober::new(&what.reach)?.probe(&spec).await;
    match what.output {
        TextOutput::Json => writeln!(console.out, "{:#}", document(&observation))?,
        TextOutput::Human => {
            writeln!(console.out, "{} {}", spec.method.name(), spec.url)?;
            if !observation.address.is_empty() {
                writeln!(console.out, "  address    {}", observation.address)?;
            }
            if observation.status > 0 {
                writeln!(console.out, "  status     {}", observation.status)?;
            }
            if let Some(ends) = observation.certificate_not_after {
                let days = (ends - observation.started_at).whole_days();
                writeln!(
                    console.out,
                    "  certificate until {} ({days} days)",
                    ends.date()
                )?;
            }
            write!(console.out, "{}", waterfall(&observation.phases))?;
            writeln!(console.out, "{}", verdict(&observation))?;
        }
    }
    Ok(match would_be_down(&observation) {
        true => Exit::WouldBeDown,
        false => Exit::Ok,
    })
}

fn spec(what: &Probe, console: &mut Console<'_>) -> Result<CheckSpec, Failure> {
    if what.what.contains("://") {
        let url = what.what.parse().map_err(|error| {
            Failure::new(Exit::Usage, format!("{}: {}", what.what, chain(&error)))
        })?;
        return Ok(CheckSpec::new(url));
    }
    let all = declared(&what.declared, console)?;
    let mut named = all
        .iter()
        .flat_map(|desired| &desired.checks)
        .filter(|(address, _)| is_called(address, &what.what));
    match (named.next(), named.next()) {
        (Some((_, check)), None) => Ok(check.spec.clone()),
        (None, _) => {
            let message = format!("no check is called {:?}", what.what);
            Err(Failure::new(Exit::Refused, message).hint("a URL begins with http:// or https://"))
        }
        (Some((first, _)), Some((second, _))) => {
            let message = format!(
                "{:?} is more than one check: {first}, {second}, ...",
                what.what
            );
            Err(Failure::new(Exit::Refused, message)
                .hint("`lokahictl test --check` probes them all"))
        }
    }
}
