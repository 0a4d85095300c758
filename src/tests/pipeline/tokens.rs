//! A token's text is known to its owner: whatever happens to it, it is in no
//! table, log, answer or metric.

use lokahi::client::Client;

use super::fleet::Fleet;
use crate::support::programs::{lokahictl, lokahictl_with};

#[tokio::test]
async fn the_text_of_a_token_is_nowhere() {
    let fleet = Fleet::start(&[("USERPASS", "ada:secret"), ("LOG", "trace")]).await;
    let server = fleet.base();
    let admin = server.replace("http://", "http://ada:secret@");
    let made = lokahictl(&admin, &["token", "create", "ci", "--scope", "read"]).await;
    assert_eq!(made.code, 0, "{}", made.words);
    let token = made.out.trim();
    let digits = token.strip_prefix("lokahi_").unwrap();

    let mut said = vec![made.words.clone()];
    let mut run = async |arguments: &[&str], expect: i32| {
        for server in [
            &server,
            &server.replace("http://", &format!("http://token:{token}@")),
        ] {
            let ended = lokahictl_with(server, arguments, &[("LOKAHI_TOKEN", token)]).await;
            assert_eq!(ended.code, expect, "{arguments:?}: {}", ended.words);
            said.extend([ended.out, ended.words]);
        }
    };
    run(&["list"], 0).await;
    run(&["create", "-u", "http://site.example.com/"], 77).await;
    run(&["token", "list"], 77).await;
    let revoked = lokahictl(&admin, &["token", "revoke", "ci"]).await;
    assert_eq!(revoked.code, 0, "{}", revoked.words);
    run(&["list"], 77).await;
    for arguments in [&["audit"][..], &["token", "list", "--all"]] {
        let ended = lokahictl(&admin, arguments).await;
        assert_eq!(ended.code, 0, "{}", ended.words);
        said.extend([ended.out, ended.words]);
    }
    let client = Client::new(&server).unwrap().with_token(token).unwrap();
    said.push(format!("{client:?} {:?}", client.run_stats().await));

    let log = fleet.lokahid.log();
    assert!(log.contains("principal=token:ci"), "the calls are logged");
    let stored = fleet.dump().await;
    assert!(stored.contains("token ci "), "the audit is looked into");
    let hexed: String = token.bytes().map(|byte| format!("{byte:02x}")).collect();
    for place in said.iter().chain([&log, &stored, &fleet.metrics().await]) {
        for canary in [digits, &hexed] {
            assert!(!place.contains(canary), "{place}");
        }
    }
}
