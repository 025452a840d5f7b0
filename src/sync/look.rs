//! What both sides say of one table before it is planned, and which server is read for it.
//!
//! Guarantee: a replica is read only behind what the table was last read from (docs/adr/0011); what can't be
//! read there is read at the primary.

use super::{SyncOptions, Syncer, TablePlan, job::Job, names, rules, select};
use crate::{
    domain::{Catalog, Table, TableName},
    error::{Error, Kind, Result},
    source::{Chosen, Source, Wanted},
    warehouse::TableState,
};
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;

impl Syncer {
    /// What both sides say of one table. The warehouse is asked first: what it has tells what a replica must
    /// have.
    pub(super) async fn look(&self, table: &TableName) -> Result<Looked> {
        let session = self.warehouse.session().await?;
        let state = self.states(&session, Some(std::slice::from_ref(table))).await?.remove(table);
        let wanted = match &state {
            // What a load that was interrupted has read of it, and where, isn't known.
            _ if self.source.replica_name().is_some() && session.load_progress(table).await?.is_some() => Wanted::Now,
            Some(state) => self.source.wanted(state.server.as_deref(), state.position.as_deref()),
            None => Wanted::Now,
        };
        drop(session);
        let chosen = if self.is_streamed(table) {
            // What is followed is the primary's log, and it says nothing of when a replica has what it tells.
            self.source.itself()
        } else {
            self.choose(wanted).await?
        };
        match self.look_at(&chosen, table, &state).await {
            Err(error) => match self.source.instead_of(&chosen.source, &error).await {
                Some(primary) => self.look_at(&primary, table, &state).await,
                None => Err(error),
            },
            looked => looked,
        }
    }

    /// The same at the primary, where a replica could not be read; else the failure.
    pub(super) async fn look_instead(&self, looked: Looked, error: Error) -> Result<Looked> {
        match self.source.instead_of(&looked.source, &error).await {
            Some(primary) => self.look_at(&primary, &looked.table.name, &looked.state).await,
            None => Err(error),
        }
    }

    async fn look_at(&self, chosen: &Chosen, table: &TableName, state: &Option<TableState>) -> Result<Looked> {
        let catalog = self.describe(chosen, Some(std::slice::from_ref(table))).await?;
        // information_schema does not tell Foo from foo; the source may.
        let found = catalog.table(table).cloned().ok_or_else(|| {
            Error::new(Kind::SourceChanged, format!("the source has no table {table}, or it is excluded"))
        })?;
        if let Some(other) = self.shared_names(&chosen.source, &catalog.tables).await?.get(table) {
            return Err(names::refusal(table, other));
        }
        names::check_columns(&found)?;
        rules::check(&found)?;
        Ok(Looked { source: chosen.source.clone(), times: Times::of(&catalog), table: found, state: state.clone() })
    }

    /// Those of these tables that would share one in the warehouse with another that is kept in step, and that
    /// other. The source is asked for all its names only where one of these may.
    pub(super) async fn shared_names(
        &self,
        source: &Source,
        tables: &[Table],
    ) -> Result<BTreeMap<TableName, TableName>> {
        if !tables.iter().any(|table| names::may_be_shared(table.name.as_str())) {
            return Ok(BTreeMap::new());
        }
        let all = source.table_names().await?;
        Ok(names::shared(all.iter().map(String::as_str).filter(|name| select::chosen(&self.config.sync, name))))
    }

    pub(super) async fn describe(&self, chosen: &Chosen, only: Option<&[TableName]>) -> Result<Catalog> {
        let mut catalog = chosen.describe(only, |table| select::chosen(&self.config.sync, table)).await?;
        rules::lay_upon(&mut catalog, &self.config);
        Ok(catalog)
    }

    /// The server to read; whoever watches is told.
    pub(super) async fn choose(&self, wanted: Wanted<'_>) -> Result<Chosen> {
        let chosen = self.source.choose(wanted).await?;
        if let (Some(name), Some(standing)) = (self.source.replica_name(), chosen.standing) {
            let lag = standing.lag.map_or(f64::NAN, |lag| lag.as_secs_f64());
            self.metrics.replica_lag.with_label_values(&[name]).set(lag);
            self.metrics.replica_in_use.with_label_values(&[name]).set(i64::from(standing.in_use));
        }
        Ok(chosen)
    }
}

/// The source's times before anything was read: see [`Catalog`].
#[derive(Clone, Copy)]
pub(super) struct Times {
    pub(super) taken_at: DateTime<Utc>,
    pub(super) settled_at: DateTime<Utc>,
}

impl Times {
    pub(super) fn of(catalog: &Catalog) -> Self {
        Self { taken_at: catalog.taken_at, settled_at: catalog.settled_at }
    }
}

/// What both sides say of one table.
pub(super) struct Looked {
    pub(super) source: Source,
    times: Times,
    pub(super) table: Table,
    state: Option<TableState>,
}

impl Looked {
    pub(super) fn plan<'a>(&'a self, syncer: &'a Syncer, options: SyncOptions) -> (TablePlan, Job<'a>) {
        syncer.plan_table(&self.source, self.times, &self.table, self.state.as_ref(), options)
    }
}
