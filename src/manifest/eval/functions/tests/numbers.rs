//! Numbers, and conversions.

use super::check;

#[test]
fn numbers() {
    check(&[
        ("abs(-12.4)", "12.4"),
        ("abs(0)", "0"),
        ("ceil(5)", "5"),
        ("ceil(-1.5)", "-1"),
        ("floor(-1.5)", "-2"),
        ("floor(9007199254740993)", "9007199254740993"),
        ("max(1, 2.5)", "2.5"),
        (
            "max(9007199254740993, 9007199254740992.0)",
            "9007199254740993",
        ),
        ("min(-1)", "-1"),
        (r#"min("3", 2)"#, "2"),
        ("sum([])", "! the list is empty"),
        ("sum([0.5, 0.5])", "1"),
        ("sum([9223372036854775807, 1, -1])", "9223372036854775807"),
        ("sum([1, null])", "! null"),
        ("pow(3, 2)", "9"),
        ("pow(4, 0)", "1"),
        ("pow(2, -1)", "0.5"),
        ("pow(4, 0.5)", "2"),
        ("pow(2, 5000)", "! too large"),
        ("pow(-8, 0.5)", "! no number"),
        ("pow(0, -1)", "! no number"),
        ("log(50, 10)", "1.6989700043360187"),
        ("log(8, 2)", "3"),
        ("log(1, 7)", "0"),
        ("log(0, 10)", "! no number"),
        ("log(5, 1)", "! too large"),
        ("signum(0)", "0"),
        ("signum(0.1)", "1"),
        (r#"parseint("100", 10)"#, "100"),
        (r#"parseint("-FF", 16)"#, "-255"),
        (r#"parseint("1011111011101111", 2)"#, "48879"),
        (r#"parseint("aA", 62)"#, "656"),
        (r#"parseint("12", 2)"#, "! is no number in base 2"),
        (r#"parseint("", 10)"#, "! has no digits"),
        (
            r#"parseint("9223372036854775808", 10)"#,
            "! more than 64 bits",
        ),
        (
            r#"parseint("-9223372036854775807", 10)"#,
            "-9223372036854775807",
        ),
        (r#"parseint("1", 63)"#, "! from 2 to 62, not 63"),
    ]);
}

#[test]
fn conversions() {
    check(&[
        ("tostring(null)", "null"),
        ("tostring(1.50)", r#""1.5""#),
        ("tostring(true)", r#""true""#),
        ("tostring([])", "! a list and cannot become a string"),
        ("tonumber(null)", "null"),
        (r#"tonumber("1e3")"#, "1000"),
        (r#"tonumber("0.5")"#, "0.5"),
        (r#"tonumber("nan")"#, r#"! "nan" is not a number"#),
        (r#"tonumber("")"#, "! is not a number"),
        (r#"tonumber("1e999")"#, "! is not a number"),
        ("tobool(null)", "null"),
        (r#"tobool("false")"#, "false"),
        (r#"tobool("no")"#, "! is not a bool"),
        ("tobool(1)", "! a number and cannot become a bool"),
        (r#"tolist(toset(["b", "a"]))"#, r#"["a", "b"]"#),
        (
            r#"tolist([1, true, "a", null])"#,
            r#"["1", "true", "a", null]"#,
        ),
        ("tolist([1, []])", "! no kind in common: a number, a list"),
        (
            r#"tolist([unknown("number"), "a"])"#,
            r#"[unknown("string"), "a"]"#,
        ),
        (r#"tolist([unknown("any"), "a"])"#, r#"unknown("list")"#),
        ("tolist(null)", "null"),
        (r#"toset([2, 10, 2])"#, "toset([10, 2])"),
        (r#"toset([2, "10"])"#, r#"toset(["10", "2"])"#),
        (
            "toset([true])",
            "! a set holds strings or numbers, not a bool",
        ),
        ("toset([null])", "! not null"),
        ("tomap({})", "{}"),
        ("tomap({ a = 1, b = [] })", "! no kind in common"),
        (
            r#"tomap({ a = unknown("any"), b = 1 })"#,
            r#"unknown("map")"#,
        ),
    ]);
}
