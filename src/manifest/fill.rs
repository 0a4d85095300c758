//! From a merged layer to a spec that cannot be wrong.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use url::Host;

use crate::manifest::attributes::DEFAULTS;
use crate::manifest::attributes::access::{AUTH, TLS};
use crate::manifest::attributes::assert::{ASSERT, WARN};
use crate::manifest::attributes::check::CHECK;
use crate::manifest::declare::Gaps;
use crate::manifest::diagnostic::{Code, Problem};
use crate::manifest::eval::convert;
use crate::manifest::eval::typing;
use crate::manifest::eval::value::{Key, Node, Object, Value};
use crate::manifest::layer::{Inner, Layer};
use crate::manifest::source::Span;
use crate::manifest::table::{Attribute, Block, Draft};
use crate::model::check::{Assert, CheckSpec, StatusRange};
use crate::model::webhook::WebhookSpec;

/// What came of a block.
#[derive(Debug)]
pub(super) enum Filled<T> {
    Good(T),
    /// It hangs on a variable that has no value.
    Unknown,
    /// Something in it was reported.
    Bad,
}

/// Fills in drafts and tells what is wrong.
pub(super) struct Filling<'a> {
    pub(super) gaps: &'a Gaps,
    pub(super) problems: &'a mut Vec<Problem>,
    unknown: bool,
}

impl<'a> Filling<'a> {
    pub(super) fn new(gaps: &'a Gaps, problems: &'a mut Vec<Problem>) -> Self {
        Self {
            gaps,
            problems,
            unknown: false,
        }
    }

    /// The spec of a check, from all its layers on one another. `span` is where it stands,
    /// `own` what it says itself.
    pub(super) fn check(mut self, layer: &Layer, own: &Layer, span: Span) -> Filled<CheckSpec> {
        let before = self.problems.len();
        let mut draft = Draft::new();
        let good = self.fill(&CHECK, layer, &mut draft, span) && !layer.invalid();
        let mut reported = false;
        for kind in CHECK.once() {
            if let Some(inner) = layer.block(kind.name, "") {
                let good = self.fill(kind, &inner.layer, &mut draft, inner.span);
                reported |= !good && [AUTH.name, TLS.name].contains(&kind.name);
            }
        }
        if let (Some(grouping), Some(wait)) = (&mut draft.check.grouping, draft.group_wait) {
            grouping.wait = wait;
        }
        // What could not be read may have been what is missed.
        if !reported {
            self.access(layer, own, &mut draft);
        }
        self.dialled(layer, &draft);
        self.asserts(layer, &mut draft);
        draft.check.warns = self.expectations(&WARN, layer, &mut draft);
        let implicit = draft
            .webhook_url
            .take()
            .map(|url| WebhookSpec::new(url, draft.webhook_format));
        let row = |name: &str| CHECK.attribute(name).map_or(usize::MAX, |(row, _)| row);
        let format = own.get(row("webhook_format"));
        let said = format.filter(|node| !matches!(node.value, Value::Null));
        if let (None, Some(node)) = (&implicit, said)
            && !self.unknown
        {
            let message = "`webhook_format` says nothing without `webhook_url`";
            self.problems
                .push(Problem::new(Code::Missing, node.span, message));
        }
        draft.check.webhook = implicit;
        if layer.invalid() {
            // What was reported already may be what is missed, or what is contradicted.
            let follows = |code| matches!(code, Code::Contradiction | Code::Missing);
            let mut at = 0..;
            self.problems
                .retain(|problem| at.next() < Some(before) || !follows(problem.code));
        }
        match (good && self.problems.len() == before, self.unknown) {
            (false, _) => Filled::Bad,
            (true, true) => Filled::Unknown,
            (true, false) => Filled::Good(draft.check),
        }
    }

    /// A draft of a block that has no others over it.
    pub(super) fn draft(
        mut self,
        schema: &'static Block,
        layer: &Layer,
        span: Span,
    ) -> Filled<Draft> {
        if layer.invalid() {
            return Filled::Bad;
        }
        let mut draft = Draft::new();
        let mut good = self.fill(schema, layer, &mut draft, span);
        for kind in schema.once() {
            if let Some(inner) = layer.block(kind.name, "") {
                good &= self.fill(kind, &inner.layer, &mut draft, inner.span);
            }
        }
        match (good, self.unknown) {
            (false, _) => Filled::Bad,
            (true, true) => Filled::Unknown,
            (true, false) => Filled::Good(draft),
        }
    }

    /// What several attributes of `tls` and `auth` say together.
    fn access(&mut self, layer: &Layer, own: &Layer, draft: &mut Draft) {
        if self.unknown {
            return;
        }
        // One in which all is taken away says nothing.
        let says = |inner: &&Inner| {
            let mut rows = inner.layer.rows(&AUTH).peekable();
            rows.peek().is_none() || rows.any(|(_, node)| !matches!(node.value, Value::Null))
        };
        if let Some(inner) = layer.block(AUTH.name, "").filter(says) {
            let mut wrong = |code, why: &str| {
                let message = format!("`auth`: {why}");
                let problem = Problem::new(code, inner.span, message);
                self.problems
                    .push(with_inherited(problem, inner, own, &AUTH));
            };
            match std::mem::take(&mut draft.auth).complete() {
                Ok(auth) => draft.check.auth = Some(auth),
                Err(why) => wrong(Code::Missing, why),
            }
            let mut names = draft.check.headers.iter().map(|(name, _)| name);
            if names.any(|name| name.eq_ignore_ascii_case("authorization")) {
                let why = "the header `authorization` is declared, too: leave one of both out";
                wrong(Code::Contradiction, why);
            }
        }
        if let Some(inner) = layer.block(TLS.name, "") {
            let tls = &draft.check.tls;
            let why = match (&tls.certificate, &tls.key) {
                (Some(_), None) => "`tls`: `cert` needs `key`, which belongs to it",
                (None, Some(_)) => "`tls`: `key` needs `cert`, which it belongs to",
                _ => return,
            };
            let problem = Problem::new(Code::Missing, inner.span, why);
            self.problems
                .push(with_inherited(problem, inner, own, &TLS));
        }
    }

    /// An address that is written out is of one version of IP.
    fn dialled(&mut self, layer: &Layer, draft: &Draft) {
        let Some(family) = draft.check.ip_family else {
            return;
        };
        let row = |name: &str| CHECK.attribute(name).and_then(|(row, _)| layer.get(row));
        let (name, host) = match &draft.check.connect_to {
            Some(instead) => ("connect_to", Some(instead.host.clone())),
            None => (
                "url",
                draft.check.url.parse().host().map(|it| it.to_owned()),
            ),
        };
        let address = match host {
            Some(Host::Ipv4(address)) => IpAddr::V4(address),
            Some(Host::Ipv6(address)) => IpAddr::V6(address),
            _ => return,
        };
        if let (false, Some(wanted), Some(given)) =
            (family.has(address), row("ip_family"), row(name))
        {
            let message = format!(
                "`ip_family` is {}, and `{name}` is an address of the other version: it is never dialled",
                family.number()
            );
            let problem = Problem::new(Code::Contradiction, wanted.span, message);
            let problem = problem.also(given.span, format!("`{name}` is given here"));
            self.problems.push(problem.hint(
                "leave `ip_family` out, or write the address of a host that has both as a name",
            ));
        }
    }

    /// What the blocks of this kind expect, `assert` or `warn`, by label.
    fn expectations(&mut self, kind: &Block, layer: &Layer, draft: &mut Draft) -> Vec<Assert> {
        let mut all = Vec::new();
        for inner in layer.blocks.iter().filter(|it| it.kind == kind.name) {
            draft.assert = Assert {
                label: inner.label.clone(),
                ..Assert::default()
            };
            let unknown = std::mem::take(&mut self.unknown);
            let good = self.fill(kind, &inner.layer, draft, inner.span);
            let assert = std::mem::take(&mut draft.assert);
            if !good {
                // What could not be read may have said it.
            } else if assert.is_empty() && !self.unknown {
                let message = format!("this `{}` asserts nothing", kind.name);
                self.problems
                    .push(Problem::new(Code::Missing, inner.span, message));
            } else if assert.error_message.is_some() && assert.condition.is_none() && !self.unknown
            {
                let message = "`error_message` says what is wrong when a `condition` does not hold, \
                               and there is none";
                self.problems
                    .push(Problem::new(Code::Missing, inner.span, message));
            }
            self.unknown |= unknown;
            all.push(assert);
            if all.len() == CheckSpec::MAX_ASSERTS + 1 {
                let message = format!(
                    "more than {} blocks `{}`",
                    CheckSpec::MAX_ASSERTS,
                    kind.name
                );
                self.problems
                    .push(Problem::new(Code::OutOfBounds, inner.span, message));
            }
        }
        all.sort();
        all
    }

    fn asserts(&mut self, layer: &Layer, draft: &mut Draft) {
        draft.check.asserts = self.expectations(&ASSERT, layer, draft);
        let asserts = &mut draft.check.asserts;
        // A check that asserts only a text or a latency still wants an answer
        // that is a success; a condition may look at the status itself.
        let says_status = |assert: &Assert| {
            !assert.status.is_empty()
                || assert
                    .condition
                    .as_ref()
                    .is_some_and(|condition| condition.contains("response.status"))
        };
        if !asserts.iter().any(says_status) {
            match asserts.iter_mut().find(|assert| assert.label.is_empty()) {
                Some(assert) => assert.status = vec![StatusRange::SUCCESS],
                None => asserts.push(Assert::success()),
            }
        }
        asserts.sort();
    }

    /// Fills a draft in by the table, in its order; false after a problem.
    fn fill(&mut self, schema: &Block, layer: &Layer, draft: &mut Draft, span: Span) -> bool {
        let before = self.problems.len();
        let mut good = true;
        for (row, attribute) in schema.attributes.iter().enumerate() {
            match layer.get(row) {
                Some(Node {
                    value: Value::Invalid,
                    ..
                }) => good = false,
                Some(node) if convert::has_unknown(&node.value) => self.unknown(attribute, node),
                Some(node) if !matches!(node.value, Value::Null) => {
                    for problem in mistakes(attribute, draft, node) {
                        let message = format!("`{}`: {}", attribute.name, problem.message);
                        let mut problem = Problem { message, ..problem };
                        let every = schema
                            .attribute("every")
                            .and_then(|(row, _)| layer.get(row));
                        if let (Code::Contradiction, Some(every)) = (problem.code, every) {
                            problem = problem.also(every.span, "`every` is given here");
                        }
                        self.problems
                            .push(problem.also(span, format!("in this {}", schema.name)));
                    }
                }
                _ if attribute.required() => {
                    // What could not be parsed may have said it.
                    if self.gaps.may_hold(DEFAULTS.name, None) {
                        return false;
                    }
                    let message = format!("this `{}` needs `{}`", schema.name, attribute.name);
                    let example = format!("write {} = {}", attribute.name, attribute.example);
                    self.problems
                        .push(Problem::new(Code::Missing, span, message).hint(example));
                }
                _ => {}
            }
        }
        good && self.problems.len() == before
    }

    /// A value that is not known yet: its type must fit.
    fn unknown(&mut self, attribute: &Attribute, node: &Node) {
        self.unknown = true;
        let (of, wanted) = (typing::type_of(&node.value), attribute.wants());
        if !typing::fits(&of, &wanted) {
            let message = format!("`{}`: wanted {wanted}, found {of}", attribute.name);
            self.problems
                .push(Problem::new(Code::WrongType, node.span, message));
        }
    }
}

/// With the places of those attributes of a merged block that the check does not say itself.
fn with_inherited(
    problem: Problem,
    merged: &Inner,
    own: &Layer,
    schema: &'static Block,
) -> Problem {
    let own = own.block(schema.name, "");
    let said = |name: &str| own.is_some_and(|own| own.layer.rows(schema).any(|(it, _)| it == name));
    let given = merged.layer.rows(schema);
    let inherited = given.filter(|(name, node)| !matches!(node.value, Value::Null) && !said(name));
    inherited.fold(problem, |problem, (name, node)| {
        problem.also(node.span, format!("`{name}` is given here"))
    })
}

/// Reads a value into the draft; every mistake of a list or object, not only the one that the
/// row stumbles over: what is wrong is taken out, and the rest read again.
pub(super) fn mistakes(attribute: &Attribute, draft: &mut Draft, node: &Node) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut rest = Cow::Borrowed(node);
    while let Err(problem) = (attribute.set)(draft, &rest) {
        let less = problem.span.and_then(|span| without(&rest, span));
        problems.push(problem);
        match less {
            Some(less) => rest = Cow::Owned(less),
            None => break,
        }
    }
    problems
}

/// A list or object without what stands at a span; `None` if nothing does, or nothing is left.
fn without(node: &Node, span: Span) -> Option<Node> {
    let (value, before, left) = match &node.value {
        Value::List(items) | Value::Set(items) => {
            let kept: Vec<Node> = items
                .iter()
                .filter(|item| item.span != span)
                .cloned()
                .collect();
            let left = kept.len();
            (Value::List(kept.into()), items.len(), left)
        }
        Value::Object(object) => {
            let stays = |(key, value): &&(Key, Node)| key.span != span && value.span != span;
            let kept: Vec<_> = object.entries().iter().filter(stays).cloned().collect();
            let left = kept.len();
            (
                Value::Object(Arc::new(Object::new(kept))),
                object.entries().len(),
                left,
            )
        }
        _ => return None,
    };
    let span = node.span;
    (left > 0 && left < before).then_some(Node { span, value })
}
