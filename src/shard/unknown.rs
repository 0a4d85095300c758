//! What people read of checks whose probes come and could not look: what keeps them from it, and
//! where that is mended.

use crate::model::observation::{ErrorClass, SPEC_REFUSED};
use crate::model::secret::SecretName;

/// Checks of a project that are unknown from a location, for one reason.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unknown<'a> {
    pub project: &'a str,
    pub location: &'a str,
    pub class: ErrorClass,
    /// The one that it is about.
    pub secret: Option<&'a SecretName>,
    pub checks: usize,
    /// The first few of their names, and the hosts that they probe.
    pub names: Vec<&'a str>,
    pub hosts: Vec<&'a str>,
    /// What the newest of the probes said.
    pub detail: &'a str,
}

impl Unknown<'_> {
    /// One line.
    pub fn words(&self) -> String {
        let location = self.location;
        let more = match self.checks.saturating_sub(self.names.len()) {
            0 => String::new(),
            n => format!(" and {n} more"),
        };
        let (of, are, them) = match self.checks {
            1 => ("check", "is", "the site fails"),
            _ => ("checks", "are", "their sites fail"),
        };
        let named = self.names.join(", ");
        let detail = self.detail.trim_end_matches('.');
        let todo = self.todo(detail);
        format!(
            "the {of} {named}{more} {are} unknown from the location {location}, and nobody is told \
             if {them}: {detail}{todo}"
        )
    }

    fn todo(&self, detail: &str) -> String {
        match (self.class, self.secret) {
            (ErrorClass::SecretUnbound, Some(secret)) => {
                let block = secret.binding(&self.hosts, self.project, detail);
                format!(". The file SECRETS_BINDING of the health workers there needs {block}")
            }
            (ErrorClass::SecretMissing, Some(secret)) if !detail.contains(&secret.variable()) => {
                let (variable, file) = (secret.variable(), secret.as_str());
                format!(
                    ". Give the health workers there a value for it: {variable}, or a file {file:?} \
                     in SECRETS_DIR"
                )
            }
            (ErrorClass::Internal, _) if detail.starts_with(SPEC_REFUSED) => {
                ". A newer version of lokahi has written it, most likely: bring each lokahid and the \
                 health workers there to that one"
                    .to_owned()
            }
            (ErrorClass::SecretMissing, Some(_)) | (ErrorClass::ProberImpaired, _) => String::new(),
            _ => ". The log of the health workers there says more".to_owned(),
        }
    }
}
