//! The deterministic encoding of what is declared, and its digest.
//!
//! One encoding serves the store, the bus and the comparison of plans. Every
//! default is written out, so that a later version with other defaults reads
//! the same bytes alike. Decoding validates: the bytes may come from a client.

mod access;
mod assert;
mod check;
mod project;
mod text;
mod webhook;

use sha2::{Digest as _, Sha256};

use crate::model::value::InvalidValue;

/// The version that this program writes.
const VERSION: u32 = 1;

/// The largest encoded spec, in bytes.
pub const MAX_BYTES: usize = 256 * 1024;

pub use check::{decode as decode_check, encode as encode_check};
pub use project::{decode as decode_project, encode as encode_project};
pub use webhook::{decode as decode_webhook, encode as encode_webhook};

/// Encoded bytes are not a valid spec.
#[derive(Debug, thiserror::Error)]
pub enum SpecError {
    /// Not the message, or cut.
    #[error("the bytes are not an encoded spec")]
    Encoding(#[source] prost::DecodeError),
    /// From a newer program.
    #[error("the spec has version {0}; this program knows {VERSION}: upgrade it first")]
    Version(u32),
    /// Too long.
    #[error("the spec has {0} bytes; at most {MAX_BYTES} are allowed")]
    Size(usize),
    /// A field breaks its rule.
    #[error("{field}")]
    Field {
        /// The attribute's name.
        field: &'static str,
        /// Its fault.
        #[source]
        source: InvalidValue,
    },
}

/// SHA-256 of an encoded spec.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The digest of encoded bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

/// Names the field of a fault.
trait InField<T> {
    fn in_field(self, field: &'static str) -> Result<T, SpecError>;
}

impl<T> InField<T> for Result<T, InvalidValue> {
    fn in_field(self, field: &'static str) -> Result<T, SpecError> {
        self.map_err(|source| SpecError::Field { field, source })
    }
}

fn check_header(bytes: &[u8], version: u32) -> Result<(), SpecError> {
    if bytes.len() > MAX_BYTES {
        return Err(SpecError::Size(bytes.len()));
    }
    if version != VERSION {
        return Err(SpecError::Version(version));
    }
    Ok(())
}
