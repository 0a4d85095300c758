//! How each problem reads on a terminal.

use super::codes::{diagnostics, samples};
use super::tree;
use crate::manifest::report::{Style, Verdict, counts, human, verdict};

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

    error[LK0307]: `labels`: "a b" is not a label: a letter or `_`, then letters, digits, `_`, `-` or `.`, 64 at most
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
     ::: checks.d/web.hcl:7:11
      |
    7 |   every = "5s"
      |           ---- `every` is given here
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

#[test]
fn a_long_line_is_cut_and_a_terminal_is_not_obeyed() {
    let text = format!(
        "check \"a\" {{\n  body = \"{}\x1b[31m{}${{x}}{}\"\n}}\n",
        "ä".repeat(300),
        '\u{202e}',
        "y".repeat(300)
    );
    let list = diagnostics(&tree(&[("web.hcl", &text)]));
    insta::assert_snapshot!(human(&list, "", Style::default()), @r#"
    error[LK0406]: interpolation cannot be used: this version takes literal values only
     --> web.hcl:2:317
      |
    2 | ääääääääääääääääääääääääääääääääää�[31m�${x}yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy
      |                                         ^^^^
      = hint: write the value out; `$${` and `%%{` stand for `${` and `%{` as text
    "#);
}

#[test]
fn colour_is_only_paint() {
    let list = diagnostics(&tree(&[("web.hcl", "chekc \"a\" {\n}\n")]));
    let colored = human(
        &list,
        "",
        Style {
            color: true,
            most: 9,
        },
    );
    insta::assert_snapshot!(colored.replace('\x1b', "^"), @r#"
    ^[1;31merror[LK0303]^[0m^[1m: unknown block `chekc`^[0m
     ^[1;34m-->^[0m web.hcl:1:1
    ^[1;34m  |^[0m
    ^[1;34m1 |^[0m chekc "a" {
    ^[1;34m  |^[0m ^[1;31m^^^^^^[0m
    ^[1;34m  =^[0m ^[1mhint^[0m: did you mean `check`?
    "#);
}

#[test]
fn verdicts() {
    let says = |files: &[(&str, &str)]| {
        let Verdict {
            stdout,
            stderr,
            exit,
        } = verdict(&super::compiled(files), "checks.d", Style::default());
        format!("{stdout}---\n{stderr}exit {exit}")
    };
    insta::assert_snapshot!(says(&[("web.hcl", "check \"a\" {\n  url = \"http://a/\"\n}\n")]), @r#"
    checks.d: project shop is valid: 1 check, 0 webhooks
    ---
    exit 0
    "#);
    insta::assert_snapshot!(says(&[("web.hcl", "check \"a\" {\n}\n")]), @r#"
    error[LK0309]: this `check` needs `url`
     --> checks.d/web.hcl:1:1
      |
    1 | check "a" {
      | ^^^^^
      = hint: write url = "https://example.com/health"

    ---
    1 error
    exit 1
    "#);
}
