//! Deliveries that something holds back: judged with the transition that owes them, and again
//! when their time has come. `crate::hold` decides; here are its facts, and what follows.
//!
//! Who judges an end locks what is held of the same first: either what was held is sent before,
//! and then the end is, too, or neither is.

use std::collections::{HashMap, HashSet};

use sqlx::PgConnection;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::error::{Doing as _, StoreError};
use super::overlay::overlay_find;
use super::transition::NewTransition;
use super::trial::{trial_fail, trial_of};
use crate::cadence;
use crate::hold::{Cause, Child, Decision, Earlier, Facts, Parent, Role, Trial, decide, past};
use crate::model::health::{Flap, Flapping, State, Told};
use crate::model::id::{CheckId, EventId};
use crate::model::overlay::{Mark, Overlay};
use crate::spec::decode_check;

/// The type of the event that a check flaps.
const FLAPPING: &str = "check.flapping";

/// Judges the deliveries that these transitions have just brought, in their transaction.
/// `overlays` is what is set on their checks.
pub async fn hold_new(
    conn: &mut PgConnection,
    transitions: &[NewTransition],
    overlays: &HashMap<CheckId, Overlay>,
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
    let recovered: Vec<CheckId> = transitions
        .iter()
        .filter(|it| it.transition.previous.is_outage() && !it.transition.next.is_outage())
        .map(|it| it.check)
        .collect();
    let children = match recovered.is_empty() {
        true => Vec::new(),
        false => children(conn, &recovered).await?,
    };
    let mut locked = [concerned.as_slice(), children.as_slice()].concat();
    locked.sort_unstable();
    locked.dedup();
    if locked.is_empty() {
        return Ok(());
    }
    let held = hold_lock(conn, &locked).await?;
    let settled = transitions
        .iter()
        .filter(|it| it.transition.flap == Some(Flap::Ends))
        .map(|it| it.check);
    let settled: HashSet<CheckId> = settled.collect();
    let woken: Vec<CheckId> = settled.iter().copied().chain(children).collect();
    if !woken.is_empty() {
        // What explained them is over, or they flap no more.
        hold_wake(conn, &woken, now).await?;
    }
    if concerned.is_empty() {
        return Ok(());
    }
    let failed: Vec<_> = told
        .clone()
        .filter(|it| it.transition.opens())
        .map(|it| (it.check, it.transition.at))
        .collect();
    if !failed.is_empty() {
        trial_fail(conn, &failed).await?;
    }
    let causes = Causes::of(conn, &concerned, overlays, now).await?;
    // What they came to comes before that they flap no more.
    let settled = concerned.iter().filter(|it| settled.contains(it));
    let settled: Vec<Uuid> = settled.map(|it| it.0).collect();
    if !settled.is_empty() {
        let held = sqlx::query_scalar!(
            "select id from deliveries where state = 'held' and check_id = any($1)",
            &settled,
        )
        .fetch_all(&mut *conn)
        .await
        .doing("find what was held while checks flapped")?;
        judge(conn, &held, &causes, now).await?;
    }
    for new in told {
        if !causes.has(new.check) && !held.contains(&new.check) {
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
    let overlays = overlay_find(conn, &checks, now).await?;
    let causes = Causes::of(conn, &checks, &overlays, now).await?;
    let ids: Vec<Uuid> = due.iter().map(|it| it.id).collect();
    let sent = judge(conn, &ids, &causes, now).await?;
    Ok((due.len(), sent))
}

/// Holds what waits to be sent of these checks, since something holds it from now on. What is being sent
/// at this moment goes on, and so do ends, and what is over already.
pub async fn hold_waiting(
    conn: &mut PgConnection,
    checks: &[CheckId],
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    let ids: Vec<Uuid> = checks.iter().map(|id| id.0).collect();
    let waiting = sqlx::query_scalar!(
        "select id from deliveries
         where state = 'pending' and check_id = any($1) and replay_no = 0
         order by id for update skip locked",
        &ids,
    )
    .fetch_all(&mut *conn)
    .await
    .doing("find what waits to be sent")?;
    // Whoever claims one has it locked: what nobody had claimed by now is not claimed meanwhile.
    let waiting = sqlx::query_scalar!(
        r#"select id as "id!" from unnest($1::uuid[]) as w (id)
           where id not in (select delivery_id from claims)"#,
        &waiting,
    )
    .fetch_all(&mut *conn)
    .await
    .doing("find what is being sent")?;
    hold_those(conn, &waiting, checks, now).await.map(drop)
}

/// Holds those of these deliveries, of these checks and locked, that something holds by now, but
/// for ends, and what is over already; returns them.
pub async fn hold_those(
    conn: &mut PgConnection,
    waiting: &[Uuid],
    checks: &[CheckId],
    now: OffsetDateTime,
) -> Result<HashSet<Uuid>, StoreError> {
    if waiting.is_empty() {
        return Ok(HashSet::new());
    }
    let overlays = overlay_find(conn, checks, now).await?;
    let causes = Causes::of(conn, checks, &overlays, now).await?;
    if !checks.iter().any(|check| causes.has(*check)) {
        return Ok(HashSet::new());
    }
    let mut judged = decisions(conn, waiting, &causes, now).await?;
    judged.retain(|it| matches!(it.decision, Decision::Hold { .. }));
    let held = judged.iter().map(|it| it.delivery).collect();
    follow(conn, judged, now).await?;
    Ok(held)
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

/// Everything that holds back what would be told of some checks.
#[derive(Default)]
struct Causes {
    /// Whatever it is.
    fixed: HashMap<CheckId, Vec<Cause>>,
    /// What hangs on when it happened.
    parents: HashMap<CheckId, Vec<(Child, Parent)>>,
    trials: HashMap<CheckId, Trial>,
}

impl Causes {
    async fn of(
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

    fn has(&self, check: CheckId) -> bool {
        self.fixed.contains_key(&check)
            || self.parents.contains_key(&check)
            || self.trials.contains_key(&check)
    }

    /// What holds back what happened to a check at a moment.
    fn at(&self, check: CheckId, at: OffsetDateTime, now: OffsetDateTime) -> Vec<Cause> {
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
async fn children(
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

/// What is to become of a delivery.
struct Judged {
    delivery: Uuid,
    event: EventId,
    /// It ends what earlier ones told.
    ends: bool,
    decision: Decision,
}

/// Decides on deliveries, and does that; returns the events of which one is to be sent now.
async fn judge(
    conn: &mut PgConnection,
    deliveries: &[Uuid],
    causes: &Causes,
    now: OffsetDateTime,
) -> Result<Vec<EventId>, StoreError> {
    let judged = decisions(conn, deliveries, causes, now).await?;
    follow(conn, judged, now).await
}

/// Decides on deliveries.
async fn decisions(
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
               -- What was attempted may have been received, and what another one tells.
               (select max(case when o.state in ('pending', 'delivered')
                           or o.superseded_by is not null
                           or o.state = 'held' and o.attempts > 0 then 2
                       when o.state = 'held' then 1 else 0 end)
                from transitions r join deliveries o
                    on o.event_id = r.id and o.receiver_id = d.receiver_id and o.replay_no = 0
                where r.check_id = t.check_id and r.seq < t.seq
                    and (r.incident_id = t.incident_id
                        or r.type in ('check.degraded', 'check.flapping')
                        and t.type in (r.type, 'check.deleted') and not r.resolved
                        and not exists (select from transitions b where b.check_id = t.check_id
                            and b.seq > r.seq and b.seq < t.seq
                            and b.type = r.type))) as earlier
           from deliveries d join transitions t on t.id = d.event_id
           where d.id = any($1)"#,
        deliveries,
    )
    .fetch_all(&mut *conn)
    .await
    .doing("read what is known of deliveries")?;
    let judged = rows.into_iter().map(|row| {
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
        Judged {
            delivery: row.id,
            event: EventId(row.event_id),
            ends: row.ends,
            decision: decide(facts, &of, now),
        }
    });
    Ok(judged.collect())
}

/// Does what was decided; returns the events of which a delivery is to be sent now.
async fn follow(
    conn: &mut PgConnection,
    judged: Vec<Judged>,
    now: OffsetDateTime,
) -> Result<Vec<EventId>, StoreError> {
    let (mut held, mut until, mut words) = (Vec::new(), Vec::new(), Vec::new());
    let (mut ended, mut why) = (Vec::new(), Vec::new());
    let (mut sent, mut events) = (Vec::new(), Vec::new());
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
