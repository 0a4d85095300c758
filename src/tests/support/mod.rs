//! What stories are made of: real servers, a server of ours in this process,
//! the real programs, and waiting by condition.

pub(crate) mod servers;
pub(crate) mod server;
pub(crate) mod programs;
pub(crate) mod declaring;
pub(crate) mod checkout;
pub(crate) mod folder;
pub(crate) mod stranger;
pub(crate) mod peer;
pub(crate) mod standard;

use std::time::Duration;

use lokahi::clock;

/// Longer than anything takes on a machine that is busy with other tests.
pub(crate) const GENEROUS: Duration = Duration::from_secs(180);

/// Waits until the condition holds.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    let since = clock::monotonic();
    while !condition().await {
        assert!(since.elapsed() < GENEROUS, "waited too long until {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A port that was free a moment ago, below those that the system gives away.
pub(crate) fn free_port() -> u16 {
    let seed = std::process::id() as u16;
    static NEXT: std::sync::atomic::AtomicU16 = std::sync::atomic::AtomicU16::new(0);
    loop {
        let n = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let port = 11_000 + (seed.wrapping_mul(37).wrapping_add(n)) % 8_000;
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
