//! Events that are told together: what waits for one receiver under one key, when the first of it
//! has waited long enough.

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::GROUP;
use crate::model::id::{CheckId, DeliveryId, EventId, ReceiverId};
use crate::store::error::{Doing as _, StoreError};
use crate::store::hold::hold_those;

/// What of it may be told now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Gathering {
    pub receiver: ReceiverId,
    /// What the checks have in common: a label a line, `NAME=VALUE`; `*`: that they are grouped.
    pub key: String,
    /// Whether the receiver can be told of several at once; one that was given the original form
    /// meanwhile cannot.
    pub knows_groups: bool,
    /// In the order in which the events happened.
    pub members: Vec<DeliveryId>,
}

/// An event that tells those of its members.
#[derive(Clone, Debug)]
pub struct NewGroup<'a> {
    pub id: EventId,
    pub gathering: &'a Gathering,
    /// The encoded event, without those that it tells.
    pub payload: &'a [u8],
}

/// How much is gathered in one transaction.
#[derive(Clone, Copy, Debug)]
pub struct GatheringLimits {
    /// Keys, of which each has a lock.
    pub keys: i64,
    /// Events of one key, which is one message.
    pub of_each: i64,
    /// Of these so many bytes, but one at least: each is told in full.
    pub bytes: usize,
    /// With so many events of all keys no further key is begun.
    pub enough: usize,
}

/// Finds what is to be told together now, what waits longest first, and locks it until the
/// transaction ends; and whether there may be more. While something of a key is on its way, what
/// comes after it waits for the next time: it would overtake it. What something holds by now is
/// held.
pub async fn group_due(
    conn: &mut PgConnection,
    limits: GatheringLimits,
    now: OffsetDateTime,
) -> Result<(Vec<Gathering>, bool), StoreError> {
    let keys = sqlx::query!(
        r#"select d.receiver_id, d.group_key, r.format <> 0 as "knows_groups!" from (
             select receiver_id, group_key from deliveries
             where state = 'pending' and group_key <> ''
             group by receiver_id, group_key
             having bool_or(not gathered and next_at <= $1) and not bool_or(gathered)
             order by min(next_at) limit $2) d
         join receivers r on r.id = d.receiver_id
         where pg_try_advisory_xact_lock(
             uuid_hash_extended(receiver_id, 2) # hashtextextended(group_key, 3))"#,
        now,
        limits.keys,
    )
    .fetch_all(&mut *conn)
    .await
    .doing("find what is told together")?;
    let mut more = i64::try_from(keys.len()) == Ok(limits.keys);
    let mut found = Vec::with_capacity(keys.len());
    let (mut all, mut checks) = (Vec::new(), Vec::new());
    for key in keys {
        if all.len() >= limits.enough {
            more = true;
            break;
        }
        // Read after the lock: another worker may have gathered it meanwhile.
        let waiting = waiting(conn, key.receiver_id, &key.group_key, limits).await?;
        all.extend(waiting.iter().map(|it| it.delivery));
        checks.extend(waiting.iter().filter_map(|it| it.check));
        let members = waiting.into_iter().map(|it| DeliveryId(it.delivery));
        found.push(Gathering {
            receiver: ReceiverId(key.receiver_id),
            key: key.group_key,
            knows_groups: key.knows_groups,
            members: members.collect(),
        });
    }
    checks.sort_unstable();
    checks.dedup();
    let held = hold_those(conn, &all, &checks, now).await?;
    for gathering in &mut found {
        gathering.members.retain(|it| !held.contains(&it.0));
    }
    found.retain(|it| !it.members.is_empty());
    Ok((found, more))
}

/// What waits under a key.
struct Waiting {
    delivery: Uuid,
    check: Option<CheckId>,
    /// Bytes of its event.
    size: usize,
}

async fn waiting(
    conn: &mut PgConnection,
    receiver: Uuid,
    key: &str,
    limits: GatheringLimits,
) -> Result<Vec<Waiting>, StoreError> {
    let rows = sqlx::query!(
        r#"select d.id, d.check_id, length(t.payload) as "size!"
         from deliveries d join transitions t on t.id = d.event_id
         where d.state = 'pending' and d.group_key <> ''
             and uuid_hash_extended(d.receiver_id, 2) # hashtextextended(d.group_key, 3)
                 = uuid_hash_extended($1, 2) # hashtextextended($2, 3)
             and (d.receiver_id = $1) is true and (d.group_key = $2) is true
             and not d.gathered and not exists (select from deliveries g
                 where g.state = 'pending' and g.group_key <> ''
                     and uuid_hash_extended(g.receiver_id, 2) # hashtextextended(g.group_key, 3)
                         = uuid_hash_extended($1, 2) # hashtextextended($2, 3)
                     and (g.receiver_id = $1) is true and (g.group_key = $2) is true
                     and g.gathered)
         -- What somebody has for a moment is waited for: what comes after it would overtake it.
         order by t.at, d.seq, t.id limit $3 for update of d"#,
        receiver,
        key,
        limits.of_each,
    )
    .fetch_all(conn)
    .await
    .doing("read what is told together")?;
    let waiting = rows.into_iter().map(|row| Waiting {
        delivery: row.id,
        check: row.check_id.map(CheckId),
        size: usize::try_from(row.size).unwrap_or_default(),
    });
    let mut all = 0;
    let fits = waiting.enumerate().take_while(|(at, it)| {
        all += it.size;
        *at == 0 || all <= limits.bytes
    });
    Ok(fits.map(|(_, it)| it).collect())
}

/// What waited alone goes out as it is.
pub async fn group_single(
    conn: &mut PgConnection,
    deliveries: &[DeliveryId],
) -> Result<(), StoreError> {
    let ids: Vec<Uuid> = deliveries.iter().map(|id| id.0).collect();
    sqlx::query!(
        "update deliveries set gathered = true where id = any($1)",
        &ids
    )
    .execute(conn)
    .await
    .doing("let go what waited alone")?;
    Ok(())
}

/// Stores a group's event and the delivery that goes out instead of those of its members.
pub async fn group_insert(
    conn: &mut PgConnection,
    new: &NewGroup<'_>,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into transitions (id, type, seq, previous, next, at, told, payload)
         values ($1, $2, 0, 0, 0, $3, true, $4)",
        new.id.0,
        GROUP,
        now,
        new.payload,
    )
    .execute(&mut *conn)
    .await
    .doing("store a group")?;
    let delivery = Uuid::now_v7();
    let members: Vec<Uuid> = new.gathering.members.iter().map(|id| id.0).collect();
    sqlx::query!(
        "insert into deliveries (id, event_id, receiver_id, seq, next_at, created_at, group_key,
             gathered, waits_since)
         select $1, $2, $3, nextval('event_numbers'), $4, $4, $5, true,
             (select min(coalesce(waits_since, first_attempt_at, created_at)) from deliveries
              where id = any($6))",
        delivery,
        new.id.0,
        new.gathering.receiver.0,
        now,
        new.gathering.key,
        &members,
    )
    .execute(&mut *conn)
    .await
    .doing("store the delivery of a group")?;
    sqlx::query!(
        "update deliveries set state = 'superseded', superseded_by = $1,
             finished_at = $2, reason = 'told together with others'
         where id = any($3)",
        delivery,
        now,
        &members,
    )
    .execute(conn)
    .await
    .doing("note what a group tells")?;
    Ok(())
}
