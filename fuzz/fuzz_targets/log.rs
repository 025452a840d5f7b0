//! Any events into what follows the binary log: `cargo fuzz run log`.
//!
//! The first byte says how many columns make the key, and each event has its length in front of it, in two bytes.
//! What coverage has to find is a layout of table `d.t` and rows under its number.
#![no_main]

use amalgam::{
    domain::{Column, Engine, Table},
    source::fuzz,
};

const DECLARED: [&str; 3] = ["int(11)", "bigint(20) unsigned", "varchar(9)"];

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((&key, mut rest)) = bytes.split_first() else { return };
    let columns = DECLARED.iter().zip(["a", "b", "c"]).map(|(declared, name)| Column::new(name, declared)).collect();
    let table = Table {
        name: "t".into(),
        engine: Engine::InnoDb,
        columns,
        key: (0..=usize::from(key % 2)).collect(),
        rows: 0,
        data_bytes: 0,
        fingerprint: None,
        made_at: None,
    };
    let events = std::iter::from_fn(|| {
        let (length, more) = rest.split_first_chunk::<2>()?;
        let (event, more) = more.split_at(more.len().min(usize::from(u16::from_le_bytes(*length))));
        rest = more;
        Some(event)
    });
    assert!(fuzz::keys_told("d", &table, events) <= bytes.len(), "a key takes a byte at least");
});
