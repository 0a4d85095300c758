//! Claims: what is attempted now, and by whom.

use std::collections::HashSet;

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::due::{IN_ORDER, beside, lane, of_what_is_next};
use super::heard::{before, unheard};
use super::{Carried, Claimed, GROUP, LEASE};
use crate::model::desired::API_PROJECT;
use crate::model::id::{CheckId, DeliveryId, EventId, ReceiverId};
use crate::model::secret::SecretUse;
use crate::model::webhook::{WebhookFormat, WebhookSpec};
use crate::runtime::chain::chain;
use crate::spec;
use crate::store::error::{Doing as _, StoreError};
use crate::store::project::project_sole;
use crate::store::receiver::format_number;

/// What may be said of a delivery that another one tells.
const SUPERSEDED: &str = "a newer event lists it";
/// The form of a body that is the message as a Twirp service takes it; the others are numbered as the
/// formats are.
const BARE: i16 = 3;

/// Reads those of these deliveries that still can be claimed, as their next attempts would be, and
/// locks them until the transaction ends; their lanes are locked already. What they beat is
/// superseded in the same transaction.
pub async fn delivery_claim(
    conn: &mut PgConnection,
    candidates: &[DeliveryId],
    now: OffsetDateTime,
) -> Result<Vec<Claimed>, StoreError> {
    let ids: Vec<Uuid> = candidates.iter().map(|id| id.0).collect();
    let mut rows = of_what_is_next!(
        r#"with locked as materialized (
               select d.* from unnest($3::uuid[]) as i (id) join deliveries d on d.id = i.id
               for no key update of d skip locked),
           claimed as materialized (
               select d.*, r.collapse and d.check_id is not null and d.replay_no = 0 as wins,
                   r.format, r.url, r.address, r.spec_id, r.project_id
               from locked d join receivers r on r.id = d.receiver_id
               where d.state = 'pending' and d.next_at <= $1
                   and not exists (select from receiver_status s
                       where s.receiver_id = d.receiver_id and s.slowed_until > $1)
                   and "#
            + NEXT
            + r#"),
           beaten as (
               update deliveries o set state = 'superseded', superseded_by = c.id,
                   finished_at = $1, reason = $4
               from claimed c
               cross join lateral (select e.id from deliveries e
                   where e.receiver_id = c.receiver_id and e.state = 'pending'
                       and coalesce(e.check_id, e.receiver_id) = c.check_id
                       and e.replay_no = 0 and e.seq < c.seq
                   order by e.seq) e
               where c.wins and not c.frozen and o.id = e.id and o.state = 'pending'
               returning c.id)
           select c.id, c.event_id, c.receiver_id, c.check_id, c.replay_no, c.attempts,
               b.body as "body?", b.format as "form?", b.unheard as "unheard?",
               c.frozen and b.delivery_id is null as "is_plain!",
               coalesce(c.first_attempt_at, $1) as "first_attempt_at!", t.type as kind, t.at, t.payload,
               c.url, c.address as receiver_name, s.bytes as spec,
               o.name as receiver_project,
               coalesce(p.name || '/' || k.address, '') as "subject!",
               (select count(*)::integer from attempts a where c.attempts > 0
                   and a.delivery_id = c.id and a.status in (400, 413, 422)) as "refused!",
               (select count(*)::integer from attempts a where c.attempts > 0
                   and a.delivery_id = c.id and a.status = 413) as "too_large!",
               (select min(a.finished_at) from attempts a where c.attempts > 0
                   and a.delivery_id = c.id and a.n > coalesce((select max(o.n) from attempts o
                       where o.delivery_id = c.id and (o.status is null
                           or o.status in (400, 408, 413, 422, 425, 429)
                           or o.status between 500 and 599)), 0)) as unwelcome_since,
               exists (select from beaten o where o.id = c.id) as "wins!",
               c.format as receiver_format
           from claimed c
           left join bodies b on b.delivery_id = case when c.frozen then c.id end
           join transitions t on t.id = c.event_id
           join specs s on s.id = c.spec_id
           join projects o on o.id = c.project_id
           left join checks k on k.id = c.check_id
           left join projects p on p.id = k.project_id"#,
        now,
        IN_ORDER,
        &ids,
        SUPERSEDED,
    )
    .fetch_all(&mut *conn)
    .await
    .doing("claim deliveries")?;
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let winners: Vec<Uuid> = rows.iter().filter(|r| r.wins).map(|r| r.id).collect();
    if !winners.is_empty() {
        follow(conn, &winners).await?;
    }
    let specs: Vec<Result<WebhookSpec, String>> = rows
        .iter()
        .map(|row| spec::decode_webhook(&row.spec).map_err(|error| chain(&error)))
        .collect();
    // What stands in another form than is wanted by now is made anew, and says the same; what was
    // too large says less.
    for (row, webhook) in rows.iter_mut().zip(&specs) {
        let wanted = webhook.as_ref().ok().map(form);
        row.body = row
            .body
            .take()
            .filter(|_| row.form.is_none() || row.form == wanted)
            .filter(|_| row.too_large == 0);
    }
    let made = || rows.iter().filter(|r| r.body.is_none());
    let first = made().filter(|r| r.kind != GROUP && r.replay_no == 0);
    let first: Vec<Uuid> = first.map(|r| r.id).collect();
    let mut beaten = superseded(conn, &first).await?;
    let again = made().filter(|r| r.kind == GROUP || r.replay_no != 0);
    let again: Vec<Uuid> = again.map(|r| r.id).collect();
    if !again.is_empty() {
        beaten.extend(told(conn, &again).await?);
    }
    let groups = made().filter(|r| r.kind == GROUP);
    let groups: Vec<Uuid> = groups.map(|r| r.id).collect();
    // What begins something is no end of anything.
    let begins = |kind: &str| matches!(kind, "check.down" | "check.error");
    let ends = made().filter(|r| r.kind != GROUP && !begins(&r.kind));
    // Of what was sent before it is known, and of what is its event alone.
    let ends = ends.filter(|r| r.unheard.is_none() && !r.is_plain);
    let ends: Vec<Uuid> = ends.map(|r| r.id).collect();
    let unheard = unheard(conn, &ends, &groups).await?;
    let alertmanager = format_number(WebhookFormat::Alertmanager);
    let alerts = rows
        .iter()
        .filter(|r| r.body.is_none() && r.receiver_format == alertmanager);
    let alerts: Vec<Uuid> = alerts.map(|r| r.id).collect();
    let before = match alerts.is_empty() {
        true => Vec::new(),
        false => before(conn, &alerts).await?,
    };
    let mut readable = specs.iter().flatten();
    let sole = match readable.any(|webhook| webhook.references().next().is_some()) {
        true => project_sole(conn).await?,
        // Nobody asks.
        false => None,
    };
    let claimed = rows.into_iter().zip(specs).map(|(row, webhook)| {
        let declared = row.receiver_project != API_PROJECT;
        let project = row.receiver_project.as_str().into();
        let told = beaten.iter().filter(|it| it.by == row.id);
        let superseded = told.map(|it| Carried {
            payload: it.payload.clone(),
            unheard: row.kind == GROUP && unheard.contains(&it.delivery),
        });
        let superseded = superseded.collect();
        let of = before.iter().filter(|it| it.by == row.id);
        let before = of.map(|it| it.payload.clone()).collect();
        Claimed {
            id: DeliveryId(row.id),
            event: EventId(row.event_id),
            receiver: ReceiverId(row.receiver_id),
            check: row.check_id.map(CheckId),
            replay: row.replay_no,
            kind: row.kind,
            at: row.at,
            subject: row.subject,
            receiver_name: row.receiver_name.unwrap_or_else(|| host(&row.url)),
            secrets: SecretUse::of(&project, declared, sole.as_deref()),
            webhook,
            attempt: row.attempts + 1,
            first_attempt_at: row.first_attempt_at,
            refused: row.refused,
            too_large: row.too_large,
            unwelcome_since: row.unwelcome_since,
            superseded,
            before,
            unheard: row.unheard.unwrap_or_else(|| unheard.contains(&row.id)),
            payload: row.payload,
            body: row.body,
        }
    });
    Ok(claimed.collect())
}

/// A delivery whose event another one tells.
struct Beaten {
    by: Uuid,
    delivery: Uuid,
    payload: Vec<u8>,
}

/// These deliveries tell what those told that they beat, too, and their receivers have waited as
/// long.
async fn follow(conn: &mut PgConnection, winners: &[Uuid]) -> Result<(), StoreError> {
    sqlx::query!(
        "update deliveries o set superseded_by = b.superseded_by
         from deliveries b where o.superseded_by = b.id and b.superseded_by = any($1)",
        winners,
    )
    .execute(&mut *conn)
    .await
    .doing("follow what is superseded")?;
    sqlx::query!(
        "update deliveries d set waits_since = b.since
         from (select superseded_by as id,
                   min(coalesce(waits_since, first_attempt_at, created_at)) as since
               from deliveries where superseded_by = any($1) group by superseded_by) b
         where d.id = b.id",
        winners,
    )
    .execute(conn)
    .await
    .doing("note how long a receiver has waited")?;
    Ok(())
}

/// What these deliveries supersede, in its order.
async fn superseded(conn: &mut PgConnection, by: &[Uuid]) -> Result<Vec<Beaten>, StoreError> {
    sqlx::query_as!(
        Beaten,
        r#"select d.superseded_by as "by!", d.id as delivery, t.payload from deliveries d
           join transitions t on t.id = d.event_id
           where d.superseded_by = any($1) order by d.seq"#,
        by,
    )
    .fetch_all(conn)
    .await
    .doing("read what is superseded")
}

/// What these groups and replays tell, in its order: a replay tells what was told first.
async fn told(conn: &mut PgConnection, again: &[Uuid]) -> Result<Vec<Beaten>, StoreError> {
    sqlx::query_as!(
        Beaten,
        "select r.id as by, m.id as delivery, t.payload from deliveries r
         join deliveries g on g.event_id = r.event_id and g.receiver_id = r.receiver_id
         join deliveries m on m.superseded_by = g.id
         join transitions t on t.id = m.event_id
         where r.id = any($1) order by t.at, m.seq, t.id",
        again,
    )
    .fetch_all(conn)
    .await
    .doing("read what groups and replays tell")
}

/// In which form a body is for this receiver.
fn form(webhook: &WebhookSpec) -> i16 {
    match webhook.is_bare() {
        true => BARE,
        false => format_number(webhook.format),
    }
}

/// The part of a URL that may be shown: the rest may be a secret.
fn host(url: &str) -> String {
    let after = url.split_once("://").map_or(url, |(_, rest)| rest);
    after
        .split(['/', '?', '#'])
        .next()
        .unwrap_or_default()
        .to_owned()
}

/// An attempt that begins.
#[derive(Clone, Copy, Debug)]
pub struct Begun<'a> {
    pub claimed: &'a Claimed,
    /// What is sent, if anything can be.
    pub body: Option<&'a [u8]>,
    /// It is made of the event alone, and will be each time.
    pub is_plain: bool,
}

/// Claims these deliveries for `worker`, which has locked their lanes, and freezes their bodies
/// before anything is sent: of what then has no end it is known that it was begun. Returns those
/// that are its own now: whatever else may be claimed already holds up nothing.
pub async fn delivery_begin(
    conn: &mut PgConnection,
    worker: Uuid,
    begun: &[Begun<'_>],
    now: OffsetDateTime,
) -> Result<HashSet<DeliveryId>, StoreError> {
    let claimed = || begun.iter().map(|it| it.claimed);
    let ids: Vec<Uuid> = claimed().map(|it| it.id.0).collect();
    let receivers: Vec<Uuid> = claimed().map(|it| it.receiver.0).collect();
    let lanes: Vec<Uuid> = claimed().map(|it| lane(it.receiver, it.check)).collect();
    let beside: Vec<Uuid> = claimed().map(|it| beside(it.id, it.replay)).collect();
    let numbers: Vec<i32> = claimed().map(|it| it.attempt).collect();
    let frozen: Vec<bool> = begun.iter().map(|it| it.body.is_some()).collect();
    let ours = sqlx::query_scalar!(
        "insert into claims (delivery_id, receiver_id, lane, beside, worker, until, n, started_at,
             frozen)
         select id, receiver, lane, beside, $6, clock_timestamp() + make_interval(secs => $8), n,
             $7, frozen
         from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::integer[], $9::boolean[])
             as c (id, receiver, lane, beside, n, frozen)
         on conflict (receiver_id, lane, beside) do nothing
         returning delivery_id",
        &ids,
        &receivers,
        &lanes,
        &beside,
        &numbers,
        worker,
        now,
        LEASE.as_secs_f64(),
        &frozen,
    )
    .fetch_all(&mut *conn)
    .await
    .doing("claim deliveries")?;
    let ours: HashSet<DeliveryId> = ours.into_iter().map(DeliveryId).collect();
    freeze(conn, begun, &ours).await?;
    Ok(ours)
}

async fn freeze(
    conn: &mut PgConnection,
    begun: &[Begun<'_>],
    ours: &HashSet<DeliveryId>,
) -> Result<(), StoreError> {
    let frozen = || {
        let ours = begun.iter().filter(|it| ours.contains(&it.claimed.id));
        let new = ours.filter(|it| it.claimed.body.is_none() && !it.is_plain);
        new.filter_map(|it| Some((it.claimed, it.claimed.webhook.as_ref().ok()?, it.body?)))
    };
    let ids: Vec<Uuid> = frozen().map(|(it, ..)| it.id.0).collect();
    let forms: Vec<i16> = frozen().map(|(_, webhook, _)| form(webhook)).collect();
    let bodies: Vec<Vec<u8>> = frozen().map(|(.., body)| body.to_vec()).collect();
    let unheard: Vec<bool> = frozen().map(|(it, ..)| it.unheard).collect();
    if ids.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "insert into bodies (delivery_id, format, body, unheard)
         select * from unnest($1::uuid[], $2::smallint[], $3::bytea[], $4::boolean[])
         -- One that was sent in another form, or to another receiver.
         on conflict (delivery_id) do update set format = excluded.format,
             body = excluded.body, unheard = excluded.unheard",
        &ids,
        &forms,
        &bodies,
        &unheard,
    )
    .execute(conn)
    .await
    .doing("freeze bodies")?;
    Ok(())
}
