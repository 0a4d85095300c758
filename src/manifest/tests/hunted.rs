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
