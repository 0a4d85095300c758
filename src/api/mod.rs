//! The Twirp services on axum, and the pages for people's machines. Thin: it
//! checks arguments, runs one transaction, and converts.

mod error;
mod credentials;
pub mod access;
mod permit;
mod twirp;

mod convert;
mod edit;
mod written;
mod force;
mod restore;
mod history;
mod notices;
mod checks;
mod probe;
mod overlay;
mod maintenance;
mod run;
mod projects;
mod receivers;
mod tokens;
mod audit;
mod pages;

use std::fmt;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::USER_AGENT;
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use tokio::sync::{OnceCell, Semaphore};
use tracing::debug;

use self::access::{Access, AccessError, Principal};
use self::error::ApiError;
use self::run::RunTimes;
pub use self::twirp::MethodRow;
use self::twirp::Methods;
use crate::bus::Bus;
use crate::clock;
use crate::model::desired::API_PROJECT;
use crate::model::probe::DEFAULT_LOCATION;
use crate::proto::twirp::{Code, TwirpError};
use crate::serve::respond::answer_error;
use crate::serve::server::Peer;
use crate::store::error::StoreError;
use crate::store::project::{ProjectId, project_find};
use crate::store::{Store, Transaction};

/// How many calls are worked on at once; more are told to try again.
const MOST_IN_FLIGHT: usize = 256;

/// Writes the metrics page, in the OpenMetrics text format.
pub type MetricsPage = Arc<dyn Fn(&mut dyn fmt::Write) -> fmt::Result + Send + Sync>;

/// How many are written at once: a row of each check is in memory meanwhile.
const MOST_PAGES: usize = 2;

/// Says what is wrong, if something is.
pub type Trouble = Arc<dyn Fn() -> Option<String> + Send + Sync>;

/// What may be wrong with the other programs.
#[derive(Clone)]
pub struct Troubles {
    /// Whoever reads states must know that nobody looks.
    pub probes: Trouble,
    /// Whoever waits for messages must know that nobody sends.
    pub deliveries: Trouble,
}

impl Default for Troubles {
    fn default() -> Self {
        let nothing: Trouble = Arc::new(|| None);
        Self {
            probes: Arc::clone(&nothing),
            deliveries: nothing,
        }
    }
}

impl fmt::Debug for Troubles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Troubles").finish_non_exhaustive()
    }
}

/// What the operator sets.
#[derive(Clone, Default)]
pub struct ApiSettings {
    /// `user:password`; without it everybody is `anonymous`.
    pub userpass: Option<String>,
    /// Whether `/metrics` is open to whoever has no credentials.
    pub metrics_open: bool,
    /// Where `run` probes from; empty: where workers are that were given none.
    pub location: String,
}

/// What the handlers work with.
pub struct ApiState {
    store: Store,
    bus: Bus,
    access: Access,
    metrics_open: bool,
    location: String,
    metrics: MetricsPage,
    troubles: Troubles,
    runs: RunTimes,
    in_flight: Semaphore,
    pages: Arc<Semaphore>,
    project: OnceCell<ProjectId>,
}

impl fmt::Debug for ApiState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiState").finish_non_exhaustive()
    }
}

/// One call: who makes it, and what it works with.
#[derive(Clone, Debug)]
struct Call {
    state: Arc<ApiState>,
    principal: Principal,
    /// `SERVICE/METHOD`, without the package, or the page.
    method: &'static str,
    /// Where it comes from, for audit.
    remote: String,
}

impl Call {
    /// A call of whoever the request says that they are.
    async fn of(
        state: &Arc<ApiState>,
        method: &'static str,
        request: &Parts,
    ) -> Result<Self, ApiError> {
        let headers = &request.headers;
        let principal = state.access.principal(headers, &state.store, clock::now());
        Ok(Self {
            principal: principal.await?,
            state: Arc::clone(state),
            method,
            remote: remote(request),
        })
    }
}

/// Address and program of a caller, as far as they are known.
fn remote(request: &Parts) -> String {
    let peer = request.extensions.get::<Peer>();
    let peer = peer.map_or(String::new(), |peer| peer.0.to_string());
    let agent = request.headers.get(USER_AGENT);
    let agent = agent.and_then(|agent| agent.to_str().ok()).unwrap_or("");
    format!("{peer} {agent}").trim().to_owned()
}

impl Call {
    /// Commits what a call did.
    async fn commit(&self, tx: Transaction, doing: &'static str) -> Result<(), ApiError> {
        let done = tx.commit().await;
        Ok(done.map_err(|source| StoreError::Query { doing, source })?)
    }
}

impl ApiState {
    pub fn new(
        store: Store,
        bus: Bus,
        settings: &ApiSettings,
        metrics: MetricsPage,
        troubles: Troubles,
    ) -> Result<Arc<Self>, AccessError> {
        Ok(Arc::new(Self {
            store,
            bus,
            access: Access::from_setting(settings.userpass.as_deref())?,
            metrics_open: settings.metrics_open,
            location: match settings.location.as_str() {
                "" => DEFAULT_LOCATION.to_owned(),
                location => location.to_owned(),
            },
            metrics,
            troubles,
            runs: RunTimes::default(),
            in_flight: Semaphore::new(MOST_IN_FLIGHT),
            pages: Arc::new(Semaphore::new(MOST_PAGES)),
            project: OnceCell::new(),
        }))
    }

    /// The built-in project; its id never changes.
    async fn project(&self) -> Result<ProjectId, ApiError> {
        let find = async {
            let mut conn = self.store.acquire().await?;
            project_find(&mut conn, API_PROJECT)
                .await?
                .ok_or_else(|| ApiError::NoProject(API_PROJECT))
        };
        self.project.get_or_try_init(|| find).await.copied()
    }

    /// Tells reconcilers that somebody wants them to look; they also look by themselves.
    async fn wake_reconcilers(&self) {
        if let Err(error) = self.bus.reconcile_publish().await {
            debug!(
                error = &error as &dyn std::error::Error,
                "no hint to the reconcilers"
            );
        }
    }

    /// Tells the schedulers that something changed; they also look by
    /// themselves, so that a lost hint is only lateness.
    async fn announce(&self) {
        if let Err(error) = self.bus.changed_publish().await {
            debug!(
                error = &error as &dyn std::error::Error,
                "no hint to the schedulers"
            );
        }
    }
}

/// Everything that lokahid serves.
pub fn router(state: Arc<ApiState>) -> Router {
    let methods = Arc::new(methods());
    Router::new()
        .route("/livez", get(pages::livez))
        .route("/readyz", get(pages::readyz))
        .route("/health", get(pages::readyz))
        .route("/metrics", get(pages::metrics))
        .fallback(move |State(state), request| twirp_call(state, Arc::clone(&methods), request))
        .with_state(state)
}

fn methods() -> Methods {
    let methods = Methods::default();
    let methods = checks::add(methods);
    let methods = probe::add(methods);
    let methods = run::add(methods);
    let methods = projects::add(methods);
    let methods = receivers::add(methods);
    let methods = tokens::add(methods);
    audit::add(methods)
}

/// Every method that is served, and what it needs: for the documents, and for
/// the test that knows each.
pub fn method_rows() -> Vec<MethodRow> {
    methods().rows().collect()
}

async fn twirp_call(state: Arc<ApiState>, methods: Arc<Methods>, request: Request) -> Response {
    // Before anybody is known: to know a token is work, too.
    let Ok(_permit) = state.in_flight.try_acquire() else {
        let error = TwirpError::new(Code::Unavailable, "too many calls at once; try again");
        return answer_error(&error);
    };
    let (request, body) = request.into_parts();
    let path = request.uri.path().to_owned();
    let call = match Call::of(&state, "", &request).await {
        Ok(call) => call,
        Err(error) => return pages::refuse(&error.told(&path)),
    };
    let name = call.principal.name.clone();
    let request = Request::from_parts(request, body);
    let response = methods.call(call, request).await;
    debug!(%path, principal = %name, status = response.status().as_u16(), "call");
    response.into_response()
}
