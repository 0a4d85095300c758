//! What holds back what would be told of checks, as it is stored.

use std::collections::HashMap;

use sqlx::PgConnection;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::cadence;
use crate::hold::{Cause, Child, Parent, Trial};
use crate::model::health::{Flapping, State};
use crate::model::id::CheckId;
use crate::model::overlay::{Mark, Overlay};
use crate::spec::decode_check;
use crate::store::error::{Doing as _, StoreError};
use crate::store::trial::trial_of;

/// Everything that holds back what would be told of some checks.
#[derive(Default)]
pub(super) struct Causes {
    /// Whatever it is.
    fixed: HashMap<CheckId, Vec<Cause>>,
    /// What hangs on when it happened.
    parents: HashMap<CheckId, Vec<(Child, Parent)>>,
    trials: HashMap<CheckId, Trial>,
}

impl Causes {
    pub(super) async fn of(
        conn: &mut PgConnection,
        checks: &[CheckId],
        overlays: &HashMap<CheckId, Overlay>,
        now: OffsetDateTime,
    ) -> Result<Self, StoreError> {
        let mut all = Self::default();
        for (check, overlay) in overlays {
            if let Some(Mark {
                by, reason, until, ..
            }) = overlay.muted.clone()
            {
                let cause = Cause::Muted { by, reason, until };
                all.fixed.entry(*check).or_default().push(cause);
            }
            if let Some(Mark {
                by, reason, until, ..
            }) = overlay.maintenance.clone()
            {
                let cause = Cause::Maintenance { by, reason, until };
                all.fixed.entry(*check).or_default().push(cause);
            }
        }
        for check in flapping(conn, checks).await? {
            all.fixed.entry(check).or_default().push(Cause::Flapping);
        }
        all.parents = parents(conn, checks, now).await?;
        all.trials = trial_of(conn, checks).await?;
        Ok(all)
    }

    pub(super) fn has(&self, check: CheckId) -> bool {
        self.fixed.contains_key(&check)
            || self.parents.contains_key(&check)
            || self.trials.contains_key(&check)
    }

    /// What holds back what happened to a check at a moment.
    pub(super) fn at(&self, check: CheckId, at: OffsetDateTime, now: OffsetDateTime) -> Vec<Cause> {
        let fixed = self.fixed.get(&check).into_iter().flatten().cloned();
        let parents = self.parents.get(&check).into_iter().flatten();
        let trial = self.trials.get(&check);
        fixed
            .chain(parents.filter_map(|(child, parent)| parent.cause(child, at, now)))
            .chain(trial.and_then(|trial| trial.cause(at, now)))
            .collect()
    }
}

/// Those of these checks of which nothing else is told, since they flap.
async fn flapping(conn: &mut PgConnection, checks: &[CheckId]) -> Result<Vec<CheckId>, StoreError> {
    let ids: Vec<Uuid> = checks.iter().map(|id| id.0).collect();
    let found = sqlx::query_scalar!(
        "select check_id from check_states where check_id = any($1) and flapping = $2",
        &ids,
        Flapping::Held.number(),
    )
    .fetch_all(conn)
    .await
    .doing("find which checks flap")?;
    Ok(found.into_iter().map(CheckId).collect())
}

/// Whatever these checks are suppressed by, as far as somebody looks at it.
async fn parents(
    conn: &mut PgConnection,
    checks: &[CheckId],
    now: OffsetDateTime,
) -> Result<HashMap<CheckId, Vec<(Child, Parent)>>, StoreError> {
    let ids: Vec<Uuid> = checks.iter().map(|id| id.0).collect();
    let rows = sqlx::query!(
        r#"select n.check_id, n.address, t.state, t.since,
               t.failures + t.successes > 0 or t.recent is not null as "is_suspect!",
               coalesce((select max(o.at) from observations o
                   where o.check_no = p.check_no and o.at > t.last_at), t.last_at) as last_at,
               s.bytes as "spec!", w.successes > 0 or w.recent is not null as "child_is_suspect!",
               coalesce((select max(o.at) from observations o
                   where o.check_no = c.check_no and o.at > w.last_at), w.last_at) as child_last_at,
               b.bytes as "child_spec!"
           from check_parents n
           join checks c on c.id = n.check_id
           join check_states w on w.check_id = c.id
           join specs b on b.id = c.live_spec_id
           join checks p on p.project_id = c.project_id and p.address = n.address
               and p.deleted_at is null and not p.disabled
           join check_states t on t.check_id = p.id
           join specs s on s.id = p.live_spec_id
           where n.check_id = any($1)
               and not exists (select from overlays v where v.check_id = p.id
                   and v.kind = 'paused' and (v.until is null or v.until > $2))
           order by n.address"#,
        &ids,
        now,
    )
    .fetch_all(conn)
    .await
    .doing("read what suppresses checks")?;
    let mut found: HashMap<CheckId, Vec<(Child, Parent)>> = HashMap::new();
    for row in rows {
        // What a newer version has stored says nothing here.
        let (Some((patience, _)), Some((own, lateness))) =
            (patience(&row.spec), patience(&row.child_spec))
        else {
            continue;
        };
        let child = Child {
            last_at: row.child_last_at,
            is_suspect: row.child_is_suspect,
            patience: own,
            lateness,
        };
        let parent = Parent {
            called: format!("check.{}", row.address),
            state: State::from_number(row.state).ok_or(StoreError::Number {
                what: "state",
                number: row.state,
            })?,
            since: row.since,
            is_suspect: row.is_suspect,
            last_at: row.last_at,
            patience,
        };
        let all = found.entry(CheckId(row.check_id)).or_default();
        all.push((child, parent));
    }
    Ok(found)
}

/// Within that a check is probed twice, if anybody looks; and how late a probe may begin.
fn patience(spec: &[u8]) -> Option<(Duration, Duration)> {
    let spec = decode_check(spec).ok()?;
    let every = Duration::seconds(spec.every.seconds().into());
    let timeout = Duration::milliseconds(spec.timeout.milliseconds().into());
    let lateness = Duration::microseconds(cadence::lateness(spec.every).0);
    Some((every * 2 + timeout, lateness))
}

/// The live checks that these suppress.
pub(super) async fn children(
    conn: &mut PgConnection,
    parents: &[CheckId],
) -> Result<Vec<CheckId>, StoreError> {
    let ids: Vec<Uuid> = parents.iter().map(|id| id.0).collect();
    let found = sqlx::query_scalar!(
        "select n.check_id from checks p
         join check_parents n on n.address = p.address
         join checks c on c.id = n.check_id and c.project_id = p.project_id
         where p.id = any($1) and c.deleted_at is null",
        &ids,
    )
    .fetch_all(conn)
    .await
    .doing("find what checks suppress")?;
    Ok(found.into_iter().map(CheckId).collect())
}
