//! Makes one message of a burst: the events that wait for one receiver under one key.

use std::collections::BTreeMap;

use prost::Message as _;
use uuid::Uuid;

use super::body::TOLD_IN_FULL;
use crate::clock;
use crate::model::id::EventId;
use crate::proto::lokahi::CheckStatus;
use crate::proto::moment::timestamp;
use crate::store::Store;
use crate::store::delivery::{GatheringLimits, NewGroup, group_due, group_insert, group_single};
use crate::store::error::StoreError;

/// What is left goes with the next message, or in the next transaction: one that takes too long is
/// lost, and would be begun again for ever.
const LIMITS: GatheringLimits = GatheringLimits {
    keys: 100,
    of_each: 500,
    bytes: TOLD_IN_FULL,
    enough: 2_000,
};

/// Gathers what has waited long enough; whether there may be more of it.
pub(super) async fn gather(store: &Store) -> Result<bool, StoreError> {
    let now = clock::now();
    let mut tx = store.begin().await?;
    let (due, more) = group_due(&mut tx, LIMITS, now).await?;
    let mut alone = Vec::new();
    for gathering in &due {
        if gathering.members.len() == 1 || !gathering.knows_groups {
            alone.extend(&gathering.members);
            continue;
        }
        let id = EventId(Uuid::now_v7());
        let event = CheckStatus {
            r#type: "group".to_owned(),
            event_id: id.to_string(),
            at: Some(timestamp(now)),
            group: labels(&gathering.key),
            ..CheckStatus::default()
        };
        let new = NewGroup {
            id,
            gathering,
            payload: &event.encode_to_vec(),
        };
        group_insert(&mut tx, &new, now).await?;
    }
    if !alone.is_empty() {
        group_single(&mut tx, &alone).await?;
    }
    tx.commit().await.map_err(|source| StoreError::Query {
        doing: "commit what is told together",
        source,
    })?;
    Ok(more)
}

/// The labels of a key.
fn labels(key: &str) -> BTreeMap<String, String> {
    let pairs = key.lines().filter_map(|pair| pair.split_once('='));
    pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_labels_of_a_key() {
        let of = |key| {
            let mut all: Vec<(String, String)> = labels(key).into_iter().collect();
            all.sort();
            all
        };
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(of("*"), []);
        assert_eq!(
            of("site=fra\nteam=a,b=c"),
            [pair("site", "fra"), pair("team", "a,b=c")]
        );
    }
}
