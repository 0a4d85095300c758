//! What becomes of a delivery after an attempt: pure.

use std::time::Duration;

use time::OffsetDateTime;

use crate::backoff;
use crate::egress::webhook::Posted;
use crate::store::delivery::{Claimed, TEST, TRIED_ONCE, Verdict};

/// The longest wait that a receiver may ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(600);
/// How often a body is offered that the receiver says it cannot take.
const REFUSALS: u32 = 3;
/// How long a receiver may say that we are not welcome, or not there.
const UNWELCOME: time::Duration = time::Duration::hours(1);

/// An attempt that has ended.
#[derive(Clone, Debug)]
pub(super) struct Ended {
    /// `None`: no answer.
    pub(super) status: Option<u16>,
    pub(super) retry_after: Option<Duration>,
    /// How often the receiver has refused this body before.
    pub(super) refused: u32,
    /// When it has said first that we are not welcome, or not there.
    pub(super) unwelcome_since: Option<OffsetDateTime>,
    pub(super) first_at: OffsetDateTime,
    pub(super) started_at: OffsetDateTime,
    pub(super) now: OffsetDateTime,
    /// Of a test: whoever sent it waits for how it ends.
    pub(super) is_test: bool,
}

impl Ended {
    pub(super) fn of(claimed: &Claimed, posted: &Posted, now: OffsetDateTime) -> Self {
        Self {
            status: posted.status,
            retry_after: posted.retry_after,
            refused: claimed.refused.unsigned_abs(),
            unwelcome_since: claimed.unwelcome_since,
            first_at: claimed.first_attempt_at,
            started_at: now - posted.took,
            now,
            is_test: claimed.kind == TEST,
        }
    }
}

/// Judges an attempt. 2xx is success. 400, 413 and 422 fail twice more and are
/// dead; 408, 425, 429, 5xx and no answer follow the whole schedule; every other
/// answer, a redirect too, follows it for an hour. A test is tried once. Jitter is between 0 and 1.
pub(super) fn judge(ended: &Ended, jitter: f64) -> Verdict {
    let elapsed = (ended.started_at - ended.first_at).unsigned_abs();
    let offset = backoff::delivery_next(elapsed, jitter);
    let unwelcome = ended.unwelcome_since.map(|since| ended.now - since);
    match ended.status {
        Some(200..=299) => return Verdict::Delivered,
        _ if ended.is_test => return Verdict::Dead(TRIED_ONCE.to_owned()),
        Some(status @ (400 | 413 | 422)) if ended.refused + 1 >= REFUSALS => {
            return Verdict::Dead(format!(
                "the receiver refused it with {status}, three times"
            ));
        }
        None | Some(400 | 413 | 422 | 408 | 425 | 429 | 500..=599) => {}
        Some(status) if unwelcome.is_some_and(|it| it >= UNWELCOME) => {
            return Verdict::Dead(format!("the receiver answered {status} for an hour"));
        }
        Some(_) => {}
    }
    let Some(offset) = offset else {
        return Verdict::Dead("three days without success".to_owned());
    };
    let wished = ended
        .retry_after
        .map(|wish| ended.now + wish.min(RETRY_AFTER_MAX));
    let planned = ended.first_at + offset;
    // An attempt that took longer than the wait is followed by the next soon.
    let soonest = ended.now + Duration::from_secs(1);
    Verdict::RetryAt(planned.max(soonest).max(wished.unwrap_or(soonest)))
}

/// Until when nothing at all is to go to the receiver: it says that there is too much, or that it
/// cannot now, and when to come again.
pub(super) fn slowed_until(ended: &Ended) -> Option<OffsetDateTime> {
    let wish = ended.retry_after?;
    matches!(ended.status, Some(429 | 503)).then(|| ended.now + wish.min(RETRY_AFTER_MAX))
}

/// How long that is, as it is said: nothing begins in no time.
pub(super) fn in_seconds(wait: time::Duration) -> i64 {
    (wait.as_seconds_f64().ceil() as i64).max(1)
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const FIRST: OffsetDateTime = datetime!(2026-01-01 00:00 UTC);

    /// What becomes of an attempt that took no time, so long after the first.
    fn judged(status: Option<u16>, refused: u32, seconds: u64) -> Verdict {
        let now = FIRST + Duration::from_secs(seconds);
        judge(
            &Ended {
                status,
                retry_after: None,
                refused,
                unwelcome_since: Some(FIRST),
                first_at: FIRST,
                started_at: now,
                now,
                is_test: false,
            },
            0.0,
        )
    }

    fn retry(seconds: u64) -> Verdict {
        Verdict::RetryAt(FIRST + Duration::from_secs(seconds))
    }

    #[test]
    fn answers() {
        assert_eq!(judged(Some(204), 0, 0), Verdict::Delivered);
        assert_eq!(judged(Some(503), 0, 0), retry(5));
        assert_eq!(judged(None, 0, 5), retry(15));
        assert_eq!(judged(Some(400), 0, 0), retry(5));
        assert_eq!(judged(Some(422), 1, 5), retry(15));
        assert!(matches!(judged(Some(413), 2, 15), Verdict::Dead(_)));
        // Whatever went before, of refusals there must be three.
        assert_eq!(judged(Some(400), 0, 120), retry(180));
        assert_eq!(judged(Some(301), 0, 0), retry(5));
        assert_eq!(judged(Some(404), 0, 120), retry(180));
        assert!(matches!(judged(Some(410), 0, 3600), Verdict::Dead(_)));
        assert!(matches!(judged(Some(503), 0, 3600), Verdict::RetryAt(_)));
        assert!(matches!(judged(None, 0, 3 * 86_400), Verdict::Dead(_)));
    }

    #[test]
    fn a_slow_attempt_is_followed_soon_and_never_in_the_past() {
        let mut ended = Ended {
            status: None,
            retry_after: None,
            refused: 0,
            unwelcome_since: None,
            first_at: FIRST,
            started_at: FIRST,
            now: FIRST + Duration::from_secs(15),
            is_test: false,
        };
        assert_eq!(judge(&ended, 0.0), retry(16));
        ended.started_at = FIRST + Duration::from_secs(16);
        ended.now = FIRST + Duration::from_secs(31);
        assert_eq!(judge(&ended, 0.0), retry(32));
    }

    #[test]
    fn one_answer_after_an_outage_ends_nothing() {
        let mut ended = Ended {
            status: Some(404),
            retry_after: None,
            refused: 0,
            unwelcome_since: None,
            first_at: FIRST,
            started_at: FIRST + Duration::from_secs(7200),
            now: FIRST + Duration::from_secs(7200),
            is_test: false,
        };
        assert!(matches!(judge(&ended, 0.0), Verdict::RetryAt(_)));
        ended.unwelcome_since = Some(FIRST + Duration::from_secs(3600));
        assert!(matches!(judge(&ended, 0.0), Verdict::Dead(_)));
    }

    #[test]
    fn a_test_is_tried_once() {
        for status in [None, Some(503), Some(400), Some(429), Some(302), Some(204)] {
            let ended = Ended {
                status,
                retry_after: Some(Duration::from_secs(5)),
                refused: 0,
                unwelcome_since: None,
                first_at: FIRST,
                started_at: FIRST,
                now: FIRST,
                is_test: true,
            };
            let expect = match status {
                Some(204) => Verdict::Delivered,
                _ => Verdict::Dead("a test is tried once".to_owned()),
            };
            assert_eq!(judge(&ended, 0.0), expect, "{status:?}");
        }
    }

    #[test]
    fn the_receiver_may_ask_for_time_but_not_for_ever() {
        let mut ended = Ended {
            status: Some(429),
            retry_after: Some(Duration::from_secs(120)),
            refused: 0,
            unwelcome_since: None,
            first_at: FIRST,
            started_at: FIRST,
            now: FIRST,
            is_test: false,
        };
        assert_eq!(judge(&ended, 0.0), retry(120));
        assert_eq!(slowed_until(&ended), Some(FIRST + Duration::from_secs(120)));
        ended.retry_after = Some(Duration::from_secs(86_400));
        assert_eq!(judge(&ended, 0.0), retry(600));
        assert_eq!(slowed_until(&ended), Some(FIRST + Duration::from_secs(600)));
        // Of another answer it says when this one may come again, and no more.
        ended.status = Some(500);
        assert_eq!(judge(&ended, 0.0), retry(600));
        assert_eq!(slowed_until(&ended), None);
    }
}
