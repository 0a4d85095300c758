//! Puts specs where they are compared: those that are not there yet, a bounded lot at a time.

use crate::plan::state::EncodedSpecs;
use crate::spec::Digest;
use crate::store::Store;
use crate::store::error::StoreError;
use crate::store::spec::{spec_missing, spec_put};

/// How many are asked for or stored at once.
const LOT: usize = 5000;

/// Stores what is not stored.
pub(super) async fn put(store: &Store, specs: EncodedSpecs) -> Result<(), StoreError> {
    let digests: Vec<Digest> = specs.keys().copied().collect();
    let mut conn = store.acquire().await?;
    for lot in digests.chunks(LOT) {
        let missing = spec_missing(&mut conn, lot).await?;
        let missing = missing.iter().filter_map(|digest| specs.get(digest));
        let bytes: Vec<Vec<u8>> = missing.map(|(_, bytes)| bytes.clone()).collect();
        if !bytes.is_empty() {
            spec_put(&mut conn, &bytes).await?;
        }
    }
    Ok(())
}
