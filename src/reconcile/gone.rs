//! A root that is no longer there, or whose source cannot be read: what it declared stays, and
//! that is said once.

use tracing::debug;

use super::root::{Ground, Root};
use super::settled::Settled;
use super::tell::{Words, tell};
use crate::store::condition::{
    Aspect, Condition, condition_list, reconciler_forget, reconciler_leave, reconciler_projects,
};
use crate::store::error::StoreError;
use crate::store::project::{project_counts, project_list};

/// Why a project is not ready that no root declares.
const MISSING: &str = "RootMissing";

impl Root {
    /// The source cannot be read at all. A project that it did not declare when it could be read
    /// is no part of that: it is whoever's applies it.
    pub(super) async fn unreadable(&mut self, words: &str, ground: &Ground<'_>) -> Settled {
        self.suspected = None;
        if self.left || self.is_missed(ground).await.unwrap_or_default() {
            return self.failed();
        }
        self.withdraw(ground).await;
        self.fail("SourceUnavailable", words, "", ground).await
    }

    /// The root is no longer there. What it declared stays: files that are missing are no
    /// wish to delete. Returns nothing when there is nothing left to speak of.
    pub(super) async fn gone(&mut self, ground: &Ground<'_>) -> Option<Settled> {
        self.suspected = None;
        let Some(name) = self.project.clone() else {
            return Some(self.failed());
        };
        if self.left {
            let known = self.is_known(&name, ground).await;
            return known.unwrap_or(true).then(|| self.failed());
        }
        let source = ground.settings.source.shown();
        let end = format!(
            "lokahictl apply FOLDER --allow-empty --accept-source-change, where all that FOLDER has \
             is a file with lokahi {{ project = \"{name}\" }} (of what has prevent_destroy apply that \
             as false first: lokahictl export --owner {name} prints it)"
        );
        let or_end = format!("Bring its `lokahi` block back, or end it: {end}");
        let next = match &self.became {
            None => format!(". {or_end}"),
            // A mistake that was put right: whoever followed the other advice would undo that.
            Some(old) if self.was_there_before(old, ground).await.unwrap_or_default() => format!(
                ", and its files declare the project {old} again, which is older. If the name \
                 {name} was a mistake, end it: {end}. Else bring its `lokahi` block back beside \
                 the other"
            ),
            Some(new) => format!(
                ", and its files declare the project {new} now, whose checks are others beside \
                 them. If {name} became {new}: call it {name} again, and everything keeps its \
                 history. {or_end}"
            ),
        };
        let words = format!(
            "no root in {source} declares the project {name} any more; its checks stay as they \
             are{next}"
        );
        self.said.say(&words);
        match self.leave(&name, &words, ground).await {
            Ok(true) => None,
            Ok(false) => Some(self.failed()),
            Err(error) => {
                debug!(error = &error as &dyn std::error::Error, "not stored");
                Some(self.failed())
            }
        }
    }

    /// Whether another project is older than this one.
    async fn was_there_before(&self, other: &str, ground: &Ground<'_>) -> Result<bool, StoreError> {
        let mut conn = ground.store.acquire().await?;
        let all = project_list(&mut conn, None).await?;
        let made = |name: &str| all.iter().find(|it| it.name == name).map(|it| it.id.0);
        let known = made(other).zip(self.project.as_deref().and_then(made));
        Ok(known.is_some_and(|(other, own)| other < own))
    }

    /// Whether the last word on the project, be it from before a restart, is that no root
    /// declares it.
    pub(super) async fn is_missed(&self, ground: &Ground<'_>) -> Result<bool, StoreError> {
        let Some(name) = &self.project else {
            return Ok(false);
        };
        let mut conn = ground.store.acquire().await?;
        let Some(project) = project_list(&mut conn, Some(name)).await?.pop() else {
            return Ok(false);
        };
        let said = condition_list(&mut conn, &[project.id]).await?;
        let missed = |it: &Condition| it.aspect == Aspect::Ready.name() && it.reason == MISSING;
        Ok(said.iter().any(|(_, it)| missed(it)))
    }

    /// Whether nobody else has the project by now.
    async fn is_known(&self, name: &str, ground: &Ground<'_>) -> Result<bool, StoreError> {
        let mut conn = ground.store.acquire().await?;
        let known = reconciler_projects(&mut conn, &ground.settings.owner).await?;
        let is_known = known.iter().any(|known| known == name);
        if !is_known {
            ground.status.forget(name);
        }
        Ok(is_known)
    }

    /// Says that the root is gone, and gives its project up; whether that was the last of it.
    async fn leave(
        &mut self,
        name: &str,
        words: &str,
        ground: &Ground<'_>,
    ) -> Result<bool, StoreError> {
        let Some(project) = self.own(name, ground).await? else {
            ground.status.forget(name);
            return Ok(true);
        };
        let mut conn = ground.store.acquire().await?;
        let counts = project_counts(&mut conn, project.id).await?;
        drop(conn);
        let over = counts.checks == 0 && counts.webhooks == 0;
        if over {
            ground.status.forget(name);
            let mut conn = ground.store.acquire().await?;
            reconciler_forget(&mut conn, project.id).await?;
        } else {
            let gone = Words::of(Aspect::Ready, false, MISSING, words);
            let all = [
                gone,
                Words::not(Aspect::Reconciling),
                Words::not(Aspect::Held),
            ];
            tell(ground, &project, &all, "").await?;
            let mut conn = ground.store.acquire().await?;
            reconciler_leave(&mut conn, project.id, &ground.settings.owner).await?;
        }
        self.left = true;
        Ok(over)
    }
}
