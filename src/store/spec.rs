//! Specs: content-addressed bytes.

use std::collections::HashMap;

use sqlx::PgConnection;

use super::error::{Doing as _, StoreError};
use crate::model::check::CheckSpec;
use crate::model::id::SpecId;
use crate::spec::{self, Digest};

/// A stored check.
pub(super) fn check_of(spec_id: i64, bytes: &[u8]) -> Result<CheckSpec, StoreError> {
    spec::decode_check(bytes).map_err(|source| StoreError::Spec { spec_id, source })
}

/// Stores encoded specs, each once, and returns where they are.
pub async fn spec_put(
    conn: &mut PgConnection,
    specs: &[Vec<u8>],
) -> Result<HashMap<Digest, SpecId>, StoreError> {
    // Sorted, so that two writers of the same specs do not deadlock.
    let mut rows: Vec<(Digest, &Vec<u8>)> = specs.iter().map(|b| (Digest::of(b), b)).collect();
    rows.sort_unstable();
    rows.dedup_by_key(|row| row.0);
    let digests: Vec<Vec<u8>> = rows.iter().map(|row| row.0.0.to_vec()).collect();
    let bytes: Vec<Vec<u8>> = rows.iter().map(|row| row.1.clone()).collect();
    let written = sqlx::query!(
        r#"with written as (
               insert into specs (digest, bytes) select * from unnest($1::bytea[], $2::bytea[])
               on conflict (digest) do nothing returning id, digest)
           select id as "id!", digest as "digest!" from written
           union all
           select id, digest from specs where digest = any($1)"#,
        &digests,
        &bytes,
    )
    .fetch_all(&mut *conn)
    .await
    .doing("store specs")?;
    let found: HashMap<Digest, SpecId> = written
        .into_iter()
        .filter_map(|row| Some((Digest(row.digest.try_into().ok()?), SpecId(row.id))))
        .collect();
    if found.len() == rows.len() {
        return Ok(found);
    }
    // One was stored by somebody else in this very moment, after our statement's
    // view of the table was taken.
    spec_find(conn, &rows.into_iter().map(|row| row.0).collect::<Vec<_>>()).await
}

/// Where those of the given specs are that are stored.
pub async fn spec_find(
    conn: &mut PgConnection,
    digests: &[Digest],
) -> Result<HashMap<Digest, SpecId>, StoreError> {
    let digests: Vec<Vec<u8>> = digests.iter().map(|digest| digest.0.to_vec()).collect();
    let rows = sqlx::query!(
        "select id, digest from specs where digest = any($1)",
        &digests
    )
    .fetch_all(conn)
    .await
    .doing("find specs")?;
    Ok(rows
        .into_iter()
        .filter_map(|row| Some((Digest(row.digest.try_into().ok()?), SpecId(row.id))))
        .collect())
}

/// Those of the given specs that are not stored.
pub async fn spec_missing(
    conn: &mut PgConnection,
    digests: &[Digest],
) -> Result<Vec<Digest>, StoreError> {
    let digests: Vec<Vec<u8>> = digests.iter().map(|digest| digest.0.to_vec()).collect();
    let missing = sqlx::query_scalar!(
        r#"select w.digest as "digest!" from unnest($1::bytea[]) as w (digest)
           where not exists (select from specs s where s.digest = w.digest)"#,
        &digests
    )
    .fetch_all(conn)
    .await
    .doing("find specs that are missing")?;
    let missing = missing.into_iter();
    Ok(missing
        .filter_map(|digest| digest.try_into().ok().map(Digest))
        .collect())
}

/// The bytes of the given specs, by digest.
pub async fn spec_bytes(
    conn: &mut PgConnection,
    digests: &[Digest],
) -> Result<HashMap<Digest, Vec<u8>>, StoreError> {
    let digests: Vec<Vec<u8>> = digests.iter().map(|digest| digest.0.to_vec()).collect();
    let rows = sqlx::query!(
        "select digest, bytes from specs where digest = any($1)",
        &digests
    )
    .fetch_all(conn)
    .await
    .doing("read specs")?;
    Ok(rows
        .into_iter()
        .filter_map(|row| Some((Digest(row.digest.try_into().ok()?), row.bytes)))
        .collect())
}
