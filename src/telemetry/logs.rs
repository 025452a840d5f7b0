//! The form of a log line.
//!
//! One JSON object a line, or text for a person, to standard error: standard output belongs to what
//! a command prints. The fields of the spans around an event (`run`, `task`, `table`, `model`) stand
//! in the line itself, so that a line can be found by them without knowing about spans.

use crate::domain::Clock;
use serde_json::{Map, Value};
use std::{fmt, sync::OnceLock};
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    EnvFilter,
    filter::ParseError,
    fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields, format::JsonFields, format::Writer},
    registry::LookupSpan,
};

/// The form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// For a person.
    Text,
    /// For a machine.
    Json,
    /// For systemd's journal: the same with the level in front (sd-daemon(3)), which the journal takes off again
    /// and keeps as `PRIORITY`.
    Journald,
}

/// Why logging could not begin.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter isn't one.
    #[error("log filter: {0}")]
    Filter(#[from] ParseError),
    /// Logging was begun before.
    #[error("logging has begun already")]
    Begun,
    /// There is no log whose filter could be changed.
    #[error("logging has not begun")]
    NotBegun,
}

/// Begins to log to standard error. Once a process.
///
/// `filter` is read as `tracing_subscriber::EnvFilter` reads it: `info`, or `warn,amalgam::sync=debug`.
///
/// # Errors
/// A filter that isn't one, or a second call.
pub fn init(form: Form, filter: &str) -> Result<(), LogError> {
    init_to(form, filter, std::io::stderr)
}

/// Begins to log to `writer`: for a terminal on which progress is drawn.
///
/// # Errors
/// As [`init`].
pub fn init_to<W>(form: Form, filter: &str, writer: W) -> Result<(), LogError>
where
    W: for<'a> tracing_subscriber::fmt::MakeWriter<'a> + Send + Sync + 'static,
{
    let builder = tracing_subscriber::fmt().with_env_filter(EnvFilter::try_new(filter)?).with_writer(writer);
    let flat = |with_priority| FlatJson { clock: Clock::system(), with_priority };
    match form {
        Form::Text => {
            let colours =
                std::io::IsTerminal::is_terminal(&std::io::stderr()) && std::env::var_os("NO_COLOR").is_none();
            let builder = builder.with_ansi(colours).with_target(false).with_filter_reloading();
            let handle = builder.reload_handle();
            begun(builder.try_init().is_ok(), move |filter| handle.reload(filter).is_ok())
        }
        Form::Json | Form::Journald => {
            let builder = builder.fmt_fields(JsonFields::new()).event_format(flat(form == Form::Journald));
            let builder = builder.with_filter_reloading();
            let handle = builder.reload_handle();
            begun(builder.try_init().is_ok(), move |filter| handle.reload(filter).is_ok())
        }
    }
}

type Refilter = Box<dyn Fn(EnvFilter) -> bool + Send + Sync>;

/// How the filter of this process's log is changed.
static REFILTER: OnceLock<Refilter> = OnceLock::new();

fn begun(is_first: bool, refilter: impl Fn(EnvFilter) -> bool + Send + Sync + 'static) -> Result<(), LogError> {
    if !is_first {
        return Err(LogError::Begun);
    }
    // It is the first, so nobody has set it.
    let _ = REFILTER.set(Box::new(refilter));
    Ok(())
}

/// Logs by another filter from now on.
///
/// # Errors
/// A filter that isn't one, or nothing is logged by this process.
pub fn refilter(filter: &str) -> Result<(), LogError> {
    let filter = EnvFilter::try_new(filter)?;
    match REFILTER.get() {
        Some(refilter) if refilter(filter) => Ok(()),
        _ => Err(LogError::NotBegun),
    }
}

/// One flat object a line: time, level, target, message, then the fields of the spans from the
/// outermost in, then the event's own.
struct FlatJson {
    clock: Clock,
    with_priority: bool,
}

impl<S, N> FormatEvent<S, N> for FlatJson
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, ctx: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        if self.with_priority {
            write!(writer, "<{}>", priority(*event.metadata().level()))?;
        }
        let mut own = Fields::default();
        event.record(&mut own);
        let mut line = Map::new();
        line.insert("time".to_owned(), self.clock.now().to_rfc3339_opts(chrono::SecondsFormat::Micros, true).into());
        line.insert("level".to_owned(), event.metadata().level().as_str().to_ascii_lowercase().into());
        line.insert("target".to_owned(), event.metadata().target().into());
        if let Some(message) = own.0.remove("message") {
            line.insert("message".to_owned(), message);
        }
        for span in ctx.event_scope().into_iter().flat_map(tracing_subscriber::registry::Scope::from_root) {
            let extensions = span.extensions();
            // Spans keep their fields as the text of a JSON object, written by `JsonFields`.
            if let Some(fields) = extensions.get::<FormattedFields<N>>()
                && let Ok(fields) = serde_json::from_str::<Map<String, Value>>(&fields.fields)
            {
                line.extend(fields);
            }
        }
        line.extend(own.0);
        writeln!(writer, "{}", Value::Object(line))
    }
}

/// The level as syslog(3) counts it.
fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        Level::DEBUG | Level::TRACE => 7,
    }
}

/// Collects an event's fields with their types.
#[derive(Default)]
struct Fields(Map<String, Value>);

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}").into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    /// Collects what is logged.
    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("no writer panics").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_is_one_object_with_the_fields_of_its_spans() {
        let sink = Sink::default();
        let writer = sink.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(move || writer.clone())
            .fmt_fields(JsonFields::new())
            .event_format(FlatJson { clock: Clock::system(), with_priority: false })
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            let run = tracing::info_span!("run", run = 7);
            let _run = run.enter();
            let task = tracing::info_span!("task", task = 12, table = %"procedurelog");
            let _task = task.enter();
            tracing::info!(rows = 3_u64, quiet = false, "synced \"all\"\nof it");
        });
        let text = String::from_utf8(sink.0.lock().expect("no writer panics").clone()).expect("JSON is UTF-8");
        assert_eq!(text.lines().count(), 1);
        let line: Map<String, Value> = serde_json::from_str(&text).expect("a line is a JSON object");
        assert_eq!(line["run"], 7);
        assert_eq!(line["task"], 12);
        assert_eq!(line["table"], "procedurelog");
        assert_eq!(line["rows"], 3);
        assert_eq!(line["quiet"], false);
        assert_eq!(line["level"], "info");
        assert_eq!(line["message"], "synced \"all\"\nof it");
        assert_eq!(line.keys().next().map(String::as_str), Some("time"));
    }

    #[test]
    fn a_line_for_the_journal_begins_with_its_level_as_syslog_counts() {
        let sink = Sink::default();
        let writer = sink.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(move || writer.clone())
            .fmt_fields(JsonFields::new())
            .event_format(FlatJson { clock: Clock::system(), with_priority: true })
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!("done");
            tracing::warn!("late");
            tracing::error!("failed");
        });
        let text = String::from_utf8(sink.0.lock().expect("no writer panics").clone()).expect("it is text");
        let begins: Vec<&str> = text.lines().map(|line| &line[..4]).collect();
        assert_eq!(begins, ["<6>{", "<4>{", "<3>{"]);
    }

    #[test]
    fn a_wrong_filter_is_an_error() {
        assert!(matches!(init(Form::Text, "amalgam=shout"), Err(LogError::Filter(_))));
    }
}
