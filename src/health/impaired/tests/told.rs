//! When what is told of a location begins, and when and how it ends.

use super::*;

#[test]
fn one_cut_off_is_told_once_though_each_of_two_workers_sees_a_part_of_it() {
    let mut court = Court::default();
    let said = |second| Some((second, 1, 1));
    court.hear("a", said(0), saw(0..20, Fails, 0, own), 0);
    assert!(court.withholds("a", 0, 0).is_some());
    court.hear("b", said(0), saw(20..21, Well, 0, own), 0);
    // Each of them sees half of it, and that is no burst.
    for second in (10..LIMIT.whole_seconds()).step_by(10) {
        for (worker, checks) in [("a", 0..6), ("b", 6..12)] {
            let first = checks.start;
            let seen = saw(checks, Fails, second, own);
            court.hear(worker, said(second), seen, second);
            assert!(
                court
                    .withholds_since(worker, first, Some(0), second)
                    .is_some()
            );
        }
        assert_eq!(court.standing(second).map(|it| it.0), Some(0), "{second}");
    }
    // It was long enough: they go down, and with that it is over.
    let end = LIMIT.whole_seconds();
    court.hear("b", said(end), saw(6..12, Fails, end, own), end);
    assert_eq!(court.withholds_since("b", 6, Some(0), end), None);
    for second in (end..end + 30).step_by(10) {
        for worker in ["a", "b"] {
            court.hear(worker, said(second), saw(0..12, Known, second, own), second);
        }
        court.0.tick(at(second));
    }
    assert_eq!(court.standing(end + 30), None);
    assert_eq!(court.ended(), Some(End::Limit));
}

#[test]
fn of_a_worker_that_is_gone_nobody_says_that_it_is_believed_again() {
    let mut court = Court::default();
    let said = |second| Some((second, 1, 1));
    for worker in ["a", "b"] {
        court.hear(worker, said(0), saw(0..20, Fails, 0, own), 0);
        assert!(court.withholds(worker, 0, 0).is_some());
    }
    court.hear("a", Some((20, 0, 1)), saw(0..20, Well, 20, own), 20);
    court.hear("a", Some((40, 0, 1)), saw(0..20, Well, 40, own), 40);
    assert_eq!(court.standing(40), None);
    let ended = court.0.ended("eu").unwrap();
    assert_eq!((ended.end, &*ended.workers), (End::Well, &["a".into()][..]));
    // Whatever was believed of it before.
    let mut court = Court::default();
    for second in 0..=LIMIT.whole_seconds() {
        court.hear("a", said(second), saw(0..20, Fails, second, own), second);
        court.withholds("a", 0, second);
    }
    court.hear("b", Some((271, 0, 1)), saw(0..20, Well, 271, own), 271);
    assert_eq!(court.standing(271), None);
    assert_eq!(court.ended(), Some(End::Gone));
}

#[test]
fn it_ends_when_nothing_like_it_happened_for_half_a_minute() {
    let mut court = Court::default();
    court.sees("b", 100..101, Well, 0);
    court.sees("a", 0..20, Fails, 0);
    assert!(court.withholds("a", 0, 0).is_some());
    assert!(court.standing(0).is_some());
    court.sees("a", 0..20, Well, 5);
    court.sees("a", 3..4, Fails, 29);
    court.sees("b", 100..101, Well, 29);
    // A single failure is withheld until then.
    assert!(court.withholds("a", 3, 29).is_some());
    court.sees("a", 4..5, Fails, 31);
    assert_eq!(court.withholds("a", 4, 31), None);
    assert_eq!(court.standing(31), None);
    assert_eq!(court.ended(), Some(End::Well));
}

#[test]
fn it_ends_when_the_worker_is_gone() {
    let mut court = Court::default();
    court.sees("b", 100..101, Well, 0);
    court.sees("a", 0..20, Fails, 0);
    assert!(court.withholds("a", 0, 0).is_some());
    // The other one sees something that is well.
    court.sees("b", 100..101, Well, 30);
    assert!(court.standing(30).is_some());
    assert_eq!(court.standing(31), None);
    assert_eq!(court.ended(), Some(End::Gone));
    court.0.tick(at(700));
    assert_eq!(court.ended(), None);
}

#[test]
fn the_word_of_a_dead_worker_stands_until_nobody_of_its_location_is_back() {
    let mut court = Court::default();
    court.hear("a", Some((0, 1, 1)), saw(0..20, Fails, 0, own), 0);
    assert!(court.withholds("a", 0, 0).is_some());
    let of = |name: &str| Some((0, vec![name.to_owned()]));
    assert_eq!(court.standing(120), of("a"));
    assert_eq!(court.standing(121), None);
    assert_eq!(court.ended(), Some(End::Gone));

    let mut court = Court::default();
    court.hear("a", Some((0, 1, 1)), saw(0..20, Fails, 0, own), 0);
    assert!(court.withholds("a", 0, 0).is_some());
    // Another process of it is suspected at once, and its sentinels were not asked yet.
    court.hear("a2", Some((-99, 0, 1)), saw(3..4, Fails, 100, own), 100);
    assert_eq!(court.withholds("a2", 3, 100), Some(Why::Sentinels));
    assert_eq!(court.standing(100), of("a2"));
    court.hear("a2", Some((110, 1, 1)), saw(4..5, Fails, 125, own), 125);
    assert_eq!(court.withholds("a2", 4, 125), Some(Why::Sentinels));
    assert_eq!(court.standing(150), of("a2"));
    // It sees something that is well: it is over.
    court.hear("a2", Some((150, 0, 1)), saw(4..5, Well, 151, own), 151);
    assert_eq!(court.standing(151), None);
    assert_eq!(court.ended(), Some(End::Well));
}

#[test]
fn when_it_was_long_enough_it_is_over_as_soon_as_all_are_down() {
    let mut court = Court::default();
    for second in 0..=LIMIT.whole_seconds() {
        let said = Some((second, 1, 1));
        court.hear("a", said, saw(0..20, Fails, second, own), second);
        court.withholds("a", 0, second);
    }
    for second in 241..=270 {
        assert!(court.standing(second).is_some());
        court.hear("a", None, saw(0..20, Known, second, own), second);
    }
    assert_eq!(court.standing(271), None);
    assert_eq!(court.ended(), Some(End::Limit));
}
