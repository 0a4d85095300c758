//! What the specification of HCL's native syntax says of expressions, and what its own
//! implementation does where that is silent: an expression and its value, by chapters. Where
//! the parser below would read a text in another way, it is refused or corrected.

use super::expressions::value;

/// Every row must hold; all that do not are told at once.
#[track_caller]
fn table(rows: &[(&str, &str)]) {
    let wrong: Vec<String> = rows
        .iter()
        .filter_map(|(text, expect)| {
            let found = value(text);
            let same = match expect.strip_suffix("...") {
                Some(start) => found.starts_with(start),
                None => found == *expect,
            };
            (!same).then(|| format!("{text}\n  is     {found}\n  not    {expect}"))
        })
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn numbers() {
    table(&[
        ("0", "0"),
        ("007", "7"),
        ("1.0", "1"),
        ("1.50", "1.5"),
        ("1E3", "1000"),
        ("12e-1", "1.2"),
        ("1e+2", "100"),
        ("-0.0", "0"),
        ("9223372036854775807", "9223372036854775807"),
        ("-9223372036854775808", "-9223372036854775808"),
        // Exact, or refused: never a neighbour.
        ("9223372036854775808", "error: ..."),
        ("9223372036854775809", "error: ..."),
        ("12345678901234567890", "error: ..."),
        ("100000000000000000000", "100000000000000000000"),
        ("9007199254740993", "9007199254740993"),
        ("9007199254740993 == 9007199254740992.0", "false"),
        ("9007199254740993 > 9007199254740992.0", "true"),
        ("9223372036854775807 == 9223372036854775808.0", "false"),
        ("9223372036854775807 < 9223372036854775808.0", "true"),
        ("1e999", "error: ..."),
        ("1e308 * 10", "error: the result is too large for a number"),
        ("-0.0 < 0", "false"),
        ("0 >= -0.0", "true"),
        ("0 == -0.0", "true"),
        ("0x10", "error: ..."),
        ("1_000", "error: ..."),
        (".5", "error: ..."),
        ("1.", "error: ..."),
        ("1 .5", "error: ..."),
        ("1 / 10", "0.1"),
        ("11 % 5", "1"),
        ("-11 % 5", "-1"),
        ("11 % -5", "1"),
        ("2 + 3.5", "5.5"),
        ("2 - 3.5", "-1.5"),
        ("2 * 4.5", "9"),
        ("0.5 + 0.5", "1"),
        (
            "-9223372036854775808 - 1",
            "error: the result is too large for a number",
        ),
        ("-(-9223372036854775808)", "error: this number is too large"),
        (
            "-9223372036854775808 / -1",
            "error: the result is too large for a number",
        ),
        ("-9223372036854775808 % -1", "0"),
        ("1 % 0.0", "error: division by zero"),
    ]);
}

#[test]
fn precedence() {
    table(&[
        ("1 + 2 * 3 - 4 / 2", "5"),
        ("2 * 3 + 4 * 5", "26"),
        ("100 / 10 / 5", "2"),
        ("100 / (10 / 5)", "50"),
        ("7 - 4 + 2", "5"),
        ("10 % 4 * 3", "6"),
        ("1 + 2 == 3", "true"),
        ("1 < 2 == true", "true"),
        ("true == 1 < 2", "true"),
        ("1 + 1 < 3 && 4 > 2 + 1", "true"),
        ("false && true || true", "true"),
        ("true || true && false", "true"),
        ("(true || true) && false", "false"),
        ("true && false == false", "true"),
        ("1 == 1 != false", "true"),
        ("-1 + 2", "1"),
        ("- 1 + 2", "1"),
        ("1 - -1", "2"),
        ("1 --1", "2"),
        ("2 * -3", "-6"),
        ("-2 * -3", "6"),
        ("-var.n * 2", "-6"),
        ("-var.n - 2", "-5"),
        ("!true || true", "true"),
        ("!(true || true)", "false"),
        ("!false && false", "false"),
        ("!true == true", "false"),
        ("!!true", "true"),
        ("- - 1", "1"),
        ("-[1, 2][1]", "-2"),
        (
            "!var.people[0].age",
            "error: `!` wants true or false, found a number",
        ),
        ("1 == 2 ? 3 : 4", "4"),
        ("true ? 1 : 2 + 3", "1"),
        ("false ? 1 : 2 + 3", "5"),
        ("1 + (true ? 1 : 2) * 3", "4"),
        ("false ? 1 : false ? 2 : 3", "3"),
        ("true ? true ? 1 : 2 : 3", "1"),
        ("true ? false ? 1 : 2 : 3", "2"),
        ("false || true ? 1 : 2", "1"),
        ("true ? [1, 2][0] : 3", "1"),
        ("(true ? [1] : [2])[0]", "1"),
    ]);
}

#[test]
fn comparison() {
    table(&[
        ("\"a\" == \"a\"", "true"),
        ("\"1\" == 1", "false"),
        ("\"1\" != 1", "true"),
        ("\"true\" == true", "false"),
        ("true != \"true\"", "true"),
        ("null == false", "false"),
        ("null == \"\"", "false"),
        ("null != 0", "true"),
        ("[] == []", "true"),
        ("[1] == [1, 2]", "false"),
        ("[1] == [\"1\"]", "false"),
        ("[[1]] == [[1.0]]", "true"),
        ("{} == []", "false"),
        ("{ a = [1] } == { a = [1] }", "true"),
        ("{ b = 2, a = 1 } == { a = 1, b = 2 }", "true"),
        ("toset([2, 1]) == toset([1, 2, 1])", "true"),
        ("toset([1]) == [1]", "false"),
        ("\"10\" < 9", "false"),
        ("\"9\" < \"10\"", "true"),
        ("\"a\" < \"b\"", "error: `<` wants a number, found a string"),
        ("true < false", "error: `<` wants a number, found a bool"),
        ("null < 1", "error: `<` wants a number, found null"),
        ("\"true\" && true", "true"),
        (
            "1 && true",
            "error: `&&` wants true or false, found a number",
        ),
        ("true + 1", "error: `+` wants a number, found a bool"),
        ("[1] + [2]", "error: `+` wants a number, found a list"),
        ("-\"5\"", "-5"),
        ("-\"five\"", "error: `-` wants a number, found a string"),
        ("!\"false\"", "true"),
        ("!null", "error: `!` wants true or false, found null"),
    ]);
}

#[test]
fn quoted_strings() {
    table(&[
        (r#""""#, r#""""#),
        (
            r#""\u00e9\U0001F600\n\r\t\"\\""#,
            "\"é😀\\n\\r\\t\\\"\\\\\"",
        ),
        (r#""\q""#, "error: ..."),
        (r#""\u12""#, "error: ..."),
        (r#""\ud800""#, "error: ..."),
        (r#""\x41""#, "error: ..."),
        ("\"a\nb\"", "error: a quoted string must end in its line"),
        (r#""$""#, r#""$""#),
        (r#""$$""#, r#""$$""#),
        (r#""%""#, r#""%""#),
        (r#""a$ {b}""#, r#""a$ {b}""#),
        (r#""$${""#, r#""$${""#),
        (r#""$${a}""#, r#""$${a}""#),
        (r#""%%{a}""#, r#""%%{a}""#),
        (r#""$$${1}""#, r#""$$${1}""#),
        (r#""\u0024{1}""#, r#""$${1}""#),
        (r#""\u0024${1}""#, r#""$1""#),
        (r#""${"$"}${1}""#, r#""$1""#),
        (r#""${1}${2}""#, r#""12""#),
        (r#""${ 1 }""#, "1"),
        (r#""${"${1}"}""#, "1"),
        (r#""${[1, 2][1]}""#, "2"),
        (r#""a${"b${"c"}"}""#, r#""abc""#),
        (r#""${"}"}""#, r#""}""#),
        (r#""${{ a = "}" }.a}!""#, r#""}!""#),
        ("\"${\n  1 # one\n}\"", "1"),
        ("\"a${ /* } */ 1 }\"", "\"a1\""),
        (r#""${1.50}x""#, r#""1.5x""#),
        (r#""${1e3}x""#, r#""1000x""#),
        (r#""${true}x""#, r#""truex""#),
        (r#""${}""#, "error: ..."),
        (r#""${1""#, "error: ..."),
        (r#""a" "b""#, "error: ..."),
    ]);
}

#[test]
fn strip_markers() {
    table(&[
        (r#""a ${~ 1 ~} b""#, r#""a1b""#),
        (r#""a ${~ 1} b""#, r#""a1 b""#),
        (r#""a ${1 ~} b""#, r#""a 1b""#),
        (r#""a\n ${~ 1 ~} \t b""#, r#""a1b""#),
        (r#""${~ 1 ~}""#, "1"),
        (r#"" ${~ 1 ~} ""#, r#""1""#),
        (r#""a ${~ 1 ~} ${~ 2 ~} b""#, r#""a12b""#),
        (
            r#""a %{~ if true ~} b %{~ else ~} c %{~ endif ~} d""#,
            r#""abd""#,
        ),
        (
            r#""a %{ if false ~} b %{ else } c %{~ endif } d""#,
            r#""a  c d""#,
        ),
        // What is inserted is never stripped.
        (r#""a${~ " x " ~}b""#, r#""a x b""#),
        (r#""${" x "~}  b""#, r#"" x b""#),
        // In a heredoc a marker reaches to the end of its line, as in Terraform: lists in YAML
        // are written that way.
        (
            "<<E\n%{ for x in [1, 2] ~}\n  - ${x}\n%{ endfor ~}\nend\nE",
            "\"  - 1\\n  - 2\\nend\\n\"",
        ),
        ("<<E\na\n  ${~ 1 ~}\n  b\nE", "\"a\\n1  b\\n\""),
        ("<<E\na  \n${~ 1}\nE", "\"a1\\n\""),
        ("<<E\n${1 ~}\n\n b\nE", "\"1\\n b\\n\""),
    ]);
}

#[test]
fn directives() {
    table(&[
        (r#""%{ if true }a%{ endif }""#, r#""a""#),
        (r#""%{ if false }a%{ endif }""#, r#""""#),
        (r#""%{if false}a%{else}b%{endif}""#, r#""b""#),
        (r#""%{ if true }${1}%{ endif }""#, r#""1""#),
        (r#""%{ for x in [1, 2] }${x}%{ endfor }""#, r#""12""#),
        (r#""%{ for x in [] }${x}%{ endfor }""#, r#""""#),
        (
            r#""%{ for k, v in { a = 1 } }${k}=${v}%{ endfor }""#,
            r#""a=1""#,
        ),
        (
            r#""%{ for x in [1, 2] }%{ if x > 1 }${x}%{ else }-%{ endif }%{ endfor }""#,
            r#""-2""#,
        ),
        // Escapes are read inside too, and a quote ends the string.
        (
            r#""%{ if true }a\tb\"c\u00e9$${d}%%{e}%{ endif }""#,
            r#""a\tb\"cé$${d}%%{e}""#,
        ),
        (r#""%{ if true }\q%{ endif }""#, "error: ..."),
        (r#""%{ if true }\%{ endif }""#, "error: ..."),
        (r#""%{ if true }" == "%{ endif }""#, "error: ..."),
        (r#""%{ for x in ["\n"] }\\${x}%{ endfor }""#, r#""\\\n""#),
        (r#""%{ if true }a""#, "error: ..."),
        (r#""a%{ endif }""#, "error: ..."),
        (
            r#""%{ if 5 }a%{ endif }""#,
            "error: `if` wants true or false, found a number",
        ),
        (r#""%{ while true }a%{ endif }""#, "error: ..."),
    ]);
}

#[test]
fn heredocs() {
    table(&[
        ("<<E\nFoo\nBar\nE", r#""Foo\nBar\n""#),
        ("<<E\n    Foo\n  Bar\n  E", r#""    Foo\n  Bar\n""#),
        ("<<E\n NOT E\nE", r#"" NOT E\n""#),
        ("<<E\nEE\nE", r#""EE\n""#),
        ("<<E\n\nE", r#""\n""#),
        ("<<E\na\\tb\\\"\"c\nE", r#""a\\tb\\\"\"c\n""#),
        ("<<E\n$${a} %%{b} $c\nE", r#""$${a} %%{b} $c\n""#),
        ("<<E\na ${1}\n${2} b\nE", r#""a 1\n2 b\n""#),
        ("<<E\n${1}\nE", r#""1\n""#),
        ("<<E\n%{ if true }\na\n%{ endif }\nE", r#""\na\n\n""#),
        ("<<E\r\na\r\n  b\r\nE", r#""a\r\n  b\r\n""#),
        // Flush ones lose the smallest indentation of their lines.
        ("<<-E\nFoo\nBar\nE", r#""Foo\nBar\n""#),
        ("<<-E\n    Foo\n    Bar\n  E", r#""Foo\nBar\n""#),
        (
            "<<-E\n    Foo\n      Bar\n    Baz\n  E",
            r#""Foo\n  Bar\nBaz\n""#,
        ),
        (
            "<<-E\n    Foo\n  Bar\n    Baz\n  E",
            r#""  Foo\nBar\n  Baz\n""#,
        ),
        (
            "<<-E\n    Foo\n    ${1}\n    Baz\n  E",
            r#""Foo\n1\nBaz\n""#,
        ),
        (
            "<<-E\n    Foo\n  ${\" x\"}\n    Baz\n  E",
            r#""  Foo\n x\n  Baz\n""#,
        ),
        ("<<-E\n\tFoo\n  Bar\n  Baz\n  E", r#""Foo\n Bar\n Baz\n""#),
        (
            "<<-E\n  \u{2003}\u{2003}Foo\n   Bar\n  E",
            "\"\u{2003}Foo\\nBar\\n\"",
        ),
        ("<<-E\n    Foo\n\n    Bar\n  E", r#""Foo\n\nBar\n""#),
        ("<<-E\n    Foo\n  \n    Bar\n  E", r#""Foo\n  \nBar\n""#),
        ("<<-E\n    a\n${1}\n    b\n  E", r#""    a\n1\n    b\n""#),
        ("<<-E\na\n  ${1}\n    b\nE", r#""a\n  1\n    b\n""#),
        ("<<-E\n    a ${1}\n      b ${2}\n    E", r#""a 1\n  b 2\n""#),
        (
            "<<-E\n  %{ if true }\n    a\n  %{ endif }\n  b\n  E",
            r#""\n  a\n\nb\n""#,
        ),
        (
            "<<-E\n    %{ for x in [1, 2] ~}\n    - ${x}\n    %{ endfor ~}\n    E",
            r#""    - 1\n    - 2\n""#,
        ),
        ("<<-E\r\n    a\r\n      b\r\n    E", r#""a\r\n  b\r\n""#),
        ("<<-E\n  ${<<-F\n    x\n    F\n  }y\n  E", r#""x\ny\n""#),
        ("<<E\na\n", "error: ..."),
        ("<<E a\nE", "error: ..."),
        // The marker ends it, also inside a directive.
        (
            "{ a = <<E\n%{ if true }\nE\n, b = <<E\n%{ endif }\nE\n }",
            "error: ...",
        ),
        ("[<<E\na\nE\n, <<F\nb\nF\n]", r#"["a\n", "b\n"]"#),
        ("upper(<<E\na\nE\n)", r#""A\n""#),
    ]);
}

#[test]
fn lists_and_objects() {
    table(&[
        ("[]", "[]"),
        (
            "[\n  1, # one\n  2, // two\n  /* three */ 3\n]",
            "[1, 2, 3]",
        ),
        ("[1,]", "[1]"),
        ("[1 2]", "error: ..."),
        ("[,]", "error: ..."),
        ("{}", "{}"),
        ("{ a = 1, b = 2, }", r#"{ "a" = 1, "b" = 2 }"#),
        ("{\n  a = 1\n  b = 2 # two\n}", r#"{ "a" = 1, "b" = 2 }"#),
        ("{ a : 1 }", r#"{ "a" = 1 }"#),
        ("{ \"a\" = 1, \"b c\" : 2 }", r#"{ "a" = 1, "b c" = 2 }"#),
        ("{ var = 1 }", r#"{ "var" = 1 }"#),
        ("{ (var.env) = 1 }", r#"{ "prod" = 1 }"#),
        ("{ \"x-${var.env}\" = 1 }", r#"{ "x-prod" = 1 }"#),
        ("{ true = 1, null = 2 }", r#"{ "null" = 2, "true" = 1 }"#),
        // A number is a key as a number: however it is written.
        ("{ 1 = \"a\" }", r#"{ "1" = "a" }"#),
        ("{ 1.50 = \"a\" }", r#"{ "1.5" = "a" }"#),
        ("{ 1e3 = \"a\" }", r#"{ "1000" = "a" }"#),
        ("{ (1) = \"a\", \"1\" = \"b\" }", r#"{ "1" = "b" }"#),
        ("{ (true) = 1 }", r#"{ "true" = 1 }"#),
        ("{ (null) = 1 }", "error: a key is a string, not null"),
        ("{ ([]) = 1 }", "error: a key is a string, not a list"),
        // A reference is a key in parentheses only, else it might be meant as it stands.
        ("{ var.env = 1 }", "error: ..."),
        ("{ a = 1 a = 2 }", "error: ..."),
        ("{ a = 1, a = 2 }", "error: ..."),
        ("{ a-b = 1 }", r#"{ "a-b" = 1 }"#),
        ("{ a = { b = { c = 1 } } }.a.b.c", "1"),
        ("{ for = 1 }", "error: ..."),
        ("{ format = 1 }", r#"{ "format" = 1 }"#),
    ]);
}

#[test]
fn for_expressions() {
    table(&[
        ("[for x in [1, 2, 3] : x * 2]", "[2, 4, 6]"),
        ("[for x in [1, 2, 3] : x if x != 2]", "[1, 3]"),
        (
            "[for i, x in [\"a\", \"b\"] : \"${i}${x}\"]",
            r#"["0a", "1b"]"#,
        ),
        ("[for x in { b = 1, a = 2 } : x]", "[2, 1]"),
        ("[for k, v in { b = 1, a = 2 } : k]", r#"["a", "b"]"#),
        ("[for x in toset([\"b\", \"a\"]) : x]", r#"["a", "b"]"#),
        (
            "{for x in [\"a\", \"b\"] : x => upper(x)}",
            r#"{ "a" = "A", "b" = "B" }"#,
        ),
        ("{for i, x in [\"a\"] : x => i}", r#"{ "a" = 0 }"#),
        ("{for x in [1, 2] : x => x}", r#"{ "1" = 1, "2" = 2 }"#),
        (
            "{for x in [1, 2, 3] : x % 2 => x...}",
            r#"{ "0" = [2], "1" = [1, 3] }"#,
        ),
        (
            "{for x in [1, 2, 3] : \"k${x % 2}\" => x... if x > 1}",
            r#"{ "k0" = [2], "k1" = [3] }"#,
        ),
        (
            "{for x in [1, 1] : x => x}",
            "error: two elements give the same key",
        ),
        (
            "[for x in [[1, 2], [3]] : [for y in x : y + 1]]",
            "[[2, 3], [4]]",
        ),
        ("[for x in [1] : [for x in [2] : x]]", "[[2]]"),
        ("[for x in [1] : [for y in [x + 1] : [x, y]]]", "[[[1, 2]]]"),
        ("[for var in [{ env = \"mine\" }] : var.env]", r#"["mine"]"#),
        ("[for x in [1, 2] : x][1]", "2"),
        ("[for x in [{ a = 1 }] : x].0.a", "1"),
        ("[\n  for x in [1, 2] :\n  x\n  if x > 1\n]", "[2]"),
        ("[ # c\n for /* d */ x in [1] : x # e\n]", "[1]"),
        (
            "[for x in [1, 2] : x == 1 ? \"one\" : \"more\"]",
            r#"["one", "more"]"#,
        ),
        ("[for x in true ? [1] : [2] : x]", "[1]"),
        (
            "[for x in null : x]",
            "error: `for` goes over a list or an object, not null",
        ),
        (
            "[for x in \"abc\" : x]",
            "error: `for` goes over a list or an object, not a string",
        ),
        (
            "[for x in [1] : x if 5]",
            "error: a condition wants true or false, found a number",
        ),
        ("[for x in [null] : x]", "[null]"),
        (
            "{for x in [null] : x => 1}",
            "error: a key is a string, not null",
        ),
        (
            "[for x in [1] : nobody]",
            "error: nothing is called `nobody` here",
        ),
        ("[for in in [1] : in]", "[1]"),
        ("length([for x in var.later : x])", "error: ..."),
        (
            "[for x in [var.later] : x if x == \"a\"]",
            "unknown list(any)",
        ),
    ]);
}

#[test]
fn splats_and_indices() {
    table(&[
        ("[{ a = 1 }, { a = 2 }][*].a", "[1, 2]"),
        ("[{ a = 1 }, { a = 2 }].*.a", "[1, 2]"),
        ("[{ a = [1, 2] }, { a = [3] }][*].a[0]", "[1, 3]"),
        // An attribute splat ends before an index, a full one does not.
        ("[{ a = [1, 2] }, { a = [3] }].*.a[0]", "[1, 2]"),
        // A number behind a dot belongs to the attribute splat.
        ("[{ a = [1, 2] }, { a = [3] }].*.a.0", "[1, 3]"),
        ("[[1, 2], [3]].*.0", "[1, 3]"),
        ("[[1, 2], [3]][*][0]", "[1, 3]"),
        ("[{ a = { b = 1 } }][*].a.b", "[1]"),
        ("[{ a = [{ b = 1 }, { b = 2 }] }][*].a[*].b", "[[1, 2]]"),
        ("[{ a = [{ b = 1 }] }].*.a.*.b", "..."),
        ("[][*].a", "[]"),
        ("null[*].a", "[]"),
        ("null.*.a", "[]"),
        ("{ a = 1 }[*].a", "[1]"),
        ("{ a = 1 }.*.a", "[1]"),
        ("5[*]", "[5]"),
        ("\"x\"[*]", r#"["x"]"#),
        ("toset([\"b\", \"a\"])[*]", r#"["a", "b"]"#),
        ("[1, 2][*]", "[1, 2]"),
        ("[{}][*].a", "error: this object has no attribute `a`"),
        ("var.gone[*].x", "[]"),
        ("[10, 20][1]", "20"),
        ("[10, 20][1.0]", "20"),
        ("[10, 20][\"1\"]", "20"),
        ("[10, 20].1", "20"),
        ("[[1, 2]].0.1", "2"),
        (
            "[10, 20][0.5]",
            "error: elements are counted in whole numbers, not 0.5",
        ),
        (
            "[10, 20][-1]",
            "error: this list has no element -1: it has 2 elements, counted from 0",
        ),
        (
            "[10, 20][2]",
            "error: this list has no element 2: it has 2 elements, counted from 0",
        ),
        (
            "[10, 20][\"a\"]",
            "error: elements are counted in whole numbers, not a string",
        ),
        (
            "[10][null]",
            "error: elements are counted in whole numbers, not null",
        ),
        ("{ a = 1 }[\"a\"]", "1"),
        ("{ 1 = \"x\" }[1]", r#""x""#),
        ("{ 1 = \"x\" }[\"1\"]", r#""x""#),
        ("{ a = 1 }.b", "error: this object has no attribute `b`"),
        ("{ a = 1 }[null]", "error: a key is a string, not null"),
        ("null.a", "error: null has no attributes"),
        ("null[0]", "error: null has no elements"),
        ("\"abc\"[0]", "error: a string has no elements"),
        ("var.people [0] . name", r#""ann""#),
        ("(\n  [1, 2]\n)[\n  1\n]", "2"),
        ("var.n-1", "error: no variable is called `n-1`"),
        ("var.n - 1", "2"),
        ("upper(\"a\")[*]", r#"["A"]"#),
    ]);
}

#[test]
fn calls_and_conditionals() {
    table(&[
        ("max(1, 2)", "2"),
        ("max([1, 2]...)", "2"),
        ("max(3, [1, 2]...)", "3"),
        ("max(\n  1, # one\n  2,\n)", "2"),
        ("max(toset([1, 2])...)", "2"),
        (
            "max(null...)",
            "error: only a list can be expanded, not null",
        ),
        (
            "max({ a = 1 }...)",
            "error: only a list can be expanded, not an object",
        ),
        ("max(var.later...)", "..."),
        ("upper(var.later)", "unknown string"),
        ("upper (\"a\")", r#""A""#),
        (
            "core::upper(\"a\")",
            "error: no function is called `core::upper`",
        ),
        ("upper(\"a\",)", r#""A""#),
        ("upper(,)", "error: ..."),
        ("(1 +\n 2)", "3"),
        ("(\n  true\n  ? 1\n  : 2\n)", "1"),
        ("1 +\n 2", "error: ..."),
        ("( # c\n 1 /* d */ + 2 // e\n)", "3"),
        ("1 /* + 5 */ + 2", "3"),
        ("true ? 1 : 1 / 0", "1"),
        ("true ? 1 : nobody", "1"),
        ("\"false\" ? 1 : 2", "2"),
        (
            "null ? 1 : 2",
            "error: a condition wants true or false, found null",
        ),
        ("true ? null : 1", "null"),
        ("false && nobody", "false"),
        ("true || nobody", "true"),
        ("true && nobody", "error: nothing is called `nobody` here"),
        ("(((1)))", "1"),
        ("()", "error: ..."),
    ]);
}

#[test]
fn what_is_unknown() {
    table(&[
        ("var.later == null", "unknown bool"),
        ("!(var.later == \"a\")", "unknown bool"),
        ("-var.sum", "unknown number"),
        ("[var.later]", "?"),
        ("{ (var.later) = 1 }", "unknown map(any)"),
        ("{ a = var.later }.a", "unknown string"),
        ("var.later == \"a\" ? 1 : \"b\"", "unknown any"),
        ("var.later == \"a\" ? [1] : [2]", "unknown ..."),
        ("var.later[*]", "unknown list(any)"),
        ("try(var.later, 1)", "unknown string"),
        ("can(var.later)", "unknown bool"),
        ("can(var.later.x)", "false"),
        ("true || var.later == \"a\"", "true"),
        ("var.later == \"a\" || true", "true"),
        ("var.sum / 0", "..."),
        (
            "\"%{ if var.later == \"a\" }x%{ endif }\"",
            "unknown string",
        ),
        (
            "\"%{ for x in [var.later] }${x}%{ endfor }\"",
            "unknown string",
        ),
        ("jsonencode([var.later])", "unknown string"),
    ]);
}
