//! Begins to watch what an apply changed: do many of the checks fail now that were up before it,
//! then it may be the apply, and `shard::suspect` says so to the operators.

use time::{Duration, OffsetDateTime};

use crate::cadence;
use crate::model::change::{Action, Change, Kind};
use crate::model::check::CheckSpec;
use crate::model::id::CheckId;
use crate::plan::state::{Live, Specs, Wanted};
use crate::store::Connection;
use crate::store::error::StoreError;
use crate::store::project::{ProjectId, project_settings};
use crate::store::trial::trial_begin;

/// Until the schedulers know of an apply.
const HEARD: Duration = Duration::seconds(10);

/// What a plan has made of a project.
pub(super) struct Made<'a> {
    pub(super) project: ProjectId,
    pub(super) generation: i64,
    pub(super) changes: &'a [Change],
    pub(super) wanted: &'a Wanted,
    pub(super) live: &'a Live,
    pub(super) specs: &'a Specs,
}

/// Begins to watch the checks that are asked something else from now on. Without operators
/// nobody would hear of it, and nothing is held.
pub(super) async fn begin(
    conn: &mut Connection,
    made: &Made<'_>,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    if project_settings(conn, made.project)
        .await?
        .operators
        .is_empty()
    {
        return Ok(());
    }
    let changed = made.changes.iter().filter_map(|change| {
        let spec = spec_of_changed(made, change)?;
        Some((CheckId(change.id?), now + allowance(spec)))
    });
    let changed: Vec<_> = changed.collect();
    trial_begin(conn, made.project, made.generation, &changed, now).await
}

/// What a check is asked from now on, if that is something else.
fn spec_of_changed<'a>(made: &Made<'a>, change: &Change) -> Option<&'a CheckSpec> {
    if change.kind != Kind::Check || !matches!(change.action, Action::Update | Action::Rename) {
        return None;
    }
    let before = change.from.as_ref().unwrap_or(&change.address);
    let before = made.specs.checks.get(&made.live.checks.get(before)?.live)?;
    let after = made.wanted.checks.get(&change.address)?;
    let after = made.specs.checks.get(&after.spec)?;
    (!after.finds_like(before)).then_some(after)
}

/// How long it takes to see what became of a check: two periods, and what makes a failure of
/// them be believed.
fn allowance(spec: &CheckSpec) -> Duration {
    let milliseconds = |n: u32| Duration::milliseconds(n.into());
    let every = Duration::seconds(spec.every.seconds().into());
    let retries = u32::from(spec.confirm.of.max(spec.confirm.failures)) - 1;
    let retry = spec.confirm.retry.min(spec.every.duration());
    let late = Duration::microseconds(cadence::lateness(spec.every).0);
    HEARD + every * 2 + late + milliseconds(spec.timeout.milliseconds()) + retry * retries
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::check::Every;

    #[test]
    fn what_a_check_has_is_two_periods_and_what_it_takes_to_believe_it() {
        let mut spec = CheckSpec::new("http://a/".parse().unwrap());
        // Twice 60 s, 6 s late, 10 s for an answer, and one more try after 5 s.
        assert_eq!(allowance(&spec), HEARD + Duration::seconds(141));
        spec.every = Every::from_seconds(1).unwrap();
        spec.timeout = spec.every.default_timeout();
        spec.confirm.failures = 1;
        spec.confirm.of = 1;
        assert_eq!(allowance(&spec), HEARD + Duration::milliseconds(3800));
    }
}
