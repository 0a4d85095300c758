//! The wire: generated messages of `proto/`, written by `cargo xtask codegen`.
//!
//! Only conversions at the edges use these; logic works on `model`.

/// The public API, `github.xe.lokahi`.
#[allow(
    clippy::use_self,
    reason = "generated: a message may hold others of its kind"
)]
pub mod lokahi {
    include!("gen/github.xe.lokahi.rs");
}

/// The administrative API, `github.xe.lokahi.admin`.
pub mod admin {
    include!("gen/github.xe.lokahi.admin.rs");
}

/// Its text is for whoever asked for it alone.
impl std::fmt::Debug for lokahi::NewToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewToken")
            .field("token", &self.token)
            .finish_non_exhaustive()
    }
}

/// What our own programs say to each other, `github.xe.lokahi.internal`.
pub mod internal {
    include!("gen/github.xe.lokahi.internal.rs");
}

/// Every message above, described: the JSON form is derived from it.
pub static DESCRIPTORS: &[u8] = include_bytes!("gen/descriptor.bin");

pub mod evidence;
pub mod json;
pub mod moment;
mod overlay;
pub mod twirp;
