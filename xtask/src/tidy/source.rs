//! Reading Rust just well enough for the rules: code without comments and texts, and the
//! paths in it.

/// The code of a file. Comments and what stands in quotes become spaces, lines stay.
pub(crate) fn code(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let skipped = comment(rest)
            .or_else(|| raw_text(rest, &code))
            .or_else(|| quoted(rest));
        let length = skipped.unwrap_or(0).max(first.len_utf8());
        let (part, after) = rest.split_at_checked(length).unwrap_or((rest, ""));
        match skipped {
            Some(_) => code.extend(part.chars().map(|c| if c == '\n' { c } else { ' ' })),
            None => code.push_str(part),
        }
        rest = after;
    }
    code
}

/// The length of the comment that begins here.
fn comment(rest: &str) -> Option<usize> {
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if !rest.starts_with("/*") {
        return None;
    }
    let mut depth = 0_usize;
    let pairs = rest.as_bytes().windows(2).enumerate();
    for (at, pair) in pairs {
        match pair {
            b"/*" => depth += 1,
            b"*/" => depth -= 1,
            _ => continue,
        }
        if depth == 0 {
            return Some(at + 2);
        }
    }
    Some(rest.len())
}

/// The length of the raw text (`r"…"`, `r#"…"#`) that begins here.
fn raw_text(rest: &str, before: &str) -> Option<usize> {
    let inner = rest.strip_prefix('r')?;
    if before.ends_with(|c: char| c != 'b' && (c.is_alphanumeric() || c == '_')) {
        return None;
    }
    let marks = inner.chars().take_while(|c| *c == '#').count();
    let body = inner.trim_start_matches('#').strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(marks));
    let begin = rest.len() - body.len();
    Some(
        body.find(&end)
            .map_or(rest.len(), |at| begin + at + end.len()),
    )
}

/// The length of the text or character that begins here; a lifetime is neither.
fn quoted(rest: &str) -> Option<usize> {
    let mark = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == mark => {
                // 'a' is a character, 'a, 'b is two lifetimes.
                let inner = rest.get(1..at).unwrap_or_default();
                let is_character = inner.starts_with('\\') || inner.chars().count() == 1;
                return (mark == '"' || is_character).then_some(at + 1);
            }
            _ if mark == '\'' && at > 12 => return None,
            _ => {}
        }
    }
    None
}

/// Words, `::`, and single other characters, each with its line.
fn tokens(code: &str) -> Vec<(usize, &str)> {
    let mut tokens = Vec::new();
    for (number, line) in code.lines().enumerate() {
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            let word = rest
                .find(|c: char| !c.is_alphanumeric() && c != '_')
                .unwrap_or(rest.len());
            let length = match word {
                0 if rest.starts_with("::") => 2,
                0 => first.len_utf8(),
                word => word,
            };
            let (token, after) = rest.split_at_checked(length).unwrap_or((rest, ""));
            tokens.push((number + 1, token));
            rest = after.trim_start();
        }
    }
    tokens
}

/// What follows `crate::` anywhere, also each branch of `crate::{a, b::{c}}`.
pub(crate) fn crate_paths(code: &str) -> Vec<(usize, String)> {
    let tokens = tokens(code);
    let mut found = Vec::new();
    for (at, _) in tokens
        .iter()
        .enumerate()
        .filter(|(_, (_, word))| *word == "crate")
    {
        let mut after = tokens.iter().skip(at + 1);
        if after.next().map(|(_, token)| *token) != Some("::") {
            continue;
        }
        let mut depth = 0_usize;
        let mut expects_name = true;
        for (line, token) in after {
            match *token {
                "{" => depth += 1,
                "}" => depth = depth.saturating_sub(1),
                "," if depth == 1 => expects_name = true,
                name if expects_name && depth <= 1 => {
                    found.push((*line, name.to_owned()));
                    expects_name = false;
                }
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
    }
    found
}

/// Where one of the libraries is named as the root of a path: `name::…`, `use name;`.
pub(crate) fn roots<'a>(
    code: &str,
    libraries: impl Iterator<Item = &'a str> + Clone,
) -> Vec<(usize, &'a str)> {
    let tokens = tokens(code);
    let word = |at: usize| tokens.get(at).map_or("", |(_, token)| *token);
    let mut found = Vec::new();
    for (at, (line, token)) in tokens.iter().enumerate() {
        let Some(library) = libraries.clone().find(|library| library == token) else {
            continue;
        };
        let before = at.checked_sub(1).map_or("", word);
        // `::sqlx::…` is a root too, `self::notify` and `crate::notify` are not.
        let is_inner = before == "::"
            && at
                .checked_sub(2)
                .map_or("", word)
                .starts_with(|c: char| c.is_alphanumeric() || c == '_' || c == '>');
        let is_path = word(at + 1) == "::" || before == "use" || before == "crate";
        if is_path && !is_inner {
            found.push((*line, library));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_has_no_comments_and_no_texts() {
        let text = "a /* b /* c */ d */ e // f\n'g' \"h \\\" i\" r#\"j \" k\"# 'l: for<'m>\n'\\''";
        let words: Vec<_> = code(text).split_whitespace().map(str::to_owned).collect();
        assert_eq!(words, ["a", "e", "'l:", "for<'m>"]);
        assert_eq!(code(text).lines().count(), text.lines().count());
    }

    #[test]
    fn every_branch_of_a_use_is_seen() {
        let found =
            crate_paths("use crate::{a::{x, y}, b,\n c as d}; pub(crate) fn f() { crate::e::g() }");
        let names: Vec<_> = found
            .iter()
            .map(|(line, name)| (*line, name.as_str()))
            .collect();
        assert_eq!(names, [(1, "a"), (1, "b"), (2, "c"), (2, "e")]);
    }

    #[test]
    fn a_library_is_known_by_its_place_in_a_path() {
        let libraries = ["notify", "sqlx"].into_iter();
        let found = roots(
            "use notify;\nself::notify::x(); let notify = 1; a.notify()\n::sqlx::query()",
            libraries,
        );
        assert_eq!(found, [(1, "notify"), (3, "sqlx")]);
    }
}
