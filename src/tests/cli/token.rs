//! `token` and `audit`, and which credentials lokahictl calls with.

use std::fs;

use lokahi::files::private::random_hex;
use serde_json::Value;

use crate::support::programs::{Ended, lokahictl, lokahictl_with};
use crate::support::server::Server;

/// Without ids and times.
fn steady(text: &str) -> String {
    let day = |word: &str| word.len() == 20 && word.ends_with('Z') && word.starts_with("20");
    let id = |word: &str| word.len() == 36 && word.matches('-').count() == 4;
    let lines = text.lines().map(|line| {
        let words = line.split_whitespace().map(|word| match word {
            word if day(word) => "TIME",
            word if id(word) => "ID",
            word => word,
        });
        words.collect::<Vec<_>>().join(" ") + "\n"
    });
    lines.collect()
}

#[tokio::test]
async fn from_a_new_token_to_its_end() {
    let server = Server::guarded().await;
    let admin = async |arguments: &[&str]| lokahictl(&server.url, arguments).await;
    let create = [
        "token",
        "create",
        "ci",
        "--scope",
        "plan",
        "--scope",
        "apply:shop",
    ];
    let made = admin(&[&create[..], &["--expires", "90d"]].concat()).await;
    assert_eq!(made.code, 0, "{}", made.words);
    let (token, rest) = made.out.split_once('\n').unwrap();
    assert!(
        token.starts_with("lokahi_") && rest.is_empty(),
        "the token alone"
    );
    insta::assert_snapshot!(
        made.words.replace(|c: char| c.is_ascii_digit(), "0"),
        @"ci can plan, apply:shop until 0000-00-00T00:00:00Z. The token is shown this once: keep it, e.g. as LOKAHI_TOKEN."
    );
    let again = admin(&create).await;
    assert_eq!(again.code, 1);
    insta::assert_snapshot!(again.words, @r#"error: already_exists: there is a token "ci" already; revoke it first, or choose another name"#);
    let json = [
        "token",
        "create",
        "bot",
        "--scope",
        "read,operate",
        "--output",
        "json",
    ];
    let json = admin(&json).await;
    let json: Value = serde_json::from_str(&json.out).unwrap();
    assert!(json["text"].as_str().unwrap().starts_with("lokahi_"));
    assert_eq!(
        json["token"]["scopes"],
        serde_json::json!(["read", "operate"])
    );

    let (_, host) = server.base.split_once("//").unwrap();
    let by = async |token: &str, arguments: &[&str]| -> Ended {
        // The token goes before what is in the URL.
        let url = format!("http://eve:wrong@{host}");
        lokahictl_with(&url, arguments, &[("LOKAHI_TOKEN", token)]).await
    };
    assert_eq!(by(token, &["list"]).await.code, 0);
    assert_eq!(by(&format!("{token}\n"), &["list"]).await.code, 0);
    let denied = by(token, &["create", "-u", "http://site.example.com/"]).await;
    assert_eq!((denied.code, denied.out.as_str()), (77, ""));
    insta::assert_snapshot!(denied.words, @r"
    error: permission_denied: Checks/Create needs the scope apply:api; token:ci has plan, apply:shop
    hint: an administrator can make a token that may: lokahictl token create NAME --scope SCOPE
    ");

    let revoked = admin(&["token", "revoke", "ci"]).await;
    assert_eq!(revoked.code, 0, "{}", revoked.words);
    let revoked: Value = serde_json::from_str(&revoked.out).unwrap();
    assert!(revoked["revoked_at"].is_string());
    let refused = by(token, &["list"]).await;
    assert_eq!(refused.code, 77);
    assert!(
        refused
            .words
            .starts_with("error: unauthenticated: the token ci was revoked at 20")
    );
    let unusable = by("two words", &["list"]).await;
    assert_eq!(unusable.code, 64);
    insta::assert_snapshot!(unusable.words, @r"
    error: the token cannot be used: it is one word, of letters, digits and signs
    hint: look at LOKAHI_TOKEN, and at token in ~/.lokahictl.hcl
    ");

    let list = admin(&["token", "list", "--all", "--output", "table"]).await;
    insta::assert_snapshot!(steady(&list.out), @r"
    NAME SCOPES CREATED BY EXPIRES REVOKED LAST USED ID
    bot read,operate TIME ada - - - ID
    ci plan,apply:shop TIME ada TIME TIME TIME ID
    ");
    let live = admin(&["token", "list"]).await;
    let live: Value = serde_json::from_str(&live.out).unwrap();
    assert_eq!(live["tokens"].as_array().unwrap().len(), 1);
    let audit = admin(&["audit", "--output", "table"]).await;
    insta::assert_snapshot!(steady(&audit.out), @r"
    AT PRINCIPAL ACTION PROJECT OUTCOME SUBJECT REASON
    TIME ada Tokens/Revoke - done token ci ID -
    TIME token:ci Checks/Create api denied - needs apply:api, has plan, apply:shop
    TIME ada Tokens/Create - done token bot ID scopes read, operate
    TIME ada Tokens/Create - done token ci ID scopes plan, apply:shop
    ");
    let one = admin(&["audit", "--project", "api", "--count", "1"]).await;
    let one: Value = serde_json::from_str(&one.out).unwrap();
    assert_eq!(one["entries"][0]["outcome"], "denied");
}

#[tokio::test]
async fn the_token_of_a_file_is_for_the_server_of_the_file() {
    let server = Server::guarded().await;
    let token = server.token("ci", &["read"]).await;
    let file = std::env::temp_dir().join(format!("lokahictl-{}", random_hex(8).unwrap()));
    let text = format!("server = \"{}\"\ntoken  = \"{token}\"\n", server.base);
    fs::write(&file, text).unwrap();
    let list = ["-C", file.to_str().unwrap(), "list"];
    assert_eq!(lokahictl("", &list).await.code, 0);
    let mine = [("LOKAHI_TOKEN", "lokahi_of_the_environment")];
    assert_eq!(lokahictl_with("", &list, &mine).await.code, 77);
    let elsewhere = lokahictl(&server.base, &list).await;
    assert_eq!(elsewhere.code, 77);
    insta::assert_snapshot!(elsewhere.words, @r"
    error: unauthenticated: a user name and a password, or a token, are needed
    hint: set LOKAHI_TOKEN to a token of this server, or put a user and a password into its URL: http://user:password@host:port; where LOKAHI_TOKEN is set, the URL's are not used
    ");
    fs::remove_file(file).unwrap();
}

#[tokio::test]
async fn what_a_token_needs_is_asked_for_at_once() {
    for arguments in [
        &["token", "create", "ci"][..],
        &[
            "token",
            "create",
            "ci",
            "--scope",
            "read",
            "--expires",
            "90",
        ],
        &["audit", "--count", "0"],
        &["token"],
    ] {
        let ended = lokahictl("http://127.0.0.1:9", arguments).await;
        assert_eq!(ended.code, 64, "{arguments:?}: {}", ended.words);
    }
    for command in [&["token", "create"][..], &["token", "revoke"], &["audit"]] {
        let help = lokahictl("", &[command, &["--help"]].concat()).await;
        assert!(help.out.contains("Examples:"), "{}", help.out);
    }
}
