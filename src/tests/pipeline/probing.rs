//! Probes by real workers of what is not stored yet.

use lokahi::model::check::CheckSpec;
use lokahi::model::name::Name;
use lokahi::proto::lokahi::ProbeRequest;
use lokahi::proto::lokahi::check::State as WireState;
use serde_json::Value;

use super::fleet::{Fleet, Program};
use super::peers::Site;
use crate::prober::site as sites;
use crate::support::checkout::Checkout;
use crate::support::programs::{lokahictl, lokahictl_with};
use crate::support::servers::servers;
use crate::support::until;

#[tokio::test]
async fn a_site_is_probed_by_a_worker_of_a_location() {
    let site = Site::start().await;
    let fleet = Fleet::start(&[]).await;
    let random = lokahi::files::private::random_hex(4).unwrap();
    let place: Name = format!("eu-{random}").parse().unwrap();
    let probe = ["probe", &site.url, "--location", place.as_str()];
    let nobody = lokahictl(&fleet.base(), &probe).await;
    assert_eq!(nobody.code, 1, "{}", nobody.out);
    let words = format!("no health worker at the location {place} answered");
    assert!(nobody.out.contains(&words), "{}", nobody.out);

    let settings = [
        ("NATS_URL", servers().nats_url.as_str()),
        ("LOCATION", place.as_str()),
    ];
    let mut worker = Program::new(env!("CARGO_BIN_EXE_healthworker"), &[], &settings);
    worker.start();
    until("a worker answers", async || {
        lokahictl(&fleet.base(), &probe).await.code == 0
    })
    .await;
    let seen = lokahictl(&fleet.base(), &probe).await;
    assert!(
        seen.words.contains(&format!("at {place}")),
        "{}",
        seen.words
    );
    assert!(seen.out.contains("first byte"), "{}", seen.out);
    site.set(false);
    assert_eq!(lokahictl(&fleet.base(), &probe).await.code, 8);
}

#[tokio::test]
async fn the_hops_of_a_failure_are_told_by_the_api_and_kept() {
    let site = Site::start().await;
    site.set(false);
    let answer = format!(
        "HTTP/1.1 302 Found\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n",
        site.url
    );
    let start = sites::Site::saying(answer).await;
    let fleet = Fleet::start(&[]).await;
    let made = fleet.create(&start.url(), "").await;
    fleet.until_state(&made.id, WireState::Down).await;

    let spec = CheckSpec::new(start.url().parse().unwrap());
    let asked = ProbeRequest {
        specs: vec![lokahi::spec::encode_check(&spec)],
        ..ProbeRequest::default()
    };
    let probed = fleet.client().probe(&asked).await.unwrap().probes.remove(0);
    let kept = fleet.status(&made.id).await.evidence.pop().unwrap();
    for seen in [probed, kept] {
        assert_eq!((seen.outcome.as_str(), seen.status_code), ("down", 500));
        let hops: Vec<_> = seen.hops.iter().map(|hop| hop.status_code).collect();
        assert_eq!(hops, [302, 500], "{seen:?}");
        let phases = seen.hops.iter().map(|hop| hop.phases.unwrap());
        let sum: i64 = phases.map(|phases| phases.connect_nanoseconds).sum();
        assert!(sum > 0);
        // On the way from the worker it was cut to microseconds, each by itself.
        let whole = seen.phases.unwrap().connect_nanoseconds;
        assert!((whole - 2000..=whole).contains(&sum), "{seen:?}");
    }
}

#[tokio::test]
async fn a_plan_says_what_would_be_down() {
    let (well, ill) = (Site::start().await, Site::start().await);
    ill.set(false);
    let fleet = Fleet::start(&[("USERPASS", "ada:secret")]).await;
    let base = fleet.base().replace("://", "://ada:secret@");
    let files = Checkout::new();
    let check = |name: &str, url: &str| format!("check \"{name}\" {{\n  url = \"{url}\"\n}}\n\n");
    files.write(&(check("well", &well.url) + &check("ill", &ill.url)));
    let plan = ["plan", "--probe", files.path()];
    let planned = lokahictl(&base, &plan).await;
    assert_eq!(planned.code, 8, "{}{}", planned.out, planned.words);
    let line = "check.ill would be down from ";
    assert!(planned.out.contains(line), "{}", planned.out);
    assert!(
        planned.out.ends_with("Probed: 1 of 2 up.\n"),
        "{}",
        planned.out
    );
    let json = lokahictl(&base, &[&plan[..], &["--output", "json"]].concat()).await;
    let document: Value = serde_json::from_str(&json.out).unwrap();
    let outcomes: Vec<_> = document["probed"]
        .as_array()
        .unwrap()
        .iter()
        .map(|seen| &seen["outcome"])
        .collect();
    assert_eq!(outcomes, ["down", "up"]);

    let token = "  headers = { authorization = secret(\"nowhere\") }\n}";
    files.write(&check("login", &well.url).replace('}', token));
    let planned = lokahictl(&base, &plan).await;
    let line = "check.login was not probed from ";
    assert!(planned.out.contains(line), "{}", planned.out);
    let hint = "hint: the file SECRETS_BINDING of the health workers there needs a block secret \
                \"nowhere\" with hosts = [\"127.0.0.1\"] and projects = [\"";
    assert!(planned.words.contains(hint), "{}", planned.words);

    // Only what changes is probed, and nothing was stored.
    let none = lokahictl(&base, &["list", "--output", "json"]).await;
    assert!(!none.out.contains("well"), "{}", none.out);
    ill.set(true);
    let apply = ["apply", "--auto-approve", files.path()];
    assert_eq!(lokahictl(&base, &apply).await.code, 0);
    let again = lokahictl(&base, &plan).await;
    assert!(again.out.ends_with("Probed: 0 of 0 up.\n"), "{}", again.out);

    // Whoever may only plan may not have it probed.
    let token = ["token", "create", "ci", "--scope", "plan"];
    let token = lokahictl(&base, &token).await.out;
    files.write(&check("new", &well.url));
    let environment = [("LOKAHI_TOKEN", token.trim())];
    let refused = lokahictl_with(&fleet.base(), &plan, &environment).await;
    assert_eq!(refused.code, 77, "{}", refused.words);
}
