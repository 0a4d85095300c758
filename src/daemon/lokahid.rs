//! lokahid: the API, the owner of shards, the reconciler; with --all-in-one
//! every other role, too, and private servers where none are named.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tracing::{error, info};
use uuid::Uuid;

use super::connect::{self, Schema};
use super::listen;
use super::metrics::{self, Parts};
use super::settings::{Lokahid, LokahidCommand, PrivateServers, given};
use super::{parts, reconcile, untaken};
use crate::api::access::check_setting;
use crate::api::{self, ApiSettings, ApiState, Troubles};
use crate::bus::Bus;
use crate::reconcile::run::{ReconcileStatus, Reconciler};
use crate::runtime::chain::chain;
use crate::runtime::signals;
use crate::runtime::supervisor::{Supervisor, Tasks};
use crate::serve::server;
use crate::serve::tls::Tls;
use crate::services::search::Search;
use crate::services::{Durability, Lifetime, Services, StartOptions, folder};
use crate::shard::{self, ShardSettings};
use crate::store::shard::LeaseOwner;
use crate::store::{Connection, Store, shard as leases};

/// How long everything gets to end in order.
const DEADLINE: Duration = Duration::from_secs(20);

/// The exit code of a server that is not there, from sysexits.h.
const UNAVAILABLE: u8 = 69;

/// Runs until a signal.
pub async fn run(settings: Lokahid) -> anyhow::Result<ExitCode> {
    if let Some(LokahidCommand::Migrate { check }) = &settings.command {
        return migrate(&settings, *check).await;
    }
    let address = listen::address(&settings.listen)?;
    let tls = listen::tls(&settings.listen)?;
    // What is wrong with the settings is said before anything is waited for.
    check_setting(given(settings.listen.userpass.as_deref()))?;
    parts::target_policy(&settings.targets, &settings.private_addresses)?;
    parts::webhook_policy(&settings.webhooks, &settings.private_addresses)?;
    parts::secrets(&settings.secrets)?;
    settings.sentinels.urls()?;
    // Before any server is started, so that a taken port is known at once.
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}; is another lokahid running?"))?;
    let stop = signals::stop()?;
    let supervisor = Supervisor::new();
    let services = start_services(&settings, &supervisor.tasks()).await?;
    let served = serve(
        &settings,
        (listener, tls),
        services.as_ref(),
        supervisor,
        stop,
    )
    .await;
    if let Some(services) = services {
        services
            .stop()
            .await
            .context("stopping the private servers")?;
    }
    served.map(|()| ExitCode::SUCCESS)
}

async fn serve(
    settings: &Lokahid,
    (listener, tls): (TcpListener, Option<Arc<Tls>>),
    services: Option<&Services>,
    supervisor: Supervisor,
    stop: impl Future<Output = &'static str>,
) -> anyhow::Result<()> {
    let address = listener.local_addr()?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let mut stop = std::pin::pin!(stop);
    let token = supervisor.token();
    let connected = tokio::select! {
        connected = connect(settings, services, &supervisor) => connected?,
        signal = &mut stop => {
            info!("{signal}: stopping");
            return Ok(());
        }
    };
    let (store, bus) = connected;
    let owner = LeaseOwner::new(&instance(settings, address));
    start(
        settings,
        (listener, tls),
        &store,
        &bus,
        &owner,
        &supervisor.tasks(),
    )
    .await?;
    info!(
        "lokahid {} on {scheme}://{address}",
        env!("CARGO_PKG_VERSION")
    );
    let ended = super::program::until_stopped(supervisor, stop, DEADLINE).await;
    token.cancel();
    release(&store, &owner).await;
    bus.flush().await;
    store.close().await;
    ended
}

async fn connect(
    settings: &Lokahid,
    services: Option<&Services>,
    supervisor: &Supervisor,
) -> anyhow::Result<(Store, Bus)> {
    let private = services.and_then(Services::database_url);
    let url = private.map_or_else(|| settings.database.url(), Ok)?;
    let schema = if settings.migrate || settings.private.all_in_one {
        Schema::Migrate
    } else {
        Schema::Require
    };
    let private = services.and_then(Services::nats_url);
    let nats_url = private.map_or_else(|| settings.nats.url(), Ok)?;
    let bus = connect::bus(nats_url, &settings.nats, "lokahid").await?;
    let store = connect::store(url, &settings.database, schema, &supervisor.token()).await?;
    Ok((store, bus))
}

async fn start(
    settings: &Lokahid,
    (listener, tls): (TcpListener, Option<Arc<Tls>>),
    store: &Store,
    bus: &Bus,
    owner: &LeaseOwner,
    tasks: &Tasks,
) -> anyhow::Result<()> {
    let shard_settings = ShardSettings {
        owner: owner.clone(),
        location: settings.location.clone(),
        observations_size: settings.observations_size,
    };
    let (mut prober, mut delivery) = (None, None);
    // Before the scheduler: the first probes must find somebody who listens.
    if settings.private.all_in_one {
        let private = &settings.private_addresses;
        let targets = parts::target_policy(&settings.targets, private)?;
        let webhooks = parts::webhook_policy(&settings.webhooks, private)?;
        let secrets = parts::secrets(&settings.secrets)?;
        let location = (settings.location.as_str(), settings.sentinels.urls()?);
        let started = parts::start_prober(tasks, bus, targets, secrets.clone(), location);
        prober = Some(started.await?);
        delivery = Some(parts::start_delivery(tasks, store, bus, webhooks, secrets)?);
    }
    let board = shard::start(tasks, store, bus, shard_settings);
    let mut parts = Parts::new(board, bus.clone(), &settings.location);
    (parts.prober, parts.delivery) = (prober, delivery);
    if let Some(watched) = reconcile::settings(&settings.reconcile, &settings.private, owner)? {
        let status = Arc::new(ReconcileStatus::default());
        parts.reconcile = Some(Arc::clone(&status));
        let reconciler = Reconciler::new(store.clone(), bus.clone(), watched, status);
        tasks.spawn("reconciler", reconciler.run(tasks.token()));
    }
    let name = owner.instance().to_owned();
    parts.canary = parts::start_canary(tasks, (store, bus), settings, name).await?;
    let outbox = metrics::watch_outbox(tasks, store);
    let api_settings = ApiSettings {
        userpass: given(settings.listen.userpass.as_deref()).map(str::to_owned),
        metrics_open: settings.listen.metrics_open,
        location: settings.location.clone(),
    };
    let troubles = Troubles {
        probes: metrics::trouble(&parts),
        deliveries: untaken::watch(tasks, store),
    };
    let page = metrics::page(parts, outbox);
    let state = ApiState::new(store.clone(), bus.clone(), &api_settings, page, troubles)?;
    tasks.spawn(
        "api",
        server::serve(listener, tls, api::router(state), tasks.token()),
    );
    Ok(())
}

async fn start_services(settings: &Lokahid, tasks: &Tasks) -> anyhow::Result<Option<Services>> {
    let PrivateServers {
        all_in_one,
        data_dir,
        cache_dir,
    } = &settings.private;
    let postgres = given(settings.database.database_url.as_deref()).is_none();
    let nats = given(settings.nats.nats_url.as_deref()).is_none();
    if !all_in_one || (!postgres && !nats) {
        return Ok(None);
    }
    let named = |dir: &Option<PathBuf>| dir.clone().filter(|dir| !dir.as_os_str().is_empty());
    let data_dir = match named(data_dir) {
        Some(dir) => std::path::absolute(dir)?,
        None => folder::default_data_dir()?,
    };
    let cache_dir = match named(cache_dir) {
        Some(dir) => std::path::absolute(dir)?,
        None => folder::default_cache_dir()?,
    };
    let peers = std::env::var_os("PEERS_PATH");
    let options = StartOptions {
        data_dir,
        search: Search::new(cache_dir, peers.as_deref()),
        postgres,
        nats,
        guard: None,
        durability: Durability::Full,
        lifetime: Lifetime::Kept,
    };
    let services = Services::start(options, tasks).await?;
    if let Some(line) = services.psql_line() {
        info!("the database: {line}");
    }
    Ok(Some(services))
}

/// A name that a restart keeps: its shards then need not expire first. Whoever
/// holds the port is the only one of that name on its host.
fn instance(settings: &Lokahid, address: SocketAddr) -> String {
    if let Some(name) = given(settings.instance.as_deref()) {
        return name.to_owned();
    }
    match nix::unistd::gethostname() {
        Ok(host) => format!("{}/{}", host.to_string_lossy(), address.port()),
        Err(_) => Uuid::now_v7().to_string(),
    }
}

async fn release(store: &Store, owner: &LeaseOwner) {
    let released = async {
        let mut conn = store.acquire().await?;
        let conn: &mut Connection = &mut conn;
        leases::shard_release(conn, owner).await
    };
    if let Err(error) = released.await {
        tracing::debug!(
            error = &error as &dyn std::error::Error,
            "shards were not released"
        );
    }
}

async fn migrate(settings: &Lokahid, check: bool) -> anyhow::Result<ExitCode> {
    let store = Store::lazy(settings.database.url()?, 2)?;
    if let Err(fault) = store.reach().await {
        let (place, why) = (store.place(), chain(&fault));
        error!("Postgres at {place} cannot be reached: {why}");
        return Ok(ExitCode::from(UNAVAILABLE));
    }
    let pending = store.migrations_pending().await?;
    let migrations = connect::migrations(pending);
    if check && pending > 0 {
        info!("{migrations} to be run");
        return Ok(ExitCode::FAILURE);
    }
    if pending == 0 {
        info!("the schema is up to date");
        return Ok(ExitCode::SUCCESS);
    }
    store.migrate().await?;
    info!("{migrations} run");
    Ok(ExitCode::SUCCESS)
}
