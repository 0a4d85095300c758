//! What is due: found before it is claimed, oldest first, and looked at again by whoever claims it.
//!
//! One claim at a time is made of what waits for one receiver of one check (its lane): whoever
//! claims locks the lane first, and then looks again at what is in it. A statement that had
//! looked before it got the lock would not see what another worker has claimed meanwhile.

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::model::id::{CheckId, DeliveryId, ReceiverId};
use crate::store::error::{Doing as _, StoreError};

/// A query in which `NEXT` says of a delivery `d` of the receiver `r` that it is next in its lane,
/// or is sent beside it, and nobody has claimed it; `$1` is now, `$2` is [`IN_ORDER`]. Where
/// something is looked for in a lane it is by its order: by no other index that would be.
macro_rules! of_what_is_next {
    ($before:literal + NEXT + $after:literal, $($argument:expr),+ $(,)?) => {
        sqlx::query!(
            $before
                + r#"
                    (d.group_key = '' or d.gathered)
                    and not exists (select from claims c where c.receiver_id = d.receiver_id
                        and c.lane = coalesce(d.check_id, d.receiver_id)
                        and c.beside = case when d.replay_no <> 0 then d.id else $2 end)
                    and (d.replay_no <> 0 or (
                        (d.check_id is not null and r.collapse and not d.frozen
                            or d.seq <= (select e.seq from deliveries e
                                where e.receiver_id = d.receiver_id and e.state = 'pending'
                                    and coalesce(e.check_id, e.receiver_id)
                                        = coalesce(d.check_id, d.receiver_id)
                                    and e.replay_no = 0 and (e.group_key = '' or e.gathered)
                                order by e.seq limit 1))
                        and (d.check_id is null or not r.collapse
                            or d.seq >= coalesce((select e.seq from deliveries e
                                where e.receiver_id = d.receiver_id and e.state = 'pending'
                                    and coalesce(e.check_id, e.receiver_id) = d.check_id
                                    and e.replay_no = 0 and (e.group_key = '' or e.gathered)
                                    and not e.frozen and (e.next_at <= $1) is true
                                order by e.seq desc limit 1), d.seq))))"#
                + $after,
            $($argument),+
        )
    };
}
pub(super) use of_what_is_next;

/// A delivery that could be attempted now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Candidate {
    pub id: DeliveryId,
    pub receiver: ReceiverId,
    /// Its check; what is of none has the lane of its receiver.
    pub lane: Uuid,
    /// Not 0: it is sent beside what else is in its lane.
    pub replay: i32,
    /// The host of its receiver, with its port; of a secret URL, the secret.
    pub host: String,
    /// What is behind it in its lane is sent by itself, one after the other.
    pub followed: bool,
}

/// Finds deliveries that are due, but for these receivers and those that asked for time; within a
/// transaction by index.
///
/// Receivers come in turns, in the order of their ids after this one: of each so many deliveries,
/// oldest first, until there are enough. Nothing is read of one that is passed by, however much
/// waits for it.
///
/// Of a lane only one can be claimed at a time: the first in order, or where the newest wins, the
/// newest of those that were never attempted, since the bodies of others are frozen.
pub async fn delivery_due(
    conn: &mut PgConnection,
    after: ReceiverId,
    busy: &[ReceiverId],
    (each, limit): (i64, i64),
    now: OffsetDateTime,
) -> Result<Vec<Candidate>, StoreError> {
    let busy: Vec<Uuid> = busy.iter().map(|it| it.0).collect();
    let rows = of_what_is_next!(
        r#"with recursive waiting (receiver_id) as (
               (select receiver_id from deliveries where state = 'pending' and receiver_id > $3
                   order by receiver_id limit 1)
               union all
               select (select d.receiver_id from deliveries d
                   where d.state = 'pending' and d.receiver_id > w.receiver_id
                   order by d.receiver_id limit 1)
               from waiting w where w.receiver_id is not null)
           select d.id as "id!", r.id as receiver_id, d.lane as "lane!", d.replay_no as "replay_no!",
               r.host, d.followed as "followed!"
           from waiting w
           join receivers r on r.id = w.receiver_id and r.id <> all($4)
           left join receiver_status s on s.receiver_id = r.id
           cross join lateral (
               select d.id, coalesce(d.check_id, d.receiver_id) as lane, d.replay_no,
                   d.check_id is not null and d.replay_no = 0 and not r.collapse
                   and d.seq < (select e.seq from deliveries e
                       where e.receiver_id = d.receiver_id and e.state = 'pending'
                           and coalesce(e.check_id, e.receiver_id) = d.check_id
                           and e.replay_no = 0
                       order by e.seq desc limit 1) as followed
               from deliveries d
               where d.receiver_id = r.id and d.state = 'pending' and d.next_at <= $1
                   and (s.slowed_until is null or s.slowed_until <= $1) and "#
            + NEXT
            + r#" order by d.next_at limit $5) d
           limit $6"#,
        now,
        IN_ORDER,
        after.0,
        &busy,
        each,
        limit,
    )
    .fetch_all(conn)
    .await
    .doing("find deliveries that are due")?;
    let found = rows.into_iter().map(|row| Candidate {
        id: DeliveryId(row.id),
        receiver: ReceiverId(row.receiver_id),
        lane: row.lane,
        replay: row.replay_no,
        host: row.host,
        followed: row.followed,
    });
    Ok(found.collect())
}

/// The first that is due in each of these lanes, each of a receiver and a check of it, as
/// [`delivery_due`] finds it where each event is sent by itself; within a transaction by index.
/// Whoever has sent what was before it need not look at all that is due.
pub async fn delivery_next(
    conn: &mut PgConnection,
    lanes: &[(ReceiverId, Uuid)],
    now: OffsetDateTime,
) -> Result<Vec<Candidate>, StoreError> {
    let receivers: Vec<Uuid> = lanes.iter().map(|it| it.0.0).collect();
    let lanes: Vec<Uuid> = lanes.iter().map(|it| it.1).collect();
    let rows = sqlx::query!(
        r#"select d.id, l.receiver as "receiver!", l.lane as "lane!", r.host,
               d.seq < (select e.seq from deliveries e
                   where e.receiver_id = l.receiver and e.state = 'pending'
                       and coalesce(e.check_id, e.receiver_id) = l.lane and e.replay_no = 0
                   order by e.seq desc limit 1) as "followed!"
           from unnest($1::uuid[], $2::uuid[]) as l (receiver, lane)
           join receivers r on r.id = l.receiver and not r.collapse
           cross join lateral (select f.id, f.seq, f.next_at from deliveries f
               where f.receiver_id = l.receiver and f.state = 'pending'
                   and coalesce(f.check_id, f.receiver_id) = l.lane and f.replay_no = 0
                   and (f.group_key = '' or f.gathered)
               order by f.seq limit 1) d
           where d.next_at <= $3"#,
        &receivers,
        &lanes,
        now,
    )
    .fetch_all(conn)
    .await
    .doing("find what is next in lanes")?;
    let found = rows.into_iter().map(|row| Candidate {
        id: DeliveryId(row.id),
        receiver: ReceiverId(row.receiver),
        lane: row.lane,
        replay: 0,
        host: row.host,
        followed: row.followed,
    });
    Ok(found.collect())
}

/// Of claims in the order of their lanes, of which each has one at a time.
pub(super) const IN_ORDER: Uuid = Uuid::nil();

/// What a delivery is claimed beside its lane as, if it is.
pub(super) fn beside(delivery: DeliveryId, replay: i32) -> Uuid {
    match replay {
        0 => IN_ORDER,
        _ => delivery.0,
    }
}

/// What waits in one order: what is told to a receiver of a check, or of none.
pub(super) fn lane(receiver: ReceiverId, check: Option<CheckId>) -> Uuid {
    check.map_or(receiver.0, |check| check.0)
}

/// Locks the lanes of these, and what is sent beside one by itself, until the transaction ends,
/// which is one by index; returns the deliveries whose lanes nobody else has locked.
pub async fn delivery_lock(
    conn: &mut PgConnection,
    candidates: &[Candidate],
) -> Result<Vec<DeliveryId>, StoreError> {
    let ids: Vec<Uuid> = candidates.iter().map(|it| it.id.0).collect();
    let receivers: Vec<Uuid> = candidates.iter().map(|it| it.receiver.0).collect();
    let places = candidates.iter().map(|it| match it.replay {
        0 => it.lane,
        _ => it.id.0,
    });
    let places: Vec<Uuid> = places.collect();
    let locked = sqlx::query_scalar!(
        r#"select id as "id!"
           from unnest($1::uuid[], $2::uuid[], $3::uuid[]) as c (id, receiver, place)
           where pg_try_advisory_xact_lock(
               uuid_hash_extended(receiver, 0) # uuid_hash_extended(place, 1))"#,
        &ids,
        &receivers,
        &places,
    )
    .fetch_all(conn)
    .await
    .doing("lock lanes")?;
    Ok(locked.into_iter().map(DeliveryId).collect())
}
