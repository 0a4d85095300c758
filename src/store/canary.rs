//! Canaries: of each lokahid that has one a check and a receiver, in a project of their own that no
//! file can name and that is shown to nobody who does not ask for it.

use sqlx::PgConnection;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::check::{NewCheck, check_create, check_delete, check_update};
use super::error::{Doing as _, StoreError};
use super::project::{ProjectId, project_lock};
use super::receiver::{
    NewReceiver, receiver_create, receiver_delete, receiver_link, receiver_update,
};
use super::spec::spec_put;
use crate::model::check::CheckSpec;
use crate::model::desired::CANARY_PROJECT;
use crate::model::health::State;
use crate::model::id::{CheckId, ReceiverId, SpecId};
use crate::model::ownership::Owner;
use crate::model::webhook::WebhookSpec;
use crate::spec::{self, Digest};

/// How long it is remembered what a canary did: nobody looks at it later.
const KEPT: Duration = Duration::days(1);
/// How long a canary stays as it is before its lokahid is taken to be gone for good. As long as
/// that is there it changes each half minute; one that is not heard is written again.
const GONE: Duration = Duration::hours(1);

/// A canary as it is to be.
#[derive(Clone, Debug)]
pub struct CanaryRow {
    /// Of its lokahid: the name of the check and of the receiver.
    pub name: String,
    pub check: CheckSpec,
    pub receiver: WebhookSpec,
}

/// Writes a canary, or makes the one of this name what it is to be. Whether it is believed to
/// be up.
pub async fn canary_plant(
    conn: &mut PgConnection,
    canary: &CanaryRow,
    now: OffsetDateTime,
) -> Result<bool, StoreError> {
    let project = project_lock(&mut *conn, CANARY_PROJECT).await?.id;
    let encoded = [
        spec::encode_check(&canary.check),
        spec::encode_webhook(&canary.receiver),
    ];
    let stored = spec_put(&mut *conn, &encoded).await?;
    let place = |bytes: &Vec<u8>| stored.get(&Digest::of(bytes)).copied();
    let [check_bytes, receiver_bytes] = &encoded;
    let check_spec = place(check_bytes).unwrap_or(SpecId(0));
    let receiver_spec = place(receiver_bytes).unwrap_or(SpecId(0));
    let receiver = put_receiver(&mut *conn, project, canary, receiver_spec, now).await?;
    let (check, state) = put_check(&mut *conn, project, canary, check_spec, now).await?;
    receiver_link(conn, &[(check, vec![receiver])]).await?;
    Ok(state == State::Up)
}

async fn put_receiver(
    conn: &mut PgConnection,
    project: ProjectId,
    canary: &CanaryRow,
    spec_id: SpecId,
    now: OffsetDateTime,
) -> Result<ReceiverId, StoreError> {
    let found = sqlx::query_scalar!(
        "select id from receivers
         where project_id = $1 and address = $2 and deleted_at is null",
        project.0,
        canary.name,
    )
    .fetch_optional(&mut *conn)
    .await
    .doing("find the canary's receiver")?;
    let receiver = NewReceiver {
        id: ReceiverId(found.unwrap_or_else(Uuid::now_v7)),
        address: canary.name.clone(),
        spec_id,
        spec: canary.receiver.clone(),
    };
    let receivers = std::slice::from_ref(&receiver);
    match found {
        Some(_) => receiver_update(conn, receivers).await?,
        None => receiver_create(conn, project, receivers, now).await?,
    }
    Ok(receiver.id)
}

async fn put_check(
    conn: &mut PgConnection,
    project: ProjectId,
    canary: &CanaryRow,
    spec_id: SpecId,
    now: OffsetDateTime,
) -> Result<(CheckId, State), StoreError> {
    let found = sqlx::query!(
        "select c.id, t.state from checks c join check_states t on t.check_id = c.id
         where c.project_id = $1 and c.address = $2 and c.deleted_at is null",
        project.0,
        canary.name,
    )
    .fetch_optional(&mut *conn)
    .await
    .doing("find the canary's check")?;
    let check = NewCheck {
        id: found
            .as_ref()
            .map_or_else(|| CheckId(Uuid::now_v7()), |row| CheckId(row.id)),
        address: canary.name.clone(),
        spec_id,
        spec: canary.check.clone().into(),
        quiet: false,
    };
    let checks = std::slice::from_ref(&check);
    match &found {
        Some(_) => check_update(conn, Owner::Api, checks).await?,
        None => check_create(conn, project, Owner::Api, checks, now).await?,
    }
    let state = found.and_then(|row| State::from_number(row.state));
    Ok((check.id, state.unwrap_or(State::Init)))
}

/// Forgets what canaries did, and those whose lokahid is gone.
pub async fn canary_forget(conn: &mut PgConnection, now: OffsetDateTime) -> Result<(), StoreError> {
    sweep(&mut *conn, now).await?;
    let gone = sqlx::query!(
        "select c.id, r.id as \"receiver?\" from checks c
         join projects p on p.id = c.project_id
         join check_states t on t.check_id = c.id
         left join receivers r on r.project_id = p.id and r.address = c.address
             and r.deleted_at is null
         where p.name = $1 and c.deleted_at is null and t.since < $2",
        CANARY_PROJECT,
        now - GONE,
    )
    .fetch_all(&mut *conn)
    .await
    .doing("find canaries without a lokahid")?;
    if gone.is_empty() {
        return Ok(());
    }
    let checks: Vec<CheckId> = gone.iter().map(|row| CheckId(row.id)).collect();
    let receivers = gone.iter().filter_map(|row| row.receiver.map(ReceiverId));
    check_delete(&mut *conn, &checks, now).await?;
    receiver_delete(conn, &receivers.collect::<Vec<_>>(), now).await
}

/// Its history goes as that of any check, with its probes.
async fn sweep(conn: &mut PgConnection, now: OffsetDateTime) -> Result<(), StoreError> {
    sqlx::query!(
        "with old as materialized (
             select t.id from transitions t
             join checks c on c.id = t.check_id
             join projects p on p.id = c.project_id
             where p.name = $1 and t.at < $2 and not exists (select from deliveries d
                 where d.event_id = t.id and d.state in ('pending', 'held'))),
         of_attempts as (
             delete from attempts a using deliveries d
             where d.id = a.delivery_id and d.event_id in (select id from old)),
         of_bodies as (
             delete from bodies b using deliveries d
             where d.id = b.delivery_id and d.event_id in (select id from old)),
         of_deliveries as (
             delete from deliveries where event_id in (select id from old))
         delete from transitions where id in (select id from old)",
        CANARY_PROJECT,
        now - KEPT,
    )
    .execute(&mut *conn)
    .await
    .doing("forget what canaries told")?;
    sqlx::query!(
        "delete from incidents i using checks c, projects p
         where c.id = i.check_id and p.id = c.project_id and p.name = $1 and i.closed_at < $2
             and not exists (select from transitions t where t.incident_id = i.id)",
        CANARY_PROJECT,
        now - KEPT,
    )
    .execute(conn)
    .await
    .doing("forget the incidents of canaries")?;
    Ok(())
}
