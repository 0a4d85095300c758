//! Lints: what is allowed and most likely not meant. Each can be silenced where it stands, by
//! a comment `# lokahi-ignore: CODE reason` in its line or above it.

mod expectations;
mod secrets;

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash as _;

use crate::manifest::ast::Expression;
use crate::manifest::attributes::check::CHECK;
use crate::manifest::attributes::outcome::NOTIFY;
use crate::manifest::diagnostic::{Code, Problem};
use crate::manifest::eval::value::{Node, Value};
use crate::manifest::expand::Expanded;
use crate::manifest::format::texts;
use crate::manifest::layer::Layer;
use crate::manifest::source::{Sources, Span};
use crate::model::check::{CheckSpec, Method};
use crate::model::dial::OLDEST;
use url::{Host, Position};
use xxhash_rust::xxh3::Xxh3;

/// A host is asked often from here on, in seconds.
const OFTEN: u32 = 5;
/// As many checks may ask one host that often.
const MANY: usize = 10;
/// How comments begin that silence a lint.
const IGNORE: &str = "lokahi-ignore:";

/// What is to be said of one check.
pub(super) fn check(spec: &CheckSpec, layer: &Layer, span: Span, problems: &mut Vec<Problem>) {
    let row = |name: &str| CHECK.attribute(name).and_then(|(row, _)| layer.get(row));
    if let Some(url) = row("url") {
        plain_http(spec, url, problems);
    }
    // Of a check that nobody probes there is nothing to hear.
    if spec.enabled && spec.receivers.is_empty() && spec.webhook.is_none() {
        let problem = Problem::new(
            Code::NobodyNotified,
            span,
            "nobody hears when this check goes down",
        );
        problems.push(
            problem.hint("write `notify { webhooks = [webhook.NAME] }`, here or in `defaults`"),
        );
    }
    if let Some(reuse) = row("reuse_connection") {
        never_reused(spec, reuse, problems);
    }
    never_grouped(spec, layer, problems);
    secrets::check(layer, problems);
    expectations::check(spec, layer, problems);
}

/// What is to be said of a value that is declared under a name.
pub(super) fn declared(name: &str, value: &Expression, problems: &mut Vec<Problem>) {
    secrets::declared(name, value, problems);
}

/// What is to be said of one receiver.
pub(super) fn webhook(layer: &Layer, problems: &mut Vec<Problem>) {
    secrets::webhook(layer, problems);
}

/// What waits in vain.
fn never_grouped(spec: &CheckSpec, layer: &Layer, problems: &mut Vec<Problem>) {
    let rows = layer
        .block(NOTIFY.name, "")
        .map(|notify| notify.layer.rows(&NOTIFY));
    let wait = rows.and_then(|mut rows| rows.find(|(name, _)| *name == "group_wait"));
    let said = wait.filter(|(_, node)| !matches!(node.value, Value::Null));
    if let (None, Some((_, wait))) = (&spec.grouping, said) {
        let message = "`group_wait` does nothing here: without `group_by` each event goes out by itself, at once";
        let problem = Problem::new(Code::NeverGrouped, wait.span, message);
        problems.push(
            problem
                .hint("write `group_by = [\"LABEL\"]` beside it, or `[]` for all checks together"),
        );
    }
}

/// What keeps a connection in vain.
fn never_reused(spec: &CheckSpec, reuse: &Node, problems: &mut Vec<Problem>) {
    if !spec.reuse_connection {
        return;
    }
    let locations = u32::try_from(spec.locations.len().max(1)).unwrap_or(u32::MAX);
    let round = spec.every.duration().saturating_mul(locations);
    let why = if matches!(spec.method, Method::Post | Method::Patch) {
        let method = spec.method.name();
        format!("a {method} is never asked over a connection that was kept")
    } else if round >= OLDEST {
        let from = if locations > 1 {
            " from one location"
        } else {
            ""
        };
        let (minutes, oldest) = (round.as_secs() / 60, OLDEST.as_secs() / 60);
        format!(
            "a connection is kept for {oldest} minutes at most, and from one probe{from} to the next \
             it takes {minutes}"
        )
    } else {
        return;
    };
    let message = format!("`reuse_connection` does nothing here: {why}");
    let problem = Problem::new(Code::NeverReused, reuse.span, message);
    problems.push(problem.hint("leave it out: each probe has a connection of its own then, too"));
}

fn plain_http(spec: &CheckSpec, url: &Node, problems: &mut Vec<Problem>) {
    let parsed = spec.url.parse();
    if parsed.scheme() != "http" {
        return;
    }
    let public = match parsed.host() {
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            let inner = [
                "localhost",
                "local",
                "internal",
                "lan",
                "test",
                "home.arpa",
                "svc",
            ];
            let ends = |end: &&str| name == *end || name.ends_with(&format!(".{end}"));
            name.contains('.') && !inner.iter().any(ends)
        }
        // A certificate for an address is rare.
        _ => false,
    };
    if public && parsed.port().is_none() {
        let message = "this site is asked over http, where anyone on the way can answer for it";
        let problem = Problem::new(Code::PlainHttp, url.span, message);
        problems.push(
            problem.hint(
                "write https://, or say why not: `# lokahi-ignore: LK0901 redirects to https`",
            ),
        );
    }
}

/// What a check asks, as far as it is compared with what others ask.
#[derive(Debug)]
pub(super) struct Question {
    /// Of all that is asked, and of whom: two that are equal ask the same.
    digest: u128,
    /// Where the URL stands.
    url: Span,
    /// Whom it asks often, if it does.
    often: Option<Box<str>>,
}

impl Question {
    pub(super) fn of(spec: &CheckSpec, url: Span) -> Self {
        let parsed = spec.url.parse();
        // In the one way that it is asked in: without a default port, and what follows `#`.
        let site = &parsed[..Position::AfterQuery];
        let mut digest = Xxh3::new();
        // Over a kept connection less is seen: another check of the same may look at the rest.
        (site, spec.question(), spec.reuse_connection).hash(&mut digest);
        let often = spec.every.seconds() < OFTEN;
        let host = match &spec.connect_to {
            _ if !often => None,
            Some(instead) => Some(instead.host.to_string().into()),
            None => parsed.host_str().map(Box::from),
        };
        Self {
            digest: digest.digest128(),
            url,
            often: host,
        }
    }
}

/// What is to be said of the checks of a root together.
pub(super) fn across(checks: &[Expanded], problems: &mut Vec<Problem>) {
    let mut asked: HashMap<u128, (&Expanded, &Question)> = HashMap::new();
    let mut often: BTreeMap<&str, Vec<&Expanded>> = BTreeMap::new();
    for check in checks {
        let Some(question) = &check.question else {
            continue;
        };
        match asked.get(&question.digest) {
            // It is declared twice, and that was said.
            Some((first, _)) if first.span != check.span && first.address == check.address => {}
            Some((first, same)) if first.span != check.span => {
                let message = format!("`{}` asks what `{}` asks", check.address, first.address);
                let problem = Problem::new(Code::DuplicateUrl, question.url, message);
                problems.push(problem.also(same.url, "the same is asked here"));
            }
            Some(_) => {
                let message = "every check of this `for_each` asks the same";
                let problem = Problem::new(Code::DuplicateUrl, question.url, message);
                problems.push(problem.hint("use each.key or each.value in it"));
            }
            None => {
                asked.insert(question.digest, (check, question));
            }
        }
        if let Some(host) = &question.often {
            often.entry(host).or_default().push(check);
        }
    }
    for (host, checks) in often {
        if let (true, Some(last)) = (checks.len() > MANY, checks.last()) {
            let message = format!(
                "{} checks ask {host} more often than every {OFTEN} s",
                checks.len()
            );
            problems.push(Problem::new(Code::TooFrequent, last.span, message));
        }
    }
}

/// Whether a lint is silenced by a comment, and which comments silenced something.
#[derive(Debug, Default)]
pub(super) struct Silence {
    /// By file: lines (from 1) and what they silence.
    comments: BTreeMap<u32, Vec<Comment>>,
}

#[derive(Debug)]
struct Comment {
    line: u32,
    codes: Vec<String>,
    at: Span,
    /// The lines that it speaks of: its own, or the next that is no comment; all of a block
    /// that begins there in column 1.
    about: std::ops::RangeInclusive<u32>,
    useful: bool,
}

impl Silence {
    /// Looks for comments in the files.
    pub(super) fn of(sources: &Sources) -> Self {
        let mut comments: BTreeMap<u32, Vec<Comment>> = BTreeMap::new();
        for file in 0..sources.count() {
            let text = sources.text(file);
            if !text.contains(IGNORE) {
                continue;
            }
            let found = comments.entry(file).or_default();
            let mut texts = texts(text).into_iter().peekable();
            let mut start = 0_u32;
            let lines: Vec<&str> = text.split('\n').collect();
            for (number, line) in lines.iter().enumerate() {
                let sign = start as usize + line.find(IGNORE).unwrap_or_default();
                while texts.next_if(|text| text.end <= sign).is_some() {}
                // What stands in a text is no comment.
                let in_text = texts.peek().is_some_and(|text| text.contains(&sign));
                if let Some(comment) = comment(file, start, number, line, &lines)
                    && !in_text
                {
                    found.push(comment);
                }
                start += line.len() as u32 + 1;
            }
        }
        Self { comments }
    }

    /// Whether a lint is to be left out.
    pub(super) fn covers(&mut self, problem: &Problem, sources: &Sources) -> bool {
        let Some(span) = problem.span else {
            return false;
        };
        let Some(comments) = self.comments.get_mut(&span.file) else {
            return false;
        };
        let line = sources.line(span);
        let mut covered = false;
        for comment in comments {
            let says = comment.codes.iter().any(|code| code == problem.code.id());
            if says && (comment.line == line || comment.about.contains(&line)) {
                comment.useful = true;
                covered = true;
            }
        }
        covered
    }

    /// The comments that silenced nothing; those that name no lint only, unless all lints were
    /// `looked` for.
    pub(super) fn useless(self, looked: bool) -> impl Iterator<Item = Problem> {
        let comments = self.comments.into_values().flatten();
        let useless = move |one: &Comment| !one.useful && (looked || one.codes.is_empty());
        comments.filter(useless).map(|comment| {
            let message = match comment.codes.is_empty() {
                true => "this comment names no lint".to_owned(),
                false => format!("nothing to silence here: {}", comment.codes.join(", ")),
            };
            let problem = Problem::new(Code::UselessSuppression, comment.at, message);
            problem
                .hint("write `# lokahi-ignore: LK0901 reason` in the line of the lint or above it")
        })
    }
}

/// The comment of a line that silences, if there is one.
fn comment(file: u32, start: u32, number: usize, line: &str, lines: &[&str]) -> Option<Comment> {
    let (before, after) = line.split_once(IGNORE)?;
    let sign = before.trim_end();
    let sign = sign.strip_suffix('#').or_else(|| sign.strip_suffix("//"))?;
    let words = after
        .split([' ', ',', '\t', '\r'])
        .filter(|word| !word.is_empty());
    let is_code = |word: &&str| word.len() == 6 && word.starts_with("LK");
    let codes: Vec<String> = words.take_while(is_code).map(str::to_owned).collect();
    let alone = sign.trim().is_empty();
    let is_comment = |line: &&str| {
        let line = line.trim_start();
        line.starts_with('#') || line.starts_with("//")
    };
    let skipped = lines
        .iter()
        .skip(number)
        .take_while(|line| is_comment(line))
        .count();
    let here = number as u32 + 1;
    let first = if alone { here + skipped as u32 } else { here };
    let rest = || lines.iter().skip(first as usize);
    let begins_block = lines
        .get(first.saturating_sub(1) as usize)
        .is_some_and(|line| {
            line.starts_with(char::is_alphabetic) && line.trim_end().ends_with('{')
        });
    let last = match begins_block {
        true => first + 1 + rest().take_while(|line| !line.starts_with('}')).count() as u32,
        false => first,
    };
    let about = first..=last;
    let column = before.trim_end().len() as u32;
    Some(Comment {
        line: here,
        codes,
        at: Span {
            file,
            start: start + column.saturating_sub(1),
            end: start + line.trim_end().len() as u32,
        },
        about,
        useful: false,
    })
}
