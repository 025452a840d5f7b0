//! Spans that have ended, on their way to the collector.
//!
//! Not OpenTelemetry's own batch processor: that one has a thread of its own, on which no asynchronous client works,
//! and logs each failure anew.
//!
//! Guarantee: who ends a span never waits. At most [`QUEUE_MAX`] wait to be sent and [`BATCH_MAX`] are under way; what
//! is more is lost. That spans are lost is told once, and how many when the collector takes them again.

use super::collector::SEND_TIME_MAX;
use opentelemetry::Context;
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{Span, SpanData, SpanExporter, SpanProcessor},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::mpsc,
    task::AbortHandle,
    time::{Instant, timeout, timeout_at},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{info, warn};

/// Spans that wait. Those of a table's attempt and task are about one kilobyte.
const QUEUE_MAX: usize = 2048;
/// Spans in one message.
const BATCH_MAX: usize = 512;
/// How long the first span of a message waits for others.
const GATHER_TIME: Duration = Duration::from_secs(1);

/// Takes spans as they end.
#[derive(Debug)]
pub(super) struct Outbox {
    spans: mpsc::Sender<SpanData>,
    losses: Arc<Losses>,
}

/// The sending, until it is ended.
#[derive(Debug)]
pub(super) struct Sending {
    over: CancellationToken,
    tracker: TaskTracker,
    task: AbortHandle,
    losses: Arc<Losses>,
}

/// Begins to send. Within the runtime.
pub(super) fn begin<E>(mut exporter: E, collector: String, resource: &Resource) -> (Outbox, Sending)
where
    E: SpanExporter + 'static,
{
    exporter.set_resource(resource);
    let (spans, waiting) = mpsc::channel(QUEUE_MAX);
    let losses = Arc::new(Losses { collector, ..Losses::default() });
    let (over, tracker) = (CancellationToken::new(), TaskTracker::new());
    let task = tracker.spawn(send_all(Waiting { spans: waiting, over: over.clone() }, exporter, Arc::clone(&losses)));
    tracker.close();
    let sending = Sending { over, tracker, task: task.abort_handle(), losses: Arc::clone(&losses) };
    (Outbox { spans, losses }, sending)
}

impl SpanProcessor for Outbox {
    fn on_start(&self, _span: &mut Span, _context: &Context) {}

    fn on_end(&self, span: SpanData) {
        if let Err(mpsc::error::TrySendError::Full(_)) = self.spans.try_send(span) {
            self.losses.add(1, "they come faster than the collector takes them");
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _timeout: Duration) -> OTelSdkResult {
        Ok(())
    }
}

impl Sending {
    /// Sends what waits, and gives up when the time is over.
    pub(super) async fn end(&self, time_max: Duration) {
        self.over.cancel();
        if timeout(time_max, self.tracker.wait()).await.is_err() {
            self.task.abort();
            self.losses.add(0, "the collector did not take the last ones before the end");
        }
    }
}

/// Spans that wait to be sent.
struct Waiting {
    spans: mpsc::Receiver<SpanData>,
    over: CancellationToken,
}

impl Waiting {
    /// `None`: none is left, and none will come.
    async fn next(&mut self) -> Option<SpanData> {
        tokio::select! {
            biased;
            () = self.over.cancelled(), if !self.spans.is_closed() => self.spans.close(),
            span = self.spans.recv() => return span,
        }
        self.spans.recv().await
    }

    /// The next message. At the end nothing is waited for.
    async fn batch(&mut self) -> Option<Vec<SpanData>> {
        let mut batch = vec![self.next().await?];
        let end = Instant::now() + GATHER_TIME;
        while batch.len() < BATCH_MAX {
            match timeout_at(end, self.next()).await {
                Ok(Some(span)) => batch.push(span),
                Ok(None) | Err(_) => break,
            }
        }
        Some(batch)
    }
}

async fn send_all(mut waiting: Waiting, exporter: impl SpanExporter, losses: Arc<Losses>) {
    while let Some(batch) = waiting.batch().await {
        let count = batch.len() as u64;
        match timeout(SEND_TIME_MAX, exporter.export(batch)).await {
            Ok(Ok(())) => losses.sent(),
            // Its text holds a status at most.
            Ok(Err(error)) => losses.add(count, &error.to_string()),
            Err(_) => losses.add(count, "the collector does not answer"),
        }
    }
}

/// What was lost since the collector last took all there was.
#[derive(Debug, Default)]
struct Losses {
    collector: String,
    spans: AtomicU64,
    /// Of them, how many since the message before.
    latest: AtomicU64,
    is_told: AtomicBool,
}

impl Losses {
    fn add(&self, spans: u64, cause: &str) {
        self.spans.fetch_add(spans, Ordering::Relaxed);
        self.latest.fetch_add(spans, Ordering::Relaxed);
        if !self.is_told.swap(true, Ordering::Relaxed) {
            let collector = &self.collector;
            warn!(collector, cause, "spans of runs are lost; the runs go on without");
        }
    }

    /// A message was taken. Told when none was lost besides, so that a collector that is only slow is told once too.
    fn sent(&self) {
        if self.latest.swap(0, Ordering::Relaxed) == 0 && self.is_told.swap(false, Ordering::Relaxed) {
            let (collector, lost) = (&self.collector, self.spans.swap(0, Ordering::Relaxed));
            info!(collector, lost, "the collector takes spans of runs again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry::trace::{Span as _, Tracer, TracerProvider};
    use opentelemetry_sdk::{
        error::OTelSdkError,
        trace::{SdkTracer, SdkTracerProvider},
    };
    use std::sync::Mutex;

    /// Takes what it gets, refuses it, or never answers.
    #[derive(Clone, Debug, Default)]
    struct Fake {
        batches: Arc<Mutex<Vec<usize>>>,
        is_stuck: bool,
        refuses: Arc<AtomicBool>,
    }

    impl Fake {
        fn batches(&self) -> Vec<usize> {
            self.batches.lock().expect("no test panics within").clone()
        }
    }

    impl SpanExporter for Fake {
        async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
            if self.is_stuck {
                std::future::pending::<()>().await;
            }
            self.batches.lock().expect("no test panics within").push(batch.len());
            match self.refuses.load(Ordering::Relaxed) {
                true => Err(OTelSdkError::InternalFailure("refused".to_owned())),
                false => Ok(()),
            }
        }
    }

    fn sending(exporter: Fake) -> (SdkTracer, Sending) {
        let resource = Resource::builder_empty().build();
        let (outbox, sending) = begin(exporter, "collector".to_owned(), &resource);
        let provider = SdkTracerProvider::builder().with_span_processor(outbox).build();
        (provider.tracer("test"), sending)
    }

    fn tell(tracer: &SdkTracer, spans: usize) {
        for _ in 0..spans {
            tracer.start("span").end();
        }
    }

    fn lost(sending: &Sending) -> u64 {
        sending.losses.spans.load(Ordering::Relaxed)
    }

    #[tokio::test]
    async fn what_waits_is_sent_at_the_end_in_messages_of_a_bounded_size() {
        let fake = Fake::default();
        let (tracer, sending) = sending(fake.clone());
        tell(&tracer, 1200);
        sending.end(Duration::from_secs(30)).await;
        assert_eq!(fake.batches(), [512, 512, 176]);
        // What comes after the end is nobody's, and no error.
        tell(&tracer, 1);
        assert_eq!(lost(&sending), 0);
    }

    #[tokio::test]
    async fn a_collector_that_never_answers_loses_spans_and_holds_nobody_up() {
        let (tracer, sending) = sending(Fake { is_stuck: true, ..Fake::default() });
        // On one thread: nothing is taken away meanwhile.
        tell(&tracer, QUEUE_MAX + 500);
        assert_eq!(lost(&sending), 500);
        assert!(sending.losses.is_told.load(Ordering::Relaxed));
        let began = Instant::now();
        sending.end(Duration::from_millis(100)).await;
        assert!(began.elapsed() < SEND_TIME_MAX / 2, "{:?}", began.elapsed());
        sending.tracker.wait().await;
    }

    #[tokio::test]
    async fn a_collector_that_takes_spans_again_is_told_with_what_was_lost() {
        let losses = Losses::default();
        losses.add(3, "away");
        losses.add(2, "away");
        losses.sent();
        assert!(losses.is_told.load(Ordering::Relaxed), "some were lost since the message before");
        losses.sent();
        assert!(!losses.is_told.load(Ordering::Relaxed));
        assert_eq!(losses.spans.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn what_is_refused_counts_as_lost() {
        let fake = Fake::default();
        fake.refuses.store(true, Ordering::Relaxed);
        let (tracer, sending) = sending(fake.clone());
        tell(&tracer, 7);
        sending.end(Duration::from_secs(30)).await;
        assert_eq!((fake.batches(), lost(&sending)), (vec![7], 7));
    }
}
