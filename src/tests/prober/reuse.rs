//! Connections that a check keeps, from sites that end them when they like, and what ends them
//! on our side.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use lokahi::clock;
use lokahi::model::check::{Assert, CheckSpec, Every};
use lokahi::model::id::CheckId;
use lokahi::model::observation::Observation;
use lokahi::model::secret::SecretUse;
use lokahi::prober::probe::{ProbeContext, probe};
use rcgen::CertificateParams;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

use super::authority::{Authority, config_of};
use super::site::{Site, request};
use super::{GENEROUS, check, context, observe, verdict};
use crate::support::until;

/// An answer after which more may be asked.
pub(super) const MORE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nall ok";

/// The same for a check that keeps its connection.
pub(crate) fn kept(spec: CheckSpec) -> CheckSpec {
    CheckSpec {
        every: Every::from_seconds(30).unwrap(),
        reuse_connection: true,
        ..spec
    }
}

/// What a site says of its connections.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Heard {
    Opened,
    Asked,
    Ended,
}

/// A site that answers until it is left, and tells of it.
pub(crate) async fn patient() -> (Site, mpsc::UnboundedReceiver<Heard>) {
    let (tell, told) = mpsc::unbounded_channel();
    let site = Site::start(move |mut stream: TcpStream| {
        let tell = tell.clone();
        async move { serve(&mut stream, MORE, &tell).await }
    })
    .await;
    (site, told)
}

async fn serve(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    answer: &str,
    tell: &mpsc::UnboundedSender<Heard>,
) {
    tell.send(Heard::Opened).ok();
    while !request(stream).await.is_empty() {
        tell.send(Heard::Asked).ok();
        stream.write_all(answer.as_bytes()).await.unwrap();
    }
    tell.send(Heard::Ended).ok();
}

pub(crate) async fn heard(told: &mut mpsc::UnboundedReceiver<Heard>, expected: &[Heard]) {
    for (number, expected) in expected.iter().enumerate() {
        let next = tokio::time::timeout(GENEROUS, told.recv()).await;
        assert_eq!(next.unwrap(), Some(*expected), "{number}");
    }
}

async fn seen_of(context: &ProbeContext, spec: &CheckSpec, check: u128) -> Observation {
    let id = CheckId(uuid::Uuid::from_u128(check));
    let who = SecretUse::bound("shop");
    let probe = probe(context, spec, id, clock::now(), &who);
    tokio::time::timeout(GENEROUS, probe).await.unwrap()
}

#[tokio::test]
async fn each_check_has_its_own_and_who_is_none_has_none() {
    use Heard::{Asked, Ended, Opened};
    let (site, mut told) = patient().await;
    let context = context();
    let spec = kept(check(&site.url()));
    for (check, expected) in [
        (1, &[Opened, Asked][..]),
        (2, &[Opened, Asked]),
        (1, &[Asked]),
        (2, &[Asked]),
        // A probe on behalf of no check, as over the API.
        (0, &[Opened, Asked, Ended]),
    ] {
        let seen = seen_of(&context, &spec, check).await;
        assert_eq!(verdict(&seen), "up");
        assert_eq!(seen.reused, expected == [Asked]);
        heard(&mut told, expected).await;
    }
}

#[tokio::test]
async fn an_edit_ends_what_was_kept_and_so_does_the_end_of_the_wish() {
    use Heard::{Asked, Ended, Opened};
    let (site, mut told) = patient().await;
    let context = context();
    let spec = kept(check(&site.url()));
    let edited = CheckSpec {
        headers: vec![("x-a".into(), "1".into())],
        ..spec.clone()
    };
    let fresh = CheckSpec {
        reuse_connection: false,
        ..edited.clone()
    };
    for spec in [&spec, &edited] {
        assert!(!observe(&context, spec).await.reused);
        assert!(observe(&context, spec).await.reused);
    }
    heard(
        &mut told,
        &[Opened, Asked, Asked, Ended, Opened, Asked, Asked],
    )
    .await;
    assert!(!observe(&context, &fresh).await.reused);
    let mut ended = 0;
    while ended < 2 {
        let next = tokio::time::timeout(GENEROUS, told.recv()).await;
        ended += usize::from(next.unwrap() == Some(Ended));
    }
}

#[tokio::test]
async fn a_check_that_is_not_well_begins_anew() {
    use Heard::{Asked, Ended, Opened};
    let (site, mut told) = patient().await;
    let context = context();
    let contains = |text: &str| {
        vec![Assert {
            body_contains: vec![text.to_owned()],
            ..Assert::default()
        }]
    };
    let down = kept(CheckSpec {
        asserts: contains("none"),
        ..check(&site.url())
    });
    let degraded = kept(CheckSpec {
        warns: contains("none"),
        ..check(&site.url())
    });
    for (spec, expected) in [(down, "down"), (degraded, "up")] {
        for _ in 0..2 {
            let seen = observe(&context, &spec).await;
            assert_eq!((verdict(&seen).as_str(), seen.reused), (expected, false));
            heard(&mut told, &[Opened, Asked, Ended]).await;
        }
    }
}

#[tokio::test]
async fn a_connection_that_the_site_has_ended_is_no_failure() {
    // How each of its connections ends: while nobody asks; once it is asked, in order or by a
    // reset, or with the words that it has waited for long enough, or is not whom to ask; with
    // words that nobody has asked for; never.
    const ENDS: [&str; 7] = [
        "idle",
        "asked",
        "reset",
        "late",
        "elsewhere",
        "words",
        "never",
    ];
    let number = Arc::new(Mutex::new(0));
    let site = Site::start(move |mut stream: TcpStream| {
        let end = ENDS[*number.lock().unwrap()];
        *number.lock().unwrap() += 1;
        async move {
            request(&mut stream).await;
            let more = match end {
                "words" => format!("{MORE}HTTP/1.1 408 Late\r\n\r\n"),
                _ => MORE.to_owned(),
            };
            stream.write_all(more.as_bytes()).await.unwrap();
            if end == "idle" {
                return;
            }
            request(&mut stream).await;
            match end {
                "reset" => stream.set_zero_linger().unwrap(),
                "late" => {
                    let late = "HTTP/1.1 408 Late\r\nContent-Length: 0\r\n\r\n";
                    stream.write_all(late.as_bytes()).await.unwrap();
                }
                "elsewhere" => {
                    let misdirected = "HTTP/1.1 421 Misdirected\r\nContent-Length: 0\r\n\r\n";
                    stream.write_all(misdirected.as_bytes()).await.unwrap();
                    // It would take more, and is asked nothing.
                    let more = stream.read(&mut [0]).await;
                    assert!(matches!(more, Ok(0) | Err(_)), "{more:?}");
                }
                "never" => {
                    stream.write_all(MORE.as_bytes()).await.unwrap();
                    request(&mut stream).await;
                }
                _ => {}
            }
        }
    })
    .await;
    let context = context();
    let spec = kept(check(&site.url()));
    let mut reused = Vec::new();
    for _ in 0..ENDS.len() + 1 {
        let seen = observe(&context, &spec).await;
        assert_eq!(verdict(&seen), "up", "{seen:?}");
        // A new connection has its own phases, and those alone.
        assert_eq!(seen.phases.connect.is_zero(), seen.reused, "{seen:?}");
        reused.push(seen.reused);
    }
    assert_eq!(
        reused,
        [false, false, false, false, false, false, false, true]
    );
}

#[tokio::test]
async fn what_is_no_answer_over_a_new_connection_is_none() {
    // The first answer is good, and there is none after it, however often it is asked.
    let first = Arc::new(Mutex::new(true));
    let site = Site::start(move |mut stream: TcpStream| {
        let answers = std::mem::replace(&mut *first.lock().unwrap(), false);
        async move {
            request(&mut stream).await;
            if answers {
                stream.write_all(MORE.as_bytes()).await.unwrap();
                request(&mut stream).await;
            }
        }
    })
    .await;
    let context = context();
    let spec = kept(check(&site.url()));
    assert_eq!(verdict(&observe(&context, &spec).await), "up");
    let seen = observe(&context, &spec).await;
    assert_eq!(
        (verdict(&seen).as_str(), seen.reused),
        ("error reset", false)
    );
}

#[tokio::test]
async fn the_end_of_the_answer_that_has_begun_is_the_site_s() {
    let site = Site::start(async |mut stream: TcpStream| {
        request(&mut stream).await;
        stream.write_all(MORE.as_bytes()).await.unwrap();
        request(&mut stream).await;
        let half = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nall";
        stream.write_all(half.as_bytes()).await.unwrap();
    })
    .await;
    let context = context();
    let spec = kept(check(&site.url()));
    assert_eq!(verdict(&observe(&context, &spec).await), "up");
    let seen = observe(&context, &spec).await;
    assert_eq!(
        (verdict(&seen).as_str(), seen.reused),
        ("error reset", true)
    );
}

#[tokio::test]
async fn a_certificate_that_ends_meanwhile_is_judged_anew() {
    use Heard::{Asked, Opened};
    let ours = Authority::new("ours");
    let context = ours.context();
    // It must be good for as long as the first two probes take.
    for seconds in [2, 8, 32] {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.not_after = clock::now() + Duration::from_secs(seconds);
        let acceptor = TlsAcceptor::from(Arc::new(config_of(&params, Some(&ours))));
        let (tell, mut told) = mpsc::unbounded_channel();
        let site = Site::start(move |stream: TcpStream| {
            let (tell, acceptor) = (tell.clone(), acceptor.clone());
            async move {
                if let Ok(mut stream) = acceptor.accept(stream).await {
                    serve(&mut stream, MORE, &tell).await;
                }
            }
        })
        .await;
        let url = format!("https://localhost:{}/", site.address.port());
        let spec = kept(check(&url));
        let both = [
            observe(&context, &spec).await,
            observe(&context, &spec).await,
        ];
        if both.iter().any(|seen| verdict(seen) != "up") {
            continue;
        }
        assert!(both[1].reused);
        heard(&mut told, &[Opened, Asked, Asked]).await;
        let ends = both[1].certificate_not_after.unwrap();
        assert_eq!(both[0].certificate_not_after, Some(ends));
        // It is good to the end of that second.
        let over = ends + Duration::from_secs(1);
        until("the certificate has ended", async || clock::now() >= over).await;
        let seen = observe(&context, &spec).await;
        assert_eq!(verdict(&seen), "error tls_expired", "{seen:?}");
        assert!(!seen.reused && seen.certificate_not_after == Some(ends));
        return;
    }
    panic!("half a minute was too short for two probes");
}
