//! The private Postgres. It listens on a unix socket only, in a folder that only its account
//! (and root) can enter: that is the authentication, so the local rule in pg_hba.conf is
//! `trust`. Its settings are given at each start; nobody edits postgresql.conf.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::process::Command;
use tracing::info;

use super::Durability;
use super::account::Account;
use super::error::{At, Error, NotReady};
use super::folder::Layout;
use super::keeper::{self, Server};
use super::postgres_wire as wire;
use super::process::Process;
use super::search::Search;
use crate::files::private as files;

/// Both the role, which owns everything, and the database.
const NAME: &str = "lokahi";
/// Three programs with pools of ten at most, somebody at psql, and some air.
const MAX_CONNECTIONS: u32 = 50;
const PATIENCE: Duration = Duration::from_secs(2);
const CREATE_PATIENCE: Duration = Duration::from_secs(60);
/// SQLSTATE invalid_catalog_name.
const NO_SUCH_DATABASE: &str = "3D000";

#[derive(Debug)]
pub(super) struct Postgres {
    folder: PathBuf,
    data: PathBuf,
    socket_folder: PathBuf,
    programs: PathBuf,
    account: Option<Account>,
    durability: Durability,
    url: String,
}

impl Postgres {
    /// Finds the programs and makes the data folder if there is none yet.
    pub(super) async fn prepare(
        layout: &Layout,
        search: &Search,
        durability: Durability,
    ) -> Result<Self, Error> {
        let folder = layout.postgres();
        let data = layout.postgres_data();
        let programs = search.postgres(made_with(&data)?).await?;
        let account = Account::choose(&data)?;
        // Root's part of the folder lets the account through; what is the account's is 0700.
        let mode = if account.is_some() { 0o755 } else { 0o700 };
        files::create_folder(&folder, mode).at("making", &folder)?;
        Account::check_enterable(account.as_ref(), &folder)?;
        Account::check_enterable(account.as_ref(), &programs)?;

        let socket_folder = layout.postgres_socket();
        if fs::symlink_metadata(&socket_folder).is_err() {
            files::create_folder(&socket_folder, 0o700).at("making", &socket_folder)?;
            Account::own(account.as_ref(), &socket_folder)?;
        }
        // The fallback is in /tmp, where anybody may have made it before us.
        if !Account::owns_alone(account.as_ref(), &socket_folder) {
            return Err(Error::SocketFolder {
                path: socket_folder,
                user: Account::name(account.as_ref()),
            });
        }
        let host = percent_encode(socket_folder.as_os_str().as_bytes());
        let postgres = Self {
            url: format!("postgres:///{NAME}?host={host}&user={NAME}"),
            folder,
            data,
            socket_folder,
            programs,
            account,
            durability,
        };
        if !postgres.data.exists() {
            postgres.initdb().await?;
        }
        Ok(postgres)
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn psql_line(&self) -> String {
        let psql = self.programs.join("psql");
        // Debian has a wrapper on PATH, and others have psql itself there.
        let psql = if psql.exists() {
            psql.display().to_string()
        } else {
            "psql".to_owned()
        };
        format!("{psql} '{}'", self.url)
    }

    /// Makes the data in a draft folder and renames it, so that a start that was killed in
    /// the middle leaves nothing that looks like a database.
    async fn initdb(&self) -> Result<(), Error> {
        let draft = self.folder.join("data.new");
        if draft.exists() {
            fs::remove_dir_all(&draft).at("removing", &draft)?;
        }
        files::create_folder(&draft, 0o700).at("making", &draft)?;
        Account::own(self.account.as_ref(), &draft)?;
        info!(data = %self.data.display(), "making the database");
        let mut command = self.program("initdb");
        command
            .arg("--pgdata")
            .arg(&draft)
            .args(["--username", NAME, "--encoding", "UTF8"])
            // The order of texts is that of their bytes, on every machine and for ever.
            .args([
                "--locale",
                if cfg!(target_os = "macos") {
                    "C"
                } else {
                    "C.UTF-8"
                },
            ])
            .args(["--auth-local", "trust", "--auth-host", "reject"])
            .stdin(Stdio::null());
        if self.durability == Durability::None {
            command.arg("--no-sync");
        }
        let program = command.as_std().get_program().into();
        let output = command
            .output()
            .await
            .map_err(|source| Error::Spawn { program, source })?;
        if !output.status.success() {
            return Err(Error::Initdb {
                status: output.status,
                output: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
            });
        }
        fs::rename(&draft, &self.data).at("naming", &self.data)?;
        files::sync_folder(&self.folder).at("syncing", &self.folder)
    }

    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.programs.join(name));
        // Nothing of the caller's environment (PGPORT, PGDATA, LC_*, …) is meant for it.
        command
            .env_clear()
            .envs(
                ["PATH", "LD_LIBRARY_PATH"]
                    .into_iter()
                    .filter_map(|name| std::env::var_os(name).map(|value| (name, value))),
            )
            .envs([("LC_ALL", "C"), ("TZ", "UTC")])
            .current_dir(&self.folder);
        Account::drop_to(self.account.as_ref(), &mut command);
        command
    }

    async fn ask(&self, database: &str, statement: Option<&str>) -> Result<(), NotReady> {
        let socket = self.socket_folder.join(".s.PGSQL.5432");
        let patience = statement.map_or(PATIENCE, |_| CREATE_PATIENCE);
        wire::run(&socket, NAME, database, statement, patience).await
    }
}

impl Server for Postgres {
    const NAME: &'static str = "postgres";
    const STOP: &'static [(Signal, Duration)] = STOP;

    fn folder(&self) -> &Path {
        &self.folder
    }

    fn command(&self) -> Command {
        let mut command = self.program("postgres");
        command.arg("-D").arg(&self.data);
        let mut set = |name: &str, value: &str| {
            command.arg("-c").arg(format!("{name}={value}"));
        };
        set("listen_addresses", "");
        set(
            "unix_socket_directories",
            &self.socket_folder.to_string_lossy(),
        );
        set("unix_socket_permissions", "0700");
        set("max_connections", &MAX_CONNECTIONS.to_string());
        set("cluster_name", NAME);
        // Short statements gain nothing from compilation.
        set("jit", "off");
        set("log_checkpoints", "off");
        if self.durability == Durability::None {
            // What is committed is still with the operating system: only a crash of the machine
            // loses it. A story that kills Postgres counts on that.
            for name in ["fsync", "full_page_writes"] {
                set(name, "off");
            }
        }
        command
    }

    /// It can be used when one can log in to our database, which is made at the first login.
    async fn probe(&self) -> Result<(), NotReady> {
        match self.ask(NAME, None).await {
            Err(NotReady::Refused { code, .. }) if code == NO_SUCH_DATABASE => {
                let statement = format!("create database {NAME}");
                self.ask("postgres", Some(&statement)).await?;
                self.ask(NAME, None).await
            }
            answer => answer,
        }
    }

    fn running(&self) -> Option<Process> {
        running(&self.folder, &self.data)
    }
}

/// Fast shutdown (roll back, disconnect, checkpoint), then immediate, then the end.
pub(super) const STOP: &[(Signal, Duration)] = &[
    (Signal::SIGINT, Duration::from_secs(10)),
    (Signal::SIGQUIT, Duration::from_secs(5)),
    (Signal::SIGKILL, Duration::from_secs(5)),
];

/// The Postgres that runs on this data: the one we noted, or, should we have been killed
/// before we could note it, the one of postmaster.pid if it works in that folder.
pub(super) fn running(folder: &Path, data: &Path) -> Option<Process> {
    keeper::noted(folder).or_else(|| {
        let text = files::read_text(&data.join("postmaster.pid"))
            .ok()
            .flatten()?;
        let process = Process::find(text.lines().next()?.trim().parse().ok()?)?;
        (process.folder()? == data).then_some(process)
    })
}

/// The major version of the Postgres that made the data; another one must not touch it.
fn made_with(data: &Path) -> Result<Option<u32>, Error> {
    let path = data.join("PG_VERSION");
    let Some(text) = files::read_text(&path).at("reading", &path)? else {
        return Ok(None);
    };
    let found = text.trim();
    match found.parse() {
        Ok(major) => Ok(Some(major)),
        Err(_) => Err(Error::StrangeVersion {
            found: found.to_owned(),
            path,
        }),
    }
}

/// Encodes everything but what may stand for itself in a URL's query (RFC 3986, 2.3), and
/// the slash, which may too and makes paths readable.
fn percent_encode(bytes: &[u8]) -> String {
    bytes
        .iter()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                char::from(*byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_survives_the_url() {
        assert_eq!(
            percent_encode("/Users/a b/Library/ä'".as_bytes()),
            "/Users/a%20b/Library/%C3%A4%27"
        );
    }
}
