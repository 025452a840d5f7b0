//! One batch of a microbatch model: the span of event time that it covers.

use chrono::{DateTime, Utc};

/// From a moment until before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::models) struct Batch {
    /// The first moment.
    pub from: DateTime<Utc>,
    /// The first moment that is no longer part of it.
    pub until: DateTime<Utc>,
}

impl Batch {
    /// What the rows of an input must fulfil; `None` where it has no event time.
    pub(in crate::models) fn condition(&self, event_time: Option<&str>) -> Option<String> {
        let field = event_time?;
        let (from, until) = (shown(self.from), shown(self.until));
        Some(format!("{field} >= '{from}' and {field} < '{until}'"))
    }
}

/// A moment as Python prints it.
pub(in crate::models) fn shown(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S+00:00").to_string()
}
