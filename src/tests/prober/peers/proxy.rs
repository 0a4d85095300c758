//! tinyproxy: requests that go through a proxy, and ways that it does not open.

use std::sync::Arc;

use lokahi::egress::policy::AddressPolicy;
use lokahi::egress::resolver::Resolver;
use lokahi::egress::tls::Trust;
use lokahi::model::check::CheckSpec;
use lokahi::model::dial::{HttpVersion, Proxy};
use lokahi::prober::probe::ProbeContext;
use url::Host;

use super::super::{check, check_within, context, observe, verdict};
use super::authority::Authority;
use super::site::Nginx;
use crate::support::folder::Folder;
use crate::support::free_port;
use crate::support::peer::{Peer, Sign};
use crate::support::stranger::stranger;
use crate::support::until;

/// A proxy that opens ways to this port.
pub(super) async fn tinyproxy(opens: u16) -> Peer {
    let server = |folder: &Folder, port: u16| {
        let conf = format!(
            "Port {port}\nListen 127.0.0.1\nAllow 127.0.0.1\nTimeout 60\nMaxClients 50\n\
             PidFile \"proxy.pid\"\nLogFile \"proxy.log\"\nLogLevel Connect\nConnectPort {opens}\n"
        );
        folder.write("proxy.conf", conf);
        let mut command = stranger("tinyproxy");
        command.args(["-d", "-c", "proxy.conf"]);
        command
    };
    Peer::start(Folder::new(), Sign::Makes("proxy.pid"), server).await
}

pub(super) fn through(proxy: u16, spec: CheckSpec) -> CheckSpec {
    CheckSpec {
        proxy: Some(Proxy {
            host: Host::Ipv4([127, 0, 0, 1].into()),
            port: proxy,
        }),
        ..spec
    }
}

const SERVERS: &str = "
ssl_certificate cert.pem;
ssl_certificate_key key.pem;
server {
  listen 127.0.0.1:@port@ ssl http2;
  location / { return 200 'fine'; }
  location /moved { return 301 /; }
}
";

#[tokio::test]
async fn requests_go_through_the_proxy() {
    let plain = "server { listen 127.0.0.1:@port@; location /x { return 204; } }";
    let plain = Nginx::start(plain, &[], None).await;
    let ours = Authority::new("ours");
    let tls = Nginx::start(SERVERS, &[], Some(&ours.identity("DNS:localhost"))).await;
    let proxy = tinyproxy(tls.port()).await;
    let trusting = |path| CheckSpec {
        tls: ours.trusted(),
        ..tls.https(path)
    };
    let one = CheckSpec {
        http_version: Some(HttpVersion::V1_1),
        ..trusting("/")
    };
    for (spec, status) in [
        (plain.http("/x?y=1"), 204),
        (trusting("/"), 200),
        (trusting("/moved"), 200),
        (one, 200),
    ] {
        let seen = observe(&context(), &through(proxy.port, spec.clone())).await;
        assert_eq!(
            (verdict(&seen), seen.status),
            ("up".into(), status),
            "{spec:?} {seen:?}"
        );
        let place = format!("127.0.0.1:{}", proxy.port);
        assert_eq!(seen.address, place, "the address that was dialled");
    }
    let asked = plain.seen(1).await;
    assert!(asked[0].starts_with("GET /x?y=1 HTTP/1."), "{asked:?}");
    until("the proxy has written it down", async || {
        let log = proxy.folder.read("proxy.log");
        let ways = format!("CONNECT localhost:{}", tls.port());
        // One for each hop.
        log.matches(&ways).count() == 4 && log.contains("GET http://127.0.0.1:")
    })
    .await;
}

#[tokio::test]
async fn what_the_proxy_does_not_do_is_not_the_sites_fault() {
    let closed = free_port();
    let proxy = tinyproxy(closed).await;
    let refused = free_port();
    for (spec, words) in [
        // A way that it does not open, one that leads nowhere, and no proxy.
        (
            through(proxy.port, check("https://localhost:1/")),
            "the proxy: it answers 403 to CONNECT localhost:1",
        ),
        (
            through(proxy.port, check(&format!("https://localhost:{closed}/"))),
            "the proxy: it answers 500 to CONNECT",
        ),
        (
            through(refused, check("https://localhost/")),
            "the proxy: Connection refused",
        ),
        (
            through(refused, check("http://localhost/")),
            "the proxy: Connection refused",
        ),
    ] {
        let seen = observe(&context(), &spec).await;
        assert_eq!(verdict(&seen), "error proxy", "{seen:?}");
        assert!(seen.detail.starts_with(words), "{}", seen.detail);
    }
    // One that speaks something else, and one that says nothing.
    let other = Nginx::start(
        "server { listen 127.0.0.1:@port@ http2; return 200; }",
        &[],
        None,
    )
    .await;
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent_port = silent.local_addr().unwrap().port();
    let spec = through(silent_port, check_within("https://localhost/", 300));
    let seen = observe(&context(), &spec).await;
    assert_eq!(seen.detail, "the proxy: it did not answer in time");
    let seen = observe(
        &context(),
        &through(other.port(), check("https://localhost/")),
    )
    .await;
    assert_eq!(verdict(&seen), "error proxy", "{seen:?}");
}

#[tokio::test]
async fn the_policy_holds_for_the_proxy_and_for_what_is_asked_through_it() {
    let denying = |network: &str| {
        let resolver = Arc::new(Resolver::with_servers(&[], ""));
        let policy = AddressPolicy::parse(&[], &[network], false).unwrap();
        ProbeContext::new(resolver, policy, &Trust::native()).unwrap()
    };
    let proxy = tinyproxy(1).await;
    for (context, url) in [
        (denying("127.0.0.1/32"), "http://site.test/"),
        (denying("10.0.0.0/8"), "http://10.1.2.3/"),
        (context(), "https://169.254.169.254/"),
    ] {
        let seen = observe(&context, &through(proxy.port, check(url))).await;
        assert_eq!(verdict(&seen), "error blocked_by_policy", "{url}: {seen:?}");
    }
}
