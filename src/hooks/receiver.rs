//! What the little programs do with what they receive: each event is handled, and the sender is
//! told to try again where that fails.

use std::sync::Arc;

use axum::Router;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tracing::{debug, warn};

use crate::proto::lokahi::CheckStatus;
use crate::proto::twirp::{Code, TwirpError};
use crate::serve::receiver::{self, Received, Reply};

/// What is done with an event. An error is a failure of whoever is told next:
/// the sender shall try again.
pub(super) type Handle =
    Arc<dyn Fn(CheckStatus) -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

pub(super) fn router(handle: Handle) -> Router {
    receiver::router(Arc::new(move |received| {
        handled(Arc::clone(&handle), received).boxed()
    }))
}

async fn handled(handle: Handle, received: Received) -> Reply {
    let event = match received.event() {
        Ok(event) => event,
        Err(error) => {
            debug!("refused a request: {error}");
            return error.into();
        }
    };
    match handle(event).await {
        Ok(()) => Reply::taken(),
        Err(why) => {
            warn!("an event was not passed on: {why}");
            Reply {
                status: 502,
                error: Some(TwirpError::new(Code::Unavailable, why)),
            }
        }
    }
}
