//! Projects, what they declare, and their generations.

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::error::{Doing as _, StoreError};
use crate::model::change::Kind;
use crate::model::desired::{API_PROJECT, Revision, SourceLine};
use crate::model::id::{CheckId, ReceiverId, SpecId};

/// A stored project.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ProjectId(pub i64);

/// A project, locked until the transaction ends.
#[derive(Clone, Copy, Debug)]
pub struct LockedProject {
    pub id: ProjectId,
    pub generation: i64,
}

/// A live declared check or receiver.
#[derive(Clone, Debug)]
pub struct DeclaredRow<Id> {
    pub id: Id,
    pub address: String,
    pub spec_id: SpecId,
    pub bytes: Vec<u8>,
}

/// What kind of write made a generation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GenerationKind {
    /// A person or CI.
    Apply,
    /// lokahid, from its folder.
    Reconcile,
}

/// A generation to be written.
#[derive(Clone, Debug)]
pub struct NewGeneration<'a> {
    pub n: i64,
    pub kind: GenerationKind,
    pub actor: &'a str,
    pub revision: &'a Revision,
    pub created: usize,
    pub updated: usize,
    pub deleted: usize,
    pub at: OffsetDateTime,
}

/// Which spec an address has from now on; `None` when it is gone.
#[derive(Clone, Debug)]
pub struct Membership {
    pub kind: Kind,
    pub address: String,
    pub spec_id: Option<SpecId>,
    pub source: SourceLine,
}

/// The project of this name, if there is one.
pub async fn project_find(
    conn: &mut PgConnection,
    name: &str,
) -> Result<Option<ProjectId>, StoreError> {
    let id = sqlx::query_scalar!("select id from projects where name = $1", name)
        .fetch_optional(conn)
        .await
        .doing("find a project")?;
    Ok(id.map(ProjectId))
}

/// The project that declares something, if there is exactly one; what the API made is none.
pub async fn project_sole(conn: &mut PgConnection) -> Result<Option<String>, StoreError> {
    let mut names = sqlx::query_scalar!(
        "select p.name from projects p
         where p.name <> $1 and (
             exists (select from checks c where c.project_id = p.id and c.owner = 'declared'
                 and c.deleted_at is null)
             or exists (select from receivers r where r.project_id = p.id
                 and r.address is not null and r.deleted_at is null))
         limit 2",
        API_PROJECT,
    )
    .fetch_all(conn)
    .await
    .doing("find the declared projects")?;
    let first = names.pop();
    Ok(first.filter(|_| names.is_empty()))
}

/// The project of this name, made if need be, and locked: one apply at a time.
pub async fn project_lock(
    conn: &mut PgConnection,
    name: &str,
) -> Result<LockedProject, StoreError> {
    sqlx::query!(
        "insert into projects (name) values ($1) on conflict (name) do nothing",
        name
    )
    .execute(&mut *conn)
    .await
    .doing("create a project")?;
    let row = sqlx::query!(
        "select id, generation from projects where name = $1 for update",
        name
    )
    .fetch_one(conn)
    .await
    .doing("lock a project")?;
    Ok(LockedProject {
        id: ProjectId(row.id),
        generation: row.generation,
    })
}

/// The live declared checks of a project, by address.
pub async fn project_checks(
    conn: &mut PgConnection,
    project: ProjectId,
) -> Result<Vec<DeclaredRow<CheckId>>, StoreError> {
    let rows = sqlx::query!(
        "select c.id, c.address, s.id as spec_id, s.bytes from checks c
         join specs s on s.id = c.live_spec_id
         where c.project_id = $1 and c.owner = 'declared' and c.deleted_at is null
         order by c.address",
        project.0,
    )
    .fetch_all(conn)
    .await
    .doing("read a project's checks")?;
    Ok(rows
        .into_iter()
        .map(|row| DeclaredRow {
            id: CheckId(row.id),
            address: row.address,
            spec_id: SpecId(row.spec_id),
            bytes: row.bytes,
        })
        .collect())
}

/// The live declared receivers of a project, by address.
pub async fn project_receivers(
    conn: &mut PgConnection,
    project: ProjectId,
) -> Result<Vec<DeclaredRow<ReceiverId>>, StoreError> {
    let rows = sqlx::query!(
        r#"select r.id, r.address as "address!", s.id as spec_id, s.bytes from receivers r
           join specs s on s.id = r.spec_id
           where r.project_id = $1 and r.address is not null and r.deleted_at is null
           order by r.address"#,
        project.0,
    )
    .fetch_all(conn)
    .await
    .doing("read a project's receivers")?;
    Ok(rows
        .into_iter()
        .map(|row| DeclaredRow {
            id: ReceiverId(row.id),
            address: row.address,
            spec_id: SpecId(row.spec_id),
            bytes: row.bytes,
        })
        .collect())
}

/// Writes a generation and makes it the project's newest.
pub async fn project_advance(
    conn: &mut PgConnection,
    project: ProjectId,
    new: &NewGeneration<'_>,
) -> Result<(), StoreError> {
    let kind = match new.kind {
        GenerationKind::Apply => "apply",
        GenerationKind::Reconcile => "reconcile",
    };
    let count = |n: usize| i32::try_from(n).unwrap_or(i32::MAX);
    sqlx::query!(
        "insert into generations (project_id, n, kind, actor, reference, sha, dirty,
             created, updated, deleted, at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        project.0,
        new.n,
        kind,
        new.actor,
        new.revision.reference,
        new.revision.sha,
        new.revision.dirty,
        count(new.created),
        count(new.updated),
        count(new.deleted),
        new.at,
    )
    .execute(&mut *conn)
    .await
    .doing("store a generation")?;
    sqlx::query!(
        "update projects set generation = $2 where id = $1",
        project.0,
        new.n
    )
    .execute(conn)
    .await
    .doing("advance a project")?;
    Ok(())
}

/// Ends what these addresses had until generation `n` and begins what they
/// have from it on.
pub async fn project_remember(
    conn: &mut PgConnection,
    project: ProjectId,
    n: i64,
    members: &[Membership],
) -> Result<(), StoreError> {
    let kinds: Vec<String> = members.iter().map(|m| m.kind.name().to_owned()).collect();
    let addresses: Vec<String> = members.iter().map(|m| m.address.clone()).collect();
    sqlx::query!(
        "update memberships m set to_gen = $2::bigint - 1
         from unnest($3::text[], $4::text[]) as n (kind, address)
         where m.project_id = $1 and m.kind = n.kind and m.address = n.address
             and m.to_gen is null",
        project.0,
        n,
        &kinds,
        &addresses,
    )
    .execute(&mut *conn)
    .await
    .doing("end memberships")?;
    let alive = || {
        members
            .iter()
            .filter_map(|m| m.spec_id.map(|spec_id| (m, spec_id)))
    };
    let kinds: Vec<String> = alive().map(|(m, _)| m.kind.name().to_owned()).collect();
    let addresses: Vec<String> = alive().map(|(m, _)| m.address.clone()).collect();
    let spec_ids: Vec<i64> = alive().map(|(_, spec_id)| spec_id.0).collect();
    let files: Vec<String> = alive().map(|(m, _)| m.source.file.clone()).collect();
    let lines: Vec<i32> = alive()
        .map(|(m, _)| i32::try_from(m.source.line).unwrap_or(i32::MAX))
        .collect();
    sqlx::query!(
        "insert into memberships (project_id, kind, address, spec_id, from_gen, file, line)
         select $1, kind, address, spec_id, $2, file, line
         from unnest($3::text[], $4::text[], $5::bigint[], $6::text[], $7::integer[])
             as m (kind, address, spec_id, file, line)",
        project.0,
        n,
        &kinds,
        &addresses,
        &spec_ids,
        &files,
        &lines,
    )
    .execute(conn)
    .await
    .doing("begin memberships")?;
    Ok(())
}

/// Where a declared check stands: file, line, and the generation that says so.
pub async fn project_source(
    conn: &mut PgConnection,
    check: CheckId,
) -> Result<Option<(SourceLine, i64)>, StoreError> {
    let id: Uuid = check.0;
    let row = sqlx::query!(
        "select m.file, m.line, m.from_gen from checks c
         join memberships m on m.project_id = c.project_id and m.kind = 'check'
             and m.address = c.address and m.to_gen is null
         where c.id = $1",
        id,
    )
    .fetch_optional(conn)
    .await
    .doing("find where a check is declared")?;
    Ok(row.map(|row| {
        let line = u32::try_from(row.line).unwrap_or(0);
        (
            SourceLine {
                file: row.file,
                line,
            },
            row.from_gen,
        )
    }))
}
