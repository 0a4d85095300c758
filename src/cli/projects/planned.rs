//! A plan that the server made, as lokahictl shows and saves it.

use std::collections::BTreeMap;

use crate::cli::exit::Failure;
use crate::client::{Client, ClientError};
use crate::manifest::diagnostic::Diagnostic;
use crate::manifest::report::path_below;
use crate::model::change::{Change, Summary};
use crate::model::desired::Declared;
use crate::model::quoted::shell;
use crate::plan::Plan;
use crate::plan::guard::Guard;
use crate::plan::state::EncodedSpecs;
use crate::plan::text::{self, Standing, human};
use crate::plan::wire;
use crate::proto::lokahi::{self, Evidence, PlanPageRequest, PlanRequest, PlanResult, Revision};
use crate::spec::Digest;

/// A plan, and what it was made of.
#[derive(Clone, Debug)]
pub(super) struct Planned {
    pub(super) project: String,
    pub(super) token: String,
    pub(super) generation: i64,
    pub(super) digest: Vec<u8>,
    pub(super) revision: Revision,
    pub(super) plan: Plan,
    pub(super) guards: Vec<Guard>,
    /// Checks that told somebody, and will not any more.
    pub(super) silent: i32,
    /// What stands elsewhere in the files than the server knows.
    pub(super) places: i32,
    /// Before the files' paths.
    pub(super) root: String,
    /// What is wanted, where that is not what files declare.
    pub(super) wanted: Option<String>,
    /// Warnings of the files.
    pub(super) lints: Vec<Diagnostic>,
    /// The checks that the files declare, by their digests, and the bytes of those.
    pub(super) checks: BTreeMap<String, Declared<Digest>>,
    pub(super) specs: EncodedSpecs,
    /// What workers saw of those that change, if that was asked for.
    pub(super) probed: Vec<(String, Evidence)>,
}

impl Planned {
    /// Asks the server for a plan, with all of its pages.
    pub(super) async fn ask(
        client: &Client,
        request: PlanRequest,
        root: &str,
    ) -> Result<Self, Failure> {
        let revision = request.revision.clone().unwrap_or_default();
        let planned = client.plan(&request).await;
        let mut result = planned.map_err(|error| match hint(&error, &request, root) {
            Some(hint) => Failure::from(error).hint(hint),
            None => error.into(),
        })?;
        for page in 1..result.pages {
            let token = result.token.clone();
            let more = client.plan_page(&PlanPageRequest { token, page }).await?;
            result.changes.extend(more.changes);
        }
        Ok(Self::from_result(result, revision, root))
    }

    fn from_result(result: PlanResult, revision: Revision, root: &str) -> Self {
        let suggestion = |it: lokahi::Move| (it.from, it.to);
        let changes: Vec<Change> = result.changes.into_iter().map(wire::from_change).collect();
        Self {
            project: result.project,
            token: result.token,
            generation: result.generation,
            digest: result.digest,
            revision,
            plan: Plan {
                changes,
                routing: result.routing.into_iter().map(wire::from_routing).collect(),
                suggestions: result.suggestions.into_iter().map(suggestion).collect(),
                warnings: result.warnings,
                ..Plan::default()
            },
            guards: result.guards.into_iter().map(wire::from_guard).collect(),
            silent: result.silent,
            places: result.places,
            root: root.to_owned(),
            wanted: None,
            lints: Vec::new(),
            checks: BTreeMap::new(),
            specs: EncodedSpecs::new(),
            probed: Vec::new(),
        }
    }

    pub(super) fn summary(&self) -> Summary {
        self.plan.summary()
    }

    /// As people read it.
    pub(super) fn human(&self) -> String {
        let revision = revision(&self.revision);
        human(
            &self.plan,
            &Standing {
                root: &self.root,
                revision: &revision,
                generation: self.generation,
                guards: &self.guards,
                wanted: self.wanted.as_deref(),
            },
        )
    }

    /// Nothing may be written before a person has looked.
    pub(super) fn is_held(&self) -> bool {
        !self.guards.is_empty()
    }
}

/// What to look at, as whoever has typed the root finds it, or to restore beside what is.
fn hint(error: &ClientError, request: &PlanRequest, root: &str) -> Option<String> {
    let ClientError::Refused(refusal) = error else {
        return None;
    };
    let get = |key: &str| refusal.meta.get(key);
    if let (Some(file), Some(line)) = (get("file"), get("line")) {
        return Some(format!("look at {}:{line}", path_below(root, file)));
    }
    let receiver = get("receiver").filter(|_| !request.restore.is_empty())?;
    // A new name is for one at a time.
    let renamed = request.restore.iter().any(|one| !one.to.is_empty());
    let names = request.restore.iter().filter(|_| !renamed).map(|one| {
        let name = one.address.strip_prefix("check.");
        shell(name.unwrap_or(&one.address))
    });
    let names: Vec<String> = names.chain([format!("webhook.{receiver}")]).collect();
    Some(format!(
        "if it was deleted, too: lokahictl restore {} {}{}",
        request.project,
        names.join(" "),
        if renamed { ", and then this" } else { "" }
    ))
}

/// "main@3f2c1a9", with a star where files differ from the commit.
pub(in crate::cli) fn revision(revision: &Revision) -> String {
    text::revision(&revision.r#ref, &revision.sha, revision.dirty)
}
