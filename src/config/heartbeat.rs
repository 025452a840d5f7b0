//! `[heartbeat]`: a sign of life for who raises the alarm when it stops.

use super::{Problem, Secret, address::http_address, problem::within};
use ::url::Url;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Under this name the heartbeat is counted.
pub const HEARTBEAT: &str = "heartbeat";

/// What is fetched, and how often.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Heartbeat {
    /// What is fetched while all is well; empty: nothing.
    pub url: Secret,
    /// A file that holds the URL.
    pub url_file: Option<PathBuf>,
    /// How often.
    pub seconds: u32,
}

impl Default for Heartbeat {
    fn default() -> Self {
        Self { url: Secret::default(), url_file: None, seconds: 60 }
    }
}

impl Heartbeat {
    /// What is fetched; `None` where nothing is.
    pub fn address(&self) -> Option<Url> {
        http_address(self.url.reveal()).ok()
    }

    pub(super) fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        within(&mut problems, "heartbeat.seconds", self.seconds, 1..=86_400);
        if let (false, Err(cause)) = (self.url.is_empty(), http_address(self.url.reveal())) {
            problems.push(Problem::new("heartbeat.url", cause, "write it as https://…, best into url_file"));
        }
        problems
    }
}
