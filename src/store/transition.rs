//! Transitions, the incidents they open and close, and the deliveries that
//! each one owes: written together with the state, or not at all.

use std::time::Duration;

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::error::{Doing as _, StoreError};
use super::project::ProjectId;
use super::told;
use crate::model::health::{State, Told, Transition};
use crate::model::id::{CheckId, EventId, SpecId};

/// A transition to be written.
#[derive(Clone, Debug)]
pub struct NewTransition {
    pub id: EventId,
    pub check: CheckId,
    /// check.up, check.down, check.error, check.degraded, check.flapping, check.reminder or
    /// check.deleted.
    pub kind: &'static str,
    pub transition: Transition,
    pub spec_id: SpecId,
    pub generation: i64,
    pub revision: String,
    /// The encoded event.
    pub payload: Vec<u8>,
    /// What it has in common with others that are told with it, and how long it waits for them.
    pub group: Option<(String, Duration)>,
}

/// Stores transitions with their incidents and one delivery for each receiver;
/// returns how many deliveries there are to be made.
pub async fn transition_insert(
    conn: &mut PgConnection,
    transitions: &[NewTransition],
    now: OffsetDateTime,
) -> Result<u64, StoreError> {
    incident_write(conn, transitions).await?;
    let ids: Vec<Uuid> = transitions.iter().map(|t| t.id.0).collect();
    let checks: Vec<Uuid> = transitions.iter().map(|t| t.check.0).collect();
    let kinds: Vec<String> = transitions.iter().map(|t| t.kind.to_owned()).collect();
    let seqs: Vec<i64> = transitions.iter().map(|t| t.transition.seq).collect();
    let previous: Vec<i16> = transitions
        .iter()
        .map(|t| t.transition.previous.number())
        .collect();
    let next: Vec<i16> = transitions
        .iter()
        .map(|t| t.transition.next.number())
        .collect();
    let at: Vec<OffsetDateTime> = transitions.iter().map(|t| t.transition.at).collect();
    let specs: Vec<i64> = transitions.iter().map(|t| t.spec_id.0).collect();
    let generations: Vec<i64> = transitions.iter().map(|t| t.generation).collect();
    let revisions: Vec<String> = transitions.iter().map(|t| t.revision.clone()).collect();
    let incidents: Vec<Option<Uuid>> = transitions
        .iter()
        .map(|t| t.transition.incident.map(|id| id.0))
        .collect();
    let told: Vec<bool> = transitions
        .iter()
        .map(|t| t.transition.told == Told::Yes)
        .collect();
    let resolved: Vec<bool> = transitions
        .iter()
        .map(|t| t.transition.resolves())
        .collect();
    let payloads: Vec<Vec<u8>> = transitions.iter().map(|t| t.payload.clone()).collect();
    sqlx::query!(
        "insert into transitions (id, check_id, type, seq, previous, next, at, spec_id,
             generation, revision, incident_id, told, payload, resolved)
         select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::bigint[], $5::smallint[],
             $6::smallint[], $7::timestamptz[], $8::bigint[], $9::bigint[], $10::text[],
             $11::uuid[], $12::boolean[], $13::bytea[], $14::boolean[])",
        &ids,
        &checks,
        &kinds,
        &seqs,
        &previous,
        &next,
        &at,
        &specs,
        &generations,
        &revisions,
        &incidents as &[Option<Uuid>],
        &told,
        &payloads,
        &resolved,
    )
    .execute(&mut *conn)
    .await
    .doing("store transitions")?;
    told::delivery_insert(conn, transitions, now).await
}

/// An event that is about no check.
#[derive(Clone, Debug)]
pub struct NewEvent<'a> {
    pub id: EventId,
    pub kind: &'static str,
    pub generation: i64,
    pub revision: &'a str,
    /// The encoded event.
    pub payload: &'a [u8],
    pub at: OffsetDateTime,
}

/// Stores an event about a project, with one delivery for each of these of its receivers;
/// returns how many there are. A receiver of the original form does not know such events, and
/// one that names its events wants no other.
pub async fn event_insert(
    conn: &mut PgConnection,
    project: ProjectId,
    receivers: &[String],
    new: &NewEvent<'_>,
) -> Result<u64, StoreError> {
    sqlx::query!(
        "insert into transitions (id, type, seq, previous, next, at, generation, revision, told,
             payload)
         values ($1, $2, 0, 0, 0, $3, $4, $5, true, $6)",
        new.id.0,
        new.kind,
        new.at,
        new.generation,
        new.revision,
        new.payload,
    )
    .execute(&mut *conn)
    .await
    .doing("store an event")?;
    let done = sqlx::query!(
        "insert into deliveries (id, event_id, receiver_id, seq, next_at, created_at)
         select uuid_ordered($4), $1, r.id, e.seq, $4, $4
         from receivers r, (select nextval('event_numbers') as seq) e
         where r.project_id = $2 and r.address = any($3) and r.deleted_at is null
             and r.format <> 0
             and (r.events = '' or $5 = any(string_to_array(r.events, ' ')))",
        new.id.0,
        project.0,
        receivers,
        new.at,
        new.kind,
    )
    .execute(conn)
    .await
    .doing("store the deliveries of an event")?;
    Ok(done.rows_affected())
}

async fn incident_write(
    conn: &mut PgConnection,
    transitions: &[NewTransition],
) -> Result<(), StoreError> {
    let opening = |t: &&NewTransition| t.transition.opens();
    let closing = |t: &&NewTransition| {
        t.transition.previous.is_outage()
            && (!t.transition.next.is_outage() || t.transition.next == State::Init)
    };
    let columns = |rows: Vec<&NewTransition>| {
        let ids: Vec<Uuid> = rows
            .iter()
            .filter_map(|t| t.transition.incident.map(|id| id.0))
            .collect();
        let checks: Vec<Uuid> = rows.iter().map(|t| t.check.0).collect();
        let seqs: Vec<i64> = rows.iter().map(|t| t.transition.seq).collect();
        let at: Vec<OffsetDateTime> = rows.iter().map(|t| t.transition.at).collect();
        (ids, checks, seqs, at)
    };
    let (ids, checks, seqs, at) = columns(transitions.iter().filter(opening).collect());
    sqlx::query!(
        "insert into incidents (id, check_id, opened_seq, opened_at)
         select * from unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::timestamptz[])",
        &ids,
        &checks,
        &seqs,
        &at,
    )
    .execute(&mut *conn)
    .await
    .doing("open incidents")?;
    let (ids, _, seqs, at) = columns(transitions.iter().filter(closing).collect());
    sqlx::query!(
        "update incidents i set closed_seq = n.seq, closed_at = n.at
         from unnest($1::uuid[], $2::bigint[], $3::timestamptz[]) as n (id, seq, at)
         where i.id = n.id",
        &ids,
        &seqs,
        &at,
    )
    .execute(conn)
    .await
    .doing("close incidents")?;
    Ok(())
}
