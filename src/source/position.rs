//! How far a server's log has come: MariaDB's position of global transaction ids, such as `0-1-270,3-1-9`.
//!
//! Per domain the last transaction's number, which only grows (MariaDB KB, "Global Transaction ID"). Pure.

use std::{collections::BTreeMap, fmt};

/// A position: per domain, the last transaction. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Position {
    text: String,
    last: BTreeMap<u32, u64>,
}

impl Position {
    /// Reads `domain-server-number,…`; `None` where there is none, or it is written otherwise.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let last = text.split(',').map(part).collect::<Option<BTreeMap<u32, u64>>>()?;
        Some(Self { text: text.to_owned(), last })
    }

    /// Whether all that was logged up to the other is logged up to this one.
    pub(super) fn covers(&self, other: &Self) -> bool {
        other.last.iter().all(|(domain, number)| self.last.get(domain).is_some_and(|last| last >= number))
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn part(text: &str) -> Option<(u32, u64)> {
    let mut numbers = text.split('-');
    let (domain, server, number) = (numbers.next()?.parse().ok()?, numbers.next()?, numbers.next()?.parse().ok()?);
    (numbers.next().is_none() && server.parse::<u32>().is_ok()).then_some((domain, number))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(text: &str) -> Position {
        Position::parse(text).expect("it is a position")
    }

    #[test]
    fn one_position_covers_another_in_every_domain_of_it() {
        assert!(position("0-1-10").covers(&position("0-2-10")));
        assert!(position("0-1-10,3-1-1").covers(&position("0-1-9")));
        assert!(!position("0-1-10").covers(&position("0-1-11")));
        assert!(!position("0-1-10").covers(&position("0-1-9,3-1-1")));
    }

    #[test]
    fn what_is_no_position_is_none() {
        for text in ["", "0", "0-1", "0-1-2-3", "0-1-x", "0-1-2,", "3e11fa47-71ca-11e1-9e33-c80aa9429562:23"] {
            assert_eq!(Position::parse(text), None, "{text}");
        }
    }
}
