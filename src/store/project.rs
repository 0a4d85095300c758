//! Projects and what is live of them.

use std::collections::HashMap;

use futures_util::TryStreamExt as _;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::error::{Doing as _, StoreError};
use crate::model::change::Drift;
use crate::model::desired::{API_PROJECT, CANARY_PROJECT, ProjectSpec, SourceLine};
use crate::model::id::{CheckId, SpecId};
use crate::spec::{self, Digest};

/// A stored project.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ProjectId(pub i64);

/// A project as a plan is made from it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Project {
    pub id: ProjectId,
    pub name: String,
    pub generation: i64,
    /// Counts the forced writes to declared objects.
    pub live_version: i64,
    /// Of its `ProjectSpec`.
    pub spec: Option<Digest>,
    /// Repository and folder, at the last apply that knew.
    pub source: Option<(String, String)>,
    pub files: usize,
    pub max_revision: String,
    pub suspended: Option<Suspension>,
    /// The lokahid whose reconciler owns it now.
    pub reconciler: Option<String>,
    /// It only says what it would do.
    pub observed: bool,
    /// What the reconciler may do over a guard.
    pub approved: Option<Vec<u8>>,
    /// And who let it.
    pub approved_by: String,
}

/// Since when a project's reconciler does nothing, who wants that, and why.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Suspension {
    pub since: OffsetDateTime,
    pub by: String,
    pub reason: String,
}

/// A live object of a project, by digests.
#[derive(Clone, Debug)]
pub struct LiveRow {
    pub id: Uuid,
    pub address: String,
    pub live: Digest,
    pub declared: Option<Digest>,
    pub source: SourceLine,
    pub drift: Option<Drift>,
    /// Of a receiver: how many checks tell it.
    pub told_by: i64,
}

struct Row {
    id: i64,
    name: String,
    generation: i64,
    live_version: i64,
    spec: Option<Vec<u8>>,
    source_remote: Option<String>,
    source_path: String,
    files: i32,
    max_revision: String,
    suspended_at: Option<OffsetDateTime>,
    suspended_by: String,
    suspended_reason: String,
    reconciler: Option<String>,
    observed: bool,
    approved: Option<Vec<u8>>,
    approved_by: String,
}

impl Suspension {
    /// Who did it, why, and what ends it.
    pub fn words(&self, project: &str) -> String {
        let Self { by, reason, .. } = self;
        format!("suspended by {by}: {reason}; it goes on with lokahictl resume {project}")
    }
}

impl Project {
    /// One that nobody has applied yet.
    pub fn new(name: &str) -> Self {
        Self {
            id: ProjectId(0),
            name: name.to_owned(),
            generation: 0,
            live_version: 0,
            spec: None,
            source: None,
            files: 0,
            max_revision: String::new(),
            suspended: None,
            reconciler: None,
            observed: false,
            approved: None,
            approved_by: String::new(),
        }
    }

    /// The reconciler whose next round would undo what is not in its files.
    pub fn undone_by(&self) -> Option<&str> {
        let acts = !self.observed && self.suspended.is_none();
        self.reconciler.as_deref().filter(|_| acts)
    }
}

impl From<Row> for Project {
    fn from(row: Row) -> Self {
        Self {
            id: ProjectId(row.id),
            name: row.name,
            generation: row.generation,
            live_version: row.live_version,
            spec: row.spec.and_then(digest),
            source: row.source_remote.map(|remote| (remote, row.source_path)),
            files: usize::try_from(row.files).unwrap_or(0),
            max_revision: row.max_revision,
            suspended: row.suspended_at.map(|since| Suspension {
                since,
                by: row.suspended_by,
                reason: row.suspended_reason,
            }),
            reconciler: row.reconciler,
            observed: row.observed,
            approved: row.approved,
            approved_by: row.approved_by,
        }
    }
}

pub(super) fn digest(bytes: Vec<u8>) -> Option<Digest> {
    bytes.try_into().ok().map(Digest)
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

/// The projects that no files declare.
fn built_in() -> [String; 2] {
    [API_PROJECT, CANARY_PROJECT].map(str::to_owned)
}

/// Every project that files declare, or the one of this name.
pub async fn project_list(
    conn: &mut PgConnection,
    name: Option<&str>,
) -> Result<Vec<Project>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        r#"select p.id, p.name, p.generation, p.live_version, s.digest as "spec?",
               p.source_remote, p.source_path, p.files, p.max_revision,
               p.suspended_at, p.suspended_by, p.suspended_reason,
               case when p.reconciler_until > now() then p.reconciler end as reconciler,
               p.reconciler_observes as observed, p.approved, p.approved_by
           from projects p left join specs s on s.id = p.spec_id
           where p.name <> all($1) and ($2::text is null or p.name = $2)
           order by p.name"#,
        &built_in(),
        name,
    )
    .fetch_all(conn)
    .await
    .doing("list projects")?;
    Ok(rows.into_iter().map(Project::from).collect())
}

/// The project that declares something, if there is exactly one; what the API made is none.
pub async fn project_sole(conn: &mut PgConnection) -> Result<Option<String>, StoreError> {
    let mut names = sqlx::query_scalar!(
        "select p.name from projects p
         where p.name <> all($1) and (
             exists (select from checks c where c.project_id = p.id and c.owner = 'declared'
                 and c.deleted_at is null)
             or exists (select from receivers r where r.project_id = p.id
                 and r.address is not null and r.deleted_at is null))
         limit 2",
        &built_in(),
    )
    .fetch_all(conn)
    .await
    .doing("find the declared projects")?;
    let first = names.pop();
    Ok(first.filter(|_| names.is_empty()))
}

/// The project of this name, made if need be, and locked: one apply at a time.
pub async fn project_lock(conn: &mut PgConnection, name: &str) -> Result<Project, StoreError> {
    sqlx::query!(
        "insert into projects (name) values ($1) on conflict (name) do nothing",
        name
    )
    .execute(&mut *conn)
    .await
    .doing("create a project")?;
    let row = sqlx::query_as!(
        Row,
        r#"select p.id, p.name, p.generation, p.live_version,
               (select s.digest from specs s where s.id = p.spec_id) as "spec?",
               p.source_remote, p.source_path, p.files, p.max_revision,
               p.suspended_at, p.suspended_by, p.suspended_reason,
               case when p.reconciler_until > now() then p.reconciler end as reconciler,
               p.reconciler_observes as observed, p.approved, p.approved_by
           from projects p where p.name = $1 for update"#,
        name
    )
    .fetch_one(conn)
    .await
    .doing("lock a project")?;
    Ok(row.into())
}

/// The live declared checks of a project, by address.
pub async fn project_checks(
    conn: &mut PgConnection,
    project: ProjectId,
) -> Result<Vec<LiveRow>, StoreError> {
    let mut drifts = project_drifts(conn, project).await?;
    let mut found = sqlx::query!(
        r#"select c.id, c.address, s.digest,
               coalesce(c.declared_spec_id = c.live_spec_id, false) as "is_as_declared!",
               case when c.declared_spec_id <> c.live_spec_id
                   then (select d.digest from specs d where d.id = c.declared_spec_id)
               end as "declared?",
               m.file as "file?", m.line as "line?"
           from checks c
           join specs s on s.id = c.live_spec_id
           left join memberships m on m.project_id = c.project_id and m.kind = 'check'
               and m.address = c.address and m.to_gen is null
           where c.project_id = $1 and c.owner = 'declared' and c.deleted_at is null"#,
        project.0,
    )
    .fetch(conn);
    let mut rows = Vec::new();
    while let Some(row) = found.try_next().await.doing("read a project's checks")? {
        let Some(live) = digest(row.digest) else {
            continue;
        };
        rows.push(LiveRow {
            id: row.id,
            address: row.address,
            live,
            declared: match row.is_as_declared {
                true => Some(live),
                false => row.declared.and_then(digest),
            },
            source: source(row.file, row.line),
            drift: drifts.remove(&row.id),
            told_by: 0,
        });
    }
    // By bytes: the database would take the rules of a language, and ten times as long.
    rows.sort_unstable_by(|one, other| one.address.cmp(&other.address));
    Ok(rows)
}

/// Who went past the files of which live checks.
async fn project_drifts(
    conn: &mut PgConnection,
    project: ProjectId,
) -> Result<HashMap<Uuid, Drift>, StoreError> {
    let rows = sqlx::query!(
        "select f.check_id, f.by_whom, f.at, f.reason from drifts f
         join checks c on c.id = f.check_id
         where c.project_id = $1 and c.deleted_at is null",
        project.0,
    )
    .fetch_all(conn)
    .await
    .doing("read what was changed past the files")?;
    let rows = rows.into_iter().filter_map(|row| {
        let drift = drift(Some(row.by_whom), Some(row.at), Some(row.reason));
        Some((row.check_id, drift?))
    });
    Ok(rows.collect())
}

/// The checks that files declared last and that somebody has deleted past them, by address.
pub async fn project_ended(
    conn: &mut PgConnection,
    project: ProjectId,
) -> Result<Vec<LiveRow>, StoreError> {
    let rows = sqlx::query!(
        r#"select c.id, c.address, s.digest, m.file, m.line, f.by_whom, f.at, f.reason
           from drifts f
           join checks c on c.id = f.check_id
           join specs s on s.id = c.live_spec_id
           join memberships m on m.project_id = c.project_id and m.kind = 'check'
               and m.object = c.id and m.to_gen is null
           where c.project_id = $1 and c.deleted_at is not null
           order by c.address"#,
        project.0,
    )
    .fetch_all(conn)
    .await
    .doing("read what was deleted past the files")?;
    Ok(rows
        .into_iter()
        .filter_map(|row| {
            Some(LiveRow {
                id: row.id,
                address: row.address,
                live: digest(row.digest)?,
                declared: None,
                source: source(Some(row.file), Some(row.line)),
                drift: drift(Some(row.by_whom), Some(row.at), Some(row.reason)),
                told_by: 0,
            })
        })
        .collect())
}

/// The live declared receivers of a project, by address.
pub async fn project_receivers(
    conn: &mut PgConnection,
    project: ProjectId,
) -> Result<Vec<LiveRow>, StoreError> {
    let rows = sqlx::query!(
        r#"select r.id, r.address as "address!", s.digest,
               m.file as "file?", m.line as "line?",
               (select count(*) from check_receivers l join checks c on c.id = l.check_id
                where l.receiver_id = r.id and c.deleted_at is null) as "told_by!"
           from receivers r
           join specs s on s.id = r.spec_id
           left join memberships m on m.project_id = r.project_id and m.kind = 'webhook'
               and m.address = r.address and m.to_gen is null
           where r.project_id = $1 and r.address is not null and r.deleted_at is null
           order by r.address"#,
        project.0,
    )
    .fetch_all(conn)
    .await
    .doing("read a project's receivers")?;
    Ok(rows
        .into_iter()
        .filter_map(|row| {
            Some(LiveRow {
                id: row.id,
                address: row.address,
                live: digest(row.digest)?,
                declared: None,
                source: source(row.file, row.line),
                drift: None,
                told_by: row.told_by,
            })
        })
        .collect())
}

fn source(file: Option<String>, line: Option<i32>) -> SourceLine {
    SourceLine {
        file: file.unwrap_or_default(),
        line: line.and_then(|line| u32::try_from(line).ok()).unwrap_or(0),
    }
}

pub(super) fn drift(
    by: Option<String>,
    at: Option<OffsetDateTime>,
    reason: Option<String>,
) -> Option<Drift> {
    Some(Drift {
        by: by?,
        at: at?,
        reason: reason.unwrap_or_default(),
    })
}

/// Where a declared check stands: project, file, line, and the generation that says so.
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
    Ok(row.map(|row| (source(Some(row.file), Some(row.line)), row.from_gen)))
}

/// Locks the project of a declared check: before the check itself, as an apply does it, or the
/// two would wait for each other.
pub async fn project_lock_of(conn: &mut PgConnection, check: CheckId) -> Result<(), StoreError> {
    sqlx::query!(
        r#"select 1 as "one!" from projects p join checks c on c.project_id = p.id
           where c.id = $1 and c.owner = 'declared' for update of p"#,
        check.0,
    )
    .fetch_optional(conn)
    .await
    .doing("lock the project of a check")?;
    Ok(())
}

/// Notes a forced write to a declared check: the project's live version, which makes plans of
/// before be looked at again, and who made the two differ.
pub async fn project_forced(
    conn: &mut PgConnection,
    project: &str,
    check: CheckId,
    drift: &Drift,
) -> Result<(), StoreError> {
    sqlx::query!(
        "update projects set live_version = live_version + 1 where name = $1",
        project
    )
    .execute(&mut *conn)
    .await
    .doing("note a forced change")?;
    sqlx::query!(
        "insert into drifts (check_id, by_whom, at, reason) values ($1, $2, $3, $4)
         on conflict (check_id) do update set by_whom = $2, at = $3, reason = $4",
        check.0,
        drift.by,
        drift.at,
        drift.reason,
    )
    .execute(conn)
    .await
    .doing("note who forced a change")?;
    Ok(())
}

/// Who went past the files of a project last, and when, as far as it was not undone yet.
pub async fn project_forced_last(
    conn: &mut PgConnection,
    project: ProjectId,
) -> Result<Option<(String, OffsetDateTime)>, StoreError> {
    let row = sqlx::query!(
        "select f.by_whom, f.at from drifts f join checks c on c.id = f.check_id
         where c.project_id = $1 order by f.at desc limit 1",
        project.0,
    )
    .fetch_optional(conn)
    .await
    .doing("find the newest forced change")?;
    Ok(row.map(|row| (row.by_whom, row.at)))
}

/// Forgets who made these differ: they do not any more.
pub async fn project_settled(conn: &mut PgConnection, checks: &[Uuid]) -> Result<(), StoreError> {
    sqlx::query!("delete from drifts where check_id = any($1)", checks)
        .execute(conn)
        .await
        .doing("forget forced changes")?;
    Ok(())
}

/// Makes this what the root says of the project itself.
pub async fn project_spec(
    conn: &mut PgConnection,
    project: ProjectId,
    spec: SpecId,
) -> Result<(), StoreError> {
    sqlx::query!(
        "update projects set spec_id = $2 where id = $1",
        project.0,
        spec.0
    )
    .execute(conn)
    .await
    .doing("store what a root says of its project")?;
    Ok(())
}

/// How much a project has, and how that does.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    pub checks: i64,
    pub webhooks: i64,
    pub disabled: i64,
    /// Checks whose live spec is not what was declared.
    pub changed: i64,
    /// Declared ones that were deleted past the files and can come back.
    pub ended: i64,
    pub up: i64,
    /// DOWN or ERROR.
    pub down: i64,
    /// Nobody probes them for now.
    pub paused: i64,
    /// What would be told of them is held back.
    pub muted: i64,
    /// Of which the newest probe says nothing.
    pub unknown: i64,
}

/// How much a project has now.
pub async fn project_counts(
    conn: &mut PgConnection,
    project: ProjectId,
) -> Result<Counts, StoreError> {
    sqlx::query_as!(
        Counts,
        r#"select count(*) as "checks!",
               (select count(*) from receivers r where r.project_id = $1
                    and r.address is not null and r.deleted_at is null) as "webhooks!",
               count(*) filter (where c.disabled) as "disabled!",
               count(*) filter (where c.live_spec_id is distinct from c.declared_spec_id)
                   as "changed!",
               (select count(*) from drifts f join checks g on g.id = f.check_id
                    join memberships m on m.project_id = g.project_id and m.kind = 'check'
                        and m.object = g.id and m.to_gen is null
                    where g.project_id = $1 and g.deleted_at > now() - interval '7 days')
                   as "ended!",
               count(*) filter (where t.state = 1 and not c.disabled) as "up!",
               count(*) filter (where t.state in (2, 3) and not c.disabled) as "down!",
               count(*) filter (where v.paused) as "paused!",
               count(*) filter (where v.muted) as "muted!",
               count(*) filter (where t.last_outcome = 4 and not c.disabled
                   and v.paused is not true) as "unknown!"
           from checks c left join check_states t on t.check_id = c.id
           left join (select o.check_id, bool_or(o.kind = 'paused') as paused,
               bool_or(o.kind = 'muted') as muted from overlays o
               where o.until is null or o.until > now() group by o.check_id) v
               on v.check_id = c.id
           where c.project_id = $1 and c.owner = 'declared' and c.deleted_at is null"#,
        project.0,
    )
    .fetch_one(conn)
    .await
    .doing("count what a project has")
}

/// What the root says of its project, as it was last applied.
pub async fn project_settings(
    conn: &mut PgConnection,
    project: ProjectId,
) -> Result<ProjectSpec, StoreError> {
    let bytes = sqlx::query_scalar!(
        "select s.bytes from projects p join specs s on s.id = p.spec_id where p.id = $1",
        project.0
    )
    .fetch_optional(conn)
    .await
    .doing("read what a root says of its project")?;
    let spec = bytes.and_then(|bytes| spec::decode_project(&bytes).ok());
    Ok(spec.unwrap_or_default())
}
