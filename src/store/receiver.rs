//! Receivers, declared and implicit, and which checks tell them. How they do is in `standing`.

mod handover;
mod standing;

use std::collections::HashMap;

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

pub(super) use self::handover::hand_over;
pub use self::standing::{
    ReceiverCalled, ReceiverName, ReceiverStanding, receiver_called, receiver_standing,
};
use super::error::{Doing as _, StoreError, address_taken};
use super::project::ProjectId;
use crate::model::id::{CheckId, ReceiverId, SpecId};
use crate::model::webhook::{WebhookFormat, WebhookSpec};
use crate::spec;

pub(super) fn format_number(format: WebhookFormat) -> i16 {
    match format {
        WebhookFormat::Protobuf => 0,
        WebhookFormat::Json => 1,
        WebhookFormat::Alertmanager => 2,
    }
}

fn format_of(number: i16) -> WebhookFormat {
    match number {
        1 => WebhookFormat::Json,
        2 => WebhookFormat::Alertmanager,
        _ => WebhookFormat::Protobuf,
    }
}

/// A declared receiver to be written.
#[derive(Clone, Debug)]
pub struct NewReceiver {
    pub id: ReceiverId,
    pub address: String,
    pub spec_id: SpecId,
    pub spec: WebhookSpec,
}

/// Where receivers are and what they get, as columns.
#[derive(Default)]
struct Places {
    urls: Vec<String>,
    formats: Vec<i16>,
    /// Which events they get, with spaces between; empty: what the format knows.
    events: Vec<String>,
    collapses: Vec<bool>,
    /// Names of receivers of the same project; '': none.
    fallbacks: Vec<String>,
}

impl Places {
    fn of<'a>(webhooks: impl IntoIterator<Item = &'a WebhookSpec>) -> Self {
        let mut all = Self::default();
        for webhook in webhooks {
            all.urls.push(webhook.url.to_string());
            all.formats.push(format_number(webhook.format));
            let events: Vec<String> = webhook.events.iter().map(ToString::to_string).collect();
            all.events.push(events.join(" "));
            all.collapses.push(webhook.collapse);
            let fallback = webhook.fallback.as_ref().map(ToString::to_string);
            all.fallbacks.push(fallback.unwrap_or_default());
        }
        all
    }
}

/// Declared receivers as columns, to be unnested.
struct Columns {
    ids: Vec<Uuid>,
    addresses: Vec<String>,
    spec_ids: Vec<i64>,
    places: Places,
}

impl Columns {
    fn of(receivers: &[NewReceiver]) -> Self {
        Self {
            ids: receivers.iter().map(|r| r.id.0).collect(),
            addresses: receivers.iter().map(|r| r.address.clone()).collect(),
            spec_ids: receivers.iter().map(|r| r.spec_id.0).collect(),
            places: Places::of(receivers.iter().map(|receiver| &receiver.spec)),
        }
    }
}

/// The implicit receivers of bare webhook URLs; made where they do not exist.
pub async fn receiver_implicit(
    conn: &mut PgConnection,
    project: ProjectId,
    webhooks: &[WebhookSpec],
    now: OffsetDateTime,
) -> Result<HashMap<WebhookSpec, ReceiverId>, StoreError> {
    let mut webhooks: Vec<WebhookSpec> = webhooks.to_vec();
    webhooks.sort();
    webhooks.dedup();
    let mut found = implicit_find(conn, project, &webhooks).await?;
    webhooks.retain(|webhook| !found.contains_key(webhook));
    if !webhooks.is_empty() {
        implicit_create(conn, project, &webhooks, now).await?;
        found.extend(implicit_find(conn, project, &webhooks).await?);
    }
    Ok(found)
}

async fn implicit_find(
    conn: &mut PgConnection,
    project: ProjectId,
    webhooks: &[WebhookSpec],
) -> Result<HashMap<WebhookSpec, ReceiverId>, StoreError> {
    if webhooks.is_empty() {
        return Ok(HashMap::new());
    }
    let places = Places::of(webhooks);
    let rows = sqlx::query!(
        r#"select r.id, w.n as "n!" from receivers r
           join unnest($2::text[], $3::smallint[]) with ordinality as w (url, format, n)
               on w.url = r.url and w.format = r.format
           where r.project_id = $1 and r.address is null"#,
        project.0,
        &places.urls,
        &places.formats,
    )
    .fetch_all(conn)
    .await
    .doing("find implicit receivers")?;
    let at = |n: i64| webhooks.get(usize::try_from(n).ok()?.checked_sub(1)?);
    Ok(rows
        .into_iter()
        .filter_map(|row| Some((at(row.n)?.clone(), ReceiverId(row.id))))
        .collect())
}

async fn implicit_create(
    conn: &mut PgConnection,
    project: ProjectId,
    webhooks: &[WebhookSpec],
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    let encoded: Vec<Vec<u8>> = webhooks.iter().map(spec::encode_webhook).collect();
    let stored = super::spec::spec_put(conn, &encoded).await?;
    let ids: Vec<Uuid> = webhooks.iter().map(|_| Uuid::now_v7()).collect();
    let places = Places::of(webhooks);
    let spec_ids: Vec<i64> = encoded
        .iter()
        .map(|bytes| stored.get(&spec::Digest::of(bytes)).map_or(0, |id| id.0))
        .collect();
    sqlx::query!(
        "insert into receivers (id, project_id, spec_id, url, format, created_at)
         select id, $1, spec_id, url, format, $2
         from unnest($3::uuid[], $4::bigint[], $5::text[], $6::smallint[])
             as r (id, spec_id, url, format)
         on conflict (project_id, url, format) where address is null do nothing",
        project.0,
        now,
        &ids,
        &spec_ids,
        &places.urls,
        &places.formats,
    )
    .execute(conn)
    .await
    .doing("store implicit receivers")?;
    Ok(())
}

/// Makes declared receivers.
pub async fn receiver_create(
    conn: &mut PgConnection,
    project: ProjectId,
    receivers: &[NewReceiver],
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    let columns = Columns::of(receivers);
    sqlx::query!(
        "insert into receivers (id, project_id, address, spec_id, url, format, events, collapse,
             fallback, created_at)
         select id, $1, address, spec_id, url, format, events, collapse, fallback, $2
         from unnest($3::uuid[], $4::text[], $5::bigint[], $6::text[], $7::smallint[], $8::text[],
             $9::boolean[], $10::text[])
             as r (id, address, spec_id, url, format, events, collapse, fallback)",
        project.0,
        now,
        &columns.ids,
        &columns.addresses,
        &columns.spec_ids,
        &columns.places.urls,
        &columns.places.formats,
        &columns.places.events,
        &columns.places.collapses,
        &columns.places.fallbacks,
    )
    .execute(conn)
    .await
    .doing("create receivers")?;
    Ok(())
}

/// Gives declared receivers another spec. What waits goes to the new URL.
pub async fn receiver_update(
    conn: &mut PgConnection,
    receivers: &[NewReceiver],
) -> Result<(), StoreError> {
    let columns = Columns::of(receivers);
    sqlx::query!(
        "update receivers r set spec_id = n.spec_id, url = n.url, format = n.format,
             events = n.events, collapse = n.collapse, fallback = n.fallback
         from unnest($1::uuid[], $2::bigint[], $3::text[], $4::smallint[], $5::text[],
             $6::boolean[], $7::text[])
             as n (id, spec_id, url, format, events, collapse, fallback)
         where r.id = n.id",
        &columns.ids,
        &columns.spec_ids,
        &columns.places.urls,
        &columns.places.formats,
        &columns.places.events,
        &columns.places.collapses,
        &columns.places.fallbacks,
    )
    .execute(&mut *conn)
    .await
    .doing("update receivers")?;
    // What the old one asked for binds the new one to nothing.
    sqlx::query!(
        "update receiver_status set slowed_until = null where receiver_id = any($1)",
        &columns.ids,
    )
    .execute(conn)
    .await
    .doing("forget what receivers asked for")?;
    Ok(())
}

/// Gives live declared receivers other addresses in their projects. Two may take
/// each other's: what is given twice is found out when the transaction ends, at
/// the latest.
pub async fn receiver_rename(
    conn: &mut PgConnection,
    names: &[(ReceiverId, String)],
) -> Result<(), StoreError> {
    if names.is_empty() {
        return Ok(());
    }
    addresses_later(conn).await?;
    let ids: Vec<Uuid> = names.iter().map(|(id, _)| id.0).collect();
    let addresses: Vec<String> = names.iter().map(|(_, address)| address.clone()).collect();
    sqlx::query!(
        "update receivers r set address = n.address
         from unnest($1::uuid[], $2::text[]) as n (id, address)
         where r.id = n.id and r.address is not null and r.deleted_at is null",
        &ids,
        &addresses,
    )
    .execute(conn)
    .await
    .doing("rename receivers")?;
    Ok(())
}

async fn addresses_later(conn: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::query!("set constraints receivers_address deferred")
        .execute(conn)
        .await
        .doing("prepare to name receivers")?;
    Ok(())
}

/// Brings removed declared receivers back, with their ids, under the addresses
/// and specs given; which checks tell them is the caller's to link, and whoever
/// has an address until now gives it up before the transaction ends.
pub async fn receiver_revive(
    conn: &mut PgConnection,
    receivers: &[NewReceiver],
) -> Result<(), StoreError> {
    if receivers.is_empty() {
        return Ok(());
    }
    addresses_later(conn).await?;
    let columns = Columns::of(receivers);
    sqlx::query!(
        "update receivers r set deleted_at = null, address = n.address, spec_id = n.spec_id,
             url = n.url, format = n.format, events = n.events, collapse = n.collapse,
             fallback = n.fallback
         from unnest($1::uuid[], $2::text[], $3::bigint[], $4::text[], $5::smallint[], $6::text[],
             $7::boolean[], $8::text[])
             as n (id, address, spec_id, url, format, events, collapse, fallback)
         where r.id = n.id and r.address is not null and r.deleted_at is not null",
        &columns.ids,
        &columns.addresses,
        &columns.spec_ids,
        &columns.places.urls,
        &columns.places.formats,
        &columns.places.events,
        &columns.places.collapses,
        &columns.places.fallbacks,
    )
    .execute(conn)
    .await
    .map_err(|error| {
        let first = receivers.first().map_or("", |new| new.address.as_str());
        address_taken(error, first, "bring receivers back")
    })?;
    Ok(())
}

/// Whoever told the first of each pair tells the second: the same name, which is another
/// receiver's now.
pub async fn receiver_succeed(
    conn: &mut PgConnection,
    pairs: &[(ReceiverId, ReceiverId)],
) -> Result<(), StoreError> {
    if pairs.is_empty() {
        return Ok(());
    }
    let new: HashMap<Uuid, ReceiverId> = pairs.iter().map(|(old, new)| (old.0, *new)).collect();
    let old: Vec<Uuid> = new.keys().copied().collect();
    let links = sqlx::query!(
        "delete from check_receivers where receiver_id = any($1)
         returning check_id, receiver_id",
        &old,
    )
    .fetch_all(&mut *conn)
    .await
    .doing("unlink receivers that were replaced")?;
    let links = links.into_iter().filter_map(|link| {
        let new = *new.get(&link.receiver_id)?;
        Some((CheckId(link.check_id), vec![new]))
    });
    receiver_add(conn, &links.collect::<Vec<_>>()).await
}

/// Removes receivers; what still waits for them is dead.
pub async fn receiver_delete(
    conn: &mut PgConnection,
    receivers: &[ReceiverId],
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    let ids: Vec<Uuid> = receivers.iter().map(|id| id.0).collect();
    sqlx::query!(
        "update receivers set deleted_at = $2 where id = any($1)",
        &ids,
        now
    )
    .execute(&mut *conn)
    .await
    .doing("delete receivers")?;
    sqlx::query!(
        "update deliveries set state = 'dead', reason = 'receiver removed', finished_at = $2
         where receiver_id = any($1) and state in ('pending', 'held')",
        &ids,
        now,
    )
    .execute(&mut *conn)
    .await
    .doing("end the deliveries of deleted receivers")?;
    sqlx::query!(
        "delete from check_receivers where receiver_id = any($1)",
        &ids
    )
    .execute(conn)
    .await
    .doing("unlink deleted receivers")?;
    Ok(())
}

/// Makes exactly these the receivers of each check.
pub async fn receiver_link(
    conn: &mut PgConnection,
    links: &[(CheckId, Vec<ReceiverId>)],
) -> Result<(), StoreError> {
    let checks: Vec<Uuid> = links.iter().map(|link| link.0.0).collect();
    let (from, to) = pairs(links);
    sqlx::query!(
        "delete from check_receivers c where c.check_id = any($1) and not exists
             (select from unnest($2::uuid[], $3::uuid[]) as l (check_id, receiver_id)
              where l.check_id = c.check_id and l.receiver_id = c.receiver_id)",
        &checks,
        &from,
        &to,
    )
    .execute(&mut *conn)
    .await
    .doing("unlink receivers")?;
    receiver_add(conn, links).await
}

/// What waits for the receivers of checks that pass between the API and files goes to those that
/// they have from now on: receivers are of one project. Before they are linked.
pub async fn receiver_hand_over(
    conn: &mut PgConnection,
    links: &[(CheckId, Vec<ReceiverId>)],
) -> Result<(), StoreError> {
    let checks: Vec<Uuid> = links.iter().map(|link| link.0.0).collect();
    let (from, to) = pairs(links);
    hand_over(conn, &checks, (&from, &to)).await
}

/// Gives checks more receivers: all that a new one needs.
pub async fn receiver_add(
    conn: &mut PgConnection,
    links: &[(CheckId, Vec<ReceiverId>)],
) -> Result<(), StoreError> {
    let (from, to) = pairs(links);
    sqlx::query!(
        "insert into check_receivers (check_id, receiver_id)
         select * from unnest($1::uuid[], $2::uuid[]) on conflict do nothing",
        &from,
        &to,
    )
    .execute(conn)
    .await
    .doing("link receivers")?;
    Ok(())
}

/// What waits for one receiver of a check goes to another instead; without
/// another it is dead. A body in the old receiver's form is written anew.
pub async fn receiver_replace(
    conn: &mut PgConnection,
    check: CheckId,
    old: ReceiverId,
    new: Option<ReceiverId>,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    // Whoever claims one has it locked: what is claimed by then is known to the next statement.
    sqlx::query!(
        "select id from deliveries
         where check_id = $1 and receiver_id = $2 and state in ('pending', 'held')
         order by id for update",
        check.0,
        old.0,
    )
    .fetch_all(&mut *conn)
    .await
    .doing("lock what waits for a receiver")?;
    sqlx::query!(
        "with moved as (
             update deliveries set
                 receiver_id = coalesce($3::uuid, receiver_id),
                 frozen = frozen and $3 is null,
                 attempts = greatest(attempts,
                     (select n from claims where delivery_id = deliveries.id)),
                 next_at = $4::timestamptz,
                 state = case when $3 is null then 'dead' else state end,
                 reason = case when $3 is null then 'receiver removed' else reason end,
                 finished_at = case when $3 is null then $4::timestamptz end
             where check_id = $1 and receiver_id = $2 and state in ('pending', 'held')
                 and not exists (select from deliveries d
                     where d.event_id = deliveries.event_id and d.receiver_id = $3
                         and d.replay_no = deliveries.replay_no)
             returning id),
         unclaimed as (
             delete from claims where delivery_id in (select id from moved)
             returning delivery_id, n, started_at),
         begun as (
             insert into attempts (delivery_id, n, started_at)
             select delivery_id, n, started_at from unclaimed
             on conflict (delivery_id, n) do nothing)
         delete from bodies where $3 is not null and delivery_id in (select id from moved)",
        check.0,
        old.0,
        new.map(|id| id.0),
        now,
    )
    .execute(conn)
    .await
    .doing("send what waits to another receiver")?;
    Ok(())
}

fn pairs(links: &[(CheckId, Vec<ReceiverId>)]) -> (Vec<Uuid>, Vec<Uuid>) {
    let pairs = links
        .iter()
        .flat_map(|(check, receivers)| receivers.iter().map(move |receiver| (check.0, receiver.0)));
    pairs.unzip()
}
