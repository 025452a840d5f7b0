//! Which rows of a table have changed since a place of the binary log: docs/adr/0012.
//!
//! The log tells keys; the rows are read by them, like all others. So what a column is, how it is written in the
//! log, and what was altered in between never matters.
//! Guarantee: whatever can be seen at `up_to` and could not be seen at the place before it is among the rows that
//! are told, or it is [`Untold`]. InnoDB's rows are then read as they were just at `up_to`, between two
//! transactions; unless no connection is spare, or its snapshot gets too old: then they may be newer, and the next
//! time tells them again.
//! Refuses: staying. The log is asked for what there is, and the connection ends.

mod event;
mod facts;
mod following;
mod merges;
mod receive;
mod statement;
mod untold;

pub use facts::LogFacts;
pub(super) use following::Following;
pub use untold::Untold;

use super::{Cell, Source, failure::failure, identifier::quote, snapshot::Snapshot, wire::Connection};
use crate::{
    domain::{Engine, LogPosition, Table},
    error::Result,
};
use mysql_async::prelude::Queryable;
use std::{collections::BTreeSet, sync::Arc, time::Duration};

const PLACE: &str = include_str!("../queries/log_place.sql");
const MERGE_TABLES: &str = include_str!("../queries/merge_tables.sql");
/// File, offset, and the databases that alone are logged, or are not. It takes a right that nothing else needs
/// (`BINLOG MONITOR`).
const FILTERS: &str = "show master status";
/// An engine without transactions shows rows when their statement lets go of the table: so often, and so long
/// apart, is looked whether nobody is in it.
const LOOKS_MAX: u32 = 20;
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// What a table's definition says of a foreign key that changes rows by itself.
const CASCADES: [&str; 6] = [
    "ON DELETE CASCADE",
    "ON DELETE SET NULL",
    "ON DELETE SET DEFAULT",
    "ON UPDATE CASCADE",
    "ON UPDATE SET NULL",
    "ON UPDATE SET DEFAULT",
];

/// What the log tells of a table.
pub struct Changes<'t> {
    /// How far it was followed; `None` where there is nothing to follow, or it can't be told what can be seen.
    pub up_to: Option<LogPosition>,
    /// Which rows have changed.
    pub told: Result<Changed<'t>, Untold>,
}

/// The rows that have changed.
pub struct Changed<'t> {
    /// The keys of rows that came, went or were changed, in order.
    pub keys: BTreeSet<Vec<i128>>,
    pub(super) table: &'t Table,
    /// Sees just what was logged up to there; `None` where any connection does.
    pub(super) seen_by: Option<(Connection, Option<Snapshot>)>,
}

/// File and offset.
type Place = (String, u64);

impl Source {
    /// Asks the log what has changed in a table since a place.
    ///
    /// # Errors
    /// What a connection or a query can meet. That the log does not tell is no error.
    pub async fn changes<'t>(&'t self, table: &'t Table, since: &'t LogPosition) -> Result<Changes<'t>> {
        let mut following = Following::new(&self.database, table, Some(since));
        if table.engine == Engine::MyIsam {
            // Before the end of what is followed is known: what is defined from here on is told there.
            following = following.with_merges(&self.merge_tables().await?);
        }
        let place = match self.place(table).await? {
            Ok(place) => place,
            Err(untold) => return Ok(Changes { up_to: None, told: Err(untold) }),
        };
        let start = (since.file.clone(), since.offset);
        let followed = if following.is_worth_it(&start, &place) {
            self.follow_log(&start, &mut following).await?
        } else {
            Err(Untold::TooLong)
        };
        if let Err(untold) = followed {
            return Ok(Changes { up_to: self.log_position(table).await?.ok(), told: Err(untold) });
        }
        let at = |following: &Following<'_>, (file, offset): Place| {
            following.begun(&file).map(|begun| LogPosition { file, offset, begun })
        };
        if table.engine != Engine::InnoDb {
            // What is logged and can't be seen yet must be told again.
            let up_to = if self.is_settled(table).await? { at(&following, place) } else { Some(since.clone()) };
            return Ok(Changes { up_to, told: Ok(Changed { keys: following.into_keys(), table, seen_by: None }) });
        }
        let spare = Arc::clone(&self.spare).try_acquire_owned().ok();
        let (mut seen_by, mut up_to) = (None, place.clone());
        if spare.is_some() && !following.keys().is_empty() {
            let mut connection = self.reading().await?;
            let snapshot = Snapshot::begin(&mut connection, table, self.snapshot_time).await?;
            if snapshot.is_some()
                && let Ok(seen) = place_of(&mut connection).await?
            {
                if seen != place
                    && let Err(untold) = self.follow_log(&place, &mut following).await?
                {
                    drop(connection);
                    return Ok(Changes { up_to: self.log_position(table).await?.ok(), told: Err(untold) });
                }
                up_to = seen;
            }
            seen_by = Some((connection, snapshot));
        }
        let up_to = at(&following, up_to);
        Ok(Changes { up_to, told: Ok(Changed { keys: following.into_keys(), table, seen_by }) })
    }

    /// How far the log has come: all that is logged up to there can be seen in the table.
    ///
    /// # Errors
    /// What a connection or a query can meet.
    pub async fn log_position(&self, table: &Table) -> Result<Result<LogPosition, Untold>> {
        let (file, offset) = match self.place(table).await? {
            Ok(place) => place,
            Err(untold) => return Ok(Err(untold)),
        };
        if table.engine != Engine::InnoDb && !self.is_settled(table).await? {
            return Ok(Err(Untold::Unsettled));
        }
        let mut following = Following::new(&self.database, table, None);
        let followed = self.follow_log(&(file.clone(), offset), &mut following).await?;
        Ok(match (following.begun(&file), followed) {
            (Some(begun), _) => Ok(LogPosition { file, offset, begun }),
            (None, Err(untold)) => Err(untold),
            (None, Ok(())) => Err(Untold::NotUnderstood),
        })
    }

    /// Where the log stands, if it tells of the table at all.
    async fn place(&self, table: &Table) -> Result<Result<Place, Untold>> {
        let mut connection = self.reading().await?;
        if cascades(&mut connection, table).await? {
            return Ok(Err(Untold::Cascades));
        }
        if leaves_out(&mut connection).await? {
            return Ok(Err(Untold::LeftOut));
        }
        place_of(&mut connection).await
    }

    /// Whether a foreign key changes rows of a table by itself, which is not logged.
    ///
    /// # Errors
    /// What a connection or a query can meet.
    pub async fn cascades(&self, table: &Table) -> Result<bool> {
        cascades(&mut self.reading().await?, table).await
    }

    /// The MERGE tables of the database. Of no other engine than MyISAM are they made.
    async fn merge_tables(&self) -> Result<Vec<String>> {
        let mut connection = self.connection().await?;
        let (id, asked) = (connection.id(), connection.exec(MERGE_TABLES, (self.database.as_str(),)));
        self.answered(id, asked, "looking for MERGE tables").await
    }

    /// Whether nobody is in a table, so that all that is logged of it can be seen.
    async fn is_settled(&self, table: &Table) -> Result<bool> {
        let mut connection = self.connection().await?;
        let name = table.name.as_str().replace('\\', "\\\\").replace('\'', "''");
        let sql = format!("show open tables where `Database` = database() and `Table` = '{name}' and In_use > 0");
        for look in 0..LOOKS_MAX {
            if look > 0 {
                tokio::time::sleep(LOOK_EVERY).await;
            }
            let (id, asked) = (connection.id(), connection.query_first(sql.as_str()));
            let in_use: Option<mysql_async::Row> =
                self.answered(id, asked, &format!("asking who uses {}", table.name)).await?;
            if in_use.is_none() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Whether the server is known to leave databases out of its log. Which statements those are depends on the
/// databases that their sessions were in, so any is one too many.
async fn leaves_out(connection: &mut Connection) -> Result<bool> {
    let asked = connection
        .first(FILTERS, |cells| {
            let is_set = |at: usize| matches!(cells.get(at), Some(Cell::Bytes(list)) if !list.is_empty());
            Some(is_set(2) || is_set(3))
        })
        .await;
    match asked {
        Ok(asked) => Ok(asked.unwrap_or_default()),
        // Without the right nobody can know; a server without a log is told by the next question.
        Err(mysql_async::Error::Server(_)) => Ok(false),
        Err(error) => Err(failure(&error, "asking the source what it leaves out of its log")),
    }
}

/// Where a session stands in the log.
async fn place_of(connection: &mut Connection) -> Result<Result<Place, Untold>> {
    let text = |cell: Option<&Cell<'_>>| match cell {
        Some(Cell::Bytes(text)) => String::from_utf8_lossy(text).into_owned(),
        _ => String::new(),
    };
    let asked = connection
        .first(PLACE, |cells| {
            let is_on = |at: usize| Some(cells.get(at)?.number::<i64>()? == 1);
            let is_whole = is_on(4)? || text(cells.get(5)).is_empty();
            Some((is_on(0)?, is_whole, text(cells.get(1)), text(cells.get(2)), text(cells.get(3))))
        })
        .await;
    let (is_logged, is_whole, format, file, offset) = match asked {
        Ok(Some(asked)) => asked,
        // MySQL has neither these variables nor this table.
        Ok(None) | Err(mysql_async::Error::Server(_)) => return Ok(Err(Untold::NotLogged)),
        Err(error) => return Err(failure(&error, "asking the source for its log")),
    };
    Ok(match offset.parse() {
        _ if !is_logged || file.is_empty() => Err(Untold::NotLogged),
        _ if format != "ROW" => Err(Untold::NotByRow),
        _ if !is_whole => Err(Untold::NotPassedOn),
        Ok(offset) => Ok((file, offset)),
        Err(_) => Err(Untold::NotLogged),
    })
}

/// Asks for the definition: `information_schema` tells foreign keys only to who may do more than read.
async fn cascades(connection: &mut Connection, table: &Table) -> Result<bool> {
    if table.engine != Engine::InnoDb {
        return Ok(false);
    }
    let sql = format!("show create table {}", quote(table.name.as_str()));
    let definition = connection
        .first(&sql, |cells| match cells.get(1)? {
            Cell::Bytes(text) => Some(String::from_utf8_lossy(text).into_owned()),
            _ => None,
        })
        .await
        .map_err(|e| failure(&e, &format!("looking at the definition of {}", table.name)))?;
    Ok(changes_by_itself(&definition.unwrap_or_default()))
}

/// Whether a foreign key changes rows of a table of that definition.
fn changes_by_itself(definition: &str) -> bool {
    CASCADES.iter().any(|words| definition.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_key_that_changes_rows_by_itself_is_told_from_one_that_forbids() {
        assert!(changes_by_itself("foreign key (`p`) REFERENCES `u` (`k`) ON DELETE CASCADE"));
        assert!(changes_by_itself("foreign key (`p`) REFERENCES `u` (`k`) ON DELETE NO ACTION ON UPDATE SET NULL"));
        assert!(!changes_by_itself(
            "`s` timestamp ON UPDATE current_timestamp(), REFERENCES `u` (`k`) ON DELETE NO ACTION"
        ));
    }
}
