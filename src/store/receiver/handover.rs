//! What waits for a receiver goes to whoever takes its place.

use std::collections::{BTreeSet, HashMap};

use sqlx::PgConnection;
use uuid::Uuid;

use crate::store::error::{Doing as _, StoreError};

/// What waits for receivers of these checks that are theirs no more goes to the new ones of the same
/// URL and format, in the order in which it was told: `from` and `to` are pairs of a check and a
/// receiver that it has from now on. What is being sent stays claimed; a message of several checks
/// stays with its receiver.
pub(in crate::store) async fn hand_over(
    conn: &mut PgConnection,
    checks: &[Uuid],
    (from, to): (&[Uuid], &[Uuid]),
) -> Result<(), StoreError> {
    let (of, old, new) = places(conn, checks, (from, to)).await?;
    if of.is_empty() {
        return Ok(());
    }
    // Whoever claims one has it locked: what is claimed by then is known to the next statement.
    let waiting = sqlx::query_scalar!(
        "select id from deliveries where id in (
             select d.id from unnest($1::uuid[], $2::uuid[]) as n (check_id, old)
             join deliveries d on d.receiver_id = n.old and d.state = 'pending'
                 and coalesce(d.check_id, d.receiver_id) = n.check_id
             union all
             select d.id from unnest($1::uuid[], $2::uuid[]) as n (check_id, old)
             join deliveries d on d.check_id = n.check_id and d.state = 'held'
                 and d.receiver_id = n.old)
         order by id for update",
        &of,
        &old,
    )
    .fetch_all(&mut *conn)
    .await
    .doing("lock what waits for receivers that others take the place of")?;
    if waiting.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "with moved as (
             update deliveries d set receiver_id = n.new
             from unnest($1::uuid[], $2::uuid[], $3::uuid[]) as n (check_id, old, new)
             where d.id = any($4) and d.check_id = n.check_id and d.receiver_id = n.old
                 and d.state in ('pending', 'held')
                 and not exists (select from deliveries o where o.event_id = d.event_id
                     and o.receiver_id = n.new and o.replay_no = d.replay_no)
             returning d.id, d.receiver_id)
         update claims c set receiver_id = m.receiver_id from moved m
         where m.id = c.delivery_id and not exists (select from claims o
             where o.receiver_id = m.receiver_id and o.lane = c.lane and o.beside = c.beside)",
        &of,
        &old,
        &new,
        &waiting,
    )
    .execute(conn)
    .await
    .doing("hand over what waits for receivers")?;
    Ok(())
}

/// Of which check which receiver takes the place of which. They are paired here: by a plan that was
/// made for a few, Postgres compares each with all.
async fn places(
    conn: &mut PgConnection,
    checks: &[Uuid],
    (from, to): (&[Uuid], &[Uuid]),
) -> Result<(Vec<Uuid>, Vec<Uuid>, Vec<Uuid>), StoreError> {
    let linked = sqlx::query!(
        "select check_id, receiver_id from check_receivers where check_id = any($1)",
        checks,
    )
    .fetch_all(&mut *conn)
    .await
    .doing("read the receivers of checks")?;
    let mut wanted: HashMap<Uuid, BTreeSet<Uuid>> = HashMap::new();
    for (check, receiver) in from.iter().zip(to) {
        wanted.entry(*check).or_default().insert(*receiver);
    }
    let is_kept = |check: &Uuid, receiver: &Uuid| {
        let of = wanted.get(check);
        of.is_some_and(|receivers| receivers.contains(receiver))
    };
    let gone = linked.iter().map(|it| (it.check_id, it.receiver_id));
    let gone: Vec<(Uuid, Uuid)> = gone.filter(|(check, old)| !is_kept(check, old)).collect();
    let mut all: Vec<Uuid> = gone.iter().map(|(_, old)| *old).collect();
    all.extend(
        gone.iter()
            .filter_map(|(check, _)| wanted.get(check))
            .flatten(),
    );
    all.sort_unstable();
    all.dedup();
    let mut places = (Vec::new(), Vec::new(), Vec::new());
    if gone.is_empty() {
        return Ok(places);
    }
    let rows = sqlx::query!(
        "select id, url, format from receivers where id = any($1)",
        &all
    )
    .fetch_all(conn)
    .await
    .doing("read where receivers are")?;
    let at: HashMap<Uuid, (String, i16)> = rows
        .into_iter()
        .map(|row| (row.id, (row.url, row.format)))
        .collect();
    for (check, old) in gone {
        let mut news = wanted.get(&check).into_iter().flatten();
        if let Some(new) = news.find(|new| at.get(new) == at.get(&old)) {
            places.0.push(check);
            places.1.push(old);
            places.2.push(*new);
        }
    }
    Ok(places)
}
