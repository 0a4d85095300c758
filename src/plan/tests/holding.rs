//! Each guard: what it lets pass, what it holds, and what lets that pass.

use super::*;
use crate::model::maintenance::{Maintenance, Selector, When};

/// The guards that hold a change of `from` into `to`.
fn held(from: &State, to: &State, allow: Allow) -> Vec<String> {
    let plan = World::of(from).plan(to, Vec::new());
    let all = guards(&plan.weight, &Origin::default(), &allow);
    all.iter()
        .map(|guard| format!("{}: {}", guard.name, guard.passes_with))
        .collect()
}

pub(super) fn many(n: usize) -> State {
    let names: Vec<String> = (0..n).map(|n| format!("c{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut state = checks(&names);
    for spec in state.checks.values_mut() {
        spec.receivers = vec!["hook".parse().unwrap()];
    }
    let url = "http://hooks/".parse().unwrap();
    let format = WebhookFormat::Json;
    state
        .webhooks
        .insert("hook".into(), WebhookSpec::new(url, format));
    state
}

/// The same with the first `n` checks changed.
pub(super) fn with(state: &State, n: usize, change: impl Fn(&mut CheckSpec)) -> State {
    let mut state = state.clone();
    state.checks.values_mut().take(n).for_each(change);
    state
}

pub(super) fn without(state: &State, n: usize) -> State {
    let mut state = state.clone();
    state.checks = state.checks.into_iter().skip(n).collect();
    state
}

#[test]
fn deletes_are_held_beyond_three_of_ten_and_between_three_and_twenty_five() {
    for (live, most) in [(5, 3), (10, 3), (20, 6), (50, 15), (200, 25)] {
        let from = many(live);
        assert_eq!(
            held(&from, &without(&from, most), Allow::default()),
            [""; 0]
        );
        let more = most + 1;
        assert_eq!(
            held(&from, &without(&from, more), Allow::default()),
            [format!("deletes: --allow-deletes {more}")]
        );
        let exact = Allow {
            deletes: Some(more),
            ..Allow::default()
        };
        assert_eq!(held(&from, &without(&from, more), exact), [""; 0]);
        let another = Allow {
            deletes: Some(more + 1),
            ..Allow::default()
        };
        assert_eq!(held(&from, &without(&from, more), another).len(), 1);
    }
}

#[test]
fn nothing_at_all_is_no_wish() {
    let from = many(2);
    assert_eq!(
        held(&from, &without(&from, 2), Allow::default()),
        ["empty: --allow-empty"]
    );
    assert_eq!(
        held(&State::default(), &State::default(), Allow::default()),
        [""; 0]
    );
}

#[test]
fn new_maintenance_that_silences_much_is_held_and_named() {
    let maintenance = |names: &[&str], label: Option<&str>, cron: &str| Maintenance {
        selector: Selector {
            names: names.iter().map(|name| name.parse().unwrap()).collect(),
            labels: label
                .map(|team| ("team".to_owned(), team.to_owned()))
                .into_iter()
                .collect(),
        },
        when: When::Recurring {
            cron: cron.parse().unwrap(),
            duration: std::time::Duration::from_secs(3600),
            zone: "UTC".parse().unwrap(),
        },
        reason: String::new(),
    };
    let under = |state: &State, name: &str, it: Maintenance| {
        let mut state = state.clone();
        let all = &mut state.project.maintenances;
        all.insert(name.parse().unwrap(), it);
        state
    };
    let mut from = many(40);
    for (n, spec) in from.checks.values_mut().enumerate() {
        let team = if n < 10 { "web" } else { "dba" };
        spec.labels.insert("team".into(), team.into());
    }
    let nightly = "0 3 * * *";
    let all = under(&from, "nightly", maintenance(&["*"], None, nightly));
    let silence = |n: usize| format!("silence: --allow-silence {n}");
    assert_eq!(held(&from, &all, Allow::default()), [silence(40)]);
    let plan = World::of(&from).plan(&all, Vec::new());
    let guard = &guards(&plan.weight, &Origin::default(), &Allow::default())[0];
    insta::assert_snapshot!(guard.message, @"40 of 40 checks would be disabled or tell nobody, or not during maintenance.nightly; 4 may at once");
    // By a label, and few by name.
    let web = under(&from, "web", maintenance(&[], Some("web"), nightly));
    assert_eq!(held(&from, &web, Allow::default()), [silence(10)]);
    let few = under(&from, "few", maintenance(&["c1", "c2"], None, nightly));
    assert_eq!(held(&from, &few, Allow::default()), [""; 0]);
    // What was there is no news; another time is.
    let more = under(&all, "few", maintenance(&["c1"], None, nightly));
    assert_eq!(held(&all, &more, Allow::default()), [""; 0]);
    let later = under(&from, "nightly", maintenance(&["*"], None, "0 4 * * *"));
    assert_eq!(held(&all, &later, Allow::default()), [silence(40)]);
    // Its end silences nobody, nor does it what comes with it.
    assert_eq!(held(&all, &from, Allow::default()), [""; 0]);
    assert_eq!(held(&State::default(), &all, Allow::default()), [""; 0]);
}

#[test]
fn silence_is_held_whether_disabled_or_without_receivers() {
    let from = many(40);
    let ways: [fn(&mut CheckSpec); 2] =
        [|spec| spec.enabled = false, |spec| spec.receivers.clear()];
    for way in ways {
        assert_eq!(held(&from, &with(&from, 4, way), Allow::default()), [""; 0]);
        assert_eq!(
            held(&from, &with(&from, 40, way), Allow::default()),
            ["silence: --allow-silence 40"]
        );
    }
}

#[test]
fn other_hosts_and_assertions_everywhere_are_held() {
    let from = many(80);
    let ways: [fn(&mut CheckSpec); 3] = [
        |spec| spec.url = "http://elsewhere.example.com/".parse().unwrap(),
        |spec| spec.connect_to = Some("elsewhere.example.com".parse().unwrap()),
        |spec| spec.asserts[0].status = vec![StatusRange::new(200, 599).unwrap()],
    ];
    for way in ways {
        assert_eq!(
            held(&from, &with(&from, 25, way), Allow::default()),
            [""; 0]
        );
        assert_eq!(
            held(&from, &with(&from, 26, way), Allow::default()),
            ["changes: --allow-changes 26"]
        );
    }
    // Another path is an everyday edit.
    let path = |spec: &mut CheckSpec| {
        spec.url = format!("{}x", spec.url).parse().unwrap();
    };
    assert_eq!(
        held(&from, &with(&from, 80, path), Allow::default()),
        [""; 0]
    );
}

#[test]
fn a_protected_check_stays_whatever_is_allowed() {
    let from = with(&many(5), 1, |spec| spec.prevent_destroy = true);
    let all = Allow {
        empty: true,
        deletes: Some(1),
        silence: Some(1),
        changes: Some(1),
        source_change: true,
        rollback: true,
    };
    let held = held(&from, &without(&from, 1), all);
    assert_eq!(held.len(), 1);
    assert!(
        held[0].starts_with("prevent_destroy: declaring"),
        "{held:?}"
    );
}

#[test]
fn files_from_elsewhere_delete_nothing() {
    let weight = Weight {
        live: 9,
        deletes: vec!["a".into()],
        most: Most::of(9, Limits::default(), Limits::default()),
        ..Weight::default()
    };
    let here = || Some(("https://git/ops".to_owned(), "checks.d".to_owned()));
    let origin = |now: Option<(&str, &str)>, files_now| Origin {
        before: here(),
        now: now.map(|(remote, path)| (remote.to_owned(), path.to_owned())),
        files_before: 10,
        files_now,
        newer: None,
    };
    let held = |origin: &Origin| guards(&weight, origin, &Allow::default()).len();
    assert_eq!(held(&origin(Some(("https://git/ops", "checks.d")), 5)), 0);
    assert_eq!(held(&origin(Some(("https://git/ops", "checks.d")), 4)), 1);
    assert_eq!(held(&origin(Some(("https://git/ops", "other")), 10)), 1);
    assert_eq!(held(&origin(Some(("https://git/fork", "checks.d")), 10)), 1);
    let older = Origin {
        newer: Some("3f2c1a9".into()),
        ..Origin::default()
    };
    let allow = Allow {
        rollback: true,
        ..Allow::default()
    };
    assert_eq!(
        guards(&Weight::default(), &older, &Allow::default()).len(),
        1
    );
    assert_eq!(guards(&Weight::default(), &older, &allow).len(), 0);
}

#[test]
fn limits_of_the_project_hold_once_they_are_applied() {
    let usual = Limits::default();
    let raised = Limits {
        deletes: Some(40),
        silence: Some(50),
        changes: Some(60),
    };
    let of = |before, after| {
        let most = Most::of(100, before, after);
        (most.deletes, most.silence, most.changes)
    };
    assert_eq!(of(usual, usual), (25, 10, 30));
    assert_eq!(of(usual, raised), (25, 10, 30));
    assert_eq!(of(raised, raised), (40, 50, 60));
    assert_eq!(of(raised, usual), (25, 10, 30));
}

#[test]
fn who_lets_nothing_stay_lets_everything_go() {
    let (from, allow) = (
        many(40),
        Allow {
            empty: true,
            ..Allow::default()
        },
    );
    let nothing = without(&from, 40);
    assert_eq!(
        held(&from, &nothing, Allow::default()),
        ["empty: --allow-empty"]
    );
    assert_eq!(held(&from, &nothing, allow), [""; 0]);
}

#[test]
fn no_check_left_is_held_however_it_is_asked() {
    let from = many(3);
    let nothing = without(&from, 3);
    let removed = |name: &str| Move::Removed {
        from: format!("check.{name}"),
        action: Removal::Delete,
    };
    let moves = |n: usize| {
        from.checks
            .keys()
            .take(n)
            .map(|name| removed(name))
            .collect()
    };
    let no_prune = Options {
        no_prune: true,
        ..Options::default()
    };
    let each = Options {
        targets: from.checks.keys().cloned().collect(),
        ..Options::default()
    };
    for options in [&no_prune, &each] {
        let plan = World::of(&from).plan_with(&nothing, moves(3), options);
        let held = guards(&plan.weight, &Origin::default(), &Allow::default());
        let names: Vec<&str> = held.iter().map(|guard| &*guard.name).collect();
        assert_eq!(names, ["empty"], "{options:?}");
        let plan = World::of(&from).plan_with(&without(&from, 2), moves(2), options);
        let held = guards(&plan.weight, &Origin::default(), &Allow::default());
        assert_eq!(held, [], "{options:?}");
    }
    // Another one takes the place of the only one.
    let (one, other) = (checks(&["a"]), checks(&["b"]));
    assert_eq!(held(&one, &other, Allow::default()), [""; 0]);
}

#[test]
fn the_last_receiver_of_a_check_goes_with_a_word_only() {
    let from = many(3);
    let mut deaf = with(&from, 1, |spec| spec.receivers.clear());
    // It tells nobody any more, and its receiver is there for others.
    assert_eq!(held(&from, &deaf, Allow::default()), [""; 0]);
    deaf = with(&from, 3, |spec| spec.receivers.clear());
    deaf.webhooks.clear();
    assert_eq!(
        held(&from, &deaf, Allow::default()),
        ["silence: --allow-silence 3"]
    );
    let allow = Allow {
        silence: Some(3),
        ..Allow::default()
    };
    assert_eq!(held(&from, &deaf, allow), [""; 0]);
    // Those that go themselves, or tell another one, lose nothing.
    let mut told = with(&from, 3, |spec| {
        spec.receivers = vec!["other".parse().unwrap()]
    });
    let hook = told.webhooks.remove("hook").unwrap();
    told.webhooks.insert("other".into(), hook);
    assert_eq!(held(&from, &told, Allow::default()), [""; 0]);
    let mut fewer = without(&deaf, 2);
    fewer
        .checks
        .values_mut()
        .for_each(|spec| spec.enabled = false);
    assert_eq!(held(&from, &fewer, Allow::default()), [""; 0]);
}

#[test]
fn what_is_hardly_probed_any_more_and_receivers_elsewhere_are_named() {
    let every = |seconds| {
        move |spec: &mut CheckSpec| {
            spec.every = Every::from_seconds(seconds).unwrap();
        }
    };
    let from = many(3);
    let mut world = World::of(&from);
    world.live.webhooks.get_mut("hook").unwrap().told_by = 3;
    let warnings = |world: &mut World, to: &State| world.plan(to, Vec::new()).warnings;
    for usual in [300, 3599] {
        let to = with(&from, 3, every(usual));
        assert_eq!(warnings(&mut world, &to), [""; 0]);
    }
    assert_eq!(
        warnings(&mut world, &with(&from, 2, every(604_800))),
        [
            "2 checks will be probed at least 10 times less often than now, at the rarest every \
          7 d; an outage is seen only then: check.c0, check.c1"
        ]
    );
    let mut elsewhere = from.clone();
    let hook = elsewhere.webhooks.get_mut("hook").unwrap();
    hook.url = "http://other/".parse().unwrap();
    assert_eq!(
        warnings(&mut world, &elsewhere),
        ["1 receiver will be at another URL, and no message was sent there yet: webhook.hook"]
    );
}
