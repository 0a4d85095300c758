//! Probes by what became of them, and the uptime that follows.

use crate::model::observation::Outcome;

/// How many probes were due, by what became of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    pub up: u64,
    pub down: u64,
    pub error: u64,
    /// Our own fault.
    pub unknown: u64,
    /// Due and never sent.
    pub skipped: u64,
    /// Sent, and nothing came back.
    pub lost: u64,
    /// Within maintenance, whatever they came to.
    pub maintenance: u64,
}

impl Counts {
    /// Counts probes of one outcome.
    pub fn note(&mut self, outcome: Outcome, times: u64) {
        match outcome {
            Outcome::Up => self.up += times,
            Outcome::Down => self.down += times,
            Outcome::Error => self.error += times,
            Outcome::Unknown => self.unknown += times,
        }
    }

    pub fn add(&mut self, other: &Self) {
        self.up += other.up;
        self.down += other.down;
        self.error += other.error;
        self.unknown += other.unknown;
        self.skipped += other.skipped;
        self.lost += other.lost;
        self.maintenance += other.maintenance;
    }

    /// Those that say something of the site.
    pub fn judged(&self) -> u64 {
        self.up + self.down + self.error
    }

    /// Those that say nothing of it, or are not to.
    pub fn left_out(&self) -> u64 {
        self.unknown + self.skipped + self.lost + self.maintenance
    }

    /// The share of those that were up among those that say something of the site; none where
    /// there are none.
    pub fn uptime(&self) -> Option<f64> {
        let judged = self.judged();
        (judged > 0).then(|| self.up as f64 / judged as f64)
    }

    /// The share of what the uptime leaves out among all that were due.
    pub fn left_out_share(&self) -> f64 {
        let all = self.judged() + self.left_out();
        self.left_out() as f64 / all.max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uptime_leaves_out_what_says_nothing_of_the_site() {
        let counts = Counts {
            up: 3,
            error: 1,
            unknown: 2,
            skipped: 1,
            lost: 1,
            maintenance: 4,
            ..Counts::default()
        };
        assert_eq!(counts.uptime(), Some(0.75));
        assert_eq!(counts.left_out_share(), 8.0 / 12.0);
        assert_eq!(Counts::default().uptime(), None);
        assert_eq!(Counts::default().left_out_share(), 0.0);
    }
}
