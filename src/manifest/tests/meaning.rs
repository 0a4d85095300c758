//! What files mean: defaults, merging, values.

use super::{compiled, good, problems};
use crate::manifest::attributes::FILE;
use crate::manifest::difference::check_fields;
use crate::manifest::table::{Block, Label};
use crate::model::check::CheckSpec;

/// What a check of these files says beyond every default, one line an attribute.
fn check(files: &[(&str, &str)], name: &str) -> String {
    let desired = good(files);
    let declared = &desired.checks[name];
    let plain = CheckSpec::new("http://a/".parse().unwrap());
    let lines = check_fields(&plain, &declared.spec);
    lines
        .iter()
        .map(|field| format!("{} = {}\n", field.path, field.after))
        .collect()
}

#[test]
fn a_check_that_says_only_its_url_has_every_default() {
    assert_eq!(
        check(&[("a.hcl", "check \"a\" {\n  url = \"http://a/\"\n}")], "a"),
        ""
    );
}

#[test]
fn everything_that_a_check_can_say() {
    let text = r#"
webhook "hook" {
  url    = "http://hook/"
  format = "json"
}

check "a" {
  url            = "https://b/?x=$${y}"
  every          = "1m30s"
  timeout        = "2s"
  method         = "POST"
  headers        = { b = "2", A = "1" }
  body           = <<-END
    {"q": "%%{x}"}
      two
    END
  playbook_url   = "https://wiki/"
  webhook_url    = "http://own/"
  webhook_format = "json"
  labels         = { team = "web" }

  assert {
    max_latency = "250ms"
  }
  assert "page" {
    status        = [200, "3xx", "401-403"]
    body_contains = ["</html>"]
  }
  confirm {
    failures  = 3
    successes = 2
    retry     = "7s"
  }
  notify {
    webhooks = [webhook.hook, webhook.hook]
  }
}
"#;
    insta::assert_snapshot!(check(&[("a.hcl", text)], "a"), @r#"
    url = "https://b/?x=$${y}"
    every = "90s"
    timeout = "2s"
    method = "POST"
    headers.A = "1"
    headers.b = "2"
    body = "{\"q\": \"%%{x}\"}\n  two\n"
    labels.team = "web"
    playbook_url = "https://wiki/"
    webhook_url = "http://own/"
    webhook_format = "json"
    confirm.failures = 3
    confirm.successes = 2
    confirm.retry = "7s"
    notify.webhooks = [webhook.hook]
    assert.status = null
    assert.max_latency = "250ms"
    assert.page.status = [200, "3xx", "401-403"]
    assert.page.body_contains = ["</html>"]
    "#);
    let desired = good(&[("team/a.hcl", text)]);
    let source = &desired.checks["a"].source;
    assert_eq!((source.file.as_str(), source.line), ("team/a.hcl", 7));
    assert_eq!(desired.project.as_str(), "shop");
}

#[test]
fn defaults_hold_below_their_folder_and_the_nearest_wins() {
    let outer = r#"
defaults {
  every   = "30s"
  headers = { accept = "text/html", x-team = "all" }
  labels  = { env = "prod", team = "all" }

  assert "page" {
    status      = [200]
    max_latency = "2s"
  }
  confirm {
    failures = 5
  }
}
"#;
    let inner = r#"
defaults {
  headers = { Accept = "application/json", x-team = null }
  labels  = { team = "web" }

  assert "page" {
    max_latency = "1s"
  }
  confirm {
    successes = 2
  }
}

check "a" {
  url   = "http://a/"
  every = "10s"
}
"#;
    let beside = "check \"b\" {\n  url = \"http://a/\"\n  labels = null\n}\n";
    let files = [
        ("zz.hcl", outer),
        ("team/a.hcl", inner),
        ("teams/b.hcl", beside),
    ];
    insta::assert_snapshot!(check(&files, "a"), @r#"
    every = "10s"
    timeout = "8s"
    headers.Accept = "application/json"
    labels.env = "prod"
    labels.team = "web"
    confirm.failures = 5
    confirm.successes = 2
    assert.status = null
    assert.page.status = [200]
    assert.page.max_latency = "1s"
    "#);
    insta::assert_snapshot!(check(&files, "b"), @r#"
    every = "30s"
    headers.accept = "text/html"
    headers.x-team = "all"
    confirm.failures = 5
    assert.status = null
    assert.page.status = [200]
    assert.page.max_latency = "2s"
    "#);
}

#[test]
fn what_follows_from_the_period() {
    let text = "check \"a\" {\n  url = \"http://a/\"\n  every = \"2s\"\n}\n";
    insta::assert_snapshot!(check(&[("a.hcl", text)], "a"), @r#"
    every = "2s"
    timeout = "1600ms"
    confirm.retry = "2s"
    "#);
}

#[test]
fn a_check_that_names_no_status_still_wants_success() {
    let text = "check \"a\" {\n  url = \"http://a/\"\n  assert \"fast\" {\n    max_latency = \"1s\"\n  }\n}\n";
    let spec = &good(&[("a.hcl", text)]).checks["a"].spec;
    assert_eq!(spec.asserts.len(), 2);
    assert_eq!(spec.asserts[0], crate::model::check::Assert::success());
}

#[test]
fn one_mistake_hides_no_other_and_makes_no_other() {
    let broken = "webhook \"hook\" {\n  url = \"http://a/\n}\n\ncheck \"x\" {\n  url = 5\n}\n";
    let user =
        "check \"a\" {\n  url = \"ftp://a/\"\n  notify {\n    webhooks = [webhook.hook]\n  }\n}\n";
    insta::assert_snapshot!(problems(&[("a.hcl", broken), ("b.hcl", user)]).join("\n"), @r#"
    a.hcl:2:9: error[LK0202]: a quoted string must end in its line
    a.hcl:6:9: error[LK0401]: `url`: wanted a string, found a number
    b.hcl:2:9: error[LK0403]: `url`: "ftp://a/" has the scheme "ftp"; only http and https can be used
    "#);
    let lost = "defaults {\n  url = \"http://a/\n}\n";
    insta::assert_snapshot!(problems(&[("a.hcl", lost), ("b.hcl", "check \"a\" {\n}\n")]).join("\n"), @r#"a.hcl:2:9: error[LK0202]: a quoted string must end in its line"#);
}

#[test]
fn a_for_each_of_nothing_is_read_all_the_same() {
    let hook = "webhook \"hook\" {\n  url = \"http://a/\"\n}\n";
    let none = |inside: &str| {
        format!(
            "check \"a\" {{\n  for_each = {{}}\n  url      = each.value.url\n{inside}  notify {{\n    webhooks = [webhook.hook]\n  }}\n}}\n"
        )
    };
    let good = compiled(&[("a.hcl", hook), ("b.hcl", &none(""))]).unwrap();
    assert_eq!((good.checks, good.warnings.as_slice()), (0, &[][..]));
    let wrong = none("  evry     = \"5s\"\n");
    insta::assert_snapshot!(problems(&[("a.hcl", hook), ("b.hcl", &wrong)]).join("\n"), @"b.hcl:4:3: error[LK0304]: unknown attribute `evry` in `check`");
}

#[test]
fn what_hangs_on_the_response_does_not_always_hold() {
    let text = "check \"a\" {\n  url         = \"http://a/\"\n  webhook_url = \"http://b/\"\n  assert {\n    condition = can(response.json.token)\n  }\n}\n";
    assert_eq!(compiled(&[("a.hcl", text)]).unwrap().warnings, []);
}

#[test]
fn a_mistake_in_defaults_is_told_once() {
    let defaults = "defaults {\n  timeout = \"10s\"\n}\n";
    let checks: String = (0..20)
        .map(|n| format!("check \"a{n}\" {{\n  url = \"http://a/\"\n  every = \"5s\"\n}}\n"))
        .collect();
    assert_eq!(
        problems(&[("a.hcl", defaults), ("b.hcl", &checks)]).len(),
        1
    );
}

#[test]
fn a_byte_order_mark_and_line_ends_of_another_system() {
    let text = "\u{feff}check \"a\" {\r\n  url = \"http://a/\"\r\n}\r\n";
    assert!(compiled(&[("a.hcl", text)]).is_ok());
}

#[test]
fn an_empty_project_is_a_project() {
    assert!(good(&[]).checks.is_empty());
}

/// A block with one attribute, and the required ones, and what it stands in.
fn around(block: &Block, inside: &str) -> String {
    let label = if block.label == Label::Name {
        " \"a\""
    } else {
        ""
    };
    format!("{}{label} {{\n{inside}}}\n", block.name)
}

#[test]
fn each_row_of_the_table_has_a_good_example() {
    let hook = "webhook \"oncall\" {\n  url = \"http://a/\"\n}\n";
    let line = |name: &str, value: &str| format!("{name} = {value}\n");
    let needed = |block: &Block, not: &str| -> String {
        let rows = block
            .attributes
            .iter()
            .filter(|row| row.required() && row.name != not);
        rows.map(|row| line(row.name, row.example)).collect()
    };
    for block in FILE.blocks.iter().filter(|block| block.name != "lokahi") {
        let mut texts: Vec<String> = Vec::new();
        for row in block.attributes {
            // The shorthand's format wants its URL.
            let url = if row.name == "webhook_format" {
                line("webhook_url", "\"http://a/\"")
            } else {
                String::new()
            };
            let inside = needed(block, row.name) + &url + &line(row.name, row.example);
            texts.push(around(block, &inside));
        }
        for inner in block.blocks {
            // That says nothing alone.
            let rows = inner
                .attributes
                .iter()
                .filter(|row| row.name != "error_message");
            for row in rows {
                let inside = around(inner, &line(row.name, row.example));
                texts.push(around(block, &(needed(block, "") + &inside)));
            }
        }
        for text in texts {
            assert_eq!(
                problems(&[("a.hcl", &text), ("hook.hcl", hook)]),
                [""; 0],
                "{text}"
            );
        }
    }
}
