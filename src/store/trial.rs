//! Generations whose changed checks are watched for two of their periods: what is known of them,
//! and what was made of that. `crate::hold` decides.

use std::collections::HashMap;

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::error::{Doing as _, StoreError};
use super::hold::hold_wake;
use super::project::ProjectId;
use crate::hold::{Trial, TrialState};
use crate::model::id::CheckId;
use crate::model::overlay::Mark;

/// How many names of failing checks are told.
const NAMED: i64 = 5;

/// A trial, and what people want to know of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TrialRow {
    pub project_id: ProjectId,
    pub trial: Trial,
    /// How many of the checks that failed are down still.
    pub down: i64,
    /// Addresses of some of those.
    pub names: Vec<String>,
    /// The commit that the generation came from; empty: nobody knows.
    pub revision: String,
    /// Since when it is suspect.
    pub since: Option<OffsetDateTime>,
}

/// Begins the trial of a generation: of those of these checks that are up, if they are enough to
/// say anything. Each has until the moment beside it. What an earlier generation is watched for
/// ends for them.
pub async fn trial_begin(
    conn: &mut PgConnection,
    project: ProjectId,
    generation: i64,
    checks: &[(CheckId, OffsetDateTime)],
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    let ids: Vec<Uuid> = checks.iter().map(|(id, _)| id.0).collect();
    let deadlines: Vec<OffsetDateTime> = checks.iter().map(|(_, deadline)| *deadline).collect();
    let up = sqlx::query!(
        r#"select n.check_id as "check_id!", n.deadline as "deadline!"
           from unnest($1::uuid[], $2::timestamptz[]) as n (check_id, deadline)
           join check_states t on t.check_id = n.check_id
           where t.state = 1 order by n.check_id"#,
        &ids,
        &deadlines,
    )
    .fetch_all(&mut *conn)
    .await
    .doing("find which changed checks are up")?;
    let ids: Vec<Uuid> = up.iter().map(|row| row.check_id).collect();
    let deadlines: Vec<OffsetDateTime> = up.iter().map(|row| row.deadline).collect();
    sqlx::query!(
        "delete from trial_checks where check_id in (select check_id from trial_checks
             where check_id = any($1) order by check_id for update)",
        &ids,
    )
    .execute(&mut *conn)
    .await
    .doing("end what changed checks were watched for")?;
    let changed = i32::try_from(ids.len()).unwrap_or(i32::MAX);
    let Some(until) = deadlines.iter().max() else {
        return Ok(());
    };
    if !Trial::says_anything(changed.into()) {
        return Ok(());
    }
    sqlx::query!(
        "insert into trials (project_id, generation, changed, until) values ($1, $2, $3, $4)",
        project.0,
        generation,
        changed,
        until,
    )
    .execute(&mut *conn)
    .await
    .doing("begin the trial of a generation")?;
    sqlx::query!(
        "insert into trial_checks (check_id, project_id, generation, since, deadline)
         select check_id, $1, $2, $3, deadline
         from unnest($4::uuid[], $5::timestamptz[]) as n (check_id, deadline)",
        project.0,
        generation,
        now,
        &ids,
        &deadlines,
    )
    .execute(conn)
    .await
    .doing("watch changed checks")?;
    Ok(())
}

/// These checks went down then: notes it of those that are watched.
pub async fn trial_fail(
    conn: &mut PgConnection,
    failed: &[(CheckId, OffsetDateTime)],
) -> Result<(), StoreError> {
    let ids: Vec<Uuid> = failed.iter().map(|(id, _)| id.0).collect();
    let at: Vec<OffsetDateTime> = failed.iter().map(|(_, at)| *at).collect();
    sqlx::query!(
        "with mine as (
             select c.check_id, n.at
             from unnest($1::uuid[], $2::timestamptz[]) as n (check_id, at)
             join trial_checks c on c.check_id = n.check_id
             where c.failed_at is null and n.at between c.since and c.deadline
             order by c.check_id for update of c)
         update trial_checks c set failed_at = mine.at from mine where c.check_id = mine.check_id",
        &ids,
        &at,
    )
    .execute(conn)
    .await
    .doing("note that watched checks failed")?;
    Ok(())
}

/// The trials in which these checks failed, as far as these are not over.
pub(super) async fn trial_of(
    conn: &mut PgConnection,
    checks: &[CheckId],
) -> Result<HashMap<CheckId, Trial>, StoreError> {
    let ids: Vec<Uuid> = checks.iter().map(|id| id.0).collect();
    let rows = sqlx::query!(
        // Counted once for each trial: thousands may fail at once.
        r#"with mine as (select check_id, project_id, generation from trial_checks
               where check_id = any($1) and failed_at is not null),
           counts as (select f.project_id, f.generation, count(*) as failed
               from (select distinct project_id, generation from mine) m
               join trial_checks f on f.project_id = m.project_id
                   and f.generation = m.generation and f.failed_at is not null
               group by f.project_id, f.generation)
           select c.check_id, p.name, t.generation, t.changed, t.until, t.held_until,
               n.failed as "failed!"
           from mine c
           join counts n on n.project_id = c.project_id and n.generation = c.generation
           join trials t on t.project_id = c.project_id and t.generation = c.generation
           join projects p on p.id = t.project_id
           where t.over_at is null and t.released_by = ''"#,
        &ids,
    )
    .fetch_all(conn)
    .await
    .doing("read what changed checks are watched for")?;
    let found = rows.into_iter().map(|row| {
        let trial = Trial {
            project: row.name,
            generation: row.generation,
            changed: row.changed.into(),
            failed: row.failed,
            until: row.until,
            state: match row.held_until {
                None => TrialState::Open,
                Some(until) => TrialState::Suspect { until },
            },
        };
        (CheckId(row.check_id), trial)
    });
    Ok(found.collect())
}

/// Those of these checks whose failure is held, since their generation is suspect, with what
/// says so.
pub(super) async fn suspect_find(
    conn: &mut PgConnection,
    checks: &[CheckId],
    now: OffsetDateTime,
) -> Result<Vec<(CheckId, Mark)>, StoreError> {
    let ids: Vec<Uuid> = checks.iter().map(|id| id.0).collect();
    let rows = sqlx::query!(
        r#"select c.check_id, t.generation, t.suspect_at as "since!", t.held_until
           from trial_checks c
           join trials t on t.project_id = c.project_id and t.generation = c.generation
           where c.check_id = any($1) and c.failed_at is not null and t.suspect_at is not null
               and t.over_at is null and t.released_by = '' and t.held_until > $2"#,
        &ids,
        now,
    )
    .fetch_all(conn)
    .await
    .doing("find which checks are of a suspect generation")?;
    let found = rows.into_iter().map(|row| {
        let mark = Mark {
            since: row.since,
            until: row.held_until,
            by: format!("generation {}", row.generation),
            reason: String::new(),
        };
        (CheckId(row.check_id), mark)
    });
    Ok(found.collect())
}

/// Every trial, or those of one project, oldest first.
pub async fn trial_list(
    conn: &mut PgConnection,
    project: Option<ProjectId>,
) -> Result<Vec<TrialRow>, StoreError> {
    let rows = sqlx::query!(
        r#"select t.project_id, p.name, t.generation, t.changed, t.until, t.suspect_at,
               t.held_until, t.released_by, t.over_at, f.failed as "failed!", f.down as "down!",
               f.names as "names!", coalesce(g.sha, '') as "revision!"
           from trials t join projects p on p.id = t.project_id
           left join generations g on g.project_id = t.project_id and g.n = t.generation
           cross join lateral (
               select count(*) as failed, count(*) filter (where s.state in (2, 3)) as down,
                   coalesce((array_agg(k.address order by c.failed_at, k.address)
                       filter (where s.state in (2, 3)))[1:$2], '{}') as names
               from trial_checks c join checks k on k.id = c.check_id
               left join check_states s on s.check_id = c.check_id
               where c.project_id = t.project_id and c.generation = t.generation
                   and c.failed_at is not null) f
           where $1::bigint is null or t.project_id = $1
           order by t.project_id, t.generation"#,
        project.map(|project| project.0),
        NAMED as i32,
    )
    .fetch_all(conn)
    .await
    .doing("read which generations are watched")?;
    let row = rows.into_iter().map(|row| TrialRow {
        project_id: ProjectId(row.project_id),
        trial: Trial {
            project: row.name,
            generation: row.generation,
            changed: row.changed.into(),
            failed: row.failed,
            until: row.until,
            state: match (row.over_at, row.held_until) {
                (Some(_), _) => TrialState::Over,
                (None, Some(_)) if !row.released_by.is_empty() => TrialState::Released {
                    by: row.released_by,
                },
                (None, Some(until)) => TrialState::Suspect { until },
                (None, None) => TrialState::Open,
            },
        },
        down: row.down,
        names: row.names,
        revision: row.revision,
        since: row.suspect_at,
    });
    Ok(row.collect())
}

/// Says that a trial is suspect, and until when what it would tell is held; whether that is news.
pub async fn trial_suspect(
    conn: &mut PgConnection,
    row: &TrialRow,
    until: OffsetDateTime,
    now: OffsetDateTime,
) -> Result<bool, StoreError> {
    let done = sqlx::query!(
        "update trials set suspect_at = $3, held_until = $4
         where project_id = $1 and generation = $2 and suspect_at is null and over_at is null",
        row.project_id.0,
        row.trial.generation,
        now,
        until,
    )
    .execute(conn)
    .await
    .doing("say that a generation is suspect")?;
    Ok(done.rows_affected() > 0)
}

/// Ends a trial; whether that is news. What is held because of it is judged again.
pub async fn trial_end(
    conn: &mut PgConnection,
    row: &TrialRow,
    now: OffsetDateTime,
) -> Result<bool, StoreError> {
    let done = sqlx::query!(
        "update trials set over_at = $3
         where project_id = $1 and generation = $2 and over_at is null",
        row.project_id.0,
        row.trial.generation,
        now,
    )
    .execute(&mut *conn)
    .await
    .doing("end the trial of a generation")?;
    if done.rows_affected() == 0 {
        return Ok(false);
    }
    wake(conn, row.project_id, row.trial.generation, now).await?;
    Ok(true)
}

/// Lets go what is held because a generation is suspect, since somebody wants it sent; whether
/// there was such a one.
pub async fn trial_release(
    conn: &mut PgConnection,
    project: ProjectId,
    generation: i64,
    by: &str,
    now: OffsetDateTime,
) -> Result<bool, StoreError> {
    let done = sqlx::query!(
        "update trials set released_by = $3
         where project_id = $1 and generation = $2 and suspect_at is not null
             and over_at is null and released_by = ''",
        project.0,
        generation,
        by,
    )
    .execute(&mut *conn)
    .await
    .doing("let go what a suspect generation would tell")?;
    if done.rows_affected() == 0 {
        return Ok(false);
    }
    wake(conn, project, generation, now).await?;
    Ok(true)
}

/// Forgets a trial that is over.
pub async fn trial_forget(conn: &mut PgConnection, row: &TrialRow) -> Result<(), StoreError> {
    sqlx::query!(
        "delete from trials where project_id = $1 and generation = $2",
        row.project_id.0,
        row.trial.generation,
    )
    .execute(conn)
    .await
    .doing("forget the trial of a generation")?;
    Ok(())
}

async fn wake(
    conn: &mut PgConnection,
    project: ProjectId,
    generation: i64,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    let failed = sqlx::query_scalar!(
        "select check_id from trial_checks
         where project_id = $1 and generation = $2 and failed_at is not null",
        project.0,
        generation,
    )
    .fetch_all(&mut *conn)
    .await
    .doing("find the failed checks of a generation")?;
    let failed: Vec<CheckId> = failed.into_iter().map(CheckId).collect();
    hold_wake(conn, &failed, now).await
}
