//! When the site of the canary goes down and comes back, and what of it was heard. Pure.

use std::fmt;
use std::time::{Duration, Instant};

/// What is to be done now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
    Wait,
    /// It has just gone down, or come back.
    Flip,
    /// What it did was not heard in time; it does something else from now on.
    Unheard(Why),
}

/// As far as what it did came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Why {
    Unasked,
    Untold,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unasked => {
                "no health worker asks it; is one running, and can it reach that address? \
                 CANARY_LISTEN and CANARY_URL say where the canary is"
            }
            Self::Untold => {
                "a health worker has seen what it did, and its event does not come; does the \
                 recorder write, is a webhook worker running, and can it reach that address?"
            }
        })
    }
}

/// The last thing that it did, and what came of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rhythm {
    /// How long it stays as it is when that was heard.
    pause: Duration,
    /// How long it waits to be heard.
    patience: Duration,
    is_up: bool,
    /// Since when.
    since: Instant,
    /// When somebody saw it so for the first time.
    seen: Option<Instant>,
    /// When its event came.
    heard: Option<Instant>,
    /// When any event came that it waited for.
    last_heard: Option<Instant>,
    /// The number of that event.
    sequence: i64,
}

impl Rhythm {
    /// A sign of life is given `every` so often: it changes twice in this time, and waits for
    /// its event as long.
    pub(super) fn new(every: Duration, now: Instant) -> Self {
        Self {
            pause: every / 2,
            patience: every,
            is_up: false,
            since: now,
            seen: None,
            heard: None,
            last_heard: None,
            sequence: 0,
        }
    }

    /// Begins with what nobody believes yet. In another database events are counted anew.
    pub(super) fn begin(&mut self, is_believed_up: bool, now: Instant) {
        self.sequence = 0;
        self.turn(!is_believed_up, now);
    }

    /// What is to be done now; it is done by this.
    pub(super) fn step(&mut self, now: Instant) -> Step {
        let heard = self.heard.map(|at| now.duration_since(at));
        if heard.is_some_and(|long| long >= self.pause) {
            self.turn(!self.is_up, now);
            return Step::Flip;
        }
        if heard.is_some() || now.duration_since(self.since) < self.patience {
            return Step::Wait;
        }
        let why = match self.seen {
            None => Why::Unasked,
            Some(_) => Why::Untold,
        };
        // What it did may have been lost for good, with the database for one. That it is as it
        // was before nobody tells, but of the next change.
        self.turn(!self.is_up, now);
        Step::Unheard(why)
    }

    /// Somebody asks how it is.
    pub(super) fn answer(&mut self, now: Instant) -> bool {
        self.seen.get_or_insert(now);
        self.is_up
    }

    /// An event came; the time that it took since somebody saw it, if it is what is waited for.
    pub(super) fn hear(&mut self, is_up: bool, sequence: i64, now: Instant) -> Option<Duration> {
        let is_new = is_up == self.is_up && sequence > self.sequence;
        if !is_new || self.heard.is_some() {
            return None;
        }
        // What nobody has seen yet is told of an earlier time.
        let seen = self.seen?;
        self.sequence = sequence;
        self.heard = Some(now);
        self.last_heard = Some(now);
        Some(now.duration_since(seen))
    }

    /// Whether it was heard lately.
    pub(super) fn is_well(&self, now: Instant) -> bool {
        let long = self.last_heard.map(|at| now.duration_since(at));
        long.is_some_and(|long| long <= self.pause + self.patience)
    }

    /// Whether it was ever heard.
    pub(super) fn was_heard(&self) -> bool {
        self.last_heard.is_some()
    }

    fn turn(&mut self, is_up: bool, now: Instant) {
        self.is_up = is_up;
        self.since = now;
        self.seen = None;
        self.heard = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    const EVERY: Duration = Duration::from_secs(60);

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn it_turns_when_it_was_heard_and_is_well_meanwhile() {
        let t = clock::monotonic();
        let mut rhythm = Rhythm::new(EVERY, t);
        rhythm.begin(true, t);
        assert!(!rhythm.is_well(t));
        assert_eq!(rhythm.step(t + seconds(3)), Step::Wait);
        assert!(!rhythm.answer(t + seconds(4)));
        assert!(!rhythm.answer(t + seconds(9)));
        let latency = rhythm.hear(false, 7, t + seconds(10));
        assert_eq!(latency, Some(seconds(6)));
        assert!(rhythm.is_well(t + seconds(10)));
        assert_eq!(rhythm.step(t + seconds(39)), Step::Wait);
        assert_eq!(rhythm.step(t + seconds(40)), Step::Flip);
        assert!(rhythm.answer(t + seconds(41)));
        assert_eq!(rhythm.hear(true, 8, t + seconds(42)), Some(seconds(1)));
    }

    #[test]
    fn what_is_heard_again_or_too_early_is_not_what_is_waited_for() {
        let t = clock::monotonic();
        let mut rhythm = Rhythm::new(EVERY, t);
        rhythm.begin(true, t);
        assert_eq!(rhythm.hear(false, 7, t), None, "nobody has asked yet");
        rhythm.answer(t);
        assert_eq!(rhythm.hear(true, 7, t), None, "it is down");
        assert!(rhythm.hear(false, 7, t).is_some());
        assert_eq!(rhythm.hear(false, 8, t), None, "it was heard");
        assert_eq!(rhythm.step(t + seconds(30)), Step::Flip);
        rhythm.answer(t + seconds(31));
        assert_eq!(rhythm.hear(true, 6, t + seconds(31)), None, "an older one");
    }

    #[test]
    fn it_says_where_it_is_lost_and_goes_on() {
        let t = clock::monotonic();
        let mut rhythm = Rhythm::new(EVERY, t);
        rhythm.begin(false, t);
        assert_eq!(rhythm.step(t + seconds(60)), Step::Unheard(Why::Unasked));
        assert!(!rhythm.answer(t + seconds(61)), "it has turned");
        assert_eq!(rhythm.step(t + seconds(119)), Step::Wait);
        assert_eq!(rhythm.step(t + seconds(120)), Step::Unheard(Why::Untold));
        assert!(!rhythm.is_well(t + seconds(120)));
        rhythm.answer(t + seconds(121));
        assert!(rhythm.hear(true, 3, t + seconds(122)).is_some());
        assert!(rhythm.is_well(t + seconds(122 + 90)));
        assert!(!rhythm.is_well(t + seconds(122 + 91)));
    }
}
