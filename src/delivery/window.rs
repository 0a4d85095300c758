//! How much may be on its way at once. To one receiver: little until it answers, more while it does,
//! next to nothing while it hangs. To one host: so much, whoever receives there, and some of it is
//! left to those that answer. So one that hangs holds up nobody, neither elsewhere nor beside it.

use std::collections::HashMap;
use std::time::Duration;

use crate::model::id::ReceiverId;
use crate::store::delivery::Candidate;

/// What is sent at first, at most, and to a receiver that hangs.
const FIRST: usize = 8;
const MOST: usize = 64;
const LEAST: usize = 2;
/// What is on its way to one host, at most; of it to receivers that hang.
const OF_HOST: usize = MOST;
const OF_HANGING: usize = OF_HOST / 4 * 3;
/// How many receivers are remembered although nothing is sent to them.
const MANY: usize = 4096;
/// A receiver that takes longer than this is not given more than it has; without an answer, it hangs.
const SLOW: Duration = Duration::from_secs(2);

#[derive(Debug)]
struct Window {
    size: usize,
    sending: usize,
}

impl Default for Window {
    fn default() -> Self {
        let (size, sending) = (FIRST, 0);
        Self { size, sending }
    }
}

/// The windows of all receivers that something is sent to, or that did not do well.
#[derive(Debug, Default)]
pub(super) struct Windows {
    receivers: HashMap<ReceiverId, Window>,
    /// How much is on its way to each, where anything is.
    hosts: HashMap<String, usize>,
}

impl Windows {
    /// Takes a place to send this, if there is one.
    pub(super) fn take(&mut self, it: &Candidate) -> bool {
        let room = self.has_room(it);
        if room {
            self.receivers.entry(it.receiver).or_default().sending += 1;
            match self.hosts.get_mut(&it.host) {
                Some(sending) => *sending += 1,
                None => drop(self.hosts.insert(it.host.clone(), 1)),
            }
        }
        room
    }

    /// Whether there is a place.
    pub(super) fn has_room(&self, it: &Candidate) -> bool {
        let of_host = self.hosts.get(&it.host).copied().unwrap_or_default();
        match self.receivers.get(&it.receiver) {
            None => of_host < OF_HOST,
            Some(window) if window.sending >= window.size => false,
            Some(window) if window.size <= LEAST => of_host < OF_HANGING,
            Some(_) => of_host < OF_HOST,
        }
    }

    /// Gives a place back that nothing was sent in.
    pub(super) fn give_back(&mut self, it: &Candidate) {
        self.left(it);
        self.forget(it.receiver);
    }

    /// Gives a place back after an attempt, and learns from how that ended: in an answer, or none.
    /// What fails at once, as what cannot be sent at all, keeps no place from anybody.
    pub(super) fn ended(&mut self, it: &Candidate, answered: bool, took: Duration) {
        self.left(it);
        if let Some(window) = self.receivers.get_mut(&it.receiver) {
            window.size = match (answered, took < SLOW) {
                (true, true) => (window.size + 1).min(MOST),
                (true, false) | (false, true) => window.size,
                (false, false) => LEAST,
            };
        }
        self.forget(it.receiver);
    }

    fn left(&mut self, it: &Candidate) {
        if let Some(window) = self.receivers.get_mut(&it.receiver) {
            window.sending = window.sending.saturating_sub(1);
        }
        let sending = self.hosts.remove(&it.host).unwrap_or_default();
        if sending > 1 {
            self.hosts.insert(it.host.clone(), sending - 1);
        }
    }

    /// What nothing is sent to and what is as new needs no place in memory; when there are very
    /// many, nor does one that did well.
    fn forget(&mut self, receiver: ReceiverId) {
        let many = self.receivers.len() > MANY;
        let is_new = |it: &Window| it.size == FIRST || many && it.size > FIRST;
        let window = self.receivers.get(&receiver);
        if window.is_some_and(|it| it.sending == 0 && is_new(it)) {
            self.receivers.remove(&receiver);
        }
    }

    /// Receivers to which nothing more may be sent now.
    pub(super) fn full(&self) -> impl Iterator<Item = ReceiverId> {
        let full = self.receivers.iter();
        let full = full.filter(|(_, it)| it.sending >= it.size);
        full.map(|(receiver, _)| *receiver)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::model::id::DeliveryId;

    const QUICK: Duration = Duration::from_millis(5);
    const LONG: Duration = Duration::from_secs(15);

    /// Something for a receiver, which has its number, at a host.
    pub(crate) fn candidate(receiver: u128, host: &str) -> Candidate {
        Candidate {
            id: DeliveryId(Uuid::new_v4()),
            receiver: ReceiverId(Uuid::from_u128(receiver)),
            lane: Uuid::nil(),
            replay: 0,
            host: host.to_owned(),
            followed: false,
        }
    }

    fn fill(windows: &mut Windows, it: &Candidate) -> usize {
        (0..1000).take_while(|_| windows.take(it)).count()
    }

    #[test]
    fn a_receiver_that_answers_gets_more_up_to_a_bound() {
        let (mut windows, a) = (Windows::default(), candidate(1, "a"));
        assert_eq!(fill(&mut windows, &a), FIRST);
        assert_eq!(windows.full().collect::<Vec<_>>(), [a.receiver]);
        for _ in 0..200 {
            windows.ended(&a, true, QUICK);
            while windows.take(&a) {}
        }
        assert_eq!(windows.receivers[&a.receiver].sending, MOST);
        // One that takes its time keeps what it has.
        windows.ended(&a, true, SLOW);
        assert_eq!(fill(&mut windows, &a), 1);
    }

    #[test]
    fn a_receiver_that_hangs_is_tried_by_few_and_others_are_not_concerned() {
        let (mut windows, slow) = (Windows::default(), candidate(1, "a"));
        fill(&mut windows, &slow);
        let beside = candidate(2, "a");
        assert_eq!(fill(&mut windows, &beside), FIRST);
        for _ in 0..FIRST {
            windows.ended(&slow, false, LONG);
        }
        assert_eq!(fill(&mut windows, &slow), LEAST);
        // What cannot be sent at all says nothing of whom it was for.
        windows.ended(&beside, false, QUICK);
        assert_eq!(fill(&mut windows, &beside), 1);
        windows.ended(&slow, true, QUICK);
        assert_eq!(fill(&mut windows, &slow), LEAST);
    }

    #[test]
    fn receivers_that_hang_leave_places_of_their_host_to_others() {
        let mut windows = Windows::default();
        let hanging: Vec<Candidate> = (1..=40).map(|n| candidate(n, "a")).collect();
        for it in &hanging {
            assert!(windows.take(it));
            windows.ended(it, false, LONG);
        }
        let taken: usize = hanging.iter().map(|it| fill(&mut windows, it)).sum();
        assert_eq!(taken, OF_HANGING);
        let mut well = (50..60).map(|n| candidate(n, "a"));
        let taken: usize = well.by_ref().map(|it| fill(&mut windows, &it)).sum();
        assert_eq!(taken, OF_HOST - OF_HANGING);
        assert_eq!(fill(&mut windows, &candidate(60, "b")), FIRST);
        windows.give_back(&hanging[0]);
        assert!(!windows.take(&hanging[1]));
        assert!(windows.take(&candidate(61, "a")));
    }

    #[test]
    fn what_is_idle_is_forgotten_and_what_hangs_is_not() {
        let mut windows = Windows::default();
        let [a, b, c] = [1, 2, 3].map(|n| candidate(n, "a"));
        for it in [&a, &b, &c] {
            assert!(windows.take(it));
        }
        windows.ended(&a, true, QUICK);
        windows.ended(&b, false, LONG);
        windows.give_back(&c);
        let mut kept: Vec<ReceiverId> = windows.receivers.keys().copied().collect();
        kept.sort();
        assert_eq!(kept, [a.receiver, b.receiver]);
        assert!(windows.hosts.is_empty());
        // What was learnt of one that answers is not lost between two bursts.
        assert_eq!(fill(&mut windows, &a), FIRST + 1);
    }
}
