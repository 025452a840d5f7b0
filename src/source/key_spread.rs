//! A piece's keys in buckets of equal width, so that few keys have to be listed to find one that is gone.

use crate::domain::KeyRange;

/// So many buckets at most.
const BUCKETS: i64 = 64;

/// How the keys of one piece are spread over buckets, by the key's first column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeySpread {
    all: KeyRange,
    width: i64,
}

impl KeySpread {
    /// Over the values of the first column from the lowest to the highest; `None` where these can't be told
    /// apart with 64 bits and a sign, or there is but one.
    pub fn over(lowest: i128, highest: i128) -> Option<Self> {
        let all = KeyRange { from: i64::try_from(lowest).ok()?, to: i64::try_from(highest).ok()? };
        // PostgreSQL reads the lowest number of 64 bits as one that has no room in them.
        let distance = all.to.checked_sub(all.from).filter(|distance| *distance > 0 && all.from > i64::MIN)?;
        Some(Self { all, width: distance / BUCKETS + 1 })
    }

    /// What the buckets cover together.
    pub fn all(&self) -> KeyRange {
        self.all
    }

    /// The values of one bucket, the first of which is number 0.
    pub fn bucket(&self, number: i64) -> KeyRange {
        let from = self.all.from.saturating_add(number.saturating_mul(self.width));
        KeyRange { from, to: from.saturating_add(self.width - 1).min(self.all.to) }
    }

    /// The number of a value's bucket, in the SQL of a server that divides so.
    pub fn number(&self, column: &str, divide: &str) -> String {
        format!("({column} - ({})) {divide} {}", self.all.from, self.width)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_lies_in_one_bucket() {
        for (lowest, highest) in [(1, 50_000), (-5, 6), (7, 8), (i64::MIN + 1, -1), (0, i64::MAX)] {
            let spread = KeySpread::over(lowest.into(), highest.into()).expect("64 bits suffice");
            let buckets = (highest - lowest) / spread.width;
            assert!(buckets < BUCKETS, "{lowest}..{highest}");
            let mut next = Some(lowest);
            for number in 0..=buckets {
                let bucket = spread.bucket(number);
                assert_eq!(Some(bucket.from), next, "{lowest}..{highest}");
                next = bucket.to.checked_add(1);
            }
            assert_eq!(spread.bucket(buckets).to, highest);
        }
    }

    #[test]
    fn values_that_are_too_far_apart_are_not_spread() {
        assert_eq!(KeySpread::over(i64::MIN.into(), 0), None);
        assert_eq!(KeySpread::over(i64::MIN.into(), -1), None);
        assert_eq!(KeySpread::over(0, u64::MAX.into()), None);
        assert_eq!(KeySpread::over(3, 3), None);
    }
}
