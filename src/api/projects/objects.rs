//! What is live, with its specs: for `export`.

use super::super::Call;
use super::super::error::ApiError;
use crate::model::ownership::Owner;
use crate::proto::lokahi::{Object, ObjectsRequest, ObjectsResult};
use crate::proto::twirp::TwirpError;
use crate::store::object::{ObjectFilter, object_list};

/// How many objects one answer has: their specs have some hundred bytes each, as a rule.
const COUNT: usize = 1000;
/// The most bytes of specs in one answer.
const BYTES: usize = 2 * 1024 * 1024;

/// A page of what is live: every receiver first, then checks in the order of their making.
pub(in crate::api) async fn objects(
    call: Call,
    asked: ObjectsRequest,
) -> Result<ObjectsResult, ApiError> {
    let text = |text: String| Some(text).filter(|text| !text.is_empty());
    let owner = match text(asked.owner) {
        None => None,
        Some(name) => Some(Owner::from_name(&name).ok_or_else(|| {
            TwirpError::argument("owner", "is api, declared, or nothing for both")
        })?),
    };
    let filter = ObjectFilter {
        project: text(asked.project),
        owner,
        drifted: asked.drifted,
        address: text(asked.address),
    };
    let mut conn = call.state.store.acquire().await?;
    let rows = object_list(&mut conn, &filter, asked.after, COUNT as i64).await?;
    let whole = rows.len() < COUNT;
    let (mut objects, mut bytes, mut next) = (Vec::new(), 0, 0);
    for row in rows {
        bytes += row.spec.len() + row.declared.as_ref().map_or(0, Vec::len);
        if bytes > BYTES && !objects.is_empty() {
            return Ok(ObjectsResult { objects, next });
        }
        next = row.number;
        objects.push(Object {
            kind: row.kind.name().to_owned(),
            project: row.project,
            address: row.address,
            id: row.id.to_string(),
            owner: row.owner,
            spec: row.spec,
            file: row.source.file,
            line: i32::try_from(row.source.line).unwrap_or(i32::MAX),
            declared_spec: row.declared.unwrap_or_default(),
            deleted: row.deleted,
        });
    }
    let next = if whole { 0 } else { next };
    Ok(ObjectsResult { objects, next })
}
