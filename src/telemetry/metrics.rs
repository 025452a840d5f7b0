//! Every metric, declared in one place. `make pages` writes docs/metrics.md from it.
//!
//! Named `amalgam_<noun>_<unit>[_total]`, in base units: Prometheus docs, "Metric and label naming".
//! Few labels; per-table families are at most six, because a practice has hundreds of tables.
//! Times are timestamps, not ages: whoever reads them knows what time it is. What tells freshness is
//! read from the control plane when `/metrics` is asked for, so that it is right after a restart too.

use super::family::{Declared, Family};
use prometheus::{
    Encoder, GaugeVec, Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry, TextEncoder,
};

const START: &str = "when the process starts";
const SYNC: &str = "`sync/`, when the sync of a table ends";
const FLOW: &str = "`source/` and `warehouse/`, as the bytes pass";
const RUN: &str = "`orchestrator/`, as it happens";
const TEST: &str = "`models/`, when a test has run";
const ASKED: &str = "`orchestrator/`, whenever it asks the databases";
const STATE: &str = "at each scrape, from the control plane";
const SCRAPE: &str = "at each scrape, from this process";
const LIFE: &str = "`lifecycle`, as it happens";
const HTTP: &str = "`http/`, as it happens";

/// Declares families: a field of [`Metrics`], and what it is registered as. The field's words are the help.
macro_rules! families {
    ($($(#[doc = $help:literal])+ $field:ident: $kind:ident = $name:literal, [$($label:literal),*], $set:ident;)+) => {
        /// All metrics of the process, made once and handed on.
        #[derive(Debug)]
        pub struct Metrics {
            /// What `/metrics` shows.
            pub registry: Registry,
            $($(#[doc = $help])+ pub $field: $kind,)+
        }

        impl Metrics {
            /// All families but the process's own, in the order of declaration.
            pub const FAMILIES: &'static [Family] = &[$(Family {
                name: $name,
                kind: <$kind as Declared>::KIND,
                labels: &[$($label),*],
                help: concat!($($help),+).trim_ascii(),
                set: $set,
            }),+];

            fn declared(registry: Registry) -> Self {
                let mut declared = Self::FAMILIES.iter();
                $(
                    let family = declared.next().expect("there is one for each field");
                    let $field = <$kind as Declared>::declared(family).expect("names and labels are well formed");
                    registry.register(Box::new($field.clone())).expect("every name is declared once");
                )+
                Self { registry, $($field),+ }
            }
        }
    };
}

families! {
    /// Rows read from the source.
    rows_read: IntCounter = "amalgam_rows_read_total", [], SYNC;
    /// Rows that changed in the warehouse.
    rows_written: IntCounterVec = "amalgam_rows_written_total", ["operation"], SYNC;
    /// Bytes that came from the source over the connections that rows and the binary log are read by, as its protocol has them.
    read_bytes: IntCounter = "amalgam_read_bytes_total", [], FLOW;
    /// Bytes sent to the warehouse by COPY, which is how rows go there.
    written_bytes: IntCounter = "amalgam_written_bytes_total", [], FLOW;
    /// Chunks of tables compared: quiet ones were passed over, of the others all rows were read.
    chunks: IntCounterVec = "amalgam_chunks_compared_total", ["outcome"], SYNC;
    /// Syncs of tables that are to follow the source's binary log, and compared or loaded all rows instead, by why.
    log_not_followed: IntCounterVec = "amalgam_log_not_followed_total", ["reason"], SYNC;
    /// Values replaced, by the mapping's rule, because the warehouse can't hold them, or because a local time names no single instant.
    values_coerced: IntCounterVec = "amalgam_values_coerced_total", ["table", "rule"], SYNC;
    /// Changes of tables' shapes at the source, by what was done about them.
    schema_changes: IntCounterVec = "amalgam_schema_changes_total", ["change"], SYNC;

    /// When the table was last brought in step, or found to be: its freshness.
    table_synced: IntGaugeVec = "amalgam_table_synced_timestamp_seconds", ["table"], STATE;
    /// The moment at the source that the table's rows stand for, by the source's clock: the time since then is its lag. After a long load it lies hours before the moment when the table was in step.
    table_source: IntGaugeVec = "amalgam_table_source_timestamp_seconds", ["table"], STATE;
    /// Rows of the table in the warehouse.
    table_rows: IntGaugeVec = "amalgam_table_rows", ["table"], STATE;
    /// How many runs in a row the sync of the table failed in.
    table_failures: IntGaugeVec = "amalgam_table_failures", ["table"], STATE;
    /// Rows that have no place in the warehouse and are set aside in amalgam.quarantine; nothing of a table that has none.
    quarantined_rows: IntGaugeVec = "amalgam_quarantined_rows", ["table"], STATE;
    /// Tables that are kept in step.
    tables: IntGauge = "amalgam_tables", [], STATE;
    /// Tables that were kept in step, and that the source did not show when it was last looked at: dropped, renamed, or no longer to be read by the source's user. Not among `amalgam_tables`.
    tables_gone: IntGauge = "amalgam_tables_gone", [], STATE;
    /// Tables that missed a whole cycle of a schedule of all tables, for whatever reason; quiet hours make none late.
    tables_late: IntGauge = "amalgam_tables_late", [], STATE;

    /// Runs that ended; an empty schedule means by hand.
    runs: IntCounterVec = "amalgam_runs_total", ["schedule", "state"], RUN;
    /// When the last run of the schedule ended well.
    run_succeeded: IntGaugeVec = "amalgam_run_succeeded_timestamp_seconds", ["schedule"], STATE;
    /// How many runs of the schedule in a row have failed, the last included.
    run_failures: IntGaugeVec = "amalgam_run_failures", ["schedule"], STATE;
    /// When the oldest run of the schedule began that is under way; nothing where none is.
    run_started: IntGaugeVec = "amalgam_run_started_timestamp_seconds", ["schedule"], STATE;
    /// How long the last run of the schedule took that has ended.
    run_seconds: GaugeVec = "amalgam_run_last_duration_seconds", ["schedule"], STATE;
    /// Rows of the last run of the schedule that has ended: read, and inserted, updated and deleted in the warehouse.
    run_rows: IntGaugeVec = "amalgam_run_last_rows", ["schedule", "operation"], STATE;
    /// Tasks that ended.
    tasks: IntCounterVec = "amalgam_tasks_total", ["kind", "state"], RUN;
    /// How long one attempt at a task took.
    task_duration: HistogramVec = "amalgam_task_duration_seconds", ["kind"], RUN;
    /// Attempts begun, by kind of task.
    attempts: IntCounterVec = "amalgam_attempts_total", ["kind"], RUN;
    /// Attempts that will be tried again, by kind of task.
    retries: IntCounterVec = "amalgam_retries_total", ["kind"], RUN;
    /// Attempts that would have been tried again, had their run not spent its retries.
    retries_refused: IntCounterVec = "amalgam_retries_refused_total", ["kind"], RUN;
    /// Attempts and plans that failed, by kind of failure.
    failures: IntCounterVec = "amalgam_failures_total", ["kind"], RUN;
    /// Tasks under way.
    running_tasks: IntGaugeVec = "amalgam_running_tasks", ["kind"], RUN;

    /// From the moment a fire was due to the moment its run began.
    schedule_lag: Histogram = "amalgam_schedule_lag_seconds", [], RUN;
    /// Fires left out: the last run was still under way, the fire was missed, or the schedule is paused.
    fires_skipped: IntCounterVec = "amalgam_fires_skipped_total", ["schedule"], RUN;
    /// When the schedule fires next.
    schedule_next_fire: IntGaugeVec = "amalgam_schedule_next_fire_timestamp_seconds", ["schedule"], STATE;
    /// When the schedule last fired.
    schedule_last_fire: IntGaugeVec = "amalgam_schedule_last_fire_timestamp_seconds", ["schedule"], STATE;
    /// 1 while the schedule is paused.
    schedule_paused: IntGaugeVec = "amalgam_schedule_paused", ["schedule"], STATE;

    /// Verdicts of model tests.
    model_tests: IntCounterVec = "amalgam_model_tests_total", ["status"], TEST;
    /// Tests of the models by their last verdict: of a version that is held back, the one before it.
    model_verdicts: IntGaugeVec = "amalgam_model_test_verdicts", ["status"], STATE;
    /// 1 while the last build of the model failed; its last good version stays in place.
    model_failing: IntGaugeVec = "amalgam_model_failing", ["model"], STATE;
    /// Models whose last build a test of error severity has held back.
    models_held_back: IntGauge = "amalgam_models_held_back", [], STATE;
    /// 1 while the last build of the model that was published took three times as long as usual (slow), or has less than a tenth of its usual rows (few_rows).
    model_unusual: IntGaugeVec = "amalgam_model_unusual", ["model", "what"], STATE;
    /// When the model was last published.
    model_published: IntGaugeVec = "amalgam_model_published_timestamp_seconds", ["model"], STATE;

    /// Connections, by pool (source, replica, warehouse, state: the control plane's) and state (used, idle).
    connections: IntGaugeVec = "amalgam_connections", ["pool", "state"], SCRAPE;
    /// Connections that the pool may have at most.
    connections_max: IntGaugeVec = "amalgam_connections_max", ["pool"], SCRAPE;
    /// How far the source's replica was behind when last asked; NaN where that isn't known.
    replica_lag: GaugeVec = "amalgam_source_replica_lag_seconds", ["replica"], SYNC;
    /// 1 while the source's replica is read in its place.
    replica_in_use: IntGaugeVec = "amalgam_source_replica_in_use", ["replica"], SYNC;
    /// 1 when the source answered lately.
    source_up: IntGauge = "amalgam_source_up", [], ASKED;
    /// When the source's quiet hours are over, in which no table is read; 0 outside of them.
    source_quiet_until: IntGauge = "amalgam_source_quiet_until_timestamp_seconds", [], SCRAPE;
    /// 1 when the warehouse answered lately and its schema is up to date.
    warehouse_up: IntGauge = "amalgam_warehouse_up", [], ASKED;
    /// Bytes of the warehouse's database on its server's disk. What is free there, PostgreSQL tells nobody: node_exporter does.
    warehouse_size: IntGauge = "amalgam_warehouse_size_bytes", [], ASKED;
    /// When the first certificate expires of those that the server (source, replica, warehouse) last showed; nothing where TLS is not used.
    certificate_expiry: IntGaugeVec = "amalgam_tls_certificate_expiry_timestamp_seconds", ["peer"], SCRAPE;

    /// Messages to each of the daemon's own notifiers, and beats of the heartbeat; by result: sent, failed.
    notifications: IntCounterVec = "amalgam_notifications_total", ["notifier", "result"], RUN;

    /// 1 while this process holds the writer's lock.
    writer: IntGauge = "amalgam_writer", [], RUN;
    /// Loops of the process that do not turn: scheduler, writer's lock, health, runs. Systemd's watchdog is told nothing then.
    loops_late: IntGauge = "amalgam_loops_late", [], LIFE;
    /// 1 unless the configuration was refused when it was last asked to be read again.
    config_reload_ok: IntGauge = "amalgam_config_reload_ok", [], LIFE;
    /// When the configuration that is in force was read.
    config_reloaded: IntGauge = "amalgam_config_reload_timestamp_seconds", [], LIFE;
    /// Requests answered.
    http_requests: IntCounterVec = "amalgam_http_requests_total", ["path", "status"], HTTP;
    /// Scrapes that could not read the control plane; what is read from there is then as it was.
    scrape_failures: IntCounter = "amalgam_scrape_failures_total", [], HTTP;
    /// Always 1; the version is a label.
    build_info: IntGaugeVec = "amalgam_build_info", ["version"], START;
}

impl Metrics {
    /// Declares them all, with the process's own and the version.
    pub fn new() -> Self {
        let registry = Registry::new();
        #[cfg(target_os = "linux")]
        registry
            .register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))
            .expect("no other family is named as the process's own");
        let metrics = Self::declared(registry);
        metrics.build_info.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        metrics
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_convention() {
        assert!(Metrics::FAMILIES.len() > 40);
        for Family { name, kind, help, .. } in Metrics::FAMILIES {
            assert!(name.starts_with("amalgam_"), "{name}");
            assert!(help.ends_with('.') && !help.starts_with(' '), "{name}: {help}");
            assert_eq!(*kind == "counter", name.ends_with("_total"), "{name}: a counter, and only one, ends in _total");
        }
    }

    #[test]
    fn at_most_six_families_are_by_table() {
        let by_table = Metrics::FAMILIES.iter().filter(|family| family.labels.contains(&"table"));
        assert_eq!(by_table.count(), 6);
    }

    #[test]
    fn every_declared_family_is_shown() {
        let metrics = Metrics::new();
        assert!(metrics.text().contains("amalgam_build_info{version=\""));
        metrics.rows_written.with_label_values(&["insert"]).inc_by(7);
        let text = metrics.text();
        assert!(text.contains("# TYPE amalgam_rows_written_total counter"));
        assert!(text.contains("amalgam_rows_written_total{operation=\"insert\"} 7"));
        for family in Metrics::FAMILIES.iter().filter(|family| family.labels.is_empty()) {
            assert!(text.contains(&format!("# TYPE {} {}\n", family.name, family.kind)), "{}", family.name);
        }
        assert!(text.contains("\nprocess_resident_memory_bytes "));
    }
}
