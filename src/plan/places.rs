//! Where unchanged objects stand by now: a block that only moves in its file is no change, and
//! whoever is told a line must find the block there.

use super::state::{Live, Options, Wanted};
use crate::model::change::Kind;
use crate::model::desired::SourceLine;

/// Where an object stands by now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    pub kind: Kind,
    pub address: String,
    pub source: SourceLine,
}

/// What the files declare elsewhere than at the last apply.
pub fn places(wanted: &Wanted, live: &Live, options: &Options) -> Vec<Place> {
    let mut places = Vec::new();
    for kind in [Kind::Webhook, Kind::Check] {
        let (Some(declared), Some(living)) = (wanted.of_kind(kind), live.of_kind(kind)) else {
            continue;
        };
        for (address, declared) in declared {
            let is_covered = match kind {
                Kind::Check => options.covers(address),
                _ => options.targets.is_empty() || options.names_webhook(address),
            };
            let ended = || {
                live.ended_checks
                    .get(address)
                    .filter(|_| kind == Kind::Check)
            };
            // What was applied by an early version has no place that could be mended.
            let known = living.get(address).or_else(ended);
            let known = known.filter(|object| !object.source.file.is_empty());
            if is_covered && known.is_some_and(|object| object.source != declared.source) {
                places.push(Place {
                    kind,
                    address: address.clone(),
                    source: declared.source.clone(),
                });
            }
        }
    }
    places
}
