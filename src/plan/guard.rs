//! What must not happen by accident. A guard says what it saw and which flag or edit lets it
//! pass; it never changes a plan.

use std::borrow::Cow;
use std::collections::BTreeSet;

use time::OffsetDateTime;

use super::compare::Step;
use super::names::Names;
use super::remote;
use super::routing::{Audience, audience};
use super::state::{Live, Specs, Wanted};
use crate::model::change::{Action, Kind};
use crate::model::check::CheckSpec;
use crate::model::desired::Limits;
use crate::model::maintenance::Maintenance;
use crate::model::name::Name;
use crate::spec::Digest;

/// How much of a project a plan touches.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Weight {
    /// Live checks before.
    pub live: usize,
    /// No check is left, however that was asked for.
    pub empty: bool,
    /// Checks that are deleted.
    pub deletes: Vec<String>,
    /// Those of them that must not be.
    pub protected: Vec<String>,
    /// Checks that were watched and told somebody, and will not any more: for good, or while
    /// somebody works on them.
    pub silent: Vec<String>,
    /// Those of them whose last receiver is deleted.
    pub unheard: Vec<String>,
    /// What silences some of them for a while: names of new maintenance.
    pub maintained: Vec<String>,
    /// Checks that will look at another host, from elsewhere, or for something else.
    pub retargeted: Vec<String>,
    /// How much may be touched.
    pub most: Most,
}

/// How many checks one apply may touch before a guard holds it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Most {
    pub deletes: usize,
    pub silence: usize,
    pub changes: usize,
}

impl Most {
    /// Of a project of so many live checks. A limit that is raised counts from the next apply:
    /// what lifts a guard never comes with what it holds. One that is lowered counts at once.
    pub fn of(live: usize, before: Limits, after: Limits) -> Self {
        let share = live * 3 / 10;
        let lower = |limit: fn(&Limits) -> Option<u32>, usual: usize| {
            let number = |limit: Option<u32>| {
                limit.map_or(usual, |limit| usize::try_from(limit).unwrap_or(usize::MAX))
            };
            number(limit(&before)).min(number(limit(&after)))
        };
        Self {
            deletes: lower(|limits| limits.deletes, share.clamp(3, 25)),
            silence: lower(|limits| limits.silence, (live / 10).clamp(3, 25)),
            changes: lower(|limits| limits.changes, share.max(25)),
        }
    }
}

/// What is known of where the files came from.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Origin {
    /// Repository and folder in it, at the last apply that knew, and now.
    pub before: Option<(String, String)>,
    pub now: Option<(String, String)>,
    /// How many files there were, and are.
    pub files_before: usize,
    pub files_now: usize,
    /// The highest revision that was applied, if what is applied now is older.
    pub newer: Option<String>,
}

/// What whoever applies has allowed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Allow {
    pub empty: bool,
    /// Exactly so many.
    pub deletes: Option<usize>,
    pub silence: Option<usize>,
    pub changes: Option<usize>,
    pub source_change: bool,
    pub rollback: bool,
}

impl Allow {
    /// What one of both allows; `self` where both name a number.
    pub fn or(self, other: Self) -> Self {
        Self {
            empty: self.empty || other.empty,
            deletes: self.deletes.or(other.deletes),
            silence: self.silence.or(other.silence),
            changes: self.changes.or(other.changes),
            source_change: self.source_change || other.source_change,
            rollback: self.rollback || other.rollback,
        }
    }
}

/// A reason not to apply.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Guard {
    pub name: Cow<'static, str>,
    /// What it saw.
    pub message: String,
    /// What lets it pass.
    pub passes_with: String,
    /// What it is about.
    pub addresses: Names,
}

impl Guard {
    /// Whether a person may let the reconciler pass it. Not so where only another file does.
    pub fn can_be_approved(&self) -> bool {
        can_be_approved(&self.name)
    }

    /// Says what lets it pass where a reconciler applies the project: it takes no flags.
    pub fn pass_by_reconciler(&mut self, project: &str) {
        self.passes_with = match &*self.name {
            "prevent_destroy" => return,
            "empty" => format!(
                "lokahictl suspend {project} --reason WHY, then {}, then lokahictl resume {project}",
                self.passes_with
            ),
            _ => format!("lokahictl approve {project}, once its reconciler holds the same"),
        };
    }
}

/// The same by a guard's name.
pub fn can_be_approved(name: &str) -> bool {
    !matches!(name, "prevent_destroy" | "empty")
}

/// Weighs what a plan does.
pub(super) fn weigh(
    steps: &[Step<'_>],
    wanted: &Wanted,
    live: &Live,
    specs: &Specs,
    now: OffsetDateTime,
) -> Weight {
    let limits = |digest: Option<Digest>| {
        let spec = digest.and_then(|digest| specs.projects.get(&digest));
        spec.map(|spec| spec.limits).unwrap_or_default()
    };
    let before = limits(live.project_spec);
    // Where the root's own block is left as it is, its limits are, too.
    let written = steps.iter().find(|step| step.kind == Kind::Project);
    let after = written.map_or(before, |step| limits(step.after));
    let mut weight = Weight {
        live: live.checks.len(),
        most: Most::of(live.checks.len(), before, after),
        ..Weight::default()
    };
    let ended = steps.iter().filter(|step| step.kind == Kind::Webhook);
    let ended = ended.filter(|step| step.action == Action::Delete);
    let ended: BTreeSet<Audience> = ended
        .map(|step| Audience::Webhook(step.address.to_owned()))
        .collect();
    let mut left = live.checks.len();
    for step in steps.iter().filter(|step| step.kind == Kind::Check) {
        let (before, after) = step.checks(specs);
        match step.action {
            Action::Create | Action::Revive | Action::Adopt => left += 1,
            Action::Delete if step.gone => {}
            Action::Delete | Action::Release => left = left.saturating_sub(1),
            Action::Update | Action::Rename => {}
        }
        let address = || step.address.to_owned();
        if step.action == Action::Delete && !step.gone {
            weight.deletes.push(address());
            if before.is_some_and(|spec| spec.prevent_destroy) {
                weight.protected.push(address());
            }
        }
        if let (Some(before), Some(after)) = (before, after) {
            let told = audience(before);
            if !told.is_empty() && audience(after).is_empty() {
                weight.silent.push(address());
                if after.enabled && !told.is_disjoint(&ended) {
                    weight.unheard.push(address());
                }
            }
            if aim(before) != aim(after) || before.asserts != after.asserts {
                weight.retargeted.push(address());
            }
        }
    }
    weight.empty = left == 0 && !live.checks.is_empty();
    maintain(&mut weight, written, (wanted, live), specs, now);
    weight
}

/// Adds the checks that live, and come under maintenance that is new or another one.
fn maintain(
    weight: &mut Weight,
    written: Option<&Step<'_>>,
    (wanted, live): (&Wanted, &Live),
    specs: &Specs,
    now: OffsetDateTime,
) {
    let Some(step) = written else { return };
    let mut silent: BTreeSet<String> = weight.silent.iter().cloned().collect();
    for (name, maintenance) in new_maintenances(step, specs) {
        if maintenance.when.is_over(now) {
            continue;
        }
        let before = silent.len();
        for (address, declared) in &wanted.checks {
            let spec = specs.checks.get(&declared.spec);
            let label = |key: &str| spec?.labels.get(key).map(String::as_str);
            if live.checks.contains_key(address) && maintenance.selector.matches(address, label) {
                silent.insert(address.clone());
            }
        }
        if silent.len() > before {
            weight.maintained.push(format!("maintenance.{name}"));
        }
    }
    weight.silent = silent.into_iter().collect();
}

/// What a root declares of maintenance that it did not, or otherwise.
pub(super) fn new_maintenances<'s>(
    step: &Step<'_>,
    specs: &'s Specs,
) -> impl Iterator<Item = (&'s Name, &'s Maintenance)> + use<'s> {
    let of = |digest: Option<Digest>| specs.projects.get(&digest?).map(|it| &it.maintenances);
    let before = of(step.before);
    let after = of(step.after).into_iter().flatten();
    after.filter(move |(name, it)| {
        let was = before.and_then(|before| before.get(*name));
        was.is_none_or(|was| was.when != it.when || was.selector != it.selector)
    })
}

/// Whose answer it is, from where it is seen, and what kind of question it answers. Paths,
/// other headers and bodies are left out: they change with every release of a site.
fn aim(spec: &CheckSpec) -> impl PartialEq + '_ {
    let url = spec.url.parse();
    let place = (
        url.host_str().map(str::to_owned),
        url.port_or_known_default(),
    );
    let host = spec
        .headers
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("host"));
    let way = (&spec.connect_to, &spec.proxy, &spec.locations);
    let question = (spec.method, spec.redirects.followed, spec.tls.verified);
    (place, host, way, question)
}

/// The reasons not to apply a plan of this weight.
pub fn guards(weight: &Weight, origin: &Origin, allow: &Allow) -> Vec<Guard> {
    let mut all = Vec::new();
    let live = weight.live;
    if weight.empty && !allow.empty {
        all.push(Guard {
            name: "empty".into(),
            message: format!(
                "no check would be left of the {live} that {} live",
                if live == 1 { "is" } else { "are" }
            ),
            passes_with: "--allow-empty".to_owned(),
            addresses: weight.deletes.as_slice().into(),
        });
    }
    let deletes = weight.deletes.len();
    let most = weight.most.deletes;
    // Whoever lets nothing stay lets everything go.
    if deletes > most && allow.deletes != Some(deletes) && !weight.empty {
        all.push(Guard {
            name: "deletes".into(),
            message: format!("{deletes} of {live} checks would be deleted; {most} may be at once")
                + &exactly(allow.deletes),
            passes_with: format!("--allow-deletes {deletes}"),
            addresses: weight.deletes.as_slice().into(),
        });
    }
    if !weight.protected.is_empty() {
        let protected = weight.protected.len();
        all.push(Guard {
            name: "prevent_destroy".into(),
            message: format!(
                "{protected} of the checks to be deleted {} prevent_destroy",
                if protected == 1 { "has" } else { "have" }
            ),
            passes_with: "declaring prevent_destroy = false, applying that, and deleting later"
                .to_owned(),
            addresses: weight.protected.as_slice().into(),
        });
    }
    let silent = weight.silent.len();
    let most = weight.most.silence;
    let unheard = Names::from(weight.unheard.as_slice());
    if (silent > most || !unheard.is_empty()) && allow.silence != Some(silent) {
        let why = match unheard.is_empty() {
            true => format!("{most} may at once"),
            false => format!("the last receiver of {unheard} is deleted"),
        };
        all.push(Guard {
            name: "silence".into(),
            message: format!(
                "{silent} of {live} checks would be disabled or tell nobody{}; {why}",
                match weight.maintained.is_empty() {
                    true => String::new(),
                    false => format!(", or not during {}", weight.maintained.join(", ")),
                }
            ) + &exactly(allow.silence),
            passes_with: format!("--allow-silence {silent}"),
            addresses: weight.silent.as_slice().into(),
        });
    }
    let changed = weight.retargeted.len();
    let most = weight.most.changes;
    if changed > most && allow.changes != Some(changed) {
        all.push(Guard {
            name: "changes".into(),
            message: format!(
                "{changed} of {live} checks would look at another host or for something else; \
                 {most} may at once"
            ) + &exactly(allow.changes),
            passes_with: format!("--allow-changes {changed}"),
            addresses: weight.retargeted.as_slice().into(),
        });
    }
    all.extend(source(weight, origin, allow));
    if let Some(newer) = &origin.newer
        && !allow.rollback
    {
        let short: String = newer.chars().take(10).collect();
        all.push(Guard {
            name: "rollback".into(),
            message: format!("{short}, which was applied before, is newer than this commit"),
            passes_with: "--allow-rollback".to_owned(),
            addresses: Names::default(),
        });
    }
    all
}

/// Another source that deletes is most likely the wrong folder.
fn source(weight: &Weight, origin: &Origin, allow: &Allow) -> Option<Guard> {
    if weight.deletes.is_empty() || allow.source_change {
        return None;
    }
    let is_there = |before: &(String, String)| {
        let now = origin.now.as_ref();
        now.is_some_and(|now| now.1 == before.1 && remote::is_same(&now.0, &before.0))
    };
    let message = match (&origin.before, &origin.now) {
        (Some(before), now) if !is_there(before) => {
            let now = now.as_ref().map_or("no repository".to_owned(), place);
            format!(
                "the checks came from {}, and these files come from {now}",
                place(before)
            )
        }
        // Where nothing is declared at all there is a guard of its own.
        _ if origin.files_now * 2 < origin.files_before && !weight.empty => format!(
            "{} files declare something where {} did",
            origin.files_now, origin.files_before
        ),
        _ => return None,
    };
    Some(Guard {
        name: "source".into(),
        message: format!("{message}, and the plan deletes"),
        passes_with: "--accept-source-change".to_owned(),
        addresses: weight.deletes.as_slice().into(),
    })
}

fn place((remote, path): &(String, String)) -> String {
    match (remote.as_str(), path.as_str()) {
        ("", "") => "no repository".to_owned(),
        (remote, "") => remote.to_owned(),
        ("", path) => path.to_owned(),
        (remote, path) => format!("{remote} ({path})"),
    }
}

/// That a number was given, and another.
fn exactly(allowed: Option<usize>) -> String {
    allowed.map_or(String::new(), |n| format!(" ({n} were allowed)"))
}
