//! The history of checks over a real Postgres: hours are rolled up once, whatever happens, and
//! tell what their probes told; what is dropped was rolled up before.

use std::time::Duration as Span;

use lokahi::clock;
use lokahi::history::day::{Day, Hour};
use lokahi::history::window::hour_of;
use lokahi::model::health::{State, Told, Transition};
use lokahi::model::id::{CheckId, CheckNo, EventId, IncidentId, SpecId};
use lokahi::model::observation::{ErrorClass, Observation, Outcome, Phases};
use lokahi::proto::lokahi::{Check, CheckHistory, CheckHistoryOpts, CreateOpts};
use lokahi::proto::moment::timestamp;
use lokahi::shard::rollup::catch_up;
use lokahi::store::location::location_note;
use lokahi::store::observation::{NewObservation, observation_insert};
use lokahi::store::partition::{partition_days, partition_drop, partition_prepare};
use lokahi::store::rollup::{Gap, gap_add, late_note, rollup_closed, rollup_list};
use lokahi::store::transition::{NewTransition, transition_insert};
use serde_json::json;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::support::declaring::Declaring;
use crate::support::programs::lokahictl;
use crate::support::server::Server;

const GB: u64 = 1_000_000_000;

/// A check of the API's, and what is stored of it.
struct Past {
    server: Server,
    check: Check,
    number: CheckNo,
    now: OffsetDateTime,
}

impl Past {
    async fn start() -> Self {
        let server = Server::start().await;
        let wish = CreateOpts {
            url: "http://site.example.com/".to_owned(),
            name: "front".to_owned(),
            every: 30,
            ..CreateOpts::default()
        };
        let check = server.client().create(&wish).await.unwrap();
        let mut conn = server.store.acquire().await.unwrap();
        let now = clock::now();
        for days in 0..6 {
            let day = now - Duration::days(days);
            partition_prepare(&mut conn, day).await.unwrap();
        }
        let number = sqlx::query_scalar("select check_no from checks")
            .fetch_one(&mut *conn)
            .await
            .unwrap();
        drop(conn);
        Self {
            server,
            check,
            number: CheckNo(number),
            now,
        }
    }

    /// The beginning of an hour that was over so many hours ago.
    fn hours_ago(&self, hours: i64) -> OffsetDateTime {
        hour_of(self.now) - Duration::hours(hours + 1)
    }

    /// Stores probes of this check, one every seven seconds from a moment on.
    async fn probed(&self, from: OffsetDateTime, outcomes: &str) {
        self.store(from, outcomes, false).await;
    }

    async fn store(&self, from: OffsetDateTime, outcomes: &str, maintained: bool) {
        let seen: Vec<Observation> = outcomes.chars().enumerate().map(seen(from)).collect();
        let mut conn = self.server.store.acquire().await.unwrap();
        let here = ["default".to_owned()];
        let here = location_note(&mut conn, &here, self.now).await.unwrap()[0];
        let row = |seen| NewObservation {
            check: self.number,
            location: here,
            seen,
            maintained,
        };
        let rows: Vec<_> = seen.iter().map(row).collect();
        observation_insert(&mut conn, &rows).await.unwrap();
    }

    async fn catch_up(&self) {
        catch_up(&self.server.store, self.now).await.unwrap();
    }

    /// What is rolled up of an hour.
    async fn hour(&self, at: OffsetDateTime) -> Option<Hour> {
        let mut conn = self.server.store.acquire().await.unwrap();
        let day = at.date();
        let days = rollup_list(&mut conn, self.number, day, day).await.unwrap();
        let mut day: Day = days.into_iter().next()?.1;
        day.hours.remove(&at.hour())
    }

    /// Outcomes of all hours that are rolled up.
    async fn rolled_up(&self) -> [u64; 4] {
        let mut conn = self.server.store.acquire().await.unwrap();
        let (from, to) = ((self.now - Duration::days(9)).date(), self.now.date());
        let days = rollup_list(&mut conn, self.number, from, to).await.unwrap();
        let mut all = [0; 4];
        for hour in days.iter().flat_map(|(_, day)| day.hours.values()) {
            let of = hour.counts;
            let counts = [of.up, of.down, of.error, of.unknown];
            all.iter_mut().zip(counts).for_each(|(all, of)| *all += of);
        }
        all
    }

    /// Of single probes, if they are kept.
    async fn history(&self, back: Duration) -> CheckHistory {
        let asked = CheckHistoryOpts {
            id: self.check.id.clone(),
            since: Some(timestamp(self.now - back)),
            observations: 3,
            exact: true,
            ..CheckHistoryOpts::default()
        };
        self.server.client().check_history(&asked).await.unwrap()
    }
}

/// The probe of one letter: u, d, e, or ? for unknown.
fn seen(from: OffsetDateTime) -> impl Fn((usize, char)) -> Observation {
    move |(number, letter)| {
        let outcome = match letter {
            'u' => Outcome::Up,
            'd' => Outcome::Down,
            'e' => Outcome::Error,
            _ => Outcome::Unknown,
        };
        let at = from + Duration::seconds(number as i64 * 7);
        Observation {
            scheduled_at: at,
            started_at: at,
            outcome,
            degraded: false,
            class: (letter == 'e').then_some(ErrorClass::ConnectRefused),
            status: if letter == 'e' { 0 } else { 200 },
            detail: String::new(),
            address: String::new(),
            phases: Phases {
                total: Span::from_micros(80_000 + number as u64 * 1000),
                ..Phases::default()
            },
            certificate_not_after: None,
            reused: false,
            hops: Vec::new(),
        }
    }
}

fn counts(history: &CheckHistory) -> [i64; 6] {
    let total = history.total.unwrap();
    [
        total.up,
        total.down,
        total.error,
        total.unknown,
        total.skipped,
        total.lost,
    ]
}

#[tokio::test]
async fn what_is_seen_in_maintenance_is_in_no_uptime_and_counted() {
    let past = Past::start().await;
    let hour = past.hours_ago(3);
    past.probed(hour, "uuud").await;
    past.store(hour + Duration::minutes(10), "ddeeu?", true)
        .await;
    let (before, uptime) = (past.history(Duration::DAY).await, Some(0.75));
    past.catch_up().await;
    let rolled = past.history(Duration::days(30)).await;
    assert_eq!((before.exact, rolled.exact), (true, false));
    for history in [before, rolled] {
        assert_eq!(counts(&history), [3, 1, 0, 0, 0, 0]);
        assert_eq!(history.total.unwrap().maintenance, 6);
        assert_eq!((history.uptime, history.left_out), (uptime, 0.6));
    }
    let table = ["history", &past.check.id, "--output", "table"];
    let shown = lokahictl(&past.server.url, &table).await;
    let words = "75 % of 4 probes; left out: 60 % of all (6 in maintenance)";
    assert!(shown.out.contains(words), "{}", shown.out);
}

#[tokio::test]
async fn an_hour_is_rolled_up_once_and_tells_what_its_probes_tell() {
    let past = Past::start().await;
    let hour = past.hours_ago(3);
    let outcomes = "u".repeat(90) + &"d".repeat(6) + "eee?";
    past.probed(hour, &outcomes).await;
    // The beginning of the next one is not of it.
    past.probed(hour + Duration::HOUR, "u").await;
    let gap = Gap {
        check: past.number,
        hour,
        skipped: 2,
        lost: 3,
    };
    let mut conn = past.server.store.acquire().await.unwrap();
    gap_add(&mut conn, &[gap]).await.unwrap();
    gap_add(&mut conn, &[Gap { lost: 1, ..gap }]).await.unwrap();
    past.catch_up().await;
    past.catch_up().await;

    let mut expected = Hour::default();
    for seen in outcomes.chars().enumerate().map(seen(hour)) {
        let latency = u32::try_from(seen.phases.total.as_micros()).unwrap();
        expected.note(seen.outcome, latency);
    }
    (expected.counts.skipped, expected.counts.lost) = (4, 4);
    assert_eq!(past.hour(hour).await, Some(expected));
    assert_eq!(past.rolled_up().await, [91, 6, 3, 1]);

    // Of each probe, and of hours where the window begins before these are kept.
    let (exact, rolled) = (
        past.history(Duration::DAY).await,
        past.history(Duration::days(30)).await,
    );
    assert_eq!((exact.exact, rolled.exact), (true, false));
    assert_eq!(counts(&exact), [91, 6, 3, 1, 4, 4]);
    assert_eq!(counts(&exact), counts(&rolled));
    assert_eq!(exact.uptime, Some(0.91));
    assert_eq!(
        (exact.uptime, exact.left_out),
        (rolled.uptime, rolled.left_out)
    );
    let quantiles = |history: &CheckHistory| {
        let total = history.total.unwrap();
        [
            total.p50_nanoseconds,
            total.p95_nanoseconds,
            total.max_nanoseconds,
        ]
    };
    assert_eq!(quantiles(&exact), [127_000_000, 171_000_000, 175_000_000]);
    for (exact, rolled) in quantiles(&exact).iter().zip(quantiles(&rolled)) {
        assert!(
            (exact - rolled).abs() * 100 <= *exact,
            "{rolled} for {exact}"
        );
    }
    let newest = &exact.observations;
    assert_eq!(newest.len(), 3);
    assert_eq!(newest[2].error_class, "connect_refused");
}

#[tokio::test]
async fn the_running_hour_is_of_its_probes() {
    let past = Past::start().await;
    past.probed(past.hours_ago(5), "uuu").await;
    past.catch_up().await;
    past.probed(past.now - Duration::MINUTE, "uud").await;
    assert_eq!(
        counts(&past.history(Duration::HOUR).await),
        [2, 1, 0, 0, 0, 0]
    );
    let month = past.history(Duration::days(30)).await;
    assert_eq!(counts(&month), [5, 1, 0, 0, 0, 0]);
    assert_eq!(month.bucket_seconds, 15 * 3600 + 3600);
}

#[tokio::test]
async fn an_hour_is_left_alone_until_its_probes_have_had_time_to_come() {
    let past = Past::start().await;
    let (store, hour) = (&past.server.store, past.hours_ago(3));
    past.probed(hour, "uuu").await;
    let end = hour + Duration::HOUR;
    catch_up(store, end + Duration::minutes(9)).await.unwrap();
    assert_eq!(past.hour(hour).await, None);
    // One of its last probes.
    past.probed(end - Duration::SECOND, "d").await;
    catch_up(store, end + Duration::minutes(10)).await.unwrap();
    assert_eq!(past.hour(hour).await.unwrap().counts.judged(), 4);
    let mut conn = store.acquire().await.unwrap();
    assert_eq!(rollup_closed(&mut conn).await.unwrap(), Some(end));
}

#[tokio::test]
async fn what_is_stored_after_its_hour_was_rolled_up_is_counted_once_too() {
    let past = Past::start().await;
    let hour = past.hours_ago(3);
    past.probed(hour, "uuud").await;
    past.catch_up().await;
    // As the recorder does when Postgres is back after a long time.
    past.probed(hour + Duration::minutes(30), "ee").await;
    let mut conn = past.server.store.acquire().await.unwrap();
    let noted = [(past.number, hour), (past.number, hour)];
    late_note(&mut conn, &noted).await.unwrap();
    past.catch_up().await;
    past.catch_up().await;
    assert_eq!(past.rolled_up().await, [3, 1, 2, 0]);
    assert_eq!(
        counts(&past.history(Duration::days(30)).await),
        [3, 1, 2, 0, 0, 0]
    );
}

#[tokio::test]
async fn two_lokahids_roll_up_each_hour_once() {
    let past = Past::start().await;
    for hours in 2..30 {
        past.probed(past.hours_ago(hours), "uud").await;
    }
    let store = &past.server.store;
    let both = tokio::join!(catch_up(store, past.now), catch_up(store, past.now));
    both.0.unwrap();
    both.1.unwrap();
    assert_eq!(past.rolled_up().await, [56, 28, 0, 0]);
}

#[tokio::test]
async fn no_day_is_dropped_before_it_is_rolled_up() {
    let past = Past::start().await;
    past.probed(past.now - Duration::days(4), "uuu").await;
    past.probed(past.hours_ago(2), "ud").await;
    let mut conn = past.server.store.acquire().await.unwrap();
    let days = async || {
        let mut conn = past.server.store.acquire().await.unwrap();
        let days = partition_days(&mut conn).await.unwrap();
        (past.now.date() - days[0].day).whole_days()
    };
    let closed = rollup_closed(&mut conn).await.unwrap();
    partition_drop(&mut conn, past.now, closed, 1)
        .await
        .unwrap();
    assert_eq!(days().await, 6, "nothing is rolled up yet");

    past.catch_up().await;
    let closed = rollup_closed(&mut conn).await.unwrap();
    partition_drop(&mut conn, past.now, closed, GB)
        .await
        .unwrap();
    assert_eq!(days().await, 3, "the youngest three and today");
    assert_eq!(
        counts(&past.history(Duration::days(30)).await),
        [4, 1, 0, 0, 0, 0]
    );

    // Where they may take no room at all, what cannot be done without stays.
    partition_drop(&mut conn, past.now, closed, 1)
        .await
        .unwrap();
    let kept = days().await;
    assert!((0..=1).contains(&kept), "{kept}");
    assert_eq!(
        counts(&past.history(Duration::days(30)).await),
        [4, 1, 0, 0, 0, 0]
    );
}

#[tokio::test]
async fn incidents_are_those_that_touch_the_window() {
    let past = Past::start().await;
    let id: CheckId = past.check.id.parse().unwrap();
    let mut conn = past.server.store.acquire().await.unwrap();
    let ago = |minutes| past.now - Duration::minutes(minutes);
    let (first, second) = (IncidentId(Uuid::now_v7()), IncidentId(Uuid::now_v7()));
    let changes = [
        (State::Init, State::Up, 3000, None),
        (State::Up, State::Down, 2900, Some(first)),
        (State::Down, State::Up, 1430, Some(first)),
        (State::Up, State::Error, 60, Some(second)),
    ];
    let rows = changes.iter().enumerate().map(|(number, change)| {
        let (previous, next, minutes, incident) = *change;
        NewTransition {
            id: EventId(Uuid::now_v7()),
            check: id,
            kind: "check.up",
            payload: Vec::new(),
            transition: Transition {
                degraded: false,
                previous,
                next,
                at: ago(minutes),
                seq: number as i64 + 1,
                incident,
                told: Told::No,
                flap: None,
                reminds: false,
            },
            spec_id: SpecId(1),
            generation: 0,
            revision: String::new(),
            group: None,
        }
    });
    let rows: Vec<_> = rows.collect();
    for row in rows.chunks(1) {
        transition_insert(&mut conn, row, past.now).await.unwrap();
    }
    let day = past.history(Duration::DAY).await;
    let shown: Vec<_> = day
        .incidents
        .iter()
        .map(|it| (it.state().as_str_name(), it.closed_at.is_some()))
        .collect();
    assert_eq!(shown, [("ERROR", false), ("DOWN", true)]);
    let minutes = day.down_nanoseconds / 60_000_000_000;
    // The first ended ten minutes after the window began.
    assert!((70..72).contains(&minutes), "{minutes}");
    assert_eq!(day.transitions.len(), 2);
    assert_eq!(past.history(Duration::minutes(90)).await.incidents.len(), 1);
}

#[tokio::test]
async fn what_cannot_be_asked_is_refused() {
    let past = Past::start().await;
    let id = &past.check.id;
    let mut refusals = Vec::new();
    for body in [
        r#"{"id":"ID","since":"2000-01-01T00:00:00Z"}"#,
        r#"{"id":"ID","since":"2999-01-01T00:00:00Z"}"#,
        r#"{"id":"ID","until":"1900-01-01T00:00:00Z"}"#,
        r#"{"id":"ID","buckets":501}"#,
        r#"{"id":"ID","observations":-1}"#,
        r#"{"id":"0198c3d2-7a54-7cc0-b1d2-3f6f1a2b3c4d"}"#,
    ] {
        let body = body.replace("ID", id);
        let answer = past.server.json("Checks/History", &body).await;
        refusals.push(answer.refusal());
    }
    assert_eq!(
        refusals,
        [
            "400 invalid_argument since",
            "400 invalid_argument since",
            "400 invalid_argument until",
            "400 invalid_argument buckets",
            "400 invalid_argument observations",
            "404 not_found id",
        ]
    );
}

#[tokio::test]
async fn history_shows_a_check_and_a_project_by_the_same_word() {
    let past = Past::start().await;
    past.probed(past.hours_ago(2), &("u".repeat(40) + "ddee?"))
        .await;
    let url = &past.server.url;
    let shown = lokahictl(url, &["history", "front", "--output", "table", "-c", "2"]).await;
    assert_eq!(shown.code, 0, "{}", shown.words);
    let id = &past.check.id;
    for words in [
        "api/front",
        "uptime      90.909 % of 44 probes; left out: 2.222 % of all (1 unknown)",
    ] {
        assert!(shown.out.contains(words), "{}", shown.out);
    }
    let strip = shown.out.lines().find(|line| line.contains("outcomes"));
    assert!(strip.unwrap().contains('!'), "{}", shown.out);
    for name in ["front", "api/front", id] {
        let json = lokahictl(url, &["history", name, "--since", "7h"]).await;
        let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
        assert_eq!(json["check"]["id"], json!(id), "{name}");
    }
    // A project goes first.
    let spec = lokahi::model::check::CheckSpec::new("http://b.example.com/".parse().unwrap());
    let shop = Declaring::new("front").check("web", spec);
    shop.apply(&past.server.client()).await.unwrap();
    let both = lokahictl(url, &["history", "front"]).await;
    assert!(both.out.contains("generations"), "{}", both.out);
    let check = lokahictl(url, &["history", "front", "--since", "7h"]).await;
    assert!(check.out.contains("uptime"), "{}", check.out);
    let neither = lokahictl(url, &["history", "nothing"]).await;
    assert_eq!(neither.code, 1);
    insta::assert_snapshot!(neither.words, @r#"
    error: not_found: there is no project and no check "nothing"
    hint: lokahictl status and list show names
    "#);
}
