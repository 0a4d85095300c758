//! What the canary serves: the site that is probed, and the receiver of its events. Whoever does
//! not know the path finds neither.

use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use tracing::debug;

use super::CanaryStatus;
use crate::clock;
use crate::proto::lokahi::check::State;
use crate::serve::receiver::{self, Received, Reply};

/// The last parts of the two paths.
pub(super) const SITE: &str = "site";
pub(super) const EVENT: &str = "event";

pub(super) fn router(path: &str, status: &Arc<CanaryStatus>) -> Router {
    let (asked, told) = (Arc::clone(status), Arc::clone(status));
    let handle: receiver::Handle = Arc::new(move |received| {
        let told = Arc::clone(&told);
        Box::pin(async move { hear(&told, &received) })
    });
    Router::new()
        .route(
            &format!("/{path}/{SITE}"),
            get(move || async move { answer(&asked) }),
        )
        .nest(&format!("/{path}/{EVENT}"), receiver::router(handle))
}

fn answer(status: &CanaryStatus) -> StatusCode {
    match status.rhythm().answer(clock::monotonic()) {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    }
}

fn hear(status: &CanaryStatus, received: &Received) -> Reply {
    let event = match received.event() {
        Ok(event) => event,
        Err(error) => return error.into(),
    };
    let state = event.check.as_ref().map(crate::proto::lokahi::Check::state);
    let is_up = match state {
        Some(State::Up) => true,
        Some(State::Down) => false,
        // It was out of reach: that is no answer of its own.
        _ => return Reply::taken(),
    };
    let now = clock::monotonic();
    if let Some(took) = status.rhythm().hear(is_up, event.sequence, now) {
        debug!(is_up, ?took, "the canary was heard");
        status.latency.observe(took);
    }
    Reply::taken()
}
