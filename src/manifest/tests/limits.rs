//! What files can ask for at most: work, size, depth, numbers of things. Every limit is a
//! diagnostic, and every answer comes in time.

use std::time::Duration;

use super::{compiled, problems, tree};
use crate::manifest::compile::{Compiled, Keep, compile};
use crate::manifest::diagnostic::Diagnostics;
use crate::manifest::inputs::Inputs;
use crate::manifest::report::{Style, human};

/// Wall time, on a machine that has other things to do, without optimisation: what is guarded
/// against takes minutes, or the memory of the machine.
const GENEROUS: Duration = Duration::from_secs(60);

/// The first problem of a text, or "good"; in time.
#[track_caller]
fn answer(text: &str) -> String {
    answers(text).swap_remove(0)
}

/// The problems of a text, or "good"; in time.
#[track_caller]
fn answers(text: &str) -> Vec<String> {
    let text = text.to_owned();
    in_time(move || match compiled(&[("web.hcl", &text)]) {
        Ok(_) => vec!["good".to_owned()],
        Err(Diagnostics(list)) => {
            let shown = human(&list, "checks.d", Style::default());
            assert!(shown.len() < 1 << 20, "{} bytes of problems", shown.len());
            list.into_iter().map(|problem| problem.message).collect()
        }
    })
}

/// What some work comes to, which must be in time.
#[track_caller]
fn in_time<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, wait) = std::sync::mpsc::channel();
    let worker = std::thread::spawn(move || done.send(work()));
    match wait.recv_timeout(GENEROUS) {
        Ok(answer) => answer,
        Err(std::sync::mpsc::RecvTimeoutError::Timeout) => panic!("not in {GENEROUS:?}"),
        Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => match worker.join() {
            Err(panic) => std::panic::resume_unwind(panic),
            Ok(_) => panic!("it ended without an answer"),
        },
    }
}

/// Locals of which each holds the one before it twice.
fn doubling(count: usize, first: &str, each: impl Fn(String) -> String) -> String {
    let mut text = format!("locals {{\n  l0 = {first}\n");
    for number in 1..count {
        let before = format!("local.l{}", number - 1);
        text.push_str(&format!("  l{number} = {}\n", each(before)));
    }
    text + "}\n"
}

#[test]
fn what_doubles_has_an_end() {
    let large = "this value is too large";
    let long = "this text would be longer than 1 MiB";
    let twice = |open: &'static str, close: &'static str| {
        move |before: String| format!("{open}{before}, {before}{close}")
    };
    assert_eq!(answer(&doubling(60, "1", twice("[", "]"))), large);
    assert!(
        answer(&doubling(60, "[1]", twice("concat(", ")"))).contains("more than 10000 entries")
    );
    let object = |before: String| format!("{{ a = {before}, b = {before} }}");
    assert_eq!(answer(&doubling(60, "1", object)), large);
    let text = |before: String| format!("\"${{{before}}}${{{before}}}\"");
    assert_eq!(answer(&doubling(60, "\"0123456789abcdef\"", text)), long);
    // A text of references alone has no bytes yet.
    assert_eq!(answer(&doubling(60, "secret(\"a\")", text)), long);
    assert_eq!(
        answer(&doubling(300, "1", |before| format!("[{before}]"))),
        large
    );
    let inside = "[for a in [[0, 0]] : ".repeat(28) + "a" + &"]".repeat(28);
    assert_eq!(answer(&format!("locals {{\n  a = {inside}\n}}\n")), "good");
}

#[test]
fn work_has_an_end() {
    let steps = "this expression takes too many steps to evaluate";
    let big = "variable \"u\" {\n}\nlocals {\n  m = {for k in range(9000) : \"k${k}\" => k}\n  b = [for k in range(19) : range(9999)]\n  t = join(\"\", [for k in range(9999) : \"0123456789012345678901234567890123456789\"])\n";
    for expression in [
        "[for a in range(999) : [for b in range(999) : [for c in range(999) : a]]]",
        "[for a in range(500) : [for b in range(500) : local.b == local.b]]",
        "[for a in range(500) : [for b in range(500) : length(jsonencode(local.b))]]",
        "[for a in range(500) : [for b in range(500) : length(jsonencode(range(5000)))]]",
        "[for a in range(500) : [for b in range(500) : can(local.t < 5)]]",
        "[for a in range(500) : [for b in range(500) : \"${var.u}${local.t}\" == null]]",
        "[for a in range(500) : [for b in range(500) : can(\"${secret(\"a\")}${local.t}\")]]",
        "[for a in range(500) : [for b in range(500) : try([for k, v in local.m : nobody], 0)]]",
        "[for a in range(500) : [for b in range(500) : try(local.m[*].a, 0)]]",
        "[for a in range(999) : [for b in range(999) : can(local.m.nobody)]]",
        "[for a in range(500) : [for b in range(500) : contains(local.b, [a])]]",
        "[for a in range(500) : [for b in range(500) : var.u == 1 ? local.b : [local.b]]]",
        // That there is no end is no failure that could be tried.
        "can([for a in range(999) : [for b in range(999) : [for c in range(999) : a]]])",
        "try([for a in range(999) : [for b in range(999) : [for c in range(999) : a]]], 1)",
        "var.u == 1 ? [for a in range(999) : [for b in range(999) : [for c in range(9) : a]]] : 1",
        "var.u == 1 && [for a in range(999) : [for b in range(999) : [for c in range(9) : a]]]",
    ] {
        let told = answers(&format!("{big}  x = {expression}\n}}\n"));
        assert!(
            told.iter().any(|told| told == steps),
            "{expression}: {told:.300?}"
        );
    }
    // Problems are work too, with their hints and values.
    let many = "[for a in range(900) : [for b in range(900) : local.m.nobody]]";
    assert_eq!(
        answer(&format!("{big}  x = {many}\n}}\n")),
        "this object has no attribute `nobody`"
    );
}

#[test]
fn the_work_of_a_root_has_an_end() {
    let over = "these files take too much work to evaluate";
    let text =
        "  t = join(\"\", [for k in range(9999) : \"0123456789012345678901234567890123456789\"])\n";
    // Texts are the work that is done fastest.
    let heavy = "length([for a in range(150) : \"${local.t}x\" == null])";
    let locals: String = (0..120).map(|n| format!("  x{n} = {heavy}\n")).collect();
    assert_eq!(answer(&format!("locals {{\n{text}{locals}}}\n")), over);
    let each = |inside: &str| {
        format!(
            "locals {{\n{text}}}\ncheck \"c\" {{\n  for_each = toset([for k in range(9999) : \"k${{k}}\"])\n  \
             url = \"http://a/${{each.key}}\"\n{inside}}}\n"
        )
    };
    assert_eq!(answer(&each(&format!("  body = {heavy}\n"))), over);
    let condition = format!("  assert {{\n    condition = response.status == {heavy}\n  }}\n");
    assert_eq!(answer(&each(&condition)), over);
    // Checks are work too.
    let checks: String = (0..300)
        .map(|n| {
            each("")
                .replace("\"c\"", &format!("\"c{n}\""))
                .replace(&format!("locals {{\n{text}}}\n"), "")
        })
        .collect();
    assert_eq!(answer(&checks), over);
}

#[test]
fn ten_thousand_entries_are_no_trouble() {
    let text = "check \"c\" {\n  for_each = {for k in range(10000) : \"k${k}\" => k}\n  url = \"http://a/${each.value}\"\n}\n";
    let desired = in_time(move || super::good(&[("web.hcl", text)]));
    assert_eq!(desired.checks.len(), 10_000);
    let more = text.replace("range(10000)", "concat(range(10000), [\"x\"])");
    assert!(answer(&more).contains("10000 entries"), "{}", answer(&more));
}

#[test]
fn circles_among_ten_thousand_locals() {
    let one: String = (0..10_000)
        .map(|n| format!("  l{n} = local.l{}\n", (n + 1) % 10_000))
        .collect();
    let told = answer(&format!("locals {{\n{one}}}\n"));
    assert!(
        told.starts_with("these locals need each other: local.l0 -> local.l1 -> "),
        "{told}"
    );
    assert!(told.len() < 500, "{}", told.len());
    let all: String = (0..120)
        .map(|n| {
            let names = (0..120).map(|m| format!("local.l{m}"));
            format!("  l{n} = [{}]\n", names.collect::<Vec<_>>().join(", "))
        })
        .collect();
    answer(&format!("locals {{\n{all}}}\n"));
    let chain: String = (1..10_000)
        .map(|n| format!("  l{n} = local.l{}\n", n - 1))
        .collect();
    assert_eq!(answer(&format!("locals {{\n  l0 = 1\n{chain}}}\n")), "good");
}

/// What hangs on a circle says nothing by itself.
#[test]
fn a_circle_is_told_once() {
    let told = problems(&[(
        "web.hcl",
        "locals {\n  a = local.b\n  b = local.b\n  c = [local.a, local.d]\n  d = local.c\n  e = local.a\n}\n",
    )]);
    assert_eq!(
        told,
        [
            "web.hcl:3:7: error[LK0508]: these locals need each other: local.b -> local.b",
            "web.hcl:5:7: error[LK0508]: these locals need each other: local.c -> local.d -> local.c",
        ]
    );
}

/// Texts of 64 KiB that ask much of whoever reads them.
#[test]
fn large_texts_come_back() {
    let fill = |piece: &str| piece.repeat(60_000 / piece.len());
    let block = |inside: &str| format!("check \"a\" {{\n  url = \"http://a/\"\n{inside}}}\n");
    for text in [
        fill("/*\ncheck \"a\" {\n"),
        fill("# lokahi-ignore: LK0903 x\n"),
        fill("x = 1 "),
        fill("a\n"),
        fill("= "),
        fill("\"${"),
        fill("<<E\n"),
        fill("check \"a\" {}\n"),
        fill("check \"a\" {\n}\n"),
        fill("locals {\n}\n"),
        fill("[1,"),
        fill("ü"),
        block(&format!("  body = \"{}\"\n", fill("${1}"))),
        block(&format!("  body = \"{}\"\n", fill("%{if true}a%{endif}"))),
        block(&format!("  body = <<-E\n{}\nE\n", fill("  ${1}\n"))),
        block(&format!("  body = [{}]\n", fill("nobody, "))),
        block(&format!("  body = {}1\n", fill("1 + "))),
        block(&format!("  body = {}a\n", fill("a."))),
        block(&format!("  body = {}a\n", fill("a.*."))),
        block(&format!("  body = {}a\n", fill("a::"))),
        block(&format!("  body = {}1{}\n", "(".repeat(50), ")".repeat(50))),
        block(&format!("  body = [{}]\n", fill("local.a[0].b, "))),
        block(&format!("  body = {{ {} }}\n", fill("(1) = 1, "))),
        block(&format!("  body = f({})\n", fill("1, "))),
        block(&format!("  body = {}1\n", fill("- "))),
        block(&format!(
            "  body = {}x{}\n",
            "[for x in ".repeat(50),
            " : x]".repeat(50)
        )),
        block(&format!("  body = x{}\n", fill("[0]"))),
        block(&format!("  body = x{}\n", fill("[*]"))),
        block(&format!("  body = {}x\n", fill("!"))),
        block(&format!("  body = {}1\n", fill("true ? 1 : "))),
        block(
            &(0..5000)
                .map(|n| format!("  x{n} = {n}\n"))
                .collect::<String>(),
        ),
        block(&fill("  assert {\n  }\n")),
        format!(
            "locals {{\n  a = {{ {} }}\n}}\n",
            (0..5000).map(|n| format!("k{n}=1, ")).collect::<String>()
        ),
        format!(
            "locals {{\n{}}}\n",
            (0..4000)
                .map(|n| format!("  x{n} = y\n"))
                .collect::<String>()
        ),
        format!(
            "locals {{\n  m = range(9999)\n{}}}\n",
            (0..3000)
                .map(|n| format!("  x{n} = local.m.q\n"))
                .collect::<String>()
        ),
        (0..2000)
            .map(|n| format!("variable \"v{n}\" {{\n}}\n"))
            .collect(),
        (0..1500)
            .map(|n| format!("check \"c{n}\" {{\n  urll = local.x\n}}\n"))
            .collect(),
    ] {
        answer(&text);
        in_time(move || crate::manifest::format::format(&text).is_ok());
    }
}

#[test]
fn an_unknown_variable_in_a_condition_is_no_mistake() {
    let text = "variable \"code\" {\n  type = number\n}\ncheck \"a\" {\n  url = \"http://a/\"\n  assert {\n    condition = response.status == var.code\n    error_message = \"not ${var.code}\"\n  }\n}\n";
    let Compiled {
        desired,
        unknown,
        checks,
        ..
    } = compile(&tree(&[("web.hcl", text)]), &Inputs::default(), Keep::Specs).unwrap();
    assert!(desired.is_none());
    assert_eq!((unknown, checks), (vec!["code".to_owned()], 1));
}

#[test]
fn a_pattern_costs_what_it_goes_through() {
    let text = |places: usize| {
        format!(
            "locals {{\n  text = join(\"\", [for n in range({places}) : \"{}b\"])\n  all = [for n in range(2000) : length(regexall(\"b|[^!]*!\", local.text))]\n  new = [for n in range(2000) : replace(local.text, \"/b|[^!]*!/\", \"\")]\n}}\n",
            "a".repeat(255)
        )
    };
    let told = super::causes::told(&text(900));
    let codes: Vec<&str> = told.iter().filter_map(|one| one.get(..6)).collect();
    assert_eq!(codes, ["LK0507", "LK0507"], "{told:?}");
}

#[test]
fn so_many_warnings_are_still_warnings() {
    let checks: String = (0..Diagnostics::MAX + 10)
        .map(|n| format!("check \"c{n}\" {{\n  url = \"https://{n}.example.com/\"\n}}\n"))
        .collect();
    // Nobody hears of any of them.
    let warnings = compiled(&[("web.hcl", &checks)]).unwrap().warnings;
    assert_eq!(warnings.len(), Diagnostics::MAX + 1);
    let wrong = format!("{checks}check \"last\" {{\n}}\n");
    let problems = problems(&[("web.hcl", &wrong)]).join("\n");
    assert!(
        problems.contains("last") || problems.contains("needs `url`"),
        "{problems}"
    );
}
