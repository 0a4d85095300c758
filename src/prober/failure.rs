//! Why a probe got no valid answer, and which class an error of the socket belongs to.

use std::error::Error;
use std::io;

use nix::errno::Errno;

use crate::egress::resolver::is_our_shortage;
use crate::files::secrets::SecretError;
use crate::model::observation::{ErrorClass, Outcome};
use crate::runtime::chain::chain;

/// A probe that ended before an answer could be judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub class: ErrorClass,
    /// For people.
    pub detail: String,
}

impl Failure {
    pub fn new(class: ErrorClass, detail: impl Into<String>) -> Self {
        Self {
            class,
            detail: detail.into(),
        }
    }

    /// Our own fault.
    pub fn internal(detail: impl Into<String>) -> Self {
        Self::new(ErrorClass::Internal, detail)
    }

    pub fn outcome(&self) -> Outcome {
        match self.class {
            ErrorClass::Internal | ErrorClass::SecretUnbound | ErrorClass::SecretMissing => {
                Outcome::Unknown
            }
            _ => Outcome::Error,
        }
    }

    /// There is no value for a secret.
    pub(super) fn of_secret(error: &SecretError) -> Self {
        let class = match error {
            SecretError::Unbound(_) | SecretError::BoundElsewhere { .. } => {
                ErrorClass::SecretUnbound
            }
            _ => ErrorClass::SecretMissing,
        };
        Self::new(class, chain(error))
    }

    /// What an error of connecting says.
    pub(super) fn of_connect(error: &io::Error) -> Self {
        let class = if is_our_shortage(error) {
            ErrorClass::Internal
        } else {
            match error.raw_os_error().map(Errno::from_raw) {
                Some(Errno::ETIMEDOUT) => ErrorClass::ConnectTimeout,
                Some(Errno::ECONNREFUSED) => ErrorClass::ConnectRefused,
                Some(Errno::ECONNRESET | Errno::ECONNABORTED) => ErrorClass::Reset,
                // Unreachable, or forbidden by a packet filter, or no address of that kind.
                _ => ErrorClass::NetUnreachable,
            }
        };
        Self::new(class, error.to_string())
    }

    /// What an error in the middle of an exchange says.
    pub(super) fn of_exchange(error: &hyper::Error) -> Self {
        let class = if error.is_parse_too_large() {
            ErrorClass::BodyLimit
        } else if error.is_parse() {
            ErrorClass::Protocol
        } else if let Some(io) = find_io(error) {
            match io.kind() {
                _ if is_our_shortage(io) => ErrorClass::Internal,
                io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::Other => {
                    ErrorClass::Protocol
                }
                _ => ErrorClass::Reset,
            }
        } else if error.is_incomplete_message() || error.is_canceled() || error.is_closed() {
            ErrorClass::Reset
        } else {
            ErrorClass::Protocol
        };
        let detail = match class {
            ErrorClass::BodyLimit => "the header of the answer is too large".to_owned(),
            ErrorClass::Reset => format!("the connection ended too early: {}", chain(error)),
            ErrorClass::Protocol => format!("the answer is not HTTP: {}", chain(error)),
            _ => chain(error),
        };
        Self::new(class, detail)
    }

    /// The same in HTTP/2.
    pub(super) fn of_http2(error: &h2::Error) -> Self {
        let (class, why) = match (error.get_io(), error.reason()) {
            (Some(io), _) if is_our_shortage(io) => (ErrorClass::Internal, "no room"),
            (Some(_), _) => (ErrorClass::Reset, "the connection ended too early"),
            (None, Some(_)) if error.is_remote() => (ErrorClass::Reset, "it broke off"),
            _ => (ErrorClass::Protocol, "the answer is not HTTP/2"),
        };
        Self::new(class, format!("{why}: {}", chain(error)))
    }
}

fn find_io<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a io::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(io) = error.downcast_ref() {
            return Some(io);
        }
        next = error.source();
    }
    None
}
