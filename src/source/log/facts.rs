//! What has to be known of the binary log before tables follow it.
//!
//! Gathers facts and judges nothing; `amalgam doctor` does.

use crate::{error::Result, source::failure::failure};
use mysql_async::{Conn, Row, prelude::Queryable};
use std::{collections::BTreeMap, time::Duration};

/// Not every server has all of them.
const SETTINGS: &str = "show global variables where variable_name in \
    ('log_bin_compress', 'binlog_expire_logs_seconds', 'expire_logs_days', 'log_slave_updates', 'gtid_slave_pos')";
/// Facts of the binary log.
#[derive(Clone, Debug, Default)]
pub struct LogFacts {
    /// How long it is kept; `None`: for ever.
    pub kept: Option<Duration>,
    /// Whether long events are compressed.
    pub is_compressed: bool,
    /// Whether it lacks what the server gets as a replica.
    pub lacks_replicated: bool,
    /// Whether databases are left out of it; `None`: the user may not see that.
    pub leaves_out: Option<bool>,
}

impl LogFacts {
    /// Asks for the facts.
    pub(in crate::source) async fn of(connection: &mut Conn) -> Result<Self> {
        let doing = "asking the source for the settings of its log";
        let settings: Vec<(String, String)> = connection.query(SETTINGS).await.map_err(|e| failure(&e, doing))?;
        let settings: BTreeMap<String, String> = settings.into_iter().collect();
        let is_on = |name: &str| settings.get(name).is_some_and(|value| value == "ON");
        let seconds = |name: &str, each: f64| {
            let number: f64 = settings.get(name)?.parse().ok()?;
            Duration::try_from_secs_f64(number * each).ok().filter(|kept| !kept.is_zero())
        };
        Ok(Self {
            // Before 10.6, MariaDB counted days.
            kept: seconds("binlog_expire_logs_seconds", 1.0).or_else(|| seconds("expire_logs_days", 86_400.0)),
            is_compressed: is_on("log_bin_compress"),
            lacks_replicated: !is_on("log_slave_updates")
                && settings.get("gtid_slave_pos").is_some_and(|position| !position.is_empty()),
            leaves_out: leaves_out(connection).await?,
        })
    }
}

async fn leaves_out(connection: &mut Conn) -> Result<Option<bool>> {
    let asked: Option<Row> = match connection.query_first(super::FILTERS).await {
        Ok(asked) => asked,
        Err(mysql_async::Error::Server(_)) => return Ok(None),
        Err(error) => return Err(failure(&error, "asking the source what it leaves out of its log")),
    };
    let is_set = |row: &Row, at: usize| row.get_opt::<String, _>(at).is_some_and(|l| l.is_ok_and(|l| !l.is_empty()));
    Ok(Some(asked.is_some_and(|row| is_set(&row, 2) || is_set(&row, 3))))
}
