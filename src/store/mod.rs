//! Postgres, and the only door to it.
//!
//! Functions are named noun first and take a connection, so that they compose
//! within one transaction; what must happen together is put together by the
//! caller. Rows stay private and become values of the model.

pub mod error;

pub mod project;
pub mod generation;
pub mod plan;
pub mod condition;
mod told;
pub mod tombstone;
pub mod object;
pub mod twin;
pub mod explain;
pub mod failing;
pub mod deleted;
pub mod spec;
pub mod receiver;
pub mod check;
pub mod change;
pub mod canary;

pub mod shard;
pub mod observation;
pub mod transition;
pub mod hold;
pub mod trial;
pub mod delivery;
pub mod partition;
pub mod statistics;
pub mod rollup;
pub mod incident;
pub mod location;
pub mod stale;
pub mod unknown;
pub mod impaired;
pub mod overlay;
pub mod maintenance;
pub mod request;
pub mod token;
pub mod audit;

use std::str::FromStr as _;
use std::time::Duration;

use sqlx::migrate::{Migrate as _, Migrator};
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection as _, PgConnection, PgPool, Postgres};

use tracing::debug;

use self::error::{Doing as _, StoreError};

/// Longer than any statement may take: whoever waits longer waits in vain.
const STUCK: Duration = Duration::from_secs(45);

/// Begins what [`Store::begin_by_index`] does, in one message.
const BEGIN_BY_INDEX: &str = "begin; set local enable_seqscan = off; set local enable_sort = off; \
     set local enable_bitmapscan = off; set local enable_hashjoin = off; \
     set local enable_mergejoin = off";

/// How long connections get to end in order.
const CLOSE: Duration = Duration::from_secs(5);

/// Bounds work with the store: a server that hangs must not hang its client.
pub async fn bounded<T, E: From<StoreError>>(
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    match tokio::time::timeout(STUCK, work).await {
        Ok(done) => done,
        Err(_elapsed) => Err(StoreError::Stuck(STUCK).into()),
    }
}

/// Until its transaction ends, Postgres reads no table as a whole where it has an index, whatever it
/// believes of it: what was empty when it looked last may have grown.
pub async fn avoid_scans(conn: &mut Connection) -> Result<(), StoreError> {
    let set = sqlx::query("set local enable_seqscan = off");
    set.execute(conn).await.doing("avoid scans")?;
    Ok(())
}

/// What the functions here work on: a connection, or a transaction of it.
pub type Connection = sqlx::PgConnection;

/// Several statements that happen together or not at all.
pub type Transaction = sqlx::Transaction<'static, Postgres>;

static MIGRATOR: Migrator = sqlx::migrate!("./migrations");

/// A few connections to one database.
#[derive(Clone, Debug)]
pub struct Store {
    pool: PgPool,
    options: PgConnectOptions,
}

impl Store {
    /// A store that connects when it is first used.
    ///
    /// The URL is `postgres://user:password@host:port/database?sslmode=disable`
    /// or any other that libpq takes. `connections` is the most that this
    /// process opens; few are enough, because a statement carries many rows.
    pub fn lazy(url: &str, connections: u32) -> Result<Self, StoreError> {
        let options = PgConnectOptions::from_str(url)
            .map_err(StoreError::Url)?
            .application_name("lokahi")
            // A stuck statement must not hold a lease, or a shutdown, for ever.
            .options([
                ("statement_timeout", "30s"),
                ("idle_in_transaction_session_timeout", "30s"),
                // What takes milliseconds is not worth a compiler.
                ("jit", "off"),
            ]);
        let pool = PgPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(Duration::from_secs(5))
            .connect_lazy_with(options.clone());
        Ok(Self { pool, options })
    }

    /// Where it is, for people: host, port and database.
    pub fn place(&self) -> String {
        let host = match self.options.get_socket() {
            Some(socket) => socket.display().to_string(),
            None => self.options.get_host().to_owned(),
        };
        let database = self
            .options
            .get_database()
            .unwrap_or("its default database");
        format!("{host}:{}, {database}", self.options.get_port())
    }

    /// Connects once, beside the pool: the pool only says that it waited.
    pub async fn reach(&self) -> Result<(), StoreError> {
        let connect = async {
            let conn = PgConnection::connect_with(&self.options)
                .await
                .doing("connect to Postgres")?;
            conn.close().await.doing("connect to Postgres")
        };
        bounded(connect).await
    }

    /// A connection, for what needs no transaction.
    pub async fn acquire(&self) -> Result<PoolConnection<Postgres>, StoreError> {
        self.pool.acquire().await.doing("connect to Postgres")
    }

    /// A transaction.
    pub async fn begin(&self) -> Result<Transaction, StoreError> {
        self.pool.begin().await.doing("begin a transaction")
    }

    /// A transaction in which Postgres reads by indexes, in their order, whatever it believes of its
    /// tables. Left to itself it takes what grows in a burst, as the outbox does, to be as empty as
    /// it was when it looked last, and reads all of it for each row.
    pub async fn begin_by_index(&self) -> Result<Transaction, StoreError> {
        let begun = self.pool.begin_with(BEGIN_BY_INDEX).await;
        begun.doing("begin a transaction")
    }

    /// Whether Postgres answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query("select 1")
            .execute(&self.pool)
            .await
            .doing("ask Postgres for a sign of life")?;
        Ok(())
    }

    /// Brings the schema to this program's version. A newer one is refused.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        let mut conn = self.pool.acquire().await.doing("connect to Postgres")?;
        // A migration may take longer than a statement should.
        sqlx::query("set statement_timeout = 0")
            .execute(&mut *conn)
            .await
            .doing("prepare to migrate")?;
        let result = MIGRATOR.run(&mut *conn).await.map_err(StoreError::Migrate);
        sqlx::query("set statement_timeout = '30s'")
            .execute(&mut *conn)
            .await
            .doing("finish migrating")?;
        result
    }

    /// How many migrations are still to be run; a newer schema is an error.
    pub async fn migrations_pending(&self) -> Result<usize, StoreError> {
        let mut conn = self.pool.acquire().await.doing("connect to Postgres")?;
        // Asked, not made: two programs that make the table at once get in each other's way.
        let exists: Option<bool> =
            sqlx::query_scalar("select to_regclass('_sqlx_migrations') is not null")
                .fetch_one(&mut *conn)
                .await
                .doing("look for the schema")?;
        if exists != Some(true) {
            return Ok(MIGRATOR.iter().count());
        }
        let applied = conn
            .list_applied_migrations("_sqlx_migrations")
            .await
            .map_err(StoreError::Migrate)?;
        if let Some(unknown) = applied.iter().find(|m| !MIGRATOR.version_exists(m.version)) {
            let error = sqlx::migrate::MigrateError::VersionMissing(unknown.version);
            return Err(StoreError::Migrate(error));
        }
        Ok(MIGRATOR.iter().count().saturating_sub(applied.len()))
    }

    /// Closes every connection.
    pub async fn close(&self) {
        // Of a Postgres that says nothing no connection closes in order.
        if tokio::time::timeout(CLOSE, self.pool.close())
            .await
            .is_err()
        {
            debug!("connections to Postgres were not closed in order");
        }
    }
}
