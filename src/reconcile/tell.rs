//! What is said of a project: its conditions, the events for its operators and its metrics,
//! all from the same words and in one transaction.

use super::event;
use super::propose::Proposal;
use super::root::Ground;
use crate::clock;
use crate::spec::Digest;
use crate::store::condition::{Aspect, Condition, NewCondition, condition_list};
use crate::store::error::StoreError;
use crate::store::project::Project;

/// The longest message of a condition, in characters.
const MESSAGE: usize = 2000;

/// How an aspect is.
pub(super) struct Words<'a> {
    pub(super) aspect: Aspect,
    pub(super) status: bool,
    /// One word for programs.
    pub(super) reason: &'a str,
    pub(super) message: &'a str,
    /// Of what is held.
    pub(super) digest: Option<&'a Digest>,
}

impl<'a> Words<'a> {
    /// An aspect that is not so, and never needs a word.
    pub(super) fn not(aspect: Aspect) -> Self {
        Self::of(aspect, false, "None", "")
    }

    pub(super) fn of(aspect: Aspect, status: bool, reason: &'a str, message: &'a str) -> Self {
        Self {
            aspect,
            status,
            reason,
            message,
            digest: None,
        }
    }
}

/// Says these aspects of a project; what is not among them stays as it was said.
pub(super) async fn tell(
    ground: &Ground<'_>,
    project: &Project,
    words: &[Words<'_>],
    sha: &str,
) -> Result<(), StoreError> {
    let now = clock::now();
    let mut tx = ground.store.begin().await?;
    let stored = condition_list(&mut tx, &[project.id]).await?;
    let stored: Vec<Condition> = stored.into_iter().map(|(_, stored)| stored).collect();
    let find = |aspect: Aspect| stored.iter().find(|it| it.aspect == aspect.name());
    let mut events = Vec::new();
    for words in words {
        let message = cut(words.message);
        let new = NewCondition {
            aspect: words.aspect,
            status: words.status,
            reason: words.reason,
            message: &message,
            observed_generation: project.generation,
            digest: words.digest.map(|digest| &digest.0[..]),
        };
        let before = find(words.aspect);
        events.extend(event::say(&mut tx, project, before, &new, sha, now).await?);
    }
    tx.commit().await.map_err(|source| StoreError::Query {
        doing: "say how a project stands",
        source,
    })?;
    let holds = |aspect: Aspect| {
        let said = words.iter().find(|words| words.aspect == aspect);
        let before = || find(aspect).is_some_and(|stored| stored.status);
        said.map_or_else(before, |words| words.status)
    };
    let flags = Aspect::ALL.map(|aspect| (aspect, holds(aspect)));
    ground.status.tell(&project.name, project.generation, flags);
    if !events.is_empty() {
        // Workers also look by themselves.
        ground.bus.hint_publish(&events).await.unwrap_or_default();
    }
    Ok(())
}

/// What a person does about what is held.
pub(super) fn next(proposal: &Proposal) -> String {
    let name = &proposal.project.name;
    let only = proposal
        .guards
        .iter()
        .find(|guard| !guard.can_be_approved());
    let is_older = proposal.guards.iter().any(|guard| guard.name == "rollback");
    match only {
        None if is_older => format!(
            "Somebody has put the branch back. To let exactly this happen: lokahictl approve \
             {name}. If it is not meant: push the newer commit again"
        ),
        None => format!(
            "To let exactly this happen: lokahictl approve {name}. If it is not meant: mend the \
             files"
        ),
        Some(guard) if guard.name == "empty" => format!(
            "Nobody can approve that. If it is meant: lokahictl suspend {name} --reason WHY, \
             lokahictl apply FOLDER --allow-empty --accept-source-change with those files in \
             FOLDER, lokahictl resume {name}. If it is not meant: mend the files"
        ),
        Some(guard) => format!(
            "Nobody can approve that. It passes with {}",
            guard.passes_with
        ),
    }
}

/// A text of a bounded length.
pub(super) fn cut(text: &str) -> String {
    match text.char_indices().nth(MESSAGE) {
        Some((at, _)) => format!("{}...\n", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}
