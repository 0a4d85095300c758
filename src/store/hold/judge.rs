//! Deliveries are decided on, and what was decided is done.

use std::collections::HashMap;

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::causes::Causes;
use crate::hold::{Cause, Decision, Earlier, Facts, Role, decide, past};
use crate::model::id::{CheckId, EventId};
use crate::store::error::{Doing as _, StoreError};

/// The type of the event that a check flaps.
const FLAPPING: &str = "check.flapping";
/// The type of the event that an incident goes on.
const REMINDER: &str = "check.reminder";

/// What is to become of a delivery.
pub(super) struct Judged {
    pub(super) delivery: Uuid,
    event: EventId,
    /// It ends what earlier ones told.
    ends: bool,
    /// It says again what earlier ones told.
    reminds: bool,
    pub(super) decision: Decision,
}

/// Decides on deliveries, and does that; returns the events of which one is to be sent now.
pub(super) async fn judge(
    conn: &mut PgConnection,
    deliveries: &[Uuid],
    causes: &Causes,
    now: OffsetDateTime,
) -> Result<Vec<EventId>, StoreError> {
    let judged = decisions(conn, deliveries, causes, now).await?;
    follow(conn, judged, now).await
}

/// Decides on deliveries. What goes on with something that is held waits for that: it is told in its
/// order.
pub(super) async fn decisions(
    conn: &mut PgConnection,
    deliveries: &[Uuid],
    causes: &Causes,
    now: OffsetDateTime,
) -> Result<Vec<Judged>, StoreError> {
    // What an event ends are the earlier ones of its incident, or what began the same aspect of
    // the check last: that it is degraded, or flaps.
    let rows = sqlx::query!(
        r#"select d.id, d.event_id, d.check_id, t.at, t.type as kind,
               case when t.type in ('check.degraded', 'check.flapping') then t.resolved
                   else t.next in (0, 1) end as "ends!",
               case when t.type in ('check.degraded', 'check.flapping') then exists (
                       select from transitions e where e.check_id = t.check_id and e.seq > t.seq
                           and (e.type = 'check.deleted' or e.type = t.type and e.resolved))
                   else coalesce((select i.closed_seq is not null from incidents i
                       where i.id = t.incident_id), false) end as "is_over!",
               -- What was attempted may have been received, and what another one tells; or what
               -- was told to one in whose place this receiver is.
               case when t.next in (0, 1) or t.resolved then (
                   select max(case when o.state in ('pending', 'delivered')
                           or o.superseded_by is not null
                           or o.state = 'held' and o.attempts > 0 then 2
                       when o.state = 'held' then 1 else 0 end)
                   from transitions r
                   join deliveries o on o.event_id = r.id and o.replay_no = 0
                   join receivers w on w.id = o.receiver_id
                       and (w.id = v.id or w.url = v.url and w.format = v.format)
                   where r.check_id = t.check_id and r.seq < t.seq
                       and (r.incident_id = t.incident_id
                           or r.type in ('check.degraded', 'check.flapping')
                           and t.type in (r.type, 'check.deleted') and not r.resolved
                           and not exists (select from transitions b where b.check_id = t.check_id
                               and b.seq > r.seq and b.seq < t.seq
                               and b.type = r.type))) end as earlier,
               t.incident_id, d.receiver_id, h.next_at as "held_until?", h.reason as "held_by?"
           from deliveries d join transitions t on t.id = d.event_id
           join receivers v on v.id = d.receiver_id
           left join lateral (select o.next_at, o.reason
               from deliveries o join transitions r on r.id = o.event_id
               where o.state = 'held' and o.check_id = d.check_id
                   and o.receiver_id = d.receiver_id and o.id <> all($1)
                   and r.incident_id = t.incident_id and r.seq < t.seq
               order by r.seq desc limit 1) h on t.next not in (0, 1)
           where d.id = any($1) order by t.seq"#,
        deliveries,
    )
    .fetch_all(&mut *conn)
    .await
    .doing("read what is known of deliveries")?;
    let mut waits: HashMap<(Uuid, Uuid), Decision> = HashMap::new();
    let mut judged = Vec::with_capacity(rows.len());
    for row in rows {
        let facts = Facts {
            role: if row.ends { Role::Ends } else { Role::Tells },
            earlier: match row.earlier {
                Some(2) => Earlier::Told,
                Some(1) => Earlier::Held,
                _ => Earlier::Nothing,
            },
            is_over: row.is_over,
        };
        let of = row.check_id.map(CheckId);
        let of = of.map_or_else(Vec::new, |check| {
            let mut all = causes.at(check, row.at, now);
            // That it flaps is told while it does.
            all.retain(|cause| *cause != Cause::Flapping || row.kind != FLAPPING);
            all
        });
        let mut decision = decide(facts, &of, now);
        if let Some(incident) = row.incident_id
            && !row.ends
        {
            let place = (incident, row.receiver_id);
            let held = row.held_until.zip(row.held_by);
            let held = held.map(|(until, reason)| Decision::Hold { until, reason });
            if decision == Decision::Send
                && let Some(before) = waits.get(&place).cloned().or(held)
            {
                decision = before;
            }
            if matches!(decision, Decision::Hold { .. }) {
                waits.insert(place, decision.clone());
            }
        }
        judged.push(Judged {
            delivery: row.id,
            event: EventId(row.event_id),
            ends: row.ends,
            reminds: row.kind == REMINDER,
            decision,
        });
    }
    Ok(judged)
}

/// Does what was decided; returns the events of which a delivery is to be sent now.
pub(super) async fn follow(
    conn: &mut PgConnection,
    judged: Vec<Judged>,
    now: OffsetDateTime,
) -> Result<Vec<EventId>, StoreError> {
    let (mut held, mut until, mut words) = (Vec::new(), Vec::new(), Vec::new());
    let (mut ended, mut why) = (Vec::new(), Vec::new());
    let (mut sent, mut events) = (Vec::new(), Vec::new());
    let is_held = |it: &&Judged| it.reminds && matches!(it.decision, Decision::Hold { .. });
    let reminders = judged.iter().filter(is_held);
    let reminders: Vec<Uuid> = reminders.map(|it| it.delivery).collect();
    let ends = judged.iter().filter(|it| it.ends);
    let ends: Vec<Uuid> = ends.map(|it| it.delivery).collect();
    for it in judged {
        match it.decision {
            Decision::Send => {
                sent.push(it.delivery);
                events.push(it.event);
            }
            Decision::Hold { until: at, reason } => {
                held.push(it.delivery);
                until.push(at);
                words.push(reason);
            }
            Decision::End { reason } => {
                ended.push(it.delivery);
                why.push(reason);
            }
        }
    }
    end_held(conn, &ends, now).await?;
    // What these were to tell with them is looked at by itself, in a moment: there may be an end.
    sqlx::query!(
        "update deliveries m set state = 'held', superseded_by = null, finished_at = null,
             next_at = $3, reason = n.reason
         from unnest($1::uuid[], $2::text[]) as n (id, reason)
         join deliveries d on d.id = n.id and d.state = 'pending' and d.check_id is not null
         where m.superseded_by = d.id and m.replay_no = 0",
        &held,
        &words,
        now,
    )
    .execute(&mut *conn)
    .await
    .doing("take back what others were to tell")?;
    sqlx::query!(
        "update deliveries d set state = 'held', next_at = n.until, reason = n.reason
         from unnest($1::uuid[], $2::timestamptz[], $3::text[]) as n (id, until, reason)
         where d.id = n.id",
        &held,
        &until,
        &words,
    )
    .execute(&mut *conn)
    .await
    .doing("hold deliveries")?;
    end_reminded(conn, &reminders, now).await?;
    sqlx::query!(
        "update deliveries d set state = 'superseded', finished_at = $3, reason = n.reason
         from unnest($1::uuid[], $2::text[]) as n (id, reason) where d.id = n.id",
        &ended,
        &why,
        now,
    )
    .execute(&mut *conn)
    .await
    .doing("end deliveries that nobody gets")?;
    sqlx::query!(
        "update deliveries set state = 'pending', next_at = $2, reason = ''
         where id = any($1) and state = 'held'",
        &sent,
        now,
    )
    .execute(conn)
    .await
    .doing("send what was held")?;
    events.sort_unstable();
    events.dedup();
    Ok(events)
}

/// Of the reminders of one incident that are held the newest is told, if any: the others say the
/// same.
async fn end_reminded(
    conn: &mut PgConnection,
    reminders: &[Uuid],
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    if reminders.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "update deliveries o set state = 'superseded', finished_at = $2,
             reason = 'a newer reminder is held'
         from deliveries d join transitions t on t.id = d.event_id, transitions r
         where d.id = any($1) and o.state = 'held' and o.check_id = d.check_id
             and o.receiver_id = d.receiver_id and o.replay_no = 0 and o.attempts = 0
             and r.id = o.event_id and r.type = t.type and r.incident_id = t.incident_id
             and r.seq < t.seq",
        reminders,
        now,
    )
    .execute(conn)
    .await
    .doing("end reminders that are older than others")?;
    Ok(())
}

/// Ends what is held of what these deliveries end.
async fn end_held(
    conn: &mut PgConnection,
    ends: &[Uuid],
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    if ends.is_empty() {
        return Ok(());
    }
    let rows = sqlx::query!(
        "select distinct o.id, o.reason
         from deliveries d join transitions t on t.id = d.event_id
             join transitions r on r.check_id = t.check_id and r.seq < t.seq
                 and (r.incident_id = t.incident_id
                     or r.type in ('check.degraded', 'check.flapping')
                         and t.type in (r.type, 'check.deleted') and not r.resolved)
             join deliveries o on o.event_id = r.id and o.receiver_id = d.receiver_id
         where d.id = any($1) and o.state = 'held'",
        ends,
    )
    .fetch_all(&mut *conn)
    .await
    .doing("find what was held of what is over")?;
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
    let reasons = rows.iter().map(|row| past(&row.reason));
    let reasons: Vec<String> = reasons.collect();
    sqlx::query!(
        "update deliveries o set state = 'superseded', finished_at = $3,
             reason = 'it was over while it was held: ' || n.reason
         from unnest($1::uuid[], $2::text[]) as n (id, reason)
         where o.id = n.id and o.state = 'held'",
        &ids,
        &reasons,
        now,
    )
    .execute(conn)
    .await
    .doing("end what was held of what is over")?;
    Ok(())
}
