//! Rows that the warehouse lacks, told by the keys of both sides, and read by as few statements as these allow.
//!
//! Pure but for the reading. Of a stretch of keys, those are named that are fewer: what is lacking, or what is there.
//! Guarantee: no row is read whose key was said to be there.
//! Memory: no more keys than are lacking, and twice [`KEYS_AT_ONCE`].

use super::{
    Order, Reader, Source,
    within::{KEYS_AT_ONCE, Within},
};
use crate::{domain::Table, error::Result};
use std::collections::VecDeque;

/// Keys whose rows are missing, gathered in ascending order.
#[derive(Debug)]
pub struct Missing {
    parts: VecDeque<Within>,
    rows: u64,
    /// The key before the stretch that is being gathered, and its last; empty: none.
    above: Vec<i128>,
    last: Vec<i128>,
    lacking: Kind,
    there: Kind,
}

/// Keys of one kind in a stretch.
#[derive(Debug, Default)]
struct Kind {
    count: usize,
    /// The first of them: all, unless they are more than are ever named.
    named: Vec<Vec<i128>>,
}

impl Missing {
    /// Among keys above this one (empty: among all).
    pub fn above(key: Vec<i128>) -> Self {
        let (lacking, there) = (Kind::default(), Kind::default());
        Self { parts: VecDeque::new(), rows: 0, last: key.clone(), above: key, lacking, there }
    }

    /// Takes in the next key, which is above all before it, of the source or the warehouse, and whether the
    /// warehouse has it.
    pub fn take(&mut self, key: Vec<i128>, is_there: bool) {
        if self.lacking.is_full() && self.there.is_full() {
            self.end_stretch();
        }
        self.last.clone_from(&key);
        self.rows += u64::from(!is_there);
        let kind = if is_there { &mut self.there } else { &mut self.lacking };
        kind.count += 1;
        if kind.named.len() < KEYS_AT_ONCE {
            kind.named.push(key);
        }
    }

    /// Takes in all keys above the last one up to this one, of which the warehouse has none: so many, about.
    pub fn take_all(&mut self, up_to: Vec<i128>, rows: u64) {
        self.end_stretch();
        self.rows += rows;
        self.last.clone_from(&up_to);
        let above = std::mem::replace(&mut self.above, up_to.clone());
        self.parts.push_back(Within::AllBut { above, up_to, keys: Vec::new() });
    }

    /// How many rows are missing, about.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The last key that was taken in.
    pub fn last(&self) -> &[i128] {
        &self.last
    }

    fn end_stretch(&mut self) {
        let (lacking, there) = (std::mem::take(&mut self.lacking), std::mem::take(&mut self.there));
        let above = std::mem::replace(&mut self.above, self.last.clone());
        if lacking.count == 0 {
            return;
        }
        // Both kinds were never full before the last key came: the fewer are named, all of them.
        self.parts.push_back(if lacking.count <= there.count {
            Within::Keys(lacking.named)
        } else {
            Within::AllBut { above, up_to: self.last.clone(), keys: there.named }
        });
    }

    fn parts(mut self) -> VecDeque<Within> {
        self.end_stretch();
        self.parts
    }
}

impl Kind {
    fn is_full(&self) -> bool {
        self.count >= KEYS_AT_ONCE
    }
}

impl Source {
    /// Prepares to read the rows that are missing, in ranges of about so many bytes at most.
    pub async fn reader_of_missing<'t>(
        &self,
        table: &'t Table,
        missing: Missing,
        range_bytes: u64,
    ) -> Result<Reader<'t>> {
        let reader = self.reader(table, &Order::Key { after: Vec::new() }, range_bytes).await?;
        Ok(reader.within(missing.parts()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What the source would give of these keys.
    fn read(parts: &VecDeque<Within>, source: &[i128]) -> Vec<i128> {
        let of = |part: &Within| -> Vec<i128> {
            let fits = |key: &i128| match part {
                Within::Keys(keys) => keys.contains(&vec![*key]),
                Within::AllBut { above, up_to, keys } => {
                    above.as_slice() < [*key].as_slice()
                        && [*key].as_slice() <= up_to.as_slice()
                        && !keys.contains(&vec![*key])
                }
                Within::Range(_) => false,
            };
            source.iter().copied().filter(fits).collect()
        };
        parts.iter().flat_map(of).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn just_what_is_lacking_is_read_by_statements_that_name_few_keys(
            runs in proptest::collection::vec((0i128..1500, any::<bool>(), any::<bool>(), any::<bool>()), 0..12),
            begin in -5i128..5,
        ) {
            let mut missing = Missing::above(if begin < 0 { Vec::new() } else { vec![begin] });
            let (mut source, mut lacking, mut key) = (Vec::new(), Vec::new(), begin);
            for (length, is_there, is_gone, at_once) in runs {
                if at_once && length > 0 {
                    missing.take_all(vec![key + length], length.unsigned_abs() as u64);
                    source.extend(key + 1..=key + length);
                    lacking.extend(key + 1..=key + length);
                    key += length;
                    continue;
                }
                for _ in 0..length {
                    key += 1;
                    // What the warehouse alone has may come again before it is read.
                    source.push(key);
                    missing.take(vec![key], is_there || is_gone);
                    lacking.extend((!(is_there || is_gone)).then_some(key));
                }
            }
            prop_assert_eq!(missing.rows(), lacking.len() as u64);
            let parts = missing.parts();
            for part in &parts {
                if let Within::Keys(keys) | Within::AllBut { keys, .. } = part {
                    prop_assert!(keys.len() <= KEYS_AT_ONCE);
                }
            }
            prop_assert_eq!(read(&parts, &source), lacking);
        }
    }

    #[test]
    fn a_long_run_is_one_stretch() {
        let mut missing = Missing::above(Vec::new());
        (0..5000).for_each(|key| missing.take(vec![key], key % 100 == 0));
        let mut parts = missing.parts();
        assert!(matches!(&parts.make_contiguous()[..], [Within::AllBut { keys, .. }] if keys.len() == 50));
    }
}
