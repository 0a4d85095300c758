//! A test run whose lines are passed on as they come, and that is ended when none comes for too
//! long: a test that hangs is named instead of waited for.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::workspace;

const POLL: Duration = Duration::from_millis(200);

/// Runs `command` in a process group of its own, and ends that when its first line was read and
/// no other one came within `patience`. What it builds before it says anything has no limit.
pub(crate) fn run(command: &mut Command, patience: Duration) -> Result<()> {
    let stopped = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stopped))?;
    }
    let name = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .process_group(0)
        .spawn()
        .with_context(|| format!("cannot start {name}"))?;
    let lines = lines_of(&mut child)?;
    let mut open = BTreeSet::new();
    let mut quiet_since = None;
    loop {
        match lines.recv_timeout(POLL) {
            Ok(line) => {
                println!("{line}");
                note(&line, &mut open);
                quiet_since = Some(workspace::monotonic());
            }
            // What a test left behind may hold the pipe open.
            Err(RecvTimeoutError::Timeout) if child.try_wait()?.is_none() => {}
            Err(_) => break,
        }
        if stopped.load(Ordering::Relaxed) {
            kill_group(&child);
            child.wait()?;
            bail!("stopped");
        }
        if quiet_since.is_some_and(|since| since.elapsed() > patience) {
            kill_group(&child);
            child.wait()?;
            bail!("{}", hanging(&open, patience));
        }
    }
    let status = child.wait()?;
    kill_group(&child);
    if !status.success() {
        bail!("{name} ended with {status}");
    }
    Ok(())
}

fn lines_of(child: &mut Child) -> Result<Receiver<String>> {
    let stdout = child.stdout.take().context("its stdout is a pipe")?;
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    Ok(lines)
}

/// Keeps which tests are slow, by the words of Rust's test harness.
fn note(line: &str, open: &mut BTreeSet<String>) {
    let Some(rest) = line.strip_prefix("test ") else {
        return;
    };
    if let Some((name, _)) = rest.split_once(" has been running for over") {
        open.insert(name.to_owned());
    } else if let Some((name, _)) = rest.split_once(" ... ") {
        open.remove(name);
    }
}

fn hanging(open: &BTreeSet<String>, patience: Duration) -> String {
    let names: Vec<&str> = open.iter().map(String::as_str).collect();
    let names = if names.is_empty() {
        "a test".to_owned()
    } else {
        names.join(", ")
    };
    format!(
        "no test ended within {} s and the run was stopped; it hangs in {names}",
        patience.as_secs()
    )
}

/// Ends what is left of the run.
fn kill_group(child: &Child) {
    let group = Pid::from_raw(child.id().cast_signed());
    // An error means that nothing is left, which is what is wanted.
    if killpg(group, Signal::SIGKILL).is_err() {
        thread::yield_now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn a_run_that_hangs_is_ended_and_its_test_named() {
        let script = "echo 'test a has been running for over 60 seconds'
            echo 'test b has been running for over 60 seconds'
            echo 'test b ... ok'
            sleep 1000";
        let error = run(&mut sh(script), Duration::from_millis(300)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "no test ended within 0 s and the run was stopped; it hangs in a"
        );
    }

    #[test]
    fn an_end_is_passed_on_even_if_somebody_holds_the_pipe() {
        let patience = Duration::from_secs(60);
        run(&mut sh("sleep 1000 & echo done"), patience).unwrap();
        let error = run(&mut sh("sleep 1000 & exit 3"), patience).unwrap_err();
        assert_eq!(error.to_string(), "sh ended with exit status: 3");
    }
}
