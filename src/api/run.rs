//! The service `github.xe.lokahi.admin.RunLocal`: probes beside the schedule,
//! by the same workers. Every id has an entry in the answer, whatever happens.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use tracing::warn;
use uuid::Uuid;

use super::checks::{check_id, unknown};
use super::error::ApiError;
use super::permit::Needs;
use super::probe::{SLACK, probe_once};
use super::twirp::Methods;
use super::{Call, convert};
use crate::bus::BusError;
use crate::clock;
use crate::histogram::summarise;
use crate::model::id::{CheckId, CheckNo, SpecId};
use crate::model::name::Name;
use crate::model::observation::{Observation, Outcome};
use crate::model::ownership::Owner;
use crate::model::probe::{Probe, Report};
use crate::model::secret::SecretUse;
use crate::proto::admin::{CheckIDs, Health, HistogramData, Nil, Run};
use crate::proto::twirp::{Code, TwirpError};
use crate::spec::{Digest, encode_check};
use crate::store::check::{StoredCheck, check_find};
use crate::store::project::project_sole;
use crate::store::spec::spec_find;

/// How many ids one call may name.
const MOST_IDS: usize = 1000;
/// How many probes go in one message.
const BATCH: usize = 256;
/// How long a run may take, whatever timeouts its checks have.
const LONGEST: Duration = Duration::from_secs(30);
/// How many durations Stats looks back on.
const REMEMBERED: usize = 10_000;

/// How long the last probes took, in nanoseconds.
#[derive(Default)]
pub(super) struct RunTimes {
    ring: Mutex<VecDeque<u64>>,
}

impl RunTimes {
    fn add(&self, times: impl Iterator<Item = u64>) {
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        for time in times {
            if ring.len() == REMEMBERED {
                ring.pop_front();
            }
            ring.push_back(time);
        }
    }

    fn all(&self) -> Vec<u64> {
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        ring.iter().copied().collect()
    }
}

pub(super) fn add(methods: Methods) -> Methods {
    methods
        .with(
            "github.xe.lokahi.admin.RunLocal/Checks",
            Needs::Operate,
            checks,
        )
        .with("github.xe.lokahi.admin.RunLocal/Stats", Needs::Read, stats)
}

async fn stats(call: Call, _: Nil) -> Result<HistogramData, ApiError> {
    let summary = summarise(call.state.runs.all());
    Ok(convert::whole_histogram(summary))
}

async fn checks(call: Call, wanted: CheckIDs) -> Result<Run, ApiError> {
    if !(1..=MOST_IDS).contains(&wanted.ids.len()) {
        let why = format!("1 to {MOST_IDS} can be run, not {}", wanted.ids.len());
        return Err(TwirpError::argument("ids", why).into());
    }
    let (started_at, started) = (clock::now(), clock::monotonic());
    let mut results: BTreeMap<String, Health> = BTreeMap::new();
    let mut names: BTreeMap<CheckId, String> = BTreeMap::new();
    for text in &wanted.ids {
        match check_id(text) {
            Ok(id) => {
                results.insert(text.clone(), refused(&unknown(id)));
                names.insert(id, text.clone());
            }
            Err(error) => {
                results.insert(text.clone(), refused(&error));
            }
        }
    }
    let ids: Vec<CheckId> = names.keys().copied().collect();
    let mut conn = call.state.store.acquire().await?;
    let (found, disabled): (Vec<_>, Vec<_>) = check_find(&mut conn, &ids)
        .await?
        .into_iter()
        .partition(|check| check.spec.enabled);
    for check in &disabled {
        if let Some(name) = names.get(&check.id) {
            results.insert(name.clone(), refused(&is_disabled(check)));
        }
    }
    let encoded: Vec<Vec<u8>> = found.iter().map(|c| encode_check(&c.spec)).collect();
    let digests: Vec<Digest> = encoded.iter().map(|bytes| Digest::of(bytes)).collect();
    let specs = spec_find(&mut conn, &digests).await?;
    let sole = project_sole(&mut conn).await?;
    drop(conn);

    let within = found
        .iter()
        .map(|check| check.spec.timeout.duration())
        .max()
        .unwrap_or_default()
        .saturating_add(SLACK)
        .min(LONGEST);
    let mut at: BTreeMap<&str, Vec<Probe>> = BTreeMap::new();
    for ((check, bytes), digest) in found.iter().zip(encoded).zip(&digests) {
        let own = check.spec.locations.first();
        let location = own.map_or(call.state.location.as_str(), Name::as_str);
        at.entry(location).or_default().push(Probe {
            check_id: check.id,
            check_no: check.check_no,
            spec_id: specs.get(digest).copied().unwrap_or(SpecId(0)),
            scheduled_at: started_at,
            spec: bytes.into(),
            secrets: SecretUse::of(
                &check.project.as_str().into(),
                check.owner == Owner::Declared,
                sole.as_deref(),
            ),
        });
    }
    let call = &call;
    let batches = at.iter().flat_map(|(at, probes)| {
        let parts = probes.chunks(BATCH);
        parts.map(move |part| probe(call, at, part, within))
    });
    let mut seen: BTreeMap<CheckNo, Health> = BTreeMap::new();
    let urls: BTreeMap<CheckNo, &StoredCheck> = found.iter().map(|c| (c.check_no, c)).collect();
    for (number, health) in join_all(batches).await.into_iter().flatten() {
        seen.insert(number, health);
    }
    let answered = seen.values().map(|health| health.response_time_nanoseconds);
    let times = answered.filter_map(|time| u64::try_from(time).ok().filter(|time| *time > 0));
    call.state.runs.add(times);
    for (number, check) in urls {
        let health = seen.remove(&number).unwrap_or_else(|| Health {
            error: format!("no health worker reported within {within:?}"),
            code: Code::Unavailable.name().to_owned(),
            ..Health::default()
        });
        if let Some(name) = names.get(&check.id) {
            let url = check.spec.url.to_string();
            results.insert(name.clone(), Health { url, ..health });
        }
    }
    let elapsed = started.elapsed().as_nanos();
    Ok(Run {
        id: Uuid::now_v7().to_string(),
        cids: Some(wanted),
        finished: true,
        results,
        start_time_unix: started_at.unix_timestamp(),
        elapsed_nanoseconds: i64::try_from(elapsed).unwrap_or(i64::MAX),
    })
}

/// The reports of one batch; when it cannot be sent, an entry for each probe
/// that says so.
async fn probe(
    call: &Call,
    location: &str,
    probes: &[Probe],
    within: Duration,
) -> Vec<(CheckNo, Health)> {
    let asked: Vec<CheckNo> = probes.iter().map(|probe| probe.check_no).collect();
    match probe_once(&call.state.bus, location, probes, within).await {
        Ok(parts) => parts
            .into_iter()
            .flat_map(|part| part.reports)
            .map(
                |Report {
                     check_no,
                     observation,
                     ..
                 }| (check_no, health(&observation)),
            )
            .collect(),
        Err(error) => {
            // No worker, or no NATS: the operator's to mend, and the caller's to know.
            warn!(
                error = &error as &dyn std::error::Error,
                "could not run checks"
            );
            let text = match error {
                BusError::NoAnswer(_) | BusError::Disconnected => error.to_string(),
                _ => "the probe could not be sent".to_owned(),
            };
            let failed = |number| {
                let health = Health {
                    error: text.clone(),
                    code: Code::Unavailable.name().to_owned(),
                    ..Health::default()
                };
                (number, health)
            };
            asked.into_iter().map(failed).collect()
        }
    }
}

fn health(seen: &Observation) -> Health {
    let class = seen.class.map_or("", |class| class.name());
    let error = match (seen.outcome, class, seen.detail.as_str()) {
        (Outcome::Up, _, _) => String::new(),
        (outcome, "", "") => outcome.name().to_owned(),
        (_, class, "") => class.to_owned(),
        (_, "", detail) => detail.to_owned(),
        (_, class, detail) => format!("{class}: {detail}"),
    };
    Health {
        response_time_nanoseconds: i64::try_from(seen.phases.total.as_nanos()).unwrap_or(i64::MAX),
        status_code: seen.status.into(),
        error,
        healthy: seen.outcome == Outcome::Up,
        ..Health::default()
    }
}

fn is_disabled(check: &StoredCheck) -> TwirpError {
    let name = &check.address;
    let text = format!("check {name} is disabled: nobody probes it before it is enabled again");
    TwirpError::new(Code::FailedPrecondition, text)
}

fn refused(error: &TwirpError) -> Health {
    Health {
        error: error.to_string(),
        code: error.code.name().to_owned(),
        ..Health::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_newest_durations_are_remembered() {
        let times = RunTimes::default();
        times.add(0..REMEMBERED as u64 + 5);
        assert_eq!(times.all().len(), REMEMBERED);
        assert_eq!(times.all().first(), Some(&5));
    }
}
