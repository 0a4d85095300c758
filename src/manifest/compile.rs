//! The whole way: list, read, parse, decode, merge, check. One error in a root
//! means no desired state for it.

use std::collections::BTreeMap;

use crate::manifest::ast::{Node, Value};
use crate::manifest::attributes::{
    ASSERT, CHECK, CONFIRM, DEFAULTS, FILE, LATER, LOKAHI, NOTIFY, WEBHOOK,
};
use crate::manifest::decode::{Check, Declarations};
use crate::manifest::diagnostic::{Code, Diagnostic, Diagnostics, Problem, Severity};
use crate::manifest::layer::Layer;
use crate::manifest::parse::parse;
use crate::manifest::source::{Files, MAX_FILE, Sources, Span, is_check_file, whole_file};
use crate::manifest::suggest::did_you_mean;
use crate::manifest::table::{Block, Draft};
use crate::model::check::{Assert, CheckSpec, StatusRange};
use crate::model::desired::{Declared, Desired, SourceLine};
use crate::model::name::Name;
use crate::model::webhook::WebhookSpec;

/// For how many unknown names, and among how many known ones, the nearest is
/// looked for: all pairs would be too many.
const MAX_HINTS: usize = 1000;

/// The most bytes of all files of a root.
const MAX_TOTAL: usize = 256 * 1024 * 1024;

/// What the files declare, and warnings; or every problem of every file. The
/// same files give the same answer, in whatever order they are listed.
pub fn compile(files: &dyn Files) -> Result<(Desired, Vec<Diagnostic>), Diagnostics> {
    let mut sources = Sources::default();
    let mut declared = Declarations::default();
    let mut unread = read(files, &mut sources, &mut declared);
    let desired = Compiler {
        sources: &sources,
        declared: &mut declared,
    }
    .desired();
    let mut problems = declared.problems;
    problems.sort_by(|a, b| (a.span, a.code, &a.message).cmp(&(b.span, b.code, &b.message)));
    problems.dedup_by(|a, b| a.span.is_some() && a.span == b.span && a.code == b.code);
    let more = problems.len() > Diagnostics::MAX;
    let listed = problems.into_iter().take(Diagnostics::MAX);
    unread.extend(listed.map(|problem| problem.resolve(&sources)));
    if more {
        let message = format!(
            "more than {} problems; the others are not listed",
            Diagnostics::MAX
        );
        unread.push(whole(".".into(), Code::TooMuch, message));
    }
    match desired {
        Some(desired) if unread.is_empty() => Ok((desired, Vec::new())),
        _ => Err(Diagnostics::sorted(unread)),
    }
}

/// Reads and decodes every file; gives what could not be read.
fn read(files: &dyn Files, sources: &mut Sources, declared: &mut Declarations) -> Vec<Diagnostic> {
    let later = LATER.iter().filter(|(place, _)| place.is_empty());
    let block_types: Vec<&str> = FILE
        .blocks
        .iter()
        .map(|block| block.name)
        .chain(later.flat_map(|(_, names)| names.iter().copied()))
        .collect();
    let mut unread = Vec::new();
    let (mut paths, unreadable) = files.list();
    paths.retain(|path| is_check_file(path));
    paths.sort();
    paths.dedup();
    let mut refused = |path, code, message| unread.push(whole(path, code, message));
    let mut room = MAX_TOTAL;
    for error in unreadable {
        declared.blind = true;
        refused(
            error.path.clone(),
            Code::Unreadable,
            format!("cannot be read: {}", error.why),
        );
    }
    for path in paths {
        let read = files.read(&path);
        let text = match read {
            Err(error) => Err((Code::Unreadable, format!("cannot be read: {}", error.why))),
            Ok(bytes) if bytes.len() > MAX_FILE => {
                Err((Code::FileTooLarge, "larger than 1 MiB: split it".to_owned()))
            }
            Ok(bytes) => String::from_utf8(without_mark(bytes)).map_err(|error| {
                let at = error.utf8_error().valid_up_to();
                (
                    Code::NotUtf8,
                    format!("not UTF-8: the byte at offset {at} cannot stand there"),
                )
            }),
        };
        match text {
            Ok(text) if text.len() > room => {
                declared.blind = true;
                let message = "the files of a root have at most 256 MiB in all".to_owned();
                refused(path, Code::TooMuch, message);
                break;
            }
            Ok(text) => {
                room -= text.len();
                let file = sources.add(path, text);
                let parsed = parse(file, sources.text(file), &block_types);
                declared.problems.extend(parsed.problems);
                parsed.lost.into_iter().for_each(|lost| declared.lose(lost));
                declared.file(sources.folder(file), parsed.body);
            }
            Err((code, message)) => {
                declared.blind = true;
                refused(path, code, message);
            }
        }
    }
    unread
}

/// A problem of a whole file.
fn whole(path: String, code: Code, message: String) -> Diagnostic {
    Diagnostic {
        code,
        severity: Severity::Error,
        message,
        at: whole_file(path),
        also: Vec::new(),
        hint: None,
    }
}

/// The bytes without a byte order mark.
fn without_mark(mut bytes: Vec<u8>) -> Vec<u8> {
    if bytes.starts_with(b"\xef\xbb\xbf") {
        bytes.drain(..3);
    }
    bytes
}

struct Compiler<'a> {
    sources: &'a Sources,
    declared: &'a mut Declarations,
}

impl Compiler<'_> {
    fn desired(&mut self) -> Option<Desired> {
        let project = self.project();
        self.references();
        let webhooks = self.webhooks();
        let mut folders = BTreeMap::new();
        let mut checks = BTreeMap::new();
        for check in std::mem::take(&mut self.declared.checks) {
            let source = self.source(check.span);
            let name = check.name.to_string();
            if let Some(spec) = self.check(check, &mut folders) {
                checks.insert(name, Declared { spec, source });
            }
        }
        Some(Desired {
            project: project?,
            checks,
            webhooks,
        })
    }

    fn problem(&mut self, problem: Problem) {
        self.declared.problems.push(problem);
    }

    fn source(&self, span: Span) -> SourceLine {
        SourceLine {
            file: self.sources.path(span.file).to_owned(),
            line: self.sources.line(span),
        }
    }

    fn project(&mut self) -> Option<Name> {
        let blocks = std::mem::take(&mut self.declared.projects);
        let mut found: Option<(Span, Layer)> = None;
        let mut nested = false;
        for (span, folder, layer) in blocks {
            if !folder.is_empty() {
                nested = true;
                let message =
                    format!("`{folder}/` is a root of its own: one root can be read at a time");
                let problem = Problem::new(Code::NestedRoot, span, message);
                self.problem(problem.hint(format!(
                    "name {folder} itself as the folder, or put it elsewhere"
                )));
            } else if let Some((first, _)) = &found {
                let problem =
                    Problem::new(Code::DeclaredTwice, span, "a root has one `lokahi` block");
                self.problem(problem.also(*first, "the first is here"));
            } else {
                found = Some((span, layer));
            }
        }
        let Some((span, layer)) = found else {
            if !nested && !self.declared.may_exist(LOKAHI.name, None) {
                let problem = Problem {
                    code: Code::NoProject,
                    message: "no file of this folder has a `lokahi` block".into(),
                    span: None,
                    also: Vec::new(),
                    hint: Some("write `lokahi { project = \"name\" }` into one of them".into()),
                };
                self.problem(problem);
            }
            return None;
        };
        let mut draft = Draft::new();
        self.fill(&LOKAHI, &layer, &mut draft, span).then_some(())?;
        draft.project
    }

    fn references(&mut self) {
        let mut hints = MAX_HINTS;
        for (name, span) in std::mem::take(&mut self.declared.references) {
            let webhooks = &self.declared.webhooks;
            let known = name
                .parse()
                .is_ok_and(|name: Name| webhooks.contains_key(&name));
            if known || self.declared.may_exist(WEBHOOK.name, Some(&name)) {
                continue;
            }
            let near = webhooks.keys().take(MAX_HINTS).map(Name::as_str);
            let hint = (hints > 0).then(|| did_you_mean(&name, near)).flatten();
            hints = hints.saturating_sub(1);
            let message = format!("no webhook is called `{name}`");
            let problem = Problem::new(Code::UnknownReference, span, message);
            self.problem(problem.maybe_hint(hint));
        }
    }

    fn webhooks(&mut self) -> BTreeMap<String, Declared<WebhookSpec>> {
        let blocks = self.declared.webhooks.clone();
        let mut webhooks = BTreeMap::new();
        for (name, (span, layer)) in blocks {
            let mut draft = Draft::new();
            if self.fill(&WEBHOOK, &layer, &mut draft, span)
                && let Some(url) = draft.webhook_url
            {
                let format = draft.webhook_format;
                let spec = WebhookSpec { url, format };
                let source = self.source(span);
                webhooks.insert(name.to_string(), Declared { spec, source });
            }
        }
        webhooks
    }

    /// What `defaults` say for a folder: those of all folders above it and its
    /// own.
    fn defaults<'f>(&self, folder: &str, known: &'f mut BTreeMap<String, Layer>) -> &'f Layer {
        known.entry(folder.to_owned()).or_insert_with(|| {
            let mut merged = Layer::default();
            let ends = folder.match_indices('/').map(|(at, _)| at);
            let above = ends.filter_map(|at| folder.get(..at));
            let own = (!folder.is_empty()).then_some(folder);
            for place in [""].into_iter().chain(above).chain(own) {
                if let Some((_, layer)) = self.declared.defaults.get(place) {
                    merged.cover(layer.clone(), &DEFAULTS);
                }
            }
            merged
        })
    }

    fn check(&mut self, check: Check, folders: &mut BTreeMap<String, Layer>) -> Option<CheckSpec> {
        let row = |name: &str| CHECK.attribute(name).map_or(usize::MAX, |(row, _)| row);
        let own_format = check.layer.get(row("webhook_format")).map(|node| node.span);
        let mut layer = self.defaults(&check.folder, folders).clone();
        layer.cover(check.layer, &CHECK);
        if layer.invalid() {
            return None;
        }
        let before = self.declared.problems.len();
        let mut draft = Draft::new();
        self.fill(&CHECK, &layer, &mut draft, check.span);
        for kind in [&CONFIRM, &NOTIFY] {
            if let Some(inner) = layer.block(kind.name, "") {
                self.fill(kind, &inner.layer, &mut draft, inner.span);
            }
        }
        self.asserts(&layer, &mut draft);
        let implicit = draft.webhook_url.take().map(|url| WebhookSpec {
            url,
            format: draft.webhook_format,
        });
        if let (None, Some(span)) = (&implicit, own_format) {
            let message = "`webhook_format` says nothing without `webhook_url`";
            self.problem(Problem::new(Code::Missing, span, message));
        }
        draft.check.webhook = implicit;
        (self.declared.problems.len() == before).then_some(draft.check)
    }

    fn asserts(&mut self, layer: &Layer, draft: &mut Draft) {
        let blocks: Vec<_> = layer
            .blocks
            .iter()
            .filter(|inner| inner.kind == ASSERT.name)
            .collect();
        for inner in &blocks {
            draft.assert = Assert {
                label: inner.label.clone(),
                ..Assert::default()
            };
            self.fill(&ASSERT, &inner.layer, draft, inner.span);
            let assert = std::mem::take(&mut draft.assert);
            let says_nothing = assert.status.is_empty()
                && assert.body_contains.is_empty()
                && assert.max_latency.is_none();
            if says_nothing {
                self.problem(Problem::new(
                    Code::Missing,
                    inner.span,
                    "this `assert` asserts nothing",
                ));
            }
            draft.check.asserts.push(assert);
        }
        let asserts = &mut draft.check.asserts;
        // A check that asserts only a text or a latency still wants an answer
        // that is a success.
        if asserts.iter().all(|assert| assert.status.is_empty()) {
            match asserts.iter_mut().find(|assert| assert.label.is_empty()) {
                Some(assert) => assert.status = vec![StatusRange::SUCCESS],
                None => asserts.push(Assert::success()),
            }
        }
        asserts.sort();
        if let (true, Some(last)) = (asserts.len() > CheckSpec::MAX_ASSERTS, blocks.last()) {
            let message = format!("more than {} asserts", CheckSpec::MAX_ASSERTS);
            self.problem(Problem::new(Code::OutOfBounds, last.span, message));
        }
    }

    /// Fills a draft in by the table, in its order; false after a problem.
    fn fill(&mut self, schema: &Block, layer: &Layer, draft: &mut Draft, span: Span) -> bool {
        let before = self.declared.problems.len();
        for (row, attribute) in schema.attributes.iter().enumerate() {
            match layer.get(row) {
                Some(Node {
                    value: Value::Invalid,
                    ..
                }) => return false,
                Some(node) if !matches!(node.value, Value::Null) => {
                    if let Err(problem) = (attribute.set)(draft, node) {
                        let message = format!("`{}`: {}", attribute.name, problem.message);
                        let mut problem = Problem { message, ..problem };
                        let every = schema
                            .attribute("every")
                            .and_then(|(row, _)| layer.get(row));
                        if let (Code::Contradiction, Some(every)) = (problem.code, every) {
                            problem = problem.also(every.span, "`every` is given here");
                        }
                        self.problem(problem.also(span, format!("in this {}", schema.name)));
                    }
                }
                _ if attribute.required() => {
                    // What could not be parsed may have said it.
                    if !self.declared.may_exist(DEFAULTS.name, None) {
                        let message = format!("this `{}` needs `{}`", schema.name, attribute.name);
                        let example = format!("write {} = {}", attribute.name, attribute.example);
                        self.problem(Problem::new(Code::Missing, span, message).hint(example));
                    } else {
                        return false;
                    }
                }
                _ => {}
            }
        }
        self.declared.problems.len() == before
    }
}
