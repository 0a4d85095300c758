//! hcl-edit's tree to ours: spans become places in the file, and escapes become the
//! characters they mean. Nothing passes through unread.

mod expression;
mod template;

use std::collections::BTreeMap;
use std::ops::Range;

use hcl_edit::Span as _;
use hcl_edit::structure;

use crate::manifest::ast::{Attribute, Block, Body, Item};
use crate::manifest::diagnostic::{Code, Problem};
use crate::manifest::parse::span;
use crate::manifest::source::Span;

/// Lowers the tree of a part of a file.
pub(crate) struct Lower<'a> {
    file: u32,
    text: &'a str,
    /// Where the part starts in its file.
    offset: usize,
    /// Names that were changed so that the parser would go on, by offset.
    pub(crate) renamed: BTreeMap<usize, String>,
    pub(crate) problems: Vec<Problem>,
}

impl<'a> Lower<'a> {
    pub(crate) fn new(file: u32, text: &'a str, offset: usize) -> Self {
        Self {
            file,
            text,
            offset,
            renamed: BTreeMap::new(),
            problems: Vec::new(),
        }
    }

    fn span(&self, range: Option<Range<usize>>) -> Span {
        let range = range.unwrap_or_default();
        span(
            self.file,
            range.start + self.offset..range.end + self.offset,
        )
    }

    /// The name that the file has at this place.
    fn name(&self, range: Option<Range<usize>>, parsed: &str) -> String {
        range
            .and_then(|range| self.renamed.get(&range.start))
            .map_or_else(|| parsed.to_owned(), String::clone)
    }

    pub(crate) fn body(&mut self, from: &structure::Body, into: &mut Body) {
        let mut seen: BTreeMap<String, Span> = BTreeMap::new();
        into.items.reserve_exact(from.len());
        for item in from.iter() {
            match item {
                structure::Structure::Attribute(attribute) => {
                    let name = self.name(attribute.key.span(), attribute.key.as_str());
                    let here = self.span(attribute.key.span());
                    let value = self.expression(&attribute.value);
                    if !self.renamed.is_empty()
                        && let Some(first) = seen.insert(name.clone(), here)
                    {
                        seen.insert(name.clone(), first);
                        self.repeated(&name, first, here);
                        continue;
                    }
                    into.items.push(Item::Attribute(Attribute {
                        name,
                        span: here,
                        value,
                    }));
                }
                structure::Structure::Block(block) => {
                    let mut body = Body::default();
                    self.body(&block.body, &mut body);
                    let label = |label: &structure::BlockLabel| {
                        (label.as_str().to_owned(), self.span(label.span()))
                    };
                    into.items.push(Item::Block(Block {
                        kind: block.ident.as_str().to_owned(),
                        span: self.span(block.ident.span()),
                        labels: block.labels.iter().map(label).collect(),
                        body,
                    }));
                }
            }
        }
    }

    fn repeated(&mut self, name: &str, first: Span, here: Span) {
        let problem = Problem::new(Code::Repeated, here, format!("`{name}` stands twice"))
            .also(first, "it is here first");
        self.problems.push(problem);
    }
}
