//! Readers: from a value in a file to a value that cannot be wrong, or a problem
//! at its place.

use std::str::FromStr;
use std::time::Duration;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::manifest::diagnostic::{Code, Problem};
use crate::manifest::eval::convert;
use crate::manifest::eval::value::{Key, Node, Piece, Value, secret_text};
use crate::manifest::suggest::nearest;
use crate::model::check::{Method, StatusRange};
use crate::model::desired::API_PROJECT;
use crate::model::duration;
use crate::model::name::{Address, InvalidName, Name};
use crate::model::quoted::Quoted;
use crate::model::secret::{SecretName, Text};
use crate::model::value::{HttpUrl, InvalidValue, valid_label};
use crate::model::webhook::{ReceiverUrl, WebhookFormat};

/// A value, or what is wrong with it.
pub type Read<T> = Result<T, Problem>;

/// As long as it may be: something else bounds it.
pub const ANY: usize = usize::MAX;

fn wrong_type(node: &Node, wanted: &str) -> Problem {
    if matches!(node.value, Value::Secret(_)) {
        let message = format!("wanted {wanted}, found a secret: its value would be stored or seen");
        let problem = Problem::new(Code::SecretMisplaced, node.span, message);
        return problem.hint(
            "secrets can stand in header values, in `body`, in what `auth` has, in `key` of \
                   `tls`, in `webhook_url`, and in a webhook's `url` and `secrets`",
        );
    }
    let message = format!("wanted {wanted}, found {}", node.value.kind());
    let problem = Problem::new(Code::WrongType, node.span, message);
    match &node.value {
        Value::Reference(parts) => problem.hint(format!(
            "a text stands in quotes: \"{}\"",
            cut(&parts.join("."))
        )),
        _ => problem,
    }
}

fn refused(node: &Node, error: InvalidValue) -> Problem {
    let code = match error {
        InvalidValue::Range { .. } | InvalidValue::TooLong { .. } => Code::OutOfBounds,
        _ => Code::InvalidValue,
    };
    Problem::new(code, node.span, error.to_string())
}

/// At most this many bytes, for messages.
fn cut(text: &str) -> String {
    text.chars().take(80).collect()
}

/// A string of at most `most` bytes.
pub fn string(node: &Node, most: usize) -> Read<&str> {
    match &node.value {
        Value::String(text) if text.len() > most => {
            let message = format!("is {} bytes long; at most {most} are allowed", text.len());
            Err(Problem::new(Code::OutOfBounds, node.span, message))
        }
        Value::String(text) => Ok(text),
        Value::Integer(_) | Value::Float(_) | Value::Bool(_) => {
            let quoted =
                convert::text(&node.value).map(|text| format!("write \"{text}\", in quotes"));
            Err(wrong_type(node, "a string").maybe_hint(quoted))
        }
        _ => Err(wrong_type(node, "a string")),
    }
}

/// A whole number.
pub fn integer(node: &Node, least: i64, most: i64) -> Read<i64> {
    match node.value {
        Value::Integer(number) if (least..=most).contains(&number) => Ok(number),
        Value::Integer(number) => {
            let message = format!("{number} must be between {least} and {most}");
            Err(Problem::new(Code::OutOfBounds, node.span, message))
        }
        Value::String(ref text) if text.parse::<i64>().is_ok() => {
            let hint = format!("write {}, without quotes", cut(text));
            Err(wrong_type(node, "a whole number").hint(hint))
        }
        _ => Err(wrong_type(node, "a whole number")),
    }
}

/// `true` or `false`.
pub fn boolean(node: &Node) -> Read<bool> {
    match &node.value {
        Value::Bool(truth) => Ok(*truth),
        Value::String(text) if matches!(&**text, "true" | "false") => {
            Err(wrong_type(node, "a bool").hint(format!("write {text}, without quotes")))
        }
        _ => Err(wrong_type(node, "a bool")),
    }
}

/// A list of at most `most` values.
pub fn list(node: &Node, most: usize) -> Read<&[Node]> {
    match &node.value {
        Value::List(items) | Value::Set(items) if items.len() > most => {
            let message = format!("{} entries; at most {most} are allowed", items.len());
            Err(Problem::new(Code::OutOfBounds, node.span, message))
        }
        Value::List(items) | Value::Set(items) => Ok(items),
        Value::Integer(number) => {
            let hint = format!("put it into brackets: `[{number}]`");
            Err(wrong_type(node, "a list").hint(hint))
        }
        Value::String(_) | Value::Reference(_) => {
            Err(wrong_type(node, "a list").hint("put it into brackets: `[...]`"))
        }
        _ => Err(wrong_type(node, "a list")),
    }
}

/// An entry of an object of strings; without a text where it is null.
pub type Entry<'n> = (&'n Key, &'n Node, Option<&'n str>);

/// The entries of an object of at most `most`.
fn entries(node: &Node, most: usize) -> Read<&[(Key, Node)]> {
    let Value::Object(object) = &node.value else {
        return Err(wrong_type(node, "an object of strings"));
    };
    let entries = object.entries();
    if entries.len() > most {
        let message = format!("{} entries; at most {most} are allowed", entries.len());
        return Err(Problem::new(Code::OutOfBounds, node.span, message));
    }
    Ok(entries)
}

/// That the value of a key is no string.
fn no_text(key: &Key, value: &Node) -> Problem {
    if matches!(value.value, Value::Secret(_)) {
        return wrong_type(value, "a string");
    }
    let problem = wrong_type(value, "a string");
    let message = format!("{} as the value of `{}`", problem.message, cut(&key.text));
    let hint = match value.value {
        Value::List(_) | Value::Set(_) => "write one text, as join(\", \", [...])",
        _ => "write a text in quotes, a number or a bool",
    };
    Problem { message, ..problem }.hint(hint)
}

/// An object of at most `most` entries whose values are strings; `None` where
/// one is null.
pub fn strings<'n>(node: &'n Node, most: usize) -> Read<Vec<Entry<'n>>> {
    let entries = entries(node, most)?;
    let entry = |(key, value): &'n (Key, Node)| match &value.value {
        Value::Null => Ok((key, value, None)),
        Value::String(text) => Ok((key, value, Some(&**text))),
        _ => Err(no_text(key, value)),
    };
    entries.iter().map(entry).collect()
}

/// A text of at most `most` bytes in which secrets may stand.
pub fn text(node: &Node, most: usize) -> Read<Text> {
    match &node.value {
        Value::Secret(pieces) => {
            let length: usize = pieces.iter().map(piece_length).sum();
            if length > most {
                let message = format!("is {length} bytes long; at most {most} are allowed");
                return Err(Problem::new(Code::OutOfBounds, node.span, message));
            }
            secret_text(pieces).ok_or_else(|| {
                let message = "a secret in it has no valid name";
                Problem::new(Code::InvalidName, node.span, message)
            })
        }
        _ => string(node, most).map(Text::plain),
    }
}

fn piece_length(piece: &Piece) -> usize {
    match piece {
        Piece::Text(text) => text.len(),
        Piece::Secret(_) => 0,
    }
}

/// An object of at most `most` texts in which secrets may stand; `None` where one is null.
pub fn texts(node: &Node, most: usize) -> Read<Vec<(&Key, &Node, Option<Text>)>> {
    let entries = entries(node, most)?;
    let entry = |(key, value): &'_ (Key, Node)| match &value.value {
        Value::Null => Ok(None),
        Value::String(_) | Value::Secret(_) => text(value, ANY).map(Some),
        _ => Err(no_text(key, value)),
    };
    let read = entries
        .iter()
        .map(|pair| Ok((&pair.0, &pair.1, entry(pair)?)));
    read.collect()
}

/// A secret as a whole; `None` if the value is something else.
fn secret(node: &Node) -> Option<Read<SecretName>> {
    match &node.value {
        Value::Secret(pieces) => match &**pieces {
            [Piece::Secret(name)] => Some(name.parse().map_err(|error: InvalidName| {
                Problem::new(Code::InvalidName, node.span, error.to_string())
            })),
            _ => None,
        },
        _ => None,
    }
}

/// References to at most `most` secrets, each once, in their order.
pub fn secrets(node: &Node, most: usize) -> Read<Vec<SecretName>> {
    let hint = "write secret(\"name\"): the worker looks its value up";
    if let Value::Secret(_) = node.value {
        let problem = Problem::new(Code::WrongType, node.span, "wanted a list, found a secret");
        return Err(problem.hint("put it into brackets: `[secret(\"name\")]`"));
    }
    let mut names = Vec::new();
    for item in list(node, most)? {
        let name = match (secret(item), &item.value) {
            (Some(name), _) => name?,
            (None, Value::Secret(_)) => {
                let message = "this is a secret as a whole, and nothing around it";
                let problem = Problem::new(Code::SecretMisplaced, item.span, message);
                return Err(problem.hint(hint));
            }
            (None, Value::String(_)) => {
                let message =
                    "a secret is not written out: everyone who reads the files would see it";
                let problem = Problem::new(Code::WrongType, item.span, message);
                return Err(problem.hint(hint));
            }
            (None, _) => return Err(wrong_type(item, "a secret").hint(hint)),
        };
        if names.contains(&name) {
            let message = format!("{name} stands there twice");
            return Err(Problem::new(Code::InvalidValue, item.span, message));
        }
        names.push(name);
    }
    Ok(names)
}

/// Where events are sent: a URL, or a secret that is one.
pub fn receiver_url(node: &Node) -> Read<ReceiverUrl> {
    match &node.value {
        Value::Secret(_) => match secret(node) {
            Some(name) => name.map(ReceiverUrl::Secret),
            None => {
                let message = "the URL of a receiver is a secret as a whole, or none";
                let problem = Problem::new(Code::SecretMisplaced, node.span, message);
                Err(problem.hint("put the whole URL into the secret: secret(\"hook-url\")"))
            }
        },
        _ => url(node).map(Into::into),
    }
}

/// A moment, as RFC 3339 has it, to the second.
pub fn moment(node: &Node) -> Read<OffsetDateTime> {
    let text = string(node, 64)?;
    let read = OffsetDateTime::parse(text, &Rfc3339).ok();
    let read = read.filter(|at| at.unix_timestamp() > 0);
    let read = read.and_then(|at| at.replace_nanosecond(0).ok());
    read.ok_or_else(|| {
        let message = format!("{} is not a moment", Quoted(&cut(text)));
        let hint = "write date, time and offset: \"2026-12-05T22:00:00+01:00\", or with Z for UTC";
        Problem::new(Code::InvalidValue, node.span, message).hint(hint)
    })
}

/// A duration, in milliseconds.
pub fn milliseconds(node: &Node) -> Read<i64> {
    let example =
        |text: &str| format!("write a number with a unit: \"{text}\"; units are ms, s, m, h, d, w");
    match &node.value {
        Value::Integer(number) => {
            let message = "a duration needs a unit";
            let problem = Problem::new(Code::InvalidDuration, node.span, message);
            Err(problem.hint(example(&format!("{number}s"))))
        }
        Value::String(text) => duration::milliseconds(text).ok_or_else(|| {
            let message = format!("{} is not a duration", Quoted(&cut(text)));
            let bare =
                !text.is_empty() && text.len() < 10 && text.bytes().all(|b| b.is_ascii_digit());
            let hint = example(&if bare {
                format!("{text}s")
            } else {
                "90s".into()
            });
            Problem::new(Code::InvalidDuration, node.span, message).hint(hint)
        }),
        _ => Err(wrong_type(node, "a duration").hint(example("60s"))),
    }
}

/// A duration between two bounds, both in milliseconds.
pub fn bounded(node: &Node, least: i64, most: i64) -> Read<Duration> {
    let read = milliseconds(node)?;
    if (least..=most).contains(&read) {
        return Ok(Duration::from_millis(read as u64));
    }
    let bound =
        |ms: i64| crate::manifest::literal::Literal::duration(Duration::from_millis(ms as u64));
    let message = format!("must be between {} and {}", bound(least), bound(most));
    Err(Problem::new(Code::OutOfBounds, node.span, message))
}

/// The same duration, if it is one of whole seconds.
pub fn whole(node: &Node, time: Duration) -> Read<Duration> {
    match time.subsec_nanos() {
        0 => Ok(time),
        _ => Err(Problem::new(
            Code::OutOfBounds,
            node.span,
            "must be whole seconds",
        )),
    }
}

/// A URL that can be probed or posted to.
pub fn url(node: &Node) -> Read<HttpUrl> {
    let text = string(node, HttpUrl::MAX)?;
    text.parse().map_err(|error| {
        let problem = refused(node, error);
        let bare = !text.contains("://")
            && text.contains('.')
            && format!("https://{text}").parse::<HttpUrl>().is_ok();
        problem.maybe_hint(bare.then(|| format!("write \"https://{}\"", cut(text))))
    })
}

fn choice<T: Copy>(node: &Node, all: &[(T, &'static str)]) -> Read<T> {
    let text = string(node, 1024)?;
    if let Some((choice, _)) = all.iter().find(|(_, name)| *name == text) {
        return Ok(*choice);
    }
    let names: Vec<_> = all.iter().map(|(_, name)| *name).collect();
    let hint = match nearest(text, names.iter().copied()) {
        Some(name) => format!("did you mean \"{name}\"?"),
        None => format!("one of \"{}\"", names.join("\", \"")),
    };
    let message = format!("{} cannot be chosen", Quoted(&cut(text)));
    Err(Problem::new(Code::UnknownChoice, node.span, message).hint(hint))
}

/// A method.
pub fn method(node: &Node) -> Read<Method> {
    choice(node, &Method::ALL)
}

/// The format of a receiver.
pub fn format(node: &Node) -> Read<WebhookFormat> {
    choice(node, &WebhookFormat::ALL)
}

/// `200`, `"2xx"` or `"200-204"`.
pub fn status(node: &Node) -> Read<StatusRange> {
    let read = match &node.value {
        Value::Integer(code) => match u16::try_from(*code) {
            Ok(code) => StatusRange::new(code, code),
            Err(_) => {
                let message = format!("status {code} must be between 100 and 599");
                return Err(Problem::new(Code::OutOfBounds, node.span, message));
            }
        },
        Value::String(text) => StatusRange::from_str(text),
        _ => return Err(wrong_type(node, "a status: 200, \"2xx\" or \"200-204\"")),
    };
    read.map_err(|error| refused(node, error))
}

/// A name, in a string.
pub fn name(node: &Node) -> Read<Name> {
    let text = string(node, 10_000)?;
    text.parse()
        .map_err(|error: crate::model::name::InvalidName| {
            Problem::new(Code::InvalidName, node.span, error.to_string())
        })
}

/// A project's name: one that files may declare.
pub fn project(node: &Node) -> Read<Name> {
    let name = name(node)?;
    if name.as_str() == API_PROJECT {
        let message = format!("the project {API_PROJECT:?} belongs to the API");
        let problem = Problem::new(Code::InvalidName, node.span, message);
        return Err(problem.hint("give yours another name"));
    }
    Ok(name)
}

/// A reference to a receiver: `webhook.x`.
pub fn receiver(node: &Node) -> Read<Name> {
    let wanted = "a receiver: webhook.NAME";
    match &node.value {
        Value::Reference(parts) => match &**parts {
            [root, name] if root == "webhook" => name.parse().map_err(|_invalid| unknown(node)),
            _ => Err(unknown(node)),
        },
        Value::String(text) if text.parse::<Name>().is_ok() => {
            Err(wrong_type(node, wanted).hint(format!("write webhook.{text}, without quotes")))
        }
        _ => Err(wrong_type(node, wanted)),
    }
}

/// References to at most `most` receivers: sorted, each once.
pub fn receivers(node: &Node, most: usize) -> Read<Vec<Name>> {
    let items = list(node, most)?;
    let mut names = items.iter().map(receiver).collect::<Read<Vec<_>>>()?;
    names.sort();
    names.dedup();
    Ok(names)
}

/// A reference to a check: `check.x`, or `check.x["key"]` for one of a `for_each`.
pub fn check(node: &Node) -> Read<Address> {
    let wanted = "a check: check.NAME, or check.NAME[\"KEY\"]";
    let address = match &node.value {
        Value::Reference(parts) => match &**parts {
            [root, name] if root == "check" => name.clone(),
            [root, name, key] if root == "check" && key.starts_with('[') => format!("{name}{key}"),
            _ => return Err(wrong_type(node, wanted)),
        },
        Value::String(text) if text.parse::<Address>().is_ok() => {
            let hint = format!("write check.{text}, without quotes around it");
            return Err(wrong_type(node, wanted).hint(hint));
        }
        _ => return Err(wrong_type(node, wanted)),
    };
    address.parse().map_err(|_invalid| wrong_type(node, wanted))
}

/// References to at most `most` checks: sorted, each once.
pub fn checks(node: &Node, most: usize) -> Read<Vec<Address>> {
    let items = list(node, most)?;
    let mut all = items.iter().map(check).collect::<Read<Vec<_>>>()?;
    all.sort();
    all.dedup();
    Ok(all)
}

fn unknown(node: &Node) -> Problem {
    let Value::Reference(parts) = &node.value else {
        return wrong_type(node, "a reference");
    };
    let message = format!("`{}` refers to nothing", cut(&parts.join(".")));
    Problem::new(Code::UnknownReference, node.span, message)
        .hint("a receiver is written webhook.NAME")
}

/// One label.
pub fn label(key: &Key, node: &Node, value: &str) -> Read<()> {
    let refused =
        |span, code| move |error: InvalidValue| Problem::new(code, span, error.to_string());
    valid_label(&key.text, "").map_err(refused(key.span, Code::InvalidName))?;
    valid_label(&key.text, value).map_err(refused(node.span, Code::OutOfBounds))
}

/// At most `most` headers that may be sent: sorted, each once.
pub fn headers(
    node: &Node,
    most: usize,
    valid: fn(&str, &Text) -> Result<(), InvalidValue>,
) -> Read<Vec<(String, Text)>> {
    let mut headers = Vec::new();
    for (key, value, text) in texts(node, most)? {
        let Some(text) = text else { continue };
        header(key, value, valid(&key.text, &text))?;
        // Nobody sees a difference between upper and lower case (RFC 9110, 5.1).
        let same = |(name, _): &(String, Text)| name.eq_ignore_ascii_case(&key.text);
        if headers.iter().any(same) {
            let message = format!("`{}` stands there twice", key.text);
            return Err(Problem::new(Code::InvalidValue, key.span, message));
        }
        headers.push((key.text.to_string(), text));
    }
    headers.sort_by_key(|(name, _)| name.to_ascii_lowercase());
    Ok(headers)
}

fn header(key: &Key, node: &Node, valid: Result<(), InvalidValue>) -> Read<()> {
    valid.map_err(|error| {
        let about_value =
            error.to_string().contains("value") || matches!(error, InvalidValue::TooLong { .. });
        let span = if about_value { node.span } else { key.span };
        let code = if matches!(error, InvalidValue::TooLong { .. }) {
            Code::OutOfBounds
        } else {
            Code::InvalidValue
        };
        Problem::new(code, span, error.to_string())
    })
}

/// Puts a model's refusal at its place.
pub fn placed<T>(node: &Node, result: Result<T, InvalidValue>) -> Read<T> {
    result.map_err(|error| refused(node, error))
}
