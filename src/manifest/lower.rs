//! hcl-edit's tree to ours: spans become places in the file, escapes become the
//! characters they mean, and an expression that only an evaluator could answer
//! is refused where it stands. Nothing passes through unread.

use std::collections::BTreeMap;
use std::ops::Range;

use hcl_edit::Span as _;
use hcl_edit::expr::{Expression, ObjectKey, Traversal, TraversalOperator};
use hcl_edit::structure;
use hcl_edit::template::Element;

use crate::manifest::ast::{Attribute, Block, Body, Item, Key, Node, Value};
use crate::manifest::diagnostic::{Code, Problem};
use crate::manifest::parse::span;
use crate::manifest::scan::MAX_ENTRIES;
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
        for item in from.iter() {
            match item {
                structure::Structure::Attribute(attribute) => {
                    let name = self.name(attribute.key.span(), attribute.key.as_str());
                    let here = self.span(attribute.key.span());
                    let value = self.node(&attribute.value);
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

    fn node(&mut self, expression: &Expression) -> Node {
        let here = self.span(expression.span());
        let value = match expression {
            Expression::Null(_) => Value::Null,
            Expression::Bool(value) => Value::Bool(*value.value()),
            Expression::Number(number) => match number.value().as_i64() {
                Some(integer) => Value::Integer(integer),
                None => Value::Float(number.value().as_f64().unwrap_or(f64::NAN)),
            },
            Expression::String(text) => Value::String(text.as_str().to_owned()),
            Expression::Array(list) => {
                if self.too_many(list.len(), here) {
                    Value::Invalid
                } else {
                    Value::List(list.iter().map(|item| self.node(item)).collect())
                }
            }
            Expression::Object(object) => {
                if self.too_many(object.len(), here) {
                    Value::Invalid
                } else {
                    self.object(object)
                }
            }
            Expression::HeredocTemplate(heredoc) => self.template(heredoc.template.iter(), here),
            Expression::StringTemplate(template) => self.template(template.iter(), here),
            Expression::Parenthesis(inner) => return self.node(inner.inner()),
            Expression::Variable(name) => Value::Reference(vec![name.as_str().to_owned()]),
            Expression::Traversal(traversal) => self.reference(traversal, here),
            Expression::FuncCall(_) => self.refuse(here, "a function call"),
            Expression::Conditional(_) => self.refuse(here, "a conditional"),
            Expression::UnaryOp(_) | Expression::BinaryOp(_) => self.refuse(here, "an operator"),
            Expression::ForExpr(_) => self.refuse(here, "a `for` expression"),
        };
        Node { span: here, value }
    }

    fn too_many(&mut self, count: usize, here: Span) -> bool {
        if count > MAX_ENTRIES {
            let message = format!("{count} entries; at most {MAX_ENTRIES} are allowed");
            self.problems
                .push(Problem::new(Code::OutOfBounds, here, message));
        }
        count > MAX_ENTRIES
    }

    fn refuse(&mut self, here: Span, what: &str) -> Value {
        let hint = match what {
            "interpolation" => {
                "write the value out; `$${` and `%%{` stand for `${` and `%{` as text"
            }
            _ => "write the value out",
        };
        let message = format!("{what} cannot be used: this version takes literal values only");
        self.problems
            .push(Problem::new(Code::NotLiteral, here, message).hint(hint));
        Value::Invalid
    }

    /// A string or heredoc: text, if nothing in it is interpolated.
    fn template<'e>(&mut self, parts: impl Iterator<Item = &'e Element>, here: Span) -> Value {
        let mut text = String::new();
        for element in parts {
            match element {
                Element::Literal(literal) => text.push_str(literal.as_str()),
                Element::Interpolation(_) | Element::Directive(_) => {
                    let here = element.span().map_or(here, |range| self.span(Some(range)));
                    return self.refuse(here, "interpolation");
                }
            }
        }
        Value::String(text)
    }

    fn object(&mut self, object: &hcl_edit::expr::Object) -> Value {
        let mut seen: BTreeMap<String, Span> = BTreeMap::new();
        let mut entries = Vec::with_capacity(object.len());
        for (key, value) in object.iter() {
            let here = self.span(key.span());
            let node = self.node(value.expr());
            let Some(text) = self.key(key, here) else {
                continue;
            };
            match seen.get(&text).copied() {
                Some(first) => self.repeated(&text, first, here),
                None => {
                    seen.insert(text.clone(), here);
                    entries.push((Key { text, span: here }, node));
                }
            }
        }
        Value::Object(entries)
    }

    fn key(&mut self, key: &ObjectKey, here: Span) -> Option<String> {
        let text = match key {
            ObjectKey::Ident(ident) => ident.as_str().to_owned(),
            ObjectKey::Expression(Expression::String(text)) => text.as_str().to_owned(),
            ObjectKey::Expression(
                Expression::Number(_) | Expression::Bool(_) | Expression::Null(_),
            ) => {
                let range = key.span().unwrap_or_default();
                self.text.get(range).unwrap_or_default().trim().to_owned()
            }
            ObjectKey::Expression(_) => {
                self.refuse(here, "an expression as a key");
                return None;
            }
        };
        Some(self.name(key.span(), &text))
    }

    fn reference(&mut self, traversal: &Traversal, here: Span) -> Value {
        let Expression::Variable(root) = &traversal.expr else {
            return self.refuse(here, "an index");
        };
        if matches!(root.as_str(), "var" | "local" | "each" | "template") {
            return self.refuse(here, "a variable");
        }
        let mut parts = vec![root.as_str().to_owned()];
        for operator in &traversal.operators {
            match operator.value() {
                TraversalOperator::GetAttr(name) => parts.push(name.as_str().to_owned()),
                _ => return self.refuse(here, "an index"),
            }
        }
        Value::Reference(parts)
    }
}
