//! Generations: what each apply did, and which spec each address had from when to when.

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::error::{Doing as _, StoreError};
use super::project::{ProjectId, digest};
use crate::model::change::{Kind, Summary};
use crate::model::desired::{Revision, SourceLine};
use crate::model::id::SpecId;
use crate::plan::places::Place;
use crate::spec::Digest;

/// What kind of write made a generation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GenerationKind {
    /// A person or CI.
    Apply,
    /// lokahid, from its source.
    Reconcile,
    /// An earlier generation again.
    Rollback,
    /// Something that was deleted came back.
    Restore,
}

impl GenerationKind {
    /// The name that is stored and shown.
    pub fn name(self) -> &'static str {
        match self {
            Self::Apply => "apply",
            Self::Reconcile => "reconcile",
            Self::Rollback => "rollback",
            Self::Restore => "restore",
        }
    }
}

/// A generation to be written.
#[derive(Clone, Debug)]
pub struct NewGeneration<'a> {
    pub n: i64,
    pub kind: GenerationKind,
    pub actor: &'a str,
    pub revision: &'a Revision,
    pub summary: Summary,
    pub digest: Digest,
    pub at: OffsetDateTime,
}

/// A stored one.
#[derive(Clone, Debug)]
pub struct Generation {
    pub n: i64,
    pub kind: String,
    pub actor: String,
    pub revision: Revision,
    pub summary: Summary,
    pub at: OffsetDateTime,
}

/// Which spec an address has from now on; `None` when it is gone.
#[derive(Clone, Debug)]
pub struct Membership {
    pub kind: Kind,
    pub address: String,
    pub object: Option<Uuid>,
    pub spec_id: Option<SpecId>,
    pub source: SourceLine,
}

/// What a generation had at an address.
#[derive(Clone, Debug)]
pub struct Member {
    pub kind: Kind,
    pub address: String,
    /// Unknown of what was applied by an early version.
    pub object: Option<Uuid>,
    pub digest: Digest,
    pub source: SourceLine,
}

/// Writes a generation and makes it the project's newest.
pub async fn generation_create(
    conn: &mut PgConnection,
    project: ProjectId,
    new: &NewGeneration<'_>,
) -> Result<(), StoreError> {
    let count = |n: usize| i32::try_from(n).unwrap_or(i32::MAX);
    let (revision, summary) = (new.revision, new.summary);
    sqlx::query!(
        "insert into generations (project_id, n, kind, actor, reference, sha, dirty,
             created, updated, deleted, at, remote, path, variables, ci_url, claimed_by, files,
             renamed, adopted, released, revived, drifted, set_digest)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17,
             $18, $19, $20, $21, $22, $23)",
        project.0,
        new.n,
        new.kind.name(),
        new.actor,
        revision.reference,
        revision.sha,
        revision.dirty,
        count(summary.create),
        count(summary.update),
        count(summary.delete),
        new.at,
        revision.remote,
        revision.path,
        revision.variables,
        revision.ci_url,
        revision.claimed_by,
        count(revision.files),
        count(summary.rename),
        count(summary.adopt),
        count(summary.release),
        count(summary.revive),
        count(summary.drifted),
        &new.digest.0[..],
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

/// What an apply says of where the files come from.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// It is the highest commit.
    pub newest: bool,
    /// All of the files were applied.
    pub whole: bool,
}

/// Remembers where a project's files come from now.
pub async fn generation_source(
    conn: &mut PgConnection,
    project: ProjectId,
    revision: &Revision,
    known: Known,
) -> Result<(), StoreError> {
    let files = i32::try_from(revision.files).unwrap_or(i32::MAX);
    sqlx::query!(
        "update projects set
             source_remote = case when $7 then $2 else source_remote end,
             source_path = case when $7 then $3 else source_path end,
             files = case when $7 then $4 else files end,
             max_revision = case when $5 then $6 else max_revision end,
             approved = null, approved_by = ''
         where id = $1",
        project.0,
        revision.remote,
        revision.path,
        files,
        known.newest,
        revision.sha,
        known.whole,
    )
    .execute(conn)
    .await
    .doing("remember where a project comes from")?;
    Ok(())
}

/// The commit of the newest generation that was made from files; empty if none is known.
pub async fn generation_sha(
    conn: &mut PgConnection,
    project: ProjectId,
) -> Result<String, StoreError> {
    let sha = sqlx::query_scalar!(
        "select sha from generations
         where project_id = $1 and kind in ('apply', 'reconcile') order by n desc limit 1",
        project.0,
    )
    .fetch_optional(conn)
    .await
    .doing("read which commit was applied last")?;
    Ok(sha.unwrap_or_default())
}

/// The newest generations below `before`, newest first.
pub async fn generation_list(
    conn: &mut PgConnection,
    project: ProjectId,
    before: i64,
    count: i64,
) -> Result<Vec<Generation>, StoreError> {
    let rows = sqlx::query!(
        "select n, kind, actor, reference, sha, dirty, remote, path, variables, ci_url,
             claimed_by, files, created, updated, deleted, renamed, adopted, released, revived,
             drifted, at
         from generations where project_id = $1 and n < $2 order by n desc limit $3",
        project.0,
        before,
        count,
    )
    .fetch_all(conn)
    .await
    .doing("list generations")?;
    let n = |count: i32| usize::try_from(count).unwrap_or(0);
    Ok(rows
        .into_iter()
        .map(|row| Generation {
            n: row.n,
            kind: row.kind,
            actor: row.actor,
            revision: Revision {
                reference: row.reference,
                sha: row.sha,
                dirty: row.dirty,
                remote: row.remote,
                path: row.path,
                variables: row.variables,
                ci_url: row.ci_url,
                claimed_by: row.claimed_by,
                files: n(row.files),
                ..Revision::default()
            },
            summary: Summary {
                create: n(row.created),
                revive: n(row.revived),
                update: n(row.updated),
                rename: n(row.renamed),
                adopt: n(row.adopted),
                release: n(row.released),
                delete: n(row.deleted),
                drifted: n(row.drifted),
            },
            at: row.at,
        })
        .collect())
}

/// Everything that a generation had; empty when there was no such generation.
pub async fn generation_members(
    conn: &mut PgConnection,
    project: ProjectId,
    n: i64,
) -> Result<Vec<Member>, StoreError> {
    let rows = sqlx::query!(
        "select m.kind, m.address, m.object, s.digest, m.file, m.line from memberships m
         join specs s on s.id = m.spec_id
         where m.project_id = $1 and m.from_gen <= $2 and (m.to_gen is null or m.to_gen >= $2)
         order by m.kind, m.address",
        project.0,
        n,
    )
    .fetch_all(conn)
    .await
    .doing("read a generation")?;
    Ok(rows
        .into_iter()
        .filter_map(|row| {
            Some(Member {
                kind: Kind::from_name(&row.kind)?,
                address: row.address,
                object: row.object,
                digest: digest(row.digest)?,
                source: SourceLine {
                    file: row.file,
                    line: u32::try_from(row.line).unwrap_or(0),
                },
            })
        })
        .collect())
}

/// Notes where in the files these stand by now; that makes no generation.
pub async fn generation_places(
    conn: &mut PgConnection,
    project: ProjectId,
    places: &[Place],
) -> Result<(), StoreError> {
    let kinds: Vec<String> = places.iter().map(|p| p.kind.name().to_owned()).collect();
    let addresses: Vec<String> = places.iter().map(|p| p.address.clone()).collect();
    let files: Vec<String> = places.iter().map(|p| p.source.file.clone()).collect();
    let lines: Vec<i32> = places
        .iter()
        .map(|p| i32::try_from(p.source.line).unwrap_or(i32::MAX))
        .collect();
    sqlx::query!(
        "update memberships m set file = n.file, line = n.line
         from unnest($2::text[], $3::text[], $4::text[], $5::integer[])
             as n (kind, address, file, line)
         where m.project_id = $1 and m.kind = n.kind and m.address = n.address
             and m.to_gen is null and (m.file, m.line) <> (n.file, n.line)",
        project.0,
        &kinds,
        &addresses,
        &files,
        &lines,
    )
    .execute(conn)
    .await
    .doing("note where objects stand")?;
    Ok(())
}

/// Ends what these addresses had until generation `n` and begins what they
/// have from it on.
pub async fn generation_remember(
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
    let objects: Vec<Option<Uuid>> = alive().map(|(m, _)| m.object).collect();
    let spec_ids: Vec<i64> = alive().map(|(_, spec_id)| spec_id.0).collect();
    let files: Vec<String> = alive().map(|(m, _)| m.source.file.clone()).collect();
    let lines: Vec<i32> = alive()
        .map(|(m, _)| i32::try_from(m.source.line).unwrap_or(i32::MAX))
        .collect();
    sqlx::query!(
        "insert into memberships
             (project_id, kind, address, spec_id, from_gen, file, line, object)
         select $1, kind, address, spec_id, $2, file, line, object
         from unnest($3::text[], $4::text[], $5::bigint[], $6::text[], $7::integer[], $8::uuid[])
             as m (kind, address, spec_id, file, line, object)",
        project.0,
        n,
        &kinds,
        &addresses,
        &spec_ids,
        &files,
        &lines,
        &objects as &[Option<Uuid>],
    )
    .execute(conn)
    .await
    .doing("begin memberships")?;
    Ok(())
}
