//! nginx: statuses, redirects, bodies packed and in chunks, slow ones, connections that end
//! early, and what it sees of us.

use std::time::Duration;

use lokahi::model::auth::Auth;
use lokahi::model::check::{Assert, CheckSpec, Method};
use lokahi::model::dial::IpFamily;
use lokahi::model::observation::Observation;
use lokahi::model::tls::{TlsSpec, TlsVersion};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::super::site::{Site, request};
use super::super::{check, context, observe, verdict};
use super::authority::Authority;
use super::site::Nginx;

async fn seen(spec: &CheckSpec) -> Observation {
    observe(&context(), spec).await
}

fn line(observation: &Observation) -> String {
    format!("{} {}", verdict(observation), observation.status)
}

fn contains(text: &str) -> Vec<Assert> {
    let body_contains = vec![text.to_owned()];
    vec![Assert {
        body_contains,
        ..Assert::success()
    }]
}

fn with_header(spec: CheckSpec, name: &str, value: &str) -> CheckSpec {
    CheckSpec {
        headers: vec![(name.to_owned(), value.into())],
        ..spec
    }
}

/// A text that packs well, with a word at its end.
fn page(length: usize) -> Vec<u8> {
    let mut page = b"all is well, and so it goes on\n".repeat(length / 31);
    page.extend_from_slice(b"the very end");
    page
}

const PLAIN: &str = "
server {
  listen 127.0.0.1:@port@;
  gzip_min_length 1;
  location /status/ {
    location /status/200 { return 200 'fine'; }
    location /status/201 { return 201 'made'; }
    location /status/204 { return 204; }
    location /status/304 { return 304; }
    location /status/401 { return 401; }
    location /status/403 { deny all; }
    location /status/410 { return 410; }
    location /status/418 { return 418 'a pot'; }
    location /status/500 { return 500; }
    location /status/503 { return 503; }
  }
  location /moved/301 { return 301 /status/200; }
  location /moved/302 { return 302 http://localhost:@port@/status/200; }
  location /moved/303 { return 303 /status/201; }
  location /moved/307 { return 307 /moved/308; }
  location /moved/308 { return 308 status/503; }
  location /moved/status/503 { return 503; }
  location /circle { return 302 /circle; }
  location /spiral { return 302 $request_uri/spiral; }
  location /gopher { return 302 gopher://localhost/; }
  location /packed/ { alias site/; gzip on; gzip_types *; }
  location /chunks/ { alias site/; ssi on; ssi_types *; }
  location /slow/ { alias site/; limit_rate 16k; }
  location /drip/ { alias site/; limit_rate 1k; }
  location /locked { auth_basic 'here'; auth_basic_user_file users; }
}
";

#[tokio::test]
async fn each_status_is_what_it_says() {
    let nginx = Nginx::start(PLAIN, &[], None).await;
    let paths = [
        ("/status/200", "up 200"),
        ("/status/201", "up 201"),
        ("/status/204", "up 204"),
        ("/status/304", "down 304"),
        ("/status/401", "down 401"),
        ("/status/403", "down 403"),
        ("/status/404", "down 404"),
        ("/status/410", "down 410"),
        ("/status/418", "down 418"),
        ("/status/500", "down 500"),
        ("/status/503", "down 503"),
    ];
    for (path, expected) in paths {
        let observation = seen(&nginx.http(path)).await;
        assert_eq!(line(&observation), expected, "{path}: {observation:?}");
        assert_eq!(observation.address, format!("127.0.0.1:{}", nginx.port()));
    }
    // No probe asks twice, whatever it was told.
    assert_eq!(nginx.seen(paths.len()).await.len(), paths.len());
}

#[tokio::test]
async fn redirects_are_followed_to_their_end() {
    let nginx = Nginx::start(PLAIN, &[], None).await;
    for (path, expected) in [
        ("/moved/301", "up 200"),
        ("/moved/302", "up 200"),
        ("/moved/303", "up 201"),
        ("/moved/307", "down 503"),
        ("/circle", "error too_many_redirects 302"),
        ("/spiral", "error too_many_redirects 302"),
        ("/gopher", "error protocol 302"),
    ] {
        let observation = seen(&nginx.http(path)).await;
        assert_eq!(line(&observation), expected, "{path}: {observation:?}");
    }
}

#[tokio::test]
async fn a_body_may_come_packed_and_in_chunks() {
    let page = page(300_000);
    let nginx = Nginx::start(PLAIN, &[("page", &page)], None).await;
    for (path, coding, transfer) in [
        ("/page", None, None),
        ("/packed/page", None, None),
        ("/packed/page", Some("gzip"), Some("chunked")),
        ("/chunks/page", None, Some("chunked")),
    ] {
        let mut spec = nginx.http(path);
        if let Some(coding) = coding {
            spec = with_header(spec, "accept-encoding", coding);
        }
        let header = [
            ("content-encoding", coding),
            ("transfer-encoding", transfer),
        ];
        let header = header.into_iter().filter_map(|(name, value)| {
            let value = value?.to_owned();
            Some((name.to_owned(), value))
        });
        spec.asserts = vec![Assert {
            header: header.collect(),
            body_contains: vec!["all is well".into(), "the very end".into()],
            ..Assert::success()
        }];
        let observation = seen(&spec).await;
        assert_eq!(line(&observation), "up 200", "{path}: {observation:?}");
        spec.asserts = contains("the very end of it");
        let observation = seen(&spec).await;
        assert_eq!(line(&observation), "down 200", "{path}: {observation:?}");
    }
}

#[tokio::test]
async fn of_a_long_body_the_first_mebibyte_counts_packed_or_not() {
    let page = page(8 << 20);
    let nginx = Nginx::start(PLAIN, &[("page", &page)], None).await;
    for path in ["/page", "/packed/page"] {
        let spec = with_header(nginx.http(path), "accept-encoding", "gzip");
        let whole = seen(&spec).await;
        assert_eq!(line(&whole), "up 200", "{path}: {whole:?}");
        assert_eq!(whole.detail, "only the first 1 MiB of the body was read");
        let end = CheckSpec {
            asserts: contains("the very end"),
            ..spec
        };
        let end = seen(&end).await;
        assert_eq!(line(&end), "down 200", "{path}: {end:?}");
    }
}

#[tokio::test]
async fn a_slow_body_is_waited_for_until_the_deadline() {
    let page = page(40_000);
    let nginx = Nginx::start(PLAIN, &[("page", &page)], None).await;
    let whole = CheckSpec {
        asserts: contains("the very end"),
        ..nginx.http("/slow/page")
    };
    let whole = seen(&whole).await;
    assert_eq!(line(&whole), "up 200", "{whole:?}");
    assert!(
        whole.phases.transfer > Duration::from_millis(500),
        "{whole:?}"
    );
    let url = nginx.http("/drip/page").url.to_string();
    let late = seen(&super::super::check_within(&url, 2000)).await;
    assert_eq!(line(&late), "error transfer_timeout 200", "{late:?}");
    assert!(late.phases.total >= Duration::from_secs(2), "{late:?}");
}

#[tokio::test]
async fn a_connection_that_ends_before_its_answer_is_no_answer() {
    // What stands behind the proxy ends early.
    let behind = Site::start(async |mut stream: TcpStream| {
        let asked = request(&mut stream).await;
        let answer: &[u8] = if asked.starts_with("GET /nothing") {
            b""
        } else if asked.starts_with("GET /half") {
            b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf of it"
        } else {
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nhalf of it"
        };
        stream.write_all(answer).await.unwrap();
    })
    .await;
    let servers = format!(
        "server {{
          listen 127.0.0.1:@port@;
          proxy_buffering off;
          proxy_http_version 1.1;
          location / {{ proxy_pass http://{}; }}
          location /closed {{ return 444; }}
          location /away {{ proxy_pass http://127.0.0.1:1; }}
        }}",
        behind.address
    );
    let nginx = Nginx::start(&servers, &[], None).await;
    for (path, expected) in [
        ("/closed", "error reset 0"),
        ("/half", "error reset 200"),
        ("/chunk", "error reset 200"),
        // The proxy has an answer for these.
        ("/nothing", "down 502"),
        ("/away", "down 502"),
    ] {
        let observation = seen(&nginx.http(path)).await;
        assert_eq!(line(&observation), expected, "{path}: {observation:?}");
    }
}

#[tokio::test]
async fn a_password_opens_and_a_wrong_one_does_not() {
    let nginx = Nginx::start(PLAIN, &[("locked", b"treasure")], None).await;
    nginx.write("users", "ali:{PLAIN}open sesame\n");
    for (password, expected) in [("open sesame", "up 200"), ("open barley", "down 401")] {
        let auth = Auth::Basic {
            username: "ali".into(),
            password: password.into(),
        };
        let spec = CheckSpec {
            auth: Some(auth),
            ..nginx.http("/locked")
        };
        let observation = seen(&spec).await;
        assert_eq!(line(&observation), expected, "{observation:?}");
    }
}

#[tokio::test]
async fn methods_are_asked_as_they_are_declared() {
    let page = page(100_000);
    let servers = "
server {
  listen 127.0.0.1:@port@;
  client_max_body_size 1k;
  # Who passes a body on has read it.
  location /take { proxy_pass http://127.0.0.1:@port@/taken; }
  location /taken { return 200 'took $request_method $content_length'; }
}";
    let nginx = Nginx::start(servers, &[("page", &page)], None).await;
    for (method, path, body, expected) in [
        (Method::Head, "/page", "", "up 200"),
        (Method::Get, "/page", "", "up 200"),
        (Method::Post, "/page", "a", "down 405"),
        (Method::Delete, "/page", "", "down 405"),
        (Method::Options, "/page", "", "down 405"),
        (Method::Put, "/take", "putting", "up 200"),
        (Method::Patch, "/take", "", "up 200"),
        // Refused before it was read.
        (Method::Post, "/take", &"much ".repeat(10_000), "down 413"),
    ] {
        let spec = CheckSpec {
            method,
            body: body.into(),
            ..nginx.http(path)
        };
        let observation = seen(&spec).await;
        let what = format!("{method:?} {path}: {observation:?}");
        assert_eq!(line(&observation), expected, "{what}");
    }
    let post = CheckSpec {
        method: Method::Post,
        body: "ping".into(),
        asserts: contains("took POST 4"),
        ..nginx.http("/take")
    };
    assert_eq!(line(&seen(&post).await), "up 200");
    // The last one, and the last by itself, at which it was passed on.
    let lines = nginx.seen(12).await;
    let posted = lines.iter().filter(|line| line.ends_with("|body=ping"));
    assert_eq!(posted.count(), 1, "{lines:#?}");
}

const OVER_TLS: &str = "
ssl_certificate cert.pem;
ssl_certificate_key key.pem;
ssl_session_cache shared:sessions:1m;
ssl_session_tickets on;
server {
  listen 127.0.0.1:@port@ ssl;
  server_name localhost;
  location / { return 200 'the default'; }
}
server {
  listen 127.0.0.1:@port@ ssl;
  server_name shop.example.com;
  location / { return 200 'the shop'; }
}
";

#[tokio::test]
async fn each_probe_connects_and_shakes_hands_anew_and_leaves_in_order() {
    let ours = Authority::new("ours");
    let nginx = Nginx::start(OVER_TLS, &[], Some(&ours.identity("DNS:localhost"))).await;
    let spec = CheckSpec {
        tls: ours.trusted(),
        ..nginx.https("/")
    };
    let context = context();
    for _ in 0..10 {
        let observation = observe(&context, &spec).await;
        assert_eq!(line(&observation), "up 200", "{observation:?}");
        let phases = observation.phases;
        for phase in [phases.connect, phases.tls, phases.write, phases.first_byte] {
            assert!(!phase.is_zero(), "{phases:?}");
        }
        let end = observation.certificate_not_after.unwrap();
        assert_eq!((end.year(), end.ordinal()), (2100, 1));
    }
    let expected = format!(
        "GET / HTTP/1.1|200|whole=OK|reused=.|nth=1|tls=TLSv1.3|sni=localhost|client=NONE|\
         agent=lokahi/{} (+https://github.com/Xe/lokahi)|\
         check=00000000-0000-0000-0000-000000000007|connection=close|body=-",
        env!("CARGO_PKG_VERSION")
    );
    assert_eq!(nginx.seen(10).await, vec![expected; 10]);
    assert_eq!(nginx.complaints(), "");
}

#[tokio::test]
async fn one_address_has_many_sites() {
    let ours = Authority::new("ours");
    let identity = ours.identity("DNS:localhost,DNS:shop.example.com");
    let nginx = Nginx::start(OVER_TLS, &[], Some(&identity)).await;
    let here = format!("127.0.0.1:{}", nginx.port());
    for (host, text) in [
        ("localhost", "the default"),
        ("shop.example.com", "the shop"),
    ] {
        let spec = CheckSpec {
            connect_to: Some(here.parse().unwrap()),
            tls: ours.trusted(),
            asserts: contains(text),
            ..check(&format!("https://{host}/"))
        };
        let observation = seen(&spec).await;
        assert_eq!(line(&observation), "up 200", "{observation:?}");
        assert_eq!(observation.address, here);
    }
}

#[tokio::test]
async fn http_that_leads_to_https_is_followed_to_its_certificate() {
    let ours = Authority::new("ours");
    let secure = Nginx::start(OVER_TLS, &[], Some(&ours.identity("DNS:localhost"))).await;
    let servers = format!(
        "server {{
          listen 127.0.0.1:@port@;
          return 301 https://localhost:{}$request_uri;
        }}",
        secure.port()
    );
    let plain = Nginx::start(&servers, &[], None).await;
    let spec = CheckSpec {
        tls: ours.trusted(),
        ..plain.http("/a?b=c")
    };
    let observation = seen(&spec).await;
    assert_eq!(line(&observation), "up 200", "{observation:?}");
    assert!(observation.certificate_not_after.is_some());
    // Each hop has its own certificate, or none.
    let shown = observation.hops.iter().map(|hop| hop.certificate_not_after);
    let expected = [None, observation.certificate_not_after];
    assert_eq!(shown.collect::<Vec<_>>(), expected);
    assert!(observation.hops[0].phases.tls.is_zero());
    assert_eq!(observation.hops[1].phases.tls, observation.phases.tls);
    let asked = secure.seen(1).await.remove(0);
    assert!(asked.starts_with("GET /a?b=c HTTP/1.1|200|"), "{asked}");
}

#[tokio::test]
async fn a_certificate_of_ours_opens_what_wants_one() {
    let ours = Authority::new("ours");
    let servers = "
server {
  listen 127.0.0.1:@port@ ssl;
  ssl_certificate cert.pem;
  ssl_certificate_key key.pem;
  ssl_client_certificate site/clients.pem;
  ssl_verify_client on;
  ssl_protocols TLSv1.2;
  return 200;
}";
    let pem = ours.pem();
    let files: [(&str, &[u8]); 1] = [("clients.pem", pem.as_bytes())];
    let identity = ours.identity("DNS:localhost");
    let nginx = Nginx::start(servers, &files, Some(&identity)).await;
    let client = ours.identity("DNS:lokahi");
    let with = TlsSpec {
        certificate: Some(client.certificate.parse().unwrap()),
        key: Some(client.key.as_str().into()),
        ..ours.trusted()
    };
    let newer = TlsSpec {
        min_version: TlsVersion::V1_3,
        ..with.clone()
    };
    for (tls, expected) in [
        (with, "up 200"),
        (ours.trusted(), "down 400"),
        (newer, "error tls_handshake 0"),
    ] {
        let spec = CheckSpec {
            tls,
            ..nginx.https("/")
        };
        let observation = seen(&spec).await;
        assert_eq!(line(&observation), expected, "{observation:?}");
    }
    let lines = nginx.seen(2).await;
    assert!(lines[0].contains("|tls=TLSv1.2|"), "{lines:#?}");
    assert!(lines[0].contains("|client=SUCCESS|"), "{lines:#?}");
}

#[tokio::test]
async fn one_address_of_the_family_that_is_asked_for_is_dialled() {
    let nginx = Nginx::start("server { listen [::1]:@port@; return 200; }", &[], None).await;
    let url = format!("http://localhost:{}/", nginx.port());
    for (family, expected) in [
        (IpFamily::V6, "up 200"),
        (IpFamily::V4, "error connect_refused 0"),
    ] {
        let spec = CheckSpec {
            ip_family: Some(family),
            ..check(&url)
        };
        let observation = seen(&spec).await;
        assert_eq!(line(&observation), expected, "{observation:?}");
    }
}
