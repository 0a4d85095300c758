//! Says that a generation is suspect when many of the checks fail that it changed, and when it is
//! so no more. `crate::hold` decides, by what the recorder has written down; each lokahid looks,
//! and one of them says it.

use std::time::Duration;

use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::tell::{OfProject, hint};
use crate::bus::Bus;
use crate::clock;
use crate::hold::Course;
use crate::model::id::EventId;
use crate::plan::text::{moment, revision};
use crate::proto::lokahi::ProjectEvent;
use crate::store::error::StoreError;
use crate::store::project::project_settings;
use crate::store::trial::{TrialRow, trial_end, trial_forget, trial_list, trial_suspect};
use crate::store::{Connection, Store, bounded};

/// How often it looks.
const LOOK: Duration = Duration::from_secs(1);
/// The type of its events.
pub const KIND: &str = "config.suspect";
/// Its one word for programs.
const REASON: &str = "ChangedChecksFail";

pub(super) async fn run(store: Store, bus: Bus, token: CancellationToken) {
    let mut tick = tokio::time::interval(LOOK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while token.run_until_cancelled(tick.tick()).await.is_some() {
        let written = bounded(look(&store)).await;
        hint(&bus, written, "what applies did cannot be judged").await;
    }
}

async fn look(store: &Store) -> Result<Vec<EventId>, StoreError> {
    let mut conn = store.acquire().await?;
    let rows = trial_list(&mut conn, None).await?;
    drop(conn);
    let mut events = Vec::new();
    for row in rows {
        let now = clock::now();
        let course = row.trial.course(row.down, now);
        if course == Course::Stay {
            continue;
        }
        let mut tx = store.begin().await?;
        let said = follow(&mut tx, &row, course, now).await?;
        tx.commit().await.map_err(|source| StoreError::Query {
            doing: "commit what became of a generation",
            source,
        })?;
        events.extend(said);
    }
    Ok(events)
}

/// Does what follows, unless another lokahid did; returns what was told of it.
async fn follow(
    conn: &mut Connection,
    row: &TrialRow,
    course: Course,
    now: OffsetDateTime,
) -> Result<Option<EventId>, StoreError> {
    let project = row.trial.project.as_str();
    match course {
        Course::Stay => Ok(None),
        Course::Forget => trial_forget(conn, row).await.map(|()| None),
        Course::Suspect { until } => {
            if !trial_suspect(conn, row, until, now).await? {
                return Ok(None);
            }
            let text = words(row, until);
            let event = tell(conn, row, &text, false, now).await?;
            match event {
                Some(_) => warn!(project, "{text}"),
                // Of what is held somebody must hear.
                None => drop(trial_end(conn, row, now).await?),
            }
            Ok(event)
        }
        Course::End { why } => {
            if !trial_end(conn, row, now).await? {
                return Ok(None);
            }
            let text = ending(row, &why);
            info!(project, "{text}");
            tell(conn, row, &text, true, now).await
        }
    }
}

/// `generation 7 (3f2c1a9)`.
fn called(row: &TrialRow) -> String {
    let n = row.trial.generation;
    match revision("", &row.revision, false).as_str() {
        "" => format!("generation {n}"),
        sha => format!("generation {n} ({sha})"),
    }
}

/// What people read of it: what, where, and what to do.
pub fn words(row: &TrialRow, until: OffsetDateTime) -> String {
    let trial = &row.trial;
    let (project, changed, failed) = (&trial.project, trial.changed, trial.failed);
    let before = trial.generation - 1;
    let mut names = match row.names.is_empty() {
        true => String::new(),
        false => format!(": {}", row.names.join(", ")),
    };
    if row.down > row.names.len() as i64 && !names.is_empty() {
        names.push_str(" and others");
    }
    format!(
        "{failed} of the {changed} checks that {} changed, and that were up before it, \
         fail{names}. What they would tell is held until {}. If it is the change: lokahictl rollback \
         {project} {before}. If it is the sites: lokahictl approve {project} sends it now",
        called(row),
        moment(until)
    )
}

fn ending(row: &TrialRow, why: &str) -> String {
    let still = match row.down {
        0 => String::new(),
        down => {
            format!("; what {down} of its checks have to tell, since they are down still, is sent")
        }
    };
    format!("{} is suspect no more: {why}{still}", called(row))
}

async fn tell(
    conn: &mut Connection,
    row: &TrialRow,
    message: &str,
    over: bool,
    now: OffsetDateTime,
) -> Result<Option<EventId>, StoreError> {
    let operators = project_settings(conn, row.project_id).await?.operators;
    let operators: Vec<String> = operators.iter().map(ToString::to_string).collect();
    if operators.is_empty() {
        return Ok(None);
    }
    let told = OfProject {
        kind: KIND,
        generation: row.trial.generation,
        resolved: over,
        event: ProjectEvent {
            project: row.trial.project.clone(),
            reason: REASON.to_owned(),
            message: message.to_owned(),
            revision: row.revision.clone(),
            ..ProjectEvent::default()
        },
    };
    let (id, owed) = told.write(conn, row.project_id, &operators, now).await?;
    Ok((owed > 0).then_some(id))
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::hold::{Trial, TrialState};
    use crate::store::project::ProjectId;

    #[test]
    fn it_says_what_fails_and_what_to_do() {
        let row = TrialRow {
            project_id: ProjectId(1),
            trial: Trial {
                project: "shop".into(),
                generation: 7,
                changed: 40,
                failed: 12,
                until: datetime!(2026-11-29 10:02 UTC),
                state: TrialState::Open,
            },
            down: 3,
            names: vec!["front".into(), "back".into()],
            revision: "3f2c1a9d0e".into(),
            since: None,
        };
        insta::assert_snapshot!(words(&row, datetime!(2026-11-29 10:11 UTC)), @"12 of the 40 checks that generation 7 (3f2c1a9) changed, and that were up before it, fail: front, back and others. What they would tell is held until 2026-11-29 10:11 UTC. If it is the change: lokahictl rollback shop 6. If it is the sites: lokahictl approve shop sends it now");
        insta::assert_snapshot!(ending(&row, "ada approved it"), @"generation 7 (3f2c1a9) is suspect no more: ada approved it; what 3 of its checks have to tell, since they are down still, is sent");
    }
}
