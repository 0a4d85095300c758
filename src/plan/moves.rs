//! What `moved`, `removed` and `import` blocks make of the addresses that are live. A block
//! about something that is not there any more has been applied before, and says nothing.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::state::{Live, Wanted, base};
use crate::model::change::Kind;
use crate::model::desired::{Move, Removal, SourceLine};

/// What becomes of the names of one kind.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// New address to old one, of what is renamed.
    pub(super) renamed: BTreeMap<String, String>,
    /// New address to old one, of what somebody has deleted past the files, and these call
    /// something else now.
    pub(super) revived: BTreeMap<String, String>,
    /// Named by a `removed` block, which stands there.
    pub(super) released: BTreeMap<String, SourceLine>,
    pub(super) removed: BTreeMap<String, SourceLine>,
    /// Address to the id or name that the API has for it.
    pub(super) adopted: BTreeMap<String, String>,
    /// Addresses where what lives gives way to what stood there once.
    pub(super) replaced: BTreeSet<String>,
    pub(super) warnings: Vec<String>,
}

/// Reads the blocks for one kind.
pub(super) fn names(kind: Kind, wanted: &Wanted, live: &Live) -> Names {
    let mut names = Names::default();
    let (Some(declared), Some(living)) = (wanted.of_kind(kind), live.of_kind(kind)) else {
        return names;
    };
    if !wanted.ids.is_empty() {
        return identified(kind, wanted, live);
    }
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
                let named = living.keys().filter(|address| is(address, from));
                set.extend(named.map(|address| (address.clone(), block.source.clone())));
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
    let is_declared = |address: &str| declared.contains_key(address);
    let follow = |address: &str| {
        let (to, steps) = follow(address, &ways, is_declared)?;
        is_declared(&to).then_some((to, steps))
    };
    let word = kind.name();
    let mut nearest: BTreeMap<String, (usize, &str)> = BTreeMap::new();
    for address in living.keys() {
        let Some((to, steps)) = follow(address) else {
            continue;
        };
        // What lives there may itself go somewhere else.
        let stays = follow(&to).is_none();
        if living.contains_key(&to) && stays && !names.removed.contains_key(&to) {
            names.warnings.push(format!(
                "{word}.{address} cannot become {word}.{to}: that is live already; both are \
                 planned by their own names"
            ));
            continue;
        }
        let one = (steps, address.as_str());
        let Some(other) = nearest.get_mut(&to) else {
            nearest.insert(to, one);
            continue;
        };
        let first = one.min(*other);
        let (_, second) = one.max(*other);
        names.warnings.push(format!(
            "the moved blocks lead from {word}.{} and from {word}.{second} to {word}.{to}, and \
             both are live: the first becomes it, and {word}.{second} is planned by its own name",
            first.1
        ));
        *other = first;
    }
    let renamed = nearest.into_iter();
    names.renamed = renamed
        .map(|(to, (_, from))| (to, from.to_owned()))
        .collect();
    let dead = live.dead_of_kind(kind).into_iter().flatten();
    for (address, _) in dead.filter(|(address, _)| live.ended_checks.contains_key(*address)) {
        // Where something lives, or goes, this one has nowhere to come back to.
        let free = |to: &str| !living.contains_key(to) && !names.renamed.contains_key(to);
        if let Some((to, _)) = follow(address).filter(|(to, _)| free(to)) {
            names.revived.entry(to).or_insert(address.clone());
        }
    }
    names
}

/// What becomes of the names of one kind where objects are known by their ids.
fn identified(kind: Kind, wanted: &Wanted, live: &Live) -> Names {
    let mut names = Names::default();
    let (Some(living), Some(dead)) = (live.of_kind(kind), live.dead_of_kind(kind)) else {
        return names;
    };
    let now: BTreeMap<Uuid, &String> = living.iter().map(|(at, o)| (o.id, at)).collect();
    let ids = || wanted.ids.iter().filter(|((of, _), _)| *of == kind);
    let back: BTreeSet<Uuid> = ids().map(|(_, id)| *id).collect();
    for ((_, address), id) in ids() {
        if let Some(called) = now.get(id) {
            if *called == address {
                continue;
            }
            names.renamed.insert(address.clone(), (*called).clone());
        } else if live.api.contains_key(&id.to_string()) {
            names.adopted.insert(address.clone(), id.to_string());
        } else if dead.get(address).is_none_or(|found| found.id != *id) {
            // It is gone for good: what has its name by now, if anything, stays.
            continue;
        }
        if let Some(here) = living.get(address) {
            names.replaced.insert(address.clone());
            if !back.contains(&here.id) {
                let source = SourceLine::default();
                names.removed.insert(address.clone(), source);
            }
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
/// swap their names, and by how many blocks; `None` when nowhere else.
fn follow(
    address: &str,
    ways: &BTreeMap<&str, &str>,
    is_declared: impl Fn(&str) -> bool,
) -> Option<(String, usize)> {
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
    (now != address).then_some((now, taken.len()))
}
