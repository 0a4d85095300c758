//! How checks pass between the API and a project's files: id, state and history
//! stay as they are.

use sqlx::PgConnection;
use uuid::Uuid;

use super::NewCheck;
use super::write::{Columns, note, taken};
use crate::clock;
use crate::model::id::CheckId;
use crate::model::webhook::{ReceiverUrl, WebhookSpec};
use crate::store::change::change_note;
use crate::store::error::{Doing as _, StoreError};
use crate::store::project::ProjectId;
use crate::store::receiver::{format_from, receiver_implicit};

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

/// Gives declared checks to the API, `api` being its project.
///
/// A check keeps its address, unless the API has one of that name: then its id
/// is its address. Receivers are of one project; so it tells implicit ones of
/// the same URLs and formats from now on, but none whose URL is a secret: what
/// belongs to the API has no secrets.
pub async fn check_release(
    conn: &mut PgConnection,
    checks: &[CheckId],
    api: ProjectId,
) -> Result<(), StoreError> {
    if checks.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = checks.iter().map(|id| id.0).collect();
    sqlx::query!(
        "update checks c set project_id = $2, owner = 'api', declared_spec_id = null,
             version = version + 1,
             address = case when exists (select from checks o where o.project_id = $2
                     and o.address = c.address and o.deleted_at is null)
                 then c.id::text else c.address end
         where c.id = any($1) and c.owner = 'declared' and c.deleted_at is null",
        &ids,
        api.0,
    )
    .execute(&mut *conn)
    .await
    .doing("release checks")?;
    receivers_release(conn, &ids, api).await?;
    change_note(conn, checks).await
}

/// Replaces the receivers of released checks by implicit ones of the API.
async fn receivers_release(
    conn: &mut PgConnection,
    checks: &[Uuid],
    api: ProjectId,
) -> Result<(), StoreError> {
    let links = sqlx::query!(
        "delete from check_receivers l using receivers r
         where l.check_id = any($1) and r.id = l.receiver_id and r.project_id <> $2
         returning l.check_id, l.response_nanoseconds, r.url, r.format",
        checks,
        api.0,
    )
    .fetch_all(&mut *conn)
    .await
    .doing("unlink receivers of released checks")?;
    let mut kept = Vec::new();
    for link in links {
        let Ok(url @ ReceiverUrl::Url(_)) = link.url.parse() else {
            continue;
        };
        let format = format_from(link.format)?;
        let webhook = WebhookSpec { url, format };
        kept.push((link.check_id, webhook, link.response_nanoseconds));
    }
    let webhooks: Vec<WebhookSpec> = kept.iter().map(|(_, webhook, _)| webhook.clone()).collect();
    let implicit = receiver_implicit(conn, api, &webhooks, clock::now()).await?;
    let (mut from, mut to, mut took) = (Vec::new(), Vec::new(), Vec::new());
    for (check, webhook, nanoseconds) in kept {
        if let Some(receiver) = implicit.get(&webhook) {
            from.push(check);
            to.push(receiver.0);
            took.push(nanoseconds);
        }
    }
    sqlx::query!(
        "insert into check_receivers (check_id, receiver_id, response_nanoseconds)
         select * from unnest($1::uuid[], $2::uuid[], $3::bigint[]) on conflict do nothing",
        &from,
        &to,
        &took,
    )
    .execute(conn)
    .await
    .doing("link receivers of released checks")?;
    Ok(())
}
