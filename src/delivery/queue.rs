//! What is due, as it was found last: one look is enough for many claims.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::window::Windows;
use crate::model::id::{DeliveryId, ReceiverId};
use crate::store::delivery::Candidate;

/// How much is looked for at once: of each receiver, and in all.
pub(super) const LOOK: (i64, i64) = (64, 512);
/// With so much that can be sent nobody looks for more.
const ENOUGH: usize = 64;
/// A receiver that so much waits for here is not looked at.
const CROWDED: usize = 64;
/// Before all receivers.
const FIRST: ReceiverId = ReceiverId(Uuid::nil());
/// What is found anew when there is more.
const MOST: usize = 4096;
/// Whoever has looked for longer than this, or in vain, rests so many times as long: looking takes
/// a part of the time at most.
const LONG: Duration = Duration::from_millis(5);
const REST: u32 = 4;

/// In the order in which it is due.
#[derive(Debug)]
pub(super) struct Queue {
    waiting: Vec<Candidate>,
    known: HashSet<DeliveryId>,
    /// Whether there may be more than what was found.
    news: bool,
    /// Receivers are looked at in turns: it goes on after this one.
    after: ReceiverId,
    /// Until then nobody looks.
    rest: Option<Instant>,
}

impl Default for Queue {
    fn default() -> Self {
        Self {
            waiting: Vec::new(),
            known: HashSet::new(),
            news: false,
            after: FIRST,
            rest: None,
        }
    }
}

impl Queue {
    /// Something has changed: there may be more.
    pub(super) fn heard(&mut self) {
        self.news = true;
    }

    /// Whether it is time to look for more.
    pub(super) fn wants(&self, windows: &Windows, now: Instant) -> bool {
        let rests = self.rest.is_some_and(|until| now < until);
        let ready = self.waiting.iter().filter(|it| windows.has_room(it));
        self.news && !rests && ready.take(ENOUGH).count() < ENOUGH
    }

    /// When it will be time to look, if nobody looks for that reason only.
    pub(super) fn next_look(&self, now: Instant) -> Option<Instant> {
        self.rest.filter(|until| self.news && now < *until)
    }

    /// The receiver that was looked at last.
    pub(super) fn after(&self) -> ReceiverId {
        self.after
    }

    /// For which receivers nothing more is looked for: those to which nothing may be sent now, and
    /// those of which there is enough.
    pub(super) fn busy(&self, windows: &Windows) -> Vec<ReceiverId> {
        let mut counts: HashMap<ReceiverId, usize> = HashMap::new();
        for it in &self.waiting {
            *counts.entry(it.receiver).or_default() += 1;
        }
        let crowded = counts.into_iter().filter(|(_, many)| *many >= CROWDED);
        let crowded = crowded.map(|(receiver, _)| receiver);
        crowded.chain(windows.full()).collect()
    }

    /// What was found, and when that was begun and done.
    pub(super) fn found(&mut self, found: Vec<Candidate>, begun: Instant, done: Instant) {
        if self.waiting.len() > MOST {
            self.waiting.clear();
            self.known.clear();
        }
        let is_little = found.len() < ENOUGH;
        let is_cut = found.len() as i64 == LOOK.1;
        // At the end of a turn it is looked for once more from the beginning.
        self.news = is_cut || self.after != FIRST;
        let last = found.last().filter(|_| is_cut).map(|it| it.receiver);
        self.after = last.unwrap_or(FIRST);
        self.add(found);
        let took = done.duration_since(begun).min(Duration::from_secs(1));
        self.rest = (took > LONG || is_little).then(|| done + took * REST);
    }

    /// These can be sent, too.
    pub(super) fn add(&mut self, found: Vec<Candidate>) {
        for it in found {
            if self.known.insert(it.id) {
                self.waiting.push(it);
            }
        }
    }

    /// The first `most` that can be sent now, with their places.
    pub(super) fn take(&mut self, windows: &mut Windows, most: usize) -> Vec<Candidate> {
        let mut taken = Vec::new();
        self.waiting.retain(|it| {
            let is_next = taken.len() < most && windows.take(it);
            if is_next {
                taken.push(it.clone());
            }
            !is_next
        });
        for it in &taken {
            self.known.remove(&it.id);
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;
    use crate::delivery::window::tests::candidate;

    #[test]
    fn what_can_be_sent_goes_in_its_order_and_the_rest_stays() {
        let (mut queue, mut windows) = (Queue::default(), Windows::default());
        let now = clock::monotonic();
        let slow = candidate(1, "slow");
        while windows.take(&slow) {}
        let all = [(1, "slow"), (2, "a"), (1, "slow"), (3, "b"), (2, "a")];
        let all = all.map(|(receiver, host)| candidate(receiver, host));
        queue.found(all.to_vec(), now, now);
        let taken = queue.take(&mut windows, 2);
        assert_eq!(taken, [all[1].clone(), all[3].clone()]);
        assert_eq!(queue.take(&mut windows, 9), [all[4].clone()]);
        assert!(queue.take(&mut windows, 9).is_empty());
        // What is found once more while it waits is there once.
        queue.found(all.to_vec(), now, now);
        windows.give_back(&slow);
        assert_eq!(queue.take(&mut windows, 9).len(), 4);
        windows.give_back(&slow);
        windows.give_back(&slow);
        assert_eq!(queue.take(&mut windows, 9), [all[2].clone()]);
    }

    #[test]
    fn nobody_looks_without_news_nor_with_enough_nor_all_the_time() {
        let (mut queue, windows) = (Queue::default(), Windows::default());
        let now = clock::monotonic();
        let later = now + Duration::from_millis(100);
        assert!(!queue.wants(&windows, now));
        queue.heard();
        assert!(queue.wants(&windows, now));
        queue.found(vec![candidate(1, "a")], now, later);
        assert!(!queue.wants(&windows, later));
        queue.heard();
        assert!(!queue.wants(&windows, later));
        let next = queue.next_look(later).unwrap();
        assert_eq!(next, later + Duration::from_millis(400));
        assert!(queue.wants(&windows, next));
        assert_eq!(queue.next_look(next), None);
        // However short it was, it was in vain.
        let short = next + Duration::from_millis(1);
        queue.found(Vec::new(), next, short);
        queue.heard();
        assert!(!queue.wants(&windows, short));
        let many = (0..ENOUGH as u128).map(|n| candidate(n, "a"));
        queue.found(many.collect(), next, next);
        queue.heard();
        assert!(!queue.wants(&windows, next));
    }

    #[test]
    fn receivers_come_in_turns() {
        let mut queue = Queue::default();
        let now = clock::monotonic();
        assert_eq!(queue.after(), FIRST);
        let of = |n| candidate(n, "a");
        let limit = LOOK.1.unsigned_abs().into();
        queue.found((1..=limit).map(of).collect(), now, now);
        assert_eq!(queue.after(), ReceiverId(Uuid::from_u128(limit)));
        assert!(queue.news);
        queue.found(vec![of(limit + 1)], now, now);
        assert_eq!((queue.after(), queue.news), (FIRST, true));
        queue.found(vec![of(1)], now, now);
        assert_eq!((queue.after(), queue.news), (FIRST, false));
    }

    #[test]
    fn a_receiver_that_much_waits_for_is_not_looked_at() {
        let (mut queue, mut windows) = (Queue::default(), Windows::default());
        let now = clock::monotonic();
        let (crowded, full) = (candidate(1, "a"), candidate(2, "a"));
        let many = (0..CROWDED).map(|_| candidate(1, "a"));
        queue.found(many.chain([candidate(3, "a")]).collect(), now, now);
        while windows.take(&full) {}
        let mut busy = queue.busy(&windows);
        busy.sort();
        assert_eq!(busy, [crowded.receiver, full.receiver]);
    }
}
