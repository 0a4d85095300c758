//! `apply --wait`: in force is when the schedulers have it and new checks were probed.

use super::fleet::Fleet;
use super::peers::Site;
use crate::support::checkout::Checkout;
use crate::support::programs::lokahictl;

#[tokio::test]
async fn an_apply_that_waits_ends_when_it_is_in_force() {
    let site = Site::start().await;
    let fleet = Fleet::start(&[]).await;
    let folder = Checkout::new();
    folder.write(&format!(
        "check \"web\" {{\n  url   = \"{}\"\n  every = \"1s\"\n}}\n",
        site.url
    ));
    let apply = ["apply", "--auto-approve", "--wait", folder.path()];
    let applied = lokahictl(&fleet.base(), &apply).await;
    assert_eq!(applied.code, 0, "{}", applied.words);
    let last = applied.words.lines().last();
    assert_eq!(
        last,
        Some("In force: the schedulers have generation 1, and new checks were probed.")
    );
    let probed = fleet.client().list(&Default::default()).await.unwrap();
    let check = probed.results[0].check.clone().unwrap();
    assert!(check.last_probe.is_some());
}
