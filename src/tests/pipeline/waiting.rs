//! `apply --wait`: in force is when the schedulers have it and new checks were probed.

use super::fleet::Fleet;
use super::peers::Site;
use crate::support::checkout::Checkout;
use crate::support::programs::lokahictl;
use crate::support::until;

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
        "generation 1 is applied, and nothing is known of 1 new or changed check, whose probes could not look",
        "the check login is unknown from the location ",
        "LOKAHI_SECRET_NOWHERE",
    ] {
        assert!(applied.words.contains(words), "{}", applied.words);
    }
}

#[tokio::test]
async fn where_no_probes_come_nothing_is_in_force_and_what_is_shown_is_old() {
    let site = Site::start().await;
    let mut fleet = Fleet::start(&[]).await;
    let folder = Checkout::new();
    let write = |description: &str| {
        folder.write(&format!(
            "check \"web\" {{\n  url         = \"{}\"\n  every       = \"1s\"\n  description = \
             \"{description}\"\n}}\n",
            site.url
        ));
    };
    write("one");
    let apply = ["apply", "--auto-approve", "--wait", folder.path()];
    assert_eq!(lokahictl(&fleet.base(), &apply).await.code, 0);
    let base = fleet.base();
    let status = async || lokahictl(&base, &["status", "--output", "table"]).await.out;
    let up = "1 check (1 up, 0 down, 0 disabled)";
    until("it is up", async || status().await.contains(up)).await;

    fleet.healthworker.kill().await;
    until("nothing comes", async || status().await.contains("Stale")).await;
    let shown = status().await;
    assert!(
        shown.contains("0 disabled; some of that is old, since "),
        "{shown}"
    );
    assert!(
        shown.contains("1 check gets no probes from the location "),
        "{shown}"
    );
    write("two");
    let hasty = ["apply", "--auto-approve", "--wait=1s", folder.path()];
    let applied = lokahictl(&base, &hasty).await;
    assert_eq!(applied.code, 6, "{}", applied.words);
    for words in [
        "generation 2 is applied, and after 1s no probes come from where its checks are probed",
        "1 check gets no probes from the location ",
        "does a health worker run?",
    ] {
        assert!(applied.words.contains(words), "{}", applied.words);
    }

    fleet.healthworker.start();
    until("they come again", async || status().await.contains(up)).await;
    write("three");
    let applied = lokahictl(&base, &apply).await;
    assert_eq!(applied.code, 0, "{}", applied.words);
}

#[tokio::test]
async fn whoever_changes_a_check_hears_that_it_is_probed_so_at_its_next_turn() {
    let site = Site::start().await;
    let fleet = Fleet::start(&[]).await;
    let folder = Checkout::new();
    let write = |more: &str| {
        let url = &site.url;
        folder.write(&format!("check \"web\" {{\n  url = \"{url}\"\n{more}}}\n"));
    };
    write("");
    let apply = ["apply", "--auto-approve", "--wait", folder.path()];
    assert_eq!(lokahictl(&fleet.base(), &apply).await.code, 0);
    write("  headers = {\n    authorization = secret(\"nowhere\")\n  }\n");
    let applied = lokahictl(&fleet.base(), &apply).await;
    assert_eq!(applied.code, 0, "{}", applied.words);
    let words = "\n1 changed check is probed with what is new at its next turn: ";
    assert!(applied.words.contains(words), "{}", applied.words);
}
