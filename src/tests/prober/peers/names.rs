//! dnsmasq: names that exist, do not exist, have several addresses or lead to other names, and
//! a name server that fails, refuses, is slow, or says nothing.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use lokahi::egress::policy::AddressPolicy;
use lokahi::egress::resolver::{LookupError, Resolver};
use lokahi::egress::tls::Trust;
use lokahi::model::check::CheckSpec;
use lokahi::model::dial::IpFamily;
use lokahi::model::observation::Observation;
use lokahi::prober::probe::ProbeContext;
use nix::sys::signal::Signal;

use super::super::{GENEROUS, check, check_within, observe, verdict};
use super::site::Nginx;
use crate::support::folder::Folder;
use crate::support::peer::{Peer, Sign};
use crate::support::stranger::stranger;
use crate::support::until;

const AROUND: &str = "
listen-address=127.0.0.1
bind-interfaces
no-resolv
no-hosts
log-queries
log-facility=-
";

/// Everything below `test.` is known here or does not exist; other names are refused.
const NAMES: &str = "
local=/test/
host-record=site.test,127.0.0.1
host-record=both.test,127.0.0.1,::1
host-record=six.test,::1
cname=one.test,two.test
cname=two.test,three.test
cname=three.test,site.test
txt-record=text.test,no address
";

/// A signature is wanted of this name, which it has not got.
pub(super) const BOGUS: &str = "
dnssec
dnssec-check-unsigned
trust-anchor=.,20326,8,2,E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D
trust-anchor=bogus.test,20326,8,2,E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D
";

pub(super) async fn dnsmasq(names: &str) -> Peer {
    dnsmasq_at(None, names).await
}

/// On this port, or on one of its own.
pub(super) async fn dnsmasq_at(fixed: Option<u16>, names: &str) -> Peer {
    let server = |folder: &Folder, free: u16| {
        let port = fixed.unwrap_or(free);
        folder.write("names.conf", format!("port={port}\n{AROUND}{names}"));
        let mut command = stranger("dnsmasq");
        command.args(["--no-daemon", "--conf-file=names.conf"]);
        command
    };
    Peer::start(Folder::new(), Sign::Says("started, version"), server).await
}

fn resolver(server: &Peer) -> Resolver {
    let address: SocketAddr = ([127, 0, 0, 1], server.port).into();
    Resolver::with_servers(&[address], "")
}

pub(super) fn context_with(server: &Peer) -> ProbeContext {
    let resolver = Arc::new(resolver(server));
    ProbeContext::new(resolver, AddressPolicy::default(), &Trust::native()).unwrap()
}

async fn nginx() -> Nginx {
    Nginx::start("server { listen 127.0.0.1:@port@; return 200; }", &[], None).await
}

fn line(observation: &Observation) -> String {
    format!("{} {}", verdict(observation), observation.detail)
}

#[tokio::test]
async fn each_answer_of_a_name_server_has_its_class() {
    let behind = dnsmasq("local=/test/\nhost-record=bogus.test,127.0.0.1\n").await;
    let names = format!(
        "{NAMES}{BOGUS}server=/bogus.test/127.0.0.1#{}\n",
        behind.port
    );
    let server = dnsmasq(&names).await;
    let context = context_with(&server);
    let nginx = nginx().await;
    for (name, expected) in [
        ("site.test", "up "),
        ("SITE.test.", "up "),
        ("one.test", "up "),
        ("both.test", "up "),
        (
            "nowhere.test",
            "error dns_nxdomain nowhere.test does not exist",
        ),
        ("text.test", "error dns_nxdomain text.test has no address"),
        (
            "bogus.test",
            "error dns_servfail the lookup of bogus.test failed: the name server said Server Failure",
        ),
        (
            "example.com",
            "error dns_servfail the lookup of example.com failed: the name server said Query Refused",
        ),
    ] {
        let spec = check(&format!("http://{name}:{}/", nginx.port()));
        let observation = observe(&context, &spec).await;
        assert_eq!(line(&observation), expected, "{observation:?}");
        assert!(!observation.phases.dns.is_zero(), "{observation:?}");
        let dialled = match expected.starts_with("up") {
            true => format!("127.0.0.1:{}", nginx.port()),
            false => String::new(),
        };
        assert_eq!(observation.address, dialled, "{name}");
    }
}

#[tokio::test]
async fn of_both_families_one_address_is_dialled() {
    let server = dnsmasq(NAMES).await;
    let context = context_with(&server);
    let nginx = nginx().await;
    let port = nginx.port();
    for (name, family, expected, address) in [
        ("both.test", None, "up ", "127.0.0.1"),
        ("both.test", Some(IpFamily::V4), "up ", "127.0.0.1"),
        (
            "both.test",
            Some(IpFamily::V6),
            "error connect_refused ",
            "[::1]",
        ),
        ("six.test", None, "error connect_refused ", "[::1]"),
    ] {
        let spec = CheckSpec {
            ip_family: family,
            ..check(&format!("http://{name}:{port}/"))
        };
        let observation = observe(&context, &spec).await;
        let line = line(&observation);
        assert!(line.starts_with(expected), "{name} {family:?}: {line}");
        assert_eq!(observation.address, format!("{address}:{port}"));
    }
    for (name, family, words) in [
        ("site.test", IpFamily::V6, "site.test has no IPv6 address"),
        ("six.test", IpFamily::V4, "six.test has no IPv4 address"),
    ] {
        let spec = CheckSpec {
            ip_family: Some(family),
            ..check(&format!("http://{name}:{port}/"))
        };
        let observation = observe(&context, &spec).await;
        assert_eq!(line(&observation), format!("error dns_nxdomain {words}"));
    }
}

#[tokio::test]
async fn what_does_not_fit_a_datagram_is_asked_again_over_tcp() {
    let many: Vec<IpAddr> = (1..=200).map(|last| [127, 0, 1, last].into()).collect();
    let mut names = NAMES.to_owned();
    for address in &many {
        names.push_str(&format!("host-record=many.test,{address}\n"));
    }
    let server = dnsmasq(&names).await;
    let mut found = resolver(&server)
        .lookup("many.test", Some(IpFamily::V4))
        .await
        .unwrap();
    found.sort();
    assert_eq!(found, many);
}

#[tokio::test]
async fn a_name_server_that_answers_late_has_answered() {
    let server = dnsmasq(NAMES).await;
    let context = context_with(&server);
    let nginx = nginx().await;
    let spec = check(&format!("http://site.test:{}/", nginx.port()));
    server.signal(Signal::SIGSTOP);
    let go_on = async {
        until("the question waits", async || waits_at(server.port)).await;
        server.signal(Signal::SIGCONT);
    };
    let (observation, ()) = tokio::join!(observe(&context, &spec), go_on);
    assert_eq!(line(&observation), "up ");
}

/// Whether a datagram lies unread at a port of this machine.
fn waits_at(port: u16) -> bool {
    let table = std::fs::read_to_string("/proc/net/udp").unwrap();
    let mut rows = table.lines().skip(1).map(|row| {
        let fields: Vec<&str> = row.split_whitespace().collect();
        (fields[1].to_owned(), fields[4].to_owned())
    });
    let local = format!("0100007F:{port:04X}");
    rows.any(|(address, queues)| address == local && !queues.ends_with(":00000000"))
}

#[tokio::test]
async fn a_name_server_that_does_not_answer_in_time_is_a_timeout_and_soon_forgotten() {
    let server = dnsmasq(NAMES).await;
    let context = context_with(&server);
    let nginx = nginx().await;
    let named = format!("http://site.test:{}/", nginx.port());
    server.signal(Signal::SIGSTOP);
    let observation = observe(&context, &check_within(&named, 1500)).await;
    let words = "error dns_timeout no name server answered for site.test in time";
    assert_eq!(line(&observation), words);
    assert!(observation.phases.total >= Duration::from_millis(1500));
    assert!(observation.phases.total < GENEROUS);
    // Who needs no name is not held up.
    let literal = observe(&context, &nginx.http("/")).await;
    assert_eq!(line(&literal), "up ");
    server.signal(Signal::SIGCONT);
    let observation = observe(&context, &check(&named)).await;
    assert_eq!(line(&observation), "up ");
}

#[tokio::test]
async fn a_lookup_has_an_end_of_its_own() {
    let server = dnsmasq(NAMES).await;
    let resolver = resolver(&server);
    server.signal(Signal::SIGSTOP);
    let lookup = resolver.lookup("site.test", None);
    let found = tokio::time::timeout(GENEROUS, lookup).await.unwrap();
    assert_eq!(found, Err(LookupError::Timeout("site.test".to_owned())));
}

#[tokio::test]
async fn where_no_name_server_is_none_answers_in_time() {
    let server = dnsmasq(NAMES).await;
    let context = context_with(&server);
    drop(server);
    let observation = observe(&context, &check_within("http://site.test/", 1500)).await;
    assert_eq!(
        verdict(&observation),
        "error dns_timeout",
        "{observation:?}"
    );
}
