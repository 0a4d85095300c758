//! How many probes may be in flight: each holds a file descriptor, and a worker that has run
//! out of them can say nothing of any site.

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tracing::warn;

/// Kept for NATS, name servers, logs and whatever else the process opens.
const RESERVE: u64 = 128;
/// Unless a setting says otherwise.
pub const DEFAULT: usize = 16 * 1024;

/// The most connections that are kept between probes.
const MOST_KEPT: u64 = 16 * 1024;

/// The number of probes in flight that the file descriptors of this process allow, at most
/// `wanted`, and that of connections that may be kept beside them. Raises the soft limit as far as
/// the system lets us.
pub fn in_flight_and_kept(wanted: usize) -> (usize, usize) {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap_or((1024, 1024));
    let soft = match setrlimit(Resource::RLIMIT_NOFILE, hard, hard) {
        Ok(()) => hard,
        Err(error) => {
            warn!(%error, soft, hard, "the limit of open files could not be raised");
            soft
        }
    };
    (
        allowed(soft, wanted),
        usize::try_from(kept(soft)).unwrap_or(0),
    )
}

/// A small part of what there is: where that is not enough, connections are opened as ever.
fn kept(files: u64) -> u64 {
    (files.saturating_sub(RESERVE) / 8).min(MOST_KEPT)
}

/// A lookup may hold a socket beside the probe's connection, and a closing connection
/// lingers for a moment after its place was given to the next.
fn allowed(files: u64, wanted: usize) -> usize {
    let most = files.saturating_sub(RESERVE + kept(files)) / 5 * 4;
    usize::try_from(most)
        .unwrap_or(usize::MAX)
        .min(wanted)
        .max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_descriptors_bound_the_probes() {
        assert_eq!((allowed(1024, DEFAULT), kept(1024)), (624, 112));
        assert_eq!(kept(1 << 20), MOST_KEPT);
        assert_eq!(allowed(1 << 20, DEFAULT), DEFAULT);
        assert_eq!(allowed(1 << 20, 7), 7);
        assert_eq!((allowed(10, DEFAULT), kept(10)), (1, 0));
    }
}
