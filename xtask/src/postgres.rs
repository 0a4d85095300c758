//! A Postgres that lives as long as one chore: in a folder of its own, on a unix socket.
//! Its settings are Postgres's own, but for one on a small disk: that one keeps little beside
//! its data, so that a full disk is felt.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::{CommandExt, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::{self, Signal};
use nix::unistd::{Pid, User};

use crate::processes::{self, Programs};
use crate::workspace::{self, Scratch};

const PATIENCE: Duration = Duration::from_secs(60);
const ROLE: &str = "lokahi";
const NAME: &str = "postgres";

/// Whether what is committed is on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fsync {
    On,
    Off,
}

/// What the data is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Disk {
    /// That of the machine.
    Machine,
    /// One of its own of so many megabytes, which goes with the server. It takes the right to
    /// mount, best in a mount namespace, where nothing is left behind whatever happens.
    Small(u32),
}

/// The running server. Fields are dropped in order: it stops before its folder goes.
#[derive(Debug)]
pub(crate) struct Postgres {
    running: Programs,
    _mount: Option<Mount>,
    folder: Scratch,
    programs: PathBuf,
    account: Option<User>,
    fsync: Fsync,
    disk: Disk,
    was_killed: bool,
}

/// A mounted file system, until this is dropped.
#[derive(Debug)]
struct Mount(PathBuf);

impl Drop for Mount {
    fn drop(&mut self) {
        // Lazily: a process that is about to end may hold it.
        let mut umount = Command::new("umount");
        if let Err(error) = workspace::output(umount.arg("--lazy").arg(&self.0)) {
            eprintln!("{error:#}");
        }
    }
}

impl Postgres {
    /// Starts the Postgres whose programs are in this folder.
    pub(crate) fn start(programs: &Path, fsync: Fsync) -> Result<Self> {
        Self::start_on(programs, fsync, Disk::Machine)
    }

    pub(crate) fn start_on(programs: &Path, fsync: Fsync, disk: Disk) -> Result<Self> {
        let folder = Scratch::within(Path::new("/tmp"))?;
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700))?;
        let account = account()?;
        let mut postgres = Self {
            running: Programs::new()?,
            _mount: None,
            folder,
            programs: programs.to_owned(),
            account,
            fsync,
            disk,
            was_killed: false,
        };
        postgres.give(postgres.folder.path())?;
        let data = postgres.data();
        if let Disk::Small(megabytes) = disk {
            fs::create_dir(&data)?;
            let mut mount = Command::new("mount");
            mount.args(["-t", "tmpfs", "-o", &format!("size={megabytes}m"), "none"]);
            workspace::output(mount.arg(&data))?;
            postgres._mount = Some(Mount(data.clone()));
            postgres.give(&data)?;
        }
        let mut initdb = postgres.program("initdb");
        initdb.args(["--no-sync", "--auth", "trust", "--encoding", "UTF8"]);
        initdb.args(["--locale", "C", "--username", ROLE, "--pgdata"]);
        initdb.arg(&data);
        if matches!(disk, Disk::Small(_)) {
            initdb.args(["--wal-segsize", "1"]);
        }
        workspace::output(&mut initdb)?;
        postgres.boot()?;
        postgres.wait()?;
        Ok(postgres)
    }

    /// To whom the server runs as.
    fn give(&self, path: &Path) -> Result<()> {
        if let Some(account) = &self.account {
            let (uid, gid) = (account.uid.as_raw(), account.gid.as_raw());
            chown(path, Some(uid), Some(gid))?;
        }
        Ok(())
    }

    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.programs.join(name));
        command.current_dir(self.folder.path()).env("LC_ALL", "C");
        if let Some(account) = &self.account {
            command.uid(account.uid.as_raw()).gid(account.gid.as_raw());
        }
        command
    }

    /// Starts the server, which does not run, and does not wait for it.
    pub(crate) fn boot(&mut self) -> Result<()> {
        let mut server = self.program("postgres");
        let socket = format!("unix_socket_directories={}", self.folder.path().display());
        server.arg("-D").arg(self.data()).args(["-c", &socket]);
        server.args(["-c", "listen_addresses="]);
        if self.fsync == Fsync::Off {
            server.args(["-c", "fsync=off"]);
        }
        if matches!(self.disk, Disk::Small(_)) {
            server.args(["-c", "min_wal_size=2MB", "-c", "max_wal_size=8MB"]);
        }
        server.stdout(Stdio::null());
        let log = self.log();
        self.running
            .start_again(NAME, &mut server, &log, Signal::SIGINT)?;
        Ok(())
    }

    fn wait(&mut self) -> Result<()> {
        let since = workspace::monotonic();
        while workspace::output(self.psql().args(["-c", "select 1"])).is_err() {
            if self.running.ended()?.is_some() || since.elapsed() > PATIENCE {
                bail!(
                    "Postgres does not start: {}",
                    processes::tail(&self.log(), 5)
                );
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// Whether the server has ended; then it can be started again.
    pub(crate) fn has_ended(&mut self) -> Result<bool> {
        if let Some(ended) = self.running.take_ended()? {
            self.was_killed = ended.status.signal() == Some(Signal::SIGKILL as i32);
        }
        Ok(self.running.pid(NAME).is_none())
    }

    /// Whether it was ended by `kill -9` when it ended last.
    pub(crate) fn was_killed(&self) -> bool {
        self.was_killed
    }

    /// The server and its children.
    pub(crate) fn pids(&self) -> Result<Vec<u32>> {
        let mut pids = vec![self.pid()];
        pids.extend(children_of(self.pid())?);
        Ok(pids)
    }

    /// Asks it to end at once, in order.
    pub(crate) fn stop(&self) {
        self.running.signal(NAME, Signal::SIGINT);
    }

    /// Ends it and its children with `kill -9`, as when the machine fails.
    pub(crate) fn kill(&mut self) -> Result<()> {
        let children = children_of(self.pid())?;
        self.running.kill(NAME)?;
        for child in children {
            // It may have ended by itself.
            if signal::kill(Pid::from_raw(child.cast_signed()), Signal::SIGKILL).is_err() {
                thread::yield_now();
            }
        }
        Ok(())
    }

    /// Where its data is.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.folder.path().join("server.log")
    }

    /// Where it is reached.
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join(".s.PGSQL.5432")
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
        self.running.pid(NAME).unwrap_or_default()
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

/// The processes that this one has started.
fn children_of(pid: u32) -> Result<Vec<u32>> {
    let tasks = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
    let children = tasks.split_whitespace();
    Ok(children.filter_map(|child| child.parse().ok()).collect())
}
