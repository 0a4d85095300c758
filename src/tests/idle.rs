//! Connections that only wait must not keep out those that ask.

use axum::Router;
use axum::routing::get;
use lokahi::runtime::supervisor::Supervisor;
use lokahi::serve::server::serve;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};

use crate::support::server::http;

#[tokio::test]
async fn whoever_asks_is_answered_however_many_only_wait() {
    lokahi::prober::limit::in_flight_and_kept(1);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().route("/livez", get(async || "ok"));
    let supervisor = Supervisor::new();
    let token = supervisor.token();
    supervisor.spawn("serve", serve(listener, None, router, token.clone()));
    let mut waiting = Vec::new();
    for _ in 0..2500 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream
            .write_all(b"POST /livez HTTP/1.1\r\nHost: x\r\n")
            .await
            .unwrap();
        waiting.push(stream);
    }
    let answer = http()
        .get(format!("http://{address}/livez"))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    drop(waiting);
    token.cancel();
}
