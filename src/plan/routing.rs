//! Who is told of what differently from now on: the part of a plan that a tired person reads
//! twice.

use std::collections::{BTreeMap, BTreeSet};

use super::compare::Step;
use super::names::Names;
use super::state::{Live, Specs};
use crate::model::change::{Action, Kind};
use crate::model::check::CheckSpec;

/// What changes for one receiver.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Routing {
    pub receiver: Audience,
    /// Checks of which it hears from now on.
    pub gains: Names,
    /// Checks of which it hears no more.
    pub loses: Names,
    /// So many checks tell it, and it is somewhere else from now on.
    pub moved: Option<usize>,
}

/// Who is told.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Audience {
    /// Checks that tell nobody from now on, or told nobody so far.
    Nobody,
    /// A declared receiver.
    Webhook(String),
    /// A check's own `webhook_url`.
    Url(String),
}

/// Whom a check tells while it is watched.
pub(super) fn audience(spec: &CheckSpec) -> BTreeSet<Audience> {
    if !spec.enabled {
        return BTreeSet::new();
    }
    let named = spec.receivers.iter();
    let named = named.map(|name| Audience::Webhook(name.as_str().to_owned()));
    let bare = spec.webhook.iter();
    let bare = bare.map(|webhook| Audience::Url(webhook.url.to_string()));
    named.chain(bare).collect()
}

/// Receivers that have another name from now on, by the old one.
fn renamed<'s>(steps: &'s [Step<'_>]) -> BTreeMap<&'s str, &'s str> {
    let webhooks = steps.iter().filter(|step| step.kind == Kind::Webhook);
    let pairs = webhooks.filter_map(|step| Some((step.from.as_deref()?, step.address)));
    pairs.collect()
}

/// Another name is not another receiver.
fn now_called(audience: Audience, renamed: &BTreeMap<&str, &str>) -> Audience {
    match audience {
        Audience::Webhook(name) => {
            let now = renamed.get(name.as_str());
            Audience::Webhook(now.map_or(name, |now| (*now).to_owned()))
        }
        other => other,
    }
}

/// What changes for each receiver.
pub(super) fn routing(steps: &[Step<'_>], live: &Live, specs: &Specs) -> Vec<Routing> {
    let mut all: BTreeMap<Audience, (Names, Names)> = BTreeMap::new();
    let renamed = renamed(steps);
    for step in steps.iter().filter(|step| step.kind == Kind::Check) {
        // A released check tells whom it told.
        if step.action == Action::Release {
            continue;
        }
        let (before, after) = step.checks(specs);
        let told = before.map(audience).unwrap_or_default().into_iter();
        let told: BTreeSet<Audience> = told.map(|it| now_called(it, &renamed)).collect();
        let tells = after.map(audience).unwrap_or_default();
        for gone in told.difference(&tells) {
            let entry = all.entry(gone.clone()).or_default();
            entry.1.push(step.address);
        }
        for new in tells.difference(&told) {
            let entry = all.entry(new.clone()).or_default();
            entry.0.push(step.address);
        }
        let silent = after.is_some() && tells.is_empty();
        // Watched anew, it told nobody, and that was no fault.
        let anew =
            before.is_none_or(|before| !before.enabled) && after.is_some_and(|after| after.enabled);
        if silent && (before.is_none() || anew || !told.is_empty()) {
            let entry = all.entry(Audience::Nobody).or_default();
            entry.0.push(step.address);
        }
    }
    let mut moved = BTreeMap::new();
    for step in steps.iter().filter(|step| step.kind == Kind::Webhook) {
        let find = |digest: Option<_>| specs.webhooks.get(&digest?);
        if let (Some(before), Some(after)) = (find(step.before), find(step.after))
            && before.url != after.url
            && let Some(object) = live
                .webhooks
                .get(step.from.as_deref().unwrap_or(step.address))
        {
            let audience = Audience::Webhook(step.address.to_owned());
            moved.insert(audience.clone(), object.told_by);
            all.entry(audience).or_default();
        }
    }
    all.into_iter()
        .map(|(receiver, (gains, loses))| Routing {
            moved: moved.get(&receiver).copied(),
            receiver,
            gains,
            loses,
        })
        .collect()
}
