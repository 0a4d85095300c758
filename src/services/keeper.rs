//! Keeps one server running: adopts what an earlier lokahid left, else starts it as a child
//! in a process group of its own (so that Ctrl-C in the terminal reaches only lokahid), waits
//! until it can be used, restarts it when it dies, and stops it in order.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::error::{At, Error, NotReady};
use super::process::{POLL, Process};
use crate::clock;
use crate::files::private as files;

/// Recovery after a crash replays what was written since the last checkpoint; it is let run.
const START_PATIENCE: Duration = Duration::from_secs(600);
const START_WORD_EVERY: Duration = Duration::from_secs(10);
/// A server that dies while it starts is tried again: what a killed one left (shared memory,
/// its last backends) may need a moment to go.
const START_TRIES: u32 = 4;
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// A server that lived this long starts again with the shortest pause.
const SETTLED: Duration = Duration::from_secs(60);
const LOG_CHECK: Duration = Duration::from_secs(60);
const LONGEST_LOG: u64 = 16 << 20;

/// What the keeper must know of a server.
pub(super) trait Server: Send + Sync + 'static {
    const NAME: &'static str;
    /// The signals that end it, each with the time that it gets.
    const STOP: &'static [(Signal, Duration)];

    /// Its folder, in which its log and the note of its process are.
    fn folder(&self) -> &Path;

    /// How to start it; the keeper adds the rest.
    fn command(&self) -> Command;

    /// Whether it can be used now.
    fn probe(&self) -> impl Future<Output = Result<(), NotReady>> + Send;

    /// The server that runs on this folder already, if there is one.
    fn running(&self) -> Option<Process>;
}

/// A server that runs.
#[derive(Debug)]
pub(super) struct Running {
    process: Process,
    /// `None` when it was adopted, so that it is somebody else's to reap.
    child: Option<Child>,
}

impl Running {
    /// Waits for its end and says how it ended.
    async fn end(&mut self) -> String {
        match &mut self.child {
            Some(child) => child
                .wait()
                .await
                .map_or_else(|error| error.to_string(), |status| status.to_string()),
            None => {
                self.process.gone().await;
                "gone".to_owned()
            }
        }
    }
}

pub(super) fn log_path(folder: &Path) -> PathBuf {
    folder.join("server.log")
}

fn note_path(folder: &Path) -> PathBuf {
    folder.join("process")
}

/// The process that is noted in a server's folder, if it still lives.
pub(super) fn noted(folder: &Path) -> Option<Process> {
    let text = files::read_text(&note_path(folder)).ok().flatten()?;
    text.parse().ok().filter(Process::alive)
}

/// Adopts or starts the server; it can be used when this returns.
pub(super) async fn start<S: Server>(server: &S) -> Result<Running, Error> {
    if let Some(process) = server.running() {
        match until_ready(server, &process, None).await {
            Ok(()) => {
                info!(server = S::NAME, pid = process.pid(), "adopted");
                let child = None;
                return Ok(Running { process, child });
            }
            Err(error) => {
                warn!(server = S::NAME, %error, "found running but useless; starting anew");
                process.stop(S::STOP).await;
            }
        }
    }
    let mut tries = 1;
    loop {
        match start_child(server).await {
            Err(Error::Died { tail, .. }) if tries < START_TRIES => {
                warn!(server = S::NAME, tail, "ended while starting; trying again");
                tokio::time::sleep(pause(tries)).await;
                tries += 1;
            }
            done => return done,
        }
    }
}

async fn start_child<S: Server>(server: &S) -> Result<Running, Error> {
    let since = clock::monotonic();
    let log = open_log(&log_path(server.folder()))?;
    let errors = log.try_clone().at("opening", log_path(server.folder()))?;
    let mut command = server.command();
    command
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(errors)
        .process_group(0);
    let mut child = command.spawn().map_err(|source| Error::Spawn {
        program: command.as_std().get_program().into(),
        source,
    })?;
    let process = child.id().and_then(|pid| Process::find(pid.cast_signed()));
    let Some(process) = process else {
        return Err(died(server, &mut child).await);
    };
    let note = note_path(server.folder());
    files::write_private(&note, process.to_string().as_bytes()).at("writing", &note)?;
    until_ready(server, &process, Some(&mut child)).await?;
    let milliseconds = since.elapsed().as_millis();
    info!(
        server = S::NAME,
        pid = process.pid(),
        milliseconds,
        "started"
    );
    Ok(Running {
        process,
        child: Some(child),
    })
}

async fn until_ready<S: Server>(
    server: &S,
    process: &Process,
    mut child: Option<&mut Child>,
) -> Result<(), Error> {
    let since = clock::monotonic();
    let mut next_word = START_WORD_EVERY;
    loop {
        let Err(source) = server.probe().await else {
            return Ok(());
        };
        if !process.alive() {
            return Err(match child.take() {
                Some(child) => died(server, child).await,
                None => died_with(server, "gone".to_owned()),
            });
        }
        let waited = since.elapsed();
        if waited > START_PATIENCE {
            return Err(Error::NotReady {
                name: S::NAME,
                waited_seconds: waited.as_secs(),
                source,
            });
        }
        if waited > next_word {
            next_word += START_WORD_EVERY;
            info!(server = S::NAME, ?waited, why = %source, "still starting");
        }
        tokio::time::sleep(POLL / 4).await;
    }
}

async fn died<S: Server>(server: &S, child: &mut Child) -> Error {
    let status = match child.wait().await {
        Ok(status) => status.to_string(),
        Err(error) => error.to_string(),
    };
    died_with(server, status)
}

fn died_with<S: Server>(server: &S, status: String) -> Error {
    let log = log_path(server.folder());
    Error::Died {
        name: S::NAME,
        status,
        tail: tail(&log),
        log,
    }
}

/// Restarts the server whenever it ends, until the token is cancelled; then stops it.
pub(super) async fn keep<S: Server>(
    server: Arc<S>,
    mut running: Running,
    token: CancellationToken,
) {
    let mut failures = 0;
    loop {
        let since = clock::monotonic();
        let how = tokio::select! {
            () = token.cancelled() => return stop(server.as_ref(), running).await,
            how = end_watching_log(server.as_ref(), &mut running) => how,
        };
        let pid = running.process.pid();
        warn!(server = S::NAME, pid, how, "ended; starting it again");
        if since.elapsed() > SETTLED {
            failures = 0;
        }
        loop {
            failures += 1;
            tokio::select! {
                () = token.cancelled() => return stop_found(server.as_ref()).await,
                restarted = restart(server.as_ref(), failures) => match restarted {
                    Ok(again) => {
                        running = again;
                        break;
                    }
                    Err(error) => {
                        let error = &error as &dyn std::error::Error;
                        error!(server = S::NAME, error, "cannot be started");
                    }
                },
            }
        }
    }
}

async fn restart<S: Server>(server: &S, failures: u32) -> Result<Running, Error> {
    tokio::time::sleep(pause(failures)).await;
    start(server).await
}

/// 0.1 s, then doubling.
fn pause(failures: u32) -> Duration {
    let factor = 1_u32 << failures.saturating_sub(1).min(10);
    (POLL * factor).min(LONGEST_PAUSE)
}

async fn stop<S: Server>(server: &S, mut running: Running) {
    let since = clock::monotonic();
    // Both at once: a child must be reaped before it counts as gone where there is no /proc.
    let process = running.process.clone();
    tokio::join!(process.stop(S::STOP), running.end());
    let milliseconds = since.elapsed().as_millis();
    info!(server = S::NAME, milliseconds, "stopped");
    forget(server.folder());
}

/// Stops a server that was just being started when the wish to stop came.
async fn stop_found<S: Server>(server: &S) {
    if let Some(process) = server.running() {
        process.stop(S::STOP).await;
    }
    forget(server.folder());
}

/// Removes the note of a process that has ended.
pub(super) fn forget(folder: &Path) {
    let note = note_path(folder);
    if let Err(error) = fs::remove_file(&note)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        warn!(path = %note.display(), %error, "cannot remove");
    }
}

fn open_log(path: &Path) -> Result<File, Error> {
    shorten_log(path);
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
        .at("opening", path)
}

async fn end_watching_log<S: Server>(server: &S, running: &mut Running) -> String {
    loop {
        match tokio::time::timeout(LOG_CHECK, running.end()).await {
            Ok(how) => return how,
            Err(_) => shorten_log(&log_path(server.folder())),
        }
    }
}

/// Servers that run for months must not fill the disk with words. The server holds the file
/// open for appending, so it is copied and emptied in place.
fn shorten_log(path: &Path) {
    if fs::metadata(path).is_ok_and(|found| found.len() > LONGEST_LOG) {
        let shortened = fs::copy(path, path.with_extension("log.old"))
            .and_then(|_| OpenOptions::new().write(true).open(path)?.set_len(0));
        if let Err(error) = shortened {
            warn!(path = %path.display(), %error, "cannot shorten a log");
        }
    }
}

/// The last lines of a log, on one line.
fn tail(path: &Path) -> String {
    let text = fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let mut lines: Vec<_> = text.lines().rev().take(4).collect();
    lines.reverse();
    lines.join(" | ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_stay_bounded() {
        let pauses = [1, 2, 3, 8, 1000].map(|failures| pause(failures).as_millis());
        assert_eq!(pauses, [100, 200, 400, 10_000, 10_000]);
    }
}
