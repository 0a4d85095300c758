//! Every loop has an owner. A supervised loop runs until the token is cancelled; one that
//! ends or panics before that cancels all the others, because a process that has silently
//! lost a part of itself is worse than one that is restarted. Short-lived items (one probe,
//! one delivery) are their engine's to own, in a `JoinSet` of bounded size.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, error, warn};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why a process ends although nobody asked it to.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("{name} failed")]
    Failed {
        name: String,
        #[source]
        source: BoxError,
    },
    #[error("{name} ended by itself")]
    Ended { name: String },
    #[error("{name} panicked: {message}")]
    Panicked { name: String, message: String },
}

/// What a supervised loop may return: nothing, or a result whose error is reported.
pub trait End {
    fn error(self) -> Option<BoxError>;
}

impl End for () {
    fn error(self) -> Option<BoxError> {
        None
    }
}

impl<E: Into<BoxError>> End for Result<(), E> {
    fn error(self) -> Option<BoxError> {
        self.err().map(Into::into)
    }
}

/// Owns the loops of a process; hand [`Tasks`] to whatever starts some.
#[derive(Debug, Default)]
pub struct Supervisor {
    tasks: Tasks,
}

impl Supervisor {
    pub fn new() -> Self {
        Self::default()
    }

    /// A handle that starts loops under this supervisor.
    pub fn tasks(&self) -> Tasks {
        self.tasks.clone()
    }

    pub fn token(&self) -> CancellationToken {
        self.tasks.token()
    }

    pub fn spawn<F>(&self, name: impl Into<String>, future: F)
    where
        F: Future + Send + 'static,
        F::Output: End,
    {
        self.tasks.spawn(name, future);
    }

    /// Waits until the token is cancelled (by a signal, by the caller, by a loop that ended),
    /// then at most `deadline` for the loops to finish. Those that do not are cut and named.
    /// The error is the first loop that ended without being asked to.
    pub async fn join(self, deadline: Duration) -> Result<(), Failure> {
        let Tasks { token, inner } = &self.tasks;
        token.cancelled().await;
        inner.tracker.close();
        if tokio::time::timeout(deadline, inner.tracker.wait())
            .await
            .is_err()
        {
            for (name, handle) in inner.running().values() {
                warn!(%name, ?deadline, "cut a loop that did not finish in time");
                handle.abort();
            }
        }
        let first = inner
            .failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        first.map_or(Ok(()), Err)
    }
}

/// Starts loops under a [`Supervisor`]. Clones are the same thing.
#[derive(Debug, Clone, Default)]
pub struct Tasks {
    token: CancellationToken,
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    tracker: TaskTracker,
    next: AtomicU64,
    running: Mutex<BTreeMap<u64, (String, AbortHandle)>>,
    failure: Mutex<Option<Failure>>,
}

impl Inner {
    fn running(&self) -> MutexGuard<'_, BTreeMap<u64, (String, AbortHandle)>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tasks {
    /// Cancelled when the process is to stop. A loop watches it and returns.
    pub fn token(&self) -> CancellationToken {
        self.token.clone()
    }

    /// Runs a loop until the token is cancelled. If it ends or panics earlier, everything is
    /// cancelled and [`Supervisor::join`] says who it was.
    pub fn spawn<F>(&self, name: impl Into<String>, future: F)
    where
        F: Future + Send + 'static,
        F::Output: End,
    {
        let name = name.into();
        let key = self.inner.next.fetch_add(1, Ordering::Relaxed);
        let (token, inner) = (self.token.clone(), Arc::clone(&self.inner));
        // The lock is held until the entry is in, so that a loop which ends at once finds it.
        let mut running = self.inner.running();
        let handle = self.inner.tracker.spawn({
            let name = name.clone();
            async move {
                let end = AssertUnwindSafe(future).catch_unwind().await;
                let failure = match end.map(End::error) {
                    Ok(None) if token.is_cancelled() => None,
                    Ok(None) => Some(Failure::Ended { name: name.clone() }),
                    Ok(Some(source)) => Some(Failure::Failed {
                        name: name.clone(),
                        source,
                    }),
                    Err(panic) => Some(Failure::Panicked {
                        name: name.clone(),
                        message: message(panic.as_ref()),
                    }),
                };
                inner.running().remove(&key);
                debug!(%name, "loop ended");
                if let Some(failure) = failure {
                    inner.report(failure);
                    token.cancel();
                }
            }
        });
        running.insert(key, (name, handle.abort_handle()));
    }
}

impl Inner {
    /// Keeps the first failure for `join`; what fails in its wake is only logged.
    fn report(&self, failure: Failure) {
        let mut first = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        if first.is_none() {
            *first = Some(failure);
        } else {
            error!(error = &failure as &dyn std::error::Error, "while stopping");
        }
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn a_loop_that_obeys_the_token_is_no_failure() {
        let supervisor = Supervisor::new();
        let token = supervisor.token();
        supervisor.spawn("obedient", async move { token.cancelled().await });
        supervisor.token().cancel();
        supervisor.join(SOON).await.unwrap();
    }

    #[tokio::test]
    async fn a_loop_that_ends_takes_the_others_along_and_is_named() {
        let supervisor = Supervisor::new();
        let token = supervisor.token();
        supervisor.spawn("waiting", async move { token.cancelled().await });
        supervisor.spawn("broken", async {
            Err::<(), _>(std::io::Error::other("no more disk"))
        });
        let failure = supervisor.join(SOON).await.unwrap_err();
        assert_eq!(failure.to_string(), "broken failed");
    }

    #[tokio::test]
    async fn a_panic_is_reported_with_its_message() {
        let supervisor = Supervisor::new();
        supervisor.spawn("clumsy", async {
            if clock_is_running() {
                panic!("dropped it");
            }
        });
        let failure = supervisor.join(SOON).await.unwrap_err();
        assert_eq!(failure.to_string(), "clumsy panicked: dropped it");
    }

    #[tokio::test]
    async fn a_loop_that_ignores_the_token_is_cut_at_the_deadline() {
        let supervisor = Supervisor::new();
        supervisor.spawn("deaf", std::future::pending::<()>());
        supervisor.token().cancel();
        supervisor.join(Duration::from_millis(10)).await.unwrap();
    }

    fn clock_is_running() -> bool {
        crate::clock::now().unix_timestamp() > 0
    }
}
