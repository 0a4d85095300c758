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
pub(super) fn in_check(lines: &str) -> String {
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
            "LK0304 4:3 unknown attribute `count` in `check` | there is no `count`: for several write `for_each = toset([\"a\", \"b\"])`, and each.key where they differ; for one or none `for_each = CONDITION ? toset([\"x\"]) : toset([])`, or `enabled = CONDITION`",
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
        &["LK0401 5:14 `status`: wanted a list, found a number | put it into brackets: `[200]`"],
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

/// The problems of a text without their places, but for lints.
fn errors(text: &str) -> Vec<String> {
    let told = told(text)
        .into_iter()
        .filter(|one| !one.starts_with("LK09"));
    told.map(|one| {
        one.splitn(3, ' ')
            .enumerate()
            .filter(|(at, _)| *at != 1)
            .map(|(_, part)| part)
            .collect::<Vec<_>>()
            .join(" ")
    })
    .collect()
}

#[test]
fn who_looks_where_nothing_is_known_is_told_why() {
    let default = "LK0509 a default is a plain value and refers to nothing: what is made of other values is a local, `locals { name = ... }`";
    let more = "variable \"a\" {\n  default = 1\n}\nlocals {\n  x = var.a\n}\n";
    for value in ["var.a", "local.x", "\"${var.a}\"", "[local.x]", "each.key"] {
        let text = format!("{more}variable \"b\" {{\n  default = {value}\n}}\n");
        assert_eq!(errors(&text), [default], "{value}");
    }
    let rule = |condition: &str| {
        errors(&format!(
            "{more}variable \"b\" {{\n  default = 2\n  validation {{\n    condition = {condition}\n    error_message = \"no\"\n  }}\n}}\n"
        ))
    };
    assert_eq!(rule("var.b == 2"), [] as [&str; 0]);
    assert_eq!(
        rule("var.b == 2 && var.a == 1"),
        [
            "LK0509 a `validation` looks at its own variable only, var.b | what hangs on both is one variable: `type = object({ ... })`"
        ]
    );
    assert_eq!(
        rule("local.x == 1"),
        ["LK0509 a `validation` looks at its own variable only"]
    );
    assert_eq!(
        rule("var.bb == 1"),
        ["LK0407 no variable is called `bb` | did you mean `b`?"]
    );
}

#[test]
fn what_cannot_be_is_told_by_its_own_name() {
    let status = |value: &str| {
        errors(&in_check(&format!(
            "  assert {{\n    status = [{value}]\n  }}"
        )))
    };
    for (value, expect) in [
        (
            "\"299-200\"",
            "LK0403 `status`: the range 299-200 ends before it begins: write \"200-299\"",
        ),
        (
            "99",
            "LK0402 `status`: status 99 must be between 100 and 599",
        ),
        (
            "70000",
            "LK0402 `status`: status 70000 must be between 100 and 599",
        ),
        (
            "\"200-700\"",
            "LK0402 `status`: status 200-700 must be between 100 and 599",
        ),
    ] {
        assert_eq!(status(value), [expect], "{value}");
    }
    let env = |name: &str| {
        errors(&format!(
            "variable \"a\" {{\n  default = env(\"{name}\")\n}}\n"
        ))
    };
    for (name, expect) in [
        (
            "LOKAHI_TOKEN",
            "LK0512 LOKAHI_TOKEN is never read, whatever is allowed: whoever proposes a change could send it to a site of their own; what a site is to be told is secret(\"name\")",
        ),
        (
            "HOME",
            "LK0512 HOME may not be read: allow it with --allow-env HOME (ENV_ALLOW of a server), or call it LOKAHI_...",
        ),
        (
            "",
            "LK0512 `env` wants the name of a variable of the environment",
        ),
    ] {
        assert_eq!(env(name), [expect], "{name}");
    }
    for (value, expect) in [
        (
            "file(\"\")",
            "LK0503 `file` wants the path of a file below the root folder",
        ),
        (
            "[1, 2, 3][1.5]",
            "LK0504 elements are counted in whole numbers, not 1.5",
        ),
        (
            "[1, 2, 3][\"a\"]",
            "LK0504 elements are counted in whole numbers, not a string",
        ),
    ] {
        assert_eq!(
            errors(&format!("locals {{\n  a = {value}\n}}\n")),
            [expect],
            "{value}"
        );
    }
    for (condition, hint) in [
        (
            "response.body =~ \"x\"",
            "to match a pattern, write `can(regex(\"[0-9]+\", response.body))`",
        ),
        (
            "response.body !~ \"x\"",
            "not to match a pattern, write `!can(regex(\"[0-9]+\", response.body))`",
        ),
    ] {
        let told = errors(&in_check(&format!(
            "  assert {{\n    condition = {condition}\n  }}"
        )));
        assert!(told.len() == 1 && told[0].ends_with(hint), "{told:?}");
    }
    let numbers = "check \"web\" {\n  for_each = toset([1, 2])\n  url = \"https://e.com/\"\n}\n";
    assert_eq!(
        errors(numbers),
        [
            "LK0605 `for_each` wants a set of strings, and a number is in this one | keys are texts: `toset([\"1\", \"2\"])`, or `toset([for x in list : tostring(x)])`"
        ]
    );
}

#[test]
fn a_whole_and_one_of_its_keys_are_no_repetition() {
    let whole = "check \"web\" {\n  for_each = toset([\"a\"])\n  url = \"https://e.com/\"\n}\n";
    let one = "check \"web\" \"z\" {\n  url = \"https://e.com/z\"\n}\n";
    let expect = "LK0308 check `web` is declared as a whole, and one of its keys by itself | put the key into the `for_each` of the whole, or call one of the two something else";
    for text in [format!("{whole}{one}"), format!("{one}{whole}")] {
        assert_eq!(errors(&text), [expect]);
    }
    for text in [format!("{whole}{whole}"), format!("{one}{one}")] {
        assert_eq!(errors(&text), ["LK0308 check `web` is declared twice"]);
    }
}

#[test]
fn a_library_that_is_included_twice_is_told_once() {
    for (first, second, expect) in [
        ("../shared", "../shared", "../shared is included twice"),
        (
            "../shared",
            "./../shared/",
            "./../shared/ is included twice",
        ),
        (
            "../shared",
            "../a/../shared",
            "../a/../shared is included twice",
        ),
        (
            "../shared",
            "../shared/more",
            "../shared/more and ../shared lie in one another: name the outer one",
        ),
    ] {
        let root = format!(
            "lokahi {{\n  project = \"shop\"\n  include = [\"{first}\", \"{second}\"]\n}}\n"
        );
        let files = std::collections::BTreeMap::from([
            ("lokahi.hcl".to_owned(), root.into_bytes()),
            (
                "../shared/a.hcl".to_owned(),
                b"locals {\n  x = 1\n  y = 2\n}\n".to_vec(),
            ),
            (
                "../shared/more/b.hcl".to_owned(),
                b"locals {\n  z = 2\n}\n".to_vec(),
            ),
        ]);
        let Diagnostics(list) = compile(&files, &Inputs::default(), Keep::Nothing).unwrap_err();
        let told: Vec<&str> = list.iter().map(|one| one.message.as_str()).collect();
        assert_eq!(told, [expect]);
    }
}

#[test]
fn the_version_that_is_wanted_is_written_as_here() {
    let told = |wanted: &str| {
        let root =
            format!("lokahi {{\n  project = \"shop\"\n  required_version = \"{wanted}\"\n}}\n");
        let files =
            std::collections::BTreeMap::from([("lokahi.hcl".to_owned(), root.into_bytes())]);
        match compile(&files, &Inputs::default(), Keep::Nothing) {
            Ok(_) => String::new(),
            Err(Diagnostics(list)) => format!(
                "{} | {}",
                list[0].message,
                list[0].hint.as_deref().unwrap_or_default()
            ),
        }
    };
    let no = |sign: &str| {
        format!("`required_version`: there is no `{sign}` here, but =, >, >=, <, <=, ~ and ^")
    };
    for (wanted, hint) in [
        ("~> 0.1.0", ">= 0.1.0, < 0.2"),
        ("~> 0.1", ">= 0.1, < 1"),
        ("~>0", ">= 0"),
        ("~> x", ">= 0.1, < 1.0"),
    ] {
        assert_eq!(
            told(wanted),
            format!("{} | write \"{hint}\"", no("~>")),
            "{wanted}"
        );
    }
    assert!(told("!= 0.1.0").starts_with(&no("!=")));
    for good in [">= 0.1.0, < 0.2", ">= 0.1, < 1", ">= 0"] {
        assert_eq!(told(good), "", "{good}");
    }
}
