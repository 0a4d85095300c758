//! What waits for a receiver goes to whoever takes its place.

use sqlx::PgConnection;
use uuid::Uuid;

use crate::store::error::{Doing as _, StoreError};

/// What waits for receivers of these checks that are theirs no more goes to the new ones of the same
/// URL and format, in the order in which it was told: `from` and `to` are pairs of a check and a
/// receiver that it has from now on. What is being sent stays claimed.
pub(in crate::store) async fn hand_over(
    conn: &mut PgConnection,
    checks: &[Uuid],
    (from, to): (&[Uuid], &[Uuid]),
) -> Result<(), StoreError> {
    let places = sqlx::query!(
        r#"select l.check_id, l.receiver_id as old, min(n.id::text)::uuid as "new!"
           from check_receivers l join receivers o on o.id = l.receiver_id
           join unnest($2::uuid[], $3::uuid[]) as k (check_id, receiver_id)
               on k.check_id = l.check_id
           join receivers n on n.id = k.receiver_id and n.url = o.url and n.format = o.format
           where l.check_id = any($1) and not exists (
               select from unnest($2::uuid[], $3::uuid[]) as k (check_id, receiver_id)
               where k.check_id = l.check_id and k.receiver_id = l.receiver_id)
           group by l.check_id, l.receiver_id"#,
        checks,
        from,
        to,
    )
    .fetch_all(&mut *conn)
    .await
    .doing("find whose place receivers take")?;
    if places.is_empty() {
        return Ok(());
    }
    let of: Vec<Uuid> = places.iter().map(|it| it.check_id).collect();
    let old: Vec<Uuid> = places.iter().map(|it| it.old).collect();
    let new: Vec<Uuid> = places.iter().map(|it| it.new).collect();
    ungroup(conn, &of, &old).await?;
    // Whoever claims one has it locked: what is claimed by then is known to the next statement.
    sqlx::query!(
        "select id from deliveries where check_id = any($1) and state in ('pending', 'held')
         order by id for update",
        &of,
    )
    .fetch_all(&mut *conn)
    .await
    .doing("lock what waits for receivers that others take the place of")?;
    sqlx::query!(
        "with moved as (
             update deliveries d set receiver_id = n.new
             from unnest($1::uuid[], $2::uuid[], $3::uuid[]) as n (check_id, old, new)
             where d.check_id = n.check_id and d.receiver_id = n.old
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
    )
    .execute(conn)
    .await
    .doing("hand over what waits for receivers")?;
    Ok(())
}

/// What messages would tell of these checks to these receivers, a pair each, waits by itself again:
/// a message stays with its receiver. One that is left with nothing to tell ends.
pub(super) async fn ungroup(
    conn: &mut PgConnection,
    checks: &[Uuid],
    receivers: &[Uuid],
) -> Result<(), StoreError> {
    let groups = sqlx::query_scalar!(
        "select id from deliveries
         where state = 'pending' and group_key <> '' and check_id is null
             and receiver_id = any($1) order by id for update",
        receivers,
    )
    .fetch_all(&mut *conn)
    .await
    .doing("find messages whose receiver goes")?;
    if groups.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "with free as (
             update deliveries d set state = 'pending', superseded_by = null, gathered = false,
                 finished_at = null, reason = ''
             from unnest($2::uuid[], $3::uuid[]) as n (check_id, receiver_id)
             where d.superseded_by = any($1) and d.replay_no = 0
                 and d.check_id = n.check_id and d.receiver_id = n.receiver_id
             returning d.id)
         update deliveries g set state = 'superseded', finished_at = now(),
             reason = 'what it tells goes to another receiver'
         where g.id = any($1) and not exists (select from deliveries m
             where m.superseded_by = g.id and m.id not in (select id from free))",
        &groups,
        checks,
        receivers,
    )
    .execute(conn)
    .await
    .doing("take back what messages were to tell")?;
    Ok(())
}
