//! `Checks/Restore`: a check that the API made and that was deleted is there again, with its id
//! and its history. What files declare comes back by a plan.

use std::sync::Arc;

use super::checks::{audited, unknown};
use super::error::ApiError;
use super::{Call, convert, edit};
use crate::clock;
use crate::model::desired::API_PROJECT;
use crate::model::id::CheckId;
use crate::model::name::Name;
use crate::model::ownership::Owner;
use crate::plan::RESTORABLE;
use crate::proto::lokahi::{Check, RestoreOpts};
use crate::proto::twirp::{Code, TwirpError};
use crate::spec::{Digest, encode_check};
use crate::store::audit::{AuditEntry, audit_write};
use crate::store::check::{NewCheck, check_get, check_revive};
use crate::store::error::StoreError;
use crate::store::receiver::{receiver_implicit, receiver_link};
use crate::store::tombstone::{api_checks_lock, tombstone_api};

pub(super) async fn restore(call: Call, wanted: RestoreOpts) -> Result<Check, ApiError> {
    let shown: String = wanted.id.chars().take(Name::MAX).collect();
    let project = call.state.project().await?;
    let now = clock::now();
    let mut tx = call.state.store.begin().await?;
    let dead = tombstone_api(&mut tx, &wanted.id, now - RESTORABLE).await?;
    let Some(dead) = dead else {
        let error = match api_checks_lock(&mut tx, std::slice::from_ref(&wanted.id))
            .await?
            .pop()
        {
            Some((_, id, _)) => TwirpError::new(
                Code::AlreadyExists,
                format!("{shown:?} was not deleted: the check {id} is live"),
            ),
            None => TwirpError::new(
                Code::NotFound,
                format!(
                    "no check {shown:?} that the API made was deleted within the last seven \
                     days: nothing is left to bring back"
                ),
            ),
        };
        return Err(error.with("argument", "id").into());
    };
    let address = match wanted.name.as_str() {
        "" => dead.address,
        name => edit::argument::<Name>("name", name)?.to_string(),
    };
    let new = NewCheck {
        id: CheckId(dead.id),
        address,
        spec_id: dead.spec_id,
        spec: Arc::new(dead.spec),
        quiet: false,
    };
    let made = std::slice::from_ref(&new);
    match check_revive(&mut tx, project, Owner::Api, made, now).await {
        Err(StoreError::AddressTaken(name)) => {
            drop(tx);
            let mut conn = call.state.store.acquire().await?;
            let by = api_checks_lock(&mut conn, std::slice::from_ref(&name)).await?;
            let by = by
                .first()
                .map_or(String::new(), |(_, id, _)| format!(", {id},"));
            let text = format!(
                "another check{by} is called {name:?} by now; bring this one back under another \
                 name: lokahictl restore {API_PROJECT} {shown} --as NAME"
            );
            let error = TwirpError::new(Code::AlreadyExists, text).with("argument", "name");
            return Err(error.into());
        }
        other => other?,
    }
    let webhooks: Vec<_> = new.spec.webhook.iter().cloned().collect();
    let receivers = receiver_implicit(&mut tx, project, &webhooks, now).await?;
    receiver_link(&mut tx, &[(new.id, receivers.into_values().collect())]).await?;
    let written = check_get(&mut tx, new.id).await?;
    let written = written.ok_or_else(|| unknown(new.id))?;
    let subject = audited(new.id, written.name().unwrap_or_default());
    let entry = AuditEntry {
        project: API_PROJECT,
        after: Some(Digest::of(&encode_check(&new.spec))),
        ..call.entry(now, &subject)
    };
    audit_write(&mut tx, &entry).await?;
    call.commit(tx, "bring a check back").await?;
    call.state.announce().await;
    Ok(convert::check(&written, now))
}
