//! What a scenario found, as a table for people and as JSON.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

#[derive(Debug)]
struct Row {
    name: String,
    text: String,
    bar: String,
}

/// Figures in the order in which they are shown.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    rows: Vec<Row>,
    values: Map<String, Value>,
}

impl Figures {
    /// A figure: what it is of, the value for programs, and the words for people.
    pub(crate) fn add(&mut self, name: &str, value: impl Into<Value>, text: String) {
        self.add_with_bar(name, value, text, "");
    }

    /// The same beside the bar that it is held against.
    pub(crate) fn add_with_bar(
        &mut self,
        name: &str,
        value: impl Into<Value>,
        text: String,
        bar: &str,
    ) {
        self.values.insert(name.replace(' ', "_"), value.into());
        self.rows.push(Row {
            name: name.to_owned(),
            text,
            bar: bar.to_owned(),
        });
    }

    pub(crate) fn table(&self) -> String {
        let longest = |of: fn(&Row) -> usize| self.rows.iter().map(of).max().unwrap_or(0);
        let names = longest(|row| row.name.chars().count());
        let texts = longest(|row| row.text.chars().count());
        let mut table = String::new();
        for Row { name, text, bar } in &self.rows {
            let bar = if bar.is_empty() {
                String::new()
            } else {
                format!("  (bar: {bar})")
            };
            let line = format!("{name:<names$}  {text:>texts$}{bar}");
            // Writing into a String cannot fail.
            if writeln!(table, "{}", line.trim_end()).is_err() {
                break;
            }
        }
        table
    }

    pub(crate) fn json(&self, scenario: &str) -> String {
        format!(
            "{:#}\n",
            json!({"scenario": scenario, "figures": self.values})
        )
    }
}

pub(crate) fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

/// The least value of these, which are sorted, that so large a part of all does not exceed; 0 of
/// none.
pub(crate) fn quantile(sorted: &[f64], part: f64) -> f64 {
    let rank = (sorted.len() as f64 * part).ceil() as usize;
    sorted
        .get(rank.saturating_sub(1))
        .copied()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_one_of_the_values() {
        let hundred: Vec<f64> = (1..=100).map(f64::from).collect();
        let found = [0.0, 0.5, 0.99, 1.0].map(|part| quantile(&hundred, part));
        assert_eq!(found, [1.0, 50.0, 99.0, 100.0]);
        assert_eq!(quantile(&[], 0.5), 0.0);
    }
}
