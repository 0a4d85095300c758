//! What a receiver has heard before of what is told to it now.
//!
//! Deliveries are found by their event here, of which there are few, and never by their receiver,
//! whatever Postgres believes of a table that has grown since it looked. What one of the same URL
//! and format has heard, whoever is in its place by now has.

use std::collections::HashSet;

use sqlx::PgConnection;
use uuid::Uuid;

use crate::store::error::{Doing as _, StoreError};

/// Those of these deliveries, and of those that went into these groups, that end something of
/// which their receivers have got nothing: an incident, or that a check is degraded, or flaps.
pub(super) async fn unheard(
    conn: &mut PgConnection,
    deliveries: &[Uuid],
    groups: &[Uuid],
) -> Result<HashSet<Uuid>, StoreError> {
    if deliveries.is_empty() && groups.is_empty() {
        return Ok(HashSet::new());
    }
    let rows = sqlx::query_scalar!(
        // One or the other would read all of them.
        r#"select d.id as "id!" from (
             select id, event_id, receiver_id from deliveries where id = any($1)
             union all
             select id, event_id, receiver_id from deliveries where superseded_by = any($2)) d
         join transitions t on t.id = d.event_id
         join receivers v on v.id = d.receiver_id
         where case when t.type in ('check.degraded', 'check.flapping') then t.resolved
                     and not exists (select from transitions b
                         join deliveries n on n.event_id = b.id
                         join receivers w on w.id = n.receiver_id
                             and (w.id = v.id or w.url = v.url and w.format = v.format)
                         left join deliveries g on g.id = n.superseded_by
                         where b.check_id = t.check_id and b.type = t.type and b.seq < t.seq
                             and 'delivered' in (n.state, g.state)
                             and not exists (select from transitions e
                                 where e.check_id = t.check_id and e.type = t.type
                                     and e.resolved and e.seq >= b.seq and e.seq < t.seq))
                 else t.incident_id is not null and t.next in (0, 1)
                     and not exists (select from transitions b
                         join deliveries n on n.event_id = b.id
                         join receivers w on w.id = n.receiver_id
                             and (w.id = v.id or w.url = v.url and w.format = v.format)
                         left join deliveries g on g.id = n.superseded_by
                         where b.incident_id = t.incident_id and b.seq < t.seq
                             and 'delivered' in (n.state, g.state)) end"#,
        deliveries,
        groups,
    )
    .fetch_all(conn)
    .await
    .doing("find what ends unheard")?;
    Ok(rows.into_iter().collect())
}

/// An event that a receiver has got, of what a delivery goes on with or ends.
pub(super) struct Before {
    /// The delivery.
    pub(super) by: Uuid,
    pub(super) payload: Vec<u8>,
}

/// What the receivers of these deliveries have got of what these, and what they tell, too, go on
/// with or end; oldest first.
pub(super) async fn before(
    conn: &mut PgConnection,
    deliveries: &[Uuid],
) -> Result<Vec<Before>, StoreError> {
    sqlx::query_as!(
        Before,
        r#"with told as (
               select d.id as by, d.receiver_id, t.check_id, t.incident_id, t.type, t.seq
               from deliveries d join transitions t on t.id = d.event_id where d.id = any($1)
               union all
               select d.superseded_by, d.receiver_id, t.check_id, t.incident_id, t.type, t.seq
               from deliveries d join transitions t on t.id = d.event_id
               where d.superseded_by = any($1)),
           earlier as (
               select t.by, t.receiver_id, p.id, p.at, p.seq, p.payload
               from told t join transitions p on p.incident_id = t.incident_id and p.seq < t.seq
               union
               select t.by, t.receiver_id, p.id, p.at, p.seq, p.payload
               from told t join transitions p on p.check_id = t.check_id and p.seq < t.seq
               where p.type in ('check.degraded', 'check.flapping') and not p.resolved
                   and t.type in (p.type, 'check.deleted')
                   and not exists (select from transitions e
                       where e.check_id = p.check_id and e.type = p.type
                           and e.seq > p.seq and e.seq < t.seq))
           select e.by as "by!", e.payload as "payload!" from earlier e
           join receivers v on v.id = e.receiver_id
           join deliveries n on n.event_id = e.id
           join receivers w on w.id = n.receiver_id
               and (w.id = v.id or w.url = v.url and w.format = v.format)
           left join deliveries g on g.id = n.superseded_by
           where 'delivered' in (n.state, g.state)
           order by e.at, e.seq"#,
        deliveries,
    )
    .fetch_all(conn)
    .await
    .doing("read what was told before")
}
