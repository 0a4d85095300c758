//! The program that brings events to their receivers.

use std::process::ExitCode;
use std::time::Duration;

use tracing::info;

use super::settings::Webhookworker;
use super::{connect, parts};
use crate::runtime::signals;
use crate::runtime::supervisor::Supervisor;

/// What is being sent gets this long to end: a receiver's own time and a little.
const DEADLINE: Duration = Duration::from_secs(20);

/// Runs until a signal.
pub async fn run(settings: Webhookworker) -> anyhow::Result<ExitCode> {
    let policy = parts::webhook_policy(&settings.webhooks, &settings.private_addresses)?;
    let secrets = parts::secrets(&settings.secrets)?;
    let stop = signals::stop()?;
    let supervisor = Supervisor::new();
    let url = settings.database.url()?;
    let bus = connect::bus(settings.nats.url()?, &settings.nats, "webhookworker").await?;
    // lokahid migrates; until it has, there is nothing to deliver.
    let token = supervisor.token();
    let mut stop = std::pin::pin!(stop);
    let connecting = connect::store(url, &settings.database, connect::Schema::Wait, &token);
    let store = tokio::select! {
        connected = connecting => connected?,
        signal = &mut stop => {
            info!("{signal}: stopping");
            return Ok(ExitCode::SUCCESS);
        }
    };
    parts::start_delivery(&supervisor.tasks(), &store, &bus, policy, secrets)?;
    super::program::until_stopped(supervisor, stop, DEADLINE).await?;
    store.close().await;
    Ok(ExitCode::SUCCESS)
}
