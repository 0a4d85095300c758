//! Whom a check trusts, and how it says who it is.

use std::sync::{Arc, Mutex};

use lokahi::files::secrets::Secrets;
use lokahi::model::auth::Auth;
use lokahi::model::check::CheckSpec;
use lokahi::model::observation::Observation;
use lokahi::model::secret::{Piece, Text};
use lokahi::model::tls::{TlsSpec, TlsVersion};
use lokahi::prober::probe::ProbeContext;
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::authority::{Authority, serving, site_of};
use super::manners::{recording, redirect};
use super::site::{OK, Site, request};
use super::{allowed, check, check_within, context, observe, observe_as, verdict};

fn secret(name: &str) -> Text {
    Text::new([Piece::Secret(name.parse().unwrap())])
}

/// With a password, a client's secret, and a key that is none.
fn knowing() -> ProbeContext {
    context().with_secrets(Secrets::with_variables(None, |name| match name {
        "LOKAHI_SECRET_PASSWORD" => Some("open sesame".into()),
        "LOKAHI_SECRET_CLIENT" => Some("cl1ent".into()),
        "LOKAHI_SECRET_NO_KEY" => Some("no key at all".into()),
        _ => None,
    }))
}

fn named(name: &str) -> CertificateParams {
    CertificateParams::new(vec![name.to_owned()]).unwrap()
}

async fn over_tls(site: &Site, tls: TlsSpec) -> Observation {
    let url = format!("https://localhost:{}/", site.address.port());
    let spec = CheckSpec {
        tls,
        ..check_within(&url, 5000)
    };
    observe_as(&knowing(), &spec, &allowed()).await
}

#[tokio::test]
async fn only_the_authorities_of_the_check_are_trusted() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let site = site_of(named("localhost"), Some(&ours)).await;
    for (authority, expected) in [(&ours, "up"), (&theirs, "error tls_untrusted")] {
        let tls = TlsSpec {
            authorities: Some(authority.pem.parse().unwrap()),
            ..TlsSpec::default()
        };
        assert_eq!(verdict(&over_tls(&site, tls).await), expected);
    }
}

#[tokio::test]
async fn what_is_not_verified_is_recorded_all_the_same() {
    let site = site_of(named("example.com"), None).await;
    let tls = TlsSpec {
        verified: false,
        ..TlsSpec::default()
    };
    let observation = over_tls(&site, tls).await;
    assert_eq!(verdict(&observation), "up", "{observation:?}");
    assert!(observation.certificate_not_after.is_some());
}

#[tokio::test]
async fn the_name_of_a_certificate_may_be_another_one() {
    let ours = Authority::new("ours");
    let site = site_of(named("inner.example.com"), Some(&ours)).await;
    for (name, expected) in [
        (Some("inner.example.com"), "up"),
        (None, "error tls_name"),
        (Some("other.example.com"), "error tls_name"),
    ] {
        let tls = TlsSpec {
            authorities: Some(ours.pem.parse().unwrap()),
            server_name: name.map(str::to_owned),
            ..TlsSpec::default()
        };
        assert_eq!(verdict(&over_tls(&site, tls).await), expected, "{name:?}");
    }
}

/// A site of the authority that speaks these versions, and lets in whoever has a certificate
/// of it.
async fn guarded(ours: &Authority, versions: &[&'static rustls::SupportedProtocolVersion]) -> Site {
    let key = KeyPair::generate().unwrap();
    let certificate = named("localhost").signed_by(&key, &ours.issuer).unwrap();
    let mut roots = RootCertStore::empty();
    let pem = pem::parse(&ours.pem);
    roots.add(pem).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let clients = WebPkiClientVerifier::builder_with_provider(roots.into(), Arc::clone(&provider));
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_client_cert_verifier(clients.build().unwrap())
        .with_single_cert(
            vec![CertificateDer::from(certificate.der().to_vec())],
            PrivateKeyDer::Pkcs8(key.serialize_der().into()),
        )
        .unwrap();
    serving(config).await
}

mod pem {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject as _;

    pub(super) fn parse(text: &str) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(text.as_bytes()).unwrap()
    }
}

#[tokio::test]
async fn a_site_that_asks_for_a_certificate_gets_it() {
    let ours = Authority::new("ours");
    let site = guarded(&ours, rustls::ALL_VERSIONS).await;
    let key = KeyPair::generate().unwrap();
    let certificate = named("lokahi").signed_by(&key, &ours.issuer).unwrap();
    let with = |key: Option<Text>| TlsSpec {
        authorities: Some(ours.pem.parse().unwrap()),
        certificate: key.is_some().then(|| certificate.pem().parse().unwrap()),
        key,
        ..TlsSpec::default()
    };
    let good = over_tls(&site, with(Some(key.serialize_pem().into()))).await;
    assert_eq!(verdict(&good), "up", "{good:?}");
    let none = over_tls(&site, with(None)).await;
    assert_ne!(verdict(&none), "up", "{none:?}");
    let bad = over_tls(&site, with(Some(secret("no-key")))).await;
    assert_eq!(verdict(&bad), "unknown secret_missing");
    assert!(
        bad.detail
            .starts_with("secret(\"no-key\") as tls.key cannot be used"),
        "{bad:?}"
    );
    assert!(!bad.detail.contains("no key at all"));
}

#[tokio::test]
async fn an_older_tls_than_the_check_allows_is_not_spoken() {
    let ours = Authority::new("ours");
    let site = guarded(&ours, &[&rustls::version::TLS12]).await;
    let key = KeyPair::generate().unwrap();
    let certificate = named("lokahi").signed_by(&key, &ours.issuer).unwrap();
    for (min_version, expected) in [
        (TlsVersion::V1_2, "up"),
        (TlsVersion::V1_3, "error tls_handshake"),
    ] {
        let tls = TlsSpec {
            authorities: Some(ours.pem.parse().unwrap()),
            certificate: Some(certificate.pem().parse().unwrap()),
            key: Some(key.serialize_pem().into()),
            min_version,
            ..TlsSpec::default()
        };
        assert_eq!(verdict(&over_tls(&site, tls).await), expected);
    }
}

#[tokio::test]
async fn a_password_is_told_to_its_site_and_to_no_other() {
    let (end, ends) = recording(OK.into()).await;
    let (start, starts) = recording(redirect(307, &end.url())).await;
    let spec = CheckSpec {
        auth: Some(Auth::Basic {
            username: "ali".into(),
            password: secret("password"),
        }),
        ..check(&start.url())
    };
    let observation = observe_as(&knowing(), &spec, &allowed()).await;
    assert_eq!(verdict(&observation), "up", "{observation:?}");
    // `ali:open sesame` (RFC 7617).
    let asked = starts.lock().unwrap().remove(0);
    assert!(
        asked.contains("\r\nAuthorization: Basic YWxpOm9wZW4gc2VzYW1l\r\n"),
        "{asked}"
    );
    let asked = ends.lock().unwrap().remove(0);
    assert!(!asked.contains("Authorization"), "{asked}");
}

#[tokio::test]
async fn a_token_is_sent_as_bearer_and_said_back_to_nobody() {
    let site = Site::start(async |mut stream: TcpStream| {
        let asked = request(&mut stream).await;
        let token = asked.split("Bearer ").nth(1).unwrap_or("none");
        let token = token.lines().next().unwrap();
        let answer = redirect(302, &format!("ftp://{token}/"));
        stream.write_all(answer.as_bytes()).await.unwrap();
    })
    .await;
    let spec = CheckSpec {
        auth: Some(Auth::Bearer {
            token: "plain-token".into(),
        }),
        ..check(&site.url())
    };
    let observation = observe(&context(), &spec).await;
    assert_eq!(verdict(&observation), "error protocol");
    let words = "status 302 leads to what is no http URL: \"ftp://[secret]/\"";
    assert_eq!(observation.detail, words);
}

#[tokio::test]
async fn what_a_redirect_says_once_is_said_again_to_nobody() {
    for (location, words) in [
        (
            "/q?token=once#part",
            "redirects lead in a circle, back to SITE/q",
        ),
        (
            "myapp://cb?code=once",
            "status 302 leads to what is no http URL: \"myapp://cb\"",
        ),
    ] {
        let site = Site::start(async move |mut stream: TcpStream| {
            request(&mut stream).await;
            let answer = redirect(302, location);
            stream.write_all(answer.as_bytes()).await.unwrap();
        })
        .await;
        let observation = observe(&context(), &check(&site.url())).await;
        let url = site.url();
        assert_eq!(
            observation.detail,
            words.replace("SITE", url.trim_end_matches('/'))
        );
        let said = format!("{observation:?}");
        assert!(!said.contains("once"), "{said}");
    }
}

/// Gives tokens `t1`, `t2`, ... that are good for an hour, to whoever knows the secret; what
/// it was asked is kept.
async fn login() -> (Site, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&asked);
    let site = Site::start(move |mut stream: TcpStream| {
        let kept = Arc::clone(&kept);
        async move {
            let request = request(&mut stream).await;
            // `lokahi:cl1ent`
            let known = request.contains("\r\nAuthorization: Basic bG9rYWhpOmNsMWVudA==\r\n");
            let number = {
                let mut kept = kept.lock().unwrap();
                kept.push(request);
                kept.len()
            };
            let token = format!(
                "{{\"access_token\":\"token-{number}\",\"token_type\":\"bearer\",\"expires_in\":3600}}"
            );
            let (status, body) = match known {
                true => ("200 OK", token),
                false => ("401 Unauthorized", "{\"error\":\"invalid_client\"}".to_owned()),
            };
            let length = body.len();
            let answer = format!(
                "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            );
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    })
    .await;
    (site, asked)
}

/// Lets in who has this token.
async fn wanting(token: &str) -> Site {
    let wanted: &'static str = format!("\r\nAuthorization: Bearer {token}\r\n").leak();
    Site::start(move |mut stream: TcpStream| async move {
        let answer = match request(&mut stream).await.contains(wanted) {
            true => OK,
            false => "HTTP/1.1 401 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        };
        stream.write_all(answer.as_bytes()).await.unwrap();
    })
    .await
}

fn with_grant(site: &Site, login: &Site, client_secret: Text) -> CheckSpec {
    CheckSpec {
        auth: Some(Auth::ClientCredentials {
            token_url: format!("{}token", login.url()).parse().unwrap(),
            client_id: "lokahi".into(),
            client_secret,
            scopes: vec!["health:read".into(), "a".into()],
        }),
        ..check(&site.url())
    }
}

#[tokio::test]
async fn one_token_serves_until_the_site_refuses_it() {
    let (login, asked) = login().await;
    let context = knowing();
    let first = wanting("token-1").await;
    for _ in 0..3 {
        let spec = with_grant(&first, &login, secret("client"));
        let observation = observe_as(&context, &spec, &allowed()).await;
        assert_eq!(verdict(&observation), "up", "{observation:?}");
    }
    {
        let asked = asked.lock().unwrap();
        assert_eq!(asked.len(), 1);
        assert!(
            asked[0].ends_with("\r\n\r\ngrant_type=client_credentials&scope=health%3Aread+a"),
            "{}",
            asked[0]
        );
    }
    let second = wanting("token-2").await;
    let spec = with_grant(&second, &login, secret("client"));
    let refused = observe_as(&context, &spec, &allowed()).await;
    assert_eq!(refused.status, 401);
    let renewed = observe_as(&context, &spec, &allowed()).await;
    assert_eq!(verdict(&renewed), "up", "{renewed:?}");
}

#[tokio::test]
async fn without_a_token_there_is_no_answer() {
    let (login, _) = login().await;
    let site = wanting("token-1").await;
    let wrong = with_grant(&site, &login, "wrong-secret".into());
    let observation = observe(&knowing(), &wrong).await;
    assert_eq!(verdict(&observation), "error no_token");
    let words = format!("no token from {}token: status 401", login.url());
    assert_eq!(observation.detail, words);
    assert_eq!(observation.status, 0);
    assert!(observation.address.is_empty(), "{observation:?}");
}
