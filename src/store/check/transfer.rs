//! How checks pass between the API and a project's files: id, state and history
//! stay as they are.

use sqlx::PgConnection;
use uuid::Uuid;

use super::NewCheck;
use super::write::{Columns, note, taken};
use crate::clock;
use crate::model::webhook::WebhookSpec;
use crate::store::error::{Doing as _, StoreError};
use crate::store::project::ProjectId;
use crate::store::receiver::{hand_over, receiver_implicit};

/// Brings the API's checks into a project, under the addresses and with the
/// specs given; their receivers are the caller's to link.
pub async fn check_adopt(
    conn: &mut PgConnection,
    project: ProjectId,
    checks: &[NewCheck],
) -> Result<(), StoreError> {
    if checks.is_empty() {
        return Ok(());
    }
    let columns = Columns::of(checks);
    sqlx::query!(
        "update checks c set project_id = $1, owner = 'declared', address = n.address,
             live_spec_id = n.spec_id, declared_spec_id = n.spec_id, version = version + 1,
             labels = string_to_array(n.labels, chr(10)), disabled = n.disabled
         from unnest($2::uuid[], $3::text[], $4::bigint[], $5::text[], $6::boolean[])
             as n (id, address, spec_id, labels, disabled)
         where c.id = n.id and c.owner = 'api' and c.deleted_at is null",
        project.0,
        &columns.ids,
        &columns.addresses,
        &columns.spec_ids,
        &columns.labels,
        &columns.disabled,
    )
    .execute(&mut *conn)
    .await
    .map_err(|error| taken(error, checks, "adopt checks"))?;
    note(conn, checks).await
}

/// Gives declared checks to the API, `api` being its project, with the specs given, which
/// name no declared receivers.
///
/// A check keeps its address, unless the API has one of that name: then its id is its
/// address. Receivers are of one project: so it tells an implicit one of the API from now on,
/// and what waits for the one it told goes there, too.
pub async fn check_release(
    conn: &mut PgConnection,
    checks: &[NewCheck],
    api: ProjectId,
) -> Result<(), StoreError> {
    if checks.is_empty() {
        return Ok(());
    }
    let columns = Columns::of(checks);
    sqlx::query!(
        "update checks c set project_id = $1, owner = 'api', declared_spec_id = null,
             live_spec_id = n.spec_id, version = version + 1,
             labels = string_to_array(n.labels, chr(10)), disabled = n.disabled,
             address = case when exists (select from checks o where o.project_id = $1
                     and o.address = c.address and o.deleted_at is null)
                 then c.id::text else c.address end
         from unnest($2::uuid[], $3::bigint[], $4::text[], $5::boolean[])
             as n (id, spec_id, labels, disabled)
         where c.id = n.id and c.owner = 'declared' and c.deleted_at is null",
        api.0,
        &columns.ids,
        &columns.spec_ids,
        &columns.labels,
        &columns.disabled,
    )
    .execute(&mut *conn)
    .await
    .doing("release checks")?;
    receivers_release(conn, checks, api).await?;
    note(conn, checks).await
}

/// Replaces the receivers of released checks by implicit ones of the API.
async fn receivers_release(
    conn: &mut PgConnection,
    checks: &[NewCheck],
    api: ProjectId,
) -> Result<(), StoreError> {
    let webhooks = checks.iter().filter_map(|check| check.spec.webhook.clone());
    let webhooks: Vec<WebhookSpec> = webhooks.collect();
    let implicit = receiver_implicit(conn, api, &webhooks, clock::now()).await?;
    let (mut told, mut receivers): (Vec<Uuid>, Vec<Uuid>) = (Vec::new(), Vec::new());
    for check in checks {
        if let Some(receiver) = check.spec.webhook.as_ref().and_then(|it| implicit.get(it)) {
            told.push(check.id.0);
            receivers.push(receiver.0);
        }
    }
    let ids: Vec<Uuid> = checks.iter().map(|check| check.id.0).collect();
    hand_over(conn, &ids, (&told, &receivers)).await?;
    sqlx::query!(
        "with gone as (
             delete from check_receivers where check_id = any($1)
             returning check_id, response_nanoseconds)
         insert into check_receivers (check_id, receiver_id, response_nanoseconds)
         select n.check_id, n.receiver_id, coalesce((select max(gone.response_nanoseconds)
             from gone where gone.check_id = n.check_id), 0)
         from unnest($2::uuid[], $3::uuid[]) as n (check_id, receiver_id)",
        &ids,
        &told,
        &receivers,
    )
    .execute(conn)
    .await
    .doing("link receivers of released checks")?;
    Ok(())
}
