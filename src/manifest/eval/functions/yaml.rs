//! YAML. Its anchors let a short text stand for a huge value, so every value is counted as
//! often as it occurs, before it is copied.

mod scalar;

use std::collections::BTreeMap;

use yaml_rust2::parser::{Event, Parser};
use yaml_rust2::scanner::Marker;

use crate::manifest::eval::functions::{
    Failure, Function, Group, Kind, Parameter, Wants, arguments, coerce, limits,
};
use crate::manifest::eval::value::Value;
use crate::manifest::source::Span;
use crate::model::quoted::Quoted;

pub(super) const YAMLDECODE: Function = Function {
    name: "yamldecode",
    group: Group::Encoding,
    parameters: &[Parameter::new("text", Wants::String)],
    rest: None,
    result: Kind::Any,
    about: "The value of a text of YAML with one document.",
    example: r#"yamldecode("regions: [eu, us]")"#,
    gives: r#"{ regions = ["eu", "us"] }"#,
    call: |args, span| {
        let text = arguments::text(args, 0)?;
        decode(text, span).map_err(|failure| failure.at(0))
    },
};

/// A value, and how many there are in it.
#[derive(Clone)]
struct Counted {
    value: Value,
    parts: usize,
    depth: usize,
}

/// A list or an object that has begun.
struct Open {
    anchor: usize,
    parts: usize,
    depth: usize,
    content: Content,
}

enum Content {
    List(Vec<Value>),
    Object {
        entries: BTreeMap<String, Value>,
        /// From `<<`: what the object's own keys go before.
        merged: BTreeMap<String, Value>,
        key: Option<String>,
    },
}

struct Decoder {
    span: Span,
    open: Vec<Open>,
    anchors: BTreeMap<usize, Counted>,
    parts: usize,
    document: Option<Value>,
}

fn decode(text: &str, span: Span) -> Result<Value, Failure> {
    let (open, anchors) = (Vec::new(), BTreeMap::new());
    let mut decoder = Decoder {
        span,
        open,
        anchors,
        parts: 0,
        document: None,
    };
    let mut parser = Parser::new_from_str(text);
    let mut documents = 0;
    loop {
        let (event, mark) = parser
            .next_token()
            .map_err(|error| Failure::new(format!("no YAML: {error}")))?;
        if matches!(event, Event::DocumentStart) {
            documents += 1;
        }
        if documents > 1 {
            return Err(Failure::new("there is more than one document in the YAML"));
        }
        if matches!(event, Event::StreamEnd) {
            return Ok(decoder.document.unwrap_or(Value::Null));
        }
        decoder
            .take(event)
            .map_err(|failure| placed(failure, mark))?;
    }
}

fn placed(mut failure: Failure, mark: Marker) -> Failure {
    failure.message = format!("{} (line {} of the YAML)", failure.message, mark.line());
    failure
}

impl Decoder {
    fn take(&mut self, event: Event) -> Result<(), Failure> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let value = scalar::value(text, style, tag)?;
                self.put(
                    Counted {
                        value,
                        parts: 1,
                        depth: 0,
                    },
                    anchor,
                )
            }
            Event::Alias(anchor) => {
                let Some(counted) = self.anchors.get(&anchor).cloned() else {
                    return Err(Failure::new("an alias stands within its own anchor"));
                };
                self.put(counted, 0)
            }
            Event::SequenceStart(anchor, _) => self.begin(anchor, Content::List(Vec::new())),
            Event::MappingStart(anchor, _) => {
                let (entries, merged) = (BTreeMap::new(), BTreeMap::new());
                self.begin(
                    anchor,
                    Content::Object {
                        entries,
                        merged,
                        key: None,
                    },
                )
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(open) = self.open.pop() else {
                    return Ok(());
                };
                let value = match open.content {
                    Content::List(items) => Value::list(items, self.span),
                    Content::Object {
                        entries,
                        mut merged,
                        ..
                    } => {
                        merged.extend(entries);
                        Value::object(merged, self.span)
                    }
                };
                // Its parts are in the total already.
                self.parts -= open.parts;
                let counted = Counted {
                    value,
                    parts: open.parts,
                    depth: open.depth,
                };
                self.put(counted, open.anchor)
            }
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart
            | Event::DocumentEnd => Ok(()),
        }
    }

    fn begin(&mut self, anchor: usize, content: Content) -> Result<(), Failure> {
        limits::depth(self.open.len() + 1)?;
        self.parts += 1;
        self.open.push(Open {
            anchor,
            parts: 1,
            depth: 1,
            content,
        });
        Ok(())
    }

    /// Puts a value where it belongs.
    fn put(&mut self, counted: Counted, anchor: usize) -> Result<(), Failure> {
        self.parts = self.parts.saturating_add(counted.parts);
        limits::parts(self.parts)?;
        limits::depth(self.open.len() + counted.depth)?;
        if anchor > 0 {
            self.anchors.insert(anchor, counted.clone());
        }
        let Some(open) = self.open.last_mut() else {
            self.document = Some(counted.value);
            return Ok(());
        };
        open.parts += counted.parts;
        open.depth = open.depth.max(counted.depth + 1);
        match &mut open.content {
            Content::List(items) => {
                limits::entries(items.len() + 1)?;
                items.push(counted.value);
            }
            Content::Object {
                entries,
                merged,
                key,
            } => match key.take() {
                None => *key = Some(key_of(&counted.value)?),
                Some(name) if name == "<<" => merge(&counted.value, merged)?,
                Some(name) => {
                    limits::entries(entries.len() + 1)?;
                    if entries.contains_key(&name) {
                        return Err(Failure::new(format!(
                            "the key {} stands twice",
                            Quoted(&name)
                        )));
                    }
                    entries.insert(name, counted.value);
                }
            },
        }
        Ok(())
    }
}

fn key_of(value: &Value) -> Result<String, Failure> {
    match value {
        Value::Null => Ok("null".into()),
        value => match coerce::string(value) {
            Some(key) => Ok(key.into_owned()),
            None => Err(Failure::new(format!(
                "a key must be a string, not {}",
                value.kind()
            ))),
        },
    }
}

/// `<<`: the entries of an object, or of several, of which the first one counts.
fn merge(value: &Value, merged: &mut BTreeMap<String, Value>) -> Result<(), Failure> {
    match value {
        Value::Object(object) => {
            for (key, node) in object.entries() {
                merged
                    .entry(key.text.to_string())
                    .or_insert_with(|| node.value.clone());
            }
            limits::entries(merged.len())
        }
        Value::List(items) => items.iter().try_for_each(|item| match &item.value {
            object @ Value::Object(_) => merge(object, merged),
            _ => Err(Failure::new("what `<<` merges must be an object")),
        }),
        _ => Err(Failure::new("what `<<` merges must be an object")),
    }
}
