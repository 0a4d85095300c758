//! What can go wrong between us and Postgres.

use crate::history::day::InvalidDay;
use crate::spec::SpecError;

/// Why the store could not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The setting is no Postgres URL.
    #[error("DATABASE_URL is not a Postgres URL")]
    Url(#[source] sqlx::Error),
    /// The schema could not be brought to this version, or is newer.
    #[error("the database's schema does not fit this program")]
    Migrate(#[source] sqlx::migrate::MigrateError),
    /// A statement failed.
    #[error("could not {doing}")]
    Query {
        /// What we were doing.
        doing: &'static str,
        #[source]
        source: sqlx::Error,
    },
    /// Postgres took a statement and gave no answer: it hangs, or the way to it.
    #[error("Postgres did not answer within {0:?}")]
    Stuck(std::time::Duration),
    /// Another live object has this address.
    #[error("{0:?} exists already")]
    AddressTaken(String),
    /// Another live token has this name.
    #[error("there is a token {0:?} already")]
    NameTaken(String),
    /// A shard belongs to somebody else now: nothing was written.
    #[error("the shards {0:?} are no longer ours")]
    Fenced(Vec<i16>),
    /// What is stored cannot be read.
    #[error("the stored spec {spec_id} cannot be read")]
    Spec {
        spec_id: i64,
        #[source]
        source: SpecError,
    },
    /// A stored day of a check's history cannot be read.
    #[error("a stored day of the check number {check_no} cannot be read")]
    Rollup {
        check_no: i64,
        #[source]
        source: InvalidDay,
    },
    /// A number in a row means nothing to us.
    #[error("the stored {what} {number} means nothing to this program")]
    Number { what: &'static str, number: i16 },
    /// A receiver that a check names does not exist.
    #[error("there is no webhook {0:?} in the project")]
    NoReceiver(String),
}

impl StoreError {
    /// Whether the same again may work: Postgres was away, or we were in
    /// another transaction's way.
    pub fn is_passing(&self) -> bool {
        let source = match self {
            Self::Query { source, .. } => source,
            Self::Stuck(_) => return true,
            _ => return false,
        };
        match source {
            sqlx::Error::Database(error) => {
                let code = error.code().unwrap_or_default();
                // Connection, transaction rollback, resources, operator, system.
                ["08", "40", "53", "57", "58"]
                    .iter()
                    .any(|class| code.starts_with(class))
            }
            sqlx::Error::Io(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::Protocol(_)
            | sqlx::Error::Tls(_) => true,
            _ => false,
        }
    }
}

impl StoreError {
    /// Whether Postgres has no room or no time for what was asked.
    pub fn is_too_much(&self) -> bool {
        let Self::Query {
            source: sqlx::Error::Database(error),
            ..
        } = self
        else {
            return false;
        };
        let code = error.code().unwrap_or_default();
        // Resources; a statement that was canceled.
        code.starts_with("53") || code == "57014"
    }

    /// Whether a text had a character that Postgres cannot store: NUL.
    pub fn is_unstorable_text(&self) -> bool {
        let Self::Query {
            source: sqlx::Error::Database(error),
            ..
        } = self
        else {
            return false;
        };
        error.code().as_deref() == Some("22021")
    }
}

/// Says what we were doing when a statement failed.
pub(super) trait Doing<T> {
    fn doing(self, doing: &'static str) -> Result<T, StoreError>;
}

impl<T> Doing<T> for Result<T, sqlx::Error> {
    fn doing(self, doing: &'static str) -> Result<T, StoreError> {
        self.map_err(|source| StoreError::Query { doing, source })
    }
}

/// The address of an exclusion violation becomes its own error:
/// `on conflict` does not work on such a constraint.
pub(super) fn address_taken(error: sqlx::Error, address: &str, doing: &'static str) -> StoreError {
    match &error {
        sqlx::Error::Database(database) if database.code().as_deref() == Some("23P01") => {
            StoreError::AddressTaken(address.to_owned())
        }
        _ => StoreError::Query {
            doing,
            source: error,
        },
    }
}
