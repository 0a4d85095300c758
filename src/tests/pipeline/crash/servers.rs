//! kill -9 of the servers that a fleet works with: NATS, Postgres, and those of all in one.

use lokahi::proto::lokahi::check::State;
use lokahi::runtime::supervisor::Supervisor;
use lokahi::services::{Lifetime, Services};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{all_told, flip};
use crate::pipeline::fleet::{Fleet, Program};
use crate::pipeline::peers::{Receiver, Site};
use crate::support::free_port;
use crate::support::servers::options;
use crate::support::until;

/// A fleet over servers of its own, which the story may kill.
pub(in crate::pipeline) async fn with_own_servers(
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
pub(in crate::pipeline) fn kill_server(folder: &std::path::Path, server: &str) {
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
