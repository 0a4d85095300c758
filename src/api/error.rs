//! What handlers fail with, and what of it callers are told: internals are
//! logged here, once, and never sent.

use tracing::error;

use crate::proto::json::JsonError;
use crate::proto::twirp::{Code, TwirpError};
use crate::store::error::StoreError;

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum ApiError {
    /// The caller's to mend.
    #[error("refused")]
    Refused(#[from] TwirpError),
    #[error("the store failed")]
    Store(#[from] StoreError),
    #[error("the answer cannot be written")]
    Encode(#[from] JsonError),
    #[error("a kept answer cannot be read")]
    Kept(#[from] prost::DecodeError),
    #[error("the project {0:?} is not there")]
    NoProject(&'static str),
    #[error("an apply failed")]
    Apply(#[source] crate::reconcile::error::ApplyError),
    #[error("no random bytes for a token")]
    Random(#[source] std::io::Error),
    #[error("a new token has not the form of one")]
    TokenShape,
    #[error("a spec is not where it was put")]
    SpecLost,
    #[error("the handler panicked")]
    Panicked,
}

impl ApiError {
    /// What the caller of `path` is told.
    pub(super) fn told(self, path: &str) -> TwirpError {
        let failure: &dyn std::error::Error = match &self {
            Self::Refused(error) => return error.clone(),
            Self::Store(store) if store.is_unstorable_text() => {
                return TwirpError::new(
                    Code::InvalidArgument,
                    "a text has a NUL character, which cannot be stored",
                );
            }
            other => other,
        };
        error!(%path, error = failure, "a call failed");
        match &self {
            Self::Store(store) if store.is_passing() => TwirpError::new(
                Code::Unavailable,
                "the database cannot be used at this moment; try again",
            ),
            _ => TwirpError::new(Code::Internal, "internal error; the server's log says more"),
        }
    }
}
