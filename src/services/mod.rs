//! Private Postgres and NATS: real servers as managed children, for a machine on which
//! nobody runs them. Each has its place in the data folder, listens where only this user can
//! reach it, is restarted when it dies, is found again by the next start when everything else
//! was killed, and is ended by the guard when lokahid is.
//!
//! Whoever has a `DATABASE_URL` and a `NATS_URL` does not need any of this.

mod account;
mod error;
pub mod folder;
pub mod guard;
mod keeper;
mod nats;
mod postgres;
mod postgres_wire;
mod process;
pub mod search;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use self::error::Error;
use self::folder::DataFolder;
use self::guard::Watch;
use self::nats::Nats;
use self::postgres::Postgres;
use self::search::Search;
use crate::runtime::supervisor::{Supervisor, Tasks};

/// Longer than either server takes to stop when it is told to with growing force.
const STOP_DEADLINE: Duration = Duration::from_secs(45);

/// Whether a commit is on disk when Postgres says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    Full,
    /// For tests, whose data dies with them: a crash of the machine may lose or corrupt it.
    None,
}

/// What becomes of the data folder when the process ends, in whatever way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifetime {
    Kept,
    /// For tests: the guard removes it.
    Removed,
}

/// What to start, and where.
#[derive(Debug, Clone)]
pub struct StartOptions {
    pub data_dir: PathBuf,
    pub search: Search,
    pub postgres: bool,
    pub nats: bool,
    /// The program that is started as `PROGRAM guard …`, see [`guard`]; the running one when
    /// `None`. A test, which is not lokahid, names a built lokahid.
    pub guard: Option<PathBuf>,
    pub durability: Durability,
    pub lifetime: Lifetime,
}

/// The running servers. Dropping this leaves them to the guard; [`Services::stop`] is the
/// orderly way, after everything that uses them has finished.
#[derive(Debug)]
pub struct Services {
    folder: DataFolder,
    servers: Supervisor,
    guard: Supervisor,
    postgres: Option<Arc<Postgres>>,
    nats: Option<Arc<Nats>>,
}

impl Services {
    /// Starts the servers that are asked for, or adopts those that an earlier lokahid left
    /// running, and returns when both can be used. Should their supervision ever end by
    /// itself, the loop `services` of `tasks` fails. Cancelling `tasks` does not stop them.
    pub async fn start(options: StartOptions, tasks: &Tasks) -> Result<Self, Error> {
        let folder = DataFolder::open(&options.data_dir).await?;
        let layout = folder.layout().clone();
        let mut services = Self {
            folder,
            servers: Supervisor::new(),
            guard: Supervisor::new(),
            postgres: None,
            nats: None,
        };
        // The guard comes before all that it guards, so that nothing outlives us.
        let watch = Watch::start(options.guard.clone(), &layout, options.lifetime)?;
        services
            .guard
            .spawn("guard", watch.keep(services.guard.token()));
        if let Err(error) = services.start_servers(&options).await {
            services.stop().await?;
            return Err(error);
        }

        let (theirs, servers, guard) = (
            tasks.token(),
            services.servers.token(),
            services.guard.token(),
        );
        tasks.spawn("services", async move {
            tokio::select! {
                biased;
                () = theirs.cancelled() => Ok(()),
                () = servers.cancelled() => Err(Error::Unsupervised),
                () = guard.cancelled() => Err(Error::Unsupervised),
            }
        });
        Ok(services)
    }

    async fn start_servers(&mut self, options: &StartOptions) -> Result<(), Error> {
        let layout = self.folder.layout();
        // Both are looked for before either starts: who lacks one hears of it at once.
        if options.postgres {
            let server = Postgres::prepare(layout, &options.search, options.durability).await?;
            self.postgres = Some(Arc::new(server));
        }
        if options.nats {
            let server = Nats::prepare(layout, &options.search).await?;
            self.nats = Some(Arc::new(server));
        }
        let token = self.servers.token();
        if let Some(postgres) = &self.postgres {
            let running = keeper::start(postgres.as_ref()).await?;
            let keep = keeper::keep(Arc::clone(postgres), running, token.clone());
            self.servers.spawn("postgres", keep);
        }
        if let Some(nats) = &self.nats {
            let running = keeper::start(nats.as_ref()).await?;
            let keep = keeper::keep(Arc::clone(nats), running, token);
            self.servers.spawn("nats-server", keep);
        }
        Ok(())
    }

    /// What `DATABASE_URL` would be; it works for sqlx and for psql.
    pub fn database_url(&self) -> Option<&str> {
        self.postgres.as_deref().map(Postgres::url)
    }

    /// What `NATS_URL` would be, with the token in it: do not log it.
    pub fn nats_url(&self) -> Option<&str> {
        self.nats.as_deref().map(Nats::url)
    }

    /// The line with which a person looks into the database.
    pub fn psql_line(&self) -> Option<String> {
        self.postgres.as_deref().map(Postgres::psql_line)
    }

    /// Stops both servers, then the guard. Call it when nothing uses them any more.
    pub async fn stop(self) -> Result<(), Error> {
        self.servers.token().cancel();
        let servers = self.servers.join(STOP_DEADLINE).await;
        // The guard takes the lock to clear up, so it must be free by then.
        drop(self.folder);
        self.guard.token().cancel();
        let guard = self.guard.join(STOP_DEADLINE).await;
        servers.and(guard).map_err(Error::Supervision)
    }
}
