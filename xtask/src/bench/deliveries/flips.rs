//! Fifty pages change at random moments, each some forty times: how long until their receiver
//! knows?

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use anyhow::Result;

use super::{Told, declare, files, quantiles, receivers};
use crate::bench::fleet::Fleet;
use crate::bench::receiver::Event;
use crate::chance::Chance;
use crate::figures::Figures;
use crate::stage::{Answer, Stage};
use crate::workspace;

const SEED: u64 = 1;
const CHECKS: u32 = 50;
/// In seconds.
const EVERY: u32 = 1;
/// From one flip of a page to its next: each is to be seen, and told, before it.
const LEAST: Duration = Duration::from_secs(2);
const MOST: Duration = Duration::from_secs(4);
const BAR: &str = "< 1300 ms";

pub(super) fn measure(
    fleet: &mut Fleet<'_>,
    length: Duration,
    figures: &mut Figures,
) -> Result<()> {
    println!("flips of {CHECKS} pages:");
    let script = Arc::new(flips(length));
    let begun: Arc<OnceLock<Instant>> = Arc::default();
    let (played, since) = (Arc::clone(&script), Arc::clone(&begun));
    let stage = Stage::start(move |page| match since.get() {
        Some(since) if is_down(&played, page, since.elapsed()) => Answer::Bad,
        _ => Answer::Well,
    })?;
    let told = receivers(1)?;
    let files = files((CHECKS, EVERY), stage.port, &told, Told::One)?;
    declare(fleet, CHECKS, &files)?;
    let since = *begun.get_or_init(workspace::monotonic);
    fleet.sleep(length + MOST)?;
    let (mut heard, mut repeated) = (Vec::new(), 0);
    for receiver in &told {
        heard.extend(receiver.events(since)?);
        repeated += receiver.count().repeated;
    }
    let found = Found::of(&script, &heard);
    let count: usize = script.iter().map(Vec::len).sum();
    figures.add("flips", count, count.to_string());
    quantiles(figures, "flip to received", &found.took, BAR);
    for (what, count) in [
        ("missing", found.missing),
        ("told besides", found.besides),
        ("doubled", repeated),
    ] {
        figures.add_with_bar(&format!("flips, {what}"), count, count.to_string(), "0");
    }
    Ok(())
}

/// By page, when it changes.
fn flips(length: Duration) -> Vec<Vec<Duration>> {
    let mut chance = Chance::new(SEED);
    let mut of_page = |_| {
        let mut flips = Vec::new();
        let mut at = chance.between(Duration::ZERO, MOST);
        while at < length {
            flips.push(at);
            at += chance.between(LEAST, MOST);
        }
        flips
    };
    (0..CHECKS).map(&mut of_page).collect()
}

fn is_down(script: &[Vec<Duration>], page: u32, now: Duration) -> bool {
    let flips = script.get(page as usize).into_iter().flatten();
    flips.filter(|at| **at <= now).count() % 2 == 1
}

/// What was told of the flips.
#[derive(Debug, PartialEq, Default)]
struct Found {
    /// In seconds, sorted.
    took: Vec<f64>,
    /// Not told before the page changed again.
    missing: usize,
    /// What no flip is behind, or not the last one.
    besides: usize,
}

impl Found {
    /// Holds what was told, in order, against the flips.
    fn of(script: &[Vec<Duration>], heard: &[Event]) -> Self {
        let mut by_page: BTreeMap<u32, Vec<Event>> = BTreeMap::new();
        for event in heard {
            by_page.entry(event.page).or_default().push(*event);
        }
        let mut found = Self::default();
        for (page, flips) in (0..).zip(script) {
            let mut events = by_page.remove(&page).unwrap_or_default();
            for (number, at) in flips.iter().enumerate() {
                let opens = number % 2 == 0;
                let until = flips.get(number + 1).copied().unwrap_or(Duration::MAX);
                let told = events
                    .iter()
                    .position(|it| it.opens == opens && (*at..until).contains(&it.at));
                match told {
                    Some(told) => {
                        let told = events.remove(told).at;
                        found.took.push((told - *at).as_secs_f64());
                    }
                    None => found.missing += 1,
                }
            }
            found.besides += events.len();
        }
        found.besides += by_page.values().map(Vec::len).sum::<usize>();
        found.took.sort_by(f64::total_cmp);
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_page_is_down_after_every_other_flip() {
        let script = [vec![SECOND, SECOND * 3]];
        let now = [0, 1, 2, 3, 9].map(|at| is_down(&script, 0, SECOND * at));
        assert_eq!(now, [false, true, true, false, false]);
        assert!(!is_down(&script, 1, SECOND));
    }

    #[test]
    fn each_flip_leaves_time_to_tell_of_it() {
        let script = flips(SECOND * 120);
        assert_eq!(script.len(), CHECKS as usize);
        for flips in &script {
            assert!((30..=60).contains(&flips.len()), "{flips:?}");
            let pairs = flips.windows(2);
            assert!(pairs.map(|it| it[1] - it[0]).all(|gap| gap >= LEAST));
        }
    }

    #[test]
    fn what_was_told_is_held_against_the_flips() {
        let event = |page, at, opens| Event {
            page,
            at: SECOND * at,
            opens,
        };
        let script = [vec![SECOND * 10, SECOND * 20], vec![SECOND * 10]];
        let mut heard = vec![event(0, 11, true), event(0, 22, false), event(1, 13, true)];
        let found = |heard: &[Event]| {
            let Found {
                took,
                missing,
                besides,
            } = Found::of(&script, heard);
            (took, missing, besides)
        };
        assert_eq!(found(&heard), (vec![1.0, 2.0, 3.0], 0, 0));
        heard.push(event(1, 14, true));
        heard.push(event(7, 14, true));
        assert_eq!(found(&heard), (vec![1.0, 2.0, 3.0], 0, 2));
        // Told after the page has changed again: not of this flip.
        let late = [event(0, 21, true), event(0, 22, false)];
        assert_eq!(found(&late), (vec![2.0], 2, 1));
    }
}
