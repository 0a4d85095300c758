//! What holds for every text: formatting keeps the meaning, is done after once,
//! and comes back whatever it is given. That the meaning is kept is proven by the
//! code itself, so here a refusal of good text is the mistake to look for.

use proptest::prelude::*;

use super::generate::file;
use super::{Refused, format};

fn parses(text: &str) -> bool {
    text.parse::<hcl_edit::structure::Body>().is_ok()
}

/// How a file begins and ends.
fn tidy(text: &str) -> bool {
    text.is_empty() || (text.ends_with('\n') && !text.ends_with("\n\n") && !text.starts_with('\n'))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn good_text_is_formatted(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
        let text = file(&bytes);
        match format(&text) {
            Ok(once) => {
                prop_assert!(tidy(&once), "{once:?}");
                let twice = format(&once);
                prop_assert_eq!(twice, Ok(once));
            }
            Err(Refused::Invalid(problems)) => {
                prop_assert!(!parses(&text), "{problems:?} in {text:?}");
            }
            Err(other) => prop_assert!(false, "{other} in {text:?}"),
        }
    }

    #[test]
    fn any_text_comes_back(text in any::<String>()) {
        if let Err(refused) = format(&text) {
            prop_assert!(matches!(refused, Refused::Invalid(_)), "{refused} in {text:?}");
        }
    }

    #[test]
    fn any_bytes_within_good_text(
        bytes in prop::collection::vec(any::<u8>(), 0..80),
        at in any::<prop::sample::Index>(),
        piece in prop::sample::select(vec![
            "\"", "${", "}", "{", "(", "]", "<<E\n", "\nE\n", "/*", "*/", "#", "\r", "\n", "\\", "=",
            "\u{0}", "ü", "...", ".", "in ", "for ", "$${", "~}", "1", ",",
        ]),
    ) {
        let mut text = file(&bytes);
        let mut at = at.index(text.len() + 1);
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        text.insert_str(at, piece);
        match format(&text) {
            Err(Refused::Invalid(problems)) => prop_assert!(!problems.is_empty(), "{text:?}"),
            Err(other) => prop_assert!(false, "{other} in {text:?}"),
            Ok(once) => prop_assert_eq!(format(&once), Ok(once)),
        }
    }

    #[test]
    fn tokens_are_the_whole_text(text in any::<String>()) {
        let mut end = 0;
        for token in super::tokens::tokens(&text) {
            prop_assert!(!token.text.is_empty());
            let gap = text.get(end..token.at).unwrap();
            prop_assert!(gap.trim_matches([' ', '\t', '\r']).is_empty());
            end = token.at + token.text.len();
        }
        prop_assert!(text.get(end..).unwrap().trim_matches([' ', '\t', '\r']).is_empty());
    }
}
