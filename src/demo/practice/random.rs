//! Chance that comes out the same on every machine, from a seed.
//!
//! The practice must not change with a dependency's version, so the generator is its own: SplitMix64
//! (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).

/// A stream of choices.
#[derive(Clone, Debug)]
pub(super) struct Random {
    state: u64,
}

impl Random {
    /// The stream that belongs to a seed.
    pub(super) fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from `low` to `high`, both included.
    pub(super) fn between(&mut self, low: i64, high: i64) -> i64 {
        let count = u64::try_from(high - low + 1).expect("the high bound is not below the low one");
        low + i64::try_from(self.next() % count).expect("the remainder is below an i64")
    }

    /// Whether something of so many percent happens.
    pub(super) fn chance(&mut self, percent: i64) -> bool {
        self.between(1, 100) <= percent
    }

    /// One of several.
    pub(super) fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        let last = i64::try_from(choices.len()).expect("a list in memory fits an i64") - 1;
        &choices[usize::try_from(self.between(0, last)).expect("an index is not negative")]
    }

    /// The place in a list of weights, each as likely as its weight says.
    pub(super) fn weighted(&mut self, weights: &[i64]) -> usize {
        let mut left = self.between(1, weights.iter().sum());
        for (place, weight) in weights.iter().enumerate() {
            left -= weight;
            if left <= 0 {
                return place;
            }
        }
        weights.len() - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_always_says_the_same() {
        let mut random = Random::new(1_234_567);
        // The published first values of SplitMix64 for this seed.
        assert_eq!(random.next(), 6_457_827_717_110_365_317);
        assert_eq!(random.next(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn bounds_are_included_and_kept() {
        let mut random = Random::new(7);
        let seen: std::collections::BTreeSet<i64> = (0..200).map(|_| random.between(-1, 2)).collect();
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), [-1, 0, 1, 2]);
    }
}
