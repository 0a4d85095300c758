//! What `suppressed_by` names, and what it must not.

use super::{good, problems};
use crate::manifest::difference::check_fields;

fn check(name: &str, more: &str) -> String {
    format!("check \"{name}\" {{\n  url = \"http://{name}/\"\n  {more}\n}}\n")
}

const EDGES: &str = "check \"edge\" {\n  for_each = toset([\"eu\", \"us\"])\n  url      = \"http://${each.key}/\"\n}\n";

#[test]
fn it_names_checks_and_one_of_several() {
    let front = check(
        "front",
        "suppressed_by = [check.router, check.edge[\"eu\"], check.router]",
    );
    let each = "check \"page\" {\n  for_each      = toset([\"eu\", \"us\"])\n  url           = \"http://p/${each.key}\"\n  suppressed_by = [check.edge[each.key]]\n}\n";
    let router = check("router", "");
    let files = [
        ("a.hcl", front.as_str()),
        ("b.hcl", EDGES),
        ("c.hcl", each),
        ("d.hcl", &router),
    ];
    let desired = good(&files);
    let of = |address: &str| {
        let spec = &desired.checks[address].spec;
        let plain = crate::model::check::CheckSpec {
            suppressed_by: Vec::new(),
            ..spec.clone()
        };
        let fields = check_fields(&plain, spec);
        format!("{} {}", fields[0].path, fields[0].after)
    };
    assert_eq!(
        of("front"),
        "suppressed_by [check.edge[\"eu\"], check.router]"
    );
    assert_eq!(of("page[\"us\"]"), "suppressed_by [check.edge[\"us\"]]");
}

#[test]
fn what_it_must_not_name() {
    let mut told = Vec::new();
    for says in [
        "suppressed_by = [check.egde]",
        "suppressed_by = [check.edge]",
        "suppressed_by = [check.edge[\"asia\"]]",
        "suppressed_by = check.router",
        "suppressed_by = [\"router\"]",
        "suppressed_by = [webhook.router]",
        "suppressed_by = [check.front]",
        "suppressed_by = [check.back]",
    ] {
        let front = check("front", says);
        let back = check("back", "suppressed_by = [check.far]");
        let far = check("far", "suppressed_by = [check.front]");
        let router = check("router", "");
        let files = [
            ("a.hcl", front.as_str()),
            ("b.hcl", EDGES),
            ("c.hcl", &back),
            ("d.hcl", &far),
            ("e.hcl", &router),
        ];
        told.extend(problems(&files));
    }
    insta::assert_snapshot!(told.join("\n"), @r#"
    a.hcl:3:19: error[LK0407]: `suppressed_by`: no check is called `egde`
    a.hcl:3:19: error[LK0407]: `suppressed_by`: no check is called `edge`
    a.hcl:3:19: error[LK0407]: `suppressed_by`: no check is called `edge["asia"]`
    a.hcl:3:19: error[LK0401]: `suppressed_by`: wanted a list, found a reference
    a.hcl:3:20: error[LK0401]: `suppressed_by`: wanted a check: check.NAME, or check.NAME["KEY"], found a string
    a.hcl:3:20: error[LK0407]: no webhook is called `router`
    a.hcl:3:19: error[LK0508]: check.front suppresses itself
    c.hcl:3:19: error[LK0508]: checks suppress each other in a circle: check.back -> check.far -> check.front -> check.back
    "#);
}

#[test]
fn what_a_folder_hangs_on_hangs_on_nothing() {
    let all = "defaults {\n  suppressed_by = [check.edge]\n}\n";
    let edge = |more: &str| check("edge", more);
    let front = check("front", "");
    let files =
        |edge: &str| problems(&[("a.hcl", all), ("b.hcl", edge), ("c.hcl", &front)]).join("\n");
    assert_eq!(files(&edge("suppressed_by = []")), "");
    insta::assert_snapshot!(files(&edge("")), @"a.hcl:2:19: error[LK0508]: check.edge suppresses itself");
}
