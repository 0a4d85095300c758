//! Who is told of transitions: one delivery for each receiver.
//!
//! Each statement reads one big table by what it is given, and nothing is joined to
//! `deliveries`: a plan that Postgres made of it while it was small would be one for an empty
//! table, and read all of it again for each transition of a burst.

use std::collections::{HashMap, HashSet};

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::delivery::{Joining, lane_join};
use super::error::{Doing as _, StoreError};
use super::transition::NewTransition;
use crate::model::health::Told;

/// The types of the events that say of a check that it is something beside its state, and with
/// `resolved` that it is so no more.
const ASPECTS: [&str; 2] = ["check.degraded", "check.flapping"];

/// Stores the deliveries of these transitions, which are stored already, and returns how many
/// there are: to today's receivers, and to whoever got an earlier event of what goes on or
/// ends. Who was told of the opening is told of the end, also where the receiver was removed
/// since.
pub(super) async fn delivery_insert(
    conn: &mut PgConnection,
    transitions: &[NewTransition],
    now: OffsetDateTime,
) -> Result<u64, StoreError> {
    let told = transitions.iter();
    let told: Vec<&NewTransition> = told.filter(|t| t.transition.told == Told::Yes).collect();
    let ids: Vec<Uuid> = told.iter().map(|t| t.id.0).collect();
    let checks: Vec<Uuid> = told.iter().map(|t| t.check.0).collect();
    let seqs: Vec<i64> = told.iter().map(|t| t.transition.seq).collect();
    let news: Vec<bool> = told.iter().map(|t| is_new_to_the_original(t)).collect();
    let kinds: Vec<String> = told.iter().map(|t| t.kind.to_owned()).collect();
    let keys: Vec<String> = told.iter().map(|t| group_key(t)).collect();
    let waits: Vec<f64> = told.iter().map(|t| group_wait(t)).collect();
    let today = sqlx::query_as!(
        Joining,
        r#"insert into deliveries (id, event_id, receiver_id, check_id, seq, next_at, created_at,
             group_key)
         select uuid_ordered($5), t.id, v.id, t.check_id, t.seq,
             $5::timestamptz + make_interval(secs => case v.format when 0 then 0 else t.wait end),
             $5, case v.format when 0 then '' else t.key end
         from unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::boolean[], $6::text[], $7::text[],
             $8::double precision[]) as t (id, check_id, seq, is_new, type, key, wait)
         join check_receivers l on l.check_id = t.check_id
         join receivers v on v.id = l.receiver_id and v.deleted_at is null
             and case v.events when '' then v.format <> 0 or not t.is_new
                 else t.type = any(string_to_array(v.events, ' ')) end
         returning id, receiver_id as receiver, check_id as "check!", seq, group_key as key"#,
        &ids,
        &checks,
        &seqs,
        &news,
        now,
        &kinds,
        &keys,
        &waits,
    )
    .fetch_all(&mut *conn)
    .await
    .doing("store deliveries")?;
    let mut new = today;
    new.extend(earlier_insert(conn, &told, now).await?);
    lane_join(conn, &new).await?;
    Ok(new.len() as u64)
}

fn group_key(t: &NewTransition) -> String {
    t.group.as_ref().map(|it| it.0.clone()).unwrap_or_default()
}

/// In seconds.
fn group_wait(t: &NewTransition) -> f64 {
    t.group.as_ref().map_or(0.0, |it| it.1.as_secs_f64())
}

/// A receiver of the original form knows up, down and error only.
fn is_new_to_the_original(t: &NewTransition) -> bool {
    matches!(t.kind, "check.deleted" | "check.reminder") || ASPECTS.contains(&t.kind)
}

/// Adds whoever got an earlier event of the same incident, or that the check is degraded, or
/// flaps. One
/// whose place another has taken, of the same URL and format, would hear it twice.
async fn earlier_insert(
    conn: &mut PgConnection,
    told: &[&NewTransition],
    now: OffsetDateTime,
) -> Result<Vec<Joining>, StoreError> {
    let begun = begun(conn, told).await?;
    if begun.is_empty() {
        return Ok(Vec::new());
    }
    let events: HashSet<Uuid> = begun.iter().map(|(_, event)| *event).collect();
    let events: Vec<Uuid> = events.into_iter().collect();
    // One that was being sent as its receiver was removed may have been received.
    let rows = sqlx::query!(
        "select distinct event_id, receiver_id from deliveries
         where event_id = any($1) and (state <> 'dead'
             or exists (select from claims c where c.delivery_id = deliveries.id))",
        &events,
    )
    .fetch_all(&mut *conn)
    .await
    .doing("find who was told before")?;
    let mut by: HashMap<Uuid, Vec<Uuid>> = HashMap::new();
    for row in rows {
        by.entry(row.event_id).or_default().push(row.receiver_id);
    }
    let pairs: HashSet<(usize, Uuid)> = begun
        .iter()
        .flat_map(|(at, event)| by.get(event).into_iter().flatten().map(|to| (*at, *to)))
        .collect();
    let of = || {
        pairs
            .iter()
            .filter_map(|(at, to)| Some((told.get(*at)?, *to)))
    };
    let ids: Vec<Uuid> = of().map(|(t, _)| t.id.0).collect();
    let checks: Vec<Uuid> = of().map(|(t, _)| t.check.0).collect();
    let seqs: Vec<i64> = of().map(|(t, _)| t.transition.seq).collect();
    let ends: Vec<bool> = of().map(|(t, _)| !t.transition.next.is_outage()).collect();
    let news: Vec<bool> = of().map(|(t, _)| is_new_to_the_original(t)).collect();
    let kinds: Vec<String> = of().map(|(t, _)| t.kind.to_owned()).collect();
    let receivers: Vec<Uuid> = of().map(|(_, to)| to).collect();
    let keys: Vec<String> = of().map(|(t, _)| group_key(t)).collect();
    let waits: Vec<f64> = of().map(|(t, _)| group_wait(t)).collect();
    sqlx::query_as!(
        Joining,
        r#"insert into deliveries (id, event_id, receiver_id, check_id, seq, next_at, created_at,
             group_key)
         select uuid_ordered($7), t.id, e.id, t.check_id, t.seq,
             $7::timestamptz + make_interval(secs => case e.format when 0 then 0 else t.wait end),
             $7, case e.format when 0 then '' else t.key end
         from unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::boolean[], $5::boolean[],
                 $6::uuid[], $8::text[], $9::text[], $10::double precision[])
             as t (id, check_id, seq, ends, is_new, receiver_id, type, key, wait)
         join receivers e on e.id = t.receiver_id
             and (e.deleted_at is null or t.ends)
             and (e.format <> 0 or not t.is_new or t.type = any(string_to_array(e.events, ' ')))
             and (t.ends or e.events = '' or t.type = any(string_to_array(e.events, ' ')))
         where not exists (select from check_receivers l
             join receivers n on n.id = l.receiver_id
             where l.check_id = t.check_id and n.deleted_at is null
                 and n.id <> e.id and n.url = e.url and n.format = e.format
                 -- As above: it is told of this, too.
                 and case n.events when '' then n.format <> 0 or not t.is_new
                     else t.type = any(string_to_array(n.events, ' ')) end)
         on conflict (event_id, receiver_id, replay_no) do nothing
         returning id, receiver_id as receiver, check_id as "check!", seq, group_key as key"#,
        &ids,
        &checks,
        &seqs,
        &ends,
        &news,
        &receivers,
        now,
        &kinds,
        &keys,
        &waits,
    )
    .fetch_all(conn)
    .await
    .doing("store deliveries to who was told before")
}

/// The events that began what these transitions continue or end, each with its transition's
/// place. What opens an incident, or begins an aspect of a check, continues nothing.
async fn begun(
    conn: &mut PgConnection,
    told: &[&NewTransition],
) -> Result<Vec<(usize, Uuid)>, StoreError> {
    let mut incidents: HashMap<Uuid, Vec<usize>> = HashMap::new();
    let mut aspects: Vec<(usize, &str)> = Vec::new();
    for (at, t) in told.iter().enumerate() {
        let is_over = t.transition.resolves() || t.kind == "check.deleted";
        match t.transition.incident {
            Some(id) if !t.transition.opens() => incidents.entry(id.0).or_default().push(at),
            None if is_over => {
                let ends = ASPECTS
                    .iter()
                    .filter(|it| t.kind == "check.deleted" || t.kind == **it);
                aspects.extend(ends.map(|aspect| (at, *aspect)));
            }
            _ => {}
        }
    }
    let mut begun = Vec::new();
    if !incidents.is_empty() {
        let ids: Vec<Uuid> = incidents.keys().copied().collect();
        let rows = sqlx::query!(
            r#"select id, incident_id as "incident!" from transitions
               where incident_id = any($1)"#,
            &ids,
        )
        .fetch_all(&mut *conn)
        .await
        .doing("find the events of incidents")?;
        for row in rows {
            let of = incidents.get(&row.incident).into_iter().flatten();
            begun.extend(of.map(|at| (*at, row.id)));
        }
    }
    if !aspects.is_empty() {
        let of = || {
            aspects
                .iter()
                .filter_map(|(at, aspect)| Some((*at, *aspect, told.get(*at)?)))
        };
        let places: Vec<i64> = of()
            .map(|(at, ..)| i64::try_from(at).unwrap_or(-1))
            .collect();
        let kinds: Vec<String> = of().map(|(_, aspect, _)| aspect.to_owned()).collect();
        let checks: Vec<Uuid> = of().map(|(.., t)| t.check.0).collect();
        let seqs: Vec<i64> = of().map(|(.., t)| t.transition.seq).collect();
        let rows = sqlx::query!(
            r#"select distinct on (t.place, t.type) t.place as "place!", p.id, p.resolved
               from transitions p
               join unnest($1::bigint[], $2::uuid[], $3::bigint[], $4::text[])
                       as t (place, check_id, seq, type)
                   on t.check_id = p.check_id and p.seq < t.seq and t.type = p.type
               where p.check_id = any($2) and p.type = any($4)
               order by t.place, t.type, p.seq desc"#,
            &places,
            &checks,
            &seqs,
            &kinds,
        )
        .fetch_all(conn)
        .await
        .doing("find since when checks are degraded, or flap")?;
        let at = |place: i64| usize::try_from(place).ok();
        let open = rows.iter().filter(|row| !row.resolved);
        begun.extend(open.filter_map(|row| Some((at(row.place)?, row.id))));
    }
    Ok(begun)
}
