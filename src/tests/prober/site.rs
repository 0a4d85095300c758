//! A site that follows a script, connection by connection.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// It ends with the test that holds it.
pub(crate) struct Site {
    pub(crate) address: SocketAddr,
    _tasks: JoinSet<()>,
}

impl Site {
    /// Each connection is handed to the script.
    pub(crate) async fn start<F>(script: impl Fn(TcpStream) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(script(stream));
                while connections.try_join_next().is_some() {}
            }
        });
        Self {
            address,
            _tasks: tasks,
        }
    }

    /// The same bytes to everyone who has asked, then a close.
    pub(crate) async fn saying(answer: impl Into<String>) -> Self {
        let answer: &'static str = answer.into().leak();
        Self::start(async move |mut stream: TcpStream| {
            request(&mut stream).await;
            // The prober may have had enough before all is said.
            stream.write_all(answer.as_bytes()).await.ok();
        })
        .await
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }
}

/// The head of a request, and what came of its body with it.
pub(crate) async fn request(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut head = Vec::new();
    let mut buffer = [0; 4096];
    while !head.windows(4).any(|window| window == b"\r\n\r\n") {
        match stream.read(&mut buffer).await {
            Ok(length) if length > 0 => head.extend_from_slice(&buffer[..length]),
            _ => break,
        }
    }
    String::from_utf8(head).unwrap()
}

/// A byte now and then, for ever.
pub(crate) async fn drip(stream: &mut (impl AsyncWrite + Unpin)) {
    while stream.write_all(b"x").await.is_ok() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

pub(crate) const OK: &str =
    "HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nall ok";
