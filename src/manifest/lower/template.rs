//! Strings and heredocs in which something is inserted: text and expressions by turns, with
//! the white space gone that `~` takes away.

use std::sync::Arc;

use hcl_edit::template::{Directive, Element, Strip, Template};

use super::Lower;
use crate::manifest::ast::{Intro, Kind, Part};

/// A part, and whether it takes the white space before and after it.
struct Stripping {
    part: Part,
    before: bool,
    after: bool,
}

impl Lower<'_> {
    /// A text, if nothing is inserted; else a template.
    pub(super) fn template(&mut self, template: &Template) -> Kind {
        let mut parts = self.parts(template, false, false);
        match parts.as_slice() {
            [] => Kind::String(Arc::from("")),
            [Part::Text(_)] => match parts.pop() {
                Some(Part::Text(text)) => Kind::String(text),
                _ => Kind::Invalid,
            },
            _ => Kind::Template(parts),
        }
    }

    /// The parts of a template whose first or last white space its surroundings take.
    fn parts(&mut self, template: &Template, first: bool, last: bool) -> Vec<Part> {
        let parts: Vec<Stripping> = template.iter().map(|element| self.part(element)).collect();
        let mut lowered: Vec<Part> = Vec::with_capacity(parts.len());
        for (at, stripping) in parts.iter().enumerate() {
            let Part::Text(text) = &stripping.part else {
                lowered.push(stripping.part.clone());
                continue;
            };
            let before = match at.checked_sub(1).and_then(|at| parts.get(at)) {
                Some(neighbour) => neighbour.after,
                None => first,
            };
            let after = parts.get(at + 1).map_or(last, |neighbour| neighbour.before);
            let mut text: &str = text;
            if before {
                text = text.trim_start();
            }
            if after {
                text = text.trim_end();
            }
            if !text.is_empty() {
                lowered.push(Part::Text(Arc::from(text)));
            }
        }
        lowered
    }

    fn part(&mut self, element: &Element) -> Stripping {
        match element {
            Element::Literal(literal) => Stripping {
                part: Part::Text(Arc::from(literal.as_str())),
                before: false,
                after: false,
            },
            Element::Interpolation(inserted) => {
                let value = self.expression(&inserted.expr);
                Stripping {
                    part: Part::Value(value),
                    before: starts(inserted.strip),
                    after: ends(inserted.strip),
                }
            }
            Element::Directive(directive) => self.directive(directive),
        }
    }

    fn directive(&mut self, directive: &Directive) -> Stripping {
        match directive {
            Directive::If(choice) => {
                let (open, close) = (&choice.if_expr, &choice.endif_expr);
                let condition = self.expression(&open.cond_expr);
                let middle = choice.else_expr.as_ref();
                let next = middle.map_or(close.strip, |part| part.strip);
                let then = self.parts(&open.template, ends(open.strip), starts(next));
                let otherwise = middle
                    .map(|part| self.parts(&part.template, ends(part.strip), starts(close.strip)));
                Stripping {
                    part: Part::If(condition, then, otherwise.unwrap_or_default()),
                    before: starts(open.strip),
                    after: ends(close.strip),
                }
            }
            Directive::For(each) => {
                let (open, close) = (&each.for_expr, &each.endfor_expr);
                let name = |name: &hcl_edit::Ident| Arc::from(name.as_str());
                let intro = Intro {
                    key: open.key_var.as_ref().map(|key| name(key.value())),
                    value: name(open.value_var.value()),
                    collection: self.expression(&open.collection_expr),
                };
                let parts = self.parts(&open.template, ends(open.strip), starts(close.strip));
                Stripping {
                    part: Part::For(intro, parts),
                    before: starts(open.strip),
                    after: ends(close.strip),
                }
            }
        }
    }
}

fn starts(strip: Strip) -> bool {
    matches!(strip, Strip::Start | Strip::Both)
}

fn ends(strip: Strip) -> bool {
    matches!(strip, Strip::End | Strip::Both)
}
