//! Programs that nobody here wrote, found where `cargo xtask test` looks for them or puts them, and
//! what they need of the machine.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use lokahi::services::folder::default_cache_dir;
use lokahi::services::search;

use super::folder::Folder;

/// A program of others, to be called with arguments. The cache comes first: `xtask/src/
/// strangers.rs` has put there what the machine lacks.
pub(crate) fn stranger(name: &str) -> Command {
    let cache = env::var_os("CACHE_DIR").map_or_else(|| default_cache_dir().unwrap(), Into::into);
    let mut folders = vec![cache.join(format!("test-{name}"))];
    match env::var_os(search::VARIABLE) {
        Some(list) => folders.extend(env::split_paths(&list)),
        None => {
            let path = env::var_os("PATH").unwrap_or_default();
            let usual = ["/usr/sbin", "/sbin", "/usr/local/sbin", "/opt/homebrew/bin"];
            folders.extend(env::split_paths(&path).chain(usual.map(PathBuf::from)));
        }
    }
    let mut programs = folders.into_iter().map(|folder| folder.join(name));
    let found = programs.find(|program| program.is_file());
    Command::new(found.unwrap_or_else(|| {
        panic!("{name} is not on this machine: `cargo xtask test` fetches it and runs the tests")
    }))
}

/// Runs a program of others to its end, in a folder, and gives what it printed.
pub(crate) fn run(command: &mut Command, folder: &Folder) -> String {
    let output = command.current_dir(folder.path()).output().unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {words}");
    String::from_utf8(output.stdout).unwrap()
}

/// The arguments with which `unshare` gives a program mounts of its own: as root, or as root of a
/// user namespace.
pub(crate) fn own_mounts() -> &'static [&'static str] {
    let ways: [&[&str]; 2] = [&["--mount"], &["--user", "--map-root-user", "--mount"]];
    let allowed = ways.into_iter().find(|way| {
        let tried = Command::new("unshare").args(*way).arg("true").output();
        tried.is_ok_and(|output| output.status.success())
    });
    allowed.expect("this machine lets us make no mount namespace: see the stories of networks")
}
