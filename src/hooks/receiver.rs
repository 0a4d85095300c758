//! What the little programs do with what they receive: each event is handled, and the sender is
//! told to try again where that fails.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tracing::warn;

use crate::proto::lokahi::CheckStatus;
use crate::proto::twirp::{Code, TwirpError};
use crate::serve::receiver::{self, Received, Reply};

/// A failure of whoever is told next: the sender shall try again.
pub(super) struct NotPassedOn {
    pub(super) why: String,
    /// What the sender is answered.
    pub(super) status: u16,
    /// How long it is asked to wait.
    pub(super) retry_after: Option<Duration>,
}

/// What is done with an event.
pub(super) type Handle =
    Arc<dyn Fn(CheckStatus) -> BoxFuture<'static, Result<(), NotPassedOn>> + Send + Sync>;

pub(super) fn router(handle: Handle) -> Router {
    receiver::router(Arc::new(move |received| {
        handled(Arc::clone(&handle), received).boxed()
    }))
}

async fn handled(handle: Handle, received: Received) -> Reply {
    let event = match received.event() {
        Ok(event) => event,
        Err(error) => {
            warn!("refused an event: {}", error.msg);
            return error.into();
        }
    };
    match handle(event).await {
        Ok(()) => Reply::taken(),
        Err(NotPassedOn {
            why,
            status,
            retry_after,
        }) => {
            warn!("an event was not passed on: {why}");
            Reply {
                status,
                error: Some(TwirpError::new(Code::Unavailable, why)),
                retry_after,
            }
        }
    }
}
