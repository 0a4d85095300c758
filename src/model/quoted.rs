//! Texts in messages: in the notation of check files, with whatever nobody would see written as
//! an escape. What a text means elsewhere is for whoever holds it.

use std::fmt::{self, Write as _};

/// A text in quotes, as a check file would have it.
#[derive(Clone, Copy, Debug)]
pub struct Quoted<'t>(pub &'t str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        escaped(self.0, is_unseen, f)?;
        f.write_char('"')
    }
}

/// A word as a shell reads it.
pub fn shell(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

/// A text with HCL's escapes; also for the characters that are to be hidden.
pub fn escaped(text: &str, hidden: fn(char) -> bool, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            '$' | '%' if characters.peek() == Some(&'{') => write!(f, "{c}{c}")?,
            c if hidden(c) && u32::from(c) > 0xffff => write!(f, "\\U{:08x}", u32::from(c))?,
            c if hidden(c) => write!(f, "\\u{:04x}", u32::from(c))?,
            c => f.write_char(c)?,
        }
    }
    Ok(())
}

/// What others said, in one line that tells a terminal nothing else.
pub fn harmless(text: &str) -> String {
    let shown = |c: char| match c {
        '\t' | '\n' | '\r' => ' ',
        c if c.is_control() => char::REPLACEMENT_CHARACTER,
        c => c,
    };
    text.chars().map(shown).collect()
}

/// Whether a character shows nothing by itself: it controls, turns the direction of text, joins,
/// or is blank without being a space. Unicode's categories Cc, Zl and Zp, and what its
/// `DerivedCoreProperties.txt` has as `Default_Ignorable_Code_Point`, but for the variation
/// selectors of the first plane, which emoji are written with.
pub fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}'
            | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_controls_is_not_said() {
        assert_eq!(
            harmless("a\r\nb\tc\0\u{1b}[2J\u{85}ü"),
            "a  b c\u{fffd}\u{fffd}[2J\u{fffd}ü"
        );
    }

    #[test]
    fn what_nobody_sees_is_an_escape() {
        for (text, expect) in [
            ("a\"b\\${x}\n", r#""a\"b\\$${x}\n""#),
            ("\u{1b}[1m", r#""\u001b[1m""#),
            ("a\u{202e}b", r#""a\u202eb""#),
            ("a\u{e0041}", r#""a\U000e0041""#),
            ("äöü 日本", "\"äöü 日本\""),
        ] {
            assert_eq!(Quoted(text).to_string(), expect);
        }
    }
}
