//! Where probes have stopped coming from, by project: what operators are told of, once.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::error::{Doing as _, StoreError};
use super::project::ProjectId;
use crate::model::id::ShardNo;

/// Checks of a project in one shard that get no probes from a location.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct StaleShard {
    pub project: String,
    pub location: String,
    pub shard: ShardNo,
    pub checks: i32,
}

/// A location that fell silent for a project, or is heard of again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StaleChange {
    pub project: ProjectId,
    pub name: String,
    pub location: String,
    /// In these shards; 0 when it is over.
    pub checks: i32,
    pub since: OffsetDateTime,
    pub over: bool,
}

/// What is stored of these shards.
pub async fn stale_list(
    conn: &mut PgConnection,
    shards: &[ShardNo],
) -> Result<Vec<StaleShard>, StoreError> {
    let shards: Vec<i16> = shards.iter().map(|shard| shard.0).collect();
    let rows = sqlx::query!(
        "select p.name, s.location, s.shard_no, s.checks from stale_shards s
         join projects p on p.id = s.project_id where s.shard_no = any($1)",
        &shards,
    )
    .fetch_all(conn)
    .await
    .doing("read what is stale")?;
    let row = rows.into_iter().map(|row| StaleShard {
        project: row.name,
        location: row.location,
        shard: ShardNo(row.shard_no),
        checks: row.checks,
    });
    Ok(row.collect())
}

/// From which of these locations nothing comes for a project.
pub async fn stale_locations(
    conn: &mut PgConnection,
    project: &str,
    locations: &[String],
) -> Result<Vec<String>, StoreError> {
    sqlx::query_scalar!(
        "select s.location from stale s join projects p on p.id = s.project_id
         where p.name = $1 and s.location = any($2) order by s.location",
        project,
        locations,
    )
    .fetch_all(conn)
    .await
    .doing("find locations that are silent")
}

/// Says what is stale in shards that are ours, one project and location after the other;
/// returns whether that began or ended with it. Two owners of shards of one project wait for
/// each other.
pub async fn stale_set(
    conn: &mut PgConnection,
    project: &str,
    location: &str,
    (ours, stale): (&[ShardNo], &[StaleShard]),
    now: OffsetDateTime,
) -> Result<Option<StaleChange>, StoreError> {
    let spell = sqlx::query!(
        r#"insert into stale as s (project_id, location, since)
           select p.id, $2, $3 from projects p where p.name = $1
           on conflict (project_id, location) do update set since = s.since
           returning s.project_id, s.since, s.xmax = 0 as "began!""#,
        project,
        location,
        now,
    )
    .fetch_optional(&mut *conn)
    .await
    .doing("say where probes stopped coming from")?;
    let Some(spell) = spell else { return Ok(None) };
    let ours: Vec<i16> = ours.iter().map(|shard| shard.0).collect();
    sqlx::query!(
        "delete from stale_shards
         where project_id = $1 and location = $2 and shard_no = any($3)",
        spell.project_id,
        location,
        &ours,
    )
    .execute(&mut *conn)
    .await
    .doing("forget what was stale")?;
    let shards: Vec<i16> = stale.iter().map(|row| row.shard.0).collect();
    let checks: Vec<i32> = stale.iter().map(|row| row.checks).collect();
    sqlx::query!(
        "insert into stale_shards (project_id, location, shard_no, checks)
         select $1, $2, * from unnest($3::smallint[], $4::integer[])",
        spell.project_id,
        location,
        &shards,
        &checks,
    )
    .execute(&mut *conn)
    .await
    .doing("store what is stale")?;
    let ended = sqlx::query!(
        "delete from stale s where s.project_id = $1 and s.location = $2
             and not exists (select from stale_shards h
                 where h.project_id = s.project_id and h.location = s.location)",
        spell.project_id,
        location,
    )
    .execute(conn)
    .await
    .doing("end what was stale")?
    .rows_affected()
        > 0;
    if spell.began == ended {
        return Ok(None);
    }
    Ok(Some(StaleChange {
        project: ProjectId(spell.project_id),
        name: project.to_owned(),
        location: location.to_owned(),
        checks: checks.iter().sum(),
        since: spell.since,
        over: ended,
    }))
}
