//! What `moved`, `removed` and `import` blocks make of the addresses that are live. A block
//! about something that is not there any more has been applied before, and says nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::state::{Live, Wanted, base};
use crate::model::change::Kind;
use crate::model::desired::{Move, Removal};

/// What becomes of the names of one kind.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// New address to old one, of what is renamed.
    pub(super) renamed: BTreeMap<String, String>,
    pub(super) released: BTreeSet<String>,
    /// Named by a `removed` block.
    pub(super) removed: BTreeSet<String>,
    /// Address to the id or name that the API has for it.
    pub(super) adopted: BTreeMap<String, String>,
    pub(super) warnings: Vec<String>,
}

/// Reads the blocks for one kind.
pub(super) fn names(kind: Kind, wanted: &Wanted, live: &Live) -> Names {
    let mut names = Names::default();
    let (Some(declared), Some(living)) = (wanted.of_kind(kind), live.of_kind(kind)) else {
        return names;
    };
    let mut ways: BTreeMap<&str, &str> = BTreeMap::new();
    for block in &wanted.moves {
        match &block.spec {
            Move::Moved { from, to } => {
                if let (Some(from), Some(to)) = (of(kind, from), of(kind, to)) {
                    ways.insert(from, to);
                }
            }
            Move::Removed { from, action } => {
                let Some(from) = of(kind, from) else { continue };
                let set = match action {
                    Removal::Release => &mut names.released,
                    Removal::Delete => &mut names.removed,
                };
                set.extend(living.keys().filter(|a| is(a, from)).cloned());
            }
            Move::Import { id, to } => {
                if let Some(to) = of(kind, to)
                    && !living.contains_key(to)
                {
                    names.adopted.insert(to.to_owned(), id.clone());
                }
            }
        }
    }
    for address in living.keys() {
        let is_declared = |address: &str| declared.contains_key(address);
        let Some(to) = follow(address, &ways, is_declared) else {
            continue;
        };
        if !declared.contains_key(&to) {
            continue;
        }
        // What lives there may itself go somewhere else.
        let stays = follow(&to, &ways, is_declared).is_none();
        let taken = living.contains_key(&to) && stays && !names.removed.contains(&to);
        if taken {
            let kind = kind.name();
            names.warnings.push(format!(
                "{kind}.{address} cannot become {kind}.{to}: that is live already; both are \
                 planned by their own names"
            ));
        } else {
            names.renamed.insert(to, address.clone());
        }
    }
    names
}

/// The address of a reference, if it is one of this kind.
fn of(kind: Kind, reference: &str) -> Option<&str> {
    reference.strip_prefix(kind.name())?.strip_prefix('.')
}

/// Whether this is the address, or one of the for_each of this name.
fn is(address: &str, name: &str) -> bool {
    address == name || base(address) == Some(name)
}

/// Where an address leads to, block after block until one that is declared, so that two may
/// swap their names; `None` when nowhere else.
fn follow(
    address: &str,
    ways: &BTreeMap<&str, &str>,
    is_declared: impl Fn(&str) -> bool,
) -> Option<String> {
    let mut now = address.to_owned();
    // A circle ends: each block is taken once at most.
    let mut taken = BTreeSet::new();
    loop {
        let next = match ways.get_key_value(now.as_str()) {
            Some((from, to)) => Some((*from, (*to).to_owned())),
            // A block about a name is about all of its for_each.
            None => base(&now).and_then(|name| {
                let (from, to) = ways.get_key_value(name)?;
                let key = now.strip_prefix(name)?;
                Some((*from, format!("{to}{key}")))
            }),
        };
        match next {
            Some((from, to)) if taken.insert(from.to_owned()) => now = to,
            _ => break,
        }
        if is_declared(&now) {
            break;
        }
    }
    (now != address).then_some(now)
}
