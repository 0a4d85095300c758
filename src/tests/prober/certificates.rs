//! Certificates: what is refused has its class, and its end is recorded all the same.

use std::time::Duration;

use lokahi::model::check::{Assert, CheckSpec};
use lokahi::model::observation::Observation;
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, date_time_ymd};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::authority::{Authority, serving, showing, site, site_of};
use super::site::{OK, Site, drip};
use super::{check_within, observe, verdict};

async fn seen(authority: &Authority, site: &Site) -> Observation {
    let url = format!("https://localhost:{}/", site.address.port());
    observe(&authority.context(), &check_within(&url, 5000)).await
}

#[tokio::test]
async fn every_kind_of_certificate() {
    let ours = Authority::new("ours");
    let theirs = Authority::new("theirs");
    let untrusted = "the certificate's issuer is not trusted here, or the site does not send \
                     the certificates between";
    for (authority, name, until, expected, words) in [
        (Some(&ours), "localhost", 2100, "up", ""),
        (
            Some(&ours),
            "localhost",
            2021,
            "error tls_expired",
            "the certificate expired on 2021-01-01",
        ),
        (
            Some(&ours),
            "example.com",
            2100,
            "error tls_name",
            "the certificate is for example.com",
        ),
        (
            Some(&theirs),
            "localhost",
            2100,
            "error tls_untrusted",
            untrusted,
        ),
        (
            None,
            "localhost",
            2100,
            "error tls_untrusted",
            "the certificate is self-signed",
        ),
    ] {
        let site = site(authority, name, until).await;
        let observation = seen(&ours, &site).await;
        assert_eq!(verdict(&observation), expected, "{observation:?}");
        assert_eq!(observation.detail, words);
        let end = observation.certificate_not_after.unwrap();
        assert_eq!(end, date_time_ymd(until, 1, 1), "{expected}");
        assert!(!observation.phases.tls.is_zero());
    }
}

#[tokio::test]
async fn no_tls_at_all() {
    let ours = Authority::new("ours");
    let plain = Site::start(async |mut stream: TcpStream| {
        stream.write_all(OK.as_bytes()).await.unwrap();
        drip(&mut stream).await;
    })
    .await;
    let observation = seen(&ours, &plain).await;
    assert_eq!(verdict(&observation), "error tls_handshake");
    assert_eq!(observation.detail, "it does not speak TLS");
    let closing = Site::start(async |_stream: TcpStream| {}).await;
    assert_eq!(verdict(&seen(&ours, &closing).await), "error tls_handshake");
    let silent = Site::start(async |_stream: TcpStream| std::future::pending().await).await;
    assert_eq!(verdict(&seen(&ours, &silent).await), "error tls_timeout");
}

#[tokio::test]
async fn an_authority_is_no_site() {
    let ours = Authority::new("ours");
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let observation = seen(&ours, &site_of(params, None).await).await;
    assert_eq!(verdict(&observation), "error tls_untrusted");
    let words = "the certificate is self-signed, and may sign others (CA:TRUE): no site is believed \
                 with such a one, not even where it stands in `tls { ca }`. Let it sign one for the \
                 site, or make the site's own with basicConstraints CA:FALSE";
    assert_eq!(observation.detail, words);
    // As it says: one that may not sign is good where it is trusted itself.
    let mut own = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    own.is_ca = IsCa::ExplicitNoCa;
    let key = KeyPair::generate().unwrap();
    let own = own.self_signed(&key).unwrap();
    let trusting = Authority {
        pem: own.pem(),
        ..ours
    };
    let site = serving(showing(own.der(), &key)).await;
    let observation = seen(&trusting, &site).await;
    assert_eq!(verdict(&observation), "up", "{observation:?}");
}

#[tokio::test]
async fn one_that_ends_soon_degrades_and_none_at_all_does_too() {
    let ours = Authority::new("ours");
    let days = |days: u64| Assert {
        label: "certificate".into(),
        certificate_valid_for: Some(Duration::from_secs(days * 86_400)),
        ..Assert::default()
    };
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.not_after = lokahi::clock::now() + time::Duration::days(13) + time::Duration::HOUR;
    let site = site_of(params, Some(&ours)).await;
    let url = format!("https://localhost:{}/", site.address.port());
    let with = |assert: Option<Assert>, warn: Assert| CheckSpec {
        asserts: vec![assert.unwrap_or_else(Assert::success)],
        warns: vec![warn],
        ..check_within(&url, 5000)
    };
    let context = ours.context();
    let good = observe(&context, &with(None, days(13))).await;
    assert_eq!((verdict(&good).as_str(), good.degraded), ("up", false));
    let soon = observe(&context, &with(None, days(21))).await;
    assert_eq!((verdict(&soon).as_str(), soon.degraded), ("up", true));
    let words = format!(
        "warn \"certificate\": the certificate ends in 13 days, on {}, less than 21 days",
        soon.certificate_not_after.unwrap().date()
    );
    assert_eq!(soon.detail, words);
    // As an assert it is an outage, and a warning of a check that is down says nothing.
    let down = observe(&context, &with(Some(days(14)), days(21))).await;
    assert_eq!((verdict(&down).as_str(), down.degraded), ("down", false));
    let plain = Site::saying(OK).await;
    let spec = CheckSpec {
        warns: vec![days(1)],
        ..check_within(&plain.url(), 5000)
    };
    let none = observe(&context, &spec).await;
    assert!(none.degraded);
    let words = "warn \"certificate\": there is no certificate: it is not TLS";
    assert_eq!(none.detail, words);
}
