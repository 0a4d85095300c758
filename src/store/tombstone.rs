//! What was deleted and can come back, and what the API has that a project may take.

use std::collections::HashMap;

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::error::{Doing as _, StoreError};
use super::project::{ProjectId, digest, drift};
use super::spec::check_of;
use crate::model::change::{Drift, Kind};
use crate::model::check::CheckSpec;
use crate::model::desired::API_PROJECT;
use crate::model::id::SpecId;
use crate::model::ownership::Owner;
use crate::spec::Digest;

/// A deleted object of a project.
#[derive(Clone, Debug)]
pub struct DeadRow {
    pub id: Uuid,
    pub address: String,
    pub owner: Owner,
    pub live: Digest,
    pub deleted_at: OffsetDateTime,
    /// Who deleted it past the files, if somebody did.
    pub drift: Option<Drift>,
}

/// The newest tombstone of each of these addresses that was made after `since`.
pub async fn tombstone_find(
    conn: &mut PgConnection,
    project: ProjectId,
    kind: Kind,
    addresses: &[String],
    since: OffsetDateTime,
) -> Result<Vec<DeadRow>, StoreError> {
    if addresses.is_empty() {
        return Ok(Vec::new());
    }
    match kind {
        Kind::Project => Ok(Vec::new()),
        Kind::Webhook => dead_receivers(conn, project, addresses, since).await,
        Kind::Check => dead_checks(conn, project, addresses, since).await,
    }
}

/// The tombstones of these objects in these projects that were made after `since`.
pub async fn tombstone_by_id(
    conn: &mut PgConnection,
    projects: &[ProjectId],
    kind: Kind,
    ids: &[Uuid],
    since: OffsetDateTime,
) -> Result<Vec<DeadRow>, StoreError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let projects: Vec<i64> = projects.iter().map(|project| project.0).collect();
    let rows = match kind {
        Kind::Project => return Ok(Vec::new()),
        Kind::Check => sqlx::query_as!(
            Dead,
            r#"select c.id, c.address, c.owner, s.digest, c.deleted_at as "deleted_at!",
                   f.by_whom as "by?", f.at as "at?", f.reason as "reason?"
               from checks c
               join specs s on s.id = c.live_spec_id
               left join drifts f on f.check_id = c.id
               where c.id = any($1) and c.project_id = any($2) and c.deleted_at > $3"#,
            ids,
            &projects,
            since,
        )
        .fetch_all(conn)
        .await
        .doing("find deleted checks by their ids")?,
        Kind::Webhook => sqlx::query_as!(
            Dead,
            r#"select r.id, r.address as "address!", 'declared' as "owner!", s.digest,
                   r.deleted_at as "deleted_at!",
                   null as "by?", null::timestamptz as "at?", null as "reason?"
               from receivers r join specs s on s.id = r.spec_id
               where r.id = any($1) and r.project_id = any($2) and r.deleted_at > $3
                   and r.address is not null"#,
            ids,
            &projects,
            since,
        )
        .fetch_all(conn)
        .await
        .doing("find deleted receivers by their ids")?,
    };
    Ok(rows.into_iter().filter_map(Dead::row).collect())
}

struct Dead {
    id: Uuid,
    address: String,
    owner: String,
    digest: Vec<u8>,
    deleted_at: OffsetDateTime,
    by: Option<String>,
    at: Option<OffsetDateTime>,
    reason: Option<String>,
}

impl Dead {
    fn row(self) -> Option<DeadRow> {
        Some(DeadRow {
            id: self.id,
            address: self.address,
            owner: Owner::from_name(&self.owner)?,
            live: digest(self.digest)?,
            deleted_at: self.deleted_at,
            drift: drift(self.by, self.at, self.reason),
        })
    }
}

async fn dead_checks(
    conn: &mut PgConnection,
    project: ProjectId,
    addresses: &[String],
    since: OffsetDateTime,
) -> Result<Vec<DeadRow>, StoreError> {
    let rows = sqlx::query_as!(
        Dead,
        r#"select distinct on (c.address) c.id, c.address, c.owner, s.digest,
               c.deleted_at as "deleted_at!",
               f.by_whom as "by?", f.at as "at?", f.reason as "reason?"
           from checks c
           join specs s on s.id = c.live_spec_id
           left join drifts f on f.check_id = c.id
           where c.project_id = $1 and c.address = any($2) and c.deleted_at > $3
           order by c.address, c.deleted_at desc"#,
        project.0,
        addresses,
        since,
    )
    .fetch_all(conn)
    .await
    .doing("find deleted checks")?;
    Ok(rows.into_iter().filter_map(Dead::row).collect())
}

async fn dead_receivers(
    conn: &mut PgConnection,
    project: ProjectId,
    addresses: &[String],
    since: OffsetDateTime,
) -> Result<Vec<DeadRow>, StoreError> {
    let rows = sqlx::query_as!(
        Dead,
        r#"select distinct on (r.address) r.id, r.address as "address!",
               'declared' as "owner!", s.digest,
               r.deleted_at as "deleted_at!", null as "by?", null::timestamptz as "at?",
               null as "reason?"
           from receivers r join specs s on s.id = r.spec_id
           where r.project_id = $1 and r.address = any($2) and r.deleted_at > $3
           order by r.address, r.deleted_at desc"#,
        project.0,
        addresses,
        since,
    )
    .fetch_all(conn)
    .await
    .doing("find deleted receivers")?;
    Ok(rows.into_iter().filter_map(Dead::row).collect())
}

/// A deleted check of the API.
#[derive(Clone, Debug)]
pub struct DeadCheck {
    pub id: Uuid,
    pub address: String,
    pub spec_id: SpecId,
    pub spec: CheckSpec,
}

/// The check of the API that has this id, or was the last to have this name, and was deleted
/// after `since`; locked until the transaction ends.
pub async fn tombstone_api(
    conn: &mut PgConnection,
    wanted: &str,
    since: OffsetDateTime,
) -> Result<Option<DeadCheck>, StoreError> {
    let row = sqlx::query!(
        "select c.id, c.address, c.live_spec_id, s.bytes
         from checks c
         join projects p on p.id = c.project_id
         join specs s on s.id = c.live_spec_id
         where p.name = $1 and c.owner = 'api' and c.deleted_at > $3
             and (c.address = $2 or c.id::text = $2)
         order by c.deleted_at desc limit 1
         for no key update of c",
        API_PROJECT,
        wanted,
        since,
    )
    .fetch_optional(conn)
    .await
    .doing("find a deleted check")?;
    let Some(row) = row else { return Ok(None) };
    let spec = check_of(row.live_spec_id, &row.bytes)?;
    Ok(Some(DeadCheck {
        id: row.id,
        address: row.address,
        spec_id: SpecId(row.live_spec_id),
        spec,
    }))
}

/// The API's checks that have these ids or names, locked until the transaction ends, each
/// with its name or id as it was asked for. What is recorded of them meanwhile does not wait.
pub async fn api_checks_lock(
    conn: &mut PgConnection,
    wanted: &[String],
) -> Result<Vec<(String, Uuid, Digest)>, StoreError> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    // Its spec is read afterwards: one that is changed while this waits for it would not be
    // found with the new one.
    let locked = sqlx::query!(
        r#"select w.name as "name!", c.id
           from checks c
           join projects p on p.id = c.project_id
           join unnest($2::text[]) as w (name) on w.name = c.address or w.name = c.id::text
           where p.name = $1 and c.owner = 'api' and c.deleted_at is null
           for no key update of c"#,
        API_PROJECT,
        wanted,
    )
    .fetch_all(&mut *conn)
    .await
    .doing("lock the API's checks")?;
    let ids: Vec<Uuid> = locked.iter().map(|row| row.id).collect();
    let specs = sqlx::query!(
        "select c.id, s.digest from checks c join specs s on s.id = c.live_spec_id
         where c.id = any($1)",
        &ids,
    )
    .fetch_all(conn)
    .await
    .doing("read the API's checks")?;
    let specs = specs
        .into_iter()
        .filter_map(|row| Some((row.id, digest(row.digest)?)));
    let specs: HashMap<Uuid, Digest> = specs.collect();
    Ok(locked
        .into_iter()
        .filter_map(|row| Some((row.name, row.id, *specs.get(&row.id)?)))
        .collect())
}

/// Checks of the API that have one of these names, or had it in this project once, each with
/// that name.
pub async fn api_checks_beside(
    conn: &mut PgConnection,
    project: ProjectId,
    addresses: &[String],
) -> Result<Vec<(String, Uuid)>, StoreError> {
    let rows = sqlx::query!(
        r#"with w as (select unnest($3::text[]) as name),
           api as (select id from projects where name = $1)
           select w.name as "name!", c.id as "id!" from w
           join checks c on c.project_id = (select id from api) and c.address = w.name
               and c.deleted_at is null
           union
           select w.name, c.id from w
           join memberships m on m.project_id = $2 and m.kind = 'check' and m.address = w.name
           join checks c on c.id = m.object and c.project_id = (select id from api)
               and c.deleted_at is null
           order by 1, 2"#,
        API_PROJECT,
        project.0,
        addresses,
    )
    .fetch_all(conn)
    .await
    .doing("find what the API has beside")?;
    Ok(rows.into_iter().map(|row| (row.name, row.id)).collect())
}

/// The addresses of those of these checks of a project that the API had first.
pub async fn checks_adopted(
    conn: &mut PgConnection,
    project: ProjectId,
    ids: &[Uuid],
) -> Result<Vec<String>, StoreError> {
    // What an apply makes is as old as its generation.
    sqlx::query_scalar!(
        "select c.address from checks c
         join memberships m on m.project_id = $1 and m.kind = 'check' and m.object = c.id
         join generations g on g.project_id = $1 and g.n = m.from_gen
         where c.id = any($2) and c.project_id = $1
         group by c.id, c.address, c.created_at having min(g.at) > c.created_at
         order by c.address",
        project.0,
        ids,
    )
    .fetch_all(conn)
    .await
    .doing("find what was adopted")
}

/// Of these live checks of a project the ones that a `restore` brought back and no files have
/// declared since: their addresses, by whom and when.
pub async fn checks_restored(
    conn: &mut PgConnection,
    project: ProjectId,
    ids: &[Uuid],
) -> Result<Vec<(String, String, OffsetDateTime)>, StoreError> {
    let rows = sqlx::query!(
        "select c.address, g.actor, g.at from memberships m
         join generations g on g.project_id = m.project_id and g.n = m.from_gen
         join checks c on c.id = m.object
         where m.project_id = $1 and m.kind = 'check' and m.object = any($2)
             and m.to_gen is null and g.kind = 'restore'
         order by c.address",
        project.0,
        ids,
    )
    .fetch_all(conn)
    .await
    .doing("find what was restored")?;
    let rows = rows.into_iter();
    Ok(rows.map(|row| (row.address, row.actor, row.at)).collect())
}

/// Which of these names checks of the API have by now.
pub async fn api_names_taken(
    conn: &mut PgConnection,
    addresses: &[String],
) -> Result<Vec<String>, StoreError> {
    sqlx::query_scalar!(
        "select c.address from checks c join projects p on p.id = c.project_id
         where p.name = $1 and c.address = any($2) and c.deleted_at is null
         order by c.address",
        API_PROJECT,
        addresses,
    )
    .fetch_all(conn)
    .await
    .doing("find names that the API has given")
}
