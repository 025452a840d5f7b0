//! One line of what the doctor finds.

use crate::error::Error;
use serde::Serialize;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::cli) enum Verdict {
    /// As it should be.
    Ok,
    /// Works, but not as well, or not for ever.
    Warn,
    /// A run would fail.
    Fail,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(in crate::cli) struct Finding {
    pub(super) verdict: Verdict,
    /// `machine`, `source`, `replica`, `warehouse`, `clocks`, `models`.
    pub(super) subject: &'static str,
    pub(super) check: &'static str,
    pub(super) finding: String,
    /// What to do; none where all is well.
    pub(super) remedy: Option<String>,
}

/// The findings on one subject.
#[derive(Debug)]
pub(super) struct Findings {
    subject: &'static str,
    found: Vec<Finding>,
}

impl Findings {
    pub(super) fn on(subject: &'static str) -> Self {
        Self { subject, found: Vec::new() }
    }

    pub(super) fn ok(&mut self, check: &'static str, finding: impl Into<String>) {
        self.add(Verdict::Ok, check, finding.into(), None);
    }

    pub(super) fn warn(&mut self, check: &'static str, finding: impl Into<String>, remedy: impl Into<String>) {
        self.add(Verdict::Warn, check, finding.into(), Some(remedy.into()));
    }

    pub(super) fn fail(&mut self, check: &'static str, finding: impl Into<String>, remedy: impl Into<String>) {
        self.add(Verdict::Fail, check, finding.into(), Some(remedy.into()));
    }

    /// A failure with the remedy of its kind.
    pub(super) fn failed(&mut self, check: &'static str, error: &Error) {
        self.fail(check, error.to_string(), error.remedy());
    }

    pub(super) fn into_vec(self) -> Vec<Finding> {
        self.found
    }

    fn add(&mut self, verdict: Verdict, check: &'static str, finding: String, remedy: Option<String>) {
        self.found.push(Finding { verdict, subject: self.subject, check, finding, remedy });
    }
}

/// Bytes for a person: powers of 1024, as `ls -h` shows them.
pub(super) fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut unit = 0;
    let mut rest = count;
    while rest >= 10 * 1024 && unit + 1 < UNITS.len() {
        rest /= 1024;
        unit += 1;
    }
    format!("{rest} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_written_for_a_person() {
        assert_eq!(bytes(900), "900 B");
        assert_eq!(bytes(16 << 20), "16 MiB");
        assert_eq!(bytes(4_700_000_000), "4482 MiB");
    }
}
