//! Servers that nobody here wrote, run beside a story: with a folder and a port of their own, and
//! ended with the story, however that ends.

use std::fs::File;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};

use super::folder::Folder;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{free_port, until};

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
