//! Brings a project to its desired state: the one way in which a declared object changes.
//!
//! One transaction: lock the project, plan again, require that it is what was shown, write,
//! remember. What the API made is neither read nor written here, unless it is adopted.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use time::OffsetDateTime;
use uuid::Uuid;

use super::error::ApplyError;
use super::propose::{Proposal, Wish, propose};
use super::trial;
use crate::model::change::{Action, Change, Kind};
use crate::model::check::CheckSpec;
use crate::model::desired::{API_PROJECT, Ancestry, SourceLine};
use crate::model::id::{CheckId, ReceiverId, SpecId};
use crate::model::ownership::Owner;
use crate::plan::Plan;
use crate::plan::state::{Live, Specs, Wanted};
use crate::spec::{Digest, encode_check};
use crate::store::check::{
    NewCheck, check_adopt, check_create, check_delete, check_release, check_rename, check_revive,
    check_update,
};
use crate::store::condition::{project_suspend, reconciler_forget};
use crate::store::error::StoreError;
use crate::store::generation::{
    GenerationKind, Known, Membership, NewGeneration, generation_create, generation_list,
    generation_places, generation_remember, generation_source,
};
use crate::store::maintenance::maintenance_declare;
use crate::store::project::{
    Project, project_find, project_forced_last, project_lock, project_settled, project_spec,
};
use crate::store::receiver::{
    NewReceiver, receiver_create, receiver_delete, receiver_hand_over, receiver_implicit,
    receiver_link, receiver_rename, receiver_revive, receiver_succeed, receiver_update,
};
use crate::store::spec::{spec_find, spec_put};
use crate::store::statistics::statistics_refresh;
use crate::store::{Connection, Store, Transaction};

/// With so many changes, if they are a tenth of what is live too, Postgres believes something
/// else of its tables than what is so.
const MANY: usize = 1000;
/// How many checks are written at once: what is on its way to Postgres is in memory twice.
const AT_ONCE: usize = 5000;

/// What was done.
#[derive(Clone, Debug)]
pub struct Applied {
    /// The project's generation now.
    pub generation: i64,
    pub plan: Plan,
    /// The project's reconciler was suspended, or it would undo this.
    pub suspended: bool,
}

/// What a wish must still come to, and what may pass.
#[derive(Clone, Debug, Default)]
pub struct Condition {
    /// Digest and base generation of what was shown; nothing is written if it is another.
    pub shown: Option<(Digest, i64)>,
    /// What the reconciler holds and a person has approved, as [`Proposal::approval`] has it,
    /// passes every guard but those that only a mended file passes.
    pub approved: Option<Digest>,
    /// The lokahid that must reconcile the project still, if one asks.
    pub reconciler: Option<String>,
    /// Whoever asks may not change what the API has: nothing is adopted or released.
    pub leaves_the_api: bool,
}

/// Applies a wish in one transaction. Without a difference nothing is written but where in the
/// files it stands, and the generation stays. `seal` is called within the transaction with what was
/// done.
pub async fn apply(
    store: &Store,
    wish: &Wish,
    condition: &Condition,
    now: OffsetDateTime,
    seal: impl AsyncFnOnce(&mut Connection, &Applied) -> Result<(), StoreError>,
) -> Result<Applied, ApplyError> {
    if wish.wanted.project.as_str() == API_PROJECT {
        return Err(ApplyError::Reserved);
    }
    let mut tx = store.begin().await?;
    let project = project_lock(&mut tx, wish.wanted.project.as_str()).await?;
    yields(wish, condition, &project)?;
    let proposal = propose(&mut tx, wish, project, now).await?;
    stays(wish, &proposal)?;
    if let Some((digest, expected)) = condition.shown
        && digest != proposal.digest
    {
        let found = proposal.project.generation;
        // Whoever came last, by an apply or past the files.
        let forced = project_forced_last(&mut tx, proposal.project.id).await?;
        let by = match found == expected {
            true => forced,
            false => {
                let applied = newest(&mut tx, &proposal.project).await?;
                forced.into_iter().chain(applied).max_by_key(|(_, at)| *at)
            }
        };
        return Err(ApplyError::Stale {
            expected,
            found,
            by,
        });
    }
    if proposal.plan.is_empty() {
        if !proposal.places.is_empty() {
            generation_places(&mut tx, proposal.project.id, &proposal.places).await?;
            commit(tx).await?;
        }
        // A project that was made only to be looked at goes with the rollback.
        return Ok(Applied {
            generation: proposal.project.generation,
            plan: proposal.plan,
            suspended: false,
        });
    }
    let of_the_api = |change: &Change| match change.action {
        Action::Adopt | Action::Release => true,
        Action::Revive if change.kind == Kind::Check => {
            let dead = proposal.live.dead_checks.get(&change.address);
            dead.is_some_and(|dead| dead.of_the_api)
        }
        _ => false,
    };
    if condition.leaves_the_api && proposal.plan.changes.iter().any(of_the_api) {
        return Err(ApplyError::OfTheApi);
    }
    let approved = condition.approved == Some(proposal.approval());
    let guards = proposal.guards.iter();
    let holds = guards.filter(|guard| !(approved && guard.can_be_approved()));
    let holds: Vec<_> = holds.cloned().collect();
    if !holds.is_empty() {
        return Err(ApplyError::Held(holds));
    }
    let living = proposal.live.checks.len();
    let applied = write(&mut tx, wish, proposal, now).await?;
    if applied.plan.changes.len() >= MANY.max(living / 10) {
        statistics_refresh(&mut tx).await?;
    }
    seal(&mut tx, &applied).await?;
    commit(tx).await?;
    Ok(applied)
}

async fn commit(tx: Transaction) -> Result<(), StoreError> {
    tx.commit().await.map_err(|source| StoreError::Query {
        doing: "commit an apply",
        source,
    })
}

/// Whether the project is this wish's to change.
fn yields(wish: &Wish, condition: &Condition, project: &Project) -> Result<(), ApplyError> {
    if condition.reconciler.is_some()
        && (condition.reconciler != project.reconciler || project.suspended.is_some())
    {
        return Err(ApplyError::Stale {
            expected: project.generation,
            found: project.generation,
            by: None,
        });
    }
    match project.undone_by() {
        Some(owner) if wish.kind == GenerationKind::Apply => Err(ApplyError::Reconciled {
            project: project.name.clone(),
            owner: owner.to_owned(),
        }),
        _ => Ok(()),
    }
}

/// Whether what is restored stays: the files of the reconciler declare it still, or there is
/// none to undo it.
fn stays(wish: &Wish, proposal: &Proposal) -> Result<(), ApplyError> {
    let Some(owner) = proposal.project.undone_by() else {
        return Ok(());
    };
    let declared = |change: &Change| {
        change.kind == Kind::Check
            && change.from.is_none()
            && proposal.live.ended_checks.contains_key(&change.address)
    };
    let mut changes = proposal.plan.changes.iter();
    let stray = changes.find(|change| !declared(change));
    match stray.filter(|_| wish.kind == GenerationKind::Restore) {
        None => Ok(()),
        Some(change) => Err(ApplyError::Undeclared {
            project: proposal.project.name.clone(),
            owner: owner.to_owned(),
            what: format!("{}.{}", change.kind.name(), change.address),
        }),
    }
}

/// Who applied last, and when.
async fn newest(
    conn: &mut Connection,
    project: &Project,
) -> Result<Option<(String, OffsetDateTime)>, StoreError> {
    let newest = generation_list(conn, project.id, i64::MAX, 1).await?.pop();
    Ok(newest.map(|generation| (generation.actor, generation.at)))
}

async fn write(
    conn: &mut Connection,
    wish: &Wish,
    proposal: Proposal,
    now: OffsetDateTime,
) -> Result<Applied, ApplyError> {
    let Proposal {
        project,
        plan,
        digest,
        live,
        specs,
        released,
        places,
        ..
    } = proposal;
    let generation = project.generation + 1;
    let mut work = Work {
        project: &project,
        generation,
        wanted: &wish.wanted,
        live: &live,
        specs: &specs,
        stored: spec_ids(conn, wish, &specs).await?,
        objects: HashMap::new(),
        quiet: wish.quiet_start,
        actor: &wish.actor,
        now,
    };
    let receivers = work.write_receivers(conn, &plan.changes).await?;
    work.release_checks(conn, &plan.changes, released).await?;
    work.write_checks(conn, &plan.changes, &receivers).await?;
    work.end_receivers(conn, &plan.changes).await?;
    work.write_project(conn, &plan.changes).await?;
    work.remember(conn, &plan.changes).await?;
    generation_places(conn, project.id, &places).await?;
    let new = NewGeneration {
        n: generation,
        kind: wish.kind,
        actor: &wish.actor,
        revision: &wish.revision,
        summary: plan.summary(),
        digest,
        at: now,
    };
    generation_create(conn, project.id, &new).await?;
    let made = trial::Made {
        project: project.id,
        generation,
        changes: &plan.changes,
        wanted: &wish.wanted,
        live: &live,
        specs: &specs,
    };
    trial::begin(conn, &made, now).await?;
    if matches!(wish.kind, GenerationKind::Apply | GenerationKind::Reconcile) {
        let known = Known {
            newest: is_newest(wish, &project),
            whole: wish.options.targets.is_empty(),
        };
        generation_source(conn, project.id, &wish.revision, known).await?;
    }
    if wish.kind == GenerationKind::Apply && project.reconciler.is_none() {
        // What a reconciler said of it once is over.
        reconciler_forget(conn, project.id).await?;
    }
    let suspended = wish.kind == GenerationKind::Rollback && project.undone_by().is_some();
    if suspended {
        let reason = format!("rolled back, generation {generation}");
        project_suspend(conn, project.id, &wish.actor, &reason, now).await?;
    }
    Ok(Applied {
        generation,
        plan,
        suspended,
    })
}

/// Whether this is the highest commit from now on: what no commit of before came after. Where
/// history was rewritten, or is another repository's, a person says so; a reconciler goes where
/// its branch goes, and watches over it from there.
fn is_newest(wish: &Wish, project: &Project) -> bool {
    let revision = &wish.revision;
    let follows = wish.kind == GenerationKind::Reconcile;
    match revision.ancestry {
        _ if project.max_revision.is_empty() => true,
        _ if revision.sha.is_empty() => false,
        Ancestry::SameOrLater => true,
        Ancestry::Earlier => false,
        Ancestry::Diverged | Ancestry::Unknown => follows || wish.allow.rollback,
    }
}

async fn spec_ids(
    conn: &mut Connection,
    wish: &Wish,
    specs: &Specs,
) -> Result<HashMap<Digest, SpecId>, StoreError> {
    let known = specs.checks.keys().chain(specs.webhooks.keys());
    let digests: Vec<Digest> = known.chain(&wish.wanted.project_spec).copied().collect();
    spec_find(conn, &digests).await
}

struct Work<'a> {
    project: &'a Project,
    generation: i64,
    wanted: &'a Wanted,
    live: &'a Live,
    specs: &'a Specs,
    /// Where specs are stored.
    stored: HashMap<Digest, SpecId>,
    /// The id of each object of the plan.
    objects: HashMap<(Kind, String), Uuid>,
    quiet: bool,
    actor: &'a str,
    now: OffsetDateTime,
}

impl Work<'_> {
    fn id(&mut self, change: &Change) -> Uuid {
        let key = (change.kind, change.address.clone());
        let new = || change.id.unwrap_or_else(Uuid::now_v7);
        *self.objects.entry(key).or_insert_with(new)
    }

    /// Creates, updates, renames and brings back receivers; returns every declared one.
    async fn write_receivers(
        &mut self,
        conn: &mut Connection,
        changes: &[Change],
    ) -> Result<HashMap<String, ReceiverId>, StoreError> {
        let living = self.live.webhooks.iter();
        let living = living.map(|(address, object)| (address.clone(), ReceiverId(object.id)));
        let mut all: HashMap<String, ReceiverId> = living.collect();
        let (mut created, mut revived) = (Vec::new(), Vec::new());
        let (mut updated, mut renamed) = (Vec::new(), Vec::new());
        for change in changes.iter().filter(|change| change.kind == Kind::Webhook) {
            let Some(new) = self.receiver(change) else {
                continue;
            };
            match change.action {
                Action::Create => created.push(new),
                Action::Revive => revived.push(new),
                Action::Update => updated.push(new),
                Action::Rename => {
                    renamed.push((new.id, new.address.clone()));
                    updated.push(new);
                }
                Action::Adopt | Action::Release | Action::Delete => {}
            }
        }
        let renamed_away =
            |change: &&Change| change.kind == Kind::Webhook && change.action == Action::Rename;
        for change in changes.iter().filter(renamed_away) {
            change.from.as_ref().and_then(|address| all.remove(address));
        }
        let new = created.iter().chain(&revived).chain(&updated);
        all.extend(new.map(|receiver| (receiver.address.clone(), receiver.id)));
        receiver_rename(conn, &renamed).await?;
        receiver_create(conn, self.project.id, &created, self.now).await?;
        receiver_revive(conn, &revived).await?;
        receiver_update(conn, &updated).await?;
        let had = self.live.webhooks.iter();
        let replaced = had.filter_map(|(address, object)| {
            let new = all.get(address).filter(|new| new.0 != object.id)?;
            Some((ReceiverId(object.id), *new))
        });
        receiver_succeed(conn, &replaced.collect::<Vec<_>>()).await?;
        Ok(all)
    }

    fn receiver(&mut self, change: &Change) -> Option<NewReceiver> {
        let declared = self.wanted.webhooks.get(&change.address)?;
        Some(NewReceiver {
            id: ReceiverId(self.id(change)),
            address: change.address.clone(),
            spec_id: *self.stored.get(&declared.spec)?,
            spec: self.specs.webhooks.get(&declared.spec)?.clone(),
        })
    }

    fn check(&mut self, change: &Change) -> Option<NewCheck> {
        let declared = self.wanted.checks.get(&change.address)?;
        Some(NewCheck {
            id: CheckId(self.id(change)),
            address: change.address.clone(),
            spec_id: *self.stored.get(&declared.spec)?,
            spec: self.specs.checks.get(&declared.spec)?.clone(),
            quiet: self.quiet && change.action == Action::Create,
        })
    }

    /// Gives checks to the API, as it has them. An address that is given up may be taken in
    /// the same apply.
    async fn release_checks(
        &self,
        conn: &mut Connection,
        changes: &[Change],
        specs: BTreeMap<String, CheckSpec>,
    ) -> Result<(), StoreError> {
        let Some(api) = project_find(conn, API_PROJECT).await? else {
            return Ok(());
        };
        let bytes: Vec<Vec<u8>> = specs.values().map(encode_check).collect();
        let stored = spec_put(conn, &bytes).await?;
        let of = changes
            .iter()
            .filter(|change| change.action == Action::Release);
        let released = of.filter_map(|change| {
            let spec = specs.get(&change.address)?.clone();
            Some(NewCheck {
                id: CheckId(change.id?),
                address: change.address.clone(),
                spec_id: *stored.get(&Digest::of(&encode_check(&spec)))?,
                spec: Arc::new(spec),
                quiet: false,
            })
        });
        let released: Vec<NewCheck> = released.collect();
        check_release(conn, &released, api).await
    }

    async fn write_checks(
        &mut self,
        conn: &mut Connection,
        changes: &[Change],
        receivers: &HashMap<String, ReceiverId>,
    ) -> Result<(), StoreError> {
        let checks = || changes.iter().filter(|change| change.kind == Kind::Check);
        let ids = |action| -> Vec<CheckId> {
            let of = checks().filter(|change| change.action == action && !change.is_of_the_gone());
            of.filter_map(|change| change.id.map(CheckId)).collect()
        };
        // An address that is given up may be taken in the same apply.
        check_delete(conn, &ids(Action::Delete), self.now).await?;
        let mut by: BTreeMap<Action, Vec<NewCheck>> = BTreeMap::new();
        for change in checks() {
            if let Some(new) = self.check(change) {
                by.entry(change.action).or_default().push(new);
            }
        }
        let of = |action| by.get(&action).map_or(&[][..], Vec::as_slice);
        let renamed = of(Action::Rename).iter();
        let names: Vec<_> = renamed.map(|new| (new.id, new.address.clone())).collect();
        check_rename(conn, &names).await?;
        check_adopt(conn, self.project.id, of(Action::Adopt)).await?;
        let revived = of(Action::Revive);
        check_revive(conn, self.project.id, Owner::Declared, revived, self.now).await?;
        for created in of(Action::Create).chunks(AT_ONCE) {
            check_create(conn, self.project.id, Owner::Declared, created, self.now).await?;
        }
        check_update(conn, Owner::Declared, of(Action::Update)).await?;
        check_update(conn, Owner::Declared, of(Action::Rename)).await?;
        let all: Vec<&NewCheck> = by.values().flatten().collect();
        let settled: Vec<Uuid> = checks().filter_map(|change| change.id).collect();
        project_settled(conn, &settled).await?;
        let adopted = of(Action::Adopt).iter().map(|new| new.id).collect();
        self.link(conn, &all, receivers, &adopted).await
    }

    async fn link(
        &self,
        conn: &mut Connection,
        checks: &[&NewCheck],
        receivers: &HashMap<String, ReceiverId>,
        adopted: &HashSet<CheckId>,
    ) -> Result<(), StoreError> {
        let bare = checks.iter().filter_map(|c| c.spec.webhook.clone());
        let bare: Vec<_> = bare.collect();
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
        for checks in checks.chunks(AT_ONCE) {
            let links = checks.iter().map(|check| (check.id, of(&check.spec)));
            let links: Vec<_> = links.collect();
            let theirs = links.iter().filter(|link| adopted.contains(&link.0));
            let theirs: Vec<_> = theirs.cloned().collect();
            if !theirs.is_empty() {
                receiver_hand_over(conn, &theirs).await?;
            }
            receiver_link(conn, &links).await?;
        }
        Ok(())
    }

    /// Last: no check refers to them any more.
    async fn end_receivers(
        &self,
        conn: &mut Connection,
        changes: &[Change],
    ) -> Result<(), StoreError> {
        let gone = changes
            .iter()
            .filter(|change| change.kind == Kind::Webhook && change.action == Action::Delete);
        let gone: Vec<ReceiverId> = gone.filter_map(|c| c.id.map(ReceiverId)).collect();
        receiver_delete(conn, &gone, self.now).await
    }

    async fn write_project(
        &self,
        conn: &mut Connection,
        changes: &[Change],
    ) -> Result<(), StoreError> {
        let changed = changes.iter().any(|change| change.kind == Kind::Project);
        let spec = self.wanted.project_spec.filter(|_| changed);
        match spec.and_then(|digest| self.stored.get(&digest)) {
            Some(spec) => project_spec(conn, self.project.id, *spec).await?,
            None => return Ok(()),
        }
        let declared = self.wanted.project_spec;
        let declared = declared.and_then(|digest| self.specs.projects.get(&digest));
        match declared {
            Some(spec) => {
                let (id, by) = (self.project.id, self.actor);
                maintenance_declare(conn, id, &spec.maintenances, by, self.now).await
            }
            None => Ok(()),
        }
    }

    async fn remember(&self, conn: &mut Connection, changes: &[Change]) -> Result<(), StoreError> {
        let keep = changes.iter().filter(|change| change.action.keeps());
        let taken: HashSet<(Kind, &str)> = keep.map(|c| (c.kind, c.address.as_str())).collect();
        for changes in changes.chunks(AT_ONCE) {
            let members = self.members(changes, &taken);
            generation_remember(conn, self.project.id, self.generation, &members).await?;
        }
        Ok(())
    }

    /// What these changes leave at the addresses that they touch; other changes have `taken` some.
    fn members(&self, changes: &[Change], taken: &HashSet<(Kind, &str)>) -> Vec<Membership> {
        let mut members = Vec::new();
        for change in changes {
            let digest = match change.kind {
                Kind::Project => self.wanted.project_spec,
                Kind::Webhook => self.wanted.webhooks.get(&change.address).map(|d| d.spec),
                Kind::Check => self.wanted.checks.get(&change.address).map(|d| d.spec),
            };
            let digest = digest.filter(|_| change.action.keeps());
            let key = (change.kind, change.address.clone());
            members.push(Membership {
                kind: change.kind,
                address: change.address.clone(),
                object: self.objects.get(&key).copied(),
                spec_id: digest.and_then(|digest| self.stored.get(&digest).copied()),
                source: match change.action.keeps() {
                    true => change.source.clone(),
                    false => SourceLine::default(),
                },
            });
            // What was deleted past the files has its name still, unless another took it.
            let had = |from: &str| match change.action {
                Action::Rename => true,
                Action::Revive => {
                    let all = self.live.of_kind(change.kind);
                    !all.is_some_and(|all| all.contains_key(from))
                }
                _ => false,
            };
            let free = |from: &&String| had(from) && !taken.contains(&(change.kind, from.as_str()));
            if let Some(from) = change.from.as_ref().filter(free) {
                members.push(Membership {
                    kind: change.kind,
                    address: from.clone(),
                    object: None,
                    spec_id: None,
                    source: SourceLine::default(),
                });
            }
        }
        members
    }
}
