//! A spec made ready to be probed: what does not change from probe to probe is parsed once.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio_rustls::TlsConnector;

use super::connect::Dial;
use super::failure::Failure;
use super::grant::Grant;
use super::hop::{Hop, Used};
use super::judge::Asserts;
use super::pool::{Keeping, Pool, Purpose};
use super::probe::ProbeContext;
use super::trust;
use crate::egress::veil::Veil;
use crate::model::auth::Auth;
use crate::model::check::CheckSpec;
use crate::model::dial::{Close, HttpVersion, OLDEST, Priority, Redirects};
use crate::model::id::CheckId;
use crate::model::secret::{Asking, SecretUse};
use crate::model::tls::TlsSpec;
use crate::spec;

/// A check, ready to be probed.
#[derive(Debug)]
pub struct Prepared {
    first: First,
    /// The URL's.
    pub(super) host: Arc<str>,
    pub(super) priority: Priority,
    pub(super) timeout: Duration,
    pub(super) asserts: Asserts,
    pub(super) warns: Asserts,
    pub(super) dial: Dial,
    pub(super) redirects: Redirects,
    pub(super) close: Close,
    pub(super) http_version: Option<HttpVersion>,
    tls: Tls,
    /// How connections are kept, where they are.
    reuse: Option<Reuse>,
}

/// How a check keeps connections.
#[derive(Debug)]
struct Reuse {
    /// Of the spec, with which they end.
    hash: Sha256,
    /// How long one is kept that nobody uses.
    unused: Duration,
}

impl Reuse {
    /// `None` where no connection would live until the next probe.
    fn of(spec: &CheckSpec) -> Option<Self> {
        let locations = u32::try_from(spec.locations.len()).unwrap_or(u32::MAX);
        let period = spec.every.duration().saturating_mul(locations.max(1));
        (spec.reuse_connection && period < OLDEST).then(|| Self {
            hash: Sha256::new_with_prefix(spec::encode_check(spec)),
            unused: period * 2 + spec.timeout.duration(),
        })
    }
}

/// The first request of a probe.
#[derive(Debug)]
enum First {
    Known(Box<Hop>),
    /// It has secrets in it, which are asked for each time.
    Secret(Box<CheckSpec>),
}

/// The TLS of a check.
enum Tls {
    /// As of all others.
    Shared,
    /// Its own; what is kept of it once it was made shows no certificate of the check.
    Own(Box<TlsSpec>, OnceLock<TlsConnector>),
}

/// Without what may be secret.
impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Shared => "Shared",
            Self::Own(..) => "Own",
        })
    }
}

/// A probe that can begin.
pub(super) struct Ready<'a> {
    pub(super) first: Cow<'a, Hop>,
    /// For the URL's own origin.
    pub(super) tls: TlsConnector,
    /// For where redirects lead: there the check does not say who it is.
    pub(super) tls_elsewhere: TlsConnector,
    /// What the token is asked for with that the request needs.
    pub(super) grant: Option<Grant>,
    /// Over the secrets that are sent.
    pub(super) veil: Veil,
    /// What connections are kept for, if they are.
    purpose: Option<Purpose>,
}

impl Prepared {
    /// The spec, ready. A spec that cannot be sent is our fault: it should not have been
    /// taken.
    pub fn new(spec: &CheckSpec) -> Result<Self, Failure> {
        let first = if spec.secrets().next().is_some() || spec.auth.is_some() {
            First::Secret(Box::new(spec.clone()))
        } else {
            let (nothing, mut used) = Default::default();
            let nobody = SecretUse::bound("");
            let asking = Asking {
                who: &nobody,
                host: "",
            };
            let hop = Hop::new(spec, &nothing, asking, &mut used)?;
            First::Known(Box::new(hop))
        };
        let url = spec.url.parse();
        Ok(Self {
            first,
            host: url.host_str().unwrap_or_default().into(),
            priority: spec.priority,
            timeout: spec.timeout.duration(),
            asserts: Asserts::new("assert", &spec.asserts),
            warns: Asserts::new("warn", &spec.warns),
            dial: Dial::new(spec),
            redirects: spec.redirects,
            close: spec.close,
            http_version: spec.http_version,
            tls: match (&spec.tls, spec.http_version) {
                (tls, None) if *tls == TlsSpec::default() => Tls::Shared,
                (tls, _) => Tls::Own(Box::new(tls.clone()), OnceLock::new()),
            },
            reuse: Reuse::of(spec),
        })
    }

    /// The name that sites are asked for instead of their own.
    pub(super) fn server_name(&self) -> Option<&str> {
        match &self.tls {
            Tls::Shared => None,
            Tls::Own(spec, _) => spec.server_name.as_deref(),
        }
    }

    /// Where a probe of it finds and leaves connections. Who is no check has none.
    pub(super) fn keeping<'a>(
        &self,
        pool: &'a Pool,
        check: CheckId,
        ready: &Ready<'_>,
    ) -> Option<Keeping<'a>> {
        let purpose = ready.purpose.filter(|_| !check.0.is_nil())?;
        Some(Keeping {
            pool,
            check,
            purpose,
            unused: self.reuse.as_ref()?.unused,
            patience: self.timeout / 3,
            close: self.close,
        })
    }

    /// The probe with its secrets in it.
    pub(super) fn ready(
        &self,
        context: &ProbeContext,
        who: &SecretUse,
    ) -> Result<Ready<'_>, Failure> {
        let asking = Asking {
            who,
            host: &self.host,
        };
        let mut used = Used::default();
        let tls_elsewhere = self.nameless(context)?;
        let mut purpose = self.reuse.as_ref().map(|reuse| reuse.hash.clone());
        let tls = match self.connector(context, asking, &mut used, purpose.as_mut())? {
            Some(own) => own,
            None => tls_elsewhere.clone(),
        };
        let (first, grant) = match &self.first {
            First::Known(hop) => (Cow::Borrowed(hop.as_ref()), None),
            First::Secret(spec) => {
                let hop = Hop::new(spec, &context.secrets, asking, &mut used)?;
                let grant = match &spec.auth {
                    Some(auth @ Auth::ClientCredentials { .. }) => {
                        Some(Grant::new(auth, &context.secrets, asking, &mut used)?)
                    }
                    _ => None,
                };
                (Cow::Owned(hop), grant)
            }
        };
        Ok(Ready {
            first,
            tls,
            tls_elsewhere,
            grant,
            veil: used.veil(),
            purpose: purpose.map(|hash| Purpose(hash.finalize().into())),
        })
    }

    fn nameless(&self, context: &ProbeContext) -> Result<TlsConnector, Failure> {
        let Tls::Own(spec, kept) = &self.tls else {
            return Ok(context.tls.clone());
        };
        if let Some(connector) = kept.get() {
            return Ok(connector.clone());
        }
        let config = trust::config_of(&context.trust, spec, self.http_version, None)?;
        Ok(kept.get_or_init(|| config.into()).clone())
    }

    /// With the check's own certificate, if it has one.
    fn connector(
        &self,
        context: &ProbeContext,
        asking: Asking<'_>,
        used: &mut Used,
        purpose: Option<&mut Sha256>,
    ) -> Result<Option<TlsConnector>, Failure> {
        let Tls::Own(spec, _) = &self.tls else {
            return Ok(None);
        };
        let Some(key) = &spec.key else {
            return Ok(None);
        };
        let before = used.secrets.len();
        let filled = context.secrets.fill(key, asking, &mut used.secrets);
        let filled = filled.map_err(|error| Failure::of_secret(&error))?;
        if let Some(purpose) = purpose {
            purpose.update(&filled);
        }
        let config = trust::config_of(&context.trust, spec, self.http_version, Some(&filled));
        // Whose fault it is knows its name.
        let config = config.map_err(|failure| match used.secrets.get(before) {
            Some(secret) => trust::of_key(secret, failure),
            None => failure,
        })?;
        Ok(Some(config.into()))
    }
}
