//! Exit codes, and failures as people read them.

use std::io::{self, Write};
use std::process::ExitCode;

use crate::client::ClientError;
use crate::proto::json::JsonError;
use crate::proto::twirp::{Code, TwirpError};
use crate::runtime::chain::chain;

/// How the program ends. The numbers are a promise to scripts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Exit {
    Ok,
    /// Invalid files, or a refused request.
    Refused,
    /// There are changes, and that was asked.
    Changes,
    /// Nothing is wrong, and yet there is what was asked about: `--check`, `--deny-warnings`.
    Findings,
    /// A guard holds the plan.
    Held,
    /// The plan was made from what is no longer so; try again.
    Stale,
    /// It is applied, and not in force yet.
    NotInForce,
    /// The user said no: nothing was changed.
    Declined,
    /// A check that was probed would be down.
    WouldBeDown,
    /// Somebody else's to change: a person must decide.
    Conflict,
    Usage,
    /// The server or the way to it.
    Server,
    NotAllowed,
    Interrupted,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Ok => 0,
            Exit::Refused => 1,
            Exit::Changes => 2,
            Exit::Findings => 3,
            Exit::Held => 4,
            Exit::Stale => 5,
            Exit::NotInForce => 6,
            Exit::Declined => 7,
            Exit::WouldBeDown => 8,
            Exit::Conflict => 9,
            Exit::Usage => 64,
            Exit::Server => 69,
            Exit::NotAllowed => 77,
            Exit::Interrupted => 130,
        })
    }
}

/// Why a command did not do what it should.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) exit: Exit,
    /// Empty: it was said already.
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

impl Failure {
    pub(super) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
            hint: None,
        }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Writes it, and gives the exit code. When even that cannot be written
    /// there is nobody left to tell.
    pub(super) fn report(&self, words: &mut dyn Write) -> Exit {
        let mut text = String::new();
        if self.exit == Exit::Declined {
            // What the user chose is no error.
            text = format!("{}\n", self.message);
        } else if !self.message.is_empty() {
            text = format!("error: {}\n", self.message);
        }
        if let Some(hint) = &self.hint {
            text = format!("{text}hint: {hint}\n");
        }
        words.write_all(text.as_bytes()).ok();
        self.exit
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            // `lokahictl list | head`: whoever reads has enough.
            return Self::new(Exit::Ok, "");
        }
        Self::new(Exit::Refused, error.to_string())
    }
}

impl From<JsonError> for Failure {
    fn from(error: JsonError) -> Self {
        Self::new(Exit::Server, chain(&error))
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        match &error {
            ClientError::Refused(refusal) => refused(refusal),
            ClientError::Token => Self::new(Exit::Usage, chain(&error))
                .hint("look at LOKAHI_TOKEN, and at token in ~/.lokahictl.hcl"),
            ClientError::Server(_) => {
                Self::new(Exit::Usage, chain(&error)).hint("write http://user:password@host:port")
            }
            ClientError::Connect { .. } => connect(&chain(&error)),
            ClientError::Stranger { .. } => {
                Self::new(Exit::Server, chain(&error)).hint(ANOTHER_SERVER)
            }
            _ => Self::new(Exit::Server, chain(&error)),
        }
    }
}

const ANOTHER_SERVER: &str = "is lokahid running there? Another server: -S URL, LOKAHI_SERVER, \
                              or server = \"URL\" in ~/.lokahictl.hcl";

/// Nobody there, or nobody to be trusted.
fn connect(message: &str) -> Failure {
    if message.ends_with("it does not speak TLS") {
        return Failure::new(Exit::Server, message).hint("http:// instead of https://?");
    }
    let failure = Failure::new(Exit::Server, message);
    match message.contains("certificate") {
        // What to do stands in it, where there is something to do.
        true => failure,
        false => failure.hint(ANOTHER_SERVER),
    }
}

fn refused(refusal: &TwirpError) -> Failure {
    let exit = match refusal.code {
        Code::Unauthenticated | Code::PermissionDenied => Exit::NotAllowed,
        Code::Unavailable
        | Code::Internal
        | Code::Unknown
        | Code::Dataloss
        | Code::DeadlineExceeded
        | Code::Unimplemented
        | Code::BadRoute => Exit::Server,
        Code::Aborted => Exit::Stale,
        Code::FailedPrecondition => match refusal.meta.get("reason").map(String::as_str) {
            Some("held" | "prevent_destroy") => Exit::Held,
            Some("reconciled" | "declared") => Exit::Conflict,
            _ => Exit::Refused,
        },
        _ => Exit::Refused,
    };
    let failure = Failure::new(exit, refusal.to_string());
    match (refusal.code, refusal.meta.get("file")) {
        (Code::Unauthenticated, _) => failure.hint(
            "set LOKAHI_TOKEN to a token of this server, or put a user and a password into its URL: \
             http://user:password@host:port; where LOKAHI_TOKEN is set, the URL's are not used",
        ),
        (Code::PermissionDenied, _) => failure.hint(
            "an administrator can make a token that may: lokahictl token create NAME --scope SCOPE",
        ),
        (Code::FailedPrecondition, Some(file)) => {
            // Below the root of its repository, where it comes from one.
            let file = refusal.meta.get("path").unwrap_or(file);
            let line = refusal.meta.get("line").map_or("1", String::as_str);
            failure.hint(format!("edit {file}:{line}, then run: lokahictl apply"))
        }
        (Code::Aborted, _) => failure.hint("somebody was faster; look again and try again"),
        _ => failure,
    }
}
