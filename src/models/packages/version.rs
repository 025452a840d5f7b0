//! Versions of packages and what is asked of them, compared as dbt does (dbt-common, `semver.py`).

use crate::error::{Error, Kind, Result};
use std::{cmp::Ordering, fmt};

/// A version: `1.2.3`, `1.2.3-rc1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Version {
    numbers: [u64; 3],
    prerelease: Option<String>,
}

/// What is asked of a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Requirement {
    matcher: Matcher,
    version: Version,
    written: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Matcher {
    Exact,
    Above,
    AtLeast,
    Below,
    AtMost,
}

impl Version {
    /// Reads a version; `None` where it is none.
    pub(super) fn of(text: &str) -> Option<Self> {
        let (core, build) = text.split_once('+').unwrap_or((text, ""));
        let is_word = |word: &str| word.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        if !build.split('.').all(is_word) {
            return None;
        }
        let mut parts = core.splitn(3, '.');
        let number = |text: &str| {
            let is_number = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
            if is_number { text.parse::<u64>().ok() } else { None }
        };
        let (major, minor, rest) = (number(parts.next()?)?, number(parts.next()?)?, parts.next()?);
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (patch, after) = (number(&rest[..digits])?, &rest[digits..]);
        // The dash may be missing: `1.0.0b1`.
        let prerelease = after.strip_prefix('-').unwrap_or(after);
        let is_part = |part: &str| {
            let is_number = part.bytes().all(|b| b.is_ascii_digit());
            !part.is_empty() && is_word(part) && (!is_number || part == "0" || !part.starts_with('0'))
        };
        let is_released = after.is_empty();
        if !is_released && !prerelease.split('.').all(is_part) {
            return None;
        }
        Some(Self { numbers: [major, minor, patch], prerelease: (!is_released).then(|| prerelease.to_owned()) })
    }

    /// Whether it comes before a release: `1.0.0-rc1`.
    pub(super) fn is_prerelease(&self) -> bool {
        self.prerelease.is_some()
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        self.numbers.cmp(&other.numbers).then_with(|| match (&self.prerelease, &other.prerelease) {
            (None, None) => Ordering::Equal,
            (None, Some(_)) => Ordering::Greater,
            (Some(_), None) => Ordering::Less,
            (Some(a), Some(b)) => compare_prereleases(a, b),
        })
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Part by part: numbers by their value and before words, words by their letters.
fn compare_prereleases(a: &str, b: &str) -> Ordering {
    let part = |text: &str| (text.parse::<u64>().map_or(1, |_| 0), text.parse::<u64>().unwrap_or(0), text.to_owned());
    a.split('.').map(part).cmp(b.split('.').map(part))
}

impl Requirement {
    /// Reads what is asked: `1.0.0`, `=1.0.0`, `>=1.0.0`, `<2.0.0`.
    ///
    /// # Errors
    /// It is no version.
    pub(super) fn of(written: &str) -> Result<Self> {
        let matchers = [
            (">=", Matcher::AtLeast),
            ("<=", Matcher::AtMost),
            (">", Matcher::Above),
            ("<", Matcher::Below),
            ("=", Matcher::Exact),
        ];
        let found = matchers.iter().find_map(|(sign, matcher)| Some((written.strip_prefix(sign)?, *matcher)));
        let (text, matcher) = found.unwrap_or((written, Matcher::Exact));
        let version = Version::of(text).ok_or_else(|| {
            let several =
                if written.contains(',') { "; write several as a list: [\">=1.0.0\", \"<2.0.0\"]" } else { "" };
            Error::new(Kind::Packages, format!("'{written}' is no version such as 1.2.0 or >=1.2.0{several}"))
        })?;
        Ok(Self { matcher, version, written: written.to_owned() })
    }

    /// Whether a version is as asked. Below `2.0.0` there is no `2.0.0-rc1`.
    pub(super) fn admits(&self, version: &Version) -> bool {
        let order = version.cmp(&self.version);
        match self.matcher {
            Matcher::Exact => order.is_eq(),
            Matcher::Above => order.is_gt(),
            Matcher::AtLeast => order.is_ge(),
            Matcher::AtMost => order.is_le(),
            Matcher::Below => {
                let leads_to_it = !self.version.is_prerelease() && version.numbers == self.version.numbers;
                order.is_lt() && !leads_to_it
            }
        }
    }

    /// Whether it names a version before a release: then such versions are looked at.
    pub(super) fn is_prerelease(&self) -> bool {
        self.version.is_prerelease()
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The newest of some versions that all requirements admit. The verdicts are dbt-common's.
    fn newest(asked: &[&str], with_prereleases: bool) -> Option<&'static str> {
        let there =
            ["0.9.0", "1.0.0", "1.1.0", "1.1.1", "1.10.0", "2.0.0-rc1", "2.0.0-rc.2", "2.0.0-a1", "2.0.0", "1.0.0-b1"];
        let asked: Vec<Requirement> = asked.iter().map(|text| Requirement::of(text).expect("a requirement")).collect();
        let version = |text: &str| Version::of(text).expect("a version");
        let fits = |text: &&str| asked.iter().all(|one| one.admits(&version(text)));
        let offered = there.into_iter().filter(|text| with_prereleases || !version(text).is_prerelease());
        offered.filter(fits).max_by_key(|text| version(text))
    }

    #[test]
    fn the_newest_version_that_everybody_admits_is_taken() {
        for (asked, usual, with_prereleases) in [
            (&["1.0.0"][..], Some("1.0.0"), Some("1.0.0")),
            (&["=1.0.0"], Some("1.0.0"), Some("1.0.0")),
            (&[">=1.0.0", "<2.0.0"], Some("1.10.0"), Some("1.10.0")),
            (&[">1.0.0", "<=1.1.1"], Some("1.1.1"), Some("1.1.1")),
            (&[">=1.0.0", "<2.0.0", "1.1.0"], Some("1.1.0"), Some("1.1.0")),
            (&[">=3.0.0"], None, None),
            (&[">2.0.0", "<1.0.0"], None, None),
            (&["1.0.0", "1.1.0"], None, None),
            (&[], Some("2.0.0"), Some("2.0.0")),
            (&["1.0.0b1"], None, Some("1.0.0-b1")),
            (&[">=1.0.0-b1", "<1.0.0"], None, None),
            (&["<1.0.0", "1.0.0"], None, None),
            (&["<=1.0.0", ">=1.0.0"], Some("1.0.0"), Some("1.0.0")),
            (&["1.0.0+x"], Some("1.0.0"), Some("1.0.0")),
            (&[">=2.0.0-a1", "<2.0.0-rc1"], None, Some("2.0.0-rc.2")),
        ] {
            assert_eq!((newest(asked, false), newest(asked, true)), (usual, with_prereleases), "{asked:?}");
        }
    }

    #[test]
    fn what_is_no_version_is_refused() {
        for text in ["1.0", "v1.0.0", ">= 1.0.0", ">=1.0.0,<2.0.0", "", "1", "01.0.0", "1.0.0-", "1.0.0-a..b", "1.0.x"]
        {
            assert!(Requirement::of(text).is_err(), "{text}");
        }
    }
}
