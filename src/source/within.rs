//! A part of a table's keys that is read by itself. Pure.

use super::keys::beyond;
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
    /// All above one key (empty: from the lowest) up to another, but these.
    AllBut {
        /// Not included.
        above: Vec<i128>,
        /// Included.
        up_to: Vec<i128>,
        /// What is left out.
        keys: Vec<Vec<i128>>,
    },
}

impl Within {
    /// The condition that a key is one of them. `key` are the columns' quoted names.
    pub(super) fn condition(&self, key: &[String]) -> String {
        match self {
            Self::Range(range) => range.condition(&key[0]),
            Self::Keys(keys) => one_of(key, keys),
            Self::AllBut { above, up_to, keys } => {
                let bounds = [beyond(key, above, '>', ""), beyond(key, up_to, '<', "=")];
                let but = (!keys.is_empty()).then(|| format!("not {}", one_of(key, keys)));
                joined(bounds.into_iter().flatten().chain(but), " and ")
            }
        }
    }
}

fn one_of(key: &[String], keys: &[Vec<i128>]) -> String {
    if let [only] = key {
        return format!("({only} in ({}))", joined(keys.iter().map(|key| key[0].to_string()), ", "));
    }
    // A list of pairs is not looked up by the index, however it is written (MariaDB before 10.3).
    let each = keys
        .iter()
        .map(|values| joined(key.iter().zip(values).map(|(name, value)| format!("{name} = {value}")), " and "));
    format!("({})", joined(each, " or "))
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
        assert_eq!(keys.condition(&["`k`".to_owned()]), "(`k` in (-1, 7))");
        let pairs = Within::Keys(vec![vec![1, 2], vec![3, 4]]);
        let names = ["`a`".to_owned(), "`b`".to_owned()];
        assert_eq!(pairs.condition(&names), "(`a` = 1 and `b` = 2 or `a` = 3 and `b` = 4)");
    }

    #[test]
    fn a_stretch_is_asked_for_without_what_is_there() {
        let stretch = |above, keys| Within::AllBut { above, up_to: vec![9], keys }.condition(&["`k`".to_owned()]);
        assert_eq!(stretch(Vec::new(), Vec::new()), "`k` <= 9");
        assert_eq!(stretch(vec![-3], vec![vec![5], vec![7]]), "`k` > -3 and `k` <= 9 and not (`k` in (5, 7))");
    }
}
