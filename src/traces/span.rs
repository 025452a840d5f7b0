//! Spans as OpenTelemetry has them, and who makes them.

use super::{
    FLUSH_TIME_MAX,
    collector::{self, Collector},
    sending::{self, Sending},
};
use crate::config;
use opentelemetry::{
    Context, KeyValue,
    trace::{SpanBuilder, Status, TraceContextExt, Tracer, TracerProvider},
};
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use std::{
    borrow::Cow,
    fmt,
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};
use tracing::{info, warn};

/// Begins to work with the first run: most commands have none.
#[derive(Debug)]
pub(super) struct Exporter {
    config: config::Traces,
    begun: OnceLock<Option<Begun>>,
}

#[derive(Debug)]
struct Begun {
    tracer: SdkTracer,
    sending: Sending,
}

impl Exporter {
    pub(super) fn new(config: &config::Traces) -> Self {
        Self { config: config.clone(), begun: OnceLock::new() }
    }

    /// A span that is part of no other. Within the runtime.
    pub(super) fn root(&self, name: fmt::Arguments<'_>) -> Span {
        let begun = self.begun.get_or_init(|| begin(&self.config));
        Span(begun.as_ref().map(|begun| Live::new(&begun.tracer, name, &Context::new())))
    }

    pub(super) async fn close(&self) {
        if let Some(Some(begun)) = self.begun.get() {
            begun.sending.end(FLUSH_TIME_MAX).await;
        }
    }
}

/// `None`: nobody is named who listens, or they can't be spoken to, which is told.
fn begin(config: &config::Traces) -> Option<Begun> {
    let collector = match Collector::new(config) {
        Ok(collector) => collector?,
        Err(cause) => {
            warn!(cause, "runs are not traced");
            return None;
        }
    };
    info!(collector = collector.host, "runs are traced");
    let resource = collector::resource();
    let (outbox, sending) = sending::begin(collector.exporter, collector.host, &resource);
    // Whose sampler and limits are those of OpenTelemetry's variables.
    let provider = SdkTracerProvider::builder().with_resource(resource).with_span_processor(outbox).build();
    Some(Begun { tracer: provider.tracer("amalgam"), sending })
}

/// `None`: it is told to nobody.
#[derive(Debug)]
pub(super) struct Span(Option<Live>);

struct Live {
    tracer: SdkTracer,
    /// Holds the span, as its children want it.
    context: Context,
    is_over: AtomicBool,
}

impl Live {
    fn new(tracer: &SdkTracer, name: fmt::Arguments<'_>, parent: &Context) -> Self {
        let span = tracer.build_with_context(SpanBuilder::from_name(name.to_string()), parent);
        Self { tracer: tracer.clone(), context: parent.with_span(span), is_over: AtomicBool::new(false) }
    }

    fn end(&self, state: &str) {
        if !self.is_over.swap(true, Ordering::Relaxed) {
            self.context.span().set_attribute(KeyValue::new("amalgam.state", state.to_owned()));
            self.context.span().end();
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.end("interrupted");
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Live").field(self.context.span().span_context()).finish()
    }
}

impl Span {
    pub(super) fn child(&self, name: fmt::Arguments<'_>) -> Self {
        Self(self.0.as_ref().map(|live| Live::new(&live.tracer, name, &live.context)))
    }

    pub(super) fn word(&self, key: impl Into<Cow<'static, str>>, word: &str) {
        if let Some(live) = &self.0 {
            live.context.span().set_attribute(KeyValue::new(key.into(), word.to_owned()));
        }
    }

    pub(super) fn number(&self, key: impl Into<Cow<'static, str>>, number: i64) {
        if let Some(live) = &self.0 {
            live.context.span().set_attribute(KeyValue::new(key.into(), number));
        }
    }

    pub(super) fn truth(&self, key: impl Into<Cow<'static, str>>, truth: bool) {
        if let Some(live) = &self.0 {
            live.context.span().set_attribute(KeyValue::new(key.into(), truth));
        }
    }

    /// By the kind of the failure alone.
    pub(super) fn fail(&self, kind: &str) {
        if let Some(live) = &self.0 {
            live.context.span().set_attribute(KeyValue::new("error.type", kind.to_owned()));
            live.context.span().set_status(Status::error(kind.to_owned()));
        }
    }

    /// The first end counts.
    pub(super) fn end(&self, state: &str) {
        if let Some(live) = &self.0 {
            live.end(state);
        }
    }

    /// `None` also where the sampler leaves the trace out.
    pub(super) fn trace_id(&self) -> Option<String> {
        let context = self.0.as_ref()?.context.span().span_context().clone();
        context.is_sampled().then(|| context.trace_id().to_string())
    }
}
