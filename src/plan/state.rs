//! What a plan is made from: what is wanted and what is live, both by digest, so that most
//! of what stays as it is need not be decoded.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use time::OffsetDateTime;
use uuid::Uuid;

use crate::model::change::{Drift, Kind};
use crate::model::check::CheckSpec;
use crate::model::desired::{Declared, Desired, Move, ProjectSpec, SourceLine};
use crate::model::name::Name;
use crate::model::webhook::WebhookSpec;
use crate::spec::{Digest, Encoded, encode_project, encode_webhook};

/// Encoded specs and what each is of.
pub type EncodedSpecs = HashMap<Digest, (Kind, Vec<u8>)>;

/// What a project is to be, by address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wanted {
    pub project: Name,
    /// Of its `ProjectSpec`; absent: leave it as it is.
    pub project_spec: Option<Digest>,
    /// Where the root's own block stands.
    pub project_source: SourceLine,
    pub checks: BTreeMap<String, Declared<Digest>>,
    pub webhooks: BTreeMap<String, Declared<Digest>>,
    pub moves: Vec<Declared<Move>>,
    /// Which object stands at an address, where the past says it: it is found by its id,
    /// whatever it is called by now and whoever has its name.
    pub ids: BTreeMap<(Kind, String), Uuid>,
}

impl Wanted {
    /// The index of a desired state, and its encoded specs, each once.
    pub fn of<C: Into<Encoded>>(desired: Desired<C>) -> (Self, EncodedSpecs) {
        let mut specs = HashMap::with_capacity(desired.checks.len());
        let index = |(address, Declared { spec, source })| {
            let Encoded { digest, bytes } = C::into(spec);
            specs.entry(digest).or_insert((Kind::Check, bytes));
            let spec = digest;
            (address, Declared { spec, source })
        };
        let checks = desired.checks.into_iter().map(index).collect();
        let mut put = |kind, bytes: Vec<u8>| {
            let digest = Digest::of(&bytes);
            specs.entry(digest).or_insert((kind, bytes));
            digest
        };
        let index = |(address, Declared { spec, source })| {
            let spec = put(Kind::Webhook, encode_webhook(&spec));
            (address, Declared { spec, source })
        };
        let webhooks = desired.webhooks.into_iter().map(index).collect();
        let wanted = Self {
            project: desired.project,
            project_spec: Some(put(Kind::Project, encode_project(&desired.project_spec))),
            project_source: desired.project_source,
            checks,
            webhooks,
            moves: desired.moves,
            ids: BTreeMap::new(),
        };
        (wanted, specs)
    }

    /// The declared objects of a kind.
    pub fn of_kind(&self, kind: Kind) -> Option<&BTreeMap<String, Declared<Digest>>> {
        match kind {
            Kind::Check => Some(&self.checks),
            Kind::Webhook => Some(&self.webhooks),
            Kind::Project => None,
        }
    }
}

/// An object that lives, or one that the API has and the project takes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LiveObject {
    pub id: Uuid,
    /// What is in force.
    pub live: Digest,
    /// What the files said last; differs after a forced change.
    pub declared: Option<Digest>,
    /// Where that stood.
    pub source: SourceLine,
    /// Who made the two differ.
    pub drift: Option<Drift>,
    /// Of a webhook: how many checks tell it.
    pub told_by: usize,
}

impl LiveObject {
    /// Whether it is not what the files said last. Somebody may have gone past them and back.
    pub(super) fn has_drifted(&self) -> bool {
        self.declared.is_some_and(|declared| declared != self.live)
    }
}

/// A deleted object that can come back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tombstone {
    pub id: Uuid,
    /// What it was called last.
    pub address: String,
    /// The API had it, and deleted it.
    pub of_the_api: bool,
    /// What it was.
    pub live: Digest,
    pub deleted_at: OffsetDateTime,
    /// Who deleted it past the files, if somebody did.
    pub drift: Option<Drift>,
}

/// What a project is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Live {
    pub project_spec: Option<Digest>,
    pub checks: BTreeMap<String, LiveObject>,
    pub webhooks: BTreeMap<String, LiveObject>,
    /// Those of the last seven days, by the address that would bring them back: their own, or
    /// where their id is wanted.
    pub dead_checks: BTreeMap<String, Tombstone>,
    pub dead_webhooks: BTreeMap<String, Tombstone>,
    /// Checks that were declared last, and that somebody has deleted past the files.
    pub ended_checks: BTreeMap<String, LiveObject>,
    /// What the API has of what is to be adopted, by id and by name.
    pub api: BTreeMap<String, LiveObject>,
}

impl Live {
    /// The live objects of a kind.
    pub fn of_kind(&self, kind: Kind) -> Option<&BTreeMap<String, LiveObject>> {
        match kind {
            Kind::Check => Some(&self.checks),
            Kind::Webhook => Some(&self.webhooks),
            Kind::Project => None,
        }
    }

    pub(super) fn dead_of_kind(&self, kind: Kind) -> Option<&BTreeMap<String, Tombstone>> {
        match kind {
            Kind::Check => Some(&self.dead_checks),
            Kind::Webhook => Some(&self.dead_webhooks),
            Kind::Project => None,
        }
    }
}

/// Decoded specs, as far as a plan needs them.
#[derive(Clone, Debug, Default)]
pub struct Specs {
    pub checks: HashMap<Digest, Arc<CheckSpec>>,
    pub webhooks: HashMap<Digest, WebhookSpec>,
    pub projects: HashMap<Digest, ProjectSpec>,
}

impl Specs {
    /// Whether this one is known, whatever it is of.
    pub fn contain(&self, digest: &Digest) -> bool {
        self.checks.contains_key(digest)
            || self.webhooks.contains_key(digest)
            || self.projects.contains_key(digest)
    }
}

/// What else whoever asks for a plan says.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Options {
    /// Delete nothing but what a `removed` block names.
    pub no_prune: bool,
    /// Nothing but these, `check.NAME` (also one or all of a `for_each`) or `webhook.NAME`, and
    /// the receivers that the checks need. Empty: everything.
    pub targets: Vec<String>,
    /// Leave what somebody changed past the files as it is, while the files say nothing new
    /// of it.
    pub leave_drift: bool,
}

impl Options {
    /// Whether this check is looked at.
    pub(super) fn covers(&self, address: &str) -> bool {
        let is = |target: &String| {
            let target = target.strip_prefix("check.").unwrap_or(target);
            target == address || Some(target) == base(address)
        };
        self.targets.is_empty() || self.targets.iter().any(is)
    }

    /// A target that neither the files nor the project have, if there is one.
    pub fn stray_target(&self, wanted: &Wanted, live: &Live) -> Option<&str> {
        let is_known = |target: &&String| {
            if let Some(name) = target.strip_prefix("webhook.") {
                return wanted.webhooks.contains_key(name) || live.webhooks.contains_key(name);
            }
            let only = Self {
                targets: vec![(*target).clone()],
                ..Self::default()
            };
            let mut all = wanted.checks.keys().chain(live.checks.keys());
            all.any(|address| only.covers(address))
        };
        let stray = self.targets.iter().find(|target| !is_known(target));
        stray.map(String::as_str)
    }

    /// Whether this receiver is asked for by its name.
    pub(super) fn names_webhook(&self, address: &str) -> bool {
        let is = |target: &String| target.strip_prefix("webhook.") == Some(address);
        self.targets.iter().any(is)
    }
}

/// The name before `["key"]`, if there is one.
pub(super) fn base(address: &str) -> Option<&str> {
    address.split_once('[').map(|(base, _)| base)
}
