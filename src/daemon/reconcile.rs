//! What the settings say of check files.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, bail};

use super::settings::{PrivateServers, Reconcile, ReconcileMode};
use crate::files::git::Place;
use crate::manifest::inputs::Inputs;
use crate::reconcile::load;
use crate::reconcile::run::{Mode, ReconcileSettings};
use crate::reconcile::source::Source;
use crate::services::folder;
use crate::spec::Digest;
use crate::store::shard::LeaseOwner;

/// What the reconciler is to do, if there is something.
pub(super) fn settings(
    settings: &Reconcile,
    private: &PrivateServers,
    owner: &LeaseOwner,
) -> anyhow::Result<Option<ReconcileSettings>> {
    let folder = settings.checks_dir.clone();
    let folder = folder.filter(|folder| !folder.as_os_str().is_empty());
    let git = settings
        .checks_git
        .as_deref()
        .filter(|text| !text.is_empty());
    let source = match (folder, git) {
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => bail!(
            "CHECKS_DIR and CHECKS_GIT are both set: check files come from one place; leave one out"
        ),
        (Some(folder), None) => Source::Folder(folder),
        (None, Some(git)) => {
            let place: Place = git.parse().context("CHECKS_GIT")?;
            let copies = copies(private, owner, &place)?;
            Source::Git(place, copies)
        }
    };
    let mode = match settings.reconcile {
        ReconcileMode::Off => return Ok(None),
        ReconcileMode::Observe => Mode::Observe,
        ReconcileMode::Apply => Mode::Apply,
    };
    Ok(Some(ReconcileSettings {
        source,
        inputs: Arc::new(inputs(settings)),
        interval: settings.reconcile_interval,
        mode,
        self_heal: settings.self_heal.into(),
        owner: owner.instance().to_owned(),
    }))
}

/// Where the copy of a repository is: each lokahid has one for itself, or two of a host would
/// take away each other's trees.
fn copies(private: &PrivateServers, owner: &LeaseOwner, place: &Place) -> anyhow::Result<PathBuf> {
    let given = private.cache_dir.clone();
    let given = given.filter(|folder| !folder.as_os_str().is_empty());
    let cache = given.map_or_else(folder::default_cache_dir, Ok)?;
    // git is run elsewhere.
    let cache = std::path::absolute(cache)?;
    let name = Digest::of(format!("{} {place}", owner.instance()).as_bytes());
    let name: String = name
        .0
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Ok(cache.join("checks-git").join(name))
}

fn inputs(settings: &Reconcile) -> Inputs {
    let allowed = settings.env_allow.iter().filter(|name| !name.is_empty());
    Inputs {
        allowed: allowed.cloned().collect(),
        ..Inputs::default()
    }
    .with_environment(load::environment())
}
