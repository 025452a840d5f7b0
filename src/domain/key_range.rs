//! A range of keys of one integer.

/// Keys from one to another, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyRange {
    /// The lowest.
    pub from: i64,
    /// The highest.
    pub to: i64,
}

impl KeyRange {
    /// Every key there can be.
    pub const ALL: Self = Self { from: i64::MIN, to: i64::MAX };

    /// The condition that a key lies within, in SQL that both servers read alike. `key` is the column's
    /// quoted name.
    pub fn condition(self, key: &str) -> String {
        let from = (self.from > i64::MIN).then(|| format!("{key} >= {}", self.from));
        let to = (self.to < i64::MAX).then(|| format!("{key} <= {}", self.to));
        match (from, to) {
            (None, None) => "true".to_owned(),
            (from, to) => from.into_iter().chain(to).collect::<Vec<_>>().join(" and "),
        }
    }

    /// The ranges between these, which ascend and don't overlap, and all other keys: what is left out.
    pub fn between(taken: &[Self]) -> Vec<Self> {
        let mut left = Vec::new();
        let mut next = Some(i64::MIN);
        for range in taken {
            if let Some(from) = next
                && from < range.from
            {
                left.push(Self { from, to: range.from - 1 });
            }
            next = range.to.checked_add(1);
        }
        left.extend(next.map(|from| Self { from, to: i64::MAX }));
        left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(from: i64, to: i64) -> KeyRange {
        KeyRange { from, to }
    }

    #[test]
    fn a_bound_beyond_which_there_is_no_key_is_not_asked_for() {
        assert_eq!(KeyRange::ALL.condition("k"), "true");
        assert_eq!(range(i64::MIN, 7).condition("k"), "k <= 7");
        assert_eq!(range(-3, 7).condition("k"), "k >= -3 and k <= 7");
    }

    #[test]
    fn what_lies_between_ranges_is_every_other_key() {
        assert_eq!(KeyRange::between(&[]), [KeyRange::ALL]);
        assert_eq!(KeyRange::between(&[KeyRange::ALL]), []);
        let taken = [range(0, 9), range(10, 19), range(30, i64::MAX)];
        assert_eq!(KeyRange::between(&taken), [range(i64::MIN, -1), range(20, 29)]);
        assert_eq!(KeyRange::between(&[range(i64::MIN, 5)]), [range(6, i64::MAX)]);
    }
}
