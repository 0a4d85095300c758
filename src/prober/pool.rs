//! Connections of checks with `reuse_connection`, kept from one probe to the next: each for the
//! check that opened it, for a short time, and so many in all. What is taken from here is known
//! to be open a moment ago; who uses it opens another one when it is not any more.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use url::Origin;

use super::close::Closing;
use super::evidence::Certificate;
use super::exchange::{Transport, is_silent};
use super::http2::Over;
use crate::clock;
use crate::model::dial::{Close, OLDEST};
use crate::model::id::CheckId;

/// The most connections of one check: redirects may lead it to several origins.
const MOST_OF_CHECK: usize = 4;
/// The most connections of all checks, where nobody has counted the file descriptors.
const MOST: usize = 64;

/// What a probe has to do with kept connections.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keeping<'a> {
    pub(super) pool: &'a Pool,
    pub(super) check: CheckId,
    pub(super) purpose: Purpose,
    /// How long a connection is kept that nobody uses.
    pub(super) unused: Duration,
    /// How long a site may take to confirm that it has heard something.
    pub(super) patience: Duration,
    pub(super) close: Close,
}

impl Keeping<'_> {
    /// A connection to an origin. What can be of no use any more goes to `closing`.
    pub(super) fn take(&self, origin: &Origin, closing: &mut Closing) -> Option<Idle> {
        let (found, useless) = self.pool.lock().take(self, origin);
        close_all(useless, closing);
        let mut idle = found?;
        if idle.is_open() {
            return Some(idle);
        }
        idle.close(closing);
        None
    }

    /// Keeps a connection for a time, if there is room for it.
    pub(super) fn put(&self, mut idle: Idle, closing: &mut Closing) {
        idle.until = (clock::monotonic() + self.unused).min(idle.opened + OLDEST);
        idle.open.with_tcp(|tcp| {
            // Of a way that is gone without a word nobody would hear else: a firewall forgets it,
            // a machine loses its power. If it cannot be set that is found out at the deadline.
            SockRef::from(tcp)
                .set_tcp_user_timeout(Some(self.patience))
                .ok();
        });
        let useless = self.pool.lock().put(self, idle);
        close_all(useless, closing);
    }
}

/// The kept connections of a process.
#[derive(Debug)]
pub(super) struct Pool(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    checks: HashMap<CheckId, Kept>,
    count: usize,
    most: usize,
    ended: bool,
}

/// What is kept for one check.
#[derive(Debug)]
struct Kept {
    /// What its connections were opened for.
    purpose: Purpose,
    idle: Vec<Idle>,
}

/// A hash of all that decides how a check's connections are opened: its spec, and its key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Purpose(pub(super) [u8; 32]);

/// A connection over which nothing is asked at the moment.
#[derive(Debug)]
pub(super) struct Idle {
    pub(super) origin: Origin,
    pub(super) open: Open,
    /// What was dialled.
    pub(super) address: SocketAddr,
    /// What was shown when it was opened.
    pub(super) certificate: Option<Certificate>,
    pub(super) opened: Instant,
    /// How it is closed.
    pub(super) close: Close,
    /// When it is closed, if nobody takes it before.
    pub(super) until: Instant,
}

/// What is spoken over it.
#[derive(Debug)]
pub(super) enum Open {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    Plain2(Over<TcpStream>),
    Tls2(Over<TlsStream<TcpStream>>),
}

impl Default for Pool {
    fn default() -> Self {
        Self(Mutex::new(Inner {
            checks: HashMap::new(),
            count: 0,
            most: MOST,
            ended: false,
        }))
    }
}

impl Pool {
    /// Has room for so many connections from now on.
    pub(super) fn allow(&self, most: usize) {
        self.lock().most = most;
    }

    /// How many connections are kept.
    pub(super) fn count(&self) -> usize {
        self.lock().count
    }

    /// Lets go of what is kept for a check.
    pub(super) fn forget(&self, check: CheckId, closing: &mut Closing) {
        let useless = self.lock().forget(check);
        close_all(useless, closing);
    }

    /// Closes what nobody has taken in time.
    pub(super) async fn sweep(&self) {
        let now = clock::monotonic();
        let old = self.lock().old(now);
        close_each(old).await;
    }

    /// Closes everything, and keeps nothing from now on.
    pub(super) async fn end(&self) {
        let all = {
            let mut inner = self.lock();
            inner.ended = true;
            inner.count = 0;
            std::mem::take(&mut inner.checks)
        };
        close_each(all.into_values().flat_map(|kept| kept.idle).collect()).await;
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn take(&mut self, by: &Keeping<'_>, origin: &Origin) -> (Option<Idle>, Vec<Idle>) {
        let Some(kept) = self.checks.get_mut(&by.check) else {
            return (None, Vec::new());
        };
        if kept.purpose != by.purpose {
            return (None, self.forget(by.check));
        }
        let now = clock::monotonic();
        let mut useless: Vec<_> = kept.idle.extract_if(.., |idle| idle.until <= now).collect();
        let at = kept.idle.iter().position(|idle| idle.origin == *origin);
        let mut found = at.map(|at| kept.idle.swap_remove(at));
        let ends = found.as_ref().and_then(|idle| idle.certificate.as_ref());
        if ends.is_some_and(|shown| shown.not_after <= clock::now()) {
            // What is shown now must be good by itself.
            useless.extend(found.take());
        }
        self.count -= useless.len() + usize::from(found.is_some());
        if kept.idle.is_empty() {
            self.checks.remove(&by.check);
        }
        (found, useless)
    }

    fn put(&mut self, by: &Keeping<'_>, idle: Idle) -> Vec<Idle> {
        let mut useless = match self.checks.get(&by.check) {
            Some(kept) if kept.purpose != by.purpose => self.forget(by.check),
            _ => Vec::new(),
        };
        if self.ended || self.count >= self.most {
            // Nobody else's is closed for it: of those that come in turn, all would lose theirs.
            useless.push(idle);
            return useless;
        }
        let kept = self.checks.entry(by.check).or_insert_with(|| Kept {
            purpose: by.purpose,
            idle: Vec::new(),
        });
        let twin = kept.idle.iter().position(|it| it.origin == idle.origin);
        let full = (kept.idle.len() == MOST_OF_CHECK).then_some(0);
        let replaced = twin.or(full).map(|at| kept.idle.remove(at));
        kept.idle.push(idle);
        self.count += usize::from(replaced.is_none());
        useless.extend(replaced);
        useless
    }

    fn forget(&mut self, check: CheckId) -> Vec<Idle> {
        let kept = self.checks.remove(&check);
        let idle = kept.map(|kept| kept.idle).unwrap_or_default();
        self.count -= idle.len();
        idle
    }

    fn old(&mut self, now: Instant) -> Vec<Idle> {
        let mut old = Vec::new();
        self.checks.retain(|_, kept| {
            old.extend(kept.idle.extract_if(.., |idle| idle.until <= now));
            !kept.idle.is_empty()
        });
        self.count -= old.len();
        old
    }
}

impl Open {
    fn with_tcp<T>(&self, set: impl FnOnce(&TcpStream) -> T) -> T {
        match self {
            Self::Plain(stream) => set(stream),
            Self::Tls(stream) => set(stream.tcp()),
            Self::Plain2(over) => over.with_tcp(set),
            Self::Tls2(over) => over.with_tcp(set),
        }
    }
}

impl Idle {
    /// Whether it was still open a moment ago, and nobody has said anything unasked.
    fn is_open(&mut self) -> bool {
        match &mut self.open {
            Open::Plain(stream) => is_silent(stream),
            Open::Tls(stream) => is_silent(&mut **stream),
            Open::Plain2(over) => over.is_open(),
            Open::Tls2(over) => over.is_open(),
        }
    }

    /// Says goodbye, and leaves the rest to whoever closes.
    fn close(self, closing: &mut Closing) {
        let stream = match self.open {
            Open::Plain(stream) => Some(ended(stream, self.close)),
            Open::Tls(stream) => Some(ended(*stream, self.close)),
            Open::Plain2(over) => over.end().map(|stream| ended(stream, self.close)),
            Open::Tls2(over) => over.end().map(|stream| ended(stream, self.close)),
        };
        closing.extend(stream);
    }
}

/// The connection, over which nothing will be said any more.
fn ended<S: Transport>(mut stream: S, close: Close) -> TcpStream {
    if close == Close::Normal {
        let mut now = Context::from_waker(Waker::noop());
        // A goodbye that would have to wait is left out.
        if let Poll::Ready(Err(_dead)) = Pin::new(&mut stream).poll_shutdown(&mut now) {}
    }
    stream.into_tcp()
}

fn close_all(useless: Vec<Idle>, closing: &mut Closing) {
    for idle in useless {
        idle.close(closing);
    }
}

/// Closes many, none of which waits for another.
async fn close_each(useless: Vec<Idle>) {
    let each = useless.into_iter().map(|idle| {
        let mut closing = Closing::new(idle.close);
        idle.close(&mut closing);
        closing.finish()
    });
    join_all(each).await;
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;
    use uuid::Uuid;

    use super::*;

    fn keeping(pool: &Pool, check: u128) -> Keeping<'_> {
        Keeping {
            pool,
            check: CheckId(Uuid::from_u128(check)),
            purpose: Purpose([0; 32]),
            unused: Duration::from_secs(60),
            patience: Duration::from_secs(1),
            close: Close::Normal,
        }
    }

    /// Keeps a connection to one of many origins; gives how many are kept then.
    async fn keep(site: &TcpListener, by: Keeping<'_>, origin: u16, opened: Instant) -> usize {
        let address = site.local_addr().unwrap();
        let stream = TcpStream::connect(address).await.unwrap();
        let url = format!("http://site-{origin}.test/");
        let idle = Idle {
            origin: url.parse::<url::Url>().unwrap().origin(),
            open: Open::Plain(stream),
            address,
            certificate: None,
            opened,
            close: by.close,
            until: opened,
        };
        by.put(idle, &mut Closing::default());
        by.pool.count()
    }

    #[tokio::test]
    async fn so_many_are_kept_and_no_more() {
        let site = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (pool, now) = (Pool::default(), clock::monotonic());
        pool.allow(6);
        let mut kept = Vec::new();
        for (check, origin) in [
            (1, 0),
            // Each origin once.
            (1, 0),
            (1, 1),
            (1, 2),
            (1, 3),
            // A check has four.
            (1, 4),
            (2, 0),
            (3, 0),
            // There is no room for these.
            (4, 0),
            (1, 5),
        ] {
            kept.push(keep(&site, keeping(&pool, check), origin, now).await);
        }
        assert_eq!(kept, [1, 1, 2, 3, 4, 4, 5, 6, 6, 6]);

        let mut closing = Closing::default();
        pool.forget(CheckId(Uuid::from_u128(1)), &mut closing);
        assert_eq!(pool.count(), 2);
        let other = Keeping {
            purpose: Purpose([1; 32]),
            ..keeping(&pool, 2)
        };
        assert_eq!(
            keep(&site, other, 0, now).await,
            2,
            "in the place of the other"
        );
        pool.end().await;
        assert_eq!(pool.count(), 0);
        assert_eq!(keep(&site, keeping(&pool, 5), 0, now).await, 0);
        closing.finish().await;
    }

    #[tokio::test]
    async fn none_becomes_old() {
        let site = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (pool, now) = (Pool::default(), clock::monotonic());
        let origin = "http://site-0.test/".parse::<url::Url>().unwrap().origin();
        let by = keeping(&pool, 1);
        let mut closing = Closing::default();
        for (age, found) in [(OLDEST - Duration::from_secs(60), true), (OLDEST, false)] {
            assert_eq!(keep(&site, by, 0, now - age).await, 1);
            assert_eq!(by.take(&origin, &mut closing).is_some(), found);
            assert_eq!(pool.count(), 0);
            keep(&site, by, 0, now - age).await;
            pool.sweep().await;
            assert_eq!(pool.count(), usize::from(found));
        }
        closing.finish().await;
    }
}
