//! Specs come with every probe, since a worker knows nothing. The same ones come again and
//! again: what was decoded is kept, under a hash of the bytes.

use std::collections::HashMap;
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_128;

use super::failure::Failure;
use super::prepare::Prepared;
use crate::model::observation::SPEC_REFUSED;
use crate::runtime::chain::chain;
use crate::spec::decode_check;

/// When there are more, all are forgotten: simple, bounded, and rare.
const MAX: usize = 64 * 1024;

#[derive(Debug, Default)]
pub(super) struct SpecCache {
    specs: HashMap<u128, Arc<Prepared>>,
}

impl SpecCache {
    /// The check of encoded bytes, ready to be probed.
    pub(super) fn get(&mut self, bytes: &[u8]) -> Result<Arc<Prepared>, Failure> {
        let key = xxh3_128(bytes);
        if let Some(prepared) = self.specs.get(&key) {
            return Ok(Arc::clone(prepared));
        }
        let spec = decode_check(bytes)
            .map_err(|error| Failure::internal(format!("{SPEC_REFUSED}: {}", chain(&error))))?;
        let prepared = Arc::new(Prepared::new(&spec)?);
        if self.specs.len() >= MAX {
            self.specs.clear();
        }
        self.specs.insert(key, Arc::clone(&prepared));
        Ok(prepared)
    }
}
