//! Where each value of a check comes from: the merged layers know the place of everything
//! that is in them.

use crate::manifest::eval::show::literal;
use crate::manifest::eval::value::Value;
use crate::manifest::layer::Layer;
use crate::manifest::source::Span;
use crate::manifest::table::{Block, Merge};

/// A value of a check.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Origin {
    /// `every`, `labels.team`, `assert.page.status`.
    pub(super) path: String,
    /// In the notation of the files.
    pub(super) value: String,
    pub(super) span: Span,
}

/// The values of a layer, in the order of the table.
pub(super) fn origins(layer: &Layer, block: &'static Block) -> Vec<Origin> {
    let mut origins = Vec::new();
    walk(layer, block, "", &mut origins);
    origins
}

fn walk(layer: &Layer, block: &'static Block, prefix: &str, origins: &mut Vec<Origin>) {
    for (row, attribute) in block.attributes.iter().enumerate() {
        let Some(node) = layer.get(row) else { continue };
        let path = format!("{prefix}{}", attribute.name);
        match &node.value {
            // What was merged key by key has a place for each key.
            Value::Object(object) if attribute.merge != Merge::Replace => {
                for (key, node) in object.entries() {
                    origins.push(Origin {
                        path: format!("{path}.{}", key.text),
                        value: shown(&node.value),
                        span: node.span,
                    });
                }
            }
            value => origins.push(Origin {
                path,
                value: shown(value),
                span: node.span,
            }),
        }
    }
    for inner in &layer.blocks {
        let Some(schema) = block.block(inner.kind) else {
            continue;
        };
        let label = match inner.label.as_str() {
            "" => String::new(),
            label => format!("{label}."),
        };
        walk(
            &inner.layer,
            schema,
            &format!("{prefix}{}.{label}", inner.kind),
            origins,
        );
    }
}

fn shown(value: &Value) -> String {
    literal(value).map_or_else(|| "(not known)".to_owned(), |literal| literal.to_string())
}
