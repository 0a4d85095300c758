//! A process that may not be our child: named by its pid and the time of its start, because a
//! pid alone may long belong to somebody else.

use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::str::FromStr;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tracing::warn;

use crate::clock;

/// How often we look whether a process that is not our child still lives.
pub(super) const POLL: Duration = Duration::from_millis(100);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Process {
    pid: i32,
    started: String,
}

impl Process {
    /// The living process with this pid. A zombie does not live.
    pub(super) fn find(pid: i32) -> Option<Self> {
        let started = if cfg!(target_os = "linux") {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            // The second field is the program's name in brackets and may hold anything.
            let (_, fields) = stat.rsplit_once(") ")?;
            let mut fields = fields.split(' ');
            if matches!(fields.next()?, "Z" | "X") {
                return None;
            }
            // proc_pid_stat(5): state is field 3, starttime field 22.
            fields.nth(18)?.to_owned()
        } else {
            let pid = pid.to_string();
            let output = Command::new("ps")
                .args(["-o", "stat=,lstart=", "-p", &pid])
                .output()
                .ok()?;
            let text = String::from_utf8(output.stdout).ok()?;
            let (state, started) = text.trim().split_once(' ')?;
            if state.starts_with('Z') {
                return None;
            }
            started.split_whitespace().collect::<Vec<_>>().join("-")
        };
        Some(Self { pid, started })
    }

    pub(super) fn alive(&self) -> bool {
        Self::find(self.pid).as_ref() == Some(self)
    }

    pub(super) fn pid(&self) -> i32 {
        self.pid
    }

    /// The folder it works in; `None` where the system has no `/proc`.
    pub(super) fn folder(&self) -> Option<PathBuf> {
        fs::read_link(format!("/proc/{}/cwd", self.pid)).ok()
    }

    fn signal(&self, signal: Signal) {
        if let Err(error) = kill(Pid::from_raw(self.pid), signal)
            && self.alive()
        {
            warn!(pid = self.pid, %signal, %error, "cannot signal a process");
        }
    }

    /// Sends one signal after the other, each given its time, until the process is gone.
    pub(super) async fn stop(&self, steps: &[(Signal, Duration)]) {
        for (signal, patience) in steps {
            if !self.alive() {
                return;
            }
            self.signal(*signal);
            let since = clock::monotonic();
            while since.elapsed() < *patience {
                if !self.alive() {
                    return;
                }
                tokio::time::sleep(POLL / 4).await;
            }
            warn!(pid = self.pid, %signal, ?patience, "a process did not stop in time");
        }
    }

    pub(super) async fn gone(&self) {
        while self.alive() {
            tokio::time::sleep(POLL).await;
        }
    }
}

/// `PID START`, as it is kept in the data folder.
impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.pid, self.started)
    }
}

impl FromStr for Process {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (pid, started) = text.trim().split_once(' ').ok_or(())?;
        Ok(Self {
            pid: pid.parse().map_err(|_| ())?,
            started: started.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_told_from_a_later_one_with_its_pid() {
        let ours = Process::find(std::process::id().cast_signed()).unwrap();
        let kept: Process = ours.to_string().parse().unwrap();
        assert_eq!(kept, ours);
        assert!(kept.alive());
        let earlier = Process {
            started: "1".to_owned(),
            ..ours
        };
        assert!(!earlier.alive());
    }
}
