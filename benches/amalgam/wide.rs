//! Rows and tables that are wider than any practice's: what they take of memory.

use super::{
    Result,
    measure::{Measured, measured},
    places::Places,
};

/// Rows of 64 MiB, one after another.
const LONG_ROWS: u64 = 8;
const COLUMNS: usize = 500;
const ROWS: u64 = 20_000;

/// What each kind took at most, loaded and compared.
#[derive(Clone, Copy)]
pub(super) struct Wide {
    pub columns: Measured,
    pub rows: Measured,
}

/// Loads and compares both kinds.
pub(super) fn loaded(places: &Places) -> Result<Wide> {
    println!("making {LONG_ROWS} rows of 64 MiB, and {ROWS} rows of {COLUMNS} columns");
    // For the connections that begin after it.
    places.source("set global max_allowed_packet = 1073741824")?;
    let columns: Vec<String> = (1..=COLUMNS).map(|n| format!("c{n} varchar(20)")).collect();
    let values: Vec<String> = (1..=COLUMNS).map(|n| format!("repeat('v', (seq + {n}) % 40)")).collect();
    places.source(&format!(
        "create or replace table long_rows (k bigint primary key, v longblob) engine=MyISAM; \
         insert into long_rows select seq, repeat(char(seq), 64 << 20) from seq_1_to_{LONG_ROWS}; \
         create or replace table wide_rows (k bigint primary key, {}) engine=MyISAM; \
         insert into wide_rows select seq, {} from seq_1_to_{ROWS}",
        columns.join(", "),
        values.join(", ")
    ))?;
    places.fresh_database()?;
    let worst = |table: &str| -> Result<Measured> {
        let mut worst = Measured { seconds: 0.0, peak_mebibytes: 0.0 };
        for command in ["sync", "verify"] {
            let one = measured(places.amalgam().args([command, table]))?;
            println!("{command} {table}: {one}");
            worst = worst.and(one);
        }
        Ok(worst)
    };
    let wide = Wide { columns: worst("wide_rows")?, rows: worst("long_rows")? };
    places.source("drop table long_rows, wide_rows")?;
    Ok(wide)
}
