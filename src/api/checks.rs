//! The service `github.xe.lokahi.Checks`: one transaction a call.

use std::sync::Arc;

use prost::Message;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::error::ApiError;
use super::notices::notices;
use super::permit::Needs;
use super::twirp::Methods;
use super::written::written;
use super::{Call, convert, edit, force, history, maintenance, overlay, restore};
use crate::clock;
use crate::histogram::summarise;
use crate::model::desired::API_PROJECT;
use crate::model::health::State;
use crate::model::id::{CheckId, CheckNo};
use crate::model::name::Name;
use crate::model::overlay::Overlay;
use crate::model::ownership::Owner;
use crate::proto::lokahi::{
    Check, CheckId as WireId, CheckStatus, ChecksPage, CreateOpts, Evidence, ListOpts,
};
use crate::proto::moment::timestamp;
use crate::proto::twirp::{Code, TwirpError};
use crate::spec::{Digest, encode_check};
use crate::store::audit::{AuditEntry, audit_write};
use crate::store::check::{
    ListFilter, NewCheck, StoredCheck, check_create, check_delete, check_get, check_list,
    check_lock, check_update,
};
use crate::store::error::StoreError;
use crate::store::observation::{evidence_list, observation_latencies};
use crate::store::receiver::{receiver_add, receiver_implicit, receiver_link, receiver_replace};
use crate::store::request::{RequestKey, request_find, request_keep};
use crate::store::spec::spec_put;

const ALONE: &str = "says all that the check is: leave the other fields out";
const CREATE: &str = "github.xe.lokahi.Checks/Create";
const PUT: &str = "github.xe.lokahi.Checks/Put";
/// The check says it.
const CHANGES: Needs = Needs::OfRequest("`apply:api`; by force `apply:PROJECT`");

/// How far back percentiles look.
const LATENCY_WINDOW: Duration = Duration::hours(24);
/// How many samples stand behind the percentiles of one check.
const SAMPLES: i64 = 1000;
/// How many samples one answer may read.
const SAMPLES_OF_A_PAGE: i64 = 200_000;
/// How much evidence Status shows.
const EVIDENCE: i64 = 10;
const DEFAULT_COUNT: i64 = 30;
const MOST_COUNT: i64 = 10_000;
const LONGEST_REQUEST_ID: usize = 200;

pub(super) fn add(methods: Methods) -> Methods {
    methods
        .with(
            "github.xe.lokahi.Checks/Acknowledge",
            Needs::Operate,
            overlay::acknowledge,
        )
        .with(CREATE, Needs::ApplyApi, create)
        .with("github.xe.lokahi.Checks/Delete", CHANGES, delete)
        .with("github.xe.lokahi.Checks/Get", Needs::Read, get)
        .with(
            "github.xe.lokahi.Checks/History",
            Needs::Read,
            history::history,
        )
        .with("github.xe.lokahi.Checks/List", Needs::Read, list)
        .with(
            "github.xe.lokahi.Checks/Maintain",
            Needs::Operate,
            maintenance::maintain,
        )
        .with(
            "github.xe.lokahi.Checks/Maintenances",
            Needs::Read,
            maintenance::list,
        )
        .with(
            "github.xe.lokahi.Checks/EndMaintenance",
            Needs::Operate,
            maintenance::end,
        )
        .with(
            "github.xe.lokahi.Checks/Mute",
            Needs::Operate,
            overlay::mute,
        )
        .with(
            "github.xe.lokahi.Checks/Pause",
            Needs::Operate,
            overlay::pause,
        )
        .with(PUT, CHANGES, put)
        .with(
            "github.xe.lokahi.Checks/Restore",
            Needs::ApplyApi,
            restore::restore,
        )
        .with("github.xe.lokahi.Checks/Status", Needs::Read, status)
}

async fn create(call: Call, opts: CreateOpts) -> Result<Check, ApiError> {
    let id = CheckId(Uuid::now_v7());
    let (name, spec) = match opts.hcl.as_str() {
        "" if opts.name.is_empty() => (None, edit::created(&opts)?),
        "" => {
            let spec = edit::created(&opts)?;
            (Some(edit::argument::<Name>("name", &opts.name)?), spec)
        }
        _ if edit::beside(&opts) => return Err(TwirpError::argument("hcl", ALONE).into()),
        hcl => {
            let (name, spec) = written(hcl).await?;
            (Some(name), spec)
        }
    };
    let name = name.map(|name| name.to_string());
    let address = name.clone().unwrap_or_else(|| id.to_string());
    let key = request_key(&call, &opts.request_id, CREATE)?;
    let project = call.state.project().await?;
    let now = whole_microseconds(clock::now());

    let mut tx = call.state.store.begin().await?;
    if let Some(key) = key
        && let Some(check) = replayed(request_find(&mut tx, key).await?, CREATE)?
    {
        return Ok(check);
    }
    let bytes = encode_check(&spec);
    let digest = Digest::of(&bytes);
    let stored = spec_put(&mut tx, &[bytes]).await?;
    let new = NewCheck {
        id,
        address: address.clone(),
        spec_id: *stored.get(&digest).ok_or(ApiError::SpecLost)?,
        spec: Arc::new(spec.clone()),
        quiet: false,
    };
    match check_create(&mut tx, project, Owner::Api, &[new], now).await {
        Err(StoreError::AddressTaken(name)) => {
            let text = format!("a check named {name:?} exists already");
            let error = TwirpError::new(Code::AlreadyExists, text).with("argument", "name");
            return Err(error.into());
        }
        other => other?,
    }
    if let Some(webhook) = &spec.webhook {
        let made = receiver_implicit(&mut tx, project, std::slice::from_ref(webhook), now).await?;
        receiver_add(&mut tx, &[(id, made.into_values().collect())]).await?;
    }
    let subject = audited(id, name.as_deref().unwrap_or_default());
    let entry = AuditEntry {
        project: API_PROJECT,
        after: Some(digest),
        ..call.entry(now, &subject)
    };
    audit_write(&mut tx, &entry).await?;
    // What was just written needs no reading.
    let made = StoredCheck {
        id,
        check_no: CheckNo(0),
        project: API_PROJECT.to_owned(),
        address,
        owner: Owner::Api,
        version: 1,
        spec,
        unreadable: None,
        state: State::Init,
        degraded: false,
        flapping: false,
        since: now,
        seq: 0,
        last: None,
        webhook_response_nanoseconds: 0,
        failure: None,
        overlay: Overlay::default(),
    };
    let check = convert::check(&made, now);
    if let Some(key) = key {
        request_keep(&mut tx, key, &check.encode_to_vec(), now).await?;
    }
    tx.commit().await.map_err(|source| StoreError::Query {
        doing: "commit a new check",
        source,
    })?;
    call.state.announce().await;
    Ok(check)
}

async fn put(call: Call, put: Check) -> Result<Check, ApiError> {
    call.needs_some_apply(&put.id).await?;
    let id = check_id(&put.id)?;
    let key = request_key(&call, &put.request_id, PUT)?;
    let project = call.state.project().await?;
    let now = clock::now();
    let mut tx = call.state.store.begin().await?;
    if let Some(key) = key
        && let Some(check) = replayed(request_find(&mut tx, key).await?, PUT)?
    {
        return Ok(check);
    }
    force::order(&mut tx, id, put.force).await?;
    let version = check_lock(&mut tx, id).await?;
    same_version(id, version, put.expected_version)?;
    let current = check_get(&mut tx, id).await?.ok_or_else(|| unknown(id))?;
    force::allowed(
        &call,
        &mut tx,
        &current,
        put.force,
        ("force_reason", &put.force_reason),
    )
    .await?;
    let forced = current.owner == Owner::Declared;
    if !put.name.is_empty() && Some(put.name.as_str()) != current.name() {
        let why = "cannot be changed; create a check with the new name";
        return Err(TwirpError::argument("name", why).into());
    }
    let spec = match put.hcl.as_str() {
        "" => edit::changed(&current.spec, &put)?,
        _ if edit::changed(&current.spec, &put)? != current.spec => {
            return Err(TwirpError::argument("hcl", ALONE).into());
        }
        _ if forced => {
            let why = "is for checks of the API: change the files, or single fields with force";
            return Err(TwirpError::argument("hcl", why).into());
        }
        hcl => {
            let (name, spec) = written(hcl).await?;
            if let Some(known) = current.name().filter(|known| *known != name.as_str()) {
                let why = format!("calls the check {name}, and it is {known}");
                return Err(TwirpError::argument("hcl", why).into());
            }
            spec
        }
    };
    let changes = spec != current.spec;
    let check = if !changes {
        convert::check(&current, now)
    } else {
        let bytes = encode_check(&spec);
        let digest = Digest::of(&bytes);
        let stored = spec_put(&mut tx, &[bytes]).await?;
        let new = NewCheck {
            id,
            address: current.address.clone(),
            spec_id: *stored.get(&digest).ok_or(ApiError::SpecLost)?,
            spec: Arc::new(spec.clone()),
            quiet: false,
        };
        check_update(&mut tx, Owner::Api, &[new]).await?;
        if forced {
            force::note(&call, &mut tx, &current, &put.force_reason, now).await?;
        }
        if spec.webhook != current.spec.webhook {
            let both: Vec<_> = [&current.spec.webhook, &spec.webhook]
                .into_iter()
                .flatten()
                .cloned()
                .collect();
            let project = match forced {
                true => force::project(&mut tx, &current).await?,
                false => project,
            };
            let known = receiver_implicit(&mut tx, project, &both, now).await?;
            let find = |webhook: &Option<_>| known.get(webhook.as_ref()?).copied();
            let (old, new) = (find(&current.spec.webhook), find(&spec.webhook));
            let mut links = force::declared_receivers(&mut tx, project, &spec).await?;
            links.extend(new);
            receiver_link(&mut tx, &[(id, links)]).await?;
            if let Some(old) = old {
                receiver_replace(&mut tx, id, old, new, now).await?;
            }
        }
        let subject = audited(id, current.name().unwrap_or_default());
        let entry = AuditEntry {
            project: &current.project,
            before: Some(Digest::of(&encode_check(&current.spec))),
            after: Some(digest),
            forced,
            reason: &put.force_reason,
            ..call.entry(now, &subject)
        };
        audit_write(&mut tx, &entry).await?;
        let written = check_get(&mut tx, id).await?.ok_or_else(|| unknown(id))?;
        convert::check(&written, now)
    };
    if let Some(key) = key {
        request_keep(&mut tx, key, &check.encode_to_vec(), now).await?;
    }
    tx.commit().await.map_err(|source| StoreError::Query {
        doing: "commit a changed check",
        source,
    })?;
    if changes {
        call.state.announce().await;
    }
    if forced {
        call.state.wake_reconcilers().await;
    }
    Ok(check)
}

async fn delete(call: Call, wanted: WireId) -> Result<Check, ApiError> {
    call.needs_some_apply(&wanted.id).await?;
    let id = check_id(&wanted.id)?;
    let mut tx = call.state.store.begin().await?;
    force::order(&mut tx, id, wanted.force).await?;
    let version = check_lock(&mut tx, id).await?;
    same_version(id, version, wanted.expected_version)?;
    let current = check_get(&mut tx, id).await?.ok_or_else(|| unknown(id))?;
    let now = clock::now();
    force::allowed(
        &call,
        &mut tx,
        &current,
        wanted.force,
        ("reason", &wanted.reason),
    )
    .await?;
    force::unprotected(&mut tx, &current).await?;
    let forced = current.owner == Owner::Declared;
    if forced {
        force::note(&call, &mut tx, &current, &wanted.reason, now).await?;
    }
    check_delete(&mut tx, &[id], now).await?;
    let subject = audited(id, current.name().unwrap_or_default());
    let entry = AuditEntry {
        project: &current.project,
        before: Some(Digest::of(&encode_check(&current.spec))),
        forced,
        reason: &wanted.reason,
        ..call.entry(now, &subject)
    };
    audit_write(&mut tx, &entry).await?;
    tx.commit().await.map_err(|source| StoreError::Query {
        doing: "commit a deletion",
        source,
    })?;
    call.state.announce().await;
    if forced {
        call.state.wake_reconcilers().await;
    }
    Ok(convert::check(&current, now))
}

async fn get(call: Call, wanted: WireId) -> Result<Check, ApiError> {
    Ok(convert::check(&read(&call, &wanted).await?, clock::now()))
}

pub(super) async fn status(call: Call, wanted: WireId) -> Result<CheckStatus, ApiError> {
    let stored = read(&call, &wanted).await?;
    let now = clock::now();
    let since = now - LATENCY_WINDOW;
    let mut conn = call.state.store.acquire().await?;
    let mut latencies =
        observation_latencies(&mut conn, &[stored.check_no], since, SAMPLES).await?;
    let evidence = evidence_list(&mut conn, stored.check_no, EVIDENCE).await?;
    let samples = latencies.remove(&stored.check_no).unwrap_or_default();
    Ok(CheckStatus {
        check: Some(convert::check(&stored, now)),
        last_response_time_nanoseconds: convert::last_nanoseconds(&stored),
        histogram_data: Some(summarise(samples).unwrap_or_default().into()),
        resp_status_code: convert::last_status(&stored),
        sequence: stored.seq,
        at: stored.last.map(|last| timestamp(last.at)),
        evidence: evidence
            .iter()
            .rev()
            .map(|bytes| Evidence::decode(bytes.as_slice()))
            .collect::<Result<_, _>>()?,
        ..CheckStatus::default()
    })
}

async fn list(call: Call, opts: ListOpts) -> Result<ChecksPage, ApiError> {
    let count = match i64::from(opts.count) {
        0 => DEFAULT_COUNT,
        count @ 1..=MOST_COUNT => count,
        count => {
            let why = format!("{count} is not between 1 and {MOST_COUNT}");
            return Err(TwirpError::argument("count", why).into());
        }
    };
    if opts.offset < 0 {
        return Err(TwirpError::argument("offset", "must not be negative").into());
    }
    let filter = list_filter(&opts)?;
    let mut conn = call.state.store.acquire().await?;
    let stored = check_list(&mut conn, &filter, count, opts.offset.into()).await?;
    let warning = (call.state.troubles.probes)().unwrap_or_default();
    let untold = (call.state.troubles.deliveries)().unwrap_or_default();
    let now = clock::now();
    let notices = notices(&mut conn, filter.project.as_deref(), now).await?;
    if !opts.include_status {
        let results = stored.iter().map(|check| convert::result(check, now));
        return Ok(ChecksPage {
            results: results.collect(),
            warning,
            notices,
            untold,
        });
    }
    let numbers: Vec<CheckNo> = stored.iter().map(|check| check.check_no).collect();
    let checks = i64::try_from(numbers.len()).unwrap_or(i64::MAX).max(1);
    let each = (SAMPLES_OF_A_PAGE / checks).clamp(20, SAMPLES);
    let since = now - LATENCY_WINDOW;
    let mut latencies = observation_latencies(&mut conn, &numbers, since, each).await?;
    let mut result = |check: &StoredCheck| {
        let samples = latencies.remove(&check.check_no).unwrap_or_default();
        convert::result_with_status(check, summarise(samples), now)
    };
    Ok(ChecksPage {
        results: stored.iter().map(&mut result).collect(),
        warning,
        notices,
        untold,
    })
}

fn list_filter(opts: &ListOpts) -> Result<ListFilter, TwirpError> {
    let state = |number: &i32| {
        i16::try_from(*number)
            .ok()
            .and_then(State::from_number)
            .ok_or_else(|| TwirpError::argument("states", format!("{number} is no state")))
    };
    let owner = match opts.owner.as_str() {
        "" => None,
        name => Some(
            Owner::from_name(name)
                .ok_or_else(|| TwirpError::argument("owner", "must be api or declared"))?,
        ),
    };
    Ok(ListFilter {
        labels: opts.labels.clone().into_iter().collect(),
        states: opts.states.iter().map(state).collect::<Result<_, _>>()?,
        owner,
        project: Some(opts.project.clone()).filter(|name| !name.is_empty()),
        address: Some(opts.name.clone()).filter(|name| !name.is_empty()),
    })
}

async fn read(call: &Call, wanted: &WireId) -> Result<StoredCheck, ApiError> {
    let id = check_id(&wanted.id)?;
    let mut conn = call.state.store.acquire().await?;
    let stored = check_get(&mut conn, id).await?;
    let version = stored.as_ref().map(|check| check.version);
    same_version(id, version, wanted.expected_version)?;
    stored.ok_or_else(|| unknown(id).into())
}

/// The moment as Postgres keeps it: the answer is what will be read later.
pub(super) fn whole_microseconds(at: OffsetDateTime) -> OffsetDateTime {
    at.replace_nanosecond(at.microsecond() * 1000).unwrap_or(at)
}

/// What is no id cannot be one of ours.
pub(super) fn check_id(text: &str) -> Result<CheckId, TwirpError> {
    text.parse()
        .map_err(|error| TwirpError::new(Code::NotFound, format!("{error}")).with("argument", "id"))
}

/// As audit names it: by its name, if it has one, and its id.
pub(super) fn audited(id: CheckId, name: &str) -> String {
    match name {
        "" => format!("check {id}"),
        name => format!("check {name} {id}"),
    }
}

/// There is no live check of this id.
pub(super) fn unknown(id: CheckId) -> TwirpError {
    TwirpError::new(Code::NotFound, format!("there is no check {id}")).with("argument", "id")
}

/// Refuses a check that is gone, or is not what the caller last saw of it.
fn same_version(
    id: CheckId,
    version: Option<i64>,
    expected: Option<i64>,
) -> Result<(), TwirpError> {
    let version = version.ok_or_else(|| unknown(id))?;
    match expected {
        Some(expected) if expected != version => Err(TwirpError::new(
            Code::Aborted,
            format!("the check has version {version}, not {expected}: somebody changed it"),
        )
        .with("argument", "expected_version")
        .with("version", version.to_string())),
        _ => Ok(()),
    }
}

pub(super) fn request_key<'a>(
    call: &'a Call,
    request_id: &'a str,
    method: &'a str,
) -> Result<Option<RequestKey<'a>>, TwirpError> {
    if request_id.len() > LONGEST_REQUEST_ID {
        let why = format!("at most {LONGEST_REQUEST_ID} characters are allowed");
        return Err(TwirpError::argument("request_id", why));
    }
    if request_id.contains(char::is_control) {
        return Err(TwirpError::argument("request_id", "has control characters"));
    }
    Ok((!request_id.is_empty()).then_some(RequestKey {
        principal: &call.principal.name,
        request_id,
        method,
    }))
}

/// The answer that was kept for a request id.
pub(super) fn replayed<A: Message + Default>(
    kept: Option<(String, Vec<u8>)>,
    method: &str,
) -> Result<Option<A>, ApiError> {
    match kept {
        None => Ok(None),
        Some((of, answer)) if of == method => Ok(Some(A::decode(answer.as_slice())?)),
        Some((of, _)) => {
            let why = format!("was used for another call, {of}");
            Err(TwirpError::argument("request_id", why).into())
        }
    }
}
