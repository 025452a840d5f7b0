//! Asks a replica how it does, and waits for it.

use super::{failure::failure, primary::Moment, refusal::Refusal, replica::Replica};
use crate::error::Kind;
use mysql_async::{Conn, Row, prelude::Queryable};
use std::time::Duration;

impl Replica {
    /// Waits until all is applied that the primary had logged at that moment.
    pub(super) async fn follow(&self, moment: &Moment) -> Result<(), Refusal> {
        let mut connection = self.source.connection().await.map_err(Refusal::Failed)?;
        let lag = self.status(&mut connection, moment.server_id).await?;
        if lag > self.lag_max {
            return Err(Refusal::Behind(Some(lag)));
        }
        let seconds = self.lag_max.as_secs();
        // It has a bound of its own. The position holds nothing but digits, commas and dashes.
        let sql = format!(
            "set statement max_statement_time = 0 for select master_gtid_wait('{}', {seconds})",
            moment.position
        );
        let waited: Option<Option<i64>> =
            connection.query_first(sql).await.map_err(|e| failed(&e, "waiting for the replica"))?;
        if waited.flatten() == Some(0) { Ok(()) } else { Err(Refusal::Behind(Some(self.lag_max))) }
    }

    /// How far it says that it is behind.
    async fn status(&self, connection: &mut Conn, primary: u64) -> Result<Duration, Refusal> {
        // A replica may have several primaries; before 10.5 MariaDB knew no other word.
        let rows: Vec<Row> = match connection.query("show all slaves status").await {
            Ok(rows) => rows,
            Err(error) => match failed(&error, "asking the replica how it does") {
                Refusal::Failed(error) if error.kind == Kind::SourceDenied => {
                    return Err(Refusal::Denied(account(connection).await));
                }
                refusal => return Err(refusal),
            },
        };
        let id = primary.to_string();
        let row = rows.iter().find(|row| column(row, "Master_Server_Id") == id).ok_or(Refusal::OfAnother)?;
        for (thread, name) in [("receiving", "Slave_IO_Running"), ("applying", "Slave_SQL_Running")] {
            if column(row, name) != "Yes" {
                return Err(Refusal::Stopped(thread));
            }
        }
        if self.leaves_out(row) {
            return Err(Refusal::Filtered);
        }
        let lag = column(row, "Seconds_Behind_Master").parse().map_err(|_| Refusal::Behind(None))?;
        Ok(Duration::from_secs(lag))
    }

    fn leaves_out(&self, row: &Row) -> bool {
        let names = |name| {
            let list = column(row, name);
            list.split(',').map(|n| n.trim().to_owned()).filter(|n| !n.is_empty()).collect::<Vec<_>>()
        };
        let (only, none) = (names("Replicate_Do_DB"), names("Replicate_Ignore_DB"));
        let tables =
            ["Replicate_Do_Table", "Replicate_Ignore_Table", "Replicate_Wild_Do_Table", "Replicate_Wild_Ignore_Table"];
        // Which database a statement belongs to is told by `use` alone: one that names it may be left out.
        !only.is_empty() || none.contains(&self.source.database) || tables.iter().any(|list| !names(list).is_empty())
    }
}

/// The account that we are at the server, quoted.
async fn account(connection: &mut Conn) -> String {
    let sql = "select concat(quote(substring_index(current_user(), '@', 1)), '@', \
               quote(substring_index(current_user(), '@', -1)))";
    // Told to a person; without it they know as well whom they have configured.
    connection.query_first(sql).await.ok().flatten().unwrap_or_else(|| "its user".to_owned())
}

fn failed(error: &mysql_async::Error, doing: &str) -> Refusal {
    Refusal::Failed(failure(error, doing))
}

/// A column as text; empty for null, or where there is none. It holds names and numbers of replication's own.
fn column(row: &Row, name: &str) -> String {
    let at = row.columns_ref().iter().position(|column| column.name_str().eq_ignore_ascii_case(name));
    at.and_then(|at| row.get_opt::<String, usize>(at)).and_then(std::result::Result::ok).unwrap_or_default()
}
