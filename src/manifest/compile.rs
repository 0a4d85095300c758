//! The whole way: read, declare, evaluate, expand, check. One error in a root means no
//! desired state for it; all problems of all files are told in one pass.

mod fallback;
mod include;
mod maintenance;
mod project;
mod suppression;

use std::collections::{BTreeMap, BTreeSet};

use crate::manifest::ast::{Block, Item};
use crate::manifest::attributes::maintenance::MAINTENANCE;
use crate::manifest::attributes::webhook::WEBHOOK;
use crate::manifest::attributes::{DEFAULTS, TEMPLATE};
use crate::manifest::declare::{Declarations, Gaps, Library, declared_twice};
use crate::manifest::diagnostic::{Code, Diagnostic, Diagnostics, Problem, Severity};
use crate::manifest::eval::scope::{Doors, Members, NO_EACH, Root, Scope, Work};
use crate::manifest::expand::{Called, Expansion, Ground, Known, expand, stacked};
use crate::manifest::fill::{Filled, Filling};
use crate::manifest::inputs::Inputs;
use crate::manifest::layer::Layer;
use crate::manifest::layering::{Layering, Uses};
use crate::manifest::lint::{self, Silence};
use crate::manifest::locals;
use crate::manifest::moves::{self, Addresses};
use crate::manifest::outside::Outside;
use crate::manifest::read::{Reading, whole};
use crate::manifest::source::{Files, Sources, Span};
use crate::manifest::table;
use crate::manifest::variables::Variables;
use crate::model::desired::{Declared, Desired, ProjectSpec, SourceLine};
use crate::model::name::Name;
use crate::model::secret::{SecretName, colliding};
use crate::model::webhook::WebhookSpec;
use crate::spec::Encoded;

pub use crate::manifest::expand::{Keep, MAX_KEY};
pub use crate::manifest::strays::{project_by_words, roots, strays};

/// A root that has no error.
#[derive(Debug)]
pub struct Compiled {
    /// `None` while it hangs on a variable that has no value.
    pub project: Option<Name>,
    /// `None` while something hangs on a variable that has no value, or if it was not to be
    /// kept.
    pub desired: Option<Desired>,
    /// The same with checks as bytes.
    pub encoded: Option<Desired<Encoded>>,
    /// The variables that are declared.
    pub variables: Vec<String>,
    /// Those that have no value.
    pub unknown: Vec<String>,
    pub checks: usize,
    pub webhooks: usize,
    pub warnings: Vec<Diagnostic>,
    /// By address, if it was asked for.
    pub origins: BTreeMap<String, Vec<OriginLine>>,
}

/// A value of a check and where it was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OriginLine {
    /// `every`, `labels.team`, `assert.page.status`.
    pub path: String,
    /// In the notation of the files.
    pub value: String,
    pub source: SourceLine,
}

/// What the files of a root declare, or every problem of every file. The same files and
/// inputs give the same answer, in whatever order the files are listed.
pub fn compile(files: &dyn Files, inputs: &Inputs, keep: Keep) -> Result<Compiled, Diagnostics> {
    let mut reading = Reading::new(files);
    let mut declared = Declarations::default();
    for file in reading.root() {
        declared.file(file, Library::No, &reading.sources, &mut reading.gaps);
    }
    include::include(&mut reading, &mut declared);
    let outside = Outside {
        files,
        inputs,
        work: Work::bounded(Work::MAX),
    };
    let mut problems = std::mem::take(&mut declared.problems);
    let variables = Variables {
        inputs,
        doors: &outside,
        work: &outside.work,
        sources: &mut reading.sources,
        problems: &mut problems,
        gaps: &reading.gaps,
        hidden: false,
    }
    .values(&declared.variables);
    let locals = locals::values(
        &declared.locals,
        &reading.gaps,
        &variables,
        &outside,
        &mut problems,
    );
    let mut root = Compiling {
        sources: &reading.sources,
        gaps: &mut reading.gaps,
        declared: &declared,
        variables: &variables,
        locals: &locals,
        outside: &outside,
        keep,
        problems,
        uses: Uses::default(),
    };
    let compiled = root.compile();
    let (mut problems, uses) = (root.problems, root.uses);
    for (name, (_, value)) in &declared.locals {
        lint::declared(name, value, &mut problems);
    }
    for (name, block) in &declared.variables {
        for item in &block.body.items {
            if let Item::Attribute(attribute) = item
                && attribute.name == "default"
            {
                lint::declared(name, &attribute.value, &mut problems);
            }
        }
    }
    if reading.problems.is_empty() && reading.refused.is_empty() {
        unused(&declared, &uses, &mut problems);
    }
    if outside.work.is_too_much() {
        // How far it came is chance.
        let message = "these files take too much work to evaluate";
        let problem = Problem::new(Code::TooMuchWork, Span::START, message);
        let hint = "fewer checks, or fewer steps for each: `for` over long lists, most likely";
        problems = vec![Problem {
            span: None,
            ..problem.hint(hint)
        }];
    }
    problems.append(&mut reading.problems);
    finish(compiled, problems, reading.refused, &reading.sources)
}

/// The answer, with the problems in the order of the files.
fn finish(
    compiled: Compiled,
    mut problems: Vec<Problem>,
    refused: Vec<Diagnostic>,
    sources: &Sources,
) -> Result<Compiled, Diagnostics> {
    let mut silence = Silence::of(sources);
    problems.retain(|problem| {
        problem.code.severity() == Severity::Error || !silence.covers(problem, sources)
    });
    let is_error = |problem: &Problem| problem.code.severity() == Severity::Error;
    // What has errors, or hangs on what is not known, was not looked at as a whole.
    let looked =
        compiled.unknown.is_empty() && refused.is_empty() && !problems.iter().any(is_error);
    problems.extend(silence.useless(looked));
    if !refused.is_empty() || problems.iter().any(is_error) {
        // What is wrong may be the very check that one means.
        problems.retain(|problem| problem.code != Code::MeansNoCheck);
    }
    problems.sort_by(|a, b| (a.span, a.code, &a.message).cmp(&(b.span, b.code, &b.message)));
    problems.dedup_by(|a, b| a.span.is_some() && a.span == b.span && a.code == b.code);
    let more = problems.len() > Diagnostics::MAX;
    let wrong = problems.iter().any(is_error) || !refused.is_empty();
    if more {
        // Whatever is not listed, it must not be what makes the files wrong.
        problems.sort_by_key(|problem| !is_error(problem));
    }
    let listed = problems.into_iter().take(Diagnostics::MAX);
    let mut list = refused;
    list.extend(listed.map(|problem| problem.resolve(sources)));
    if more {
        let message = format!(
            "more than {} problems; the others are not listed",
            Diagnostics::MAX
        );
        list.push(Diagnostic {
            // So many warnings are still warnings.
            severity: if wrong {
                Severity::Error
            } else {
                Severity::Warning
            },
            ..whole(".".into(), Code::TooMuch, message)
        });
    }
    let Diagnostics(list) = Diagnostics::sorted(list);
    match list.iter().any(|one| one.severity == Severity::Error) {
        true => Err(Diagnostics(list)),
        false => Ok(Compiled {
            warnings: list,
            ..compiled
        }),
    }
}

/// What nothing uses. What an unread file may use is not told.
fn unused(declared: &Declarations, uses: &Uses, problems: &mut Vec<Problem>) {
    let errors = problems
        .iter()
        .any(|problem| problem.code.severity() == Severity::Error);
    if errors {
        return;
    }
    let variables = declared
        .variables
        .iter()
        .map(|(name, block)| ("var", name.as_str(), block.span));
    let locals = declared
        .locals
        .iter()
        .map(|(name, (span, _))| ("local", name.as_str(), *span));
    let templates = declared
        .templates
        .iter()
        .map(|(name, block)| ("template", name.as_str(), block.span));
    let webhooks = declared
        .webhooks
        .iter()
        .map(|(name, block)| ("webhook", name.as_str(), block.span));
    for (kind, name, span) in variables.chain(locals).chain(templates).chain(webhooks) {
        let shared = declared.shared.contains(&span.file);
        if !shared && !uses.names.contains(&(kind.to_owned(), name.to_owned())) {
            let message = format!("nothing uses {kind}.{name}");
            problems.push(Problem::new(Code::Unused, span, message));
        }
    }
}

struct Compiling<'a> {
    sources: &'a Sources,
    gaps: &'a mut Gaps,
    declared: &'a Declarations,
    variables: &'a Members,
    locals: &'a Members,
    outside: &'a Outside<'a>,
    keep: Keep,
    problems: Vec<Problem>,
    uses: Uses,
}

impl<'a> Compiling<'a> {
    fn compile(&mut self) -> Compiled {
        let names: BTreeSet<Name> = self.declared.webhooks.keys().cloned().collect();
        for (_, expression) in self.declared.locals.values() {
            self.uses.of(expression);
        }
        let project = self.project(&names);
        let (webhooks, mut all_known) = self.webhooks(&names);
        let (maintenances, known) = self.maintenances(&names);
        all_known &= known;
        let project = project.map(|(project, mut spec, operators)| {
            self.operators(&operators, &webhooks);
            spec.maintenances = maintenances;
            (project, spec)
        });
        let defaults: BTreeMap<String, Layer> = self
            .declared
            .defaults
            .iter()
            .map(|(folder, block)| (folder.clone(), self.layer(block, &DEFAULTS, &names)))
            .collect();
        let templates: BTreeMap<Name, Layer> = self
            .declared
            .templates
            .iter()
            .map(|(name, block)| (name.clone(), self.layer(block, &TEMPLATE, &names)))
            .collect();
        for block in &self.declared.nameless {
            let schema = match block.kind.as_str() {
                kind if kind == TEMPLATE.name => &TEMPLATE,
                kind if kind == MAINTENANCE.name => &MAINTENANCE,
                _ => &WEBHOOK,
            };
            self.layer(block, schema, &names);
        }
        let expansion = expand(
            &Ground {
                sources: self.sources,
                gaps: self.gaps,
                variables: self.variables,
                locals: self.locals,
                webhooks: &names,
                templates: &templates,
                defaults: &stacked(&defaults),
                doors: self.outside,
                keep: self.keep,
                labelled: project.as_ref().is_some_and(|(_, spec)| {
                    let mut all = spec.maintenances.values();
                    all.any(|it| !it.selector.labels.is_empty())
                }),
                work: &self.outside.work,
            },
            &self.declared.early,
            &self.declared.checks,
        );
        self.finish(project, webhooks, all_known, expansion)
    }

    fn finish(
        &mut self,
        project: Option<(Name, ProjectSpec)>,
        webhooks: BTreeMap<String, Declared<WebhookSpec>>,
        all_known: bool,
        mut expansion: Expansion,
    ) -> Compiled {
        self.uses.extend(std::mem::take(&mut expansion.uses));
        self.secrets();
        self.problems.append(&mut expansion.problems);
        let complete = expansion.lost.is_empty() && !self.gaps.blind;
        for lost in expansion.lost {
            self.gaps.lose(lost);
        }
        self.names(&expansion.names);
        let declared = self.addresses(&expansion.names, &expansion.checks);
        lint::across(&expansion.checks, &mut self.problems);
        if complete {
            self.suppressions(&expansion.checks, &expansion.names);
        }
        if let (Some((_, spec)), true) = (&project, complete) {
            self.idle_maintenances(&spec.maintenances, &expansion.checks);
        }
        let addresses = Addresses {
            declared: &declared,
            complete,
        };
        let moves = moves::moves(
            &self.declared.moves,
            &addresses,
            self.sources,
            &mut self.problems,
        );
        let (mut checks, mut encoded, mut origins) =
            (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let mut known = all_known;
        let count = expansion.checks.len();
        for check in expansion.checks {
            if !check.origins.is_empty() {
                let line = |origin: crate::manifest::origin::Origin| OriginLine {
                    path: origin.path,
                    value: origin.value,
                    source: self.line(origin.span),
                };
                let lines = check.origins.into_iter().map(line).collect();
                origins.insert(check.address.clone(), lines);
            }
            let source = self.line(check.span);
            match check.known {
                Known::Spec(spec) => {
                    let spec = *spec;
                    checks.insert(check.address, Declared { spec, source });
                }
                Known::Encoded(spec) => {
                    encoded.insert(check.address, Declared { spec, source });
                }
                Known::Whole => {}
                Known::Part => known = false,
            }
        }
        let unknown = self
            .variables
            .iter()
            .filter(|(_, known)| crate::manifest::eval::convert::has_unknown(&known.node.value));
        let unknown = unknown.map(|(name, _)| name.clone()).collect();
        let receivers = self.declared.webhooks.len();
        let name = project.as_ref().map(|(name, _)| name.clone());
        let root = self.declared.root.as_ref();
        let project_source = root.map(|block| self.line(block.span)).unwrap_or_default();
        let whole = project.filter(|_| known && self.keep != Keep::Nothing);
        let whole = whole.map(|(project, project_spec)| Desired {
            project,
            checks,
            webhooks,
            project_spec,
            project_source,
            moves: moves.moves,
        });
        let (desired, encoded) = match self.keep {
            Keep::Encoded => (None, whole.map(|whole| whole.with_checks(encoded))),
            _ => (whole, None),
        };
        Compiled {
            project: name,
            desired,
            encoded,
            variables: self.variables.keys().cloned().collect(),
            unknown,
            checks: count,
            webhooks: receivers,
            warnings: Vec::new(),
            origins,
        }
    }

    fn line(&self, span: Span) -> SourceLine {
        SourceLine {
            file: self.sources.path(span.file).to_owned(),
            line: self.sources.line(span),
        }
    }

    fn scope(&self) -> Scope<'a> {
        let doors = self.outside as &dyn Doors;
        let work = &self.outside.work;
        let mut scope = Scope::of_file(self.variables, self.locals, NO_EACH, doors, work);
        scope.roots.push(("check", Root::Reference));
        scope
    }

    /// A block that is the same for all that use it.
    fn layer(
        &mut self,
        block: &Block,
        schema: &'static table::Block,
        names: &BTreeSet<Name>,
    ) -> Layer {
        let scope = self.scope();
        let mut layering = Layering {
            scope: &scope,
            gaps: self.gaps,
            webhooks: names,
            uses: &mut self.uses,
            problems: &mut self.problems,
        };
        let mut layer = layering.body(&block.body, schema);
        layering.try_out(&mut layer, schema);
        layer
    }

    /// The receivers, and whether all of them are known.
    fn webhooks(
        &mut self,
        names: &BTreeSet<Name>,
    ) -> (BTreeMap<String, Declared<WebhookSpec>>, bool) {
        let mut webhooks = BTreeMap::new();
        let mut all_known = true;
        let mut fallbacks = BTreeMap::new();
        for (name, block) in &self.declared.webhooks {
            let layer = self.layer(block, &WEBHOOK, names);
            let filling = Filling::new(self.gaps, &mut self.problems);
            match filling.draft(&WEBHOOK, &layer, block.span) {
                Filled::Good(draft) => {
                    let Some(url) = draft.webhook_url else {
                        continue;
                    };
                    lint::webhook(&layer, &mut self.problems);
                    let spec = WebhookSpec {
                        url,
                        format: draft.webhook_format,
                        ..draft.webhook
                    };
                    if let Some(fallback) = &spec.fallback {
                        let row = WEBHOOK.attribute("fallback").map(|(row, _)| row);
                        let node = row.and_then(|row| layer.get(row));
                        let span = node.map_or(block.span, |node| node.span);
                        fallbacks.insert(name.clone(), (fallback.clone(), span));
                    }
                    let source = self.line(block.span);
                    webhooks.insert(name.to_string(), Declared { spec, source });
                }
                Filled::Unknown => all_known = false,
                Filled::Bad => {}
            }
        }
        self.fallbacks(&fallbacks);
        (webhooks, all_known)
    }

    /// Tells secrets that one variable of the environment would stand for.
    fn secrets(&mut self) {
        let named = |(name, span): (&String, &Span)| Some((name.parse().ok()?, *span));
        let secrets: Vec<(SecretName, Span)> = self.uses.secrets.iter().filter_map(named).collect();
        let Some((first, second)) = colliding(secrets.iter().map(|(name, _)| name)) else {
            return;
        };
        let place = |wanted: &SecretName| {
            let mut found = secrets.iter().filter(|(name, _)| name == wanted);
            found.next().map(|(_, span)| *span)
        };
        if let (Some(here), Some(there)) = (place(second), place(first)) {
            let message = format!("{second} and {first} would both be {}", first.variable());
            let problem = Problem::new(Code::InvalidName, here, message);
            self.problems.push(problem.also(there, "the other is here"));
        }
    }

    /// Tells checks of the same name, or of the same name and key.
    fn names(&mut self, names: &[Called]) {
        let mut first: BTreeMap<(&Name, Option<&str>), Span> = BTreeMap::new();
        let mut sorted: Vec<_> = names.iter().collect();
        sorted.sort_by_key(|called| called.span);
        for Called { name, key, span } in sorted {
            // One without a key may have every key, by `for_each`.
            let whole = (name, None);
            let same = match key.as_deref() {
                Some(key) => first.get(&(name, Some(key))).or(first.get(&whole)),
                None => {
                    let next = first.range(whole..).next();
                    next.filter(|((other, _), _)| *other == name)
                        .map(|(_, span)| span)
                }
            };
            match same {
                Some(before) => {
                    let again = match key {
                        Some(key) => first.contains_key(&(name, Some(&**key))),
                        None => first.contains_key(&whole),
                    };
                    let problem = match again {
                        true => {
                            let message = format!("check `{name}` is declared twice");
                            declared_twice(*span, *before, message)
                        }
                        false => {
                            let message = format!(
                                "check `{name}` is declared as a whole, and one of its keys by itself"
                            );
                            declared_twice(*span, *before, message).hint(
                                "put the key into the `for_each` of the whole, or call one of the two something else",
                            )
                        }
                    };
                    self.problems.push(problem);
                }
                None => {
                    first.insert((name, key.as_deref()), *span);
                }
            }
        }
    }

    /// Everything that is declared, as it is referred to.
    fn addresses(
        &self,
        names: &[Called],
        checks: &[crate::manifest::expand::Expanded],
    ) -> BTreeSet<String> {
        if self.declared.moves.is_empty() {
            return BTreeSet::new();
        }
        let named = names.iter().map(|called| format!("check.{}", called.name));
        let checks = checks
            .iter()
            .map(|check| format!("check.{}", check.address));
        let webhooks = self
            .declared
            .webhooks
            .keys()
            .map(|name| format!("webhook.{name}"));
        named.chain(checks).chain(webhooks).collect()
    }
}
