//! Cells of any kind into the encoder: `cargo fuzz run encoder`.
#![no_main]

#[path = "../../tests/it/encoder/cells.rs"]
#[expect(dead_code, reason = "the other target's")]
mod cells;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| cells::encoder_holds(bytes));
