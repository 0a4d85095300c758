//! lokahid's own figures, from its `/metrics`.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};

use crate::http;

/// The counters and histograms of lokahid at one moment.
#[derive(Debug, Default)]
pub(super) struct Page(BTreeMap<String, f64>);

/// Below or at how many milliseconds a part of all is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct AtMost(pub(super) f64);

impl Page {
    pub(super) fn read(port: u16) -> Result<Self> {
        let answer = http::get(port, "/metrics")?;
        ensure!(
            answer.starts_with("HTTP/1.1 200"),
            "no metrics: {}",
            answer.lines().next().unwrap_or_default()
        );
        Ok(Self::parse(&answer))
    }

    fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| line.starts_with("lokahi_"));
        let values = lines.filter_map(|line| {
            let (name, value) = line.rsplit_once(' ')?;
            Some((name.to_owned(), value.parse().ok()?))
        });
        Self(values.collect())
    }

    /// A value, by its name; zero if it is not there.
    pub(super) fn get(&self, name: &str) -> f64 {
        self.0.get(name).copied().unwrap_or(0.0)
    }

    /// What came since an earlier page.
    pub(super) fn since(&self, before: &Self) -> Self {
        let values = self.0.iter();
        Self(
            values
                .map(|(name, value)| (name.clone(), value - before.get(name)))
                .collect(),
        )
    }

    /// The bucket of the lateness that a part of all probes reaches.
    pub(super) fn lateness(&self, part: f64) -> AtMost {
        let mut buckets: Vec<(f64, f64)> = self
            .0
            .iter()
            .filter_map(|(name, count)| {
                let bound = name.strip_prefix("lokahi_lateness_seconds_bucket{le=\"")?;
                let bound = bound.trim_end_matches("\"}");
                let bound = bound.parse().unwrap_or(f64::INFINITY);
                Some((bound, *count))
            })
            .collect();
        buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
        let all = buckets.last().map_or(0.0, |(_, count)| *count);
        let found = buckets.iter().find(|(_, count)| *count >= all * part);
        AtMost(found.map_or(f64::INFINITY, |(bound, _)| bound * 1000.0))
    }

    /// In milliseconds.
    pub(super) fn mean_lateness(&self) -> f64 {
        let count = self.get("lokahi_lateness_seconds_count").max(1.0);
        self.get("lokahi_lateness_seconds_sum") / count * 1000.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_of_what_came_since() {
        let before = Page::parse("lokahi_lateness_seconds_bucket{le=\"0.005\"} 90\n");
        let after = Page::parse(
            "# HELP lokahi_lateness_seconds x\n\
             lokahi_lateness_seconds_bucket{le=\"0.005\"} 100\n\
             lokahi_lateness_seconds_bucket{le=\"0.02\"} 190\n\
             lokahi_lateness_seconds_bucket{le=\"+Inf\"} 190\n\
             probe_success{instance=\"x\"} 1\n",
        );
        let window = after.since(&before);
        assert_eq!(window.lateness(0.05), AtMost(5.0));
        assert_eq!(window.lateness(0.99), AtMost(20.0));
    }
}
