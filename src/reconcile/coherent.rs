//! What only all of a project's objects together can get wrong: names of receivers, circles, and
//! secrets that one variable would stand for. Files cannot say any of it; a client could.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::error::ApplyError;
use crate::manifest::circle::circle;
use crate::model::check::CheckSpec;
use crate::model::secret::{SecretName, colliding};
use crate::model::webhook::WebhookSpec;
use crate::plan::state::{Specs, Wanted};
use crate::spec::Digest;

/// Every receiver that a check names must be declared.
pub(super) fn check_receivers(wanted: &Wanted, specs: &Specs) -> Result<(), ApplyError> {
    for (address, declared) in &wanted.checks {
        let Some(spec) = specs.checks.get(&declared.spec) else {
            continue;
        };
        let mut names = spec.receivers.iter();
        if let Some(name) = names.find(|name| !wanted.webhooks.contains_key(name.as_str())) {
            return Err(ApplyError::UnknownReceiver {
                what: format!("check.{address}"),
                receiver: name.to_string(),
            });
        }
    }
    let spec = wanted.project_spec.and_then(|d| specs.projects.get(&d));
    let mut operators = spec.iter().flat_map(|spec| &spec.operators);
    match operators.find(|name| !wanted.webhooks.contains_key(name.as_str())) {
        None => Ok(()),
        Some(name) => Err(ApplyError::UnknownReceiver {
            what: "the project".to_owned(),
            receiver: name.to_string(),
        }),
    }
}

/// Every fallback must be declared, and lead back to nobody.
pub(super) fn check_fallbacks(wanted: &Wanted, specs: &Specs) -> Result<(), ApplyError> {
    let webhooks = wanted.webhooks.iter();
    let fallbacks = webhooks.filter_map(|(address, declared)| {
        let spec = specs.webhooks.get(&declared.spec)?;
        Some((address.as_str(), spec.fallback.as_ref()?.as_str()))
    });
    let mut edges: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (address, fallback) in fallbacks {
        if !wanted.webhooks.contains_key(fallback) {
            return Err(ApplyError::UnknownReceiver {
                what: format!("webhook.{address}, by its fallback,"),
                receiver: fallback.to_owned(),
            });
        }
        edges.insert(address, vec![fallback]);
    }
    match circle(&edges) {
        None => Ok(()),
        Some(found) => {
            let found = found.iter().map(|it| format!("webhook.{it}"));
            let way = found.collect::<Vec<_>>().join(" -> ");
            Err(ApplyError::FallbackCircle(way))
        }
    }
}

/// Checks must not suppress each other in a circle: nobody would ever be told of one of them.
pub(super) fn check_parents(wanted: &Wanted, specs: &Specs) -> Result<(), ApplyError> {
    let checks = wanted.checks.iter();
    let parents = checks.filter_map(|(address, declared)| {
        let spec = specs.checks.get(&declared.spec)?;
        Some((
            address.clone(),
            spec.suppressed_by.iter().map(ToString::to_string),
        ))
    });
    let parents: BTreeMap<String, Vec<String>> = parents
        .map(|(address, all)| (address, all.collect()))
        .collect();
    let edges = parents
        .iter()
        .map(|(address, all)| (address.as_str(), all.iter().map(String::as_str).collect()));
    match circle(&edges.collect()) {
        None => Ok(()),
        Some(found) => {
            let found = found.iter().map(|it| format!("check.{it}"));
            Err(ApplyError::Circle(found.collect::<Vec<_>>().join(" -> ")))
        }
    }
}

/// One variable cannot hold two secrets.
pub(super) fn check_secrets(wanted: &Wanted, specs: &Specs) -> Result<(), ApplyError> {
    let of = |digest: &Digest| specs.checks.get(digest).map(Arc::as_ref);
    let checks: Vec<&CheckSpec> = wanted
        .checks
        .values()
        .filter_map(|declared| of(&declared.spec))
        .collect();
    let sent = checks.iter().flat_map(|spec| spec.secrets());
    let implicit = checks.iter().filter_map(|spec| spec.webhook.as_ref());
    let webhooks = wanted.webhooks.values();
    let webhooks = webhooks.filter_map(|declared| specs.webhooks.get(&declared.spec));
    let told = implicit.chain(webhooks).flat_map(WebhookSpec::references);
    let all: Vec<&SecretName> = sent.chain(told).collect();
    match colliding(all) {
        Some((one, other)) => Err(ApplyError::SecretsCollide(one.clone(), other.clone())),
        None => Ok(()),
    }
}
