//! `Checks/Probe`: specs that are not stored, or stored otherwise, probed once by real workers.
//! Whoever could have them probed by an apply may; secrets are used where they are bound only.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use uuid::Uuid;

use super::error::ApiError;
use super::permit::{Needs, apply_to};
use super::twirp::Methods;
use super::{Call, edit};
use crate::bus::{Bus, BusError};
use crate::clock;
use crate::model::check::CheckSpec;
use crate::model::id::{CheckId, CheckNo, SpecId};
use crate::model::name::Name;
use crate::model::probe::{Probe, ProbeBatch, Report, Reports};
use crate::model::scope::Scope;
use crate::model::secret::SecretUse;
use crate::proto::evidence;
use crate::proto::lokahi::{Evidence, ProbeRequest, ProbeResults};
use crate::proto::twirp::TwirpError;
use crate::spec;

/// How many probes one call asks for.
const MOST: usize = 256;
/// How long a call may take, whatever timeouts its checks have.
const LONGEST: Duration = Duration::from_secs(60);
/// How long a probe may wait for a worker, and its report for the way back.
pub(super) const SLACK: Duration = Duration::from_secs(3);

const NEEDS: Needs = Needs::OfRequest("`operate`; for a project `apply:PROJECT`");

pub(super) fn add(methods: Methods) -> Methods {
    methods.with("github.xe.lokahi.Checks/Probe", NEEDS, probe)
}

async fn probe(call: Call, asked: ProbeRequest) -> Result<ProbeResults, ApiError> {
    let scope = match asked.project.as_str() {
        "" => Scope::Operate,
        project => apply_to(project),
    };
    call.needs(&scope).await?;
    if !(1..=MOST).contains(&asked.specs.len()) {
        let why = format!("1 to {MOST} can be probed, not {}", asked.specs.len());
        return Err(TwirpError::argument("specs", why).into());
    }
    let elsewhere: Option<Name> = match asked.location.as_str() {
        "" => None,
        location => Some(edit::argument("location", location)?),
    };
    let decode = |(number, bytes): (usize, &Vec<u8>)| {
        spec::decode_check(bytes).map_err(|fault| {
            TwirpError::argument("specs", format!("the spec {number} is refused: {fault}"))
        })
    };
    let specs = asked.specs.iter().enumerate().map(decode);
    let specs: Vec<CheckSpec> = specs.collect::<Result<_, _>>()?;
    let longest = specs.iter().map(|spec| spec.timeout.duration()).max();
    let within = longest
        .unwrap_or_default()
        .saturating_add(SLACK)
        .min(LONGEST);
    let secrets = SecretUse::bound(&asked.project);
    let mut at: BTreeMap<&str, Vec<Probe>> = BTreeMap::new();
    for ((number, spec), bytes) in (0..).zip(&specs).zip(&asked.specs) {
        let own = elsewhere.as_ref().or_else(|| spec.locations.first());
        let location = own.map_or(call.state.location.as_str(), Name::as_str);
        at.entry(location).or_default().push(Probe {
            check_id: CheckId(Uuid::nil()),
            check_no: CheckNo(number),
            spec_id: SpecId(0),
            scheduled_at: clock::now(),
            spec: bytes.as_slice().into(),
            secrets: secrets.clone(),
        });
    }
    let bus = &call.state.bus;
    let each = at
        .iter()
        .map(|(location, probes)| ask(bus, location, probes, within));
    let mut seen: BTreeMap<i64, Evidence> = BTreeMap::new();
    seen.extend(join_all(each).await.into_iter().flatten());
    let silent = |number| {
        let own = elsewhere.as_ref();
        let spec = specs.get(usize::try_from(number).unwrap_or(usize::MAX));
        let own = own.or_else(|| spec.and_then(|spec| spec.locations.first()));
        let location = own.map_or(call.state.location.as_str(), Name::as_str);
        Evidence {
            outcome: "unknown".to_owned(),
            detail: format!(
                "no health worker at the location {location} answered within {within:?}"
            ),
            location: location.to_owned(),
            ..Evidence::default()
        }
    };
    let count = i64::try_from(specs.len()).unwrap_or(0);
    let probes = (0..count).map(|number| seen.remove(&number).unwrap_or_else(|| silent(number)));
    Ok(ProbeResults {
        probes: probes.collect(),
    })
}

/// Has probes done beside the schedule, by whichever workers of a location take them first.
pub(super) async fn probe_once(
    bus: &Bus,
    location: &str,
    probes: &[Probe],
    within: Duration,
) -> Result<Vec<Reports>, BusError> {
    let now = clock::now();
    let batch = ProbeBatch {
        // Each asks on a subject of its own.
        batch: 0,
        // Filled in by the bus.
        reply_to: String::new(),
        sent_at: now,
        expires: now + SLACK,
        avoided: None,
        probes: probes.to_vec(),
    };
    bus.probe_now(location, batch, within).await
}

/// What workers at a location report, by the number of the spec. What they do not answer is
/// missing.
async fn ask(
    bus: &Bus,
    location: &str,
    probes: &[Probe],
    within: Duration,
) -> Vec<(i64, Evidence)> {
    let parts = match probe_once(bus, location, probes, within).await {
        Ok(parts) => parts,
        Err(BusError::NoAnswer(_)) => return Vec::new(),
        Err(error) => {
            let failed = Evidence {
                outcome: "unknown".to_owned(),
                detail: format!("the probe could not be sent: {error}"),
                location: location.to_owned(),
                ..Evidence::default()
            };
            let numbers = probes.iter().map(|probe| probe.check_no.0);
            return numbers.map(|number| (number, failed.clone())).collect();
        }
    };
    let mut all = Vec::new();
    for part in parts {
        for Report {
            check_no,
            observation,
            ..
        } in part.reports
        {
            let seen = evidence::of(&observation, &part.location, &part.worker);
            all.push((check_no.0, seen));
        }
    }
    all
}
