//! What happened to one check, and who was told of it.

use std::collections::HashMap;

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::error::{Doing as _, StoreError};
use super::project::{ProjectId, drift};
use crate::model::change::Drift;
use crate::model::id::CheckId;

/// A transition and its deliveries.
#[derive(Clone, Debug)]
pub struct ToldRow {
    pub id: Uuid,
    /// As `check.down`.
    pub kind: String,
    /// It ended what an event of the same type began.
    pub resolved: bool,
    pub seq: i64,
    pub previous: i16,
    pub next: i16,
    pub at: OffsetDateTime,
    pub generation: i64,
    pub revision: String,
    pub incident: Option<Uuid>,
    pub deliveries: Vec<DeliveryRow>,
}

/// What became of an event at one receiver.
#[derive(Clone, Debug)]
pub struct DeliveryRow {
    /// Its name, or its URL where it has none.
    pub receiver: String,
    pub state: String,
    pub attempts: i32,
    pub next_at: OffsetDateTime,
    pub finished_at: Option<OffsetDateTime>,
    /// The event that lists its event, and the state of that delivery.
    pub superseded: Option<(Uuid, String)>,
    /// Why it is dead, or what went wrong last.
    pub reason: String,
}

/// The live check that had this name once, in this project if one is given.
pub async fn explain_former(
    conn: &mut PgConnection,
    name: &str,
    project: Option<&str>,
) -> Result<Option<CheckId>, StoreError> {
    let id = sqlx::query_scalar!(
        "select c.id from projects p
         join memberships m on m.project_id = p.id and m.kind = 'check' and m.address = $1
         join checks c on c.id = m.object and c.deleted_at is null
         where $2::text is null or p.name = $2
         order by m.from_gen desc, c.id limit 1",
        name,
        project,
    )
    .fetch_optional(conn)
    .await
    .doing("find a check by a former name")?;
    Ok(id.map(CheckId))
}

/// The newest transitions of a check, newest first, each with who was told.
pub async fn explain_told(
    conn: &mut PgConnection,
    check: CheckId,
    count: i64,
) -> Result<Vec<ToldRow>, StoreError> {
    let rows = sqlx::query!(
        "select id, type as kind, resolved, seq, previous, next, at, generation, revision, incident_id
         from transitions where check_id = $1 order by seq desc limit $2",
        check.0,
        count,
    )
    .fetch_all(&mut *conn)
    .await
    .doing("read transitions")?;
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
    let sent = sqlx::query!(
        r#"select d.event_id, coalesce(r.address, r.url) as "receiver!", d.state,
               greatest(d.attempts, (select n from claims where delivery_id = d.id)) as "attempts!",
               d.next_at, d.finished_at, d.reason,
               (select coalesce(a.error, 'status ' || a.status) from attempts a
                where a.delivery_id = d.id and a.finished_at is not null
                    and d.state <> 'delivered'
                order by a.n desc limit 1) as "last?",
               g.event_id as "superseded_by?", g.state as "superseded_state?"
           from deliveries d join receivers r on r.id = d.receiver_id
           left join deliveries g on g.id = d.superseded_by
           where d.event_id = any($1) order by d.created_at, d.receiver_id"#,
        &ids,
    )
    .fetch_all(conn)
    .await
    .doing("read who was told")?;
    let mut of: HashMap<Uuid, Vec<DeliveryRow>> = HashMap::new();
    for row in sent {
        let reason = match row.reason.is_empty() {
            true => row.last.unwrap_or_default(),
            false => row.reason,
        };
        of.entry(row.event_id).or_default().push(DeliveryRow {
            receiver: row.receiver,
            state: row.state,
            attempts: row.attempts,
            next_at: row.next_at,
            finished_at: row.finished_at,
            superseded: row.superseded_by.zip(row.superseded_state),
            reason,
        });
    }
    Ok(rows
        .into_iter()
        .map(|row| ToldRow {
            deliveries: of.remove(&row.id).unwrap_or_default(),
            id: row.id,
            kind: row.kind,
            resolved: row.resolved,
            seq: row.seq,
            previous: row.previous,
            next: row.next,
            at: row.at,
            generation: row.generation,
            revision: row.revision,
            incident: row.incident_id,
        })
        .collect())
}

/// The project of a check, and who went past its files, if somebody did.
pub async fn explain_drift(
    conn: &mut PgConnection,
    check: CheckId,
) -> Result<Option<(ProjectId, Option<Drift>)>, StoreError> {
    let row = sqlx::query!(
        r#"select c.project_id, f.by_whom as "by?", f.at as "at?", f.reason as "reason?"
           from checks c left join drifts f on f.check_id = c.id where c.id = $1"#,
        check.0,
    )
    .fetch_optional(conn)
    .await
    .doing("find who changed a check")?;
    Ok(row.map(|row| {
        let drift = drift(row.by, row.at, row.reason);
        (ProjectId(row.project_id), drift)
    }))
}
