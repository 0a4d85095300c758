//! Health workers that are cut off: a worker whose machine has no name server, beside one that
//! sees everything, or with sentinels.

use lokahi::model::check::CheckSpec;
use lokahi::model::health::State;
use lokahi::model::id::ReceiverId;
use lokahi::model::name::Name;
use lokahi::store::check::NewCheck;

use super::fleet::Program;
use super::locations::place;
use super::peers::{Receiver, Site};
use super::shop::{Shop, told, until_told};
use crate::support::folder::Folder;
use crate::support::servers::servers;
use crate::support::stranger::own_mounts;
use crate::support::until;

/// So many are enough to be suspicious.
const CHECKS: usize = 12;

/// The machine of a worker: the names that it knows of itself, and no name server.
struct Machine {
    folder: Folder,
}

impl Machine {
    fn new(hosts: &str) -> Self {
        let folder = Folder::new();
        let resolve = "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n";
        folder.write("resolv.conf", resolve);
        folder.write("hosts", hosts);
        Self { folder }
    }

    fn worker(&self, place: &Name, more: &[(&str, &str)]) -> Program {
        let script = "mount --bind \"$MACHINE/resolv.conf\" /etc/resolv.conf && \
                      mount --bind \"$MACHINE/hosts\" /etc/hosts && exec \"$0\"";
        let mut arguments = own_mounts().to_vec();
        arguments.extend(["sh", "-c", script, env!("CARGO_BIN_EXE_healthworker")]);
        let mut settings = vec![
            ("NATS_URL", servers().nats_url.as_str()),
            ("LOCATION", place.as_str()),
            ("MACHINE", self.folder.path().to_str().unwrap()),
        ];
        settings.extend_from_slice(more);
        let mut program = Program::new("unshare", &arguments, &settings);
        program.start();
        program
    }
}

/// The site under a name that has nothing to do with other names.
fn url(site: &Site, name: &str) -> String {
    site.url.replace("127.0.0.1", &format!("www.{name}.com"))
}

fn shops() -> impl Iterator<Item = String> {
    (0..CHECKS).map(|n| format!("shop{n}"))
}

/// `/etc/hosts` of a machine that knows all of them.
fn everything() -> String {
    let names = shops().chain(["till".to_owned()]);
    names
        .map(|name| format!("127.0.0.1 www.{name}.com\n"))
        .collect()
}

fn from(place: &Name) -> impl Fn(&mut CheckSpec) {
    let place = place.clone();
    move |spec| {
        spec.locations = vec![place.clone()];
        spec.confirm.failures = 2;
        spec.confirm.retry = std::time::Duration::from_millis(200);
    }
}

impl Shop {
    /// All the shops, at one site.
    async fn shops(&mut self, site: &Site, place: &Name, told: &[ReceiverId]) -> Vec<NewCheck> {
        let mut checks = Vec::new();
        for name in shops() {
            let check = self.wish(&name, &url(site, &name), from(place)).await;
            self.create(&check, told).await;
            checks.push(check);
        }
        checks
    }

    /// Since when checks are not believed, in microseconds since 1970, and how many they are.
    async fn unbelieved_since(&self) -> (i64, i64) {
        let first =
            "select coalesce((extract(epoch from min(unbelieved_since)) * 1000000)::bigint, 0)
                     from check_states";
        let many = "select count(*) from check_states where unbelieved_since is not null";
        (self.count(first).await, self.count(many).await)
    }

    /// How many probes were not believed.
    async fn unbelieved(&self) -> i64 {
        self.count("select count(*) from observations where class = 25 and outcome = 4")
            .await
    }
}

/// `TYPE ENDED MESSAGE` of what a receiver took of the project itself.
fn heard(receiver: &Receiver) -> Vec<(bool, String)> {
    let taken = receiver.taken().into_iter().filter_map(|taken| {
        let event: serde_json::Value = serde_json::from_slice(&taken.body).unwrap();
        let message = event["data"]["project"]["message"].as_str()?.to_owned();
        // While a worker is away its checks may be stale, too.
        (event["type"] != "check.stale").then_some(())?;
        assert_eq!(event["type"], "prober.impaired");
        Some((event["data"]["resolved"] == true, message))
    });
    taken.collect()
}

#[tokio::test]
async fn what_a_worker_without_a_name_server_sees_fail_is_asked_of_another() {
    let (site, till) = (Site::start().await, Site::start().await);
    let (oncall, operators) = (Receiver::start().await, Receiver::start().await);
    let mut shop = Shop::open().await;
    shop.operators(&operators).await;
    let eu = place("eu");
    let seeing = Machine::new(&everything());
    let _seeing = seeing.worker(&eu, &[]);
    let receiver = shop.receiver("oncall", &oncall).await;
    let mut checks = shop.shops(&site, &eu, &[receiver]).await;
    let last = shop.wish("till", &url(&till, "till"), from(&eu)).await;
    shop.create(&last, &[receiver]).await;
    checks.push(last);
    for check in &checks {
        shop.until(check.id, State::Up).await;
    }

    let blind = Machine::new("");
    let mut blind = blind.worker(&eu, &[]);
    until("the operators hear of it", async || {
        !heard(&operators).is_empty()
    })
    .await;
    let before = shop.unbelieved().await;
    until("it sees nothing, often", async || {
        shop.unbelieved().await >= before + 50
    })
    .await;
    assert!(shop.fleet.metric("lokahi_probes_withheld_total").await >= 50.0);
    assert_eq!(shop.fleet.metric("lokahi_worker_impaired").await, 1.0);
    // What is truly down is seen by the other one, and told as that sees it.
    till.set(false);
    assert_eq!(until_told(&oncall, 1).await, ["check.down till 2"]);

    // A restart repeats nothing, and forgets nothing.
    shop.fleet.lokahid.kill().await;
    shop.fleet.lokahid.start();
    shop.fleet.lokahid.address().await;
    let before = shop.unbelieved().await;
    until("it sees nothing, again", async || {
        shop.unbelieved().await >= before + 20
    })
    .await;
    till.set(true);
    assert_eq!(until_told(&oncall, 2).await.len(), 2);
    blind.stop().await;
    until("it is over", async || heard(&operators).len() == 2).await;
    let heard = heard(&operators);
    let (begun, ended) = (&heard[0], &heard[1]);
    assert!(!begun.0 && begun.1.contains(eu.as_str()), "{begun:?}");
    assert!(
        ended.0 && ended.1.contains("is not heard of any more"),
        "{ended:?}"
    );
    for check in &checks {
        assert_eq!(shop.stored(check.id).await.unwrap().state, State::Up);
    }
    assert_eq!(told(&oncall), ["check.down till 2", "check.up till 3"]);
    assert_eq!(shop.count("select count(*) from cut_offs").await, 0);
}

#[tokio::test]
async fn while_its_sentinels_fail_too_a_worker_is_not_believed() {
    let (site, sentinel) = (Site::start().await, Site::start().await);
    let (oncall, other) = (Receiver::start().await, Receiver::start().await);
    let mut shop = Shop::open().await;
    let eu = place("eu");
    sentinel.set(false);
    let blind = Machine::new("");
    let mut blind = blind.worker(&eu, &[("SENTINELS", &sentinel.url)]);
    until("the sentinel was asked", async || {
        blind.has_said("the sentinels fail")
    })
    .await;
    let receivers = [
        shop.receiver("oncall", &oncall).await,
        shop.receiver("other", &other).await,
    ];
    let checks = shop.shops(&site, &eu, &receivers).await;
    // There are no operators: each receiver hears of it once, not once for each check.
    for receiver in [&oncall, &other] {
        until("they hear of it", async || !heard(receiver).is_empty()).await;
    }
    let before = shop.unbelieved().await;
    until("it sees nothing, often", async || {
        shop.unbelieved().await >= before + 30
    })
    .await;
    for check in &checks {
        assert_eq!(shop.stored(check.id).await.unwrap().state, State::Init);
    }
    let status = crate::support::programs::lokahictl(
        &shop.fleet.base(),
        &["status", "shop", "--output", "table"],
    )
    .await;
    assert!(status.out.contains("Impaired"), "{}", status.out);
    let words = format!("; of {CHECKS} nothing is known now");
    assert!(status.out.contains(&words), "{}", status.out);
    let list = ["list", "--output", "table"];
    let listed = crate::support::programs::lokahictl(&shop.fleet.base(), &list).await;
    assert!(listed.out.contains("INIT (unbelieved)"), "{}", listed.out);
    let footer = "prober.impaired of shop: the health worker ";
    assert!(listed.words.contains(footer), "{}", listed.words);
    // Nothing is down, and that is not all there is to say.
    let down = ["down", "--output", "table"];
    let down = crate::support::programs::lokahictl(&shop.fleet.base(), &down).await;
    assert!(down.words.contains(footer), "{}", down.words);
    let explain = ["explain", &checks[0].id.to_string()];
    let explained = crate::support::programs::lokahictl(&shop.fleet.base(), &explain).await;
    assert!(
        explained.out.contains("class prober_impaired"),
        "{}",
        explained.out
    );

    sentinel.set(true);
    for check in &checks {
        shop.until(check.id, State::Error).await;
    }
    for receiver in [&oncall, &other] {
        until("all is told", async || {
            heard(receiver).len() == 2 && receiver.taken().len() == CHECKS + 2
        })
        .await;
        assert!(heard(receiver)[1].0);
    }
    blind.stop().await;
}

#[tokio::test]
async fn whoever_is_restarted_the_time_of_not_being_believed_goes_on() {
    let (site, sentinel) = (Site::start().await, Site::start().await);
    let (oncall, operators) = (Receiver::start().await, Receiver::start().await);
    let mut shop = Shop::open().await;
    shop.operators(&operators).await;
    let eu = place("eu");
    sentinel.set(false);
    let blind = Machine::new("");
    let mut blind = blind.worker(&eu, &[("SENTINELS", &sentinel.url)]);
    until("the sentinel was asked", async || {
        blind.has_said("the sentinels fail")
    })
    .await;
    let receiver = shop.receiver("oncall", &oncall).await;
    let checks = shop.shops(&site, &eu, &[receiver]).await;
    let all = i64::try_from(CHECKS).unwrap();
    until("nothing is believed, and the operators know", async || {
        shop.unbelieved_since().await.1 == all && !heard(&operators).is_empty()
    })
    .await;
    let since = shop.unbelieved_since().await;

    // More than was on its way from those before.
    let go_on = async |shop: &Shop| {
        let before = shop.unbelieved().await;
        until("it sees nothing, again", async || {
            shop.unbelieved().await >= before + 3 * all
        })
        .await;
    };
    for _ in 0..2 {
        blind.kill().await;
        blind.start();
        go_on(&shop).await;
    }
    // A worker that stays reports at once to a lokahid that is back: not one failure is believed.
    let believed = "select count(*) from observations where outcome = 3";
    let before = shop.count(believed).await;
    for _ in 0..3 {
        shop.fleet.lokahid.kill().await;
        shop.fleet.lokahid.start();
        shop.fleet.lokahid.address().await;
        go_on(&shop).await;
    }
    assert_eq!(shop.count(believed).await, before);
    shop.fleet.lokahid.kill().await;
    blind.kill().await;
    shop.fleet.lokahid.start();
    blind.start();
    shop.fleet.lokahid.address().await;
    go_on(&shop).await;
    assert_eq!(shop.unbelieved_since().await, since);
    assert_eq!(heard(&operators).len(), 1, "{:?}", heard(&operators));
    assert_eq!(shop.count("select count(*) from cut_offs").await, 1);
    assert_eq!(told(&oncall), [""; 0]);

    // Four minutes later.
    shop.fleet.lokahid.kill().await;
    sqlx::query(
        "update check_states set unbelieved_since = unbelieved_since - interval '4 minutes'",
    )
    .execute(&mut shop.fleet.database().await)
    .await
    .unwrap();
    shop.fleet.lokahid.start();
    shop.fleet.lokahid.address().await;
    for check in &checks {
        shop.until(check.id, State::Error).await;
    }
    assert_eq!(until_told(&oncall, CHECKS).await.len(), CHECKS);
    assert_eq!(shop.unbelieved_since().await, (0, 0));
    until("it is over", async || heard(&operators).len() == 2).await;
    let ended = &heard(&operators)[1];
    assert!(
        ended.0 && ended.1.contains("failing for too long"),
        "{ended:?}"
    );
    blind.stop().await;
}
