//! The incidents and transitions of a check within a window.

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::error::{Doing as _, StoreError};
use crate::model::health::State;
use crate::model::id::{CheckId, IncidentId};
use crate::model::overlay::Mark;

/// An outage, from its opening to its close.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IncidentRow {
    pub id: IncidentId,
    /// What it opened with.
    pub state: State,
    pub opened_at: OffsetDateTime,
    /// `None` while it is open.
    pub closed_at: Option<OffsetDateTime>,
    /// That somebody worked on it.
    pub acknowledged: Option<Mark>,
}

/// A change of state, or of what the check is beside it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TransitionRow {
    pub at: OffsetDateTime,
    pub previous: State,
    pub next: State,
    pub incident: Option<IncidentId>,
    /// The type of its event, and whether that ends what one of this type began.
    pub kind: String,
    pub resolved: bool,
}

/// The incidents of a check that touch a window, newest first, at most `limit`.
pub async fn incident_list(
    conn: &mut PgConnection,
    check: CheckId,
    since: OffsetDateTime,
    until: OffsetDateTime,
    limit: i64,
) -> Result<Vec<IncidentRow>, StoreError> {
    let rows = sqlx::query!(
        r#"select i.id, i.opened_at, i.closed_at, t.next as "next?",
               i.acked_at, i.acked_by, i.acked_reason
           from incidents i
           left join transitions t on t.check_id = i.check_id and t.seq = i.opened_seq
           where i.check_id = $1 and i.opened_at < $3
               and (i.closed_at is null or i.closed_at > $2)
           order by i.opened_seq desc limit $4"#,
        check.0,
        since,
        until,
        limit,
    )
    .fetch_all(conn)
    .await
    .doing("list incidents")?;
    rows.into_iter()
        .map(|row| {
            Ok(IncidentRow {
                id: IncidentId(row.id),
                state: row.next.map_or(Ok(State::Down), state)?,
                opened_at: row.opened_at,
                closed_at: row.closed_at,
                acknowledged: row.acked_at.map(|since| Mark {
                    since,
                    until: None,
                    by: row.acked_by,
                    reason: row.acked_reason,
                }),
            })
        })
        .collect()
}

/// The transitions of a check within a window, newest first, at most `limit`.
pub async fn transition_list(
    conn: &mut PgConnection,
    check: CheckId,
    since: OffsetDateTime,
    until: OffsetDateTime,
    limit: i64,
) -> Result<Vec<TransitionRow>, StoreError> {
    let rows = sqlx::query!(
        "select at, previous, next, incident_id, type as kind, resolved from transitions
         where check_id = $1 and at >= $2 and at < $3 order by seq desc limit $4",
        check.0,
        since,
        until,
        limit,
    )
    .fetch_all(conn)
    .await
    .doing("list transitions")?;
    rows.into_iter()
        .map(|row| {
            Ok(TransitionRow {
                at: row.at,
                previous: state(row.previous)?,
                next: state(row.next)?,
                incident: row.incident_id.map(|id: Uuid| IncidentId(id)),
                kind: row.kind,
                resolved: row.resolved,
            })
        })
        .collect()
}

fn state(number: i16) -> Result<State, StoreError> {
    State::from_number(number).ok_or(StoreError::Number {
        what: "state",
        number,
    })
}
