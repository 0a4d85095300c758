//! The API over TLS: served with the files' certificate, and with the new one
//! once they were renewed.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use lokahi::egress::policy::AddressPolicy;
use lokahi::egress::resolver::Resolver;
use lokahi::egress::tls::Trust;
use lokahi::egress::webhook::WebhookClient;
use lokahi::files::private::random_hex;
use lokahi::runtime::supervisor::Supervisor;
use lokahi::serve::server::serve;
use lokahi::serve::tls::Tls;
use tokio::net::TcpListener;

use crate::support::until;

/// A certificate for localhost that is its own authority, and its key.
fn certificate() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}

/// Whether whoever trusts this certificate alone gets an answer.
#[expect(
    clippy::disallowed_methods,
    reason = "a story speaks HTTP as strangers do"
)]
async fn answers(url: &str, trusted: &str) -> bool {
    drop(rustls::crypto::ring::default_provider().install_default());
    let root = reqwest::Certificate::from_pem(trusted.as_bytes()).unwrap();
    let client = reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([root])
        .build()
        .unwrap();
    client
        .get(url)
        .send()
        .await
        .is_ok_and(|answer| answer.status() == 200)
}

/// Why an event is not taken there.
async fn posted(url: &str) -> String {
    let (resolver, policy) = (Resolver::system().into(), AddressPolicy::default());
    let client = WebhookClient::new(resolver, policy, &Trust::native()).unwrap();
    let nothing: [(&str, String); 0] = [];
    let (url, timeout) = (url.parse().unwrap(), Duration::from_secs(15));
    let posted = client.post(&url, &nothing, Vec::new(), timeout);
    posted.await.error.unwrap()
}

#[tokio::test]
async fn a_renewed_certificate_needs_no_restart() {
    let folder = std::env::temp_dir().join(format!("lokahi-tls-{}", random_hex(6).unwrap()));
    std::fs::create_dir(&folder).unwrap();
    let (cert, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    let write = |made: &(String, String)| {
        std::fs::write(&cert, &made.0).unwrap();
        std::fs::write(&key, &made.1).unwrap();
    };
    let (old, new) = (certificate(), certificate());
    write(&old);
    let tls = Arc::new(Tls::new(cert.clone(), key.clone()).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!(
        "https://localhost:{}/",
        listener.local_addr().unwrap().port()
    );
    let router = Router::new().route("/", get(async || "hello"));
    let supervisor = Supervisor::new();
    let token = supervisor.token();
    supervisor.spawn("serve", serve(listener, Some(tls), router, token.clone()));

    assert!(answers(&url, &old.0).await);
    assert!(
        !answers(&url, &new.0).await,
        "only the right certificate is trusted"
    );
    let said = posted(&url).await;
    assert!(
        said.starts_with("the certificate is self-signed, or"),
        "{said}"
    );
    // Nonsense in between leaves the last good one in force.
    std::fs::write(&cert, "not a certificate").unwrap();
    assert!(answers(&url, &old.0).await);
    write(&new);
    until("the new certificate is served", async || {
        answers(&url, &new.0).await
    })
    .await;
    token.cancel();
    std::fs::remove_dir_all(&folder).unwrap();
}
