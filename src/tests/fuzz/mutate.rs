//! Small changes of a text by its words, brackets and lines, with parts of other texts.

use super::chance::Chance;
use super::generate::{NUMBERS, expression};

/// The largest text that is tried, in bytes.
pub(super) const LARGEST: usize = 64 * 1024;

const PIECES: &[&str] = &[
    "\"",
    "${",
    "}",
    "%{ if ",
    "%{ for x in y }",
    "%{ endif }",
    "%{ endfor }",
    "{",
    "(",
    "[",
    ")",
    "]",
    "<<E\n",
    "<<-E\n",
    "\nE\n",
    "/*",
    "*/",
    "#",
    "//",
    "\r\n",
    "\n",
    "\\",
    "=",
    "\u{0}",
    "ü",
    "\u{2028}",
    "...",
    ".",
    "..",
    "in ",
    "for ",
    "if ",
    "$${",
    "%%{",
    "~}",
    "~",
    "1",
    ",",
    "::",
    "=>",
    ":",
    "?",
    "-",
    "!",
    "*",
    "[*]",
    ".*",
    ".0",
    "null",
    "true",
    "var.v",
    "local.l0",
    "each.key",
    "each.value",
    "secret(\"a\")",
    "# lokahi-ignore: LK0903 x\n",
    "check \"z\" {\n",
    "locals {\n",
    "}\n",
    "env(\"X\")",
    "file(\"x\")",
    "response.status",
    "\t",
    " ",
    "\u{feff}",
    "1e999",
    "\\u00",
    "\\U0001F600",
    "&&",
    "||",
    "==",
    "toset([",
    "range(9999)",
    "x = ",
];

/// The words, runs of white space and single signs of a text.
fn tokens(text: &str) -> Vec<&str> {
    let kind = |c: char| match c {
        c if c.is_alphanumeric() || c == '_' => 1,
        c if c.is_whitespace() && c != '\n' => 2,
        _ => 0,
    };
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let mut end = first.len_utf8();
        if kind(first) > 0 {
            end = rest.find(|c| kind(c) != kind(first)).unwrap_or(rest.len());
        }
        let (token, after) = rest.split_at(end);
        found.push(token);
        rest = after;
    }
    found
}

/// Some tokens that stand in a row.
fn range(chance: &mut Chance, count: usize) -> std::ops::Range<usize> {
    let start = chance.below(count + 1);
    let longest = [1, 3, 10, 60][chance.below(4)];
    start..(start + chance.below(longest + 1)).min(count)
}

/// The text, changed once or a few times.
pub(super) fn mutated(chance: &mut Chance, text: &str, others: &[String]) -> String {
    let mut text = text.to_owned();
    for _ in 0..=chance.below(4) {
        text = once(chance, &text, others);
        if text.len() > LARGEST {
            let mut end = LARGEST;
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            text.truncate(end);
        }
    }
    text
}

fn once(chance: &mut Chance, text: &str, others: &[String]) -> String {
    let all = tokens(text);
    let here = range(chance, all.len());
    let (before, inside, after) = (&all[..here.start], &all[here.clone()], &all[here.end..]);
    let around = |middle: &str| format!("{}{middle}{}", before.concat(), after.concat());
    match chance.below(16) {
        0 | 1 => around(""),
        2 => around(&inside.concat().repeat(2)),
        3 => match chance.below(8) {
            // What is slow for many is found by many.
            0 => {
                let one = inside.concat();
                let most = LARGEST / one.len().max(1);
                around(&one.repeat(chance.below(most + 1)))
            }
            _ => around(&inside.concat().repeat(1 + chance.below(30))),
        },
        4..=6 => {
            let other: &String = chance.pick(others);
            let other = tokens(other);
            let there = range(chance, other.len());
            around(&other[there].concat())
        }
        7 | 8 => around(&format!("{}{}", inside.concat(), chance.pick(PIECES))),
        9 => {
            let (open, close) = *chance.pick(&[
                ("(", ")"),
                ("[", "]"),
                ("\"${", "}\""),
                ("{ a = ", " }"),
                ("[for x in ", " : x]"),
                ("try(", ")"),
                ("<<E\n${", "}\nE\n"),
                ("\"%{ if ", " }x%{ endif }\""),
                ("-", ""),
                ("/* ", " */"),
            ]);
            let times = [1, 1, 1, 3, 40][chance.below(5)];
            around(&format!(
                "{}{}{}",
                open.repeat(times),
                inside.concat(),
                close.repeat(times)
            ))
        }
        10 => around(chance.word(NUMBERS)),
        11 | 12 => around(&expression(chance, 3)),
        13 => {
            let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
            let count = lines.len();
            if count > 0 {
                let (a, b) = (chance.below(count), chance.below(count));
                lines.swap(a, b);
            }
            lines.concat()
        }
        14 => text.replace('\n', "\r\n"),
        _ => {
            let mut characters: Vec<char> = text.chars().collect();
            if !characters.is_empty() {
                let at = chance.below(characters.len());
                characters[at] =
                    *chance.pick(&['"', '{', '}', '$', '%', '\\', '\n', 'x', '=', '.', '0', '~']);
            }
            characters.into_iter().collect()
        }
    }
}
