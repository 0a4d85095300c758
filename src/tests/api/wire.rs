//! The protocol: encodings, errors, limits, and an original client.

use lokahi::proto::lokahi::{Check, CreateOpts};
use prost::Message as _;

use crate::support::server::{Answer, Server, answer};

/// The original's messages: its fields, and none of ours.
mod original {
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct CreateOpts {
        #[prost(string, tag = "1")]
        pub(super) url: String,
        #[prost(string, tag = "2")]
        pub(super) webhook_url: String,
        #[prost(int32, tag = "3")]
        pub(super) every: i32,
        #[prost(string, tag = "4")]
        pub(super) playbook_url: String,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Check {
        #[prost(string, tag = "1")]
        pub(super) id: String,
        #[prost(string, tag = "2")]
        pub(super) url: String,
        #[prost(string, tag = "3")]
        pub(super) webhook_url: String,
        #[prost(int64, tag = "4")]
        pub(super) webhook_response_time_nanoseconds: i64,
        #[prost(int32, tag = "5")]
        pub(super) every: i32,
        #[prost(string, tag = "6")]
        pub(super) playbook_url: String,
        #[prost(int32, tag = "7")]
        pub(super) state: i32,
    }
}

async fn post(server: &Server, method: &str, content_type: &str, body: Vec<u8>) -> Answer {
    let url = format!("{}/twirp/github.xe.lokahi.{method}", server.url);
    let call = server.http.post(url).header("content-type", content_type);
    answer(call.body(body)).await
}

#[tokio::test]
async fn an_original_client_reads_our_answers() {
    let server = Server::start().await;
    let opts = original::CreateOpts {
        url: "http://site.example.com/".into(),
        webhook_url: "http://hook.example.com/".into(),
        every: 30,
        playbook_url: "https://wiki.example.com/".into(),
    };
    let bytes = opts.encode_to_vec();
    let made = post(&server, "Checks/Create", "application/protobuf", bytes).await;
    assert_eq!(made.headers["content-type"], "application/protobuf");
    let made = original::Check::decode(made.body.as_slice()).unwrap();
    assert_eq!(
        made,
        original::Check {
            id: made.id.clone(),
            url: opts.url,
            webhook_url: opts.webhook_url,
            every: 30,
            playbook_url: opts.playbook_url,
            ..original::Check::default()
        }
    );
    // It changes one field and leaves the others zero.
    let put = original::Check {
        id: made.id.clone(),
        every: 5,
        ..original::Check::default()
    };
    let put = post(
        &server,
        "Checks/Put",
        "application/protobuf",
        put.encode_to_vec(),
    )
    .await;
    let put = original::Check::decode(put.body.as_slice()).unwrap();
    assert_eq!(put, original::Check { every: 5, ..made });
}

#[tokio::test]
async fn both_encodings_say_the_same() {
    let server = Server::start().await;
    let bytes = CreateOpts {
        url: "http://site.example.com/".into(),
        name: "site".into(),
        ..CreateOpts::default()
    }
    .encode_to_vec();
    let made = post(&server, "Checks/Create", "application/protobuf", bytes).await;
    let made = Check::decode(made.body.as_slice()).unwrap();
    let body = format!(r#"{{"id": "{}", "somethingNew": [1]}}"#, made.id);
    let json = post(
        &server,
        "Checks/Get",
        "application/json; charset=utf-8",
        body.into_bytes(),
    )
    .await;
    assert_eq!(json.headers["content-type"], "application/json");
    let read: Check = lokahi::proto::json::from_json(&json.body).unwrap();
    assert_eq!(read, made);
    let mut json = json.json();
    for of_this_run in ["id", "since"] {
        json.as_object_mut().unwrap().remove(of_this_run).unwrap();
    }
    insta::assert_snapshot!(
        json,
        @r#"{"every":60,"method":"GET","name":"site","owner":"api","project":"api","timeout_nanoseconds":"10000000000","url":"http://site.example.com/","version":"1"}"#
    );
}

#[tokio::test]
async fn what_is_no_call_is_a_bad_route() {
    let server = Server::start().await;
    let list = "Checks/List";
    let get = format!("{}/twirp/github.xe.lokahi.{list}", server.url);
    let get = answer(server.http.get(get)).await;
    assert_eq!(get.refusal(), "404 bad_route -");
    for (method, content_type) in [
        (list, "text/plain"),
        (list, "application/jsonp"),
        ("Checks/Nothing", "application/json"),
        ("Nothing/List", "application/json"),
        ("Checks/List/", "application/json"),
    ] {
        let refused = post(&server, method, content_type, b"{}".to_vec()).await;
        assert_eq!(
            refused.refusal(),
            "404 bad_route -",
            "{method} {content_type}"
        );
    }
    let elsewhere = answer(server.http.get(format!("{}/index.html", server.url))).await;
    assert_eq!(elsewhere.refusal(), "404 bad_route -");
}

#[tokio::test]
async fn what_cannot_be_read_is_malformed() {
    let server = Server::start().await;
    for (content_type, body) in [
        ("application/json", "{"),
        ("application/json", "[]"),
        ("application/json", r#"{"count": "many"}"#),
        ("application/json", r#"{"states": ["BROKEN"]}"#),
        ("application/protobuf", "\u{7f}"),
    ] {
        let refused = post(&server, "Checks/List", content_type, body.into()).await;
        assert_eq!(refused.refusal(), "400 malformed -", "{body}");
    }
}

#[tokio::test]
async fn thirty_megabytes_are_answered_not_cut() {
    let server = Server::start().await;
    let body = vec![b' '; 30 * 1024 * 1024];
    let whole = post(&server, "Checks/List", "application/json", body.clone()).await;
    assert_eq!(whole.refusal(), "429 resource_exhausted -");

    // Without a Content-Length, as a stranger would send it.
    let chunks = body
        .chunks(1 << 20)
        .map(|chunk| Ok::<_, std::io::Error>(chunk.to_vec()));
    let chunks: Vec<_> = chunks.collect();
    let streamed = chunked(&server, chunks.into_iter().flatten().collect()).await;
    assert!(streamed.starts_with("HTTP/1.1 429 "), "{streamed}");
    assert!(streamed.contains("resource_exhausted"), "{streamed}");
    // One megabyte less than the limit is nothing special.
    let fits = vec![b' '; 3 * 1024 * 1024];
    let fits = post(
        &server,
        "Checks/List",
        "application/json",
        [fits, b"{}".into()].concat(),
    );
    assert_eq!(fits.await.status, 200);
}

async fn chunked(server: &Server, chunks: Vec<Vec<u8>>) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let address = server.base.strip_prefix("http://").unwrap();
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let head = "POST /twirp/github.xe.lokahi.Checks/List HTTP/1.1\r\nhost: x\r\n\
        content-type: application/json\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    for chunk in chunks {
        let size = format!("{:x}\r\n", chunk.len());
        stream.write_all(size.as_bytes()).await.unwrap();
        stream.write_all(&chunk).await.unwrap();
        stream.write_all(b"\r\n").await.unwrap();
    }
    stream.write_all(b"0\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}
