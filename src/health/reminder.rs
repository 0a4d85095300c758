//! An outage that goes on is told again after a while, if its check says so.

use std::time::Duration;

use time::OffsetDateTime;

use crate::model::health::{Flapping, Health, Told, Transition};

/// What a failed probe at this moment has to tell again, `repeat` after it was told last. Nothing
/// of a check that began quietly or whose flapping is told instead, nor while a recovery is under
/// way: it fails again, or it ends.
pub fn remind(
    health: &mut Health,
    at: OffsetDateTime,
    repeat: Option<Duration>,
) -> Option<Transition> {
    let (repeat, incident) = (repeat?, health.incident?);
    let told_at = health.told_at.unwrap_or(health.since);
    let is_quiet = health.quiet || health.flapping == Flapping::Held;
    if is_quiet || !health.state.is_outage() || health.successes > 0 || at < told_at + repeat {
        return None;
    }
    health.told_at = Some(at);
    health.seq += 1;
    Some(Transition {
        previous: health.state,
        next: health.state,
        degraded: health.degraded,
        at,
        seq: health.seq,
        incident: Some(incident),
        told: Told::Yes,
        flap: None,
        reminds: true,
    })
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;
    use uuid::Uuid;

    use super::*;
    use crate::model::health::State;
    use crate::model::id::IncidentId;

    const START: OffsetDateTime = datetime!(2026-01-01 00:00 UTC);
    const REPEAT: Duration = Duration::from_secs(600);

    fn down() -> Health {
        Health {
            state: State::Down,
            incident: Some(IncidentId(Uuid::nil())),
            seq: 2,
            told_at: Some(START),
            ..Health::new(START)
        }
    }

    fn after(health: &mut Health, seconds: u64) -> Option<i64> {
        let at = START + Duration::from_secs(seconds);
        remind(health, at, Some(REPEAT)).map(|it| it.seq)
    }

    #[test]
    fn it_is_told_again_and_again() {
        let mut health = down();
        let seconds = [0, 300, 599, 600, 660, 1199, 1260, 1800, 1860];
        let told = seconds.map(|seconds| after(&mut health, seconds));
        assert_eq!(
            told,
            [
                None,
                None,
                None,
                Some(3),
                None,
                None,
                Some(4),
                None,
                Some(5)
            ]
        );
        assert_eq!(remind(&mut health, START + 99 * REPEAT, None), None);
    }

    #[test]
    fn what_is_over_or_is_not_told_is_not_told_again() {
        let changes: [fn(&mut Health); 5] = [
            |it| it.state = State::Up,
            |it| it.incident = None,
            |it| it.quiet = true,
            |it| it.flapping = Flapping::Held,
            |it| it.successes = 1,
        ];
        for change in changes {
            let mut health = down();
            change(&mut health);
            assert_eq!(after(&mut health, 9999), None, "{health:?}");
        }
        // What was told before this was known was told when it began.
        let mut health = down();
        health.told_at = None;
        assert_eq!(
            (after(&mut health, 599), after(&mut health, 600)),
            (None, Some(3))
        );
    }
}
