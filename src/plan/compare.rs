//! What differs between what is wanted and what is live, object by object, by digest.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use time::OffsetDateTime;
use uuid::Uuid;

use super::RESTORABLE;
use super::moves::{Names, names};
use super::state::{Live, LiveObject, Options, Specs, Tombstone, Wanted};
use crate::manifest::difference::{check_fields, project_fields, webhook_fields};
use crate::model::change::{Action, Change, Drift, FieldChange, Kind};
use crate::model::check::CheckSpec;
use crate::model::desired::{ProjectSpec, SourceLine};
use crate::spec::Digest;

/// One object that something is done to.
#[derive(Clone, Debug)]
pub(super) struct Step<'a> {
    pub(super) kind: Kind,
    pub(super) address: &'a str,
    pub(super) action: Action,
    pub(super) id: Option<Uuid>,
    pub(super) from: Option<String>,
    pub(super) before: Option<Digest>,
    pub(super) after: Option<Digest>,
    source: SourceLine,
    block: Option<SourceLine>,
    drift: Option<Drift>,
    /// Of a webhook: how many checks tell it.
    pub(super) told_by: usize,
    /// It was deleted past the files already.
    pub(super) gone: bool,
}

impl Step<'_> {
    /// Whether a webhook is not called that any more.
    pub(super) fn ends_webhook(&self) -> bool {
        self.kind == Kind::Webhook && (!self.action.keeps() || self.action == Action::Rename)
    }

    /// The check before and after; `None` where there was or will be none in the project.
    pub(super) fn checks<'s>(
        &self,
        specs: &'s Specs,
    ) -> (Option<&'s CheckSpec>, Option<&'s CheckSpec>) {
        let find = |digest: Option<Digest>| specs.checks.get(&digest?).map(Arc::as_ref);
        let lived = !self.gone && !matches!(self.action, Action::Create | Action::Revive);
        let before = lived.then(|| find(self.before)).flatten();
        (before, find(self.after))
    }

    /// What people see of it.
    pub(super) fn change(&self, specs: &Specs, now: OffsetDateTime) -> Change {
        Change {
            kind: self.kind,
            address: self.address.to_owned(),
            action: self.action,
            id: self.id,
            from: self.from.clone(),
            source: self.source.clone(),
            block: self.block.clone(),
            fields: self.fields(specs),
            drift: self.drift.clone(),
            restorable_until: (self.action == Action::Delete && !self.gone).then(|| until(now)),
        }
    }

    fn fields(&self, specs: &Specs) -> Vec<FieldChange> {
        let digests = match (self.kind, self.before, self.after) {
            (Kind::Project, None, Some(after)) => {
                let found = specs.projects.get(&after);
                let before = ProjectSpec::default();
                return found.map_or_else(Vec::new, |after| project_fields(&before, after));
            }
            (_, Some(before), Some(after)) => (before, after),
            _ => return Vec::new(),
        };
        match self.kind {
            Kind::Project => between(&specs.projects, digests, project_fields),
            Kind::Webhook => between(&specs.webhooks, digests, webhook_fields),
            Kind::Check => between(&specs.checks, digests, |a, b| check_fields(a, b)),
        }
    }
}

/// To the minute, so that the same plan made a second later is the same.
fn until(now: OffsetDateTime) -> OffsetDateTime {
    let at = now + RESTORABLE;
    at.replace_nanosecond(0)
        .and_then(|at| at.replace_second(0))
        .unwrap_or(at)
}

fn between<T>(
    specs: &HashMap<Digest, T>,
    (before, after): (Digest, Digest),
    fields: fn(&T, &T) -> Vec<FieldChange>,
) -> Vec<FieldChange> {
    match (specs.get(&before), specs.get(&after)) {
        (Some(before), Some(after)) => fields(before, after),
        _ => Vec::new(),
    }
}

/// Everything that is done, in the order in which it can be done.
pub(super) fn steps<'a>(
    wanted: &'a Wanted,
    live: &'a Live,
    options: &Options,
) -> (Vec<Step<'a>>, Vec<String>) {
    let mut warnings = Vec::new();
    let mut of = |kind| {
        let names = names(kind, wanted, live);
        warnings.extend(names.warnings.iter().cloned());
        kept_and_gone(kind, wanted, live, options, &names)
    };
    let (mut steps, gone_webhooks) = of(Kind::Webhook);
    let (checks, gone_checks) = of(Kind::Check);
    steps.extend(project(wanted, live, options));
    steps.extend(checks);
    steps.extend(gone_checks);
    steps.extend(gone_webhooks);
    (steps, warnings)
}

/// What the root says of the project itself.
fn project<'a>(wanted: &'a Wanted, live: &Live, options: &Options) -> Option<Step<'a>> {
    let after = wanted.project_spec?;
    let nothing = Digest::of(&crate::spec::encode_project(&ProjectSpec::default()));
    if live.project_spec.unwrap_or(nothing) == after || !options.targets.is_empty() {
        return None;
    }
    let is_new = live.project_spec.is_none() && live.checks.is_empty() && live.webhooks.is_empty();
    Some(Step {
        kind: Kind::Project,
        address: wanted.project.as_str(),
        action: if is_new {
            Action::Create
        } else {
            Action::Update
        },
        id: None,
        from: None,
        before: live.project_spec,
        after: Some(after),
        source: wanted.project_source.clone(),
        block: None,
        drift: None,
        told_by: 0,
        gone: false,
    })
}

/// What stays or comes, and what goes, each by address.
fn kept_and_gone<'a>(
    kind: Kind,
    wanted: &'a Wanted,
    live: &'a Live,
    options: &Options,
    names: &Names,
) -> (Vec<Step<'a>>, Vec<Step<'a>>) {
    let (Some(declared), Some(living), Some(dead)) = (
        wanted.of_kind(kind),
        live.of_kind(kind),
        live.dead_of_kind(kind),
    ) else {
        return (Vec::new(), Vec::new());
    };
    let covered = |address: &str| kind == Kind::Webhook || options.covers(address);
    let old: BTreeSet<&str> = names.renamed.values().map(String::as_str).collect();
    let mut kept = Vec::new();
    for (address, declared) in declared {
        if !covered(address) {
            continue;
        }
        let mut step = Step {
            kind,
            address,
            action: Action::Create,
            id: None,
            from: None,
            before: None,
            after: Some(declared.spec),
            source: declared.source.clone(),
            block: None,
            drift: None,
            told_by: 0,
            gone: false,
        };
        let from = names.renamed.get(address);
        // What lives at an address that is renamed away is another object.
        let here = living
            .get(from.unwrap_or(address))
            .filter(|_| from.is_some() || !old.contains(address.as_str()))
            .filter(|_| from.is_some() || !names.replaced.contains(address));
        if let Some(object) = here {
            step.id = Some(object.id);
            step.before = Some(object.live);
            step.told_by = object.told_by;
            step.from = from.cloned();
            step.action = match from {
                Some(_) => Action::Rename,
                None => Action::Update,
            };
            let drifted = object.has_drifted();
            step.drift = object.drift.clone().filter(|_| drifted);
            let said = object.declared == Some(declared.spec);
            let left = options.leave_drift && drifted && said;
            if from.is_none() && (object.live == declared.spec && !drifted || left) {
                continue;
            }
        } else if let Some(object) = adopted(address, live, names) {
            step.id = Some(object.id);
            step.before = Some(object.live);
            step.from = names.adopted.get(address).cloned();
            step.action = Action::Adopt;
        } else if let Some(tombstone) = buried(address, dead, names) {
            step.from = Some(tombstone.address.clone()).filter(|from| from != address);
            if options.leave_drift && tombstone.drift.is_some() && step.from.is_none() {
                continue;
            }
            step.id = Some(tombstone.id);
            step.before = Some(tombstone.live);
            step.drift.clone_from(&tombstone.drift);
            step.action = Action::Revive;
        }
        kept.push(step);
    }
    let stays = |address: &str| {
        let renamed_away = old.contains(address);
        // Another one takes its place.
        let replaced = names.renamed.contains_key(address) || names.replaced.contains(address);
        let declared_here = declared.contains_key(address) && !replaced;
        declared_here || renamed_away || !covered(address)
    };
    let gone = living.iter().filter(|(address, _)| !stays(address));
    let gone =
        gone.filter_map(|(address, object)| gone_step(kind, address, object, options, names));
    let mut gone: Vec<Step<'_>> = gone.collect();
    let ended = live.ended_checks.iter().filter(|_| kind == Kind::Check);
    let kept_ids: BTreeSet<Uuid> = kept.iter().filter_map(|step| step.id).collect();
    let ended = ended.filter(|(_, object)| !kept_ids.contains(&object.id));
    for (address, object) in ended.filter(|(address, _)| !stays(address)) {
        let step = gone_step(kind, address, object, options, names);
        gone.extend(step.map(|step| Step {
            action: Action::Delete,
            drift: object.drift.clone(),
            gone: true,
            ..step
        }));
    }
    (kept, gone)
}

fn adopted<'a>(address: &str, live: &'a Live, names: &Names) -> Option<&'a LiveObject> {
    live.api.get(names.adopted.get(address)?)
}

/// What comes back at an address.
fn buried<'a>(
    address: &str,
    dead: &'a BTreeMap<String, Tombstone>,
    names: &Names,
) -> Option<&'a Tombstone> {
    let from = names.revived.get(address).and_then(|from| dead.get(from));
    from.or_else(|| dead.get(address))
}

fn gone_step<'a>(
    kind: Kind,
    address: &'a str,
    object: &'a LiveObject,
    options: &Options,
    names: &Names,
) -> Option<Step<'a>> {
    let released = names.released.get(address);
    let block = released.or_else(|| names.removed.get(address));
    let action = match released {
        Some(_) => Action::Release,
        None => Action::Delete,
    };
    if block.is_none() && (options.no_prune || !options.targets.is_empty()) {
        return None;
    }
    Some(Step {
        kind,
        address,
        action,
        id: Some(object.id),
        from: None,
        before: Some(object.live),
        after: None,
        source: object.source.clone(),
        block: block.cloned(),
        drift: object.drift.clone().filter(|_| object.has_drifted()),
        told_by: object.told_by,
        gone: false,
    })
}

/// With targets, only the receivers that these need, and nothing of the others.
pub(super) fn narrow<'a>(steps: Vec<Step<'a>>, options: &Options, specs: &Specs) -> Vec<Step<'a>> {
    if options.targets.is_empty() {
        return steps;
    }
    let mut told = BTreeSet::new();
    for step in &steps {
        if let (_, Some(spec)) = step.checks(specs) {
            told.extend(spec.receivers.iter().map(|name| name.as_str().to_owned()));
        }
    }
    // And where those send what does not arrive, and so on.
    let comes = |step: &Step<'_>| !matches!(step.action, Action::Update | Action::Delete);
    loop {
        let before = told.len();
        for step in steps.iter().filter(|step| step.kind == Kind::Webhook) {
            let named = options.names_webhook(step.address);
            if named || comes(step) && told.contains(step.address) {
                let spec = step.after.and_then(|digest| specs.webhooks.get(&digest));
                let fallback = spec.and_then(|spec| spec.fallback.as_ref());
                told.extend(fallback.map(|name| name.as_str().to_owned()));
            }
        }
        if told.len() == before {
            break;
        }
    }
    let needed = |step: &Step<'_>| match step.kind {
        Kind::Check => true,
        Kind::Project => false,
        Kind::Webhook => {
            options.names_webhook(step.address) || comes(step) && told.contains(step.address)
        }
    };
    steps.into_iter().filter(needed).collect()
}

/// A delete and a create of one spec, where there is exactly one of each: most likely somebody
/// renamed the check or the receiver and forgot to say so.
pub(super) fn suggestions(steps: &[Step<'_>], specs: &Specs) -> Vec<(String, String)> {
    /// What goes and what comes.
    type Pair<'a> = (Vec<&'a str>, Vec<&'a str>);
    let mut pairs: BTreeMap<(Kind, Digest), Pair<'_>> = BTreeMap::new();
    for step in steps.iter().filter(|step| !step.gone) {
        match (step.action, step.before, step.after) {
            (Action::Delete, Some(digest), _) => {
                let pair = pairs.entry((step.kind, digest)).or_default();
                pair.0.push(step.address);
            }
            (Action::Create, _, Some(digest)) => {
                let pair = pairs.entry((step.kind, digest)).or_default();
                pair.1.push(step.address);
            }
            _ => {}
        }
    }
    let known = |kind, digest: &Digest| match kind {
        Kind::Check => specs.checks.contains_key(digest),
        Kind::Webhook => specs.webhooks.contains_key(digest),
        Kind::Project => false,
    };
    let one = |((kind, digest), (gone, come)): ((Kind, Digest), Pair<'_>)| {
        let called = |name: &str| format!("{}.{name}", kind.name());
        match (gone.as_slice(), come.as_slice()) {
            ([from], [to]) if known(kind, &digest) => Some((called(from), called(to))),
            _ => None,
        }
    };
    let mut all: Vec<(String, String)> = pairs.into_iter().filter_map(one).collect();
    all.sort();
    all
}
