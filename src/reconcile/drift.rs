//! What somebody changed past the files, and what is said of it.

use super::error::ApplyError;
use super::propose::Proposal;
use super::root::Ground;
use super::run::{Mode, ReconcileSettings, SelfHeal};
use super::tell::Words;
use crate::clock;
use crate::model::quoted::shell;
use crate::plan::RESTORABLE;
use crate::plan::names::Names;
use crate::plan::text::past_the_files;
use crate::store::Store;
use crate::store::condition::Aspect;
use crate::store::project::{Project, project_counts, project_ended};

/// Checks that are not what the files said last.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Drift {
    changed: usize,
    /// By address, those that the files declare and that can come back.
    deleted: Vec<String>,
}

impl Drift {
    /// Of a project as it was planned.
    pub(super) fn of(proposal: &Proposal) -> Self {
        let live = proposal.live.checks.values();
        let changed = live.filter(|object| object.declared.is_some_and(|said| said != object.live));
        let dead = proposal.live.dead_checks.iter();
        let deleted = dead.filter(|(_, tombstone)| tombstone.drift.is_some());
        Self {
            changed: changed.count(),
            deleted: deleted.map(|(address, _)| address.clone()).collect(),
        }
    }

    /// Of a project that is not planned now.
    pub(super) async fn read(store: &Store, project: &Project) -> Result<Self, ApplyError> {
        let mut conn = store.acquire().await?;
        let changed = project_counts(&mut conn, project.id).await?.changed;
        let since = clock::now() - RESTORABLE;
        let ended = project_ended(&mut conn, project.id).await?.into_iter();
        let ended = ended.filter(|row| row.drift.as_ref().is_some_and(|drift| drift.at > since));
        Ok(Self {
            changed: usize::try_from(changed).unwrap_or(0),
            deleted: ended.map(|row| row.address).collect(),
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.changed == 0 && self.deleted.is_empty()
    }

    /// What drifted, as far as that is watched. `message` is of `words`.
    pub(super) fn condition<'a>(&self, message: &'a str, ground: &Ground<'_>) -> Words<'a> {
        match self.is_empty() || ground.settings.self_heal == SelfHeal::Off {
            false => Words::of(Aspect::Drifted, true, "ForcedChange", message),
            true => Words::not(Aspect::Drifted),
        }
    }

    /// The same for people, with what they may do about it. `ready` is the reason that is said
    /// of the project beside it.
    pub(super) fn words(&self, name: &str, settings: &ReconcileSettings, ready: &str) -> String {
        let Self { changed, deleted } = self;
        let mut what = Vec::new();
        if *changed > 0 {
            what.push(past_the_files(*changed, "changed"));
        }
        let names = Names::from(deleted.as_slice());
        if !names.is_empty() {
            let said = past_the_files(deleted.len(), "deleted");
            what.push(format!("{said} ({names})"));
        }
        format!("{}; {}", what.join(", "), self.next(name, settings, ready))
    }

    fn next(&self, name: &str, settings: &ReconcileSettings, ready: &str) -> String {
        const BACK: &str = "brings back what the files say";
        match (settings.mode, settings.self_heal) {
            (Mode::Observe, _) => {
                return format!("RECONCILE=observe leaves that; lokahictl apply {BACK}");
            }
            (Mode::Apply, SelfHeal::Restore) => {
                let when = match ready {
                    "Held" => {
                        ", and waits for what is held: all of it is one plan. It goes on when that \
                         is approved, or the files are mended"
                    }
                    "Waiting" => ", together with what must be seen twice",
                    "Suspended" => ", and waits until somebody resumes it",
                    "InvalidFiles" | "ApplyFailed" => ", and waits until the files are mended",
                    "SourceUnavailable" => ", and waits until the files can be read again",
                    _ => "",
                };
                return format!("SELF_HEAL=restore {BACK}{when}");
            }
            (Mode::Apply, SelfHeal::Warn | SelfHeal::Off) => {}
        }
        let mut next = Vec::new();
        if self.changed > 0 {
            next.push(format!(
                "lokahictl export --drift {name} prints what would keep it"
            ));
        }
        match self.deleted.as_slice() {
            [] => {}
            [one] => next.push(format!(
                "lokahictl restore {name} {} has it back, and taking its block out of the files \
                 keeps it away",
                shell(one)
            )),
            _ => next.push(format!(
                "lokahictl restore {name} NAME has one back, and taking its block out of the \
                 files keeps it away"
            )),
        }
        next.push(format!(
            "lokahictl suspend {name} --reason WHY, lokahictl apply FOLDER and lokahictl resume \
             {name} bring back what the files say, as SELF_HEAL=restore would by itself"
        ));
        next.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::reconcile::source::Source;

    fn words(drift: (usize, &[&str]), mode: Mode, self_heal: SelfHeal, ready: &str) -> String {
        let settings = ReconcileSettings {
            source: Source::Folder("/nowhere".into()),
            inputs: Arc::default(),
            interval: Duration::from_secs(60),
            mode,
            self_heal,
            owner: "here".to_owned(),
        };
        let drift = Drift {
            changed: drift.0,
            deleted: drift.1.iter().map(|name| (*name).to_owned()).collect(),
        };
        drift.words("shop", &settings, ready)
    }

    #[test]
    fn what_is_offered_can_be_done() {
        let (apply, warn, restore) = (Mode::Apply, SelfHeal::Warn, SelfHeal::Restore);
        for (drift, mode, heal, ready, expect) in [
            (
                (1, &[][..]),
                apply,
                warn,
                "Applied",
                "1 check was changed past the files; lokahictl export --drift shop prints what \
                 would keep it, lokahictl suspend shop --reason WHY, lokahictl apply FOLDER and \
                 lokahictl resume shop bring back what the files say, as SELF_HEAL=restore would \
                 by itself",
            ),
            (
                (0, &[r#"page["c"]"#][..]),
                apply,
                warn,
                "Held",
                "1 check was deleted past the files (page[\"c\"]); lokahictl restore shop \
                 'page[\"c\"]' has it back, and taking its block out of the files keeps it away, \
                 lokahictl suspend shop --reason WHY, lokahictl apply FOLDER and lokahictl resume \
                 shop bring back what the files say, as SELF_HEAL=restore would by itself",
            ),
            (
                (2, &["a", "b"][..]),
                apply,
                restore,
                "Held",
                "2 checks were changed past the files, 2 checks were deleted past the files \
                 (a, b); SELF_HEAL=restore brings back what the files say, and waits for what is \
                 held: all of it is one plan. It goes on when that is approved, or the files are \
                 mended",
            ),
            (
                (1, &[][..]),
                Mode::Observe,
                restore,
                "Observing",
                "1 check was changed past the files; RECONCILE=observe leaves that; lokahictl \
                 apply brings back what the files say",
            ),
        ] {
            assert_eq!(words(drift, mode, heal, ready), expect);
        }
    }
}
