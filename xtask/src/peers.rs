//! Makes sure that the programs of Postgres and nats-server can be found, by the rule that
//! lokahid has: the folders of `PEERS_PATH` when it is set (empty means none), else `PATH`
//! and the usual folders; then the cache. What is missing is fetched into the cache.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Result, bail};

use crate::{fetch, workspace};

/// A server that lokahi needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    Postgres,
    Nats,
}

impl Peer {
    const ALL: [Self; 2] = [Self::Postgres, Self::Nats];

    pub(crate) fn program(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Nats => "nats-server",
        }
    }

    pub(crate) fn oldest(self) -> (u32, u32) {
        match self {
            Self::Postgres => (15, 0),
            Self::Nats => (2, 10),
        }
    }

    /// Where packages put it, with at most one `*` a path.
    fn usual(self) -> &'static [&'static str] {
        match self {
            Self::Postgres => &[
                "/usr/lib/postgresql/*/bin",
                "/usr/pgsql-*/bin",
                "/usr/local/pgsql/bin",
                "/opt/homebrew/opt/postgresql@*/bin",
                "/usr/local/opt/postgresql@*/bin",
                "/Applications/Postgres.app/Contents/Versions/*/bin",
            ],
            Self::Nats => &["/usr/sbin", "/usr/local/sbin", "/opt/homebrew/bin"],
        }
    }

    fn cached(self) -> &'static str {
        match self {
            Self::Postgres => "postgres-*/bin",
            Self::Nats => "nats-server-*",
        }
    }
}

/// `cargo xtask peers`.
pub(crate) fn run() -> Result<()> {
    for (peer, folder) in Peer::ALL.into_iter().zip(ensure()?) {
        println!("{}", folder.join(peer.program()).display());
    }
    Ok(())
}

/// The folders of both, after fetching what is missing.
pub(crate) fn ensure() -> Result<[PathBuf; 2]> {
    let cache = workspace::cache_dir()?;
    let mut folders = Vec::new();
    for peer in Peer::ALL {
        let found = match find(peer, &cache) {
            Some(folder) => folder,
            None => {
                fetch::fetch(peer, &cache)?;
                match find(peer, &cache) {
                    Some(folder) => folder,
                    None => bail!("{} was fetched and cannot be found", peer.program()),
                }
            }
        };
        folders.push(found);
    }
    let [postgres, nats] = folders.try_into().unwrap_or_default();
    Ok([postgres, nats])
}

/// The folder of a program that is there, runs, and is new enough.
pub(crate) fn find(peer: Peer, cache: &Path) -> Option<PathBuf> {
    let mut folders: Vec<PathBuf> = match env::var_os("PEERS_PATH") {
        Some(list) => env::split_paths(&list)
            .filter(|folder| !folder.as_os_str().is_empty())
            .collect(),
        None => {
            let path = env::var_os("PATH").unwrap_or_default();
            let usual = peer.usual().iter().map(Path::new).flat_map(expand);
            env::split_paths(&path).chain(usual).collect()
        }
    };
    folders.extend(expand(&cache.join(peer.cached())));
    // Postgres finds its own files relative to its programs, so links are followed first.
    folders
        .into_iter()
        .filter_map(|folder| folder.join(peer.program()).canonicalize().ok())
        .filter_map(|program| program.parent().map(Path::to_owned))
        .find(|folder| is_fit(peer, folder))
}

/// Whether a folder holds the server, new enough, and it runs. Of Postgres two programs are
/// needed, which may lack different libraries.
pub(crate) fn is_fit(peer: Peer, folder: &Path) -> bool {
    let programs: &[&str] = match peer {
        Peer::Postgres => &["postgres", "initdb"],
        Peer::Nats => &["nats-server"],
    };
    programs
        .iter()
        .all(|name| version(&folder.join(name)).is_some_and(|found| found >= peer.oldest()))
}

/// What a program says of its version, as (major, minor); `None` if it does not run.
fn version(program: &Path) -> Option<(u32, u32)> {
    let output = Command::new(program)
        .arg("--version")
        .stdin(Stdio::null())
        .output()
        .ok()
        .filter(|output| output.status.success())?;
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

/// The folders that a path stands for in which a part may end with, or be, a `*`: the highest
/// version first.
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

fn numbers(text: &str) -> Vec<u32> {
    text.split(|c: char| !c.is_ascii_digit())
        .filter_map(|digits| digits.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_what_servers_print() {
        let cases = [
            ("postgres (PostgreSQL) 15.14 (Debian)", Some((15, 14))),
            ("nats-server: v2.15.1", Some((2, 15))),
            ("nothing", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_version(text), expected, "{text}");
        }
    }
}
