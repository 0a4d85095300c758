//! Connections that a check keeps, as nginx and nghttp2's server count them: over both versions
//! of HTTP, over TLS, through a proxy, with a certificate of ours.

use lokahi::model::check::{CheckSpec, Method};
use lokahi::model::dial::HttpVersion;
use lokahi::model::observation::Observation;
use lokahi::model::tls::TlsSpec;
use lokahi::prober::probe::ProbeContext;

use super::super::reuse::kept;
use super::super::{context, observe, verdict};
use super::authority::Authority;
use super::proxy::{through, tinyproxy};
use super::site::Nginx;

const SERVERS: &str = "
ssl_certificate cert.pem;
ssl_certificate_key key.pem;
server {
  listen 127.0.0.1:@port@ ssl http2;
  location / { return 200 'fine'; }
  location /moved { return 301 /; }
  location /packed { alias site/page; gzip on; gzip_types *; }
  location /chunks { alias site/page; ssi on; ssi_types *; }
  location /long { alias site/long; }
}
";

async fn probes(context: &ProbeContext, spec: &CheckSpec, count: usize) -> Vec<Observation> {
    let mut all = Vec::new();
    for _ in 0..count {
        let seen = observe(context, spec).await;
        assert_eq!(verdict(&seen), "up", "{seen:?}");
        all.push(seen);
    }
    all
}

/// Which request of its connection each of these was.
async fn nths(nginx: &Nginx, requests: usize) -> Vec<String> {
    let lines = nginx.seen(requests).await;
    let nth = |line: &String| {
        let (_, rest) = line.split_once("|nth=").unwrap();
        rest.split('|').next().unwrap().to_owned()
    };
    lines.iter().map(nth).collect()
}

fn reused(all: &[Observation]) -> Vec<bool> {
    all.iter().map(|seen| seen.reused).collect()
}

#[tokio::test]
async fn a_check_keeps_its_connection_where_it_says_so() {
    let ours = Authority::new("ours");
    let identity = ours.identity("DNS:localhost");
    for (listen, scheme, version) in [
        ("", "http", HttpVersion::V1_1),
        ("http2", "http", HttpVersion::V2),
        ("ssl", "https", HttpVersion::V1_1),
        ("ssl http2", "https", HttpVersion::V2),
    ] {
        let servers = SERVERS.replace("ssl http2", listen);
        let page = b"all is well".repeat(100_000);
        let files: [(&str, &[u8]); 2] = [("page", &page[..500_000]), ("long", &page)];
        let nginx = Nginx::start(&servers, &files, Some(&identity)).await;
        let of = |path: &str| {
            let spec = match scheme {
                "http" => nginx.http(path),
                _ => nginx.https(path),
            };
            kept(CheckSpec {
                http_version: Some(version),
                tls: ours.trusted(),
                ..spec
            })
        };
        let context = context();
        let all = probes(&context, &of("/"), 3).await;
        let what = format!("{scheme} {version} {all:#?}");
        assert_eq!(reused(&all), [false, true, true], "{what}");
        for (number, seen) in all.iter().enumerate() {
            let phases = seen.phases;
            assert_eq!(phases.connect.is_zero(), number > 0, "{what}");
            assert_eq!(
                phases.tls.is_zero(),
                number > 0 || scheme == "http",
                "{what}"
            );
            assert!(phases.dns.is_zero() || number == 0, "{what}");
            assert!(!phases.first_byte.is_zero(), "{what}");
            assert_eq!(seen.address, all[0].address);
            assert_eq!(seen.certificate_not_after, all[0].certificate_not_after);
            assert_eq!(seen.certificate_not_after.is_some(), scheme == "https");
        }
        assert_eq!(nths(&nginx, 3).await, ["1", "2", "3"], "{what}");

        // Where a body ends is found whatever it comes as. Another spec begins anew.
        for path in ["/packed", "/chunks"] {
            let mut spec = of(path);
            spec.headers = vec![("accept-encoding".into(), "gzip".into())];
            assert_eq!(reused(&probes(&context, &spec, 2).await), [false, true]);
        }
        // What was not read to its end cannot be asked again, and is no failure.
        assert_eq!(reused(&probes(&context, &of("/long"), 2).await), [false; 2]);
        // Within one probe, too.
        let moved = probes(&context, &of("/moved"), 2).await;
        let hops = moved.iter().flat_map(|seen| &seen.hops);
        let hops: Vec<_> = hops.map(|hop| (hop.status, hop.reused)).collect();
        let expected = [(301, false), (200, true), (301, true), (200, true)];
        assert_eq!(hops, expected, "{what}");
        let lines = nths(&nginx, 13).await;
        assert_eq!(lines[9..], ["1", "2", "3", "4"], "{what}");

        // What may not be done twice is asked over a connection of its own, which ends with it.
        let post = CheckSpec {
            method: Method::Post,
            ..of("/")
        };
        assert_eq!(reused(&probes(&context, &post, 2).await), [false; 2]);
        assert_eq!(nths(&nginx, 15).await[13..], ["1", "1"]);
        assert_eq!(nginx.complaints(), "");
    }
}

#[tokio::test]
async fn a_site_that_has_had_enough_is_asked_over_a_new_connection() {
    let ours = Authority::new("ours");
    let identity = ours.identity("DNS:localhost");
    for version in [HttpVersion::V1_1, HttpVersion::V2] {
        // It says so: by a header, or by a GOAWAY.
        let servers = format!("keepalive_requests 2;{SERVERS}");
        let nginx = Nginx::start(&servers, &[], Some(&identity)).await;
        let spec = kept(CheckSpec {
            http_version: Some(version),
            tls: ours.trusted(),
            ..nginx.https("/")
        });
        let all = probes(&context(), &spec, 5).await;
        assert_eq!(reused(&all), [false, true, false, true, false], "{version}");
        let expected = ["1", "2", "1", "2", "1"];
        assert_eq!(nths(&nginx, 5).await, expected, "{version}");
        assert_eq!(nginx.complaints(), "");
    }
}

#[tokio::test]
async fn a_way_through_a_proxy_is_kept_too() {
    let ours = Authority::new("ours");
    let tls = Nginx::start(SERVERS, &[], Some(&ours.identity("DNS:localhost"))).await;
    let proxy = tinyproxy(tls.port()).await;
    for (version, requests) in [(HttpVersion::V1_1, 3), (HttpVersion::V2, 6)] {
        let spec = kept(CheckSpec {
            http_version: Some(version),
            tls: ours.trusted(),
            ..tls.https("/")
        });
        let all = probes(&context(), &through(proxy.port, spec), 3).await;
        assert_eq!(reused(&all), [false, true, true]);
        let place = format!("127.0.0.1:{}", proxy.port);
        assert!(all.iter().all(|seen| seen.address == place));
        let nths = nths(&tls, requests).await;
        assert_eq!(nths[requests - 3..], ["1", "2", "3"]);
    }
}

#[tokio::test]
async fn who_shows_a_certificate_keeps_the_connection_as_long_as_it_has_that_key() {
    let ours = Authority::new("ours");
    let servers = "
server {
  listen 127.0.0.1:@port@ ssl;
  ssl_certificate cert.pem;
  ssl_certificate_key key.pem;
  ssl_client_certificate site/clients.pem;
  ssl_verify_client on;
  return 200;
}";
    let pem = ours.pem();
    let files: [(&str, &[u8]); 1] = [("clients.pem", pem.as_bytes())];
    let nginx = Nginx::start(servers, &files, Some(&ours.identity("DNS:localhost"))).await;
    let (one, other) = (ours.identity("DNS:lokahi"), ours.identity("DNS:lokahi"));
    let with = |client: &super::authority::Identity| {
        kept(CheckSpec {
            tls: TlsSpec {
                certificate: Some(client.certificate.parse().unwrap()),
                key: Some(client.key.as_str().into()),
                ..ours.trusted()
            },
            ..nginx.https("/")
        })
    };
    let context = context();
    assert_eq!(
        reused(&probes(&context, &with(&one), 2).await),
        [false, true]
    );
    assert_eq!(
        reused(&probes(&context, &with(&other), 2).await),
        [false, true]
    );
    let lines = nginx.seen(4).await;
    assert!(lines.iter().all(|line| line.contains("|client=SUCCESS|")));
    assert_eq!(nths(&nginx, 4).await, ["1", "2", "1", "2"]);
}
