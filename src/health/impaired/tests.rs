//! What a burst is, whom it makes suspect, and for how long.

mod told;

use proptest::prelude::*;
use time::macros::datetime;

use super::*;
use crate::health::Kin;

const START: OffsetDateTime = datetime!(2026-11-29 10:00 UTC);

fn at(seconds: i64) -> OffsetDateTime {
    START + Duration::seconds(seconds)
}

/// What a worker sees: its checks by number, each on the host `of` gives.
fn saw(
    checks: std::ops::Range<i64>,
    sight: Sight,
    seconds: i64,
    of: impl Fn(i64) -> String,
) -> Vec<Probed> {
    let probed = checks.map(|number| Probed {
        check: CheckNo(number),
        began: at(seconds),
        kin: Kin::of(&of(number), None),
        sight,
        cut_off_at: None,
    });
    probed.collect()
}

fn own(number: i64) -> String {
    format!("www.shop{number}.com")
}

/// A judge, and what is told it.
#[derive(Default)]
struct Court(Judge);

impl Court {
    fn hear(&mut self, worker: &str, said: Option<(i64, u32, u32)>, probed: Vec<Probed>, now: i64) {
        let sentinels = said.map(|(begun, failed, asked)| Sentinels {
            begun: at(begun),
            asked,
            failed,
            trouble: None,
        });
        let who = (&worker.into(), &"eu".into());
        self.0.hear(who, sentinels, probed, at(now));
    }

    /// All of them fail, or none.
    fn sees(&mut self, worker: &str, checks: std::ops::Range<i64>, sight: Sight, now: i64) {
        self.hear(worker, None, saw(checks, sight, now, own), now);
    }

    fn withholds(&mut self, worker: &str, check: i64, now: i64) -> Option<Why> {
        self.withholds_since(worker, check, None, now)
    }

    /// The same of a check of which something is withheld since then, as it is stored.
    fn withholds_since(
        &mut self,
        worker: &str,
        check: i64,
        since: Option<i64>,
        now: i64,
    ) -> Option<Why> {
        self.judges(
            worker,
            saw(check..check + 1, Fails, now, own)[0],
            since,
            now,
        )
        .withheld
    }

    fn judges(&mut self, worker: &str, probed: Probed, since: Option<i64>, now: i64) -> Verdict {
        let (worker, since) = (worker.into(), since.map(at));
        let is_place = |place: &str| place == "eu";
        self.0.judge(&worker, &probed, since, is_place, at(now))
    }

    /// Since when failures of the location are withheld, and by whom they were seen.
    fn standing(&mut self, now: i64) -> Option<(i64, Vec<String>)> {
        self.0.tick(at(now));
        let standing = self.0.standing().pop()?;
        let what = standing.what.into_iter();
        let workers = what.flat_map(|what| what.workers);
        let since = (standing.since - START).whole_seconds();
        Some((since, workers.map(|it| it.to_string()).collect()))
    }

    fn ended(&self) -> Option<End> {
        self.0.ended("eu").map(|ended| ended.end)
    }
}

use Sight::{Fails, Known, Well};

#[test]
fn what_counts_as_failing_at_once() {
    let hosts = |n: i64| move |number: i64| own(number % n);
    // What it saw at which second, and whether that is a burst at the end.
    type Seen = Vec<(i64, Vec<Probed>)>;
    let rows: Vec<(&str, Seen, bool)> = vec![
        ("ten of ten", vec![(0, saw(0..10, Fails, 0, own))], true),
        ("nine", vec![(0, saw(0..9, Fails, 0, own))], false),
        (
            "on five hosts",
            vec![(0, saw(0..10, Fails, 0, hosts(5)))],
            true,
        ),
        (
            "on four hosts",
            vec![(0, saw(0..40, Fails, 0, hosts(4)))],
            false,
        ),
        (
            "all on the loopback",
            vec![(0, saw(0..40, Fails, 0, |n| format!("127.0.0.{n}")))],
            false,
        ),
        (
            "in one network",
            vec![(0, saw(0..40, Fails, 0, |n| format!("192.0.2.{n}")))],
            false,
        ),
        (
            "in many networks",
            vec![(0, saw(0..10, Fails, 0, |n| format!("192.0.{n}.1")))],
            true,
        ),
        (
            "as many are well, mixed in",
            (0..12)
                .flat_map(|n| {
                    [
                        (n, saw(n..n + 1, Fails, n, own)),
                        (n, saw(100 + n..101 + n, Well, n, own)),
                    ]
                })
                .collect(),
            false,
        ),
        (
            "many were well before that",
            vec![
                (0, saw(100..1000, Well, 0, own)),
                (1, saw(0..10, Fails, 1, own)),
            ],
            true,
        ),
        (
            "they fail one after the other over a minute",
            (0..20)
                .map(|n| (n * 4, saw(n..n + 1, Fails, n * 4, own)))
                .collect(),
            false,
        ),
        (
            "within half a minute",
            (0..10)
                .map(|n| (n * 3, saw(n..n + 1, Fails, n * 3, own)))
                .collect(),
            true,
        ),
        (
            "one check over and over",
            (0..20).map(|n| (n, saw(0..1, Fails, n, own))).collect(),
            false,
        ),
        (
            "they were down before",
            vec![(0, saw(0..40, Known, 0, own))],
            false,
        ),
        (
            "those that are down say nothing of it",
            vec![
                (0, saw(0..10, Fails, 0, own)),
                (1, saw(100..200, Known, 1, own)),
                (2, saw(10..11, Fails, 2, own)),
            ],
            true,
        ),
        (
            "they are well again",
            vec![
                (0, saw(0..12, Fails, 0, own)),
                (1, saw(0..12, Well, 1, own)),
                (2, saw(20..21, Fails, 2, own)),
            ],
            false,
        ),
    ];
    for (what, seen, expected) in rows {
        let mut window = Window::default();
        let mut now = 0;
        for (second, probed) in seen {
            now = second;
            probed
                .into_iter()
                .for_each(|probed| window.push(probed, at(now)));
        }
        assert_eq!(window.burst(at(now)).is_some(), expected, "{what}");
    }
}

#[test]
fn without_sentinels_and_without_another_worker_what_fails_is_down() {
    let mut court = Court::default();
    court.sees("a", 0..20, Fails, 0);
    assert_eq!(court.withholds("a", 0, 0), None);
    assert_eq!(court.0.standing(), []);
    // Nor with one that is elsewhere, or was not heard of for long.
    let who = (&"b".into(), &"us".into());
    court.0.hear(who, None, [], at(0));
    assert_eq!(court.withholds("a", 0, 0), None);
    court.sees("c", 0..0, Well, 0);
    court.sees("a", 0..20, Fails, 61);
    assert_eq!(court.withholds("a", 0, 61), None);
}

#[test]
fn another_worker_decides_check_by_check() {
    let mut court = Court::default();
    court.sees("b", 100..101, Well, 0);
    court.sees("a", 0..20, Fails, 0);
    assert_eq!(court.withholds("a", 0, 0), Some(Why::Another));
    assert_eq!(court.withholds("a", 1, 0), Some(Why::Another));
    // It sees one fail, too, and that counts; how the first one sees it does not.
    court.sees("b", 0..1, Fails, 1);
    assert_eq!(court.withholds("b", 0, 1), None);
    court.sees("b", 1..2, Well, 1);
    court.sees("a", 0..2, Fails, 2);
    assert_eq!(court.withholds("a", 0, 2), Some(Why::Another));
    assert_eq!(court.withholds("a", 1, 2), Some(Why::Another));
    // When it is gone, what both have seen counts, and then everything.
    court.sees("a", 0..20, Fails, 60);
    assert_eq!(court.withholds("a", 1, 60), Some(Why::Another));
    court.sees("a", 0..20, Fails, 62);
    assert_eq!(court.withholds("a", 0, 62), None);
    assert_eq!(court.withholds("a", 1, 62), None);
}

#[test]
fn two_workers_that_see_the_same_are_believed() {
    let mut court = Court::default();
    court.sees("b", 100..101, Well, 0);
    court.sees("a", 0..20, Fails, 0);
    assert_eq!(court.withholds("a", 0, 0), Some(Why::Another));
    court.sees("b", 0..20, Fails, 1);
    assert_eq!(court.withholds("b", 0, 1), None);
    assert_eq!(court.withholds("a", 0, 2), None);
}

#[test]
fn sentinels_say_whose_fault_it_is() {
    // When they were asked and how many failed of how many; the burst begins at 10.
    for (said, expected) in [
        (None, None),
        (Some((5, 1, 1)), Some(Why::Sentinels)),
        (Some((12, 1, 1)), Some(Why::Sentinels)),
        (Some((12, 2, 3)), Some(Why::Sentinels)),
        (Some((12, 1, 2)), None),
        (Some((12, 0, 2)), None),
        // They were well before it began, and were not asked since.
        (Some((5, 0, 2)), Some(Why::Sentinels)),
    ] {
        let mut court = Court::default();
        court.hear("a", said, saw(0..20, Fails, 10, own), 13);
        assert_eq!(court.withholds("a", 0, 13), expected, "{said:?}");
    }
}

#[test]
fn a_worker_whose_sentinels_fail_is_no_witness_and_no_other() {
    let mut court = Court::default();
    court.hear("blind", Some((0, 1, 1)), saw(0..20, Fails, 0, own), 0);
    assert_eq!(court.withholds("blind", 0, 0), Some(Why::Sentinels));
    // Nobody is there to be asked but it.
    court.sees("a", 0..20, Fails, 1);
    assert_eq!(court.withholds("a", 0, 1), None);
    // It hears of that, and goes on seeing nothing.
    assert_eq!(court.withholds("blind", 0, 2), Some(Why::Sentinels));
    court.sees("c", 100..101, Well, 2);
    court.sees("a", 5..6, Fails, 3);
    assert_eq!(court.withholds("a", 5, 3), Some(Why::Another));
}

#[test]
fn while_sentinels_fail_the_first_checks_wait_for_the_others() {
    let mut court = Court::default();
    // One is dead, and no others come: it waited for nothing.
    court.hear("a", Some((0, 1, 1)), saw(0..1, Fails, 0, own), 0);
    assert_eq!(court.withholds("a", 0, 0), Some(Why::Early));
    court.hear("a", Some((25, 1, 1)), saw(0..1, Fails, 29, own), 29);
    assert_eq!(court.withholds("a", 0, 29), Some(Why::Early));
    court.hear("a", Some((30, 1, 1)), saw(0..1, Fails, 30, own), 30);
    assert_eq!(court.withholds("a", 0, 30), None);
    // Nobody is told of it.
    assert_eq!(court.0.standing(), []);
    // Up and down again, and it waits again.
    court.hear("a", Some((40, 1, 1)), saw(0..1, Well, 40, own), 40);
    court.hear("a", Some((41, 1, 1)), saw(0..1, Fails, 41, own), 41);
    assert_eq!(court.withholds("a", 0, 41), Some(Why::Early));
}

#[test]
fn what_is_withheld_goes_on_at_a_location_with_another_name() {
    let mut court = Court::default();
    let blind = Some((100, 1, 1));
    court.hear("a", blind, saw(0..1, Sight::Fails, 100, own), 100);
    // Of one check alone nobody waits for so long.
    assert_eq!(court.withholds_since("a", 0, Some(10), 100), None);
    court.0.resume(&"old".into(), at(10), at(100));
    assert_eq!(
        court.withholds_since("a", 0, Some(10), 100),
        Some(Why::Early)
    );
    assert_eq!(court.withholds_since("a", 0, None, 131), None);
    assert_eq!(court.withholds_since("a", 0, Some(10), 250), None);
}

#[test]
fn sentinels_of_a_worker_are_not_older_than_what_is_known() {
    let mut court = Court::default();
    court.hear("a", Some((12, 0, 1)), saw(0..20, Fails, 10, own), 13);
    court.hear("a", Some((7, 1, 1)), Vec::new(), 13);
    assert_eq!(court.withholds("a", 0, 13), None);
}

#[test]
fn what_fails_as_without_a_network_waits_until_the_sentinels_have_said() {
    // When the sentinels were asked, and when the probe ended if nothing has answered.
    for (begun, ended, expected) in [
        (9, Some(10), Some(Why::Unsaid)),
        (10, Some(10), None),
        // What has answered was reached.
        (9, None, None),
    ] {
        let mut court = Court::default();
        let fails = Probed {
            cut_off_at: ended.map(at),
            ..saw(0..1, Fails, 8, own)[0]
        };
        court.hear("a", Some((begun, 0, 1)), vec![fails], 11);
        let withheld = court.judges("a", fails, None, 11).withheld;
        assert_eq!(withheld, expected, "{begun} {ended:?}");
        // They never say: it waited for nothing.
        court.hear("a", Some((begun, 0, 1)), vec![fails], 41);
        assert_eq!(court.judges("a", fails, Some(11), 41).withheld, None);
    }
    // They were well since the burst began, and this one failed later.
    let mut court = Court::default();
    court.hear("a", Some((12, 0, 1)), saw(0..20, Fails, 10, own), 14);
    let mut fails = saw(0..1, Fails, 10, own)[0];
    assert_eq!(court.judges("a", fails, None, 14).withheld, None);
    fails.cut_off_at = Some(at(13));
    let withheld = court.judges("a", fails, None, 14).withheld;
    assert_eq!(withheld, Some(Why::Sentinels));
}

#[test]
fn what_began_before_the_trouble_of_the_sentinels_was_over_was_in_it() {
    // Until when there was trouble, and whether the probe ended without an answer.
    for (trouble, no_answer, expected) in [
        (9, true, Some(Why::Early)),
        (8, true, None),
        // What has answered was reached.
        (9, false, None),
    ] {
        let mut court = Court::default();
        let fails = Probed {
            cut_off_at: no_answer.then(|| at(10)),
            ..saw(0..1, Fails, 8, own)[0]
        };
        let said = Sentinels {
            begun: at(10),
            asked: 2,
            failed: 0,
            trouble: Some(at(trouble)),
        };
        let who = (&"a".into(), &"eu".into());
        court.0.hear(who, Some(said), vec![fails], at(11));
        let withheld = court.judges("a", fails, None, 11).withheld;
        assert_eq!(withheld, expected, "{trouble} {no_answer}");
    }
}

#[test]
fn what_was_believed_before_it_was_a_burst_is_taken_back() {
    let mut court = Court::default();
    court.sees("b", 100..101, Well, 0);
    let fails = |court: &mut Court, worker: &str, check: i64, now: i64| {
        court.sees(worker, check..check + 1, Fails, now);
        let seen = saw(check..check + 1, Fails, now, own)[0];
        let verdict = court.judges(worker, seen, None, now);
        let failures = verdict.retracted.map(|it| it.failures);
        (verdict.withheld.is_some(), failures)
    };
    // One of them has failed for long: that is not of the burst.
    assert_eq!(fails(&mut court, "a", 0, 0), (false, None));
    court.sees("b", 100..101, Well, 31);
    for check in 0..9 {
        assert_eq!(fails(&mut court, "a", check, 31), (false, None));
    }
    assert_eq!(fails(&mut court, "a", 9, 32), (true, None));
    assert_eq!(fails(&mut court, "a", 0, 33), (true, Some(1)));
    assert_eq!(fails(&mut court, "a", 0, 34), (true, None));
    // What another one sees counts by itself.
    assert_eq!(fails(&mut court, "b", 1, 34), (false, Some(1)));
    assert_eq!(fails(&mut court, "b", 1, 35), (false, None));
    assert_eq!(fails(&mut court, "a", 1, 36), (true, None));
}

/// At which seconds a failure of a worker is withheld that fails from `when` on, each second.
fn withheld(when: impl Fn(i64) -> bool, seconds: i64) -> Vec<i64> {
    let mut court = Court::default();
    let mut withheld = Vec::new();
    for second in 0..seconds {
        court.sees("b", 100..101, Well, second);
        let sight = if when(second) { Fails } else { Well };
        court.sees("a", 0..20, sight, second);
        // One that is truly down, or is said to be.
        court.sees("a", 50..51, Fails, second);
        if court.withholds("a", 50, second).is_some() {
            withheld.push(second);
        }
        court.0.tick(at(second));
    }
    withheld
}

#[test]
fn it_never_lasts_longer_than_the_limit() {
    let seen = withheld(|_| true, 2000);
    assert_eq!(seen, (0..LIMIT.whole_seconds()).collect::<Vec<_>>());
}

#[test]
fn what_comes_and_goes_is_withheld_no_longer_than_the_limit() {
    // A minute down, a minute up: each time it is well for half a minute before it ends.
    let seen = withheld(|second| second % 120 < 60, 1200);
    assert_eq!(seen, (0..90).chain(120..210).collect::<Vec<_>>());
}

#[test]
fn a_worker_that_is_restarted_gets_no_more_time() {
    for each in [7, 50, 100, 239, 300] {
        let mut court = Court::default();
        let mut withheld = Vec::new();
        for second in 0..1000 {
            let worker = format!("a/{}", second / each);
            let said = Some((second, 1, 1));
            court.hear(&worker, said, saw(0..20, Fails, second, own), second);
            if court.withholds(&worker, 0, second).is_some() {
                withheld.push(second);
            }
            if second < LIMIT.whole_seconds() {
                assert_eq!(court.standing(second).unwrap().0, 0, "{each}");
            }
        }
        let expected: Vec<_> = (0..LIMIT.whole_seconds()).collect();
        assert_eq!(withheld, expected, "restarted each {each} s");
    }
}

#[test]
fn what_another_worker_sees_well_is_not_down_however_long_one_is_cut_off() {
    let mut court = Court::default();
    for second in 0..3000 {
        court.sees("b", 0..20, Well, second);
        court.sees("a", 0..20, Fails, second);
        assert_eq!(court.withholds("a", 3, second), Some(Why::Another));
        assert_eq!(court.standing(second).unwrap().0, 0);
    }
}

#[test]
fn a_restart_goes_on_where_it_was() {
    let mut court = Court::default();
    court.0.resume(&"eu".into(), at(-100), at(0));
    assert_eq!(court.standing(0), Some((-100, vec![])));
    // Who sees something that is well is not suspected, whoever else is.
    court.sees("b", 100..101, Well, 0);
    court.sees("a", 0..1, Fails, 1);
    assert_eq!(
        court.withholds_since("a", 0, Some(-100), 1),
        Some(Why::Another)
    );
    assert_eq!(court.standing(1), Some((-100, vec!["a".to_owned()])));
    for second in (2..180).step_by(10) {
        court.sees("a", 0..20, Fails, second);
        court.sees("b", 100..101, Well, second);
        // The limit counts from before, for each check.
        let withheld = court.withholds_since("a", 0, Some(-100), second);
        assert_eq!(withheld.is_some(), second < 140, "{second}");
        assert!(court.withholds("a", 1, second).is_some());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Whatever else the workers see: what is down is not withheld for longer than it may be.
    #[test]
    fn nothing_is_withheld_for_long(
        sees in proptest::collection::vec((1i64..24, proptest::bool::ANY), 600),
    ) {
        let mut court = Court::default();
        let mut row = 0;
        for (second, (many, sentinel)) in sees.into_iter().enumerate() {
            let second = second as i64;
            court.sees("b", 100..101, Well, second);
            let said = Some((second, u32::from(sentinel), 1));
            court.hear("a", said, saw(0..many, Fails, second, own), second);
            court.hear("a", said, saw(many..24, Well, second, own), second);
            let withheld = court.withholds("a", 0, second).is_some();
            row = if withheld { row + 1 } else { 0 };
            prop_assert!(row <= (LIMIT + window::LENGTH).whole_seconds());
        }
    }
}
