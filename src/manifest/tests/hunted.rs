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
