//! What becomes of a delivery after an attempt: pure.

use std::time::Duration;

use time::OffsetDateTime;

use crate::backoff;
use crate::store::delivery::Verdict;

/// The longest wait that a receiver may ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(600);
/// How often a body is offered that the receiver says it cannot take.
const REFUSALS: u32 = 3;
/// How long a receiver may say that we are not welcome, or not there.
const UNWELCOME: Duration = Duration::from_secs(3600);

/// An attempt that has ended.
#[derive(Clone, Debug)]
pub(super) struct Ended {
    /// `None`: no answer.
    pub(super) status: Option<u16>,
    pub(super) retry_after: Option<Duration>,
    /// Number of the attempt, from 1.
    pub(super) attempt: u32,
    pub(super) first_at: OffsetDateTime,
    pub(super) now: OffsetDateTime,
}

/// Judges an attempt. 2xx is success. 400, 413 and 422 fail twice more and are
/// dead; 408, 425, 429, 5xx and no answer follow the whole schedule; every other
/// answer, a redirect too, follows it for an hour. Jitter is between 0 and 1.
pub(super) fn judge(ended: &Ended, jitter: f64) -> Verdict {
    let offset = backoff::delivery_offset(ended.attempt, jitter);
    let age = (ended.now - ended.first_at).unsigned_abs();
    match ended.status {
        Some(200..=299) => return Verdict::Delivered,
        Some(status @ (400 | 413 | 422)) if ended.attempt >= REFUSALS => {
            return Verdict::Dead(format!(
                "the receiver refused it with {status}, three times"
            ));
        }
        None | Some(400 | 413 | 422 | 408 | 425 | 429 | 500..=599) => {}
        Some(status) if age >= UNWELCOME => {
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

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const FIRST: OffsetDateTime = datetime!(2026-01-01 00:00 UTC);

    fn judged(status: Option<u16>, attempt: u32, seconds: u64) -> Verdict {
        let now = FIRST + Duration::from_secs(seconds);
        judge(
            &Ended {
                status,
                retry_after: None,
                attempt,
                first_at: FIRST,
                now,
            },
            0.0,
        )
    }

    fn retry(seconds: u64) -> Verdict {
        Verdict::RetryAt(FIRST + Duration::from_secs(seconds))
    }

    #[test]
    fn answers() {
        assert_eq!(judged(Some(204), 1, 0), Verdict::Delivered);
        assert_eq!(judged(Some(503), 1, 0), retry(5));
        assert_eq!(judged(None, 2, 5), retry(15));
        assert_eq!(judged(Some(400), 1, 0), retry(5));
        assert_eq!(judged(Some(422), 2, 5), retry(15));
        assert!(matches!(judged(Some(413), 3, 15), Verdict::Dead(_)));
        assert_eq!(judged(Some(301), 1, 0), retry(5));
        assert_eq!(judged(Some(404), 7, 120), retry(180));
        assert!(matches!(judged(Some(410), 65, 3600), Verdict::Dead(_)));
        assert!(matches!(judged(Some(503), 65, 3600), Verdict::RetryAt(_)));
        assert!(matches!(judged(None, 500, 3 * 86_400), Verdict::Dead(_)));
    }

    #[test]
    fn a_slow_attempt_is_followed_soon_and_never_in_the_past() {
        assert_eq!(judged(None, 1, 15), retry(16));
    }

    #[test]
    fn the_receiver_may_ask_for_time_but_not_for_ever() {
        let mut ended = Ended {
            status: Some(429),
            retry_after: Some(Duration::from_secs(120)),
            attempt: 1,
            first_at: FIRST,
            now: FIRST,
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
