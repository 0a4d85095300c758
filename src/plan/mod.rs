//! From desired and actual state to the changes that lead from one to the other:
//! a pure function with a fixed order, so that the same states always give the
//! same plan. `text` writes it for people.

pub mod text;

use std::collections::BTreeMap;

use crate::manifest::difference::{check_fields, webhook_fields};
use crate::model::change::{Action, Change, FieldChange, Kind};
use crate::model::desired::{Actual, Declared, Desired, SourceLine};

/// What would be done, in the order in which it can be done: receivers are made
/// before the checks that refer to them, and deleted after.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Plan {
    pub changes: Vec<Change>,
}

/// How much a plan does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Summary {
    pub add: usize,
    pub change: usize,
    pub delete: usize,
}

impl Plan {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// How much it does.
    pub fn summary(&self) -> Summary {
        let count = |action| self.changes.iter().filter(|c| c.action == action).count();
        Summary {
            add: count(Action::Create),
            change: count(Action::Update),
            delete: count(Action::Delete),
        }
    }
}

/// The changes that make what is live equal to what is declared.
pub fn plan(desired: &Desired, actual: &Actual) -> Plan {
    let (webhooks, gone) = changes(
        Kind::Webhook,
        &desired.webhooks,
        &actual.webhooks,
        webhook_fields,
    );
    let (checks, gone_checks) = changes(Kind::Check, &desired.checks, &actual.checks, check_fields);
    let mut changes = webhooks;
    changes.extend(checks);
    changes.extend(gone_checks);
    changes.extend(gone);
    Plan { changes }
}

/// Creates and updates, and deletes, each by address.
fn changes<T: PartialEq>(
    kind: Kind,
    desired: &BTreeMap<String, Declared<T>>,
    actual: &BTreeMap<String, T>,
    fields: fn(&T, &T) -> Vec<FieldChange>,
) -> (Vec<Change>, Vec<Change>) {
    let change = |address: &String, action, source: &SourceLine, fields| Change {
        kind,
        address: address.clone(),
        action,
        source: source.clone(),
        fields,
    };
    let kept = desired.iter().filter_map(|(address, declared)| {
        let source = &declared.source;
        match actual.get(address) {
            None => Some(change(address, Action::Create, source, Vec::new())),
            Some(live) if *live == declared.spec => None,
            Some(live) => {
                let fields = fields(live, &declared.spec);
                Some(change(address, Action::Update, source, fields))
            }
        }
    });
    let nowhere = SourceLine::default();
    let gone = actual
        .keys()
        .filter(|address| !desired.contains_key(*address));
    let gone = gone.map(|address| change(address, Action::Delete, &nowhere, Vec::new()));
    (kept.collect(), gone.collect())
}

#[cfg(test)]
mod tests;
