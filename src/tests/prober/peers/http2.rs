//! HTTP/2 as nginx speaks it and as nghttp2's server does, which tells each frame that it gets.

use lokahi::model::check::{Assert, CheckSpec, Method};
use lokahi::model::dial::HttpVersion;
use lokahi::model::observation::Observation;

use super::super::{check, context, observe, verdict};
use super::authority::Authority;
use super::site::Nginx;
use crate::support::folder::Folder;
use crate::support::peer::{Peer, Sign};
use crate::support::stranger::stranger;
use crate::support::until;

async fn seen(spec: &CheckSpec) -> String {
    line(&observe(&context(), spec).await)
}

fn line(observation: &Observation) -> String {
    format!("{} {}", verdict(observation), observation.status)
}

/// Up if that version was spoken.
fn speaking(version: &str) -> Vec<Assert> {
    vec![Assert {
        condition: Some(format!("response.http_version == \"{version}\"")),
        ..Assert::success()
    }]
}

const SERVERS: &str = "
ssl_certificate cert.pem;
ssl_certificate_key key.pem;
server {
  listen 127.0.0.1:@port@ ssl http2;
  location / { return 200 'fine'; }
  location /gone { return 410; }
  location /moved { return 301 /; }
  location /packed { alias site/page; gzip on; gzip_types *; }
  location /page { alias site/page; }
  location /echo { proxy_pass https://127.0.0.1:@port@/said; }
  location /said { return 200 'took $request_method $content_length'; }
}
";

#[tokio::test]
async fn the_version_is_the_one_that_both_speak() {
    let ours = Authority::new("ours");
    let identity = ours.identity("DNS:localhost");
    let two = Nginx::start(SERVERS, &[], Some(&identity)).await;
    let one = Nginx::start(&SERVERS.replace(" http2", ""), &[], Some(&identity)).await;
    for (nginx, wanted, version, expected) in [
        (&two, None, "2", "up 200"),
        (&two, Some(HttpVersion::V2), "2", "up 200"),
        (&two, Some(HttpVersion::V1_1), "1.1", "up 200"),
        (&one, None, "1.1", "up 200"),
        (&one, Some(HttpVersion::V1_1), "1.1", "up 200"),
        (&one, Some(HttpVersion::V2), "2", "error protocol 0"),
    ] {
        let spec = CheckSpec {
            http_version: wanted,
            tls: ours.trusted(),
            asserts: speaking(version),
            ..nginx.https("/")
        };
        let observation = observe(&context(), &spec).await;
        assert_eq!(line(&observation), expected, "{wanted:?}: {observation:?}");
        if expected.starts_with("error") {
            let detail = &observation.detail;
            assert!(detail.ends_with("the check asks for"), "{detail}");
        }
        assert!(wanted == Some(HttpVersion::V2) || observation.certificate_not_after.is_some());
    }
    assert_eq!(two.complaints() + &one.complaints(), "");
}

#[tokio::test]
async fn without_tls_it_is_begun_unasked() {
    let both = Nginx::start(
        "server { listen 127.0.0.1:@port@ http2; return 200; }",
        &[],
        None,
    )
    .await;
    let old = Nginx::start("server { listen 127.0.0.1:@port@; return 200; }", &[], None).await;
    for (nginx, expected) in [(&both, "up 200"), (&old, "error protocol 0")] {
        let spec = CheckSpec {
            http_version: Some(HttpVersion::V2),
            asserts: speaking("2"),
            ..nginx.http("/")
        };
        assert_eq!(seen(&spec).await, expected);
    }
}

#[tokio::test]
async fn what_holds_of_an_answer_holds_in_http2() {
    let mut page = b"all is well, and so it goes on\n".repeat(100_000);
    page.extend_from_slice(b"the very end");
    let ours = Authority::new("ours");
    let identity = ours.identity("DNS:localhost");
    let nginx = Nginx::start(SERVERS, &[("page", &page)], Some(&identity)).await;
    let contains = |text: &str| vec![text.to_owned()];
    for (path, method, body, text, expected) in [
        ("/", Method::Get, "", "fine", "up 200"),
        ("/", Method::Head, "", "", "up 200"),
        ("/gone", Method::Get, "", "", "down 410"),
        ("/moved", Method::Get, "", "fine", "up 200"),
        ("/packed", Method::Get, "", "all is well", "up 200"),
        ("/page", Method::Get, "", "the very end", "down 200"),
        ("/echo", Method::Post, "ping", "took POST 4", "up 200"),
        (
            "/echo",
            Method::Post,
            &"p".repeat(65_536),
            "took POST 65536",
            "up 200",
        ),
    ] {
        let spec = CheckSpec {
            http_version: Some(HttpVersion::V2),
            method,
            body: body.into(),
            headers: vec![("accept-encoding".into(), "gzip".into())],
            tls: ours.trusted(),
            asserts: vec![Assert {
                body_contains: contains(text),
                ..Assert::success()
            }],
            ..nginx.https(path)
        };
        let observation = observe(&context(), &spec).await;
        assert_eq!(line(&observation), expected, "{path}: {observation:?}");
    }
    assert_eq!(nginx.complaints(), "");
}

/// nghttp2's server, telling what it sees.
async fn nghttpd(arguments: &'static [&'static str], folder: Folder) -> Peer {
    folder.write("index.html", "fine");
    let server = move |_: &Folder, port: u16| {
        let mut command = stranger("nghttpd");
        command.args(["--verbose", "--address", "127.0.0.1", "--echo-upload"]);
        command.args(arguments.iter().filter(|it| it.starts_with("--")));
        command.arg(port.to_string());
        command.args(arguments.iter().filter(|it| !it.starts_with("--")));
        command
    };
    Peer::start(folder, Sign::Says("listen 127.0.0.1"), server).await
}

#[tokio::test]
async fn the_end_is_said_and_is_no_error() {
    let ours = Authority::new("ours");
    let folder = Folder::new();
    ours.identity("DNS:localhost").write(&folder);
    let over_tls = nghttpd(&["key.pem", "cert.pem"], folder).await;
    let plain = nghttpd(&["--no-tls"], Folder::new()).await;
    for (peer, scheme) in [(&over_tls, "https"), (&plain, "http")] {
        for (method, body) in [(Method::Get, ""), (Method::Post, "ping")] {
            let spec = CheckSpec {
                http_version: Some(HttpVersion::V2),
                method,
                body: body.into(),
                tls: ours.trusted(),
                ..check(&format!("{scheme}://localhost:{}/", peer.port))
            };
            let observation = observe(&context(), &spec).await;
            assert_eq!(line(&observation), "up 200", "{observation:?}");
        }
        until("both ends were said", async || {
            peer.words().matches("recv GOAWAY frame").count() == 2
        })
        .await;
        let words = peer.words();
        assert_eq!(
            words.matches("error_code=NO_ERROR(0x00)").count(),
            2,
            "{words}"
        );
        assert!(!words.contains("recv RST_STREAM"), "{words}");
        assert!(
            words.contains("recv (stream_id=1) :method: POST"),
            "{words}"
        );
        assert!(
            words.contains("x-lokahi-check: 00000000-0000-0000-0000-000000000007"),
            "{words}"
        );
    }
}
