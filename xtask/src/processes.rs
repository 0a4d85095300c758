//! Programs that run beside us: each in a process group of its own, so that Ctrl-C reaches
//! only us and we stop them in order, and under a watcher that ends them should we be killed.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::workspace;

const POLL: Duration = Duration::from_millis(50);

/// Reads process groups from its stdin, with a minus those that are gone, until that ends, because
/// we stopped or were killed, then ends them: first asking, after 20 s by force.
/// (`kill -s` is the form that every shell understands with a process group.)
const WATCH: &str = r#"
trap '' INT TERM HUP
groups=
while read -r group; do
  case $group in
  -*) left=; for one in $groups; do [ "-$one" = "$group" ] || left="$left $one"; done; groups=$left ;;
  *) groups="$groups $group" ;;
  esac
done
alive() { for group in $groups; do kill -s 0 -- "-$group" 2>/dev/null && return; done; return 1; }
for group in $groups; do kill -s TERM -- "-$group" 2>/dev/null; kill -s CONT -- "-$group" 2>/dev/null; done
tries=0
while alive && [ $tries -lt 200 ]; do sleep 0.1; tries=$((tries + 1)); done
for group in $groups; do kill -s KILL -- "-$group" 2>/dev/null; done
"#;

/// What runs beside us. Dropping this stops everything.
#[derive(Debug)]
pub(crate) struct Programs {
    watcher: Child,
    running: Vec<Program>,
}

#[derive(Debug)]
struct Program {
    name: &'static str,
    child: Child,
    log: PathBuf,
    stop: Signal,
}

/// One of the programs ended although nobody asked it to.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) name: &'static str,
    pub(crate) status: ExitStatus,
    pub(crate) log: PathBuf,
}

impl Programs {
    pub(crate) fn new() -> Result<Self> {
        let watcher = Command::new("sh")
            .args(["-c", WATCH])
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .context("cannot start sh")?;
        let running = Vec::new();
        Ok(Self { watcher, running })
    }

    /// Starts a program whose words go to `log`. With `stdout` piped they are the caller's
    /// to read. `stop` is the signal that ends it in order.
    pub(crate) fn start(
        &mut self,
        name: &'static str,
        command: &mut Command,
        log: &Path,
        stop: Signal,
    ) -> Result<&mut Child> {
        let words = open_log(log)?;
        self.start_into(name, command, (log, words), stop)
    }

    /// The same for one that was there before: its words go on in the same log.
    pub(crate) fn start_again(
        &mut self,
        name: &'static str,
        command: &mut Command,
        log: &Path,
        stop: Signal,
    ) -> Result<&mut Child> {
        let words = File::options().create(true).append(true).open(log)?;
        self.start_into(name, command, (log, words), stop)
    }

    fn start_into(
        &mut self,
        name: &'static str,
        command: &mut Command,
        (log, words): (&Path, File),
        stop: Signal,
    ) -> Result<&mut Child> {
        let child = command
            .stdin(Stdio::null())
            .stderr(words)
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        let group = child.id();
        self.running.push(Program {
            name,
            child,
            log: log.to_owned(),
            stop,
        });
        if let Some(pipe) = &mut self.watcher.stdin {
            writeln!(pipe, "{group}").context("the watcher of our programs is gone")?;
        }
        let started = self.running.last_mut().context("just started")?;
        Ok(&mut started.child)
    }

    /// The first program that has ended.
    pub(crate) fn ended(&mut self) -> Result<Option<Ended>> {
        for Program {
            name, child, log, ..
        } in &mut self.running
        {
            if let Some(status) = child.try_wait()? {
                let (name, log) = (*name, log.clone());
                return Ok(Some(Ended { name, status, log }));
            }
        }
        Ok(None)
    }

    /// The same, and it is ours no more.
    pub(crate) fn take_ended(&mut self) -> Result<Option<Ended>> {
        let ended = self.ended()?;
        if let Some(ended) = &ended {
            self.forget(ended.name)?;
        }
        Ok(ended)
    }

    /// The process of a program that runs.
    pub(crate) fn pid(&self, name: &str) -> Option<u32> {
        let found = self.running.iter().find(|program| program.name == name);
        found.map(|program| program.child.id())
    }

    /// Sends a signal to a program that runs.
    pub(crate) fn signal(&self, name: &str, what: Signal) {
        let found = self.running.iter().find(|program| program.name == name);
        if let Some(program) = found {
            signal(&program.child, what);
        }
    }

    /// Ends a program with `kill -9`, whatever state it is in.
    pub(crate) fn kill(&mut self, name: &str) -> Result<()> {
        self.signal(name, Signal::SIGKILL);
        let found = self.running.iter_mut().find(|program| program.name == name);
        if let Some(program) = found {
            program.child.wait()?;
        }
        self.forget(name)
    }

    /// One that has ended is no longer watched.
    fn forget(&mut self, name: &str) -> Result<()> {
        for gone in self.running.extract_if(.., |program| program.name == name) {
            if let Some(pipe) = &mut self.watcher.stdin {
                writeln!(pipe, "-{}", gone.child.id()).context("the watcher is gone")?;
            }
        }
        Ok(())
    }

    /// Asks all to stop, waits, and ends by force who does not stop in time.
    pub(crate) fn stop(&mut self, patience: Duration) {
        for Program { child, stop, .. } in &mut self.running {
            if matches!(child.try_wait(), Ok(None)) {
                signal(child, *stop);
                // One that was stopped hears it, too.
                signal(child, Signal::SIGCONT);
            }
        }
        let since = workspace::monotonic();
        for Program { name, child, .. } in &mut self.running {
            while matches!(child.try_wait(), Ok(None)) {
                if since.elapsed() > patience {
                    eprintln!("{name} did not stop within {patience:?} and is ended by force");
                    signal(child, Signal::SIGKILL);
                    if let Err(error) = child.wait() {
                        eprintln!("{name}: {error}");
                    }
                    break;
                }
                thread::sleep(POLL);
            }
        }
        self.running.clear();
    }
}

impl Drop for Programs {
    fn drop(&mut self) {
        self.stop(Duration::from_secs(60));
        // It must not act on groups that are gone: their numbers may be given out again.
        if self.watcher.kill().is_ok()
            && let Err(error) = self.watcher.wait()
        {
            eprintln!("the watcher of our programs: {error}");
        }
    }
}

fn signal(child: &Child, signal: Signal) {
    // An error means that the group is gone, which is what is wanted.
    let group = Pid::from_raw(child.id().cast_signed());
    if killpg(group, signal).is_err() {
        thread::yield_now();
    }
}

/// A fresh log; the one of the last time stays beside it.
pub(crate) fn open_log(path: &Path) -> Result<File> {
    if path.exists() {
        fs::rename(path, path.with_extension("log.old"))?;
    }
    File::options()
        .create(true)
        .append(true)
        .open(path)
        .with_context(|| format!("cannot make {}", path.display()))
}

/// The last lines of a log.
pub(crate) fn tail(path: &Path, lines: usize) -> String {
    let text = fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let mut last: Vec<_> = text.lines().rev().take(lines).collect();
    last.reverse();
    last.join("\n")
}
