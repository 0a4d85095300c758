//! A name that a plan gives to one object while it leaves another one under it: what `targets`
//! leave out of a swap, say. It cannot be applied.

use std::collections::BTreeSet;

use super::compare::Step;
use super::moves::names;
use super::state::{Live, Wanted};
use crate::model::change::{Action, Kind};

/// A name that is not free.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Taken {
    /// `check.NAME` or `webhook.NAME`.
    pub name: String,
    /// What whoever lives there becomes, if that were planned, too.
    pub goes_to: Option<String>,
}

/// The first name of a plan that is not free.
pub(super) fn taken(steps: &[Step<'_>], wanted: &Wanted, live: &Live) -> Option<Taken> {
    let freed = steps.iter().filter_map(|step| match step.action {
        Action::Delete | Action::Release => Some((step.kind, step.address)),
        Action::Rename => Some((step.kind, step.from.as_deref()?)),
        _ => None,
    });
    let freed: BTreeSet<(Kind, &str)> = freed.collect();
    let comes = |step: &&Step<'_>| step.action.keeps() && step.action != Action::Update;
    let step = steps.iter().filter(comes).find(|step| {
        let all = live.of_kind(step.kind);
        let lives = all.is_some_and(|all| all.contains_key(step.address));
        lives && !freed.contains(&(step.kind, step.address))
    })?;
    let Step { kind, address, .. } = step;
    let name = |address: &str| format!("{}.{address}", kind.name());
    let renamed = names(*kind, wanted, live).renamed;
    let mut renamed = renamed.iter().filter(|(_, from)| from.as_str() == *address);
    Some(Taken {
        name: name(address),
        goes_to: renamed.next().map(|(to, _)| name(to)),
    })
}
