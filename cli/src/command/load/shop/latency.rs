//! How long calls took, in little memory however many there are: each is counted in a class that is no wider
//! than a sixteenth of it.

use std::time::Duration;

/// Classes of each power of two.
const FINE: u32 = 4;

/// A number of calls by the microseconds that they took.
#[derive(Clone, Debug, Default)]
pub(super) struct Latencies {
    classes: Vec<u64>,
    count: u64,
}

impl Latencies {
    /// One more call.
    pub(super) fn add(&mut self, took: Duration) {
        let class = class(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        if self.classes.len() <= class {
            self.classes.resize(class + 1, 0);
        }
        self.classes[class] += 1;
        self.count += 1;
    }

    /// All of the other's as well.
    pub(super) fn add_all(&mut self, other: &Latencies) {
        self.classes.resize(self.classes.len().max(other.classes.len()), 0);
        self.classes.iter_mut().zip(&other.classes).for_each(|(mine, theirs)| *mine += theirs);
        self.count += other.count;
    }

    /// How many there are.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// What so many of a hundred took at most; `None` of no call.
    pub(super) fn percentile(&self, percent: u64) -> Option<Duration> {
        let rank = (self.count * percent).div_ceil(100).max(1);
        let mut passed = 0;
        let class = self.classes.iter().position(|count| {
            passed += count;
            passed >= rank
        })?;
        Some(Duration::from_micros(highest(class)))
    }
}

/// Below 16 each value is its own class; from there, 16 classes to each power of two.
fn class(micros: u64) -> usize {
    let power = micros.max(1).ilog2().saturating_sub(FINE);
    ((u64::from(power) << FINE) + (micros >> power)) as usize
}

/// The highest value of a class.
fn highest(class: usize) -> u64 {
    let power = (class >> FINE).saturating_sub(1);
    let lead = class - (power << FINE);
    (((lead as u128 + 1) << power) - 1).min(u128::from(u64::MAX)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_is_no_wider_than_a_sixteenth() {
        for micros in (0..1_000_000).chain([u64::MAX / 2, u64::MAX]) {
            let most = highest(class(micros));
            assert!(most >= micros && most - micros <= micros / 16, "{micros}: {most}");
        }
    }

    #[test]
    fn percentiles_are_those_of_the_calls() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.percentile(50), None);
        (1..=99).for_each(|_| latencies.add(Duration::from_micros(10)));
        latencies.add(Duration::from_millis(1));
        let mut all = Latencies::default();
        all.add_all(&latencies);
        assert_eq!(all.count(), 100);
        assert_eq!([50, 99].map(|p| all.percentile(p).unwrap().as_micros()), [10, 10]);
        assert!((1_000..1_063).contains(&all.percentile(100).unwrap().as_micros()));
    }
}
