//! Log lines go to stderr; stdout is for data. `LOG` chooses what is logged, in the syntax of
//! tracing's `EnvFilter` (`info` unless told, `LOG=debug`, `LOG=lokahi::store=trace,info`).

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// The setting that chooses what is logged.
pub const VARIABLE: &str = "LOG";

/// What is left out unless the setting says something.
const QUIET: [&str; 2] = ["async_nats=off", "sqlx::postgres::notice=warn"];

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("reading the setting {VARIABLE}")]
    Filter(#[source] tracing_subscriber::filter::FromEnvError),
    #[error("setting up the log")]
    Install(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Installs the process-wide subscriber. Call it once, first thing.
pub fn init() -> Result<(), Error> {
    let asked = std::env::var_os(VARIABLE).is_some();
    let filter = EnvFilter::builder()
        .with_default_directive(LevelFilter::INFO.into())
        .with_env_var(VARIABLE)
        .from_env()
        .map_err(Error::Filter)?;
    // The bus says in its own words what becomes of its connection, and Postgres's notices are
    // about statements that are meant to do nothing the second time.
    let filter =
        QUIET
            .iter()
            .filter_map(|quiet| quiet.parse().ok())
            .fold(filter, |filter, quiet| {
                if asked {
                    filter
                } else {
                    filter.add_directive(quiet)
                }
            });
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .try_init()
        .map_err(Error::Install)
}
