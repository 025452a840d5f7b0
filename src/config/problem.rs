//! What is wrong with a configuration, all of it at once.
//!
//! Guarantee: a problem never quotes the value of a secret, nor any text of a URL.

use std::{collections::BTreeSet, fmt};

/// One thing that is wrong, and how to mend it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The key, with its full path: `source.port`.
    pub key: String,
    /// Where the value came from, where it is known: a file and line, an environment variable.
    pub origin: Option<String>,
    /// What is wrong.
    pub cause: String,
    /// What to do.
    pub remedy: String,
}

impl Problem {
    /// A problem of one key; its origin is filled in by the loader.
    pub fn new(key: impl Into<String>, cause: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { key: key.into(), origin: None, cause: cause.into(), remedy: remedy.into() }
    }

    /// Says where the value came from.
    #[must_use]
    pub(super) fn at(mut self, origin: impl Into<String>) -> Self {
        self.origin = Some(origin.into());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.key)?;
        if let Some(origin) = &self.origin {
            write!(f, " ({origin})")?;
        }
        write!(f, ": {}\n  remedy: {}", self.cause, self.remedy)
    }
}

/// A configuration that can't be used: everything that is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Error {
    /// At least one.
    pub problems: Vec<Problem>,
}

impl Error {
    /// The problems, each told once.
    pub fn new(problems: Vec<Problem>) -> Self {
        let mut told = BTreeSet::new();
        Self { problems: problems.into_iter().filter(|p| told.insert((p.key.clone(), p.cause.clone()))).collect() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.problems.len() {
            1 => f.write_str("the configuration has a problem")?,
            n => write!(f, "the configuration has {n} problems")?,
        }
        self.problems.iter().try_for_each(|problem| write!(f, "\n{problem}"))
    }
}

/// Why a file can't be read, in words.
pub(super) fn unreadable(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
        kind => kind.to_string(),
    }
}

/// Adds a problem unless `value` lies within `bounds`.
pub(super) fn within<T: PartialOrd + fmt::Display>(
    problems: &mut Vec<Problem>,
    key: &str,
    value: T,
    bounds: std::ops::RangeInclusive<T>,
) {
    if !bounds.contains(&value) {
        problems.push(Problem::new(
            key,
            format!("is {value}"),
            format!("give a number from {} to {}", bounds.start(), bounds.end()),
        ));
    }
}

/// Adds a problem where a text that must not be empty is.
pub(super) fn not_empty(problems: &mut Vec<Problem>, key: &str, value: &str, remedy: &str) {
    if value.is_empty() {
        problems.push(Problem::new(key, "is not given", remedy));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_tells_every_problem_once() {
        let problem = Problem::new("source.port", "is 0", "give one").at("a.toml, line 3");
        let error = Error::new(vec![problem.clone(), problem, Problem::new("sync.x", "is bad", "mend it")]);
        assert_eq!(
            error.to_string(),
            "the configuration has 2 problems\n\
             source.port (a.toml, line 3): is 0\n  remedy: give one\n\
             sync.x: is bad\n  remedy: mend it"
        );
    }

    #[test]
    fn bounds_are_inclusive() {
        let mut problems = Vec::new();
        within(&mut problems, "a", 1, 1..=2);
        within(&mut problems, "a", 2, 1..=2);
        assert!(problems.is_empty());
        within(&mut problems, "a", 3, 1..=2);
        assert_eq!(problems[0].remedy, "give a number from 1 to 2");
    }
}
