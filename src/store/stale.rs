//! Of which checks nothing is known, by project, location and cause: what operators are told of,
//! once. Without a cause no probes come from there; else they come and could not look.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::error::{Doing as _, StoreError};
use super::project::ProjectId;
use crate::model::check::CheckSpec;
use crate::model::id::{EventId, ShardNo};
use crate::spec::decode_check;

/// What is stale: a project's name, a location, and why.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct StaleKey {
    pub project: String,
    pub location: String,
    /// Empty: no probes come from there. Else the class of the error with which they could not
    /// look, and after a slash the name of the secret that it is about, if it is about one.
    pub cause: String,
}

impl StaleKey {
    /// That no probes come from there at all.
    pub fn silence(&self) -> Self {
        Self {
            cause: String::new(),
            ..self.clone()
        }
    }

    /// Whether it is of probes that come and could not look, where that one is of none.
    pub fn is_blind_at(&self, silence: &Self) -> bool {
        !self.cause.is_empty() && self.silence() == *silence
    }
}

/// Checks of a project in one shard of which nothing is known from a location.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct StaleShard {
    pub shard: ShardNo,
    pub checks: i32,
}

/// Something became stale for a project, or is so no more.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StaleChange {
    pub project: ProjectId,
    pub key: StaleKey,
    /// In these shards; 0 when it is over.
    pub checks: i32,
    pub since: OffsetDateTime,
    pub over: bool,
    /// The event that told of it, when it is over.
    pub event: Option<EventId>,
}

/// What is stored of these shards.
pub async fn stale_list(
    conn: &mut PgConnection,
    shards: &[ShardNo],
) -> Result<Vec<(StaleKey, StaleShard)>, StoreError> {
    let shards: Vec<i16> = shards.iter().map(|shard| shard.0).collect();
    let rows = sqlx::query!(
        "select p.name, s.location, s.cause, s.shard_no, s.checks from staleness_shards s
         join projects p on p.id = s.project_id where s.shard_no = any($1)",
        &shards,
    )
    .fetch_all(conn)
    .await
    .doing("read what is stale")?;
    let rows = rows.into_iter().map(|row| {
        let key = StaleKey {
            project: row.name,
            location: row.location,
            cause: row.cause,
        };
        let shard = StaleShard {
            shard: ShardNo(row.shard_no),
            checks: row.checks,
        };
        (key, shard)
    });
    Ok(rows.collect())
}

/// Everything that is stale, and since when.
pub async fn stale_open(
    conn: &mut PgConnection,
) -> Result<Vec<(StaleKey, OffsetDateTime)>, StoreError> {
    let rows = sqlx::query!(
        "select p.name, s.location, s.cause, s.since
         from staleness s join projects p on p.id = s.project_id",
    )
    .fetch_all(conn)
    .await
    .doing("read what is stale")?;
    let rows = rows.into_iter().map(|row| {
        let key = StaleKey {
            project: row.name,
            location: row.location,
            cause: row.cause,
        };
        (key, row.since)
    });
    Ok(rows.collect())
}

/// A location from which no probes of a project's checks come.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Silent {
    pub project: String,
    pub location: String,
    /// When any came from there last, as far as that is known; a minute early, maybe.
    pub since: OffsetDateTime,
    pub checks: i64,
}

/// From where nothing comes, for one project or for all.
pub async fn stale_silent(
    conn: &mut PgConnection,
    project: Option<&str>,
) -> Result<Vec<Silent>, StoreError> {
    sqlx::query_as!(
        Silent,
        r#"select p.name as project, s.location, least(s.since, l.last_seen) as "since!",
               (select coalesce(sum(h.checks), 0) from staleness_shards h
                where h.project_id = s.project_id and h.location = s.location
                    and h.cause = s.cause) as "checks!"
           from staleness s
           join projects p on p.id = s.project_id
           left join locations l on l.name = s.location
           where s.cause = '' and ($1::text is null or p.name = $1)
           order by p.name, s.location limit 100"#,
        project,
    )
    .fetch_all(conn)
    .await
    .doing("find locations that are silent")
}

/// From which of these locations nothing comes for a project.
pub async fn stale_locations(
    conn: &mut PgConnection,
    project: &str,
    locations: &[String],
) -> Result<Vec<String>, StoreError> {
    sqlx::query_scalar!(
        "select s.location from staleness s join projects p on p.id = s.project_id
         where p.name = $1 and s.location = any($2) and s.cause = '' order by s.location",
        project,
        locations,
    )
    .fetch_all(conn)
    .await
    .doing("find locations that are silent")
}

/// Says what is stale in shards that are ours, one key after the other; returns whether that
/// began or ended with it. Two owners of shards of one project wait for each other.
pub async fn stale_set(
    conn: &mut PgConnection,
    key: &StaleKey,
    (ours, stale): (&[ShardNo], &[StaleShard]),
    now: OffsetDateTime,
) -> Result<Option<StaleChange>, StoreError> {
    let spell = sqlx::query!(
        r#"insert into staleness as s (project_id, location, cause, since)
           select p.id, $2, $3, $4 from projects p where p.name = $1
           on conflict (project_id, location, cause) do update set since = s.since
           returning s.project_id, s.since, s.xmax = 0 as "began!""#,
        key.project,
        key.location,
        key.cause,
        now,
    )
    .fetch_optional(&mut *conn)
    .await
    .doing("say what is stale")?;
    let Some(spell) = spell else { return Ok(None) };
    let ours: Vec<i16> = ours.iter().map(|shard| shard.0).collect();
    sqlx::query!(
        "delete from staleness_shards
         where project_id = $1 and location = $2 and cause = $3 and shard_no = any($4)",
        spell.project_id,
        key.location,
        key.cause,
        &ours,
    )
    .execute(&mut *conn)
    .await
    .doing("forget what was stale")?;
    let shards: Vec<i16> = stale.iter().map(|row| row.shard.0).collect();
    let checks: Vec<i32> = stale.iter().map(|row| row.checks).collect();
    sqlx::query!(
        "insert into staleness_shards (project_id, location, cause, shard_no, checks)
         select $1, $2, $3, * from unnest($4::smallint[], $5::integer[])",
        spell.project_id,
        key.location,
        key.cause,
        &shards,
        &checks,
    )
    .execute(&mut *conn)
    .await
    .doing("store what is stale")?;
    let gone = sqlx::query!(
        "delete from staleness s where s.project_id = $1 and s.location = $2 and s.cause = $3
             and not exists (select from staleness_shards h
                 where h.project_id = s.project_id and h.location = s.location
                     and h.cause = s.cause)
         returning s.event_id",
        spell.project_id,
        key.location,
        key.cause,
    )
    .fetch_optional(conn)
    .await
    .doing("end what was stale")?;
    let ended = gone.is_some();
    if spell.began == ended {
        return Ok(None);
    }
    Ok(Some(StaleChange {
        project: ProjectId(spell.project_id),
        key: key.clone(),
        checks: checks.iter().sum(),
        since: spell.since,
        over: ended,
        event: gone.and_then(|gone| gone.event_id).map(EventId),
    }))
}

/// Remembers what told of it.
pub async fn stale_tell(
    conn: &mut PgConnection,
    change: &StaleChange,
    event: EventId,
) -> Result<(), StoreError> {
    sqlx::query!(
        "update staleness set event_id = $4
         where project_id = $1 and location = $2 and cause = $3",
        change.project.0,
        change.key.location,
        change.key.cause,
        event.0,
    )
    .execute(conn)
    .await
    .doing("remember what told of what is stale")?;
    Ok(())
}

/// The receivers that want to hear of stale checks, and of which one is concerned: by `is_so`,
/// as its spec says.
pub async fn stale_receivers(
    conn: &mut PgConnection,
    project: ProjectId,
    is_so: impl Fn(&CheckSpec) -> bool,
) -> Result<Vec<String>, StoreError> {
    let rows = sqlx::query!(
        r#"select r.address as "address!", s.bytes
           from receivers r
           join check_receivers l on l.receiver_id = r.id
           join checks c on c.id = l.check_id and c.deleted_at is null and not c.disabled
           join specs s on s.id = c.live_spec_id
           where r.project_id = $1 and r.deleted_at is null and r.address is not null
               and 'check.stale' = any(string_to_array(r.events, ' '))
           order by r.address"#,
        project.0,
    )
    .fetch_all(conn)
    .await
    .doing("find who wants to hear of stale checks")?;
    let concerned = rows.into_iter().filter(|row| {
        // What a newer version has stored says nothing here.
        decode_check(&row.bytes).is_ok_and(|spec| is_so(&spec))
    });
    let mut addresses: Vec<String> = concerned.map(|row| row.address).collect();
    addresses.dedup();
    Ok(addresses)
}

/// Whether there is a check of a project left that is probed, and of which `is_so` says yes.
pub async fn stale_can_be(
    conn: &mut PgConnection,
    project: ProjectId,
    is_so: impl Fn(&CheckSpec) -> bool,
) -> Result<bool, StoreError> {
    let specs = sqlx::query_scalar!(
        "select distinct on (s.id) s.bytes from checks c join specs s on s.id = c.live_spec_id
         where c.project_id = $1 and c.deleted_at is null and not c.disabled
             and not exists (select from overlays v where v.check_id = c.id
                 and v.kind = 'paused' and (v.until is null or v.until > now()))",
        project.0,
    )
    .fetch_all(conn)
    .await
    .doing("find whether checks are left that can be stale")?;
    Ok(specs
        .iter()
        .any(|bytes| decode_check(bytes).is_ok_and(|spec| is_so(&spec))))
}

/// Today's names of the receivers that an event went to.
pub async fn stale_told(
    conn: &mut PgConnection,
    event: EventId,
) -> Result<Vec<String>, StoreError> {
    sqlx::query_scalar!(
        r#"select r.address as "address!" from deliveries d
           join receivers r on r.id = d.receiver_id
           where d.event_id = $1 and r.address is not null and r.deleted_at is null"#,
        event.0,
    )
    .fetch_all(conn)
    .await
    .doing("find who was told of what was stale")
}
