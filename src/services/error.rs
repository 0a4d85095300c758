//! What can go wrong with the private servers, said so that a person knows what to do next.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

use crate::runtime::supervisor::Failure;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{doing} {}", path.display())]
    File {
        doing: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the data folder {} is in use by {holder}; give this one another --data-dir", path.display())]
    Locked { path: PathBuf, holder: String },
    #[error("no home folder is known: set HOME, or give --data-dir and CACHE_DIR")]
    NoHome,
    #[error(
        "{} cannot be entered by the user {user}, under which the servers run because nothing \
         of them may run as root; choose a --data-dir outside of it, such as /var/lib/lokahi",
        path.display()
    )]
    NotEnterable { path: PathBuf, user: String },
    #[error(
        "root does not run Postgres, and there is neither a user `postgres` nor `nobody` to run it as"
    )]
    NoAccount,
    #[error(
        "{what} is needed and was not found. Looked in: {}. To get it: `cargo xtask up` \
         fetches it by itself, or {install}",
        looked.join(", ")
    )]
    Missing {
        what: String,
        looked: Vec<String>,
        install: &'static str,
    },
    #[error("{} holds no version of Postgres but {found:?}", path.display())]
    StrangeVersion { path: PathBuf, found: String },
    #[error("{} should be a folder of the user {user} that nobody else can enter; remove it", path.display())]
    SocketFolder { path: PathBuf, user: String },
    #[error("starting {}", program.display())]
    Spawn {
        program: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("initdb ended with {status}: {output}")]
    Initdb { status: ExitStatus, output: String },
    #[error("{name} ended while it was starting ({status}); its log {} ends with: {tail}", log.display())]
    Died {
        name: &'static str,
        status: String,
        log: PathBuf,
        tail: String,
    },
    #[error("{name} runs but could not be used within {waited_seconds} s")]
    NotReady {
        name: &'static str,
        waited_seconds: u64,
        #[source]
        source: NotReady,
    },
    #[error("no free port on loopback for nats-server")]
    NoPort,
    #[error("the supervision of the private servers ended by itself")]
    Unsupervised,
    #[error("stopping the private servers")]
    Supervision(#[source] Failure),
}

/// Why a server that runs cannot be used yet.
#[derive(Debug, thiserror::Error)]
pub enum NotReady {
    #[error("nothing answers")]
    Connection(#[source] io::Error),
    #[error("no answer in time")]
    Timeout,
    #[error("it answered {code}: {message}")]
    Refused { code: String, message: String },
    #[error("it answered something else: {0}")]
    Strange(String),
}

/// Shortens `map_err` for the many small things done with files.
pub(super) trait At<T> {
    fn at(self, doing: &'static str, path: impl Into<PathBuf>) -> Result<T, Error>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, doing: &'static str, path: impl Into<PathBuf>) -> Result<T, Error> {
        self.map_err(|source| Error::File {
            doing,
            path: path.into(),
            source,
        })
    }
}
