//! What no guard holds, and is easily overlooked among many changes: checks that will hardly be
//! probed any more, and receivers that will be somewhere else.

use super::compare::Step;
use super::names::Names;
use super::state::Specs;
use super::text::counted;
use crate::model::change::Kind;
use crate::model::check::Every;

/// A period is rare from here on, if it was `TIMES` shorter before.
const RARE: u32 = 3600;
const TIMES: u32 = 10;

/// Warnings of what these steps do.
pub(super) fn notices(steps: &[Step<'_>], specs: &Specs) -> Vec<String> {
    let mut rarer = Names::default();
    let mut longest: Option<Every> = None;
    for step in steps.iter().filter(|step| step.kind == Kind::Check) {
        if let (Some(before), Some(after)) = step.checks(specs)
            && after.enabled
            && is_rare(before.every, after.every)
        {
            rarer.push(&format!("check.{}", step.address));
            longest = longest.max(Some(after.every));
        }
    }
    let mut moved = Names::default();
    for step in steps.iter().filter(|step| step.kind == Kind::Webhook) {
        let find = |digest: Option<_>| specs.webhooks.get(&digest?);
        if let (Some(before), Some(after)) = (find(step.before), find(step.after))
            && before.url != after.url
            && step.told_by > 0
        {
            moved.push(&format!("webhook.{}", step.address));
        }
    }
    let mut warnings = Vec::new();
    if let Some(longest) = longest {
        let of = counted(rarer.count(), "check");
        warnings.push(format!(
            "{of} will be probed at least {TIMES} times less often than now, at the rarest every \
             {}; an outage is seen only then: {rarer}",
            span(longest)
        ));
    }
    if !moved.is_empty() {
        let of = counted(moved.count(), "receiver");
        warnings.push(format!(
            "{of} will be at another URL, and no message was sent there yet: {moved}"
        ));
    }
    warnings
}

fn is_rare(before: Every, after: Every) -> bool {
    after.seconds() >= RARE && after.seconds() / TIMES >= before.seconds()
}

/// "90 min", "36 h", "7 d".
fn span(every: Every) -> String {
    let seconds = every.seconds();
    let (unit, name) = match seconds {
        172_800.. => (86_400, "d"),
        7200.. => (3600, "h"),
        _ => (60, "min"),
    };
    format!("{} {name}", seconds / unit)
}
