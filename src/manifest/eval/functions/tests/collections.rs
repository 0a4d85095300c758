//! Lists, sets and objects.

use super::check;

#[test]
fn lists() {
    check(&[
        ("length([])", "0"),
        (r#"length("🤷a")"#, "2"),
        ("length({ a = 1 })", "1"),
        (
            "length(5)",
            "! must be a string, a list or an object, not a number",
        ),
        ("concat()", "[]"),
        (r#"concat(["a"], toset(["c", "b"]))"#, r#"["a", "b", "c"]"#),
        (r#"concat("a")"#, "! must be a list"),
        (r#"contains(["a", "b"], "d")"#, "false"),
        ("contains([[1], null], null)", "true"),
        ("contains([1.0], 1)", "true"),
        (r#"contains(["1"], 1)"#, "false"),
        ("contains([webhook.x], webhook.x)", "true"),
        (r#"index(["a", "b"], "c")"#, "! not in the list"),
        ("index([5, 6], 6)", "1"),
        (r#"flatten([["a", "b"], [], "c"])"#, r#"["a", "b", "c"]"#),
        ("flatten([{ a = [1] }])", "[{ a = [1] }]"),
        ("flatten([null, [null]])", "[null, null]"),
        (r#"distinct([1, "1", 1.0, [1], [1]])"#, r#"[1, "1", [1]]"#),
        ("distinct([])", "[]"),
        ("sort([2, 10])", r#"["10", "2"]"#),
        ("sort([])", "[]"),
        ("sort([null])", "! null"),
        (r#"compact(["a", "", null, "b"])"#, r#"["a", "b"]"#),
        ("compact([[]])", "! must be a string"),
    ]);
}

#[test]
fn sequences() {
    check(&[
        (r#"element(["a", "b", "c"], 3)"#, r#""a""#),
        (r#"element(["a", "b", "c"], -1)"#, r#""c""#),
        ("element([], 0)", "! the list is empty"),
        ("slice([1, 2, 3], 0, 2)", "[1, 2]"),
        ("slice([1], 1, 1)", "[]"),
        ("slice([1], 2, 2)", "! the start must be from 0 to 1"),
        ("slice([1, 2], 1, 0)", "! the end must be from 1 to 2"),
        ("slice([1, 2], -1, 0)", "! the start"),
        ("reverse([])", "[]"),
        (r#"reverse(toset(["a", "b"]))"#, r#"["b", "a"]"#),
        ("chunklist([1, 2, 3], 0)", "[[1, 2, 3]]"),
        ("chunklist([], 2)", "[]"),
        ("chunklist([1], -1)", "! must not be negative"),
        ("range(1, 4)", "[1, 2, 3]"),
        ("range(4, 1)", "[4, 3, 2]"),
        ("range(1, 8, 2)", "[1, 3, 5, 7]"),
        ("range(0, 1, 0.25)", "[0, 0.25, 0.5, 0.75]"),
        ("range(0)", "[]"),
        ("range(-2)", "[0, -1]"),
        ("range(1, 4, 0)", "! must not be 0"),
        (
            "range(1, 4, -1)",
            "! a negative step does not lead from 1 to 4",
        ),
        (
            "range(9223372036854775806, 9223372036854775807, 5)",
            "[9223372036854775806]",
        ),
    ]);
}

#[test]
fn objects() {
    check(&[
        ("keys({})", "[]"),
        (r#"keys({ "b c" = 1, a = 2 })"#, r#"["a", "b c"]"#),
        ("values({})", "[]"),
        ("values({ b = null, a = [1] })", "[[1], null]"),
        (r#"lookup({ a = 1 }, "a")"#, "1"),
        (r#"lookup({ a = 1 }, "b", null)"#, "null"),
        (r#"lookup({ a = 1 }, "b")"#, "! no such key"),
        ("merge()", "{}"),
        (
            "merge({ a = 1 }, null, { a = { b = 2 } })",
            "{ a = { b = 2 } }",
        ),
        ("merge([])", "! must be an object, not a list"),
        (r#"zipmap(["a", "a"], [1, 2])"#, "{ a = 2 }"),
        (r#"zipmap(["a"], [])"#, "! the same length, not 1 and 0"),
        (r#"zipmap([null], [1])"#, "! null"),
        ("transpose({})", "{}"),
        (
            r#"transpose({ a = ["1", "2"], b = ["2", "3"] })"#,
            r#"{ "1" = ["a"], "2" = ["a", "b"], "3" = ["b"] }"#,
        ),
        (
            "transpose({ a = 1 })",
            "! must be a list of strings, not a number",
        ),
        (r#"matchkeys(["i", "j"], ["x", "y"], ["y"])"#, r#"["j"]"#),
        (
            r#"matchkeys(["i"], ["x", "y"], ["y"])"#,
            "! the same length",
        ),
    ]);
}

#[test]
fn sets() {
    check(&[
        (r#"setunion(["b"], ["a", 1])"#, r#"toset(["1", "a", "b"])"#),
        ("setunion([2, 1], [2.0])", "toset([1, 2])"),
        (
            "setunion([{}])",
            "! a set holds strings or numbers, not an object",
        ),
        (r#"setintersection(["a", "1"], [1])"#, r#"toset(["1"])"#),
        ("setintersection([1, 2], [2, 3], [3])", "toset([])"),
        (r#"setsubtract(["a", "b"], [])"#, r#"toset(["a", "b"])"#),
        ("setsubtract([1], [1])", "toset([])"),
        ("setproduct([1, 2], [])", "[]"),
        (
            "setproduct([1, 2], [3], [4, 5])",
            "[[1, 3, 4], [1, 3, 5], [2, 3, 4], [2, 3, 5]]",
        ),
        ("setproduct(1)", "! must be a list"),
    ]);
}

#[test]
fn choices() {
    check(&[
        ("coalesce(null, false)", "false"),
        (
            r#"coalesce("", "")"#,
            "! every value is null or an empty string",
        ),
        ("coalesce(1, unknown(\"any\"))", "1"),
        ("coalesce(null, unknown(\"any\"), 1)", "unknown(\"any\")"),
        ("coalescelist([], null, [1])", "[1]"),
        ("coalescelist([], [])", "! every list is empty"),
        ("coalescelist([], unknown(\"list\"))", "unknown(\"list\")"),
        ("alltrue([])", "true"),
        ("alltrue([true, null])", "false"),
        ("alltrue([unknown(\"bool\"), false])", "false"),
        ("alltrue([unknown(\"bool\"), true])", "unknown(\"bool\")"),
        ("anytrue([])", "false"),
        ("anytrue([null, true])", "true"),
        ("anytrue([unknown(\"bool\"), false])", "unknown(\"bool\")"),
        ("one([])", "null"),
        (r#"one(toset(["a"]))"#, r#""a""#),
        ("one([1, 2])", "! at most one element, not 2"),
    ]);
}
