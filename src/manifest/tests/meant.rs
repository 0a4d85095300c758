//! What is told of a slip: what was most likely meant, and no word of what was not wrong.

use super::causes::{in_check, told};

#[test]
fn what_stands_in_a_text_silences_nothing() {
    let check = |lines: &str| {
        format!("check \"web\" {{\n  webhook_url = \"https://h.example.com/\"\n{lines}}}\n")
    };
    let url = "  url = \"http://a.example.com/\"\n";
    for body in [
        "\"# lokahi-ignore: LK0901 x\"",
        "<<END\n# lokahi-ignore: LK0901 x\nEND",
    ] {
        let list = told(&check(&format!("  body = {body}\n{url}")));
        assert_eq!(list.len(), 1, "{list:?}");
        assert!(list[0].starts_with("LK0901 "), "{list:?}");
    }
    let comment = "  # lokahi-ignore: LK0901 x\n  url = \"https://a.example.com/\"\n";
    assert!(told(&check(comment))[0].starts_with("LK0909 "));
    // What was not looked at as a whole may have had it.
    for more in ["  timeout = 1\n", "  body = var.none\n"] {
        let variable = "variable \"none\" {\n  type = string\n}\n";
        let list = told(&format!("{variable}{}", check(&format!("{comment}{more}"))));
        assert!(
            !list.iter().any(|one| one.starts_with("LK0909")),
            "{list:?}"
        );
    }
}

#[test]
fn a_heredoc_ends_with_its_marker_alone() {
    for text in [
        "[<<END\nfoo\nEND, 2]",
        "<<END\nfoo\nEND of file\nEND",
        "<<END\nfoo\nEND${1}\nEND",
    ] {
        let list = told(&format!("locals {{\n  a = {text}\n}}\n"));
        assert_eq!(list.len(), 1, "{text}: {list:?}");
        assert!(
            list[0].contains("a heredoc ends with a line of END alone"),
            "{list:?}"
        );
    }
    for text in ["[<<END\nfoo\n  END\n, 2]", "<<END\nfoo\nEND \t"] {
        let list = told(&format!("locals {{\n  a = {text}\n}}\n"));
        assert!(list.iter().all(|one| one.starts_with("LK0903")), "{list:?}");
    }
}

#[test]
fn moves_in_a_circle() {
    let moved = |from: &str, to: &str| {
        format!("moved {{\n  from = check.{from}\n  to   = check.{to}\n}}\n")
    };
    let list = told(&format!("{}{}", moved("a", "b"), moved("b", "a")));
    assert_eq!(list.len(), 1, "{list:?}");
    assert!(
        list[0].contains("these moves go in a circle: check.a -> check.b -> check.a"),
        "{list:?}"
    );
    // Of names that change hands it is said how.
    let check = |name: &str| format!("check \"{name}\" {{\n  url = \"https://e.com/{name}\"\n}}\n");
    let swapped = check("a") + &check("b") + &moved("a", "b") + &moved("b", "a");
    let list: Vec<String> = told(&swapped)
        .into_iter()
        .filter(|one| one.starts_with("LK0608"))
        .collect();
    assert_eq!(list.len(), 2, "{list:?}");
    let way = |one: &String| one.contains("by way of a name that none of them has");
    assert!(list.iter().all(way), "{list:?}");
    let released = "removed {\n  from = check.a\n  lifecycle {\n    destroy = false\n  }\n}\n";
    assert!(told(released)[0].contains("action = \"release\""));
}

#[test]
fn only_what_is_wrong_in_an_object_is_told() {
    let list = told(&in_check("  labels = { a = 1, b = true, c = [1] }"));
    assert_eq!(list.len(), 1, "{list:?}");
    assert!(
        list[0].contains("wanted a string, found a list as the value of `c` | write one text"),
        "{list:?}"
    );
}

#[test]
fn what_was_most_likely_meant() {
    for (line, expect) in [
        ("tls {\n  min_version = 1.3\n}", "write \"1.3\", in quotes"),
        ("http_version = 2", "write \"2\", in quotes"),
        (
            "confirm {\n  failures = \"3\"\n}",
            "write 3, without quotes",
        ),
        ("assert {\n  status = 200\n}", "brackets: `[200]`"),
        ("body = \"${}\"", "an expression is missing"),
        ("body =\u{a0}\"a\"", "a non-breaking space stands here"),
        ("body = \0\"a\"", "a NUL byte stands here"),
        ("count = var.x ? 1 : 0", "enabled = CONDITION"),
    ] {
        let list = told(&in_check(line));
        assert!(
            list.iter().any(|one| one.contains(expect)),
            "{line}: {list:?}"
        );
    }
    let list = told("url = \"https://example.com/\"\n");
    assert!(list[0].contains("stands in a `check"), "{list:?}");
    let conflict = "check \"a\" {\n<<<<<<< ours\n  url = \"https://a.example.com/\"\n=======\n  url = \"https://b.example.com/\"\n>>>>>>> theirs\n}\n";
    let list = told(conflict);
    assert!(list[0].contains("a merge conflict stands here"), "{list:?}");
}
