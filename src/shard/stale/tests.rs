//! What stands as told, and what is said of its end.

use time::macros::datetime;

use super::super::board::Arrival;
use super::*;
use crate::model::check::CheckSpec;
use crate::model::health::{Health, State};
use crate::model::id::{CheckId, CheckNo, SpecId};
use crate::model::secret::{Piece, Text};
use crate::spec::encode_check;
use crate::store::shard::{HeldShard, ShardCheck};

const START: OffsetDateTime = datetime!(2026-01-01 00:00 UTC);

fn at(seconds: i64) -> OffsetDateTime {
    START + time::Duration::seconds(seconds)
}

/// A check that is probed each second, in a shard of its own; it was probed last then, if ever.
fn check(number: u8, last: Option<i64>, needs: Option<&str>) -> ShardCheck {
    let mut spec = CheckSpec::new("http://site.example.com/".parse().unwrap());
    spec.every = crate::model::check::Every::from_seconds(1).unwrap();
    spec.timeout = spec.every.default_timeout();
    if let Some(secret) = needs {
        let token = Piece::Secret(secret.parse().unwrap());
        spec.headers = vec![("authorization".into(), Text::new([token]))];
    }
    ShardCheck {
        id: CheckId(uuid::Uuid::from_u128(number.into())),
        check_no: CheckNo(number.into()),
        spec_id: SpecId(1),
        spec: encode_check(&spec),
        project: "shop".into(),
        address: format!("check{number}"),
        owner: "declared".into(),
        version: 1,
        deleted: false,
        disabled: false,
        pause: crate::model::overlay::Pause::None,
        health: Health {
            state: State::Up,
            last_at: last.map(at),
            ..Health::new(START)
        },
        generation: 1,
        revision: String::new(),
    }
}

fn board(checks: Vec<ShardCheck>, taken: i64) -> Board {
    let board = Board::default();
    let shards: BTreeSet<ShardNo> = checks.iter().map(|it| it.id.shard()).collect();
    assert_eq!(shards.len(), checks.len(), "each has its own");
    let held: Vec<HeldShard> = shards
        .iter()
        .map(|&shard| HeldShard { shard, epoch: 1 })
        .collect();
    board.hold(&held);
    for check in checks {
        board.put(check, Arrival::Loaded, at(taken));
    }
    board.loaded(&shards.into_iter().collect::<Vec<_>>());
    board
}

fn key(cause: &str) -> StaleKey {
    StaleKey {
        project: "shop".to_owned(),
        location: "eu".to_owned(),
        cause: cause.to_owned(),
    }
}

/// The causes that are told after a look, where this was told since then of these checks.
fn told(board: &Board, cause: &str, since: i64, of: &[u8], now: i64) -> Vec<String> {
    let rows = of.iter().map(|&number| StaleShard {
        shard: CheckId(uuid::Uuid::from_u128(number.into())).shard(),
        checks: 1,
    });
    let told = Told {
        before: BTreeMap::from([(key(cause), rows.collect())]),
        open: BTreeMap::from([(key(cause), at(since))]),
    };
    let voiced = board.voices(at(now)).into_iter();
    let voiced = voiced.map(|((_, _, shard), voices)| (shard, voices));
    let mut all = BTreeMap::new();
    told.sum(&mut all, ("shop", "eu"), voiced.collect());
    let rows = all.into_iter().filter(|(_, (rows, _))| !rows.is_empty());
    rows.map(|(key, _)| key.cause).collect()
}

#[test]
fn a_location_is_silent_until_one_of_its_probes_comes() {
    // The check of which it was told is gone, and the one in its place was not heard of yet.
    let beside = board(vec![check(2, None, None)], 100);
    assert_eq!(told(&beside, "", 90, &[1], 101), [""]);
    assert_eq!(told(&beside, "", 90, &[1], 200), [""]);
    // Nobody is left who could be heard of.
    beside.remove(check(2, None, None).id);
    assert_eq!(told(&beside, "", 90, &[1], 201), [""; 0]);
    // After a restart another check was heard of, and this one was old before.
    let both = board(vec![check(1, Some(0), None), check(2, Some(99), None)], 100);
    hear(&both, 2, 101, None);
    assert_eq!(told(&both, "", 90, &[1], 101), [""]);
    hear(&both, 1, 102, None);
    assert_eq!(told(&both, "", 90, &[1], 102), [""; 0]);
    // It was not old, and is waited for no longer than others.
    let both = board(
        vec![check(1, Some(99), None), check(2, Some(99), None)],
        100,
    );
    hear(&both, 2, 101, None);
    assert_eq!(told(&both, "", 90, &[1], 101), [""; 0]);
}

#[test]
fn a_secret_is_unbound_while_it_is_for_any_check() {
    let cause = "secret_unbound/db";
    // The one of which it was told is gone; another one is blind since a moment.
    let beside = board(
        vec![check(2, Some(99), Some("db")), check(3, Some(99), None)],
        100,
    );
    hear(&beside, 2, 101, Some("secret(\"db\") may not be used"));
    hear(&beside, 3, 101, None);
    assert_eq!(told(&beside, cause, 90, &[1], 101), [cause]);
    hear(&beside, 2, 200, None);
    hear(&beside, 3, 200, None);
    assert_eq!(told(&beside, cause, 90, &[2], 200), [""; 0]);
    // One that takes its place has not said yet whether it is.
    let new = board(
        vec![check(2, None, Some("db")), check(3, Some(99), None)],
        100,
    );
    assert_eq!(told(&new, cause, 90, &[1], 101), [cause]);
    assert_eq!(told(&new, "secret_unbound/other", 90, &[1], 101), [""; 0]);
    hear(&new, 2, 102, None);
    assert_eq!(told(&new, cause, 90, &[1], 102), [""; 0]);
    // After a restart nobody looks: nobody knows whether it is.
    let away = board(vec![check(1, Some(99), Some("db"))], 100);
    assert_eq!(told(&away, cause, 90, &[1], 500), ["", cause]);
}

#[test]
fn what_is_said_of_the_end_is_so() {
    let (silence, unbound) = (key(""), key("secret_unbound/db"));
    for (key, left, words) in [
        (
            &silence,
            Left::Heard,
            "probes come from the location eu again",
        ),
        (&silence, Left::Silent, "nothing was heard since"),
        (
            &silence,
            Left::None,
            "no check is to be probed from the location eu any more",
        ),
        (&unbound, Left::Heard, "none of them is unknown any more"),
        (
            &unbound,
            Left::Silent,
            "but no probes came from there since",
        ),
        (
            &unbound,
            Left::None,
            "no check with secret(\"db\") is to be probed",
        ),
    ] {
        let said = over(key, left);
        assert!(said.contains(words), "{said}");
    }
}

/// A probe came that was due then; `blind`: it could not look.
fn hear(board: &Board, number: u8, due: i64, blind: Option<&str>) {
    use super::super::ledger::{Pending, Witness};
    use crate::model::observation::{ErrorClass, Observation, Outcome, Phases};
    use crate::model::probe::Report;
    let check = check(number, None, None);
    let observation = Observation {
        scheduled_at: at(due),
        started_at: at(due),
        outcome: match blind {
            Some(_) => Outcome::Unknown,
            None => Outcome::Up,
        },
        degraded: false,
        class: blind.map(|_| ErrorClass::SecretUnbound),
        status: 0,
        detail: blind.unwrap_or_default().to_owned(),
        address: String::new(),
        phases: Phases::default(),
        certificate_not_after: None,
        reused: false,
        hops: Vec::new(),
    };
    let report = Report {
        check_no: check.check_no,
        spec_id: check.spec_id,
        observation,
    };
    let who: Arc<str> = "eu".into();
    let last = Witness::new(report, None, &who, &who);
    let health = board.with(check.check_no, |entry| entry.check.health.clone());
    let pending = Pending {
        id: check.id,
        health: health.unwrap(),
        last,
        again: None,
        stores: false,
    };
    board.advance(check.check_no, pending);
}
