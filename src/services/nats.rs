//! The private nats-server. Loopback is open to every user of the machine, and whoever may
//! publish could forge results; so it asks for a random token, which is kept in the data
//! folder where only this user (and root) can read it. The port is kept there too: clients
//! that reconnect after a restart must find it where it was.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::timeout;
use tracing::warn;

use super::account::Account;
use super::error::{At, Error, NotReady};
use super::folder::Layout;
use super::keeper::{self, Server};
use super::process::Process;
use super::search::Search;
use crate::files::private as files;

const TOKEN_BYTES: usize = 24;
/// Below the ports that systems give to outgoing connections, of which a prober has many.
const FIRST_PORT: u16 = 20_000;
const PORTS: u16 = 10_000;
const PATIENCE: Duration = Duration::from_secs(2);
/// nats-server's INFO line is about 500 bytes.
const LONGEST_LINE: u64 = 16 * 1024;

#[derive(Debug)]
pub(super) struct Nats {
    folder: PathBuf,
    program: PathBuf,
    account: Option<Account>,
    port: u16,
    token: String,
    url: String,
}

impl Nats {
    /// Finds the program and settles token and port, those of the last time if possible.
    pub(super) async fn prepare(layout: &Layout, search: &Search) -> Result<Self, Error> {
        let folder = layout.nats();
        let program = search.nats().await?;
        let account = Account::choose(&layout.postgres_data())?;
        let mode = if account.is_some() { 0o755 } else { 0o700 };
        files::create_folder(&folder, mode).at("making", &folder)?;
        Account::check_enterable(account.as_ref(), &folder)?;
        if let Some(programs) = program.parent() {
            Account::check_enterable(account.as_ref(), programs)?;
        }
        let token = kept(&folder.join("token"), || {
            files::random_hex(TOKEN_BYTES).at("reading", "/dev/urandom")
        })?;
        let port = choose_port(&folder)?;
        let nats = Self {
            url: format!("nats://{token}@127.0.0.1:{port}"),
            folder,
            program,
            account,
            port,
            token,
        };
        nats.configure()?;
        Ok(nats)
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    fn configuration_path(&self) -> PathBuf {
        self.folder.join("nats.conf")
    }

    /// The token goes into a file: everybody can read a command line.
    fn configure(&self) -> Result<(), Error> {
        let Self { port, token, .. } = self;
        let text = format!(
            "server_name: lokahi\nlisten: \"127.0.0.1:{port}\"\nauthorization {{ token: \"{token}\" }}\n"
        );
        let path = self.configuration_path();
        files::write_private(&path, text.as_bytes()).at("writing", &path)?;
        Account::own(self.account.as_ref(), &path)
    }

    async fn greet(&self) -> Result<(), NotReady> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))
            .await
            .map_err(NotReady::Connection)?;
        let (read, mut write) = stream.into_split();
        let mut lines = BufReader::new(read.take(LONGEST_LINE)).lines();
        let mut expect = async |beginning: &str| {
            let line = lines.next_line().await.map_err(NotReady::Connection)?;
            match line.unwrap_or_default() {
                line if line.starts_with(beginning) => Ok(()),
                line => Err(NotReady::Strange(line)),
            }
        };
        expect("INFO").await?;
        let hello = format!(
            "CONNECT {{\"verbose\":false,\"auth_token\":\"{}\"}}\r\nPING\r\n",
            self.token
        );
        write
            .write_all(hello.as_bytes())
            .await
            .map_err(NotReady::Connection)?;
        expect("PONG").await
    }
}

impl Server for Nats {
    const NAME: &'static str = "nats-server";
    const STOP: &'static [(Signal, Duration)] = STOP;

    fn folder(&self) -> &Path {
        &self.folder
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .arg("--config")
            .arg(self.configuration_path())
            .env_clear()
            .current_dir(&self.folder);
        Account::drop_to(self.account.as_ref(), &mut command);
        command
    }

    /// It can be used when it takes our token.
    async fn probe(&self) -> Result<(), NotReady> {
        timeout(PATIENCE, self.greet())
            .await
            .unwrap_or(Err(NotReady::Timeout))
    }

    fn running(&self) -> Option<Process> {
        keeper::noted(&self.folder)
    }
}

pub(super) const STOP: &[(Signal, Duration)] = &[
    (Signal::SIGTERM, Duration::from_secs(5)),
    (Signal::SIGKILL, Duration::from_secs(5)),
];

/// The port of the last time, unless a stranger has it; else a free one.
fn choose_port(folder: &Path) -> Result<u16, Error> {
    let path = folder.join("port");
    let last: Option<u16> = files::read_text(&path)
        .at("reading", &path)?
        .and_then(|text| text.trim().parse().ok());
    if let Some(port) = last {
        if keeper::noted(folder).is_some() || is_free(port) {
            return Ok(port);
        }
        warn!(
            port,
            "somebody else has the port of nats-server; choosing another"
        );
    }
    let seed = files::random_hex(4).at("reading", "/dev/urandom")?;
    let seed = u32::from_str_radix(&seed, 16).unwrap_or_default();
    let port = (0..PORTS)
        .map(|step| {
            let offset = (seed.wrapping_add(u32::from(step))) % u32::from(PORTS);
            FIRST_PORT + u16::try_from(offset).unwrap_or_default()
        })
        .find(|port| is_free(*port))
        .ok_or(Error::NoPort)?;
    files::write_private(&path, port.to_string().as_bytes()).at("writing", &path)?;
    Ok(port)
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// The content of a small file, which is made if there is none.
fn kept(path: &Path, make: impl FnOnce() -> Result<String, Error>) -> Result<String, Error> {
    if let Some(text) = files::read_text(path).at("reading", path)? {
        return Ok(text);
    }
    let text = make()?;
    files::write_private(path, text.as_bytes()).at("writing", path)?;
    Ok(text)
}
