//! Chance that can be repeated: what a seed means is written down here, so that no new version of a library
//! changes it.

/// SplitMix64, by Steele, Lea and Flood.
#[derive(Clone, Debug)]
pub(super) struct Dice(u64);

impl Dice {
    /// The same seed throws the same for ever.
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn throw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// One of 0 to `sides` - 1; 0 of none.
    pub(super) fn below(&mut self, sides: usize) -> usize {
        let scaled = (u128::from(self.throw()) * sides as u128) >> 64;
        // Less than `sides`, so it fits.
        scaled as usize
    }

    /// One of `least` to `most`.
    pub(super) fn between(&mut self, least: i64, most: i64) -> i64 {
        let sides = usize::try_from(most - least + 1).unwrap_or_default();
        least + self.below(sides) as i64
    }

    /// True in so many of a hundred.
    pub(super) fn percent(&mut self, share: usize) -> bool {
        self.below(100) < share
    }

    /// One of the list; `None` of an empty one.
    pub(super) fn pick<T: Copy>(&mut self, list: &[T]) -> Option<T> {
        list.get(self.below(list.len())).copied()
    }

    /// One of the list, each as often as it weighs; `None` where nothing weighs anything.
    pub(super) fn weighted<T: Copy>(&mut self, list: &[(usize, T)]) -> Option<T> {
        let mut left = self.below(list.iter().map(|(weight, _)| weight).sum());
        list.iter().find_map(|(weight, item)| {
            let is_it = left < *weight;
            left = left.saturating_sub(*weight);
            is_it.then_some(*item)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_throws_what_its_authors_published() {
        let mut dice = Dice::new(1_234_567);
        let thrown = [(); 3].map(|()| dice.throw());
        assert_eq!(thrown, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn weights_are_kept() {
        let mut dice = Dice::new(1);
        let mut hits = [0_usize; 3];
        for _ in 0..10_000 {
            hits[dice.weighted(&[(70, 0), (0, 1), (30, 2)]).unwrap()] += 1;
        }
        assert!((6_800..7_200).contains(&hits[0]) && hits[1] == 0, "{hits:?}");
        assert_eq!(dice.weighted::<u8>(&[]), None);
    }

    #[test]
    fn bounds_are_included_and_kept() {
        let mut dice = Dice::new(2);
        let thrown: std::collections::BTreeSet<_> = (0..1_000).map(|_| dice.between(-1, 2)).collect();
        assert_eq!(thrown.into_iter().collect::<Vec<_>>(), [-1, 0, 1, 2]);
    }
}
