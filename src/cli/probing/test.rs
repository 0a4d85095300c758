//! `test`: every declared check once, from here.

use clap::Args;
use futures_util::StreamExt as _;
use futures_util::stream;

use super::{Declared, Prober, Reach, bindings, code, declared, document, verdict, would_be_down};
use crate::cli::arguments::TextOutput;
use crate::cli::exit::{Exit, Failure};
use crate::cli::naming::is_called;
use crate::cli::output::{Console, progress};
use crate::model::check::CheckSpec;
use crate::model::desired;
use crate::model::observation::{ErrorClass, Observation, Outcome};

#[derive(Debug, Args)]
pub(in crate::cli) struct Test {
    #[command(flatten)]
    declared: Declared,
    /// Only these checks; NAME[\"KEY\"] or, for all of a for_each, NAME
    #[arg(long = "check", value_name = "NAME")]
    checks: Vec<String>,
    /// How many probes at once
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=1024))]
    concurrency: u16,
    #[command(flatten)]
    reach: Reach,
    /// How to print it
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    output: TextOutput,
}

/// A check and what was seen of it.
struct Tested<'a> {
    address: &'a str,
    check: &'a desired::Declared<CheckSpec>,
    project: &'a str,
    observation: Observation,
}

pub(in crate::cli) async fn test(what: &Test, console: &mut Console<'_>) -> Result<Exit, Failure> {
    let all = declared(&what.declared, console)?;
    for name in &what.checks {
        let mut addresses = all.iter().flat_map(|desired| desired.checks.keys());
        if !addresses.any(|address| is_called(address, name)) {
            return Err(Failure::new(
                Exit::Refused,
                format!("no check is called {name:?}"),
            ));
        }
    }
    let wanted = |address: &str| {
        what.checks.is_empty() || what.checks.iter().any(|name| is_called(address, name))
    };
    let checks: Vec<_> = all
        .iter()
        .flat_map(|desired| {
            let checks = desired.checks.iter();
            checks.map(|(address, check)| (address, check, &desired.project))
        })
        .filter(|(address, check, _)| wanted(address) && check.spec.enabled)
        .collect();
    let prober = Prober::new(&what.reach)?;
    let progress = progress(checks.len() as u64);
    let mut probes = stream::iter(&checks)
        .map(|(_, check, project)| prober.probe(&check.spec, project.as_str()))
        .buffered(what.concurrency.into());
    let mut seen = Vec::with_capacity(checks.len());
    while let Some(observation) = probes.next().await {
        seen.push(observation);
        progress.inc(1);
    }
    drop(probes);
    progress.finish_and_clear();
    let tested: Vec<Tested<'_>> = checks
        .iter()
        .zip(seen)
        .map(|((address, check, project), observation)| Tested {
            address,
            check,
            project: project.as_str(),
            observation,
        })
        .collect();
    match what.output {
        TextOutput::Json => {
            let checks: Vec<_> = tested.iter().map(Tested::document).collect();
            let document = serde_json::json!({
                "format_version": 1, "kind": "test", "checks": checks,
            });
            writeln!(console.out, "{document:#}")?;
        }
        TextOutput::Human => human(&tested, console)?,
    }
    if tested.iter().any(|one| would_be_down(&one.observation)) {
        return Ok(Exit::WouldBeDown);
    }
    // Nobody has looked at anything: that must not pass for well.
    let is_blind = |one: &Tested<'_>| one.observation.outcome == Outcome::Unknown;
    let nothing = !tested.is_empty() && tested.iter().all(is_blind);
    Ok(if nothing { Exit::Refused } else { Exit::Ok })
}

impl Tested<'_> {
    fn document(&self) -> serde_json::Value {
        let source = &self.check.source;
        serde_json::json!({
            "address": self.address,
            "file": source.file,
            "line": source.line,
            "observation": document(&self.observation),
        })
    }
}

fn human(tested: &[Tested<'_>], console: &mut Console<'_>) -> Result<(), Failure> {
    let width = tested.iter().map(|one| one.address.len()).max();
    let width = width.unwrap_or_default().min(60);
    for one in tested {
        let total = one.observation.phases.total.as_millis();
        writeln!(
            console.out,
            "{:<width$}  {}  {total:>6} ms  {}",
            one.address,
            code(one.observation.status),
            verdict(&one.observation)
        )?;
        for hop in &one.observation.hops {
            let total = hop.phases.total.as_millis();
            let status = code(hop.status);
            let indent = "";
            writeln!(
                console.out,
                "{indent:<width$}  {status}  {total:>6} ms  {}",
                hop.url
            )?;
        }
    }
    let count = |wanted: fn(&Observation) -> bool| {
        let all = tested.iter().map(|one| &one.observation);
        all.filter(|observation| wanted(observation)).count()
    };
    let down = count(would_be_down);
    let unknown = count(|seen| seen.outcome == Outcome::Unknown);
    let up = tested.len() - down - unknown;
    let mut words = format!("{up} up, {down} would be down");
    if unknown > 0 {
        words.push_str(&format!(", {unknown} not tested"));
    }
    writeln!(console.words, "{words}")?;
    let unbound = tested.iter().filter_map(|one| {
        let seen = &one.observation;
        let is_so = seen.class == Some(ErrorClass::SecretUnbound);
        let host = one.check.spec.url.parse().host_str()?.to_owned();
        is_so.then_some((one.project, host, seen.detail.as_str()))
    });
    for block in bindings(unbound) {
        writeln!(
            console.words,
            "hint: --secrets-binding FILE, or SECRETS_BINDING: the file needs {block}"
        )?;
    }
    Ok(())
}
