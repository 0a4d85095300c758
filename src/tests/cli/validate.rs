//! `lokahictl validate` and `render`, with folders as people leave them.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use lokahi::files::private as files;

use crate::support::programs::lokahictl;

const ROOT: &str = "lokahi {\n  project = \"shop\"\n}\n";
const CHECK: &str = "check \"web\" {\n  url         = \"https://example.com/\"\n  webhook_url = \"https://hooks.example.com/web\"\n}\n";

/// A folder of files, removed at the end.
pub(super) struct Scratch(PathBuf);

impl Scratch {
    pub(super) fn new(files: &[(&str, &str)]) -> Self {
        let name = format!("validate-{}", files::random_hex(8).unwrap());
        let scratch = Self(std::env::temp_dir().join(name));
        fs::create_dir(&scratch.0).unwrap();
        for (path, text) in files {
            scratch.write(path, text);
        }
        scratch
    }

    fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(super) fn at(&self, path: &str) -> String {
        self.0.join(path).display().to_string()
    }

    /// A text with the folder taken for `~`.
    fn short(&self, text: &str) -> String {
        text.replace(&self.at("").trim_end_matches('/').to_owned(), "~")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

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

/// What `render --output json` says, without where it stands.
async fn values(folder: &str, given: &[&str]) -> serde_json::Value {
    let told = lokahictl(
        "",
        &[&["render", "--output", "json", folder], given].concat(),
    )
    .await;
    assert_eq!(told.code, 0, "{folder}: {}", told.words);
    let mut document: serde_json::Value = serde_json::from_str(&told.out).unwrap();
    for kind in ["checks", "webhooks"] {
        let objects = document["projects"][0][kind].as_object_mut().unwrap();
        for (_, object) in objects {
            let object = object.as_object_mut().unwrap();
            object.remove("file");
            object.remove("line");
        }
    }
    document
}

#[tokio::test]
async fn what_render_prints_is_a_root() {
    let each = Scratch::new(&[
        ("lokahi.hcl", ROOT),
        (
            "web.hcl",
            "check \"web\" {\n  for_each = { eu = \"30s\", \"u \\\"s\\\"\" = \"1m\" }\n  url      = \"https://example.com/${urlencode(each.key)}\"\n  every    = each.value\n}\n",
        ),
    ]);
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("checks.d");
    for folder in [each.at(""), sample.display().to_string()] {
        for explain in [&[][..], &["--explain"]] {
            let printed = lokahictl("", &[&["render", &folder], explain].concat()).await;
            assert_eq!(printed.code, 0, "{}", printed.words);
            let again = Scratch::new(&[("all.hcl", &printed.out)]);
            assert_eq!(values(&again.at(""), &[]).await, values(&folder, &[]).await);
            let laid_out = lokahictl("", &["fmt", "--check", &again.at("")]).await;
            // What is explained stands in columns of its own.
            let clean = laid_out.code == 0 || !explain.is_empty();
            assert!(clean, "{}", printed.out);
        }
    }
}

#[tokio::test]
async fn a_root_is_looked_at_once_and_a_flag_is_for_one_of_them() {
    let scratch = Scratch::new(&[
        (
            "a/lokahi.hcl",
            "lokahi {\n  project = \"a\"\n}\nvariable \"env\" {\n}\n",
        ),
        ("b/lokahi.hcl", "lokahi {\n  project = \"b\"\n}\n"),
    ]);
    let (a, b, tree) = (scratch.at("a"), scratch.at("b"), scratch.at(""));
    let twice = lokahictl("", &["validate", &tree, &a, &format!("{a}/")]).await;
    assert_eq!(twice.code, 0, "{}", twice.out);
    assert_eq!(twice.out.matches("are valid").count(), 2, "{}", twice.out);
    let known = lokahictl("", &["validate", &a, &b, "--var", "env=x"]).await;
    assert_eq!(known.code, 0, "{}", known.out);
    let slip = lokahictl("", &["validate", &a, &b, "--var", "evn=x"]).await;
    assert_eq!(slip.code, 1, "{}", slip.out);
    assert!(
        slip.out
            .contains("error[LK0603]: --var evn: no root has a variable `evn`")
    );
    let file = lokahictl("", &["validate", &scratch.at("a/lokahi.hcl")]).await;
    assert_eq!(file.code, 1);
    assert!(
        file.out.contains("it is a file, and a root is a folder"),
        "{}",
        file.out
    );
}

#[tokio::test]
async fn a_value_for_no_variable_of_several_roots_stops_a_plan_and_an_apply() {
    let server = super::guarded().await;
    let root = |name: &str| format!("lokahi {{\n  project = \"{name}\"\n}}\n");
    let (a, b) = (root("a") + "variable \"env\" {\n}\n", root("b"));
    let scratch = Scratch::new(&[("a/lokahi.hcl", &a), ("b/lokahi.hcl", &b)]);
    let tree = scratch.at("");
    for command in [&["plan"][..], &["apply", "--auto-approve"], &["render"]] {
        let slip = [command, &["--var", "env=x", "--var", "evn=x", &tree]].concat();
        let told = lokahictl(&server.url, &slip).await;
        let said = format!("{}{}", told.out, told.words);
        assert_eq!(told.code, 1, "{said}");
        assert!(
            said.contains("--var evn: no root has a variable `evn`"),
            "{said}"
        );
    }
    let good = lokahictl(&server.url, &["plan", "--var", "env=x", &tree]).await;
    assert_eq!(good.code, 0, "{}", good.words);
}

#[tokio::test]
async fn a_mistake_of_a_library_is_told_once_and_where_it_is() {
    let root = |name: &str| {
        format!("lokahi {{\n  project = \"{name}\"\n  include = [\"../shared\"]\n}}\n")
    };
    let (a, b) = (root("a"), root("b"));
    let scratch = Scratch::new(&[
        ("a/lokahi.hcl", &a),
        ("b/lokahi.hcl", &b),
        ("shared/hooks.hcl", "webhook \"hook\" {\n  url = 1\n}\n"),
    ]);
    let told = lokahictl("", &["validate", &scratch.at("")]).await;
    assert_eq!(told.code, 1);
    assert_eq!(told.words, "1 error\n", "{}", told.out);
    assert!(
        told.out
            .contains(&format!(" --> {}:2:9\n", scratch.at("shared/hooks.hcl"))),
        "{}",
        told.out
    );
    let json = lokahictl("", &["validate", "--output", "json", &scratch.at("")]).await;
    let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(json["errors"], 2);
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
