//! The real programs, run as people run them.

use std::process::Stdio;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio::time::timeout;

use super::GENEROUS;

/// How a command ended, and what it said.
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) words: String,
}

/// Runs lokahictl against a server, without a terminal.
pub(crate) async fn lokahictl(server: &str, arguments: &[&str]) -> Ended {
    lokahictl_with(server, arguments, &[]).await
}

/// The same in an environment.
pub(crate) async fn lokahictl_with(
    server: &str,
    arguments: &[&str],
    environment: &[(&str, &str)],
) -> Ended {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lokahictl"));
    command
        .args(arguments)
        .env("LOKAHI_SERVER", server)
        .env("HOME", "/nonexistent")
        .env("COLUMNS", "80")
        .env_remove("LOKAHI_TOKEN")
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = timeout(GENEROUS, command.output()).await.unwrap().unwrap();
    Ended {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        words: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A little program that listens on a port of its own.
pub(crate) struct Listening {
    pub(crate) url: String,
    child: Child,
    out: Lines<BufReader<ChildStdout>>,
    /// Open, so that it can go on logging.
    log: Lines<BufReader<ChildStderr>>,
}

impl Listening {
    pub(crate) async fn start(program: &str, settings: &[(&str, &str)]) -> Self {
        Self::start_with(program, &[], settings).await
    }

    /// The same with arguments.
    pub(crate) async fn start_with(
        program: &str,
        arguments: &[&str],
        settings: &[(&str, &str)],
    ) -> Self {
        let mut child = Command::new(program)
            .args(arguments)
            .env("LISTEN", "127.0.0.1:0")
            .env_remove("LOG")
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = loop {
            let line = timeout(GENEROUS, log.next_line())
                .await
                .unwrap()
                .unwrap()
                .unwrap();
            if let Some((_, address)) = line.split_once("listening on ") {
                let address = address.trim();
                break address.trim_start_matches("http://").to_owned();
            }
        };
        Self {
            url: format!("http://{address}"),
            child,
            out,
            log,
        }
    }

    /// The next line on its stdout.
    pub(crate) async fn line(&mut self) -> String {
        let line = timeout(GENEROUS, self.out.next_line()).await.unwrap();
        line.unwrap().unwrap()
    }

    /// Waits until it has logged a line with these words.
    pub(crate) async fn logged(&mut self, words: &str) {
        loop {
            let line = timeout(GENEROUS, self.log.next_line()).await.unwrap();
            let line = line.unwrap().unwrap();
            if line.contains(words) {
                return;
            }
        }
    }

    /// Asks it to stop, and gives its exit code.
    pub(crate) async fn stop(mut self) -> i32 {
        let pid = Pid::from_raw(self.child.id().unwrap().cast_signed());
        kill(pid, Signal::SIGTERM).unwrap();
        let status = timeout(GENEROUS, self.child.wait()).await.unwrap().unwrap();
        status.code().unwrap()
    }
}
