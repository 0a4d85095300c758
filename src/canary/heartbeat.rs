//! The signs of life, for somebody elsewhere who notices when they stop: healthchecks.io, Dead
//! Man's Snitch, another lokahi.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::MissedTickBehavior;
use tracing::{debug, info, warn};

use super::CanaryStatus;
use crate::egress::webhook::{Posted, WebhookClient};
use crate::model::value::HttpUrl;
use crate::model::webhook::ReceiverUrl;

/// How long one may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// One is lost now and then: how soon it is tried again, and how often.
const AGAIN: Duration = Duration::from_secs(3);
const TRIES: u32 = 3;
/// How often it is looked whether the first one can be sent.
const FIRST: Duration = Duration::from_millis(500);

/// Sends one `every` so often while the canary is heard, the first as soon as it is.
pub(super) async fn run(
    client: WebhookClient,
    url: HttpUrl,
    every: Duration,
    status: Arc<CanaryStatus>,
) {
    while !status.is_well() {
        tokio::time::sleep(FIRST).await;
    }
    // What it is besides its host is a secret, most likely.
    let place = ReceiverUrl::from(url.clone()).place();
    info!(
        "the canary is heard; heartbeats go to {place} every {} s",
        every.as_secs()
    );
    let mut tick = tokio::time::interval(every);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut failing = false;
    loop {
        tick.tick().await;
        if !status.is_well() {
            // The canary itself has said why.
            debug!("no heartbeat: the canary is not heard");
            continue;
        }
        match beat(&client, &url).await {
            Ok(()) => {
                status.heartbeats.add(1);
                if failing {
                    info!("heartbeats arrive at {place} again");
                }
                failing = false;
            }
            Err(why) => {
                status.heartbeats_failed.add(1);
                if !failing {
                    warn!("a heartbeat did not arrive at {place}: {why}; going on, each time");
                }
                failing = true;
            }
        }
    }
}

/// One of them; why it did not arrive, if it did not.
async fn beat(client: &WebhookClient, url: &HttpUrl) -> Result<(), String> {
    let mut tried = 1;
    loop {
        let why = match client.get(url, TIMEOUT).await {
            Posted {
                status: Some(200..=299),
                ..
            } => return Ok(()),
            Posted {
                status: Some(other),
                ..
            } => format!("it was answered with {other}"),
            Posted { error, .. } => error.unwrap_or_default(),
        };
        if tried == TRIES {
            return Err(why);
        }
        tried += 1;
        tokio::time::sleep(AGAIN).await;
    }
}
