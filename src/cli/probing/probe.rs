//! `probe`: one probe from here, and where its time went.

use clap::Args;

use super::waterfall::waterfall;
use super::{Declared, Prober, Reach, declared, document, verdict};
use crate::cli::arguments::TextOutput;
use crate::cli::exit::{Exit, Failure};
use crate::cli::naming::is_called;
use crate::cli::output::Console;
use crate::client::Client;
use crate::model::check::CheckSpec;
use crate::model::observation::Outcome;
use crate::proto::lokahi::ProbeRequest;
use crate::runtime::chain::chain;
use crate::spec::encode_check;

#[derive(Debug, Args)]
pub(in crate::cli) struct Probe {
    /// A URL, or the name of a check in the check files
    #[arg(value_name = "URL|CHECK")]
    what: String,
    #[command(flatten)]
    declared: Declared,
    #[command(flatten)]
    reach: Reach,
    /// Not from here: by a health worker of this location, which the server asks
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) location: Option<String>,
    /// How to print it
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    output: TextOutput,
}

/// One probe, from here or, by way of the server, from elsewhere.
pub(in crate::cli) async fn probe(
    client: Option<&Client>,
    what: &Probe,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    let (spec, project) = spec(what, console)?;
    let observation = match (client, &what.location) {
        (Some(client), Some(location)) => {
            let asked = ProbeRequest {
                specs: vec![encode_check(&spec)],
                project,
                location: location.clone(),
            };
            let seen = client.probe(&asked).await?.probes.pop().unwrap_or_default();
            if !seen.worker.is_empty() {
                writeln!(console.words, "by {} at {}", seen.worker, seen.location)?;
            }
            seen.observation()
        }
        _ => Prober::new(&what.reach)?.probe(&spec, &project).await,
    };
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
            write!(
                console.out,
                "{}",
                waterfall(&observation.phases, &observation.hops)
            )?;
            writeln!(console.out, "{}", verdict(&observation))?;
        }
    }
    Ok(match observation.outcome {
        Outcome::Up => Exit::Ok,
        Outcome::Down | Outcome::Error => Exit::WouldBeDown,
        Outcome::Unknown => Exit::Refused,
    })
}

/// What is to be probed, and the project that declares it; none has the empty name.
fn spec(what: &Probe, console: &mut Console<'_>) -> Result<(CheckSpec, String), Failure> {
    if what.what.contains("://") {
        let url = what.what.parse().map_err(|error| {
            Failure::new(Exit::Usage, format!("{}: {}", what.what, chain(&error)))
        })?;
        return Ok((CheckSpec::new(url), String::new()));
    }
    let all = declared(&what.declared, console)?;
    let mut named = all
        .iter()
        .flat_map(|desired| {
            let checks = desired.checks.iter();
            checks.map(|(address, check)| (address, check, &desired.project))
        })
        .filter(|(address, ..)| is_called(address, &what.what));
    match (named.next(), named.next()) {
        (Some((_, check, project)), None) => Ok((check.spec.clone(), project.to_string())),
        (None, _) => {
            let message = format!("no check is called {:?}", what.what);
            Err(Failure::new(Exit::Refused, message).hint("a URL begins with http:// or https://"))
        }
        (Some((first, ..)), Some((second, ..))) => {
            let more = if named.next().is_some() { ", ..." } else { "" };
            let message = format!(
                "{:?} is more than one check: {first}, {second}{more}",
                what.what
            );
            let hint = format!("`lokahictl test --check {}` probes them all", what.what);
            Err(Failure::new(Exit::Refused, message).hint(hint))
        }
    }
}
