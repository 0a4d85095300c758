//! What people ran into, each with the file that did it.

use super::{good, problems};
use crate::manifest::compile::{Keep, compile};
use crate::manifest::inputs::Inputs;

const CHECK: &str = "check \"c\" {\n  url = \"https://e.com/\"\n}\n";

fn moved(from: &str, to: &str) -> String {
    format!("moved {{\n  from = check.{from}\n  to   = check.{to}\n}}\n")
}

#[test]
fn what_was_renamed_may_be_renamed_again() {
    let text = format!("{CHECK}{}{}", moved("a", "b"), moved("b", "c"));
    assert_eq!(good(&[("web.hcl", &text)]).moves.len(), 2);
    let text = format!("{CHECK}{}", moved("a", "b"));
    assert_eq!(problems(&[("web.hcl", &text)]).len(), 1);
}

#[test]
fn one_check_of_the_api_becomes_one_check() {
    let id = "0198c3d2-7a54-7cc0-b1d2-3f6f1a2b3c4d";
    let import = |to: &str, id: &str| format!("import {{\n  id = \"{id}\"\n  to = {to}\n}}\n");
    let more = "check \"d\" {\n  for_each = toset([\"x\"])\n  url = \"https://e.com/${each.key}\"\n}\n\
                webhook \"w\" {\n  url = \"https://e.com/\"\n}\n";
    let one = import("check.c", id);
    let told = |text: &str| problems(&[("web.hcl", &format!("{CHECK}{more}{text}"))]).len();
    assert_eq!(told(&one), 0);
    assert_eq!(told(&import("check.d[\"x\"]", id)), 0);
    assert_eq!(told(&import("check.d", id)), 1);
    assert_eq!(told(&import("webhook.w", id)), 1);
    let again = import("check.d[\"x\"]", &id.to_uppercase());
    assert_eq!(told(&format!("{one}{again}")), 1);
}

#[test]
fn the_value_of_a_variable_comes_in_by_its_own_name_only() {
    let text = "variable \"s\" {\n  sensitive = true\n}\n\
                variable \"v\" {\n  default = env(\"LOKAHI_VAR_s\")\n}\n";
    let environment = [("LOKAHI_VAR_s".to_owned(), "CANARY".to_owned())];
    let inputs = Inputs::default().with_environment(environment);
    let files = super::tree(&[("web.hcl", text)]);
    let told = compile(&files, &inputs, Keep::Specs)
        .unwrap_err()
        .to_string();
    assert!(
        told.contains("LOKAHI_VAR_s gives a variable its value"),
        "{told}"
    );
    assert!(!told.contains("CANARY"), "{told}");
}

#[test]
fn a_file_in_utf_16_is_called_so() {
    let mut files = super::tree(&[]);
    files.insert("web.hcl".to_owned(), b"\xff\xfec\0h\0".to_vec());
    let told = compile(&files, &Inputs::default(), Keep::Specs).unwrap_err();
    assert!(told.to_string().contains("save it as UTF-8"), "{told}");
}

#[test]
fn a_header_stands_once_whatever_its_case() {
    let text = "check \"c\" {\n  url = \"https://e.com/\"\n  headers = { Accept = \"1\", accept = \"2\" }\n}\n";
    assert_eq!(problems(&[("web.hcl", text)]).len(), 1);
}

#[test]
fn an_inherited_condition_can_be_taken_away() {
    let text = "defaults {\n  assert \"x\" {\n    status    = [200]\n    condition = response.body == \"a\"\n  }\n}\n\
                check \"c\" {\n  url = \"https://e.com/\"\n  assert \"x\" {\n    condition = null\n  }\n}\n";
    let desired = good(&[("web.hcl", text)]);
    assert_eq!(desired.checks["c"].spec.asserts[0].condition, None);
}

#[test]
fn trying_hides_no_slip_in_a_condition() {
    for slip in [
        "response.status + var.nobody",
        "response.status + nothing(1)",
    ] {
        let text = format!(
            "check \"c\" {{\n  url = \"https://e.com/\"\n  assert {{\n    condition = try({slip}, true)\n  }}\n}}\n"
        );
        assert_eq!(problems(&[("web.hcl", &text)]).len(), 1, "{slip}");
    }
}

#[test]
fn an_address_is_one_that_a_check_can_have() {
    let told = |from: &str| {
        let text = format!(
            "{CHECK}locals {{\n  k = \"x\"\n}}\nmoved {{\n  from = {from}\n  to   = check.c\n}}\n"
        );
        let mut told = super::causes::told(&text);
        told.retain(|one| !one.contains("LK09"));
        told.join("\n")
    };
    for good in [
        "check.a",
        "check.a[\"0\"]",
        "check[\"a\"]",
        "check.a[\"x y\"]",
    ] {
        assert_eq!(told(good), "", "{good}");
    }
    for (bad, expect) in [
        (
            "check.a[0]",
            "LK0401 8:18 `from`: the key of a check is a text, not a number | write check.a[\"0\"]",
        ),
        (
            "check.a[local.k]",
            "LK0406 8:18 `from`: the key of a check is a text that is written out | write check.a[\"KEY\"]",
        ),
        (
            "check.A",
            "LK0307 8:10 `from`: \"A\" is not a name: a lower-case letter, then letters, digits, '-' or '_', 100 characters at most",
        ),
        (
            "check.a[\"\\u200b\"]",
            "LK0307 8:18 `from`: \"\\u200b\" has a character that nobody sees, U+200B: a key is read by people",
        ),
        (
            "\"check.a\"",
            "LK0401 8:10 `from`: wanted check.NAME or webhook.NAME | an address stands without quotes",
        ),
        (
            "local.k",
            "LK0401 8:10 `from`: wanted check.NAME or webhook.NAME",
        ),
        (
            "check",
            "LK0401 8:10 `from`: wanted check.NAME or webhook.NAME",
        ),
        (
            "webhook.a[\"b\"]",
            "LK0401 8:10 `from`: wanted check.NAME or webhook.NAME",
        ),
        (
            "check.a[\"b\"].c",
            "LK0401 8:10 `from`: wanted check.NAME or webhook.NAME",
        ),
    ] {
        assert_eq!(told(bad), expect, "{bad}");
    }
}

#[test]
fn a_url_has_a_host_and_a_key_is_seen() {
    for url in [
        "https:///x",
        "https://",
        "https:x",
        "http:/x",
        "https://\\\\x",
        "https://?x",
    ] {
        let text = format!("check \"c\" {{\n  url = \"{url}\"\n}}\n");
        assert_eq!(problems(&[("web.hcl", &text)]).len(), 1, "{url}");
    }
    for (key, point) in [
        ("\\u202e", "U+202E"),
        ("\\u200b", "U+200B"),
        ("\\u00ad", "U+00AD"),
        ("\\ufeff", "U+FEFF"),
        ("\\u001b", "U+001B"),
        ("\\U000e0041", "U+E0041"),
    ] {
        let text = format!(
            "check \"c\" {{\n  for_each = toset([\"a{key}b\"])\n  url = \"https://e.com/\"\n}}\n"
        );
        let told = problems(&[("web.hcl", &text)]);
        assert_eq!(told.len(), 1, "{key}");
        assert!(
            told[0].contains(point)
                && told[0].contains(&key.to_lowercase().replace("\\u000e", "\\U000e")),
            "{told:?}"
        );
    }
    let seen =
        "check \"c\" {\n  for_each = toset([\"köln ♥ 東京\"])\n  url = \"https://e.com/\"\n}\n";
    assert_eq!(problems(&[("web.hcl", seen)]), [] as [String; 0]);
}

/// The problems of a local, but for lints.
fn of_local(value: &str) -> Vec<String> {
    let told = super::causes::told(&format!("locals {{\n  a = {value}\n}}\n"));
    told.into_iter()
        .filter(|one| !one.contains("LK09"))
        .collect()
}

#[test]
fn a_key_stands_once_however_it_is_written() {
    for (key, shown) in [
        ("\"a b\"", "a b"),
        ("\"a.b\"", "a.b"),
        ("\"é\"", "é"),
        ("a", "a"),
        ("1", "1"),
        ("\"\"", ""),
    ] {
        let told = of_local(&format!("{{ {key} = 1, b = 2, {key} = 3 }}"));
        assert!(told.len() == 1 && told[0].starts_with("LK0205"), "{told:?}");
        assert!(
            told[0].ends_with(&format!("`{shown}` stands twice")) || shown.is_empty(),
            "{told:?}"
        );
    }
    for key in ["\"${local.x}\"", "\"\\t\"", "(local.x)", "é"] {
        let told = of_local(&format!("{{ {key} = 1, {key} = 3 }}"));
        let expect = "a key of this object stands twice | each name can stand once";
        assert!(
            told.len() == 1 && told[0].starts_with("LK0205") && told[0].ends_with(expect),
            "{told:?}"
        );
    }
    let text = "locals {\n  a = { \"a b\" = 1, \"a c\" = 2 }\n}\ncheck \"c\" {\n  url = \"https://e.com/${local.a[\"a c\"]}\"\n}\n";
    assert_eq!(
        good(&[("web.hcl", text)]).checks["c"].spec.url.as_str(),
        "https://e.com/2"
    );
}

#[test]
fn limits_of_the_parser_are_told_as_limits() {
    let apart = "| take it apart: put its parts into locals";
    let deep = format!(
        "nested too deep: at most 64 choices, signs and brackets within one another {apart}"
    );
    for (value, expect) in [
        (
            format!("1{}", " + 1".repeat(129)),
            format!("more than 128 operators in one expression {apart}"),
        ),
        (format!("{}1", "true ? 1 : ".repeat(70)), deep.clone()),
        (format!("{}true", "!".repeat(70)), deep),
        (
            format!("{}1{}", "1 + (".repeat(12), ")".repeat(12)),
            format!("more than 8 brackets within one another, each after an operator {apart}"),
        ),
        (
            format!("local.b{}", ".c".repeat(110)),
            "111 steps into a value; at most 100 are allowed".to_owned(),
        ),
    ] {
        let told = of_local(&value);
        assert!(
            told.len() == 1 && told[0].starts_with("LK0204") && told[0].ends_with(&expect),
            "{told:?}"
        );
    }
    assert_eq!(
        of_local(&format!("1{}", " + 1".repeat(128))),
        [] as [String; 0]
    );
    let list = of_local(&format!("[{}]", "1, ".repeat(10_001)));
    assert!(
        list[0].starts_with("LK0402")
            && list[0].ends_with("10001 entries; at most 10000 are allowed"),
        "{list:?}"
    );
}

#[test]
fn fractions_are_calculated_as_they_are_written() {
    for (value, expect) in [
        ("0.1 + 0.2", "0.3"),
        ("0.3 / 0.1", "3"),
        ("3 * 0.1", "0.3"),
        ("1 - 0.9", "0.1"),
        ("sum([0.1, 0.2, 3])", "3.3"),
        ("1e21", "1000000000000000000000"),
        ("tostring(1e-7)", "0.0000001"),
        (
            "jsonencode([1e21, 1e-7, 0.1 + 0.2, 1.0])",
            "[1000000000000000000000,0.0000001,0.3,1]",
        ),
        ("0.1 + 0.2 == 0.3", "true"),
    ] {
        let text =
            format!("check \"c\" {{\n  url = \"https://e.com/\"\n  body = \"v${{{value}}}\"\n}}\n");
        let body = good(&[("web.hcl", &text)]).checks["c"].spec.body.clone();
        assert_eq!(body.as_plain(), Some(&*format!("v{expect}")), "{value}");
    }
}

#[test]
fn what_nobody_sees_is_an_escape_of_the_files_in_a_message() {
    let text = "check \"c\" {\n  url = \"\\u001bx\"\n  every = \"\\u202e1s\"\n}\n";
    let told = problems(&[("web.hcl", text)]);
    assert!(told[0].contains(r#""\u001bx" is not a URL"#), "{told:?}");
    assert!(
        told[1].contains(r#""\u202e1s" is not a duration"#),
        "{told:?}"
    );
}
