//! kill -9: it goes on by itself, and what was committed is told.

use lokahi::proto::lokahi::check::State;
use lokahi::runtime::supervisor::Supervisor;
use lokahi::services::{Lifetime, Services};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sqlx::Row as _;

use super::fleet::{Fleet, Program};
use super::peers::{Receiver, Site};
use crate::support::free_port;
use crate::support::servers::options;
use crate::support::until;

/// Flips the site, waits until lokahi believes it, and flips it back.
async fn flip(fleet: &Fleet, site: &Site, check: &str) {
    site.set(false);
    fleet.until_state(check, State::Down).await;
    site.set(true);
    fleet.until_state(check, State::Up).await;
}

/// Everything that was to be told is delivered, in order, each under one id: by itself, or within
/// a newer one.
async fn all_told(fleet: &Fleet, receiver: &Receiver) {
    until("nothing waits any more", async || {
        let waiting: i64 =
            sqlx::query_scalar("select count(*) from deliveries where state = 'pending'")
                .fetch_one(&mut fleet.database().await)
                .await
                .unwrap();
        waiting == 0
    })
    .await;
    let rows = sqlx::query("select id::text as id, seq from transitions where told order by seq")
        .fetch_all(&mut fleet.database().await)
        .await
        .unwrap();
    let owed: Vec<(String, i64)> = rows
        .iter()
        .map(|row| (row.get("id"), row.get("seq")))
        .collect();
    let mut told: Vec<(String, i64)> = receiver
        .taken()
        .iter()
        .flat_map(|r| r.event().superseded.into_iter().chain([r.event()]))
        .map(|event| (event.event_id, event.sequence))
        .collect();
    // What was received and not known to be is listed once more by the next.
    let mut seen = std::collections::HashSet::new();
    told.retain(|(id, _)| seen.insert(id.clone()));
    assert_eq!(told, owed, "what was told is what was committed, in order");
}

#[tokio::test]
async fn any_program_may_be_killed() {
    let (site, receiver) = (Site::start().await, Receiver::start().await);
    let mut fleet = Fleet::start(&[]).await;
    let check = fleet.create(&site.url, &receiver.url).await;
    fleet.until_state(&check.id, State::Up).await;
    for round in 0..2 {
        fleet.lokahid.kill().await;
        site.set(round % 2 == 0);
        fleet.lokahid.start();
        fleet.lokahid.address().await;
        flip(&fleet, &site, &check.id).await;

        fleet.healthworker.kill().await;
        site.set(false);
        fleet.healthworker.start();
        fleet.until_state(&check.id, State::Down).await;

        fleet.webhookworker.kill().await;
        site.set(true);
        fleet.until_state(&check.id, State::Up).await;
        fleet.webhookworker.start();
    }
    all_told(&fleet, &receiver).await;
}

#[tokio::test]
async fn a_webhook_worker_killed_while_it_sends_repeats_under_the_same_id() {
    let site = Site::start().await;
    // Takes the connection, reads, and never answers: the worker is then in the
    // middle of an attempt.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut fleet = Fleet::start(&[]).await;
    let url = format!("http://{}/", silent.local_addr().unwrap());
    let check = fleet.create(&site.url, &url).await;
    site.set(false);
    fleet.until_state(&check.id, State::Down).await;
    let (stream, _) = silent.accept().await.unwrap();
    fleet.webhookworker.kill().await;
    drop(stream);
    let receiver = Receiver::at(silent);
    fleet.webhookworker.start();
    all_told(&fleet, &receiver).await;
    let attempts = sqlx::query("select n, finished_at is null as open from attempts order by n")
        .fetch_all(&mut fleet.database().await)
        .await
        .unwrap();
    let attempts: Vec<(i32, bool)> = attempts
        .iter()
        .map(|row| (row.get("n"), row.get("open")))
        .collect();
    assert_eq!(attempts[0], (1, true), "nobody knows how the first ended");
    assert_eq!(attempts.last().map(|a| a.1), Some(false));
}

/// A fleet over servers of its own, which the story may kill.
pub(super) async fn with_own_servers(
    settings: &[(&str, &str)],
) -> (Fleet, Services, Supervisor, std::path::PathBuf) {
    let supervisor = Supervisor::new();
    let options = options(true, true);
    let folder = options.data_dir.clone();
    let services = Services::start(options, &supervisor.tasks()).await.unwrap();
    let (database, nats) = (
        services.database_url().unwrap(),
        services.nats_url().unwrap(),
    );
    let fleet = Fleet::start_over(database, nats, settings).await;
    (fleet, services, supervisor, folder)
}

/// Kills one of the servers, whose keeper then starts it anew.
pub(super) fn kill_server(folder: &std::path::Path, server: &str) {
    let text = std::fs::read_to_string(folder.join(server).join("process")).unwrap();
    let pid = text.split(' ').next().unwrap().parse().unwrap();
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
}

#[tokio::test]
async fn nats_may_be_killed_and_postgres_too() {
    let (site, receiver) = (Site::start().await, Receiver::start().await);
    let (fleet, services, supervisor, folder) = with_own_servers(&[]).await;
    let check = fleet.create(&site.url, &receiver.url).await;
    fleet.until_state(&check.id, State::Up).await;
    for server in ["nats", "postgres", "nats", "postgres"] {
        kill_server(&folder, server);
        flip(&fleet, &site, &check.id).await;
    }
    all_told(&fleet, &receiver).await;
    drop(fleet);
    supervisor.token().cancel();
    services.stop().await.unwrap();
}

#[tokio::test]
async fn all_in_one_may_be_killed_and_leaves_nothing_behind() {
    let (site, receiver) = (Site::start().await, Receiver::start().await);
    let settings = options(true, true);
    assert_eq!(settings.lifetime, Lifetime::Removed);
    let folder = settings.data_dir.clone();
    let listen = format!("127.0.0.1:{}", free_port());
    let mut lokahid = Program::new(
        env!("CARGO_BIN_EXE_lokahid"),
        &["--all-in-one", "--data-dir", folder.to_str().unwrap()],
        &[("LISTEN", &listen), ("DATABASE_URL", ""), ("NATS_URL", "")],
    );
    lokahid.start();
    let base = format!("http://{}", lokahid.address().await);
    let create = lokahi::proto::lokahi::CreateOpts {
        url: site.url.clone(),
        webhook_url: receiver.url.clone(),
        every: 1,
        ..Default::default()
    };
    let client = lokahi::client::Client::new(&base).unwrap();
    let _check: lokahi::proto::lokahi::Check = client
        .call("github.xe.lokahi.Checks/Create", &create)
        .await
        .unwrap();
    site.set(false);
    until("the outage was told", async || receiver.taken().len() == 1).await;
    lokahid.kill().await;
    until("its servers have ended", async || {
        processes_of(&folder).is_empty()
    })
    .await;
    site.set(true);
    lokahid.start();
    until("the end was told", async || receiver.taken().len() == 2).await;
    let kinds: Vec<String> = receiver.taken().iter().map(|r| r.event().r#type).collect();
    assert_eq!(kinds, ["check.down", "check.up"]);
    assert_eq!(lokahid.stop().await, Some(0));
    until("nothing is left", async || processes_of(&folder).is_empty()).await;
    std::fs::remove_dir_all(&folder).unwrap();
}

/// Processes whose command line names the folder.
fn processes_of(folder: &std::path::Path) -> Vec<String> {
    let name = folder.to_str().unwrap();
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    processes
        .filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok())
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .filter(|line| line.contains(name))
        .collect()
}
