//! `[log]`: how to log.

use super::Problem;
use serde::{Deserialize, Serialize};

/// How to log.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// One JSON object a line, or text for a person.
    pub format: LogFormat,
    /// A filter as tracing-subscriber's `EnvFilter` reads it: `info`, or `warn,amalgam::sync=debug`.
    pub filter: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Text, filter: "info".to_owned() }
    }
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For a person.
    #[default]
    Text,
    /// For a machine.
    Json,
    /// For systemd's journal: JSON, with the level in front as sd-daemon(3) has it.
    Journald,
}

impl Log {
    pub(super) fn check(&self) -> Option<Problem> {
        let error = tracing_subscriber::EnvFilter::try_new(&self.filter).err()?;
        Some(Problem::new("log.filter", error.to_string(), "write info, debug, or warn,amalgam::sync=debug"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_is_none_is_refused() {
        assert_eq!(Log::default().check(), None);
        assert!(Log { filter: "amalgam=shout".to_owned(), ..Log::default() }.check().is_some());
    }
}
