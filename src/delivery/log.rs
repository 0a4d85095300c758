//! What the log says of attempts. Of a receiver that fails, a line a minute, however much waits for
//! it; the rest is there for whoever asks for more of the log.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::{debug, info, warn};

use super::verdict::in_seconds;
use crate::clock;
use crate::model::id::ReceiverId;
use crate::model::webhook::answered;
use crate::store::delivery::{Attempted, Claimed, Verdict};

/// How often it is said of a receiver that it fails.
const EVERY: Duration = Duration::from_secs(60);
/// How many receivers are remembered of which it was said.
const MANY: usize = 4096;

/// Of which receivers it was said that they fail: when, and how often they have failed since.
#[derive(Debug, Default)]
pub(super) struct Log(Mutex<HashMap<ReceiverId, (Instant, u64)>>);

impl Log {
    /// How an attempt ended.
    pub(super) fn attempt(&self, claimed: &Claimed, attempted: &Attempted) {
        let (event, attempt) = (claimed.event, claimed.attempt);
        let of = match claimed.subject.as_str() {
            // What a project tells is of no check.
            "" => String::new(),
            subject => format!(" of {subject}"),
        };
        let with = match (claimed.superseded.len(), claimed.kind.as_str()) {
            (0, _) => String::new(),
            (many, "group") => format!(" of {many} events"),
            (many, _) => format!(" and {many} earlier"),
        };
        let what = format!("{}{of}{with} to {}", claimed.kind, claimed.receiver_name);
        let answer = answer(attempted);
        match &attempted.verdict {
            Verdict::Delivered => {
                self.is_well(claimed.receiver);
                info!(%event, attempt, took = ?attempted.took, "delivered {what}");
            }
            Verdict::RetryAt(at) => {
                let seconds = in_seconds(*at - clock::now());
                let words = format!("not delivered yet: {what}: {answer}; again in {seconds} s");
                match self.is_news(claimed.receiver, clock::monotonic()) {
                    Some(more) => warn!(%event, attempt, "{words}{}", failed_too(more)),
                    None => debug!(%event, attempt, "{words}"),
                }
            }
            Verdict::Dead(reason) => {
                warn!(%event, attempt, "given up: {what}: {answer}; {reason}");
            }
        }
    }

    /// How a post of an alert that goes on ended.
    pub(super) fn again(&self, claimed: &Claimed, attempted: &Attempted) {
        let (event, receiver) = (claimed.event, &claimed.receiver_name);
        if attempted.verdict == Verdict::Delivered {
            self.is_well(claimed.receiver);
            return;
        }
        let answer = answer(attempted);
        let words = format!("an alert was not posted again to {receiver}: {answer}");
        match self.is_news(claimed.receiver, clock::monotonic()) {
            Some(more) => warn!(%event, "{words}{}", failed_too(more)),
            None => debug!(%event, "{words}"),
        }
    }

    /// How often it has failed since it was said that it does; `None`: that was a moment ago.
    fn is_news(&self, receiver: ReceiverId, now: Instant) -> Option<u64> {
        // It is never left halfway.
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_old = |at: Instant| now.duration_since(at) >= EVERY;
        match told.get_mut(&receiver) {
            Some((at, more)) if !is_old(*at) => {
                *more += 1;
                None
            }
            Some(it) => Some(std::mem::replace(it, (now, 0)).1),
            None => {
                if told.len() >= MANY {
                    told.retain(|_, (at, _)| !is_old(*at));
                }
                told.insert(receiver, (now, 0));
                Some(0)
            }
        }
    }

    fn is_well(&self, receiver: ReceiverId) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.remove(&receiver);
    }
}

fn answer(attempted: &Attempted) -> String {
    match (&attempted.error, attempted.status) {
        (Some(error), _) => error.clone(),
        (None, Some(status)) => answered(status),
        (None, None) => "no answer".to_owned(),
    }
}

fn failed_too(more: u64) -> String {
    match more {
        0 => String::new(),
        more => format!(" ({more} more attempts there failed since the last such line)"),
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn of_a_receiver_that_fails_a_line_a_minute() {
        let (log, now) = (Log::default(), clock::monotonic());
        let [one, other] = [1, 2].map(|n| ReceiverId(Uuid::from_u128(n)));
        assert_eq!(log.is_news(one, now), Some(0));
        assert_eq!(log.is_news(one, now), None);
        assert_eq!(log.is_news(one, now + EVERY / 2), None);
        assert_eq!(log.is_news(other, now), Some(0));
        assert_eq!(log.is_news(one, now + EVERY), Some(2));
        assert_eq!(log.is_news(one, now + EVERY), None);
        // Whatever comes after it was well is said at once.
        log.is_well(one);
        assert_eq!(log.is_news(one, now + EVERY), Some(0));
    }

    #[test]
    fn it_remembers_no_more_than_it_must() {
        let (log, now) = (Log::default(), clock::monotonic());
        for n in 0..MANY as u128 {
            log.is_news(ReceiverId(Uuid::from_u128(n)), now);
        }
        log.is_news(ReceiverId(Uuid::from_u128(u128::MAX)), now + EVERY);
        assert_eq!(log.0.lock().unwrap().len(), 1);
    }
}
