//! The data folder: where it is when nobody says, what lies where in it, and that one lokahid
//! at a time uses it.
//!
//! ```text
//! lock                  held by the lokahid that uses the folder, or by its guard
//! postgres/data/        Postgres's own, 0700
//! postgres/run/         its socket, 0700 (elsewhere when the path would be too long)
//! nats/{token,port}     the secret and the port, which survive restarts
//! {postgres,nats}/{process,server.log}
//! ```

use std::env;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::fcntl::{Flock, FlockArg};
use sha2::{Digest, Sha256};
use tracing::info;

use super::error::{At, Error};
use super::process::Process;
use crate::clock;
use crate::files::private as files;

/// macOS has the shortest `sun_path`, 104 bytes with the final zero; Linux has 108.
const LONGEST_SOCKET: usize = 103;
const SOCKET_NAME: &str = ".s.PGSQL.5432";
/// A guard that clears up after a killed lokahid is waited for at least this long.
const PATIENCE: Duration = Duration::from_secs(45);

/// Where data lives unless told: `/var/lib` as root, because the account to which the servers
/// drop cannot enter root's home.
pub fn default_data_dir() -> Result<PathBuf, Error> {
    if nix::unistd::geteuid().is_root() {
        return Ok(PathBuf::from("/var/lib/lokahi"));
    }
    if cfg!(target_os = "macos") {
        return Ok(home()?.join("Library/Application Support/lokahi"));
    }
    home_folder("XDG_DATA_HOME", ".local/share")
}

/// Where fetched server binaries live unless told.
pub fn default_cache_dir() -> Result<PathBuf, Error> {
    if nix::unistd::geteuid().is_root() {
        return Ok(PathBuf::from("/var/cache/lokahi"));
    }
    home_folder("XDG_CACHE_HOME", ".cache")
}

fn home_folder(variable: &str, fallback: &str) -> Result<PathBuf, Error> {
    // The XDG base directory specification: a relative path is to be ignored.
    match env::var_os(variable).map(PathBuf::from) {
        Some(folder) if folder.is_absolute() => Ok(folder.join("lokahi")),
        _ => Ok(home()?.join(fallback).join("lokahi")),
    }
}

fn home() -> Result<PathBuf, Error> {
    env::home_dir()
        .filter(|home| home.is_absolute())
        .ok_or(Error::NoHome)
}

/// What lies where.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    root: PathBuf,
}

impl Layout {
    /// The folder must exist.
    pub(super) fn new(root: &Path) -> Result<Self, Error> {
        let root = root.canonicalize().at("looking for", root)?;
        Ok(Self { root })
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    fn lock(&self) -> PathBuf {
        self.root.join("lock")
    }

    pub(super) fn postgres(&self) -> PathBuf {
        self.root.join("postgres")
    }

    pub(super) fn postgres_data(&self) -> PathBuf {
        self.postgres().join("data")
    }

    /// The folder of Postgres's socket: in the data folder if the path fits into a socket
    /// address and into the setting, which is a list with commas and quotes; else a short one
    /// under /tmp that is always the same for this data folder.
    pub(super) fn postgres_socket(&self) -> PathBuf {
        let folder = self.postgres().join("run");
        let fits = folder.join(SOCKET_NAME).as_os_str().len() <= LONGEST_SOCKET;
        let is_plain = folder.to_str().is_some_and(|it| !it.contains([',', '"']));
        if fits && is_plain {
            return folder;
        }
        let digest = Sha256::digest(self.root.as_os_str().as_bytes());
        let key: String = digest.iter().take(8).map(|b| format!("{b:02x}")).collect();
        PathBuf::from(format!("/tmp/lokahi-{key}"))
    }

    pub(super) fn nats(&self) -> PathBuf {
        self.root.join("nats")
    }
}

/// A data folder that is ours until this is dropped.
#[derive(Debug)]
pub(super) struct DataFolder {
    layout: Layout,
    _lock: Flock<File>,
}

impl DataFolder {
    /// Makes the folder if need be and locks it. A guard that still clears up after a killed
    /// lokahid is waited for; another lokahid is an error.
    pub(super) async fn open(root: &Path) -> Result<Self, Error> {
        // Root's folder must let the servers' account through to what is theirs in it.
        let mode = match nix::unistd::geteuid().is_root() {
            true => 0o755,
            false => 0o700,
        };
        files::create_folder(root, mode).at("making the data folder", root)?;
        let layout = Layout::new(root)?;
        let since = clock::monotonic();
        let mut told = false;
        loop {
            match Self::lock(&layout, "lokahid")? {
                Ok(folder) => return Ok(folder),
                Err(holder) if is_leaving(&holder) && since.elapsed() < PATIENCE => {
                    if !told {
                        info!("waiting for the servers of a killed lokahid to stop");
                        told = true;
                    }
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                Err(holder) => {
                    return Err(Error::Locked {
                        path: layout.root,
                        holder,
                    });
                }
            }
        }
    }

    /// Tries to lock the folder; otherwise says who has it. The file names its holder, which
    /// is for people: the lock itself is the kernel's, and ends with the process.
    pub(super) fn lock(layout: &Layout, who: &str) -> Result<Result<Self, String>, Error> {
        let path = layout.lock();
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(&path)
            .at("opening the lock", &path)?;
        let Ok(mut lock) = Flock::lock(file, FlockArg::LockExclusiveNonblock) else {
            let holder = fs::read_to_string(&path).unwrap_or_default();
            return Ok(Err(match holder.trim() {
                "" => "another lokahid".to_owned(),
                holder => holder.to_owned(),
            }));
        };
        lock.set_len(0)
            .and_then(|()| write!(lock, "{who} (process {})", std::process::id()))
            .at("writing the lock", &path)?;
        Ok(Ok(Self {
            layout: layout.clone(),
            _lock: lock,
        }))
    }

    pub(super) fn layout(&self) -> &Layout {
        &self.layout
    }
}

/// Whether the folder will be free without anybody's doing: its holder is a guard, or the
/// guard has the lock but has not yet written its name over that of the dead lokahid.
fn is_leaving(holder: &str) -> bool {
    let pid = holder
        .rsplit_once(' ')
        .and_then(|(_, pid)| pid.trim_end_matches(')').parse().ok());
    holder.starts_with("guard") || pid.is_some_and(|pid| Process::find(pid).is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_path_always_fits() {
        let short = Layout {
            root: PathBuf::from("/var/lib/lokahi"),
        };
        assert_eq!(
            short.postgres_socket(),
            Path::new("/var/lib/lokahi/postgres/run")
        );
        for root in [&"/deep".repeat(40), "/a,b"] {
            let other = Layout { root: root.into() };
            let folder = other.postgres_socket();
            assert!(folder.starts_with("/tmp"));
            assert!(folder.join(SOCKET_NAME).as_os_str().len() <= LONGEST_SOCKET);
            assert_eq!(folder, other.postgres_socket());
        }
    }

    #[tokio::test]
    async fn one_at_a_time_and_the_second_hears_who_has_it() {
        let name = files::random_hex(8).unwrap();
        let root = env::temp_dir().join(format!("lokahi-{name}"));
        let first = DataFolder::open(&root).await.unwrap();
        let second = DataFolder::open(&root).await.unwrap_err();
        let me = std::process::id();
        assert!(
            second
                .to_string()
                .contains(&format!("in use by lokahid (process {me})"))
        );
        drop(first);
        DataFolder::open(&root).await.unwrap();
        fs::remove_dir_all(&root).unwrap();
    }
}
