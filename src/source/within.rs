//! A part of a table's keys that is read by itself. Pure.

use crate::domain::KeyRange;

/// So many keys are asked for in one statement.
pub(super) const KEYS_AT_ONCE: usize = 500;

/// A part of a table's keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Within {
    /// Of one integer, from one to another.
    Range(KeyRange),
    /// These, and none between them.
    Keys(Vec<Vec<i128>>),
}

impl Within {
    /// The condition that a key is one of them. `key` are the columns' quoted names.
    pub(super) fn condition(&self, key: &[String]) -> String {
        match self {
            Self::Range(range) => range.condition(&key[0]),
            Self::Keys(keys) => match key {
                [only] => format!("{only} in ({})", joined(keys.iter().map(|key| key[0].to_string()), ", ")),
                _ => {
                    // A list of pairs is not looked up by the index, however it is written (MariaDB before 10.3).
                    let each = keys.iter().map(|values| {
                        joined(key.iter().zip(values).map(|(name, value)| format!("{name} = {value}")), " and ")
                    });
                    format!("({})", joined(each, " or "))
                }
            },
        }
    }
}

fn joined(parts: impl Iterator<Item = String>, by: &str) -> String {
    parts.collect::<Vec<_>>().join(by)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_asked_for_one_by_one() {
        let keys = Within::Keys(vec![vec![-1], vec![7]]);
        assert_eq!(keys.condition(&["`k`".to_owned()]), "`k` in (-1, 7)");
        let pairs = Within::Keys(vec![vec![1, 2], vec![3, 4]]);
        let names = ["`a`".to_owned(), "`b`".to_owned()];
        assert_eq!(pairs.condition(&names), "(`a` = 1 and `b` = 2 or `a` = 3 and `b` = 4)");
    }
}
