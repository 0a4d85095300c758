//! Texts with references to secrets as pieces. Bytes that are not canonical are refused:
//! equal texts would have several digests.

use super::check::list;
use crate::model::secret::{Piece, Text};
use crate::model::value::InvalidValue;
use crate::proto::internal;
use crate::proto::internal::piece::Value;

/// The most pieces of a text.
const MAX_PIECES: usize = 64;

pub(super) fn encode(text: &Text) -> Vec<internal::Piece> {
    let piece = |piece: &Piece| internal::Piece {
        value: Some(match piece {
            Piece::Plain(text) => Value::Text(text.clone()),
            Piece::Secret(name) => Value::Secret(name.as_str().to_owned()),
        }),
    };
    text.pieces().iter().map(piece).collect()
}

/// A text of at most `most` bytes besides its secrets.
pub(super) fn decode(wire: Vec<internal::Piece>, most: usize) -> Result<Text, InvalidValue> {
    if wire.len() > MAX_PIECES {
        return Err(InvalidValue::TooLong {
            length: wire.len(),
            max: MAX_PIECES,
        });
    }
    let count = wire.len();
    let piece = |piece: internal::Piece| match piece.value {
        Some(Value::Text(text)) => Ok(Piece::Plain(text)),
        Some(Value::Secret(name)) => name
            .parse()
            .map(Piece::Secret)
            .map_err(|error| InvalidValue::Other(format!("{error}"))),
        None => Err(InvalidValue::Other("a piece of a text is nothing".into())),
    };
    let text = Text::new(list(wire, piece)?);
    let length = text.known().len();
    if text.pieces().len() != count {
        return Err(InvalidValue::Other(
            "the pieces of a text are not canonical".into(),
        ));
    }
    if length > most {
        return Err(InvalidValue::TooLong { length, max: most });
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_canonical_is_refused() {
        let plain = |text: &str| internal::Piece {
            value: Some(Value::Text(text.into())),
        };
        let secret = |name: &str| internal::Piece {
            value: Some(Value::Secret(name.into())),
        };
        let good = vec![plain("Bearer "), secret("tok")];
        assert_eq!(encode(&decode(good.clone(), 100).unwrap()), good);
        for bad in [
            vec![plain("")],
            vec![plain("a"), plain("b")],
            vec![secret("A")],
            vec![internal::Piece { value: None }],
            vec![plain("too long for it")],
        ] {
            assert!(decode(bad, 10).is_err());
        }
    }
}
