//! How many probes may be in flight: each holds a file descriptor, and a worker that has run
//! out of them can say nothing of any site.

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tracing::warn;

/// Kept for NATS, name servers, logs and whatever else the process opens.
const RESERVE: u64 = 128;
/// Unless a setting says otherwise.
pub const DEFAULT: usize = 16 * 1024;

/// The number of probes in flight that the file descriptors of this process allow, at most
/// `wanted`. Raises the soft limit as far as the system lets us.
pub fn in_flight(wanted: usize) -> usize {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap_or((1024, 1024));
    let soft = match setrlimit(Resource::RLIMIT_NOFILE, hard, hard) {
        Ok(()) => hard,
        Err(error) => {
            warn!(%error, soft, hard, "the limit of open files could not be raised");
            soft
        }
    };
    allowed(soft, wanted)
}

/// A lookup may hold a socket beside the probe's connection, and a closing connection
/// lingers for a moment after its place was given to the next.
fn allowed(files: u64, wanted: usize) -> usize {
    let most = files.saturating_sub(RESERVE) / 5 * 4;
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
        assert_eq!(allowed(1024, DEFAULT), 716);
        assert_eq!(allowed(1 << 20, DEFAULT), DEFAULT);
        assert_eq!(allowed(1 << 20, 7), 7);
        assert_eq!(allowed(10, DEFAULT), 1);
    }
}
