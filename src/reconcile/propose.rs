//! What an apply would do: reads what is live, plans, and asks the guards. Everything that
//! decides is pure and in `plan`; here it gets what it needs out of the store.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use time::OffsetDateTime;
use uuid::Uuid;

use super::coherent::{check_fallbacks, check_parents, check_receivers, check_secrets};
use super::error::ApplyError;
use super::warning::warnings;
use crate::model::change::{Action, Kind};
use crate::model::check::CheckSpec;
use crate::model::desired::{API_PROJECT, Ancestry, Move, Removal, Revision};
use crate::model::name::Name;
use crate::model::ownership::Owner;
use crate::model::webhook::WebhookSpec;
use crate::plan::guard::{self, Allow, Guard, Origin};
use crate::plan::places::{self, Place};
use crate::plan::state::{Live, LiveObject, Options, Specs, Tombstone, Wanted};
use crate::plan::{self, Plan, RESTORABLE, release, wire};
use crate::spec::{self, Digest};
use crate::store::Connection;
use crate::store::generation::{GenerationKind, generation_sha};
use crate::store::project::{
    LiveRow, Project, ProjectId, project_checks, project_ended, project_find, project_receivers,
};
use crate::store::spec::spec_bytes;
use crate::store::tombstone::{DeadRow, api_checks_lock, tombstone_by_id, tombstone_find};

/// How many specs are read at once.
const LOT: usize = 5000;

/// What is wanted, by whom, and how.
#[derive(Clone, Debug)]
pub struct Wish {
    pub wanted: Wanted,
    pub revision: Revision,
    /// The principal that asks.
    pub actor: String,
    pub kind: GenerationKind,
    pub options: Options,
    pub allow: Allow,
    /// Checks that are made tell nobody that they were down from the start.
    pub quiet_start: bool,
}

impl Wish {
    /// Whether it is what files say.
    pub(super) fn is_from_files(&self) -> bool {
        matches!(self.kind, GenerationKind::Apply | GenerationKind::Reconcile)
    }
}

/// What would be done.
#[derive(Clone, Debug)]
pub struct Proposal {
    pub project: Project,
    pub plan: Plan,
    pub guards: Vec<Guard>,
    /// What stands elsewhere in the files than it did; no part of the plan.
    pub places: Vec<Place>,
    /// Of what is shown.
    pub digest: Digest,
    pub(super) live: Live,
    pub(super) specs: Specs,
    /// What the API gets, by the address that it had here.
    pub(super) released: BTreeMap<String, CheckSpec>,
}

impl Proposal {
    /// What a person approves: the changes, and the guards that were shown beside them. Another
    /// guard is another thing to look at, be the changes the same.
    pub fn approval(&self) -> Digest {
        let mut all = self.digest.0.to_vec();
        for guard in &self.guards {
            for text in [&*guard.name, &guard.message] {
                all.extend(text.len().to_be_bytes());
                all.extend(text.as_bytes());
            }
        }
        Digest::of(&all)
    }
}

/// Compares a wish with a project as it is in this transaction.
pub async fn propose(
    conn: &mut Connection,
    wish: &Wish,
    project: Project,
    now: OffsetDateTime,
) -> Result<Proposal, ApplyError> {
    if wish.wanted.project.as_str() == API_PROJECT {
        return Err(ApplyError::Reserved);
    }
    let live = live(conn, wish, &project, now).await?;
    adoptable(wish, &live)?;
    if let Some(target) = wish.options.stray_target(&wish.wanted, &live) {
        let target = target.to_owned();
        return Err(ApplyError::UnknownTarget { target });
    }
    let draft = plan::draft(&wish.wanted, &live, &wish.options);
    let mut needed = draft.needed();
    if draft.ends_webhooks() {
        needed.extend(declared(&wish.wanted));
        needed.extend(live.checks.values().map(|object| object.live));
        needed.extend(live.webhooks.values().map(|object| object.live));
    }
    if draft.releases() {
        needed.extend(live.webhooks.values().map(|object| object.live));
    }
    let mut specs = load(conn, &wish.wanted, &live, &needed).await?;
    if draft.maintains(&specs) {
        needed.extend(declared(&wish.wanted));
        specs = load(conn, &wish.wanted, &live, &needed).await?;
    }
    let probed = specs.checks.values();
    let mut told = specs.webhooks.values();
    if probed
        .into_iter()
        .any(|spec| spec.secrets().next().is_some())
        || told.any(|spec| spec.references().next().is_some())
    {
        // One variable cannot stand for two secrets, be they in what changes or not.
        needed.extend(declared(&wish.wanted));
        specs = load(conn, &wish.wanted, &live, &needed).await?;
    }
    let suppresses = |spec: &Arc<CheckSpec>| !spec.suppressed_by.is_empty();
    let falls_back = |spec: &WebhookSpec| spec.fallback.is_some();
    if specs.checks.values().any(suppresses) || specs.webhooks.values().any(falls_back) {
        // A circle may go through what does not change.
        needed.extend(declared(&wish.wanted));
        specs = load(conn, &wish.wanted, &live, &needed).await?;
    }
    check_parents(&wish.wanted, &specs)?;
    check_receivers(&wish.wanted, &specs)?;
    check_fallbacks(&wish.wanted, &specs)?;
    check_secrets(&wish.wanted, &specs)?;
    let mut plan = draft.plan(&specs, now);
    if let Some(clinging) = plan.clinging {
        return Err(ApplyError::StillTold(clinging));
    }
    if let Some(taken) = plan.taken {
        return Err(ApplyError::NameTaken(taken));
    }
    let released = released(&plan, &live, &specs)?;
    let warnings = warnings(conn, wish, &plan, &specs, &project).await?;
    plan.warnings.extend(warnings);
    let mut guards = match wish.kind {
        // A person names what comes back; nothing is lost by it.
        GenerationKind::Restore => Vec::new(),
        // Nor by what changes nothing, wherever it came from.
        _ if plan.is_empty() => Vec::new(),
        _ => {
            let mut origin = origin(wish, &project);
            // What a person let go back goes no further back by being applied again.
            let live = generation_sha(conn, project.id).await?;
            origin.newer = origin.newer.filter(|_| live != wish.revision.sha);
            guard::guards(&plan.weight, &origin, &wish.allow)
        }
    };
    if wish.kind == GenerationKind::Apply && project.undone_by().is_some() {
        // Flags are for whoever applies, and that is not the one who plans this.
        guards
            .iter_mut()
            .for_each(|guard| guard.pass_by_reconciler(&project.name));
    }
    let places = match wish.is_from_files() {
        true => places::places(&wish.wanted, &live, &wish.options),
        false => Vec::new(),
    };
    Ok(Proposal {
        places,
        digest: wire::digest(&plan.changes),
        project,
        plan,
        guards,
        live,
        specs,
        released,
    })
}

fn declared(wanted: &Wanted) -> impl Iterator<Item = Digest> {
    let checks = wanted.checks.values().map(|declared| declared.spec);
    checks.chain(wanted.webhooks.values().map(|declared| declared.spec))
}

fn origin(wish: &Wish, project: &Project) -> Origin {
    let revision = &wish.revision;
    let now = Some((revision.remote.clone(), revision.path.clone()));
    let rollback = wish.kind == GenerationKind::Rollback;
    let earlier = revision.ancestry == Ancestry::Earlier && !rollback;
    Origin {
        before: project.source.clone().filter(|_| !rollback),
        now,
        files_before: if rollback { 0 } else { project.files },
        files_now: revision.files,
        newer: earlier.then(|| project.max_revision.clone()),
    }
}

async fn live(
    conn: &mut Connection,
    wish: &Wish,
    project: &Project,
    now: OffsetDateTime,
) -> Result<Live, ApplyError> {
    let wanted = &wish.wanted;
    let mut live = Live {
        project_spec: project.spec,
        checks: objects(project_checks(conn, project.id).await?),
        webhooks: objects(project_receivers(conn, project.id).await?),
        ..Live::default()
    };
    let api = project_find(conn, API_PROJECT).await?;
    for kind in [Kind::Check, Kind::Webhook] {
        let dead = dead(conn, wanted, &live, (project.id, api), kind, now).await?;
        match kind {
            Kind::Webhook => live.dead_webhooks = dead,
            _ => live.dead_checks = dead,
        }
    }
    live.ended_checks = objects(project_ended(conn, project.id).await?);
    let by_name = live.ended_checks.iter().filter(|_| wanted.ids.is_empty());
    for (address, ended) in by_name {
        // A moved block may know it by this name.
        let forced = ended.drift.clone();
        if let Some(drift) = forced.filter(|drift| drift.at > now - RESTORABLE) {
            let known = live.dead_checks.entry(address.clone());
            known.or_insert_with(|| Tombstone {
                id: ended.id,
                address: address.clone(),
                of_the_api: false,
                live: ended.live,
                deleted_at: drift.at,
                drift: Some(drift),
            });
        }
    }
    let imports = wanted.moves.iter().filter_map(|block| match &block.spec {
        Move::Import { id, .. } => Some(id.clone()),
        _ => None,
    });
    // What was released since is the API's by now.
    let known = live.checks.values().map(|object| object.id);
    let known: BTreeSet<Uuid> = known
        .chain(live.dead_checks.values().map(|dead| dead.id))
        .collect();
    let ids = wanted
        .ids
        .iter()
        .filter(|((kind, _), _)| *kind == Kind::Check);
    let gone = ids.filter(|(_, id)| !known.contains(*id));
    let imports: Vec<String> = imports.chain(gone.map(|(_, id)| id.to_string())).collect();
    for (name, id, digest) in api_checks_lock(conn, &imports).await? {
        let object = LiveObject {
            id,
            live: digest,
            declared: None,
            source: Default::default(),
            drift: None,
            told_by: 0,
        };
        live.api.insert(name, object);
    }
    imported(conn, wanted, &mut live, project.id, now).await?;
    Ok(live)
}

/// What a block brought in once and was deleted since comes back where the block says.
async fn imported(
    conn: &mut Connection,
    wanted: &Wanted,
    live: &mut Live,
    project: ProjectId,
    now: OffsetDateTime,
) -> Result<(), ApplyError> {
    let blocks = wanted.moves.iter().filter_map(|block| match &block.spec {
        Move::Import { id, to } => {
            let to = to.strip_prefix("check.")?;
            Some((Uuid::try_parse(id).ok()?, to.to_owned()))
        }
        _ => None,
    });
    let places: BTreeMap<Uuid, String> = blocks
        .filter(|(id, to)| {
            let free = !live.checks.contains_key(to) && !live.dead_checks.contains_key(to);
            free && !live.api.contains_key(&id.to_string())
        })
        .collect();
    let ids: Vec<Uuid> = places.keys().copied().collect();
    let since = now - RESTORABLE;
    for row in tombstone_by_id(conn, &[project], Kind::Check, &ids, since).await? {
        if let Some(to) = places.get(&row.id) {
            live.dead_checks.insert(to.clone(), tombstone(row));
        }
    }
    Ok(())
}

fn objects(rows: Vec<LiveRow>) -> BTreeMap<String, LiveObject> {
    let object = |row: LiveRow| {
        let object = LiveObject {
            id: row.id,
            live: row.live,
            declared: row.declared,
            source: row.source,
            drift: row.drift,
            told_by: usize::try_from(row.told_by).unwrap_or(0),
        };
        (row.address, object)
    };
    rows.into_iter().map(object).collect()
}

/// What can come back, by the address that it would have: where an id is wanted, that one, from
/// wherever it was; else what was there last.
async fn dead(
    conn: &mut Connection,
    wanted: &Wanted,
    live: &Live,
    (project, api): (ProjectId, Option<ProjectId>),
    kind: Kind,
    now: OffsetDateTime,
) -> Result<BTreeMap<String, Tombstone>, ApplyError> {
    let (Some(declared), Some(living)) = (wanted.of_kind(kind), live.of_kind(kind)) else {
        return Ok(BTreeMap::new());
    };
    let since = now - RESTORABLE;
    let ids = wanted.ids.iter().filter(|((of, _), _)| *of == kind);
    let places: BTreeMap<Uuid, &String> = ids.map(|((_, at), id)| (*id, at)).collect();
    let alive: BTreeSet<Uuid> = living.values().map(|object| object.id).collect();
    let away: Vec<Uuid> = places
        .keys()
        .copied()
        .filter(|id| !alive.contains(id))
        .collect();
    // What was released, and deleted there, comes back from there.
    let projects: Vec<ProjectId> = [project].into_iter().chain(api).collect();
    let found = tombstone_by_id(conn, &projects, kind, &away, since)
        .await?
        .into_iter();
    let mut all: BTreeMap<String, Tombstone> = found
        .filter_map(|row| Some(((*places.get(&row.id)?).clone(), tombstone(row))))
        .collect();
    let missing = declared
        .keys()
        .filter(|at| !living.contains_key(*at) && !all.contains_key(*at));
    let missing: Vec<String> = missing.cloned().collect();
    let found = tombstone_find(conn, project, kind, &missing, since)
        .await?
        .into_iter();
    for row in found.filter(|row| !places.contains_key(&row.id)) {
        all.insert(row.address.clone(), tombstone(row));
    }
    Ok(all)
}

fn tombstone(row: DeadRow) -> Tombstone {
    Tombstone {
        id: row.id,
        address: row.address,
        of_the_api: row.owner == Owner::Api,
        live: row.live,
        deleted_at: row.deleted_at,
        drift: row.drift,
    }
}

/// Whether the blocks speak of what there is.
fn adoptable(wish: &Wish, live: &Live) -> Result<(), ApplyError> {
    let mut taken: BTreeMap<Uuid, &str> = BTreeMap::new();
    for block in &wish.wanted.moves {
        match &block.spec {
            Move::Import { id, to } => {
                let to = to.strip_prefix("check.").unwrap_or(to);
                if let Some(at) = lives_here(live, id) {
                    let new = wish.wanted.checks.contains_key(to) && !live.checks.contains_key(to);
                    // A block may be older than the name; who adopts by a command means it now.
                    if new && block.source.file.is_empty() {
                        let (id, to, at) = (id.clone(), to.to_owned(), at.to_owned());
                        return Err(ApplyError::AdoptedHere { id, to, at });
                    }
                    continue;
                }
                if !wish.wanted.checks.contains_key(to) {
                    let (to, block) = (to.to_owned(), block.source.clone());
                    return Err(ApplyError::AdoptedUndeclared { to, block });
                }
                if live.checks.contains_key(to) {
                    continue;
                }
                let Some(object) = live.api.get(id) else {
                    if was_adopted(live, id, to) {
                        continue;
                    }
                    let (id, to, block) = (id.clone(), to.to_owned(), block.source.clone());
                    return Err(ApplyError::NothingToAdopt { id, to, block });
                };
                if let Some(one) = taken.insert(object.id, to).filter(|one| *one != to) {
                    let (id, one, other) = (id.clone(), one.to_owned(), to.to_owned());
                    return Err(ApplyError::AdoptedTwice { id, one, other });
                }
            }
            Move::Removed {
                from,
                action: Removal::Release,
            } if from.starts_with("webhook.") => {
                let from = from.clone();
                return Err(ApplyError::CannotRelease {
                    from,
                    declared: None,
                    why: "the API has no webhooks of its own; delete it".to_owned(),
                });
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whether the block was applied before, and what it brought in lives, whatever it is called by
/// now.
fn lives_here<'a>(live: &'a Live, id: &str) -> Option<&'a str> {
    let id = Uuid::try_parse(id).ok()?;
    let mut living = live.checks.iter();
    living.find_map(|(at, object)| (object.id == id).then_some(at.as_str()))
}

/// Whether the block was applied before, and what it brought in was deleted since.
fn was_adopted(live: &Live, id: &str, to: &str) -> bool {
    let dead = live.dead_checks.get(to);
    dead.is_some_and(|dead| Uuid::try_parse(id) == Ok(dead.id))
}

/// The released checks as the API has them.
fn released(
    plan: &Plan,
    live: &Live,
    specs: &Specs,
) -> Result<BTreeMap<String, CheckSpec>, ApplyError> {
    let webhook = |name: &Name| specs.webhooks.get(&live.webhooks.get(name.as_str())?.live);
    let changes = plan.changes.iter();
    let released = changes.filter(|change| change.action == Action::Release);
    let mut all = BTreeMap::new();
    for change in released {
        let object = live.checks.get(&change.address);
        let Some(spec) = object.and_then(|object| specs.checks.get(&object.live)) else {
            return Err(ApplyError::NotStored(format!("check.{}", change.address)));
        };
        let spec = release::released(spec, webhook).map_err(|why| ApplyError::CannotRelease {
            from: format!("check.{}", change.address),
            declared: Some(change.source.clone()),
            why,
        })?;
        all.insert(change.address.clone(), spec);
    }
    Ok(all)
}

/// Reads and decodes these specs, a lot at a time: the bytes of 50,000 checks are 60 MB beside
/// what they say.
async fn load(
    conn: &mut Connection,
    wanted: &Wanted,
    live: &Live,
    needed: &BTreeSet<Digest>,
) -> Result<Specs, ApplyError> {
    let projects: Vec<Digest> = wanted
        .project_spec
        .into_iter()
        .chain(live.project_spec)
        .collect();
    let declared = wanted.webhooks.iter().map(|(a, d)| (a, d.spec));
    let living = live.webhooks.iter().map(|(a, o)| (a, o.live));
    let dead = live.dead_webhooks.iter().map(|(a, o)| (a, o.live));
    let webhooks: HashMap<Digest, &String> = (declared.chain(living).chain(dead))
        .map(|(address, digest)| (digest, address))
        .collect();
    let digests: Vec<Digest> = needed.iter().copied().collect();
    let mut specs = Specs::default();
    for lot in digests.chunks(LOT) {
        let bytes = spec_bytes(conn, lot).await?;
        for (digest, bytes) in bytes {
            if projects.contains(&digest) {
                let spec = read(&bytes, digest, spec::decode_project)?;
                specs.projects.insert(digest, spec);
            } else if webhooks.contains_key(&digest) {
                let spec = read(&bytes, digest, spec::decode_webhook)?;
                specs.webhooks.insert(digest, spec);
            } else {
                let spec = read(&bytes, digest, spec::decode_check)?;
                specs.checks.insert(digest, Arc::new(spec));
            }
        }
    }
    let missing = |digest: &Digest| needed.contains(digest) && !specs.contain(digest);
    if projects.iter().any(missing) {
        return Err(ApplyError::NotStored("the project".to_owned()));
    }
    if let Some((_, address)) = webhooks.iter().find(|(digest, _)| missing(digest)) {
        return Err(ApplyError::NotStored(format!("webhook.{address}")));
    }
    let checks = wanted.checks.iter().map(|(a, d)| (a, d.spec));
    let living = live.checks.iter().chain(&live.ended_checks);
    let living = living.chain(&live.api).map(|(a, o)| (a, o.live));
    let dead = live.dead_checks.iter().map(|(a, o)| (a, o.live));
    let mut checks = checks.chain(living).chain(dead);
    match checks.find(|(_, digest)| missing(digest)) {
        Some((address, _)) => Err(ApplyError::NotStored(format!("check.{address}"))),
        None => Ok(specs),
    }
}

fn read<T>(
    bytes: &[u8],
    digest: Digest,
    decode: fn(&[u8]) -> Result<T, spec::SpecError>,
) -> Result<T, ApplyError> {
    decode(bytes).map_err(|source| ApplyError::Stored { digest, source })
}
