//! The private servers, as lokahid manages them: they start, heal, are adopted, and never
//! outlive whoever owns them. Each story has a data folder of its own, which the guard
//! removes however the test ends.

use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lokahi::clock;
use lokahi::files::private as files;
use lokahi::runtime::supervisor::Supervisor;
use lokahi::services::folder::default_cache_dir;
use lokahi::services::search::{self, Search};
use lokahi::services::{Durability, Error, Lifetime, Services, StartOptions};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sqlx::{Connection, PgConnection};

const GENEROUS: Duration = Duration::from_secs(60);

struct Story {
    supervisor: Supervisor,
    options: StartOptions,
}

impl Story {
    fn new() -> Self {
        let name = format!("lokahi-test-{}", files::random_hex(6).unwrap());
        let cache = std::env::var_os("CACHE_DIR")
            .map_or_else(|| default_cache_dir().unwrap(), PathBuf::from);
        let peers = std::env::var_os(search::VARIABLE);
        Self {
            supervisor: Supervisor::new(),
            options: StartOptions {
                data_dir: std::env::temp_dir().join(name),
                search: Search::new(cache, peers.as_deref()),
                postgres: true,
                nats: true,
                guard: Some(env!("CARGO_BIN_EXE_lokahid").into()),
                durability: Durability::None,
                lifetime: Lifetime::Removed,
            },
        }
    }

    async fn start(&self) -> Services {
        Services::start(self.options.clone(), &self.supervisor.tasks())
            .await
            .unwrap()
    }

    fn data(&self, path: &str) -> PathBuf {
        self.options.data_dir.join(path)
    }

    /// The process that is noted for a server.
    fn pid(&self, server: &str) -> Option<i32> {
        let text = fs::read_to_string(self.data(server).join("process")).ok()?;
        text.split(' ').next()?.parse().ok()
    }
}

async fn answers(services: &Services) -> bool {
    let database = async {
        let mut connection = PgConnection::connect(services.database_url()?).await.ok()?;
        let row: (i32,) = sqlx::query_as("select 1")
            .fetch_one(&mut connection)
            .await
            .ok()?;
        Some(row.0 == 1)
    };
    let bus = async {
        let client = connect(services.nats_url()?).await.ok()?;
        client.flush().await.ok()
    };
    database.await.is_some() && bus.await.is_some()
}

/// async-nats takes no token from a URL by itself.
async fn connect(url: &str) -> Result<async_nats::Client, async_nats::ConnectError> {
    let (token, address) = url
        .strip_prefix("nats://")
        .and_then(|rest| rest.split_once('@'))
        .unwrap();
    async_nats::ConnectOptions::with_token(token.to_owned())
        .connect(address)
        .await
}

async fn until<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    let since = clock::monotonic();
    while !condition().await {
        assert!(since.elapsed() < GENEROUS, "waited too long until {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn lives(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat
        .rsplit_once(") ")
        .and_then(|(_, rest)| rest.chars().next());
    match state {
        Some(state) => state != 'Z',
        None => !Path::new("/proc/self").exists() && kill(Pid::from_raw(pid), None).is_ok(),
    }
}

fn kill_hard(pid: i32) {
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_servers_come_back_where_they_were() {
    let story = Story::new();
    let services = story.start().await;
    assert!(answers(&services).await);
    for server in ["postgres", "nats"] {
        let before = story.pid(server).unwrap();
        kill_hard(before);
        until("the server is back", async || {
            story.pid(server).is_some_and(|now| now != before) && answers(&services).await
        })
        .await;
    }
    let pids = ["postgres", "nats"].map(|server| story.pid(server).unwrap());
    services.stop().await.unwrap();
    assert!(!pids.into_iter().any(lives));
    assert!(!story.options.data_dir.exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_start_finds_the_data_the_port_and_the_token() {
    let mut story = Story::new();
    story.options.lifetime = Lifetime::Kept;
    let services = story.start().await;
    let bus = services.nats_url().unwrap().to_owned();
    let mut connection = PgConnection::connect(services.database_url().unwrap())
        .await
        .unwrap();
    sqlx::raw_sql("create table kept (word text)")
        .execute(&mut connection)
        .await
        .unwrap();
    drop(connection);
    services.stop().await.unwrap();

    story.options.lifetime = Lifetime::Removed;
    let services = story.start().await;
    assert_eq!(services.nats_url().unwrap(), bus);
    let mut connection = PgConnection::connect(services.database_url().unwrap())
        .await
        .unwrap();
    sqlx::raw_sql("select word from kept")
        .execute(&mut connection)
        .await
        .unwrap();
    drop(connection);
    services.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_lokahid_a_folder() {
    let story = Story::new();
    let services = story.start().await;
    let second = Services::start(story.options.clone(), &story.supervisor.tasks()).await;
    assert!(matches!(second, Err(Error::Locked { .. })), "{second:?}");
    services.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_else_can_enter() {
    let story = Story::new();
    let services = story.start().await;
    let data = fs::metadata(story.data("postgres/data")).unwrap();
    let run = fs::metadata(story.data("postgres/run")).unwrap();
    assert_eq!((data.mode() & 0o777, run.mode() & 0o777), (0o700, 0o700));
    assert_ne!(data.uid(), 0, "the servers do not run as root");
    let process = fs::metadata(format!("/proc/{}", story.pid("nats").unwrap()));
    if let Ok(process) = process {
        assert_eq!(process.uid(), data.uid());
    }
    for secret in ["nats/token", "nats/nats.conf"] {
        let secret = fs::metadata(story.data(secret)).unwrap();
        assert_eq!(secret.mode() & 0o777, 0o600);
    }
    let url = services.nats_url().unwrap();
    let (_, address) = url.split_once('@').unwrap();
    let stranger = connect(&format!("nats://wrong@{address}")).await;
    assert!(stranger.is_err());
    services.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_major_version_never_touches_the_data() {
    let story = Story::new();
    let data = story.data("postgres/data");
    fs::create_dir_all(&data).unwrap();
    let mut version = fs::File::create(data.join("PG_VERSION")).unwrap();
    writeln!(version, "9").unwrap();
    let error = Services::start(story.options.clone(), &story.supervisor.tasks())
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("Postgres 9, with which the data folder was made, is needed"),
        "{error}"
    );
    assert!(!story.options.data_dir.exists(), "the guard has cleared up");
}

/// Stands for a lokahid that is killed: the servers of this story belong to a process that
/// runs this very test binary, filtered to `helper_that_waits_to_be_killed`.
struct Killable {
    story: Story,
    child: std::process::Child,
}

const HELPER_FOLDER: &str = "LOKAHI_TEST_HELPER_FOLDER";

impl Killable {
    async fn start(lifetime: &str) -> Self {
        let story = Story::new();
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "services::helper_that_waits_to_be_killed"])
            .env(HELPER_FOLDER, &story.options.data_dir)
            .env("LOKAHI_TEST_HELPER_LIFETIME", lifetime)
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let killable = Self { story, child };
        until("the helper is up", async || {
            killable.story.data("helper-ready").exists()
        })
        .await;
        killable
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn servers(&self) -> [i32; 2] {
        ["postgres", "nats"].map(|server| self.story.pid(server).unwrap())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn helper_that_waits_to_be_killed() {
    let Some(folder) = std::env::var_os(HELPER_FOLDER) else {
        return;
    };
    let mut story = Story::new();
    story.options.data_dir = folder.into();
    if std::env::var("LOKAHI_TEST_HELPER_LIFETIME").unwrap() == "kept" {
        story.options.lifetime = Lifetime::Kept;
    }
    let services = story.start().await;
    fs::write(story.data("helper-ready"), "").unwrap();
    std::future::pending::<()>().await;
    drop(services);
}

/// The guard of a data folder, found by its command line.
fn guard_of(folder: &Path) -> Option<i32> {
    fs::read_dir("/proc").ok()?.flatten().find_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let line = fs::read_to_string(entry.path().join("cmdline")).ok()?;
        let mut words = line.split('\0');
        (words.nth(1) == Some("guard") && words.nth(1) == folder.to_str() && lives(pid))
            .then_some(pid)
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_guard_ends_the_servers_of_a_killed_owner() {
    let mut killable = Killable::start("removed").await;
    let servers = killable.servers();
    killable.kill();
    until("nothing is left", async || {
        !servers.into_iter().any(lives) && !killable.story.options.data_dir.exists()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_guard_is_replaced() {
    let story = Story::new();
    let services = story.start().await;
    let folder = story.options.data_dir.canonicalize().unwrap();
    let first = guard_of(&folder).unwrap();
    kill_hard(first);
    until("there is another guard", async || {
        guard_of(&folder).is_some_and(|now| now != first)
    })
    .await;
    assert!(answers(&services).await);
    services.stop().await.unwrap();
    assert_eq!(guard_of(&folder), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_still_runs_is_adopted_and_healed() {
    let mut killable = Killable::start("kept").await;
    let folder = killable.story.options.data_dir.canonicalize().unwrap();
    let before = killable.servers();
    // The guard first, and then its owner before it can start another one.
    kill(
        Pid::from_raw(killable.child.id().cast_signed()),
        Signal::SIGSTOP,
    )
    .unwrap();
    kill_hard(guard_of(&folder).unwrap());
    killable.kill();
    assert!(before.into_iter().all(lives));

    let services = killable.story.start().await;
    assert_eq!(killable.servers(), before, "the same processes");
    assert!(answers(&services).await);
    kill_hard(before[0]);
    kill_hard(before[1]);
    until("adopted servers heal too", async || {
        let now = ["postgres", "nats"].map(|server| killable.story.pid(server));
        now[0] != Some(before[0]) && now[1] != Some(before[1]) && answers(&services).await
    })
    .await;
    services.stop().await.unwrap();
}
