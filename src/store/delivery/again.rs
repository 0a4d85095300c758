//! What was delivered and is posted again while it goes on: alerts, which end by themselves.

use std::time::Duration;

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::said::receivers;
use super::{Attempted, Claimed};
use crate::model::desired::API_PROJECT;
use crate::model::id::{CheckId, DeliveryId, EventId, ReceiverId};
use crate::model::secret::SecretUse;
use crate::model::webhook::WebhookFormat;
use crate::runtime::chain::chain;
use crate::spec;
use crate::store::error::{Doing as _, StoreError};
use crate::store::project::project_sole;
use crate::store::receiver::format_number;

/// Something to be posted again.
#[derive(Clone, Debug)]
pub struct Again {
    /// As it was claimed last.
    pub claimed: Claimed,
    /// Those events which go on, of its own and all that it carries.
    pub open: Vec<EventId>,
}

/// Finds what is to be posted again now, and when it is next; what is over, and what a newer event
/// of the same incident tells, never again. Within a transaction by index; several may do so at
/// once.
///
/// Of each receiver it takes so many at most, less those that it is `busy` with, and so many of all,
/// oldest first. What it does not take stays due. Returns whether it took any that are not to be
/// posted: in their places there may be more.
pub async fn again_due(
    conn: &mut PgConnection,
    busy: &[(ReceiverId, usize)],
    (each, limit): (usize, usize),
    every: Duration,
    now: OffsetDateTime,
) -> Result<(Vec<Again>, bool), StoreError> {
    let number = |many: usize| i64::try_from(many).unwrap_or(i64::MAX);
    let receivers: Vec<Uuid> = busy.iter().map(|it| it.0.0).collect();
    let posts: Vec<i64> = busy.iter().map(|it| number(it.1)).collect();
    let rows = sqlx::query!(
        r#"with recursive told_again (receiver_id) as (
               (select receiver_id from deliveries where again_at is not null
                   order by receiver_id limit 1)
               union all
               select (select d.receiver_id from deliveries d
                   where d.again_at is not null and d.receiver_id > r.receiver_id
                   order by d.receiver_id limit 1)
               from told_again r where r.receiver_id is not null),
           due as (
               select f.id from told_again r
               left join unnest($5::uuid[], $6::bigint[]) as b (receiver_id, posts)
                   on b.receiver_id = r.receiver_id
               cross join lateral (
                   select d.id, d.again_at from deliveries d
                   where d.receiver_id = r.receiver_id and d.again_at <= $1
                   order by d.again_at limit greatest($7 - coalesce(b.posts, 0), 0)
                   for update skip locked) f
               order by f.again_at limit $2),
           told as (
               select d.id, d.receiver_id, d.event_id as told_id
               from due join deliveries d on d.id = due.id
               union
               -- A replay tells what was told first.
               select d.id, d.receiver_id, m.event_id
               from due join deliveries d on d.id = due.id
               join deliveries g on g.event_id = d.event_id
                   and (g.receiver_id = d.receiver_id) is true
               join deliveries m on m.superseded_by = g.id),
           open as (
               select o.id, o.told_id from told o join transitions t on t.id = o.told_id
               where case when t.incident_id is not null
                   then exists (select from incidents i
                           where i.id = t.incident_id and i.closed_seq is null)
                       -- Nor is a newer one posted again, by itself or by what carries it.
                       and not exists (select from transitions n
                           join deliveries e on e.event_id = n.id
                               and (e.receiver_id = o.receiver_id) is true
                           left join deliveries g on g.id = e.superseded_by
                           join deliveries p on p.event_id = coalesce(g.event_id, n.id)
                               and (p.receiver_id = o.receiver_id) is true
                           where n.incident_id = t.incident_id and n.seq > t.seq
                               and p.again_at is not null)
                   else t.type in ('check.degraded', 'check.flapping') and not t.resolved
                       and not exists (select from transitions n
                           where n.check_id = t.check_id and n.seq > t.seq
                               and n.type in ('check.deleted', t.type)) end),
           moved as (
               update deliveries d set again_at = case when exists (
                       select from open where open.id = d.id)
                   then $1::timestamptz + make_interval(secs => $3) end
               from due where d.id = due.id
               returning d.*)
           select d.id, d.event_id, d.receiver_id, d.check_id, d.attempts, d.first_attempt_at,
               b.body as "body?", t.type as kind, t.at, s.bytes as spec, p.name as project,
               coalesce(r.address, r.host) as "receiver!",
               array(select told_id from open where open.id = d.id) as "open!"
           from moved d
           join transitions t on t.id = d.event_id
           join receivers r on r.id = d.receiver_id
           join specs s on s.id = r.spec_id
           join projects p on p.id = r.project_id
           -- Whoever wants another format by now is posted nothing, for as long.
           left join bodies b on b.delivery_id = d.id and coalesce(b.format, $4) = $4
               and d.again_at is not null and r.format = $4 and r.deleted_at is null"#,
        now,
        number(limit),
        every.as_secs_f64(),
        format_number(WebhookFormat::Alertmanager),
        &receivers,
        &posts,
        number(each),
    )
    .fetch_all(&mut *conn)
    .await
    .doing("find what is posted again")?;
    if rows.is_empty() {
        return Ok((Vec::new(), false));
    }
    let taken = rows.len();
    let sole = project_sole(conn).await?;
    let found = rows.into_iter().filter_map(|row| {
        let body = row.body?;
        let declared = row.project != API_PROJECT;
        let open: Vec<Uuid> = row.open;
        let claimed = Claimed {
            id: DeliveryId(row.id),
            event: EventId(row.event_id),
            receiver: ReceiverId(row.receiver_id),
            check: row.check_id.map(CheckId),
            replay: 0,
            kind: row.kind,
            at: row.at,
            webhook: spec::decode_webhook(&row.spec).map_err(|error| chain(&error)),
            secrets: SecretUse::of(&row.project.as_str().into(), declared, sole.as_deref()),
            subject: String::new(),
            receiver_name: row.receiver,
            attempt: row.attempts,
            first_attempt_at: row.first_attempt_at.unwrap_or(row.at),
            refused: 0,
            too_large: 0,
            unwelcome_since: None,
            superseded: Vec::new(),
            before: Vec::new(),
            unheard: false,
            payload: Vec::new(),
            body: Some(body),
        };
        Some(Again {
            claimed,
            open: open.into_iter().map(EventId).collect(),
        })
    });
    let found: Vec<Again> = found.collect();
    let more = found.len() < taken;
    Ok((found, more))
}

/// What was posted again says of its receivers what each attempt does, too: whether they do well.
pub async fn again_ended(conn: &mut PgConnection, ended: &[Attempted]) -> Result<(), StoreError> {
    receivers(conn, ended.iter()).await
}
