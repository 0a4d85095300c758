//! What does not arrive goes to the fallback of its receiver, too.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{GROUP, Joining, lane_join};
use crate::model::id::EventId;
use crate::store::error::{Doing as _, StoreError};

/// How long an event may not have arrived before the fallback gets it.
const PATIENCE: Duration = Duration::from_secs(120);

/// How many lanes and keys are locked in one transaction, but for what one message tells.
const LOCKS: usize = 1_000;

/// Owes to fallbacks what has not arrived at their receivers for two minutes, and at once what
/// was given up; at most `limit` at a time. Returns the events, and whether there may be more.
///
/// A fallback gets what its receiver was to get, whatever its own `events` name; but one of the
/// original form cannot be told what that does not know, and one that is told of the check itself
/// and has got something newer of the same incident hears no more of the older. What was there
/// already stays as it is.
pub async fn fallback_insert(
    conn: &mut PgConnection,
    limit: i64,
    now: OffsetDateTime,
) -> Result<(Vec<EventId>, bool), StoreError> {
    let late = sqlx::query!(
        r#"select d.id, f.id as fallback from receivers r
           join receivers f on f.project_id = r.project_id and f.address = r.fallback
               and f.deleted_at is null and f.id <> r.id
           cross join lateral (
               select id from deliveries where receiver_id = r.id and state = 'dead'
                   and not fell_back
               union all
               select id from deliveries where receiver_id = r.id and state = 'pending'
                   and coalesce(waits_since, first_attempt_at, next_at) <= $1) l
           join deliveries d on d.id = l.id and d.state in ('dead', 'pending')
               and not d.fell_back and d.replay_no = 0
           where r.fallback <> '' and r.deleted_at is null
           order by d.created_at limit $2 for update of d skip locked"#,
        now - PATIENCE,
        limit,
    )
    .fetch_all(&mut *conn)
    .await
    .doing("find what does not arrive")?;
    let found = i64::try_from(late.len()).unwrap_or(i64::MAX);
    let order: Vec<Uuid> = late.iter().map(|it| it.id).collect();
    let mut late: HashMap<Uuid, Uuid> = late.into_iter().map(|it| (it.id, it.fallback)).collect();
    let mut owed = owed(conn, &late).await?;
    let now_only = as_many_as_can_be_locked(&order, &owed);
    let is_cut = now_only.len() < late.len();
    late.retain(|id, _| now_only.contains(id));
    owed.retain(|it| now_only.contains(&it.late));
    let busy = busy(conn, &owed).await?;
    // Somebody sends to these lanes, or writes to them: in a moment.
    let later = owed.iter().filter(|it| busy.contains(&it.lane()));
    let later: HashSet<Uuid> = later.map(|it| it.late).collect();
    owed.retain(|it| !later.contains(&it.late));
    let ids: Vec<Uuid> = late.into_keys().filter(|id| !later.contains(id)).collect();
    let more = (found >= limit || is_cut) && !ids.is_empty();
    // What was given up has no fallback that has not got it by now.
    sqlx::query!(
        "update deliveries d set fell_back = true
         where not d.fell_back and (d.id = any($1) or d.state = 'dead' and not exists (
             select from receivers r join receivers f on f.project_id = r.project_id
                 and f.address = r.fallback and f.deleted_at is null and f.id <> r.id
             where r.id = d.receiver_id and r.deleted_at is null))",
        &ids,
    )
    .execute(&mut *conn)
    .await
    .doing("note what fell back")?;
    if owed.is_empty() {
        return Ok((Vec::new(), more));
    }
    let events: Vec<Uuid> = owed.iter().map(|it| it.event).collect();
    let fallbacks: Vec<Uuid> = owed.iter().map(|it| it.fallback).collect();
    let seqs: Vec<i64> = owed.iter().map(|it| it.seq).collect();
    let keys: Vec<String> = owed.into_iter().map(|it| it.key).collect();
    let new = sqlx::query!(
        r#"insert into deliveries (id, event_id, receiver_id, check_id, seq, next_at, created_at,
               group_key)
           select distinct on (t.id, f.id)
               uuid_ordered($5), t.id, f.id, t.check_id, o.seq, $5, $5,
               case f.format when 0 then '' else o.key end
           from unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::text[])
               as o (event, fallback, seq, key)
           join transitions t on t.id = o.event
           join receivers f on f.id = o.fallback
           where (f.format <> 0 or t.type in ('check.up', 'check.down', 'check.error')
                   or t.type = any(string_to_array(f.events, ' ')))
               and not exists (select from transitions n
                   join deliveries e on e.event_id = n.id and (e.receiver_id = f.id) is true
                   where n.check_id = t.check_id and n.seq > t.seq
                       and (n.incident_id = t.incident_id
                           or t.incident_id is null and n.type in (t.type, 'check.deleted'))
                       and (e.state = 'delivered' or e.attempts > 0
                           or exists (select from claims c where c.delivery_id = e.id)
                           or e.superseded_by is not null))
           on conflict (event_id, receiver_id, replay_no) do nothing
           returning id, event_id, receiver_id, check_id, seq, group_key"#,
        &events,
        &fallbacks,
        &seqs,
        &keys,
        now,
    )
    .fetch_all(&mut *conn)
    .await
    .doing("owe events to fallbacks")?;
    let joining = new.iter().filter_map(|row| {
        Some(Joining {
            id: row.id,
            receiver: row.receiver_id,
            check: row.check_id?,
            seq: row.seq,
            key: row.group_key.clone(),
        })
    });
    let joining: Vec<Joining> = joining.collect();
    lane_join(conn, &joining).await?;
    let told = new.into_iter().map(|row| EventId(row.event_id));
    Ok((told.collect(), more))
}

/// The first of these late deliveries, as far as what they tell is in so many lanes: each has a
/// lock, and of those Postgres has so many for all that goes on.
fn as_many_as_can_be_locked(order: &[Uuid], owed: &[Owed]) -> HashSet<Uuid> {
    let mut tells: HashMap<Uuid, usize> = HashMap::new();
    for it in owed {
        *tells.entry(it.late).or_default() += 1 + usize::from(!it.key.is_empty());
    }
    let mut locked = 0;
    let fits = order.iter().enumerate().take_while(|(at, id)| {
        locked += tells.get(id).copied().unwrap_or_default();
        *at == 0 || locked <= LOCKS
    });
    fits.map(|(_, id)| *id).collect()
}

/// What a fallback is to get.
struct Owed {
    /// The delivery that is late.
    late: Uuid,
    fallback: Uuid,
    event: Uuid,
    check: Option<Uuid>,
    seq: i64,
    key: String,
}

impl Owed {
    fn lane(&self) -> (Uuid, Uuid) {
        (self.fallback, self.check.unwrap_or(self.fallback))
    }
}

/// What these late deliveries tell, or, of a group, each of what that does; what they were sent
/// instead of; and what has happened since to each of these, in the same incident or of the same
/// aspect of the check, so that whoever hears of the opening hears of the end.
async fn owed(
    conn: &mut PgConnection,
    late: &HashMap<Uuid, Uuid>,
) -> Result<Vec<Owed>, StoreError> {
    let ids: Vec<Uuid> = late.keys().copied().collect();
    let fallbacks: Vec<Uuid> = late.values().copied().collect();
    sqlx::query_as!(
        Owed,
        r#"with late as (
               select d.id, d.event_id, d.receiver_id, d.check_id, d.seq, d.group_key, l.fallback
               from unnest($1::uuid[], $2::uuid[]) as l (id, fallback)
               join deliveries d on d.id = l.id),
           told as (
               select id, fallback, receiver_id, event_id, check_id, seq, group_key from late
               union all
               select l.id, l.fallback, l.receiver_id, m.event_id, m.check_id, m.seq, l.group_key
               from late l join deliveries m on m.superseded_by = l.id)
           select o.id as "late!", o.fallback as "fallback!", o.event_id as "event!",
               o.check_id as "check", o.seq as "seq!", o.group_key as "key!"
           from told o join transitions t on t.id = o.event_id and t.type <> $3
           union
           select o.id, o.fallback, x.event_id, x.check_id, x.seq, o.group_key
           from told o join transitions t on t.id = o.event_id
           join transitions n on n.check_id = t.check_id and n.seq > t.seq
               and (n.incident_id = t.incident_id
                   or t.type in ('check.degraded', 'check.flapping') and not t.resolved
                       and (n.type = 'check.deleted' or n.type = t.type and n.resolved
                           and not exists (select from transitions b
                               where b.check_id = t.check_id and b.type = t.type
                                   and b.seq > t.seq and b.seq < n.seq)))
           join deliveries x on x.event_id = n.id and x.receiver_id = o.receiver_id
               and x.replay_no = 0 and x.state <> 'held'"#,
        &ids,
        &fallbacks,
        GROUP,
    )
    .fetch_all(conn)
    .await
    .doing("read what does not arrive")
}

/// Locks the lanes that these come to until the transaction ends, their checks, to which nothing
/// new is written meanwhile, and what they are told together by; returns the lanes that somebody
/// else has.
async fn busy(conn: &mut PgConnection, owed: &[Owed]) -> Result<HashSet<(Uuid, Uuid)>, StoreError> {
    let lanes = owed.iter().map(|it| (it.lane(), it.key.clone()));
    let lanes: HashSet<((Uuid, Uuid), String)> = lanes.collect();
    let (lanes, keys): (Vec<(Uuid, Uuid)>, Vec<String>) = lanes.into_iter().unzip();
    let (fallbacks, of): (Vec<Uuid>, Vec<Uuid>) = lanes.into_iter().unzip();
    let written = sqlx::query_scalar!(
        "select check_id from check_states where check_id = any($1) for share skip locked",
        &of,
    )
    .fetch_all(&mut *conn)
    .await
    .doing("lock the states of checks")?;
    let rows = sqlx::query!(
        r#"select l.fallback as "fallback!", l.lane as "lane!"
           from unnest($1::uuid[], $2::uuid[], $4::text[]) as l (fallback, lane, key)
           where not pg_try_advisory_xact_lock(
                   uuid_hash_extended(fallback, 0) # uuid_hash_extended(lane, 1))
               -- Whoever makes a message of it has this one.
               or key <> '' and not pg_try_advisory_xact_lock(
                   uuid_hash_extended(fallback, 2) # hashtextextended(key, 3))
               or exists (select from check_states s
                   where s.check_id = l.lane and s.check_id <> all($3))"#,
        &fallbacks,
        &of,
        &written,
        &keys,
    )
    .fetch_all(conn)
    .await
    .doing("lock the lanes of fallbacks")?;
    Ok(rows
        .into_iter()
        .map(|row| (row.fallback, row.lane))
        .collect())
}
