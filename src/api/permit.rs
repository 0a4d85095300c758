//! What each call needs, and the refusal of whoever has not got it. Which scope
//! includes which is said in `model::scope`.

use std::fmt;

use time::OffsetDateTime;
use tracing::warn;

use super::Call;
use super::error::ApiError;
use crate::clock;
use crate::model::desired::API_PROJECT;
use crate::model::id::CheckId;
use crate::model::scope::Scope;
use crate::proto::twirp::{Code, TwirpError};
use crate::store::audit::{AuditEntry, audit_write};
use crate::store::check::check_get;
use crate::store::error::StoreError;

/// What a method needs; said where it is registered.
#[derive(Clone, Copy, Debug)]
pub(super) enum Needs {
    Read,
    Plan,
    /// To change what the API made.
    ApplyApi,
    Operate,
    Admin,
    /// The request decides: the handler asks with [`Call::needs`] before it does
    /// anything else. The text says so in the documents.
    OfRequest(&'static str),
}

impl Needs {
    /// The scope, where it does not depend on the request.
    pub(super) fn scope(self) -> Option<Scope> {
        Some(match self {
            Self::Read => Scope::Read,
            Self::Plan => Scope::Plan,
            Self::ApplyApi => apply_to(API_PROJECT),
            Self::Operate => Scope::Operate,
            Self::Admin => Scope::Admin,
            Self::OfRequest(_) => return None,
        })
    }
}

/// What changes a project; a name that is none is for nobody but administrators.
pub(super) fn apply_to(project: &str) -> Scope {
    project.parse().map_or(Scope::Admin, Scope::Apply)
}

/// As the documents say it.
impl fmt::Display for Needs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self, self.scope()) {
            (Self::OfRequest(text), _) => f.write_str(text),
            (_, Some(scope)) => write!(f, "`{scope}`"),
            (_, None) => Ok(()),
        }
    }
}

impl Call {
    /// Refuses whoever has not got this scope, and writes that down.
    pub(super) async fn needs(&self, scope: &Scope) -> Result<(), ApiError> {
        let has = &self.principal.scopes;
        if has.allow(scope) {
            return Ok(());
        }
        let reason = format!("needs {scope}, has {has}");
        let entry = AuditEntry {
            project: match scope {
                Scope::Apply(project) => project.as_str(),
                _ => "",
            },
            reason: &reason,
            denied: true,
            ..self.entry(clock::now(), "")
        };
        // It is refused whether or not that can be written down.
        if let Err(error) = self.write(&entry).await {
            let error = &error as &dyn std::error::Error;
            warn!(error, principal = %self.principal.name, method = self.method, %scope,
                "a refusal is not in the audit");
        }
        let text = format!(
            "{} needs the scope {scope}; {} has {has}",
            self.method, self.principal.name
        );
        let error = TwirpError::new(Code::PermissionDenied, text);
        Err(error.with("scope", scope.to_string()).into())
    }

    /// Refuses whoever may change nothing at all, before anything is locked: what exactly is
    /// needed hangs on the project of the check.
    pub(super) async fn needs_some_apply(&self, check: &str) -> Result<(), ApiError> {
        if self.principal.scopes.apply_something() {
            return Ok(());
        }
        let found = match check.parse::<CheckId>() {
            Ok(id) => check_get(&mut *self.state.store.acquire().await?, id).await?,
            Err(_) => None,
        };
        let project = found.map_or(API_PROJECT.to_owned(), |check| check.project);
        self.needs(&apply_to(&project)).await
    }

    async fn write(&self, entry: &AuditEntry<'_>) -> Result<(), StoreError> {
        let mut conn = self.state.store.acquire().await?;
        audit_write(&mut conn, entry).await
    }

    /// What audit says of this call, without what only its handler knows.
    pub(super) fn entry<'a>(&'a self, at: OffsetDateTime, subject: &'a str) -> AuditEntry<'a> {
        AuditEntry {
            at,
            principal: &self.principal.name,
            action: self.method,
            subject,
            project: "",
            before: None,
            after: None,
            forced: false,
            reason: "",
            denied: false,
            remote: &self.remote,
        }
    }
}
