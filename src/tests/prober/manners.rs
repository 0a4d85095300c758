//! What a site sees of us: the request, the redirects, the close.

use std::sync::{Arc, Mutex};

use lokahi::egress::policy::AddressPolicy;
use lokahi::egress::resolver::Resolver;
use lokahi::egress::tls::Trust;
use lokahi::files::secrets::Secrets;
use lokahi::model::check::{Assert, CheckSpec, Method};
use lokahi::model::dial::{Close, IpFamily, Redirects};
use lokahi::model::observation::Phases;
use lokahi::model::secret::{Piece, Text};
use lokahi::prober::probe::ProbeContext;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::site::{OK, Site, request};
use super::{GENEROUS, allowed, check, context, observe, observe_as, verdict};

/// A site that keeps the heads of requests and answers them all alike.
pub(super) async fn recording(answer: String) -> (Site, Arc<Mutex<Vec<String>>>) {
    let heads = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&heads);
    let answer: &'static str = answer.leak();
    let site = Site::start(move |mut stream: TcpStream| {
        let kept = Arc::clone(&kept);
        async move {
            let head = request(&mut stream).await;
            kept.lock().unwrap().push(head);
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    })
    .await;
    (site, heads)
}

pub(super) fn redirect(status: u16, to: &str) -> String {
    format!("HTTP/1.1 {status} Go\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n")
}

#[tokio::test]
async fn the_request_says_who_asks() {
    let (site, heads) = recording(OK.into()).await;
    let spec = CheckSpec {
        method: Method::Post,
        headers: vec![("X-Api-Key".into(), "s".into())],
        body: "ping".into(),
        ..check(&format!("{}a?b=c#d", site.url()))
    };
    assert_eq!(verdict(&observe(&context(), &spec).await), "up");
    let head = heads.lock().unwrap().remove(0);
    let expected = format!(
        "POST /a?b=c HTTP/1.1\r\nX-Api-Key: s\r\nUser-Agent: lokahi/{} \
         (+https://github.com/Xe/lokahi)\r\nAccept: */*\r\nConnection: close\r\nHost: {}\r\n\
         Content-Length: 4\r\nX-Lokahi-Check: 00000000-0000-0000-0000-000000000007\r\n\r\nping",
        env!("CARGO_PKG_VERSION"),
        site.address,
    );
    assert_eq!(head, expected);
}

#[tokio::test]
async fn a_redirect_that_is_not_followed_is_the_answer() {
    let (end, heads) = recording(OK.into()).await;
    let (start, _) = recording(redirect(302, &end.url())).await;
    let spec = CheckSpec {
        redirects: Redirects {
            followed: false,
            ..Redirects::default()
        },
        asserts: vec![Assert {
            status: vec!["302".parse().unwrap()],
            header: [("location".to_owned(), end.url())].into(),
            ..Assert::default()
        }],
        ..check(&start.url())
    };
    assert_eq!(verdict(&observe(&context(), &spec).await), "up");
    assert!(heads.lock().unwrap().is_empty());
}

#[tokio::test]
async fn each_hop_has_its_phases_and_all_have_them_together() {
    let (end, _) = recording(OK.into()).await;
    let (second, _) = recording(redirect(302, &format!("{}b?token=x#y", end.url()))).await;
    let (first, _) = recording(redirect(301, &second.url())).await;
    let seen = observe(&context(), &check(&format!("{}a?b=c", first.url()))).await;
    assert_eq!(verdict(&seen), "up", "{seen:?}");
    let hops: Vec<_> = seen.hops.iter().collect();
    let asked = hops.iter().map(|hop| (hop.status, hop.url.clone()));
    assert_eq!(
        asked.collect::<Vec<_>>(),
        [
            (301, format!("{}a", first.url())),
            (302, second.url()),
            (200, format!("{}b", end.url())),
        ]
    );
    let addresses: Vec<_> = hops.iter().map(|hop| hop.address.clone()).collect();
    let dialled = [&first, &second, &end].map(|site| site.address.to_string());
    assert_eq!(addresses, dialled);
    let sum = hops.iter().fold(Phases::default(), |sum, hop| {
        let phases = hop.phases;
        for phase in [phases.connect, phases.write, phases.first_byte] {
            assert!(!phase.is_zero() && phase <= phases.total, "{seen:?}");
        }
        sum.then(phases)
    });
    assert!(sum.total <= seen.phases.total, "{seen:?}");
    let total = seen.phases.total;
    assert_eq!(Phases { total, ..sum }, seen.phases);

    // Who follows none has one hop, and needs no list for that.
    assert_eq!(observe(&context(), &check(&end.url())).await.hops, []);
}

#[tokio::test]
async fn a_hop_without_an_answer_is_one_too() {
    let closed = Site::saying(OK).await.address;
    let to = format!("http://{closed}/");
    let (start, _) = recording(redirect(302, &to)).await;
    let seen = observe(&context(), &check(&start.url())).await;
    assert_eq!(verdict(&seen), "error connect_refused", "{seen:?}");
    // Of the probe as a whole the last answer is told, and who was dialled last.
    assert_eq!((seen.status, seen.address), (302, closed.to_string()));
    let hops = seen.hops.iter().map(|hop| (hop.status, hop.url.clone()));
    assert_eq!(hops.collect::<Vec<_>>(), [(302, start.url()), (0, to)]);
    assert!(seen.hops[1].phases.first_byte.is_zero());

    let circle = Site::saying(redirect(302, "/x")).await;
    let seen = observe(&context(), &check(&circle.url())).await;
    assert_eq!(seen.hops.len(), 2, "{seen:?}");
}

#[tokio::test]
async fn what_a_hop_is_called_is_short_and_says_no_secret() {
    let (end, _) = recording(OK.into()).await;
    let to = format!("{}{}", end.url(), "s3cret/".repeat(100));
    let (start, _) = recording(redirect(302, &to)).await;
    let headers = vec![(
        "x-key".to_owned(),
        Text::new([Piece::Secret("tok".parse().unwrap())]),
    )];
    let spec = CheckSpec {
        headers,
        ..check(&start.url())
    };
    let secrets = Secrets::with_variables(None, |name| {
        (name == "LOKAHI_SECRET_TOK").then(|| "s3cret".into())
    });
    let context = context().with_secrets(secrets);
    let seen = observe_as(&context, &spec, &allowed()).await;
    assert_eq!(verdict(&seen), "up", "{seen:?}");
    let url = &seen.hops[1].url;
    assert!(url.starts_with(&format!("{}[secret]/", end.url())), "{url}");
    assert!(!url.contains("s3cret") && url.len() <= 200, "{url}");
}

#[tokio::test]
async fn no_more_redirects_are_followed_than_the_check_allows() {
    let (end, _) = recording(OK.into()).await;
    let (second, _) = recording(redirect(302, &end.url())).await;
    let (first, _) = recording(redirect(302, &second.url())).await;
    for (most, expected) in [(1, "error too_many_redirects"), (2, "up")] {
        let redirects = Redirects {
            most,
            ..Redirects::default()
        };
        let spec = CheckSpec {
            redirects,
            ..check(&first.url())
        };
        assert_eq!(verdict(&observe(&context(), &spec).await), expected);
    }
}

#[tokio::test]
async fn connect_to_goes_elsewhere_and_asks_for_the_same() {
    let (site, heads) = recording(OK.into()).await;
    let spec = CheckSpec {
        connect_to: Some(site.address.to_string().parse().unwrap()),
        ..check("http://shop.example.com:8080/a")
    };
    let observation = observe(&context(), &spec).await;
    assert_eq!(verdict(&observation), "up", "{observation:?}");
    assert_eq!(observation.address, site.address.to_string());
    let head = heads.lock().unwrap().remove(0);
    assert!(head.contains("Host: shop.example.com:8080\r\n"), "{head}");
}

#[tokio::test]
async fn connect_to_is_for_its_own_host_alone() {
    let (end, _) = recording(OK.into()).await;
    let (start, _) = recording(redirect(302, &end.url())).await;
    let spec = CheckSpec {
        connect_to: Some(start.address.to_string().parse().unwrap()),
        ..check("http://shop.example.com/")
    };
    let observation = observe(&context(), &spec).await;
    assert_eq!(observation.address, end.address.to_string());
    assert_eq!(verdict(&observation), "up", "{observation:?}");
}

#[tokio::test]
async fn an_address_of_the_wrong_family_is_not_tried() {
    let (site, _) = recording(OK.into()).await;
    let resolver = Resolver::with_servers(&[], "127.0.0.1 site.test\n::1 site.test\n");
    let context =
        ProbeContext::new(resolver.into(), AddressPolicy::default(), &Trust::native()).unwrap();
    let port = site.address.port();
    let of = |family| CheckSpec {
        ip_family: Some(family),
        ..check(&format!("http://site.test:{port}/"))
    };
    let four = observe(&context, &of(IpFamily::V4)).await;
    assert_eq!(four.address, format!("127.0.0.1:{port}"));
    let six = observe(&context, &of(IpFamily::V6)).await;
    assert_eq!(six.address, format!("[::1]:{port}"));

    let only = Resolver::with_servers(&[], "127.0.0.1 site.test\n");
    let context =
        ProbeContext::new(only.into(), AddressPolicy::default(), &Trust::native()).unwrap();
    let none = observe(&context, &of(IpFamily::V6)).await;
    assert_eq!(verdict(&none), "error dns_nxdomain");
    assert_eq!(none.detail, "site.test has no IPv6 address");
}

#[tokio::test]
async fn a_redirect_takes_no_secret_to_another_origin() {
    let (end, heads) = recording(OK.into()).await;
    let (start, _) = recording(redirect(307, &end.url())).await;
    let headers = [
        "Authorization",
        "Cookie",
        "Proxy-Authorization",
        "X-Api-Key",
        "Accept",
    ];
    let spec = CheckSpec {
        headers: headers
            .map(|name| (name.to_owned(), "secret".into()))
            .into(),
        ..check(&start.url())
    };
    let observation = observe(&context(), &spec).await;
    assert_eq!(verdict(&observation), "up", "{observation:?}");
    assert_eq!(observation.address, end.address.to_string());
    let head = heads.lock().unwrap().remove(0);
    assert_eq!(head.matches("secret").count(), 1, "{head}");
    assert!(head.contains("Accept: secret\r\n"), "{head}");
}

#[tokio::test]
async fn redirects_in_a_circle_or_without_end_are_given_up() {
    let circle = Site::saying(redirect(302, "/")).await;
    let observation = observe(&context(), &check(&circle.url())).await;
    assert_eq!(verdict(&observation), "error too_many_redirects");
    assert!(
        observation.detail.contains("circle"),
        "{}",
        observation.detail
    );

    let count = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&count);
    let endless = Site::start(move |mut stream: TcpStream| {
        *counted.lock().unwrap() += 1;
        let answer = redirect(302, &format!("/{}", counted.lock().unwrap()));
        async move {
            request(&mut stream).await;
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    })
    .await;
    let observation = observe(&context(), &check(&endless.url())).await;
    assert_eq!(verdict(&observation), "error too_many_redirects");
    assert_eq!(*count.lock().unwrap(), 11);
}

#[tokio::test]
async fn the_body_of_the_last_answer_is_what_counts() {
    let end = Site::saying(OK).await;
    let start = Site::saying(format!(
        "HTTP/1.1 301 Moved\r\nLocation: {}\r\nContent-Length: 5\r\n\r\nfirst",
        end.url()
    ))
    .await;
    let spec = |text: &str| CheckSpec {
        asserts: vec![Assert {
            label: "page".into(),
            body_contains: vec![text.into()],
            ..Assert::success()
        }],
        ..check(&start.url())
    };
    assert_eq!(verdict(&observe(&context(), &spec("all ok")).await), "up");
    let observation = observe(&context(), &spec("first")).await;
    assert_eq!(
        observation.detail,
        "assert \"page\": body does not contain \"first\""
    );
}

#[tokio::test]
async fn a_server_that_closes_first_sees_an_orderly_end() {
    let (tell, mut ends) = mpsc::unbounded_channel();
    let site = Site::start(move |mut stream: TcpStream| {
        let tell = tell.clone();
        async move {
            let port = stream.peer_addr().unwrap().port();
            request(&mut stream).await;
            stream.write_all(OK.as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
            let end = stream
                .read(&mut [0; 16])
                .await
                .map_err(|error| error.kind());
            tell.send((end, port)).unwrap();
        }
    })
    .await;
    let context = context();
    let mut ports = Vec::new();
    for _ in 0..20 {
        let observation = observe(&context, &check(&site.url())).await;
        assert_eq!(verdict(&observation), "up");
        let end = tokio::time::timeout(GENEROUS, ends.recv()).await.unwrap();
        let (end, port) = end.unwrap();
        assert_eq!(end, Ok(0));
        ports.push(port);
    }
    // Nothing waits on our side: the port is free for the next probe.
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let ours = |fields: &[&str]| {
        let remote = format!(":{:04X}", site.address.port());
        let local = |port: &u16| fields[1].ends_with(&format!(":{port:04X}"));
        fields[2].ends_with(&remote) && ports.iter().any(local)
    };
    let waiting = table.lines().filter(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        fields[3] == "06" && ours(&fields)
    });
    assert_eq!(waiting.count(), 0);
}

#[tokio::test]
async fn a_server_that_does_not_close_is_left_by_a_reset() {
    let (tell, mut ends) = mpsc::unbounded_channel();
    let site = Site::start(move |mut stream: TcpStream| {
        let tell = tell.clone();
        async move {
            request(&mut stream).await;
            stream.write_all(OK.as_bytes()).await.unwrap();
            let end = stream
                .read(&mut [0; 16])
                .await
                .map_err(|error| error.kind());
            tell.send(end).unwrap();
        }
    })
    .await;
    let observation = observe(&context(), &check(&site.url())).await;
    assert_eq!(verdict(&observation), "up");
    let end = tokio::time::timeout(GENEROUS, ends.recv()).await.unwrap();
    assert_eq!(end, Some(Err(std::io::ErrorKind::ConnectionReset)));
}

#[tokio::test]
async fn whoever_wants_a_reset_waits_for_nobody() {
    let (tell, mut ends) = mpsc::unbounded_channel();
    let site = Site::start(move |mut stream: TcpStream| {
        let tell = tell.clone();
        async move {
            request(&mut stream).await;
            stream.write_all(OK.as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
            let end = stream.read(&mut [0; 16]).await;
            tell.send(end.map_err(|error| error.kind())).unwrap();
        }
    })
    .await;
    for (close, expected) in [
        (Close::Normal, Ok(0)),
        (Close::Reset, Err(std::io::ErrorKind::ConnectionReset)),
    ] {
        let spec = CheckSpec {
            close,
            ..check(&site.url())
        };
        assert_eq!(verdict(&observe(&context(), &spec).await), "up");
        let end = tokio::time::timeout(GENEROUS, ends.recv()).await.unwrap();
        assert_eq!(end, Some(expected), "{close}");
    }
}
