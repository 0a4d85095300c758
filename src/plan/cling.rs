//! What a plan leaves as it is and that keeps naming a receiver which the plan takes away: it
//! would tell nobody, and nobody would have said so.

use std::collections::{BTreeMap, BTreeSet};

use super::compare::Step;
use super::names::Names;
use super::state::{Live, Specs};
use crate::model::change::{Action, Kind};
use crate::model::name::Name;

/// A receiver whose name is given up, and what goes on naming it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Clinging {
    pub webhook: String,
    /// Its name from now on, unless it is deleted.
    pub becomes: Option<String>,
    /// Checks, receivers whose fallback it is, and the project itself where it is one of its
    /// operators.
    pub named_by: Names,
}

/// The first receiver of a plan that something outside of it keeps naming.
pub(super) fn clinging(
    steps: &[Step<'_>],
    project: &str,
    live: &Live,
    specs: &Specs,
) -> Option<Clinging> {
    let mut gone: BTreeMap<&str, Option<&str>> = BTreeMap::new();
    for step in steps.iter().filter(|step| step.kind == Kind::Webhook) {
        match (step.action, step.from.as_deref()) {
            (Action::Rename, Some(from)) => gone.insert(from, Some(step.address)),
            (Action::Delete | Action::Release, _) => gone.insert(step.address, None),
            _ => None,
        };
    }
    // Where another one has the name from now on, that one is told.
    let given: BTreeSet<&str> = steps
        .iter()
        .filter(|step| step.kind == Kind::Webhook && step.action.keeps())
        .filter(|step| step.action != Action::Update)
        .map(|step| step.address)
        .collect();
    gone.retain(|name, _| !given.contains(name));
    if gone.is_empty() {
        return None;
    }
    let of = |kind| steps.iter().filter(move |step| step.kind == kind);
    let touched: BTreeSet<&str> = of(Kind::Check)
        .flat_map(|step| [Some(step.address), step.from.as_deref()])
        .flatten()
        .collect();
    let mut named: BTreeMap<&str, Names> = BTreeMap::new();
    let mut note = |receivers: &[Name], by: &str| {
        for name in receivers {
            if let Some((webhook, _)) = gone.get_key_value(name.as_str()) {
                named.entry(webhook).or_default().push(by);
            }
        }
    };
    if of(Kind::Project).next().is_none()
        && let Some(spec) = live
            .project_spec
            .and_then(|digest| specs.projects.get(&digest))
    {
        note(&spec.operators, &format!("the operators of {project}"));
    }
    for (address, object) in &live.checks {
        if let Some(spec) = specs.checks.get(&object.live)
            && !touched.contains(address.as_str())
        {
            note(&spec.receivers, &format!("check.{address}"));
        }
    }
    let touched: BTreeSet<&str> = of(Kind::Webhook)
        .flat_map(|step| [Some(step.address), step.from.as_deref()])
        .flatten()
        .collect();
    for (address, object) in &live.webhooks {
        if let Some(spec) = specs.webhooks.get(&object.live)
            && !touched.contains(address.as_str())
        {
            note(spec.fallback.as_slice(), &format!("webhook.{address}"));
        }
    }
    let (webhook, named_by) = named.into_iter().next()?;
    Some(Clinging {
        becomes: gone.get(webhook).copied().flatten().map(str::to_owned),
        webhook: webhook.to_owned(),
        named_by,
    })
}
