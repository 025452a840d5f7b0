//! Every metric, declared in one place.
//!
//! Named `amalgam_<noun>_<unit>[_total]`, in base units: Prometheus docs, "Metric and label naming".
//! Few labels; per-table families are at most six, because a practice has hundreds of tables.
//! Times are timestamps, not ages: whoever reads them knows what time it is. What tells freshness is
//! read from the control plane when `/metrics` is asked for, so that it is right after a restart too.

use prometheus::{
    Encoder, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, TextEncoder, core::Collector,
};

/// Bounds of `amalgam_task_duration_seconds`: from an unchanged table to a first load of hours.
const TASK_SECONDS: &[f64] = &[0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 1800.0, 7200.0];

/// All metrics of the process, made once and handed on.
#[derive(Debug)]
pub struct Metrics {
    /// What `/metrics` shows.
    pub registry: Registry,

    /// Rows read from the source, by `table`. Set by `sync/`.
    pub rows_read: IntCounterVec,
    /// Rows that changed in the warehouse, by `table` and `operation` (insert, update, delete). Set by `sync/`.
    pub rows_written: IntCounterVec,
    /// Chunks of tables that were compared, by `outcome` (quiet, walked). Set by `sync/`.
    pub chunks: IntCounterVec,
    /// Syncs of tables that are to follow the source's binary log and did not, by `reason`. Set by `sync/`.
    pub log_not_followed: IntCounterVec,
    /// Values replaced because the warehouse can't hold them, by `table` and `rule`. Set by `sync/`.
    pub values_coerced: IntCounterVec,
    /// What was done about tables whose shape had changed, by `change` (added, widened, redeclared, dropped,
    /// reloaded). Set by `sync/`.
    pub schema_changes: IntCounterVec,
    /// When each `table` was last in step. Set from state at scrape time.
    pub table_synced: IntGaugeVec,
    /// How many runs in a row each `table` failed in. Set from state at scrape time.
    pub table_failures: IntGaugeVec,
    /// Tables that missed a whole cycle. Set from state at scrape time.
    pub tables_late: IntGauge,
    /// Rows of each `table` that are in quarantine. Set from state at scrape time.
    pub quarantined_rows: IntGaugeVec,

    /// Runs that ended, by `schedule` (empty: by hand) and `state`. Set by `orchestrator/`.
    pub runs: IntCounterVec,
    /// When the last run of a `schedule` ended well. Set from state at scrape time.
    pub run_succeeded: IntGaugeVec,
    /// Tasks that ended, by `kind` and `state`. Set by `orchestrator/`.
    pub tasks: IntCounterVec,
    /// How long one attempt took, by `kind` of task. Set by `orchestrator/`.
    pub task_duration: HistogramVec,
    /// Attempts begun, by `kind` of task. Set by `orchestrator/`.
    pub attempts: IntCounterVec,
    /// Attempts that will be tried again, by `kind` of task. Set by `orchestrator/`.
    pub retries: IntCounterVec,
    /// Attempts that failed, by `kind` of failure. Set by `orchestrator/`.
    pub failures: IntCounterVec,
    /// Tasks under way, by `kind`. Set by `orchestrator/`.
    pub running_tasks: IntGaugeVec,
    /// From the moment a fire was due to the moment its run began. Set by `orchestrator/`.
    pub schedule_lag: Histogram,
    /// Fires left out, by `schedule`: the last run was still under way, the fire was missed and is not caught up,
    /// or the schedule is paused. Set by `orchestrator/`.
    pub fires_skipped: IntCounterVec,
    /// When a `schedule` fires next. Set from state at scrape time.
    pub schedule_next_fire: IntGaugeVec,
    /// When a `schedule` last fired. Set from state at scrape time.
    pub schedule_last_fire: IntGaugeVec,

    /// Verdicts of model tests, by `status`. Set by `models/`.
    pub model_tests: IntCounterVec,
    /// 1 while the last build of a `model` failed. Set from state at scrape time.
    pub model_failing: IntGaugeVec,
    /// When a `model` was last published. Set from state at scrape time.
    pub model_published: IntGaugeVec,

    /// Connections of the warehouse's pool, by `state` (idle, used). Set at scrape time.
    pub warehouse_connections: IntGaugeVec,
    /// Connections of the control plane's pool, by `state` (idle, used). Set at scrape time.
    pub state_connections: IntGaugeVec,
    /// How far a `replica` of the source was behind when it was last asked; NaN where that isn't known. Set by `sync/`.
    pub replica_lag: GaugeVec,
    /// 1 while a `replica` is read in the source's place. Set by `sync/`.
    pub replica_in_use: IntGaugeVec,
    /// 1 when the source answered lately. Set by `orchestrator/`.
    pub source_up: IntGauge,
    /// When the source's quiet hours are over, 0 outside of them. Set at scrape time.
    pub source_quiet_until: IntGauge,
    /// 1 when the warehouse answered lately and its schema is up to date. Set by `orchestrator/`.
    pub warehouse_up: IntGauge,
    /// 1 while this process may write: it holds the writer's lock. Set by `orchestrator/`.
    pub writer: IntGauge,
    /// Requests answered, by `path` and `status`. Set by `http/`.
    pub http_requests: IntCounterVec,
    /// Scrapes that could not read the control plane. Set by `http/`.
    pub scrape_failures: IntCounter,
}

impl Metrics {
    /// Declares them all, with the process's own and the version.
    pub fn new() -> Self {
        let registry = Registry::new();
        let r = Registrar(&registry);
        let build = r.gauges("amalgam_build_info", "Always 1; the version is a label.", &["version"]);
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        #[cfg(target_os = "linux")]
        r.add(prometheus::process_collector::ProcessCollector::for_self());
        Self {
            rows_read: r.counters("amalgam_rows_read_total", "Rows read from the source.", &["table"]),
            rows_written: r.counters(
                "amalgam_rows_written_total",
                "Rows that changed in the warehouse.",
                &["table", "operation"],
            ),
            chunks: r.counters(
                "amalgam_chunks_compared_total",
                "Chunks of tables compared: quiet ones were passed over, of the others all rows were read.",
                &["outcome"],
            ),
            log_not_followed: r.counters(
                "amalgam_log_not_followed_total",
                "Syncs of tables that are to follow the source's binary log, and compared or loaded all rows instead, by why.",
                &["reason"],
            ),
            values_coerced: r.counters(
                "amalgam_values_coerced_total",
                "Values replaced, by the mapping's rule, because the warehouse can't hold them, or because a local time names no single instant.",
                &["table", "rule"],
            ),
            schema_changes: r.counters(
                "amalgam_schema_changes_total",
                "Changes of tables' shapes at the source, by what was done about them.",
                &["change"],
            ),
            table_synced: r.gauges(
                "amalgam_table_synced_timestamp_seconds",
                "When the table was last brought in step.",
                &["table"],
            ),
            table_failures: r.gauges(
                "amalgam_table_failures",
                "How many runs in a row the sync of the table failed in.",
                &["table"],
            ),
            quarantined_rows: r.gauges(
                "amalgam_quarantined_rows",
                "Rows that have no place in the warehouse and are set aside in amalgam.quarantine.",
                &["table"],
            ),
            runs: r.counters(
                "amalgam_runs_total",
                "Runs that ended; an empty schedule means by hand.",
                &["schedule", "state"],
            ),
            run_succeeded: r.gauges(
                "amalgam_run_succeeded_timestamp_seconds",
                "When the last run of the schedule ended well.",
                &["schedule"],
            ),
            tasks: r.counters("amalgam_tasks_total", "Tasks that ended.", &["kind", "state"]),
            task_duration: r.histograms(
                "amalgam_task_duration_seconds",
                "How long one attempt at a task took.",
                TASK_SECONDS,
                &["kind"],
            ),
            attempts: r.counters("amalgam_attempts_total", "Attempts begun, by kind of task.", &["kind"]),
            retries: r.counters("amalgam_retries_total", "Attempts that will be tried again.", &["kind"]),
            failures: r.counters("amalgam_failures_total", "Attempts that failed, by kind of failure.", &["kind"]),
            running_tasks: r.gauges("amalgam_running_tasks", "Tasks under way.", &["kind"]),
            schedule_lag: r.histogram(
                "amalgam_schedule_lag_seconds",
                "From the moment a fire was due to the moment its run began.",
                &[0.1, 0.5, 1.0, 2.0, 5.0, 15.0, 60.0, 300.0, 3600.0],
            ),
            fires_skipped: r.counters(
                "amalgam_fires_skipped_total",
                "Fires left out: the last run was still under way, the fire was missed, or the schedule is paused.",
                &["schedule"],
            ),
            schedule_next_fire: r.gauges(
                "amalgam_schedule_next_fire_timestamp_seconds",
                "When the schedule fires next.",
                &["schedule"],
            ),
            schedule_last_fire: r.gauges(
                "amalgam_schedule_last_fire_timestamp_seconds",
                "When the schedule last fired.",
                &["schedule"],
            ),
            model_tests: r.counters("amalgam_model_tests_total", "Verdicts of model tests.", &["status"]),
            model_failing: r.gauges(
                "amalgam_model_failing",
                "1 while the last build of the model failed; its last good version stays in place.",
                &["model"],
            ),
            model_published: r.gauges(
                "amalgam_model_published_timestamp_seconds",
                "When the model was last published.",
                &["model"],
            ),
            warehouse_connections: r.gauges(
                "amalgam_warehouse_connections",
                "Connections of the warehouse's pool.",
                &["state"],
            ),
            state_connections: r.gauges(
                "amalgam_state_connections",
                "Connections of the control plane's pool.",
                &["state"],
            ),
            replica_lag: r.put(GaugeVec::new(
                Opts::new(
                    "amalgam_source_replica_lag_seconds",
                    "How far the source's replica was behind when last asked; NaN where that isn't known.",
                ),
                &["replica"],
            )),
            replica_in_use: r.gauges(
                "amalgam_source_replica_in_use",
                "1 while the source's replica is read in its place.",
                &["replica"],
            ),
            source_up: r.gauge("amalgam_source_up", "1 when the source answered lately."),
            source_quiet_until: r.gauge(
                "amalgam_source_quiet_until_timestamp_seconds",
                "When the source's quiet hours are over, in which no table is read; 0 outside of them.",
            ),
            tables_late: r.gauge(
                "amalgam_tables_late",
                "Tables that missed a whole cycle of a schedule of all tables; quiet hours make none late.",
            ),
            warehouse_up: r
                .gauge("amalgam_warehouse_up", "1 when the warehouse answered lately and its schema is up to date."),
            writer: r.gauge("amalgam_writer", "1 while this process holds the writer's lock."),
            http_requests: r.counters("amalgam_http_requests_total", "Requests answered.", &["path", "status"]),
            scrape_failures: r.counter(
                "amalgam_scrape_failures_total",
                "Scrapes that could not read the control plane; freshness in them is the last known.",
            ),
            registry,
        }
    }

    /// Everything in Prometheus' text format.
    pub fn text(&self) -> String {
        let mut text = Vec::new();
        TextEncoder::new()
            .encode(&self.registry.gather(), &mut text)
            .expect("a family made here has a name and a kind, and a vector takes every byte");
        String::from_utf8(text).expect("names and labels are UTF-8")
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

/// Makes a family and registers it. A name is declared once, in this file, so registering can't fail.
struct Registrar<'a>(&'a Registry);

impl Registrar<'_> {
    fn add(&self, family: impl Collector + 'static) {
        self.0.register(Box::new(family)).expect("every name is declared once");
    }

    fn put<F: Collector + Clone + 'static>(&self, family: prometheus::Result<F>) -> F {
        let family = family.expect("names and labels are well formed");
        self.add(family.clone());
        family
    }

    fn counter(&self, name: &str, help: &str) -> IntCounter {
        self.put(IntCounter::new(name, help))
    }

    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        self.put(IntCounterVec::new(Opts::new(name, help), labels))
    }

    fn gauge(&self, name: &str, help: &str) -> IntGauge {
        self.put(IntGauge::new(name, help))
    }

    fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
        self.put(IntGaugeVec::new(Opts::new(name, help), labels))
    }

    fn histogram(&self, name: &str, help: &str, bounds: &[f64]) -> Histogram {
        self.put(Histogram::with_opts(HistogramOpts::new(name, help).buckets(bounds.to_vec())))
    }

    fn histograms(&self, name: &str, help: &str, bounds: &[f64], labels: &[&str]) -> HistogramVec {
        self.put(HistogramVec::new(HistogramOpts::new(name, help).buckets(bounds.to_vec()), labels))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus::proto::MetricType;

    #[test]
    fn names_follow_the_convention() {
        let metrics = Metrics::new();
        metrics.rows_read.with_label_values(&["patient"]).inc();
        metrics.task_duration.with_label_values(&["sync"]).observe(0.2);
        let families = metrics.registry.gather();
        assert!(families.len() > 5);
        for family in families {
            let name = family.name();
            assert!(name.starts_with("amalgam_") || name.starts_with("process_"), "{name}");
            assert!(
                !family.help().is_empty() && (name.starts_with("process_") || family.help().ends_with('.')),
                "{name}: {}",
                family.help()
            );
            let counts = family.get_field_type() == MetricType::COUNTER;
            assert_eq!(counts, name.ends_with("_total"), "{name}: a counter, and only a counter, ends in _total");
        }
    }

    #[test]
    fn at_most_six_families_are_by_table() {
        let metrics = Metrics::new();
        let by_table: usize = [&metrics.rows_read, &metrics.rows_written, &metrics.values_coerced]
            .iter()
            .flat_map(|family| family.desc())
            .chain(metrics.table_synced.desc())
            .chain(metrics.table_failures.desc())
            .chain(metrics.quarantined_rows.desc())
            .filter(|desc| desc.variable_labels.iter().any(|label| label == "table"))
            .count();
        assert!(by_table <= 6);
    }

    #[test]
    fn the_text_names_kind_and_help() {
        let metrics = Metrics::new();
        metrics.rows_written.with_label_values(&["patient", "insert"]).inc_by(7);
        let text = metrics.text();
        assert!(text.contains("# TYPE amalgam_rows_written_total counter"));
        assert!(text.contains("amalgam_rows_written_total{operation=\"insert\",table=\"patient\"} 7"));
        assert!(text.contains("amalgam_build_info{version=\""));
    }
}
