//! One table in step with the source.
//!
//! ```text
//! describe -> plan -> load | delta | reconcile (whole, where no key orders both sides) -> one transaction
//! ```
//! Owns the modes, the encoding, the comparison of both sides. Refuses: deciding when (that is the
//! orchestrator's) and how a server is spoken to (that is `source/` and `warehouse/`).
//! Guarantee: rows, watermark and fingerprint change in one transaction; doing any step again is harmless.

mod balance;
mod batches;
mod chunks;
mod cutter;
mod deletes;
mod delta;
mod drift;
mod encode;
mod feed;
#[doc(hidden)]
pub mod fuzz;
mod gaps;
mod gone;
mod job;
mod kept;
mod load;
mod look;
mod names;
mod outcome;
mod parts;
mod plan;
mod quarantine;
mod raw;
mod reconcile;
mod reshape;
mod rules;
mod select;
mod sift;
mod staging;
mod stream;
mod whole;

pub use gone::{GONE_REMEDY, is_chosen};
pub use outcome::{Action, Differences, SyncOutcome, TablePlan};
pub use rules::RuledColumn;

use crate::{
    config,
    domain::{Catalog, Deletes, Engine, SyncMode, Table, TableName},
    error::{Error, Kind, Result},
    source::{Source, Wanted},
    telemetry::Metrics,
    warehouse::{Session, TableState, Warehouse},
};
use drift::Drift;
use job::Job;
use look::{Looked, Times};
use std::{collections::BTreeMap, sync::Arc};
use tracing::debug;

/// Brings tables in step. Cheap to clone.
#[derive(Clone)]
pub struct Syncer {
    source: Source,
    warehouse: Warehouse,
    config: Arc<config::Config>,
    metrics: Arc<Metrics>,
}

/// How a sync of one table is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SyncOptions {
    /// Load everything again, beside the present rows.
    pub full: bool,
    /// Compare in full and mend, even where the mode would read less.
    pub reconcile: bool,
    /// With `reconcile`: also what checksums show as quiet is compared row by row.
    pub every_row: bool,
}

impl Syncer {
    /// Puts both sides together.
    pub fn new(source: Source, warehouse: Warehouse, config: Arc<config::Config>, metrics: Arc<Metrics>) -> Self {
        Self { source, warehouse, config, metrics }
    }

    /// What changes with every write to a table that is kept in step.
    ///
    /// # Errors
    /// The source does not answer.
    pub async fn write_marks(&self) -> Result<Vec<(String, String)>> {
        self.source.write_marks(|table| select::chosen(&self.config.sync, table)).await
    }

    /// What the source holds, with include and exclude applied.
    pub async fn discover(&self) -> Result<Catalog> {
        self.describe(&self.source.itself(), None).await
    }

    /// The mode of a table and why, as [`Syncer::plan`] would choose it.
    pub fn mode(&self, table: &Table) -> (SyncMode, String) {
        plan::choose_mode(table, self.by_hand(table))
    }

    /// The stamp column that a table is read by, where its mode is `merge`.
    pub fn cursor<'t>(&self, table: &'t Table) -> Option<&'t str> {
        let by_hand = self.by_hand(table);
        let stamp = plan::stamp(table, by_hand).map(|(_, name)| name);
        stamp.filter(|_| plan::choose_mode(table, by_hand).0 == SyncMode::Merge)
    }

    /// The columns of a table that become another type than their declaration says, and by which rule.
    pub fn ruled(&self, table: &Table) -> Vec<RuledColumn> {
        rules::ruled(table, &self.config)
    }

    /// Why a table of [`Syncer::discover`] can't be synced as the configuration has it; `None` where it can.
    pub fn unsuited(&self, table: &Table) -> Option<Error> {
        names::check_columns(table).and_then(|()| rules::check(table)).err()
    }

    /// Why tables of [`Syncer::discover`] can't be synced beside each other; none where they can.
    pub fn sharing(&self, catalog: &Catalog) -> Vec<Error> {
        let shared = names::shared(catalog.tables.iter().map(|t| t.name.as_str()));
        // Of two, the first tells of both.
        shared.iter().filter(|(one, other)| one < other).map(|(one, other)| names::refusal(one, other)).collect()
    }

    /// What a sync would do now: for the tables named, or all. Tables that the source does not have are
    /// not in the answer.
    pub async fn plan(&self, only: Option<&[TableName]>, options: SyncOptions) -> Result<Vec<TablePlan>> {
        let mut chosen = self.choose(Wanted::Bounded).await?;
        let mut described = self.describe(&chosen, only).await;
        if let Err(error) = &described
            && let Some(primary) = self.source.instead_of(&chosen.source, error).await
        {
            chosen = primary;
            described = self.describe(&chosen, only).await;
        }
        let (catalog, source) = (described?, chosen.source);
        let session = self.warehouse.session().await?;
        let states = self.states(&session, only).await?;
        let times = Times::of(&catalog);
        let shared = self.shared_names(&source, &catalog.tables).await?;
        let planned = catalog.tables.iter().map(|t| {
            let plan = self.plan_table(&source, times, t, states.get(&t.name), options).0;
            match shared.get(&t.name) {
                // Nothing proves that it is in step: the sync itself refuses it.
                Some(other) => TablePlan {
                    action: Action::Load,
                    action_reason: names::refusal(&t.name, other).to_string(),
                    ..plan
                },
                None => plan,
            }
        });
        Ok(planned.collect())
    }

    /// Brings one table in step. Looks at both sides afresh, so that doing it again is harmless.
    /// Dropping the future rolls everything back, as soon as the server has ended the statement under way.
    ///
    /// # Errors
    /// [`Kind::SourceChanged`] where the source has no such table, or it is excluded.
    pub async fn sync_table(&self, table: &TableName, options: SyncOptions) -> Result<SyncOutcome> {
        let mut outcome = self.sync_once(table, options).await?;
        if outcome.look_again {
            // Whoever asked for a comparison gets it of what is there now.
            let since = self.sync_once(table, SyncOptions { full: false, ..options }).await?;
            outcome.add(&since);
        }
        outcome.count(table, &self.metrics);
        Ok(outcome)
    }

    async fn sync_once(&self, table: &TableName, options: SyncOptions) -> Result<SyncOutcome> {
        let looked = self.look(table).await?;
        match self.sync_looked(&looked, options).await {
            Err(error) => self.sync_looked(&self.look_instead(looked, error).await?, options).await,
            synced => synced,
        }
    }

    async fn sync_looked(&self, looked: &Looked, options: SyncOptions) -> Result<SyncOutcome> {
        let table = &looked.table.name;
        let (plan, mut job) = looked.plan(self, options);
        debug!(table = %table, mode = %plan.mode, action = ?plan.action, reason = plan.action_reason, "planned");
        if plan.action != Action::Skip {
            self.source.heed_quiet_hours()?;
            job.refuse_meddlers()?;
        }
        if plan.mode == SyncMode::Stream && matches!(plan.action, Action::Load | Action::Reconcile) {
            job.find_log_position().await?;
            if plan.action == Action::Reconcile && !options.reconcile {
                job.tell_why_compared();
            }
        }
        let outcome = match plan.action {
            Action::Skip => SyncOutcome::of(Action::Skip),
            Action::Load => match job.load().await {
                // One row fails all of a COPY: read again, and find it.
                Err(error) if error.kind == Kind::WarehouseRefused => {
                    job.sift = true;
                    job.load().await?
                }
                loaded => loaded?,
            },
            Action::Delta if plan.mode == SyncMode::Stream => job.stream().await?,
            Action::Delta => job.delta().await?,
            Action::Reconcile => job.reconcile().await?,
        };
        job.tell_drift(&outcome, &self.metrics);
        Ok(SyncOutcome { untold: job.untold, ..outcome })
    }

    /// Compares one table with the source, value for value, and changes nothing.
    ///
    /// # Errors
    /// [`Kind::NotSynced`] where the table was never loaded, or its shape has changed since.
    pub async fn verify_table(&self, table: &TableName) -> Result<Differences> {
        self.source.heed_quiet_hours()?;
        let looked = self.look(table).await?;
        match self.verify_looked(&looked).await {
            Err(error) => self.verify_looked(&self.look_instead(looked, error).await?).await,
            verified => verified,
        }
    }

    async fn verify_looked(&self, looked: &Looked) -> Result<Differences> {
        let table = &looked.table.name;
        let (plan, job) = looked.plan(self, SyncOptions::default());
        match (plan.action, &job.drift) {
            (action, drift) if action == Action::Load || drift.alters() => Err(Error::new(
                Kind::NotSynced,
                format!("{table} can't be compared before it is synced: {}", plan.action_reason),
            )),
            _ => job.compare().await,
        }
    }

    /// What is known of the tables named, or all.
    async fn states(&self, session: &Session, only: Option<&[TableName]>) -> Result<BTreeMap<TableName, TableState>> {
        session.table_states(self.warehouse.raw_schema(), only).await
    }

    fn by_hand(&self, table: &Table) -> Option<&config::TableOverride> {
        self.by_hand_of(&table.name)
    }

    fn by_hand_of(&self, table: &TableName) -> Option<&config::TableOverride> {
        self.config.tables.iter().find(|(name, _)| name.eq_ignore_ascii_case(table.as_str())).map(|(_, o)| o)
    }

    /// Whether the configuration has a table follow the source's log; where it can't, [`Syncer::mode`] says why.
    pub fn is_streamed(&self, table: &TableName) -> bool {
        self.by_hand_of(table).and_then(|o| o.mode) == Some(SyncMode::Stream)
    }

    fn deletes(&self, by_hand: Option<&config::TableOverride>) -> Deletes {
        by_hand.and_then(|o| o.deletes).unwrap_or(self.config.sync.deletes)
    }

    fn plan_table<'a>(
        &'a self,
        source: &'a Source,
        times: Times,
        table: &'a Table,
        state: Option<&'a TableState>,
        options: SyncOptions,
    ) -> (TablePlan, Job<'a>) {
        let by_hand = self.by_hand(table);
        let (mode, mode_reason) = plan::choose_mode(table, by_hand);
        let present = state.and_then(|s| s.raw.as_ref().map(|raw| (s, raw)));
        let drift = present.map_or_else(Drift::default, |(state, raw)| drift::compare(&state.shape, table, raw));
        let situation = plan::Situation {
            table,
            mode,
            state: present.map(|(state, _)| state),
            drift: &drift,
            deletes: self.deletes(by_hand),
            now: times.taken_at,
            overlap: self.config.sync.overlap(),
            server: source.name(),
        };
        let (action, action_reason) = plan::choose_action(&situation, options);
        let types = self.ruled(table);
        let plan = TablePlan { table: table.clone(), mode, mode_reason, action, action_reason, types };
        let job = Job {
            source,
            warehouse: &self.warehouse,
            config: &self.config.sync,
            table,
            mode,
            deletes: self.deletes(by_hand),
            stamp: plan::stamp(table, by_hand).map(|(at, _)| at).filter(|_| mode == SyncMode::Merge),
            drift,
            state,
            // A replica gets what a long statement writes when it has ended, whatever the engine.
            taken_at: if table.engine == Engine::InnoDb || source.is_replica() {
                times.settled_at
            } else {
                times.taken_at
            },
            log: None,
            untold: None,
            sift: false,
            every_row: options.every_row,
        };
        (plan, job)
    }
}
