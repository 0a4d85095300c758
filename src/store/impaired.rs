//! Locations whose health workers are cut off, most likely, by project: what operators are told of,
//! once, whichever of the workers it is.

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::error::{Doing as _, StoreError};
use super::project::ProjectId;
use crate::model::id::{CheckId, EventId, ShardNo};

/// A location of which failures are withheld from checks of a project, in one shard.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ImpairedShard {
    pub project: String,
    pub location: String,
    pub shard: ShardNo,
    pub since: OffsetDateTime,
}

/// The same for a whole project.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Impaired {
    pub project: String,
    pub location: String,
    pub since: OffsetDateTime,
    /// For people.
    pub message: String,
}

/// What an owner of shards says of a location and a project.
#[derive(Clone, Debug)]
pub struct NewImpaired<'a> {
    pub project: &'a str,
    pub location: &'a str,
    pub since: OffsetDateTime,
    /// `None`: as it was.
    pub message: Option<&'a str>,
    /// Its shards, and those of them in which something is withheld.
    pub ours: &'a [ShardNo],
    pub shards: &'a [ShardNo],
}

/// What became of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ImpairedChange {
    pub project: ProjectId,
    pub since: OffsetDateTime,
    pub began: bool,
    pub over: bool,
    /// What told of its beginning.
    pub told: Option<EventId>,
}

/// What is stored of these shards.
pub async fn impaired_list(
    conn: &mut PgConnection,
    shards: &[ShardNo],
) -> Result<Vec<ImpairedShard>, StoreError> {
    let shards: Vec<i16> = shards.iter().map(|shard| shard.0).collect();
    let rows = sqlx::query!(
        "select p.name, i.location, i.since, s.shard_no
         from cut_off_shards s
         join cut_offs i on i.project_id = s.project_id and i.location = s.location
         join projects p on p.id = s.project_id where s.shard_no = any($1)",
        &shards,
    )
    .fetch_all(conn)
    .await
    .doing("read which locations are cut off")?;
    let row = rows.into_iter().map(|row| ImpairedShard {
        project: row.name,
        location: row.location,
        shard: ShardNo(row.shard_no),
        since: row.since,
    });
    Ok(row.collect())
}

/// The locations that are cut off now, of one project or of all.
pub async fn impaired_of(
    conn: &mut PgConnection,
    project: Option<&str>,
) -> Result<Vec<Impaired>, StoreError> {
    sqlx::query_as!(
        Impaired,
        "select p.name as project, i.location, i.since, i.message
         from cut_offs i join projects p on p.id = i.project_id
         where $1::text is null or p.name = $1 order by i.since, i.location, p.name limit 100",
        project,
    )
    .fetch_all(conn)
    .await
    .doing("read which locations are cut off")
}

/// Says in which of our shards something is withheld of a project's checks. Two owners of shards
/// of one project wait for each other. `None` if the project is gone.
pub async fn impaired_set(
    conn: &mut PgConnection,
    new: &NewImpaired<'_>,
) -> Result<Option<ImpairedChange>, StoreError> {
    let spell = sqlx::query!(
        r#"insert into cut_offs as i (project_id, location, since, message)
           select p.id, $2, $3, coalesce($4, '') from projects p where p.name = $1
           on conflict (project_id, location) do update set message = coalesce($4, i.message)
           returning i.project_id, i.since, i.event_id, i.xmax = 0 as "began!""#,
        new.project,
        new.location,
        new.since,
        new.message,
    )
    .fetch_optional(&mut *conn)
    .await
    .doing("say that a location is cut off")?;
    let Some(spell) = spell else { return Ok(None) };
    let ours: Vec<i16> = new.ours.iter().map(|shard| shard.0).collect();
    sqlx::query!(
        "delete from cut_off_shards
         where project_id = $1 and location = $2 and shard_no = any($3)",
        spell.project_id,
        new.location,
        &ours,
    )
    .execute(&mut *conn)
    .await
    .doing("forget which shards a location is cut off for")?;
    let shards: Vec<i16> = new.shards.iter().map(|shard| shard.0).collect();
    sqlx::query!(
        "insert into cut_off_shards (project_id, location, shard_no)
         select $1, $2, * from unnest($3::smallint[])",
        spell.project_id,
        new.location,
        &shards,
    )
    .execute(&mut *conn)
    .await
    .doing("store which shards a location is cut off for")?;
    let ended = sqlx::query!(
        "delete from cut_offs i where i.project_id = $1 and i.location = $2
             and not exists (select from cut_off_shards s
                 where s.project_id = i.project_id and s.location = i.location)",
        spell.project_id,
        new.location,
    )
    .execute(conn)
    .await
    .doing("end that a location is cut off")?
    .rows_affected()
        > 0;
    Ok(Some(ImpairedChange {
        project: ProjectId(spell.project_id),
        since: spell.since,
        began: spell.began && !ended,
        over: ended && !spell.began,
        told: spell.event_id.map(EventId),
    }))
}

/// Remembers what told of it.
pub async fn impaired_told(
    conn: &mut PgConnection,
    project: ProjectId,
    location: &str,
    event: EventId,
) -> Result<(), StoreError> {
    sqlx::query!(
        "update cut_offs set event_id = $3 where project_id = $1 and location = $2",
        project.0,
        location,
        event.0,
    )
    .execute(conn)
    .await
    .doing("remember what told of a location that is cut off")?;
    Ok(())
}

/// Owes an event to the receivers of these checks, to each once; returns how many are new.
pub async fn event_owe(
    conn: &mut PgConnection,
    event: EventId,
    checks: &[CheckId],
    now: OffsetDateTime,
) -> Result<u64, StoreError> {
    let checks: Vec<Uuid> = checks.iter().map(|check| check.0).collect();
    let done = sqlx::query!(
        "insert into deliveries (id, event_id, receiver_id, seq, next_at, created_at)
         select uuid_ordered($3), $1, r.id, e.seq, $3, $3
         from receivers r, (select nextval('event_numbers') as seq) e
         where r.id in (select receiver_id from check_receivers where check_id = any($2))
             and r.deleted_at is null and r.format <> 0
             and (r.events = '' or 'prober.impaired' = any(string_to_array(r.events, ' ')))
         on conflict (event_id, receiver_id, replay_no) do nothing",
        event.0,
        &checks,
        now,
    )
    .execute(conn)
    .await
    .doing("owe an event to the receivers of checks")?;
    Ok(done.rows_affected())
}

/// Owes an event to whoever was told of an earlier one; returns how many are new.
pub async fn event_follow(
    conn: &mut PgConnection,
    event: EventId,
    earlier: EventId,
    now: OffsetDateTime,
) -> Result<u64, StoreError> {
    let done = sqlx::query!(
        "insert into deliveries (id, event_id, receiver_id, seq, next_at, created_at)
         select uuid_ordered($3), $1, r.id, e.seq, $3, $3
         from receivers r, (select nextval('event_numbers') as seq) e
         where r.id in (select receiver_id from deliveries where event_id = $2)
             and r.deleted_at is null
         on conflict (event_id, receiver_id, replay_no) do nothing",
        event.0,
        earlier.0,
        now,
    )
    .execute(conn)
    .await
    .doing("owe an event to who was told of another")?;
    Ok(done.rows_affected())
}
