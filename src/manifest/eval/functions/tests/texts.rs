//! Strings, patterns, `format`.

use super::check;

#[test]
fn strings() {
    check(&[
        (r#"upper("straße é")"#, r#""STRAßE É""#),
        (r#"lower("ÀB")"#, r#""àb""#),
        (r#"title("a-b c_d 1x é")"#, r#""A-B C_d 1x É""#),
        (r#"title("")"#, r#""""#),
        (r#"trim("?!hello?!", "!?")"#, r#""hello""#),
        (r#"trim("aa", "a")"#, r#""""#),
        (r#"trim(" a ", "")"#, r#"" a ""#),
        (r#"trimspace(" \n\t a b \r\n")"#, r#""a b""#),
        (r#"trimprefix("helloworld", "hello")"#, r#""world""#),
        (r#"trimprefix("--x", "-")"#, r#""-x""#),
        (r#"trimsuffix("helloworld", "world")"#, r#""hello""#),
        (r#"trimsuffix("a", "b")"#, r#""a""#),
        (r#"startswith("hello", "lo")"#, "false"),
        (r#"startswith("hello", "")"#, "true"),
        (r#"endswith("hello", "he")"#, "false"),
        (r#"endswith("é", "é")"#, "true"),
        (r#"strcontains("hello", "wor")"#, "false"),
        (r#"strcontains("hello", "")"#, "true"),
        (r#"split(",", "")"#, r#"[""]"#),
        (r#"split(",", "a,,b")"#, r#"["a", "", "b"]"#),
        (r#"split("", "aé")"#, r#"["a", "é"]"#),
        (r#"join("-", ["a"], [1, true])"#, r#""a-1-true""#),
        (r#"join("-", [])"#, r#""""#),
        (
            r#"join("-", ["a", null])"#,
            "! an element of the list is null",
        ),
        (r#"substr("hello world", 1, 4)"#, r#""ello""#),
        (r#"substr("héllo", 1, -1)"#, r#""éllo""#),
        (r#"substr("hello", -2, 1)"#, r#""l""#),
        (r#"substr("hello", -9, 2)"#, r#""he""#),
        (r#"substr("hello", 9, 1)"#, r#""""#),
        (r#"substr("hello", 2, 0)"#, r#""""#),
        (r#"strrev("aé🤷")"#, r#""🤷éa""#),
        (r#"indent(2, "a\n\nb")"#, r#""a\n  \n  b""#),
        (r#"indent(-1, "a")"#, "! must not be negative"),
        (r#"chomp("a\r\n\n")"#, r#""a""#),
        (r#"chomp("a\nb")"#, r#""a\nb""#),
    ]);
}

#[test]
fn patterns() {
    check(&[
        (r#"replace("1 + 2 + 3", "+", "-")"#, r#""1 - 2 - 3""#),
        (
            r#"replace("hello world", "/w.*d/", "everybody")"#,
            r#""hello everybody""#,
        ),
        (r#"replace("ab", "/(a)(b)/", "$2$1")"#, r#""ba""#),
        (r#"replace("ab", "/(?P<x>a)/", "<$${x}>")"#, r#""<a>b""#),
        (r#"replace("a/b", "/", ".")"#, r#""a.b""#),
        (r#"replace("ab", "", "-")"#, r#""-a-b-""#),
        (r#"replace("a", "/(/", "")"#, "! no regular expression"),
        (
            r#"regex("[a-z]+", "53453453.345345aaabbbccc23454")"#,
            r#""aaabbbccc""#,
        ),
        (
            r#"regex("(\\d\\d\\d\\d)-(\\d\\d)", "2019-02-01")"#,
            r#"["2019", "02"]"#,
        ),
        (
            r#"regex("(?P<y>\\d+)-(?:\\d+)", "2019-02")"#,
            r#"{ y = "2019" }"#,
        ),
        (r#"regex("(a)|(b)", "b")"#, r#"[null, "b"]"#),
        (
            r#"regex("(?P<y>a)(b)", "ab")"#,
            "! either all groups of the pattern have a name",
        ),
        (r#"regex("x", "y")"#, "! matches nowhere"),
        (r#"regex("(?=a)", "a")"#, "! look-around"),
        (
            r#"regexall("[a-z]+", "1234abcd5678efgh9")"#,
            r#"["abcd", "efgh"]"#,
        ),
        (
            r#"regexall("(a)(b)?", "aab")"#,
            r#"[["a", null], ["a", "b"]]"#,
        ),
        (r#"regexall("x", "y")"#, "[]"),
    ]);
}

#[test]
fn formats() {
    check(&[
        (r#"format("100%%")"#, r#""100%""#),
        (r#"format("Hello, %s!", "Ander")"#, r#""Hello, Ander!""#),
        (r#"format("%[2]s %[1]s", "a", "b")"#, r#""b a""#),
        (r#"format("%[2]s %s", "a", "b", "c")"#, r#""b c""#),
        (
            r#"format("%v %v %v %v", "a", 1.5, true, null)"#,
            r#""a 1.5 true null""#,
        ),
        (r#"format("%v", [1, "a", {}])"#, r#""[1,\"a\",{}]""#),
        (r#"format("%#v", "a")"#, r#""\"a\"""#),
        (r#"format("%q", "a\"b")"#, r#""\"a\\\"b\"""#),
        (
            r#"format("%5s|%-5s|%.2s", "ab", "ab", "abc")"#,
            r#""   ab|ab   |ab""#,
        ),
        (r#"format("%t", "false")"#, r#""false""#),
        (
            r#"format("%d %+d % d %05d %-4d|", 10, 1, 2, -3, 4)"#,
            r#""10 +1  2 -0003 4   |""#,
        ),
        (
            r#"format("%b %o %x %X %x", 5, 9, 254, 254, -1)"#,
            r#""101 11 fe FE -1""#,
        ),
        (
            r#"format("%#b %#o %#x %#X %#x %#06x", 5, 9, 254, 254, -1, 254)"#,
            r#""0b101 011 0xfe 0XFE -0x1 0x00fe""#,
        ),
        (
            r#"format("%f %.1f %06.2f", 10, 1.06, 3.14159)"#,
            r#""10.000000 1.1 003.14""#,
        ),
        (
            r#"format("%e %E", 1000, 0.00012)"#,
            r#""1.000000e+03 1.200000E-04""#,
        ),
        (
            r#"format("%g %g %g %G", 1000, 0.5, 10000000, 1e-23)"#,
            r#""1000 0.5 1e+07 1E-23""#,
        ),
        (
            r#"format("%.3g %.3g %.10g", 1234, 100, 1234567)"#,
            r#""1.23e+03 100 1234567""#,
        ),
        (r#"format("%d", 1.5)"#, "! a whole number"),
        (
            r#"format("%d", true)"#,
            "! `%d`: the value must be a number, not a bool",
        ),
        (r#"format("%s", null)"#, "! no text for null"),
        (r#"format("%s", [])"#, "! must be a string, not a list"),
        (r#"format("%s")"#, "! `%s` needs value 1, but 0 are given"),
        (r#"format("%[3]s", 1, 2)"#, "! `%[3]s` needs value 3"),
        (r#"format("%[0]s", 1)"#, "! a number from 1"),
        (r#"format("a", 1)"#, "! 1 values are given, but 0 used"),
        (r#"format("%z", 1)"#, "! no verb `%z`"),
        (r#"format("5%")"#, "! a verb is missing"),
        (r#"format("%.s", 1)"#, "! a precision has no number"),
        (r#"formatlist("a")"#, r#"["a"]"#),
        (r#"formatlist("%s=%s", ["a", "b"], 1)"#, r#"["a=1", "b=1"]"#),
        (r#"formatlist("%s", [])"#, "[]"),
        (
            r#"formatlist("%s%s", ["a"], ["b", "c"])"#,
            "! must have one length, not 1 and 2",
        ),
    ]);
}

#[test]
fn a_letter_stays_one_letter() {
    check(&[
        (r#"upper("straße ǆ é")"#, r#""STRAßE Ǆ É""#),
        (r#"lower("ÉΣ İ")"#, r#""éσ i""#),
        (r#"title("ßa éb")"#, r#""ßa Éb""#),
    ]);
}
