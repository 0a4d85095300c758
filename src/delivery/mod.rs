//! Brings events to their receivers: claims what is due in the outbox, posts
//! it, and writes down how it went.
//!
//! Postgres is the queue. A hint over NATS only saves the wait for the next
//! look, and a worker that dies leaves a lease that runs out.

mod again;
mod alert;
mod body;
mod request;
mod group;
mod leases;
mod verdict;

mod overdue;
mod log;
mod sender;
mod window;
mod queue;
mod worker;

use crate::bus::Bus;
use crate::egress::webhook::WebhookClient;
use crate::files::secrets::Secrets;
use crate::runtime::supervisor::Tasks;
use crate::store::Store;

pub use self::alert::AGAIN;
use self::sender::Outbound;
pub use self::worker::DeliveryTally;

/// Starts a worker; any number may run, anywhere.
pub fn start(
    tasks: &Tasks,
    store: &Store,
    bus: &Bus,
    client: WebhookClient,
    secrets: Secrets,
) -> std::sync::Arc<DeliveryTally> {
    let tally = std::sync::Arc::new(DeliveryTally::default());
    let log = std::sync::Arc::default();
    let out = Outbound {
        client,
        secrets,
        log,
    };
    let again = again::run(store.clone(), out.clone(), tasks.token());
    tasks.spawn("alerts posted again", again);
    let worker = worker::Worker::new(store.clone(), bus.clone(), out, tally.clone());
    tasks.spawn("leases", worker.keeper());
    tasks.spawn("delivery", worker.run(tasks.token()));
    let overdue = overdue::run(store.clone(), bus.clone(), tally.clone(), tasks.token());
    tasks.spawn("overdue deliveries", overdue);
    tally
}
