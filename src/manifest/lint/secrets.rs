//! What looks like a password or token where everyone sees it: in headers, bodies and URLs, and
//! in the locals and defaults that they are made of.

use std::sync::LazyLock;

use regex::Regex;

use crate::manifest::ast::{Expression, Kind, Part};
use crate::manifest::attributes::access::AUTH;
use crate::manifest::attributes::check::CHECK;
use crate::manifest::attributes::webhook::WEBHOOK;
use crate::manifest::diagnostic::{Code, Problem};
use crate::manifest::eval::value::{Node, Value};
use crate::manifest::layer::Layer;
use crate::manifest::references::children;
use crate::model::name::Name;

/// How the tokens of well-known services begin.
const BEGINNINGS: [&str; 13] = [
    "ghp_",
    "gho_",
    "github_pat_",
    "glpat-",
    "sk_live_",
    "rk_live_",
    "xoxb-",
    "xoxp-",
    "AKIA",
    "eyJhbGciOi",
    "dckr_pat_",
    "npm_",
    "hvs.",
];

/// URLs that are secrets as a whole: whoever knows one can post there.
const CHANNELS: [&str; 5] = [
    "//hooks.slack.com/services/",
    "//discord.com/api/webhooks/",
    "//discordapp.com/api/webhooks/",
    ".webhook.office.com/webhookb2/",
    "//api.telegram.org/bot",
];

/// Names of a URL's query that tell, whatever the value is.
const QUERY: [&str; 9] = [
    "token",
    "access_token",
    "auth_token",
    "api_key",
    "apikey",
    "password",
    "passwd",
    "secret",
    "client_secret",
];

/// What the names that tell have in them: few texts have any, and the pattern is slow to make.
const TELLING: [&str; 4] = ["passw", "secret", "token", "key"];

/// A name that tells, and a value: `"password": "..."` in a body, `token=...` in a URL.
#[expect(clippy::expect_used, reason = "the text is a constant")]
static NAMED: LazyLock<Regex> = LazyLock::new(|| {
    let name = "password|passwd|secret|token|api[_-]?key|access[_-]?key";
    let text = format!(r#"(?i-u)(?:{name})["']?\s*[:=]\s*["']?[A-Za-z0-9+/_.~-]{{8,}}"#);
    Regex::new(&text).expect("a pattern")
});

/// Whether a text names a password or token and gives it.
fn names_secret(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    TELLING.iter().any(|word| lower.contains(word)) && NAMED.is_match(text)
}

/// What is to be said of a check.
pub(super) fn check(layer: &Layer, problems: &mut Vec<Problem>) {
    for (name, node) in layer.rows(&CHECK) {
        match name {
            "headers" => headers(node, problems),
            "body" => text(
                name,
                node,
                "let the worker put it in: \"... ${secret(\"name\")} ...\"",
                problems,
            ),
            "url" => {
                let hint = "a URL is stored and shown: send it in a header, `headers = { authorization = secret(\"name\") }`";
                match in_query(node) {
                    true => problems.push(seems_secret(name, node, hint)),
                    false => text(name, node, hint, problems),
                }
            }
            "webhook_url" => channel(node, problems),
            _ => {}
        }
    }
    if let Some(auth) = layer.block(AUTH.name, "") {
        for (name, node) in auth.layer.rows(&AUTH) {
            let secret = matches!(name, "password" | "token" | "client_secret");
            // Whatever it looks like, it is one.
            if let (true, Value::String(text)) = (secret, &node.value)
                && !text.is_empty()
            {
                let message = format!(
                    "`{name}` is written out: everyone who reads the files or lists the checks sees it"
                );
                let problem = Problem::new(Code::SecretLike, node.span, message);
                problems.push(problem.hint(format!(
                    "let the worker look it up: {name} = secret(\"name\")"
                )));
            }
        }
    }
}

/// Whether a part of a URL's query is a password or token by its name.
fn in_query(node: &Node) -> bool {
    let Value::String(url) = &node.value else {
        return false;
    };
    let Some((_, query)) = url.split_once('?') else {
        return false;
    };
    let query = query.split('#').next().unwrap_or_default();
    let mut parts = query.split('&').filter_map(|part| part.split_once('='));
    parts.any(|(name, value)| {
        let name = name.replace('-', "_").to_ascii_lowercase();
        value.len() >= 3 && QUERY.contains(&name.as_str())
    })
}

/// What is to be said of a receiver.
pub(super) fn webhook(layer: &Layer, problems: &mut Vec<Problem>) {
    for (name, node) in layer.rows(&WEBHOOK) {
        match name {
            "url" => channel(node, problems),
            "headers" => headers(node, problems),
            _ => {}
        }
    }
}

/// What is to be said of a local, or of a variable's default.
pub(super) fn declared(name: &str, value: &Expression, problems: &mut Vec<Problem>) {
    let mut say = |message: String| {
        let problem = Problem::new(Code::SecretLike, value.span, message);
        problems.push(problem.hint("let the worker look it up: secret(\"name\")"));
    };
    match &value.kind {
        Kind::String(text) if is_key(name, text) || tells(text) => say(format!(
            "the value of `{name}` looks like a password or token: everyone who reads the files sees it"
        )),
        Kind::Template(parts) => {
            let told = |part: &Part| matches!(part, Part::Text(text) if tells(text));
            if parts.iter().any(told) {
                say(format!(
                    "in `{name}` there seems to be a password or token: everyone who reads the files sees it"
                ));
            }
        }
        Kind::Object(entries) => {
            for (key, value) in entries {
                match &key.kind {
                    Kind::String(key) => declared(key, value, problems),
                    _ => declared(name, value, problems),
                }
            }
        }
        // Its argument is a name.
        Kind::Call(call) if call.name == "secret" => {}
        _ => children(value, &mut |inner| declared("", inner, problems)),
    }
}

fn tells(text: &str) -> bool {
    looks_secret(text) || names_secret(text) || CHANNELS.iter().any(|it| text.contains(it))
}

/// Whether a text is the password or token that its name says. One that is made like a name may
/// be what the secret is called.
fn is_key(name: &str, text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let one_word = !text.contains(['-', '_']);
    let is_name = text.parse::<Name>().is_ok() && (digits < 3 || !one_word);
    !is_name && !text.contains("://") && names_secret(&format!("{name}={text}"))
}

fn channel(node: &Node, problems: &mut Vec<Problem>) {
    let Value::String(url) = &node.value else {
        return;
    };
    if CHANNELS.iter().any(|channel| url.contains(channel)) {
        let message =
            "whoever knows this URL can post there, and everyone who reads the files sees it";
        let problem = Problem::new(Code::SecretLike, node.span, message);
        problems.push(problem.hint("let the worker look it up: secret(\"name\")"));
    } else {
        text(
            "url",
            node,
            "let the worker look it up: secret(\"name\")",
            problems,
        );
    }
}

fn text(name: &str, node: &Node, hint: &str, problems: &mut Vec<Problem>) {
    let Value::String(text) = &node.value else {
        return;
    };
    if looks_secret(text) || names_secret(text) {
        problems.push(seems_secret(name, node, hint));
    }
}

fn seems_secret(name: &str, node: &Node, hint: &str) -> Problem {
    let message = format!(
        "in this `{name}` there seems to be a password or token: everyone who reads the files or lists the checks sees it"
    );
    Problem::new(Code::SecretLike, node.span, message).hint(hint)
}

/// How the names of headers end that hold passwords and tokens.
const ENDS: [&str; 6] = [
    "-token",
    "-secret",
    "-password",
    "api-key",
    "apikey",
    "-cookie",
];

fn headers(headers: &Node, problems: &mut Vec<Problem>) {
    let Value::Object(object) = &headers.value else {
        return;
    };
    for (key, node) in object.entries() {
        let Value::String(text) = &node.value else {
            continue;
        };
        let name = key.text.to_ascii_lowercase();
        let named = [
            "authorization",
            "proxy-authorization",
            "cookie",
            "x-api-key",
            "x-auth-token",
            "private-token",
        ];
        let telling = named.contains(&name.as_str()) || ENDS.iter().any(|end| name.ends_with(end));
        if (telling && text.len() >= 8) || looks_secret(text) {
            let message = format!(
                "the value of `{}` looks like a password or token: everyone who reads the files or lists the checks sees it",
                key.text
            );
            let problem = Problem::new(Code::SecretLike, node.span, message);
            problems.push(problem.hint("let the worker look it up: secret(\"name\")"));
        }
    }
}

/// Whether a word of a text begins as the tokens of well-known services do.
fn looks_secret(text: &str) -> bool {
    let part_of_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let mut words = text
        .split(|c| !part_of_word(c))
        .filter(|word| word.len() >= 12);
    text.contains("-----BEGIN")
        || words.any(|word| BEGINNINGS.iter().any(|start| word.starts_with(start)))
}
