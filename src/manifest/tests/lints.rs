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
    let told = condition("response.status == 302 && response.body != \"\"");
    assert!(told[0].starts_with("LK0902 the status 302 is not seen"));
    for text in [
        "response.status == 200 || response.status == 302",
        "response.status != 302",
    ] {
        assert_eq!(condition(text), [] as [&str; 0], "{text}");
    }
}

#[test]
fn tokens_are_found_wherever_everyone_sees_them() {
    for lines in [
        "  url = \"https://example.com/?token=83f1c2a4c5d6\"",
        "  url = \"https://example.com/?a=1&api_key=83f1c2a4c5d6\"",
        "  url = \"https://example.com/ghp_0123456789abcdef\"",
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
