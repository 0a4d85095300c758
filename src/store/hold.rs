//! Deliveries that something holds back: judged with the transition that owes them, and again
//! when their time has come. `crate::hold` decides; here are its facts, and what follows.
//!
//! Who judges an end locks what is held of the same first: either what was held is sent before,
//! and then the end is, too, or neither is.

use std::collections::{HashMap, HashSet};

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

mod causes;
mod judge;

use self::causes::{Causes, children};
use self::judge::{decisions, follow, judge};
use super::error::{Doing as _, StoreError};
use super::overlay::overlay_find;
use super::transition::NewTransition;
use super::trial::trial_fail;
use crate::hold::Decision;
use crate::model::health::{Flap, Told};
use crate::model::id::{CheckId, EventId};
use crate::model::overlay::Overlay;

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
        // Of what is due at once the older goes before what waits for it.
        "select id, check_id from deliveries where state = 'held' and next_at <= $1
         order by next_at, seq limit $2 for update skip locked",
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

/// Holds what waits to be sent of these checks, since something holds it from now on. What is being
/// sent at this moment goes on, and so do ends, and what is over already.
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
