//! "Did you mean": the name that is nearest to what was written.

use crate::model::name::Name;

/// The nearest candidate, if it is near enough to be what was meant.
pub fn nearest<'a>(
    written: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let written: Vec<char> = written.chars().take(100).collect();
    let most = (written.len() / 3).max(1);
    // Each letter more is one to add.
    let longest = written.len() + most;
    candidates
        .into_iter()
        .filter(|candidate| candidate.chars().take(longest + 1).count() <= longest)
        .map(|candidate| (distance(&written, candidate), candidate))
        .filter(|(distance, _)| *distance <= most)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// "did you mean `x`?"
pub fn did_you_mean<'a>(
    written: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    nearest(written, candidates).map(|name| format!("did you mean `{name}`?"))
}

/// The name that a text was to be, if there is one: `home_page` for `Home Page`.
pub fn as_name(written: &str) -> Option<Name> {
    let plain = |c: char| match c.to_ascii_lowercase() {
        c if c.is_ascii_alphanumeric() || c == '-' => c,
        _ => '_',
    };
    let name: String = written.chars().take(Name::MAX + 1).map(plain).collect();
    name.trim_matches('_').parse().ok()
}

/// Letters to change, add, drop or swap with their neighbour, and 1 for case.
fn distance(from: &[char], to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in to.iter().enumerate() {
            let same = a.eq_ignore_ascii_case(b);
            let mut best = (last[j] + usize::from(!same))
                .min(last[j + 1] + 1)
                .min(row[j] + 1);
            let swapped = i > 0 && j > 0 && from[i - 1] == *b && *a == to[j - 1];
            if swapped && let Some(swap) = before.get(j - 1) {
                best = best.min(swap + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_and_far() {
        let names = ["url", "every", "timeout", "playbook_url", "webhook_url"];
        for (written, meant) in [
            ("tiemout", Some("timeout")),
            ("evry", Some("every")),
            ("URL", Some("url")),
            ("playbok_urll", Some("playbook_url")),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(nearest(written, names), meant, "{written}");
        }
    }
}
