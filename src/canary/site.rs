//! The two sides of the canary: the site that is probed, and the receiver of its events.

use std::sync::Arc;

use tracing::debug;

use super::CanaryStatus;
use crate::clock;
use crate::proto::lokahi::Check;
use crate::proto::lokahi::check::State;
use crate::serve::canary::IsWell;
use crate::serve::receiver::{Handle, Received, Reply};

/// How the site is.
pub(super) fn site(status: &Arc<CanaryStatus>) -> IsWell {
    let status = Arc::clone(status);
    Arc::new(move || status.rhythm().answer(clock::monotonic()))
}

/// What is done with its events.
pub(super) fn receiver(status: &Arc<CanaryStatus>) -> Handle {
    let status = Arc::clone(status);
    Arc::new(move |received| {
        let status = Arc::clone(&status);
        Box::pin(async move { hear(&status, &received) })
    })
}

fn hear(status: &CanaryStatus, received: &Received) -> Reply {
    let event = match received.event() {
        Ok(event) => event,
        Err(error) => return error.into(),
    };
    let state = event.check.as_ref().map(Check::state);
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
