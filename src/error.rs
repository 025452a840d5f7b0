//! Every kind of failure, whether it is retried, and what the operator can do.
//!
//! The table in [`Kind::policy`] is the one place that decides; call sites only name the kind.
//! Guarantee: an [`Error`] never carries a cell's value. `source/` and `warehouse/` strip what the
//! servers put into their messages before they make one.

use std::fmt;

/// The result of everything that can fail here.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What follows from a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// The cause may go away by itself: try again with backoff.
    Retry,
    /// Another try would end the same: the task fails, its descendants are skipped.
    Fail,
    /// Not a failure: it is not the time. The work waits, costs no attempt, and is taken up by itself.
    Wait,
    /// Nothing of this run can succeed: the run ends, the next one tries afresh.
    Halt,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $word:literal => $policy:ident, $remedy:literal;)+) => {
        /// A kind of failure.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Kind { $($(#[$doc])* $kind),+ }

        impl Kind {
            /// Every kind, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$kind),+];

            /// The word used in logs, metrics and the database.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$kind => $word),+ }
            }

            /// Whether it is retried, and one sentence of remedy for the operator.
            pub fn policy(self) -> (Policy, &'static str) {
                match self { $(Self::$kind => (Policy::$policy, $remedy)),+ }
            }
        }
    };
}

kinds! {
    /// The configuration is wrong.
    Config = "config" => Halt, "correct the configuration; `amalgam config check` shows the place";
    /// No connection to the source's server could be made.
    SourceUnreachable = "source_unreachable" => Retry, "see that MariaDB runs, and that [source] host and port are right and not behind a firewall";
    /// The source, or the configuration, allows no more connections.
    SourceFull = "source_full" => Retry, "lower [source] connections_max or [sync] parallel_tables, or raise max_connections or the user's max_user_connections at MariaDB";
    /// The source refused user or password.
    SourceAuth = "source_auth" => Halt, "set the right [source] user and password, and [source] tls where the user requires it; the user needs SELECT on the database and nothing else";
    /// The source's user lacks a right.
    SourceDenied = "source_denied" => Fail, "grant the right to the user: GRANT SELECT ON <database>.* TO <user>";
    /// The source can't speak the TLS that the configuration demands.
    SourceTls = "source_tls" => Halt, "enable TLS on the source, name its authority in [source] tls_ca_file, or lower [source] tls if the network is private";
    /// The database isn't there.
    SourceDatabaseMissing = "source_database_missing" => Halt, "correct [source] database; SHOW DATABASES lists what the user may see";
    /// A table was named that isn't there.
    UnknownTable = "unknown_table" => Halt, "spell the table as the source does; `amalgam discover` lists them all";
    /// A selection names no table and no model, or is written wrongly.
    UnknownSelection = "unknown_selection" => Fail, "`amalgam discover` lists the tables, `amalgam models ls` the models; write a selection as `amalgam models ls --help` says";
    /// Models were asked for, and no dbt project is named.
    NoProject = "no_project" => Fail, "name the folder of dbt_project.yml with --project-dir, or in the configuration with [models] project_dir";
    /// A schedule was named that isn't there.
    UnknownSchedule = "unknown_schedule" => Fail, "`amalgam schedules` lists them; the daemon takes them up when it starts";
    /// A fire was asked for of a schedule that is paused.
    Paused = "paused" => Fail, "`amalgam schedules resume` lets it go on";
    /// A notifier was named that isn't configured.
    UnknownNotifier = "unknown_notifier" => Fail, "name one of the [[notify]] of the configuration";
    /// A run was asked for that isn't remembered.
    UnknownRun = "unknown_run" => Fail, "`amalgam history` lists the last runs, and with -n more of them; runs that ended long ago are forgotten";
    /// A table can't be compared, because it was never synced or its columns have changed since.
    NotSynced = "not_synced" => Fail, "run `amalgam sync` for the table first";
    /// A connection to the source broke in the middle.
    SourceLost = "source_lost" => Retry, "nothing was lost, the work is done again; if it happens often, look at MariaDB's error log and the network";
    /// A statement at the source took longer than its bound.
    SourceTimeout = "source_timeout" => Retry, "the source is busy; lower [source] range_rows or raise statement_seconds_max if it happens often";
    /// The source's quiet hours have begun.
    SourceQuiet = "source_quiet" => Wait, "wait until they are over, the daemon goes on by itself then; by hand, --ignore-quiet-hours reads nevertheless";
    /// A table's file is damaged, and the server does not read it.
    SourceCrashed = "source_crashed" => Fail, "the table is marked as crashed, after a power cut, say; run REPAIR TABLE on it at the source, or mysqlcheck --repair";
    /// A table or column was there when the work was planned and is gone now.
    SourceChanged = "source_changed" => Retry, "the table was altered or dropped at the source; the next try sees it as it is now";
    /// A setting of the source's keeps its user from reading.
    SourceSetting = "source_setting" => Fail, "change the setting that the message names: init_connect must be right for the user of [source] too (MariaDB's error log tells what is wrong with it), and max_join_size large enough";
    /// The source answered with another error.
    SourceQuery = "source_query" => Fail, "look at MariaDB's error log around this time";
    /// A column can't become what the configuration says.
    SourceType = "source_type" => Fail, "narrow the pattern of the [[sync.types]] that names the column, or choose another type for it";
    /// Rows hold values that have no place in the warehouse, and the configuration does not let them be set aside.
    RowsRefused = "rows_refused" => Fail, "mend the values at the source, set [source] bad_text to replace or quarantine, or correct the [[sync.types]] that names the column";
    /// No connection to the warehouse could be made.
    WarehouseUnreachable = "warehouse_unreachable" => Retry, "see that PostgreSQL runs, and that [warehouse] host and port are right and not behind a firewall";
    /// The warehouse refused user, password or database.
    WarehouseAuth = "warehouse_auth" => Halt, "set the right [warehouse] user, password and database";
    /// The warehouse can't speak the TLS that the configuration demands.
    WarehouseTls = "warehouse_tls" => Halt, "enable TLS on the warehouse, name its authority in [warehouse] tls_ca_file, or lower [warehouse] tls if the network is private";
    /// The warehouse's user lacks a right.
    WarehouseDenied = "warehouse_denied" => Fail, "grant the right: GRANT CREATE ON DATABASE <database> TO <user>, and make the user owner of the schemas it writes";
    /// A connection to the warehouse broke in the middle.
    WarehouseLost = "warehouse_lost" => Retry, "nothing was lost, the work is done again; if it happens often, look at PostgreSQL's log";
    /// The warehouse has no room.
    WarehouseFull = "warehouse_full" => Retry, "free or add disk space on the warehouse's server; the work goes on by itself then";
    /// Deadlock, serialization failure, lock timeout, or another writer came first.
    WarehouseConflict = "warehouse_conflict" => Retry, "nothing to do; if it lasts, look for a long transaction that holds a lock in the warehouse";
    /// A statement at the warehouse took longer than its bound.
    WarehouseTimeout = "warehouse_timeout" => Retry, "the warehouse is busy; look for long queries, or raise the timeout";
    /// The warehouse is short of memory, connections or another resource.
    WarehouseBusy = "warehouse_busy" => Retry, "lower [warehouse] connections_max, or raise max_connections or memory on the server";
    /// The warehouse can only be read.
    WarehouseReadOnly = "warehouse_read_only" => Halt, "name the primary in [warehouse], if this is a standby (select pg_is_in_recovery()); else unset default_transaction_read_only for the server, the database and the user";
    /// The warehouse's database has an encoding in which not every text has a place.
    WarehouseEncoding = "warehouse_encoding" => Halt, "make the warehouse anew, CREATE DATABASE <name> ENCODING 'UTF8' TEMPLATE template0, and name it in [warehouse] database";
    /// Somebody has put a trigger or a rule on a raw table, which may change or swallow what is written.
    RawMeddled = "raw_meddled" => Fail, "drop it, or disable it with ALTER TABLE; what it does has its place in a view or a model on the raw table";
    /// Something that is no table bears a raw table's name.
    RawOccupied = "raw_occupied" => Fail, "drop it, or give it another name or schema; views and models on the source's tables belong into a schema of their own";
    /// PostgreSQL has no table of so many columns.
    TooManyColumns = "too_many_columns" => Fail, "PostgreSQL has no room for it: leave the table out with [sync] exclude";
    /// Two names of the source would be one in the warehouse.
    SharedName = "shared_name" => Fail, "leave one of the tables, or the table of the columns, out with [sync] exclude, or have it renamed at the source";
    /// The warehouse answered with another error.
    WarehouseQuery = "warehouse_query" => Fail, "look at PostgreSQL's log around this time";
    /// The warehouse refused a row.
    WarehouseRefused = "warehouse_refused" => Fail, "this is a fault in Amalgam, because such a row is to be set aside: report it with the SQLSTATE";
    /// A dbt project can't be read.
    ModelProject = "model_project" => Fail, "correct the file named in the message";
    /// A package of a dbt project can't be had.
    Packages = "packages" => Fail, "correct what packages.yml says at the place named in the message, or see that it can be reached from here; what is installed stays as it is";
    /// A macro was named that isn't there.
    UnknownMacro = "unknown_macro" => Fail, "write the macro's name as its file does, with its package and a dot before it where it is no macro of the project";
    /// A model's Jinja can't be rendered.
    ModelRender = "model_render" => Fail, "correct the model at the place named in the message";
    /// The warehouse refused a model's SQL.
    ModelSql = "model_sql" => Fail, "correct the model; the last good version stays in place";
    /// A test of error severity failed; the model was not published.
    ModelTest = "model_test" => Fail, "look at the rows that the named test selects; the last good version stays in place";
    /// A view that hangs on what was rebuilt no longer fits it.
    Dependent = "dependent" => Fail, "change or drop the view named in the message; nothing was changed";
    /// Another process holds the writer's lock.
    WriterElsewhere = "writer_elsewhere" => Fail, "wait until it has ended, or stop it: one process writes to a warehouse at a time";
    /// This process was the writer, and another has become it meanwhile.
    WriterLost = "writer_lost" => Wait, "nothing to do: the other process goes on with what this one had begun";
    /// The work was called off, by a person or by the end of the process.
    Cancelled = "cancelled" => Fail, "nothing to do; the work is taken up again at the next start";
    /// The process died again and again while it was at work on it.
    ProcessDied = "process_died" => Fail, "see why the process died (`journalctl -u amalgam`; the kernel's log tells of memory): a row too long for MemoryMax= of the unit, say; raise it, or leave the table out with [sync] exclude; if it was something else that killed the process, nothing: the next run tries again";
    /// The task's time was up.
    Timeout = "timeout" => Retry, "raise [sync] timeout_minutes if the table or model needs longer";
    /// The address for health and metrics can't be listened on.
    Listen = "listen" => Halt, "stop the program that uses the address, or set another [http] listen";
    /// A file or folder of this machine.
    Io = "io" => Fail, "see that the path exists and that the user may read or write it";
    /// Amalgam contradicts itself.
    Internal = "internal" => Fail, "this is a fault in Amalgam: report it with the log around this time";
}

/// One of the two that everything depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Database {
    /// The practice's.
    Source,
    /// The warehouse, with the control plane in it.
    Warehouse,
}

impl Kind {
    /// The database that fails whatever it is asked, where a failure of this kind says so.
    pub fn blames(self) -> Option<Database> {
        match self {
            Self::SourceUnreachable | Self::SourceFull | Self::SourceLost => Some(Database::Source),
            // Not where it is full: what is smaller may still fit.
            Self::WarehouseUnreachable | Self::WarehouseLost | Self::WarehouseBusy => Some(Database::Warehouse),
            _ => None,
        }
    }

    /// The kind of that word; `None` where this version knows none.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == word)
    }

    /// What the operator can do.
    pub fn remedy(self) -> &'static str {
        self.policy().1
    }

    /// The kind of an error of PostgreSQL's: PostgreSQL docs, appendix A. For whoever speaks to it.
    pub fn of_sqlstate(code: &str) -> Self {
        match code {
            // Our own: src/state/migrations/0021_fence.sql.
            "AM001" => Self::WriterLost,
            // Serialization, deadlock, a lock not had in time; or another was faster to make or to hold a name.
            "40001" | "40P01" | "55P03" | "55006" | "42P07" => Self::WarehouseConflict,
            "28000" | "28P01" | "3D000" => Self::WarehouseAuth,
            "42501" => Self::WarehouseDenied,
            "25006" => Self::WarehouseReadOnly,
            "53100" => Self::WarehouseFull,
            "57014" => Self::WarehouseTimeout,
            // The server ends, starts, or ends a session that did nothing for too long.
            "57P01" | "57P02" | "57P03" | "57P04" | "57P05" | "25P03" => Self::WarehouseLost,
            _ => match code.get(..2) {
                Some("08") => Self::WarehouseLost,
                Some("53") => Self::WarehouseBusy,
                _ => Self::WarehouseQuery,
            },
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A failure: its kind, where it happened, and what the layer below said, without values.
#[derive(Debug, thiserror::Error)]
#[error("{context}")]
pub struct Error {
    /// What kind it is.
    pub kind: Kind,
    /// What was done and what went wrong, in lowercase, without a cell's value.
    pub context: String,
    /// What the layer below said. Only errors that can't carry a value are put here.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// A failure without one below.
    pub fn new(kind: Kind, context: impl Into<String>) -> Self {
        Self { kind, context: context.into(), source: None }
    }

    /// Keeps what the layer below said. It must not be able to carry a cell's value.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Says, in front, what was being done.
    #[must_use]
    pub fn during(mut self, doing: impl fmt::Display) -> Self {
        self.context = format!("{doing}: {}", self.context);
        self
    }

    /// Whether another try may end otherwise.
    pub fn policy(&self) -> Policy {
        self.kind.policy().0
    }

    /// What the operator can do.
    pub fn remedy(&self) -> &'static str {
        self.kind.remedy()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_word_of_its_own_and_a_remedy() {
        let words: std::collections::BTreeSet<_> = Kind::ALL.iter().map(|k| k.as_str()).collect();
        assert_eq!(words.len(), Kind::ALL.len());
        assert!(Kind::ALL.iter().all(|k| Kind::parse(k.as_str()) == Some(*k)) && Kind::parse("").is_none());
        assert!(Kind::ALL.iter().all(|k| k.policy().1.len() > 10));
    }

    #[test]
    fn what_postgresql_says_of_its_own_state_is_tried_again_and_what_it_says_of_us_is_not() {
        for code in ["40001", "40P01", "55P03", "42P07", "53100", "53300", "57014", "57P03", "57P05", "08006"] {
            assert_eq!(Kind::of_sqlstate(code).policy().0, Policy::Retry, "{code}");
        }
        for code in ["42501", "42P01", "23505", "22P02", "28P01", "3D000", "", "é"] {
            assert_ne!(Kind::of_sqlstate(code).policy().0, Policy::Retry, "{code}");
        }
    }
}
