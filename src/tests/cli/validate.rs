//! `lokahictl validate`, with folders as people leave them: files of no root, and links.

use std::fs;
use std::os::unix::fs::symlink;

use super::scratch::{CHECK, ROOT, Scratch};
use crate::support::programs::lokahictl;

#[tokio::test]
async fn files_of_no_root_are_told() {
    let scratch = Scratch::new(&[
        (
            "shop/lokahi.hcl",
            "\u{feff}lokahi {\n  project = \"shop\"\n  include = [\"../shared\"]\n}\n",
        ),
        ("shop/web.hcl", CHECK),
        ("blog/lokahi.hcl", "lokahi {\n  project = \"blog\"\n}\n"),
        (
            "shared/hooks.hcl",
            "webhook \"hook\" {\n  url = \"https://hooks.example.com/\"\n}\n",
        ),
        ("old/a.hcl", CHECK),
        ("old/b.hcl", CHECK),
        ("old/deep/c.hcl", CHECK),
        ("_off/d.hcl", CHECK),
        ("top.hcl", CHECK),
    ]);
    let tree = scratch.at("");
    let told = lokahictl("", &["validate", &tree]).await;
    assert_eq!(told.code, 0, "{}{}", told.out, told.words);
    let places: Vec<String> = told
        .out
        .lines()
        .filter_map(|line| line.strip_prefix(" --> ").map(|place| scratch.short(place)))
        .collect();
    assert_eq!(places, ["~/top.hcl", "~/old/a.hcl", "~/old/deep/c.hcl"]);
    assert!(
        told.out
            .contains("warning[LK0910]: this file and 1 more of its folder belong to no root")
    );
    let strict = lokahictl("", &["validate", "--deny-warnings", &tree]).await;
    assert_eq!(strict.code, 3);
    let json = lokahictl("", &["validate", "--output", "json", &tree]).await;
    let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(json["valid"], true);
    assert_eq!(json["warnings"], 3);
    // A root by itself has none.
    let one = lokahictl("", &["validate", "--deny-warnings", &scratch.at("shop")]).await;
    assert_eq!(one.code, 0, "{}", one.out);
    // Whatever stands in no root is laid out all the same.
    let laid_out = lokahictl("", &["fmt", "--check", &scratch.at("old")]).await;
    assert_eq!(laid_out.code, 0, "{}{}", laid_out.out, laid_out.words);
}

#[tokio::test]
async fn a_link_out_of_the_root_is_refused_and_tells_nothing_of_what_it_leads_to() {
    let scratch = Scratch::new(&[
        ("etc/passwd", "root:canary:0:0:root:/root:/bin/bash\n"),
        ("etc/env", "canary_name = \"canary-value\"\n"),
        (
            "etc/vault.hcl",
            "seal \"x\" {\n  token = \"canary-token\"\n}\nlocals {\n  a = canary-local\n}\n",
        ),
        ("etc/good.hcl", "locals {\n  host = \"example.com\"\n}\n"),
        ("shop/lokahi.hcl", ROOT),
        ("shop/real/inside.hcl", "locals {\n  b = nowhere\n}\n"),
    ]);
    let link = |to: &str, at: &str| symlink(to, scratch.0.join(at)).unwrap();
    link("../etc/passwd", "shop/a.hcl");
    link("../etc/env", "shop/b.hcl");
    link("../etc/vault.hcl", "shop/c.hcl");
    link("../etc", "shop/folder");
    link("real/inside.hcl", "shop/d.hcl");
    for output in ["human", "json", "github", "junit"] {
        let told = lokahictl("", &["validate", "--output", output, &scratch.at("shop")]).await;
        let said = format!("{}{}", told.out, told.words);
        assert_eq!(told.code, 1, "{said}");
        for canary in ["canary-", "/bin/bash", "canary_name"] {
            assert!(!said.contains(canary), "{output}: {said}");
        }
    }
    let told = lokahictl("", &["validate", &scratch.at("shop")]).await.out;
    let refused = "it is a link out of the folder, and only what lies in it is read";
    assert_eq!(told.matches(refused).count(), 4, "{told}");
    // What a link finds within the root is the root's own.
    assert!(told.contains("b = nowhere"), "{told}");
    for arguments in [
        ["fmt", "--diff", "shop"],
        ["fmt", "--diff", "shop/a.hcl"],
        ["fmt", "--diff", "shop/b.hcl"],
    ] {
        let path = scratch.at(arguments[2]);
        let told = lokahictl("", &[arguments[0], arguments[1], &path]).await;
        let said = format!("{}{}", told.out, told.words);
        assert!(
            !said.contains("canary") && !said.contains("/bin/bash"),
            "{said}"
        );
    }
    let before = fs::read_to_string(scratch.0.join("etc/vault.hcl")).unwrap();
    lokahictl("", &["fmt", &scratch.at("shop")]).await;
    assert_eq!(
        fs::read_to_string(scratch.0.join("etc/vault.hcl")).unwrap(),
        before
    );

    // Good as it may be: what has no mistake would be used.
    let farm = Scratch::new(&[("shop/lokahi.hcl", ROOT), ("shop/web.hcl", CHECK)]);
    symlink(scratch.0.join("etc/good.hcl"), farm.0.join("shop/host.hcl")).unwrap();
    let told = lokahictl("", &["validate", &farm.at("shop")]).await;
    assert_eq!(told.code, 1, "{}", told.out);
    assert!(told.out.contains(refused), "{}", told.out);
    // The root may be a link itself.
    symlink("shop/real", scratch.0.join("current")).unwrap();
    scratch.write("shop/real/inside.hcl", format!("{ROOT}{CHECK}"));
    let valid = lokahictl("", &["validate", &scratch.at("current")]).await;
    assert_eq!(valid.code, 0, "{}", valid.out);
}

#[tokio::test]
async fn apply_says_what_it_passes_over() {
    let server = super::guarded().await;
    let scratch = Scratch::new(&[
        ("shop/lokahi.hcl", ROOT),
        ("shop/web.hcl", CHECK),
        ("old/web.hcl", CHECK),
    ]);
    let tree = scratch.at("");
    let applied = lokahictl(&server.url, &["apply", "--auto-approve", &tree]).await;
    assert_eq!(applied.code, 0, "{}", applied.words);
    let warning = "warning[LK0910]: this file belongs to no root, and nobody reads it";
    assert!(applied.words.contains(warning), "{}", applied.words);
}
