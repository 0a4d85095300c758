//! The program that probes sites. It needs NATS and nothing else.

use std::process::ExitCode;
use std::time::Duration;

use super::settings::Healthworker;
use super::{connect, parts};
use crate::runtime::signals;
use crate::runtime::supervisor::Supervisor;

/// Probes that are under way get this long to end.
const DEADLINE: Duration = Duration::from_secs(10);

/// Runs until a signal.
pub async fn run(settings: Healthworker) -> anyhow::Result<ExitCode> {
    let policy = parts::target_policy(&settings.targets, &settings.private_addresses)?;
    let secrets = parts::secrets(&settings.secrets)?;
    let sentinels = settings.sentinels.urls()?;
    let stop = signals::stop()?;
    let bus = connect::bus(settings.nats.url()?, &settings.nats, "healthworker").await?;
    let supervisor = Supervisor::new();
    parts::start_prober(
        &supervisor.tasks(),
        &bus,
        policy,
        secrets,
        (&settings.location, sentinels),
    )
    .await?;
    super::program::until_stopped(supervisor, stop, DEADLINE).await?;
    bus.flush().await;
    Ok(ExitCode::SUCCESS)
}
