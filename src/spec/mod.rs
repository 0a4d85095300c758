//! The deterministic encoding of what is declared, and its digest.
//!
//! One encoding serves the store, the bus and the comparison of plans. Every
//! default is written out, so that a later version with other defaults reads
//! the same bytes alike. Decoding validates: the bytes may come from a client.

mod access;
mod assert;
mod check;
mod confirm;
mod maintenance;
pub mod recent;
mod project;
mod text;
mod webhook;

use prost::Message;
use sha2::{Digest as _, Sha256};

use crate::model::check::CheckSpec;
use crate::model::desired::ProjectSpec;
use crate::model::value::InvalidValue;
use crate::model::webhook::WebhookSpec;
use crate::proto::internal;

/// The version that this program writes.
const VERSION: u32 = 1;

/// The largest encoded spec, in bytes.
pub const MAX_BYTES: usize = 256 * 1024;

pub use check::{decode as decode_check, encode as encode_check};
pub use maintenance::{decode as decode_maintenance, encode as encode_maintenance};
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
    /// From a newer program, in what this one does not know.
    #[error("the spec says something that this program does not know: upgrade it first")]
    Newer,
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

/// The check of these bytes, if nothing in them is unknown. What is stored already is read with
/// [`decode_check`], whoever wrote it: during an upgrade a newer program did.
pub fn accept_check(bytes: &[u8]) -> Result<CheckSpec, SpecError> {
    known::<internal::CheckSpec>(bytes)?;
    decode_check(bytes)
}

/// The same for a receiver.
pub fn accept_webhook(bytes: &[u8]) -> Result<WebhookSpec, SpecError> {
    known::<internal::WebhookSpec>(bytes)?;
    decode_webhook(bytes)
}

/// The same for what a root says of its project.
pub fn accept_project(bytes: &[u8]) -> Result<ProjectSpec, SpecError> {
    known::<internal::ProjectSpec>(bytes)?;
    decode_project(bytes)
}

/// Decoding leaves out what it does not know, and what is left out is missing in the length.
fn known<M: Message + Default>(bytes: &[u8]) -> Result<(), SpecError> {
    if bytes.len() > MAX_BYTES {
        return Err(SpecError::Size(bytes.len()));
    }
    let message = M::decode(bytes).map_err(SpecError::Encoding)?;
    match message.encoded_len() == bytes.len() {
        true => Ok(()),
        false => Err(SpecError::Newer),
    }
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

/// A check as bytes: of 50,000 checks they are an eighth of what their specs are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Encoded {
    pub digest: Digest,
    pub bytes: Vec<u8>,
}

impl From<CheckSpec> for Encoded {
    fn from(spec: CheckSpec) -> Self {
        let bytes = encode_check(&spec);
        let digest = Digest::of(&bytes);
        Self { digest, bytes }
    }
}

/// Lower-case hexadecimal digits: how a digest is written for people.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a String cannot fail.
        write!(text, "{byte:02x}").unwrap_or_default();
    }
    text
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_newer_program_says_more_is_read_and_not_accepted() {
        let known = encode_check(&CheckSpec::new("http://a/".parse().unwrap()));
        assert!(accept_check(&known).is_ok());
        // Field 2047, a number.
        let newer = [&known[..], &[0xf8, 0x7f, 1]].concat();
        assert!(matches!(accept_check(&newer), Err(SpecError::Newer)));
        assert_eq!(decode_check(&newer).unwrap(), decode_check(&known).unwrap());
    }
}
