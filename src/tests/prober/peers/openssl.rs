//! `openssl s_server`: every fault of a certificate or a handshake has its class and words that
//! say what to mend, and the certificate's end is recorded also where it was refused.

use std::process::Command;

use lokahi::model::check::CheckSpec;
use lokahi::model::observation::Observation;
use lokahi::model::tls::{TlsSpec, TlsVersion};

use super::super::{check, context, observe, verdict};
use super::authority::{Authority, Identity, SINCE, UNTIL, openssl};
use crate::support::folder::Folder;
use crate::support::peer::{Peer, Sign};

/// A server that answers everyone whom it understands.
async fn server(identity: &Identity, clients: Option<&Authority>, arguments: &[&str]) -> Peer {
    let folder = Folder::new();
    identity.write(&folder);
    let server = |folder: &Folder, port: u16| {
        let mut command: Command = openssl();
        command
            .args(["s_server", "-accept", &format!("127.0.0.1:{port}"), "-www"])
            .args(["-cert", "cert.pem", "-key", "key.pem"])
            .args(arguments);
        if let Some(clients) = clients {
            folder.write("clients.pem", clients.pem());
            command.args(["-Verify", "1", "-verify_return_error"]);
            command.args(["-CAfile", "clients.pem"]);
        }
        command
    };
    Peer::start(folder, Sign::Says("ACCEPT"), server).await
}

async fn seen(peer: &Peer, host: &str, tls: TlsSpec) -> Observation {
    let spec = CheckSpec {
        tls,
        ..check(&format!("https://{host}:{}/", peer.port))
    };
    observe(&context(), &spec).await
}

#[tokio::test]
async fn each_fault_of_a_certificate_has_its_class_and_its_end() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let untrusted = "the certificate's issuer is not trusted here, or the site does not send \
                     the certificates between";
    let localhost = "DNS:localhost";
    for (identity, host, expected, words) in [
        (ours.identity(localhost), "localhost", "up", ""),
        (ours.identity("IP:127.0.0.1"), "127.0.0.1", "up", ""),
        (
            ours.identity("DNS:*.shop.localhost"),
            "www.shop.localhost",
            "up",
            "",
        ),
        (
            ours.identity_between(localhost, SINCE, "20210101000000Z"),
            "localhost",
            "error tls_expired",
            "the certificate expired on 2021-01-01",
        ),
        (
            ours.identity_between(localhost, "20990101000000Z", UNTIL),
            "localhost",
            "error tls_expired",
            "the certificate is not valid before 2099-01-01",
        ),
        (
            ours.identity("DNS:example.com,DNS:example.org"),
            "localhost",
            "error tls_name",
            "the certificate is for example.com, example.org",
        ),
        (
            ours.identity("DNS:*.shop.localhost"),
            "shop.localhost",
            "error tls_name",
            "the certificate is for *.shop.localhost",
        ),
        (
            ours.identity(localhost),
            "127.0.0.1",
            "error tls_name",
            "the certificate is for localhost",
        ),
        (
            ours.identity("IP:192.0.2.1"),
            "127.0.0.1",
            "error tls_name",
            "the certificate is for 192.0.2.1",
        ),
        (
            theirs.identity(localhost),
            "localhost",
            "error tls_untrusted",
            untrusted,
        ),
        (
            ours.self_signed(localhost),
            "localhost",
            "error tls_untrusted",
            "the certificate is self-signed",
        ),
    ] {
        let peer = server(&identity, None, &[]).await;
        let observation = seen(&peer, host, ours.trusted()).await;
        assert_eq!(verdict(&observation), expected, "{words}: {observation:?}");
        assert_eq!(observation.detail, words);
        assert!(
            observation.certificate_not_after.is_some(),
            "{observation:?}"
        );
        assert!(!observation.phases.tls.is_zero());
        // Whoever does not verify sees the same certificate, and the answer.
        let trusting = TlsSpec {
            verified: false,
            ..TlsSpec::default()
        };
        let trusting = seen(&peer, host, trusting).await;
        assert_eq!(verdict(&trusting), "up", "{words}: {trusting:?}");
        let ends = [&observation, &trusting].map(|it| it.certificate_not_after);
        assert_eq!(ends[0], ends[1], "{words}");
    }
}

#[tokio::test]
async fn what_both_sides_cannot_agree_upon_is_the_handshakes_fault() {
    let ours = Authority::new("ours");
    let identity = ours.identity("DNS:localhost");
    let newest = TlsSpec {
        min_version: TlsVersion::V1_3,
        ..ours.trusted()
    };
    let weak = "DEFAULT@SECLEVEL=0";
    for (arguments, tls, expected) in [
        (vec!["-tls1_2"], ours.trusted(), "up"),
        (vec!["-tls1_3"], ours.trusted(), "up"),
        (vec!["-tls1_3"], newest.clone(), "up"),
        (vec!["-tls1_2"], newest, "error tls_handshake"),
        (
            vec!["-tls1_1", "-cipher", weak],
            ours.trusted(),
            "error tls_handshake",
        ),
        (
            vec!["-tls1", "-cipher", weak],
            ours.trusted(),
            "error tls_handshake",
        ),
        // No forward secrecy: no client of today speaks that.
        (
            vec!["-tls1_2", "-cipher", "AES128-SHA"],
            ours.trusted(),
            "error tls_handshake",
        ),
    ] {
        let peer = server(&identity, None, &arguments).await;
        let observation = seen(&peer, "localhost", tls).await;
        let what = format!("{arguments:?}: {observation:?}");
        assert_eq!(verdict(&observation), expected, "{what}");
        assert_eq!(observation.detail.is_empty(), expected == "up", "{what}");
    }
}

#[tokio::test]
async fn who_wants_a_certificate_of_ours_and_gets_none_breaks_off() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let identity = ours.identity("DNS:localhost");
    let showing = |who: &Authority| {
        let client = who.identity("DNS:lokahi");
        TlsSpec {
            certificate: Some(client.certificate.parse().unwrap()),
            key: Some(client.key.as_str().into()),
            ..ours.trusted()
        }
    };
    for (version, protocol) in [
        ("-tls1_2", "http/1.1"),
        ("-tls1_3", "http/1.1"),
        ("-tls1_3", "h2"),
    ] {
        let arguments = [version, "-alpn", protocol];
        let peer = server(&identity, Some(&ours), &arguments).await;
        for (tls, expected) in [
            (showing(&ours), "up"),
            (ours.trusted(), "error tls_handshake"),
            (showing(&theirs), "error tls_handshake"),
        ] {
            if (protocol, expected) == ("h2", "up") {
                // It does not speak what it agrees to.
                continue;
            }
            let observation = seen(&peer, "localhost", tls).await;
            let what = format!("{version} {protocol}: {observation:?}");
            assert_eq!(verdict(&observation), expected, "{what}");
            // In TLS 1.3 we are through before the site looks at us.
            let shown = observation.certificate_not_after.is_some();
            assert!(shown || version == "-tls1_2", "{what}");
            let refused = observation
                .detail
                .starts_with("it refused the TLS handshake: ");
            assert_eq!(refused, expected != "up", "{what}");
        }
    }
}
