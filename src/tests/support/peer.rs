//! Programs that nobody here wrote, found where `cargo xtask test` looks for them or puts them,
//! and run beside a story: with a folder and a port of their own, and ended with the story,
//! however that ends.

use std::env;
use std::fs::{self, File};
use std::net::{TcpListener, UdpSocket};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use lokahi::files::private::random_hex;
use lokahi::services::folder::default_cache_dir;
use lokahi::services::search;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{free_port, until};

/// A folder that is removed when this is dropped.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        let name = format!("lokahi-peer-{}", random_hex(8).unwrap());
        let folder = env::temp_dir().join(name);
        fs::create_dir(&folder).unwrap();
        Self(folder)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.0.join(name), text).unwrap();
    }

    /// What stands in a file; nothing if it is not there.
    pub(crate) fn read(&self, name: &str) -> String {
        let bytes = fs::read(self.0.join(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

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

/// How a server shows that it has its port.
pub(crate) enum Sign {
    /// It says this.
    Says(&'static str),
    /// There is a file.
    Makes(&'static str),
}

/// A server that runs until this is dropped. Should we be killed, another process ends it.
pub(crate) struct Peer {
    pub(crate) port: u16,
    pub(crate) folder: Folder,
    child: Child,
    watcher: Child,
}

/// Where its words go.
const LOG: &str = "words.log";

impl Peer {
    /// Starts a server that is told its port, in a folder that holds what it needs.
    pub(crate) async fn start(
        folder: Folder,
        sign: Sign,
        command: impl Fn(&Folder, u16) -> Command,
    ) -> Self {
        let mut folder = folder;
        loop {
            let port = free_port_of_both();
            let command = command(&folder, port);
            match Self::spawn(command, folder, port).ready(&sign).await {
                Ok(ready) => return ready,
                // Somebody was faster.
                Err(ended) if ended.words().contains("ddress already in use") => {
                    folder = ended.into_folder();
                }
                Err(ended) => panic!("a server ended: {}", ended.words()),
            }
        }
    }

    fn spawn(mut command: Command, folder: Folder, port: u16) -> Self {
        let log = File::create(folder.path().join(LOG)).unwrap();
        let child = command
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let watcher = Command::new("sh")
            .args(["-c", "read -r line; kill -s KILL \"$1\"", "sh"])
            .arg(child.id().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Ctrl-C is not for it.
            .process_group(0)
            .spawn()
            .unwrap();
        Self {
            port,
            folder,
            child,
            watcher,
        }
    }

    /// Waits until it has its port, or has ended.
    async fn ready(mut self, sign: &Sign) -> Result<Self, Self> {
        let mut ended = false;
        until("a server is ready or has ended", || {
            ended = self.child.try_wait().unwrap().is_some();
            let ready = match sign {
                Sign::Says(text) => self.words().contains(text),
                Sign::Makes(file) => self.folder.path().join(file).exists(),
            };
            std::future::ready(ended || ready)
        })
        .await;
        match ended {
            true => Err(self),
            false => Ok(self),
        }
    }

    /// Everything that it has said.
    pub(crate) fn words(&self) -> String {
        self.folder.read(LOG)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().cast_signed());
        kill(pid, signal).unwrap();
    }

    fn into_folder(mut self) -> Folder {
        std::mem::replace(&mut self.folder, Folder::new())
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // Its number is its own until it is waited for, so the watcher goes first.
        for child in [&mut self.watcher, &mut self.child] {
            child.kill().ok();
            child.wait().ok();
        }
    }
}

/// A port that is free for TCP and UDP.
fn free_port_of_both() -> u16 {
    loop {
        let port = free_port();
        let taken = (
            UdpSocket::bind(("127.0.0.1", port)),
            TcpListener::bind(("127.0.0.1", port)),
        );
        if let (Ok(_), Ok(_)) = taken {
            return port;
        }
    }
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
