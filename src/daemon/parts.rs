//! The workers' parts, as they are built in programs of their own and in
//! all-in-one alike.

use std::sync::Arc;

use anyhow::Context as _;
use tokio::net::TcpListener;

use super::settings::{Canary, Lokahid, Private, SecretFiles, Targets, Webhooks};
use crate::bus::Bus;
use crate::canary::{self, CanarySettings, CanaryStatus};
use crate::delivery::{self, DeliveryTally};
use crate::egress::policy::AddressPolicy;
use crate::egress::resolver::Resolver;
use crate::egress::tls::Trust;
use crate::egress::webhook::WebhookClient;
use crate::files::bindings::BindingFile;
use crate::files::secrets::Secrets;
use crate::model::value::HttpUrl;
use crate::prober;
use crate::prober::probe::ProbeContext;
use crate::prober::stats::Stats;
use crate::prober::worker::WorkerSettings;
use crate::runtime::supervisor::Tasks;
use crate::store::Store;

/// The most probes of one worker at once, if file descriptors allow it.
const IN_FLIGHT: usize = 20_000;

/// Which addresses may be probed.
pub(super) fn target_policy(targets: &Targets, private: &Private) -> anyhow::Result<AddressPolicy> {
    AddressPolicy::parse(
        &targets.target_allow,
        &targets.target_deny,
        private.deny_private,
    )
    .context("TARGET_ALLOW or TARGET_DENY")
}

/// Which addresses may be posted to.
pub(super) fn webhook_policy(
    webhooks: &Webhooks,
    private: &Private,
) -> anyhow::Result<AddressPolicy> {
    AddressPolicy::parse(
        &webhooks.webhook_allow,
        &webhooks.webhook_deny,
        private.deny_private,
    )
    .context("WEBHOOK_ALLOW or WEBHOOK_DENY")
}

/// What a worker knows of secrets.
pub(super) fn secrets(settings: &SecretFiles) -> anyhow::Result<Secrets> {
    let folder = settings.secrets_dir.clone();
    let folder = folder.filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = &folder {
        anyhow::ensure!(
            folder.is_dir(),
            "SECRETS_DIR: {} is not a folder",
            folder.display()
        );
    }
    let secrets = Secrets::new(folder);
    let binding = settings.secrets_binding.as_deref();
    match binding.filter(|path| !path.as_os_str().is_empty()) {
        Some(path) => Ok(secrets.bound_by(BindingFile::open(path).context("SECRETS_BINDING")?)),
        None => Ok(secrets),
    }
}

/// Starts a health worker; it listens when this is done.
pub(super) async fn start_prober(
    tasks: &Tasks,
    bus: &Bus,
    policy: AddressPolicy,
    secrets: Secrets,
    (location, sentinels): (&str, Vec<HttpUrl>),
) -> anyhow::Result<Arc<Stats>> {
    let context = ProbeContext::new(Arc::new(Resolver::system()), policy, &Trust::native())
        .context("TLS cannot be set up")?
        .with_secrets(secrets);
    let host = nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned());
    let settings = WorkerSettings {
        location: location.to_owned(),
        // Several may run on one host.
        name: format!(
            "{}/{}",
            host.as_deref().unwrap_or("worker"),
            std::process::id()
        ),
        max_in_flight: IN_FLIGHT,
        sentinels,
    };
    Ok(prober::worker::start(tasks, bus, context, settings).await)
}

/// Starts a webhook worker.
pub(super) fn start_delivery(
    tasks: &Tasks,
    store: &Store,
    bus: &Bus,
    policy: AddressPolicy,
    secrets: Secrets,
) -> anyhow::Result<Arc<DeliveryTally>> {
    let client = webhook_client(policy)?;
    Ok(delivery::start(tasks, store, bus, client, secrets))
}

fn webhook_client(policy: AddressPolicy) -> anyhow::Result<WebhookClient> {
    WebhookClient::new(Arc::new(Resolver::system()), policy, &Trust::native())
        .context("the webhook client cannot be made")
}

/// Starts the canary, if it is wanted.
pub(super) async fn start_canary(
    tasks: &Tasks,
    (store, bus): (&Store, &Bus),
    settings: &Lokahid,
    instance: String,
) -> anyhow::Result<Option<Arc<CanaryStatus>>> {
    let Canary {
        heartbeat_url,
        heartbeat_every,
        canary,
        canary_listen,
        canary_url,
    } = &settings.canary;
    if !canary && heartbeat_url.is_none() {
        return Ok(None);
    }
    let listener = TcpListener::bind(canary_listen)
        .await
        .with_context(|| format!("CANARY_LISTEN: the canary cannot listen on {canary_listen}"))?;
    let policy = webhook_policy(&settings.webhooks, &settings.private_addresses)?;
    let canary_settings = CanarySettings {
        instance,
        url: canary_url.clone(),
        location: settings.location.parse().context("LOCATION")?,
        heartbeat: heartbeat_url.clone(),
        every: *heartbeat_every,
    };
    let client = webhook_client(policy)?;
    let started = canary::start(tasks, (store, bus), listener, client, canary_settings);
    Ok(Some(started.context("CANARY_URL")?))
}
