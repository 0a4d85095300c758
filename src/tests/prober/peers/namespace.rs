//! A network of a story's own, in which the packet filter loses packets, swallows them or
//! refuses them. Each story runs as a process of its own in a network namespace: as root, or as
//! root of a user namespace.

use std::env;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lokahi::model::check::{CheckSpec, Method};
use lokahi::model::observation::Observation;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::super::reuse::{MORE, kept};
use super::super::site::{Site, request};
use super::super::{check_within, context, observe, verdict};
use super::authority::Authority;
use super::names::{context_with, dnsmasq};
use super::site::Nginx;
use crate::support::stranger::stranger;

const ALONE: &str = "LOKAHI_TEST_NETWORK";
const FORBIDDEN: &str = "\
this machine lets us make no network namespace, in which this story would run. One of these \
allows it:
  sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0   (Ubuntu)
  sudo sysctl kernel.unprivileged_userns_clone=1               (Debian before 11)
  docker run --cap-add SYS_ADMIN --cap-add NET_ADMIN --security-opt seccomp=unconfined \
--security-opt apparmor=unconfined ...   (in a container)
or run the tests as root: sudo --preserve-env=PATH,HOME cargo xtask test";

/// Runs a story, by its whole name, in a network that has nothing but a loopback device; what it
/// mounts is its own, too. Gives what it printed.
pub(super) fn alone(story: &str, told: impl AsyncFnOnce()) -> String {
    if env::var_os(ALONE).is_some_and(|inside| inside == story) {
        run(stranger("ip").args(["link", "set", "lo", "up", "mtu", "1500"]));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(told());
        return String::new();
    }
    let ways: [&[&str]; 2] = [
        &["--net", "--mount"],
        &["--user", "--map-root-user", "--net", "--mount"],
    ];
    let allowed = ways.into_iter().find(|way| {
        let tried = Command::new("unshare").args(*way).arg("true").output();
        tried.is_ok_and(|output| output.status.success())
    });
    let output = Command::new("unshare")
        .args(allowed.expect(FORBIDDEN))
        .arg(env::current_exe().unwrap())
        .args(["--exact", story, "--nocapture"])
        .env(ALONE, story)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{words}");
    assert!(said.contains("1 passed"), "{said}{words}");
    said.into_owned()
}

pub(super) fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {words}");
    String::from_utf8(output.stdout).unwrap()
}

/// Lets rules of nftables hold for what comes in, and nothing else.
pub(super) fn filter(rules: &str) {
    let table = format!(
        "table inet story\ndelete table inet story\n\
         table inet story {{\n counter hit {{}}\n\
         chain come {{ type filter hook input priority 0;\n{rules}\n}}\n}}\n"
    );
    let mut nft = stranger("nft")
        .args(["-f", "-"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = nft.stdin.take().unwrap();
    stdin.write_all(table.as_bytes()).unwrap();
    drop(stdin);
    assert!(nft.wait().unwrap().success(), "{table}");
}

/// How many packets met a rule with `counter name hit`.
fn hits() -> u64 {
    let listed = run(stranger("nft").args(["list", "counter", "inet", "story", "hit"]));
    let mut words = listed.split_whitespace();
    words.find(|word| *word == "packets").unwrap();
    words.next().unwrap().parse().unwrap()
}

fn line(observation: &Observation) -> String {
    format!("{} {}", verdict(observation), observation.status)
}

async fn seen(url: &str) -> Observation {
    observe(&context(), &check_within(url, 2000)).await
}

#[test]
fn what_is_swallowed_is_a_timeout() {
    alone(
        "prober::peers::namespace::what_is_swallowed_is_a_timeout",
        async || {
            filter("tcp dport 81 counter name hit drop");
            let observation = seen("http://127.0.0.1:81/").await;
            assert_eq!(
                line(&observation),
                "error connect_timeout 0",
                "{observation:?}"
            );
            assert!(observation.phases.connect >= Duration::from_millis(1900));
            assert!(hits() > 0);
        },
    );
}

#[test]
fn a_connection_that_a_firewall_has_forgotten_is_opened_anew_in_time() {
    alone(
        "prober::peers::namespace::a_connection_that_a_firewall_has_forgotten_is_opened_anew_in_time",
        async || {
            let ports = Arc::new(Mutex::new(Vec::new()));
            let opened = Arc::clone(&ports);
            let site = Site::start(move |mut stream: TcpStream| {
                opened
                    .lock()
                    .unwrap()
                    .push(stream.peer_addr().unwrap().port());
                async move {
                    while !request(&mut stream).await.is_empty() {
                        stream.write_all(MORE.as_bytes()).await.unwrap();
                    }
                }
            })
            .await;
            let context = context();
            let spec = kept(check_within(&site.url(), 5000));
            for reused in [false, true] {
                let seen = observe(&context, &spec).await;
                assert_eq!((line(&seen), seen.reused), ("up 200".into(), reused));
            }
            let (port, first) = (site.address.port(), ports.lock().unwrap()[0]);
            filter(&format!(
                "tcp dport {port} tcp sport {first} counter name hit drop"
            ));
            let seen = observe(&context, &spec).await;
            assert_eq!((line(&seen), seen.reused), ("up 200".into(), false));
            assert!(hits() > 0);
            assert_eq!(ports.lock().unwrap().len(), 2);
        },
    );
}

#[test]
fn what_is_refused_on_the_way_says_how() {
    alone(
        "prober::peers::namespace::what_is_refused_on_the_way_says_how",
        async || {
            let unreachable = "error net_unreachable 0";
            let refused = "error connect_refused 0";
            for (host, with, expected) in [
                ("127.0.0.1", "icmp type net-unreachable", unreachable),
                ("127.0.0.1", "icmp type host-unreachable", unreachable),
                ("127.0.0.1", "icmp type admin-prohibited", unreachable),
                ("127.0.0.1", "icmp type prot-unreachable", unreachable),
                ("127.0.0.1", "icmp type port-unreachable", refused),
                ("127.0.0.1", "tcp reset", refused),
                ("[::1]", "icmpv6 type no-route", unreachable),
                ("[::1]", "icmpv6 type addr-unreachable", unreachable),
                ("[::1]", "icmpv6 type admin-prohibited", unreachable),
                ("[::1]", "icmpv6 type port-unreachable", refused),
                ("[::1]", "tcp reset", refused),
            ] {
                filter(&format!("tcp dport 81 counter name hit reject with {with}"));
                let observation = seen(&format!("http://{host}:81/")).await;
                assert_eq!(line(&observation), expected, "{with}: {observation:?}");
                assert!(hits() > 0, "{with}");
            }
        },
    );
}

#[test]
fn where_no_way_leads_is_unreachable() {
    alone(
        "prober::peers::namespace::where_no_way_leads_is_unreachable",
        async || {
            for url in ["http://192.0.2.1/", "http://[2001:db8::1]/"] {
                let observation = seen(url).await;
                assert_eq!(
                    line(&observation),
                    "error net_unreachable 0",
                    "{observation:?}"
                );
            }
        },
    );
}

#[test]
fn where_one_packet_of_a_hundred_is_lost_every_probe_has_its_answer() {
    alone(
        "prober::peers::namespace::where_one_packet_of_a_hundred_is_lost_every_probe_has_its_answer",
        async || {
            let ours = Authority::new("ours");
            let identity = ours.identity("DNS:localhost");
            let servers = "
server {
  listen 127.0.0.1:@port@ ssl http2;
  ssl_certificate cert.pem;
  ssl_certificate_key key.pem;
}";
            let page = vec![b'x'; 20_000];
            let nginx = Nginx::start(servers, &[("page", &page)], Some(&identity)).await;
            filter("meta l4proto tcp numgen random mod 100 < 1 counter name hit drop");
            let context = context();
            let spec = CheckSpec {
                tls: ours.trusted(),
                ..check_within(nginx.https("/page").url.to_string().as_str(), 300_000)
            };
            let mut probes = JoinSet::new();
            for _ in 0..300 {
                let (context, spec) = (context.clone(), spec.clone());
                probes.spawn(async move { line(&observe_patiently(&context, &spec).await) });
            }
            assert_eq!(probes.join_all().await, vec!["up 200"; 300]);
            assert!(hits() > 0);
        },
    );
}

/// Without a limit of our own: what is lost is sent again later and later.
async fn observe_patiently(
    context: &lokahi::prober::probe::ProbeContext,
    spec: &CheckSpec,
) -> Observation {
    use lokahi::model::id::CheckId;
    use lokahi::model::secret::SecretUse;
    use lokahi::prober::probe::probe;
    let id = CheckId(uuid::Uuid::from_u128(7));
    probe(
        context,
        spec,
        id,
        lokahi::clock::now(),
        &SecretUse::bound("shop"),
    )
    .await
}

#[test]
fn where_only_small_packets_pass_the_phase_says_what_did_not() {
    alone(
        "prober::peers::namespace::where_only_small_packets_pass_the_phase_says_what_did_not",
        async || {
            let ours = Authority::new("ours");
            let identity = ours.identity("DNS:localhost");
            let secure = "
server {
  listen 127.0.0.1:@port@ ssl;
  ssl_certificate cert.pem;
  ssl_certificate_key key.pem;
  return 200;
}";
            let secure = Nginx::start(secure, &[], Some(&identity)).await;
            let plain = "
server {
  listen 127.0.0.1:@port@;
  location /small { return 200; }
  location /post { proxy_pass http://127.0.0.1:@port@/small; }
}";
            let page = vec![b'x'; 100_000];
            let plain = Nginx::start(plain, &[("page", &page)], None).await;
            // Room for less than the body of a request.
            std::fs::write("/proc/sys/net/ipv4/tcp_wmem", "4096 4096 4096").unwrap();
            filter("meta l4proto tcp meta length > 1000 counter name hit drop");
            let url = |path: &str| plain.http(path).url.to_string();
            let small = seen(&url("/small")).await;
            assert_eq!(line(&small), "up 200", "{small:?}");
            assert_eq!(hits(), 0);

            let tls = CheckSpec {
                tls: ours.trusted(),
                ..check_within(&secure.https("/").url.to_string(), 2000)
            };
            let tls = observe(&context(), &tls).await;
            assert_eq!(line(&tls), "error tls_timeout 0", "{tls:?}");
            let large = seen(&url("/page")).await;
            assert_eq!(line(&large), "error first_byte_timeout 0", "{large:?}");
            let post = CheckSpec {
                method: Method::Post,
                body: "x".repeat(CheckSpec::MAX_BODY).into(),
                ..check_within(&url("/post"), 2000)
            };
            let post = observe(&context(), &post).await;
            assert_eq!(line(&post), "error write_timeout 0", "{post:?}");
            assert!(hits() > 0);
        },
    );
}

#[test]
fn a_name_server_behind_a_filter_is_a_timeout() {
    alone(
        "prober::peers::namespace::a_name_server_behind_a_filter_is_a_timeout",
        async || {
            let server = dnsmasq("local=/test/\nhost-record=site.test,127.0.0.1\n").await;
            let context = context_with(&server);
            for verb in ["drop", "reject"] {
                filter(&format!("th dport {} counter name hit {verb}", server.port));
                let spec = check_within("http://site.test/", 2000);
                let observation = observe(&context, &spec).await;
                let line = line(&observation);
                assert_eq!(line, "error dns_timeout 0", "{verb}: {observation:?}");
                assert!(hits() > 0);
            }
        },
    );
}
