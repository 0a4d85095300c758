//! Several roots at once: each is looked at once, a value may be for one of them, and a mistake of
//! what they share is told once.

use super::scratch::Scratch;
use crate::support::programs::lokahictl;

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
