//! `plan --probe`: what a plan makes or changes, probed once by real workers before it is so.

use super::planned::Planned;
use crate::cli::exit::Failure;
use crate::cli::output::{Console, progress};
use crate::cli::probing::bindings;
use crate::client::Client;
use crate::model::change::Kind;
use crate::model::observation::ErrorClass;
use crate::proto::lokahi::{Evidence, ProbeRequest};
use crate::spec::decode_check;

/// How many are probed by one call; the server takes 256 and 4 MiB.
const PART: usize = 32;

/// Has the checks probed that are new or whose question is another one.
pub(super) async fn probe(client: &Client, planned: &mut Planned) -> Result<(), Failure> {
    let changes = planned.plan.changes.iter();
    let kept = changes.filter(|change| change.kind == Kind::Check && change.action.keeps());
    let checks = kept.filter_map(|change| {
        let declared = planned.checks.get(&change.address)?;
        let (_, bytes) = planned.specs.get(&declared.spec)?;
        let is_asked = decode_check(bytes).is_ok_and(|spec| spec.enabled);
        is_asked.then(|| (change.address.clone(), bytes.clone()))
    });
    let checks: Vec<(String, Vec<u8>)> = checks.collect();
    let progress = progress(checks.len() as u64);
    let mut probed = Vec::with_capacity(checks.len());
    for part in checks.chunks(PART) {
        let asked = ProbeRequest {
            specs: part.iter().map(|(_, bytes)| bytes.clone()).collect(),
            project: planned.project.clone(),
            location: String::new(),
        };
        let seen = client.probe(&asked).await?.probes;
        let names = part.iter().map(|(address, _)| address.clone());
        probed.extend(names.zip(seen));
        progress.inc(part.len() as u64);
    }
    progress.finish_and_clear();
    planned.probed = probed;
    Ok(())
}

/// Whether a check would be down.
pub(super) fn is_down(seen: &Evidence) -> bool {
    matches!(seen.outcome.as_str(), "down" | "error")
}

/// Says what was seen: a line for each check that is not up, and how many are.
pub(super) fn say(planned: &Planned, console: &mut Console<'_>) -> Result<(), Failure> {
    let all = &planned.probed;
    for (address, seen) in all.iter().filter(|(_, seen)| seen.outcome != "up") {
        let what = match is_down(seen) {
            true => "would be down",
            false => "was not probed",
        };
        let at = match seen.location.as_str() {
            "" => String::new(),
            location => format!(" from {location}"),
        };
        writeln!(console.out, "check.{address} {what}{at}: {}", seen.reason())?;
    }
    let unbound = all.iter().filter_map(|(address, seen)| {
        let is_so = seen.error_class == ErrorClass::SecretUnbound.name();
        let (_, bytes) = planned.specs.get(&planned.checks.get(address)?.spec)?;
        let url = decode_check(bytes).ok()?.url;
        let host = url.parse().host_str()?.to_owned();
        is_so.then_some((planned.project.as_str(), host, seen.detail.as_str()))
    });
    for block in bindings(unbound) {
        writeln!(
            console.words,
            "hint: the file SECRETS_BINDING of the health workers there needs {block}"
        )?;
    }
    let up = all.iter().filter(|(_, seen)| seen.outcome == "up").count();
    writeln!(console.out, "Probed: {up} of {} up.", all.len())?;
    Ok(())
}
