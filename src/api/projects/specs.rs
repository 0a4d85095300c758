//! What comes before a plan: specs by their digests, and the list of what is declared.

use std::collections::BTreeSet;

use prost::Message as _;
use uuid::Uuid;

use super::super::Call;
use super::super::error::ApiError;
use crate::clock;
use crate::proto::lokahi::{IndexPart, IndexReceipt, SpecDigests, SpecUpload};
use crate::proto::twirp::TwirpError;
use crate::spec::{Digest, SpecError, accept_check, accept_project, accept_webhook};
use crate::store::plan::upload_add;
use crate::store::spec::{spec_missing, spec_put};

/// How many objects one part of an index may have.
const MOST: usize = 100_000;
/// How many parts an index may have.
const MOST_PARTS: i32 = 10_000;

/// Those of the given digests that are not stored.
pub(in crate::api) async fn missing(
    call: Call,
    wanted: SpecDigests,
) -> Result<SpecDigests, ApiError> {
    let digests = wanted.digests.into_iter();
    let digests = digests.map(|bytes| digest("digests", bytes));
    let missing = not_stored(&call, digests.collect::<Result<_, _>>()?).await?;
    Ok(wire_digests(missing))
}

async fn not_stored(call: &Call, digests: BTreeSet<Digest>) -> Result<BTreeSet<Digest>, ApiError> {
    let mut conn = call.state.store.acquire().await?;
    let asked: Vec<Digest> = digests.into_iter().collect();
    Ok(spec_missing(&mut conn, &asked).await?.into_iter().collect())
}

/// Stores specs, after reading each.
pub(in crate::api) async fn upload(
    call: Call,
    upload: SpecUpload,
) -> Result<SpecDigests, ApiError> {
    for (number, bytes) in upload.checks.iter().enumerate() {
        accept_check(bytes).map_err(|error| invalid_spec("checks", number, &error))?;
    }
    for (number, bytes) in upload.webhooks.iter().enumerate() {
        accept_webhook(bytes).map_err(|error| invalid_spec("webhooks", number, &error))?;
    }
    for (number, bytes) in upload.projects.iter().enumerate() {
        accept_project(bytes).map_err(|error| invalid_spec("projects", number, &error))?;
    }
    let specs = upload.checks.into_iter().chain(upload.webhooks);
    let specs: Vec<Vec<u8>> = specs.chain(upload.projects).collect();
    let mut conn = call.state.store.acquire().await?;
    let stored = spec_put(&mut conn, &specs).await?;
    Ok(wire_digests(stored.into_keys().collect()))
}

/// Keeps a part of an index, and says which specs in it are to be uploaded.
pub(in crate::api) async fn index(call: Call, part: IndexPart) -> Result<IndexReceipt, ApiError> {
    let all = part.checks.iter().chain(&part.webhooks);
    if all.clone().count() > MOST {
        let why = format!("a part has {MOST} objects at most");
        return Err(TwirpError::argument("checks", why).into());
    }
    let digests = all.map(|declared| digest("digest", declared.digest.clone()));
    let digests: BTreeSet<Digest> = digests.collect::<Result<_, _>>()?;
    let id = match part.upload_id.as_str() {
        "" => Uuid::now_v7(),
        id => upload_id(id)?,
    };
    let number = part.part;
    if number.is_some_and(|part| !(0..MOST_PARTS).contains(&part)) {
        let why = format!("is from 0 to {}", MOST_PARTS - 1);
        return Err(TwirpError::argument("part", why).into());
    }
    let part = IndexPart {
        upload_id: String::new(),
        part: None,
        ..part
    };
    let mut conn = call.state.store.acquire().await?;
    let principal = &call.principal.name;
    upload_add(
        &mut conn,
        (id, number),
        principal,
        &part.encode_to_vec(),
        clock::now(),
    )
    .await?;
    drop(conn);
    let missing = not_stored(&call, digests).await?;
    Ok(IndexReceipt {
        upload_id: id.to_string(),
        missing: missing
            .into_iter()
            .map(|digest| digest.0.to_vec())
            .collect(),
    })
}

/// The id of an upload.
pub(super) fn upload_id(text: &str) -> Result<Uuid, TwirpError> {
    let id = Uuid::try_parse(text);
    id.map_err(|_| TwirpError::argument("upload_id", "is not one that UploadIndex gave"))
}

/// A digest of 32 bytes.
pub(super) fn digest(argument: &str, bytes: Vec<u8>) -> Result<Digest, TwirpError> {
    bytes.try_into().map(Digest).map_err(|bytes: Vec<u8>| {
        let why = format!("a digest has 32 bytes, not {}", bytes.len());
        TwirpError::argument(argument, why)
    })
}

fn wire_digests(digests: BTreeSet<Digest>) -> SpecDigests {
    let digests = digests.into_iter();
    SpecDigests {
        digests: digests.map(|digest| digest.0.to_vec()).collect(),
    }
}

fn invalid_spec(argument: &str, number: usize, error: &SpecError) -> TwirpError {
    let reason = std::error::Error::source(error).map_or(String::new(), |e| format!(": {e}"));
    TwirpError::argument(argument, format!("entry {number}: {error}{reason}"))
}
