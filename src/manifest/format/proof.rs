//! The proof that a formatted text says the same: the same tokens in the same
//! lines, and for the parser the same tree. The tree is compared without what
//! stands between its parts; strings and comments are compared as tokens.

use hcl_edit::Span as _;
use hcl_edit::expr::{Array, FuncArgs, Object, ObjectKey};
use hcl_edit::structure::Body;
use hcl_edit::visit_mut::{self, VisitMut};

use crate::manifest::format::Refused;
use crate::manifest::format::lines::{Line, Page};
use crate::manifest::format::tokens::Token;

/// Refuses if the tokens differ, or stand in other lines.
pub(super) fn same_tokens(text: &str, old: &Page<'_>, new: &Page<'_>) -> Result<(), Refused> {
    let same = |a: &Line, b: &Line| {
        let (a, b) = (old.part(a.tokens.clone()), new.part(b.tokens.clone()));
        let same =
            |(a, b): (&Token<'_>, &Token<'_>)| a.kind == b.kind && a.written() == b.written();
        a.len() == b.len() && a.iter().zip(b).all(same)
    };
    let mut pairs = old.lines.iter().zip(&new.lines);
    let differs = match pairs.find(|(a, b)| !same(a, b)) {
        Some((line, _)) => line.tokens.start,
        None if old.lines.len() == new.lines.len() => return Ok(()),
        None => old.tokens.len(),
    };
    let at = old.tokens.get(differs).map_or(text.len(), |token| token.at);
    let what = "formatting would change more than white space";
    Err(unproven(text, at, what))
}

/// Refuses if the parser reads another tree from the new text.
pub(super) fn same_meaning(text: &str, mut before: Body, formatted: &str) -> Result<(), Refused> {
    let Ok(mut after) = formatted.parse::<Body>() else {
        let what = "formatted it would not be HCL any more";
        return Err(unproven(text, 0, what));
    };
    Bare.visit_body_mut(&mut before);
    Bare.visit_body_mut(&mut after);
    if before == after {
        return Ok(());
    }
    let differs = before
        .iter()
        .zip(after.iter())
        .find(|(old, new)| old != new);
    let at = differs.and_then(|(old, _)| old.span());
    let what = "formatting would change what it means";
    Err(unproven(text, at.map_or(0, |at| at.start), what))
}

/// The refusal at an offset of the text.
pub(super) fn unproven(text: &str, at: usize, what: &'static str) -> Refused {
    let above = text.bytes().take(at);
    Refused::Unproven {
        line: above.filter(|byte| *byte == b'\n').count() + 1,
        what,
    }
}

/// Takes away the white space before closing brackets: of all that is no value, the
/// library compares only that.
struct Bare;

impl VisitMut for Bare {
    fn visit_array_mut(&mut self, node: &mut Array) {
        node.set_trailing("");
        visit_mut::visit_array_mut(self, node);
    }

    fn visit_object_mut(&mut self, node: &mut Object) {
        // Keys cannot be changed where they stand, and nobody visits them.
        for (mut key, value) in std::mem::take(node) {
            if let ObjectKey::Expression(expression) = &mut key {
                self.visit_expr_mut(expression);
            }
            node.insert(key, value);
        }
        visit_mut::visit_object_mut(self, node);
    }

    fn visit_func_args_mut(&mut self, node: &mut FuncArgs) {
        node.set_trailing("");
        visit_mut::visit_func_args_mut(self, node);
    }
}
