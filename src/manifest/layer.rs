//! What one block says, before it meets the others: the attributes by their row
//! in the table, and the blocks inside. Layers lie on one another; the nearer
//! wins.

use std::sync::Arc;

use crate::manifest::eval::value::{Key, Node, Object, Value};
use crate::manifest::source::Span;
use crate::manifest::table::{Attribute, Block, Merge};

/// What a block says.
#[derive(Clone, Debug, Default)]
pub struct Layer {
    /// By row of the block's table, ascending.
    rows: Vec<(usize, Node)>,
    pub blocks: Vec<Inner>,
}

/// A block inside a block.
#[derive(Clone, Debug)]
pub struct Inner {
    pub kind: &'static str,
    /// Empty without one.
    pub label: String,
    pub span: Span,
    pub layer: Layer,
}

impl Layer {
    /// A layer that says nothing.
    pub const EMPTY: Self = Self {
        rows: Vec::new(),
        blocks: Vec::new(),
    };

    /// The value of a row.
    pub fn get(&self, row: usize) -> Option<&Node> {
        let at = self.rows.binary_search_by_key(&row, |(row, _)| *row).ok()?;
        self.rows.get(at).map(|(_, node)| node)
    }

    /// Sets a row.
    pub fn set(&mut self, row: usize, node: Node) {
        match self.rows.binary_search_by_key(&row, |(row, _)| *row) {
            Ok(at) => self.rows[at].1 = node,
            Err(at) => self.rows.insert(at, (row, node)),
        }
    }

    /// Does something with every value and its row, those of inner blocks included.
    pub fn each_mut(
        &mut self,
        block: &'static Block,
        work: &mut dyn FnMut(&'static Attribute, &mut Node),
    ) {
        for (row, node) in &mut self.rows {
            if let Some(attribute) = block.attributes.get(*row) {
                work(attribute, node);
            }
        }
        for inner in &mut self.blocks {
            if let Some(schema) = block.block(inner.kind) {
                inner.layer.each_mut(schema, work);
            }
        }
    }

    /// The values of the block itself, with the names of their rows.
    pub fn rows<'l>(
        &'l self,
        block: &'static Block,
    ) -> impl Iterator<Item = (&'static str, &'l Node)> {
        let named = |(row, node): &'l (usize, Node)| Some((block.attributes.get(*row)?.name, node));
        self.rows.iter().filter_map(named)
    }

    /// The block of this type and label.
    pub fn block(&self, kind: &str, label: &str) -> Option<&Inner> {
        let mut blocks = self.blocks.iter();
        blocks.find(|inner| inner.kind == kind && inner.label == label)
    }

    /// Lays a nearer layer of the same type of block over this one.
    pub fn cover(&mut self, nearer: Self, block: &'static Block) {
        for (row, node) in nearer.rows {
            let merge = block
                .attributes
                .get(row)
                .map_or(Merge::Replace, |a| a.merge);
            let merged = match self.get(row) {
                Some(outer) => merge_nodes(outer, node, merge),
                None => node,
            };
            self.set(row, merged);
        }
        for inner in nearer.blocks {
            let schema = block.block(inner.kind);
            let mut blocks = self.blocks.iter_mut();
            let outer = blocks.find(|o| o.kind == inner.kind && o.label == inner.label);
            match (outer, schema) {
                (Some(outer), Some(schema)) => {
                    outer.layer.cover(inner.layer, schema);
                    outer.span = inner.span;
                }
                _ => self.blocks.push(inner),
            }
        }
    }

    /// Whether something in it was already reported.
    pub fn invalid(&self) -> bool {
        let invalid = |node: &Node| matches!(node.value, Value::Invalid);
        self.rows.iter().any(|(_, node)| invalid(node))
            || self.blocks.iter().any(|inner| inner.layer.invalid())
    }
}

fn merge_nodes(outer: &Node, nearer: Node, merge: Merge) -> Node {
    let same = |a: &Key, b: &Key| match merge {
        Merge::Headers => a.text.eq_ignore_ascii_case(&b.text),
        _ => a.text == b.text,
    };
    match (&outer.value, nearer.value) {
        (Value::Object(outer), Value::Object(entries)) if merge != Merge::Replace => {
            let entries = entries.entries();
            let outer = outer.entries().iter();
            let kept = outer.filter(|(key, _)| !entries.iter().any(|(k, _)| same(k, key)));
            let merged: Vec<_> = kept.chain(entries).cloned().collect();
            Node {
                span: nearer.span,
                value: Value::Object(Arc::new(Object::new(merged))),
            }
        }
        // What is laid over something wrong says nothing about the whole.
        (Value::Invalid, Value::Object(_)) if merge != Merge::Replace => Node {
            span: nearer.span,
            value: Value::Invalid,
        },
        (_, value) => Node {
            span: nearer.span,
            value,
        },
    }
}
