//! Any bytes into the readers of PostgreSQL's COPY: `cargo fuzz run decoder`.
#![no_main]

#[path = "../../tests/it/encoder/cells.rs"]
#[expect(dead_code, reason = "the other target's")]
mod cells;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| cells::decoder_holds(bytes));
