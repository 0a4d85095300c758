//! When to try again: the schedule of deliveries, and of loops whose
//! dependency is away. Randomness is a parameter, between 0 and 1.

use std::time::Duration;

/// Seconds after the first attempt of the second to sixth.
const EARLY: [u64; 5] = [5, 15, 30, 45, 60];
const HOUR: u64 = 3600;
/// A delivery is given up this long after its first attempt.
pub const GIVE_UP: Duration = Duration::from_secs(3 * 24 * HOUR);

/// How long after the first attempt the next one is due, when the last one began `elapsed` after
/// it: at 5, 15, 30, 45, 60 s, then each minute for an hour, then doubling
/// to an hour; `None` after 3 days. Jitter only adds, up to a tenth of the wait.
///
/// It goes by time and not by number: an attempt that was lost with its worker, or made because
/// somebody asked for it, is not followed by a longer wait.
pub fn delivery_next(elapsed: Duration, jitter: f64) -> Option<Duration> {
    (1..)
        .map_while(|made| delivery_offset(made, jitter))
        .find(|offset| offset.as_secs() > elapsed.as_secs())
}

/// The time of the attempt after `made` ones, without one that is lost.
fn delivery_offset(made: u32, jitter: f64) -> Option<Duration> {
    let offset = offset_seconds(made);
    if offset > GIVE_UP.as_secs() {
        return None;
    }
    let wait = offset - offset_seconds(made.saturating_sub(1));
    let extra = wait as f64 * 0.1 * jitter.clamp(0.0, 1.0);
    Some(Duration::from_secs(offset) + Duration::from_secs_f64(extra))
}

fn offset_seconds(made: u32) -> u64 {
    let made = u64::from(made);
    let early = EARLY.len() as u64;
    if made == 0 {
        return 0;
    }
    if made <= early {
        return EARLY[made as usize - 1];
    }
    let minute = made - early + 1;
    if minute <= 60 {
        return minute * 60;
    }
    // 2, 4, 8, 16, 32 minutes, then an hour each.
    let doublings = minute - 60;
    let doubled = (1..=doublings.min(5)).map(|n| 60 << n).sum::<u64>();
    HOUR + doubled + doublings.saturating_sub(5) * HOUR
}

/// The wait before try number `n` (from 0) at something that is away: doubling
/// from 100 ms to 5 s, half of it random so that many do not come back at once.
pub fn reconnect(n: u32, jitter: f64) -> Duration {
    let full = Duration::from_millis(100 << n.min(6)).min(Duration::from_secs(5));
    full.mul_f64(0.5 + 0.5 * jitter.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schedule_of_a_delivery() {
        let offsets: Vec<u64> = (0..9)
            .map(|n| delivery_offset(n, 0.0).unwrap().as_secs())
            .collect();
        assert_eq!(offsets, [0, 5, 15, 30, 45, 60, 120, 180, 240]);
        assert_eq!(delivery_offset(64, 0.0).unwrap().as_secs(), HOUR);
        assert_eq!(delivery_offset(65, 0.0).unwrap().as_secs(), HOUR + 120);
        let all: Vec<u64> = (0..1000)
            .map_while(|n| delivery_offset(n, 0.0))
            .map(|d| d.as_secs())
            .collect();
        assert!(all.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(all.windows(2).all(|pair| pair[1] - pair[0] <= HOUR));
        let last = all.last().unwrap();
        assert!(
            (GIVE_UP.as_secs() - HOUR..=GIVE_UP.as_secs()).contains(last),
            "{last}"
        );
    }

    #[test]
    fn the_next_attempt_is_the_next_of_the_schedule_whatever_was_lost() {
        let next = |elapsed: f64| {
            let next = delivery_next(Duration::from_secs_f64(elapsed), 0.0);
            next.map(|it| it.as_secs())
        };
        for (elapsed, due) in [
            (0.0, 5),
            (0.4, 5),
            (5.0, 15),
            (5.4, 15),
            (16.0, 30),
            (61.0, 120),
        ] {
            assert_eq!(next(elapsed), Some(due), "{elapsed}");
        }
        assert_eq!(next(3599.0), Some(HOUR));
        assert_eq!(next(3600.0), Some(HOUR + 120));
        assert_eq!(next(GIVE_UP.as_secs_f64()), None);
    }

    #[test]
    fn jitter_only_adds() {
        assert_eq!(delivery_offset(1, 1.0), Some(Duration::from_millis(5500)));
        assert_eq!(delivery_offset(2, 1.0), Some(Duration::from_millis(16_000)));
    }

    #[test]
    fn a_loop_comes_back_within_five_seconds() {
        assert_eq!(reconnect(0, 0.0), Duration::from_millis(50));
        assert_eq!(reconnect(99, 1.0), Duration::from_secs(5));
    }
}
