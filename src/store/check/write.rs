//! How checks are made, changed, renamed, buried and brought back. Whoever asks
//! has locked what the checks belong to; the schedulers are told in the same
//! transaction.

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::NewCheck;
use crate::model::id::CheckId;
use crate::model::ownership::Owner;
use crate::store::change::change_note;
use crate::store::error::{Doing as _, StoreError, address_taken};
use crate::store::project::ProjectId;

/// Checks as columns, to be unnested.
pub(super) struct Columns {
    pub(super) ids: Vec<Uuid>,
    pub(super) addresses: Vec<String>,
    pub(super) spec_ids: Vec<i64>,
    pub(super) labels: Vec<String>,
    pub(super) disabled: Vec<bool>,
}

impl Columns {
    pub(super) fn of(checks: &[NewCheck]) -> Self {
        Self {
            ids: checks.iter().map(|c| c.id.0).collect(),
            addresses: checks.iter().map(|c| c.address.clone()).collect(),
            spec_ids: checks.iter().map(|c| c.spec_id.0).collect(),
            labels: checks.iter().map(label_list).collect(),
            disabled: checks.iter().map(|c| !c.spec.enabled).collect(),
        }
    }
}

/// Makes checks, with an unprobed state, and tells the schedulers.
pub async fn check_create(
    conn: &mut PgConnection,
    project: ProjectId,
    owner: Owner,
    checks: &[NewCheck],
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    let columns = Columns::of(checks);
    sqlx::query!(
        "insert into checks (id, project_id, address, owner, live_spec_id, declared_spec_id,
             labels, disabled, created_at)
         select id, $1, address, $2, spec_id, case when $2 = 'declared' then spec_id end,
             string_to_array(labels, chr(10)), disabled, $3
         from unnest($4::uuid[], $5::text[], $6::bigint[], $7::text[], $8::boolean[])
             as c (id, address, spec_id, labels, disabled)",
        project.0,
        owner.name(),
        now,
        &columns.ids,
        &columns.addresses,
        &columns.spec_ids,
        &columns.labels,
        &columns.disabled,
    )
    .execute(&mut *conn)
    .await
    .map_err(|error| taken(error, checks, "create checks"))?;
    state_create(conn, checks, now).await?;
    note(conn, checks).await
}

/// Gives checks another spec, and tells the schedulers.
pub async fn check_update(
    conn: &mut PgConnection,
    owner: Owner,
    checks: &[NewCheck],
) -> Result<(), StoreError> {
    let columns = Columns::of(checks);
    sqlx::query!(
        "update checks c set live_spec_id = n.spec_id, version = version + 1,
             declared_spec_id = case when $1 = 'declared' then n.spec_id else declared_spec_id end,
             labels = string_to_array(n.labels, chr(10)), disabled = n.disabled
         from unnest($2::uuid[], $3::bigint[], $4::text[], $5::boolean[])
             as n (id, spec_id, labels, disabled)
         where c.id = n.id",
        owner.name(),
        &columns.ids,
        &columns.spec_ids,
        &columns.labels,
        &columns.disabled,
    )
    .execute(&mut *conn)
    .await
    .doing("update checks")?;
    note(conn, checks).await
}

/// Gives live checks other addresses in their projects, and tells the schedulers.
///
/// Two may take each other's: what is given twice is found out when the
/// transaction ends, at the latest.
pub async fn check_rename(
    conn: &mut PgConnection,
    names: &[(CheckId, String)],
) -> Result<(), StoreError> {
    if names.is_empty() {
        return Ok(());
    }
    sqlx::query!("set constraints checks_address deferred")
        .execute(&mut *conn)
        .await
        .doing("prepare to rename checks")?;
    let ids: Vec<Uuid> = names.iter().map(|(id, _)| id.0).collect();
    let addresses: Vec<String> = names.iter().map(|(_, address)| address.clone()).collect();
    sqlx::query!(
        "update checks c set address = n.address, version = version + 1
         from unnest($1::uuid[], $2::text[]) as n (id, address)
         where c.id = n.id and c.deleted_at is null",
        &ids,
        &addresses,
    )
    .execute(&mut *conn)
    .await
    .doing("rename checks")?;
    change_note(conn, &names.iter().map(|(id, _)| *id).collect::<Vec<_>>()).await
}

/// Buries checks: probing stops, history stays.
pub async fn check_delete(
    conn: &mut PgConnection,
    checks: &[CheckId],
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    let ids: Vec<Uuid> = checks.iter().map(|id| id.0).collect();
    sqlx::query!(
        "update checks set deleted_at = $2, version = version + 1 where id = any($1)",
        &ids,
        now
    )
    .execute(&mut *conn)
    .await
    .doing("delete checks")?;
    change_note(conn, checks).await
}

/// Brings buried checks back, with their ids and history, into this project under the
/// addresses and specs given. One that lives is left alone.
///
/// A check whose burial was not written yet goes on as it was; any other begins
/// unprobed, and counts its transitions on.
pub async fn check_revive(
    conn: &mut PgConnection,
    project: ProjectId,
    owner: Owner,
    checks: &[NewCheck],
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    if checks.is_empty() {
        return Ok(());
    }
    let columns = Columns::of(checks);
    // Waits for a burial that is being written.
    sqlx::query!(
        "update checks c set deleted_at = null, project_id = $7, address = n.address,
             owner = $1, live_spec_id = n.spec_id, version = version + 1,
             declared_spec_id = case when $1 = 'declared' then n.spec_id end,
             labels = string_to_array(n.labels, chr(10)), disabled = n.disabled
         from unnest($2::uuid[], $3::text[], $4::bigint[], $5::text[], $6::boolean[])
             as n (id, address, spec_id, labels, disabled)
         where c.id = n.id and c.deleted_at is not null",
        owner.name(),
        &columns.ids,
        &columns.addresses,
        &columns.spec_ids,
        &columns.labels,
        &columns.disabled,
        project.0,
    )
    .execute(&mut *conn)
    .await
    .map_err(|error| taken(error, checks, "bring checks back"))?;
    state_create(conn, checks, now).await?;
    note(conn, checks).await
}

/// Unprobed states, where there is none. A check that lived before goes on
/// counting: no number of a transition comes twice.
async fn state_create(
    conn: &mut PgConnection,
    checks: &[NewCheck],
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    let ids: Vec<Uuid> = checks.iter().map(|c| c.id.0).collect();
    let shards: Vec<i16> = checks.iter().map(|c| c.id.shard().0).collect();
    let quiet: Vec<bool> = checks.iter().map(|c| c.quiet).collect();
    sqlx::query!(
        "insert into check_states (check_id, shard, since, seq, quiet)
         select check_id, shard, $4,
             coalesce((select max(t.seq) from transitions t where t.check_id = c.check_id), 0),
             quiet
         from unnest($1::uuid[], $2::smallint[], $3::boolean[]) as c (check_id, shard, quiet)
         on conflict (check_id) do nothing",
        &ids,
        &shards,
        &quiet,
        now,
    )
    .execute(conn)
    .await
    .doing("create check states")?;
    Ok(())
}

/// What follows from every spec that is given to a check.
pub(super) async fn note(conn: &mut PgConnection, checks: &[NewCheck]) -> Result<(), StoreError> {
    parents_write(conn, checks).await?;
    change_note(conn, &checks.iter().map(|c| c.id).collect::<Vec<_>>()).await
}

/// Makes exactly those the ones that suppress each check.
async fn parents_write(conn: &mut PgConnection, checks: &[NewCheck]) -> Result<(), StoreError> {
    let ids: Vec<Uuid> = checks.iter().map(|check| check.id.0).collect();
    sqlx::query!("delete from check_parents where check_id = any($1)", &ids)
        .execute(&mut *conn)
        .await
        .doing("forget what suppresses checks")?;
    let pairs = checks.iter().flat_map(|check| {
        let parents = check.spec.suppressed_by.iter();
        parents.map(|parent| (check.id.0, parent.to_string()))
    });
    let (children, parents): (Vec<Uuid>, Vec<String>) = pairs.unzip();
    if children.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "insert into check_parents (check_id, address)
         select * from unnest($1::uuid[], $2::text[]) on conflict do nothing",
        &children,
        &parents,
    )
    .execute(conn)
    .await
    .doing("store what suppresses checks")?;
    Ok(())
}

pub(super) fn taken(error: sqlx::Error, checks: &[NewCheck], doing: &'static str) -> StoreError {
    let first = checks.first().map_or("", |check| check.address.as_str());
    address_taken(error, first, doing)
}

/// Labels as one text, since an array of arrays cannot be a parameter. Neither
/// keys nor values have line breaks.
fn label_list(check: &NewCheck) -> String {
    let labels: Vec<String> = check
        .spec
        .labels
        .iter()
        .map(|(key, value)| format!("{key}={}", value.replace('\n', " ")))
        .collect();
    labels.join("\n")
}
