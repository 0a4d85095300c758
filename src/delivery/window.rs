//! How much may be on its way to one host at once: little until it answers, more while it does,
//! next to nothing while it gives no answer. So one that hangs holds up nobody.

use std::collections::HashMap;
use std::time::Duration;

/// What is sent at first, at most, and to a host that gave no answer.
const FIRST: usize = 8;
const MOST: usize = 64;
const LEAST: usize = 2;
/// How many hosts are remembered although nothing is sent to them.
const MANY: usize = 4096;
/// A host that takes longer than this is not given more than it has.
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

/// The windows of all hosts that something is sent to, or that did not do well.
#[derive(Debug, Default)]
pub(super) struct Windows(HashMap<String, Window>);

impl Windows {
    /// Takes a place to send to a host, if there is one.
    pub(super) fn take(&mut self, host: &str) -> bool {
        if !self.0.contains_key(host) {
            self.0.insert(host.to_owned(), Window::default());
        }
        let Some(window) = self.0.get_mut(host) else {
            return false;
        };
        let room = window.sending < window.size;
        window.sending += usize::from(room);
        room
    }

    /// Whether there is a place.
    pub(super) fn has_room(&self, host: &str) -> bool {
        self.0.get(host).is_none_or(|it| it.sending < it.size)
    }

    /// Gives a place back that nothing was sent in.
    pub(super) fn give_back(&mut self, host: &str) {
        let window = self.0.get_mut(host);
        window
            .into_iter()
            .for_each(|it| it.sending = it.sending.saturating_sub(1));
        self.forget(host);
    }

    /// Gives a place back after an attempt, and learns from how that ended: in an answer, or none.
    pub(super) fn ended(&mut self, host: &str, answered: bool, took: Duration) {
        if let Some(window) = self.0.get_mut(host) {
            window.sending = window.sending.saturating_sub(1);
            window.size = match answered {
                true if took < SLOW => (window.size + 1).min(MOST),
                true => window.size,
                false => LEAST,
            };
        }
        self.forget(host);
    }

    /// What nothing is sent to and what is as new needs no place in memory; when there are very
    /// many, nor does one that did well.
    fn forget(&mut self, host: &str) {
        let many = self.0.len() > MANY;
        let is_new = |it: &Window| it.size == FIRST || many && it.size > FIRST;
        let idle = self
            .0
            .get(host)
            .is_some_and(|it| it.sending == 0 && is_new(it));
        if idle {
            self.0.remove(host);
        }
    }

    /// Hosts to which nothing more may be sent now.
    pub(super) fn full(&self) -> Vec<String> {
        let full = self.0.iter().filter(|(_, it)| it.sending >= it.size);
        full.map(|(host, _)| host.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUICK: Duration = Duration::from_millis(5);

    fn fill(windows: &mut Windows, host: &str) -> usize {
        (0..1000).take_while(|_| windows.take(host)).count()
    }

    #[test]
    fn a_host_that_answers_gets_more_up_to_a_bound() {
        let mut windows = Windows::default();
        assert_eq!(fill(&mut windows, "a"), FIRST);
        assert_eq!(windows.full(), ["a"]);
        for _ in 0..200 {
            windows.ended("a", true, QUICK);
            while windows.take("a") {}
        }
        assert_eq!(windows.0["a"].sending, MOST);
        // One that takes its time keeps what it has.
        windows.ended("a", true, SLOW);
        assert_eq!(fill(&mut windows, "a"), 1);
    }

    #[test]
    fn a_host_that_hangs_is_tried_by_few_and_others_are_not_concerned() {
        let mut windows = Windows::default();
        fill(&mut windows, "a");
        for _ in 0..FIRST {
            windows.ended("a", false, Duration::from_secs(15));
        }
        assert_eq!(fill(&mut windows, "a"), LEAST);
        assert_eq!(fill(&mut windows, "b"), FIRST);
        windows.ended("a", true, QUICK);
        assert_eq!(fill(&mut windows, "a"), LEAST);
    }

    #[test]
    fn what_is_idle_is_forgotten_and_what_hangs_is_not() {
        let mut windows = Windows::default();
        for host in ["a", "b", "c"] {
            assert!(windows.take(host));
        }
        windows.ended("a", true, QUICK);
        windows.ended("b", false, QUICK);
        windows.give_back("c");
        let mut kept: Vec<&String> = windows.0.keys().collect();
        kept.sort();
        assert_eq!(kept, ["a", "b"]);
        // What was learnt of one that answers is not lost between two bursts.
        assert_eq!(fill(&mut windows, "a"), FIRST + 1);
    }
}
