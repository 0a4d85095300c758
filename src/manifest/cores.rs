//! Work on many things that do not know each other, on all cores.

/// The most threads.
const MAX_THREADS: usize = 8;

/// Does the work of so many things in shares, on as many threads as are worth it: on none of its
/// own below `few` a share. The results stand in the order of the shares. A panic in one is one
/// here.
pub(super) fn shares<T: Sync, R: Send>(
    all: &[T],
    few: usize,
    work: impl Fn(&[T]) -> R + Sync,
) -> Vec<R> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = cores.min(MAX_THREADS).min(all.len() / few).max(1);
    if threads == 1 {
        return vec![work(all)];
    }
    let work = &work;
    std::thread::scope(|scope| {
        let workers: Vec<_> = all
            .chunks(all.len().div_ceil(threads))
            .map(|share| scope.spawn(move || work(share)))
            .collect();
        let join = |worker: std::thread::ScopedJoinHandle<'_, R>| match worker.join() {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        workers.into_iter().map(join).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_share_is_done_once_and_in_order() {
        for (count, few) in [(0, 4), (3, 4), (4, 4), (1001, 4), (64, 64)] {
            let all: Vec<usize> = (0..count).collect();
            let done = shares(&all, few, <[usize]>::to_vec);
            assert_eq!(done.concat(), all);
        }
    }
}
