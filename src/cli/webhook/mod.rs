//! `webhook`: receivers, and what they are sent. What stands here asks no server: events are
//! received and verified on this machine.

pub(super) mod listen;
pub(super) mod verify;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use self::listen::Listen;
use self::verify::Verify;
use super::exit::{Exit, Failure};
use crate::files::secrets::Secrets;
use crate::model::secret::{Asking, SecretName, SecretUse, Unbound};
use crate::runtime::chain::chain;
use crate::signature::{SigningSecret, Verifier};

/// Receivers, and what they are sent
#[derive(Debug, Subcommand)]
pub(super) enum WebhookCommand {
    /// Receive events on this machine, check their signatures, and print them
    #[command(after_help = "\
Examples:
  lokahictl webhook listen
  lokahictl webhook listen --port 9002 --secret oncall-signing --secrets-dir secrets
  LOKAHI_SECRET_ONCALL_SIGNING=whsec_... lokahictl webhook listen --secret oncall-signing
  lokahictl webhook listen --answer 503

It takes events of both formats on every path: POST them to the address that it prints. With
--secret an event that none of them signed is answered with 401, which is tried again as any
failure is. A tunnel brings it what a server elsewhere sends.")]
    Listen(Listen),
    /// Say whether a message that was kept is signed with a secret
    #[command(after_help = "\
Examples:
  lokahictl webhook verify body.json --secret oncall-signing --id 0198c3d2-7a54-7cc0-b1d2-3f6f1a2b3c4d \\
      --timestamp 1767225660 --signature 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE='
  lokahictl webhook verify --any-age --secret new --secret old --id ID --timestamp T --signature S < body

The body is the bytes as they came, JSON or protobuf. Exit code 0: it is signed; 1: it is not.")]
    Verify(Verify),
}

/// Whose signatures are believed.
#[derive(Debug, Args)]
pub(super) struct Signing {
    /// A secret that events are signed with, by its name: its value is LOKAHI_SECRET_NAME in the
    /// environment, or a file of --secrets-dir
    #[arg(long = "secret", value_name = "NAME")]
    secrets: Vec<SecretName>,
    /// A folder of secrets; LOKAHI_SECRET_NAME in the environment comes first
    #[arg(long, env = "SECRETS_DIR", value_name = "DIR")]
    secrets_dir: Option<PathBuf>,
}

impl Signing {
    /// The secrets, in the order in which they are named.
    fn names(&self) -> &[SecretName] {
        &self.secrets
    }

    /// Looks the values up.
    fn verifier(&self) -> Result<Verifier, Failure> {
        let secrets = Secrets::new(self.secrets_dir.clone());
        // Nothing is sent anywhere.
        let who = SecretUse {
            project: "".into(),
            unbound: Unbound::Allowed,
        };
        let asking = Asking {
            who: &who,
            host: "",
        };
        let key = |name: &SecretName| {
            let secret = secrets.resolve(name, asking)?;
            let key = secret.expose().parse::<SigningSecret>();
            key.map_err(|error| secret.unusable(error.why()))
        };
        let keys: Result<Vec<SigningSecret>, _> = self.secrets.iter().map(key).collect();
        let keys = keys.map_err(|error| {
            let message = chain(&error).replace("this worker", "lokahictl");
            let message = message.replace("its SECRETS_DIR", "the folder of --secrets-dir");
            Failure::new(Exit::Usage, message)
        })?;
        Ok(Verifier::new(keys))
    }
}
