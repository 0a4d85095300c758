//! What files mean: defaults, merging, values.

use super::{compiled, good, problems, tree};
use crate::manifest::attributes::FILE;
use crate::manifest::attributes::check::CHECK;
use crate::manifest::compile::{Keep, compile};
use crate::manifest::difference::check_fields;
use crate::manifest::eval::functions::FUNCTIONS;
use crate::manifest::eval::special::SPECIAL;
use crate::manifest::inputs::Inputs;
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
fn secrets_that_one_variable_would_stand_for() {
    let check = |name: &str, secret: &str| {
        format!(
            "check \"{name}\" {{\n  url = \"http://a/\"\n  headers = {{ a = secret(\"{secret}\") }}\n}}\n"
        )
    };
    let both = check("a", "db-token") + &check("b", "db_token");
    let told = problems(&[("a.hcl", &both)]);
    let expect = "a.hcl:7:19: error[LK0307]: secret(\"db_token\") and secret(\"db-token\") would both be LOKAHI_SECRET_DB_TOKEN";
    assert_eq!(told, [expect]);
}

#[test]
fn a_condition_in_quotes_and_a_pattern_that_is_none() {
    let check = |condition: &str| {
        let text = format!(
            "check \"a\" {{\n  url = \"http://a/\"\n  assert {{\n    condition = {condition}\n  }}\n}}\n"
        );
        problems(&[("a.hcl", &text)])
    };
    for text in [
        "\"response.status == 200\"",
        "response.body",
        "\"x${response.body}\"",
    ] {
        let told = check(text);
        assert!(told[0].contains("LK0401"), "{text}: {told:?}");
    }
    let told = check("regex(\"a(\", response.body) == \"a\"");
    assert!(told[0].contains("LK0409"), "{told:?}");
    assert_eq!(check("can(regex(\"a.\", response.body))"), [""; 0]);
}

#[test]
fn a_sensitive_value_is_in_no_message() {
    let text = "variable \"s\" {\n  sensitive = true\n  default = \"hunTer2(\"\n}\nlocals {\n  a = tonumber(var.s)\n  b = secret(var.s)\n  c = { a = 1 }[var.s]\n  d = { (var.s) = 1 }.hunTer\n  e = tonumber(upper(var.s))\n}\n";
    let told = problems(&[("a.hcl", text)]);
    assert_eq!(told.len(), 5, "{told:?}");
    let shown = match compiled(&[("a.hcl", text)]) {
        Ok(_) => String::new(),
        Err(list) => format!("{list:?}"),
    };
    let shown = shown.replace("default = \\\"hunTer2(\\\"", "");
    assert!(!shown.to_lowercase().contains("hunter2"), "{shown}");
}

#[test]
fn a_comment_above_a_block_silences_all_of_it() {
    let check = |name: &str| {
        format!(
            "check \"{name}\" {{\n  url = \"http://{name}.example.com/\"\n  webhook_url = \"https://b/\"\n}}\n"
        )
    };
    let text = format!(
        "# lokahi-ignore: LK0901 it redirects\n{}\n{}",
        check("a"),
        check("b")
    );
    let compiled = compiled(&[("a.hcl", &text)]).unwrap();
    let told: Vec<_> = compiled.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].starts_with("a.hcl:8:9: warning[LK0901]"),
        "{told:?}"
    );
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

/// What the examples of the table refer to.
const AROUND: &[(&str, &str)] = &[
    (
        "hook.hcl",
        "webhook \"oncall\" {\n  url = \"http://a/\"\n}\n",
    ),
    (
        "platform.hcl",
        "webhook \"platform\" {\n  url    = \"http://b/\"\n  format = \"json\"\n}\n",
    ),
    (
        "more.hcl",
        "template \"api\" {\n}\n\ncheck \"homepage\" {\n  url = \"http://a/\"\n  labels = { team = \"web\" }\n  suppressed_by = []\n}\n",
    ),
    ("../shared/locals.hcl", "locals {\n  a = 1\n}\n"),
    ("ca.pem", PEM),
    ("client.pem", PEM),
];

const PEM: &str = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n";

/// Attributes that say something only beside another one.
const BESIDE: &[(&str, &str)] = &[
    ("webhook_format", "webhook_url"),
    ("error_message", "condition"),
    ("cert", "key"),
    ("key", "cert"),
    ("username", "password"),
    ("password", "username"),
    ("token_url", "client_id"),
    ("token_url", "client_secret"),
    ("client_id", "token_url"),
    ("client_id", "client_secret"),
    ("client_secret", "token_url"),
    ("client_secret", "client_id"),
    ("scopes", "token_url"),
    ("scopes", "client_id"),
    ("scopes", "client_secret"),
];

/// The attributes of a block: name, example, and whether it needs it.
fn rows(block: &'static Block) -> Vec<(&'static str, &'static str, bool)> {
    let rows = block.attributes.iter();
    let rows = rows.map(|row| (row.name, row.example, row.required()));
    let meta = block.meta.iter();
    let meta = meta.map(|meta| (meta.name, meta.example, meta.default.is_empty()));
    rows.chain(meta).collect()
}

/// A block with what it needs and the attribute of this name, and more inside.
fn block_with(block: &'static Block, name: &str, more: &str) -> String {
    let label = match (block.label, block.name) {
        (Label::Name, "variable") => " \"env\"",
        (Label::Name | Label::Instance, _) => " \"a\"",
        _ => "",
    };
    let rows = rows(block);
    let beside = BESIDE.iter().filter(|(one, _)| *one == name);
    let beside: Vec<&str> = beside.map(|(_, other)| *other).collect();
    let wanted = rows.iter().filter(|(row, _, required)| {
        let like_check = ["defaults", "template"].contains(&block.name);
        (*required && !like_check) || *row == name || beside.contains(row)
    });
    // It is at some time, and means something.
    let (more, at) = match (block.name, name) {
        ("maintenance", "cron" | "duration" | "timezone") => {
            (more, &["cron", "duration", "timezone"][..])
        }
        ("maintenance", _) => (more, &["start", "end"][..]),
        // Several places, of which several fail.
        ("check" | "defaults" | "template", _) if more.contains("distinct") => {
            (more, &["locations"][..])
        }
        _ => (more, &[][..]),
    };
    let more = match (block.name, more) {
        ("maintenance", "") => "match {\nnames = [\"*\"]\n}\n",
        (_, more) => more,
    };
    let wanted = rows
        .iter()
        .filter(|it| wanted.clone().any(|row| row == *it) || at.contains(&it.0));
    let lines: String = wanted
        .map(|(row, example, _)| format!("{row} = {example}\n"))
        .collect();
    format!("{}{label} {{\n{lines}{more}}}\n", block.name)
}

#[test]
fn each_row_of_the_table_has_a_good_example() {
    let mut texts: Vec<String> = Vec::new();
    for block in FILE.blocks {
        for (name, _, _) in rows(block) {
            texts.push(block_with(block, name, ""));
        }
        for inner in block.blocks {
            for (name, _, _) in rows(inner) {
                texts.push(block_with(block, "", &block_with(inner, name, "")));
            }
        }
    }
    assert!(texts.len() > 80, "{}", texts.len());
    for text in texts {
        let mut files: Vec<(&str, &str)> = vec![("a.hcl", &text)];
        files.extend(AROUND);
        let mut tree = tree(&files);
        if text.starts_with("lokahi ") {
            tree.remove("lokahi.hcl");
        }
        let told = compile(&tree, &Inputs::default(), Keep::Specs);
        assert!(told.is_ok(), "{text}\n{}", told.unwrap_err());
    }
}

#[test]
fn an_example_that_refers_to_nothing_is_told() {
    let text = block_with(&CHECK, "use", "");
    assert_eq!(problems(&[("a.hcl", &text)]).len(), 1);
}

#[test]
fn each_example_of_a_function_is_an_expression() {
    let settings = "variable \"settings\" {\n  default = {}\n}\n";
    let regions = "locals {\n  regions = { eu = 1 }\n}\n";
    for special in SPECIAL {
        let text = match special.name {
            "env" => format!("variable \"x\" {{\n  default = {}\n}}\n", special.example),
            _ => format!("locals {{\n  x = {}\n}}\n", special.example),
        };
        let files = [
            ("a.hcl", text.as_str()),
            ("b.hcl", settings),
            ("c.hcl", regions),
            ("_data/body.json", "{}"),
        ];
        // In memory every file is a check file.
        let told = problems(&files);
        let own: Vec<_> = told.iter().filter(|one| one.starts_with("a.hcl")).collect();
        assert_eq!(own, [""; 0], "{text}");
    }
    for function in FUNCTIONS {
        let holds = format!("{} == {}", function.example, function.gives);
        let text = format!(
            "variable \"x\" {{\n  default = 1\n\n  validation {{\n    condition     = {holds}\n    error_message = \"no\"\n  }}\n}}\n"
        );
        assert_eq!(problems(&[("a.hcl", &text)]), [""; 0], "{holds}");
    }
}

#[test]
fn a_condition_may_hang_on_a_variable_without_a_value() {
    let variable = "variable \"most\" {\n  type = number\n}\n";
    let check = |condition: &str| {
        format!(
            "check \"a\" {{\n  url = \"http://a/\"\n  assert {{\n    condition     = {condition}\n    error_message = \"more than ${{var.most}}\"\n  }}\n}}\n"
        )
    };
    let good = check("response.latency.total < var.most && response.status == 200");
    let compiled = compiled(&[("a.hcl", variable), ("b.hcl", &good)]).unwrap();
    assert!(compiled.desired.is_none());
    assert_eq!(compiled.unknown, ["most"]);
    let bad = check("response.nothing < var.most");
    insta::assert_snapshot!(
        problems(&[("a.hcl", variable), ("b.hcl", &bad)]).join("\n"),
        @"b.hcl:4:21: error[LK0506]: this object has no attribute `nothing`"
    );
    let bad = check("response.status + var.most");
    insta::assert_snapshot!(
        problems(&[("a.hcl", variable), ("b.hcl", &bad)]).join("\n"),
        @"b.hcl:4:21: error[LK0401]: wanted true or false, found a number"
    );
}

#[test]
fn the_longest_condition_can_be_stored() {
    let check = |length: usize| {
        let text = "x".repeat(length);
        format!(
            "check \"a\" {{\n  url = \"http://a/\"\n  assert {{\n    condition = response.body == \"{text}\"\n  }}\n}}\n"
        )
    };
    let around = "response.body == \"\"".len();
    let longest = check(CheckSpec::MAX_EXPRESSION - around);
    let spec = &good(&[("a.hcl", &longest)]).checks["a"].spec;
    let stored = crate::spec::decode_check(&crate::spec::encode_check(spec)).unwrap();
    assert_eq!(&stored, spec);
    let longer = check(CheckSpec::MAX_EXPRESSION - around + 1);
    assert_eq!(problems(&[("a.hcl", &longer)]).len(), 1);
}

#[test]
fn a_rule_does_not_tell_a_sensitive_value() {
    let text = "variable \"x\" {\n  default   = \"hunter2\"\n  sensitive = true\n  validation {\n    condition     = length(var.x) > 9\n    error_message = \"too short: ${var.x}\"\n  }\n}\n";
    insta::assert_snapshot!(
        problems(&[("a.hcl", text)]).join("\n"),
        @"a.hcl:2:15: error[LK0602]: the value of the variable `x`: (its message has a sensitive value in it)"
    );
}

#[test]
fn a_collection_of_any_is_of_one_type() {
    let body = |of: &str, value: &str| {
        let text = format!(
            "variable \"x\" {{\n  type    = {of}\n  default = {value}\n}}\ncheck \"a\" {{\n  url  = \"http://a/\"\n  body = jsonencode(var.x)\n}}\n"
        );
        match compiled(&[("a.hcl", &text)]) {
            Ok(compiled) => {
                let spec = &compiled.desired.unwrap().checks["a"].spec;
                spec.body.as_plain().unwrap().to_owned()
            }
            Err(problems) => problems.0[0].message.clone(),
        }
    };
    for (of, value, expect) in [
        ("list(any)", "[1, \"a\", true]", r#"["1","a","true"]"#),
        ("list(any)", "[1, 2]", "[1,2]"),
        ("set(any)", "[2, 1, 2]", "[1,2]"),
        ("map(any)", "{ a = 1, b = \"x\" }", r#"{"a":"1","b":"x"}"#),
        ("map(list(any))", "{ a = [1, \"x\"] }", r#"{"a":["1","x"]}"#),
        ("list(any)", "[1, null]", "[1,null]"),
        (
            "list(any)",
            "[1, [2]]",
            "the value of the variable `x`: the elements have no kind in common: a number, a list",
        ),
        ("any", "[1, \"a\"]", r#"[1,"a"]"#),
    ] {
        assert_eq!(body(of, value), expect, "{of} {value}");
    }
}
