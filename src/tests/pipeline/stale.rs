//! That nobody looks is said wherever a state is shown.

use lokahi::proto::lokahi::check::State;

use super::fleet::Fleet;
use super::peers::{Receiver, Site};
use crate::support::programs::lokahictl;
use crate::support::server::{answer, http};
use crate::support::until;

#[tokio::test]
async fn that_nobody_looks_is_said_wherever_a_state_is_shown() {
    let (site, receiver) = (Site::start().await, Receiver::start().await);
    let mut fleet = Fleet::start(&[]).await;
    let check = fleet.create(&site.url, &receiver.url).await;
    fleet.until_state(&check.id, State::Up).await;
    let base = fleet.base();
    let page = async |path: &str| {
        let answer = answer(http().get(format!("{base}{path}"))).await;
        (answer.status, String::from_utf8(answer.body).unwrap())
    };
    let (_, metrics) = page("/metrics").await;
    assert!(metrics.contains("\nprobe_success{"), "{metrics}");
    let table = lokahictl(&fleet.base(), &["list", "-s", "--output", "table"]).await;
    assert!(table.out.contains("LAST PROBE"), "{}", table.out);
    assert!(!table.out.contains("stale"), "{}", table.out);
    assert_eq!(table.words, "");

    fleet.healthworker.kill().await;
    until("it is named", async || {
        page("/readyz")
            .await
            .1
            .contains("no report from a health worker at the location story-")
    })
    .await;
    // Calls are served as well as ever.
    assert_eq!(page("/readyz").await.0, 200);
    let table = lokahictl(&fleet.base(), &["list", "-s", "--output", "table"]).await;
    assert!(table.out.contains("  UP (stale)  "), "{}", table.out);
    let warning = "warning: states may be old: no report from a health worker";
    assert!(table.words.starts_with(warning), "{}", table.words);
    let down = lokahictl(&fleet.base(), &["down"]).await;
    assert!(down.words.starts_with(warning), "{}", down.words);
    let (_, metrics) = page("/metrics").await;
    assert!(!metrics.contains("\nprobe_success{"), "{metrics}");
    assert!(metrics.contains("\nlokahi_checks_stale 1"), "{metrics}");

    fleet.healthworker.start();
    until("it is over", async || {
        page("/readyz").await.1.contains(r#""probes":"ok""#)
    })
    .await;
    until("it is not stale", async || {
        !fleet.client().get(&check.id).await.unwrap().stale
    })
    .await;
}
