//! Whose signatures are believed: flags that name secrets, and their values.

use std::path::PathBuf;

use clap::Args;

use crate::cli::exit::{Exit, Failure};
use crate::files::secrets::Secrets;
use crate::model::secret::{Asking, SecretName, SecretUse, Unbound};
use crate::runtime::chain::chain;
use crate::signature::{SigningSecret, Verifier};

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
    pub(super) fn names(&self) -> &[SecretName] {
        &self.secrets
    }

    /// Looks the values up.
    pub(super) fn verifier(&self) -> Result<Verifier, Failure> {
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
