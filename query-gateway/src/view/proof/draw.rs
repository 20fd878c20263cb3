//! Random choices: the same seed, the same case.

use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

/// Where a case takes its choices from.
pub(super) struct Draw(StdRng);

impl Draw {
    pub(super) fn seeded(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    /// A number below `bound`.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0.random_range(0..bound)
    }

    /// A number from `least` to `most`.
    pub(super) fn within(&mut self, least: usize, most: usize) -> usize {
        self.0.random_range(least..=most)
    }

    /// True once in `times`.
    pub(super) fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// One of them.
    pub(super) fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len())]
    }

    /// `count` of them in their order, or all if there are fewer.
    pub(super) fn some<T: Clone>(&mut self, choices: &[T], count: usize) -> Vec<T> {
        let mut left = count.min(choices.len());
        let mut kept = Vec::new();
        for (at, choice) in choices.iter().enumerate() {
            if self.below(choices.len() - at) < left {
                kept.push(choice.clone());
                left -= 1;
            }
        }
        kept
    }
}
