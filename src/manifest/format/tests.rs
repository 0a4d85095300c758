//! Texts before and after. What is done within lines is what `terraform fmt` does.

use super::{Refused, format};

fn check(before: &str, after: &str) {
    let formatted = format(before).unwrap();
    assert_eq!(formatted, after, "of:\n{before}\nbecame:\n{formatted}");
    assert_eq!(format(after).as_deref(), Ok(after), "a second time");
}

#[test]
fn nothing() {
    for text in ["", "\n\n", "\u{feff}", " \t\r\n"] {
        check(text, "");
    }
    check("a=1", "a = 1\n");
}

#[test]
fn lines_end_in_one_way() {
    check(
        "\u{feff}\r\n\r\na = 1 \r\n\r\n\r\n\r\nb {\r\n\r\n\tc = 2\t\r\n\r\n}\r\n\r\n",
        "a = 1\n\nb {\n  c = 2\n}\n",
    );
    // The lines of a heredoc are its value, that of its marker is not.
    check("a=<<E\r\nx\r\nE\r\n", "a = <<E\nx\r\nE\n");
    check("# a \r\n/* b\r\n c */\r\n", "# a\n/* b\n c */\n");
}

#[test]
fn empty_lines() {
    check(
        "\n# c\n\n\n\nx {\n\n\n# d\n\n\n\na = 1\n\n\nb = [\n\n1,\n\n\n2\n\n]\n\n}\n\n\n",
        "# c\n\nx {\n  # d\n\n  a = 1\n\n  b = [\n    1,\n\n    2\n  ]\n}\n",
    );
    check("x { # c\n\n  a = 1\n}\n", "x { # c\n  a = 1\n}\n");
    check("a = f(1, {\n\n  b = 2\n})\n", "a = f(1, {\n  b = 2\n})\n");
}

#[test]
fn blocks() {
    check("x{}", "x {}\n");
    check("x   \"a\"   b{ }\n", "x \"a\" b {}\n");
    check("x {a=1}\n", "x { a = 1 }\n");
    check("x {\n}\n", "x {\n}\n");
    check(
        "x {\ny \"z\" {\na=1\n}\n}\n",
        "x {\n  y \"z\" {\n    a = 1\n  }\n}\n",
    );
}

#[test]
fn equals_signs_stand_below_each_other() {
    check(
        "x {\na=1\nlong_one=2\n\nother=3\nb=4\n# comment\nc=5\nverylong=6\nd {}\nef=7\n}\n",
        "\
x {
  a        = 1
  long_one = 2

  other = 3
  b     = 4
  # comment
  c        = 5
  verylong = 6
  d {}
  ef = 7
}
",
    );
    // A value of several lines ends the run, an object in one line does not.
    check(
        "a={ b=1, cc=2 }\nbbb=[\n1,\n]\ncc=3\nd=4\n",
        "a = { b = 1, cc = 2 }\nbbb = [\n  1,\n]\ncc = 3\nd  = 4\n",
    );
    check(
        "o={\na=1\n\"long key\"=2\n(b)=3\nc:4\n}\n",
        "o = {\n  a          = 1\n  \"long key\" = 2\n  (b)        = 3\n  c : 4\n}\n",
    );
    // Characters count, not bytes.
    check(
        "é=1\nab=\"日本\" # c\nx=2 # d\n",
        "é  = 1\nab = \"日本\" # c\nx  = 2    # d\n",
    );
}

#[test]
fn comments() {
    check(
        "  # a\n\n x {\n// b\n/* c\n   d */\na=1   # e\nbcd=22 // f\n     # g\n}  # h\n",
        "\
# a

x {
  // b
  /* c
   d */
  a   = 1  # e
  bcd = 22 // f
  # g
} # h
",
    );
    check("a=1/*x*/\nb=/*y*/2\n", "a = 1 /*x*/\nb = /*y*/ 2\n");
    check("a=[1,#x\n  2 # y  \n]\n", "a = [1, #x\n  2     # y\n]\n");
    check("a=[\n#x\n]\n", "a = [\n  #x\n]\n");
}

#[test]
fn heredocs_keep_every_byte() {
    check(
        "x {\na=<<EOT\n  one  =  1\n\n\n\tEOT\nlong=2\n}\n",
        "x {\n  a    = <<EOT\n  one  =  1\n\n\n\tEOT\n  long = 2\n}\n",
    );
    check(
        "x {\nl=[\n<<-EOT\n      # no comment\n    ${ f(\"EOT\") }\n EOTX\n    EOT\n,\"b\"]\n}\n",
        "x {\n  l = [\n    <<-EOT\n      # no comment\n    ${ f(\"EOT\") }\n EOTX\n    EOT\n  , \"b\"]\n}\n",
    );
    check(
        "a={\nb=<<E\n}\nE\nc=f(<<E\n)\nE\n)\n}\n",
        "a = {\n  b = <<E\n}\nE\n  c = f(<<E\n)\nE\n  )\n}\n",
    );
}

#[test]
fn strings_keep_every_byte() {
    for value in [
        r#""a  =  b # c""#,
        r#""${x}""#,
        r#""${ f( "}", {a=1} ) }  \" \\""#,
        r#""$${ %%{ // ""#,
        r#""%{ if x ~}a%{else}b%{ endif }""#,
        "\"${\n    x /* } */\n}\"",
    ] {
        check(&format!("a={value}\n"), &format!("a = {value}\n"));
    }
}

#[test]
fn operators() {
    for (before, after) in [
        ("1+2*-3", "1 + 2 * -3"),
        ("(a)- - b", "(a) - -b"),
        ("a-b -c", "a-b - c"),
        ("a&&! b||c", "a && !b || c"),
        ("a<=b==c!=d", "a <= b == c != d"),
        ("a?b:c", "a ? b : c"),
        ("( - a )", "(-a)"),
        ("a . b [ 0 ] . c", "a.b[0].c"),
        ("a . 0 . 1", "a.0.1"),
        ("a [ * ] . b", "a[*].b"),
        ("f ( 1,- 2 , x ... )", "f(1, -2, x...)"),
        ("p :: f ()", "p::f()"),
        ("[ [ ] ,{ } ]", "[[], {}]"),
        ("[1,2,]", "[1, 2, ]"),
        ("{a:1,b=- 2}", "{ a : 1, b = -2 }"),
        ("[ for x in [ 1 ]:x if x>1 ]", "[for x in [1] : x if x > 1]"),
        ("{for k,v in m:k=>v ...}", "{ for k, v in m : k => v... }"),
        ("{[1,]=2}", "{ [1, ] = 2 }"),
    ] {
        check(&format!("a={before}\n"), &format!("a = {after}\n"));
    }
    check("a=1 .5\n", "a = 1 .5\n");
}

#[test]
fn values_of_several_lines() {
    check(
        "a=(\nx==1\n?f(\n{\nb=1\n})\n:[\n1\n]\n)\n",
        "a = (\n  x == 1\n  ? f(\n    {\n      b = 1\n  })\n  : [\n    1\n  ]\n)\n",
    );
    check(
        "a=[\nfor x in y:\nx\nif x\n]\n",
        "a = [\n  for x in y :\n  x\n  if x\n]\n",
    );
    check(
        "a=[{\nb=1\n},{\nc=2\n}]\n",
        "a = [{\n  b = 1\n  }, {\n  c = 2\n}]\n",
    );
    check("a=merge({\nb=1\n})\n", "a = merge({\n  b = 1\n})\n");
}

#[test]
fn a_line_that_is_too_wide_widens_no_other() {
    let long = "x".repeat(400);
    check(
        &format!("a=1\n{long}=2\nbc=3\nd=4\n"),
        &format!("a = 1\n{long} = 2\nbc = 3\nd  = 4\n"),
    );
}

#[test]
fn what_is_not_hcl_is_refused() {
    for (text, at) in [
        ("a = 1\nb = \n", 10),
        ("x {\n", 2),
        ("\u{feff}a = 1 2\n", 6),
        ("a = \"x\n\"\n", 4),
        ("a = 1\na = 2\n", 6),
        ("a = \"%{ if x }\" == \"%{ endif }\"\n", 5),
    ] {
        let Err(Refused::Invalid(problems)) = format(text) else {
            panic!("{text}")
        };
        assert_eq!(problems[0].span.unwrap().start, at, "{text}: {problems:?}");
        assert!(problems[0].code.id().starts_with("LK02"), "{problems:?}");
    }
    // What it means is not asked.
    check("nonsense=unknown(1)\n", "nonsense = unknown(1)\n");
}

#[test]
fn what_cannot_be_proven_is_refused() {
    // The parser takes the first marker for text, as no text stands above it.
    let text = "a=<<E\nE\nb=<<E\nE\n";
    assert!(matches!(format(text), Err(Refused::Invalid(_))));
    let comments = "x {\n".to_owned() + &"#\n".repeat(500_000) + "}\n";
    assert_eq!(format(&comments), Err(Refused::TooLarge));
}
