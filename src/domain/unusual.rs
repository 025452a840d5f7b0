//! Whether a build of a model was as its builds usually are.
//!
//! Pure. Compared with the last builds of the same model, made in the same way: more than [`SLOWER`] times the median of
//! their seconds, or less than one [`FEWER`]th of the median of their rows. A change that stays becomes usual.

use std::fmt;

/// So many of the last builds are looked at.
pub const BUILDS_MAX: usize = 20;
/// Of fewer builds nobody can say what is usual.
pub const BUILDS_MIN: usize = 5;
/// Times of the usual duration.
const SLOWER: f64 = 3.0;
/// A build that takes less than this is never slow: a moment's load would make it so.
const SLOW_SECONDS_MIN: f64 = 1.0;
/// Parts of the usual rows.
const FEWER: f64 = 10.0;

/// What is unusual about a build.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unusual {
    /// It took long.
    Slow,
    /// It has few rows.
    FewRows,
}

impl Unusual {
    /// Every one.
    pub const ALL: [Self; 2] = [Self::Slow, Self::FewRows];

    /// Its word, in the control plane and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Slow => "slow",
            Self::FewRows => "few_rows",
        }
    }

    /// What that word stands for.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|unusual| unusual.as_str() == word)
    }
}

/// What a build took and gave.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measure {
    /// How long it took.
    pub seconds: f64,
    /// The rows of its relation, where they were counted.
    pub rows: Option<i64>,
}

/// A build beside what is usual.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// What it took and gave.
    pub build: Measure,
    /// The median of the seconds of those before; `None` where there were too few.
    pub usual_seconds: Option<f64>,
    /// The same of their rows.
    pub usual_rows: Option<f64>,
    /// What is unusual.
    pub unusual: Vec<Unusual>,
}

impl Judged {
    /// Compares a build with those before it. The time is not judged where `is_timed` says that builds of its kind take
    /// what they are asked for.
    pub fn of(build: Measure, before: &[Measure], is_timed: bool) -> Self {
        let usual_seconds = median(before.iter().map(|b| b.seconds).collect()).filter(|_| is_timed);
        // A table has far fewer rows than a float counts exactly.
        let usual_rows = median(before.iter().filter_map(|b| b.rows).map(|rows| rows as f64).collect());
        let is_slow = usual_seconds.is_some_and(|usual| build.seconds > (SLOWER * usual).max(SLOW_SECONDS_MIN));
        let has_few = build.rows.zip(usual_rows).is_some_and(|(rows, usual)| rows as f64 * FEWER < usual);
        let both = [(is_slow, Unusual::Slow), (has_few, Unusual::FewRows)];
        let unusual = both.into_iter().filter_map(|(is_so, what)| is_so.then_some(what)).collect();
        Self { build, usual_seconds, usual_rows, unusual }
    }

    /// Each thing that is unusual, in words.
    pub fn told(&self) -> Vec<String> {
        self.unusual.iter().map(|what| Told { judged: self, what: *what }.to_string()).collect()
    }
}

struct Told<'a> {
    judged: &'a Judged,
    what: Unusual,
}

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Judged { build, usual_seconds, usual_rows, .. } = self.judged;
        match self.what {
            Unusual::Slow => {
                write!(f, "took {:.1} s, and usually takes {:.1} s", build.seconds, usual_seconds.unwrap_or_default())
            }
            Unusual::FewRows => {
                let (rows, usual) = (build.rows.unwrap_or_default(), usual_rows.unwrap_or_default());
                write!(f, "has {rows} rows, and usually has {usual:.0}")
            }
        }
    }
}

/// The middle of some numbers; `None` of too few.
fn median(mut numbers: Vec<f64>) -> Option<f64> {
    if numbers.len() < BUILDS_MIN {
        return None;
    }
    numbers.sort_by(f64::total_cmp);
    let middle = numbers.len() / 2;
    Some(if numbers.len().is_multiple_of(2) {
        f64::midpoint(numbers[middle - 1], numbers[middle])
    } else {
        numbers[middle]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measures(all: &[(f64, i64)]) -> Vec<Measure> {
        all.iter().map(|(seconds, rows)| Measure { seconds: *seconds, rows: Some(*rows) }).collect()
    }

    fn judged(seconds: f64, rows: i64, before: &[(f64, i64)]) -> Vec<Unusual> {
        Judged::of(Measure { seconds, rows: Some(rows) }, &measures(before), true).unusual
    }

    const BEFORE: &[(f64, i64)] = &[(2.0, 100), (9.0, 90), (1.0, 110), (2.0, 100), (2.5, 5)];

    #[test]
    fn a_build_is_slow_beyond_three_times_the_median_and_no_earlier() {
        assert_eq!(judged(6.0, 100, BEFORE), []);
        assert_eq!(judged(6.1, 100, BEFORE), [Unusual::Slow]);
        let quick: Vec<(f64, i64)> = BEFORE.iter().map(|(seconds, rows)| (seconds / 100.0, *rows)).collect();
        assert_eq!(judged(1.0, 100, &quick), [], "what takes a second is never slow");
        assert_eq!(judged(1.1, 100, &quick), [Unusual::Slow]);
    }

    #[test]
    fn a_build_has_few_rows_below_a_tenth_of_the_median() {
        assert_eq!(judged(2.0, 10, BEFORE), []);
        assert_eq!(judged(2.0, 9, BEFORE), [Unusual::FewRows]);
        assert_eq!(judged(7.0, 0, BEFORE), [Unusual::Slow, Unusual::FewRows]);
        let empty: Vec<(f64, i64)> = BEFORE.iter().map(|(seconds, _)| (*seconds, 0)).collect();
        assert_eq!(judged(2.0, 0, &empty), [], "what is always empty may be empty");
    }

    #[test]
    fn of_few_builds_nothing_is_usual() {
        assert_eq!(judged(99.0, 0, &BEFORE[..BUILDS_MIN - 1]), []);
        // Views are not counted.
        let views: Vec<Measure> = measures(BEFORE).into_iter().map(|m| Measure { rows: None, ..m }).collect();
        let judged = Judged::of(Measure { seconds: 2.0, rows: Some(0) }, &views, true);
        assert_eq!((judged.usual_rows, judged.unusual), (None, vec![]));
    }

    #[test]
    fn time_is_not_judged_where_it_is_what_was_asked_for() {
        let judged = Judged::of(Measure { seconds: 99.0, rows: Some(1) }, &measures(BEFORE), false);
        assert_eq!((judged.usual_seconds, judged.unusual), (None, vec![Unusual::FewRows]));
    }

    #[test]
    fn what_is_unusual_is_said_beside_what_is_usual() {
        let judged = Judged::of(Measure { seconds: 7.04, rows: Some(3) }, &measures(BEFORE), true);
        assert_eq!(judged.told(), ["took 7.0 s, and usually takes 2.0 s", "has 3 rows, and usually has 100"]);
        for what in Unusual::ALL {
            assert_eq!(Unusual::parse(what.as_str()), Some(what));
        }
    }
}
