//! Encodings: JSON, YAML, CSV, Base64, URLs, digests.

use super::check;
use crate::manifest::literal::Literal;

#[test]
fn json() {
    check(&[
        ("jsonencode(null)", r#""null""#),
        (
            r#"jsonencode({ b = [1, 1.5, true], a = "x" })"#,
            r#""{\"a\":\"x\",\"b\":[1,1.5,true]}""#,
        ),
        (
            r#"jsonencode("\"\\\n\u0001<&>é")"#,
            r#""\"\\\"\\\\\\n\\u0001\\u003c\\u0026\\u003eé\"""#,
        ),
        (r#"jsonencode(toset(["b", "a"]))"#, r#""[\"a\",\"b\"]""#),
        ("jsonencode(webhook.x)", "! no JSON for a reference"),
        (
            r#"jsondecode("{\"a\":[1,2.5,null,\"x\"]}")"#,
            r#"{ a = [1, 2.5, null, "x"] }"#,
        ),
        (
            r#"jsondecode("{\"b\":1,\"a\":2,\"b\":3}")"#,
            "{ a = 2, b = 3 }",
        ),
        (
            r#"jsondecode("18446744073709551615")"#,
            "18446744073709552000",
        ),
        (r#"jsondecode("{")"#, "! no JSON"),
        (r#"jsondecode("1 2")"#, "! no JSON"),
        (r#"jsondecode("1e999")"#, "! no JSON"),
    ]);
}

#[test]
fn yaml() {
    check(&[
        (r#"yamldecode("")"#, "null"),
        (r#"yamldecode("hello: world")"#, r#"{ hello = "world" }"#),
        (
            r#"yamldecode("a: 1\nb: [0x10, 1.5, ~, yes, true, \"1\", !!str 2]")"#,
            r#"{ a = 1, b = ["0x10", 1.5, null, true, true, "1", "2"] }"#,
        ),
        (
            r#"yamldecode("- &x {a: 1}\n- *x\n- {<<: *x, b: 2}")"#,
            "[{ a = 1 }, { a = 1 }, { a = 1, b = 2 }]",
        ),
        (
            r#"yamldecode("x: &x {a: 1, b: 1}\nz: {a: 2, <<: [*x, {c: 3, b: 4}]}")"#,
            "{ x = { a = 1, b = 1 }, z = { a = 2, b = 1, c = 3 } }",
        ),
        (
            r#"yamldecode("1: 2\ntrue: 3")"#,
            r#"{ "1" = 2, "true" = 3 }"#,
        ),
        (
            r#"yamldecode("a: 1\na: 2")"#,
            "! the key \"a\" stands twice",
        ),
        (r#"yamldecode("a: [")"#, "! no YAML"),
        (r#"yamldecode("a\n---\nb")"#, "! more than one document"),
        (
            r#"yamldecode("&a [*a]")"#,
            "! an alias stands within its own anchor",
        ),
        (r#"yamldecode(".inf")"#, "! no finite number"),
        (
            r#"yamldecode("!!binary aGk=")"#,
            "! the tag !!binary is not read",
        ),
        (r#"yamldecode("? [a]\n: b")"#, "! a key must be a string"),
    ]);
}

/// What zclconf/go-cty-yaml, which Terraform uses, makes of scalars.
#[test]
fn yaml_scalars() {
    for (text, expect) in [
        ("yes", "true"),
        ("Off", "false"),
        ("y", "true"),
        ("NO", "false"),
        ("yEs", "\"yEs\""),
        ("'yes'", "\"yes\""),
        ("!!str yes", "\"yes\""),
        ("!!bool on", "true"),
        ("2001-12-14", "\"2001-12-14T00:00:00Z\""),
        ("2001-1-2", "\"2001-01-02T00:00:00Z\""),
        (
            "2001-12-14t21:59:43.10-05:00",
            "\"2001-12-14T21:59:43-05:00\"",
        ),
        ("2001-12-14T21:59:43Z", "\"2001-12-14T21:59:43Z\""),
        ("2001-12-14 21:59:43.1", "\"2001-12-14T21:59:43Z\""),
        ("2001-12-14T1:2:3+00:00", "\"2001-12-14T01:02:03Z\""),
        ("2001-02-30", "\"2001-02-30\""),
        ("2001-12-14 21:59:43.10 -5", "\"2001-12-14 21:59:43.10 -5\""),
        ("'2001-12-14'", "\"2001-12-14\""),
        ("!!timestamp '2001-12-14'", "\"2001-12-14T00:00:00Z\""),
        ("1_000", "1000"),
        ("+12", "12"),
        ("-.5", "-0.5"),
        ("012", "12"),
        ("0x10", "\"0x10\""),
        ("!!int 0x10", "16"),
        ("1.2.3.4", "\"1.2.3.4\""),
        ("-", "[null]"),
        ("~", "null"),
        ("yes: 1", "{ \"true\" = 1 }"),
    ] {
        let call = format!("yamldecode({})", Literal::text(text));
        check(&[(&call, expect)]);
    }
    check(&[
        (r#"yamldecode("!!bool maybe")"#, "! \"maybe\" is no bool"),
        (r#"yamldecode("1e999")"#, "! no finite number"),
    ]);
}

#[test]
fn csv() {
    check(&[
        (
            r#"csvdecode("a,b\n1,\"x, \"\"y\"\"\"\r\n2,")"#,
            r#"[{ a = "1", b = "x, \"y\"" }, { a = "2", b = "" }]"#,
        ),
        (r#"csvdecode("a,b")"#, "[]"),
        (r#"csvdecode("")"#, "! no line that names the columns"),
        (r#"csvdecode("a,a\n1,2")"#, r#"! two columns are named "a""#),
        (r#"csvdecode("a,b\n1")"#, "! no CSV"),
    ]);
}

#[test]
fn others() {
    check(&[
        (r#"base64encode("Hello World")"#, r#""SGVsbG8gV29ybGQ=""#),
        (r#"base64encode("")"#, r#""""#),
        (r#"base64decode("SGVsbG8gV29ybGQ=")"#, r#""Hello World""#),
        (
            r#"base64decode("SGVs\r\nbG8gV29y\nbGQ=\n")"#,
            r#""Hello World""#,
        ),
        (r#"base64decode("SGVsbG8gV29ybGQ")"#, "! no Base64"),
        (r#"base64decode("/w==")"#, "! no UTF-8"),
        (r#"urlencode("Hello World!")"#, r#""Hello+World%21""#),
        (r#"urlencode("☃-_.~")"#, r#""%E2%98%83-_.~""#),
        (
            r#"sha256("hello world")"#,
            r#""b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9""#,
        ),
        (r#"sha256([])"#, "! must be a string"),
        (
            r#"md5("hello world")"#,
            r#""5eb63bbbe01eeed093cb22bb8f5acdc3""#,
        ),
        (r#"md5(null)"#, "! must not be null"),
    ]);
}
