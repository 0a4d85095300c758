//! What an operator sets, as flags and as environment variables alike.
//!
//! The tables in README.md are made from these definitions.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::BoolishValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::model::duration;
use crate::model::name::{InvalidName, Name};
use crate::model::value::HttpUrl;
use crate::reconcile::run::SelfHeal;

const DATABASE_EXAMPLE: &str = "postgres://USER:PASSWORD@HOST:5432/DATABASE";

/// lokahid: the API, the scheduler and the recorder of lokahi.
#[derive(Debug, Parser)]
#[command(name = "lokahid", version, about, long_about = None, after_help = LOKAHID_EXAMPLES)]
pub struct Lokahid {
    #[command(subcommand)]
    pub command: Option<LokahidCommand>,
    #[command(flatten)]
    pub private: PrivateServers,
    #[command(flatten)]
    pub database: Database,
    #[command(flatten)]
    pub nats: Nats,
    #[command(flatten)]
    pub listen: Listen,
    #[command(flatten)]
    pub reconcile: Reconcile,
    #[command(flatten)]
    pub canary: Canary,
    #[command(flatten)]
    pub targets: Targets,
    #[command(flatten)]
    pub sentinels: Sentinels,
    #[command(flatten)]
    pub webhooks: Webhooks,
    #[command(flatten)]
    pub private_addresses: Private,
    #[command(flatten)]
    pub secrets: SecretFiles,
    /// Bring the database's schema to this version at the start. Always done with --all-in-one
    #[arg(long, env = "MIGRATE", value_parser = BoolishValueParser::new())]
    pub migrate: bool,
    /// A name for this lokahid that it keeps when it is restarted, and that no other has.
    /// Default: host name and port
    #[arg(long, env = "INSTANCE", value_name = "NAME")]
    pub instance: Option<String>,
    /// Where health workers are that probe for this lokahid
    #[arg(long, env = "LOCATION", value_name = "NAME", default_value = "default", value_parser = location)]
    pub location: String,
    /// How much of the disk single probes may take, in bytes, MB or GB: beyond it the oldest day
    /// goes, though it is younger than three days; what it was rolled up into stays
    #[arg(
        long,
        env = "OBSERVATIONS_SIZE",
        value_name = "SIZE",
        default_value = "15GB",
        value_parser = size
    )]
    pub observations_size: u64,
}

const LOKAHID_EXAMPLES: &str = "\
Examples:
  lokahid --all-in-one                     everything in one process, with private Postgres and NATS
  lokahid --all-in-one --checks-dir checks.d
                                           the same, and the checks are what the folder says
  DATABASE_URL=postgres://lokahi:secret@db/lokahi NATS_URL=nats://nats:4222 \\
    USERPASS=admin:secret MIGRATE=true lokahid
                                           against servers of your own, with workers elsewhere
  lokahid migrate --check                  exit 1 when the schema is older than this program,
                                           69 when Postgres cannot be reached";

/// What lokahid does instead of running.
#[derive(Debug, Subcommand)]
pub enum LokahidCommand {
    /// Bring the database's schema to this version, and end
    Migrate {
        /// Only say whether there is something to do; exit 1 if so, 69 when Postgres cannot be reached
        #[arg(long)]
        check: bool,
    },
}

/// healthworker: probes sites.
#[derive(Debug, Parser)]
#[command(name = "healthworker", version, about, long_about = None, after_help = "\
Examples:
  NATS_URL=nats://nats.example.com:4222 healthworker
  NATS_URL=nats://nats.example.com:4222 LOCATION=fra healthworker")]
pub struct Healthworker {
    #[command(flatten)]
    pub nats: Nats,
    #[command(flatten)]
    pub targets: Targets,
    #[command(flatten)]
    pub sentinels: Sentinels,
    #[command(flatten)]
    pub private_addresses: Private,
    #[command(flatten)]
    pub secrets: SecretFiles,
    /// The location whose checks it probes
    #[arg(long, env = "LOCATION", value_name = "NAME", default_value = "default", value_parser = location)]
    pub location: String,
}

/// webhookworker: brings events to their receivers.
#[derive(Debug, Parser)]
#[command(name = "webhookworker", version, about, long_about = None, after_help = "\
Examples:
  DATABASE_URL=postgres://lokahi@db.example.com/lokahi NATS_URL=nats://nats.example.com:4222 webhookworker")]
pub struct Webhookworker {
    #[command(flatten)]
    pub database: Database,
    #[command(flatten)]
    pub nats: Nats,
    #[command(flatten)]
    pub webhooks: Webhooks,
    #[command(flatten)]
    pub private_addresses: Private,
    #[command(flatten)]
    pub secrets: SecretFiles,
}

/// Everything in one process.
#[derive(Debug, Args)]
pub struct PrivateServers {
    /// Run every role in this process, and private Postgres and NATS where no URL is given
    #[arg(long, env = "ALL_IN_ONE", value_parser = BoolishValueParser::new())]
    pub all_in_one: bool,
    /// Where private servers keep their data. Default: the platform's data folder
    #[arg(long, env = "DATA_DIR", value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Where downloaded server programs are. Default: the platform's cache folder
    #[arg(long, env = "CACHE_DIR", value_name = "DIR")]
    pub cache_dir: Option<PathBuf>,
}

/// Postgres.
#[derive(Debug, Args)]
pub struct Database {
    /// Postgres 15 or newer, e.g. postgres://USER:PASSWORD@HOST:5432/DATABASE
    #[arg(long, env = "DATABASE_URL", value_name = "URL", hide_env_values = true)]
    pub database_url: Option<String>,
    /// The most connections to Postgres that this process opens
    #[arg(
        long,
        env = "DATABASE_CONNECTIONS",
        value_name = "N",
        default_value_t = 10
    )]
    pub database_connections: u32,
}

/// NATS.
#[derive(Debug, Args)]
pub struct Nats {
    /// NATS 2.10 or newer, e.g. nats://HOST:4222; several with commas
    #[arg(long, env = "NATS_URL", value_name = "URL", hide_env_values = true)]
    pub nats_url: Option<String>,
    /// A NATS credentials file
    #[arg(long, env = "NATS_CREDS", value_name = "FILE")]
    pub nats_creds: Option<PathBuf>,
}

/// The API.
#[derive(Debug, Args)]
pub struct Listen {
    /// Address and port of the API, e.g. 0.0.0.0:24253. Default, without PORT: 127.0.0.1:24253
    #[arg(long, env = "LISTEN", value_name = "ADDRESS:PORT")]
    pub listen: Option<String>,
    /// Port of the API, unless LISTEN is set: on all addresses with USERPASS, on 127.0.0.1 without. With neither: 127.0.0.1:24253
    #[arg(long, env = "PORT", value_name = "PORT")]
    pub port: Option<u16>,
    /// USER:PASSWORD of the administrator (HTTP basic authentication)
    #[arg(
        long,
        env = "USERPASS",
        value_name = "USER:PASSWORD",
        hide_env_values = true
    )]
    pub userpass: Option<String>,
    /// A PEM file with the certificate chain: the API is then served over TLS, and the files are
    /// read again when they change
    #[arg(long, env = "TLS_CERT", value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// A PEM file with its private key
    #[arg(long, env = "TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Serve the API beyond this machine without a password
    #[arg(long, env = "ALLOW_ANONYMOUS", value_parser = BoolishValueParser::new())]
    pub allow_anonymous: bool,
    /// Serve /metrics without a password
    #[arg(long, env = "METRICS_OPEN", value_parser = BoolishValueParser::new())]
    pub metrics_open: bool,
}

/// Checks as code.
#[derive(Debug, Args)]
pub struct Reconcile {
    /// A folder of check files: what it says is applied whenever it changes
    #[arg(long, env = "CHECKS_DIR", value_name = "DIR")]
    pub checks_dir: Option<PathBuf>,
    /// A folder in a repository, PATH-OR-URL#REF:FOLDER: what is committed there is applied
    #[arg(long, env = "CHECKS_GIT", value_name = "PLACE", hide_env_values = true)]
    pub checks_git: Option<String>,
    /// What is done with what differs
    #[arg(
        long,
        env = "RECONCILE",
        value_enum,
        default_value_t,
        value_name = "MODE"
    )]
    pub reconcile: ReconcileMode,
    /// What is done with checks that somebody changed past the files
    #[arg(
        long,
        env = "SELF_HEAL",
        value_enum,
        default_value_t,
        value_name = "MODE"
    )]
    pub self_heal: SelfHealMode,
    /// How often the files are read although nothing told of a change
    #[arg(long, env = "RECONCILE_INTERVAL", value_name = "DURATION", default_value = "60s", value_parser = interval)]
    pub reconcile_interval: Duration,
    /// Names of environment variables, separated by commas, that check files may read
    /// besides LOKAHI_*
    #[arg(long, env = "ENV_ALLOW", value_name = "NAME", value_delimiter = ',')]
    pub env_allow: Vec<String>,
}

/// What the reconciler does with what differs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ReconcileMode {
    Off,
    Observe,
    #[default]
    Apply,
}

/// What it does with checks that somebody changed past the files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum SelfHealMode {
    #[default]
    Warn,
    Restore,
    Off,
}

impl From<SelfHealMode> for SelfHeal {
    fn from(mode: SelfHealMode) -> Self {
        match mode {
            SelfHealMode::Warn => Self::Warn,
            SelfHealMode::Restore => Self::Restore,
            SelfHealMode::Off => Self::Off,
        }
    }
}

/// Which addresses may be probed.
#[derive(Debug, Args)]
pub struct Targets {
    /// Networks that may be probed although they are denied otherwise, e.g. 169.254.0.0/16
    #[arg(long, env = "TARGET_ALLOW", value_name = "CIDR", value_delimiter = ',')]
    pub target_allow: Vec<String>,
    /// Networks that may not be probed
    #[arg(long, env = "TARGET_DENY", value_name = "CIDR", value_delimiter = ',')]
    pub target_deny: Vec<String>,
}

/// What a worker asks about its own network.
#[derive(Debug, Args)]
pub struct Sentinels {
    /// URLs, separated by commas, 10 at most, that answer with 2xx as long as the network of this
    /// worker is well: asked every 5 seconds. When nearly all checks fail at once and most of these
    /// do, too, that counts as unknown, not as down
    #[arg(long, env = "SENTINELS", value_name = "URL", value_delimiter = ',')]
    pub sentinels: Vec<HttpUrl>,
}

impl Sentinels {
    const MOST: usize = 10;

    /// All of them, or that there are too many.
    pub fn urls(&self) -> anyhow::Result<Vec<HttpUrl>> {
        let many = self.sentinels.len();
        anyhow::ensure!(
            many <= Self::MOST,
            "SENTINELS: {many} URLs are more than {}",
            Self::MOST
        );
        Ok(self.sentinels.clone())
    }
}

/// Who hears when lokahi itself is dead.
#[derive(Debug, Args)]
pub struct Canary {
    /// A URL that is asked with GET again and again while a canary is heard: a site of lokahid's own
    /// that goes down and comes back, through all that a check goes through. For a service that
    /// calls you when that stops
    #[arg(
        long,
        env = "HEARTBEAT_URL",
        value_name = "URL",
        hide_env_values = true
    )]
    pub heartbeat_url: Option<HttpUrl>,
    /// The time between two heartbeats, from 10s
    #[arg(long, env = "HEARTBEAT_EVERY", value_name = "DURATION", default_value = "60s", value_parser = beat)]
    pub heartbeat_every: Duration,
    /// Run the canary without heartbeats, too: how long it takes to be heard is a metric
    #[arg(long, env = "CANARY", value_parser = BoolishValueParser::new())]
    pub canary: bool,
    /// Where the canary listens. Workers elsewhere need an address that they reach
    #[arg(
        long,
        env = "CANARY_LISTEN",
        value_name = "ADDRESS:PORT",
        default_value = "127.0.0.1:0"
    )]
    pub canary_listen: SocketAddr,
    /// Where workers reach it, if not there, e.g. http://lokahid.internal:24254
    #[arg(long, env = "CANARY_URL", value_name = "URL")]
    pub canary_url: Option<HttpUrl>,
}

/// Which addresses may be posted to.
#[derive(Debug, Args)]
pub struct Webhooks {
    /// Networks that may be posted to although they are denied otherwise
    #[arg(
        long,
        env = "WEBHOOK_ALLOW",
        value_name = "CIDR",
        value_delimiter = ','
    )]
    pub webhook_allow: Vec<String>,
    /// Networks that may not be posted to
    #[arg(long, env = "WEBHOOK_DENY", value_name = "CIDR", value_delimiter = ',')]
    pub webhook_deny: Vec<String>,
}

/// What holds for both.
#[derive(Debug, Args)]
pub struct Private {
    /// Deny private and loopback addresses: for whoever lets strangers declare checks
    #[arg(long, env = "DENY_PRIVATE", value_parser = BoolishValueParser::new())]
    pub deny_private: bool,
}

/// What workers know of secrets.
#[derive(Debug, Args)]
pub struct SecretFiles {
    /// A folder in which a worker finds secrets, each in a file of its name. LOKAHI_SECRET_NAME in
    /// the environment comes first
    #[arg(long, env = "SECRETS_DIR", value_name = "DIR")]
    pub secrets_dir: Option<PathBuf>,
    /// A file of blocks `secret "NAME" { hosts = [...], projects = [...] }`: what is bound so goes to
    /// these hosts for these projects, and nowhere else. Read again when it changes
    #[arg(long, env = "SECRETS_BINDING", value_name = "FILE")]
    pub secrets_binding: Option<PathBuf>,
}

impl Database {
    /// The URL, or what to do without one.
    pub fn url(&self) -> anyhow::Result<&str> {
        given(self.database_url.as_deref()).ok_or_else(|| {
            anyhow::anyhow!(
                "DATABASE_URL is not set\nhint: DATABASE_URL={DATABASE_EXAMPLE}, or \
                 lokahid --all-in-one, which brings servers of its own"
            )
        })
    }
}

impl Nats {
    /// The URL, or what to do without one.
    pub fn url(&self) -> anyhow::Result<&str> {
        given(self.nats_url.as_deref())
            .ok_or_else(|| anyhow::anyhow!("NATS_URL is not set\nhint: NATS_URL=nats://HOST:4222"))
    }
}

/// A setting that is there; compose files leave empty ones.
pub fn given(value: Option<&str>) -> Option<&str> {
    value.map(str::trim).filter(|value| !value.is_empty())
}

/// `30s`, `1m30s`: as in check files.
fn interval(text: &str) -> Result<Duration, String> {
    let milliseconds = duration::milliseconds(text)
        .ok_or_else(|| "write a number and s, m or h, e.g. 60s".to_owned())?;
    u64::try_from(milliseconds)
        .ok()
        .filter(|it| (1_000..=86_400_000).contains(it))
        .map(Duration::from_millis)
        .ok_or_else(|| "it must be between 1s and 24h".into())
}

fn beat(text: &str) -> Result<Duration, String> {
    interval(text).and_then(|every| match every.as_secs() {
        10.. => Ok(every),
        _ => Err("it must be between 10s and 24h".into()),
    })
}

fn location(text: &str) -> Result<String, InvalidName> {
    text.parse::<Name>().map(|name| name.to_string())
}

/// `500MB`, `15GB`; 1 GB is 1,000,000,000 bytes.
fn size(text: &str) -> Result<u64, String> {
    let units = [("GB", 1_000_000_000), ("MB", 1_000_000)];
    let (number, unit) = units
        .iter()
        .find_map(|(name, unit)| Some((text.strip_suffix(name)?, *unit)))
        .unwrap_or((text, 1));
    let number = number.trim_end().parse::<u64>().ok();
    number
        .and_then(|number| number.checked_mul(unit))
        .filter(|bytes| *bytes > 0)
        .ok_or_else(|| "write a number of bytes, or e.g. 500MB, 15GB".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, bytes) in [("1", 1), ("500MB", 500_000_000), ("15 GB", 15_000_000_000)] {
            assert_eq!(size(text), Ok(bytes));
        }
        for bad in ["", "0", "GB", "-1GB", "1.5GB", "15G", "99999999999GB"] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }
}
