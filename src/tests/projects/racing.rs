//! Several who change a project at once: one of them wins each generation, and the others are
//! told who did.

use lokahi::client::{Client, ClientError};
use lokahi::model::check::{CheckSpec, Every};
use lokahi::proto::lokahi::{ApplyResult, Check, HistoryRequest};
use lokahi::proto::twirp::Code;

use super::spec;
use crate::support::declaring::{Declaring, apply};
use crate::support::server::Server;

/// As many as gitops wants, each with a plan of both.
const ROUNDS: i32 = 1000;

fn every(seconds: i32) -> CheckSpec {
    let every = Every::from_seconds(seconds.into()).unwrap();
    CheckSpec {
        every,
        timeout: every.default_timeout(),
        ..spec("http://web.example.com/")
    }
}

async fn named(server: &Server, name: &str) -> Client {
    let scopes = ["apply:shop", "apply:api"];
    let token = server.token(name, &scopes).await;
    Client::new(&server.base)
        .unwrap()
        .with_token(&token)
        .unwrap()
}

fn aborted(error: &ClientError) -> Option<&str> {
    match error {
        ClientError::Refused(refusal) if refusal.code == Code::Aborted => Some(&refusal.msg),
        _ => None,
    }
}

#[tokio::test]
async fn of_two_appliers_one_wins_each_generation_and_the_other_is_told_who() {
    let server = Server::guarded().await;
    let (ada, bob) = (named(&server, "ada").await, named(&server, "bob").await);
    let (mut won_by_ada, mut won_by_bob) = (0, 0);
    for round in 1..=ROUNDS {
        let wish = |seconds| Declaring::new("shop").check("web", every(seconds));
        let plans = (wish(2 * round + 1), wish(2 * round + 2));
        let (one, other) = (plans.0.plan(&ada), plans.1.plan(&bob));
        let (one, other) = tokio::try_join!(one, other).unwrap();
        assert_eq!(i64::from(round), one.generation + 1);
        let ended = tokio::join!(apply(&ada, &one), apply(&bob, &other));
        let (winner, loser): (&ApplyResult, &ClientError) = match &ended {
            (Ok(won), Err(lost)) => {
                won_by_ada += 1;
                (won, lost)
            }
            (Err(lost), Ok(won)) => {
                won_by_bob += 1;
                (won, lost)
            }
            both => panic!("round {round}: {both:?}"),
        };
        assert_eq!(winner.generation, i64::from(round));
        let who = if ended.0.is_ok() { "ada" } else { "bob" };
        let told = aborted(loser).unwrap_or_else(|| panic!("{loser}"));
        let expect = format!("at generation {round} by now, applied by token:{who} at 20");
        assert!(told.contains(&expect), "{told}");
    }
    assert_eq!(won_by_ada + won_by_bob, ROUNDS);
    let asked = HistoryRequest {
        project: "shop".to_owned(),
        count: 1000,
        before: 0,
    };
    let history = server.client().history(&asked).await.unwrap();
    let numbers: Vec<i64> = history.generations.iter().map(|g| g.generation).collect();
    assert!(numbers.into_iter().eq((1..=i64::from(ROUNDS)).rev()));
}

#[tokio::test]
async fn forced_writes_and_applies_wait_for_each_other() {
    let server = Server::guarded().await;
    let (ada, bob) = (named(&server, "ada").await, named(&server, "bob").await);
    let wish = |seconds| {
        let one = Declaring::new("shop").check("web", every(seconds));
        one.check("mail", every(seconds))
    };
    wish(5000).apply(&ada).await.unwrap();
    let found = server.client().list(&Default::default()).await.unwrap();
    let ids: Vec<String> = found
        .results
        .into_iter()
        .map(|row| row.check.unwrap().id)
        .collect();
    let force = async |id: &str, seconds: i32| {
        let put = Check {
            id: id.to_owned(),
            every: seconds,
            force: true,
            force_reason: "a race".to_owned(),
            ..Check::default()
        };
        bob.put(&put).await
    };
    for round in 1..=100 {
        let plan = wish(5000 + round).plan(&ada).await.unwrap();
        let (done, one, other) = tokio::join!(
            apply(&ada, &plan),
            force(&ids[0], round),
            force(&ids[1], round)
        );
        one.unwrap();
        other.unwrap();
        if let Err(error) = done {
            let told = aborted(&error).unwrap_or_else(|| panic!("{error}"));
            assert!(told.contains("was changed"), "{told}");
        }
    }
}
