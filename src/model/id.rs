//! Identifiers. Uuids are for the outside, compact numbers for the inside.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use crate::model::quoted::Quoted;

/// An id was not a uuid.
#[derive(Debug, thiserror::Error)]
#[error("{} is not an id: ids look like 0198c3d2-7a54-7cc0-b1d2-3f6f1a2b3c4d", Quoted(.0))]
pub struct InvalidId(pub String);

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Uuid::try_parse(text)
                    .map(Self)
                    .map_err(|_not_a_uuid| InvalidId(text.chars().take(100).collect()))
            }
        }
    };
}

uuid_id! {
    /// A check, for ever: a rename or an edit keeps it.
    CheckId
}
uuid_id! {
    /// A receiver of events.
    ReceiverId
}
uuid_id! {
    /// A transition, and the `webhook-id` under which receivers hear of it.
    EventId
}
uuid_id! {
    /// One outage of one check, from its opening to its close.
    IncidentId
}
uuid_id! {
    /// One event on its way to one receiver.
    DeliveryId
}
uuid_id! {
    /// A token, of which the text is known to its owner only.
    TokenId
}

/// A check's compact key in observations and on the bus.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CheckNo(pub i64);

/// A location's compact key in observations.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LocationId(pub i16);

/// A stored spec.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SpecId(pub i64);

/// How many shards there are. Fixed: it is part of what is stored.
pub const SHARDS: i16 = 64;

/// The unit in which lokahids share the checks, 0 to 63.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ShardNo(pub i16);

impl CheckId {
    /// Hash for shards and phases: xxh3 of the 16 bytes. It is stored and must
    /// never change; a uuidv7's own leading bits are time and would not spread.
    pub fn hash(self) -> u64 {
        xxhash_rust::xxh3::xxh3_64(self.0.as_bytes())
    }

    /// The shard that owns this check.
    pub fn shard(self) -> ShardNo {
        // The low bits choose the phase, so the high ones choose the shard.
        ShardNo((self.hash() >> 58) as i16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_one_that_is_stored() {
        let id: CheckId = "0198c3d2-7a54-7cc0-b1d2-3f6f1a2b3c4d".parse().unwrap();
        assert_eq!(id.hash(), xxhash_rust::xxh3::xxh3_64(id.0.as_bytes()));
        assert!((0..SHARDS).contains(&id.shard().0));
    }

    #[test]
    fn a_wrong_id_says_what_one_looks_like() {
        let error = "nope".parse::<CheckId>().unwrap_err().to_string();
        assert!(error.starts_with("\"nope\" is not an id"), "{error}");
    }
}
