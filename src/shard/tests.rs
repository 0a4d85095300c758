//! The board and the ledger together, without Postgres: what an edit does to
//! what was counted, and when a check is due.

use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;
use time::macros::datetime;
use uuid::Uuid;

use super::board::{Arrival, Board};
use super::ledger::{Ledger, Witness};
use super::withheld::Reporter;
use crate::model::check::{CheckSpec, Every};
use crate::model::health::{Health, State};
use crate::model::id::{CheckId, CheckNo, SpecId};
use crate::model::observation::{ErrorClass, Observation, Outcome, Phases};
use crate::model::probe::Report;
use crate::model::secret::{Piece, Text};
use crate::spec::encode_check;
use crate::store::shard::{HeldShard, ShardCheck};

const START: OffsetDateTime = datetime!(2026-01-01 00:00 UTC);
const NUMBER: CheckNo = CheckNo(7);

fn after(seconds: u64) -> OffsetDateTime {
    START + Duration::from_secs(seconds)
}

fn check(spec_id: i64, change: impl FnOnce(&mut CheckSpec)) -> ShardCheck {
    let mut spec = CheckSpec::new("http://site.example.com/".parse().unwrap());
    change(&mut spec);
    ShardCheck {
        id: CheckId(Uuid::from_u128(7)),
        check_no: NUMBER,
        spec_id: SpecId(spec_id),
        spec: encode_check(&spec),
        project: "shop".into(),
        address: "shop".into(),
        owner: "declared".into(),
        version: 1,
        deleted: false,
        disabled: false,
        pause: crate::model::overlay::Pause::None,
        health: Health {
            state: State::Up,
            last_at: Some(START),
            ..Health::new(START)
        },
        generation: 1,
        revision: String::new(),
    }
}

fn board(check: ShardCheck) -> Board {
    let board = Board::default();
    let shard = check.id.shard();
    board.hold(&[HeldShard { shard, epoch: 1 }]);
    board.put(check, Arrival::Loaded, START);
    board.loaded(&[shard]);
    board
}

fn witness(spec: i64, seconds: u64) -> Witness {
    let observation = Observation {
        scheduled_at: after(seconds),
        started_at: after(seconds),
        outcome: Outcome::Down,
        degraded: false,
        class: None,
        detail: String::new(),
        status: 500,
        phases: Phases::default(),
        address: String::new(),
        certificate_not_after: None,
        reused: false,
        hops: Vec::new(),
    };
    let report = Report {
        check_no: NUMBER,
        spec_id: SpecId(spec),
        observation,
    };
    let nobody: Arc<str> = "".into();
    Witness::new(report, None, &nobody, &nobody)
}

fn failures(ledger: &Ledger, board: &Board) -> u8 {
    let pending = ledger.pending.get(&NUMBER);
    let committed = || board.with(NUMBER, |entry| entry.check.health.failures);
    pending.map_or_else(|| committed().unwrap(), |p| p.health.failures)
}

/// What a commit does.
fn commit(ledger: &mut Ledger, board: &Board) {
    for (number, mut pending) in std::mem::take(&mut ledger.pending) {
        pending.again = None;
        board.advance(number, pending);
    }
    ledger.clear();
}

#[test]
fn what_an_older_spec_saw_is_recorded_and_not_believed() {
    let board = board(check(2, |_| ()));
    let mut ledger = Ledger::default();
    for seconds in 1..5 {
        assert!(ledger.add(&board, witness(1, seconds)));
    }
    assert_eq!(ledger.reports.len(), 4);
    assert!(ledger.pending.is_empty() && ledger.drafts.is_empty());
    ledger.add(&board, witness(2, 5));
    ledger.add(&board, witness(2, 6));
    assert_eq!(ledger.drafts.len(), 1);
}

#[test]
fn an_edit_of_the_question_begins_streaks_anew_and_keeps_the_state() {
    let another = |spec: &mut CheckSpec| spec.body = "other".into();
    // Committed before the edit, after it, or not before the next report.
    for committed in [Some(true), Some(false), None] {
        let board = board(check(1, |_| ()));
        let mut ledger = Ledger::default();
        ledger.add(&board, witness(1, 1));
        assert_eq!(failures(&ledger, &board), 1);
        if committed == Some(true) {
            commit(&mut ledger, &board);
        }
        board.put(check(2, another), Arrival::Changed, after(2));
        if committed == Some(false) {
            commit(&mut ledger, &board);
        }
        ledger.add(&board, witness(2, 3));
        assert_eq!(failures(&ledger, &board), 1, "{committed:?}");
        assert!(ledger.drafts.is_empty(), "{committed:?}");
        let state = board.with(NUMBER, |entry| entry.check.health.state);
        assert_eq!(state, Some(State::Up));
    }
}

#[test]
fn an_edit_of_anything_else_keeps_streaks() {
    let board = board(check(1, |_| ()));
    let mut ledger = Ledger::default();
    ledger.add(&board, witness(1, 1));
    commit(&mut ledger, &board);
    let labelled = |spec: &mut CheckSpec| drop(spec.labels.insert("a".into(), "b".into()));
    board.put(check(2, labelled), Arrival::Changed, after(2));
    assert_eq!(failures(&ledger, &board), 1);
}

#[test]
fn what_comes_with_its_shard_keeps_its_phase_and_what_comes_anew_is_due_soon() {
    let monthly = |spec: &mut CheckSpec| {
        spec.every = Every::from_seconds(i64::from(Every::MAX)).unwrap();
    };
    let wait = |arrival: Arrival, state: State| {
        let mut check = check(1, monthly);
        check.health.state = state;
        let board = Board::default();
        let shard = check.id.shard();
        board.hold(&[HeldShard { shard, epoch: 1 }]);
        board.put(check, arrival, START);
        let due = board.next_due().unwrap().0;
        due - super::due::micros(START).0
    };
    let soon = 0..10_000_000;
    assert!(!soon.contains(&wait(Arrival::Loaded, State::Up)));
    assert!(soon.contains(&wait(Arrival::Changed, State::Up)));
    assert!(soon.contains(&wait(Arrival::Loaded, State::Init)));
}

#[test]
fn what_was_never_probed_is_stale_when_two_probes_were_due_and_did_not_come() {
    let stale = |board: &Board, seconds: u64| {
        let mut stale = 0;
        board.read(after(seconds), |seen| stale += u32::from(seen.stale));
        stale
    };
    // Every minute, within 10 s: new, or enabled again after a life before.
    for last_at in [None, Some(START - Duration::from_secs(86_400))] {
        let mut new = check(1, |_| ());
        new.health = Health {
            last_at,
            ..Health::new(START - Duration::from_secs(86_400))
        };
        let board = Board::default();
        let shard = new.id.shard();
        board.hold(&[HeldShard { shard, epoch: 1 }]);
        board.put(new, Arrival::Changed, START);
        assert_eq!([0, 60, 133, 134].map(|at| stale(&board, at)), [0, 0, 0, 1]);
        // It is first due soon after it came, and so twice by then.
        assert!(board.next_due().unwrap().0 < super::due::micros(after(10)).0);
    }
}

/// The probes that are due by then, and whom their batch goes past.
fn sent(board: &Board, at: OffsetDateTime) -> Vec<Option<Arc<str>>> {
    let batches = board.take_due(at, Duration::ZERO, "");
    let past = batches.into_iter().map(|sent| sent.batch.avoided);
    past.map(|avoided| avoided.map(|it| it.worker)).collect()
}

#[test]
fn what_failed_is_tried_again_past_the_worker_that_saw_it_if_another_is_there() {
    let name = |name: &str| Arc::<str>::from(name);
    for (others, expected) in [
        (vec![], None),
        (vec!["a"], None),
        (vec!["a", "b"], Some("a")),
    ] {
        let board = board(check(1, |_| ()));
        sent(&board, after(60));
        for worker in &others {
            let from = Reporter {
                worker: &name(worker),
                location: &name("eu"),
                sentinels: None,
            };
            board
                .withheld
                .sift(&board, |_| None, from, &mut [], after(60));
        }
        let mut ledger = Ledger::default();
        let mut seen = witness(1, 60);
        (seen.worker, seen.location) = (name("a"), name("eu"));
        ledger.add(&board, seen);
        let mut pending = ledger.pending.remove(&NUMBER).unwrap();
        pending.again = Some(super::due::micros(after(61)));
        board.advance(NUMBER, pending);
        assert_eq!(sent(&board, after(61)), [expected.map(name)], "{others:?}");
        // Once: who takes the next one is nobody's choice.
        let next = board.next_due().unwrap().0 - super::due::micros(START).0;
        let next = START + time::Duration::microseconds(next);
        assert_eq!(sent(&board, next), [None], "{others:?}");
    }
}

#[test]
fn what_is_not_believed_is_asked_again_soon_and_changes_nothing() {
    let hourly = |spec: &mut CheckSpec| spec.every = Every::from_seconds(3600).unwrap();
    let board = board(check(1, hourly));
    let mut ledger = Ledger::default();
    ledger.add(&board, witness(1, 1));
    commit(&mut ledger, &board);
    let mut unbelieved = witness(1, 2);
    unbelieved.observation.outcome = Outcome::Unknown;
    unbelieved.observation.class = Some(ErrorClass::ProberImpaired);
    let before = super::due::micros(crate::clock::now()).0;
    ledger.add(&board, unbelieved);
    assert_eq!(failures(&ledger, &board), 1);
    assert!(ledger.drafts.is_empty());
    let again = ledger.pending[&NUMBER].again.unwrap().0 - before;
    assert!((15_000_000..30_000_000).contains(&again), "{again}");
}

#[test]
fn what_is_not_believed_is_asked_again_soon_whoever_was_lost_meanwhile() {
    let unbelieved = |seconds| {
        let mut check = check(1, |spec| spec.every = Every::from_seconds(3600).unwrap());
        check.health.state = State::Up;
        check.health.unbelieved = Some(after(seconds));
        check
    };
    let is_soon = |board: &Board, seconds| {
        let next = board.next_due().unwrap();
        next.0 <= super::due::micros(after(seconds)).0
    };
    // A lokahid: it was due with an hour for all that is stored.
    let board = Board::default();
    let shard = unbelieved(0).id.shard();
    board.hold(&[HeldShard { shard, epoch: 1 }]);
    board.put(unbelieved(0), Arrival::Loaded, START);
    assert!(is_soon(&board, 10));
    // A worker: what it was sent does not come back.
    assert_eq!(sent(&board, after(10)), [None]);
    assert!(!is_soon(&board, 300));
    board.sweep(after(120));
    assert!(is_soon(&board, 130));
}

#[test]
fn an_event_shows_only_failures_of_the_question_that_it_is_about() {
    let board = board(check(1, |_| ()));
    let mut ledger = Ledger::default();
    ledger.add(&board, witness(1, 1));
    commit(&mut ledger, &board);
    let another = check(2, |spec| spec.body = "other".into());
    board.put(another, Arrival::Changed, after(2));
    ledger.add(&board, witness(2, 3));
    ledger.add(&board, witness(2, 4));
    let shown = ledger.drafts[0].witnesses.iter();
    let shown: Vec<SpecId> = shown.map(|witness| witness.spec).collect();
    assert_eq!(shown, [SpecId(2), SpecId(2)]);
}

#[test]
fn a_check_that_is_enabled_again_shows_no_failure_of_its_life_before() {
    let board = board(check(1, |_| ()));
    let mut ledger = Ledger::default();
    ledger.add(&board, witness(1, 1));
    commit(&mut ledger, &board);
    board.remove(check(1, |_| ()).id);
    board.put(check(1, |_| ()), Arrival::Changed, after(100));
    ledger.add(&board, witness(1, 101));
    ledger.add(&board, witness(1, 102));
    let shown = ledger.drafts[0].witnesses.iter();
    let oldest = shown.map(|witness| witness.observation.scheduled_at).min();
    assert_eq!(oldest, Some(after(101)));
}

#[test]
fn what_was_seen_of_a_check_is_written_whole_when_the_check_goes() {
    let board = board(check(1, |_| ()));
    let mut ledger = Ledger::default();
    ledger.add(&board, witness(1, 1));
    ledger.add(&board, witness(1, 2));
    board.remove(check(1, |_| ()).id);
    let (pending, draft) = (&ledger.pending[&NUMBER], &ledger.drafts[0]);
    // The state that is stored names the incident that the transition opens.
    assert_eq!(pending.health.incident, draft.transition.incident);
    assert_eq!(pending.id, draft.check.id);
}

/// What is blind after a probe that was due then: the cause, and whether it lasts.
fn blind(board: &Board, seconds: u64) -> Vec<(String, bool)> {
    let voices = board.voices(after(seconds));
    let all = voices.into_values().flat_map(|voices| voices.blind);
    all.map(|(cause, blind)| (cause.to_string(), blind.lasts))
        .collect()
}

#[test]
fn a_worker_that_cannot_look_beside_one_that_can_is_one_spell() {
    let every = Every::from_seconds(30).unwrap();
    let secret = "secret(\"db-token\") is not known to this worker";
    let board = board(check(1, |spec| {
        spec.every = every;
        spec.timeout = every.default_timeout();
    }));
    let mut ledger = Ledger::default();
    let mut see = |probe: u64, class: Option<ErrorClass>| {
        let mut witness = witness(1, 30 * probe);
        witness.observation.outcome = match class {
            Some(_) => Outcome::Unknown,
            None => Outcome::Up,
        };
        (witness.observation.class, witness.observation.detail) = (class, secret.to_owned());
        ledger.add(&board, witness);
        commit(&mut ledger, &board);
        blind(&board, 30 * probe + 1)
    };
    let missing = Some(ErrorClass::SecretMissing);
    let is_blind = |lasts| vec![("secret_missing/db-token".to_owned(), lasts)];
    assert_eq!(see(1, None), []);
    for probe in 2..4 {
        assert_eq!(see(probe, missing), is_blind(false));
    }
    for probe in 4..8 {
        assert_eq!(see(probe, missing), is_blind(true));
    }
    // Nine that could look end nothing while one follows that could not; ten do.
    for probe in 8..17 {
        assert_eq!(see(probe, None), is_blind(false));
    }
    assert_eq!(see(17, missing), is_blind(false));
    for probe in 18..27 {
        assert_eq!(see(probe, None), is_blind(false));
    }
    assert_eq!(see(27, None), []);
    // Of this one `prober.impaired` tells.
    for probe in 28..40 {
        assert_eq!(see(probe, Some(ErrorClass::ProberImpaired)), []);
    }
}

#[test]
fn a_place_from_where_no_check_is_probed_any_more_is_not_silent() {
    let from = |place: &'static str| {
        move |spec: &mut CheckSpec| {
            spec.locations = vec![place.parse().unwrap()];
        }
    };
    let board = board(check(1, from("far")));
    let lose_one = || {
        let due = board.next_due().unwrap().0 - super::due::micros(START).0;
        let due = START + time::Duration::microseconds(due);
        assert_eq!(sent(&board, due).len(), 1);
        board.sweep(due + Duration::from_secs(600));
    };
    lose_one();
    let silent = || {
        let silences = board.silences().into_iter();
        silences
            .map(|(place, _)| place.unwrap().to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(silent(), ["far"]);
    board.put(check(2, from("near")), Arrival::Changed, after(601));
    assert_eq!(silent(), [""; 0]);
    board.put(check(3, from("far")), Arrival::Changed, after(602));
    assert_eq!(silent(), [""; 0]);
    // Nor is one of which the last check is gone.
    lose_one();
    assert_eq!(silent(), ["far"]);
    board.remove(check(3, |_| ()).id);
    assert_eq!(silent(), [""; 0]);
}

#[test]
fn what_is_ours_since_a_moment_may_still_be_blind_for_what_it_needs() {
    let board = board(check(1, |spec| {
        let token = Piece::Secret("db-token".parse().unwrap());
        spec.headers = vec![("authorization".into(), Text::new([token]))];
    }));
    let waits = |seconds| {
        let voices = board.voices(after(seconds)).into_values().next().unwrap();
        ["internal", "secret_missing/db-token", "secret_missing/form"]
            .map(|cause| voices.waits_for(cause))
    };
    assert_eq!(waits(1), [true, true, false]);
    let mut ledger = Ledger::default();
    ledger.add(&board, witness(1, 2));
    commit(&mut ledger, &board);
    assert_eq!(waits(3), [false, false, false]);
    // Nothing is said of a shard before all of its checks are here.
    let held = board.held();
    board.hold(&held);
    assert!(board.voices(after(3)).is_empty() && board.whole().is_empty());
    board.loaded(&[held[0].shard]);
    assert_eq!(board.voices(after(3)).len(), 1);
    assert_eq!(board.whole().len(), 1);
}

#[test]
fn a_check_that_cannot_be_read_is_unknown_until_it_can() {
    let board = board(check(1, |_| ()));
    let mut unreadable = check(2, |_| ());
    unreadable.spec = vec![0xff];
    board.put(unreadable, Arrival::Changed, after(1));
    // It is not probed as it was before.
    assert_eq!(
        board.next_due().map(|_| sent(&board, after(600))),
        Some(vec![])
    );
    let voices = board.voices(after(2));
    let ((_, _, shard), voices) = voices.iter().next().unwrap();
    let (cause, seen) = voices.blind.iter().next().unwrap();
    assert_eq!((cause.to_string().as_str(), seen.lasts), ("internal", true));
    assert!(seen.detail.starts_with("the spec is refused: "), "{seen:?}");
    assert_eq!((seen.checks, seen.names.len()), (1, 1));
    let unknown = super::unknown::Unknown {
        project: "shop",
        location: "eu",
        class: cause.class,
        secret: None,
        checks: 1,
        names: vec!["shop"],
        hosts: vec![],
        detail: &seen.detail,
    };
    assert!(
        unknown
            .words()
            .contains("A newer version of lokahi has written it")
    );
    assert_eq!(*shard, check(1, |_| ()).id.shard());
    board.put(check(3, |_| ()), Arrival::Changed, after(3));
    assert_eq!(blind(&board, 4), []);
}
