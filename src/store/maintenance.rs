//! Maintenance: what files declare of it, as their projects have it now, and what somebody made
//! over the API.

use std::collections::BTreeMap;

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::error::{Doing as _, StoreError};
use super::project::ProjectId;
use crate::model::id::CheckId;
use crate::model::maintenance::{Maintenance, When, holds_in};
use crate::model::name::Name;
use crate::model::overlay::Mark;
use crate::spec;

/// One that is stored.
#[derive(Clone, Debug)]
pub struct StoredMaintenance {
    pub id: Uuid,
    /// `None`: of every project.
    pub project: Option<String>,
    /// `None`: made over the API.
    pub name: Option<String>,
    pub maintenance: Maintenance,
    /// The principal that applied or made it.
    pub by: String,
    pub created_at: OffsetDateTime,
}

impl StoredMaintenance {
    /// What it is called: `maintenance.NAME`, or who made it.
    pub fn called(&self) -> String {
        match &self.name {
            Some(name) => format!("maintenance.{name}"),
            None => self.by.clone(),
        }
    }

    /// Whether a check is meant. Labels are `key=value`.
    pub fn means(&self, project: &str, address: &str, labels: &[String]) -> bool {
        let label = |key: &str| {
            let mut values = labels.iter().filter_map(|label| {
                let rest = label.strip_prefix(key)?;
                rest.strip_prefix('=')
            });
            values.next()
        };
        holds_in(self.project.as_deref(), project)
            && self.maintenance.selector.matches(address, label)
    }
}

/// A number that is another one whenever something about maintenance was changed.
pub async fn maintenance_version(conn: &mut PgConnection) -> Result<i64, StoreError> {
    sqlx::query_scalar!("select n from maintenance_changes")
        .fetch_one(conn)
        .await
        .doing("look for changed maintenance")
}

/// All that is not over: of one project and of all, or of every project. One whose bytes are
/// of a newer version is left out.
pub async fn maintenance_list(
    conn: &mut PgConnection,
    project: Option<&str>,
    now: OffsetDateTime,
) -> Result<Vec<StoredMaintenance>, StoreError> {
    let rows = sqlx::query!(
        r#"select m.id, p.name as "project?", m.name, m.bytes, m.by_whom, m.created_at
           from maintenances m left join projects p on p.id = m.project_id
           where (m.ends_at is null or m.ends_at > $1)
               and ($2::text is null or p.name = $2 or p.name is null)
           order by m.created_at, m.id"#,
        now,
        project,
    )
    .fetch_all(conn)
    .await
    .doing("list maintenance")?;
    let rows = rows.into_iter().filter_map(|row| {
        Some(StoredMaintenance {
            id: row.id,
            project: row.project,
            name: row.name,
            maintenance: spec::decode_maintenance(&row.bytes).ok()?,
            by: row.by_whom,
            created_at: row.created_at,
        })
    });
    Ok(rows.collect())
}

/// Makes this all that files declare of it in a project.
pub async fn maintenance_declare(
    conn: &mut PgConnection,
    project: ProjectId,
    declared: &BTreeMap<Name, Maintenance>,
    by: &str,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    let gone = sqlx::query!(
        "delete from maintenances where project_id = $1 and name is not null",
        project.0
    )
    .execute(&mut *conn)
    .await
    .doing("take maintenance back")?;
    if declared.is_empty() && gone.rows_affected() == 0 {
        return Ok(());
    }
    for (name, maintenance) in declared {
        sqlx::query!(
            "insert into maintenances (id, project_id, name, bytes, ends_at, by_whom, created_at)
             values ($1, $2, $3, $4, $5, $6, $7)",
            Uuid::now_v7(),
            project.0,
            name.as_str(),
            spec::encode_maintenance(maintenance),
            ends_at(maintenance),
            by,
            now,
        )
        .execute(&mut *conn)
        .await
        .doing("store declared maintenance")?;
    }
    changed(conn, now).await
}

/// Stores one that somebody made.
pub async fn maintenance_create(
    conn: &mut PgConnection,
    project: Option<ProjectId>,
    maintenance: &Maintenance,
    by: &str,
    now: OffsetDateTime,
) -> Result<Uuid, StoreError> {
    let id = Uuid::now_v7();
    sqlx::query!(
        "insert into maintenances (id, project_id, bytes, ends_at, by_whom, created_at)
         values ($1, $2, $3, $4, $5, $6)",
        id,
        project.map(|project| project.0),
        spec::encode_maintenance(maintenance),
        ends_at(maintenance),
        by,
        now,
    )
    .execute(&mut *conn)
    .await
    .doing("store maintenance")?;
    changed(conn, now).await?;
    Ok(id)
}

/// Ends one that somebody made, now, and keeps what it was until then.
pub async fn maintenance_end(
    conn: &mut PgConnection,
    id: Uuid,
    maintenance: &Maintenance,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    sqlx::query!(
        "update maintenances set ends_at = $2, bytes = $3 where id = $1 and name is null",
        id,
        now,
        spec::encode_maintenance(maintenance),
    )
    .execute(&mut *conn)
    .await
    .doing("end maintenance")?;
    changed(conn, now).await
}

/// The live checks that one means.
pub async fn maintenance_checks(
    conn: &mut PgConnection,
    stored: &StoredMaintenance,
) -> Result<Vec<CheckId>, StoreError> {
    let labels = &stored.maintenance.selector.labels;
    let labels: Vec<String> = labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
    let rows = sqlx::query!(
        "select c.id, c.address, c.labels, p.name as project
         from checks c join projects p on p.id = c.project_id
         where c.deleted_at is null and c.labels @> $1 and ($2::text is null or p.name = $2)",
        &labels,
        stored.project,
    )
    .fetch_all(conn)
    .await
    .doing("find the checks of a maintenance")?;
    let meant = rows
        .iter()
        .filter(|row| stored.means(&row.project, &row.address, &row.labels));
    Ok(meant.map(|row| CheckId(row.id)).collect())
}

/// Forgets what was over long ago.
pub async fn maintenance_forget(
    conn: &mut PgConnection,
    before: OffsetDateTime,
) -> Result<(), StoreError> {
    sqlx::query!(
        "delete from maintenances where name is null and ends_at < $1",
        before
    )
    .execute(conn)
    .await
    .doing("forget old maintenance")?;
    Ok(())
}

/// Which of these checks are in maintenance at a moment, and in which.
pub async fn maintenance_find(
    conn: &mut PgConnection,
    checks: &[CheckId],
    now: OffsetDateTime,
) -> Result<Vec<(CheckId, Mark)>, StoreError> {
    let all = maintenance_list(conn, None, now).await?;
    let open: Vec<(StoredMaintenance, (OffsetDateTime, OffsetDateTime))> = all
        .into_iter()
        .filter_map(|it| {
            let window = it.maintenance.when.open_at(now)?;
            Some((it, window))
        })
        .collect();
    if open.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<Uuid> = checks.iter().map(|id| id.0).collect();
    let rows = sqlx::query!(
        "select c.id, c.address, c.labels, p.name as project
         from checks c join projects p on p.id = c.project_id where c.id = any($1)",
        &ids,
    )
    .fetch_all(conn)
    .await
    .doing("find checks in maintenance")?;
    let found = rows.iter().filter_map(|row| {
        // The one that ends last says until when.
        let meant = open
            .iter()
            .filter(|(it, _)| it.means(&row.project, &row.address, &row.labels));
        let (it, (since, until)) = meant.max_by_key(|(_, (_, until))| *until)?;
        let mark = Mark {
            since: *since,
            until: Some(*until),
            by: it.called(),
            reason: it.maintenance.reason.clone(),
        };
        Some((CheckId(row.id), mark))
    });
    Ok(found.collect())
}

fn ends_at(maintenance: &Maintenance) -> Option<OffsetDateTime> {
    match maintenance.when {
        When::Once { end, .. } => Some(end),
        When::Recurring { .. } => None,
    }
}

/// Tells whoever keeps it in mind; what is held is judged anew.
async fn changed(conn: &mut PgConnection, now: OffsetDateTime) -> Result<(), StoreError> {
    sqlx::query!("update maintenance_changes set n = n + 1")
        .execute(&mut *conn)
        .await
        .doing("say that maintenance was changed")?;
    sqlx::query!(
        "update deliveries set next_at = $1 where id in (
             select id from deliveries where state = 'held' order by id for update skip locked)",
        now
    )
    .execute(conn)
    .await
    .doing("look at held deliveries anew")?;
    Ok(())
}
