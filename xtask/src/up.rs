//! `cargo xtask up`: from a fresh clone to a running lokahi that is shown live, in one
//! command. It fetches what is missing, builds, starts lokahid with everything in it, a site
//! that goes up and down (duke-of-york) and a webhook (sample_hook), applies the sample
//! checks, and stops it all at Ctrl-C. The data stays for the next time.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder};
use std::io::{BufRead, BufReader, IsTerminal, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;

use crate::build::{self, Profile};
use crate::processes::{self, Programs};
use crate::view::{self, View};
use crate::wish::Wish;
use crate::{http, peers, workspace};

const USERPASS: &str = "AzureDiamond:hunter2";
/// The secret of the sample checks: USERPASS as HTTP basic authentication has it.
const LOGIN: (&str, &str) = ("LOKAHI_SECRET_SAMPLE_LOGIN", "QXp1cmVEaWFtb25kOmh1bnRlcjI=");
/// The sample checks in checks.d expect this port and the two after it, unless told another.
const PORT: u16 = 24253;
/// The most checks that are asked for each second.
const MOST: &str = "1000";
const READY_PATIENCE: Duration = Duration::from_secs(300);
/// Longer than lokahid takes to finish its work and stop its servers.
const STOP_PATIENCE: Duration = Duration::from_secs(60);
const TICK: Duration = Duration::from_millis(100);
const REFRESH: Duration = Duration::from_secs(1);

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Where the data is kept [default: $DATA_DIR, else this platform's data folder]
    #[arg(long)]
    data_dir: Option<PathBuf>,
    /// The port of lokahid; duke-of-york and sample_hook take the two after it
    #[arg(long, default_value_t = PORT, value_parser = clap::value_parser!(u16).range(1..=65533))]
    port: u16,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let wish = Wish::listen()?;
    peers::ensure()?;
    let programs = build::programs(Profile::Dev)?;
    for port in arguments.port..=arguments.port + 2 {
        TcpListener::bind((Ipv4Addr::LOCALHOST, port)).with_context(|| {
            format!("port {port} is taken: stop what listens there, or say --port N: N, N+1 and N+2 are used")
        })?;
    }
    let data = match &arguments.data_dir {
        Some(folder) => std::path::absolute(folder)?,
        None => workspace::data_dir()?,
    };
    let logs = data.join("logs");
    make_private(&logs)?;
    println!("data in {}, logs in {}", data.display(), logs.display());

    let mut session = Session {
        running: Programs::new()?,
        programs,
        logs,
        port: arguments.port,
    };
    let result = session.play(&data, &wish);
    println!("stopping");
    session.running.stop(STOP_PATIENCE);
    result
}

/// What runs, and what is needed to talk with it.
struct Session {
    running: Programs,
    programs: BTreeMap<String, PathBuf>,
    logs: PathBuf,
    port: u16,
}

impl Session {
    fn play(&mut self, data: &Path, wish: &Wish) -> Result<()> {
        let events = self.start(data)?;
        if !self.wait_ready(wish)? {
            return Ok(());
        }
        self.apply()?;
        self.show(&events, wish)
    }

    /// Starts the three; what the webhook prints comes over the channel.
    fn start(&mut self, data: &Path) -> Result<Receiver<String>> {
        let (lines, events) = mpsc::channel();
        let mut hook = self.command("sample_hook", self.port + 2)?;
        hook.stdout(Stdio::piped());
        let log = self.log("sample_hook");
        let child = self
            .running
            .start("sample_hook", &mut hook, &log, Signal::SIGTERM)?;
        if let Some(stdout) = child.stdout.take() {
            thread::spawn(move || copy_lines(stdout, &log, &lines));
        }

        let mut duke = self.command("duke-of-york", self.port + 1)?;
        duke.env("PERIOD", "5s");
        self.start_logged("duke-of-york", duke)?;

        let mut lokahid = self.command("lokahid", self.port)?;
        lokahid
            .arg("--all-in-one")
            .env("DATA_DIR", data)
            .env("CACHE_DIR", workspace::cache_dir()?)
            .env("USERPASS", USERPASS)
            .env(LOGIN.0, LOGIN.1);
        // Ours are private: what this terminal is set up for is somebody else's.
        for name in ["DATABASE_URL", "NATS_URL", "CHECKS_DIR"] {
            lokahid.env_remove(name);
        }
        self.start_logged("lokahid", lokahid)?;
        Ok(events)
    }

    fn start_logged(&mut self, name: &'static str, mut command: Command) -> Result<()> {
        let log = self.log(name);
        command.stdout(Stdio::null());
        self.running
            .start(name, &mut command, &log, Signal::SIGTERM)?;
        Ok(())
    }

    fn command(&self, name: &str, port: u16) -> Result<Command> {
        let mut command = Command::new(self.program(name)?);
        command
            .env("PORT", port.to_string())
            .env("LISTEN", format!("127.0.0.1:{port}"));
        Ok(command)
    }

    fn program(&self, name: &str) -> Result<&Path> {
        let program = self.programs.get(name);
        let program = program.with_context(|| format!("cargo has built no {name}"))?;
        Ok(program)
    }

    fn log(&self, name: &str) -> PathBuf {
        self.logs.join(format!("{name}.log"))
    }

    fn lokahictl(&self) -> Result<Command> {
        let mut command = Command::new(self.program("lokahictl")?);
        let server = format!("http://{USERPASS}@127.0.0.1:{}", self.port);
        command.current_dir(workspace::root()).stdin(Stdio::null());
        command.arg("--server").arg(server);
        Ok(command)
    }

    /// Waits until lokahid says that it can be used; false if we are to stop before.
    fn wait_ready(&mut self, wish: &Wish) -> Result<bool> {
        let since = workspace::monotonic();
        let mut last = "it does not answer".to_owned();
        println!("starting lokahid on http://127.0.0.1:{}", self.port);
        while since.elapsed() < READY_PATIENCE {
            if wish.is_to_stop() {
                return Ok(false);
            }
            self.check_running()?;
            match http::get(self.port, "/readyz") {
                Ok(answer) if answer.starts_with("HTTP/1.1 200") => return Ok(true),
                Ok(answer) => last = answer,
                Err(error) => last = error.to_string(),
            }
            thread::sleep(TICK);
        }
        bail!("lokahid is not ready after {READY_PATIENCE:?}: {last}")
    }

    fn check_running(&mut self) -> Result<()> {
        let Some(ended) = self.running.ended()? else {
            return Ok(());
        };
        let processes::Ended { name, status, log } = ended;
        bail!(
            "{name} ended with {status}. The end of its log {}:\n{}",
            log.display(),
            processes::tail(&log, 15)
        )
    }

    fn apply(&self) -> Result<()> {
        println!("applying checks.d");
        let mut apply = self.lokahictl()?;
        apply.args(["apply", "checks.d", "--auto-approve"]);
        // Said in so many words, so that nothing of this terminal says else.
        apply.args(["--var", "env=local"]);
        apply.args(["--var", &format!("port={}", self.port)]);
        workspace::run(&mut apply)
    }

    fn list(&self) -> Result<Vec<view::Check>> {
        let mut list = self.lokahictl()?;
        list.args(["list", "--status", "--output", "json", "--count", MOST]);
        view::parse(&workspace::output(&mut list)?)
    }

    /// Shows what happens until we are to stop.
    fn show(&mut self, events: &Receiver<String>, wish: &Wish) -> Result<()> {
        let mut out = std::io::stdout();
        let mut screen = out.is_terminal().then(Screen::enter);
        let mut view = View::new(self.port);
        let mut asked = None;
        while !wish.is_to_stop() {
            self.check_running()?;
            let now = workspace::monotonic();
            let mut news: Vec<String> = events.try_iter().collect();
            view.add_events(&news);
            if asked.is_none_or(|asked| now.duration_since(asked) >= REFRESH) {
                asked = Some(now);
                match self.list() {
                    Ok(checks) => news.extend(view.update(checks, now)),
                    // It heals by itself, or check_running says who ended.
                    Err(error) => view.trouble(format!("{error:#}")),
                }
                if let Some(screen) = &mut screen {
                    screen.draw(&view.table(now, height()))?;
                }
            }
            if screen.is_none() {
                for line in news {
                    writeln!(out, "{line}").context("nobody reads our output")?;
                }
            }
            thread::sleep(TICK);
        }
        Ok(())
    }
}

/// The terminal while it shows a table that is drawn over and over.
struct Screen;

impl Screen {
    fn enter() -> Self {
        // The alternate screen, no cursor, and long lines cut instead of wrapped.
        print!("\x1b[?1049h\x1b[?25l\x1b[?7l");
        Self
    }

    fn draw(&mut self, table: &str) -> Result<()> {
        let mut out = std::io::stdout().lock();
        write!(out, "\x1b[H")?;
        for line in table.lines() {
            write!(out, "{line}\x1b[K\r\n")?;
        }
        write!(out, "\x1b[J")?;
        out.flush().context("the terminal is gone")
    }
}

/// How many lines the terminal has. It may change its size at any time.
fn height() -> usize {
    let mut stty = Command::new("stty");
    // It asks about its stdin, which is ours.
    let said = stty.arg("size").stdin(Stdio::inherit()).output();
    let said = said.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let lines = said
        .ok()
        .and_then(|said| said.split(' ').next()?.parse().ok());
    lines.filter(|lines| *lines > 0).unwrap_or(view::LINES)
}

impl Drop for Screen {
    fn drop(&mut self) {
        print!("\x1b[?7h\x1b[?25h\x1b[?1049l");
        if let Err(error) = std::io::stdout().flush() {
            eprintln!("the terminal is gone: {error}");
        }
    }
}

/// Makes a folder within the data folder. The data folder itself is closed to others, but as
/// root it must let the account of the servers through to what is theirs.
fn make_private(folder: &Path) -> Result<()> {
    let mode = if workspace::is_root() { 0o755 } else { 0o700 };
    DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(folder)
        .with_context(|| format!("cannot make {}", folder.display()))
}

/// Copies what a program prints to its log and to whoever shows it.
fn copy_lines(from: ChildStdout, log: &Path, to: &Sender<String>) {
    let mut log = match fs::File::options().append(true).create(true).open(log) {
        Ok(log) => log,
        Err(error) => return eprintln!("{}: {error}", log.display()),
    };
    for line in BufReader::new(from).lines() {
        let Ok(line) = line else { return };
        if let Err(error) = writeln!(log, "{line}") {
            eprintln!("the log of sample_hook: {error}");
        }
        if to.send(line).is_err() {
            return;
        }
    }
}
