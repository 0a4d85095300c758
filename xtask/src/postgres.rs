//! A Postgres that lives as long as one chore: in a folder of its own, on a unix socket.
//! Its settings are Postgres's own.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use nix::unistd::User;

use crate::processes::{self, Programs};
use crate::workspace::{self, Scratch};

const PATIENCE: Duration = Duration::from_secs(60);
const ROLE: &str = "lokahi";

/// Whether what is committed is on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fsync {
    On,
    Off,
}

/// The running server. Fields are dropped in order: it stops before its folder goes.
#[derive(Debug)]
pub(crate) struct Postgres {
    _running: Programs,
    pid: u32,
    folder: Scratch,
    programs: PathBuf,
}

impl Postgres {
    /// Starts the Postgres whose programs are in this folder.
    pub(crate) fn start(programs: &Path, fsync: Fsync) -> Result<Self> {
        let folder = Scratch::within(Path::new("/tmp"))?;
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700))?;
        let account = account()?;
        if let Some(account) = &account {
            let (uid, gid) = (account.uid.as_raw(), account.gid.as_raw());
            chown(folder.path(), Some(uid), Some(gid))?;
        }
        let program = |name: &str| {
            let mut command = Command::new(programs.join(name));
            command.current_dir(folder.path()).env("LC_ALL", "C");
            if let Some(account) = &account {
                command.uid(account.uid.as_raw()).gid(account.gid.as_raw());
            }
            command
        };
        let data = folder.path().join("data");
        let mut initdb = program("initdb");
        initdb.args(["--no-sync", "--auth", "trust", "--encoding", "UTF8"]);
        initdb.args(["--locale", "C", "--username", ROLE, "--pgdata"]);
        workspace::output(initdb.arg(&data))?;

        let mut running = Programs::new()?;
        let socket = format!("unix_socket_directories={}", folder.path().display());
        let log = folder.path().join("server.log");
        let mut server = program("postgres");
        server.arg("-D").arg(&data).args(["-c", &socket]);
        server.args(["-c", "listen_addresses="]);
        if fsync == Fsync::Off {
            server.args(["-c", "fsync=off"]);
        }
        server.stdout(Stdio::null());
        let child = running.start("postgres", &mut server, &log, Signal::SIGINT)?;
        let pid = child.id();
        let mut postgres = Self {
            _running: running,
            pid,
            folder,
            programs: programs.to_owned(),
        };
        postgres.wait(&log)?;
        Ok(postgres)
    }

    fn wait(&mut self, log: &Path) -> Result<()> {
        let since = workspace::monotonic();
        while workspace::output(self.psql().args(["-c", "select 1"])).is_err() {
            if self._running.ended()?.is_some() || since.elapsed() > PATIENCE {
                bail!("Postgres does not start: {}", processes::tail(log, 5));
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// Runs the statements of a file, all or none.
    pub(crate) fn run_file(&self, path: &Path) -> Result<()> {
        let mut psql = self.psql();
        workspace::output(psql.args(["-v", "ON_ERROR_STOP=1", "-1", "-f"]).arg(path))
            .with_context(|| format!("cannot apply {}", path.display()))?;
        Ok(())
    }

    /// What a query gives: rows as lines, columns with `|` between them.
    pub(crate) fn query(&self, query: &str) -> Result<String> {
        let mut psql = self.psql();
        psql.args(["-v", "ON_ERROR_STOP=1", "-At", "-c", query]);
        Ok(workspace::output(&mut psql)?.trim().to_owned())
    }

    /// The process that all others of the server are children of.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    pub(crate) fn url(&self) -> String {
        let folder = self.folder.path().display();
        format!("postgres:///postgres?host={folder}&user={ROLE}")
    }

    fn psql(&self) -> Command {
        let mut command = Command::new(self.programs.join("psql"));
        command.args(["-X", "-q", "-d"]).arg(self.url());
        command
    }
}

/// Postgres does not run as root.
fn account() -> Result<Option<User>> {
    if !workspace::is_root() {
        return Ok(None);
    }
    ["postgres", "nobody"]
        .into_iter()
        .find_map(|name| User::from_name(name).ok().flatten())
        .map(Some)
        .context("root does not run Postgres, and there is no user postgres or nobody")
}
