//! Expressions, from hcl-edit's tree to ours.

use std::collections::BTreeMap;
use std::sync::Arc;

use hcl_edit::Span as _;
use hcl_edit::expr::{
    BinaryOperator, Expression as Parsed, ForExpr, FuncCall, Object, ObjectKey, Traversal,
    TraversalOperator, UnaryOperator,
};

use super::Lower;
use crate::manifest::ast::{Call, ELEMENT, Expression, For, Intro, Kind, Operator, Splat};
use crate::manifest::diagnostic::{Code, Problem};
use crate::manifest::scan::{MAX_ENTRIES, MAX_PATH};
use crate::manifest::source::Span;

impl Lower<'_> {
    pub(super) fn expression(&mut self, parsed: &Parsed) -> Expression {
        let span = self.span(parsed.span());
        let kind = match parsed {
            Parsed::Null(_) => Kind::Null,
            Parsed::Bool(value) => Kind::Bool(*value.value()),
            Parsed::Number(number) => self.number(number.value(), parsed.span(), span),
            Parsed::String(text) => Kind::String(Arc::from(text.as_str())),
            Parsed::Array(list) if self.too_many(list.len(), span) => Kind::Invalid,
            Parsed::Array(list) => {
                Kind::List(list.iter().map(|item| self.expression(item)).collect())
            }
            Parsed::Object(object) if self.too_many(object.len(), span) => Kind::Invalid,
            Parsed::Object(object) => self.object(object),
            Parsed::StringTemplate(template) => self.quoted(template),
            Parsed::HeredocTemplate(heredoc) => self.heredoc(heredoc),
            Parsed::Parenthesis(inner) => return self.expression(inner.inner()),
            Parsed::Variable(name) => Kind::Variable(Arc::from(name.as_str())),
            Parsed::Traversal(traversal) => return self.traversal(traversal, span),
            Parsed::FuncCall(call) => self.call(call),
            Parsed::Conditional(choice) => Kind::Conditional(Box::new([
                self.expression(&choice.cond_expr),
                self.expression(&choice.true_expr),
                self.expression(&choice.false_expr),
            ])),
            Parsed::UnaryOp(unary) => {
                let of = Box::new(self.expression(&unary.expr));
                match unary.operator.value() {
                    UnaryOperator::Neg => Kind::Negative(of),
                    UnaryOperator::Not => Kind::Not(of),
                }
            }
            Parsed::BinaryOp(binary) => {
                let left = self.expression(&binary.lhs_expr);
                let right = self.expression(&binary.rhs_expr);
                Kind::Binary(operator(*binary.operator.value()), Box::new([left, right]))
            }
            Parsed::ForExpr(each) => self.for_expression(each),
        };
        Expression { span, kind }
    }

    /// A number: exact if it is whole. The parser rounds those that are too large for it.
    fn number(
        &mut self,
        number: &hcl_edit::Number,
        range: Option<std::ops::Range<usize>>,
        span: Span,
    ) -> Kind {
        let written = range
            .and_then(|range| self.text.get(range))
            .unwrap_or_default();
        let digits = written.trim_start_matches(['-', ' ', '\t']);
        let exact = |float: f64| {
            !digits.bytes().all(|byte| byte.is_ascii_digit()) || float.abs().to_string() == digits
        };
        match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => Kind::Integer(integer),
            (None, Some(float)) if float.is_finite() && exact(float) => Kind::Float(float),
            _ => {
                let problem = Problem::new(Code::OutOfBounds, span, "this number is too large");
                self.problems.push(problem);
                Kind::Invalid
            }
        }
    }

    fn too_many(&mut self, count: usize, span: Span) -> bool {
        if count > MAX_ENTRIES {
            let message = format!("{count} entries; at most {MAX_ENTRIES} are allowed");
            self.problems
                .push(Problem::new(Code::OutOfBounds, span, message));
        }
        count > MAX_ENTRIES
    }

    fn object(&mut self, object: &Object) -> Kind {
        let mut seen: BTreeMap<Arc<str>, Span> = BTreeMap::new();
        let mut entries = Vec::with_capacity(object.len());
        for (key, value) in object.iter() {
            let key = self.key(key);
            let value = self.expression(value.expr());
            if let Kind::String(text) = &key.kind {
                match seen.get(text).copied() {
                    Some(first) => {
                        self.repeated(text, first, key.span);
                        continue;
                    }
                    None => seen.insert(Arc::clone(text), key.span),
                };
            }
            entries.push((key, value));
        }
        Kind::Object(entries)
    }

    /// A key: a word stands for itself, as does a literal.
    fn key(&mut self, key: &ObjectKey) -> Expression {
        let span = self.span(key.span());
        let text = |text: String| Expression {
            span,
            kind: Kind::String(Arc::from(text)),
        };
        let literal = match key {
            ObjectKey::Ident(ident) => ident.as_str().to_owned(),
            ObjectKey::Expression(Parsed::String(text)) => text.as_str().to_owned(),
            ObjectKey::Expression(Parsed::Bool(_) | Parsed::Null(_)) => {
                let range = key.span().unwrap_or_default();
                self.text.get(range).unwrap_or_default().trim().to_owned()
            }
            ObjectKey::Expression(Parsed::Traversal(_)) => {
                let message = "a key that is a reference stands in parentheses";
                let problem = Problem::new(Code::Syntax, span, message);
                self.problems.push(
                    problem.hint("write `(a.b) = ...`, or quotes if it is a text: `\"a.b\" = ...`"),
                );
                return Expression::invalid(span);
            }
            ObjectKey::Expression(number @ Parsed::Number(_)) => {
                return match self.expression(number).kind {
                    Kind::Integer(number) => text(number.to_string()),
                    Kind::Float(number) => text(number.to_string()),
                    kind => Expression { span, kind },
                };
            }
            ObjectKey::Expression(expression) => return self.expression(expression),
        };
        text(self.name(key.span(), &literal))
    }

    fn call(&mut self, call: &FuncCall) -> Kind {
        let words = call.name.namespace.iter().chain([&call.name.name]);
        let words: Vec<&str> = words.map(|word| word.as_str()).collect();
        let at = self.span(call.name.name.span());
        let arguments = call.args.iter().map(|arg| self.expression(arg)).collect();
        Kind::Call(Box::new(Call {
            name: words.join("::"),
            at,
            arguments,
            expand: call.args.expand_final(),
        }))
    }

    fn for_expression(&mut self, each: &ForExpr) -> Kind {
        let intro = &each.intro;
        let name = |name: &hcl_edit::Ident| Arc::from(name.as_str());
        Kind::For(Box::new(For {
            intro: Intro {
                key: intro.key_var.as_ref().map(|key| name(key.value())),
                value: name(intro.value_var.value()),
                collection: self.expression(&intro.collection_expr),
            },
            key: each.key_expr.as_ref().map(|key| self.expression(key)),
            value: self.expression(&each.value_expr),
            condition: each.cond.as_ref().map(|cond| self.expression(&cond.expr)),
            grouping: each.grouping,
        }))
    }

    fn traversal(&mut self, traversal: &Traversal, whole: Span) -> Expression {
        let operators: Vec<_> = traversal.operators.iter().collect();
        if operators.len() > MAX_PATH {
            let message = format!(
                "{} steps into a value; at most {MAX_PATH} are allowed",
                operators.len()
            );
            self.problems
                .push(Problem::new(Code::TooDeep, whole, message));
            return Expression::invalid(whole);
        }
        let of = self.expression(&traversal.expr);
        self.steps(of, &operators, whole)
    }

    /// `of` and what is asked of it, step by step.
    fn steps(
        &mut self,
        mut of: Expression,
        operators: &[&hcl_edit::Decorated<TraversalOperator>],
        whole: Span,
    ) -> Expression {
        let mut rest = operators.iter();
        while let Some(operator) = rest.next() {
            let end = operator
                .span()
                .map_or(whole.end, |range| self.span(Some(range)).end);
            let span = Span { end, ..whole };
            let kind = match operator.value() {
                TraversalOperator::GetAttr(name) => {
                    Kind::Attribute(Box::new(of), Arc::from(name.as_str()))
                }
                TraversalOperator::Index(at) => {
                    let at = self.expression(at);
                    Kind::Index(Box::new(of), Box::new(at))
                }
                TraversalOperator::LegacyIndex(at) => {
                    let at = Expression {
                        span,
                        kind: Kind::Integer(i64::try_from(**at).unwrap_or(i64::MAX)),
                    };
                    Kind::Index(Box::new(of), Box::new(at))
                }
                TraversalOperator::AttrSplat(_) | TraversalOperator::FullSplat(_) => {
                    let attributes_only =
                        matches!(operator.value(), TraversalOperator::AttrSplat(_));
                    // `a.*.b.0` asks each element for `b.0`, `a.*.b[0]` the list for its first.
                    let dotted = |operator: &&&hcl_edit::Decorated<TraversalOperator>| {
                        matches!(
                            operator.value(),
                            TraversalOperator::GetAttr(_) | TraversalOperator::LegacyIndex(_)
                        )
                    };
                    let taken = match attributes_only {
                        true => rest.as_slice().iter().take_while(dotted).count(),
                        false => rest.len(),
                    };
                    let element = Expression {
                        span,
                        kind: Kind::Variable(Arc::from(ELEMENT)),
                    };
                    let (inside, after) = rest.as_slice().split_at(taken);
                    let each = self.steps(element, inside, whole);
                    rest = after.iter();
                    Kind::Splat(Box::new(Splat { of, each }))
                }
            };
            of = Expression { span, kind };
        }
        of
    }
}

fn operator(parsed: BinaryOperator) -> Operator {
    match parsed {
        BinaryOperator::Eq => Operator::Equal,
        BinaryOperator::NotEq => Operator::NotEqual,
        BinaryOperator::LessEq => Operator::LessOrEqual,
        BinaryOperator::GreaterEq => Operator::GreaterOrEqual,
        BinaryOperator::Less => Operator::Less,
        BinaryOperator::Greater => Operator::Greater,
        BinaryOperator::Plus => Operator::Plus,
        BinaryOperator::Minus => Operator::Minus,
        BinaryOperator::Mul => Operator::Times,
        BinaryOperator::Div => Operator::Divide,
        BinaryOperator::Mod => Operator::Modulo,
        BinaryOperator::And => Operator::And,
        BinaryOperator::Or => Operator::Or,
    }
}
