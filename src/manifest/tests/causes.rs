//! What people type by habit or in a hurry, and that they are told the cause: one problem for one
//! mistake, every mistake of a list, and the hint that helps.

use super::tree;
use crate::manifest::compile::{Keep, compile};
use crate::manifest::diagnostic::Diagnostics;
use crate::manifest::inputs::Inputs;

/// Each problem of a file as `CODE LINE:COLUMN message | hint`.
pub(super) fn told(text: &str) -> Vec<String> {
    let list = match compile(
        &tree(&[("web.hcl", text)]),
        &Inputs::default(),
        Keep::Nothing,
    ) {
        Ok(compiled) => compiled.warnings,
        Err(Diagnostics(list)) => list,
    };
    list.iter()
        .map(|one| {
            let hint = one.hint.as_deref().map(|hint| format!(" | {hint}"));
            format!(
                "{} {}:{} {}{}",
                one.code,
                one.at.line,
                one.at.column,
                one.message,
                hint.unwrap_or_default()
            )
        })
        .collect()
}

/// A check with these lines, which everybody hears of.
fn in_check(lines: &str) -> String {
    format!(
        "check \"web\" {{\n  url         = \"https://example.com/\"\n  webhook_url = \"https://hooks.example.com/web\"\n{lines}\n}}\n"
    )
}

#[track_caller]
fn check(text: &str, expect: &[&str]) {
    assert_eq!(told(text), expect, "{text}");
}

#[test]
fn what_is_inserted_and_not_closed_is_the_cause() {
    let open = "this `${` is never closed | close it with `}` within the text; `$${` is a text, not a sign";
    for rest in ["${x\"", "${x", "a${x", "${x\"\n  every = \"30s\""] {
        let text = in_check(&format!("  body = \"{rest}\n  labels = {{ a = \"b\" }}"));
        let column = 11 + usize::from(rest.starts_with('a'));
        check(&text, &[&format!("LK0203 4:{column} {open}")]);
    }
    check(
        &in_check("  body = <<E\n${x\nE"),
        &[&format!("LK0203 5:1 {open}")],
    );
    check(&in_check("  body = \"${\n    \"a\"\n  }\""), &[]);
}

#[test]
fn a_directive_has_its_end() {
    let ends = "the text ends before it; `%%{` is a text, not a sign";
    let pair = "`%{ if condition }...%{ else }...%{ endif }`";
    for (text, expect) in [
        (
            "%{ if true }a",
            format!("LK0201 4:11 this `%{{ if }}` has no `%{{ endif }}` | {ends}"),
        ),
        (
            "%{~ for x in [1] ~}a",
            format!("LK0201 4:11 this `%{{ for }}` has no `%{{ endfor }}` | {ends}"),
        ),
        (
            "%{if true}a%{else}b",
            format!("LK0201 4:11 this `%{{ else }}` has no `%{{ endif }}` | {ends}"),
        ),
        (
            "a%{ endif }",
            format!("LK0201 4:12 `%{{ endif }}` belongs to no directive before it | {pair}"),
        ),
        (
            "%{ if true }a%{ endfor }%{ endif }",
            "LK0201 4:24 `%{ endfor }` cannot stand in this `%{ if }` | `%{ for x in list }...%{ endfor }`"
                .to_owned(),
        ),
    ] {
        check(&in_check(&format!("  body = \"{text}\"")), &[&expect]);
    }
    check(
        &in_check("  body = <<E\n%{ if true }\nyes\nE"),
        &[&format!(
            "LK0201 5:1 this `%{{ if }}` has no `%{{ endif }}` | {ends}"
        )],
    );
    check(
        &in_check(
            "  body = \"%{ if true }%{ for x in [1] }${x}%{ endfor }%{ else }b%{ endif }%%{ if\"",
        ),
        &[],
    );
}

#[test]
fn habits_of_other_languages_have_their_hints() {
    let end = "expected newline or eof";
    for (line, expect) in [
        (
            "every = 30s",
            format!("4:11 {end} | a duration stands in quotes: \"30s\""),
        ),
        (
            "every = 1h30m",
            format!("4:11 {end} | a duration stands in quotes: \"1h30m\""),
        ),
        (
            "body = 10mb",
            format!("4:10 {end} | a text stands in quotes: \"10mb\""),
        ),
        (
            "body = 0x1f",
            format!("4:10 {end} | numbers are decimal: 31"),
        ),
        (
            "body = true and false",
            format!("4:15 {end} | write `&&` for \"and\""),
        ),
        (
            "body = (true or false)",
            "4:16 expected `)` | write `||` for \"or\"".to_owned(),
        ),
        (
            "body = not true",
            format!("4:10 {end} | write `!` for \"not\": `!condition`"),
        ),
    ] {
        check(
            &in_check(&format!("  {line}")),
            &[&format!("LK0201 {expect}")],
        );
    }
    check(
        &in_check("  count = 2\n  interval = \"5s\""),
        &[
            "LK0304 4:3 unknown attribute `count` in `check` | there is no `count`: write `for_each = toset([\"a\", \"b\"])`, and each.key where they differ",
            "LK0304 5:3 unknown attribute `interval` in `check` | write `every = \"60s\"`",
        ],
    );
    check(
        &in_check("  assert {\n    condition = status == 200 && bdoy == \"a\"\n  }"),
        &[
            "LK0407 5:17 nothing is called `status` here | write response.status",
            "LK0407 5:34 nothing is called `bdoy` here | a text stands in quotes: \"bdoy\"",
        ],
    );
}

#[test]
fn what_is_written_as_elsewhere_has_its_hint() {
    let hint = |text: &str| {
        let told = told(text);
        assert_eq!(told.len(), 1, "{text}: {told:?}");
        let (_, hint) = told[0]
            .split_once(" | ")
            .unwrap_or_else(|| panic!("{told:?}"));
        hint.to_owned()
    };
    for (line, expect) in [
        (
            "body: \"x\"",
            "an attribute is written with `=`: `url = \"https://example.com/\"`",
        ),
        (
            "body \"x\"",
            "an attribute has `=` behind its name, a block `{` at the end of its line",
        ),
        ("body = \"x\",", "no comma at the end of an attribute"),
        (
            "body = \u{201c}x\u{201d}",
            "these are not the quotes of a string: write `\"`",
        ),
        (
            "body = \"${count.index}\"",
            "with `for_each` it is each.key",
        ),
        (
            "assert {\n    condition = response.status = 200\n  }",
            "to compare, write `==`",
        ),
        (
            "assert {\n    condition = response.latency.total < \"1500ms\"\n  }",
            "a time is a number of seconds here: 1.5",
        ),
        (
            "assert {\n    condition = response.latency.all < 2\n  }",
            "it has connect, dns, first_byte, tls, total",
        ),
        (
            "dynamic \"assert\" {\n  }",
            "blocks are written out; what differs in them can hang on each.value",
        ),
    ] {
        assert_eq!(hint(&in_check(&format!("  {line}"))), expect, "{line}");
    }
    let bare = "webhook \"oncall\" {\n  url = \"https://hooks.example.com/\"\n}\ncheck \"web\" {\n  url = \"https://example.com/\"\n  notify {\n    webhooks = [oncall]\n  }\n}\n";
    assert_eq!(hint(bare), "write webhook.oncall");
    let name = "locals {\n  host = \"example.com\"\n  url = host\n}\n";
    assert!(
        told(name)[0].contains("nothing is called `host` here"),
        "{:?}",
        told(name)
    );
    assert_eq!(
        hint("terraform {\n}\n"),
        "write `lokahi { project = \"name\" }`"
    );
}

#[test]
fn one_mistake_makes_no_other() {
    check(
        &in_check("  assert {\n    status = 200\n  }"),
        &["LK0401 5:14 `status`: wanted a list, found a number | put it into brackets: `[...]`"],
    );
    // A name that is none hides nothing.
    let text = "check \"Web\" {\n  url = 1\n  evry = \"5s\"\n}\nwebhook \"a b\" {\n  url = \"x\"\n  format = \"slack\"\n}\n";
    let codes: Vec<String> = told(text)
        .iter()
        .map(|one| one.split(' ').take(2).collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(
        codes,
        [
            "LK0307 1:7",
            "LK0401 2:9",
            "LK0304 3:3",
            "LK0307 5:9",
            "LK0403 6:9",
            "LK0405 7:12"
        ]
    );
}

#[test]
fn how_many_arguments_there_are_is_a_code_of_its_own() {
    for (call, expect) in [
        ("upper()", "`upper` takes 1 argument, not 0 | upper(text)"),
        (
            "upper(\"a\", \"b\")",
            "`upper` takes 1 argument, not 2 | upper(text)",
        ),
        ("try()", "`try` takes at least one argument"),
    ] {
        let found = told(&format!("locals {{\n  a = {call}\n}}\n"));
        assert_eq!(found.len(), 1);
        assert!(
            found[0].starts_with("LK0502 ") && found[0].ends_with(expect),
            "{found:?}"
        );
    }
    // How long a list is shows only when there is one, so that `try` may ask.
    let tried = told(&in_check("  body = try(upper([]...), \"none\")"));
    assert_eq!(tried, [] as [&str; 0]);
}

#[test]
fn every_mistake_of_a_list_or_an_object_is_told() {
    let text = in_check(
        "  labels = { a = [], \"b!\" = \"c\", c = {}, d = \"fine\" }\n  assert {\n    status = [99, 200, \"abc\", \"9xx\"]\n    body_contains = [\"\", 1]\n    header_matches = { a = \"(\", \"b c\" = \"d\" }\n  }",
    );
    let places: Vec<String> = told(&text)
        .iter()
        .map(|one| one.split(' ').take(2).collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(
        places,
        [
            "LK0401 4:18",
            "LK0307 4:22",
            "LK0401 4:38",
            "LK0402 6:15",
            "LK0403 6:24",
            "LK0402 6:31",
            "LK0402 7:22",
            "LK0401 7:26",
            "LK0409 8:28",
            "LK0403 8:33",
        ]
    );
    // The same in what checks are laid over.
    let shared = "defaults {\n  labels = { \"a!\" = \"x\", \"b!\" = \"y\" }\n}\n";
    assert_eq!(told(shared).len(), 2);
    let keys = "check \"web\" {\n  for_each = toset([\"\", \"a\", \"\\n\"])\n  url = \"https://example.com/${each.key}\"\n}\n";
    assert_eq!(told(keys).len(), 2);
    let objects = "locals {\n  a = { (null) = 1, ([]) = 2 }\n}\n";
    assert_eq!(told(objects).len(), 2);
    check(
        "variable \"ports\" {\n  type    = list(number)\n  default = [\"a\", 1, {}]\n}\n",
        &[
            "LK0401 3:13 the value of the variable `ports`: at [0]: wanted number, found a string; at [2]: wanted number, found an object",
        ],
    );
}

#[test]
fn what_could_not_be_read_is_not_missed() {
    let check_of = |value: &str| {
        format!(
            "check \"web\" {{\n  url = \"https://example.com/${{{value}}}\"\n}}\nlocals {{\n  unused = var.env\n}}\n"
        )
    };
    for (open, value) in [
        ("locals {\n  a = [1, 2\n  b = 3\n}\n", "local.b"),
        ("locals {\n  a = { x = 1\n  b = 3\n}\n", "local.b"),
        ("variable \"env\" {\n  default = [\n}\n", "var.env"),
    ] {
        let text = format!("{open}{}", check_of(value));
        let found = told(&text);
        let declared = open.starts_with("variable");
        let codes: Vec<&str> = found.iter().filter_map(|one| one.get(..6)).collect();
        // `var.env` is missing indeed where only the locals are torn.
        let expect: &[&str] = if declared {
            &["LK0203"]
        } else {
            &["LK0203", "LK0407"]
        };
        assert_eq!(codes, expect, "{found:?}");
    }
}
