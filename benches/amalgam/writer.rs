//! Somebody writes to a MyISAM table while it is loaded: how long the longest write waited.

use super::{
    Result,
    measure::{Measured, measured},
    places::Places,
};
use mysql_async::prelude::Queryable;
use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

const ROWS: u64 = 5_000_000;
/// Somebody who works quickly.
const PAUSE: Duration = Duration::from_millis(20);

/// The longest wait of a write during the load, and before it.
#[derive(Clone, Copy)]
pub(super) struct Wait {
    pub loading: Duration,
    pub idle: Duration,
    pub writes: u64,
    /// The load, the sync and the comparison after it; the highest peak.
    pub program: Measured,
}

/// Loads a table of five million rows while one connection edits and adds rows.
pub(super) fn longest_wait(places: &Places) -> Result<Wait> {
    println!("making a table of {ROWS} rows");
    places.source(&format!(
        "create or replace table waited_for (k bigint auto_increment primary key, who bigint, note varchar(100), \
         stamp timestamp not null default current_timestamp on update current_timestamp) engine=MyISAM; \
         insert into waited_for (who, note) select seq % 35135, repeat('n', seq % 90) from seq_1_to_{ROWS}"
    ))?;
    places.fresh_database()?;
    let idle = AtomicBool::new(false);
    let (before, _) = std::thread::scope(|scope| {
        let writing = scope.spawn(|| write_until(places, &idle));
        std::thread::sleep(Duration::from_secs(2));
        idle.store(true, Ordering::Relaxed);
        writing.join().map_err(|_| "the writer panicked")
    })?
    .map_err(|e| e.to_string())?;
    let loaded = AtomicBool::new(false);
    let ((longest, writes), load) = std::thread::scope(|scope| {
        let writing = scope.spawn(|| write_until(places, &loaded));
        let load = measured(places.amalgam().args(["sync", "waited_for"])).map_err(|e| e.to_string());
        loaded.store(true, Ordering::Relaxed);
        let wrote = writing.join().map_err(|_| "the writer panicked".to_owned())?;
        Ok::<_, String>((wrote?, load?))
    })?;
    let mut program = load;
    for command in ["sync", "verify"] {
        program = program.and(measured(places.amalgam().args([command, "waited_for"]))?);
    }
    places.source("drop table waited_for")?;
    println!(
        "a write waited for {longest:?} at most while {ROWS} rows were loaded, {before:?} before; {writes} writes"
    );
    Ok(Wait { loading: longest, idle: before, writes, program })
}

/// Writes until told to end; the longest write, and how many.
fn write_until(places: &Places, end: &AtomicBool) -> std::result::Result<(Duration, u64), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
    runtime
        .block_on(async {
            let url = format!("mysql://root@127.0.0.1:{}/opendental", places.source_port());
            let mut connection = mysql_async::Conn::new(mysql_async::Opts::from_url(&url)?).await?;
            let (mut longest, mut writes) = (Duration::ZERO, 0);
            while !end.load(Ordering::Relaxed) {
                let row = writes * 7919 % ROWS + 1;
                let began = Instant::now();
                connection.query_drop(format!("update waited_for set who = who + 1 where k = {row}")).await?;
                longest = longest.max(began.elapsed());
                let began = Instant::now();
                connection.query_drop(format!("insert into waited_for (who, note) values ({row}, 'new')")).await?;
                longest = longest.max(began.elapsed());
                writes += 2;
                tokio::time::sleep(PAUSE).await;
            }
            connection.disconnect().await?;
            Ok((longest, writes))
        })
        .map_err(|e: mysql_async::Error| e.to_string())
}
