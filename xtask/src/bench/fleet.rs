//! Everything that a scenario runs on: private servers, lokahi's programs as processes of
//! their own, and the site that is probed. Dropping it stops all.

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;

use super::page::Page;
use super::target;
use super::usage::{self, Memory, Seconds, Watched};
use crate::http;
use crate::postgres::{Fsync, Postgres};
use crate::processes::{self, Programs};
use crate::wish::Wish;
use crate::workspace::{self, Scratch};

const WORKER: &str = "webhookworker";
const USERPASS: &str = "bench:bench";
const READY_PATIENCE: Duration = Duration::from_secs(60);
const TICK: Duration = Duration::from_millis(50);

/// What is probed.
#[derive(Debug, Clone, Copy)]
pub(super) enum Site {
    /// One that is always up.
    Target,
    /// duke-of-york with this period, and sample_hook to hear of it.
    Duke(Duration),
}

#[derive(Debug)]
pub(super) struct Fleet<'a> {
    // Dropped in this order: our programs before the servers that they use.
    running: Programs,
    postgres: Postgres,
    folder: Scratch,
    watched: Vec<Watched>,
    programs: &'a BTreeMap<String, PathBuf>,
    logs: PathBuf,
    nats_url: String,
    port: u16,
    site: u16,
    hook: u16,
    heard: Option<ChildStdout>,
    wish: &'a Wish,
}

impl<'a> Fleet<'a> {
    pub(super) fn start(
        servers: &[PathBuf; 2],
        programs: &'a BTreeMap<String, PathBuf>,
        results: &Path,
        site: Site,
        wish: &'a Wish,
    ) -> Result<Self> {
        let [postgres, nats] = servers;
        let logs = results.join("logs");
        fs::create_dir_all(&logs)?;
        let postgres = Postgres::start(postgres, Fsync::On)?;
        let watched = vec![Watched {
            name: "postgres",
            pid: postgres.pid(),
            family: true,
        }];
        let mut fleet = Self {
            running: Programs::new()?,
            postgres,
            folder: Scratch::within(&std::env::temp_dir())?,
            watched,
            programs,
            logs,
            nats_url: format!("nats://127.0.0.1:{}", free_port()?),
            port: free_port()?,
            site: free_port()?,
            hook: free_port()?,
            heard: None,
            wish,
        };
        fleet.start_programs(nats)?;
        match site {
            Site::Target => fleet.site = target::start()?,
            Site::Duke(period) => fleet.start_hooks(period)?,
        }
        Ok(fleet)
    }

    fn start_programs(&mut self, nats: &Path) -> Result<()> {
        let port = self.nats_url.rsplit(':').next().context("it has a port")?;
        let mut server = Command::new(nats.join("nats-server"));
        server.args(["--addr", "127.0.0.1", "--port", port]);
        self.start_watched("nats-server", &mut server)?;
        for name in ["lokahid", "healthworker", WORKER] {
            let mut command = self.ours(name)?;
            self.start_watched(name, &mut command)?;
            if name == "lokahid" {
                self.wait_ready()?;
            }
        }
        Ok(())
    }

    /// How one of lokahi's programs is started.
    fn ours(&self, name: &str) -> Result<Command> {
        let mut command = Command::new(self.program(name)?);
        command
            .env("DATABASE_URL", self.postgres.url())
            .env("NATS_URL", &self.nats_url)
            .env("MIGRATE", "true")
            .env("LISTEN", format!("127.0.0.1:{}", self.port))
            .env("METRICS_OPEN", "true")
            .env("USERPASS", USERPASS);
        Ok(command)
    }

    /// Ends the webhookworker in order, and waits for that.
    pub(super) fn stop_worker(&mut self) -> Result<()> {
        self.running.signal(WORKER, Signal::SIGTERM);
        let since = workspace::monotonic();
        while self.running.pid(WORKER).is_some() {
            match self.running.take_ended()? {
                Some(ended) if ended.name != WORKER => {
                    bail!("{} ended with {}", ended.name, ended.status)
                }
                _ if since.elapsed() > READY_PATIENCE => bail!("{WORKER} does not stop"),
                _ => thread::sleep(TICK),
            }
        }
        self.watched.retain(|watched| watched.name != WORKER);
        Ok(())
    }

    /// Starts the webhookworker again, with settings besides its usual ones.
    pub(super) fn start_worker(&mut self, settings: &[(&str, &str)]) -> Result<()> {
        let mut command = self.ours(WORKER)?;
        command.envs(settings.iter().copied()).stdout(Stdio::null());
        let log = self.log(WORKER);
        let child = self
            .running
            .start_again(WORKER, &mut command, &log, Signal::SIGTERM)?;
        let pid = child.id();
        self.watched.push(Watched {
            name: WORKER,
            pid,
            family: false,
        });
        Ok(())
    }

    fn start_hooks(&mut self, period: Duration) -> Result<()> {
        let mut duke = Command::new(self.program("duke-of-york")?);
        duke.env("LISTEN", format!("127.0.0.1:{}", self.site))
            .env("PERIOD", format!("{}ms", period.as_millis()));
        self.start_logged("duke-of-york", duke.stdout(Stdio::null()))?;
        let mut hook = Command::new(self.program("sample_hook")?);
        hook.env("LISTEN", format!("127.0.0.1:{}", self.hook));
        let log = self.log("sample_hook");
        hook.stdout(Stdio::piped());
        let child = self
            .running
            .start("sample_hook", &mut hook, &log, Signal::SIGTERM)?;
        self.heard = child.stdout.take();
        Ok(())
    }

    fn start_watched(&mut self, name: &'static str, command: &mut Command) -> Result<()> {
        let pid = self.start_logged(name, command.stdout(Stdio::null()))?;
        self.watched.push(Watched {
            name,
            pid,
            family: false,
        });
        Ok(())
    }

    fn start_logged(&mut self, name: &'static str, command: &mut Command) -> Result<u32> {
        let log = self.log(name);
        let child = self.running.start(name, command, &log, Signal::SIGTERM)?;
        Ok(child.id())
    }

    fn log(&self, name: &str) -> PathBuf {
        self.logs.join(format!("{name}.log"))
    }

    fn program(&self, name: &str) -> Result<&'a Path> {
        let program = self.programs.get(name);
        program
            .map(PathBuf::as_path)
            .with_context(|| format!("cargo has built no {name}"))
    }

    fn wait_ready(&mut self) -> Result<()> {
        let since = workspace::monotonic();
        loop {
            let answer = http::get(self.port, "/readyz");
            if answer.is_ok_and(|answer| answer.starts_with("HTTP/1.1 200")) {
                return Ok(());
            }
            if since.elapsed() > READY_PATIENCE {
                bail!("lokahid is not ready after {READY_PATIENCE:?}");
            }
            self.sleep(TICK)?;
        }
    }

    /// Fails when one of the programs has ended, or somebody wants us to.
    pub(super) fn check(&mut self) -> Result<()> {
        if self.wish.is_to_stop() {
            bail!("stopped");
        }
        match self.running.ended()? {
            None => Ok(()),
            Some(ended) => bail!("{} ended with {}", ended.name, ended.status),
        }
    }

    /// Waits, and watches meanwhile.
    pub(super) fn sleep(&mut self, time: Duration) -> Result<()> {
        let since = workspace::monotonic();
        loop {
            self.check()?;
            let left = time.saturating_sub(since.elapsed());
            if left.is_zero() {
                return Ok(());
            }
            thread::sleep(left.min(TICK));
        }
    }

    /// Waits until a moment.
    pub(super) fn sleep_until(&mut self, moment: Instant) -> Result<()> {
        self.sleep(moment.saturating_duration_since(workspace::monotonic()))
    }

    pub(super) fn lokahictl(&self) -> Result<Command> {
        let mut command = Command::new(self.program("lokahictl")?);
        command
            .arg("--server")
            .arg(format!("http://{USERPASS}@127.0.0.1:{}", self.port))
            .stdin(Stdio::null());
        Ok(command)
    }

    /// Makes the checks what these files say.
    pub(super) fn apply(&self, files: &[(String, String)]) -> Result<Duration> {
        let folder = self.folder.path().join("checks.d");
        fs::create_dir_all(&folder)?;
        for (name, text) in files {
            fs::write(folder.join(name), text)?;
        }
        let since = workspace::monotonic();
        let mut apply = self.lokahictl()?;
        workspace::output(apply.args(["apply", "--auto-approve"]).arg(&folder))?;
        Ok(since.elapsed())
    }

    /// Waits until Postgres says `t`.
    pub(super) fn wait_until(&mut self, query: &str) -> Result<()> {
        while self.postgres.query(query)? != "t" {
            self.sleep(Duration::from_secs(1))?;
        }
        Ok(())
    }

    /// The most memory that a program has had, in bytes.
    pub(super) fn peak(&self, name: &str) -> Option<u64> {
        let watched = self.watched.iter().find(|watched| watched.name == name)?;
        let status = fs::read_to_string(format!("/proc/{}/status", watched.pid)).ok()?;
        Some(usage::high_water(&status))
    }

    pub(super) fn page(&self) -> Result<Page> {
        Page::read(self.port)
    }

    pub(super) fn processor(&self) -> Result<Seconds> {
        usage::processor(&self.watched)
    }

    pub(super) fn memory(&self) -> Result<Memory> {
        usage::memory(&self.watched)
    }

    pub(super) fn postgres(&self) -> &Postgres {
        &self.postgres
    }

    pub(super) fn site_port(&self) -> u16 {
        self.site
    }

    pub(super) fn site_url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.site)
    }

    pub(super) fn hook_url(&self) -> String {
        let port = self.hook;
        format!("http://127.0.0.1:{port}/twirp/github.xe.lokahi.Webhook/Handle")
    }

    /// What sample_hook prints; only once.
    pub(super) fn heard(&mut self) -> Result<ChildStdout> {
        self.heard.take().context("there is no sample_hook")
    }

    /// For whoever wonders why it failed.
    pub(super) fn last_words(&self) -> String {
        let logs = self.logs.display();
        let last = processes::tail(&self.log("lokahid"), 3);
        format!("the logs are in {logs}; lokahid's last words:\n{last}\n")
    }
}

fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?.port())
}
