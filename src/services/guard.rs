//! The guard ends the private servers when lokahid cannot, because it was killed with -9. It
//! is lokahid's own program started as `lokahid guard …` in a process group of its own, with
//! a pipe as its stdin whose other end lokahid holds: when lokahid ends, in whatever way, the
//! pipe does. After an orderly stop the guard finds nothing left to do.
//!
//! A guard that is killed is started again. If both are killed at once the servers go on, and
//! the next lokahid adopts them.

use std::ffi::OsString;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use tokio::process::{Child, ChildStdin, Command};
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use super::error::{At, Error};
use super::folder::{DataFolder, Layout};
use super::{Lifetime, keeper, nats, postgres};
use crate::clock;
use crate::runtime::telemetry;

/// The first argument that makes a program the guard.
const ARGUMENT: &str = "guard";
const REMOVE: &str = "--remove";
/// A lock that is held this long after the end of our lokahid is another's.
const ADOPTED: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_secs(1);
/// How long the guard gets to end by itself after an orderly stop.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the guard was asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guard {
    data_dir: PathBuf,
    lifetime: Lifetime,
}

impl Guard {
    /// Reads a program's arguments (the first being its name). `None`: it is not the guard.
    pub fn requested(arguments: impl IntoIterator<Item = OsString>) -> Option<Self> {
        let mut arguments = arguments.into_iter().skip(1);
        if arguments.next()? != ARGUMENT || arguments.next()? != "--data-dir" {
            return None;
        }
        let data_dir = arguments.next()?.into();
        let lifetime = match arguments.next() {
            Some(argument) if argument == REMOVE => Lifetime::Removed,
            _ => Lifetime::Kept,
        };
        Some(Self { data_dir, lifetime })
    }

    /// Waits for the end of lokahid, clears up, and says how the process is to exit. Runs
    /// without a runtime around it, so that it is as small as a waiting process can be.
    pub fn run(self) -> ExitCode {
        // A guard that cannot log still guards.
        let logging = telemetry::init();
        match self.wait_and_end() {
            Ok(()) if logging.is_err() => ExitCode::FAILURE,
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                error!(error = &error as &dyn std::error::Error, "the guard failed");
                ExitCode::FAILURE
            }
        }
    }

    fn wait_and_end(self) -> Result<(), Error> {
        let layout = Layout::new(&self.data_dir)?;
        let mut pipe = std::io::stdin();
        let mut buffer = [0; 64];
        while pipe.read(&mut buffer).at("waiting on", "stdin")? > 0 {}
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .at("making a runtime for", &self.data_dir)?
            .block_on(end(&layout, self.lifetime))
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .arg(ARGUMENT)
            .arg("--data-dir")
            .arg(&self.data_dir)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .process_group(0);
        if self.lifetime == Lifetime::Removed {
            command.arg(REMOVE);
        }
        command
    }
}

async fn end(layout: &Layout, lifetime: Lifetime) -> Result<(), Error> {
    // Whoever keeps the folder has adopted what runs in it. A process that dies closes its pipe
    // and its lock one after the other, so a lock that is still held says nothing yet.
    let since = clock::monotonic();
    let lock = loop {
        match DataFolder::lock(layout, ARGUMENT)? {
            Ok(lock) => break lock,
            Err(_) if since.elapsed() > ADOPTED => return Ok(()),
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    };
    let (postgres, nats) = (layout.postgres(), layout.nats());
    let stop_postgres = async {
        if let Some(process) = postgres::running(&postgres, &layout.postgres_data()) {
            process.stop(postgres::STOP).await;
        }
        keeper::forget(&postgres);
    };
    let stop_nats = async {
        if let Some(process) = keeper::noted(&nats) {
            process.stop(nats::STOP).await;
        }
        keeper::forget(&nats);
    };
    tokio::join!(stop_postgres, stop_nats);
    if lifetime == Lifetime::Removed {
        for folder in [layout.postgres_socket(), layout.root().to_owned()] {
            if folder.exists() {
                fs::remove_dir_all(&folder).at("removing", &folder)?;
            }
        }
    }
    drop(lock);
    Ok(())
}

/// Lokahid's side: keeps a guard alive.
#[derive(Debug)]
pub(super) struct Watch {
    guard: Guard,
    program: Option<PathBuf>,
    child: Child,
    /// Apart from the child, because waiting for a child closes what is still in it.
    pipe: Option<ChildStdin>,
}

impl Watch {
    /// Starts the first guard; failing in that is an error, later failures are tried again.
    pub(super) fn start(
        program: Option<PathBuf>,
        layout: &Layout,
        lifetime: Lifetime,
    ) -> Result<Self, Error> {
        let guard = Guard {
            data_dir: layout.root().to_owned(),
            lifetime,
        };
        let mut child = spawn(&guard, program.as_deref())?;
        Ok(Self {
            guard,
            program,
            pipe: child.stdin.take(),
            child,
        })
    }

    /// Starts another guard whenever one ends, until the token is cancelled; then lets the
    /// last one end.
    pub(super) async fn keep(mut self, token: CancellationToken) {
        loop {
            let since = clock::monotonic();
            let ended = tokio::select! {
                () = token.cancelled() => return self.release().await,
                ended = self.child.wait() => ended,
            };
            warn!(
                ?ended,
                "the guard of the private servers ended; starting another"
            );
            if since.elapsed() < PAUSE {
                tokio::time::sleep(PAUSE).await;
            }
            match spawn(&self.guard, self.program.as_deref()) {
                Ok(child) => {
                    self.child = child;
                    self.pipe = self.child.stdin.take();
                }
                Err(error) => {
                    error!(error = &error as &dyn std::error::Error, "no guard");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    async fn release(mut self) {
        drop(self.pipe.take());
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        if !matches!(ended, Ok(Ok(status)) if status.success()) {
            warn!(?ended, "the guard of the private servers did not end well");
        }
    }
}

fn spawn(guard: &Guard, program: Option<&Path>) -> Result<Child, Error> {
    let program = match program {
        Some(program) => program.to_owned(),
        None => own_program()?,
    };
    guard
        .command(&program)
        .spawn()
        .map_err(|source| Error::Spawn { program, source })
}

/// The running program. An upgrade may have replaced or removed its file since it started;
/// Linux can still start it then.
fn own_program() -> Result<PathBuf, Error> {
    let program = std::env::current_exe().at("looking for", "the running program")?;
    if !program.exists() && cfg!(target_os = "linux") {
        return Ok(PathBuf::from("/proc/self/exe"));
    }
    Ok(program)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requested(line: &str) -> Option<Guard> {
        Guard::requested(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn only_its_own_command_line_makes_a_program_the_guard() {
        assert_eq!(requested("lokahid --all-in-one"), None);
        assert_eq!(requested("lokahid"), None);
        assert_eq!(
            requested("lokahid guard --data-dir /x --remove"),
            Some(Guard {
                data_dir: PathBuf::from("/x"),
                lifetime: Lifetime::Removed,
            })
        );
    }

    #[test]
    fn the_guard_reads_the_command_line_that_we_write() {
        let guard = Guard {
            data_dir: PathBuf::from("/var/lib/lokahi"),
            lifetime: Lifetime::Removed,
        };
        let command = guard.command(Path::new("lokahid"));
        let mut line = vec![OsString::from("lokahid")];
        line.extend(command.as_std().get_args().map(Into::into));
        assert_eq!(Guard::requested(line), Some(guard));
    }
}
