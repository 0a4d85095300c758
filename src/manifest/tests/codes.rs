//! One sample for each code, as people see it. A code without a sample fails.

use std::collections::BTreeSet;

use super::tree;
use crate::manifest::compile::compile;
use crate::manifest::diagnostic::{Code, Diagnostic};
use crate::manifest::report::{Style, counts, human};
use crate::manifest::source::{Files, Unreadable};

/// Wrong texts of `web.hcl`, each with the codes that it gives.
const SAMPLES: &[(&str, &[Code])] = &[
    ("check \"a\" {\n  url = 'http://a/'\n}\n", &[Code::Syntax]),
    (
        "check \"a\" {\n  url = \"http://a/\n}\n\ncheck \"b\" {\n  url = <<END\nhttp://b/\n}\n",
        &[Code::OpenString, Code::OpenString],
    ),
    (
        "check \"a\" {\n  labels = { a = \"b\"\n}\n\ncheck \"b\" {\n  url = [\"x\"}\n}\n",
        &[Code::OpenBracket, Code::OpenBracket],
    ),
    (
        "check \"a\" {\n  url = [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]\n}\n",
        &[Code::TooDeep],
    ),
    (
        "check \"a\" {\n  url = \"http://a/\"\n  url = \"http://b/\"\n  headers = { x = \"1\", x = \"2\" }\n  evry = \"5s\"\n}\n",
        &[Code::Repeated, Code::Repeated, Code::UnknownAttribute],
    ),
    (
        "chekc \"a\" {\n}\n\nvariable \"env\" {\n}\n\ncheck \"b\" {\n  url = \"http://b/\"\n  failures = 3\n  tls {\n  }\n}\n",
        &[
            Code::UnknownBlock,
            Code::UnknownBlock,
            Code::UnknownAttribute,
            Code::UnknownBlock,
        ],
    ),
    (
        "check \"a\" {\n  url     = \"http://a/\"\n  tiemout = \"5s\"\n  priority = 1\n}\nevery = \"5s\"\n",
        &[
            Code::UnknownAttribute,
            Code::UnknownAttribute,
            Code::UnknownAttribute,
        ],
    ),
    (
        "check \"a\" {\n  url = \"http://a/\"\n  confirm = 1\n  labels {\n  }\n}\n",
        &[Code::WrongShape, Code::WrongShape],
    ),
    (
        "check {\n  url = \"http://a/\"\n}\ncheck \"a\" \"b\" {\n  url = \"http://a/\"\n  notify \"x\" {\n  }\n}\n",
        &[Code::WrongLabels, Code::WrongLabels, Code::WrongLabels],
    ),
    (
        "check \"Home Page\" {\n  url = \"http://a/\"\n  labels = { \"a b\" = \"c\" }\n}\n",
        &[Code::InvalidName, Code::InvalidName],
    ),
    (
        "check \"a\" {\n  url = \"http://a/\"\n}\n\ncheck \"a\" {\n  url = \"http://b/\"\n  assert {\n    status = [200]\n  }\n  assert {\n    status = [201]\n  }\n}\n",
        &[Code::DeclaredTwice, Code::DeclaredTwice],
    ),
    (
        "check \"a\" {\n  every = \"5s\"\n  assert {\n  }\n}\n\ncheck \"b\" {\n  url = \"http://b/\"\n  webhook_format = \"json\"\n}\n",
        &[Code::Missing, Code::Missing, Code::Missing],
    ),
    (
        "check \"a\" {\n  url    = 5\n  method = GET\n  assert {\n    status = 200\n  }\n  notify {\n    webhooks = [\"oncall\"]\n  }\n}\n",
        &[
            Code::WrongType,
            Code::WrongType,
            Code::WrongType,
            Code::WrongType,
        ],
    ),
    (
        "check \"a\" {\n  url   = \"http://a/\"\n  every = \"31d\"\n  assert {\n    status = []\n  }\n  confirm {\n    failures = 11\n    retry    = \"10ms\"\n  }\n}\n",
        &[Code::OutOfBounds; 4],
    ),
    (
        "check \"a\" {\n  url     = \"example.com\"\n  headers = { \"content-length\" = \"5\" }\n}\n",
        &[Code::InvalidValue, Code::InvalidValue],
    ),
    (
        "check \"a\" {\n  url     = \"http://a/\"\n  every   = 60\n  timeout = \"5 s\"\n}\n",
        &[Code::InvalidDuration, Code::InvalidDuration],
    ),
    (
        "check \"a\" {\n  url            = \"http://a/\"\n  method         = \"get\"\n  webhook_url    = \"http://b/\"\n  webhook_format = \"xml\"\n}\n",
        &[Code::UnknownChoice, Code::UnknownChoice],
    ),
    (
        "check \"a\" {\n  url     = \"http://${var.host}/\"\n  body    = upper(\"x\")\n  timeout = true ? \"5s\" : \"6s\"\n  every   = var.every\n}\n",
        &[Code::NotLiteral; 4],
    ),
    (
        "webhook \"oncall\" {\n  url = \"http://a/\"\n}\n\ncheck \"a\" {\n  url = \"http://a/\"\n  notify {\n    webhooks = [webhook.oncal]\n  }\n}\n",
        &[Code::UnknownReference],
    ),
    (
        "defaults {\n  timeout = \"10s\"\n}\n\ncheck \"a\" {\n  url   = \"http://a/\"\n  every = \"5s\"\n}\n",
        &[Code::Contradiction],
    ),
];

/// A root that cannot be read in every way that there is.
struct Broken;

impl Files for Broken {
    fn list(&self) -> (Vec<String>, Vec<Unreadable>) {
        let names = ["large.hcl", "latin.hcl", "secret.hcl"].map(str::to_owned);
        let path = "gone".to_owned();
        let why = "the link leads nowhere".to_owned();
        (names.into(), vec![Unreadable { path, why }])
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, Unreadable> {
        match path {
            "large.hcl" => Ok(vec![b'#'; 1024 * 1024 + 1]),
            "latin.hcl" => Ok(b"# caf\xe9".to_vec()),
            path => Err(Unreadable {
                path: path.to_owned(),
                why: "permission denied".to_owned(),
            }),
        }
    }
}

fn diagnostics(files: &dyn Files) -> Vec<Diagnostic> {
    compile(files).err().unwrap_or_default().0
}

/// Every sample with its diagnostics.
fn samples() -> Vec<Vec<Diagnostic>> {
    let mut all: Vec<_> = SAMPLES
        .iter()
        .map(|(text, _)| diagnostics(&tree(&[("web.hcl", text)])))
        .collect();
    all.push(diagnostics(&Broken));
    all.push(diagnostics(&std::collections::BTreeMap::new()));
    let nested = "lokahi {\n  project = \"web\"\n}\n";
    all.push(diagnostics(&tree(&[("team/web.hcl", nested)])));
    all
}

#[test]
fn each_sample_gives_its_codes_and_no_others() {
    for (text, expect) in SAMPLES {
        let found = diagnostics(&tree(&[("web.hcl", text)]));
        let codes: Vec<_> = found.iter().map(|diagnostic| diagnostic.code).collect();
        let shown = human(&found, "", Style::default());
        assert_eq!(codes, *expect, "{text}\n{shown}");
    }
}

#[test]
fn each_code_has_a_sample() {
    let seen: BTreeSet<Code> = samples().iter().flatten().map(|d| d.code).collect();
    let all: BTreeSet<Code> = Code::ALL.iter().copied().collect();
    assert_eq!(seen, all);
    let ids: BTreeSet<_> = all.iter().map(|code| code.id()).collect();
    assert_eq!(ids.len(), all.len(), "two codes have one number");
}

#[test]
fn how_they_read() {
    let all: String = samples()
        .iter()
        .map(|list| {
            format!(
                "{}{}\n\n",
                human(list, "checks.d", Style::default()),
                counts(list)
            )
        })
        .collect();
    insta::assert_snapshot!(all, @r#"
    error[LK0201]: invalid expression; expected `"`, `[`, `{`, `-`, `!`, `(`, `_`, `<`, letter or digit
     --> checks.d/web.hcl:2:9
      |
    2 |   url = 'http://a/'
      |         ^
      = hint: strings stand in double quotes

    1 error

    error[LK0202]: a quoted string must end in its line
     --> checks.d/web.hcl:2:9
      |
    2 |   url = "http://a/
      |         ^^^^^^^^^^
      = hint: close it with `"`, write the line end as `\n`, or use a heredoc

    error[LK0202]: this heredoc is never closed: no line consists of END
     --> checks.d/web.hcl:6:9
      |
    6 |   url = <<END
      |         ^^^^^

    2 errors

    error[LK0203]: this `{` is never closed
     --> checks.d/web.hcl:1:11
      |
    1 | check "a" {
      |           ^

    error[LK0203]: `}` does not close this `[`
     --> checks.d/web.hcl:6:9
      |
    6 |   url = ["x"}
      |         ^

    2 errors

    error[LK0204]: nested too deep: at most 60 levels
     --> checks.d/web.hcl:2:68
      |
    2 |   url = [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]
      |                                                                    ^

    1 error

    error[LK0205]: `url` stands twice
     --> checks.d/web.hcl:3:3
      |
    3 |   url = "http://b/"
      |   ^^^
     ::: checks.d/web.hcl:2:3
      |
    2 |   url = "http://a/"
      |   --- it is here first

    error[LK0205]: `x` stands twice
     --> checks.d/web.hcl:4:24
      |
    4 |   headers = { x = "1", x = "2" }
      |                        ^
     ::: checks.d/web.hcl:4:15
      |
    4 |   headers = { x = "1", x = "2" }
      |               - it is here first

    error[LK0304]: unknown attribute `evry` in `check`
     --> checks.d/web.hcl:5:3
      |
    5 |   evry = "5s"
      |   ^^^^
      = hint: did you mean `every`?

    3 errors

    error[LK0303]: unknown block `chekc`
     --> checks.d/web.hcl:1:1
      |
    1 | chekc "a" {
      | ^^^^^
      = hint: did you mean `check`?

    error[LK0303]: unknown block `variable`
     --> checks.d/web.hcl:4:1
      |
    4 | variable "env" {
      | ^^^^^^^^
      = hint: this version of lokahi does not have `variable` yet

    error[LK0304]: unknown attribute `failures` in `check`
     --> checks.d/web.hcl:9:3
      |
    9 |   failures = 3
      |   ^^^^^^^^
      = hint: `failures` stands in a `confirm { ... }` block

    error[LK0303]: unknown block `tls` in `check`
      --> checks.d/web.hcl:10:3
       |
    10 |   tls {
       |   ^^^
       = hint: this version of lokahi does not have `tls` yet

    4 errors

    error[LK0304]: unknown attribute `tiemout` in `check`
     --> checks.d/web.hcl:3:3
      |
    3 |   tiemout = "5s"
      |   ^^^^^^^
      = hint: did you mean `timeout`?

    error[LK0304]: unknown attribute `priority` in `check`
     --> checks.d/web.hcl:4:3
      |
    4 |   priority = 1
      |   ^^^^^^^^
      = hint: this version of lokahi does not have `priority` yet

    error[LK0304]: the attribute `every` stands outside of all blocks
     --> checks.d/web.hcl:6:1
      |
    6 | every = "5s"
      | ^^^^^
      = hint: `every` stands in a `defaults { ... }` block

    3 errors

    error[LK0305]: `confirm` is a block, not an attribute
     --> checks.d/web.hcl:3:3
      |
    3 |   confirm = 1
      |   ^^^^^^^
      = hint: write `confirm { ... }`, without `=`

    error[LK0305]: `labels` is an attribute, not a block
     --> checks.d/web.hcl:4:3
      |
    4 |   labels {
      |   ^^^^^^
      = hint: write `labels = ...`

    2 errors

    error[LK0306]: `check` needs a name
     --> checks.d/web.hcl:1:1
      |
    1 | check {
      | ^^^^^
      = hint: write `check "name" {`

    error[LK0306]: `check` has one label only
     --> checks.d/web.hcl:4:11
      |
    4 | check "a" "b" {
      |           ^^^

    error[LK0306]: `notify` has no label
     --> checks.d/web.hcl:6:10
      |
    6 |   notify "x" {
      |          ^^^

    3 errors

    error[LK0307]: "Home Page" is not a name: a lower-case letter, then letters, digits, '-' or '_', 100 characters at most
     --> checks.d/web.hcl:1:7
      |
    1 | check "Home Page" {
      |       ^^^^^^^^^^^

    error[LK0307]: `labels`: "a b" is not a label: a letter, then letters, digits, `_`, `-` or `.`, 64 at most
     --> checks.d/web.hcl:3:14
      |
    3 |   labels = { "a b" = "c" }
      |              ^^^^^

    2 errors

    error[LK0308]: check `a` is declared twice
     --> checks.d/web.hcl:5:1
      |
    5 | check "a" {
      | ^^^^^
     ::: checks.d/web.hcl:1:1
      |
    1 | check "a" {
      | ----- the first is here

    error[LK0308]: a second `assert` block
      --> checks.d/web.hcl:10:3
       |
    10 |   assert {
       |   ^^^^^^
      ::: checks.d/web.hcl:7:3
       |
     7 |   assert {
       |   ------ the first is here

    2 errors

    error[LK0309]: this `check` needs `url`
     --> checks.d/web.hcl:1:1
      |
    1 | check "a" {
      | ^^^^^
      = hint: write url = "https://example.com/health"

    error[LK0309]: this `assert` asserts nothing
     --> checks.d/web.hcl:3:3
      |
    3 |   assert {
      |   ^^^^^^

    error[LK0309]: `webhook_format` says nothing without `webhook_url`
     --> checks.d/web.hcl:9:20
      |
    9 |   webhook_format = "json"
      |                    ^^^^^^

    3 errors

    error[LK0401]: `url`: wanted a string, found a number
     --> checks.d/web.hcl:2:12
      |
    2 |   url    = 5
      |            ^

    error[LK0401]: `method`: wanted a string, found a reference
     --> checks.d/web.hcl:3:12
      |
    3 |   method = GET
      |            ^^^
      = hint: a text stands in quotes: "GET"

    error[LK0401]: `status`: wanted a list, found a number
     --> checks.d/web.hcl:5:14
      |
    5 |     status = 200
      |              ^^^
      = hint: put it into brackets: `[...]`

    error[LK0401]: `webhooks`: wanted a receiver: webhook.NAME, found a string
     --> checks.d/web.hcl:8:17
      |
    8 |     webhooks = ["oncall"]
      |                 ^^^^^^^^
      = hint: write webhook.oncall, without quotes

    4 errors

    error[LK0402]: `every`: 2678400 seconds must be between 1 s and 30 d (2592000 s)
     --> checks.d/web.hcl:3:11
      |
    3 |   every = "31d"
      |           ^^^^^

    error[LK0402]: `status`: an empty list asserts nothing
     --> checks.d/web.hcl:5:14
      |
    5 |     status = []
      |              ^^

    error[LK0402]: `failures`: 11 must be between 1 and 10
     --> checks.d/web.hcl:8:16
      |
    8 |     failures = 11
      |                ^^

    error[LK0402]: `retry`: must be between "1s" and "30d"
     --> checks.d/web.hcl:9:16
      |
    9 |     retry    = "10ms"
      |                ^^^^^^

    4 errors

    error[LK0403]: `url`: "example.com" is not a URL: relative URL without a base
     --> checks.d/web.hcl:2:13
      |
    2 |   url     = "example.com"
      |             ^^^^^^^^^^^^^
      = hint: write "https://example.com"

    error[LK0403]: `headers`: the header "content-length" is set by lokahi itself
     --> checks.d/web.hcl:3:15
      |
    3 |   headers = { "content-length" = "5" }
      |               ^^^^^^^^^^^^^^^^

    2 errors

    error[LK0404]: `every`: a duration needs a unit
     --> checks.d/web.hcl:3:13
      |
    3 |   every   = 60
      |             ^^
      = hint: write a number with a unit: "60s"; units are ms, s, m, h, d, w

    error[LK0404]: `timeout`: "5 s" is not a duration
     --> checks.d/web.hcl:4:13
      |
    4 |   timeout = "5 s"
      |             ^^^^^
      = hint: write a number with a unit: "90s"; units are ms, s, m, h, d, w

    2 errors

    error[LK0405]: `method`: "get" cannot be chosen
     --> checks.d/web.hcl:3:20
      |
    3 |   method         = "get"
      |                    ^^^^^
      = hint: did you mean "GET"?

    error[LK0405]: `webhook_format`: "xml" cannot be chosen
     --> checks.d/web.hcl:5:20
      |
    5 |   webhook_format = "xml"
      |                    ^^^^^
      = hint: one of "protobuf", "json"

    2 errors

    error[LK0406]: interpolation cannot be used: this version takes literal values only
     --> checks.d/web.hcl:2:21
      |
    2 |   url     = "http://${var.host}/"
      |                     ^^^^^^^^^^^
      = hint: write the value out; `$${` and `%%{` stand for `${` and `%{` as text

    error[LK0406]: a function call cannot be used: this version takes literal values only
     --> checks.d/web.hcl:3:13
      |
    3 |   body    = upper("x")
      |             ^^^^^^^^^^
      = hint: write the value out

    error[LK0406]: a conditional cannot be used: this version takes literal values only
     --> checks.d/web.hcl:4:13
      |
    4 |   timeout = true ? "5s" : "6s"
      |             ^^^^^^^^^^^^^^^^^^
      = hint: write the value out

    error[LK0406]: a variable cannot be used: this version takes literal values only
     --> checks.d/web.hcl:5:13
      |
    5 |   every   = var.every
      |             ^^^^^^^^^
      = hint: write the value out

    4 errors

    error[LK0407]: no webhook is called `oncal`
     --> checks.d/web.hcl:8:17
      |
    8 |     webhooks = [webhook.oncal]
      |                 ^^^^^^^^^^^^^
      = hint: did you mean `oncall`?

    1 error

    error[LK0408]: `timeout`: the timeout must be less than `every`, which is "5s"
     --> checks.d/web.hcl:2:13
      |
    2 |   timeout = "10s"
      |             ^^^^^
     ::: checks.d/web.hcl:5:1
      |
    5 | check "a" {
      | ----- in this check

    1 error

    error[LK0101]: cannot be read: the link leads nowhere
     --> checks.d/gone

    error[LK0102]: larger than 1 MiB: split it
     --> checks.d/large.hcl

    error[LK0103]: not UTF-8: the byte at offset 5 cannot stand there
     --> checks.d/latin.hcl

    error[LK0101]: cannot be read: permission denied
     --> checks.d/secret.hcl

    4 errors

    error[LK0301]: no file of this folder has a `lokahi` block
     --> checks.d
      = hint: write `lokahi { project = "name" }` into one of them

    1 error

    error[LK0302]: `team/` is a root of its own: one root can be read at a time
     --> checks.d/team/web.hcl:1:1
      |
    1 | lokahi {
      | ^^^^^^
      = hint: name team itself as the folder, or put it elsewhere

    1 error
    "#);
}

#[test]
fn only_so_many_are_written_out() {
    let text =
        "x = 1\n".replace('x', "xx") + &(0..150).map(|n| format!("y{n} = 1\n")).collect::<String>();
    let list = diagnostics(&tree(&[("web.hcl", &text)]));
    let shown = human(
        &list,
        "",
        Style {
            color: false,
            most: 1,
        },
    );
    insta::assert_snapshot!(shown, @r#"
    error[LK0304]: the attribute `xx` stands outside of all blocks
     --> web.hcl:1:1
      |
    1 | xx = 1
      | ^^

    and 150 more
    "#);
    assert_eq!(counts(&list), "151 errors");
}
