//! Whether a check is probed and may go, and who hears of the project.

use std::collections::BTreeMap;

use super::{compiled, problems};
use crate::manifest::compile::{Keep, compile};
use crate::manifest::difference::{check_fields, project_fields};
use crate::manifest::inputs::Inputs;
use crate::model::desired::{Desired, ProjectSpec};

const HOOKS: &str = r#"
webhook "platform" {
  url    = "http://hook.example.com/"
  format = "json"
}
webhook "old" {
  url = "http://old.example.com/"
}
"#;

/// A root whose own block says this, too.
fn root(says: &str, text: &str) -> BTreeMap<String, Vec<u8>> {
    let root = format!("lokahi {{\n  project = \"shop\"\n  {says}\n}}\n");
    let files = [
        ("lokahi.hcl", root.as_str()),
        ("hooks.hcl", HOOKS),
        ("a.hcl", text),
    ];
    let bytes = |(path, text): (&str, &str)| (path.to_owned(), text.as_bytes().to_vec());
    files.map(bytes).into()
}

fn desired(text: &str) -> Desired {
    super::good(&[("a.hcl", text)])
}

fn warnings(files: &[(&str, &str)]) -> Vec<String> {
    let compiled = compiled(files).unwrap();
    let said = compiled.warnings.iter();
    said.map(|warning| format!("{}:{} {}", warning.at.file, warning.at.line, warning.code))
        .collect()
}

#[test]
fn a_folder_is_disabled_and_a_check_below_it_is_not() {
    let desired = super::good(&[
        ("eu/defaults.hcl", "defaults {\n  enabled = false\n}"),
        ("eu/a.hcl", "check \"a\" {\n  url = \"http://a/\"\n}"),
        (
            "eu/b.hcl",
            "check \"b\" {\n  url     = \"http://b/\"\n  enabled = true\n}",
        ),
        ("c.hcl", "check \"c\" {\n  url = \"http://c/\"\n}"),
    ]);
    let checks = desired.checks.iter();
    let enabled: Vec<_> = checks
        .map(|(name, c)| (name.as_str(), c.spec.enabled))
        .collect();
    assert_eq!(enabled, [("a", false), ("b", true), ("c", true)]);
}

#[test]
fn a_template_protects_what_uses_it() {
    let desired = desired(
        r#"
template "precious" {
  lifecycle {
    prevent_destroy = true
  }
}
check "a" {
  url = "http://a/"
  use = [template.precious]
}
check "b" {
  url = "http://b/"
  use = [template.precious]

  lifecycle {
    prevent_destroy = false
  }
}
"#,
    );
    let protected = |name: &str| desired.checks[name].spec.prevent_destroy;
    assert_eq!((protected("a"), protected("b")), (true, false));
    let fields = check_fields(&desired.checks["b"].spec, &desired.checks["a"].spec);
    let shown: Vec<_> = fields
        .iter()
        .map(|f| format!("{}: {} -> {}", f.path, f.before, f.after))
        .collect();
    assert_eq!(
        shown,
        [
            "url: \"http://b/\" -> \"http://a/\"",
            "lifecycle.prevent_destroy: false -> true"
        ]
    );
}

#[test]
fn a_bool_is_no_text() {
    let of = |value: &str| {
        let text = format!("check \"a\" {{\n  url     = \"http://a/\"\n  enabled = {value}\n}}");
        problems(&[("a.hcl", &text)])
    };
    let wrong = "a.hcl:3:13: error[LK0401]: `enabled`: wanted a bool, found a string";
    assert_eq!(of("\"false\""), [wrong]);
    assert_eq!(of("null"), [""; 0]);
    assert_eq!(of("1 < 2"), [""; 0]);
}

#[test]
fn operators_are_receivers_that_can_read_what_they_are_told() {
    let says = "operators = [webhook.platform, webhook.platform]";
    let compiled = compile(&root(says, ""), &Inputs::default(), Keep::Specs).unwrap();
    // The other webhook is used by nothing; an operator is not.
    let warned = compiled.warnings.iter();
    let warned: Vec<_> = warned.map(|one| one.message.as_str()).collect();
    assert_eq!(warned, ["nothing uses webhook.old"]);
    let spec = compiled.desired.unwrap().project_spec;
    let fields = project_fields(&ProjectSpec::default(), &spec);
    assert_eq!(fields.len(), 1);
    assert_eq!(fields[0].path, "operators");
    assert_eq!(fields[0].before, "null");
    assert_eq!(fields[0].after, "[webhook.platform]");
    for (says, expected) in [
        (
            "operators = [webhook.platform, webhook.old]",
            "lokahi.hcl:3:34: error[LK0403]: `operators`: webhook.old has the format protobuf, \
             which knows checks that are up, down or in error, and no projects",
        ),
        (
            "operators = [webhook.platfrom]",
            "lokahi.hcl:3:16: error[LK0407]: no webhook is called `platfrom`",
        ),
        (
            "operators = [\"platform\"]",
            "lokahi.hcl:3:16: error[LK0401]: `operators`: wanted a receiver: webhook.NAME, \
             found a string",
        ),
    ] {
        let refused = compile(&root(says, ""), &Inputs::default(), Keep::Specs);
        assert_eq!(refused.unwrap_err().0[0].to_string(), expected);
    }
}

#[test]
fn a_check_that_nobody_probes_asks_nothing_and_is_told_to_nobody() {
    let twins = |first: &str| {
        format!(
            "check \"old\" {{\n  url = \"https://a.example.com/\"\n  {first}\n}}\n\
             check \"new\" {{\n  url = \"https://a.example.com/\"\n}}\n"
        )
    };
    let enabled = warnings(&[("a.hcl", &twins("enabled = true"))]);
    assert_eq!(
        enabled,
        ["a.hcl:1 LK0906", "a.hcl:5 LK0906", "a.hcl:6 LK0904"]
    );
    let disabled = warnings(&[("a.hcl", &twins("enabled = false"))]);
    assert_eq!(disabled, ["a.hcl:5 LK0906"]);
}
