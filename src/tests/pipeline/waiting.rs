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

#[tokio::test]
async fn a_new_check_that_nobody_can_look_at_is_not_in_force() {
    let site = Site::start().await;
    let fleet = Fleet::start(&[]).await;
    let folder = Checkout::new();
    folder.write(&format!(
        "check \"web\" {{\n  url   = \"{0}\"\n  every = \"1s\"\n}}\n\
         check \"login\" {{\n  url   = \"{0}\"\n  every = \"1s\"\n  headers = {{\n    \
         authorization = \"Bearer ${{secret(\"nowhere\")}}\"\n  }}\n}}\n",
        site.url
    ));
    // It would wait for long for what may come by itself.
    let apply = ["apply", "--auto-approve", "--wait=1h", folder.path()];
    let applied = lokahictl(&fleet.base(), &apply).await;
    assert_eq!(applied.code, 6, "{}", applied.words);
    for words in [
        "generation 1 is applied, and nothing is known of 1 new check, whose probes could not look",
        "the check login is unknown from the location ",
        "LOKAHI_SECRET_NOWHERE",
    ] {
        assert!(applied.words.contains(words), "{}", applied.words);
    }
}
