//! Where things are, and how other programs are called.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Instant, SystemTime};

use anyhow::{Context, Result, bail};

/// The folder of the workspace, in which every chore works.
pub(crate) fn root() -> &'static Path {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own)
}

/// The cargo that runs us.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    // What cargo tells this program about itself makes other crates' build scripts believe that
    // they must run again, and half of the dependencies would be built anew.
    for (name, _) in env::vars_os() {
        let name = name.to_string_lossy();
        if ABOUT_US.iter().any(|start| name.starts_with(start)) {
            command.env_remove(&*name);
        }
    }
    command
}

const ABOUT_US: [&str; 5] = [
    "CARGO_PKG_",
    "CARGO_MANIFEST_",
    "CARGO_BIN_NAME",
    "CARGO_CRATE_NAME",
    "CARGO_PRIMARY_PACKAGE",
];

pub(crate) fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Where lokahi keeps its data unless told; lokahid has the same rule.
pub(crate) fn data_dir() -> Result<PathBuf> {
    match given("DATA_DIR") {
        Some(folder) => Ok(folder.into()),
        None if is_root() => Ok("/var/lib/lokahi".into()),
        None if cfg!(target_os = "macos") => Ok(home()?.join("Library/Application Support/lokahi")),
        None => home_folder("XDG_DATA_HOME", ".local/share"),
    }
}

/// Where fetched servers are kept; lokahid has the same rule.
pub(crate) fn cache_dir() -> Result<PathBuf> {
    match given("CACHE_DIR") {
        Some(folder) => Ok(folder.into()),
        None if is_root() => Ok("/var/cache/lokahi".into()),
        None => home_folder("XDG_CACHE_HOME", ".cache"),
    }
}

/// A setting that is there; compose files leave empty ones.
fn given(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}

fn home_folder(variable: &str, fallback: &str) -> Result<PathBuf> {
    match env::var_os(variable).map(PathBuf::from) {
        Some(folder) if folder.is_absolute() => Ok(folder.join("lokahi")),
        _ => Ok(home()?.join(fallback).join("lokahi")),
    }
}

fn home() -> Result<PathBuf> {
    env::home_dir().context("no home folder is known: set HOME")
}

/// Runs a command that speaks for itself, and fails when it does.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let status = command
        .status()
        .with_context(|| format!("cannot start {name}"))?;
    if !status.success() {
        bail!("{name} ended with {status}");
    }
    Ok(())
}

/// Runs a command for its output; its words are shown only when it fails.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .with_context(|| format!("cannot start {name}"))?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr);
        bail!("{name} ended with {}: {}", output.status, words.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The clock for deadlines and ages.
#[expect(
    clippy::disallowed_methods,
    reason = "the rule is for the library, which has a door for it"
)]
pub(crate) fn monotonic() -> Instant {
    Instant::now()
}

/// The clock that others have, too.
#[expect(
    clippy::disallowed_methods,
    reason = "the rule is for the library, which has a door for it"
)]
pub(crate) fn wall() -> SystemTime {
    SystemTime::now()
}

/// The moment that a program of ours would call now, in seconds since 1970.
pub(crate) fn epoch() -> Result<f64> {
    let since = wall().duration_since(std::time::UNIX_EPOCH)?;
    Ok(since.as_secs_f64())
}

/// A folder that is removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    /// Makes a private folder within `parent`.
    pub(crate) fn within(parent: &Path) -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = parent.join(format!(".xtask-{}-{number}", std::process::id()));
        // What a killed process with our pid left behind.
        if path.exists() {
            std::fs::remove_dir_all(&path)?;
        }
        std::fs::create_dir_all(&path)
            .with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            eprintln!("cannot remove {}: {error}", self.0.display());
        }
    }
}
