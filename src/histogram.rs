//! Latency percentiles of a set of samples. `sparse` is what is kept of many.

pub mod sparse;

use crate::proto::lokahi::HistogramData;

/// What is shown of a set of latencies, in nanoseconds.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Summary {
    pub max: f64,
    pub min: f64,
    pub mean: f64,
    /// Of the whole population.
    pub stddev: f64,
    pub p50: f64,
    pub p75: f64,
    pub p95: f64,
    pub p99: f64,
}

impl From<Summary> for HistogramData {
    fn from(summary: Summary) -> Self {
        Self {
            max_nanoseconds: summary.max,
            min_nanoseconds: summary.min,
            mean_nanoseconds: summary.mean,
            stddev: summary.stddev,
            p50_nanoseconds: summary.p50,
            p75_nanoseconds: summary.p75,
            p95_nanoseconds: summary.p95,
            p99_nanoseconds: summary.p99,
        }
    }
}

/// Summarises latencies in nanoseconds; `None` without any. Percentiles are
/// exact, by nearest rank.
pub fn summarise(mut samples: Vec<u64>) -> Option<Summary> {
    samples.sort_unstable();
    let (&min, &max) = (samples.first()?, samples.last()?);
    let count = samples.len() as f64;
    let mean = samples.iter().map(|&n| n as f64).sum::<f64>() / count;
    let variance = samples
        .iter()
        .map(|&n| (n as f64 - mean).powi(2))
        .sum::<f64>()
        / count;
    let percentile = |percent: f64| {
        let rank = (percent / 100.0 * count).ceil() as usize;
        samples.get(rank.saturating_sub(1)).copied().unwrap_or(max) as f64
    };
    Some(Summary {
        max: max as f64,
        min: min as f64,
        mean,
        stddev: variance.sqrt(),
        p50: percentile(50.0),
        p75: percentile(75.0),
        p95: percentile(95.0),
        p99: percentile(99.0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_by_nearest_rank() {
        let summary = summarise((1..=100).rev().collect()).unwrap();
        assert_eq!((summary.min, summary.max, summary.mean), (1.0, 100.0, 50.5));
        assert_eq!((summary.p50, summary.p75), (50.0, 75.0));
        assert_eq!((summary.p95, summary.p99), (95.0, 99.0));
        assert!((summary.stddev - 28.866).abs() < 0.001);
        assert_eq!(summarise(vec![7]).unwrap().p99, 7.0);
        assert_eq!(summarise(vec![]), None);
    }
}
