//! Probes that come and could not look: who is told of it, and what to do.

use lokahi::files::private::random_hex;
use lokahi::model::health::State;
use lokahi::model::secret::{Piece, Text};
use lokahi::store::project::project_lock;

use super::fleet::Fleet;
use super::peers::{Receiver, Site};
use super::shop::{Shop, until_told};
use crate::support::programs::lokahictl;
use crate::support::until;

/// `REASON ENDED MESSAGE` of what a receiver took of the project itself, without times.
fn heard(receiver: &Receiver) -> Vec<(String, bool, String)> {
    let taken = receiver.taken().into_iter().map(|taken| {
        let event: serde_json::Value = serde_json::from_slice(&taken.body).unwrap();
        assert_eq!(event["type"], "check.stale");
        let project = &event["data"]["project"];
        let message = project["message"].as_str().unwrap();
        let (message, _) = message.split_once(" (since ").unwrap();
        (
            project["reason"].as_str().unwrap().to_owned(),
            event["data"]["resolved"] == true,
            message.to_owned(),
        )
    });
    taken.collect()
}

#[tokio::test]
async fn a_secret_that_is_unbound_is_told_once_and_that_it_is_bound_though_lokahid_was_killed() {
    let (site, operators) = (Site::start().await, Receiver::start().await);
    let (picky, beside) = (Receiver::start().await, Receiver::start().await);
    let place = format!("story-{}", random_hex(4).unwrap());
    let folder = std::env::temp_dir().join(format!("lokahi-unknown-{}", random_hex(6).unwrap()));
    std::fs::create_dir(&folder).unwrap();
    let bindings = folder.join("bindings.hcl");
    std::fs::write(&bindings, "").unwrap();
    let fleet = Fleet::start(&[
        ("LOCATION", &place),
        ("LOKAHI_SECRET_DB_TOKEN", "s3cret"),
        ("SECRETS_BINDING", bindings.to_str().unwrap()),
    ])
    .await;
    let mut shop = Shop::over(fleet).await;
    shop.operators(&operators).await;
    let wants = ["check.stale"];
    let some = shop.receiver_of("picky", &picky, &wants).await;
    let other = shop.receiver_of("beside", &beside, &wants).await;
    let token = || {
        Text::new([
            Piece::Plain("Bearer ".into()),
            Piece::Secret("db-token".parse().unwrap()),
        ])
    };
    let login = shop.wish("login", &site.url, |spec| {
        spec.headers = vec![("authorization".into(), token())];
    });
    let login = login.await;
    let home = shop.wish("home", &site.url, |_| ()).await;
    shop.create(&login, &[some]).await;
    shop.create(&home, &[other]).await;
    shop.until(login.id, State::Up).await;

    // Another project declares something, too: from now on it must be bound.
    let own = shop.project;
    shop.project = project_lock(&mut shop.conn, "blog").await.unwrap().id;
    shop.receiver("elsewhere", &beside).await;
    shop.project = own;
    until_told(&operators, 1).await;
    until_told(&picky, 1).await;
    let (reason, over, message) = heard(&operators).remove(0);
    assert_eq!(
        (reason, over),
        (format!("{place}/secret_unbound/db-token"), false)
    );
    insta::assert_snapshot!(message.replace(&place, "eu-1"), @r#"the check login is unknown from the location eu-1, and nobody is told if the site fails: secret("db-token") may not be used: only what is declared has secrets, on a server with one declared project, unless SECRETS_BINDING binds it. The file SECRETS_BINDING of the health workers there needs a block secret "db-token" with hosts = ["127.0.0.1"] and projects = ["shop"]"#);
    assert_eq!(heard(&picky)[0].2, message);

    let listed = lokahictl(&shop.fleet.base(), &["list", "--output", "json"]).await;
    let listed: serde_json::Value = serde_json::from_str(&listed.out).unwrap();
    let rows = listed["results"].as_array().unwrap().iter();
    let mut unknown: Vec<&str> = rows
        .map(|row| row["check"]["unknown"].as_str().unwrap_or("-"))
        .collect();
    unknown.sort_unstable();
    assert_eq!(unknown, ["-", "secret_unbound"]);
    let notice = &listed["notices"][0];
    assert_eq!(notice["type"], "unknown");
    assert_eq!(notice["reason"], format!("{place}/secret_unbound/db-token"));
    assert_eq!(notice["message"], message);
    // So say those who look at all, or at what is down.
    for list in ["list", "down"] {
        let listed = lokahictl(&shop.fleet.base(), &[list, "--output", "table"]).await;
        let words = format!("unknown of shop: {message}");
        assert_eq!(listed.words.matches(&words).count(), 1, "{}", listed.words);
    }
    let status = lokahictl(&shop.fleet.base(), &["status", "shop", "--output", "table"]).await;
    let words = "2 checks (2 up, 0 down, 0 disabled; of 1 nothing is known now)";
    assert!(status.out.contains(words), "{}", status.out);
    assert!(status.out.contains(&message), "{}", status.out);

    let explained = lokahictl(&shop.fleet.base(), &["explain", "login"]).await;
    let words = "  nothing is known of it now: seen ";
    assert!(explained.out.contains(words), "{}", explained.out);
    assert!(!explained.out.contains("failure"), "{}", explained.out);

    let unbound = "select count(*) from observations where class = 21 and outcome = 4";
    let before = shop.count(unbound).await;
    shop.fleet.lokahid.kill().await;
    shop.fleet.lokahid.start();
    shop.fleet.lokahid.address().await;
    until("it has been unknown for long again", async || {
        shop.count(unbound).await > before + 9
    })
    .await;
    let told = (operators.received().len(), picky.received().len());
    assert_eq!(told, (1, 1), "it is told once");

    let binding = "secret \"db-token\" {\n  hosts = [\"127.0.0.1\"]\n  projects = [\"shop\"]\n}\n";
    std::fs::write(&bindings, binding).unwrap();
    until_told(&operators, 2).await;
    until_told(&picky, 2).await;
    let (_, over, message) = heard(&operators).remove(1);
    insta::assert_snapshot!(message.replace(&place, "eu-1"), @r#"the location eu-1 knows its checks again: for secret_unbound of secret("db-token") none of them is unknown any more"#);
    assert!(over && heard(&picky)[1].1);
    // It has no secret.
    assert!(beside.received().is_empty());
    assert_eq!(shop.stored(login.id).await.unwrap().state, State::Up);
    let status = lokahictl(&shop.fleet.base(), &["status", "shop", "--output", "table"]).await;
    assert!(
        status.out.contains("(2 up, 0 down, 0 disabled),"),
        "{}",
        status.out
    );
    std::fs::remove_dir_all(folder).unwrap();
}
