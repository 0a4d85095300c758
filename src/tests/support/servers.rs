//! Postgres and NATS for the stories of this process: started once, with a
//! fresh database for each story, and ended by the guard with the process.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{OnceLock, mpsc};
use std::thread;

use lokahi::files::private as files;
use lokahi::runtime::supervisor::Supervisor;
use lokahi::services::folder::default_cache_dir;
use lokahi::services::search::{self, Search};
use lokahi::services::{Durability, Lifetime, Services, StartOptions};
use lokahi::store::Store;
use sqlx::{Connection as _, PgConnection};
use tokio::sync::Mutex;

/// The database that is copied for each story.
const TEMPLATE: &str = "story_template";

/// Where the shared servers are.
pub(crate) struct Servers {
    database_url: String,
    pub(crate) nats_url: String,
    /// Held while a database is copied: Postgres wants the template for itself.
    template: Mutex<bool>,
    databases: AtomicU32,
}

/// What to start in a folder of its own, which the guard removes.
pub(crate) fn options(postgres: bool, nats: bool) -> StartOptions {
    let name = format!("lokahi-test-{}", files::random_hex(6).unwrap());
    let cache =
        std::env::var_os("CACHE_DIR").map_or_else(|| default_cache_dir().unwrap(), PathBuf::from);
    let peers = std::env::var_os(search::VARIABLE);
    StartOptions {
        data_dir: std::env::temp_dir().join(name),
        search: Search::new(cache, peers.as_deref()),
        postgres,
        nats,
        guard: Some(env!("CARGO_BIN_EXE_lokahid").into()),
        durability: Durability::None,
        lifetime: Lifetime::Removed,
    }
}

/// The shared servers; the first story that asks waits for their start.
pub(crate) fn servers() -> &'static Servers {
    static SERVERS: OnceLock<Servers> = OnceLock::new();
    SERVERS.get_or_init(|| {
        let (sender, started) = mpsc::channel();
        // They outlive the runtime of the story that happens to be first.
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let supervisor = Supervisor::new();
                let services = Services::start(options(true, true), &supervisor.tasks())
                    .await
                    .unwrap();
                let database_url = services.database_url().unwrap().to_owned();
                let nats_url = services.nats_url().unwrap().to_owned();
                sender.send((database_url, nats_url)).unwrap();
                std::future::pending::<()>().await;
                drop(services);
            });
        });
        let (database_url, nats_url) = started.recv().unwrap();
        Servers {
            database_url,
            nats_url,
            template: Mutex::new(false),
            databases: AtomicU32::new(0),
        }
    })
}

impl Servers {
    /// The URL of a fresh, migrated database.
    pub(crate) async fn database(&self) -> String {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        let name = format!("story_{number}");
        let mut admin = PgConnection::connect(&self.database_url).await.unwrap();
        let mut made = self.template.lock().await;
        if !*made {
            run(&mut admin, format!("create database {TEMPLATE}")).await;
            let store = Store::lazy(&self.url_of(TEMPLATE), 1).unwrap();
            store.migrate().await.unwrap();
            store.close().await;
            *made = true;
        }
        run(
            &mut admin,
            format!("create database {name} template {TEMPLATE}"),
        )
        .await;
        drop(made);
        self.url_of(&name)
    }

    /// The URL of a fresh database without a schema.
    pub(crate) async fn empty_database(&self) -> String {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        let name = format!("story_{number}");
        let mut admin = PgConnection::connect(&self.database_url).await.unwrap();
        // Postgres copies a template for one at a time.
        let made = self.template.lock().await;
        run(&mut admin, format!("create database {name}")).await;
        drop(made);
        self.url_of(&name)
    }

    /// The URL has the form `postgres:///DATABASE?host=...`.
    fn url_of(&self, database: &str) -> String {
        let (_, parameters) = self.database_url.split_once('?').unwrap();
        format!("postgres:///{database}?{parameters}")
    }
}

async fn run(admin: &mut PgConnection, statement: String) {
    sqlx::raw_sql(sqlx::AssertSqlSafe(statement))
        .execute(admin)
        .await
        .unwrap();
}
