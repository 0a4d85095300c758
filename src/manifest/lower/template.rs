//! Strings and heredocs in which something is inserted. The parser below does not read escapes
//! inside directives, takes indentation off the wrong lines, and goes on over the end of a
//! heredoc: so it only says where things stand, and the text is read here, as HCL's own
//! implementation does. First a flat row of tokens, a heredoc's text line by line; on these `~`
//! and the indentation do their work; then the tree.

use std::sync::Arc;

use hcl_edit::Span as _;
use hcl_edit::template::{Directive, Element, HeredocTemplate, Strip, Template};

use super::Lower;
use crate::manifest::ast::{Expression, Intro, Kind, Part};
use crate::manifest::diagnostic::{Code, Problem};

/// What a template stands in.
#[derive(Clone, Copy)]
enum Frame<'a> {
    Quotes,
    /// With its marker.
    Heredoc(&'a str),
}

enum Token {
    Text(String),
    Value(Expression),
    If(Expression),
    Else,
    For(Intro),
    /// `endif` or `endfor`.
    End,
}

/// Tokens while they are collected.
struct Row<'a> {
    frame: Frame<'a>,
    tokens: Vec<Token>,
    /// Whether the last one takes the white space of a text that follows.
    strips: bool,
}

impl Row<'_> {
    fn text(&mut self, text: &str) {
        let text = match std::mem::take(&mut self.strips) {
            true => text.trim_start(),
            false => text,
        };
        self.tokens.push(Token::Text(text.to_owned()));
    }

    /// A token that may take the white space around it.
    fn push(&mut self, token: Token, strip: Strip) {
        if matches!(strip, Strip::Start | Strip::Both)
            && let Some(Token::Text(text)) = self.tokens.last_mut()
        {
            text.truncate(text.trim_end().len());
        }
        self.strips = matches!(strip, Strip::End | Strip::Both);
        self.tokens.push(token);
    }
}

impl Lower<'_> {
    /// A quoted string.
    pub(super) fn quoted(&mut self, template: &Template) -> Kind {
        let tokens = self.row(template, Frame::Quotes);
        tree(tokens)
    }

    pub(super) fn heredoc(&mut self, heredoc: &HeredocTemplate) -> Kind {
        let frame = Frame::Heredoc(heredoc.delimiter.as_str());
        let mut tokens = self.row(&heredoc.template, frame);
        let start = heredoc.span().unwrap_or_default().start;
        let sign = self.text.get(start..).unwrap_or_default();
        if sign.starts_with("<<-") {
            flush(&mut tokens);
        }
        tree(tokens)
    }

    fn row(&mut self, template: &Template, frame: Frame<'_>) -> Vec<Token> {
        let mut row = Row {
            frame,
            tokens: Vec::new(),
            strips: false,
        };
        self.elements(template, &mut row, false);
        row.tokens
    }

    /// `inside`: of a directive.
    fn elements(&mut self, template: &Template, row: &mut Row<'_>, inside: bool) {
        for element in template.iter() {
            match element {
                Element::Literal(_) => self.literal(element, row, inside),
                Element::Interpolation(inserted) => {
                    let value = self.expression(&inserted.expr);
                    row.push(Token::Value(value), inserted.strip);
                }
                Element::Directive(directive) => self.directive(directive, row),
            }
        }
    }

    /// A text as it is written.
    fn literal(&mut self, element: &Element, row: &mut Row<'_>, inside: bool) {
        let range = element.span().unwrap_or_default();
        let raw = self.text.get(range.clone()).unwrap_or_default();
        match row.frame {
            Frame::Quotes => match unescaped(raw) {
                Ok(text) => row.text(&text),
                Err((at, message)) => {
                    let at = range.start + at;
                    let span = self.span(Some(at..at + 1));
                    self.problems
                        .push(Problem::new(Code::Syntax, span, message));
                }
            },
            Frame::Heredoc(marker) => {
                if inside && let Some(at) = end_of_heredoc(raw, marker) {
                    let at = range.start + at;
                    let span = self.span(Some(at..at + marker.len()));
                    let message = format!("{marker} ends the heredoc within a directive");
                    let problem = Problem::new(Code::Syntax, span, message);
                    self.problems.push(
                        problem.hint(
                            "close the directive above it, with `%{ endif }` or `%{ endfor }`",
                        ),
                    );
                }
                for line in raw.split_inclusive('\n') {
                    row.text(&line.replace("$${", "${").replace("%%{", "%{"));
                }
            }
        }
    }

    fn directive(&mut self, directive: &Directive, row: &mut Row<'_>) {
        match directive {
            Directive::If(choice) => {
                let (open, close) = (&choice.if_expr, &choice.endif_expr);
                let condition = self.expression(&open.cond_expr);
                row.push(Token::If(condition), open.strip);
                self.elements(&open.template, row, true);
                if let Some(middle) = &choice.else_expr {
                    row.push(Token::Else, middle.strip);
                    self.elements(&middle.template, row, true);
                }
                row.push(Token::End, close.strip);
            }
            Directive::For(each) => {
                let (open, close) = (&each.for_expr, &each.endfor_expr);
                let name = |name: &hcl_edit::Ident| Arc::from(name.as_str());
                let intro = Intro {
                    key: open.key_var.as_ref().map(|key| name(key.value())),
                    value: name(open.value_var.value()),
                    collection: self.expression(&open.collection_expr),
                };
                row.push(Token::For(intro), open.strip);
                self.elements(&open.template, row, true);
                row.push(Token::End, close.strip);
            }
        }
    }
}

/// Takes from each line the indentation that all of them have. A line of white space alone has
/// none; one that begins with something inserted has none to take.
fn flush(tokens: &mut [Token]) {
    let mut least = usize::MAX;
    let mut first = true;
    let mut begin: Vec<&mut String> = Vec::new();
    for token in tokens {
        let starts_line = std::mem::replace(&mut first, false);
        let Token::Text(text) = token else {
            if starts_line {
                least = 0;
            }
            continue;
        };
        first = text.ends_with('\n');
        let blank = first && text.trim_start().is_empty();
        if starts_line && !blank {
            let spaces = text.chars().take_while(|c| c.is_whitespace()).count();
            least = least.min(spaces);
            begin.push(text);
        }
    }
    for text in begin {
        *text = text.chars().skip(least).collect();
    }
}

/// A text, if nothing is inserted; else a template.
fn tree(tokens: Vec<Token>) -> Kind {
    // `"${x}"` is x itself, but not where white space around it was taken away.
    let alone = tokens.len() == 1;
    let mut tokens = tokens.into_iter();
    let mut parts = parts(&mut tokens);
    match parts.as_mut_slice() {
        [] => Kind::String(Arc::from("")),
        [Part::Text(text)] => Kind::String(Arc::clone(text)),
        [Part::Value(value)] if !alone => {
            let kind = Kind::String(Arc::from(""));
            let nothing = Expression {
                span: value.span,
                kind,
            };
            parts.insert(0, Part::Value(nothing));
            Kind::Template(parts)
        }
        _ => Kind::Template(parts),
    }
}

/// The parts up to the end of the directive that they stand in.
fn parts(tokens: &mut std::vec::IntoIter<Token>) -> Vec<Part> {
    parts_and_end(tokens).0
}

/// The same, and whether an `else` ended them.
fn parts_and_end(tokens: &mut std::vec::IntoIter<Token>) -> (Vec<Part>, bool) {
    let mut parts = Vec::new();
    let mut text = String::new();
    let settle = |text: &mut String, parts: &mut Vec<Part>| {
        if !text.is_empty() {
            parts.push(Part::Text(Arc::from(std::mem::take(text))));
        }
    };
    while let Some(token) = tokens.next() {
        if let Token::Text(more) = &token {
            text.push_str(more);
            continue;
        }
        settle(&mut text, &mut parts);
        match token {
            Token::Text(_) => {}
            Token::Value(value) => parts.push(Part::Value(value)),
            Token::If(condition) => {
                let (then, more) = parts_and_end(tokens);
                let otherwise = if more {
                    self::parts(tokens)
                } else {
                    Vec::new()
                };
                parts.push(Part::If(condition, then, otherwise));
            }
            Token::For(intro) => {
                let inner = self::parts(tokens);
                parts.push(Part::For(intro, inner));
            }
            Token::Else => return (parts, true),
            Token::End => return (parts, false),
        }
    }
    settle(&mut text, &mut parts);
    (parts, false)
}

/// Where a line begins with a heredoc's marker that ends it.
fn end_of_heredoc(raw: &str, marker: &str) -> Option<usize> {
    let mut at = 0;
    for line in raw.split_inclusive('\n') {
        let indented = line.trim_start_matches([' ', '\t']);
        let ends = indented.strip_prefix(marker).is_some_and(|rest| {
            !rest.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '-'))
        });
        // What stands before the first line end is not the beginning of a line.
        if at > 0 && ends {
            return Some(at + line.len() - indented.len());
        }
        at += line.len();
    }
    None
}

/// A piece of a quoted string with its escapes read; or where they make no sense, and why.
fn unescaped(raw: &str) -> Result<String, (usize, &'static str)> {
    let mut text = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(c) = rest.chars().next() {
        let at = raw.len() - rest.len();
        let mut after = rest.chars();
        after.next();
        match c {
            '"' => {
                return Err((
                    at,
                    "a quote within a directive ends the string: write `\\\"`",
                ));
            }
            '\\' => match after.next() {
                Some('n') => text.push('\n'),
                Some('r') => text.push('\r'),
                Some('t') => text.push('\t'),
                Some(same @ ('"' | '\\')) => text.push(same),
                Some(kind @ ('u' | 'U')) => {
                    let digits = if kind == 'u' { 4 } else { 8 };
                    let hex = after.as_str().get(..digits).unwrap_or_default();
                    let plain = hex.bytes().all(|byte| byte.is_ascii_hexdigit());
                    let code = u32::from_str_radix(hex, 16).ok().filter(|_| plain);
                    let Some(c) = code.and_then(char::from_u32) else {
                        return Err((at, "no character: write `\\uNNNN` or `\\UNNNNNNNN`"));
                    };
                    text.push(c);
                    after = after.as_str().get(digits..).unwrap_or_default().chars();
                }
                _ => {
                    return Err((
                        at,
                        "no escape: write `\\n`, `\\r`, `\\t`, `\\\"`, `\\\\` or `\\uNNNN`",
                    ));
                }
            },
            '$' | '%' if rest.starts_with("$${") || rest.starts_with("%%{") => {
                text.push(c);
                text.push('{');
                after = rest.get(3..).unwrap_or_default().chars();
            }
            c => text.push(c),
        }
        rest = after.as_str();
    }
    Ok(text)
}
