//! Scripts of sites by chance, and changes of them. Most of what they say is nearly HTTP.

use std::path::Path;

use super::super::chance::Chance;
use super::super::run::read;

pub(super) fn seeds() -> Vec<String> {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/tests/fuzz/corpus/probe");
    read(&kept, "txt")
}

const ASKS: &[&str] = &[
    "text",
    "json",
    "condition",
    "warn",
    "post",
    "head",
    "basic",
    "stay",
    "rst",
    "h1",
    "keep",
];

/// What a site may do to one that asks.
pub(super) fn script(chance: &mut Chance) -> String {
    let mut out = String::new();
    for ask in ASKS {
        if chance.below(5) == 0 {
            out.push_str(&format!("ask {ask}\n"));
        }
    }
    let (tls, h2) = (chance.below(4) == 0, chance.below(4) == 0);
    if tls {
        out.push_str("ask tls\n");
        if chance.below(8) == 0 {
            out.push_str("ask verified\n");
        }
    }
    if h2 {
        out.push_str("ask h2\n");
    }
    let connections = [1, 1, 1, 2, 4, 13][chance.below(6)];
    for number in 0..connections {
        if number > 0 {
            out.push_str("next\n");
        }
        if tls && chance.below(12) > 0 {
            if chance.below(4) == 0 {
                let (at, bits) = (chance.below(500), 1 + chance.below(255));
                let verb = chance.word(&["certificate", "spoil"]);
                out.push_str(&format!("{verb} {at} {bits}\n"));
            }
            let version = chance.word(&["12", "13"]);
            let agreed = if h2 { " h2" } else { "" };
            out.push_str(&format!("tls {version}{agreed}\n"));
        }
        if chance.below(20) > 0 {
            out.push_str("read\n");
        }
        let leads_on = number + 1 < connections;
        if h2 {
            frames(chance, leads_on, &mut out);
        } else {
            answer(chance, leads_on, &mut out);
        }
        if !h2 && chance.below(4) == 0 {
            out.push_str("read\n");
            answer(chance, false, &mut out);
        }
        out.push_str(match chance.below(40) {
            0 => "hang\n",
            1 => "drip\n",
            2 | 3 => "reset\n",
            4 => "echo\n",
            5 => "wait 30\n",
            _ => "",
        });
    }
    out
}

const STATUSES: &[&str] = &[
    "200", "200", "200", "204", "304", "404", "500", "301", "302", "303", "307", "308", "100",
    "101", "103", "199", "599", "600", "999", "099", "0", "-1", "2000", "",
];

const HEADERS: &[&str] = &[
    "Content-Type: text/plain",
    "X-Said: well",
    "X-Said: \\x01\\x02\\xff",
    "Server: \\x80\\xfe",
    "Content-Length: 5",
    "Content-Length: 18446744073709551616",
    "Content-Length: -1",
    "Content-Length: 5, 5",
    "Transfer-Encoding: chunked",
    "Transfer-Encoding: gzip, chunked",
    "Transfer-Encoding: chunked, gzip",
    "Content-Encoding: gzip",
    "Content-Encoding: x-gzip",
    "Content-Encoding: deflate",
    "Content-Encoding: br",
    "Content-Encoding: gzip, gzip",
    "Content-Encoding: \\x07\\xff",
    "Connection: keep-alive",
    "Connection: upgrade",
    "Upgrade: h2c",
    "Trailer: X-After",
    "Set-Cookie: a=b",
    " folded: line",
    "no colon",
    ": no name",
    "X\\x00: y",
    "X: a\\x00b",
];

const PLACES: &[&str] = &[
    "/",
    "/next",
    "next",
    "?a=b",
    "#there",
    "//site.test/",
    "http://@site@/other",
    "https://@site@/",
    "http://site.test:1/",
    "http://nowhere.test/",
    "http://169.254.169.254/",
    "http://[::1]:1/",
    "http://user:pass@@site@/a?b#c",
    "http://@site@/%00%ff/\\xc3\\xa9",
    "gopher://a/",
    "javascript:alert(1)",
    "http://",
    "http:///",
    "http://a b/",
    "\\xff\\xfe",
    "http://1.2.3.4.5/",
    "http://0x7f530001/",
    "http://xn--a/",
    "http://%41/",
    "\\x1b[31mred",
    "http://@site@/\\x7f",
    "",
];

/// An answer in HTTP/1.
fn answer(chance: &mut Chance, leads_on: bool, out: &mut String) {
    for _ in 0..[0, 0, 0, 0, 1, 3][chance.below(6)] {
        let status = chance.word(&["100", "102", "103", "101", "199"]);
        out.push_str(&format!("say HTTP/1.1 {status} So\\r\\nX: y\\r\\n\\r\\n\n"));
    }
    let version = chance.word(&["1.1", "1.1", "1.1", "1.1", "1.0", "0.9", "2.0", "1.10", ""]);
    let status = match leads_on {
        true => chance.word(&["301", "302", "303", "307", "308"]),
        false => chance.word(STATUSES),
    };
    let reason = chance.word(&["OK", "OK", "", "No way\\x80", "\\x01"]);
    let end = chance.word(&["\\r\\n", "\\r\\n", "\\r\\n", "\\r\\n", "\\n", "\\r"]);
    out.push_str(&format!("say HTTP/{version} {status} {reason}{end}"));
    let mut chunked = false;
    for _ in 0..chance.below(4) {
        let header = chance.word(HEADERS);
        chunked |= header == "Transfer-Encoding: chunked";
        out.push_str(&format!("{header}{end}"));
    }
    if leads_on || chance.below(10) == 0 {
        out.push_str(&format!("Location: {}{end}", chance.word(PLACES)));
    }
    if chance.below(20) == 0 {
        let times = [10, 90, 101, 2_000][chance.below(4)];
        out.push_str(&format!("\nmany {times} X-Many: of them{end}\nsay "));
    }
    if chance.below(20) == 0 {
        out.push_str("X-Said: \necho\nsay ");
    }
    out.push_str(&format!("{end}\n"));
    for _ in 0..[0, 1, 1, 1, 2, 5][chance.below(6)] {
        body(chance, chunked, out);
    }
    if chunked && chance.below(3) > 0 {
        let trailer = chance.word(&["", "X-After: all\\r\\n", "Content-Length: 1\\r\\n", "\\x00"]);
        out.push_str(&format!("say 0\\r\\n{trailer}\\r\\n\n"));
    }
}

const TEXTS: &[&str] = &[
    "all is well",
    "",
    "{\"a\": [0, {\"b\": 7}]}",
    "{\"a\": [0, {\"b\": 1e999}]}",
    "\"\\\\ud800\"",
    "\\x00\\x01\\x1b[2J\\x7f\\xff",
    "all was well\\n\\xe2\\x80\\xae",
    "<html>",
];

fn body(chance: &mut Chance, chunked: bool, out: &mut String) {
    if chunked && chance.below(4) > 0 {
        let size = chance.word(&[
            "b",
            "b",
            "B;x=y",
            "0b",
            "c",
            "1",
            "ffffffffffffffff",
            "10000000000000000",
            "-1",
            "zz",
            "",
        ]);
        out.push_str(&format!("say {size}\\r\\nall is well\\r\\n\n"));
        return;
    }
    let how = chance.word(&["gzip", "zlib", "deflate"]);
    let text = chance.word(TEXTS);
    out.push_str(&match chance.below(12) {
        0..=3 => format!("say {text}\n"),
        4..=6 => format!("pack {how} {text}\n"),
        7 => format!("zeros {how} {}\n", [1, 1023, 1025, 4096][chance.below(4)]),
        8 => format!("many {} {text}\n", [2, 100, 70_000][chance.below(3)]),
        9 => {
            let nested = chance.word(&["[", "{\"a\":", "[0,", "(", "\\x1f\\x8b\\x08"]);
            format!("many {} {nested}\n", [10, 130, 100_000][chance.below(3)])
        }
        10 => "echo\n".to_owned(),
        _ => {
            let bytes: String = (0..chance.below(40))
                .map(|_| format!("\\x{:02x}", chance.below(256)))
                .collect();
            format!("say {bytes}\n")
        }
    });
}

/// Payloads that mean something in one kind of frame or another.
const PAYLOADS: &[&str] = &[
    "",
    "\\x88",
    "\\x8d",
    "\\x88\\x00\\x06x-said\\x04well",
    "\\x00\\x08location\\x05/next\\x8b",
    "\\x48\\x03302\\x00\\x08location\\x01/",
    "\\x48\\x03999",
    "\\x48\\x03abc",
    "\\x88\\x00\\x10content-encoding\\x04gzip",
    "\\x88\\x00\\x0econtent-length\\x0299",
    "\\x88\\x00\\x01A\\x01b",
    "\\x88\\x88",
    "\\x00\\x01a\\x01b",
    "\\xff\\xff\\xff\\xff\\xff\\xff\\xff",
    "\\x3f\\xe1\\xff\\xff\\xff\\x07",
    "\\x82",
    "\\x00\\x04\\x7f\\xff\\xff\\xff",
    "\\x00\\x04\\xff\\xff\\xff\\xff",
    "\\x00\\x05\\x00\\x00\\x00\\x00",
    "\\x00\\x02\\x00\\x00\\x00\\x01",
    "\\x00\\x00\\x00\\x00",
    "\\x7f\\xff\\xff\\xff",
    "\\x00\\x00\\x00\\x01\\x00\\x00\\x00\\x00",
    "\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x0bgo away\\x1b",
    "\\x00\\x00\\x00\\x07",
    "\\x00\\x00\\x00\\x0d",
    "12345678",
    "\\x05all is well",
    "all is well",
    "{\"a\": [0, {\"b\": 7}]}",
];

/// An answer in HTTP/2.
fn frames(chance: &mut Chance, leads_on: bool, out: &mut String) {
    if chance.below(10) > 0 {
        out.push_str("frame 4 0 0\n");
    }
    if chance.below(3) > 0 {
        out.push_str("frame 4 1 0\n");
    }
    if leads_on {
        out.push_str("frame 1 5 1 \\x48\\x03302\\x00\\x08location\\x05/next\n");
        return;
    }
    if chance.below(3) > 0 {
        let flags = chance.word(&["4", "4", "5", "0", "1", "12", "36"]);
        let payload = chance.pick(&PAYLOADS[1..12]);
        out.push_str(&format!("frame 1 {flags} 1 {payload}\n"));
    }
    for _ in 0..chance.below(6) {
        let kind = [0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 255][chance.below(15)];
        let flags = [0, 0, 1, 1, 4, 5, 8, 9, 12, 32, 255][chance.below(11)];
        let stream = chance.word(&[
            "1",
            "1",
            "1",
            "1",
            "0",
            "2",
            "3",
            "2147483648",
            "4294967295",
        ]);
        let payload = chance.word(PAYLOADS);
        match chance.below(12) {
            0 => out.push_str(&format!(
                "many {} \\x00\\x00\\x04\\x03\\x00\\x00\\x00\\x00\\x01\\x00\\x00\\x00\\x08\n",
                chance.below(2_000)
            )),
            1 => {
                out.push_str("many 900 \\x00\\x10\\x00\\x00\\x00\\x00\\x00\\x00\\x01all is well\n")
            }
            2 => body(chance, false, out),
            _ => out.push_str(&format!("frame {kind} {flags} {stream} {payload}\n")),
        }
    }
    if chance.below(2) == 0 {
        out.push_str("frame 0 1 1 all is well\n");
    }
}

/// What may stand anywhere.
const PIECES: &[&str] = &[
    "\\r\\n",
    "\\n",
    "\\r",
    "\\x00",
    "\\xff",
    "\\x1b",
    ":",
    " ",
    ";",
    ",",
    "0",
    "1",
    "65536",
    "4294967296",
    "-1",
    "HTTP/1.1 200 OK\\r\\n",
    "\\r\\n\\r\\n",
    "chunked",
    "gzip",
    "\\x88",
    "é",
    "\u{202e}",
    "%",
    "http://",
    "@site@",
    "\"",
    "'",
    "\\\\",
];

const STEPS: &[&str] = &[
    "read",
    "echo",
    "wait 5",
    "hang",
    "drip",
    "reset",
    "next",
    "tls 12",
    "tls 13 h2",
    "ask tls",
    "ask h2",
    "ask condition",
    "ask text",
    "ask json",
    "frame 4 1 0",
    "frame 1 5 1 \\x88",
    "zeros gzip 1025",
    "certificate 40 7",
    "spoil 90 3",
];

/// The script, changed once or a few times.
pub(super) fn mutated(chance: &mut Chance, text: &str, others: &[String]) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for _ in 0..=chance.below(4) {
        once(chance, &mut lines, others);
    }
    lines.truncate(200);
    lines.join("\n") + "\n"
}

fn once(chance: &mut Chance, lines: &mut Vec<String>, others: &[String]) {
    let at = chance.below(lines.len() + 1);
    let here = at.min(lines.len().saturating_sub(1));
    match chance.below(12) {
        0 if !lines.is_empty() => drop(lines.remove(here)),
        1 if !lines.is_empty() => {
            let line = lines[here].clone();
            lines.insert(at, line);
        }
        2 => lines.insert(at, chance.word(STEPS).to_owned()),
        3 | 4 => {
            let other: Vec<&str> = chance.pick(others).lines().collect();
            let from = chance.below(other.len());
            let some = other.iter().skip(from).take(1 + chance.below(4));
            let some: Vec<_> = some.map(|line| (*line).to_owned()).collect();
            lines.splice(at..at, some);
        }
        5 if lines.len() > 1 => {
            let other = chance.below(lines.len());
            lines.swap(here, other);
        }
        6 => {
            let mut out = String::new();
            let chunked = chance.below(2) == 0;
            body(chance, chunked, &mut out);
            lines.splice(at..at, out.lines().map(str::to_owned));
        }
        _ if !lines.is_empty() => lines[here] = changed(chance, &lines[here]),
        _ => {}
    }
}

/// A line with other characters in one place.
fn changed(chance: &mut Chance, line: &str) -> String {
    let all: Vec<char> = line.chars().collect();
    let from = chance.below(all.len() + 1);
    let until = (from + [0, 0, 1, 2, 8, 40][chance.below(6)]).min(all.len());
    let cut: String = all[from..until].iter().collect();
    let middle = match chance.below(6) {
        0 => String::new(),
        1 => cut.repeat(1 + chance.below(20)),
        2 => format!("\\x{:02x}", chance.below(256)),
        3 => chance.below(70_000).to_string(),
        _ => chance.word(PIECES).to_owned(),
    };
    let (before, after): (String, String) =
        (all[..from].iter().collect(), all[until..].iter().collect());
    format!("{before}{middle}{after}")
}
