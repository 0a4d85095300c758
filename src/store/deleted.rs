//! How a deleted check came to its end: by a generation of its project, or by a call.

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::error::{Doing as _, StoreError};
use super::project::ProjectId;
use super::spec::check_of;
use crate::model::check::CheckSpec;
use crate::model::id::CheckId;
use crate::model::ownership::Owner;

/// A deleted check as it was.
#[derive(Clone, Debug)]
pub struct Deleted {
    pub id: CheckId,
    pub project_id: ProjectId,
    pub project: String,
    /// Its name; its id when it had none.
    pub address: String,
    pub owner: Owner,
    pub version: i64,
    pub spec: CheckSpec,
    pub at: OffsetDateTime,
    /// The live check that has its name by now.
    pub name_taken_by: Option<Uuid>,
    /// Another check of its name was deleted since: that one comes back by it.
    pub is_later_name: bool,
}

/// The deleted check of this id, or else the one of this name that was deleted last, in this
/// project if one is given.
pub async fn deleted_find(
    conn: &mut PgConnection,
    wanted: &str,
    project: Option<&str>,
) -> Result<Option<Deleted>, StoreError> {
    let row = sqlx::query!(
        r#"select c.id, c.project_id, p.name as project, c.address, c.owner, c.version,
               c.live_spec_id, s.bytes, c.deleted_at as "at!",
               (select o.id from checks o where o.project_id = c.project_id
                    and o.address = c.address and o.deleted_at is null) as "name_taken_by?",
               exists (select from checks o where o.project_id = c.project_id
                    and o.address = c.address and o.deleted_at > c.deleted_at)
                   as "is_later_name!"
           from checks c
           join projects p on p.id = c.project_id
           join specs s on s.id = c.live_spec_id
           where c.deleted_at is not null and (c.id = $1 or c.address = $2)
               and ($3::text is null or p.name = $3)
           order by c.deleted_at desc limit 1"#,
        Uuid::try_parse(wanted).ok(),
        wanted,
        project,
    )
    .fetch_optional(conn)
    .await
    .doing("find a deleted check")?;
    let Some(row) = row else { return Ok(None) };
    let spec = check_of(row.live_spec_id, &row.bytes)?;
    Ok(Some(Deleted {
        id: CheckId(row.id),
        project_id: ProjectId(row.project_id),
        project: row.project,
        address: row.address,
        owner: Owner::from_name(&row.owner).unwrap_or(Owner::Declared),
        version: row.version,
        spec,
        at: row.at,
        name_taken_by: row.name_taken_by,
        is_later_name: row.is_later_name,
    }))
}

/// The generation that did something at this very moment.
pub async fn deleted_in(
    conn: &mut PgConnection,
    project: ProjectId,
    at: OffsetDateTime,
) -> Result<Option<i64>, StoreError> {
    sqlx::query_scalar!(
        "select n from generations where project_id = $1 and at = $2",
        project.0,
        at,
    )
    .fetch_optional(conn)
    .await
    .doing("find the generation that deleted a check")
}

/// Who called for the delete at this very moment, and why, as they said: the audit knows it
/// also when files have ended the check since.
pub async fn deleted_by_call(
    conn: &mut PgConnection,
    check: &Deleted,
) -> Result<Option<(String, String)>, StoreError> {
    let row = sqlx::query!(
        "select principal, reason from audit
         where project = $1 and action = 'Checks/Delete' and at = $2 and outcome = 'done'
             and subject like '%' || $3
         order by id desc limit 1",
        check.project,
        check.at,
        check.id.to_string(),
    )
    .fetch_optional(conn)
    .await
    .doing("find who deleted a check")?;
    Ok(row.map(|row| (row.principal, row.reason)))
}
