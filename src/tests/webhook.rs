//! The client of webhooks: what became of an attempt is a value, whatever the receiver does.

use std::sync::Arc;
use std::time::Duration;

use lokahi::egress::policy::AddressPolicy;
use lokahi::egress::resolver::Resolver;
use lokahi::egress::tls::Trust;
use lokahi::egress::webhook::{Posted, WebhookClient};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const LONGEST: Duration = Duration::from_secs(15);

fn client(deny: &[&str]) -> WebhookClient {
    let resolver = Arc::new(Resolver::with_servers(&[], "127.0.0.1 hook.test\n"));
    let policy = AddressPolicy::parse(&[], deny, false).unwrap();
    WebhookClient::new(resolver, policy, &Trust::native()).unwrap()
}

async fn post(client: &WebhookClient, url: &str) -> Posted {
    let headers = [("webhook-id", "7".to_owned())];
    client
        .post(&url.parse().unwrap(), &headers, b"ping".to_vec(), LONGEST)
        .await
}

/// Takes one request whole and answers it.
async fn serve(listener: TcpListener, answer: String) -> (String, TcpStream) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut request = String::new();
    while !request.ends_with("ping") {
        let mut buffer = [0; 1024];
        let length = stream.read(&mut buffer).await.unwrap();
        request.push_str(std::str::from_utf8(&buffer[..length]).unwrap());
    }
    stream.write_all(answer.as_bytes()).await.unwrap();
    (request, stream)
}

#[tokio::test]
async fn an_answer_is_reported_as_it_is_and_redirects_are_not_followed() {
    let long = "x".repeat(10_000);
    for (answer, status, wait, excerpt) in [
        (
            "200 OK\r\nContent-Length: 2\r\n\r\nok".to_owned(),
            200,
            None,
            "ok",
        ),
        (
            "302 Found\r\nLocation: https://sso.test/x?t0ken\r\nContent-Length: 0\r\n\r\n".into(),
            302,
            None,
            "",
        ),
        (
            format!("503 Busy\r\nRetry-After: 9\r\n\r\n{long}"),
            503,
            Some(9),
            long.get(..4096).unwrap(),
        ),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!(
            "http://hook.test:{}/a?b",
            listener.local_addr().unwrap().port()
        );
        let answer = format!("HTTP/1.1 {answer}");
        let client = client(&[]);
        let (posted, (request, _open)) = tokio::join!(post(&client, &url), serve(listener, answer));
        assert_eq!(posted.status, Some(status));
        assert_eq!(posted.error, None);
        let redirect = (status == 302).then_some("https://sso.test");
        assert_eq!(posted.redirect.as_deref(), redirect);
        assert_eq!(posted.retry_after, wait.map(Duration::from_secs));
        assert_eq!(posted.excerpt, excerpt);
        assert!(request.starts_with("POST /a?b HTTP/1.1\r\n"), "{request}");
        for header in [
            "webhook-id: 7\r\n",
            "user-agent: lokahi/",
            "content-length: 4\r\n",
        ] {
            assert!(request.contains(header), "{request}");
        }
    }
}

#[tokio::test]
async fn no_answer_says_why_and_never_shows_the_query() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    for (host, why) in [
        (format!("127.0.0.1:{port}"), "refused"),
        (format!("hook.test:{port}"), "refused"),
        ("169.254.169.254".into(), "denies 169.254.169.254"),
        (
            "elsewhere.test".into(),
            "elsewhere.test cannot be looked up here",
        ),
    ] {
        let posted = post(&client(&[]), &format!("http://{host}/a?token=secret")).await;
        let error = posted.error.unwrap();
        assert!(error.contains(why), "{host}: {error}");
        assert!(!error.contains("secret"), "{error}");
        assert_eq!(posted.status, None);
    }
    // A name is judged by the address behind it.
    let posted = post(
        &client(&["127.0.0.0/8"]),
        &format!("http://hook.test:{port}/"),
    )
    .await;
    assert!(posted.error.unwrap().contains("denies 127.0.0.1"));
}

#[tokio::test]
async fn a_receiver_that_speaks_otherwise_is_told_in_our_words() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    // It answers a handshake in plain text, and hangs up on a request.
    let answering = async {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut said = [0];
            stream.read_exact(&mut said).await.unwrap();
            match said {
                // A handshake begins so, by RFC 8446, section 5.1.
                [22] => stream
                    .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                    .await
                    .unwrap(),
                // What was sent is not read: it is reset.
                _ => drop(stream),
            }
        }
    };
    let asking = async {
        for (scheme, expect) in [
            ("https", "it does not speak TLS"),
            ("http", "the connection was reset"),
        ] {
            let posted = post(&client(&[]), &format!("{scheme}://127.0.0.1:{port}/")).await;
            assert_eq!(posted.error.as_deref(), Some(expect));
        }
    };
    tokio::select! {
        () = answering => {}
        () = asking => {}
    }
}
