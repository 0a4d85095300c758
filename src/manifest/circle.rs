//! Circles among things that name each other.

use std::collections::BTreeMap;

/// A circle in what each names, if there is one: from its least member around, which stands at
/// both ends. Names that nobody has lead nowhere.
pub fn circle<'a>(names: &BTreeMap<&'a str, Vec<&'a str>>) -> Option<Vec<&'a str>> {
    #[derive(Clone, Copy, PartialEq)]
    enum Seen {
        /// On the way that is gone at this moment.
        Now,
        Before,
    }
    let mut seen: BTreeMap<&str, Seen> = BTreeMap::new();
    for start in names.keys() {
        // Each with how many of those that it names were gone to.
        let mut way: Vec<(&str, usize)> = vec![(start, 0)];
        while let Some((here, gone)) = way.last_mut() {
            let here: &'a str = here;
            if *gone == 0 {
                if seen.contains_key(here) {
                    way.pop();
                    continue;
                }
                seen.insert(here, Seen::Now);
            }
            let named = names.get(here).map_or(&[][..], Vec::as_slice);
            let next = named.get(*gone).copied();
            *gone += 1;
            match next {
                None => {
                    seen.insert(here, Seen::Before);
                    way.pop();
                }
                Some(next) if seen.get(next) == Some(&Seen::Now) => {
                    let from = way.iter().position(|(it, _)| *it == next).unwrap_or(0);
                    let mut found: Vec<&str> = way.iter().skip(from).map(|(it, _)| *it).collect();
                    let least = found.iter().enumerate().min_by_key(|(_, it)| **it);
                    let least = least.map_or(0, |(at, _)| at);
                    found.rotate_left(least);
                    found.extend(found.first().copied());
                    return Some(found);
                }
                Some(next) => way.push((next, 0)),
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(edges: &[(&'static str, &'static str)]) -> String {
        let mut names: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (from, to) in edges {
            names.entry(from).or_default().push(to);
        }
        circle(&names).map_or("none".to_owned(), |found| found.join(" "))
    }

    #[test]
    fn circles() {
        assert_eq!(of(&[]), "none");
        assert_eq!(of(&[("a", "b"), ("b", "c"), ("a", "c")]), "none");
        assert_eq!(of(&[("a", "nobody")]), "none");
        assert_eq!(of(&[("a", "a")]), "a a");
        assert_eq!(of(&[("c", "a"), ("a", "b"), ("b", "c")]), "a b c a");
        assert_eq!(of(&[("a", "x"), ("x", "y"), ("y", "x")]), "x y x");
        let names: Vec<String> = (0..20_000).map(|n| format!("{n:05}")).collect();
        let mut long: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for pair in names.windows(2) {
            long.insert(&pair[0], vec![&pair[1]]);
        }
        assert_eq!(circle(&long), None);
        long.insert(&names[19_999], vec![&names[0]]);
        assert_eq!(circle(&long).map(|found| found.len()), Some(20_001));
    }
}
