//! A histogram of latencies that is small and can be merged: what is kept of an hour of probes.
//!
//! Buckets grow by a fiftieth, so that a percentile is told with an error of 1 % at most, and
//! the merge of two is the histogram of all. Only buckets that hold something are stored.

use std::collections::BTreeMap;
use std::sync::LazyLock;

/// The first number of each bucket, in order; a bucket ends before the next one begins. Each
/// number below 100 has a bucket of its own. These are part of what is stored: never change them.
static STARTS: LazyLock<Vec<u32>> = LazyLock::new(|| {
    let grown = |start: &u32| {
        let next = (u64::from(*start) * 102 / 100).max(u64::from(*start) + 1);
        u32::try_from(next).ok()
    };
    std::iter::successors(Some(0), grown).collect()
});

/// The stored bytes are no histogram.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the bytes are no histogram of this version")]
pub struct InvalidHistogram;

/// How many values fell into each bucket.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Sparse {
    buckets: BTreeMap<u16, u32>,
}

impl Sparse {
    /// Counts a value, here a latency in microseconds.
    pub fn add(&mut self, value: u32) {
        // The first bucket begins at 0, and there are about a thousand.
        let bucket = STARTS.partition_point(|start| *start <= value) - 1;
        self.count(u16::try_from(bucket).unwrap_or(u16::MAX), 1);
    }

    fn count(&mut self, bucket: u16, times: u32) {
        let count = self.buckets.entry(bucket).or_default();
        *count = count.saturating_add(times);
    }

    /// Adds everything that another one holds.
    pub fn merge(&mut self, other: &Self) {
        for (&bucket, &count) in &other.buckets {
            self.count(bucket, count);
        }
    }

    /// How many values there are.
    pub fn len(&self) -> u64 {
        self.buckets.values().map(|&count| u64::from(count)).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.buckets.is_empty()
    }

    /// The value that `percent` of all do not exceed, by nearest rank, within 1 %.
    pub fn percentile(&self, percent: f64) -> Option<u32> {
        let rank = (percent / 100.0 * self.len() as f64).ceil() as u64;
        let mut seen = 0;
        let mut counts = self.buckets.iter();
        let found = counts.find(|&(_, &count)| {
            seen += u64::from(count);
            seen >= rank.max(1)
        });
        found.map(|(&bucket, _)| middle(bucket))
    }

    /// The largest value, within 1 %.
    pub fn max(&self) -> Option<u32> {
        self.buckets
            .last_key_value()
            .map(|(&bucket, _)| middle(bucket))
    }

    /// For each bucket that holds something: how far it is from the one before, and how many it
    /// holds, both in Elias's gamma code. The last byte is filled up with zeros.
    pub fn encode(&self) -> Vec<u8> {
        let mut bits = Bits::default();
        let mut before = -1;
        for (&bucket, &count) in &self.buckets {
            bits.gamma((i32::from(bucket) - before).unsigned_abs());
            bits.gamma(count);
            before = i32::from(bucket);
        }
        bits.bytes
    }

    /// What [`Sparse::encode`] gave.
    pub fn decode(bytes: &[u8]) -> Result<Self, InvalidHistogram> {
        let mut read = Read { bytes, at: 0 };
        let mut sparse = Self::default();
        // One before the first.
        let mut next = 0;
        while let Some(gap) = read.gamma()? {
            let count = read.gamma()?.ok_or(InvalidHistogram)?;
            let bucket = gap.checked_add(next).ok_or(InvalidHistogram)? - 1;
            let known = usize::try_from(bucket).is_ok_and(|bucket| bucket < STARTS.len());
            let bucket = u16::try_from(bucket).ok().filter(|_| known);
            let bucket = bucket.ok_or(InvalidHistogram)?;
            sparse.count(bucket, count);
            next = u32::from(bucket) + 1;
        }
        Ok(sparse)
    }
}

/// The middle of a bucket, no further than 1 % from anything in it.
fn middle(bucket: u16) -> u32 {
    let start = |bucket: usize| STARTS.get(bucket).copied();
    let first = start(usize::from(bucket)).unwrap_or(u32::MAX);
    let last = start(usize::from(bucket) + 1).map_or(u32::MAX, |next| next - 1);
    first + (last.max(first) - first) / 2
}

#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    used: usize,
}

impl Bits {
    fn push(&mut self, bit: bool) {
        if self.used.is_multiple_of(8) {
            self.bytes.push(0);
        }
        if let Some(last) = self.bytes.last_mut() {
            *last |= u8::from(bit) << (7 - self.used % 8);
        }
        self.used += 1;
    }

    /// A number from 1 up: as many zeros as it has binary digits after the first, then these.
    fn gamma(&mut self, number: u32) {
        let digits = number.max(1).ilog2();
        (0..digits).for_each(|_| self.push(false));
        for digit in (0..=digits).rev() {
            self.push(number >> digit & 1 == 1);
        }
    }
}

struct Read<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Read<'_> {
    fn bit(&mut self) -> Option<bool> {
        let byte = self.bytes.get(self.at / 8)?;
        let bit = byte >> (7 - self.at % 8) & 1 == 1;
        self.at += 1;
        Some(bit)
    }

    /// The next number; none where only the filling is left.
    fn gamma(&mut self) -> Result<Option<u32>, InvalidHistogram> {
        let mut digits = 0;
        loop {
            match self.bit() {
                Some(false) if digits < 31 => digits += 1,
                Some(true) => break,
                None if digits < 8 => return Ok(None),
                _ => return Err(InvalidHistogram),
            }
        }
        let mut number = 1u32;
        for _ in 0..digits {
            number = number << 1 | u32::from(self.bit().ok_or(InvalidHistogram)?);
        }
        Ok(Some(number))
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn of(values: &[u32]) -> Sparse {
        let mut sparse = Sparse::default();
        values.iter().for_each(|&value| sparse.add(value));
        sparse
    }

    fn exact(values: &[u32], percent: f64) -> u32 {
        let mut sorted = values.to_vec();
        sorted.sort_unstable();
        let rank = (percent / 100.0 * sorted.len() as f64).ceil() as usize;
        sorted[rank.max(1) - 1]
    }

    /// Latencies of all magnitudes, and near one another as those of one site are.
    fn latencies() -> impl Strategy<Value = Vec<u32>> {
        let any = (0u32..32).prop_flat_map(|bits| 0..=u32::MAX >> bits);
        let near = (1000u32..2_000_000).prop_flat_map(|middle| middle / 2..middle * 2);
        prop_oneof![vec(any, 1..300), vec(near, 1..300)]
    }

    proptest! {
        #[test]
        fn a_percentile_is_within_one_percent(values in latencies(), percent in 0.0..=100.0f64) {
            let (told, exact) = (of(&values).percentile(percent).unwrap(), exact(&values, percent));
            let error = (f64::from(told) - f64::from(exact)).abs();
            prop_assert!(error <= f64::from(exact) * 0.01, "{told} for {exact}");
        }

        #[test]
        fn the_largest_is_within_one_percent(values in latencies()) {
            let exact = f64::from(*values.iter().max().unwrap());
            let told = f64::from(of(&values).max().unwrap());
            prop_assert!((told - exact).abs() <= exact * 0.01);
        }

        #[test]
        fn a_merge_is_the_histogram_of_all(one in latencies(), other in latencies()) {
            let mut merged = of(&one);
            merged.merge(&of(&other));
            prop_assert_eq!(merged, of(&[one, other].concat()));
        }

        #[test]
        fn what_is_written_is_read(values in latencies()) {
            let sparse = of(&values);
            prop_assert_eq!(Sparse::decode(&sparse.encode()), Ok(sparse));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in vec(any::<u8>(), 0..100)) {
            if let Ok(sparse) = Sparse::decode(&bytes) {
                prop_assert!(sparse.max().is_some() != sparse.is_empty());
            }
        }
    }

    #[test]
    fn the_buckets_are_those_that_are_stored() {
        assert_eq!(STARTS.len(), 1001);
        assert_eq!(STARTS[..3], [0, 1, 2]);
        assert_eq!(STARTS[99..103], [99, 100, 102, 104]);
        assert_eq!(of(&[0, 1, 250, 250, 80_000]).encode(), [240, 19, 40, 2, 81]);
    }

    #[test]
    fn nothing_has_no_percentiles() {
        let nothing = Sparse::default();
        assert_eq!((nothing.percentile(50.0), nothing.max()), (None, None));
        assert_eq!(nothing.encode(), [0u8; 0]);
    }
}
