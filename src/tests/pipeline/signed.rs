//! Signed events: what a real webhookworker sends is verified by a library of others, with the
//! old secret and with the new one, and no event goes out that its receiver could not verify.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lokahi::files::private::random_hex;
use lokahi::model::check::{CheckSpec, Every};
use lokahi::model::secret::{Piece, Text};
use lokahi::model::webhook::{WebhookFormat, WebhookSpec};

use super::fleet::Fleet;
use super::peers::{Received, Receiver, Site};
use crate::support::declaring::Declaring;
use crate::support::folder::Folder;
use crate::support::standard::verify;
use crate::support::until;

fn new_secret() -> String {
    let key = random_hex(16).unwrap();
    format!("whsec_{}", STANDARD.encode(key))
}

fn receiver(at: &Receiver, format: WebhookFormat, secrets: &[&str]) -> WebhookSpec {
    WebhookSpec {
        secrets: secrets.iter().map(|name| name.parse().unwrap()).collect(),
        ..WebhookSpec::new(at.url.parse().unwrap(), format)
    }
}

/// A check of the site that tells these.
fn watching(site: &Site, receivers: &[&str]) -> CheckSpec {
    let every = Every::from_seconds(1).unwrap();
    CheckSpec {
        every,
        timeout: every.default_timeout(),
        receivers: receivers.iter().map(|name| name.parse().unwrap()).collect(),
        ..CheckSpec::new(site.url.parse().unwrap())
    }
}

fn said_of(received: &Received, secret: &str, body: &[u8]) -> String {
    let header = |(name, value): (&axum::http::HeaderName, &axum::http::HeaderValue)| {
        (name.to_string(), value.to_str().unwrap().to_owned())
    };
    let headers: Vec<_> = received.headers.iter().map(header).collect();
    verify(secret, &headers, body)
}

#[tokio::test]
async fn a_library_of_others_verifies_what_is_sent() {
    let (site, json, bytes) = (
        Site::start().await,
        Receiver::start().await,
        Receiver::start().await,
    );
    site.set(false);
    let (old, new) = (new_secret(), new_secret());
    let fleet = Fleet::start(&[
        ("LOKAHI_SECRET_OLD", &old),
        ("LOKAHI_SECRET_NEW", &new),
        ("LOKAHI_SECRET_TOK", "t0ken"),
    ])
    .await;
    let token = Piece::Secret("tok".parse().unwrap());
    let bearer = Text::new([Piece::Plain("Bearer ".into()), token]);
    let of_json = WebhookSpec {
        headers: vec![("authorization".into(), bearer)],
        ..receiver(&json, WebhookFormat::Json, &["new", "old"])
    };
    Declaring::new("shop")
        .check("web", watching(&site, &["json", "bytes"]))
        .webhook("json", of_json)
        .webhook(
            "bytes",
            receiver(&bytes, WebhookFormat::Protobuf, &["new", "old"]),
        )
        .apply(&fleet.client())
        .await
        .unwrap();
    for (receiver, verified) in [(&json, "verified check.down"), (&bytes, "verified")] {
        until("it was told", async || !receiver.taken().is_empty()).await;
        let told = receiver.taken().remove(0);
        // While receivers go over from the one to the other.
        for secret in [&old, &new] {
            assert_eq!(said_of(&told, secret, &told.body), verified);
        }
        let refused = "No matching signature found";
        assert_eq!(said_of(&told, &new_secret(), &told.body), refused);
        for at in [0, told.body.len() / 2, told.body.len() - 1] {
            let mut changed = told.body.clone();
            // Letters of JSON stay letters, which the library wants to read.
            changed[at] ^= 1;
            assert_eq!(said_of(&told, &new, &changed), refused, "byte {at}");
        }
    }
    assert_eq!(json.taken()[0].header("authorization"), "Bearer t0ken");
    assert_eq!(bytes.taken()[0].header("authorization"), "");
}

#[tokio::test]
async fn nothing_is_sent_unsigned() {
    let (site, hook) = (Site::start().await, Receiver::start().await);
    site.set(false);
    let secrets = Folder::new();
    let fleet = Fleet::start(&[("SECRETS_DIR", secrets.path().to_str().unwrap())]).await;
    Declaring::new("shop")
        .check("web", watching(&site, &["hook"]))
        .webhook("hook", receiver(&hook, WebhookFormat::Json, &["signing"]))
        .apply(&fleet.client())
        .await
        .unwrap();
    let failed = async |words: &str| {
        until(words, async || {
            let count = "select count(*) from attempts where status is null and error like $1";
            let count = sqlx::query_scalar::<_, i64>(count).bind(format!("%{words}%"));
            count.fetch_one(&mut fleet.database().await).await.unwrap() > 0
        })
        .await;
    };
    failed("not sent unsigned: secret(\"signing\") is not known to this worker").await;
    secrets.write("signing", "correct horse battery staple");
    failed("the value of secret(\"signing\") is no signing secret").await;
    let secret = new_secret();
    secrets.write("signing", format!("{secret}\n"));
    until("it was told", async || !hook.taken().is_empty()).await;
    for told in hook.received() {
        assert_eq!(said_of(&told, &secret, &told.body), "verified check.down");
    }
}

#[tokio::test]
async fn an_attempt_lasts_as_long_as_its_receiver_wants() {
    let site = Site::start().await;
    site.set(false);
    // It takes what is said and never answers.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    let fleet = Fleet::start(&[]).await;
    let spec = WebhookSpec {
        timeout: lokahi::model::webhook::AttemptTimeout::from_milliseconds(1_000).unwrap(),
        ..WebhookSpec::new(url.parse().unwrap(), WebhookFormat::Json)
    };
    Declaring::new("shop")
        .check("web", watching(&site, &["hook"]))
        .webhook("hook", spec)
        .apply(&fleet.client())
        .await
        .unwrap();
    until("an attempt was given up", async || {
        let took = "select min(extract(epoch from finished_at - started_at)::double precision)
            from attempts where finished_at is not null and error like 'no answer within %'";
        let took = sqlx::query_scalar::<_, Option<f64>>(took);
        let took = took.fetch_one(&mut fleet.database().await).await;
        took.unwrap().is_some_and(|seconds| {
            assert!(seconds >= 1.0, "{seconds}");
            seconds < 15.0
        })
    })
    .await;
}
