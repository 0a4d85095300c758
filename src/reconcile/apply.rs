//! Brings a project to its desired state: the one way in which a declared
//! object changes.
//!
//! One transaction: lock the project, compare, write, remember. What the API
//! made is neither read nor written here.

use std::collections::HashMap;

use time::OffsetDateTime;
use uuid::Uuid;

use crate::model::change::{Action, Change, Kind};
use crate::model::check::CheckSpec;
use crate::model::desired::{API_PROJECT, Actual, Desired, Revision, SourceLine};
use crate::model::id::{CheckId, ReceiverId, SpecId};
use crate::model::ownership::Owner;
use crate::model::secret::{SecretName, colliding};
use crate::plan;
use crate::spec::{self, Digest, SpecError};
use crate::store::check::{NewCheck, check_create, check_delete, check_update};
use crate::store::error::StoreError;
use crate::store::project::{
    DeclaredRow, GenerationKind, LockedProject, Membership, NewGeneration, project_advance,
    project_checks, project_lock, project_receivers, project_remember,
};
use crate::store::receiver::{
    NewReceiver, receiver_create, receiver_delete, receiver_implicit, receiver_link,
    receiver_update,
};
use crate::store::spec::spec_put;
use crate::store::{Connection, Store};

/// What to apply, and for whom.
#[derive(Clone, Debug)]
pub struct Request {
    pub desired: Desired,
    pub revision: Revision,
    /// The principal that asks.
    pub actor: String,
    pub kind: GenerationKind,
    /// Compare only.
    pub dry_run: bool,
    /// The generation that the plan was made from; nothing is written if the
    /// project has another by now.
    pub expected_generation: Option<i64>,
}

/// What was done, or would be.
#[derive(Clone, Debug)]
pub struct Applied {
    /// The project's generation now.
    pub generation: i64,
    pub changes: Vec<Change>,
}

/// Why nothing was applied.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The built-in project.
    #[error("the project {API_PROJECT:?} belongs to the API; give yours another name")]
    Reserved,
    /// Somebody else applied in between.
    #[error("the project is at generation {found} by now; the plan was made at {expected}")]
    Stale { expected: i64, found: i64 },
    /// A check tells a receiver that is not declared.
    #[error("check {check:?} notifies webhook {receiver:?}, which is not declared")]
    UnknownReceiver { check: String, receiver: String },
    /// One environment variable would stand for both.
    #[error("{0} and {1} are one variable, {variable}: give one of them another name", variable = .0.variable())]
    SecretsCollide(SecretName, SecretName),
    /// What is stored cannot be read.
    #[error("the stored {kind} {address:?} cannot be read", kind = kind.name())]
    Stored {
        kind: Kind,
        address: String,
        #[source]
        source: SpecError,
    },
    /// Postgres.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Applies a project's desired state in one transaction. Without a difference
/// nothing is written and the generation stays.
pub async fn apply(
    store: &Store,
    request: &Request,
    now: OffsetDateTime,
) -> Result<Applied, ApplyError> {
    let desired = &request.desired;
    if desired.project.as_str() == API_PROJECT {
        return Err(ApplyError::Reserved);
    }
    check_receivers(desired)?;
    check_secrets(desired)?;
    let mut tx = store.begin().await?;
    let project = project_lock(&mut tx, desired.project.as_str()).await?;
    if let Some(expected) = request.expected_generation
        && expected != project.generation
    {
        let found = project.generation;
        return Err(ApplyError::Stale { expected, found });
    }
    let live = Live::read(&mut tx, project).await?;
    let plan = plan::plan(desired, &live.actual);
    if plan.is_empty() || request.dry_run {
        // A project that was made only to be looked at goes with the rollback.
        return Ok(Applied {
            generation: project.generation,
            changes: plan.changes,
        });
    }
    let work = Work {
        project,
        generation: project.generation + 1,
        desired,
        live: &live,
        now,
    };
    let specs = work.store_specs(&mut tx, &plan.changes).await?;
    let receivers = work.write_receivers(&mut tx, &plan.changes, &specs).await?;
    work.write_checks(&mut tx, &plan.changes, &specs, &receivers)
        .await?;
    let gone: Vec<ReceiverId> = addresses(&plan.changes, Kind::Webhook, Action::Delete)
        .filter_map(|address| live.receivers.get(address).copied())
        .collect();
    receiver_delete(&mut tx, &gone, now).await?;
    work.remember(&mut tx, request, &plan.changes, &specs)
        .await?;
    tx.commit().await.map_err(|source| StoreError::Query {
        doing: "commit an apply",
        source,
    })?;
    Ok(Applied {
        generation: work.generation,
        changes: plan.changes,
    })
}

fn check_receivers(desired: &Desired) -> Result<(), ApplyError> {
    for (address, check) in &desired.checks {
        let unknown =
            |name: &&crate::model::name::Name| !desired.webhooks.contains_key(name.as_str());
        if let Some(receiver) = check.spec.receivers.iter().find(unknown) {
            return Err(ApplyError::UnknownReceiver {
                check: address.clone(),
                receiver: receiver.to_string(),
            });
        }
    }
    Ok(())
}

/// One variable cannot hold two secrets.
fn check_secrets(desired: &Desired) -> Result<(), ApplyError> {
    let checks = desired.checks.values().map(|check| &check.spec);
    let sent = checks.clone().flat_map(CheckSpec::secrets);
    let implicit = checks.filter_map(|spec| spec.webhook.as_ref());
    let declared = desired.webhooks.values().map(|webhook| &webhook.spec);
    let urls = implicit.chain(declared).filter_map(|w| w.url.as_secret());
    match colliding(sent.chain(urls)) {
        Some((one, other)) => Err(ApplyError::SecretsCollide(one.clone(), other.clone())),
        None => Ok(()),
    }
}

/// What the project has now.
struct Live {
    actual: Actual,
    checks: HashMap<String, CheckId>,
    receivers: HashMap<String, ReceiverId>,
}

impl Live {
    async fn read(conn: &mut Connection, project: LockedProject) -> Result<Self, ApplyError> {
        let checks = project_checks(conn, project.id).await?;
        let receivers = project_receivers(conn, project.id).await?;
        let mut actual = Actual::default();
        for row in &checks {
            let spec = read(row, Kind::Check, spec::decode_check)?;
            actual.checks.insert(row.address.clone(), spec);
        }
        for row in &receivers {
            let spec = read(row, Kind::Webhook, spec::decode_webhook)?;
            actual.webhooks.insert(row.address.clone(), spec);
        }
        Ok(Self {
            actual,
            checks: checks
                .into_iter()
                .map(|row| (row.address, row.id))
                .collect(),
            receivers: receivers
                .into_iter()
                .map(|row| (row.address, row.id))
                .collect(),
        })
    }
}

fn read<Id, T>(
    row: &DeclaredRow<Id>,
    kind: Kind,
    decode: fn(&[u8]) -> Result<T, SpecError>,
) -> Result<T, ApplyError> {
    decode(&row.bytes).map_err(|source| ApplyError::Stored {
        kind,
        address: row.address.clone(),
        source,
    })
}

/// Where the spec of each created or updated object is stored.
type Specs = HashMap<(Kind, String), SpecId>;

struct Work<'a> {
    project: LockedProject,
    generation: i64,
    desired: &'a Desired,
    live: &'a Live,
    now: OffsetDateTime,
}

impl Work<'_> {
    async fn store_specs(
        &self,
        conn: &mut Connection,
        changes: &[Change],
    ) -> Result<Specs, StoreError> {
        let encoded: Vec<((Kind, String), Vec<u8>)> = changes
            .iter()
            .filter(|change| change.action != Action::Delete)
            .filter_map(|change| {
                let bytes = match change.kind {
                    Kind::Check => {
                        spec::encode_check(&self.desired.checks.get(&change.address)?.spec)
                    }
                    Kind::Webhook => {
                        spec::encode_webhook(&self.desired.webhooks.get(&change.address)?.spec)
                    }
                };
                Some(((change.kind, change.address.clone()), bytes))
            })
            .collect();
        let bytes: Vec<Vec<u8>> = encoded.iter().map(|(_, bytes)| bytes.clone()).collect();
        let stored = spec_put(conn, &bytes).await?;
        Ok(encoded
            .into_iter()
            .filter_map(|(key, bytes)| Some((key, *stored.get(&Digest::of(&bytes))?)))
            .collect())
    }

    /// Creates and updates receivers; returns every declared one.
    async fn write_receivers(
        &self,
        conn: &mut Connection,
        changes: &[Change],
        specs: &Specs,
    ) -> Result<HashMap<String, ReceiverId>, StoreError> {
        let mut all = self.live.receivers.clone();
        let mut row = |address: &str| {
            let id = *all
                .entry(address.to_owned())
                .or_insert_with(|| ReceiverId(Uuid::now_v7()));
            Some(NewReceiver {
                id,
                address: address.to_owned(),
                spec_id: *specs.get(&(Kind::Webhook, address.to_owned()))?,
                spec: self.desired.webhooks.get(address)?.spec.clone(),
            })
        };
        let created: Vec<NewReceiver> = addresses(changes, Kind::Webhook, Action::Create)
            .filter_map(&mut row)
            .collect();
        let updated: Vec<NewReceiver> = addresses(changes, Kind::Webhook, Action::Update)
            .filter_map(&mut row)
            .collect();
        receiver_create(conn, self.project.id, &created, self.now).await?;
        receiver_update(conn, &updated).await?;
        Ok(all)
    }

    async fn write_checks(
        &self,
        conn: &mut Connection,
        changes: &[Change],
        specs: &Specs,
        receivers: &HashMap<String, ReceiverId>,
    ) -> Result<(), StoreError> {
        let row = |address: &str| {
            let known = self.live.checks.get(address).copied();
            Some(NewCheck {
                id: known.unwrap_or_else(|| CheckId(Uuid::now_v7())),
                address: address.to_owned(),
                spec_id: *specs.get(&(Kind::Check, address.to_owned()))?,
                spec: self.desired.checks.get(address)?.spec.clone(),
                quiet: false,
            })
        };
        // An address that is given up may be taken in the same apply.
        let gone: Vec<CheckId> = addresses(changes, Kind::Check, Action::Delete)
            .filter_map(|address| self.live.checks.get(address).copied())
            .collect();
        check_delete(conn, &gone, self.now).await?;
        let created: Vec<NewCheck> = addresses(changes, Kind::Check, Action::Create)
            .filter_map(row)
            .collect();
        let updated: Vec<NewCheck> = addresses(changes, Kind::Check, Action::Update)
            .filter_map(row)
            .collect();
        check_create(conn, self.project.id, Owner::Declared, &created, self.now).await?;
        check_update(conn, Owner::Declared, &updated).await?;
        self.link(conn, created.iter().chain(&updated), receivers)
            .await
    }

    async fn link(
        &self,
        conn: &mut Connection,
        checks: impl Iterator<Item = &NewCheck>,
        receivers: &HashMap<String, ReceiverId>,
    ) -> Result<(), StoreError> {
        let checks: Vec<&NewCheck> = checks.collect();
        let bare: Vec<_> = checks
            .iter()
            .filter_map(|c| c.spec.webhook.clone())
            .collect();
        let implicit = receiver_implicit(conn, self.project.id, &bare, self.now).await?;
        let of = |spec: &CheckSpec| -> Vec<ReceiverId> {
            let named = spec
                .receivers
                .iter()
                .filter_map(|name| receivers.get(name.as_str()));
            let bare = spec
                .webhook
                .as_ref()
                .and_then(|webhook| implicit.get(webhook));
            named.chain(bare).copied().collect()
        };
        let links: Vec<_> = checks
            .iter()
            .map(|check| (check.id, of(&check.spec)))
            .collect();
        receiver_link(conn, &links).await
    }

    async fn remember(
        &self,
        conn: &mut Connection,
        request: &Request,
        changes: &[Change],
        specs: &Specs,
    ) -> Result<(), StoreError> {
        let count = |action| {
            changes
                .iter()
                .filter(|change| change.action == action)
                .count()
        };
        let generation = NewGeneration {
            n: self.generation,
            kind: request.kind,
            actor: &request.actor,
            revision: &request.revision,
            created: count(Action::Create),
            updated: count(Action::Update),
            deleted: count(Action::Delete),
            at: self.now,
        };
        project_advance(conn, self.project.id, &generation).await?;
        let members: Vec<Membership> = changes
            .iter()
            .map(|change| Membership {
                kind: change.kind,
                address: change.address.clone(),
                spec_id: specs.get(&(change.kind, change.address.clone())).copied(),
                source: match change.action {
                    Action::Delete => SourceLine::default(),
                    Action::Create | Action::Update => change.source.clone(),
                },
            })
            .collect();
        project_remember(conn, self.project.id, self.generation, &members).await
    }
}

fn addresses(changes: &[Change], kind: Kind, action: Action) -> impl Iterator<Item = &str> {
    changes
        .iter()
        .filter(move |change| change.kind == kind && change.action == action)
        .map(|change| change.address.as_str())
}
