//! Finding the servers' programs, in this order: the folders of `PEERS_PATH` when that is set
//! (empty means none), else `PATH` and the folders where packages put them; then the cache,
//! which `cargo xtask up` fills.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

use super::error::Error;

/// A colon-separated list of folders to search instead of `PATH` and the usual ones.
pub const VARIABLE: &str = "PEERS_PATH";
/// The oldest Postgres that lokahi works with.
pub const OLDEST_POSTGRES: u32 = 15;
const OLDEST_NATS: (u32, u32) = (2, 10);

const INSTALL_POSTGRES: &str = "`apt-get install postgresql` installs it";
const INSTALL_NATS: &str =
    "`apt-get install nats-server` (Debian 13, Ubuntu 24.04 or newer) installs it";

/// Where to look.
#[derive(Debug, Clone)]
pub struct Search {
    /// Instead of `PATH` and the usual folders.
    only: Option<Vec<PathBuf>>,
    cache: PathBuf,
}

impl Search {
    /// `peers_path` is the value of [`VARIABLE`], if it is set.
    pub fn new(cache: PathBuf, peers_path: Option<&OsStr>) -> Self {
        let only = peers_path.map(|list| {
            env::split_paths(list)
                .filter(|folder| !folder.as_os_str().is_empty())
                .collect()
        });
        Self { only, cache }
    }

    /// The folder with `postgres` and `initdb`: of this major version if one is asked for.
    pub(super) async fn postgres(&self, major: Option<u32>) -> Result<PathBuf, Error> {
        let folders = self.folders(
            &[
                "/usr/lib/postgresql/*/bin",
                "/usr/pgsql-*/bin",
                "/usr/local/pgsql/bin",
                "/opt/homebrew/opt/postgresql@*/bin",
                "/usr/local/opt/postgresql@*/bin",
                "/Applications/Postgres.app/Contents/Versions/*/bin",
            ],
            "postgres-*/bin",
        );
        let mut looked = Vec::new();
        for folder in folders {
            // Links are followed first: Postgres finds its own files relative to where it is.
            let program = folder.join("postgres");
            let Ok(program) = program.canonicalize() else {
                continue;
            };
            let folder = program.parent().map_or(folder, Path::to_owned);
            let initdb = folder.join("initdb");
            if !initdb.is_file() {
                continue;
            }
            // Both must run: they may lack different libraries.
            let found = version(&program).await;
            let found = version(&initdb).await.and(found);
            match (found, major) {
                (Some((found, _)), Some(major)) if found == major => return Ok(folder),
                (Some((found, _)), None) if found >= OLDEST_POSTGRES => return Ok(folder),
                (Some((found, minor)), _) => {
                    looked.push(format!("{} ({found}.{minor})", program.display()));
                }
                (None, _) => looked.push(format!("{} (does not run)", program.display())),
            }
        }
        Err(Error::Missing {
            what: major.map_or_else(
                || format!("Postgres {OLDEST_POSTGRES} or newer"),
                |major| format!("Postgres {major}, with which the data folder was made,"),
            ),
            looked: self.places(looked),
            install: INSTALL_POSTGRES,
        })
    }

    /// The program `nats-server`.
    pub(super) async fn nats(&self) -> Result<PathBuf, Error> {
        let usual = ["/usr/sbin", "/usr/local/sbin", "/opt/homebrew/bin"];
        let mut looked = Vec::new();
        for folder in self.folders(&usual, "nats-server-*") {
            let program = folder.join("nats-server");
            if !program.is_file() {
                continue;
            }
            match version(&program).await {
                Some(found) if found >= OLDEST_NATS => return Ok(program),
                Some((major, minor)) => {
                    looked.push(format!("{} ({major}.{minor})", program.display()));
                }
                None => looked.push(format!("{} (does not run)", program.display())),
            }
        }
        let (major, minor) = OLDEST_NATS;
        Err(Error::Missing {
            what: format!("nats-server {major}.{minor} or newer"),
            looked: self.places(looked),
            install: INSTALL_NATS,
        })
    }

    fn folders(&self, usual: &[&str], cached: &str) -> Vec<PathBuf> {
        let mut folders = self.only.clone().unwrap_or_else(|| {
            let path = env::var_os("PATH").unwrap_or_default();
            let mut folders: Vec<_> = env::split_paths(&path).collect();
            folders.extend(usual.iter().flat_map(|pattern| expand(Path::new(pattern))));
            folders
        });
        folders.extend(expand(&self.cache.join(cached)));
        folders
    }

    /// What an error says of the search: the places, then what was there but did not do.
    fn places(&self, unfit: Vec<String>) -> Vec<String> {
        let mut places = match &self.only {
            None => vec!["PATH".to_owned(), "the usual folders".to_owned()],
            Some(only) if only.is_empty() => vec![format!("no other folder ({VARIABLE} is empty)")],
            Some(only) => only.iter().map(|it| it.display().to_string()).collect(),
        };
        places.push(self.cache.display().to_string());
        places.extend(unfit);
        places
    }
}

/// The folders that a path stands for in which one part may end with, or be, a `*`: the
/// highest version first.
fn expand(pattern: &Path) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::new()];
    for part in pattern {
        let star = part.to_str().and_then(|part| part.strip_suffix('*'));
        let Some(prefix) = star else {
            found.iter_mut().for_each(|folder| folder.push(part));
            continue;
        };
        found = found
            .iter()
            .flat_map(|folder| fs::read_dir(folder).into_iter().flatten().flatten())
            .filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
            .map(|entry| entry.path())
            .collect();
        found.sort_by_key(|path| std::cmp::Reverse(numbers(&path.to_string_lossy())));
    }
    found.retain(|folder| folder.is_dir());
    found
}

/// What a server says of its version, as (major, minor); `None` if it does not run.
async fn version(program: &Path) -> Option<(u32, u32)> {
    let run = Command::new(program)
        .arg("--version")
        .kill_on_drop(true)
        .output();
    let output = timeout(Duration::from_secs(10), run).await.ok()?.ok()?;
    if !output.status.success() {
        return None;
    }
    parse_version(&String::from_utf8_lossy(&output.stdout))
}

/// Reads `postgres (PostgreSQL) 15.14 (Debian …)` and `nats-server: v2.15.1`.
fn parse_version(text: &str) -> Option<(u32, u32)> {
    text.split_whitespace()
        .map(|word| word.trim_start_matches('v'))
        .find(|word| word.starts_with(|first: char| first.is_ascii_digit()))
        .map(|word| {
            let mut numbers = numbers(word).into_iter();
            (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
        })
}

fn numbers(text: &str) -> Vec<u32> {
    text.split(|c: char| !c.is_ascii_digit())
        .filter_map(|digits| digits.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::private as files;

    #[test]
    fn versions_are_read_from_what_servers_print() {
        let cases = [
            (
                "postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)",
                Some((15, 14)),
            ),
            ("postgres (PostgreSQL) 19beta2", Some((19, 2))),
            ("nats-server: v2.15.1", Some((2, 15))),
            ("no version at all", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_version(text), expected, "{text}");
        }
    }

    #[test]
    fn the_highest_version_comes_first_by_number() {
        let root = env::temp_dir().join(format!("lokahi-{}", files::random_hex(8).unwrap()));
        for name in ["postgres-9.6/bin", "postgres-18.6/bin", "postgres-15.1/lib"] {
            fs::create_dir_all(root.join(name)).unwrap();
        }
        let found = expand(&root.join("postgres-*/bin"));
        let expected = ["postgres-18.6/bin", "postgres-9.6/bin"].map(|name| root.join(name));
        fs::remove_dir_all(&root).unwrap();
        assert_eq!(found, expected);
    }

    #[tokio::test]
    async fn an_empty_list_hides_what_the_machine_has() {
        let search = Search::new(PathBuf::from("/nonexistent/cache"), Some(OsStr::new("")));
        let error = search.nats().await.unwrap_err().to_string();
        assert!(
            error.contains("nats-server 2.10 or newer is needed"),
            "{error}"
        );
        assert!(error.contains("/nonexistent/cache"), "{error}");
        assert!(error.contains("cargo xtask up"), "{error}");
        let error = search.postgres(Some(17)).await.unwrap_err().to_string();
        assert!(error.contains("Postgres 17, with which"), "{error}");
    }
}
