//! `webhook verify`: what it says of messages that were kept.

use lokahi::clock;
use lokahi::signature::sign;
use prost::Message as _;

use super::{SECRET, SECRETS, event};
use crate::support::folder::Folder;
use crate::support::programs::{Ended, lokahictl_with};

async fn lokahictl(arguments: &[&str]) -> Ended {
    let arguments = [&["webhook"], arguments].concat();
    lokahictl_with("http://127.0.0.1:1/", &arguments, &SECRETS).await
}

#[tokio::test]
async fn what_was_kept_is_verified() {
    let folder = Folder::new();
    let body = event().encode_to_vec();
    folder.write("body", &body);
    folder.write("longer", [&body[..], b"\n"].concat());
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (whole, longer) = (path("body"), path("longer"));
    let now = clock::now().unix_timestamp();
    let keys = [SECRET.parse().unwrap()];
    let at = |seconds: i64| (seconds.to_string(), sign(&keys, "msg_1", seconds, &body));
    let (fresh, old) = (at(now), at(1_767_225_660));
    let of = |file: &str, secret: &str, signed: &(String, String), more: &[&str]| {
        let fixed = [
            "verify",
            file,
            "--secret",
            secret,
            "--id",
            "msg_1",
            "--timestamp",
            signed.0.as_str(),
            "--signature",
            signed.1.as_str(),
        ];
        let all: Vec<String> = fixed
            .iter()
            .chain(more)
            .map(|it| (*it).to_owned())
            .collect();
        async move {
            let all: Vec<&str> = all.iter().map(String::as_str).collect();
            lokahictl(&all).await
        }
    };
    let valid = of(&whole, "new", &fresh, &["--secret", "old"]).await;
    assert_eq!(
        (valid.code, valid.out.as_str()),
        (0, "valid: signed with secret(\"new\")\n")
    );
    let kept = of(&whole, "new", &old, &["--any-age"]).await;
    assert_eq!(kept.code, 0, "{}", kept.words);

    let told = |ended: Ended| format!("{} {}{}", ended.code, ended.out, ended.words);
    let stale = told(of(&whole, "new", &old, &[]).await);
    assert!(
        stale.starts_with("1 error: not valid: the signature is right, but the message is "),
        "{stale}"
    );
    assert!(
        stale.ends_with("hint: --any-age takes what was kept\n"),
        "{stale}"
    );
    let mut all = String::new();
    all.push_str(&told(of(&whole, "old", &fresh, &[]).await));
    all.push_str(&told(of(&longer, "new", &fresh, &[]).await));
    all.push_str(&told(of(&whole, "word", &fresh, &[]).await));
    all.push_str(&told(of(&whole, "gone", &fresh, &[]).await));
    all.push_str(&told(
        lokahictl(&["verify", &whole, "--secret", "new", "--id", "msg_1"]).await,
    ));
    all.push_str(&told(lokahictl(&["verify", &whole]).await));
    all.push_str(&told(of("/nonexistent/body", "new", &fresh, &[]).await));
    assert!(!all.contains("hunter2"), "{all}");
    insta::assert_snapshot!(all, @r#"
    1 error: not valid: no signature fits: it was signed with another secret, or its id, timestamp or body was changed on the way
    hint: the body must be the bytes as they came, not parsed and written anew
    1 error: not valid: no signature fits: it was signed with another secret, or its id, timestamp or body was changed on the way
    hint: without the line end after the body it is signed: something added that; keep the bytes as they came
    64 error: the value of secret("word") is no signing secret: it is not base64 (with or without whsec_ before it); `openssl rand -base64 32` makes one
    64 error: secret("gone") is not known to lokahictl: set LOKAHI_SECRET_GONE, or put a file "gone" into the folder of --secrets-dir
    1 error: not valid: the header webhook-timestamp is missing
    hint: give its value with --timestamp
    64 error: no secret is named
    hint: name the secret that it should be signed with: --secret NAME
    64 error: cannot read /nonexistent/body: No such file or directory (os error 2)
    "#);
}
