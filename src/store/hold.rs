//! Deliveries that something holds back: judged with the transition that owes them, and again
//! when their time has come. `crate::hold` decides; here are its facts, and what follows.
//!
//! Who judges an end locks what is held of the same first: either what was held is sent before,
//! and then the end is, too, or neither is.

use std::collections::HashMap;

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::error::{Doing as _, StoreError};
use super::overlay::overlay_find;
use super::transition::NewTransition;
use crate::hold::{Cause, Decision, Earlier, Facts, Role, decide};
use crate::model::health::Told;
use crate::model::id::{CheckId, EventId};

/// Judges the deliveries that these transitions have just brought, in their transaction.
pub async fn hold_new(
    conn: &mut PgConnection,
    transitions: &[NewTransition],
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    let told = transitions
        .iter()
        .filter(|it| it.transition.told == Told::Yes);
    let mut rounds: Vec<Vec<EventId>> = Vec::new();
    let mut of: HashMap<CheckId, usize> = HashMap::new();
    let mut concerned: Vec<CheckId> = told.clone().map(|it| it.check).collect();
    concerned.sort_unstable();
    concerned.dedup();
    if concerned.is_empty() {
        return Ok(());
    }
    let causes = causes(conn, &concerned, now).await?;
    let held = hold_lock(conn, &concerned).await?;
    for new in told {
        if !causes.contains_key(&new.check) && !held.contains(&new.check) {
            continue;
        }
        // What one check went through is judged in its order.
        let round = of.entry(new.check).or_default();
        if rounds.len() <= *round {
            rounds.push(Vec::new());
        }
        if let Some(events) = rounds.get_mut(*round) {
            events.push(new.id);
        }
        *round += 1;
    }
    for events in rounds {
        let ids: Vec<Uuid> = events.iter().map(|id| id.0).collect();
        let new = sqlx::query_scalar!(
            "select id from deliveries where event_id = any($1) and state = 'pending'",
            &ids,
        )
        .fetch_all(&mut *conn)
        .await
        .doing("find new deliveries")?;
        judge(conn, &new, &causes, now).await?;
    }
    Ok(())
}

/// Judges again what is held and due, at most `limit`; returns how many these were, and the
/// events that are to be sent. Several may do so at once.
pub async fn hold_again(
    conn: &mut PgConnection,
    limit: i64,
    now: OffsetDateTime,
) -> Result<(usize, Vec<EventId>), StoreError> {
    let due = sqlx::query!(
        "select id, check_id from deliveries where state = 'held' and next_at <= $1
         order by next_at limit $2 for update skip locked",
        now,
        limit,
    )
    .fetch_all(&mut *conn)
    .await
    .doing("find held deliveries")?;
    if due.is_empty() {
        return Ok((0, Vec::new()));
    }
    let mut checks: Vec<CheckId> = due
        .iter()
        .filter_map(|it| it.check_id.map(CheckId))
        .collect();
    checks.sort_unstable();
    checks.dedup();
    let causes = causes(conn, &checks, now).await?;
    let ids: Vec<Uuid> = due.iter().map(|it| it.id).collect();
    let sent = judge(conn, &ids, &causes, now).await?;
    Ok((due.len(), sent))
}

/// What is held of these checks is judged at once: something that holds was changed.
pub async fn hold_wake(
    conn: &mut PgConnection,
    checks: &[CheckId],
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    let ids: Vec<Uuid> = checks.iter().map(|id| id.0).collect();
    sqlx::query!(
        "update deliveries set next_at = $2 where state = 'held' and check_id = any($1)",
        &ids,
        now,
    )
    .execute(conn)
    .await
    .doing("look at held deliveries anew")?;
    Ok(())
}

/// Everything that holds back what would be told of these checks.
async fn causes(
    conn: &mut PgConnection,
    checks: &[CheckId],
    now: OffsetDateTime,
) -> Result<HashMap<CheckId, Vec<Cause>>, StoreError> {
    let mut causes: HashMap<CheckId, Vec<Cause>> = HashMap::new();
    for (check, overlay) in overlay_find(conn, checks, now).await? {
        if let Some(mark) = overlay.muted {
            let cause = Cause::Muted {
                by: mark.by,
                reason: mark.reason,
                until: mark.until,
            };
            causes.entry(check).or_default().push(cause);
        }
        if let Some(mark) = overlay.maintenance {
            let cause = Cause::Maintenance {
                by: mark.by,
                reason: mark.reason,
                until: mark.until,
            };
            causes.entry(check).or_default().push(cause);
        }
    }
    Ok(causes)
}

/// Locks what is held of these checks; returns those of which something is.
async fn hold_lock(
    conn: &mut PgConnection,
    checks: &[CheckId],
) -> Result<Vec<CheckId>, StoreError> {
    let ids: Vec<Uuid> = checks.iter().map(|id| id.0).collect();
    let held = sqlx::query_scalar!(
        r#"select check_id as "check_id!" from deliveries
           where state = 'held' and check_id = any($1) order by id for update"#,
        &ids,
    )
    .fetch_all(conn)
    .await
    .doing("lock held deliveries")?;
    Ok(held.into_iter().map(CheckId).collect())
}

/// Decides on deliveries, and does that; returns the events of which one is to be sent now.
async fn judge(
    conn: &mut PgConnection,
    deliveries: &[Uuid],
    causes: &HashMap<CheckId, Vec<Cause>>,
    now: OffsetDateTime,
) -> Result<Vec<EventId>, StoreError> {
    // What an event ends are the earlier ones of its incident, or what degraded the check last.
    let rows = sqlx::query!(
        r#"select d.id, d.event_id, d.check_id,
               t.next in (0, 1) and (t.type <> 'check.degraded' or t.resolved) as "ends!",
               case when t.type = 'check.degraded' then exists (select from transitions e
                       where e.check_id = t.check_id and e.seq > t.seq
                           and (e.type = 'check.deleted' or e.type = 'check.degraded' and e.resolved))
                   else coalesce((select i.closed_seq is not null from incidents i
                       where i.id = t.incident_id), false) end as "is_over!",
               (select max(case when o.state = 'held' then 1
                       when o.state in ('pending', 'delivered') then 2 else 0 end)
                from transitions r join deliveries o
                    on o.event_id = r.id and o.receiver_id = d.receiver_id and o.replay_no = 0
                where r.check_id = t.check_id and r.seq < t.seq
                    and (r.incident_id = t.incident_id
                        or t.type in ('check.degraded', 'check.deleted')
                        and r.type = 'check.degraded' and not r.resolved
                        and not exists (select from transitions b where b.check_id = t.check_id
                            and b.seq > r.seq and b.seq < t.seq
                            and b.type = 'check.degraded'))) as earlier
           from deliveries d join transitions t on t.id = d.event_id
           where d.id = any($1)"#,
        deliveries,
    )
    .fetch_all(&mut *conn)
    .await
    .doing("read what is known of deliveries")?;
    let (mut held, mut until, mut words) = (Vec::new(), Vec::new(), Vec::new());
    let (mut ended, mut why) = (Vec::new(), Vec::new());
    let (mut sent, mut events, mut ends) = (Vec::new(), Vec::new(), Vec::new());
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
        if row.ends {
            ends.push(row.id);
        }
        let of = row.check_id.and_then(|check| causes.get(&CheckId(check)));
        match decide(facts, of.map_or(&[], Vec::as_slice), now) {
            Decision::Send => {
                sent.push(row.id);
                events.push(EventId(row.event_id));
            }
            Decision::Hold { until: at, reason } => {
                held.push(row.id);
                until.push(at);
                words.push(reason);
            }
            Decision::End { reason } => {
                ended.push(row.id);
                why.push(reason);
            }
        }
    }
    end_held(conn, &ends, now).await?;
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

/// Ends what is held of what these deliveries end.
async fn end_held(
    conn: &mut PgConnection,
    ends: &[Uuid],
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    if ends.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "update deliveries o set state = 'superseded', finished_at = $2,
             reason = 'it was over while it was held: ' || o.reason
         from deliveries d join transitions t on t.id = d.event_id
             join transitions r on r.check_id = t.check_id and r.seq < t.seq
                 and (r.incident_id = t.incident_id
                     or t.type in ('check.degraded', 'check.deleted')
                         and r.type = 'check.degraded' and not r.resolved)
         where d.id = any($1) and o.event_id = r.id and o.receiver_id = d.receiver_id
             and o.state = 'held'",
        ends,
        now,
    )
    .execute(conn)
    .await
    .doing("end what was held of what is over")?;
    Ok(())
}
