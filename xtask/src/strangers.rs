//! Makes sure that the programs which only tests need are there: servers and tools that nobody
//! here wrote. They are looked for in the cache, then by the rule of `peers`; what is missing is
//! unpacked from apt-get's packages into the cache, as root too: nothing is installed on the
//! machine, and no package starts a daemon. Running them is left to the tests.

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::workspace::{self, Scratch};

/// A program of others.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stranger {
    program: &'static str,
    /// Debian's package of it, without the daemon where there is the choice.
    package: &'static str,
    /// What makes it say which version it is, and the words that must stand there.
    says: (&'static str, &'static [&'static str]),
}

const ALL: &[Stranger] = &[
    Stranger {
        program: "nginx",
        package: "nginx",
        says: ("-V", &["http_ssl_module", "http_v2_module"]),
    },
    Stranger {
        program: "nghttpd",
        package: "nghttp2-server",
        says: ("--version", &[]),
    },
    Stranger {
        program: "openssl",
        package: "openssl",
        says: ("version", &["OpenSSL"]),
    },
    Stranger {
        program: "dnsmasq",
        package: "dnsmasq-base",
        says: ("--version", &[" DNSSEC"]),
    },
    Stranger {
        program: "prometheus-alertmanager",
        package: "prometheus-alertmanager",
        says: ("--version", &["alertmanager"]),
    },
    Stranger {
        program: "tinyproxy",
        package: "tinyproxy-bin",
        says: ("-v", &["tinyproxy"]),
    },
];

/// For the stories in a network namespace, which no other system has.
const OF_LINUX: &[Stranger] = &[
    Stranger {
        program: "nft",
        package: "nftables",
        says: ("--version", &[]),
    },
    Stranger {
        program: "ip",
        package: "iproute2",
        says: ("-V", &[]),
    },
];

/// Whom lokahi is compared with.
pub(crate) const BLACKBOX: Stranger = Stranger {
    program: "prometheus-blackbox-exporter",
    package: "prometheus-blackbox-exporter",
    says: ("--version", &["blackbox_exporter"]),
};

/// Where programs of administrators are, which an ordinary user's `PATH` may lack.
const USUAL: [&str; 4] = ["/usr/sbin", "/sbin", "/usr/local/sbin", "/opt/homebrew/bin"];

/// Fetches what is missing, and of others than those of the tests these.
pub(crate) fn ensure(others: &'static [Stranger]) -> Result<()> {
    let cache = workspace::cache_dir()?;
    let of_linux = OF_LINUX.iter().filter(|_| cfg!(target_os = "linux"));
    let mut missing = Vec::new();
    for stranger in ALL.iter().chain(of_linux).chain(others) {
        if !stranger.is_here(&cache)? {
            missing.push(stranger);
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let list = |part: fn(&Stranger) -> &str| {
        let parts: Vec<_> = missing.iter().map(|it| part(it)).collect();
        parts.join(" ")
    };
    println!(
        "Tests need programs that are not on this machine: {}.\n\
         They are unpacked from apt-get's packages into {}; nothing is installed.",
        list(|it| it.program),
        cache.display()
    );
    fetch(&missing, &cache).with_context(|| {
        let packages = list(|it| it.package);
        let line = match cfg!(target_os = "macos") {
            true => "brew install nginx nghttp2 openssl dnsmasq tinyproxy".to_owned(),
            false => format!("sudo apt-get install --no-install-recommends {packages}"),
        };
        format!(
            "tests need {}, which was not found and could not be fetched. Type: {line}",
            list(|it| it.program)
        )
    })
}

/// Where a program is that was made sure of.
pub(crate) fn find(program: &str) -> Result<PathBuf> {
    let mut all = ALL.iter().chain(OF_LINUX);
    let stranger = all.find(|stranger| stranger.program == program);
    let stranger = stranger.with_context(|| format!("{program} is not known here"))?;
    let kept = stranger.place(&workspace::cache_dir()?).join(program);
    let found = if kept.exists() {
        Some(kept)
    } else {
        stranger.installed()
    };
    found.with_context(|| format!("{program} is not on this machine"))
}

impl Stranger {
    /// Where an installed one is: the tests take the first that they find.
    fn installed(&self) -> Option<PathBuf> {
        let folders: Vec<PathBuf> = match env::var_os("PEERS_PATH") {
            Some(list) => env::split_paths(&list).collect(),
            None => {
                let path = env::var_os("PATH").unwrap_or_default();
                let usual = USUAL.iter().map(PathBuf::from);
                env::split_paths(&path).chain(usual).collect()
            }
        };
        folders
            .into_iter()
            .filter(|folder| !folder.as_os_str().is_empty())
            .map(|folder| folder.join(self.program))
            .find(|program| program.is_file())
    }

    /// Whether the tests will find it, and it is what they need. The cache comes first: what is
    /// there is there because the machine's own does not do.
    fn is_here(&self, cache: &Path) -> Result<bool> {
        let kept = self.place(cache);
        if kept.exists() {
            if self.is_fit(&kept.join(self.program)) {
                return Ok(true);
            }
            fs::remove_dir_all(&kept)
                .with_context(|| format!("cannot remove {}", kept.display()))?;
        }
        let found = self.installed();
        Ok(found.is_some_and(|program| self.is_fit(&program)))
    }

    /// Where it is kept; the tests have the same rule.
    fn place(&self, cache: &Path) -> PathBuf {
        cache.join(format!("test-{}", self.program))
    }

    fn is_fit(&self, program: &Path) -> bool {
        let (argument, words) = self.says;
        let output = Command::new(program)
            .arg(argument)
            .stdin(Stdio::null())
            .output();
        output.is_ok_and(|output| {
            let said = [output.stdout, output.stderr].concat();
            let said = String::from_utf8_lossy(&said);
            output.status.success() && words.iter().all(|word| said.contains(word))
        })
    }
}

/// With the machine's lists of packages, which may be missing or stale; then with own ones.
fn fetch(missing: &[&Stranger], cache: &Path) -> Result<()> {
    fs::create_dir_all(cache).with_context(|| format!("cannot make {}", cache.display()))?;
    let scratch = Scratch::within(cache)?;
    let mut own_lists = None;
    for stranger in missing {
        let folder = scratch.path().join(stranger.program);
        if own_lists.is_none() {
            match unpack(stranger, &folder.join("first"), cache, &Apt::default()) {
                Ok(()) => continue,
                Err(error) => eprintln!(
                    "{}: not by the machine's lists of packages: {error:#}",
                    stranger.program
                ),
            }
            own_lists = Some(Apt::updated(&scratch.path().join("apt"))?);
        }
        if let Some(apt) = &own_lists {
            unpack(stranger, &folder.join("second"), cache, apt)
                .with_context(|| stranger.program)?;
        }
    }
    Ok(())
}

fn unpack(stranger: &Stranger, scratch: &Path, cache: &Path, apt: &Apt) -> Result<()> {
    let packages = apt.packages(stranger.package)?;
    println!("unpacking {}", packages.join(" "));
    let debs = scratch.join("debs");
    let kept = scratch.join("kept");
    let tree = kept.join("tree");
    fs::create_dir_all(&debs)?;
    fs::create_dir_all(&kept)?;
    let mut download = apt.get();
    download.args(["download", "-q"]).args(&packages);
    workspace::output(download.current_dir(&debs))?;
    for deb in fs::read_dir(&debs)?.flatten() {
        workspace::output(Command::new("dpkg").arg("-x").arg(deb.path()).arg(&tree))?;
    }
    let program = ["usr/sbin", "usr/bin", "sbin", "bin"]
        .map(|folder| Path::new(folder).join(stranger.program))
        .into_iter()
        // A link may lead to where the package would be installed.
        .find(|program| fs::symlink_metadata(tree.join(program)).is_ok_and(|it| it.is_file()))
        .context("the packages hold no such program")?;
    let start = kept.join(stranger.program);
    fs::write(&start, starter(&program, &libraries(&tree)))?;
    fs::set_permissions(&start, fs::Permissions::from_mode(0o755))?;
    ensure!(
        stranger.is_fit(&start),
        "what was fetched does not run here, or lacks what tests need"
    );
    let place = stranger.place(cache);
    fs::rename(&kept, &place).with_context(|| format!("cannot make {}", place.display()))?;
    println!("{} is in {}", stranger.program, place.display());
    Ok(())
}

/// A package without those that it needs, unpacked.
pub(crate) fn unpacked(package: &str, scratch: &Path) -> Result<PathBuf> {
    fs::create_dir_all(scratch)?;
    let download = |apt: &Apt| {
        let mut download = apt.get();
        download.args(["download", "-q", package]);
        workspace::output(download.current_dir(scratch))
    };
    if download(&Apt::default()).is_err() {
        download(&Apt::updated(&scratch.join("apt"))?)?;
    }
    let tree = scratch.join("tree");
    for deb in fs::read_dir(scratch)?.flatten() {
        if deb.path().extension().is_some_and(|end| end == "deb") {
            workspace::output(Command::new("dpkg").arg("-x").arg(deb.path()).arg(&tree))?;
        }
    }
    Ok(tree)
}

/// A script that becomes the program, with the libraries beside it.
fn starter(program: &Path, libraries: &[PathBuf]) -> String {
    let libraries: Vec<_> = libraries
        .iter()
        .map(|folder| format!("$here/{}", folder.display()))
        .collect();
    format!(
        "#!/bin/sh\n\
         here=$(dirname \"$(readlink -f \"$0\")\")/tree\n\
         export LD_LIBRARY_PATH=\"{}\"\n\
         exec \"$here/{}\" \"$@\"\n",
        libraries.join(":"),
        program.display()
    )
}

/// The folders with shared libraries, relative to the tree.
fn libraries(tree: &Path) -> Vec<PathBuf> {
    let entries = |folder: &Path| {
        let read = fs::read_dir(folder).into_iter().flatten().flatten();
        read.map(|entry| entry.path()).collect::<Vec<_>>()
    };
    let mut folders = Vec::new();
    for top in ["usr/lib", "lib"].map(|top| tree.join(top)) {
        folders.extend(entries(&top).into_iter().filter(|path| path.is_dir()));
        folders.push(top);
    }
    folders.retain(|folder| {
        let mut names = entries(folder).into_iter();
        names.any(|path| path.to_string_lossy().contains(".so"))
    });
    folders
        .iter()
        .filter_map(|folder| folder.strip_prefix(tree).ok().map(Path::to_owned))
        .collect()
}

/// How apt-get is called.
#[derive(Debug, Default)]
struct Apt {
    options: Vec<String>,
}

impl Apt {
    /// With fresh lists of packages in a folder, for which nobody needs rights.
    fn updated(folder: &Path) -> Result<Self> {
        for part in ["lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(folder.join(part))?;
        }
        let mut options = vec![
            format!("Dir::State::Lists={}", folder.join("lists").display()),
            format!("Dir::Cache={}", folder.join("cache").display()),
        ];
        if workspace::is_root() {
            // The account to which it would drop cannot write here.
            options.push("APT::Sandbox::User=root".to_owned());
        }
        let apt = Self { options };
        println!("asking for the lists of packages (apt-get update, in a folder of its own)");
        workspace::output(apt.get().args(["update", "-q"]))?;
        Ok(apt)
    }

    fn get(&self) -> Command {
        let mut command = Command::new("apt-get");
        for option in &self.options {
            command.args(["-o", option]);
        }
        command
            .env("DEBIAN_FRONTEND", "noninteractive")
            .env("LC_ALL", "C")
            .stdin(Stdio::null());
        command
    }

    /// A package, and those that it needs and this machine lacks.
    fn packages(&self, package: &str) -> Result<Vec<String>> {
        let mut simulation = self.get();
        simulation.args(["install", "-s", "-q", "--no-install-recommends", package]);
        let planned = workspace::output(&mut simulation)?;
        let mut packages = vec![package.to_owned()];
        for name in to_be_installed(&planned) {
            if name != package {
                packages.push(name.to_owned());
            }
        }
        Ok(packages)
    }
}

/// Reads `Inst NAME [OLD] (VERSION ARCHIVE [MACHINE])`.
fn to_be_installed(planned: &str) -> impl Iterator<Item = &str> {
    planned
        .lines()
        .filter_map(|line| line.strip_prefix("Inst ")?.split_whitespace().next())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_apt_get_would_install_is_read() {
        let planned = "NOTE: This is only a simulation!\n\
                       Inst libev4 (1:4.33-1 Debian:12.14/oldstable [amd64])\n\
                       Inst libnghttp2-14 [1.52.0-1] (1.52.0-2 Debian:12.14/oldstable [amd64])\n\
                       Conf libev4 (1:4.33-1 Debian:12.14/oldstable [amd64])\n";
        let names: Vec<_> = to_be_installed(planned).collect();
        assert_eq!(names, ["libev4", "libnghttp2-14"]);
    }

    #[test]
    fn a_starter_finds_program_and_libraries_beside_it() {
        let libraries = ["usr/lib/x86_64-linux-gnu", "lib"].map(PathBuf::from);
        let text = starter(Path::new("usr/sbin/nginx"), &libraries);
        assert!(
            text.contains("LD_LIBRARY_PATH=\"$here/usr/lib/x86_64-linux-gnu:$here/lib\"\n"),
            "{text}"
        );
        assert!(text.ends_with("exec \"$here/usr/sbin/nginx\" \"$@\"\n"));
    }
}
