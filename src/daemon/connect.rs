//! Reaching Postgres and NATS at the start. Either may come later than we do;
//! what can never work ends the program with a reason.

use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::settings::{Database, Nats};
use crate::backoff;
use crate::bus::{Bus, BusSettings};
use crate::clock;
use crate::runtime::chain::chain;
use crate::store::error::StoreError;
use crate::store::{Store, partition};

/// What is done with an older schema.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Schema {
    /// It is brought to this version.
    Migrate,
    /// It is an error: somebody else migrates, at a time of their choice.
    Require,
    /// It is waited for: a worker is started together with its lokahid.
    Wait,
}

/// A store whose schema is this program's. Waits until Postgres is there.
pub(super) async fn store(
    url: &str,
    settings: &Database,
    schema: Schema,
    token: &CancellationToken,
) -> anyhow::Result<Store> {
    let store = Store::lazy(url, settings.database_connections.max(2))?;
    let (mut tries, mut waiting) = (0, false);
    loop {
        match prepare(&store, schema).await {
            Ok(0) => return Ok(store),
            Ok(_) if schema == Schema::Wait => {
                if !waiting {
                    info!("waiting for lokahid to bring the schema to this version");
                    waiting = true;
                }
                pause(Duration::from_millis(500), token).await?;
            }
            Ok(pending) => bail!(
                "the database's schema is {} behind this program\n\
                 hint: run `lokahid migrate`, or start lokahid with MIGRATE=true",
                migrations(pending)
            ),
            Err(error) if error.is_passing() => {
                if tries == 0 {
                    warn!(
                        "waiting for Postgres at {}: {}",
                        store.place(),
                        chain(&error)
                    );
                }
                pause(backoff::reconnect(tries, 0.5), token).await?;
                tries += 1;
            }
            Err(error) => {
                let at = format!("Postgres at {} cannot be used", store.place());
                return Err(error).context(at);
            }
        }
    }
}

/// So many migrations, in words.
pub(super) fn migrations(count: usize) -> String {
    match count {
        1 => "1 migration".to_owned(),
        count => format!("{count} migrations"),
    }
}

async fn pause(wait: Duration, token: &CancellationToken) -> anyhow::Result<()> {
    match token.run_until_cancelled(tokio::time::sleep(wait)).await {
        Some(()) => Ok(()),
        None => bail!("stopped while waiting for Postgres"),
    }
}

async fn prepare(store: &Store, schema: Schema) -> Result<usize, StoreError> {
    store.reach().await?;
    if schema != Schema::Migrate {
        return store.migrations_pending().await;
    }
    store.migrate().await?;
    let mut conn = store.acquire().await?;
    // Before the first observation comes.
    partition::partition_prepare(&mut conn, clock::now()).await?;
    Ok(0)
}

/// A bus that connects by itself.
pub(super) async fn bus(url: &str, settings: &Nats, program: &str) -> anyhow::Result<Bus> {
    let settings = BusSettings {
        url: url.to_owned(),
        credentials: settings.nats_creds.clone(),
        name: program.to_owned(),
    };
    let bus = Bus::connect(&settings)
        .await
        .context("NATS cannot be used")?;
    for _ in 0..50 {
        if bus.is_connected() {
            return Ok(bus);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    info!("NATS is not there yet; going on without it until it is");
    Ok(bus)
}
