//! When to say that probes get no answer. Pure: numbers and times are given.
//!
//! Said at once, then each minute with what was lost since, and once when they
//! are answered again.

use std::time::{Duration, Instant};

/// How often it is said while it lasts.
const REPEAT: Duration = Duration::from_secs(60);
/// So many recorded probes in a row, with none lost between, are an answer.
const ENOUGH: u64 = 10;

/// What is to be said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum News {
    /// So many probes were lost since it was said last.
    Lost(u64),
    Answered,
}

/// What was said, and what was lost since.
#[derive(Debug, Default)]
pub(super) struct Unanswered {
    spell: Option<Spell>,
}

#[derive(Debug)]
struct Spell {
    said: Instant,
    lost: u64,
    /// How many had been recorded when a probe was lost last.
    recorded: u64,
}

impl Unanswered {
    /// `lost` probes were given up just now; `recorded` counts all that were
    /// ever stored.
    pub(super) fn step(&mut self, lost: u64, recorded: u64, now: Instant) -> Option<News> {
        let Some(spell) = &mut self.spell else {
            if lost == 0 {
                return None;
            }
            self.spell = Some(Spell {
                said: now,
                lost: 0,
                recorded,
            });
            return Some(News::Lost(lost));
        };
        spell.lost += lost;
        if lost > 0 {
            spell.recorded = recorded;
        } else if recorded > spell.recorded + ENOUGH {
            self.spell = None;
            return Some(News::Answered);
        }
        if spell.lost == 0 || now.duration_since(spell.said) < REPEAT {
            return None;
        }
        spell.said = now;
        Some(News::Lost(std::mem::take(&mut spell.lost)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn it_is_said_at_once_and_each_minute_until_it_is_over() {
        let start = clock::monotonic();
        let mut unanswered = Unanswered::default();
        let mut said = Vec::new();
        // One probe is lost each second for five minutes; then all are answered.
        for second in 0..400u64 {
            let lost = u64::from((10..310).contains(&second));
            let recorded = if second < 10 {
                second
            } else {
                second.max(310) - 300
            };
            let now = start + Duration::from_secs(second);
            if let Some(news) = unanswered.step(lost, recorded, now) {
                said.push((second, news));
            }
        }
        assert_eq!(
            said,
            [
                (10, News::Lost(1)),
                (70, News::Lost(60)),
                (130, News::Lost(60)),
                (190, News::Lost(60)),
                (250, News::Lost(60)),
                (310, News::Lost(59)),
                (321, News::Answered),
            ]
        );
    }
}
