//! The workers' parts, as they are built in programs of their own and in
//! all-in-one alike.

use std::sync::Arc;

use anyhow::Context as _;

use super::settings::Addresses;
use crate::bus::Bus;
use crate::delivery::{self, DeliveryTally};
use crate::egress::policy::AddressPolicy;
use crate::egress::resolver::Resolver;
use crate::egress::tls::Trust;
use crate::egress::webhook::WebhookClient;
use crate::prober;
use crate::runtime::supervisor::Tasks;
use crate::store::Store;

/// Starts a health worker.
pub fn start_prober(
    tasks: &Tasks,
    bus: &Bus,
    addresses: &Addresses,
    location: &str,
) -> anyhow::Result<Arc<prober::worker::ProberTally>> {
    let policy = AddressPolicy::parse(
        &addresses.target_allow,
        &addresses.target_deny,
        addresses.deny_private,
    )
    .context("TARGET_ALLOW or TARGET_DENY")?;
    prober::worker::start(tasks, bus, policy, location).context("the prober cannot start")
}

/// Starts a webhook worker.
pub fn start_delivery(
    tasks: &Tasks,
    store: &Store,
    bus: &Bus,
    addresses: &Addresses,
) -> anyhow::Result<Arc<DeliveryTally>> {
    let policy = AddressPolicy::parse(
        &addresses.webhook_allow,
        &addresses.webhook_deny,
        addresses.deny_private,
    )
    .context("WEBHOOK_ALLOW or WEBHOOK_DENY")?;
    let client = WebhookClient::new(Arc::new(Resolver::system()), policy, &Trust::native())
        .context("the webhook client cannot be made")?;
    Ok(delivery::start(tasks, store, bus, client))
}
