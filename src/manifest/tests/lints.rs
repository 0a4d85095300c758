//! Lints, as what they say of a check: what they find, and what they leave alone.

use super::causes::told;

/// The lints of a check with these lines, without their places; `url` may be among the lines.
fn lints(lines: &str) -> Vec<String> {
    let url = match lines.contains("  url ") {
        true => "",
        false => "  url = \"https://example.com/\"\n",
    };
    let hook = match lines.contains("webhook_url") {
        true => "",
        false => "  webhook_url = \"https://hooks.example.com/web\"\n",
    };
    let text = format!("check \"web\" {{\n{url}{hook}{lines}\n}}\n");
    let told = told(&text);
    told.iter()
        .map(|one| {
            let mut words = one.splitn(3, ' ');
            let (code, _place) = (words.next(), words.next());
            format!("{} {}", code.unwrap(), words.next().unwrap())
        })
        .collect()
}

fn condition(text: &str) -> Vec<String> {
    lints(&format!("  assert {{\n    condition = {text}\n  }}"))
}

#[test]
fn header_names_in_capitals_never_hold() {
    let expect = "LK0902 no response has the header \"X-Env\": the names in `response.headers` are in lower case | write response.headers[\"x-env\"]";
    for text in [
        "response.headers[\"X-Env\"] == \"a\"",
        "response.headers.X-Env == \"a\"",
        "lookup(response.headers, \"X-Env\", \"\") == \"a\"",
        "contains(keys(response.headers), \"X-Env\")",
        "try(response.headers[\"X-Env\"], \"b\") == \"a\"",
        "response.status == 200 && response.headers[\"${\"X\"}-Env\"] == \"a\"",
    ] {
        assert_eq!(condition(text), [expect], "{text}");
    }
    for text in [
        "response.headers[\"x-env\"] == \"A\"",
        "response.json[\"X-Env\"] == \"a\"",
        "lookup(response.json, \"X\", \"\") == \"a\"",
    ] {
        assert_eq!(condition(text), [] as [&str; 0], "{text}");
    }
}

#[test]
fn a_connection_that_no_probe_can_use_is_not_to_be_kept() {
    let kept = |lines: &str| lints(&format!("  reuse_connection = true\n{lines}"));
    let told = |why: &str| {
        format!(
            "LK0912 `reuse_connection` does nothing here: {why} | leave it out: each probe has a \
             connection of its own then, too"
        )
    };
    let old = |from: &str, minutes: u32| {
        told(&format!(
            "a connection is kept for 10 minutes at most, and from one probe{from} to the next it \
             takes {minutes}"
        ))
    };
    let post = told("a POST is never asked over a connection that was kept");
    let two = "  every = \"5m\"\n  locations = [\"eu\", \"us\"]";
    for (lines, expected) in [
        ("  every = \"599s\"", None),
        ("  every = \"10m\"", Some(old("", 10))),
        ("  every = \"24h\"", Some(old("", 1440))),
        (two, Some(old(" from one location", 10))),
        ("  method = \"POST\"", Some(post)),
        ("  method = \"PUT\"", None),
    ] {
        assert_eq!(kept(lines), Vec::from_iter(expected), "{lines}");
    }
    assert_eq!(
        lints("  every = \"10m\"\n  reuse_connection = false"),
        [""; 0]
    );
}

#[test]
fn what_is_followed_is_not_seen() {
    let status = |list: &str| lints(&format!("  assert {{\n    status = {list}\n  }}"));
    for list in ["[301]", "[301, \"307-308\"]", "[\"3xx\"]"] {
        let told = status(list);
        assert_eq!(told.len(), 1, "{list}");
        assert!(told[0].starts_with("LK0902 this `status` is not seen: redirects are followed"));
    }
    for list in ["[200, 301]", "[304]", "[\"2xx\", \"3xx\"]", "[300]"] {
        assert_eq!(status(list), [] as [&str; 0], "{list}");
    }
    for (text, expect) in [
        (
            "response.status == 302 && response.body != \"\"",
            "the status 302 is",
        ),
        (
            "response.status == 301 || response.status == 302",
            "the statuses 301, 302 are",
        ),
        (
            "contains([301, 308], response.status)",
            "the statuses 301, 308 are",
        ),
        ("302 == response.status ? true : false", "the status 302 is"),
    ] {
        let told = condition(text);
        assert_eq!(told.len(), 1, "{text}");
        let expect = format!("LK0902 {expect} not seen: redirects are followed");
        assert!(told[0].starts_with(&expect), "{told:?}");
    }
    for text in [
        "response.status == 200 || response.status == 302",
        "response.status != 302",
    ] {
        assert_eq!(condition(text), [] as [&str; 0], "{text}");
    }
}

#[test]
fn a_redirect_that_is_not_followed_is_seen() {
    for part in [
        "status = [301]",
        "status = [\"3xx\"]",
        "condition = response.status == 301",
        "condition = contains([301, 302], response.status)",
    ] {
        let own = format!("  follow_redirects = false\n  assert {{\n    {part}\n  }}");
        assert_eq!(lints(&own), [] as [&str; 0], "{part}");
        let inherited = format!(
            "defaults {{\n  follow_redirects = false\n  webhook_url = \"https://h.example.com/\"\n}}\n\
             check \"web\" {{\n  url = \"https://example.com/\"\n  assert {{\n    {part}\n  }}\n}}\n"
        );
        assert_eq!(told(&inherited), [] as [&str; 0], "{part}");
    }
}

#[test]
fn a_check_that_is_declared_twice_is_told_once() {
    let check = "check \"a\" {\n  url = \"https://example.com/\"\n  webhook_url = \"https://h.example.com/\"\n}\n";
    let told = told(&format!("{check}{check}"));
    assert!(
        !told.iter().any(|one| one.starts_with("LK0904")),
        "{told:?}"
    );
    assert!(told.iter().any(|one| one.starts_with("LK0308")), "{told:?}");
}

#[test]
fn two_that_ask_otherwise_ask_something_else() {
    let same = |more: &str| {
        let check = |name: &str, more: &str| {
            format!(
                "check \"{name}\" {{\n  url = \"https://example.com/\"\n  webhook_url = \"https://h.example.com/\"\n{more}}}\n"
            )
        };
        let told = told(&format!("{}{}", check("a", ""), check("b", more)));
        told.iter().any(|one| one.starts_with("LK0904"))
    };
    assert!(same(""));
    assert!(same(
        "  every = \"30s\"\n  assert {\n    status = [200]\n  }\n"
    ));
    for more in [
        "ip_family = 6",
        "connect_to = \"10.0.0.7\"",
        "http_version = \"2\"",
        "follow_redirects = false",
        "max_redirects = 3",
        "auth {\n    token = secret(\"a\")\n  }",
        "tls {\n    min_version = \"1.3\"\n  }",
        "method = \"HEAD\"",
    ] {
        assert!(!same(&format!("  {more}\n")), "{more}");
    }
}

#[test]
fn who_is_asked_often_is_whom_is_connected_to() {
    let checks = |to: fn(usize) -> String| {
        let check = |n: usize| {
            format!(
                "check \"a{n}\" {{\n  url = \"https://example.com/{n}\"\n  every = \"2s\"\n  connect_to = \"{}\"\n  webhook_url = \"https://h.example.com/\"\n}}\n",
                to(n)
            )
        };
        told(&(0..11).map(check).collect::<String>())
    };
    assert_eq!(checks(|n| format!("10.0.0.{n}:81")), [] as [&str; 0]);
    let one = checks(|n| format!("10.0.0.7:{}", n + 1));
    assert!(
        one[0].contains("11 checks ask 10.0.0.7 more often"),
        "{one:?}"
    );
}

#[test]
fn what_is_written_out_in_auth_is_told() {
    for lines in [
        "username = \"ada\"\n    password = \"pw\"",
        "token = \"abc\"",
        "token_url = \"https://l.example.com/\"\n    client_id = \"ada\"\n    client_secret = \"x\"",
    ] {
        let told = lints(&format!("  auth {{\n    {lines}\n  }}"));
        assert_eq!(told.len(), 1, "{lines}: {told:?}");
        assert!(told[0].starts_with("LK0905 `"), "{told:?}");
    }
    let good = "  auth {\n    username = \"ada\"\n    password = secret(\"pw\")\n  }";
    assert_eq!(lints(good), [] as [&str; 0]);
}

#[test]
fn tokens_are_found_wherever_everyone_sees_them() {
    for lines in [
        "  url = \"https://example.com/?token=83f1c2a4c5d6\"",
        "  url = \"https://example.com/?a=1&api_key=83f1c2a4c5d6\"",
        "  url = \"https://example.com/ghp_0123456789abcdef\"",
        "  url = \"https://example.com/?a=1&token=abc\"",
        "  url = \"https://example.com/?api-key=ab%20c#x\"",
        "  headers = { shop-api-key = \"a83f1c2a\" }",
        "  headers = { cookie = \"sid=a83f1c2a\" }",
        "  body = jsonencode({ user = \"ada\", password = \"correct-horse\" })",
        "  body = \"user=ada&password=correct-horse\"",
        "  body = \"xoxb-0123456789-abcdef\"",
        "  headers = { x-key = \"glpat-0123456789abcdef\" }",
        "  webhook_url = \"https://hooks.slack.com/services/T000/B000/abcdef\"",
    ] {
        let told = lints(lines);
        assert_eq!(told.len(), 1, "{lines}: {told:?}");
        assert!(told[0].starts_with("LK0905 "), "{told:?}");
    }
    for lines in [
        "  url = \"https://example.com/?token_type=bearer&page=12345678\"",
        "  url = \"https://example.com/password/reset\"",
        "  body = \"grant_type=password&scope=everything\"",
        "  body = \"token=${secret(\"tok\")}\"",
        "  headers = { authorization = \"Bearer ${secret(\"tok\")}\" }",
    ] {
        assert_eq!(lints(lines), [] as [&str; 0], "{lines}");
    }
    let hook = "webhook \"a\" {\n  url = \"https://discord.com/api/webhooks/1/abc\"\n}\ncheck \"web\" {\n  url = \"https://example.com/\"\n  notify {\n    webhooks = [webhook.a]\n  }\n}\n";
    assert!(told(hook)[0].starts_with("LK0905 2:9 "), "{:?}", told(hook));
}

#[test]
fn a_latency_beyond_the_timeout_names_it() {
    let told = lints(
        "  timeout = \"5s\"\n  assert \"a\" {\n    max_latency = \"8s\"\n  }\n  assert \"b\" {\n    max_latency = \"1s\"\n  }",
    );
    assert_eq!(
        told,
        [
            "LK0908 this latency is never exceeded: the probe is over after its `timeout`, which is \"5s\""
        ]
    );
}

#[test]
fn what_no_status_and_no_latency_can_be_never_holds() {
    for text in [
        "response.status == 99",
        "response.status > 599",
        "600 <= response.status",
        "response.status < 100",
        "response.status == 200.5",
        "response.status > 200 && response.status < 201",
        "response.status == 200 && response.status == 404",
        "!(response.status < 1000)",
        "contains([\"200\"], response.status)",
        "contains([], response.status)",
        "contains([700, 800], response.status) || response.status < -1",
        "response.latency.total < 0",
        "response.latency.dns > 10",
        "response.latency.total >= 10",
        "response.latency.tls == \"1s\"",
        "response.status == 200 ? response.status == 201 : response.status == 200",
        "(response.status == 99 ? response.body == \"\" : false) && response.json.a",
    ] {
        let told = condition(text);
        assert_eq!(told.len(), 1, "{text}: {told:?}");
        let expect = "LK0902 this condition never holds, so that the check is always down";
        assert!(told[0].starts_with(expect), "{told:?}");
    }
    for text in [
        // That whatever answers will do.
        "response.status < 600",
        "response.status > 0",
        "response.status >= 100 && response.body != \"\"",
        "response.status == 200 || response.status == 99",
        "contains([200, \"204\"], response.status)",
        "!contains([\"200\"], response.status)",
        "response.status > 200 && response.status < 202",
        "response.latency.total < 9.99",
        "response.latency.total > 0",
        "response.latency.total >= 0 ? response.status == 200 : response.status == 99",
        "response.status % 2 == 7",
        "response.latency.total * 1000 < 0",
        "try(response.json.code, 200) == 99",
        "response.json.status == 99",
        "response.cert.days_left < 0",
        "response.status == response.json.code",
        "(response.json.a ? response.status == 200 : response.status == 300) && response.status > 250",
        "[for x in [1] : x if response.status == 99] == []",
    ] {
        assert_eq!(condition(text), [] as [&str; 0], "{text}");
    }
}

#[test]
fn a_latency_that_the_timeout_bounds_is_no_condition() {
    let told = |text: &str| {
        lints(&format!(
            "  timeout = \"5s\"\n  assert {{\n    condition = {text}\n  }}"
        ))
    };
    for text in ["response.latency.total < 5", "20 > response.latency.dns"] {
        assert_eq!(
            told(text),
            [format!(
                "LK0908 `{text}` always holds: the probe is over after its `timeout`, which is \"5s\""
            )]
        );
    }
    assert_eq!(
        told("response.status == 200 && response.latency.total <= 8").len(),
        1
    );
    for text in [
        "response.latency.total < 4.9",
        "response.latency.total > 0",
        "response.latency.total < 8 || response.body == \"\"",
    ] {
        assert_eq!(told(text), [] as [&str; 0], "{text}");
    }
}

#[test]
fn asserts_that_cannot_hold_together_are_told_once() {
    let of = |parts: &[&str]| {
        let blocks = parts
            .iter()
            .enumerate()
            .map(|(at, part)| format!("  assert \"a{at}\" {{\n    {part}\n  }}"));
        lints(&blocks.collect::<Vec<_>>().join("\n"))
    };
    for parts in [
        &[
            "condition = response.status == 200",
            "condition = response.status == 404",
        ][..],
        &["status = [200]", "condition = response.status > 299"],
        &["status = [\"2xx\"]", "status = [404, \"5xx\"]"],
        &["status = [200]\n    condition = response.status == 404"],
        &[
            "max_latency = \"1s\"",
            "condition = response.latency.total > 2",
        ],
        &[
            "condition = response.body == \"a\"",
            "status = [200]",
            "status = [201]",
        ],
    ] {
        let told = of(parts);
        assert_eq!(told.len(), 1, "{parts:?}: {told:?}");
        assert!(
            told[0].starts_with("LK0902 this never holds together with another"),
            "{told:?}"
        );
    }
    for parts in [
        &[
            "condition = response.status == 200",
            "condition = response.body == \"\"",
        ][..],
        &["status = [\"2xx\"]", "status = [204, 404]"],
        &[
            "max_latency = \"1s\"",
            "condition = response.latency.total > 0.5",
        ],
        &[
            "condition = response.status == 200 || response.json.a",
            "condition = response.status == 404",
        ],
    ] {
        assert_eq!(of(parts), [] as [&str; 0], "{parts:?}");
    }
}

#[test]
fn what_is_neither_true_nor_false_is_no_condition() {
    for (text, place) in [
        ("response.status / 0 == 1", "LK0505 division by zero"),
        ("response.status % 0 == 1", "LK0505 division by zero"),
        (
            "response.status == 200 ? \"a\" : true",
            "LK0401 wanted true or false, found a string",
        ),
        (
            "response.status == 200 ? true : response.latency.total",
            "LK0401 wanted true or false, found a number",
        ),
        (
            "response.status == 200 ? true : response.json.a ? 1 : false",
            "LK0401 wanted true or false, found a number",
        ),
    ] {
        assert_eq!(condition(text), [place], "{text}");
    }
    assert_eq!(
        condition("response.status == 200 ? response.json.a : response.json.b == 1"),
        [] as [&str; 0]
    );
}

#[test]
fn the_same_url_is_the_same_however_it_is_written() {
    let two = |a: &str, b: &str| {
        let check = |name: &str, url: &str| {
            format!(
                "check \"{name}\" {{\n  url = \"{url}\"\n  webhook_url = \"https://h.example.com/\"\n}}\n"
            )
        };
        let told = told(&format!("{}{}", check("a", a), check("b", b)));
        told.iter().filter(|one| one.starts_with("LK0904")).count()
    };
    for other in [
        "https://example.com",
        "HTTPS://Example.COM/",
        "https://example.com:443/",
        "https://example.com/#top",
        "https://example.com/a/..",
    ] {
        assert_eq!(two("https://example.com/", other), 1, "{other}");
    }
    for other in [
        "http://example.com/",
        "https://example.com:8443/",
        "https://example.com/?",
        "https://example.com/A",
    ] {
        assert_eq!(two("https://example.com/", other), 0, "{other}");
    }
    assert_eq!(two("https://example.com/a", "https://example.com/A"), 0);
}

#[test]
fn a_port_that_is_named_is_meant() {
    for url in [
        "http://example.com:443/",
        "http://example.com:8080/",
        "http://example:80/",
    ] {
        assert_eq!(
            lints(&format!("  url = \"{url}\"")),
            [] as [&str; 0],
            "{url}"
        );
    }
    for url in ["http://example.com/", "http://example.com:80/"] {
        assert!(
            lints(&format!("  url = \"{url}\""))[0].starts_with("LK0901"),
            "{url}"
        );
    }
}

#[test]
fn tokens_are_found_in_locals_and_defaults() {
    let of = |text: &str| {
        let mut told = told(text);
        told.retain(|one| one.starts_with("LK0905"));
        told.len()
    };
    for value in [
        "token = \"83f1c2a4c5d6\"",
        "api_key = \"A3f1c2a4c5d6\"",
        "x = \"ghp_0123456789abcdef\"",
        "x = \"password=correct-horse\"",
        "x = { password = \"Hunter2Hunter2\" }",
        "x = [\"a\", { secret = \"a83f1c2a4c5\" }]",
        "x = \"https://hooks.slack.com/services/T000/B000/abcdef\"",
        "x = \"glpat-0123456789abcdef ${upper(\"a\")}\"",
        "x = upper(\"AKIA0123456789ABCDEF\")",
    ] {
        assert_eq!(of(&format!("locals {{\n  {value}\n}}\n")), 1, "{value}");
    }
    for value in [
        "token = \"shop-health-token\"",
        "token = \"web-token-2024\"",
        "token = secret(\"a83f1c2a4c5\")",
        "token_url = \"https://example.com/token\"",
        "token = \"https://example.com/oauth\"",
        "password = \"\"",
        "key = \"a83f1c2a4c5\"",
        "x = \"token ${secret(\"a\")}\"",
    ] {
        assert_eq!(of(&format!("locals {{\n  {value}\n}}\n")), 0, "{value}");
    }
    let variable = |more: &str| format!("variable \"token\" {{\n  {more}\n}}\n");
    assert_eq!(
        of(&variable("default = \"83f1c2a4c5d6\"\n  sensitive = true")),
        1
    );
    assert_eq!(of(&variable("default = env(\"LOKAHI_WEB\", \"none\")")), 0);
}

#[test]
fn nothing_waits_for_others_that_is_told_by_itself() {
    let notify = |lines: &str| lints(&format!("  notify {{\n{lines}\n  }}"));
    let expect = "LK0913 `group_wait` does nothing here: without `group_by` each event goes out by \
                  itself, at once | write `group_by = [\"LABEL\"]` beside it, or `[]` for all checks \
                  together";
    assert_eq!(notify("    group_wait = \"10s\""), [expect]);
    for lines in [
        "    group_by = []\n    group_wait = \"10s\"",
        "    group_by = [\"team\"]",
        "    group_wait = null",
    ] {
        assert_eq!(notify(lines), [] as [&str; 0], "{lines}");
    }
}
