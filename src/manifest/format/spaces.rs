//! Whether a space stands between two tokens of a line. The rules and their order
//! are those of `terraform fmt`, so that a file which that tool or an editor has
//! formatted stays as it is.

use crate::manifest::format::tokens::{Kind, Token};

/// Whether a space stands after `subject`, which follows `before` in its line and
/// precedes `after`.
pub(super) fn between(before: Option<&Token<'_>>, subject: &Token<'_>, after: &Token<'_>) -> bool {
    let before_kind = before.map(|token| token.kind);
    match (subject.kind, after.kind) {
        // A call.
        (Kind::Word, Kind::Open(b'(')) => false,
        // `1 .5` is not `1.5`.
        (Kind::Number, Kind::Dot) => before_kind != Some(Kind::Dot),
        (Kind::Dot | Kind::Path, _) | (_, Kind::Dot | Kind::Path) => false,
        (_, Kind::Comma | Kind::Ellipsis) => false,
        (Kind::Comma, _) => true,
        // `for x in [1, 2]`: no index into something named `in`.
        (Kind::Word, _) if subject.text == "in" && before_kind == Some(Kind::Word) => true,
        (Kind::Word | Kind::Number | Kind::Close(_), Kind::Open(b'[')) => false,
        (Kind::Minus, _) => !is_sign(before_kind),
        (Kind::Bang, _) => false,
        (Kind::Open(b'{'), Kind::Close(b'}')) => false,
        (Kind::Open(b'{'), _) | (_, Kind::Close(b'}')) => true,
        (Kind::Open(_), _) | (_, Kind::Close(_)) => false,
        _ => true,
    }
}

/// Whether a minus after such a token is a sign, and no subtraction.
fn is_sign(before: Option<Kind>) -> bool {
    match before {
        None => true,
        Some(kind) => matches!(
            kind,
            Kind::Open(_)
                | Kind::Equal
                | Kind::Colon
                | Kind::Comma
                | Kind::Question
                | Kind::Arrow
                | Kind::Minus
                | Kind::Bang
                | Kind::Operator
        ),
    }
}
