//! What operators set, and how programs end before they have begun.

use std::process::Stdio;

use lokahi::store::Store;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

use crate::support::programs::{Listening, lokahictl};
use crate::support::servers::servers;
use crate::support::{GENEROUS, until};

const NOBODY: &str = "postgres://nobody:nothing@127.0.0.1:1/nothing";

#[tokio::test]
async fn an_empty_variable_is_not_set() {
    let output = Command::new(env!("CARGO_BIN_EXE_lokahid"))
        .envs(["LOCATION", "TARGET_ALLOW", "NATS_CREDS", "DATABASE_URL"].map(|n| (n, "")))
        // The usual one may be taken.
        .env("PORT", "0")
        .output();
    let output = timeout(GENEROUS, output).await.unwrap().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("DATABASE_URL is not set"), "{said}");
    let settings = [("PORT", ""), ("PERIOD", "")];
    let duke = Listening::start(env!("CARGO_BIN_EXE_duke-of-york"), &settings).await;
    assert_eq!(duke.stop().await, 0);
    let list = lokahictl("", &["completions", "bash"]).await;
    assert_eq!(list.code, 0, "{}", list.words);
}

#[tokio::test]
async fn what_means_nothing_is_refused() {
    let output = Command::new(env!("CARGO_BIN_EXE_lokahid"))
        .env("ALL_IN_ONE", "maybe")
        .env("PORT", "0")
        .output();
    let output = timeout(GENEROUS, output).await.unwrap().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(64), "{said}");
    assert!(said.contains("maybe"), "{said}");
    let nowhere = lokahictl("", &["-S", "", "list"]).await;
    assert_eq!(nowhere.code, 64, "{}", nowhere.words);
    let period = lokahictl("", &["create", "-u", "http://a/", "-e", "30 parsecs"]).await;
    assert_eq!(period.code, 64);
    assert!(period.words.contains("30s, 5m"), "{}", period.words);
}

#[tokio::test]
async fn an_orderly_end_is_no_warning() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_healthworker"))
        .env("NATS_URL", &servers().nats_url)
        .env("LOCATION", "orderly")
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut said = Vec::new();
    while let Some(line) = timeout(GENEROUS, log.next_line()).await.unwrap().unwrap() {
        if line.contains("probing") {
            kill(
                Pid::from_raw(child.id().unwrap().cast_signed()),
                Signal::SIGTERM,
            )
            .unwrap();
        }
        said.push(line);
    }
    assert!(child.wait().await.unwrap().success());
    assert!(!said.iter().any(|line| line.contains("WARN")), "{said:?}");
}

#[tokio::test]
async fn a_worker_that_waits_for_postgres_can_be_stopped() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_webhookworker"))
        .env("DATABASE_URL", NOBODY)
        .env("NATS_URL", "nats://127.0.0.1:1")
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
    // It goes on to Postgres without NATS, and there it waits.
    loop {
        let line = timeout(GENEROUS, log.next_line()).await.unwrap().unwrap();
        if line.unwrap().contains("waiting for Postgres") {
            break;
        }
    }
    kill(
        Pid::from_raw(child.id().unwrap().cast_signed()),
        Signal::SIGTERM,
    )
    .unwrap();
    let status = timeout(GENEROUS, child.wait()).await.unwrap().unwrap();
    assert!(status.success(), "{status}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fresh_database_may_be_looked_at_while_it_is_made() {
    for _ in 0..10 {
        let url = servers().empty_database().await;
        let looking = async {
            let store = Store::lazy(&url, 2).unwrap();
            until("the schema is there", async || {
                store.migrations_pending().await.unwrap() == 0
            })
            .await;
            store.close().await;
        };
        let making = async {
            let store = Store::lazy(&url, 2).unwrap();
            store.migrate().await.unwrap();
            store.close().await;
        };
        tokio::join!(looking, making);
    }
}

#[tokio::test]
async fn migrate_tells_an_older_schema_from_a_postgres_that_is_away() {
    let check = async |url: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lokahid"));
        command
            .args(["migrate", "--check"])
            .env("DATABASE_URL", url);
        let output = timeout(GENEROUS, command.output()).await.unwrap().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        (output.status.code(), said)
    };
    let (code, said) = check(NOBODY).await;
    assert_eq!(code, Some(69), "{said}");
    assert!(said.contains("refused"), "{said}");
    let (code, said) = check(&servers().empty_database().await).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(" to be run"), "{said}");
    let (code, said) = check(&servers().database().await).await;
    assert_eq!(code, Some(0), "{said}");
}
