//! How projects stand beside what they declare: conditions, who reconciles them, and what
//! people have said about that.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::error::{Doing as _, StoreError};
use super::project::ProjectId;

/// An aspect of how a project stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Aspect {
    /// What is live is what the source says.
    Ready,
    /// A round is going on, or is tried again.
    Reconciling,
    /// Something waits for a person.
    Held,
    /// Somebody changed what files declare.
    Drifted,
}

impl Aspect {
    /// Every aspect, in the order in which people see them.
    pub const ALL: [Self; 4] = [Self::Ready, Self::Reconciling, Self::Held, Self::Drifted];

    /// The name that is stored and shown.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::Reconciling => "Reconciling",
            Self::Held => "Held",
            Self::Drifted => "Drifted",
        }
    }
}

/// One aspect as it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Condition {
    /// `Aspect::name`.
    pub aspect: String,
    pub status: bool,
    /// One word for programs.
    pub reason: String,
    pub message: String,
    pub observed_generation: i64,
    pub since: OffsetDateTime,
    /// Of what is held.
    pub digest: Option<Vec<u8>>,
}

/// An aspect as it is from now on.
#[derive(Clone, Debug)]
pub struct NewCondition<'a> {
    pub aspect: Aspect,
    pub status: bool,
    pub reason: &'a str,
    pub message: &'a str,
    pub observed_generation: i64,
    pub digest: Option<&'a [u8]>,
}

/// Every aspect of these projects that was ever said.
pub async fn condition_list(
    conn: &mut PgConnection,
    projects: &[ProjectId],
) -> Result<Vec<(ProjectId, Condition)>, StoreError> {
    let ids: Vec<i64> = projects.iter().map(|id| id.0).collect();
    let rows = sqlx::query!(
        "select project_id, type as aspect, status, reason, message, observed_generation, since,
             digest
         from project_conditions where project_id = any($1) order by project_id, type",
        &ids
    )
    .fetch_all(conn)
    .await
    .doing("read conditions")?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let condition = Condition {
                aspect: row.aspect,
                status: row.status,
                reason: row.reason,
                message: row.message,
                observed_generation: row.observed_generation,
                since: row.since,
                digest: row.digest,
            };
            (ProjectId(row.project_id), condition)
        })
        .collect())
}

/// Says how an aspect is.
pub async fn condition_set(
    conn: &mut PgConnection,
    project: ProjectId,
    new: &NewCondition<'_>,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into project_conditions (project_id, type, status, reason, message,
             observed_generation, since, digest)
         values ($1, $2, $3, $4, $5, $6, $7, $8)
         on conflict (project_id, type) do update set
             status = $3, reason = $4, message = $5, observed_generation = $6, digest = $8,
             since = case when project_conditions.status = $3 then project_conditions.since
                 else $7 end",
        project.0,
        new.aspect.name(),
        new.status,
        new.reason,
        new.message,
        new.observed_generation,
        now,
        new.digest,
    )
    .execute(conn)
    .await
    .doing("store a condition")?;
    Ok(())
}

/// Takes or keeps a project for the reconciler of this lokahid until then; `false` when
/// another one has it. One that `observes` applies nothing.
pub async fn reconciler_take(
    conn: &mut PgConnection,
    project: &str,
    owner: &str,
    observes: bool,
    seconds: f64,
) -> Result<bool, StoreError> {
    let done = sqlx::query!(
        "insert into projects (name, reconciler, reconciler_observes, reconciler_until)
         values ($1, $2, $4, now() + make_interval(secs => $3))
         on conflict (name) do update set reconciler = $2, reconciler_observes = $4,
             reconciler_until = now() + make_interval(secs => $3)
         where projects.reconciler = $2 or projects.reconciler_until < now()",
        project,
        owner,
        seconds,
        observes,
    )
    .execute(conn)
    .await
    .doing("take a project for the reconciler")?;
    Ok(done.rows_affected() > 0)
}

/// Keeps every project that the reconciler of this lokahid has.
pub async fn reconciler_renew(
    conn: &mut PgConnection,
    owner: &str,
    seconds: f64,
) -> Result<(), StoreError> {
    sqlx::query!(
        "update projects set reconciler_until = now() + make_interval(secs => $2)
         where reconciler = $1 and reconciler_until > now()",
        owner,
        seconds,
    )
    .execute(conn)
    .await
    .doing("keep projects for the reconciler")?;
    Ok(())
}

/// The projects that the reconciler of this lokahid had last, be it before a restart.
pub async fn reconciler_projects(
    conn: &mut PgConnection,
    owner: &str,
) -> Result<Vec<String>, StoreError> {
    sqlx::query_scalar!("select name from projects where reconciler = $1", owner)
        .fetch_all(conn)
        .await
        .doing("read what is reconciled here")
}

/// Gives up one project; whoever declares it may take it.
pub async fn reconciler_leave(
    conn: &mut PgConnection,
    project: ProjectId,
    owner: &str,
) -> Result<(), StoreError> {
    sqlx::query!(
        "update projects set reconciler_until = '-infinity' where id = $1 and reconciler = $2",
        project.0,
        owner,
    )
    .execute(conn)
    .await
    .doing("give up a project")?;
    Ok(())
}

/// Forgets that a project was ever reconciled.
pub async fn reconciler_forget(
    conn: &mut PgConnection,
    project: ProjectId,
) -> Result<(), StoreError> {
    sqlx::query!(
        "update projects set reconciler = '', reconciler_until = '-infinity' where id = $1",
        project.0,
    )
    .execute(&mut *conn)
    .await
    .doing("forget who reconciled a project")?;
    sqlx::query!(
        "delete from project_conditions where project_id = $1",
        project.0
    )
    .execute(conn)
    .await
    .doing("forget how a project stood")?;
    Ok(())
}

/// Gives up what the reconciler of this lokahid has.
pub async fn reconciler_release(conn: &mut PgConnection, owner: &str) -> Result<(), StoreError> {
    sqlx::query!(
        "update projects set reconciler_until = '-infinity' where reconciler = $1",
        owner
    )
    .execute(conn)
    .await
    .doing("give up projects")?;
    Ok(())
}

/// Stops the reconciler of a project; one that is stopped already stays so by whoever stopped it
/// first, for the reason of then. Whether it was not.
pub async fn project_suspend(
    conn: &mut PgConnection,
    project: ProjectId,
    by: &str,
    reason: &str,
    now: OffsetDateTime,
) -> Result<bool, StoreError> {
    let done = sqlx::query!(
        "update projects set suspended_at = $4, suspended_by = $2, suspended_reason = $3
         where id = $1 and suspended_at is null",
        project.0,
        by,
        reason,
        now,
    )
    .execute(conn)
    .await
    .doing("suspend a project")?;
    Ok(done.rows_affected() > 0)
}

/// Lets it go on.
pub async fn project_resume(conn: &mut PgConnection, project: ProjectId) -> Result<(), StoreError> {
    sqlx::query!(
        "update projects set suspended_at = null, suspended_by = '', suspended_reason = ''
         where id = $1",
        project.0
    )
    .execute(conn)
    .await
    .doing("resume a project")?;
    Ok(())
}

/// Lets the reconciler do what has this digest, and nothing else, over a guard.
pub async fn project_approve(
    conn: &mut PgConnection,
    project: ProjectId,
    digest: &[u8],
    by: &str,
) -> Result<(), StoreError> {
    sqlx::query!(
        "update projects set approved = $2, approved_by = $3 where id = $1",
        project.0,
        digest,
        by
    )
    .execute(conn)
    .await
    .doing("approve what is held")?;
    Ok(())
}

/// Forgets the approval of a project; whether there was one.
pub async fn approval_end(conn: &mut PgConnection, project: &str) -> Result<bool, StoreError> {
    let ended = sqlx::query!(
        "update projects set approved = null, approved_by = ''
         where name = $1 and approved is not null",
        project,
    )
    .execute(conn)
    .await
    .doing("withdraw an approval")?;
    Ok(ended.rows_affected() > 0)
}

/// Forgets an approval, if it is still this one.
pub async fn approval_withdraw(
    conn: &mut PgConnection,
    project: ProjectId,
    digest: &[u8],
) -> Result<(), StoreError> {
    sqlx::query!(
        "update projects set approved = null, approved_by = '' where id = $1 and approved = $2",
        project.0,
        digest,
    )
    .execute(conn)
    .await
    .doing("withdraw an approval")?;
    Ok(())
}
