//! In a program without the feature `otel`: nothing is told.
//!
//! The same items as with it, and nothing in them. A collector that only OpenTelemetry's variables name is no
//! mistake of who configured Amalgam: they may be set for every program of a machine. So it is a warning.

use super::{is_disabled, named_by, of_process};
use crate::config;
use std::{borrow::Cow, fmt, sync::Once};
use tracing::warn;

#[derive(Debug)]
pub(super) struct Exporter {
    told: Once,
}

impl Exporter {
    pub(super) fn new(_config: &config::Traces) -> Self {
        Self { told: Once::new() }
    }

    pub(super) fn root(&self, _name: fmt::Arguments<'_>) -> Span {
        self.told.call_once(|| {
            if let (Some((variable, _)), false) = (named_by(of_process), is_disabled(of_process)) {
                let remedy = "build it with cargo build --release --features otel, or unset the variable";
                warn!(variable, remedy, "a collector is named, but this program was built without traces");
            }
        });
        Span
    }

    pub(super) async fn close(&self) {}
}

#[derive(Debug)]
pub(super) struct Span;

impl Span {
    pub(super) fn child(&self, _name: fmt::Arguments<'_>) -> Self {
        Self
    }

    pub(super) fn word(&self, _key: impl Into<Cow<'static, str>>, _word: &str) {}

    pub(super) fn number(&self, _key: impl Into<Cow<'static, str>>, _number: i64) {}

    pub(super) fn truth(&self, _key: impl Into<Cow<'static, str>>, _truth: bool) {}

    pub(super) fn fail(&self, _kind: &str) {}

    pub(super) fn end(&self, _state: &str) {}

    pub(super) fn trace_id(&self) -> Option<String> {
        None
    }
}
