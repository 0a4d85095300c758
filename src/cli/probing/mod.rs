//! Probes from here, with the worker's own code: `probe` shows one in detail, `test` does
//! every declared check once.

pub(super) mod probe;
pub(super) mod test;
mod waterfall;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::diagnostics::style;
use super::exit::{Exit, Failure};
use super::inputs::InputFlags;
use super::output::Console;
use crate::clock;
use crate::egress::policy::AddressPolicy;
use crate::egress::resolver::Resolver;
use crate::egress::tls::Trust;
use crate::files::bindings::BindingFile;
use crate::files::secrets::Secrets;
use crate::manifest::inputs::{Inputs, Missing};
use crate::manifest::report;
use crate::model::check::CheckSpec;
use crate::model::desired::Desired;
use crate::model::id::CheckId;
use crate::model::observation::{Observation, Outcome, Phases};
use crate::model::secret::{SecretName, SecretUse};
use crate::prober::probe::ProbeContext;
use crate::reconcile::load;
use crate::runtime::chain::chain;

/// What a file of bindings needs for probes that were refused a secret, each secret of a project
/// once. Given are the project, the host and what was said.
pub(super) fn bindings<'a>(
    refused: impl Iterator<Item = (&'a str, String, &'a str)>,
) -> Vec<String> {
    let mut all: BTreeMap<(&str, SecretName), (BTreeSet<String>, &str)> = BTreeMap::new();
    for (project, host, said) in refused {
        if let Some(secret) = SecretName::named_in(said) {
            let (hosts, _) = all
                .entry((project, secret))
                .or_insert_with(|| (BTreeSet::new(), said));
            hosts.insert(host);
        }
    }
    let blocks = all.iter().map(|((project, secret), (hosts, said))| {
        let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
        secret.binding(&hosts, project, said)
    });
    blocks.collect()
}

/// Which addresses may be dialled from here, by the settings of workers.
#[derive(Debug, Args)]
pub(super) struct Reach {
    /// Networks that may be probed although they are denied by default
    #[arg(
        long = "target-allow",
        env = "TARGET_ALLOW",
        value_name = "CIDR",
        value_delimiter = ','
    )]
    allow: Vec<String>,
    /// Networks that must not be probed
    #[arg(
        long = "target-deny",
        env = "TARGET_DENY",
        value_name = "CIDR",
        value_delimiter = ','
    )]
    deny: Vec<String>,
    /// A folder of secrets; LOKAHI_SECRET_NAME in the environment comes first
    #[arg(long, env = "SECRETS_DIR", value_name = "DIR")]
    secrets_dir: Option<PathBuf>,
    /// A file that binds secrets to hosts and projects, as a worker has one: others are not used
    #[arg(long, env = "SECRETS_BINDING", value_name = "FILE")]
    secrets_binding: Option<PathBuf>,
}

/// The check files that a command is about.
#[derive(Debug, Args)]
pub(super) struct Declared {
    /// The folder of check files
    #[arg(default_value = "checks.d")]
    path: PathBuf,
    #[command(flatten)]
    inputs: InputFlags,
}

/// A prober of this process.
struct Prober(ProbeContext);

impl Prober {
    fn new(reach: &Reach) -> Result<Self, Failure> {
        let policy = AddressPolicy::parse(&reach.allow, &reach.deny, false)
            .map_err(|error| Failure::new(Exit::Usage, error.to_string()))?;
        let context = ProbeContext::new(Arc::new(Resolver::system()), policy, &Trust::native());
        let secrets = Secrets::new(reach.secrets_dir.clone());
        let secrets = match &reach.secrets_binding {
            Some(path) => secrets.bound_by(
                BindingFile::open(path)
                    .map_err(|error| Failure::new(Exit::Usage, chain(&error)))?,
            ),
            None => secrets,
        };
        let context = context.map(|context| context.with_secrets(secrets));
        context.map(Self).map_err(|error| {
            Failure::new(
                Exit::Refused,
                format!("TLS cannot be set up: {}", chain(&error)),
            )
        })
    }

    /// One probe on behalf of a project. Only secrets that are bound are used.
    async fn probe(&self, spec: &CheckSpec, project: &str) -> Observation {
        let (id, who) = (CheckId(uuid::Uuid::nil()), SecretUse::bound(project));
        crate::prober::probe::probe(&self.0, spec, id, clock::now(), &who).await
    }
}

/// What every root at and below a folder declares; all of it, or the first mistakes.
fn declared(what: &Declared, console: &mut Console<'_>) -> Result<Vec<Desired>, Failure> {
    let roots = load::roots(&what.path);
    let inputs = Inputs {
        missing: Missing::Refused,
        ..load::for_roots(&what.inputs.read()?, roots.len())
    };
    roots
        .iter()
        .map(|root| declared_by(root, &inputs, console))
        .collect()
}

fn declared_by(
    root: &Path,
    inputs: &Inputs,
    console: &mut Console<'_>,
) -> Result<Desired, Failure> {
    match load::wanted(root, inputs) {
        Ok((desired, _warnings)) => Ok(desired),
        Err(problems) => {
            let shown = root.display().to_string();
            let text = report::human(&problems.0, &shown, style(console));
            console.words.write_all(text.as_bytes())?;
            let message = format!("nothing is probed: {}", report::counts(&problems.0));
            Err(Failure::new(Exit::Refused, message))
        }
    }
}

/// `up`, or what it is and why, in a line.
fn verdict(observation: &Observation) -> String {
    let mut words = observation.outcome.name().to_owned();
    if observation.degraded {
        words.push_str(" (degraded)");
    }
    if let Some(class) = observation.class {
        words.push_str(&format!(" ({})", class.name()));
    }
    if !observation.detail.is_empty() {
        words.push_str(&format!(": {}", observation.detail));
    }
    words
}

/// For programs.
fn document(observation: &Observation) -> serde_json::Value {
    let hops = observation.hops.iter().map(|hop| {
        serde_json::json!({
            "url": hop.url,
            "status": hop.status,
            "address": hop.address,
            "microseconds": microseconds(&hop.phases),
            "certificate_not_after": rfc3339(hop.certificate_not_after),
            "reused": hop.reused,
        })
    });
    serde_json::json!({
        "outcome": observation.outcome.name(),
        "degraded": observation.degraded,
        "class": observation.class.map(|class| class.name()),
        "detail": observation.detail,
        "status": observation.status,
        "address": observation.address,
        "microseconds": microseconds(&observation.phases),
        "certificate_not_after": rfc3339(observation.certificate_not_after),
        "reused": observation.reused,
        "hops": hops.collect::<Vec<_>>(),
    })
}

fn microseconds(phases: &Phases) -> serde_json::Value {
    let microseconds = |phase: Duration| phase.as_micros() as u64;
    serde_json::json!({
        "dns": microseconds(phases.dns),
        "connect": microseconds(phases.connect),
        "tls": microseconds(phases.tls),
        "write": microseconds(phases.write),
        "first_byte": microseconds(phases.first_byte),
        "transfer": microseconds(phases.transfer),
        "total": microseconds(phases.total),
    })
}

fn rfc3339(at: Option<OffsetDateTime>) -> Option<String> {
    at.and_then(|at| at.format(&Rfc3339).ok())
}

/// The status of an answer, in three characters.
fn code(status: u16) -> String {
    match status {
        0 => "---".to_owned(),
        status => status.to_string(),
    }
}

/// Whether the check would be down.
fn would_be_down(observation: &Observation) -> bool {
    matches!(observation.outcome, Outcome::Down | Outcome::Error)
}
