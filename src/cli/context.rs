//! What every command is handed: the configuration and the rooms made from it.
//!
//! Everything is made when first asked for, so that `demo` and `config check` work without a
//! configuration, and made once, so that one pool is shared.

use super::output::{self, Format};
use crate::{
    config::{Config, LogFormat, load},
    domain::Clock,
    error::Result,
    models::Models,
    source::Source,
    state::State,
    sync::Syncer,
    telemetry::{Metrics, logs},
    warehouse::Warehouse,
};
use clap::Args;
use serde::Serialize;
use std::{
    path::PathBuf,
    sync::{Arc, OnceLock},
};

/// Flags that every command takes.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Options of every command")]
pub(super) struct Global {
    /// Configuration file (may be given more than once, the later above the earlier); else
    /// $AMALGAM_CONFIG, else config/amalgam.toml and /etc/amalgam/amalgam.toml where they exist
    #[arg(long, short, global = true, value_name = "FILE")]
    config: Vec<PathBuf>,
    /// Sets one value above all others: --set source.host=db.clinic.lan
    #[arg(long = "set", global = true, value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// How tables are printed
    #[arg(long, global = true, value_enum, default_value_t)]
    format: Format,
    /// What is logged to standard error: error, warn, info, debug, or `warn,amalgam::sync=debug`
    #[arg(long, global = true, value_name = "FILTER")]
    log_filter: Option<String>,
    /// The form of a log line
    #[arg(long, global = true, value_name = "FORMAT", value_parser = parse_log_format)]
    log_format: Option<LogFormat>,
}

fn parse_log_format(word: &str) -> Result<LogFormat, String> {
    match word {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        "journald" => Ok(LogFormat::Journald),
        _ => Err("text, json or journald".to_owned()),
    }
}

/// What every command is handed.
pub(super) struct Context {
    global: Global,
    clock: Clock,
    config: OnceLock<Arc<Config>>,
    /// Shared with who closes it when the command has ended, whichever way.
    source: Arc<OnceLock<Source>>,
    warehouse: OnceLock<Warehouse>,
    metrics: OnceLock<Arc<Metrics>>,
}

impl Context {
    pub(super) fn new(global: Global) -> Self {
        Self {
            global,
            clock: Clock::system(),
            config: OnceLock::new(),
            source: Arc::default(),
            warehouse: OnceLock::new(),
            metrics: OnceLock::new(),
        }
    }

    /// The present time.
    pub(super) fn clock(&self) -> Clock {
        self.clock.clone()
    }

    /// How to print.
    pub(super) fn format(&self) -> Format {
        self.global.format
    }

    /// Where the configuration is to be looked for.
    pub(super) fn sources(&self) -> load::Sources {
        let mut sources = load::Sources::from_process();
        if !self.global.config.is_empty() {
            sources.files.clone_from(&self.global.config);
        }
        sources.overrides.clone_from(&self.global.overrides);
        sources
    }

    /// The configuration, loaded and checked when first asked for.
    pub(super) fn config(&self) -> Result<Arc<Config>, load::Error> {
        if let Some(config) = self.config.get() {
            return Ok(Arc::clone(config));
        }
        let config = self.read_config()?;
        Ok(Arc::clone(self.config.get_or_init(|| Arc::new(config))))
    }

    /// The configuration as it is now, whatever it was when first asked for.
    pub(super) fn read_config(&self) -> Result<Config, load::Error> {
        let mut config = load::load(&self.sources())?;
        if let Some(filter) = &self.global.log_filter {
            config.log.filter.clone_from(filter);
        }
        if let Some(format) = self.global.log_format {
            config.log.format = format;
        }
        Ok(config)
    }

    /// Refuses to go on within the source's quiet hours; or forgets that there are any.
    pub(super) fn heed_quiet_hours(&mut self, ignore: bool) -> anyhow::Result<()> {
        let mut config = (*self.config()?).clone();
        if ignore {
            config.source.ignore_quiet_hours();
            self.config = OnceLock::from(Arc::new(config));
            return Ok(());
        }
        config.source.require()?;
        Ok(Source::new(&config.source)?.by_clock(self.clock()).heed_quiet_hours()?)
    }

    /// How a person is told until when the source is quiet; `None` where it isn't.
    pub(super) fn told_quiet(&self) -> anyhow::Result<Option<String>> {
        let config = self.config()?;
        let quiet = config.source.quiet();
        Ok(quiet.until(self.clock.now()).map(|end| format!("quiet until {}", quiet.told(end))))
    }

    /// Begins to log: by `--log-filter` and `--log-format`, else as given.
    pub(super) fn start_logs(&self, filter: &str, format: LogFormat) -> anyhow::Result<()> {
        let form = match self.global.log_format.unwrap_or(format) {
            LogFormat::Text => logs::Form::Text,
            LogFormat::Json => logs::Form::Json,
            LogFormat::Journald => logs::Form::Journald,
        };
        logs::init(form, self.global.log_filter.as_deref().unwrap_or(filter))?;
        Ok(())
    }

    /// The practice's database.
    pub(super) fn source(&self) -> anyhow::Result<Source> {
        if self.source.get().is_none() {
            let config = self.config()?;
            config.source.require()?;
            let source = Source::new(&config.source)?.by_clock(self.clock()).kept_for(config.sync.parallel_tables);
            return Ok(self.source.get_or_init(|| source).clone());
        }
        Ok(self.source.get().expect("it was looked at a line above").clone())
    }

    /// The practice's database, once it was asked for.
    pub(super) fn opened_source(&self) -> Arc<OnceLock<Source>> {
        Arc::clone(&self.source)
    }

    /// The warehouse.
    pub(super) fn warehouse(&self) -> anyhow::Result<Warehouse> {
        if self.warehouse.get().is_none() {
            let warehouse = Warehouse::new(&self.config()?.warehouse)?;
            return Ok(self.warehouse.get_or_init(|| warehouse).clone());
        }
        Ok(self.warehouse.get().expect("it was looked at a line above").clone())
    }

    /// The control plane. Not migrated: a command that writes asks for that itself.
    pub(super) fn state(&self) -> anyhow::Result<State> {
        Ok(State::new(&self.config()?.warehouse))
    }

    /// The metrics of this process.
    pub(super) fn metrics(&self) -> Arc<Metrics> {
        Arc::clone(self.metrics.get_or_init(|| Arc::new(Metrics::default())))
    }

    /// What brings tables in step.
    pub(super) fn syncer(&self) -> anyhow::Result<Syncer> {
        Ok(Syncer::new(self.source()?, self.warehouse()?, self.config()?, self.metrics()))
    }

    /// The dbt project; `None` where the configuration names none.
    pub(super) fn models(&self) -> anyhow::Result<Option<Models>> {
        Ok(Models::load(&*self.config()?, self.warehouse()?, self.metrics(), self.clock())?)
    }

    /// Prints rows as a table or as JSON, as asked. The fields of `R` are the columns.
    pub(super) fn print_rows<R: Serialize>(&self, rows: &[R]) -> anyhow::Result<()> {
        output::rows(self.format(), rows)
    }

    /// Prints one record: a line a field, or one JSON object.
    pub(super) fn print_record<R: Serialize>(&self, record: &R) -> anyhow::Result<()> {
        output::record(self.format(), record)
    }
}
