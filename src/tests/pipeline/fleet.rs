//! The real programs, each in a process of its own.

use std::process::Stdio;
use std::sync::{Arc, Mutex};

use lokahi::client::Client;
use lokahi::proto::lokahi::{Check, CheckId, CheckStatus, CreateOpts};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sqlx::{Connection as _, PgConnection};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::support::servers::servers;
use crate::support::{GENEROUS, free_port, until};

/// A program that can be killed and started again.
pub(super) struct Program {
    path: &'static str,
    arguments: Vec<String>,
    settings: Vec<(String, String)>,
    /// Another user to run as, where the story may choose.
    user: Option<u32>,
    child: Option<Child>,
    /// Everything that it has logged.
    log: Arc<Mutex<String>>,
    /// Where it says that it listens.
    address: watch::Receiver<Option<String>>,
}

impl Program {
    pub(super) fn new(path: &'static str, arguments: &[&str], settings: &[(&str, &str)]) -> Self {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Self {
            path,
            arguments: arguments.iter().map(|a| (*a).to_owned()).collect(),
            settings: settings.iter().map(owned).collect(),
            user: None,
            child: None,
            log: Arc::default(),
            address: watch::channel(None).1,
        }
    }

    #[expect(
        clippy::disallowed_methods,
        clippy::print_stderr,
        reason = "the log is read until the program ends, and shown to whoever asks with SHOW_LOGS"
    )]
    pub(super) fn start(&mut self) {
        let mut command = Command::new(self.path);
        if let Some(user) = self.user {
            command.uid(user).gid(user);
        }
        let mut child = command
            .args(&self.arguments)
            .env_remove("LOG")
            .envs(self.settings.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
        let (sender, address) = watch::channel(None);
        let kept = Arc::clone(&self.log);
        let show = std::env::var_os("SHOW_LOGS").is_some();
        tokio::spawn(async move {
            while let Ok(Some(line)) = log.next_line().await {
                kept.lock().unwrap().push_str(&format!("{line}\n"));
                if show {
                    eprintln!("{line}");
                }
                if let Some((_, address)) = line.split_once(" on http://") {
                    sender.send_replace(Some(address.trim().to_owned()));
                }
            }
        });
        (self.child, self.address) = (Some(child), address);
    }

    /// Another value of a setting, from its next start on.
    pub(super) fn set(&mut self, name: &str, value: &str) {
        self.settings.retain(|(known, _)| known != name);
        self.settings.push((name.to_owned(), value.to_owned()));
    }

    /// From its next start on it runs as whoever Postgres runs as: no root, whom nothing is
    /// unreadable to.
    pub(super) fn be_nobody(&mut self, database_url: &str) {
        use std::os::unix::fs::MetadataExt as _;
        let (_, host) = database_url.split_once("host=").unwrap();
        let host = host.split('&').next().unwrap().replace("%2F", "/");
        let owner = std::fs::metadata(host).unwrap().uid();
        let is_root = nix::unistd::geteuid().is_root();
        self.user = is_root.then_some(owner);
    }

    /// Everything that it has logged so far.
    pub(super) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Whether this is in its log.
    pub(super) fn has_said(&self, words: &str) -> bool {
        self.log.lock().unwrap().contains(words)
    }

    pub(super) fn pid(&self) -> i32 {
        self.child.as_ref().unwrap().id().unwrap().cast_signed()
    }

    /// kill -9.
    pub(super) async fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().await.unwrap();
    }

    /// Asks it to stop, and gives its exit code.
    pub(super) async fn stop(&mut self) -> Option<i32> {
        kill(Pid::from_raw(self.pid()), Signal::SIGTERM).unwrap();
        let mut child = self.child.take().unwrap();
        timeout(GENEROUS, child.wait())
            .await
            .unwrap()
            .unwrap()
            .code()
    }

    /// The address at which it listens.
    pub(super) async fn address(&mut self) -> String {
        let known = timeout(GENEROUS, self.address.wait_for(Option::is_some)).await;
        known.unwrap().unwrap().clone().unwrap()
    }
}

/// lokahid, a health worker and a webhook worker over a database of their own.
pub(super) struct Fleet {
    pub(super) lokahid: Program,
    pub(super) healthworker: Program,
    pub(super) webhookworker: Program,
    pub(super) database_url: String,
    port: u16,
}

impl Fleet {
    /// Everything started, and ready.
    pub(super) async fn start(more: &[(&str, &str)]) -> Self {
        let database_url = servers().database().await;
        Self::start_over(&database_url, &servers().nats_url, more).await
    }

    pub(super) async fn start_over(
        database_url: &str,
        nats_url: &str,
        more: &[(&str, &str)],
    ) -> Self {
        // Stories share NATS, so each has a location to itself.
        let location = format!("story-{}", lokahi::files::private::random_hex(4).unwrap());
        let port = free_port();
        let listen = format!("127.0.0.1:{port}");
        let mut settings = vec![
            ("DATABASE_URL", database_url),
            ("NATS_URL", nats_url),
            ("LOCATION", location.as_str()),
            ("LISTEN", listen.as_str()),
            ("MIGRATE", "true"),
            ("METRICS_OPEN", "true"),
        ];
        settings.extend_from_slice(more);
        let program = |path| Program::new(path, &[], &settings);
        let mut fleet = Self {
            lokahid: program(env!("CARGO_BIN_EXE_lokahid")),
            healthworker: program(env!("CARGO_BIN_EXE_healthworker")),
            webhookworker: program(env!("CARGO_BIN_EXE_webhookworker")),
            database_url: database_url.to_owned(),
            port,
        };
        for program in fleet.all() {
            program.start();
        }
        fleet.lokahid.address().await;
        fleet
    }

    pub(super) fn all(&mut self) -> [&mut Program; 3] {
        [
            &mut self.lokahid,
            &mut self.healthworker,
            &mut self.webhookworker,
        ]
    }

    pub(super) fn base(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(super) fn client(&self) -> Client {
        Client::new(&self.base()).unwrap()
    }

    /// A check that is probed each second, and believed at once unless it waits
    /// for confirmation as every check of the API does.
    pub(super) async fn create(&self, url: &str, webhook_url: &str) -> Check {
        let wish = CreateOpts {
            url: url.to_owned(),
            webhook_url: webhook_url.to_owned(),
            every: 1,
            playbook_url: "https://wiki.example.com/it".to_owned(),
            ..CreateOpts::default()
        };
        self.client()
            .call("github.xe.lokahi.Checks/Create", &wish)
            .await
            .unwrap()
    }

    pub(super) async fn status(&self, id: &str) -> CheckStatus {
        let id = CheckId {
            id: id.to_owned(),
            ..CheckId::default()
        };
        self.client()
            .call("github.xe.lokahi.Checks/Status", &id)
            .await
            .unwrap()
    }

    pub(super) async fn until_state(&self, id: &str, state: lokahi::proto::lokahi::check::State) {
        let wanted = i32::from(state);
        until(&format!("{id} is {state:?}"), async || {
            let id = CheckId {
                id: id.to_owned(),
                ..CheckId::default()
            };
            let answer: Result<Check, _> =
                self.client().call("github.xe.lokahi.Checks/Get", &id).await;
            answer.is_ok_and(|check| check.state == wanted)
        })
        .await;
    }

    pub(super) async fn database(&self) -> PgConnection {
        PgConnection::connect(&self.database_url).await.unwrap()
    }

    /// Every row of every table, as text.
    pub(super) async fn dump(&self) -> String {
        let mut database = self.database().await;
        let tables: Vec<String> = sqlx::query_scalar(
            "select quote_ident(table_name) from information_schema.tables where table_schema = 'public'",
        )
        .fetch_all(&mut database)
        .await
        .unwrap();
        assert!(tables.len() > 15, "{tables:?}");
        let mut all = String::new();
        for table in tables {
            let rows = format!("select coalesce(string_agg(t::text, chr(10)), '') from {table} t");
            let rows: String = sqlx::query_scalar(sqlx::AssertSqlSafe(rows))
                .fetch_one(&mut database)
                .await
                .unwrap();
            all.push_str(&rows);
        }
        all
    }

    /// The page `/metrics`.
    pub(super) async fn metrics(&self) -> String {
        let page = crate::support::server::http()
            .get(format!("{}/metrics", self.base()))
            .send();
        page.await.unwrap().text().await.unwrap()
    }

    /// One number out of it.
    pub(super) async fn metric(&self, name: &str) -> f64 {
        let page = self.metrics().await;
        let line = page.lines().find(|line| {
            line.strip_prefix(name)
                .is_some_and(|rest| rest.starts_with([' ', '{']))
        });
        line.and_then(|line| line.rsplit(' ').next())
            .unwrap()
            .parse()
            .unwrap()
    }
}
