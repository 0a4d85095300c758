//! The service `github.xe.lokahi.Projects`: specs come by digest, and an apply
//! names them. The server decodes, and so validates, each one again.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Display;
use std::str::FromStr;

use super::error::ApiError;
use super::permit::Needs;
use super::twirp::Methods;
use super::{Call, edit};
use crate::clock;
use crate::model::change::{Action, Change as Planned, Kind};
use crate::model::desired::{Declared, Desired, Revision, SourceLine};
use crate::model::name::{Address, Name};
use crate::model::scope::Scope;
use crate::proto::lokahi::{
    ApplyRequest, ApplyResult, Change, Declared as WireDeclared, FieldChange, SpecDigests,
    SpecUpload, change,
};
use crate::proto::twirp::{Code, TwirpError};
use crate::reconcile::apply::{self, ApplyError};
use crate::spec::{Digest, SpecError, decode_check, decode_webhook};
use crate::store::project::GenerationKind;
use crate::store::spec::{spec_bytes, spec_find, spec_put};

/// How many digests or specs one call may carry.
const MOST: usize = 100_000;
/// The longest path and the longest part of a revision, in bytes.
const LONGEST: usize = 1024;

pub(super) fn add(methods: Methods) -> Methods {
    methods
        .with(
            "github.xe.lokahi.Projects/MissingSpecs",
            Needs::Plan,
            missing,
        )
        .with("github.xe.lokahi.Projects/UploadSpecs", Needs::Plan, upload)
        .with(
            "github.xe.lokahi.Projects/Apply",
            Needs::OfRequest("`apply:PROJECT`; `plan` for a `dry_run`"),
            apply,
        )
}

async fn missing(call: Call, wanted: SpecDigests) -> Result<SpecDigests, ApiError> {
    let digests: Vec<Digest> = wanted
        .digests
        .into_iter()
        .map(|bytes| digest("digests", bytes))
        .collect::<Result<_, _>>()?;
    let mut conn = call.state.store.acquire().await?;
    let found = spec_find(&mut conn, &digests).await?;
    let missing: BTreeSet<Digest> = digests
        .into_iter()
        .filter(|digest| !found.contains_key(digest))
        .collect();
    Ok(wire_digests(missing))
}

async fn upload(call: Call, upload: SpecUpload) -> Result<SpecDigests, ApiError> {
    for (number, bytes) in upload.checks.iter().enumerate() {
        decode_check(bytes).map_err(|error| invalid_spec("checks", number, &error))?;
    }
    for (number, bytes) in upload.webhooks.iter().enumerate() {
        decode_webhook(bytes).map_err(|error| invalid_spec("webhooks", number, &error))?;
    }
    let specs: Vec<Vec<u8>> = upload.checks.into_iter().chain(upload.webhooks).collect();
    let mut conn = call.state.store.acquire().await?;
    let stored = spec_put(&mut conn, &specs).await?;
    Ok(wire_digests(stored.into_keys().collect()))
}

async fn apply(call: Call, wanted: ApplyRequest) -> Result<ApplyResult, ApiError> {
    let project: Name = edit::argument("project", &wanted.project)?;
    let scope = match wanted.dry_run {
        true => Scope::Plan,
        false => Scope::Apply(project.clone()),
    };
    call.needs(&scope).await?;
    let digests: BTreeSet<Digest> = wanted
        .checks
        .iter()
        .chain(&wanted.webhooks)
        .map(|declared| digest("digest", declared.digest.clone()))
        .collect::<Result<_, _>>()?;
    let digests: Vec<Digest> = digests.into_iter().collect();
    let mut conn = call.state.store.acquire().await?;
    let specs = spec_bytes(&mut conn, &digests).await?;
    drop(conn);
    let checks = declared::<_, Address>("checks", wanted.checks, &specs, decode_check)?;
    let webhooks = declared::<_, Name>("webhooks", wanted.webhooks, &specs, decode_webhook)?;
    let request = apply::Request {
        desired: Desired {
            project,
            checks,
            webhooks,
            moves: Vec::new(),
        },
        revision: revision(wanted.revision.unwrap_or_default())?,
        actor: call.principal.name.clone(),
        kind: GenerationKind::Apply,
        dry_run: wanted.dry_run,
        expected_generation: wanted.expected_generation,
    };
    let applied = apply::apply(&call.state.store, &request, clock::now())
        .await
        .map_err(refused)?;
    if !request.dry_run && !applied.changes.is_empty() {
        call.state.announce().await;
    }
    Ok(ApplyResult {
        project: wanted.project,
        generation: applied.generation,
        changes: applied.changes.into_iter().map(change).collect(),
    })
}

/// The declared objects of one kind, by address, which is an `A`.
fn declared<T, A>(
    argument: &'static str,
    list: Vec<WireDeclared>,
    specs: &HashMap<Digest, Vec<u8>>,
    decode: fn(&[u8]) -> Result<T, SpecError>,
) -> Result<BTreeMap<String, Declared<T>>, TwirpError>
where
    A: FromStr<Err: Display> + Display,
{
    if list.len() > MOST {
        let why = format!("has {} entries; at most {MOST} are allowed", list.len());
        return Err(TwirpError::argument(argument, why));
    }
    let mut all = BTreeMap::new();
    for (number, item) in list.into_iter().enumerate() {
        let address = edit::argument::<A>(argument, &item.address)?.to_string();
        let digest = digest(argument, item.digest)?;
        let bytes = specs.get(&digest).ok_or_else(|| {
            let text = format!("the spec of {address} is not stored; upload it first");
            TwirpError::new(Code::FailedPrecondition, text).with("address", &address)
        })?;
        let spec = decode(bytes).map_err(|error| invalid_spec(argument, number, &error))?;
        let source = SourceLine {
            file: short(argument, item.file)?,
            line: u32::try_from(item.line).unwrap_or(0),
        };
        if all
            .insert(address.clone(), Declared { spec, source })
            .is_some()
        {
            let why = format!("{address} stands there twice");
            return Err(TwirpError::argument(argument, why));
        }
    }
    Ok(all)
}

fn revision(wire: crate::proto::lokahi::Revision) -> Result<Revision, TwirpError> {
    Ok(Revision {
        reference: short("revision.ref", wire.r#ref)?,
        sha: short("revision.sha", wire.sha)?,
        dirty: wire.dirty,
    })
}

fn short(argument: &str, text: String) -> Result<String, TwirpError> {
    if text.len() <= LONGEST && !text.contains('\0') {
        return Ok(text);
    }
    let why = format!("a text in it is longer than {LONGEST} bytes or has a NUL");
    Err(TwirpError::argument(argument, why))
}

fn digest(argument: &str, bytes: Vec<u8>) -> Result<Digest, TwirpError> {
    bytes.try_into().map(Digest).map_err(|bytes: Vec<u8>| {
        let why = format!("a digest has 32 bytes, not {}", bytes.len());
        TwirpError::argument(argument, why)
    })
}

fn wire_digests(digests: BTreeSet<Digest>) -> SpecDigests {
    let digests = digests
        .into_iter()
        .map(|digest| digest.0.to_vec())
        .collect();
    SpecDigests { digests }
}

fn invalid_spec(argument: &str, number: usize, error: &SpecError) -> TwirpError {
    let reason = std::error::Error::source(error).map_or(String::new(), |e| format!(": {e}"));
    TwirpError::argument(argument, format!("entry {number}: {error}{reason}"))
}

fn refused(error: ApplyError) -> ApiError {
    let text = error.to_string();
    match error {
        ApplyError::Reserved => TwirpError::argument("project", text).into(),
        ApplyError::Stale { .. } => TwirpError::new(Code::Aborted, text).into(),
        ApplyError::UnknownReceiver { .. } | ApplyError::SecretsCollide(..) => {
            TwirpError::argument("checks", text).into()
        }
        ApplyError::Store(error) => error.into(),
        error => ApiError::Apply(error),
    }
}

fn change(planned: Planned) -> Change {
    let action = match planned.action {
        Action::Create => change::Action::Create,
        Action::Update => change::Action::Update,
        Action::Delete => change::Action::Delete,
    };
    Change {
        action: action.into(),
        kind: match planned.kind {
            Kind::Webhook => "webhook".to_owned(),
            Kind::Check => "check".to_owned(),
        },
        address: planned.address,
        file: planned.source.file,
        line: i32::try_from(planned.source.line).unwrap_or(i32::MAX),
        fields: planned
            .fields
            .into_iter()
            .map(|field| FieldChange {
                path: field.path,
                before: field.before,
                after: field.after,
            })
            .collect(),
    }
}
