//! Everything that lokahi is made of, as processes: two of each of its programs, Postgres and NATS
//! with a proxy before each. What ends is started again, as a machine would do it. Dropping it
//! stops all.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};
use nix::sys::signal::Signal;

use super::cast::RECEIVERS;
use super::fault::{Link, Who};
use super::proxy::{Proxy, Server};
use super::signature;
use crate::http;
use crate::postgres::{Disk, Fsync, Postgres};
use crate::processes::Programs;
use crate::workspace::{self, Scratch};

const USERPASS: &str = "chaos:chaos";
/// So long after it ended by itself a program is started again, in seconds.
const AGAIN: f64 = 1.0;
const OURS: [Who; 6] = [
    Who::Lokahid1,
    Who::Lokahid2,
    Who::Healthworker1,
    Who::Healthworker2,
    Who::Webhookworker1,
    Who::Webhookworker2,
];

#[derive(Debug)]
pub(super) struct Troupe {
    // Dropped in this order: our programs before the servers that they use.
    running: Programs,
    pub(super) postgres: Postgres,
    folder: Scratch,
    pub(super) to_postgres: Proxy,
    pub(super) to_nats: Proxy,
    nats: PathBuf,
    nats_port: u16,
    programs: BTreeMap<String, PathBuf>,
    pub(super) logs: PathBuf,
    /// Of both lokahids.
    ports: [u16; 2],
    /// What does not run, and when it is started again.
    down: BTreeMap<Who, f64>,
    /// What was asked to end, and takes its time.
    ending: BTreeSet<Who>,
    /// What ended by itself, how, and when.
    pub(super) ended: Vec<(Who, String, f64)>,
}

impl Troupe {
    pub(super) fn start(
        servers: &[PathBuf; 2],
        programs: &BTreeMap<String, PathBuf>,
        logs: &Path,
        disk: Disk,
    ) -> Result<Self> {
        let [postgres, nats] = servers;
        let postgres = Postgres::start_on(postgres, Fsync::On, disk)?;
        let nats_port = free_port()?;
        let mut troupe = Self {
            running: Programs::new()?,
            to_postgres: Proxy::start(&Server::Unix(postgres.socket()), &OURS)?,
            to_nats: Proxy::start(&Server::Tcp(nats_port), &OURS)?,
            postgres,
            folder: Scratch::within(&std::env::temp_dir())?,
            nats: nats.join("nats-server"),
            nats_port,
            programs: programs.clone(),
            logs: logs.to_owned(),
            ports: [free_port()?, free_port()?],
            down: BTreeMap::new(),
            ending: BTreeSet::new(),
            ended: Vec::new(),
        };
        troupe.launch(Who::Nats)?;
        for who in OURS {
            troupe.launch(who)?;
        }
        Ok(troupe)
    }

    fn launch(&mut self, who: Who) -> Result<()> {
        if who == Who::Postgres {
            return self.postgres.boot();
        }
        let mut command = self.command(who)?;
        command.stdout(Stdio::null());
        let log = self.logs.join(format!("{}.log", who.name()));
        self.running
            .start_again(who.name(), &mut command, &log, Signal::SIGTERM)?;
        Ok(())
    }

    fn command(&self, who: Who) -> Result<Command> {
        if who == Who::Nats {
            let mut server = Command::new(&self.nats);
            server.args(["--addr", "127.0.0.1", "--port", &self.nats_port.to_string()]);
            return Ok(server);
        }
        let program = self.programs.get(who.program());
        let mut command = Command::new(program.context("cargo has built it")?);
        let (postgres, nats) = (self.to_postgres.port(who), self.to_nats.port(who));
        let database = format!("postgres://lokahi@127.0.0.1:{postgres}/postgres?sslmode=disable");
        command
            .env("DATABASE_URL", database)
            .env("NATS_URL", format!("nats://127.0.0.1:{nats}"))
            .env("MIGRATE", "true")
            .env("METRICS_OPEN", "true")
            .env("USERPASS", USERPASS)
            .envs(secrets());
        let number = match who {
            Who::Lokahid1 => 0,
            Who::Lokahid2 => 1,
            _ => return Ok(command),
        };
        command
            .env("LISTEN", format!("127.0.0.1:{}", self.ports[number]))
            .env("INSTANCE", who.name());
        Ok(command)
    }

    /// Ends a process with `kill -9` until a moment.
    pub(super) fn kill(&mut self, who: Who, until: f64) -> Result<()> {
        match who {
            Who::Postgres => self.postgres.kill()?,
            _ => self.running.kill(who.name())?,
        }
        self.down.insert(who, until);
        Ok(())
    }

    /// Ends a server in order until a moment.
    pub(super) fn stop(&mut self, who: Who, until: f64) {
        match who {
            Who::Postgres => self.postgres.stop(),
            _ => self.running.signal(who.name(), Signal::SIGTERM),
        }
        self.ending.insert(who);
        self.down.insert(who, until);
    }

    pub(super) fn freeze(&self, who: Who, frozen: bool) {
        let signal = match frozen {
            true => Signal::SIGSTOP,
            false => Signal::SIGCONT,
        };
        self.running.signal(who.name(), signal);
    }

    /// What a trap has killed stays away until a moment.
    pub(super) fn keep_down(&mut self, who: Who, until: f64) {
        self.down.insert(who, until);
    }

    /// The processes of those that run, with all that Postgres has.
    pub(super) fn pids(&self, of: &[Who]) -> Vec<u32> {
        let pids = of.iter().map(|who| match who {
            Who::Postgres => self.postgres.pids().unwrap_or_default(),
            _ => self.running.pid(who.name()).into_iter().collect(),
        });
        pids.flatten().collect()
    }

    /// Notes what has ended, and starts what is to be started.
    pub(super) fn look(&mut self, now: f64) -> Result<()> {
        while let Some(ended) = self.running.take_ended()? {
            let all = OURS.iter().chain([&Who::Nats]);
            let who = all.copied().find(|who| who.name() == ended.name);
            let who = who.context("one of ours")?;
            // Whatever we do to them is noted before.
            if let Entry::Vacant(entry) = self.down.entry(who) {
                entry.insert(now + AGAIN);
                // A trap has done it, and says so later.
                if ended.status.signal() != Some(Signal::SIGKILL as i32) {
                    self.ended.push((who, ended.status.to_string(), now));
                }
            }
        }
        if self.postgres.has_ended()? && !self.down.contains_key(&Who::Postgres) {
            self.down.insert(Who::Postgres, now + AGAIN);
            // A trap has done it, and says so later.
            if !self.postgres.was_killed() {
                self.ended
                    .push((Who::Postgres, "it stopped".to_owned(), now));
            }
        }
        let due = self.down.iter().filter(|(_, at)| **at <= now);
        let due: Vec<Who> = due.map(|(who, _)| *who).collect();
        for who in due {
            let is_there = match who {
                Who::Postgres => !self.postgres.has_ended()?,
                _ => self.running.pid(who.name()).is_some(),
            };
            if is_there && self.ending.contains(&who) {
                continue;
            }
            // One that was killed by nobody needs no start.
            if !is_there {
                self.launch(who)?;
            }
            self.ending.remove(&who);
            self.down.remove(&who);
        }
        Ok(())
    }

    /// Whether a process is to run and does.
    pub(super) fn is_up(&self, who: Who) -> bool {
        !self.down.contains_key(&who)
            && (who != Who::Postgres || self.postgres.query("select 1").is_ok())
    }

    /// Which lokahids do not say that they are ready.
    pub(super) fn unready(&self) -> Vec<Who> {
        let both = [Who::Lokahid1, Who::Lokahid2].into_iter().zip(self.ports);
        let unready = both.filter(|(_, port)| {
            let answer = http::get(*port, "/readyz");
            !answer.is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
        });
        unready.map(|(who, _)| who).collect()
    }

    pub(super) fn lokahictl(&self) -> Result<Command> {
        let program = self.programs.get("lokahictl");
        let mut command = Command::new(program.context("cargo has built it")?);
        command
            .arg("--server")
            .arg(format!("http://{USERPASS}@127.0.0.1:{}", self.ports[0]))
            .stdin(Stdio::null());
        Ok(command)
    }

    /// Makes the checks what these files say.
    pub(super) fn apply(&self, files: &[(String, String)]) -> Result<()> {
        let folder = self.folder.path().join("checks.d");
        fs::create_dir_all(&folder)?;
        for (name, text) in files {
            fs::write(folder.join(name), text)?;
        }
        let mut apply = self.lokahictl()?;
        workspace::output(apply.args(["apply", "--auto-approve"]).arg(&folder))?;
        Ok(())
    }

    pub(super) fn proxy(&self, link: Link) -> &Proxy {
        match link {
            Link::Postgres => &self.to_postgres,
            Link::Nats => &self.to_nats,
        }
    }
}

impl Drop for Troupe {
    fn drop(&mut self) {
        // What is to end in order needs its servers.
        for proxy in [&self.to_postgres, &self.to_nats] {
            proxy.silence(false);
        }
    }
}

/// Those of the receivers, as a worker finds them.
fn secrets() -> impl Iterator<Item = (String, String)> {
    let names = RECEIVERS.iter().flat_map(|it| it.secrets);
    names.map(|name| (signature::variable(name), signature::value(name)))
}

fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?.port())
}
