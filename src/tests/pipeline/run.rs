//! Probes beside the schedule: `lokahictl run`, by the same workers.

use super::fleet::Fleet;
use super::peers::{Receiver, Site};
use crate::support::programs::lokahictl;

#[tokio::test]
async fn a_run_asks_the_workers_of_lokahids_location() {
    let (site, receiver) = (Site::start().await, Receiver::start().await);
    let fleet = Fleet::start(&[]).await;
    let check = fleet.create(&site.url, &receiver.url).await;
    let ids = lokahi::proto::admin::CheckIDs {
        ids: vec![check.id.clone()],
    };
    let run: lokahi::proto::admin::Run = fleet
        .client()
        .call("github.xe.lokahi.admin.RunLocal/Checks", &ids)
        .await
        .unwrap();
    let health = &run.results[&check.id];
    assert!(health.healthy, "{health:?}");
}

#[tokio::test]
async fn a_run_that_finds_something_wrong_is_no_success() {
    let (site, receiver) = (Site::start().await, Receiver::start().await);
    let mut fleet = Fleet::start(&[]).await;
    let check = fleet.create(&site.url, &receiver.url).await;
    let run = async |base: &str| lokahictl(base, &["run", &check.id]).await;
    let up = run(&fleet.base()).await;
    assert_eq!((up.code, up.words.as_str()), (0, ""));
    site.set(false);
    let down = run(&fleet.base()).await;
    let words = format!("error: {}: status 500 is not 2xx\n", check.id);
    assert_eq!((down.code, down.words), (1, words));
    fleet.healthworker.kill().await;
    let nobody = run(&fleet.base()).await;
    assert_eq!(nobody.code, 69, "{}", nobody.words);
    assert!(
        nobody.words.contains("no health worker"),
        "{}",
        nobody.words
    );
}
