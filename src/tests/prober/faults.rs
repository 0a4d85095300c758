//! Every way in which a site fails has its outcome and class, by its deadline, and while
//! some hang the others are probed.

use std::net::{SocketAddr, TcpStream as StdStream};
use std::time::Duration;

use lokahi::model::check::{Assert, CheckSpec};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::site::{OK, Site, drip, request};
use super::{GENEROUS, check, check_within, context, observe, verdict};

/// Short enough to wait for, long enough for a busy machine to get as far as the fault.
const DEADLINE: i64 = 2000;

async fn seen(site: &Site) -> String {
    seen_as(&check_within(&site.url(), DEADLINE)).await
}

async fn seen_as(spec: &CheckSpec) -> String {
    let observation = observe(&context(), spec).await;
    let line = format!("{} {}", verdict(&observation), observation.status);
    assert!(observation.phases.total < GENEROUS, "{line}");
    assert_eq!(
        observation.detail.is_empty(),
        line.starts_with("up"),
        "{observation:?}"
    );
    line
}

#[tokio::test]
async fn nobody_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    assert_eq!(seen_as(&check(&url)).await, "error connect_refused 0");
}

/// A listener whose queue is full, and what fills it.
fn full_queue() -> (TcpListener, Vec<StdStream>, SocketAddr) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    while let Ok(stream) = StdStream::connect_timeout(&address, Duration::from_millis(300)) {
        waiting.push(stream);
    }
    (listener, waiting, address)
}

#[tokio::test]
async fn no_connection_comes_about() {
    let (_listener, _waiting, address) = full_queue();
    let spec = check_within(&format!("http://{address}/"), DEADLINE);
    assert_eq!(seen_as(&spec).await, "error connect_timeout 0");
}

#[tokio::test]
async fn it_says_nothing() {
    let site = Site::start(async |mut stream: TcpStream| {
        request(&mut stream).await;
        std::future::pending().await
    })
    .await;
    assert_eq!(seen(&site).await, "error first_byte_timeout 0");
}

async fn drip_header(stream: &mut TcpStream) {
    request(stream).await;
    stream.write_all(b"HTTP/1.1 200 OK\r\nX: ").await.unwrap();
    drip(stream).await;
}

#[tokio::test]
async fn it_drips_a_header() {
    let site = Site::start(async |mut stream: TcpStream| {
        drip_header(&mut stream).await;
    })
    .await;
    assert_eq!(seen(&site).await, "error transfer_timeout 0");
}

#[tokio::test]
async fn it_drips_a_body() {
    let site = Site::start(async |mut stream: TcpStream| {
        request(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        drip(&mut stream).await;
    })
    .await;
    assert_eq!(seen(&site).await, "error transfer_timeout 200");
}

#[tokio::test]
async fn it_talks_nonsense_or_ends_early() {
    let huge = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "y".repeat(200_000));
    for (answer, expected) in [
        ("SSH-2.0-OpenSSH_9.6\r\n\r\n", "error protocol 0"),
        (
            "HTTP/1.1 999 No\r\nContent-Length: 0\r\n\r\n",
            "error protocol 0",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            "error protocol 200",
        ),
        ("", "error reset 0"),
        ("HTTP/1.1 200 OK\r\nContent-", "error reset 0"),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345",
            "error reset 200",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe",
            "error reset 200",
        ),
        (&huge, "error body_limit 0"),
        (
            "HTTP/1.1 302 Found\r\nLocation: gopher://a/\r\n\r\n",
            "error protocol 302",
        ),
        (
            "HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n",
            "down 302",
        ),
        (
            "HTTP/1.1 500 Oh\r\nContent-Length: 4\r\n\r\noops",
            "down 500",
        ),
        ("HTTP/1.0 200 OK\r\n\r\nuntil the end", "up 200"),
        ("HTTP/1.1 204 No Content\r\n\r\n", "up 204"),
        (OK, "up 200"),
    ] {
        let site = Site::saying(answer).await;
        let begin: String = answer.chars().take(60).collect();
        assert_eq!(seen(&site).await, expected, "{begin:?}");
    }
}

#[tokio::test]
async fn it_resets() {
    let site = Site::start(async |mut stream: TcpStream| {
        request(&mut stream).await;
        stream.set_zero_linger().unwrap();
    })
    .await;
    assert_eq!(seen(&site).await, "error reset 0");
}

#[tokio::test]
async fn a_slow_answer_is_an_answer() {
    let site = Site::start(async |mut stream: TcpStream| {
        request(&mut stream).await;
        for byte in OK.bytes() {
            stream.write_all(&[byte]).await.unwrap();
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
    let observation = observe(&context(), &check(&site.url())).await;
    assert_eq!(verdict(&observation), "up");
    let phases = observation.phases;
    assert!(phases.transfer >= Duration::from_millis(100), "{phases:?}");
    let parts = phases.dns + phases.connect + phases.tls + phases.write;
    let parts = parts + phases.first_byte + phases.transfer;
    assert!(parts <= phases.total, "{phases:?}");
}

#[tokio::test]
async fn a_body_without_end_is_read_to_the_cap() {
    let site = Site::start(async |mut stream: TcpStream| {
        request(&mut stream).await;
        stream
            .write_all(b"HTTP/1.1 200 OK\r\n\r\nbegin")
            .await
            .unwrap();
        while stream.write_all(&[b'x'; 64 * 1024]).await.is_ok() {}
    })
    .await;
    let spec = |text: &str| CheckSpec {
        asserts: vec![Assert {
            body_contains: vec![text.to_owned()],
            ..Assert::success()
        }],
        ..check(&site.url())
    };
    let context = context();
    let found = observe(&context, &spec("beginx")).await;
    assert_eq!(found.detail, "only the first 1 MiB of the body was read");
    assert_eq!(verdict(&found), "up");
    let missing = observe(&context, &spec("end")).await;
    assert_eq!(
        missing.detail,
        "first 1 MiB of the body does not contain \"end\""
    );
    assert_eq!(verdict(&missing), "down");
}

#[tokio::test]
async fn an_address_that_policy_denies_is_not_dialled() {
    for url in [
        "http://169.254.169.254/latest/",
        "http://[::ffff:169.254.169.254]/",
    ] {
        assert_eq!(
            seen_as(&check(url)).await,
            "error blocked_by_policy 0",
            "{url}"
        );
    }
    let site = Site::saying(
        "HTTP/1.1 302 Found\r\nLocation: http://0xa9fea9fe/latest/\r\nContent-Length: 0\r\n\r\n",
    )
    .await;
    assert_eq!(seen(&site).await, "error blocked_by_policy 302");
}

#[tokio::test]
async fn while_some_hang_the_others_are_probed() {
    let (_listener, _waiting, address) = full_queue();
    let silent = Site::start(async |_stream: TcpStream| std::future::pending().await).await;
    let dripping = Site::start(async |mut stream: TcpStream| {
        drip_header(&mut stream).await;
    })
    .await;
    let hanging = [format!("http://{address}/"), silent.url(), dripping.url()];
    let context = context();
    let mut hung = tokio::task::JoinSet::new();
    for url in hanging.iter().cycle().take(60) {
        let (context, spec) = (context.clone(), check_within(url, 300_000));
        hung.spawn(async move { observe(&context, &spec).await });
    }
    let site = Site::saying(OK).await;
    for _ in 0..50 {
        let observation = observe(&context, &check(&site.url())).await;
        assert_eq!(verdict(&observation), "up", "{observation:?}");
    }
    assert!(hung.try_join_next().is_none(), "what hangs still hangs");
}
